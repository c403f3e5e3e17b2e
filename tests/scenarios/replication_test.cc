// Entries reach every site, by whatever path is left.

#include <fmt/format.h>

#include <set>

#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Property;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const v1::LinkStatus* LinkTo(const v1::NodeStatus& status, const std::string& peer) {
  for (const v1::LinkStatus& link : status.links()) {
    if (link.peer() == peer) return &link;
  }
  return nullptr;
}

const v1::SiteOverview* SiteIn(const v1::Overview& overview, const std::string& site) {
  for (const v1::SiteOverview& each : overview.sites()) {
    if (each.site() == site) return &each;
  }
  return nullptr;
}

absl::Duration Lag(const v1::SiteOverview& site) { return absl::Seconds(site.lag().seconds()) + absl::Nanoseconds(site.lag().nanos()); }

class Replication : public Scenario {
 protected:
  // The link's state as `site` tells it; an unset one when it does not answer.
  v1::LinkStatus Link(const std::string& site, const std::string& peer) {
    const auto status = cluster().Status(site);
    if (!status.ok()) return {};
    const v1::LinkStatus* link = LinkTo(*status, peer);
    return link == nullptr ? v1::LinkStatus() : *link;
  }
  bool Connected(const std::string& site, const std::string& peer) { return Link(site, peer).connected(); }
  void CreateMany(const std::string& site, int n) {
    for (int i = 0; i < n; ++i) {
      const auto created = Create(cluster().Officer(site), EngagementAt(site, fmt::format("{} {}", site, i)));
      ASSERT_TRUE(Ok(created));
      names_.insert(created->name());
    }
  }
  std::set<std::string> NamesAt(const std::string& site) {
    std::set<std::string> names;
    const auto listed = ListEngagements(cluster().Officer(site));
    EXPECT_TRUE(Ok(listed));
    if (listed.ok()) {
      for (const v1::Engagement& engagement : *listed) names.insert(engagement.name());
    }
    return names;
  }

  std::set<std::string> names_;  // of what CreateMany has created
};

TEST_F(Replication, WhatEachSiteWritesAllSitesHold) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  std::vector<v1::Engagement> written;
  for (const std::string& site : cluster().sites()) {
    const auto created = Create(cluster().Officer(site), EngagementAt(site, "Talks of " + site));
    ASSERT_TRUE(Ok(created));
    EXPECT_EQ(created->state(), v1::ENGAGEMENT_STATE_DRAFT);
    EXPECT_EQ(created->marking(), v1::MARKING_OFFICIAL);
    written.push_back(*created);
  }
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));

  for (const std::string& site : cluster().sites()) {
    for (size_t i = 0; i < written.size(); ++i) {
      SCOPED_TRACE(fmt::format("{} read at {}", written[i].title(), site));
      const auto read = GetEngagement(cluster().Officer(site), written[i].name());
      ASSERT_TRUE(Ok(read));
      EXPECT_EQ(read->SerializeAsString(), written[i].SerializeAsString()) << read->DebugString() << written[i].DebugString();
      const auto revisions = Revisions(cluster().Officer(site), written[i].name());
      ASSERT_TRUE(Ok(revisions));
      ASSERT_THAT(*revisions, SizeIs(1));
      const v1::Revision& revision = revisions->front();
      const std::string& origin = cluster().sites()[i];
      EXPECT_EQ(revision.site(), origin);
      EXPECT_EQ(revision.actor(), fmt::format("officer/{}/watch", origin));
      EXPECT_EQ(revision.method(), "fairlead.v1.EngagementService/CreateEngagement");
      EXPECT_EQ(revision.time().SerializeAsString(), written[i].create_time().SerializeAsString());
      // The countries were entry 0 of hq's log.
      EXPECT_EQ(revision.entry(), fmt::format("{}/1/{}", origin, origin == "hq" ? 1 : 0));
      bool titled = false;
      for (const v1::FieldChange& change : revision.changes()) {
        titled |= change.field() == "title" && change.value() == fmt::format("\"{}\"", written[i].title()) && change.replaced() == 0;
      }
      EXPECT_TRUE(titled) << revision.DebugString();
    }
  }

  const auto heard = [&] {
    const auto overview = cluster().Overview("hq");
    return overview.ok() && overview->unreachable().empty();
  };
  ASSERT_TRUE(Eventually(heard));
  const auto overview = cluster().Overview("hq");
  ASSERT_TRUE(Ok(overview));
  EXPECT_EQ(overview->answering_site(), "hq");
  ASSERT_EQ(overview->sites_size(), 4);
  for (const v1::SiteOverview& site : overview->sites()) {
    SCOPED_TRACE(site.site());
    EXPECT_EQ(site.records(), site.site() == "hq" ? 5 : 1);
    EXPECT_EQ(site.entries(), site.site() == "hq" ? 2 : 1);
    EXPECT_EQ(site.entries_behind(), 0);
    EXPECT_EQ(site.conflicts(), 0);
    EXPECT_LT(Lag(site), absl::Seconds(10));
  }
  EXPECT_THAT(overview->engagements(), SizeIs(4));
  for (const v1::EngagementCount& count : overview->engagements()) {
    EXPECT_EQ(count.kind(), v1::ENGAGEMENT_KIND_BILATERAL);
    EXPECT_EQ(count.state(), v1::ENGAGEMENT_STATE_DRAFT);
    EXPECT_EQ(count.count(), 1);
  }
  for (const v1::RegionCount& region : overview->regions()) {
    EXPECT_EQ(region.countries(), 1);
    EXPECT_EQ(region.countries_engaged(), 1);
  }
}

TEST_F(Replication, SitesCosignWhatTheyHold) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  ASSERT_NO_FATAL_FAILURE(CreateMany("apac", 3));
  std::string last;
  const auto cosigned = [&] {
    const auto status = cluster().Status("hq");
    if (!status.ok()) return false;
    last = status->DebugString();
    for (const v1::LogStatus& log : status->logs()) {
      if (log.site() != "apac") continue;
      std::set<std::string> holders;
      for (const v1::CosignatureStatus& cosignature : log.cosignatures()) {
        if (cosignature.size() == 3) holders.insert(cosignature.site());
      }
      return log.size() == 3 && log.checkpoint_size() == 3 && holders == std::set<std::string>{"apac", "eame", "csa", "hq"};
    }
    return false;
  };
  EXPECT_TRUE(Eventually(cosigned)) << last;
}

TEST_F(Replication, ACutSiteWorksOnAndNothingIsLost) {
  ClusterOptions options;
  options.limits = "staleness_seconds = 2";
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  for (const char* peer : {"eame", "csa", "hq"})
    ASSERT_TRUE(Eventually([&] { return Connected("apac", peer) && Connected(peer, "apac"); }));
  ASSERT_TRUE(Eventually([&] { return Connected("hq", "eame"); }));

  cluster().SetLinks("apac", LinkState::kCut);
  for (const char* peer : {"eame", "csa", "hq"}) {
    SCOPED_TRACE(peer);
    EXPECT_TRUE(Eventually([&] { return !Connected("apac", peer) && !Connected(peer, "apac"); }));
    EXPECT_NE(Link(peer, "apac").last_error(), "");
    EXPECT_NE(Link("apac", peer).last_error(), "");
  }
  EXPECT_TRUE(Connected("hq", "eame"));

  for (const std::string& site : cluster().sites()) ASSERT_NO_FATAL_FAILURE(CreateMany(site, 5));
  // The same field of one country at both sides; different fields of another.
  ASSERT_TRUE(Ok(SetCountryText(cluster().Officer("apac"), "countries/JP", "display_name", "Japan, says apac")));
  ASSERT_TRUE(Ok(SetCountryText(cluster().Officer("hq"), "countries/JP", "display_name", "Japan, says hq")));
  ASSERT_TRUE(Ok(SetCountryText(cluster().Officer("apac"), "countries/DE", "official_name", "Federal Republic of Germany")));
  ASSERT_TRUE(Ok(SetCountryText(cluster().Officer("eame"), "countries/DE", "alpha3", "DEU")));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence({"eame", "csa", "hq"})));
  EXPECT_THAT(NamesAt("hq"), SizeIs(15));
  EXPECT_THAT(NamesAt("apac"), SizeIs(5));

  // The age of what hq knows of apac grows, and says so.
  absl::Duration lag;
  const auto stale = [&] {
    const auto overview = cluster().Overview("hq");
    if (!overview.ok() || overview->unreachable_size() != 1) return false;
    lag = Lag(*SiteIn(*overview, "apac"));
    return overview->unreachable(0) == "apac" && SiteIn(*overview, "eame")->entries_behind() == 0;
  };
  ASSERT_TRUE(Eventually(stale));
  EXPECT_GE(lag, absl::Seconds(2));
  const absl::Duration before = lag;
  EXPECT_TRUE(Eventually([&] { return stale() && lag >= before + absl::Milliseconds(500); }));

  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  v1::Country japan;
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    EXPECT_EQ(NamesAt(site), names_);
    const auto jp = GetCountry(cluster().Officer(site), "countries/JP");
    ASSERT_TRUE(Ok(jp));
    ASSERT_EQ(jp->conflicts_size(), 1) << jp->DebugString();
    EXPECT_EQ(jp->conflicts(0).field(), "display_name");
    ASSERT_EQ(jp->conflicts(0).other_values_size(), 1);
    EXPECT_THAT((std::vector<std::string>{fmt::format("\"{}\"", jp->display_name()), jp->conflicts(0).other_values(0)}),
                UnorderedElementsAre("\"Japan, says apac\"", "\"Japan, says hq\""));
    if (site == "apac") japan = *jp;
    EXPECT_EQ(jp->SerializeAsString(), japan.SerializeAsString());
    const auto de = GetCountry(cluster().Officer(site), "countries/DE");
    ASSERT_TRUE(Ok(de));
    EXPECT_EQ(de->official_name(), "Federal Republic of Germany");
    EXPECT_EQ(de->alpha3(), "DEU");
    EXPECT_THAT(de->conflicts(), IsEmpty());
  }
  const auto overview = cluster().Overview("csa");
  ASSERT_TRUE(Ok(overview));
  EXPECT_EQ(SiteIn(*overview, "hq")->conflicts(), 1);  // the country began there

  // A person who has seen both resolves it, at any site; nothing of the past goes.
  ASSERT_TRUE(Ok(SetCountryText(cluster().Officer("csa"), "countries/JP", "display_name", "Japan")));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    const auto jp = GetCountry(cluster().Officer(site), "countries/JP");
    ASSERT_TRUE(Ok(jp));
    EXPECT_EQ(jp->display_name(), "Japan");
    EXPECT_THAT(jp->conflicts(), IsEmpty());
    const auto revisions = Revisions(cluster().Officer(site), "countries/JP");
    ASSERT_TRUE(Ok(revisions));
    ASSERT_THAT(*revisions, SizeIs(4));
    EXPECT_EQ(revisions->front().site(), "csa");
    EXPECT_EQ(revisions->front().changes(0).replaced(), 2);
    EXPECT_THAT((std::vector<std::string>{(*revisions)[1].site(), (*revisions)[2].site()}), UnorderedElementsAre("apac", "hq"));
    EXPECT_EQ(revisions->back().site(), "hq");
  }
  EXPECT_TRUE(Eventually([&] {
    const auto after = cluster().Overview("hq");
    return after.ok() && after->unreachable().empty() && SiteIn(*after, "hq")->conflicts() == 0 && Connected("hq", "apac") &&
           Link("hq", "apac").entries_behind() == 0;
  }));
}

TEST_F(Replication, HeadquartersRelaysBetweenRegionsThatCannotSeeEachOther) {
  ClusterOptions options;
  options.region_links = false;
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const auto csa = cluster().Status("csa");
  ASSERT_TRUE(Ok(csa));
  ASSERT_EQ(csa->links_size(), 1);
  EXPECT_EQ(csa->links(0).peer(), "hq");

  ASSERT_NO_FATAL_FAILURE(CreateMany("apac", 3));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  EXPECT_EQ(NamesAt("csa"), names_);
  EXPECT_GT(cluster().Counts("csa", "hq").bytes_from_target, 0u);

  // Without headquarters nothing passes; with it again, all does.
  cluster().Kill("hq");
  ASSERT_NO_FATAL_FAILURE(CreateMany("apac", 3));
  ASSERT_TRUE(Eventually([&] { return !Connected("csa", "hq") && !Connected("apac", "hq"); }));
  EXPECT_THAT(NamesAt("csa"), SizeIs(3));
  ASSERT_TRUE(Ok(cluster().StartNode("hq")));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  EXPECT_EQ(NamesAt("csa"), names_);
  EXPECT_EQ(NamesAt("eame"), names_);
}

TEST_F(Replication, ALinkThatIsDownIsGoneAround) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  cluster().SetLink("apac", "csa", LinkState::kCut);
  cluster().SetLink("csa", "apac", LinkState::kCut);
  ASSERT_TRUE(Eventually([&] { return !Connected("apac", "csa") && !Connected("csa", "apac"); }));
  ASSERT_NO_FATAL_FAILURE(CreateMany("apac", 2));
  ASSERT_NO_FATAL_FAILURE(CreateMany("csa", 2));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  EXPECT_EQ(NamesAt("apac"), names_);
  EXPECT_EQ(NamesAt("csa"), names_);
  EXPECT_FALSE(Connected("csa", "apac"));
}

TEST_F(Replication, AStalledLinkIsNoticedWhileOthersFlow) {
  constexpr absl::Duration kStallBound = absl::Seconds(10);  // replication's stall timeout
  constexpr absl::Duration kFlowBound = absl::Seconds(5);    // less than that: nobody waits for the stalled site
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  for (const char* peer : {"eame", "csa", "hq"}) ASSERT_TRUE(Eventually([&] { return Connected(peer, "apac"); }));

  const absl::Time stalled = absl::Now();
  cluster().SetLinks("apac", LinkState::kStalled);
  const uint64_t bytes = cluster().Counts("hq", "apac").bytes_from_target;
  ASSERT_NO_FATAL_FAILURE(CreateMany("eame", 5));
  ASSERT_NO_FATAL_FAILURE(CreateMany("apac", 5));
  EXPECT_TRUE(Ok(cluster().WaitForConvergence({"eame", "csa", "hq"}, kFlowBound)));
  EXPECT_EQ(cluster().Counts("hq", "apac").bytes_from_target, bytes);
  for (const char* peer : {"eame", "csa", "hq"}) {
    SCOPED_TRACE(peer);
    EXPECT_TRUE(Eventually([&] { return !Connected(peer, "apac"); }, kStallBound + kFlowBound));
    EXPECT_NE(Link(peer, "apac").last_error(), "");
  }
  EXPECT_LT(absl::Now() - stalled, kStallBound + kFlowBound);
  EXPECT_TRUE(Connected("hq", "eame"));

  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) EXPECT_EQ(NamesAt(site), names_);
  EXPECT_TRUE(Eventually([&] { return Connected("hq", "apac"); }));
}

TEST_F(Replication, ASlowLinkIsMeasuredAndDelivers) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  for (const char* peer : {"eame", "csa", "hq"}) {
    cluster().SetDelay(peer, "apac", absl::Milliseconds(150));
    cluster().SetDelay("apac", peer, absl::Milliseconds(150));
  }
  EXPECT_TRUE(Eventually([&] { return Link("hq", "apac").rtt().nanos() >= 300'000'000; }));
  EXPECT_TRUE(Connected("hq", "apac"));
  ASSERT_NO_FATAL_FAILURE(CreateMany("apac", 3));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  EXPECT_EQ(NamesAt("hq"), names_);
}

}  // namespace
}  // namespace fairlead::scenarios
