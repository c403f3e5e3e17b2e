#include "server/view/measures.h"

#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "server/records/days.h"
#include "server/view/conditions.h"

namespace fairlead::view {
namespace {

namespace v1 = fairlead::v1;

constexpr char kAdvisory[] = "46 USC 70110(a)(1); Port Security Advisory, conditions of entry";

// What the conditions ask of a vessel while it is at such a call.
struct Duty {
  v1::CallMeasure measure;
  const char* rule;
  const char* text;
};
constexpr Duty kDuties[] = {
    {v1::CALL_MEASURE_LEVEL_2_MEASURES, "COE-1",
     "Implement measures of the ship security plan equivalent to security level 2 while in such a port."},
    {v1::CALL_MEASURE_GUARDED_ACCESS, "COE-2",
     "Guard each access point to the vessel, with total visibility of its outside, landward and waterside."},
    {v1::CALL_MEASURE_DECLARATION_ATTEMPTED, "COE-3", "Attempt to execute a Declaration of Security."},
    {v1::CALL_MEASURE_ACTIONS_LOGGED, "COE-4", "Log all security actions in the ship's security records."},
    {v1::CALL_MEASURE_ACTIONS_REPORTED, "COE-5", "Report the actions taken to the Captain of the Port before arrival."},
};

enum class When { kAlways, kUnlessAllShown };
enum class LessenedBy { kNothing, kHigherLevel, kAllShown };

// What a vessel may expect on arrival.
struct Consequence {
  v1::MeasureKind kind;
  When when;
  LessenedBy lessened_by;
  const char* rule;
  const char* text;
  const char* lessened_text;
  const char* citation;
};
constexpr Consequence kConsequences[] = {
    {v1::MEASURE_KIND_BOARDING, When::kAlways, LessenedBy::kHigherLevel, "EXPECT-1",
     "Boarding or examination, offshore before entry where ordered.",
     "Boarding or examination, to confirm the higher security level that was kept in the less secure port.", "46 USC 70110(a)(1)"},
    {v1::MEASURE_KIND_TRANSIT_RESTRICTION, When::kAlways, LessenedBy::kHigherLevel, "EXPECT-2",
     "Additional restrictions on the transit into port.",
     "Fewer restrictions on the transit into port, for the higher security level that was kept in the less secure port.",
     "46 USC 70110(a)(1)"},
    {v1::MEASURE_KIND_ARMED_GUARDS, When::kAlways, LessenedBy::kAllShown, "EXPECT-3",
     "Armed guards at each access point while in the port of the United States.",
     "Armed guards in the port of the United States are normally waived: every condition was met at every such call.", kAdvisory},
    {v1::MEASURE_KIND_DELAY, When::kUnlessAllShown, LessenedBy::kNothing, "EXPECT-4",
     "Delay until the conditions that were not shown to be met are settled with the Captain of the Port.", "", "46 USC 70110(a)(1)"},
    {v1::MEASURE_KIND_DENIAL, When::kUnlessAllShown, LessenedBy::kNothing, "EXPECT-5",
     "Denial of entry to a vessel that does not meet the conditions.", "", "46 USC 70110(a)(2)"},
};

bool Did(const v1::PortCall& call, v1::CallMeasure measure) {
  return std::find(call.measures().begin(), call.measures().end(), measure) != call.measures().end();
}

// Whether the call shows that the duty was done. A higher level or an executed declaration is more than was asked.
bool Shows(const v1::PortCall& call, v1::CallMeasure measure) {
  if (Did(call, measure)) return true;
  if (measure == v1::CALL_MEASURE_LEVEL_2_MEASURES) return call.security_level() >= v1::SECURITY_LEVEL_2;
  return measure == v1::CALL_MEASURE_DECLARATION_ATTEMPTED && Did(call, v1::CALL_MEASURE_DECLARATION_EXECUTED);
}

std::optional<absl::CivilDay> DayOfCall(const v1::PortCall& call) {
  if (call.has_departure_time()) return records::DayOf(call.departure_time());
  if (call.has_arrival_time()) return records::DayOf(call.arrival_time());
  return std::nullopt;
}

enum class Exemption { kNo, kYes, kUnknown };

bool ExemptOn(const v1::ExemptFacility& facility, absl::CivilDay day) {
  if (facility.has_from_date() && day < records::EarliestDay(facility.from_date())) return false;
  return !facility.has_until_date() || day < records::LatestDay(facility.until_date());
}

// `why` is the facility's name.
Exemption IsExempt(const v1::PortCall& call, const v1::ConditionOfEntry& condition, absl::CivilDay day, std::string* why) {
  bool possible = false;
  for (const v1::ExemptFacility& facility : condition.exempt_facilities()) {
    if (!ExemptOn(facility, day)) continue;
    const auto& numbers = facility.numbers();
    const bool named = !call.place().empty() && absl::EqualsIgnoreCase(call.place(), facility.display_name());
    if (named || (!call.facility_number().empty() && std::find(numbers.begin(), numbers.end(), call.facility_number()) != numbers.end())) {
      *why = facility.display_name();
      return Exemption::kYes;
    }
    // A facility whose number is published is ruled out by another number; nothing else rules one out.
    possible = possible || call.facility_number().empty() || numbers.empty();
  }
  return possible ? Exemption::kUnknown : Exemption::kNo;
}

// What one set of conditions makes of a call to its country.
v1::CallAdvice Weigh(const v1::PortCall& call, int index, const v1::ConditionOfEntry& condition, absl::CivilDay arrival) {
  v1::CallAdvice advice;
  advice.set_call(index);
  advice.set_condition(condition.name());
  const v1::ConditionStanding now = StandingOn(condition, arrival);
  const auto not_triggered = [&advice](std::string why) {
    advice.set_explanation(std::move(why));
    return advice;
  };
  if (now.status() == v1::CONDITION_STATUS_NOT_IN_FORCE)
    return not_triggered("the conditions do not apply on the day of arrival: " + now.explanation());
  if (now.status() == v1::CONDITION_STATUS_PENDING) return not_triggered("the conditions do not apply yet: " + now.explanation());
  const std::optional<absl::CivilDay> day = DayOfCall(call);
  v1::ConditionStanding then = now;
  if (day) then = StandingOn(condition, *day);
  if (then.status() == v1::CONDITION_STATUS_NOT_IN_FORCE)
    return not_triggered("the conditions did not apply on the day of the call: " + then.explanation());
  std::string exempt;
  const Exemption exemption = IsExempt(call, condition, day.value_or(arrival), &exempt);
  if (exemption == Exemption::kYes) return not_triggered(fmt::format("{} is exempt from the conditions", exempt));

  advice.set_triggers(true);
  std::string doubts;
  if (now.status() == v1::CONDITION_STATUS_UNKNOWN || then.status() == v1::CONDITION_STATUS_UNKNOWN)
    doubts += "; whether they applied is not known";
  if (!day) doubts += "; the day of the call is not given";
  if (exemption == Exemption::kUnknown) doubts += "; the facility may be one of those exempt";
  advice.set_uncertain(!doubts.empty());
  advice.set_explanation(
      fmt::format("{} on the day of the call: {}{}", day ? records::DayText(*day) : "no date", then.explanation(), doubts));
  for (const Duty& duty : kDuties) {
    if (Shows(call, duty.measure)) {
      advice.add_counted(duty.measure);
    } else {
      advice.add_missing(duty.measure);
    }
  }
  return advice;
}

// The advice on a call: of several conditions of a country, one that triggers for certain goes before one that may, and that before one
// that does not; then by name.
v1::CallAdvice AdviseOnCall(const v1::PortCall& call, int index, const std::vector<v1::ConditionOfEntry>& conditions,
                            absl::CivilDay arrival) {
  std::optional<v1::CallAdvice> chosen;
  const auto rank = [](const v1::CallAdvice& advice) { return advice.triggers() ? (advice.uncertain() ? 1 : 0) : 2; };
  for (const v1::ConditionOfEntry& condition : conditions) {
    if (call.country().empty() || condition.country() != call.country() || condition.withdrawn()) continue;
    v1::CallAdvice advice = Weigh(call, index, condition, arrival);
    const bool first =
        !chosen || rank(advice) < rank(*chosen) || (rank(advice) == rank(*chosen) && advice.condition() < chosen->condition());
    if (first) chosen = std::move(advice);
  }
  if (chosen) return *chosen;
  v1::CallAdvice none;
  none.set_call(index);
  none.set_explanation(call.country().empty() ? "the country of the call is not known"
                                              : "no conditions of entry are recorded for " + call.country());
  return none;
}

}  // namespace

v1::MeasureAdvice AdviseOn(const v1::Arrival& arrival, const std::vector<v1::ConditionOfEntry>& conditions) {
  v1::MeasureAdvice advice;
  const absl::CivilDay day = records::EarliestDay(arrival.arrival_date());
  const int given = std::min(kLastCalls, arrival.last_calls_size());
  std::vector<int> triggering;
  bool higher_level = true;
  bool all_shown = true;
  int known = 0;
  for (int i = 0; i < given; ++i) {
    const v1::PortCall& call = arrival.last_calls(i);
    known += !call.country().empty();
    v1::CallAdvice& one = *advice.add_calls();
    one = AdviseOnCall(call, i, conditions, day);
    if (!one.triggers()) continue;
    triggering.push_back(i);
    higher_level = higher_level && Shows(call, v1::CALL_MEASURE_LEVEL_2_MEASURES);
    all_shown = all_shown && one.missing().empty();
  }
  advice.set_calls_unknown(kLastCalls - known);
  if (triggering.empty()) return advice;

  advice.set_conditions_apply(true);
  for (const Duty& duty : kDuties) {
    v1::AdvisedMeasure measure;
    for (const v1::CallAdvice& call : advice.calls()) {
      if (std::find(call.missing().begin(), call.missing().end(), duty.measure) != call.missing().end()) measure.add_calls(call.call());
    }
    if (measure.calls().empty()) continue;
    measure.set_kind(v1::MEASURE_KIND_REQUIRED);
    measure.set_text(duty.text);
    measure.set_rule(duty.rule);
    measure.set_citation(kAdvisory);
    *advice.add_measures() = std::move(measure);
  }
  for (const Consequence& consequence : kConsequences) {
    if (consequence.when == When::kUnlessAllShown && all_shown) continue;
    const bool lessened = (consequence.lessened_by == LessenedBy::kHigherLevel && higher_level) ||
                          (consequence.lessened_by == LessenedBy::kAllShown && all_shown);
    v1::AdvisedMeasure& measure = *advice.add_measures();
    measure.set_kind(consequence.kind);
    measure.set_text(lessened ? consequence.lessened_text : consequence.text);
    measure.set_rule(consequence.rule);
    measure.set_citation(consequence.citation);
    measure.set_lessened(lessened);
    for (const int call : triggering) measure.add_calls(call);
  }
  return advice;
}

}  // namespace fairlead::view
