// Dates as days of the Gregorian calendar, to count with. A date known to the year or month only is a range of days.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_RECORDS_DAYS_H_
#define FAIRLEAD_SERVER_RECORDS_DAYS_H_

#include <absl/time/civil_time.h>

#include <string>

#include "google/protobuf/timestamp.pb.h"
#include "google/type/date.pb.h"

namespace fairlead::records {

// The first and the last day that `date` may be. REQUIRES: IsDate.
absl::CivilDay EarliestDay(const google::type::Date& date);
absl::CivilDay LatestDay(const google::type::Date& date);
google::type::Date DateOf(absl::CivilDay day);
// "2024-03-05".
std::string DayText(absl::CivilDay day);
// The day in UTC.
absl::CivilDay DayOf(const google::protobuf::Timestamp& time);

// The same day `years` later; 1 March where that year has no 29 February.
absl::CivilDay YearsAfter(absl::CivilDay day, int years);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_DAYS_H_
