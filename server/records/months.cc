#include "server/records/months.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/records/dates.h"
#include "server/records/days.h"

namespace fairlead::records {

using google::type::Date;

std::string MonthText(absl::CivilMonth month) { return fmt::format("{:04}-{:02}", month.year(), month.month()); }

Days DaysOf(const Date& start, const Date* end) {
  const absl::CivilDay first = EarliestDay(start);
  // Where two sites have written the two dates apart, the last day can come before the first.
  return {first, std::max(first, LatestDay(end == nullptr ? start : *end))};
}

std::vector<std::string> MonthsOf(const Date* start, const Date* end) {
  std::vector<std::string> months;
  if (start == nullptr || !IsDate(*start) || (end != nullptr && !IsDate(*end))) return months;
  const Days days = DaysOf(*start, end);
  const absl::CivilMonth last(days.last);
  for (absl::CivilMonth month(days.first); month <= last && months.size() < kMonthsMax; ++month) months.push_back(MonthText(month));
  return months;
}

void CheckSpan(const Date* start, const Date* end, Checks* checks) {
  if (start != nullptr) checks->Date("start_date", true, *start);
  if (end != nullptr) checks->Date("end_date", true, *end);
  if (end == nullptr || !IsDate(*end)) return;
  if (start == nullptr) {
    checks->Fail(Reason::kFieldRequired, "start_date", "is required with end_date");
  } else if (IsDate(*start) && IsBefore(*end, *start)) {
    checks->Fail(Reason::kFieldInvalid, "end_date", "is before start_date");
  } else if (IsDate(*start) && absl::CivilMonth(LatestDay(*end)) - absl::CivilMonth(EarliestDay(*start)) >= kMonthsMax) {
    checks->Fail(Reason::kFieldInvalid, "end_date",
                 fmt::format("is too far from start_date: at most {} months, as the calendar lists each", kMonthsMax));
  }
}

std::string SortByDate(bool present, const Date& date) { return present ? DateText(date) : std::string(kNoDateSort); }

}  // namespace fairlead::records
