#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "fairlead/v1/assessment.pb.h"
#include "server/view/overview_fixture.h"

namespace fairlead::view {
namespace {

using google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

TEST_F(OverviewTest, CountriesAreToldAsTheyStoodOnADay) {
  PutCountry(hq_, "JP", v1::REGION_APAC);
  const auto held = [&](const std::string& id, int year) {
    v1::Engagement visit = With({"JP"}, v1::REGION_APAC, v1::ENGAGEMENT_KIND_COUNTRY_VISIT, v1::ENGAGEMENT_STATE_CLOSED);
    visit.mutable_start_date()->set_year(year);
    visit.mutable_start_date()->set_month(3);
    visit.mutable_start_date()->set_day(10);
    Put(hq_, "engagements/" + id, visit, {"title", "countries", "region", "kind", "state", "start_date"});
  };
  held("1", 2018);
  held("2", 2025);
  v1::Assessment determined;
  determined.set_country("countries/JP");
  determined.set_state(v1::ASSESSMENT_STATE_DETERMINED);
  for (auto [date, year] : {std::pair(determined.mutable_determination_date(), 2020), std::pair(determined.mutable_due_date(), 2023)}) {
    date->set_year(year);
    date->set_month(6);
    date->set_day(1);
  }
  Put(hq_, "assessments/1", determined, {"country", "state", "determination_date", "due_date"});
  v1::ListCountryOverviewsRequest request;
  const auto on = [&](int year, int month, int day) {
    request.mutable_as_of()->set_year(year);
    request.mutable_as_of()->set_month(month);
    request.mutable_as_of()->set_day(day);
    const auto listed = ListCountryOverviews(*hq_.node, Options(), request);
    EXPECT_TRUE(listed.ok()) << listed.status();
    EXPECT_EQ(listed->countries_size(), 1);
    const v1::CountryOverview country = listed->countries_size() == 1 ? listed->countries(0) : v1::CountryOverview();
    return std::tuple(country.standing(), country.last_engagement(), country.assessment(), country.engagements());
  };
  // As they stood; the count of engagements is of now.
  EXPECT_EQ(on(2018, 3, 9), std::tuple(v1::STANDING_NEVER, "", v1::CYCLE_STATUS_NEVER, 2));
  EXPECT_EQ(on(2018, 3, 10), std::tuple(v1::STANDING_ENGAGED, "engagements/1", v1::CYCLE_STATUS_NEVER, 2));
  EXPECT_EQ(on(2021, 3, 10), std::tuple(v1::STANDING_DUE, "engagements/1", v1::CYCLE_STATUS_CURRENT, 2));
  EXPECT_EQ(on(2021, 3, 11), std::tuple(v1::STANDING_OVERDUE, "engagements/1", v1::CYCLE_STATUS_CURRENT, 2));
  EXPECT_EQ(on(2025, 3, 10), std::tuple(v1::STANDING_ENGAGED, "engagements/2", v1::CYCLE_STATUS_OVERDUE, 2));
  // The filter is of that day, too.
  request.set_standing(v1::STANDING_NEVER);
  EXPECT_EQ(ListCountryOverviews(*hq_.node, Options(), request)->countries_size(), 0);
  request.mutable_as_of()->clear_day();
  EXPECT_EQ(ListCountryOverviews(*hq_.node, Options(), request).status().code(), absl::StatusCode::kInvalidArgument);
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

}  // namespace
}  // namespace fairlead::view
