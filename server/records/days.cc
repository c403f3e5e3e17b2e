#include "server/records/days.h"

#include <absl/time/time.h>
#include <fmt/format.h>

namespace fairlead::records {

absl::CivilDay EarliestDay(const google::type::Date& date) {
  return absl::CivilDay(date.year(), date.month() == 0 ? 1 : date.month(), date.day() == 0 ? 1 : date.day());
}

absl::CivilDay LatestDay(const google::type::Date& date) {
  if (date.day() != 0) return EarliestDay(date);
  // The day before the next year or month begins; civil time carries a thirteenth month over.
  const absl::CivilDay next = date.month() == 0 ? absl::CivilDay(date.year() + 1, 1, 1) : absl::CivilDay(date.year(), date.month() + 1, 1);
  return next - 1;
}

google::type::Date DateOf(absl::CivilDay day) {
  google::type::Date date;
  date.set_year(static_cast<int>(day.year()));
  date.set_month(day.month());
  date.set_day(day.day());
  return date;
}

std::string DayText(absl::CivilDay day) { return fmt::format("{:04}-{:02}-{:02}", day.year(), day.month(), day.day()); }

absl::CivilDay DayOf(const google::protobuf::Timestamp& time) {
  return absl::ToCivilDay(absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
}

absl::CivilDay YearsAfter(absl::CivilDay day, int years) { return absl::CivilDay(day.year() + years, day.month(), day.day()); }

}  // namespace fairlead::records
