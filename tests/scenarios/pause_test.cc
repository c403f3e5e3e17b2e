// A node that stands still (SIGSTOP: a virtual machine that is moved, a disk that hangs) and goes on as if nothing had been.

#include <fmt/format.h>

#include <string>

#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

constexpr absl::Duration kStallBound = absl::Seconds(15);  // replication's stall timeout of 10 s, and time to see it

class Pause : public Scenario {};

TEST_F(Pause, APausedNodeIsNamedAndGoesOnWithoutLoss) {
  ClusterOptions options;
  options.limits = "staleness_seconds = 2";
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  for (const char* peer : {"eame", "csa", "hq"}) {
    ASSERT_TRUE(Eventually([&] { return LinkOf(peer, "apac").connected(); })) << peer;
  }

  cluster().Pause("apac");
  Writers at_apac(&cluster(), "apac", 2);
  Writers at_eame(&cluster(), "eame", 1);
  const absl::Time paused = absl::Now();
  for (const char* peer : {"eame", "csa", "hq"}) {
    SCOPED_TRACE(peer);
    EXPECT_TRUE(Eventually([&] { return !LinkOf(peer, "apac").connected(); }, kStallBound));
    EXPECT_NE(LinkOf(peer, "apac").last_error(), "");
  }
  EXPECT_LT(absl::Now() - paused, kStallBound);
  EXPECT_TRUE(Eventually([&] {
    const auto overview = cluster().Overview("hq");
    return overview.ok() && overview->unreachable_size() == 1 && overview->unreachable(0) == "apac";
  }));
  // The others go on.
  const size_t before = at_eame.acknowledged_count();
  EXPECT_TRUE(Eventually([&] { return at_eame.acknowledged_count() >= before + 20; }));
  const auto elsewhere = Create(cluster().Officer("csa"), EngagementAt("csa", "Meanwhile"), AtSite("csa"));
  ASSERT_TRUE(Ok(elsewhere));
  EXPECT_TRUE(Eventually([&] { return GetEngagement(cluster().Officer("hq"), elsewhere->name(), AtSite("hq")).ok(); }));

  cluster().Resume("apac");
  const size_t after = at_apac.acknowledged_count();
  EXPECT_TRUE(Eventually([&] { return at_apac.acknowledged_count() >= after + 20; }));
  ASSERT_TRUE(Ok(at_apac.Stop()));
  ASSERT_TRUE(Ok(at_eame.Stop()));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence({}, 2 * kPatience)));
  Acknowledged acknowledged = at_apac.acknowledged();
  acknowledged.insert(acknowledged.end(), at_eame.acknowledged().begin(), at_eame.acknowledged().end());
  acknowledged.emplace_back(elsewhere->name(), elsewhere->title());
  ExpectEachOnceEverywhere(acknowledged);
  EXPECT_TRUE(Eventually([&] {
    const auto overview = cluster().Overview("hq");
    return overview.ok() && overview->unreachable().empty();
  }));
}

TEST_F(Pause, PausesTooShortToBeNoticedDoNoHarm) {
  constexpr int kPauses = 20;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  WritersEverywhere writers(&cluster(), 1);
  Acknowledged marks;
  for (int i = 0; i < kPauses; ++i) {
    const std::string& site = cluster().sites()[static_cast<size_t>(i) % 4];
    const std::string& other = cluster().sites()[static_cast<size_t>(i + 1) % 4];
    cluster().Pause(site);
    const auto created =
        Create(cluster().Officer(other), EngagementAt(other, fmt::format("While {} stands still, {}", site, i)), AtSite(other));
    cluster().Resume(site);
    ASSERT_TRUE(Ok(created));
    marks.emplace_back(created->name(), created->title());
    ASSERT_TRUE(writers.EachAcknowledges(3));
  }
  auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  acknowledged->insert(acknowledged->end(), marks.begin(), marks.end());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectEachOnceEverywhere(*acknowledged);
}

}  // namespace
}  // namespace fairlead::scenarios
