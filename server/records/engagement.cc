// Engagements with partner nations.

#include <fmt/format.h>

#include <optional>

#include "fairlead/v1/engagement.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/months.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

constexpr int kParticipantsMax = 100;

// Whether an engagement in this state has had its dates agreed.
bool HasBeenScheduled(v1::EngagementState state) {
  switch (state) {
    case v1::ENGAGEMENT_STATE_SCHEDULED:
    case v1::ENGAGEMENT_STATE_IN_PROGRESS:
    case v1::ENGAGEMENT_STATE_COMPLETED:
    case v1::ENGAGEMENT_STATE_REPORTED:
    case v1::ENGAGEMENT_STATE_CLOSED:
      return true;
    default:
      return false;
  }
}

bool IsReported(v1::EngagementState state) { return state == v1::ENGAGEMENT_STATE_REPORTED || state == v1::ENGAGEMENT_STATE_CLOSED; }

// Whether it will not take place.
bool IsCalledOff(v1::EngagementState state) { return state == v1::ENGAGEMENT_STATE_CANCELLED || state == v1::ENGAGEMENT_STATE_REFUSED; }

void ValidateCountries(const v1::Engagement& engagement, Checks* checks) {
  checks->References("countries", engagement.countries(), kCountries);
  int size = engagement.countries_size();
  if (size == 0) {
    checks->Fail(Reason::kFieldRequired, "countries", "is required: at least one nation");
  } else if (size < 2 && engagement.kind() == v1::ENGAGEMENT_KIND_MULTILATERAL) {
    checks->Fail(Reason::kFieldInvalid, "countries", "a multilateral engagement is with more than one nation");
  } else if (size > 1 && engagement.kind() == v1::ENGAGEMENT_KIND_BILATERAL) {
    checks->Fail(Reason::kFieldInvalid, "countries", "a bilateral engagement is with one nation");
  }
}

void ValidateDates(const v1::Engagement& engagement, Checks* checks) {
  if (!engagement.has_start_date() && HasBeenScheduled(engagement.state())) {
    checks->Fail(Reason::kFieldRequired, "start_date", "is required from SCHEDULED on: an agreed engagement has a first day");
    return;
  }
  CheckSpan(StartOf(engagement), EndOf(engagement), checks);
}

// Whether a refusal leaves an assessment without its on-site basis, so that another must be named (46 USC 70108(f)).
bool NeedsAlternativeBasis(const v1::Engagement& engagement) {
  const bool visit = engagement.kind() == v1::ENGAGEMENT_KIND_COUNTRY_VISIT || engagement.kind() == v1::ENGAGEMENT_KIND_PORT_VISIT;
  return visit && engagement.state() == v1::ENGAGEMENT_STATE_REFUSED;
}

void ValidateParticipants(const v1::Engagement& engagement, Checks* checks) {
  if (engagement.participants_size() > kParticipantsMax) {
    checks->Fail(Reason::kFieldTooLarge, "participants",
                 fmt::format("has {} elements; at most {} are allowed", engagement.participants_size(), kParticipantsMax));
  }
  for (int i = 0; i < engagement.participants_size(); ++i) {
    const v1::Participant& participant = engagement.participants(i);
    std::string path = fmt::format("participants[{}]", i);
    if (participant.officer().empty() == participant.counterpart().empty()) {
      checks->Fail(Reason::kFieldInvalid, path, "exactly one of officer and counterpart must be set");
    }
    checks->Reference(path + ".officer", participant.officer(), kLiaisonOfficers, Need::kOptional);
    checks->Line(path + ".counterpart", participant.counterpart(), Need::kOptional, kShortCharsMax);
    checks->Line(path + ".organisation", participant.organisation(), Need::kOptional, kShortCharsMax);
    checks->Line(path + ".role", participant.role(), Need::kOptional, kShortCharsMax);
  }
}

void Validate(const v1::Engagement& engagement, Checks* checks) {
  checks->NotZero("kind", engagement.kind(), "is required: what kind of engagement it is");
  checks->Line("title", engagement.title(), Need::kRequired, kShortCharsMax);
  ValidateCountries(engagement, checks);
  checks->References("ports", engagement.ports(), kPorts);
  checks->References("facilities", engagement.facilities(), kPortFacilities);
  checks->NotZero("region", engagement.region(), "is required: the liaison region that leads");
  checks->NotZero("state", engagement.state(), "is required: every engagement has a place in its lifecycle");
  ValidateDates(engagement, checks);
  checks->Prose("objectives", engagement.objectives(), Need::kOptional, kProseCharsMax);
  checks->Prose("outcome", engagement.outcome(), IsReported(engagement.state()) ? Need::kRequired : Need::kOptional, kProseCharsMax);
  checks->Prose("notes", engagement.notes(), Need::kOptional, kNotesCharsMax);
  ValidateParticipants(engagement, checks);
  checks->Prose("source", engagement.source(), Need::kOptional, kSourceCharsMax);
  checks->Prose("reason", engagement.reason(), IsCalledOff(engagement.state()) ? Need::kRequired : Need::kOptional, kReasonCharsMax);
  checks->Prose("alternative_basis", engagement.alternative_basis(), NeedsAlternativeBasis(engagement) ? Need::kRequired : Need::kOptional,
                kReasonCharsMax);
}

std::vector<Contribution> Contribute(const v1::Engagement& engagement) {
  std::vector<Contribution> out = {{figures::Engagement(engagement.region(), engagement.kind(), engagement.state()), 1}};
  if (IsCalledOff(engagement.state())) return out;
  for (const std::string& country : engagement.countries()) out.push_back({figures::Engaged(country), 1});
  for (const std::string& month : MonthsOf(engagement)) {
    out.push_back({figures::EngagementMonth(month, engagement.region(), engagement.kind()), 1});
  }
  return out;
}

// The last day of one that took place; nullopt of others and of one that is withdrawn.
std::optional<absl::CivilDay> HeldUntil(const v1::Engagement& engagement) {
  const bool held = IsReported(engagement.state()) || engagement.state() == v1::ENGAGEMENT_STATE_COMPLETED;
  const google::type::Date* start = StartOf(engagement);
  const google::type::Date* end = EndOf(engagement);
  const bool dated = start != nullptr && IsDate(*start) && (end == nullptr || IsDate(*end));
  if (!held || !dated || engagement.withdrawn()) return std::nullopt;
  return DaysOf(*start, end).last;
}

std::string SortByStart(const v1::Engagement& engagement) { return SortByDate(engagement.has_start_date(), engagement.start_date()); }

Values TopicsOf(const v1::Engagement& engagement) {
  Values topics;
  for (int topic : engagement.topics()) topics.push_back(DecimalOf(topic));
  return topics;
}

Values OfficersOf(const v1::Engagement& engagement) {
  Values officers;
  for (const v1::Participant& participant : engagement.participants()) {
    if (!participant.officer().empty()) officers.push_back(participant.officer());
  }
  return officers;
}

}  // namespace

RecordType EngagementType() {
  RecordType type;
  type.number = 5;
  type.prototype = &v1::Engagement::default_instance();
  type.pattern = "engagements/{engagement}";
  type.validate = ValidateWith<v1::Engagement>(Validate);
  type.state_field = "state";
  type.initial_state = v1::ENGAGEMENT_STATE_DRAFT;
  type.transitions = {
      {.method = "ProposeEngagement", .from = {v1::ENGAGEMENT_STATE_DRAFT}, .to = v1::ENGAGEMENT_STATE_PROPOSED},
      {.method = "ScheduleEngagement",
       .from = {v1::ENGAGEMENT_STATE_DRAFT, v1::ENGAGEMENT_STATE_PROPOSED},
       .to = v1::ENGAGEMENT_STATE_SCHEDULED},
      {.method = "StartEngagement", .from = {v1::ENGAGEMENT_STATE_SCHEDULED}, .to = v1::ENGAGEMENT_STATE_IN_PROGRESS},
      {.method = "CompleteEngagement", .from = {v1::ENGAGEMENT_STATE_IN_PROGRESS}, .to = v1::ENGAGEMENT_STATE_COMPLETED},
      {.method = "ReportEngagement", .from = {v1::ENGAGEMENT_STATE_COMPLETED}, .to = v1::ENGAGEMENT_STATE_REPORTED},
      {.method = "CloseEngagement", .from = {v1::ENGAGEMENT_STATE_REPORTED}, .to = v1::ENGAGEMENT_STATE_CLOSED},
      {.method = "CancelEngagement",
       .from = {v1::ENGAGEMENT_STATE_DRAFT, v1::ENGAGEMENT_STATE_PROPOSED, v1::ENGAGEMENT_STATE_SCHEDULED,
                v1::ENGAGEMENT_STATE_IN_PROGRESS},
       .to = v1::ENGAGEMENT_STATE_CANCELLED},
      {.method = "RefuseEngagement",
       .from = {v1::ENGAGEMENT_STATE_PROPOSED, v1::ENGAGEMENT_STATE_SCHEDULED},
       .to = v1::ENGAGEMENT_STATE_REFUSED},
  };
  auto sort = On<v1::Engagement>(SortByStart);
  type.indexes = {
      {.number = 40,
       .filter = "region",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return Values{DecimalOf(e.region())}; }),
       .sort = sort},
      {.number = 41,
       .filter = "country",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return Values(e.countries().begin(), e.countries().end()); }),
       .sort = sort},
      {.number = 42,
       .filter = "kind",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return Values{DecimalOf(e.kind())}; }),
       .sort = sort},
      {.number = 43,
       .filter = "state",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return Values{DecimalOf(e.state())}; }),
       .sort = sort},
      {.number = 44, .filter = "topic", .values = On<v1::Engagement>(TopicsOf), .sort = sort},
      {.number = 45, .filter = "officer", .values = On<v1::Engagement>(OfficersOf), .sort = sort},
      {.number = 46,
       .filter = "port",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return Values(e.ports().begin(), e.ports().end()); }),
       .sort = sort},
      {.number = 47,
       .filter = "facility",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return Values(e.facilities().begin(), e.facilities().end()); }),
       .sort = sort},
      {.number = kEngagementsByMonth,
       .filter = "month",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return MonthsOf(e); }),
       .sort = sort},
      {.number = 49,
       .filter = "active",
       .values = On<v1::Engagement>([](const v1::Engagement& e) { return IsCalledOff(e.state()) ? Values{} : Values{"1"}; }),
       .sort = sort},
      {.number = kEngagementsHeld,
       .filter = "held",
       .values = On<v1::Engagement>(
           [](const v1::Engagement& e) { return HeldUntil(e) ? Values(e.countries().begin(), e.countries().end()) : Values{}; }),
       .sort = On<v1::Engagement>([](const v1::Engagement& e) {
         const std::optional<absl::CivilDay> last = HeldUntil(e);
         return last ? DayText(*last) : std::string(kNoDateSort);
       })},
  };
  type.contribute = On<v1::Engagement>(Contribute);
  return type;
}

}  // namespace fairlead::records
