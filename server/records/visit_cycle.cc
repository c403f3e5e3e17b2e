// Rounds of visiting a country, phase by phase.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "fairlead/v1/visit.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/months.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

constexpr int kEngagementsMax = 100;

// The date that tells when a phase began, in the order of the phases.
struct PhaseDate {
  v1::VisitPhase phase;
  std::string_view field;
  bool (v1::VisitCycle::*has)() const;
  const google::type::Date& (v1::VisitCycle::*date)() const;
};
constexpr std::array<PhaseDate, 5> kPhases = {{
    {v1::VISIT_PHASE_PRELIMINARY_EXCHANGE, "preliminary_date", &v1::VisitCycle::has_preliminary_date, &v1::VisitCycle::preliminary_date},
    {v1::VISIT_PHASE_IN_COUNTRY, "in_country_date", &v1::VisitCycle::has_in_country_date, &v1::VisitCycle::in_country_date},
    {v1::VISIT_PHASE_RECIPROCAL_OFFERED, "reciprocal_offered_date", &v1::VisitCycle::has_reciprocal_offered_date,
     &v1::VisitCycle::reciprocal_offered_date},
    {v1::VISIT_PHASE_DIALOGUE, "dialogue_date", &v1::VisitCycle::has_dialogue_date, &v1::VisitCycle::dialogue_date},
    {v1::VISIT_PHASE_ENDED, "ended_date", &v1::VisitCycle::has_ended_date, &v1::VisitCycle::ended_date},
}};

// A round can end in any phase, so that in ENDED only the first and the last date must be there.
bool NeedsDate(v1::VisitPhase state, v1::VisitPhase phase) {
  if (phase == v1::VISIT_PHASE_PRELIMINARY_EXCHANGE) return true;
  return state == v1::VISIT_PHASE_ENDED ? phase == v1::VISIT_PHASE_ENDED : phase <= state;
}

void ValidateDates(const v1::VisitCycle& cycle, Checks* checks) {
  const PhaseDate* before = nullptr;  // the last of the dates so far that is there and is one
  for (const PhaseDate& at : kPhases) {
    if (!(cycle.*at.has)()) {
      if (!NeedsDate(cycle.state(), at.phase)) continue;
      checks->Fail(Reason::kFieldRequired, at.field,
                   fmt::format("is required in {}: it says since when", v1::VisitPhase_Name(cycle.state())));
      continue;
    }
    const google::type::Date& date = (cycle.*at.date)();
    checks->Date(at.field, true, date);
    if (!IsDate(date)) continue;
    if (at.phase > cycle.state()) {
      checks->Fail(Reason::kFieldInvalid, at.field, fmt::format("is set by the move to {}", v1::VisitPhase_Name(at.phase)));
    }
    if (before != nullptr && IsBefore(date, (cycle.*before->date)())) {
      checks->Fail(Reason::kFieldInvalid, at.field, fmt::format("is before {}", before->field));
    }
    before = &at;
  }
}

void ValidateEngagements(const v1::VisitCycle& cycle, Checks* checks) {
  if (cycle.engagements_size() > kEngagementsMax) {
    checks->Fail(Reason::kFieldTooLarge, "engagements",
                 fmt::format("has {} elements; at most {} are allowed", cycle.engagements_size(), kEngagementsMax));
    return;
  }
  for (int i = 0; i < cycle.engagements_size(); ++i) {
    const std::string path = fmt::format("engagements[{}]", i);
    const std::unique_ptr<v1::Engagement> engagement = FindAs<v1::Engagement>(checks->reader(), cycle.engagements(i));
    if (engagement == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, path, fmt::format("there is no engagement {}", cycle.engagements(i)));
    } else if (std::find(engagement->countries().begin(), engagement->countries().end(), cycle.country()) ==
               engagement->countries().end()) {
      checks->Fail(Reason::kFieldInvalid, path, "must be an engagement with the country of the cycle");
    }
  }
}

void Validate(const v1::VisitCycle& cycle, Checks* checks) {
  checks->Reference("country", cycle.country(), kCountries, Need::kRequired);
  checks->NotZero("state", cycle.state(), "is required: every cycle is in a phase");
  checks->Reference("officer", cycle.officer(), kLiaisonOfficers, Need::kOptional);
  ValidateDates(cycle, checks);
  ValidateEngagements(cycle, checks);
  if (!cycle.reciprocal_visit().empty()) {
    const std::unique_ptr<v1::ReciprocalVisit> visit = FindAs<v1::ReciprocalVisit>(checks->reader(), cycle.reciprocal_visit());
    if (visit == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, "reciprocal_visit",
                   fmt::format("there is no reciprocal visit {}", cycle.reciprocal_visit()));
    } else if (visit->country() != cycle.country()) {
      checks->Fail(Reason::kFieldInvalid, "reciprocal_visit", fmt::format("is one of {}, not of the cycle's country", visit->country()));
    }
  }
  const bool cut_short = cycle.state() == v1::VISIT_PHASE_ENDED && !cycle.has_dialogue_date();
  checks->Prose("reason", cycle.reason(), cut_short ? Need::kRequired : Need::kOptional, kReasonCharsMax);
  checks->Prose("notes", cycle.notes(), Need::kOptional, kNotesCharsMax);
  checks->Prose("source", cycle.source(), Need::kOptional, kSourceCharsMax);
}

}  // namespace

RecordType VisitCycleType() {
  using Cycle = v1::VisitCycle;
  RecordType type;
  type.number = 20;
  type.prototype = &Cycle::default_instance();
  type.pattern = "visitCycles/{visit_cycle}";
  type.validate = ValidateWith<Cycle>(Validate);
  type.state_field = "state";
  type.initial_state = v1::VISIT_PHASE_PRELIMINARY_EXCHANGE;
  type.transitions = {
      {.method = "BeginVisit", .from = {v1::VISIT_PHASE_PRELIMINARY_EXCHANGE}, .to = v1::VISIT_PHASE_IN_COUNTRY},
      {.method = "OfferReciprocal", .from = {v1::VISIT_PHASE_IN_COUNTRY}, .to = v1::VISIT_PHASE_RECIPROCAL_OFFERED},
      {.method = "OpenDialogue", .from = {v1::VISIT_PHASE_RECIPROCAL_OFFERED}, .to = v1::VISIT_PHASE_DIALOGUE},
      {.method = "EndVisitCycle",
       .from = {v1::VISIT_PHASE_PRELIMINARY_EXCHANGE, v1::VISIT_PHASE_IN_COUNTRY, v1::VISIT_PHASE_RECIPROCAL_OFFERED,
                v1::VISIT_PHASE_DIALOGUE},
       .to = v1::VISIT_PHASE_ENDED},
  };
  auto sort = On<Cycle>([](const Cycle& c) { return SortByDate(c.has_preliminary_date(), c.preliminary_date()); });
  type.indexes = {
      {.number = kVisitCyclesByCountry,
       .filter = "country",
       .values = On<Cycle>([](const Cycle& c) { return Values{c.country()}; }),
       .sort = sort},
      {.number = 201, .filter = "state", .values = On<Cycle>([](const Cycle& c) { return Values{DecimalOf(c.state())}; }), .sort = sort},
      {.number = 202, .filter = "officer", .values = On<Cycle>([](const Cycle& c) { return Values{c.officer()}; }), .sort = sort},
  };
  return type;
}

}  // namespace fairlead::records
