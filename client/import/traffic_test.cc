#include "client/import/traffic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "client/import/conditions.h"

namespace fairlead::import {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <class Parsed>
std::vector<std::pair<int64_t, std::string>> Refused(const Parsed& parsed) {
  std::vector<std::pair<int64_t, std::string>> refused;
  for (const Refusal& refusal : parsed.refusals) refused.emplace_back(refusal.line, refusal.reason);
  return refused;
}

// Empty when there is no such file.
std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return in ? out.str() : "";
}

TEST(ScheduleKTest, TheNamesOfACodeAreNumbered) {
  const auto parsed = ParseScheduleK(
      "schedule_k,port_name,schedule_k_country,iso2,liaison_region\n"
      "72142,Ghazaouet,Algeria,DZ,EAME\n72142,Ghazawet,Algeria,DZ,EAME\n00000,High Seas,,,\n72142,Ghazawet,Algeria,DZ,EAME\n7214,X,,DZ,\n"
      "72143,,Algeria,DZ,\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->read, 6);
  ASSERT_THAT(parsed->rows, SizeIs(3));
  EXPECT_EQ(parsed->rows[1].record.name(), "scheduleKPorts/72142-2");
  EXPECT_EQ(parsed->rows[1].record.country(), "countries/DZ");
  EXPECT_EQ(parsed->rows[2].record.country(), "");
  EXPECT_THAT(Refused(*parsed), ElementsAre(std::pair(5, kDuplicate), std::pair(6, kCodeInvalid), std::pair(7, kNameMissing)));
}

TEST(EiaTest, AnEmptyNumberIsMissingAndNotZero) {
  const auto parsed = ParseEiaPetroleum(
      "us_port,yyyymm,origin_country,origin_iso2,quantity_thousand_bbl,shipments\n"
      "HOUSTON,198601,VENEZUELA,VE,94,1\nHOUSTON,198601,TRINIDAD & TOBAGO,TT,,2\nHOUSTON,198601,VENEZUELA,VE,94,1\n"
      "HOUSTON,1986,VENEZUELA,VE,94,1\nHOUSTON,198602,VENEZUELA,,94,1\nHOUSTON,198602,VENEZUELA,VE,many,1\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->read, 6);
  ASSERT_THAT(parsed->rows, SizeIs(2));
  const auto& first = parsed->rows[0].record;
  EXPECT_EQ(first.month(), "1986-01");
  EXPECT_EQ(first.quantity_thousand_barrels(), 94);
  EXPECT_TRUE(first.name().starts_with("trafficFigures/eia-ve-198601-")) << first.name();
  EXPECT_FALSE(parsed->rows[1].record.has_quantity_thousand_barrels());
  EXPECT_EQ(parsed->rows[1].record.shipments(), 2);
  EXPECT_THAT(Refused(*parsed),
              ElementsAre(std::pair(4, kDuplicate), std::pair(5, kMalformed), std::pair(6, kCountryUnknown), std::pair(7, kMalformed)));
}

TEST(PublishedDataTest, EveryRowOfTheFilesIsAccountedFor) {
  const std::string eia = ReadAll("../shared/data/eia_petroleum_imports_port_country_month.csv");
  const std::string schedule = ReadAll("../shared/data/schedule_k_ports_iso2.csv");
  if (eia.empty() || schedule.empty()) GTEST_SKIP() << "../shared/data holds no published data";
  const auto figures = ParseEiaPetroleum(eia);
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(figures->read, 82471);
  EXPECT_EQ(figures->rows.size() + figures->refusals.size(), 82471u);
  EXPECT_THAT(figures->refusals, IsEmpty());
  const auto ports = ParseScheduleK(schedule);
  ASSERT_TRUE(ports.ok()) << ports.status();
  EXPECT_EQ(ports->read, 4082);
  EXPECT_EQ(ports->rows.size() + ports->refusals.size(), 4082u);
}

TEST(ConditionsTest, TheProjectsOwnTableIsReadInFull) {
  const auto parsed = ParseConditions(ReadAll("tools/data/conditions_of_entry.jsonl"));
  EXPECT_THAT(parsed.refusals, IsEmpty());
  EXPECT_EQ(parsed.rows.size(), 27u);
  int imposed = 0;
  int unknown = 0;
  for (const auto& row : parsed.rows) {
    const auto& condition = row.record;
    EXPECT_FALSE(condition.source().empty()) << condition.name();
    imposed += condition.state() == fairlead::v1::CONDITION_STATE_IMPOSED;
    if (condition.state() == fairlead::v1::CONDITION_STATE_IMPOSED && !condition.has_effective_date()) {
      ++unknown;
      EXPECT_TRUE(condition.has_listed_by_date()) << condition.name();
    }
  }
  EXPECT_EQ(imposed, 22);
  EXPECT_EQ(unknown, 10);
  const auto bad = ParseConditions("{\"condition\": {\"name\": \"conditionsOfEntry/CU-1\"}, \"state\": \"OVER\"}\n[]\n");
  EXPECT_EQ(bad.read, 2);
  EXPECT_THAT(Refused(bad), ElementsAre(std::pair(1, kMalformed), std::pair(2, kMalformed)));
}

TEST(ConditionsTest, ALineOfAMillionBracketsIsRefused) {
  const auto parsed =
      ParseConditions(R"({"condition":{"title":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') +
                      "},\"state\":\"IMPOSED\"}\n" + R"({"condition":{"name":"conditionsOfEntry/CU-1"},"state":"IMPOSED"})");
  EXPECT_EQ(parsed.read, 2);
  EXPECT_THAT(Refused(parsed), ElementsAre(std::pair(1, kMalformed)));
  EXPECT_THAT(parsed.rows, SizeIs(1));
}

}  // namespace
}  // namespace fairlead::import
