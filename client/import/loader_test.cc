#include "client/import/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "client/test_node.h"
#include "fairlead/v1/reference_service.pb.h"

namespace fairlead::import {
namespace {

using client::TestNode;
using fairlead::v1::Country;
using fairlead::v1::Port;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const RegionTable kRegions = {
    {"JP", {fairlead::v1::REGION_APAC, false}}, {"US", {fairlead::v1::REGION_HQ, false}}, {"FR", {fairlead::v1::REGION_EAME, false}}};

class LoaderTest : public testing::Test {
 protected:
  LoaderTest() {
    client::ClientOptions options;
    options.nodes = {{"apac", apac_.address()}, {"hq", hq_.address()}};
    options.timeout = absl::Seconds(20);
    options.retry = client::FastRetries();
    client_ = std::make_unique<client::Client>(options, std::vector<std::shared_ptr<grpc::Channel>>{apac_.Channel(), hq_.Channel()});
  }

  static Parsed<Port> Ports(const std::string& country, int n) {
    Parsed<Port> parsed;
    for (int i = 0; i < n; ++i) {
      Port port;
      port.set_name(fmt::format("ports/{}{}{}{}", country, static_cast<char>('A' + i / 576), static_cast<char>('A' + i / 24 % 24),
                                static_cast<char>('A' + i % 24)));
      port.set_country("countries/" + country);
      port.set_display_name(fmt::format("port {}", i));
      parsed.rows.push_back({i + 2, port});
    }
    parsed.read = n;
    return parsed;
  }

  static void ExpectBalanced(const Report& report) {
    EXPECT_EQ(report.read, report.skipped + report.created + report.updated + report.unchanged +
                               static_cast<int64_t>(report.refusals.size()) + report.unsent);
  }

  TestNode apac_{"apac"};
  TestNode hq_{"hq"};
  std::unique_ptr<client::Client> client_;
};

TEST_F(LoaderTest, RowsGoToTheirRegionInBatchesAndASecondImportChangesNothing) {
  Parsed<Port> both = Ports("JP", 1100);
  const Parsed<Port> more = Ports("US", 30);
  both.rows.insert(both.rows.end(), more.rows.begin(), more.rows.end());
  both.read += more.read;
  Report report = LoadPorts(*client_, both, PortSource::kUnlocode, kRegions, {});
  ExpectBalanced(report);
  EXPECT_EQ(report.created, 1130);
  EXPECT_EQ(apac_.ports().size(), 1100u);
  EXPECT_EQ(hq_.ports().size(), 30u);
  EXPECT_EQ(apac_.import_calls(), 3);
  EXPECT_EQ(hq_.import_calls(), 1);
  report = LoadPorts(*client_, both, PortSource::kUnlocode, kRegions, {});
  ExpectBalanced(report);
  EXPECT_EQ(report.unchanged, 1130);
  EXPECT_EQ(report.created + report.updated, 0);
}

TEST_F(LoaderTest, RefusalsKeepLineAndReason) {
  Parsed<Port> parsed = Ports("JP", 5);
  parsed.rows[3].record.set_display_name("refuse me");
  parsed.Refuse(99, "JPXXX", kNameMissing, "no name");
  const Parsed<Port> elsewhere = Ports("FR", 1);
  parsed.rows.push_back({50, elsewhere.rows[0].record});
  parsed.skipped = 2;
  parsed.read = 9;
  const Report report = LoadPorts(*client_, parsed, PortSource::kUnlocode, kRegions, {});
  ExpectBalanced(report);
  EXPECT_EQ(report.created, 4);
  EXPECT_EQ(report.skipped, 2);
  EXPECT_THAT(report.refusals, ElementsAre(Refusal{5, "JPAAD", "REFERENCE_NOT_FOUND", "country: there is no such country"},
                                           Refusal{50, "FRAAA", kSiteUnknown, "no node of site eame is configured"},
                                           Refusal{99, "JPXXX", kNameMissing, "no name"}));
  EXPECT_TRUE(report.failure.ok());
}

TEST_F(LoaderTest, ABatchWhoseCallFailsIsRefusedAndTheOthersGoOn) {
  Parsed<Port> parsed = Ports("JP", 6);
  LoadOptions options;
  options.batch_rows_max = 2;
  options.calls_in_flight_max = 1;
  // One call reads what is there; the next three import.
  apac_.FailNext({grpc::Status::OK, ToGrpc(Error(Reason::kStorageFull, "disk full"))});
  const Report report = LoadPorts(*client_, parsed, PortSource::kUnlocode, kRegions, options);
  ExpectBalanced(report);
  EXPECT_EQ(report.created, 4);
  EXPECT_THAT(report.refusals,
              ElementsAre(Refusal{2, "JPAAA", "STORAGE_FULL", "disk full"}, Refusal{3, "JPAAB", "STORAGE_FULL", "disk full"}));
  EXPECT_EQ(ReasonOf(report.failure), "STORAGE_FULL");
}

TEST_F(LoaderTest, ASiteThatIsOutIsAskedOnce) {
  Parsed<Port> parsed = Ports("JP", 3);
  parsed.rows[2].record.set_country("countries/KR");
  parsed.rows[2].record.set_name("ports/KRAAA");
  RegionTable regions = kRegions;
  regions["KR"] = {fairlead::v1::REGION_APAC, false};
  const Parsed<Port> more = Ports("US", 2);
  parsed.rows.insert(parsed.rows.end(), more.rows.begin(), more.rows.end());
  parsed.read = 5;
  LoadOptions options;
  options.calls_in_flight_max = 1;
  apac_.FailNext({ToGrpc(Error(Reason::kNodeReadOnly, "no licence"))});
  const Report report = LoadPorts(*client_, parsed, PortSource::kUnlocode, regions, options);
  ExpectBalanced(report);
  EXPECT_EQ(apac_.calls(), 1);
  EXPECT_EQ(report.created, 2);
  ASSERT_EQ(report.refusals.size(), 3u);
  for (const Refusal& refusal : report.refusals) EXPECT_EQ(refusal.reason, "NODE_READ_ONLY");
  EXPECT_TRUE(absl::IsUnavailable(report.failure));
}

TEST_F(LoaderTest, AStoppedImportIsWholeAndTheRestIsCounted) {
  std::stop_source stop;
  LoadOptions options;
  options.batch_rows_max = 10;
  options.calls_in_flight_max = 1;
  options.stop = stop.get_token();
  options.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 100);
    if (done == 30) stop.request_stop();
  };
  const Parsed<Port> parsed = Ports("JP", 100);
  Report report = LoadPorts(*client_, parsed, PortSource::kUnlocode, kRegions, options);
  ExpectBalanced(report);
  EXPECT_EQ(report.created, 30);
  EXPECT_EQ(report.unsent, 70);
  EXPECT_EQ(apac_.ports().size(), 30u);
  report = LoadPorts(*client_, parsed, PortSource::kUnlocode, kRegions, {});
  EXPECT_EQ(report.created, 70);
  EXPECT_EQ(report.unchanged, 30);
}

TEST_F(LoaderTest, CountriesGoToHeadquartersAndKeepTheMarkingPeopleGave) {
  Parsed<Country> parsed;
  Country japan;
  japan.set_name("countries/JP");
  japan.set_display_name("Japan");
  japan.set_region(fairlead::v1::REGION_APAC);
  japan.set_marking(fairlead::v1::MARKING_PUBLIC);
  parsed.rows.push_back({1, japan});
  parsed.read = 1;
  EXPECT_EQ(LoadCountries(*client_, parsed, {}).created, 1);
  EXPECT_EQ(hq_.countries().at("countries/JP").marking(), fairlead::v1::MARKING_PUBLIC);
  EXPECT_THAT(apac_.countries(), IsEmpty());
  japan.set_marking(fairlead::v1::MARKING_SENSITIVE);
  hq_.Put(japan);
  EXPECT_EQ(LoadCountries(*client_, parsed, {}).unchanged, 1);
  EXPECT_EQ(hq_.countries().at("countries/JP").marking(), fairlead::v1::MARKING_SENSITIVE);
}

TEST_F(LoaderTest, ReadsTheRegionsOfTheNetwork) {
  for (int i = 0; i < 3; ++i) {
    Country country;
    country.set_name(fmt::format("countries/A{}", static_cast<char>('A' + i)));
    country.set_region(fairlead::v1::REGION_CSA);
    apac_.Put(country);
  }
  const auto regions = ReadRegions(*client_, {});
  ASSERT_TRUE(regions.ok()) << regions.status();
  EXPECT_EQ(regions->size(), 3u);
  EXPECT_EQ(regions->at("AB").region, fairlead::v1::REGION_CSA);
}

EngagementRow Engagement(const std::string& title, fairlead::v1::EngagementState state) {
  EngagementRow row;
  row.site = "apac";
  row.key = title;
  row.state = state;
  row.engagement.set_title(title);
  row.engagement.set_source("84 FR 1");
  row.engagement.add_countries("countries/JP");
  row.engagement.set_outcome("done");
  row.engagement.mutable_start_date()->set_year(2020);
  return row;
}

TEST_F(LoaderTest, EngagementsAreDrivenToTheirStateOnce) {
  Parsed<EngagementRow> parsed;
  parsed.rows = {{1, Engagement("a", fairlead::v1::ENGAGEMENT_STATE_COMPLETED)},
                 {2, Engagement("b", fairlead::v1::ENGAGEMENT_STATE_DRAFT)}};
  parsed.read = 2;
  LoadOptions options;
  options.calls_in_flight_max = 1;
  Report report = LoadEngagements(*client_, parsed, options);
  ExpectBalanced(report);
  EXPECT_EQ(report.created, 2);
  auto held = apac_.engagements();
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held.at("engagements/e0").state(), fairlead::v1::ENGAGEMENT_STATE_COMPLETED);
  EXPECT_EQ(held.at("engagements/e0").outcome(), "done");
  EXPECT_EQ(held.at("engagements/e1").state(), fairlead::v1::ENGAGEMENT_STATE_DRAFT);
  report = LoadEngagements(*client_, parsed, options);
  EXPECT_EQ(report.unchanged, 2);
  EXPECT_EQ(apac_.engagements().size(), 2u);
}

TEST_F(LoaderTest, AnEngagementThatStoppedHalfWayGoesOn) {
  Parsed<EngagementRow> parsed;
  parsed.rows = {{1, Engagement("a", fairlead::v1::ENGAGEMENT_STATE_COMPLETED)}};
  parsed.read = 1;
  // List, create and schedule pass; start does not.
  apac_.FailNext({grpc::Status::OK, grpc::Status::OK, grpc::Status::OK, ToGrpc(Error(Reason::kStorageFull, "disk full"))});
  Report report = LoadEngagements(*client_, parsed, {});
  ExpectBalanced(report);
  EXPECT_THAT(report.refusals, ElementsAre(Refusal{1, "a", "STORAGE_FULL", "disk full"}));
  EXPECT_EQ(apac_.engagements().at("engagements/e0").state(), fairlead::v1::ENGAGEMENT_STATE_SCHEDULED);
  report = LoadEngagements(*client_, parsed, {});
  EXPECT_EQ(report.updated, 1);
  EXPECT_EQ(apac_.engagements().at("engagements/e0").state(), fairlead::v1::ENGAGEMENT_STATE_COMPLETED);
}

}  // namespace
}  // namespace fairlead::import
