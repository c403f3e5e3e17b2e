#include "server/rpc/exchange_requests.h"

#include <algorithm>
#include <map>
#include <utility>

#include "api/errors.h"
#include "fairlead/v1/training.pb.h"
#include "fairlead/v1/visit.pb.h"
#include "server/records/checks.h"
#include "server/records/release.h"

namespace fairlead::rpc {
namespace {

using exchange::Disclosure;
using google::protobuf::Message;

constexpr OwnKind kVisits = {"ReciprocalVisit", "reciprocalVisits/", "visitRequests/", records::kVisitsByAsker};
constexpr OwnKind kCourses = {"TrainingRequest", "trainingRequests/", "courseRequests/", records::kTrainingByAsker};

v1::RequestOutcome OutcomeOf(v1::ReciprocalVisitState state) {
  switch (state) {
    case v1::RECIPROCAL_VISIT_STATE_ACCEPTED:
      return v1::REQUEST_OUTCOME_ACCEPTED;
    case v1::RECIPROCAL_VISIT_STATE_PLANNED:
      return v1::REQUEST_OUTCOME_SCHEDULED;
    case v1::RECIPROCAL_VISIT_STATE_DONE:
    case v1::RECIPROCAL_VISIT_STATE_REPORTED:
      return v1::REQUEST_OUTCOME_DONE;
    case v1::RECIPROCAL_VISIT_STATE_DECLINED:
      return v1::REQUEST_OUTCOME_DECLINED;
    case v1::RECIPROCAL_VISIT_STATE_CANCELLED:
      return v1::REQUEST_OUTCOME_CANCELLED;
    default:
      return v1::REQUEST_OUTCOME_PENDING;
  }
}

v1::RequestOutcome OutcomeOf(v1::TrainingRequestState state) {
  switch (state) {
    case v1::TRAINING_REQUEST_STATE_APPROVED:
      return v1::REQUEST_OUTCOME_ACCEPTED;
    case v1::TRAINING_REQUEST_STATE_SCHEDULED:
      return v1::REQUEST_OUTCOME_SCHEDULED;
    case v1::TRAINING_REQUEST_STATE_FULFILLED:
      return v1::REQUEST_OUTCOME_DONE;
    case v1::TRAINING_REQUEST_STATE_DECLINED:
      return v1::REQUEST_OUTCOME_DECLINED;
    case v1::TRAINING_REQUEST_STATE_CANCELLED:
      return v1::REQUEST_OUTCOME_CANCELLED;
    default:
      return v1::REQUEST_OUTCOME_PENDING;
  }
}

bool HasDays(v1::RequestOutcome outcome) { return outcome == v1::REQUEST_OUTCOME_SCHEDULED || outcome == v1::REQUEST_OUTCOME_DONE; }
bool IsRefused(v1::RequestOutcome outcome) { return outcome == v1::REQUEST_OUTCOME_DECLINED || outcome == v1::REQUEST_OUTCOME_CANCELLED; }

// From the first segment of a path of the record to that of the request; the rest of the path is kept but for a delegate's name.
std::string InRequest(const std::map<std::string, std::string>& names, const std::string& field) {
  const size_t end = std::min(field.find('['), field.size());
  const auto found = names.find(field.substr(0, end));
  std::string renamed = found == names.end() ? field : found->second + field.substr(end);
  if (renamed.starts_with("delegation[") && renamed.ends_with(".delegate")) {
    renamed.replace(renamed.rfind('.'), std::string::npos, ".member");
  }
  return renamed;
}

std::string VisitField(const std::string& field) {
  return InRequest({{"request_reference", "reference"},
                    {"delegates", "delegation"},
                    {"start_date", "preferred_start_date"},
                    {"end_date", "preferred_end_date"}},
                   field);
}

std::string CourseField(const std::string& field) { return InRequest({{"offering", "course"}}, field); }

v1::VisitRequest VisitOf(const Message& record) {
  const auto& visit = static_cast<const v1::ReciprocalVisit&>(record);
  v1::VisitRequest out;
  out.set_name(Renamed(visit.name(), kVisits.inside, kVisits.outside));
  *out.mutable_request_time() = visit.create_time();
  out.set_outcome(OutcomeOf(visit.state()));
  if (IsRefused(out.outcome())) out.set_reason(visit.reason());
  if (!HasDays(out.outcome())) return out;
  *out.mutable_start_date() = visit.start_date();
  *out.mutable_end_date() = visit.end_date();
  return out;
}

}  // namespace

void ExchangeRequests::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.ExchangeService/";
  dispatcher->Handle(service + "RequestVisit", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    RequestVisit(call, static_cast<const v1::RequestVisitRequest&>(request), std::move(reply));
  });
  dispatcher->Unary<v1::GetVisitRequestRequest, v1::VisitRequest>(
      service + "GetVisitRequest", [this](const Call& call, const v1::GetVisitRequestRequest& request) { return GetVisit(call, request); });
  dispatcher->Unary<v1::ListVisitRequestsRequest, v1::ListVisitRequestsResponse>(
      service + "ListVisitRequests",
      [this](const Call& call, const v1::ListVisitRequestsRequest& request) { return ListVisits(call, request); });
  dispatcher->Handle(service + "CancelVisitRequest", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    CancelVisit(call, static_cast<const v1::CancelVisitRequestRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "CancelCourseRequest", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    CancelCourse(call, static_cast<const v1::CancelCourseRequestRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "RequestCourse", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    RequestCourse(call, static_cast<const v1::RequestCourseRequest&>(request), std::move(reply));
  });
  dispatcher->Unary<v1::GetCourseRequestRequest, v1::CourseRequest>(
      service + "GetCourseRequest",
      [this](const Call& call, const v1::GetCourseRequestRequest& request) { return GetCourse(call, request); });
  dispatcher->Unary<v1::ListCourseRequestsRequest, v1::ListCourseRequestsResponse>(
      service + "ListCourseRequests",
      [this](const Call& call, const v1::ListCourseRequestsRequest& request) { return ListCourses(call, request); });
}

// --- Visits --------------------------------------------------------------------------------------------------------------------------

void ExchangeRequests::RequestVisit(const std::shared_ptr<Call>& call, const v1::RequestVisitRequest& request, Reply reply) const {
  const records::RecordType& type = door_.TypeOf(kVisits.message);
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = std::string(kVisits.inside) + door_.NewId(*call, *plan);
  if (plan.ok() && !plan->replay) {
    if (absl::Status free = door_.CheckUndecided(door_.node().store(), *call, kVisits); !free.ok()) return reply(free);
    auto record = std::make_unique<v1::ReciprocalVisit>();
    record->set_country(NationOfCaller(*call));
    record->set_system(call->identity.path);
    record->set_channel(v1::REQUEST_CHANNEL_PARTNER_SYSTEM);
    record->set_state(v1::RECIPROCAL_VISIT_STATE_REQUESTED);
    *record->mutable_requested_date() = TodayOf(door_.node());
    record->set_embassy(request.embassy());
    record->set_request_reference(request.reference());
    record->set_objectives(request.objectives());
    for (const v1::DelegationMember& member : request.delegation()) {
      v1::Delegate* delegate = record->add_delegates();
      delegate->set_delegate(member.member());
      delegate->set_organisation(member.organisation());
      delegate->set_role(member.role());
    }
    if (request.has_preferred_start_date()) *record->mutable_start_date() = request.preferred_start_date();
    if (request.has_preferred_end_date()) *record->mutable_end_date() = request.preferred_end_date();
    const std::string name = plan->name;
    plan = door_.PlanNew(type, name, std::move(record), VisitField, *std::move(plan));
  }
  const auto narrate = [](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::VisitRequest>(VisitOf(record));
  };
  const std::string about = AboutOf(plan, kVisits);
  door_.Finish(type, call, std::move(plan), about, narrate, std::move(reply));
}

absl::StatusOr<v1::VisitRequest> ExchangeRequests::GetVisit(const Call& call, const v1::GetVisitRequestRequest& request) const {
  const absl::StatusOr<Loaded> own = door_.GetOwn(door_.node().store(), call, kVisits, request.name());
  if (!own.ok()) return own.status();
  return VisitOf(*own->message);
}

absl::StatusOr<v1::ListVisitRequestsResponse> ExchangeRequests::ListVisits(const Call& call,
                                                                           const v1::ListVisitRequestsRequest& request) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  v1::ListVisitRequestsResponse page;
  absl::StatusOr<std::string> next = door_.EachOwn(*view, call, request, kVisits, [&page](const Message& record) -> absl::StatusOr<size_t> {
    *page.add_visit_requests() = VisitOf(record);
    return page.visit_requests(page.visit_requests_size() - 1).ByteSizeLong();
  });
  if (!next.ok()) return next.status();
  page.set_next_page_token(*std::move(next));
  return page;
}

void ExchangeRequests::CancelVisit(const std::shared_ptr<Call>& call, const v1::CancelVisitRequestRequest& request, Reply reply) const {
  absl::StatusOr<WriteMethods::Plan> plan =
      PlanCancelled(*call, kVisits, request, v1::RECIPROCAL_VISIT_STATE_REQUESTED, v1::RECIPROCAL_VISIT_STATE_CANCELLED);
  const auto narrate = [](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::VisitRequest>(VisitOf(record));
  };
  door_.Finish(door_.TypeOf(kVisits.message), call, std::move(plan), request.name(), narrate, std::move(reply), /*settles=*/true);
}

absl::StatusOr<WriteMethods::Plan> ExchangeRequests::PlanCancelled(const Call& call, const OwnKind& kind, const Message& request,
                                                                   int undecided, int cancelled) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  absl::StatusOr<Loaded> own = door_.GetOwn(*view, call, kind, GetString(request, "name"));
  if (!own.ok()) return own.status();
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(call, request);
  if (!plan.ok()) return plan;
  plan->name = GetString(*own->message, "name");
  if (plan->replay) return plan;
  MessagePtr next(own->message->New());
  next->CopyFrom(*own->message);
  const auto* reflection = next->GetReflection();
  const auto* state = Field(*next, "state");
  if (reflection->GetEnumValue(*next, state) == cancelled) {
    plan->answer = std::move(next);
    return plan;
  }
  if (reflection->GetEnumValue(*next, state) != undecided) {
    return Error(Reason::kStateForbids, "it is decided: only what waits for a decision is taken back");
  }
  reflection->SetEnumValue(next.get(), state, cancelled);
  const std::string reason = GetString(request, "reason");
  reflection->SetString(next.get(), Field(*next, "reason"), reason.empty() ? "Taken back by the nation." : reason);
  const auto same_field = [](const std::string& field) { return field; };
  return door_.PlanChange(*view, door_.TypeOf(kind.message), *std::move(own), std::move(next), {"state", "reason"}, same_field,
                          *std::move(plan));
}

// --- Courses -------------------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::string> ExchangeRequests::OfferingOf(const Call& call, const std::string& course) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = door_.Disclose(*view, call);
  if (!disclosure.ok()) return disclosure.status();
  absl::StatusOr<std::string> record = disclosure->RecordOf(disclosure->SubjectOf(course));
  if (!record.ok()) return record.status();
  const StoreReader reader(door_.node(), *view);
  const auto offering = records::FindAs<v1::TrainingOffering>(reader, *record);
  if (offering == nullptr) return "";
  const auto& open_to = offering->open_to();
  const bool open = open_to.empty() || std::find(open_to.begin(), open_to.end(), NationOfCaller(call)) != open_to.end();
  return open ? *std::move(record) : "";
}

void ExchangeRequests::RequestCourse(const std::shared_ptr<Call>& call, const v1::RequestCourseRequest& request, Reply reply) const {
  const records::RecordType& type = door_.TypeOf(kCourses.message);
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = std::string(kCourses.inside) + door_.NewId(*call, *plan);
  if (plan.ok() && !plan->replay) {
    if (request.course().empty()) return reply(FieldError(Reason::kFieldRequired, "course", "is required"));
    absl::StatusOr<std::string> offering = OfferingOf(*call, request.course());
    if (!offering.ok()) return reply(offering.status());
    if (offering->empty()) return reply(NotFound(request.course()));
    if (absl::Status free = door_.CheckUndecided(door_.node().store(), *call, kCourses); !free.ok()) return reply(free);
    auto record = std::make_unique<v1::TrainingRequest>();
    record->set_country(NationOfCaller(*call));
    record->set_system(call->identity.path);
    record->set_channel(v1::REQUEST_CHANNEL_PARTNER_SYSTEM);
    record->set_state(v1::TRAINING_REQUEST_STATE_REQUESTED);
    *record->mutable_requested_date() = TodayOf(door_.node());
    record->set_offering(*std::move(offering));
    record->set_embassy(request.embassy());
    record->set_trainees_expected(request.trainees_expected());
    const std::string name = plan->name;
    plan = door_.PlanNew(type, name, std::move(record), CourseField, *std::move(plan));
  }
  const auto narrate = [this](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::CourseRequest>(CourseOf(door_.node().store(), record));
  };
  const std::string about = AboutOf(plan, kCourses);
  door_.Finish(type, call, std::move(plan), about, narrate, std::move(reply));
}

void ExchangeRequests::CancelCourse(const std::shared_ptr<Call>& call, const v1::CancelCourseRequestRequest& request, Reply reply) const {
  absl::StatusOr<WriteMethods::Plan> plan =
      PlanCancelled(*call, kCourses, request, v1::TRAINING_REQUEST_STATE_REQUESTED, v1::TRAINING_REQUEST_STATE_CANCELLED);
  const auto narrate = [this](const Message& record) -> absl::StatusOr<MessagePtr> {
    return std::make_unique<v1::CourseRequest>(CourseOf(door_.node().store(), record));
  };
  door_.Finish(door_.TypeOf(kCourses.message), call, std::move(plan), request.name(), narrate, std::move(reply), /*settles=*/true);
}

v1::CourseRequest ExchangeRequests::CourseOf(const storage::View& view, const Message& record) const {
  const auto& asked = static_cast<const v1::TrainingRequest&>(record);
  v1::CourseRequest out;
  out.set_name(Renamed(asked.name(), kCourses.inside, kCourses.outside));
  *out.mutable_request_time() = asked.create_time();
  out.set_outcome(OutcomeOf(asked.state()));
  if (IsRefused(out.outcome())) out.set_reason(asked.reason());
  if (!HasDays(out.outcome())) return out;
  const auto session = records::FindAs<v1::TrainingSession>(StoreReader(door_.node(), view), asked.session());
  if (session == nullptr) return out;
  if (session->has_start_date()) *out.mutable_start_date() = session->start_date();
  if (session->has_end_date()) *out.mutable_end_date() = session->end_date();
  out.set_place(session->place());
  return out;
}

absl::StatusOr<v1::CourseRequest> ExchangeRequests::GetCourse(const Call& call, const v1::GetCourseRequestRequest& request) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const absl::StatusOr<Loaded> own = door_.GetOwn(*view, call, kCourses, request.name());
  if (!own.ok()) return own.status();
  return CourseOf(*view, *own->message);
}

absl::StatusOr<v1::ListCourseRequestsResponse> ExchangeRequests::ListCourses(const Call& call,
                                                                             const v1::ListCourseRequestsRequest& request) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  v1::ListCourseRequestsResponse page;
  absl::StatusOr<std::string> next = door_.EachOwn(*view, call, request, kCourses, [&](const Message& record) -> absl::StatusOr<size_t> {
    *page.add_course_requests() = CourseOf(*view, record);
    return page.course_requests(page.course_requests_size() - 1).ByteSizeLong();
  });
  if (!next.ok()) return next.status();
  page.set_next_page_token(*std::move(next));
  return page;
}

}  // namespace fairlead::rpc
