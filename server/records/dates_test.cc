#include "server/records/dates.h"

#include <gtest/gtest.h>

namespace fairlead::records {
namespace {

google::type::Date Date(int year, int month, int day) {
  google::type::Date date;
  date.set_year(year);
  date.set_month(month);
  date.set_day(day);
  return date;
}

TEST(Dates, WhatIsADate) {
  for (auto [y, m, d] :
       {std::tuple(2024, 2, 29), {2000, 2, 29}, {2025, 12, 31}, {2025, 4, 30}, {2025, 0, 0}, {2025, 7, 0}, {1, 1, 1}, {9999, 12, 31}}) {
    EXPECT_TRUE(IsDate(Date(y, m, d))) << y << "-" << m << "-" << d;
  }
  for (auto [y, m, d] : {std::tuple(0, 0, 0),
                         {0, 7, 4},
                         {10000, 1, 1},
                         {-1, 1, 1},
                         {2025, 13, 1},
                         {2025, -1, 0},
                         {2025, 0, 1},
                         {2025, 1, 32},
                         {2025, 1, -1},
                         {2025, 4, 31},
                         {2025, 2, 29},
                         {1900, 2, 29}}) {
    EXPECT_FALSE(IsDate(Date(y, m, d))) << y << "-" << m << "-" << d;
  }
  EXPECT_TRUE(IsWholeDate(Date(2025, 7, 1)));
  EXPECT_FALSE(IsWholeDate(Date(2025, 7, 0)));
  EXPECT_FALSE(IsWholeDate(Date(2025, 0, 0)));
}

TEST(Dates, BeforeOnlyWhenCertain) {
  EXPECT_TRUE(IsBefore(Date(2024, 12, 31), Date(2025, 1, 1)));
  EXPECT_TRUE(IsBefore(Date(2025, 1, 31), Date(2025, 2, 1)));
  EXPECT_TRUE(IsBefore(Date(2025, 1, 1), Date(2025, 1, 2)));
  EXPECT_TRUE(IsBefore(Date(2024, 0, 0), Date(2025, 0, 0)));
  EXPECT_TRUE(IsBefore(Date(2025, 1, 0), Date(2025, 2, 0)));
  EXPECT_FALSE(IsBefore(Date(2025, 1, 1), Date(2025, 1, 1)));
  EXPECT_FALSE(IsBefore(Date(2025, 1, 2), Date(2025, 1, 1)));
  EXPECT_FALSE(IsBefore(Date(2025, 0, 0), Date(2025, 6, 1)));
  EXPECT_FALSE(IsBefore(Date(2025, 6, 0), Date(2025, 6, 9)));
  EXPECT_FALSE(IsBefore(Date(2025, 6, 9), Date(2025, 6, 0)));
}

TEST(Dates, TextSortsAsTheDatesDo) {
  EXPECT_EQ(DateText(Date(2025, 7, 4)), "2025-07-04");
  EXPECT_EQ(DateText(Date(812, 7, 0)), "0812-07-00");
  EXPECT_LT(DateText(Date(2025, 7, 0)), DateText(Date(2025, 7, 1)));
  EXPECT_LT(DateText(Date(999, 1, 1)), DateText(Date(1000, 1, 1)));
  EXPECT_LT(DateText(Date(9999, 12, 31)), kNoDateSort);
}

}  // namespace
}  // namespace fairlead::records
