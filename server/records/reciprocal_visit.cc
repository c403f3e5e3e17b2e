// Visits of a nation's officials in return.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/visit.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/figures.h"
#include "server/records/months.h"
#include "server/records/release.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using Visit = v1::ReciprocalVisit;

constexpr int kDelegatesMax = 100;
constexpr int kStopsMax = 100;

bool IsAccepted(v1::ReciprocalVisitState state) {
  return state == v1::RECIPROCAL_VISIT_STATE_ACCEPTED || state == v1::RECIPROCAL_VISIT_STATE_CANCELLED;
}
bool IsPlanned(v1::ReciprocalVisitState state) {
  return state == v1::RECIPROCAL_VISIT_STATE_PLANNED || state == v1::RECIPROCAL_VISIT_STATE_DONE ||
         state == v1::RECIPROCAL_VISIT_STATE_REPORTED;
}
bool IsCalledOff(v1::ReciprocalVisitState state) {
  return state == v1::RECIPROCAL_VISIT_STATE_DECLINED || state == v1::RECIPROCAL_VISIT_STATE_CANCELLED;
}

// The United States and its territories (ISO 3166-1).
bool IsDomestic(std::string_view country) {
  static const std::set<std::string_view> kDomestic = {"AS", "GU", "MP", "PR", "UM", "US", "VI"};
  return kDomestic.contains(country);
}

void ValidateDates(const Visit& visit, Checks* checks) {
  checks->Date("requested_date", visit.has_requested_date(), visit.requested_date());
  if (!visit.has_requested_date()) checks->Fail(Reason::kFieldRequired, "requested_date", "is required: when it was requested");
  checks->Date("decision_date", visit.has_decision_date(), visit.decision_date());
  if (visit.has_decision_date() && visit.has_requested_date() && IsDate(visit.decision_date()) && IsDate(visit.requested_date()) &&
      IsBefore(visit.decision_date(), visit.requested_date())) {
    checks->Fail(Reason::kFieldInvalid, "decision_date", "is before requested_date");
  }
  CheckSpan(StartOf(visit), EndOf(visit), checks);
  if (!IsPlanned(visit.state())) return;
  for (const auto& [field, present, date] : {std::tuple("start_date", visit.has_start_date(), &visit.start_date()),
                                             std::tuple("end_date", visit.has_end_date(), &visit.end_date())}) {
    if (!present) {
      checks->Fail(Reason::kFieldRequired, field, "is required from PLANNED on: a planned visit has its days");
    } else if (IsDate(*date) && !IsWholeDate(*date)) {
      checks->Fail(Reason::kFieldInvalid, field, "must be a day, with year and month, from PLANNED on");
    }
  }
}

void ValidateStopDate(const Visit& visit, const v1::ItineraryStop& stop, const std::string& path, Checks* checks) {
  if (!IsWholeDate(stop.date())) {
    checks->Fail(Reason::kFieldInvalid, path + ".date", "must be a day, with year and month");
    return;
  }
  const bool early = visit.has_start_date() && IsDate(visit.start_date()) && IsBefore(stop.date(), visit.start_date());
  const bool late = visit.has_end_date() && IsDate(visit.end_date()) && IsBefore(visit.end_date(), stop.date());
  if (early || late) checks->Fail(Reason::kFieldInvalid, path + ".date", "is not within start_date and end_date");
}

void ValidateStopPort(const v1::ItineraryStop& stop, const std::string& path, Checks* checks) {
  const bool needed = stop.kind() == v1::STOP_KIND_PORT;
  checks->Reference(path + ".port", stop.port(), kPorts, needed ? Need::kRequired : Need::kOptional);
  const std::unique_ptr<v1::Port> port = FindAs<v1::Port>(checks->reader(), stop.port());
  if (port != nullptr && !IsDomestic(figures::IdOf(port->country()))) {
    checks->Fail(Reason::kFieldInvalid, path + ".port",
                 fmt::format("is in {}: a reciprocal visit is to the United States", figures::IdOf(port->country())));
  }
}

void ValidateItinerary(const Visit& visit, Checks* checks) {
  if (visit.itinerary_size() > kStopsMax) {
    checks->Fail(Reason::kFieldTooLarge, "itinerary",
                 fmt::format("has {} stops; at most {} are allowed", visit.itinerary_size(), kStopsMax));
    return;
  }
  if (visit.itinerary_size() == 0 && IsPlanned(visit.state())) {
    checks->Fail(Reason::kFieldRequired, "itinerary", "is required from PLANNED on: at least one stop");
  }
  for (int i = 0; i < visit.itinerary_size(); ++i) {
    const v1::ItineraryStop& stop = visit.itinerary(i);
    const std::string path = fmt::format("itinerary[{}]", i);
    ValidateStopDate(visit, stop, path, checks);
    checks->NotZero(path + ".kind", stop.kind(), "is required: headquarters, a field unit or a port");
    checks->Line(path + ".place", stop.place(), Need::kRequired, kShortCharsMax);
    ValidateStopPort(stop, path, checks);
    checks->Line(path + ".subject", stop.subject(), Need::kRequired, kShortCharsMax);
  }
}

void ValidateDelegates(const Visit& visit, Checks* checks) {
  if (visit.delegates_size() > kDelegatesMax) {
    checks->Fail(Reason::kFieldTooLarge, "delegates",
                 fmt::format("has {} elements; at most {} are allowed", visit.delegates_size(), kDelegatesMax));
    return;
  }
  for (int i = 0; i < visit.delegates_size(); ++i) {
    const std::string path = fmt::format("delegates[{}]", i);
    checks->Line(path + ".delegate", visit.delegates(i).delegate(), Need::kRequired, kShortCharsMax);
    checks->Line(path + ".organisation", visit.delegates(i).organisation(), Need::kOptional, kShortCharsMax);
    checks->Line(path + ".role", visit.delegates(i).role(), Need::kOptional, kShortCharsMax);
  }
}

void Validate(const Visit& visit, Checks* checks) {
  const v1::ReciprocalVisitState state = visit.state();
  checks->Reference("country", visit.country(), kCountries, Need::kRequired);
  checks->NotZero("state", state, "is required: every visit has a place in its lifecycle");
  ValidateDates(visit, checks);
  checks->Line("embassy", visit.embassy(), Need::kRequired, kShortCharsMax);
  checks->NotZero("channel", visit.channel(), "is required: how the request came in");
  checks->Line("request_reference", visit.request_reference(), Need::kOptional, kShortCharsMax);
  // What a nation's system asked for may be taken back before anybody coordinates it.
  const bool taken_back = state == v1::RECIPROCAL_VISIT_STATE_CANCELLED && !visit.system().empty();
  const bool coordinated = !taken_back && (IsAccepted(state) || IsPlanned(state));
  checks->Reference("coordinator", visit.coordinator(), kLiaisonOfficers, coordinated ? Need::kRequired : Need::kOptional);
  checks->Prose("objectives", visit.objectives(), Need::kOptional, kProseCharsMax);
  ValidateDelegates(visit, checks);
  ValidateItinerary(visit, checks);
  checks->Prose("reason", visit.reason(), IsCalledOff(state) ? Need::kRequired : Need::kOptional, kReasonCharsMax);
  const bool reported = state == v1::RECIPROCAL_VISIT_STATE_REPORTED;
  checks->Prose("outcome", visit.outcome(), reported ? Need::kRequired : Need::kOptional, kProseCharsMax);
  if (!visit.offered_in().empty()) {
    const std::unique_ptr<v1::Engagement> engagement = FindAs<v1::Engagement>(checks->reader(), visit.offered_in());
    if (engagement == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, "offered_in", fmt::format("there is no engagement {}", visit.offered_in()));
    } else if (std::find(engagement->countries().begin(), engagement->countries().end(), visit.country()) ==
               engagement->countries().end()) {
      checks->Fail(Reason::kFieldInvalid, "offered_in", "must be an engagement with the country that visits");
    }
  }
  checks->Prose("notes", visit.notes(), Need::kOptional, kNotesCharsMax);
  checks->Prose("source", visit.source(), Need::kOptional, kSourceCharsMax);
  checks->Line("system", visit.system(), Need::kOptional, kShortCharsMax);
}

}  // namespace

RecordType ReciprocalVisitType() {
  RecordType type;
  type.number = 21;
  type.prototype = &Visit::default_instance();
  type.pattern = "reciprocalVisits/{reciprocal_visit}";
  type.validate = ValidateWith<Visit>(Validate);
  type.state_field = "state";
  type.initial_state = v1::RECIPROCAL_VISIT_STATE_REQUESTED;
  type.transitions = {
      {.method = "AcceptReciprocalVisit", .from = {v1::RECIPROCAL_VISIT_STATE_REQUESTED}, .to = v1::RECIPROCAL_VISIT_STATE_ACCEPTED},
      {.method = "DeclineReciprocalVisit", .from = {v1::RECIPROCAL_VISIT_STATE_REQUESTED}, .to = v1::RECIPROCAL_VISIT_STATE_DECLINED},
      {.method = "PlanReciprocalVisit", .from = {v1::RECIPROCAL_VISIT_STATE_ACCEPTED}, .to = v1::RECIPROCAL_VISIT_STATE_PLANNED},
      {.method = "CompleteReciprocalVisit", .from = {v1::RECIPROCAL_VISIT_STATE_PLANNED}, .to = v1::RECIPROCAL_VISIT_STATE_DONE},
      {.method = "ReportReciprocalVisit", .from = {v1::RECIPROCAL_VISIT_STATE_DONE}, .to = v1::RECIPROCAL_VISIT_STATE_REPORTED},
      {.method = "CancelReciprocalVisit",
       .from = {v1::RECIPROCAL_VISIT_STATE_ACCEPTED, v1::RECIPROCAL_VISIT_STATE_PLANNED},
       .to = v1::RECIPROCAL_VISIT_STATE_CANCELLED},
  };
  auto by_request = On<Visit>([](const Visit& v) { return SortByDate(v.has_requested_date(), v.requested_date()); });
  auto by_start = On<Visit>([](const Visit& v) { return SortByDate(v.has_start_date(), v.start_date()); });
  type.indexes = {
      {.number = 210, .filter = "country", .values = On<Visit>([](const Visit& v) { return Values{v.country()}; }), .sort = by_request},
      {.number = 211,
       .filter = "state",
       .values = On<Visit>([](const Visit& v) { return Values{DecimalOf(v.state())}; }),
       .sort = by_request},
      {.number = 212,
       .filter = "coordinator",
       .values = On<Visit>([](const Visit& v) { return Values{v.coordinator()}; }),
       .sort = by_request},
      {.number = kReciprocalVisitsByMonth,
       .filter = "month",
       .values = On<Visit>([](const Visit& v) { return MonthsOf(v); }),
       .sort = by_start},
      {.number = kVisitsByAsker, .filter = "asker", .values = On<Visit>([](const Visit& v) {
                                                      return Askers(v.system(),
                                                                    v.state() == v1::RECIPROCAL_VISIT_STATE_REQUESTED && !v.withdrawn());
                                                    })},
  };
  return type;
}

}  // namespace fairlead::records
