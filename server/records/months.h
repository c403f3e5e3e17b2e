// The months that something may touch: what calendars are indexed by.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_RECORDS_MONTHS_H_
#define FAIRLEAD_SERVER_RECORDS_MONTHS_H_

#include <absl/time/civil_time.h>

#include <string>
#include <vector>

#include "google/type/date.pb.h"
#include "server/records/checks.h"

namespace fairlead::records {

// Something that lasts longer is listed under its first months only; validators refuse it.
inline constexpr int kMonthsMax = 36;

// "2026-05".
std::string MonthText(absl::CivilMonth month);

// The days [first, last] that `start` to `end` may take, null being absent: one day when there is no end. REQUIRES: IsDate of those
// present.
struct Days {
  absl::CivilDay first;
  absl::CivilDay last;
};
Days DaysOf(const google::type::Date& start, const google::type::Date* end);

// Every month of those days, at most kMonthsMax. None when `start` is absent or no date.
std::vector<std::string> MonthsOf(const google::type::Date* start, const google::type::Date* end);

// Violations of: both are dates, `end` is not before `start` nor more than kMonthsMax months after it, `end` needs a `start`. The fields
// are start_date and end_date; null is absent.
void CheckSpan(const google::type::Date* start, const google::type::Date* end, Checks* checks);

// DateText, or kNoDateSort for what has no date.
std::string SortByDate(bool present, const google::type::Date& date);

// For messages with start_date and end_date.
template <class M>
const google::type::Date* StartOf(const M& record) {
  return record.has_start_date() ? &record.start_date() : nullptr;
}
template <class M>
const google::type::Date* EndOf(const M& record) {
  return record.has_end_date() ? &record.end_date() : nullptr;
}
template <class M>
std::vector<std::string> MonthsOf(const M& record) {
  return MonthsOf(StartOf(record), EndOf(record));
}

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_MONTHS_H_
