#include "server/rpc/planning_methods.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/ids.h"
#include "server/node/materialise.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/record_access.h"
#include "server/rpc/record_change.h"
#include "server/view/planning.h"
#include "server/view/portfolios.h"

namespace fairlead::rpc {
namespace {

using google::protobuf::Message;
using google::type::Date;

template <class Request>
const Date* StartOf(const Request& request) {
  return request.has_start_date() ? &request.start_date() : nullptr;
}
template <class Request>
const Date* EndOf(const Request& request) {
  return request.has_end_date() ? &request.end_date() : nullptr;
}

// The record as the mutation of its fields.
absl::Status AddChange(const node::Node& node, const records::RecordType& type, const storage::View& view, const node::RecordState* state,
                       const Message* previous, const v1::Assignment& next, const std::vector<std::string>& fields,
                       WriteMethods::Plan* plan) {
  if (absl::Status valid = CheckRecord(node, type, next, previous, StoreReader(node, view)); !valid.ok()) return valid;
  std::vector<const google::protobuf::FieldDescriptor*> written;
  for (const std::string& field : fields) written.push_back(Field(next, field));
  plan->write.mutations.push_back(node::MutationFor(type, next.name(), state, next, written));
  plan->write.expectations.push_back({next.name(), state == nullptr ? "" : node::EtagOf(*state)});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MessagePtr> PlanningMethods::ListCalendarEntries(const Call& call, const v1::ListCalendarEntriesRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  absl::StatusOr<view::CalendarQuery> query = view::CalendarOf(StartOf(request), EndOf(request));
  if (!query.ok()) return query.status();
  query->region = request.region();
  query->country = request.country();
  query->officer = request.officer();
  const std::unique_ptr<storage::Snapshot> snapshot = node_->store().NewSnapshot();
  const absl::StatusOr<std::vector<view::Occasion>> occasions = view::OccasionsOf(*node_, *snapshot, *query);
  if (!occasions.ok()) return occasions.status();

  auto response = std::make_unique<v1::ListCalendarEntriesResponse>();
  for (const view::Occasion& occasion : *occasions) {
    if (!position->empty() && view::PositionOf(occasion.entry) <= *position) continue;
    if (response->entries_size() == *page_size) {
      const v1::CalendarEntry& last = response->entries(*page_size - 1);
      response->set_next_page_token(SealPageToken(*sealer_, call.method, request, view::PositionOf(last)));
      break;
    }
    *response->add_entries() = occasion.entry;
  }
  return response;
}

absl::StatusOr<v1::ListClashesResponse> PlanningMethods::ListClashes(const v1::ListClashesRequest& request) const {
  absl::StatusOr<view::CalendarQuery> query = view::CalendarOf(StartOf(request), EndOf(request));
  if (!query.ok()) return query.status();
  query->officer = request.officer();
  const std::unique_ptr<storage::Snapshot> snapshot = node_->store().NewSnapshot();
  const absl::StatusOr<std::vector<view::Occasion>> occasions = view::OccasionsOf(*node_, *snapshot, *query);
  if (!occasions.ok()) return occasions.status();
  return view::ClashesAmong(*occasions, query->days, request.officer());
}

absl::StatusOr<MessagePtr> PlanningMethods::ListOverdueFollowUps(const Call& call, const v1::ListOverdueFollowUpsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const absl::StatusOr<absl::CivilDay> as_of = view::AsOf(*node_, request.has_as_of() ? &request.as_of() : nullptr, "as_of");
  if (!as_of.ok()) return as_of.status();
  view::OverdueQuery query;
  query.as_of = *as_of;
  query.owner = request.owner();
  query.country = request.country();
  query.region = request.region();
  query.of_observation = request.of_observation();
  // A position begins with the day of the first page, so that all pages are about one day.
  std::string day = records::DayText(query.as_of);
  if (!position->empty()) {
    const size_t size = day.size();
    day = position->substr(0, size);
    position->erase(0, size);
    if (!absl::ParseCivilTime(day, &query.as_of)) return Error(Reason::kInternal, "a page token of this node holds no day");
  }
  const std::unique_ptr<storage::Snapshot> snapshot = node_->store().NewSnapshot();
  absl::StatusOr<std::vector<v1::OverdueFollowUp>> rows = view::OverdueFollowUps(*node_, *snapshot, query, *page_size, &*position);
  if (!rows.ok()) return rows.status();
  auto response = std::make_unique<v1::ListOverdueFollowUpsResponse>();
  response->mutable_follow_ups()->Assign(rows->begin(), rows->end());
  *response->mutable_as_of() = records::DateOf(query.as_of);
  if (!position->empty()) response->set_next_page_token(SealPageToken(*sealer_, call.method, request, day + *position));
  return response;
}

absl::StatusOr<WriteMethods::Plan> PlanningMethods::PlanHandover(const Call& call, const v1::HandoverAssignmentRequest& request) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Assignment");
  if (absl::Status named = CheckName(node_->registry(), type, request.name(), "name"); !named.ok()) return named;
  if (request.etag().empty()) return FieldError(Reason::kFieldRequired, "etag", "is required: read the record first");
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(call, request);
  if (!plan.ok()) return plan;
  plan->name = "assignments/" + CreatedRecordId(node_->roster().network(), call.identity.path, call.method, plan->write.request_id);
  if (plan->replay) return plan;

  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Loaded> read = LoadExisting(*node_, *view, type, request.name());
  if (!read.ok()) return read.status();
  const auto& before = static_cast<const v1::Assignment&>(*read->message);
  const std::map<std::string, std::string> which = {{"name", request.name()}};
  if (before.withdrawn()) return Error(Reason::kRecordWithdrawn, "the record has been withdrawn", which);
  if (request.etag() != node::EtagOf(read->state)) {
    return Error(Reason::kEtagMismatch, "the record has changed since it was read", which);
  }
  if (before.has_end_date()) {
    return Error(Reason::kStateForbids, "the assignment has ended: from " + records::DateText(before.end_date()) + " it no longer holds",
                 which);
  }
  if (request.officer() == before.officer()) return FieldError(Reason::kFieldInvalid, "officer", "covers the country already");
  if (!request.has_start_date()) return FieldError(Reason::kFieldRequired, "start_date", "is required: the first day of the successor");
  if (records::IsDate(request.start_date()) && records::IsBefore(request.start_date(), before.start_date())) {
    return FieldError(Reason::kFieldInvalid, "start_date", "is before the assignment that is handed over began");
  }

  // The successor's first, so that what is wrong with the request is named by its fields. Marking and audience stay: both records go into
  // one entry.
  v1::Assignment after = before;
  after.set_name(plan->name);
  after.set_officer(request.officer());
  *after.mutable_start_date() = request.start_date();
  if (request.duty() != v1::ASSIGNMENT_DUTY_UNSPECIFIED) after.set_duty(request.duty());
  after.set_predecessor(before.name());
  after.set_handover_note(request.handover_note());
  after.clear_source();
  absl::Status added =
      AddChange(*node_, type, *view, nullptr, nullptr, after,
                {"marking", "audience", "officer", "country", "duty", "start_date", "predecessor", "handover_note"}, &*plan);
  if (!added.ok()) return added;
  v1::Assignment ended = before;
  *ended.mutable_end_date() = request.start_date();
  added = AddChange(*node_, type, *view, &read->state, &before, ended, {"end_date"}, &*plan);
  if (!added.ok()) return added;
  return plan;
}

void PlanningMethods::Register(Dispatcher* dispatcher) const {
  dispatcher->Handle("fairlead.v1.EngagementService/ListCalendarEntries",
                     [this](const std::shared_ptr<Call>& call, const Message& request, const Reply& reply) {
                       reply(ListCalendarEntries(*call, static_cast<const v1::ListCalendarEntriesRequest&>(request)));
                     });
  dispatcher->Handle("fairlead.v1.EngagementService/ListOverdueFollowUps",
                     [this](const std::shared_ptr<Call>& call, const Message& request, const Reply& reply) {
                       reply(ListOverdueFollowUps(*call, static_cast<const v1::ListOverdueFollowUpsRequest&>(request)));
                     });
  dispatcher->Unary<v1::ListClashesRequest, v1::ListClashesResponse>(
      "fairlead.v1.EngagementService/ListClashes",
      [this](const Call&, const v1::ListClashesRequest& request) { return ListClashes(request); });
  dispatcher->Unary<v1::ListVisitStagesRequest, v1::ListVisitStagesResponse>(
      "fairlead.v1.VisitService/ListVisitStages",
      [this](const Call&, const v1::ListVisitStagesRequest& request) { return view::ListVisitStages(*node_, request); });
  dispatcher->Unary<v1::ListCoverageRequest, v1::ListCoverageResponse>(
      "fairlead.v1.PortfolioService/ListCoverage",
      [this](const Call&, const v1::ListCoverageRequest& request) { return view::ListCoverage(*node_, request); });
  dispatcher->Unary<v1::ListTeamDutiesRequest, v1::ListTeamDutiesResponse>(
      "fairlead.v1.PortfolioService/ListTeamDuties",
      [this](const Call&, const v1::ListTeamDutiesRequest& request) { return view::ListTeamDuties(*node_, request); });
  dispatcher->Handle("fairlead.v1.PortfolioService/HandoverAssignment",
                     [this](const std::shared_ptr<Call>& call, const Message& request, const Reply& reply) {
                       const auto& handover = static_cast<const v1::HandoverAssignmentRequest&>(request);
                       writes_->Finish(*node_->registry().FindByMessage("Assignment"), call, PlanHandover(*call, handover), reply);
                     });
}

}  // namespace fairlead::rpc
