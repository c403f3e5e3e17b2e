// A network that loses packets, as TCP meets it: in a network namespace of this program's own, whose loopback drops packets at random or
// all of one node's, without a word to either side. The fault proxy of the other scenarios can delay and break connections, but not lose.
//
// Needs root and nft. Latency and jitter are the proxy's: not every kernel has netem.

#include <string>

#include "tests/framework/machines.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

constexpr absl::Duration kStallBound = absl::Seconds(20);    // replication's stall timeout of 10 s, and time to see it
constexpr absl::Duration kHealPatience = absl::Seconds(90);  // peers dial again after up to half a minute

class PacketLoss : public Scenario {
 protected:
  void SetUp() override {
    if (!framework::WhyNoOwnNetwork().empty())
      GTEST_SKIP() << "needs a network namespace with a packet filter: " << framework::WhyNoOwnNetwork();
    const absl::Status made = framework::Nft("add table inet loss; add chain inet loss in { type filter hook input priority 0; }");
    if (!made.ok()) GTEST_SKIP() << "needs a network namespace with a packet filter: " << made;
  }
  void TearDown() override {
    if (framework::WhyNoOwnNetwork().empty()) framework::Nft("delete table inet loss").IgnoreError();
    Scenario::TearDown();
  }
  static absl::Status Drop(const std::string& packets) { return framework::Nft("add rule inet loss in " + packets + " drop"); }
  static absl::Status DropNothing() { return framework::Nft("flush chain inet loss in"); }
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
