#include "server/report/period.h"

#include <gtest/gtest.h>

#include "api/errors.h"

namespace fairlead::report {
namespace {

const absl::CivilDay kToday(2025, 8, 15);

TEST(PeriodTest, YearsAndQuarters) {
  const auto year = PeriodOf(v1::REPORT_KIND_ANNUAL, "2024", kToday);
  ASSERT_TRUE(year.ok()) << year.status();
  EXPECT_EQ(year->days.first, absl::CivilDay(2024, 1, 1));
  EXPECT_EQ(year->days.last, absl::CivilDay(2024, 12, 31));
  EXPECT_EQ(year->as_of, absl::CivilDay(2024, 12, 31));
  const auto quarter = PeriodOf(v1::REPORT_KIND_QUARTERLY, "2025Q3", kToday);
  ASSERT_TRUE(quarter.ok()) << quarter.status();
  EXPECT_EQ(quarter->days.first, absl::CivilDay(2025, 7, 1));
  EXPECT_EQ(quarter->days.last, absl::CivilDay(2025, 9, 30));
  EXPECT_EQ(quarter->as_of, kToday);
  const auto last = PeriodOf(v1::REPORT_KIND_QUARTERLY, "2024Q4", kToday);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->days.last, absl::CivilDay(2024, 12, 31));
}

TEST(PeriodTest, EverythingElseIsRefusedByName) {
  for (const char* text : {"", "25", "0025", "2025Q1", "20255", "2025 ", "2026"}) {
    EXPECT_EQ(FieldOf(PeriodOf(v1::REPORT_KIND_ANNUAL, text, kToday).status()), "period") << text;
  }
  for (const char* text : {"", "2025", "2025Q0", "2025Q5", "2025q3", "2025Q33", "2025Q4"}) {
    EXPECT_EQ(FieldOf(PeriodOf(v1::REPORT_KIND_QUARTERLY, text, kToday).status()), "period") << text;
  }
  EXPECT_EQ(FieldOf(PeriodOf(v1::REPORT_KIND_UNSPECIFIED, "2025", kToday).status()), "kind");
}

}  // namespace
}  // namespace fairlead::report
