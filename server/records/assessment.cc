// Assessments of countries under 46 USC 70108.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "fairlead/v1/assessment.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

constexpr int kCycleYears = 3;  // 46 USC 70108(d)
constexpr int kObservationsMax = 100;

bool IsDetermined(v1::AssessmentState state) { return state >= v1::ASSESSMENT_STATE_DETERMINED; }

// A visit that took place can be assessed on site.
bool TookPlace(const v1::Engagement& engagement) {
  const bool visit = engagement.kind() == v1::ENGAGEMENT_KIND_COUNTRY_VISIT || engagement.kind() == v1::ENGAGEMENT_KIND_PORT_VISIT;
  return visit && (engagement.state() == v1::ENGAGEMENT_STATE_COMPLETED || engagement.state() == v1::ENGAGEMENT_STATE_REPORTED ||
                   engagement.state() == v1::ENGAGEMENT_STATE_CLOSED);
}

void ValidateElements(const v1::Assessment& assessment, Checks* checks) {
  std::set<int> seen;
  for (int i = 0; i < assessment.elements_size(); ++i) {
    const v1::ElementResult& result = assessment.elements(i);
    const std::string path = fmt::format("elements[{}]", i);
    checks->NotZero(path + ".element", result.element(), "is required: an element of 46 USC 70108(b)");
    checks->NotZero(path + ".finding", result.finding(), "is required: leave out an element that was not looked at");
    checks->NotZero(path + ".basis", result.basis(), "is required: ON_SITE or ALTERNATIVE");
    if (!seen.insert(result.element()).second) checks->Fail(Reason::kFieldInvalid, path + ".element", "has a result already");
    const bool alternative = result.basis() == v1::ASSESSMENT_BASIS_ALTERNATIVE;
    checks->Prose(path + ".evidence", result.evidence(), alternative ? Need::kRequired : Need::kOptional, kProseCharsMax);
    if (result.observations_size() > kObservationsMax) {
      checks->Fail(Reason::kFieldTooLarge, path + ".observations", fmt::format("at most {} are allowed", kObservationsMax));
    }
    for (int j = 0; j < result.observations_size(); ++j) {
      const auto observation = FindAs<v1::Observation>(checks->reader(), result.observations(j));
      const std::string element = fmt::format("{}.observations[{}]", path, j);
      if (observation == nullptr) {
        checks->Fail(Reason::kReferenceNotFound, element, fmt::format("there is no observation {}", result.observations(j)));
      } else if (observation->country() != assessment.country()) {
        checks->Fail(Reason::kFieldInvalid, element, "must be of the country that is assessed");
      }
    }
  }
}

void ValidateBasis(const v1::Assessment& assessment, Checks* checks) {
  bool visited = false;
  for (int i = 0; i < assessment.engagements_size(); ++i) {
    const auto engagement = FindAs<v1::Engagement>(checks->reader(), assessment.engagements(i));
    const std::string path = fmt::format("engagements[{}]", i);
    if (engagement == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, path, fmt::format("there is no engagement {}", assessment.engagements(i)));
      continue;
    }
    const auto& countries = engagement->countries();
    if (std::find(countries.begin(), countries.end(), assessment.country()) == countries.end()) {
      checks->Fail(Reason::kFieldInvalid, path, fmt::format("must be an engagement with {}", assessment.country()));
    }
    visited = visited || TookPlace(*engagement);
  }
  const bool alternative = assessment.basis() == v1::ASSESSMENT_BASIS_ALTERNATIVE;
  checks->Prose("alternative_evidence", assessment.alternative_evidence(), alternative ? Need::kRequired : Need::kOptional, kProseCharsMax);
  if (!IsDetermined(assessment.state())) return;
  checks->NotZero("basis", assessment.basis(), "is required from DETERMINED on: ON_SITE or ALTERNATIVE");
  if (assessment.basis() == v1::ASSESSMENT_BASIS_ON_SITE && !visited && assessment.source().empty()) {
    checks->Fail(Reason::kFieldRequired, "engagements",
                 "is required with ON_SITE: a country or port visit that took place, or a source that reports one");
  }
}

void ValidateDates(const v1::Assessment& assessment, Checks* checks) {
  checks->Date("notice_date", assessment.has_notice_date(), assessment.notice_date());
  const bool determined = IsDetermined(assessment.state());
  if (!assessment.has_determination_date()) {
    if (determined) checks->Fail(Reason::kFieldRequired, "determination_date", "is required from DETERMINED on");
    if (assessment.has_due_date()) checks->Fail(Reason::kFieldRequired, "determination_date", "is required with due_date");
  } else if (!IsWholeDate(assessment.determination_date())) {
    checks->Fail(Reason::kFieldInvalid, "determination_date", "must be a day, with year and month: the three years are counted from it");
  } else if (assessment.has_due_date()) {
    const absl::CivilDay latest = YearsAfter(EarliestDay(assessment.determination_date()), kCycleYears);
    if (!IsWholeDate(assessment.due_date())) {
      checks->Fail(Reason::kFieldInvalid, "due_date", "must be a day, with year and month");
    } else if (EarliestDay(assessment.due_date()) > latest || IsBefore(assessment.due_date(), assessment.determination_date())) {
      checks->Fail(Reason::kFieldInvalid, "due_date",
                   fmt::format("must be from the determination to {}: a reassessment at least every three years (46 USC 70108(d))",
                               DayText(latest)));
    }
  }
  if (determined) checks->NotZero("determination", assessment.determination(), "is required from DETERMINED on");
  if (assessment.state() != v1::ASSESSMENT_STATE_NOTIFIED) return;
  if (assessment.determination() != v1::DETERMINATION_NOT_EFFECTIVE) {
    checks->Fail(Reason::kFieldInvalid, "determination", "must be NOT_EFFECTIVE for a notice (46 USC 70109)");
  }
  if (!assessment.has_notice_date()) {
    checks->Fail(Reason::kFieldRequired, "notice_date", "is required from NOTIFIED on");
  } else if (IsDate(assessment.notice_date()) && IsDate(assessment.determination_date()) &&
             IsBefore(assessment.notice_date(), assessment.determination_date())) {
    checks->Fail(Reason::kFieldInvalid, "notice_date", "is before the determination");
  }
}

void Validate(const v1::Assessment& assessment, const v1::Assessment* previous, Checks* checks) {
  checks->Reference("country", assessment.country(), kCountries, Need::kRequired);
  if (previous != nullptr && previous->country() != assessment.country()) {
    checks->Fail(Reason::kFieldImmutable, "country", "an assessment stays with its country");
  }
  checks->NotZero("state", assessment.state(), "is required: every assessment has a place in its lifecycle");
  ValidateElements(assessment, checks);
  ValidateBasis(assessment, checks);
  ValidateDates(assessment, checks);
  checks->Prose("recommended_steps", assessment.recommended_steps(), Need::kOptional, kProseCharsMax);
  checks->Prose("source", assessment.source(), Need::kOptional, kSourceCharsMax);
  checks->Prose("notes", assessment.notes(), Need::kOptional, kNotesCharsMax);
}

// The due date, where the determination's day is known and no date was given, or the one that stands was filled in for another day.
void Complete(v1::Assessment* next, const v1::Assessment* previous) {
  if (!next->has_determination_date() || !IsWholeDate(next->determination_date())) return;
  const auto due = [](const v1::Assessment& a) { return DateText(DateOf(YearsAfter(EarliestDay(a.determination_date()), kCycleYears))); };
  const bool filled = previous != nullptr && previous->has_determination_date() && IsWholeDate(previous->determination_date()) &&
                      next->has_due_date() && DateText(next->due_date()) == due(*previous);
  if (next->has_due_date() && !filled) return;
  *next->mutable_due_date() = DateOf(YearsAfter(EarliestDay(next->determination_date()), kCycleYears));
}

std::string SortByDetermination(const v1::Assessment& assessment) {
  return assessment.has_determination_date() ? DateText(assessment.determination_date()) : std::string(kNoDateSort);
}

}  // namespace

RecordType AssessmentType() {
  using Assessment = v1::Assessment;
  RecordType type;
  type.number = 30;
  type.prototype = &Assessment::default_instance();
  type.pattern = "assessments/{assessment}";
  type.validate = ValidateChange<Assessment>(Validate);
  type.complete = CompleteWith<Assessment>(
      [](Assessment* next, const Assessment* previous, const RecordReader&, absl::Time) { Complete(next, previous); });
  type.state_field = "state";
  type.initial_state = v1::ASSESSMENT_STATE_DRAFT;
  type.transitions = {
      {.method = "DetermineAssessment", .from = {v1::ASSESSMENT_STATE_DRAFT}, .to = v1::ASSESSMENT_STATE_DETERMINED},
      {.method = "NotifyAssessment", .from = {v1::ASSESSMENT_STATE_DETERMINED}, .to = v1::ASSESSMENT_STATE_NOTIFIED},
      {.method = "CloseAssessment",
       .from = {v1::ASSESSMENT_STATE_DETERMINED, v1::ASSESSMENT_STATE_NOTIFIED},
       .to = v1::ASSESSMENT_STATE_CLOSED},
  };
  auto sort = On<Assessment>(SortByDetermination);
  type.indexes = {
      {.number = 300, .filter = "country", .values = On<Assessment>([](const Assessment& a) { return Values{a.country()}; }), .sort = sort},
      {.number = 301,
       .filter = "state",
       .values = On<Assessment>([](const Assessment& a) { return Values{DecimalOf(a.state())}; }),
       .sort = sort},
  };
  return type;
}

}  // namespace fairlead::records
