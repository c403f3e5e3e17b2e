// Dates that may be known to the year or month only (google.type.Date: a day or month of 0 is unknown).
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_RECORDS_DATES_H_
#define FAIRLEAD_SERVER_RECORDS_DATES_H_

#include <string>
#include <string_view>

#include "google/type/date.pb.h"

namespace fairlead::records {

// A year of 1 to 9999, a month of 0 to 12, a day of 0 or of that month; no day without a month.
bool IsDate(const google::type::Date& date);
// Whether no part is unknown.
bool IsWholeDate(const google::type::Date& date);
// Whether every day that `date` may be is before every day that `other` may be. REQUIRES: both IsDate.
bool IsBefore(const google::type::Date& date, const google::type::Date& other);
// "2024-03-05"; unknown parts are 00, so a partial date sorts before the days it may be. REQUIRES: IsDate.
std::string DateText(const google::type::Date& date);

// Sorts after every DateText: what has no date comes last.
inline constexpr std::string_view kNoDateSort = "~";

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_DATES_H_
