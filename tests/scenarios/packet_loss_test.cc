// A network that loses packets, as TCP meets it: in a network namespace of this program's own, whose loopback drops packets at random or
// all of one node's, without a word to either side. The fault proxy of the other scenarios can delay and break connections, but not lose.
//
// Needs root and nft. Latency and jitter are the proxy's: not every kernel has netem.

#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

constexpr char kNft[] = "/usr/sbin/nft";
constexpr absl::Duration kStallBound = absl::Seconds(20);    // replication's stall timeout of 10 s, and time to see it
constexpr absl::Duration kHealPatience = absl::Seconds(90);  // peers dial again after up to half a minute

// This process and those it starts get a network of their own, which goes with them. Before any thread is there, since each has its own.
std::string EnterOwnNetwork() {
  if (unshare(CLONE_NEWNET) != 0) return fmt::format("unshare: {}", strerror(errno));
  ifreq loopback{};
  strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool up = ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
  close(fd);
  if (!up) return fmt::format("lo: {}", strerror(errno));
  return std::filesystem::exists(kNft) ? "" : "there is no nft";
}

const std::string& WhyNot() {
  static const std::string why = EnterOwnNetwork();
  return why;
}

class PacketLoss : public Scenario {
 protected:
  void SetUp() override {
    if (!WhyNot().empty()) GTEST_SKIP() << "needs a network namespace with a packet filter: " << WhyNot();
    const absl::Status made = Nft("add table inet loss; add chain inet loss in { type filter hook input priority 0; }");
    if (!made.ok()) GTEST_SKIP() << "needs a network namespace with a packet filter: " << made;
  }
  void TearDown() override {
    if (WhyNot().empty()) Nft("delete table inet loss").IgnoreError();
    Scenario::TearDown();
  }
  static absl::Status Nft(const std::string& command) {
    const auto ended = framework::RunToEnd({kNft, command}, kPatience);
    if (!ended.ok()) return ended.status();
    return ended->exit == framework::Exit() ? absl::OkStatus() : absl::FailedPreconditionError(ended->output);
  }
  static absl::Status Drop(const std::string& packets) { return Nft("add rule inet loss in " + packets + " drop"); }
  static absl::Status DropNothing() { return Nft("flush chain inet loss in"); }
  void ExpectHealed(WritersEverywhere* writers) {
    const auto acknowledged = writers->Stop();
    ASSERT_TRUE(Ok(acknowledged));
    ASSERT_TRUE(Ok(cluster().WaitForConvergence({}, kHealPatience)));
    ExpectEachOnceEverywhere(*acknowledged);
  }
};

TEST_F(PacketLoss, EveryTwentiethPacketLostLosesNothingElse) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  ASSERT_TRUE(Ok(Drop("meta l4proto tcp numgen random mod 20 == 0")));
  WritersEverywhere writers(&cluster(), 1);
  ASSERT_TRUE(writers.EachAcknowledges(25, 2 * kPatience));
  // It converges while packets are lost.
  ASSERT_NO_FATAL_FAILURE(ExpectHealed(&writers));
}

TEST_F(PacketLoss, ANodeWhosePacketsVanishIsNoticedAndHeardAgain) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  for (const char* peer : {"eame", "csa", "hq"}) ASSERT_TRUE(Eventually([&] { return LinkOf(peer, "apac").connected(); })) << peer;
  // From a network that agrees (tests/ROBUSTNESS.md, "Seen and not corrected").
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const std::string address = cluster().address("apac");
  const std::string port = address.substr(address.find(':') + 1);
  ASSERT_TRUE(Ok(Drop("tcp dport " + port)));
  ASSERT_TRUE(Ok(Drop("tcp sport " + port)));
  WritersEverywhere writers(&cluster(), 1);
  for (const char* peer : {"eame", "csa", "hq"}) {
    EXPECT_TRUE(Eventually([&] { return !LinkOf(peer, "apac").connected(); }, kStallBound)) << peer;
    EXPECT_NE(LinkOf(peer, "apac").last_error(), "") << peer;
  }
  const auto elsewhere = Create(cluster().Officer("hq"), EngagementAt("hq", "Meanwhile"), AtSite("hq"));
  ASSERT_TRUE(Ok(elsewhere));
  EXPECT_TRUE(Eventually([&] { return GetEngagement(cluster().Officer("csa"), elsewhere->name(), AtSite("csa")).ok(); }));
  ASSERT_TRUE(Ok(DropNothing()));
  ASSERT_TRUE(writers.EachAcknowledges(3, kHealPatience));
  auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  acknowledged->emplace_back(elsewhere->name(), elsewhere->title());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence({}, kHealPatience)));
  ExpectEachOnceEverywhere(*acknowledged);
}

}  // namespace
}  // namespace fairlead::scenarios
