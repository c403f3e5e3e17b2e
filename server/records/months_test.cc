#include "server/records/months.h"

#include <gmock/gmock.h>

#include "server/records/record_testing.h"

namespace fairlead::records {
namespace {

using google::type::Date;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Date DateOf(int year, int month, int day) {
  Date date;
  SetDate(&date, year, month, day);
  return date;
}

TEST(Months, AreThoseThatTheDaysMayTouch) {
  const auto months = [](const Date& start, const std::optional<Date>& end = std::nullopt) {
    return MonthsOf(&start, end.has_value() ? &*end : nullptr);
  };
  EXPECT_THAT(months(DateOf(2026, 5, 9)), ElementsAre("2026-05"));
  EXPECT_THAT(months(DateOf(2026, 5, 0)), ElementsAre("2026-05"));
  EXPECT_THAT(months(DateOf(2025, 12, 30), DateOf(2026, 1, 2)), ElementsAre("2025-12", "2026-01"));
  EXPECT_THAT(months(DateOf(2026, 11, 1), DateOf(2026, 0, 0)), ElementsAre("2026-11", "2026-12"));
  EXPECT_EQ(months(DateOf(2026, 0, 0)).size(), 12u);
  EXPECT_EQ(months(DateOf(2026, 0, 0)).front(), "2026-01");
  // What a merge of two sites' edits may show.
  EXPECT_THAT(months(DateOf(2026, 5, 9), DateOf(2024, 1, 1)), ElementsAre("2026-05"));
  EXPECT_THAT(months(DateOf(2026, 13, 1)), IsEmpty());
  EXPECT_THAT(months(DateOf(2026, 5, 9), DateOf(2026, 2, 30)), IsEmpty());
  EXPECT_EQ(months(DateOf(1, 1, 1), DateOf(9999, 12, 31)).size(), static_cast<size_t>(kMonthsMax));
  EXPECT_THAT(MonthsOf(nullptr, nullptr), IsEmpty());
}

TEST(Months, AnEngagementLastsAtMostThirtySix) {
  World world;
  const auto field_of = [&world](const Date* start, const Date* end) {
    Checks checks(world);
    CheckSpan(start, end, &checks);
    return FieldOf(checks.status());
  };
  const Date start = DateOf(2026, 5, 9);
  const Date last = DateOf(2029, 4, 30);
  const Date late = DateOf(2029, 5, 1);
  const Date before = DateOf(2026, 4, 0);
  EXPECT_EQ(field_of(&start, nullptr), "");
  EXPECT_EQ(field_of(&start, &last), "");
  EXPECT_EQ(field_of(&start, &late), "end_date");
  EXPECT_EQ(field_of(&start, &before), "end_date");
  EXPECT_EQ(field_of(nullptr, &late), "start_date");
}

}  // namespace
}  // namespace fairlead::records
