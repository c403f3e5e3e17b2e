#include "client/import/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::import {
namespace {

using fairlead::v1::Arrival;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const ScheduleKTable kCodes = {{"58886", "countries/JP"}, {"75300", "countries/NG"}};
const RegionTable kCountries = {{"JP", {}}, {"NG", {}}, {"US", {}}, {"LR", {}}};

// In the layout of the Corps' field list, with the spelling of one year and the numbers of a spreadsheet.
constexpr char kHeader[] =
    "TYPEDOC,ecdate,PORT,PWW_IND,Port Name,VESSNAME,RIG,FLAG,WHERE_IND,WHERE_PORT,WHERE_SCHK,WHERE_NAME,WHERE_CTRY,IMO\n";

TEST(EntrancesTest, OneLastPortIsReadAndWhatIsMissingStaysMissing) {
  const auto parsed = ParseEntrances(std::string(kHeader) +
                                         "0,01323,1303,P,\"Baltimore, MD\",EXAMPLE ONE,RIG,LR,F,,58886,Yokohama,Japan,9619907\n"
                                         "0,1323,1303.0,P,,EXAMPLE TWO,RIG,8888,F,,99999.0,Nowhere,,\n"
                                         "1,01323,1303,P,Baltimore,LEAVING,RIG,LR,F,,58886,Yokohama,Japan,9619907\n"
                                         "0,12313,1303,P,Baltimore,COASTER,RIG,US,D,1401,,Norfolk,,9619907\n",
                                     2023, kCodes, kCountries);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->read, 4);
  EXPECT_EQ(parsed->skipped, 1);
  EXPECT_THAT(parsed->refusals, IsEmpty());
  ASSERT_THAT(parsed->rows, SizeIs(3));
  const Arrival& one = parsed->rows[0].record;
  EXPECT_EQ(one.vessel_name(), "EXAMPLE ONE");
  EXPECT_EQ(one.imo_number(), "9619907");
  EXPECT_EQ(one.flag(), "countries/LR");
  EXPECT_EQ(one.arrival_place(), "Baltimore, MD");
  EXPECT_EQ(one.arrival_date().year(), 2023);
  EXPECT_EQ(one.arrival_date().month(), 1);
  EXPECT_EQ(one.arrival_date().day(), 23);
  ASSERT_EQ(one.last_calls_size(), 1);
  EXPECT_EQ(one.last_calls(0).schedule_k(), "58886");
  EXPECT_EQ(one.last_calls(0).country(), "countries/JP");
  EXPECT_EQ(one.last_calls(0).place(), "Yokohama");
  const Arrival& two = parsed->rows[1].record;
  EXPECT_EQ(two.arrival_place(), "1303");
  EXPECT_EQ(two.arrival_date().day(), 23);  // the zero that a spreadsheet drops
  EXPECT_EQ(two.flag(), "");
  EXPECT_EQ(two.imo_number(), "");
  EXPECT_EQ(two.last_calls(0).schedule_k(), "99999");
  EXPECT_EQ(two.last_calls(0).country(), "");
  EXPECT_EQ(parsed->rows[2].record.last_calls(0).country(), "countries/US");
}

TEST(EntrancesTest, EveryRowIsReadSkippedOrRefusedWithItsLine) {
  const auto parsed = ParseEntrances(std::string(kHeader) +
                                         "0,01323,1303,P,Baltimore,A,RIG,LR,F,,58886,Yokohama,Japan,9619907\n"
                                         "0,01323,1303,P,Baltimore,A,RIG,LR,F,,58886,Yokohama,Japan,9619907\n"
                                         "0,02330,1303,P,Baltimore,B,RIG,LR,F,,58886,Yokohama,Japan,9619907\n"
                                         "0,01423,1303,P,Baltimore,C,RIG,LR,F,,58886,Yokohama,Japan,9619907\n"
                                         "0,01323,1303,P,Baltimore,,RIG,LR,F,,58886,Yokohama,Japan,9619907\n"
                                         "7,01323,1303,P,Baltimore,D,RIG,LR,F,,58886,Yokohama,Japan,9619907\n",
                                     2023, kCodes, kCountries);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->read, parsed->skipped + static_cast<int64_t>(parsed->rows.size() + parsed->refusals.size()));
  std::vector<std::pair<int64_t, std::string>> refused;
  for (const Refusal& refusal : parsed->refusals) refused.emplace_back(refusal.line, refusal.reason);
  EXPECT_THAT(refused, ElementsAre(std::pair(3, kDuplicate), std::pair(4, "DATE_INVALID"), std::pair(5, "DATE_INVALID"),
                                   std::pair(6, kNameMissing), std::pair(7, kMalformed)));
  EXPECT_FALSE(ParseEntrances("Typedoc,ECDate\n", 2023, kCodes, kCountries).ok());
  EXPECT_FALSE(ParseEntrances("", 2023, kCodes, kCountries).ok());
}

TEST(NoticesTest, ANoticeHasTheSameNameWheneverItIsRead) {
  const std::string line = R"({"vesselName":"EXAMPLE","imoNumber":"9619907","arrivalPlace":"Baltimore",)"
                           R"("arrivalDate":{"year":2024,"month":3,"day":1},"lastCalls":[{"country":"countries/NG"}]})";
  const auto parsed = ParseNotices("# synthetic\n" + line + "\n\n" + line + "\n{\"vessel\": 1}\n");
  EXPECT_EQ(parsed.read, 3);
  ASSERT_THAT(parsed.rows, SizeIs(1));
  EXPECT_EQ(parsed.rows[0].record.source_kind(), fairlead::v1::ARRIVAL_SOURCE_NOTICE);
  EXPECT_EQ(parsed.rows[0].record.name().size(), std::string("arrivals/").size() + 26);
  ASSERT_THAT(parsed.refusals, SizeIs(2));
  EXPECT_EQ(parsed.refusals[0].reason, kDuplicate);
  EXPECT_EQ(parsed.refusals[0].line, 4);
  EXPECT_EQ(parsed.refusals[1].reason, kMalformed);
  EXPECT_EQ(ParseNotices(line).rows[0].record.name(), parsed.rows[0].record.name());
}

}  // namespace
}  // namespace fairlead::import
