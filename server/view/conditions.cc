#include "server/view/conditions.h"

#include <fmt/format.h>

#include "server/records/dates.h"
#include "server/records/days.h"

namespace fairlead::view {
namespace {

using fairlead::v1::ConditionOfEntry;
using fairlead::v1::ConditionStanding;
using fairlead::v1::ConditionStatus;
using google::type::Date;

enum class Answer { kNo, kYes, kUnknown };

// Whether `date` has come by `day`.
Answer Come(const Date& date, absl::CivilDay day) {
  if (day >= records::LatestDay(date)) return Answer::kYes;
  return day < records::EarliestDay(date) ? Answer::kNo : Answer::kUnknown;
}

Answer HaveBegun(const ConditionOfEntry& condition, absl::CivilDay day) {
  if (condition.has_effective_date()) return Come(condition.effective_date(), day);
  if (condition.has_listed_by_date() && Come(condition.listed_by_date(), day) == Answer::kYes) return Answer::kYes;
  return Answer::kUnknown;
}

Answer HaveEnded(const ConditionOfEntry& condition, absl::CivilDay day) {
  if (condition.state() != fairlead::v1::CONDITION_STATE_LIFTED) return Answer::kNo;
  return condition.has_lifted_date() ? Come(condition.lifted_date(), day) : Answer::kUnknown;
}

std::string Beginning(const ConditionOfEntry& condition) {
  if (condition.has_effective_date()) return "effective " + records::DateText(condition.effective_date());
  if (condition.has_listed_by_date())
    return fmt::format("effective date not known, listed by {}", records::DateText(condition.listed_by_date()));
  return "effective date not known";
}

std::string Ending(const ConditionOfEntry& condition) {
  if (condition.state() != fairlead::v1::CONDITION_STATE_LIFTED) return "not lifted";
  return condition.has_lifted_date() ? "lifted " + records::DateText(condition.lifted_date()) : "lifted on a day not known";
}

void Tell(ConditionStatus status, std::string explanation, ConditionStanding* standing) {
  standing->set_status(status);
  standing->set_explanation(std::move(explanation));
}

void TellPending(const ConditionOfEntry& condition, ConditionStanding* standing) {
  const bool clock = condition.timing() == fairlead::v1::CONDITION_TIMING_NINETY_DAYS && condition.has_notification_date();
  if (!clock)
    return Tell(fairlead::v1::CONDITION_STATUS_PENDING, "no public notice yet; the notification's day or its clock is not known", standing);
  const absl::CivilDay earliest = records::EarliestDay(condition.notification_date()) + kNoticeDays;
  if (records::IsWholeDate(condition.notification_date())) *standing->mutable_earliest_effective_date() = records::DateOf(earliest);
  Tell(fairlead::v1::CONDITION_STATUS_PENDING,
       fmt::format("notified {}; they may apply from {} on, upon public notice (46 USC 70110(b))",
                   records::DateText(condition.notification_date()), records::DayText(earliest)),
       standing);
}

}  // namespace

ConditionStanding StandingOn(const ConditionOfEntry& condition, absl::CivilDay day) {
  ConditionStanding standing;
  *standing.mutable_condition() = condition;
  standing.set_country(condition.country());
  if (condition.state() == fairlead::v1::CONDITION_STATE_PENDING) {
    TellPending(condition, &standing);
    return standing;
  }
  if (condition.state() == fairlead::v1::CONDITION_STATE_REMEDIED) {
    Tell(fairlead::v1::CONDITION_STATUS_NOT_IN_FORCE, "remedied before they applied", &standing);
    return standing;
  }
  const Answer begun = HaveBegun(condition, day);
  const Answer ended = HaveEnded(condition, day);
  ConditionStatus status = fairlead::v1::CONDITION_STATUS_UNKNOWN;
  if (begun == Answer::kNo || ended == Answer::kYes) {
    status = fairlead::v1::CONDITION_STATUS_NOT_IN_FORCE;
  } else if (begun == Answer::kYes && ended == Answer::kNo) {
    status = fairlead::v1::CONDITION_STATUS_IN_FORCE;
  }
  Tell(status, fmt::format("{}, {}", Beginning(condition), Ending(condition)), &standing);
  return standing;
}

}  // namespace fairlead::view
