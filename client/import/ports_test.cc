#include "client/import/ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fairlead::import {
namespace {

using fairlead::v1::Port;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const RegionTable kRegions = {{"DK", {fairlead::v1::REGION_EAME, false}},
                              {"JP", {fairlead::v1::REGION_APAC, false}},
                              {"RU", {fairlead::v1::REGION_EAME, false}},
                              {"US", {fairlead::v1::REGION_HQ, false}}};

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class T>
std::map<std::string, int> Reasons(const Parsed<T>& parsed) {
  std::map<std::string, int> counts;
  for (const Refusal& refusal : parsed.refusals) ++counts[refusal.reason];
  return counts;
}

template <class T>
void ExpectBalanced(const Parsed<T>& parsed) {
  EXPECT_EQ(parsed.read, parsed.skipped + static_cast<int64_t>(parsed.rows.size() + parsed.refusals.size()));
}

TEST(UnlocodeTest, ReadsTheOfficialCodeList) {
  const auto parsed = ParseUnlocode(
      ",\"JP\",,\".JAPAN\",,,,,,,,\r\n"
      ",\"JP\",\"YOK\",\"Yokohama\",\"Yokohama\",\"14\",\"12345---\",\"AF\",\"9601\",,\"3527N 13939E\",\r\n"
      "\"=\",\"JP\",\"\",\"Yokohama = X\",\"Yokohama = X\",,,,,,,\r\n"
      ",\"JP\",\"NRT\",\"Narita\",\"Narita\",,\"---4----\",\"AI\",\"0001\",,,\r\n"
      "\"X\",\"JP\",\"OLD\",\"Old\",\"Old\",,\"1-------\",\"RL\",\"0001\",,,\r\n",
      kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectBalanced(*parsed);
  EXPECT_EQ(parsed->read, 5);
  EXPECT_EQ(parsed->skipped, 3);
  ASSERT_EQ(parsed->rows.size(), 1u);
  EXPECT_EQ(parsed->rows[0].line, 2);
  const Port& port = parsed->rows[0].record;
  EXPECT_EQ(port.name(), "ports/JPYOK");
  EXPECT_EQ(port.display_name(), "Yokohama");
  EXPECT_EQ(port.country(), "countries/JP");
  EXPECT_EQ(port.subdivision(), "14");
  EXPECT_EQ(port.source(), "UN/LOCODE");
  EXPECT_DOUBLE_EQ(port.position().latitude(), 35.45);
  EXPECT_DOUBLE_EQ(port.position().longitude(), 139.65);
  EXPECT_THAT(parsed->refusals, ElementsAre(Refusal{5, "JPOLD", kRemoved, "UNECE will remove this code from the next issue"}));
}

TEST(UnlocodeTest, ReadsStatusAndFunctionInEitherOrder) {
  const auto parsed = ParseUnlocode(",JP,YOK,Yokohama,Yokohama,,AF,1-------,9601,,,\n", kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->rows.size(), 1u);
}

TEST(UnlocodeTest, ReadsAHeaderAndDecimalColumns) {
  const auto parsed = ParseUnlocode(
      "country,location,name,nameWoDiacritics,subdivision,status,function,iata,lat,lon\n"
      "DK,NDB,Fan\xef\xbf\xbd,Fano,,RL,1-------,,55.45,8.4\n"
      "JP,YOK,Yokohama,Yokohama,14,AF,1-3-----,,,\n",
      kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->rows.size(), 2u);
  // A name that lost a letter gives way to the plain one.
  EXPECT_EQ(parsed->rows[0].record.display_name(), "Fano");
  EXPECT_DOUBLE_EQ(parsed->rows[0].record.position().longitude(), 8.4);
  EXPECT_FALSE(parsed->rows[1].record.has_position());
  EXPECT_FALSE(ParseUnlocode("country,name\nDK,x\n", kRegions).ok());
  EXPECT_FALSE(ParseUnlocode("just,three,fields\n", kRegions).ok());
}

TEST(UnlocodeTest, RefusesSingleRowsWithTheirReason) {
  const auto parsed = ParseUnlocode(
      "Country,Location,Name,Function,Coordinates\n"
      "JP,Y0K,Yokohama,1-------,\n"
      "QQ,AAA,Nowhere,1-------,\n"
      "JP,AAA,,1-------,\n"
      "JP,BBB,Bad,1-------,9100N 00000E\n"
      "JP,CCC,Good,1-------,0000N 00000E\n"
      "JP,DDD,\"swallowed,1-------,\n",
      kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectBalanced(*parsed);
  ASSERT_EQ(parsed->rows.size(), 1u);
  std::vector<std::pair<int64_t, std::string>> refused;
  for (const Refusal& refusal : parsed->refusals) refused.emplace_back(refusal.line, refusal.reason);
  EXPECT_THAT(refused, ElementsAre(std::pair(2, kCodeInvalid), std::pair(3, kCountryUnknown), std::pair(4, kNameMissing),
                                   std::pair(5, kCoordinatesInvalid), std::pair(7, kMalformed)));
}

TEST(UnlocodeTest, KeepsTheBestOfRowsWithOneCode) {
  const auto parsed = ParseUnlocode(
      "country,location,name,status,function,lat,lon\n"
      "JP,YOK,recorded,RL,1-------,,\n"
      "JP,YOK,approved,AF,1-------,,\n"
      "JP,YOK,approved with position,AF,1-------,35.45,139.65\n"
      "JP,YOK,too late,AF,1-------,35.45,139.65\n",
      kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->rows.size(), 1u);
  EXPECT_EQ(parsed->rows[0].record.display_name(), "approved with position");
  EXPECT_THAT(parsed->refusals,
              ElementsAre(Refusal{2, "JPYOK", kDuplicate, "duplicate of line 4"}, Refusal{3, "JPYOK", kDuplicate, "duplicate of line 4"},
                          Refusal{5, "JPYOK", kDuplicate, "duplicate of line 4"}));
}

TEST(UnlocodeTest, RussiasPacificPortsAreApacs) {
  const auto parsed = ParseUnlocode(
      "country,location,name,subdivision,function,lat,lon\n"
      "RU,NJK,by subdivision,PRI,1-------,,\n"
      "RU,VYP,by position,,1-------,42.77,133.05\n"
      "RU,DYR,across the date line,CHU,1-------,64.7,-172.5\n"
      "RU,PWE,Arctic,CHU,1-------,69.7,170.3\n"
      "RU,LED,Baltic,SPE,1-------,59.9,30.3\n",
      kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  std::vector<std::string> sites;
  for (const auto& row : parsed->rows) sites.push_back(SiteOfRegion(RegionOf(row.record, kRegions)));
  EXPECT_THAT(sites, ElementsAre("apac", "apac", "apac", "eame", "eame"));
}

TEST(UnlocodeTest, DegreesAndMinutes) {
  double latitude = 0;
  double longitude = 0;
  ASSERT_TRUE(ParseDegreesMinutes("3345S 07130W", &latitude, &longitude));
  EXPECT_DOUBLE_EQ(latitude, -33.75);
  EXPECT_DOUBLE_EQ(longitude, -71.5);
  for (const char* bad :
       {"", "3345S07130W", "3345X 07130W", "3360S 07130W", "9001N 00000E", "0000N 18001E", "3a45S 07130W", "3345S 07130Wx"}) {
    EXPECT_FALSE(ParseDegreesMinutes(bad, &latitude, &longitude)) << bad;
  }
  EXPECT_TRUE(IsLocode("JPYOK") && IsLocode("US2A9"));
  for (const char* bad : {"", "JPYO", "JPYOKK", "jpyok", "JP1OK", "J2YOK", "JP YO"}) EXPECT_FALSE(IsLocode(bad)) << bad;
}

TEST(WorldPortIndexTest, TakesRowsWithACode) {
  const auto parsed = ParseWorldPortIndex(
      "World Port Index Number,Main Port Name,UN/LOCODE,Country Code,Harbor Size,Latitude,Longitude\n"
      "61090,Yokohama Ko,JP YOK,Japan,Large,35.45,139.666667\n"
      "7950,Maurer, ,United States,Very Small,40.533333,-74.25\n"
      "1,Odd,GB ME\"\",United Kingdom,Small,1,1\n"
      "2,Elsewhere,QQAAA,Nowhere,Small,1,1\n"
      "3,Far,JPFAR,Japan,Small,91,1\n"
      "x,No number,JPNUM,Japan,Small,1,1\n"
      "4,Small one,USGLC,United States, ,39.9,-75.1\n"
      "5,Large one,USGLC,United States,Small,39.8,-75.2\n",
      kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectBalanced(*parsed);
  ASSERT_EQ(parsed->rows.size(), 2u);
  const Port& port = parsed->rows[0].record;
  EXPECT_EQ(port.name(), "ports/JPYOK");
  EXPECT_EQ(port.wpi_number(), 61090u);
  EXPECT_EQ(port.harbor_size(), "Large");
  EXPECT_DOUBLE_EQ(port.position().longitude(), 139.666667);
  EXPECT_EQ(port.country(), "countries/JP");
  EXPECT_EQ(parsed->rows[1].record.wpi_number(), 5u);
  std::vector<std::pair<int64_t, std::string>> refused;
  for (const Refusal& refusal : parsed->refusals) refused.emplace_back(refusal.line, refusal.reason);
  EXPECT_THAT(refused, ElementsAre(std::pair(3, kCodeMissing), std::pair(4, kCodeInvalid), std::pair(5, kCountryUnknown),
                                   std::pair(6, kCoordinatesInvalid), std::pair(7, kMalformed), std::pair(8, kDuplicate)));
  EXPECT_FALSE(ParseWorldPortIndex("a,b\n1,2\n", kRegions).ok());
}

TEST(SeaPortsTest, AFileOfAMillionBracketsIsRefused) {
  const auto parsed = ParseSeaPorts(
      R"({"JPYOK": {"name": "Yokohama", "coordinates": )" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}}", kRegions);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SeaPortsTest, TakesPositionsAndFiveDigitCodes) {
  const auto parsed = ParseSeaPorts(R"({
    "JPYOK": {"name": "Yokohama", "country": "Japan", "coordinates": [139.65, 35.45], "unlocs": ["JPYOK"], "code": "58840"},
    "USGLC": {"name": "Gloucester", "code": "1107"},
    "ANBON": {"name": "Bonaire"}, "JPBAD": {"name": "Bad", "coordinates": [1]}, "JPNON": {}, "nope": {"name": "n"}, "JPNUL": 3})",
                                    kRegions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectBalanced(*parsed);
  ASSERT_EQ(parsed->rows.size(), 2u);
  const Port& port = parsed->rows[0].record;
  EXPECT_DOUBLE_EQ(port.position().latitude(), 35.45);
  EXPECT_THAT(port.schedule_k(), ElementsAre("58840"));
  EXPECT_EQ(port.source(), "sea-ports 0.0.9");
  EXPECT_THAT(parsed->rows[1].record.schedule_k(), IsEmpty());
  std::vector<std::pair<std::string, std::string>> refused;
  for (const Refusal& refusal : parsed->refusals) refused.emplace_back(refusal.key, refusal.reason);
  EXPECT_THAT(refused, ElementsAre(std::pair("ANBON", kCountryUnknown), std::pair("JPBAD", kCoordinatesInvalid),
                                   std::pair("JPNON", kNameMissing), std::pair("nope", kCodeInvalid), std::pair("JPNUL", kMalformed)));
  EXPECT_FALSE(ParseSeaPorts("[]", kRegions).ok());
}

Port Full(const std::string& source, double latitude) {
  Port port;
  port.set_name("ports/JPYOK");
  port.set_marking(fairlead::v1::MARKING_PUBLIC);
  port.set_display_name("by " + source);
  port.set_country("countries/JP");
  port.set_source(source);
  port.mutable_position()->set_latitude(latitude);
  return port;
}

TEST(CombineTest, EachSourceDecidesItsOwnFields) {
  const Port unlocode = Full("UN/LOCODE", 1);
  Port wpi = Full("NGA Pub. 150", 2);
  wpi.set_wpi_number(7);
  wpi.set_harbor_size("Large");
  Port sea_ports = Full("sea-ports 0.0.9", 3);
  sea_ports.add_schedule_k("58840");

  EXPECT_EQ(Combine(unlocode, PortSource::kUnlocode, nullptr).SerializeAsString(), unlocode.SerializeAsString());

  Port change = Combine(wpi, PortSource::kWorldPortIndex, &unlocode);
  EXPECT_EQ(change.display_name(), "");
  EXPECT_EQ(change.source(), "");
  EXPECT_EQ(change.marking(), fairlead::v1::MARKING_UNSPECIFIED);
  EXPECT_EQ(change.position().latitude(), 2);
  EXPECT_EQ(change.wpi_number(), 7u);
  EXPECT_EQ(change.harbor_size(), "Large");

  Port held = unlocode;
  held.add_schedule_k("58841");
  change = Combine(sea_ports, PortSource::kSeaPorts, &held);
  EXPECT_FALSE(change.has_position());
  EXPECT_EQ(change.display_name(), "");
  EXPECT_THAT(change.schedule_k(), ElementsAre("58841", "58840"));

  change = Combine(unlocode, PortSource::kUnlocode, &wpi);
  EXPECT_EQ(change.display_name(), "by UN/LOCODE");
  EXPECT_EQ(change.source(), "UN/LOCODE");
  EXPECT_FALSE(change.has_position());

  Port bare;
  bare.set_name("ports/JPYOK");
  change = Combine(sea_ports, PortSource::kSeaPorts, &bare);
  EXPECT_EQ(change.display_name(), "by sea-ports 0.0.9");
  EXPECT_EQ(change.position().latitude(), 3);
}

// --- The published files ---------------------------------------------------------------------------------------------------------------

class SeaPortsPackageTest : public testing::Test {
 protected:
  void SetUp() override {
    auto regions = ParseRegions(Read("tools/data/regions.csv"));
    ASSERT_TRUE(regions.ok()) << regions.status();
    regions_ = *std::move(regions);
  }
  RegionTable regions_;
};

class PublishedTest : public SeaPortsPackageTest {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("../shared/data"))
      GTEST_SKIP() << "../shared/data is absent: the published files are not in the repository";
    SeaPortsPackageTest::SetUp();
  }
};

TEST_F(PublishedTest, Unlocode) {
  const auto parsed = ParseUnlocode(Read("../shared/data/unlocode_seaports.csv"), regions_);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectBalanced(*parsed);
  EXPECT_EQ(parsed->read, 17589);
  EXPECT_EQ(parsed->skipped, 0);
  EXPECT_EQ(parsed->rows.size(), 17472u);
  EXPECT_EQ(Reasons(*parsed),
            (std::map<std::string, int>{{kCountryUnknown, 24}, {kRemoved, 5}, {kCoordinatesInvalid, 12}, {kDuplicate, 76}}));
  const auto apac = std::count_if(parsed->rows.begin(), parsed->rows.end(), [](const Row<Port>& row) {
    return row.record.country() == "countries/RU" && row.record.region_override() == fairlead::v1::REGION_APAC;
  });
  EXPECT_EQ(apac, 27);
}

TEST_F(PublishedTest, WorldPortIndex) {
  const auto parsed = ParseWorldPortIndex(Read("../shared/data/UpdatedPub150.csv"), regions_);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectBalanced(*parsed);
  EXPECT_EQ(parsed->read, 3768);
  EXPECT_EQ(parsed->rows.size(), 3310u);
  // One row has the number 49454.5, which the API cannot hold.
  EXPECT_EQ(Reasons(*parsed),
            (std::map<std::string, int>{{kCodeMissing, 430}, {kCountryUnknown, 2}, {kCodeInvalid, 1}, {kMalformed, 1}, {kDuplicate, 24}}));
}

TEST_F(SeaPortsPackageTest, ThePackageIsReadInFull) {
  const std::string path = "tools/npm/node_modules/sea-ports/lib/ports.json";
  ASSERT_TRUE(std::filesystem::exists(path)) << path << " is absent: tools/dev setup installs it";
  const auto parsed = ParseSeaPorts(Read(path), regions_);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectBalanced(*parsed);
  EXPECT_EQ(parsed->read, 1634);
  EXPECT_EQ(parsed->rows.size(), 1627u);
  EXPECT_EQ(Reasons(*parsed), (std::map<std::string, int>{{kCountryUnknown, 7}}));
  const auto coded =
      std::count_if(parsed->rows.begin(), parsed->rows.end(), [](const Row<Port>& row) { return row.record.schedule_k_size() == 1; });
  EXPECT_EQ(coded, 1199);
}

}  // namespace
}  // namespace fairlead::import
