#include "tests/framework/ports.h"

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <set>
#include <string>

namespace fairlead::framework {
namespace {

// What another process that asks for ports does first.
int ClaimAsAnother(int first_port) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string name = absl::StrCat("fairlead-test-ports-", first_port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
  close(fd);
  return -1;
}

// A node that a test stops for a while found its port taken by a node of the test program beside it.
TEST(PortsTest, APortIsGivenToOneOfTheProcessesThatRunAtATime) {
  const auto first = FreePort();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ClaimAsAnother(*first / 50 * 50), -1) << "the block of a given port is not claimed";
  int taken = *first / 50 * 50;  // the next block that nobody has claimed
  int fd = -1;
  while (fd < 0) {
    taken = taken + 50 == 32000 ? 12000 : taken + 50;
    ASSERT_NE(taken, *first / 50 * 50) << "no block is left";
    fd = ClaimAsAnother(taken);
  }
  std::set<int> given = {*first};
  for (int i = 0; i < 100; ++i) {  // past the end of the first block
    const auto port = FreePort();
    ASSERT_TRUE(port.ok()) << port.status();
    EXPECT_TRUE(*port < taken || *port >= taken + 50) << *port;
    EXPECT_TRUE(given.insert(*port).second) << *port;
  }
  close(fd);
}

}  // namespace
}  // namespace fairlead::framework
