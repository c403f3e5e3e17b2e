#include "server/metrics.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/node/node_testing.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

// The answer to GET /metrics; empty when nobody answers.
std::string Scrape(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char bytes[4096];
    for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;) answer.append(bytes, static_cast<size_t>(n));
  }
  close(fd);
  return answer;
}

// A port of loopback that was free a moment ago.
int FreePort() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

TEST(MetricsTest, ServesTheNodesFiguresAndStopsAtOnce) {
  node::TestNetwork network({"apac", "hq"});
  auto hq = network.Open("hq");
  absl::Duration stopping;
  for (int i = 0; i < 5; ++i) {
    Metrics metrics;
    const int port = FreePort();
    const absl::Status served =
        metrics.Serve(fmt::format("127.0.0.1:{}", port), {.node = hq.node.get(),
                                                          .links = [] { return std::vector<replication::LinkInfo>(); },
                                                          .certificate_expiry = [] { return absl::UnixEpoch(); }});
    ASSERT_TRUE(served.ok()) << served;
    const std::string answer = Scrape(port);
    EXPECT_THAT(answer, HasSubstr("fairlead_node_writable 1"));
    EXPECT_THAT(answer, HasSubstr("fairlead_statements_unkept_total 0"));
    const absl::Time start = absl::Now();
    metrics.Stop();
    stopping += absl::Now() - start;
    EXPECT_EQ(Scrape(port), "");
    metrics.Stop();
  }
  // Its thread wakes by itself every two seconds: five stops would take five seconds.
  EXPECT_LT(stopping, absl::Seconds(2));
}

}  // namespace
}  // namespace fairlead
