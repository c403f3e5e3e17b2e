#include "tests/framework/ports.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <random>
#include <string>

namespace fairlead::framework {
namespace {

constexpr int kFirst = 12000;
constexpr int kEnd = 32000;  // the kernel's own range starts at 32768 (ip_local_port_range)
constexpr int kBlock = 50;   // ports are claimed by so many

bool IsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return free;
}

// Claims a block of ports for this process, against every other that asks here: a name in the abstract namespace of Unix sockets (unix(7)),
// which belongs to the same network namespace as the ports and is gone with the process, however that ends.
bool Claim(int first_port) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const std::string name = absl::StrCat("fairlead-test-ports-", first_port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());  // the NUL before it makes it abstract
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())) ==
      0) {
    return true;  // fd stays open as long as the process runs
  }
  close(fd);
  return false;
}

}  // namespace

absl::StatusOr<int> FreePort() {
  static absl::Mutex mutex(absl::kConstInit);
  // From a random place, so that a port is seldom given again soon after its server ended.
  static std::random_device random;
  static int block = kFirst + kBlock * std::uniform_int_distribution<int>(0, (kEnd - kFirst) / kBlock - 1)(random);
  static int next = 0;  // 0: the block is not claimed yet
  absl::MutexLock lock(&mutex);
  for (int blocks = 0; blocks < (kEnd - kFirst) / kBlock; ++blocks) {
    if (next == 0 && Claim(block)) next = block;
    while (next != 0 && next < block + kBlock) {
      const int port = next++;
      if (IsFree(port)) return port;
    }
    next = 0;
    block = block + kBlock == kEnd ? kFirst : block + kBlock;
  }
  return absl::UnavailableError("no TCP port is free");
}

}  // namespace fairlead::framework
