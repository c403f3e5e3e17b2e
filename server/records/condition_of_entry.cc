// Conditions of entry under 46 USC 70110.

#include <fmt/format.h>

#include "fairlead/v1/assessment.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

constexpr int kNoticeDays = 90;  // 46 USC 70110(b)(1)

const Collection kConditions = {"conditionsOfEntry", IsConditionId,
                                "the country's two letters, a hyphen and a number from 1, such as CU-2"};

void ValidateDates(const v1::ConditionOfEntry& condition, Checks* checks) {
  checks->Date("notification_date", condition.has_notification_date(), condition.notification_date());
  checks->Date("publication_date", condition.has_publication_date(), condition.publication_date());
  checks->Date("effective_date", condition.has_effective_date(), condition.effective_date());
  checks->Date("listed_by_date", condition.has_listed_by_date(), condition.listed_by_date());
  checks->Date("lifted_date", condition.has_lifted_date(), condition.lifted_date());
  if (!checks->status().ok()) return;
  if (condition.has_effective_date() && condition.has_listed_by_date()) {
    checks->Fail(Reason::kFieldInvalid, "listed_by_date", "is for conditions whose effective date is not known");
  }
  if (condition.has_effective_date() && condition.has_notification_date() && condition.timing() == v1::CONDITION_TIMING_NINETY_DAYS) {
    const absl::CivilDay earliest = EarliestDay(condition.notification_date()) + kNoticeDays;
    if (LatestDay(condition.effective_date()) < earliest) {
      checks->Fail(Reason::kFieldInvalid, "effective_date",
                   fmt::format("is before {}: conditions begin 90 days after the notification, unless they are IMMEDIATE (46 USC 70110(b))",
                               DayText(earliest)));
    }
  }
  if (condition.has_lifted_date() && condition.has_effective_date() && IsBefore(condition.lifted_date(), condition.effective_date())) {
    checks->Fail(Reason::kFieldInvalid, "lifted_date", "is before effective_date");
  }
  if (condition.has_lifted_date() && condition.state() != v1::CONDITION_STATE_LIFTED) {
    checks->Fail(Reason::kFieldInvalid, "lifted_date", "is for conditions that are lifted: LiftConditionOfEntry sets it");
  }
}

void ValidateExemptFacilities(const v1::ConditionOfEntry& condition, Checks* checks) {
  for (int i = 0; i < condition.exempt_facilities_size(); ++i) {
    const v1::ExemptFacility& facility = condition.exempt_facilities(i);
    const std::string path = fmt::format("exempt_facilities[{}]", i);
    checks->Line(path + ".display_name", facility.display_name(), Need::kRequired, kShortCharsMax);
    for (int j = 0; j < facility.numbers_size(); ++j) {
      checks->Code(fmt::format("{}.numbers[{}]", path, j), facility.numbers(j), IsFacilityNumber,
                   "an IMO port facility number, such as CMDLA-0002");
    }
    checks->Date(path + ".from_date", facility.has_from_date(), facility.from_date());
    checks->Date(path + ".until_date", facility.has_until_date(), facility.until_date());
  }
}

void Validate(const v1::ConditionOfEntry& condition, Checks* checks) {
  const std::string_view id = checks->OwnId(condition.name(), kConditions);
  checks->Reference("country", condition.country(), kCountries, Need::kRequired);
  if (!id.empty() && !condition.country().empty() && figures::IdOf(condition.country()) != id.substr(0, 2)) {
    checks->Fail(Reason::kFieldInvalid, "country", "must be that of the name");
  }
  checks->NotZero("state", condition.state(), "is required: every condition of entry has a place in its lifecycle");
  if (!condition.assessment().empty()) {
    const auto assessment = FindAs<v1::Assessment>(checks->reader(), condition.assessment());
    if (assessment == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, "assessment", fmt::format("there is no assessment {}", condition.assessment()));
    } else if (assessment->country() != condition.country()) {
      checks->Fail(Reason::kFieldInvalid, "assessment", "must be of the same country");
    }
  }
  ValidateDates(condition, checks);
  ValidateExemptFacilities(condition, checks);
  checks->Prose("source", condition.source(), Need::kRequired, kSourceCharsMax);
  checks->Prose("reason", condition.reason(), Need::kOptional, kReasonCharsMax);
  checks->Prose("notes", condition.notes(), Need::kOptional, kNotesCharsMax);
}

std::string SortByEffect(const v1::ConditionOfEntry& condition) {
  return condition.has_effective_date() ? DateText(condition.effective_date()) : std::string(kNoDateSort);
}

}  // namespace

RecordType ConditionOfEntryType() {
  using Condition = v1::ConditionOfEntry;
  RecordType type;
  type.number = 31;
  type.prototype = &Condition::default_instance();
  type.pattern = "conditionsOfEntry/{condition_of_entry}";
  type.check_id = [](std::string_view id) { return CheckId(kConditions, id); };
  type.validate = ValidateWith<Condition>(Validate);
  type.state_field = "state";
  type.initial_state = v1::CONDITION_STATE_PENDING;
  type.transitions = {
      {.method = "ImposeConditionOfEntry", .from = {v1::CONDITION_STATE_PENDING}, .to = v1::CONDITION_STATE_IMPOSED},
      {.method = "RemedyConditionOfEntry", .from = {v1::CONDITION_STATE_PENDING}, .to = v1::CONDITION_STATE_REMEDIED},
      {.method = "LiftConditionOfEntry", .from = {v1::CONDITION_STATE_IMPOSED}, .to = v1::CONDITION_STATE_LIFTED},
  };
  auto sort = On<Condition>(SortByEffect);
  type.indexes = {
      {.number = 310, .filter = "country", .values = On<Condition>([](const Condition& c) { return Values{c.country()}; }), .sort = sort},
      {.number = 311,
       .filter = "state",
       .values = On<Condition>([](const Condition& c) { return Values{DecimalOf(c.state())}; }),
       .sort = sort},
  };
  return type;
}

}  // namespace fairlead::records
