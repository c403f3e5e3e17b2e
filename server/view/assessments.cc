#include "server/view/assessments.h"

#include <absl/time/time.h>

#include <algorithm>
#include <set>

#include "api/errors.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/view/conditions.h"
#include "server/view/records.h"

namespace fairlead::view {
namespace {

namespace v1 = fairlead::v1;

// The order of the listing: what is most overdue first.
int OrderOf(v1::CycleStatus status) {
  switch (status) {
    case v1::CYCLE_STATUS_OVERDUE:
      return 0;
    case v1::CYCLE_STATUS_DUE:
      return 1;
    case v1::CYCLE_STATUS_CURRENT:
      return 2;
    default:
      return 3;
  }
}

}  // namespace

v1::AssessmentStanding StandingOf(const std::string& country, const v1::Assessment* newest, absl::CivilDay as_of, int due_within_days) {
  v1::AssessmentStanding standing;
  standing.set_country(country);
  std::set<int> found;
  if (newest != nullptr) {
    for (const v1::ElementResult& result : newest->elements()) {
      if (result.finding() != v1::ELEMENT_FINDING_NOT_DETERMINED) found.insert(result.element());
    }
  }
  for (int element = v1::ASSESSMENT_ELEMENT_SCREENING; element <= v1::ASSESSMENT_ELEMENT_OTHER; ++element) {
    if (!found.contains(element)) standing.add_missing_elements(static_cast<v1::AssessmentElement>(element));
  }
  if (newest == nullptr) {
    standing.set_status(v1::CYCLE_STATUS_NEVER);
    return standing;
  }
  standing.set_assessment(newest->name());
  standing.set_determination(newest->determination());
  *standing.mutable_determination_date() = newest->determination_date();
  standing.set_basis(newest->basis());
  *standing.mutable_due_date() = newest->due_date();
  const auto left = static_cast<int32_t>(records::EarliestDay(newest->due_date()) - as_of);
  standing.set_days_left(left);
  standing.set_status(left < 0 ? v1::CYCLE_STATUS_OVERDUE : left <= due_within_days ? v1::CYCLE_STATUS_DUE : v1::CYCLE_STATUS_CURRENT);
  return standing;
}

std::map<std::string, v1::Assessment> NewestDeterminations(std::vector<v1::Assessment> assessments, absl::CivilDay as_of) {
  std::map<std::string, v1::Assessment> newest;
  for (v1::Assessment& assessment : assessments) {
    // One that two sites completed apart may show a date without its determination: it has none yet.
    const bool determined = assessment.state() >= v1::ASSESSMENT_STATE_DETERMINED &&
                            records::IsWholeDate(assessment.determination_date()) && records::IsWholeDate(assessment.due_date());
    if (!determined || records::EarliestDay(assessment.determination_date()) > as_of) continue;
    v1::Assessment& held = newest[assessment.country()];
    const auto key = [](const v1::Assessment& a) { return records::DateText(a.determination_date()) + a.name(); };
    if (held.name().empty() || key(held) < key(assessment)) held = std::move(assessment);
  }
  return newest;
}

absl::StatusOr<absl::CivilDay> DayOrToday(const node::Node& node, bool present, const google::type::Date& date, const std::string& field) {
  if (!present) return absl::ToCivilDay(node.options().clock->Now(), absl::UTCTimeZone());
  if (!records::IsWholeDate(date)) return FieldError(Reason::kFieldInvalid, field, "must be a day, with year and month");
  return records::EarliestDay(date);
}

absl::StatusOr<v1::ListAssessmentStandingsResponse> ListStandings(const node::Node& node,
                                                                  const v1::ListAssessmentStandingsRequest& request) {
  if (request.due_within_days() < 0 || request.due_within_days() > kDueWithinDaysMax) {
    return FieldError(Reason::kFieldInvalid, "due_within_days", "must be in [0, 1095]");
  }
  const int due_within = request.due_within_days() == 0 ? kDueWithinDaysDefault : request.due_within_days();
  const absl::StatusOr<absl::CivilDay> as_of = DayOrToday(node, request.has_as_of(), request.as_of(), "as_of");
  if (!as_of.ok()) return as_of.status();
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  absl::StatusOr<std::vector<v1::Assessment>> assessments = AllRecords<v1::Assessment>(node, *view, "assessments");
  if (!assessments.ok()) return assessments.status();
  const std::map<std::string, v1::Assessment> newest = NewestDeterminations(*std::move(assessments), *as_of);
  v1::ListAssessmentStandingsResponse response;
  *response.mutable_as_of() = records::DateOf(*as_of);
  for (const auto& [key, n] : node.Aggregates(records::figures::kCountry)) {
    const std::string rest = key.substr(records::figures::kCountry.size());  // {region}/{CC}
    const size_t slash = rest.find('/');
    if (request.region() != 0 && rest.substr(0, slash) != std::to_string(request.region())) continue;
    const std::string country = "countries/" + rest.substr(slash + 1);
    const auto found = newest.find(country);
    v1::AssessmentStanding standing = StandingOf(country, found == newest.end() ? nullptr : &found->second, *as_of, due_within);
    if (request.status() != 0 && standing.status() != request.status()) continue;
    if (request.basis() != 0 && standing.basis() != request.basis()) continue;
    *response.add_standings() = std::move(standing);
  }
  std::sort(response.mutable_standings()->begin(), response.mutable_standings()->end(),
            [](const v1::AssessmentStanding& a, const v1::AssessmentStanding& b) {
              if (a.status() != b.status()) return OrderOf(a.status()) < OrderOf(b.status());
              if (a.days_left() != b.days_left()) return a.days_left() < b.days_left();
              return a.country() < b.country();
            });
  return response;
}

absl::StatusOr<v1::ListConditionsInForceResponse> ListInForce(const node::Node& node, const v1::ListConditionsInForceRequest& request) {
  const absl::StatusOr<absl::CivilDay> as_of = DayOrToday(node, request.has_as_of(), request.as_of(), "as_of");
  if (!as_of.ok()) return as_of.status();
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  v1::ListConditionsInForceResponse response;
  *response.mutable_as_of() = records::DateOf(*as_of);
  const absl::Status read = ForEachRecord(node, *view, "conditionsOfEntry", [&](const google::protobuf::Message& record) {
    const auto& condition = static_cast<const v1::ConditionOfEntry&>(record);
    if (!request.country().empty() && condition.country() != request.country()) return;
    v1::ConditionStanding standing = StandingOn(condition, *as_of);
    if (request.status() != 0 && standing.status() != request.status()) return;
    if (standing.status() != v1::CONDITION_STATUS_NOT_IN_FORCE) *response.add_standings() = std::move(standing);
  });
  if (!read.ok()) return read;
  return response;
}

}  // namespace fairlead::view
