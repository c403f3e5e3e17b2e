// What a vessel must do and may expect because of its last calls: a table of rules over a notice and the conditions of entry.
//
// A call triggers conditions when it is one of the last five, at a facility that is not exempt, of a country whose conditions applied on
// the day of the call and still apply on the day of arrival. What the records do not say is taken as if it did, and said to be uncertain. A
// higher security level at such a call lessens what the vessel may expect.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_VIEW_MEASURES_H_
#define FAIRLEAD_SERVER_VIEW_MEASURES_H_

#include <vector>

#include "fairlead/v1/arrival.pb.h"
#include "fairlead/v1/assessment.pb.h"
#include "fairlead/v1/priority.pb.h"

namespace fairlead::view {

// Conditions look at so many of a vessel's last calls.
inline constexpr int kLastCalls = 5;

// `conditions`: every record there is, in any order. REQUIRES: the arrival's date is whole.
fairlead::v1::MeasureAdvice AdviseOn(const fairlead::v1::Arrival& arrival, const std::vector<fairlead::v1::ConditionOfEntry>& conditions);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_MEASURES_H_
