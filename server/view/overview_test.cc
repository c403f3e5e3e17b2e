#include "server/view/overview.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <tuple>

#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/materialise.h"
#include "server/node/node_testing.h"

namespace fairlead::view {
namespace {

using google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kStale = absl::Seconds(60);

v1::Country InRegion(const std::string& name, v1::Region region) {
  v1::Country country;
  country.set_display_name(name);
  country.set_region(region);
  return country;
}

v1::Engagement With(const std::vector<std::string>& countries, v1::Region region, v1::EngagementKind kind, v1::EngagementState state) {
  v1::Engagement engagement;
  engagement.set_title("a visit");
  for (const std::string& country : countries) engagement.add_countries("countries/" + country);
  engagement.set_region(region);
  engagement.set_kind(kind);
  engagement.set_state(state);
  return engagement;
}

v1::FollowUp Due(int year, int month, int day, v1::FollowUpState state) {
  v1::FollowUp follow_up;
  follow_up.mutable_due_date()->set_year(year);
  follow_up.mutable_due_date()->set_month(month);
  follow_up.mutable_due_date()->set_day(day);
  follow_up.set_state(state);
  return follow_up;
}

class OverviewTest : public ::testing::Test {
 protected:
  using Site = node::TestNetwork::Site;

  // Makes the named fields of a record what they are in `next`, at the site.
  void Put(Site& site, const std::string& record, const google::protobuf::Message& next, const std::vector<std::string>& fields) {
    clock_.Advance(absl::Milliseconds(10));
    auto written = node::Write(*site.node, node::RequestFor(*site.node, record, next, fields, clock_.RequestId()));
    ASSERT_TRUE(written.ok()) << record << ": " << written.status();
  }
  void PutCountry(Site& site, const std::string& code, v1::Region region) {
    Put(site, "countries/" + code, InRegion(code, region), {"display_name", "region"});
  }
  void PutEngagement(Site& site, const std::string& id, const v1::Engagement& engagement) {
    Put(site, "engagements/" + id, engagement, {"title", "countries", "region", "kind", "state"});
  }

  // Brings `to` every statement that `from` holds.
  static void Tell(const Site& from, Site& to) {
    for (const auto& held : from.node->CosignaturesAfter(0)) ASSERT_TRUE(to.node->TakeCosignature(held.log, held.note).ok());
  }

  v1::Overview Of(const Site& site) const { return OverviewOf(*site.node, kStale); }

  node::TestNetwork network_{{"apac", "eame", "hq"}};
  node::ManualClock& clock_ = network_.clock();
  Site apac_ = network_.Open("apac");
  Site eame_ = network_.Open("eame");
  Site hq_ = network_.Open("hq");
};

std::map<v1::Region, v1::RegionCount> ByRegion(const v1::Overview& overview) {
  std::map<v1::Region, v1::RegionCount> out;
  for (const v1::RegionCount& count : overview.regions()) out[count.region()] = count;
  return out;
}

// Country, region, engagements and ports, in the overview's order.
std::vector<std::tuple<std::string, v1::Region, int64_t, int64_t>> CountriesOf(const v1::Overview& overview) {
  std::vector<std::tuple<std::string, v1::Region, int64_t, int64_t>> out;
  for (const v1::CountryOverview& c : overview.countries()) out.emplace_back(c.country(), c.region(), c.engagements(), c.ports());
  return out;
}

TEST_F(OverviewTest, AnEmptyNodeShowsEverySiteAndEveryRegion) {
  const v1::Overview overview = Of(hq_);
  EXPECT_EQ(overview.answering_site(), "hq");
  EXPECT_EQ(TimeUtil::TimestampToMilliseconds(overview.as_of_time()), absl::ToUnixMillis(clock_.Now()));
  ASSERT_THAT(overview.sites(), SizeIs(3));
  EXPECT_EQ(overview.sites(0).site(), "apac");
  EXPECT_EQ(overview.sites(1).site(), "eame");
  EXPECT_EQ(overview.sites(2).site(), "hq");
  EXPECT_THAT(overview.engagements(), IsEmpty());
  ASSERT_THAT(overview.regions(), SizeIs(v1::REGION_HQ));
  for (int i = 0; i < overview.regions_size(); ++i) {
    EXPECT_EQ(overview.regions(i).region(), v1::REGION_APAC + i);
    EXPECT_EQ(overview.regions(i).countries(), 0);
  }
  // The others have never been heard of; this site itself is always current.
  EXPECT_THAT(overview.unreachable(), ElementsAre("apac", "eame"));
  EXPECT_FALSE(overview.sites(0).has_as_of_time());
  EXPECT_FALSE(overview.sites(0).has_lag());
  EXPECT_EQ(overview.sites(2).as_of_time().SerializeAsString(), overview.as_of_time().SerializeAsString());
  EXPECT_EQ(TimeUtil::DurationToNanoseconds(overview.sites(2).lag()), 0);
}

TEST_F(OverviewTest, SitesShowWhatIsHereAsOfWhenAndHowFarBehind) {
  PutCountry(apac_, "JP", v1::REGION_APAC);
  PutCountry(apac_, "KR", v1::REGION_APAC);
  PutCountry(eame_, "FR", v1::REGION_EAME);
  node::Sync(*apac_.node, *hq_.node);
  node::Sync(*eame_.node, *hq_.node);
  clock_.Advance(absl::Seconds(1));
  const absl::Time said = absl::FromUnixSeconds(absl::ToUnixSeconds(clock_.Now()));  // statements have whole seconds
  apac_.node->Tick();
  eame_.node->Tick();
  Tell(apac_, hq_);
  Tell(eame_, hq_);

  // apac writes two more, says so and is not heard of again; hq changes a record that began at apac.
  PutCountry(apac_, "PH", v1::REGION_APAC);
  PutCountry(apac_, "VN", v1::REGION_APAC);
  clock_.Advance(absl::Seconds(2));
  apac_.node->Tick();
  Tell(apac_, hq_);
  Put(hq_, "countries/JP", InRegion("Japan", v1::REGION_APAC), {"display_name", "region"});
  clock_.Advance(absl::Seconds(7));
  v1::Overview overview = Of(hq_);
  ASSERT_THAT(overview.sites(), SizeIs(3));
  const v1::SiteOverview& apac = overview.sites(0);
  EXPECT_EQ(apac.records(), 2);
  EXPECT_EQ(apac.entries(), 2);
  EXPECT_EQ(apac.entries_behind(), 2);
  EXPECT_EQ(apac.conflicts(), 0);
  EXPECT_EQ(TimeUtil::TimestampToSeconds(apac.as_of_time()), absl::ToUnixSeconds(said));
  EXPECT_EQ(TimeUtil::DurationToMilliseconds(apac.lag()), absl::ToInt64Milliseconds(clock_.Now() - said));
  EXPECT_EQ(overview.sites(1).records(), 1);
  EXPECT_EQ(overview.sites(1).entries_behind(), 0);
  EXPECT_EQ(overview.sites(2).records(), 0);  // it began none
  EXPECT_EQ(overview.sites(2).entries(), 1);
  EXPECT_THAT(overview.unreachable(), IsEmpty());

  // The bound is inclusive.
  clock_.Advance(kStale - (clock_.Now() - said));
  EXPECT_THAT(Of(hq_).unreachable(), IsEmpty());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(Of(hq_).unreachable(), ElementsAre("apac", "eame"));

  node::Sync(*apac_.node, *hq_.node);
  overview = Of(hq_);
  EXPECT_EQ(overview.sites(0).records(), 4);
  EXPECT_EQ(overview.sites(0).entries_behind(), 0);
  EXPECT_GT(TimeUtil::TimestampToSeconds(overview.sites(0).as_of_time()), absl::ToUnixSeconds(said));
}

TEST_F(OverviewTest, ConflictsCountWhereTheRecordBegan) {
  PutCountry(apac_, "JP", v1::REGION_APAC);
  node::Sync(*apac_.node, *hq_.node);
  Put(apac_, "countries/JP", InRegion("Nihon", v1::REGION_APAC), {"display_name", "region"});
  Put(hq_, "countries/JP", InRegion("Nippon", v1::REGION_EAME), {"display_name", "region"});
  node::Sync(*apac_.node, *hq_.node);
  const v1::Overview overview = Of(hq_);
  EXPECT_EQ(overview.sites(0).conflicts(), 1);  // of the name; only hq changed the region
  EXPECT_EQ(overview.sites(2).conflicts(), 0);
  EXPECT_EQ(ByRegion(overview)[v1::REGION_EAME].countries(), 1);
  EXPECT_EQ(ByRegion(overview)[v1::REGION_APAC].countries(), 0);
}

TEST_F(OverviewTest, CountriesPortsAndOfficersCountByRegion) {
  PutCountry(hq_, "JP", v1::REGION_APAC);
  PutCountry(hq_, "KR", v1::REGION_APAC);
  PutCountry(hq_, "FR", v1::REGION_EAME);
  v1::Port port;
  port.set_display_name("a port");
  port.set_country("countries/JP");
  Put(hq_, "ports/JPTYO", port, {"display_name", "country"});
  port.set_region_override(v1::REGION_CSA);
  Put(hq_, "ports/JPOSA", port, {"display_name", "country", "region_override"});
  port.set_country("countries/GB");  // a country that is not here
  port.clear_region_override();
  Put(hq_, "ports/GBLON", port, {"display_name", "country"});
  v1::PortFacility facility;
  facility.set_country("countries/FR");
  Put(hq_, "portFacilities/FRLEH-0001", facility, {"country"});
  v1::LiaisonOfficer officer;
  officer.set_region(v1::REGION_EAME);
  Put(hq_, "liaisonOfficers/first", officer, {"region"});

  PutEngagement(hq_, "1", With({"JP", "KR"}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_MULTILATERAL, v1::ENGAGEMENT_STATE_PROPOSED));
  PutEngagement(hq_, "2", With({"JP"}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_COUNTRY_VISIT, v1::ENGAGEMENT_STATE_DRAFT));
  PutEngagement(hq_, "3", With({"FR"}, v1::REGION_EAME, v1::ENGAGEMENT_KIND_COUNTRY_VISIT, v1::ENGAGEMENT_STATE_CANCELLED));

  auto regions = ByRegion(Of(hq_));
  EXPECT_EQ(regions[v1::REGION_APAC].countries(), 2);
  EXPECT_EQ(regions[v1::REGION_APAC].countries_engaged(), 2);
  EXPECT_EQ(regions[v1::REGION_APAC].ports(), 1);
  EXPECT_EQ(regions[v1::REGION_CSA].ports(), 1);
  EXPECT_EQ(regions[v1::REGION_EAME].countries(), 1);
  EXPECT_EQ(regions[v1::REGION_EAME].countries_engaged(), 0);  // it was cancelled
  EXPECT_EQ(regions[v1::REGION_EAME].port_facilities(), 1);
  EXPECT_EQ(regions[v1::REGION_EAME].liaison_officers(), 1);
  EXPECT_EQ(regions[v1::REGION_UNSPECIFIED].ports(), 1);
  EXPECT_EQ(regions[v1::REGION_UNSPECIFIED].countries(), 0);
  using Row = std::tuple<std::string, v1::Region, int64_t, int64_t>;
  EXPECT_THAT(CountriesOf(Of(hq_)), ElementsAre(Row("countries/FR", v1::REGION_EAME, 0, 0), Row("countries/JP", v1::REGION_APAC, 2, 2),
                                                Row("countries/KR", v1::REGION_APAC, 1, 0)));

  // A country that moves takes with it what counts by its region.
  PutCountry(hq_, "JP", v1::REGION_CSA);
  regions = ByRegion(Of(hq_));
  EXPECT_EQ(regions[v1::REGION_APAC].countries(), 1);
  EXPECT_EQ(regions[v1::REGION_APAC].countries_engaged(), 1);
  EXPECT_EQ(regions[v1::REGION_APAC].ports(), 0);
  EXPECT_EQ(regions[v1::REGION_CSA].countries(), 1);
  EXPECT_EQ(regions[v1::REGION_CSA].countries_engaged(), 1);
  EXPECT_EQ(regions[v1::REGION_CSA].ports(), 2);
  EXPECT_EQ(CountriesOf(Of(hq_))[1], Row("countries/JP", v1::REGION_CSA, 2, 2));
}

TEST_F(OverviewTest, EngagementsCountByRegionKindAndStateInThatOrder) {
  const auto visit = v1::ENGAGEMENT_KIND_COUNTRY_VISIT;
  PutEngagement(hq_, "1", With({"JP"}, v1::REGION_EAME, visit, v1::ENGAGEMENT_STATE_DRAFT));
  PutEngagement(hq_, "2", With({"JP"}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_MULTILATERAL, v1::ENGAGEMENT_STATE_DRAFT));
  PutEngagement(hq_, "3", With({"JP"}, v1::REGION_APAC, visit, v1::ENGAGEMENT_STATE_PROPOSED));
  PutEngagement(hq_, "4", With({"JP"}, v1::REGION_APAC, visit, v1::ENGAGEMENT_STATE_DRAFT));
  PutEngagement(hq_, "5", With({"KR"}, v1::REGION_APAC, visit, v1::ENGAGEMENT_STATE_DRAFT));
  PutEngagement(hq_, "6", With({"KR"}, v1::REGION_APAC, visit, v1::ENGAGEMENT_STATE_DRAFT));
  v1::Engagement withdrawn;
  withdrawn.set_withdrawn(true);
  Put(hq_, "engagements/6", withdrawn, {"withdrawn"});
  std::vector<std::tuple<int, int, int, int64_t>> counts;
  const v1::Overview overview = Of(hq_);
  for (const v1::EngagementCount& count : overview.engagements()) {
    counts.emplace_back(count.region(), count.kind(), count.state(), count.count());
  }
  std::vector<std::tuple<int, int, int, int64_t>> expected = {
      {v1::REGION_APAC, visit, v1::ENGAGEMENT_STATE_DRAFT, 2},
      {v1::REGION_APAC, visit, v1::ENGAGEMENT_STATE_PROPOSED, 1},
      {v1::REGION_APAC, v1::ENGAGEMENT_KIND_MULTILATERAL, v1::ENGAGEMENT_STATE_DRAFT, 1},
      {v1::REGION_EAME, visit, v1::ENGAGEMENT_STATE_DRAFT, 1},
  };
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(counts, expected);
  EXPECT_EQ(overview.sites(2).records(), 5);
}

TEST_F(OverviewTest, FollowUpsAreOverdueFromTheDayAfterTheyAreDue) {
  // The clock begins in 2027.
  const std::string today = absl::FormatTime("%Y-%m-%d", clock_.Now(), absl::UTCTimeZone());
  ASSERT_EQ(today, "2027-01-15");
  PutEngagement(hq_, "1", With({"JP"}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_COUNTRY_VISIT, v1::ENGAGEMENT_STATE_DRAFT));
  Put(hq_, "engagements/1/followUps/1", Due(2027, 1, 14, v1::FOLLOW_UP_STATE_OPEN), {"due_date", "state"});
  Put(hq_, "engagements/1/followUps/2", Due(2027, 1, 15, v1::FOLLOW_UP_STATE_DONE), {"due_date", "state"});
  Put(hq_, "engagements/1/followUps/3", Due(2026, 12, 31, v1::FOLLOW_UP_STATE_VERIFIED), {"due_date", "state"});
  v1::Observation observation;
  observation.set_severity(v1::SEVERITY_MINOR);
  Put(hq_, "engagements/1/observations/1", observation, {"severity"});
  v1::Overview overview = Of(hq_);
  EXPECT_EQ(overview.follow_ups_open(), 2);
  EXPECT_EQ(overview.follow_ups_overdue(), 1);
  EXPECT_EQ(overview.observations(), 1);
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(Of(hq_).follow_ups_overdue(), 2);
}

// The same figures, counted over the records as they are read, without anything that a commit has kept.
class Recount {
 public:
  explicit Recount(const node::Node& node) : node_(node) {
    auto it = node.store().Iterate(storage::Cf::kRecords, {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      auto state = node::DecodeState(it->value());
      EXPECT_TRUE(state.ok()) << state.status();
      const records::RecordType& type = *node.registry().FindByNumber(state->type);
      auto record = node::Materialise(type, std::string(it->key()), *state);
      const auto* reflection = record->GetReflection();
      if (reflection->GetBool(*record, record->GetDescriptor()->FindFieldByName("withdrawn"))) continue;
      const std::string& site = node.roster().FindLog(node::SpanOf(*state).first.log)->site_name;
      ++records_[site];
      conflicts_[site] += reflection->FieldSize(*record, record->GetDescriptor()->FindFieldByName("conflicts"));
      all_.push_back(std::move(record));
    }
  }

  void Check(const v1::Overview& overview) const {
    for (const v1::SiteOverview& site : overview.sites()) {
      EXPECT_EQ(site.records(), Of(records_, site.site())) << site.site();
      EXPECT_EQ(site.conflicts(), Of(conflicts_, site.site())) << site.site();
    }
    std::map<std::tuple<int, int, int>, int64_t> engagements;
    std::set<std::string> engaged;
    for (const v1::Engagement* engagement : All<v1::Engagement>()) {
      ++engagements[{engagement->region(), engagement->kind(), engagement->state()}];
      if (engagement->state() == v1::ENGAGEMENT_STATE_CANCELLED || engagement->state() == v1::ENGAGEMENT_STATE_REFUSED) continue;
      engaged.insert(engagement->countries().begin(), engagement->countries().end());
    }
    std::map<std::tuple<int, int, int>, int64_t> shown;
    for (const v1::EngagementCount& count : overview.engagements()) shown[{count.region(), count.kind(), count.state()}] = count.count();
    EXPECT_EQ(shown, engagements);

    for (const v1::RegionCount& region : overview.regions()) {
      auto in_region = [&](const v1::Country* country) { return country->region() == region.region(); };
      int64_t countries = 0;
      int64_t with_engagement = 0;
      std::set<std::string> names;
      for (const v1::Country* country : All<v1::Country>()) {
        if (!in_region(country)) continue;
        ++countries;
        with_engagement += engaged.contains(country->name()) ? 1 : 0;
        names.insert(country->name());
      }
      int64_t ports = 0;
      for (const v1::Port* port : All<v1::Port>()) {
        const bool own = port->region_override() == v1::REGION_UNSPECIFIED;
        ports += own ? names.contains(port->country()) : port->region_override() == region.region();
      }
      EXPECT_EQ(region.countries(), countries) << region.region();
      if (region.region() == v1::REGION_UNSPECIFIED) continue;  // countries that are not here count there too
      EXPECT_EQ(region.countries_engaged(), with_engagement) << region.region();
      EXPECT_EQ(region.ports(), ports) << region.region();
    }
    int64_t open = 0;
    int64_t overdue = 0;
    for (const v1::FollowUp* follow_up : All<v1::FollowUp>()) {
      if (follow_up->state() == v1::FOLLOW_UP_STATE_VERIFIED) continue;
      ++open;
      const auto& due = follow_up->due_date();
      overdue += absl::CivilDay(due.year(), due.month(), due.day()) < absl::ToCivilDay(node_.options().clock->Now(), absl::UTCTimeZone());
    }
    EXPECT_EQ(overview.follow_ups_open(), open);
    EXPECT_EQ(overview.follow_ups_overdue(), overdue);
  }

 private:
  static int64_t Of(const std::map<std::string, int64_t>& counts, const std::string& key) {
    auto found = counts.find(key);
    return found == counts.end() ? 0 : found->second;
  }
  template <class T>
  std::vector<const T*> All() const {
    std::vector<const T*> out;
    for (const auto& record : all_) {
      if (const T* one = google::protobuf::DynamicCastToGenerated<T>(record.get())) out.push_back(one);
    }
    return out;
  }

  const node::Node& node_;
  std::vector<std::unique_ptr<google::protobuf::Message>> all_;
  std::map<std::string, int64_t> records_;
  std::map<std::string, int64_t> conflicts_;
};

// Rule 16: figures are differences, and come to what a count from nothing gives, at every site, also while they differ, and after a
// restart.
TEST_F(OverviewTest, FiguresEqualARecountAfterRandomOperations) {
  const unsigned seed = 11;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::vector<Site*> sites = {&apac_, &eame_, &hq_};
  const std::vector<std::string> codes = {"FR", "JP", "KR", "PH", "VN"};
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int i = 0; i < 600; ++i) {
    Site& site = *sites[pick(3)];
    const std::string code = codes[pick(5)];
    switch (pick(7)) {
      case 0:
        node::Sync(*sites[pick(3)]->node, *site.node);
        break;
      case 1: {
        v1::Country country = InRegion(code + std::to_string(i), static_cast<v1::Region>(1 + pick(4)));
        country.set_withdrawn(pick(6) == 0);
        Put(site, "countries/" + code, country, {"display_name", "region", "withdrawn"});
        break;
      }
      case 2: {
        v1::Port port;
        port.set_display_name("port " + std::to_string(i));
        port.set_country("countries/" + codes[pick(5)]);
        if (pick(3) == 0) port.set_region_override(static_cast<v1::Region>(1 + pick(4)));
        Put(site, "ports/" + code + "AAA", port, {"display_name", "country", "region_override"});
        break;
      }
      case 3: {
        v1::FollowUp follow_up = Due(2027, 1, 10 + pick(10), static_cast<v1::FollowUpState>(1 + pick(4)));
        Put(site, "engagements/1/followUps/" + code, follow_up, {"due_date", "state"});
        break;
      }
      default: {
        v1::Engagement engagement = With({}, static_cast<v1::Region>(1 + pick(4)), static_cast<v1::EngagementKind>(1 + pick(3)),
                                         static_cast<v1::EngagementState>(1 + pick(9)));
        engagement.set_title("visit " + std::to_string(i));
        for (const std::string& with : codes) {
          if (pick(3) == 0) engagement.add_countries("countries/" + with);
        }
        engagement.set_withdrawn(pick(8) == 0);
        Put(site, "engagements/" + std::to_string(1 + pick(6)), engagement, {"title", "countries", "region", "kind", "state", "withdrawn"});
      }
    }
    if (i % 50 == 0) Recount(*site.node).Check(Of(site));
    if (HasFailure()) FAIL() << "after operation " << i;
  }
  for (int round = 0; round < 2; ++round) {
    for (Site* from : sites) {
      for (Site* to : sites) node::Sync(*from->node, *to->node);
    }
  }
  int64_t conflicts = 0;
  for (Site* site : sites) {
    EXPECT_EQ(node::Digests(*site->node), node::Digests(*hq_.node));
    Recount(*site->node).Check(Of(*site));
    const v1::Overview overview = Of(*site);
    for (const v1::SiteOverview& shown : overview.sites()) conflicts += shown.conflicts();
  }
  EXPECT_GT(conflicts, 0);  // the operations are of the kind that makes them
  auto restarted = network_.Open("hq", hq_.store->Crash(0));
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  Recount(*restarted->node).Check(Of(*restarted));
}

}  // namespace
}  // namespace fairlead::view
