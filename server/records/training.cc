// Training: what is offered, what is asked for, what is held.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "fairlead/v1/training.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/months.h"
#include "server/records/release.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using Offering = v1::TrainingOffering;
using Request = v1::TrainingRequest;
using Session = v1::TrainingSession;

constexpr uint32_t kDaysMax = 366;
constexpr uint32_t kPeopleMax = 10000;
constexpr uint32_t kRatingMin = 100;
constexpr uint32_t kRatingMax = 500;

const Collection kTrainingOfferings = {"trainingOfferings", IsOfficerId, "1 to 63 of a to z, 0 to 9 and hyphen"};

template <class Names>
bool Contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void People(std::string_view field, uint32_t count, Checks* checks) {
  if (count <= kPeopleMax) return;
  checks->Fail(Reason::kFieldTooLarge, field, fmt::format("is {}; at most {} are allowed", count, kPeopleMax));
}

// The offering, with a violation when `country` (of `field`) is none that it is open to.
void CheckOpenTo(const Offering* offering, std::string_view field, const std::string& country, Checks* checks) {
  if (offering == nullptr || offering->open_to().empty() || Contains(offering->open_to(), country)) return;
  checks->Fail(Reason::kFieldInvalid, field, fmt::format("{} is not open to {}", offering->name(), country));
}

void ValidateOffering(const Offering& offering, Checks* checks) {
  checks->OwnId(offering.name(), kTrainingOfferings);
  checks->Line("display_name", offering.display_name(), Need::kRequired, kShortCharsMax);
  checks->NotZero("program", offering.program(), "is required: the program it belongs to");
  checks->Prose("description", offering.description(), Need::kOptional, kProseCharsMax);
  if (offering.days_max() > kDaysMax) checks->Fail(Reason::kFieldInvalid, "days_max", fmt::format("is more than {}", kDaysMax));
  if (offering.days_max() < offering.days_min()) checks->Fail(Reason::kFieldInvalid, "days_max", "is less than days_min");
  checks->References("open_to", offering.open_to(), kCountries);
  checks->Prose("source", offering.source(), Need::kOptional, kSourceCharsMax);
}

void ValidateDecision(const Request& request, Checks* checks) {
  checks->Date("requested_date", request.has_requested_date(), request.requested_date());
  if (!request.has_requested_date()) checks->Fail(Reason::kFieldRequired, "requested_date", "is required: when it was made");
  checks->Date("decision_date", request.has_decision_date(), request.decision_date());
  if (request.has_decision_date() && request.has_requested_date() && IsDate(request.decision_date()) && IsDate(request.requested_date()) &&
      IsBefore(request.decision_date(), request.requested_date())) {
    checks->Fail(Reason::kFieldInvalid, "decision_date", "is before requested_date");
  }
  const bool refused = request.state() == v1::TRAINING_REQUEST_STATE_DECLINED || request.state() == v1::TRAINING_REQUEST_STATE_CANCELLED;
  checks->Prose("reason", request.reason(), refused ? Need::kRequired : Need::kOptional, kReasonCharsMax);
}

void ValidateSessionOf(const Request& request, Checks* checks) {
  const bool fulfilled = request.state() == v1::TRAINING_REQUEST_STATE_FULFILLED;
  if (request.session().empty()) {
    if (fulfilled || request.state() == v1::TRAINING_REQUEST_STATE_SCHEDULED) {
      checks->Fail(Reason::kFieldRequired, "session", "is required from SCHEDULED on: the session set for it");
    }
    return;
  }
  const std::unique_ptr<Session> session = FindAs<Session>(checks->reader(), request.session());
  if (session == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "session", fmt::format("there is no session {}", request.session()));
  } else if (session->offering() != request.offering()) {
    checks->Fail(Reason::kFieldInvalid, "session", fmt::format("is of {}, another course than the one asked for", session->offering()));
  } else if (!Contains(session->countries(), request.country())) {
    checks->Fail(Reason::kFieldInvalid, "session", fmt::format("does not train {}", request.country()));
  } else if (fulfilled && session->state() != v1::TRAINING_SESSION_STATE_HELD && session->state() != v1::TRAINING_SESSION_STATE_EVALUATED) {
    checks->Fail(Reason::kFieldInvalid, "session",
                 fmt::format("is {}: a request is fulfilled when its session was held", v1::TrainingSessionState_Name(session->state())));
  }
}

void ValidateRequest(const Request& request, Checks* checks) {
  checks->Reference("country", request.country(), kCountries, Need::kRequired);
  checks->NotZero("state", request.state(), "is required: every request has a place in its lifecycle");
  checks->Reference("offering", request.offering(), kTrainingOfferings, Need::kRequired);
  CheckOpenTo(FindAs<Offering>(checks->reader(), request.offering()).get(), "country", request.country(), checks);
  checks->Line("embassy", request.embassy(), Need::kRequired, kShortCharsMax);
  checks->NotZero("channel", request.channel(), "is required: how the request came in");
  const bool waits = request.state() == v1::TRAINING_REQUEST_STATE_REQUESTED || request.state() == v1::TRAINING_REQUEST_STATE_DECLINED ||
                     request.state() == v1::TRAINING_REQUEST_STATE_CANCELLED;
  checks->Reference("officer", request.officer(), kLiaisonOfficers, waits && !request.system().empty() ? Need::kOptional : Need::kRequired);
  checks->Line("system", request.system(), Need::kOptional, kShortCharsMax);
  People("trainees_expected", request.trainees_expected(), checks);
  ValidateDecision(request, checks);
  ValidateSessionOf(request, checks);
  checks->Prose("notes", request.notes(), Need::kOptional, kNotesCharsMax);
  checks->Prose("source", request.source(), Need::kOptional, kSourceCharsMax);
}

// How many came, of all countries.
uint64_t ValidateAttendance(const Session& session, Checks* checks) {
  uint64_t attended = 0;
  std::set<std::string> countries;
  for (int i = 0; i < session.attendance_size(); ++i) {
    const v1::Attendance& of = session.attendance(i);
    const std::string path = fmt::format("attendance[{}]", i);
    if (!Contains(session.countries(), of.country())) {
      checks->Fail(Reason::kFieldInvalid, path + ".country", "must be one of the countries that are trained");
    } else if (!countries.insert(of.country()).second) {
      checks->Fail(Reason::kFieldInvalid, path + ".country", "is counted twice");
    }
    People(path + ".registered", of.registered(), checks);
    People(path + ".attended", of.attended(), checks);
    if (of.completed() > of.attended()) checks->Fail(Reason::kFieldInvalid, path + ".completed", "is more than attended");
    attended += of.attended();
  }
  return attended;
}

void ValidateEvaluation(const Session& session, uint64_t attended, Checks* checks) {
  if (!session.has_evaluation()) {
    if (session.state() == v1::TRAINING_SESSION_STATE_EVALUATED) {
      checks->Fail(Reason::kFieldRequired, "evaluation", "is required in EVALUATED: what those who attended thought of it");
    }
    return;
  }
  const v1::Evaluation& evaluation = session.evaluation();
  if (evaluation.responses() == 0) checks->Fail(Reason::kFieldRequired, "evaluation.responses", "is required: how many answered");
  if (evaluation.responses() > attended) checks->Fail(Reason::kFieldInvalid, "evaluation.responses", "is more than attended");
  if (evaluation.mean_rating_hundredths() < kRatingMin || evaluation.mean_rating_hundredths() > kRatingMax) {
    checks->Fail(Reason::kFieldInvalid, "evaluation.mean_rating_hundredths", "must be in [100, 500]: a mean of 1 to 5, in hundredths");
  }
  checks->Prose("evaluation.remarks", evaluation.remarks(), Need::kOptional, kProseCharsMax);
}

void ValidateSession(const Session& session, Checks* checks) {
  const v1::TrainingSessionState state = session.state();
  checks->Reference("offering", session.offering(), kTrainingOfferings, Need::kRequired);
  checks->NotZero("state", state, "is required: every session has a place in its lifecycle");
  checks->References("countries", session.countries(), kCountries);
  if (session.countries().empty()) checks->Fail(Reason::kFieldRequired, "countries", "is required: at least one nation");
  const std::unique_ptr<Offering> offering = FindAs<Offering>(checks->reader(), session.offering());
  const std::unique_ptr<v1::Engagement> engagement = FindAs<v1::Engagement>(checks->reader(), session.engagement());
  if (!session.engagement().empty() && engagement == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "engagement", fmt::format("there is no engagement {}", session.engagement()));
  }
  for (int i = 0; i < session.countries_size(); ++i) {
    CheckOpenTo(offering.get(), fmt::format("countries[{}]", i), session.countries(i), checks);
    if (engagement == nullptr || Contains(engagement->countries(), session.countries(i))) continue;
    checks->Fail(Reason::kFieldInvalid, "engagement", fmt::format("is not with {}, which is trained", session.countries(i)));
  }
  checks->NotZero("region", session.region(), "is required: the liaison region that leads");
  if (!session.has_start_date()) checks->Fail(Reason::kFieldRequired, "start_date", "is required: the first day");
  CheckSpan(StartOf(session), EndOf(session), checks);
  checks->Line("place", session.place(), Need::kRequired, kShortCharsMax);
  checks->References("instructors", session.instructors(), kLiaisonOfficers);
  People("seats", session.seats(), checks);
  const bool held = state == v1::TRAINING_SESSION_STATE_HELD || state == v1::TRAINING_SESSION_STATE_EVALUATED;
  if (held && session.attendance().empty()) {
    checks->Fail(Reason::kFieldRequired, "attendance", "is required from HELD on: how many attended, country by country");
  }
  ValidateEvaluation(session, ValidateAttendance(session, checks), checks);
  const bool cancelled = state == v1::TRAINING_SESSION_STATE_CANCELLED;
  checks->Prose("reason", session.reason(), cancelled ? Need::kRequired : Need::kOptional, kReasonCharsMax);
  checks->Prose("notes", session.notes(), Need::kOptional, kNotesCharsMax);
  checks->Prose("source", session.source(), Need::kOptional, kSourceCharsMax);
}

std::vector<Contribution> Contribute(const Session& session) {
  std::vector<Contribution> out = {{figures::Training(figures::kTrainingSession, session.state()), 1}};
  for (const v1::Attendance& of : session.attendance()) {
    if (of.attended() > 0) out.push_back({figures::Training(figures::kTrainingAttended, session.state()), of.attended()});
    if (of.completed() > 0) out.push_back({figures::Training(figures::kTrainingCompleted, session.state()), of.completed()});
  }
  return out;
}

}  // namespace

RecordType TrainingOfferingType() {
  RecordType type;
  type.number = 22;
  type.prototype = &Offering::default_instance();
  type.pattern = "trainingOfferings/{training_offering}";
  type.check_id = [](std::string_view id) { return CheckId(kTrainingOfferings, id); };
  type.validate = ValidateWith<Offering>(ValidateOffering);
  type.indexes = {
      {.number = 220, .filter = "program", .values = On<Offering>([](const Offering& o) { return Values{DecimalOf(o.program())}; })},
      PublicIndex(221),
  };
  return type;
}

RecordType TrainingRequestType() {
  RecordType type;
  type.number = 23;
  type.prototype = &Request::default_instance();
  type.pattern = "trainingRequests/{training_request}";
  type.validate = ValidateWith<Request>(ValidateRequest);
  type.state_field = "state";
  type.initial_state = v1::TRAINING_REQUEST_STATE_REQUESTED;
  type.transitions = {
      {.method = "ApproveTrainingRequest", .from = {v1::TRAINING_REQUEST_STATE_REQUESTED}, .to = v1::TRAINING_REQUEST_STATE_APPROVED},
      {.method = "DeclineTrainingRequest", .from = {v1::TRAINING_REQUEST_STATE_REQUESTED}, .to = v1::TRAINING_REQUEST_STATE_DECLINED},
      {.method = "ScheduleTrainingRequest", .from = {v1::TRAINING_REQUEST_STATE_APPROVED}, .to = v1::TRAINING_REQUEST_STATE_SCHEDULED},
      {.method = "FulfilTrainingRequest", .from = {v1::TRAINING_REQUEST_STATE_SCHEDULED}, .to = v1::TRAINING_REQUEST_STATE_FULFILLED},
      {.method = "CancelTrainingRequest",
       .from = {v1::TRAINING_REQUEST_STATE_REQUESTED, v1::TRAINING_REQUEST_STATE_APPROVED, v1::TRAINING_REQUEST_STATE_SCHEDULED},
       .to = v1::TRAINING_REQUEST_STATE_CANCELLED},
  };
  auto sort = On<Request>([](const Request& r) { return SortByDate(r.has_requested_date(), r.requested_date()); });
  type.indexes = {
      {.number = 230, .filter = "country", .values = On<Request>([](const Request& r) { return Values{r.country()}; }), .sort = sort},
      {.number = 231,
       .filter = "state",
       .values = On<Request>([](const Request& r) { return Values{DecimalOf(r.state())}; }),
       .sort = sort},
      {.number = 232, .filter = "offering", .values = On<Request>([](const Request& r) { return Values{r.offering()}; }), .sort = sort},
      {.number = 233,
       .filter = "officer",
       .values = On<Request>([](const Request& r) { return r.officer().empty() ? Values{} : Values{r.officer()}; }),
       .sort = sort},
      {.number = kTrainingByAsker, .filter = "asker", .values = On<Request>([](const Request& r) {
                                                        return Askers(r.system(),
                                                                      r.state() == v1::TRAINING_REQUEST_STATE_REQUESTED && !r.withdrawn());
                                                      })},
  };
  type.contribute = On<Request>([](const Request& r) {
    return std::vector<Contribution>{{figures::Training(figures::kTrainingRequest, r.state()), 1}};
  });
  return type;
}

RecordType TrainingSessionType() {
  RecordType type;
  type.number = 24;
  type.prototype = &Session::default_instance();
  type.pattern = "trainingSessions/{training_session}";
  type.validate = ValidateWith<Session>(ValidateSession);
  type.state_field = "state";
  type.initial_state = v1::TRAINING_SESSION_STATE_PLANNED;
  type.transitions = {
      {.method = "HoldTrainingSession", .from = {v1::TRAINING_SESSION_STATE_PLANNED}, .to = v1::TRAINING_SESSION_STATE_HELD},
      {.method = "EvaluateTrainingSession", .from = {v1::TRAINING_SESSION_STATE_HELD}, .to = v1::TRAINING_SESSION_STATE_EVALUATED},
      {.method = "CancelTrainingSession", .from = {v1::TRAINING_SESSION_STATE_PLANNED}, .to = v1::TRAINING_SESSION_STATE_CANCELLED},
  };
  auto sort = On<Session>([](const Session& s) { return SortByDate(s.has_start_date(), s.start_date()); });
  type.indexes = {
      {.number = 240,
       .filter = "country",
       .values = On<Session>([](const Session& s) { return Values(s.countries().begin(), s.countries().end()); }),
       .sort = sort},
      {.number = 241,
       .filter = "state",
       .values = On<Session>([](const Session& s) { return Values{DecimalOf(s.state())}; }),
       .sort = sort},
      {.number = 242, .filter = "offering", .values = On<Session>([](const Session& s) { return Values{s.offering()}; }), .sort = sort},
      {.number = 243,
       .filter = "instructor",
       .values = On<Session>([](const Session& s) { return Values(s.instructors().begin(), s.instructors().end()); }),
       .sort = sort},
      {.number = kTrainingSessionsByMonth,
       .filter = "month",
       .values = On<Session>([](const Session& s) { return MonthsOf(s); }),
       .sort = sort},
  };
  type.contribute = On<Session>(Contribute);
  return type;
}

}  // namespace fairlead::records
