// Whether conditions of entry apply on a day (46 USC 70110), from what the record says and nothing else.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_VIEW_CONDITIONS_H_
#define FAIRLEAD_SERVER_VIEW_CONDITIONS_H_

#include <absl/time/civil_time.h>

#include "fairlead/v1/assessment.pb.h"

namespace fairlead::view {

// Conditions begin so many days after the government was notified (46 USC 70110(b)(1)).
inline constexpr int kNoticeDays = 90;

// A date that is not known, and that decides it, gives UNKNOWN: never an assumed day.
fairlead::v1::ConditionStanding StandingOn(const fairlead::v1::ConditionOfEntry& condition, absl::CivilDay day);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_CONDITIONS_H_
