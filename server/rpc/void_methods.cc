#include "server/rpc/void_methods.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "api/bytes.h"
#include "api/errors.h"
#include "fairlead/v1/entry_void.pb.h"
#include "server/node/erasures.h"
#include "server/node/materialise.h"
#include "server/records/entry_void.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/record_change.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

constexpr int kReissuedMax = 1000;

// What became of the entries of one call, and who hears of it when the last is written.
class Reissued {
 public:
  Reissued(const Roster& roster, size_t count, Reply reply) : roster_(roster), dots_(count), left_(count), reply_(std::move(reply)) {}

  void Written(size_t index, const absl::StatusOr<node::WriteResult>& result) {
    absl::Status error;
    {
      absl::MutexLock lock(&mu_);
      if (result.ok()) {
        dots_[index] = result->dot;
      } else if (error_.ok()) {
        error_ = result.status();
      }
      if (--left_ > 0) return;
      error = error_;
    }
    if (!error.ok()) return reply_(error);
    auto response = std::make_unique<v1::ReissueEntriesResponse>();
    absl::MutexLock lock(&mu_);
    for (const Dot& dot : dots_) response->add_entries(EntryName(roster_, dot));
    reply_(std::move(response));
  }

 private:
  const Roster& roster_;
  absl::Mutex mu_;
  std::vector<Dot> dots_ ABSL_GUARDED_BY(mu_);
  size_t left_ ABSL_GUARDED_BY(mu_);
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  const Reply reply_;
};

}  // namespace

void VoidMethods::Register(Dispatcher* dispatcher) const {
  dispatcher->Unary<v1::ListUnauthorisedChangesRequest, v1::ListUnauthorisedChangesResponse>(
      "fairlead.v1.NodeService/ListUnauthorisedChanges",
      [this](const Call& call, const v1::ListUnauthorisedChangesRequest& request) { return ListUnauthorised(call, request); });
  dispatcher->Unary<v1::ListVoidEntriesRequest, v1::ListVoidEntriesResponse>(
      "fairlead.v1.NodeService/ListVoidEntries",
      [this](const Call& call, const v1::ListVoidEntriesRequest& request) { return ListVoid(call, request); });
  const records::RecordType& type = *node_->registry().FindByNumber(records::kEntryVoidType);
  dispatcher->Handle("fairlead.v1.NodeService/VoidEntry",
                     [this, &type](std::shared_ptr<Call> call, const google::protobuf::Message& message, Reply reply) {
                       const auto& request = static_cast<const v1::VoidEntryRequest&>(message);
                       writes_->Finish(type, call, PlanVoid(type, *call, request), std::move(reply));
                     });
  dispatcher->Handle("fairlead.v1.NodeService/ReissueEntries",
                     [this](std::shared_ptr<Call> call, const google::protobuf::Message& message, Reply reply) {
                       Reissue(*call, static_cast<const v1::ReissueEntriesRequest&>(message), std::move(reply));
                     });
}

absl::StatusOr<Dot> VoidMethods::ParseEntry(const std::string& field, const std::string& name) const {
  if (name.empty()) return FieldError(Reason::kFieldRequired, field, "is required");
  if (const std::optional<Dot> dot = ParseEntryName(node_->roster(), name)) return *dot;
  return FieldError(Reason::kFieldInvalid, field, "must be {site}/{epoch}/{sequence}, of a log that the roster names");
}

absl::StatusOr<v1::ListUnauthorisedChangesResponse> VoidMethods::ListUnauthorised(const Call& call,
                                                                                  const v1::ListUnauthorisedChangesRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  std::optional<std::pair<Dot, uint32_t>> after;
  if (!position->empty()) {
    Reader reader(*position);
    const Dot dot = storage::ReadDot(&reader);
    after = {dot, reader.U32()};
  }
  const std::vector<node::UnauthorisedChange> found = node_->UnauthorisedChanges(after, static_cast<size_t>(*page_size) + 1);
  v1::ListUnauthorisedChangesResponse response;
  for (size_t i = 0; i < found.size(); ++i) {
    if (response.changes_size() == *page_size) {
      std::string last = storage::DotKey(found[i - 1].dot);
      PutU32(&last, found[i - 1].mutation);
      response.set_next_page_token(SealPageToken(*sealer_, call.method, request, last));
      break;
    }
    v1::UnauthorisedChange* change = response.add_changes();
    change->set_entry(EntryName(node_->roster(), found[i].dot));
    change->set_record(found[i].record);
    for (const std::string& field : found[i].fields) change->add_fields(field);
  }
  return response;
}

absl::StatusOr<v1::ListVoidEntriesResponse> VoidMethods::ListVoid(const Call& call, const v1::ListVoidEntriesRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  std::optional<Dot> after;
  if (!position->empty()) {
    Reader reader(*position);
    after = storage::ReadDot(&reader);
  }
  const std::vector<node::VoidEntry> found = node_->VoidEntries(after, static_cast<size_t>(*page_size) + 1);
  v1::ListVoidEntriesResponse response;
  for (size_t i = 0; i < found.size(); ++i) {
    if (response.void_entries_size() == *page_size) {
      response.set_next_page_token(SealPageToken(*sealer_, call.method, request, storage::DotKey(found[i - 1].dot)));
      break;
    }
    v1::VoidEntryInfo* entry = response.add_void_entries();
    entry->set_entry(EntryName(node_->roster(), found[i].dot));
    entry->set_cause(found[i].discarded ? "DISCARDED" : "CLOSED");
    if (!found[i].payload) continue;
    entry->set_actor(found[i].payload->actor);
    entry->set_method(found[i].payload->method);
    std::set<std::string> records;
    for (const Mutation& mutation : found[i].payload->mutations) records.insert(mutation.record);
    for (const std::string& record : records) entry->add_records(record);
    entry->set_refused(found[i].refused);
  }
  return response;
}

absl::StatusOr<WriteMethods::Plan> VoidMethods::PlanVoid(const records::RecordType& type, const Call& call,
                                                         const v1::VoidEntryRequest& request) const {
  const absl::StatusOr<Dot> dot = ParseEntry("entry", request.entry());
  if (!dot.ok()) return dot.status();
  if (request.reason().empty()) return FieldError(Reason::kFieldRequired, "reason", "is required: why the entry is discarded");
  if (!node::MayDiscard(node_->roster(), *dot))
    return Error(Reason::kStateForbids, "the entry is of the audit, which stays as it was written");
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(call, request);
  if (!plan.ok()) return plan;
  plan->name = records::VoidRecord(*dot);
  if (plan->replay) return plan;
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  absl::StatusOr<std::optional<Loaded>> existing = Load(*node_, *view, type, plan->name);
  if (!existing.ok()) return existing.status();
  if (existing->has_value()) {
    plan->answer = std::move((*existing)->message);
    return plan;
  }
  const absl::StatusOr<bool> opaque = node_->IsOpaque(*dot);
  if (!opaque.ok()) return opaque.status();
  if (!*opaque) return Error(Reason::kStateForbids, "the entry is not opaque: what it did is undone by other means");
  v1::EntryVoid entry_void;
  entry_void.set_name(plan->name);
  entry_void.set_entry(request.entry());
  entry_void.set_reason(request.reason());
  if (absl::Status valid = CheckRecord(*node_, type, entry_void, nullptr, StoreReader(*node_, *view)); !valid.ok()) return valid;
  plan->write.mutations.push_back(
      node::MutationFor(type, plan->name, nullptr, entry_void, {Field(entry_void, "entry"), Field(entry_void, "reason")}));
  plan->write.expectations.push_back({plan->name, ""});
  return plan;
}

void VoidMethods::Reissue(const Call& call, const v1::ReissueEntriesRequest& request, Reply reply) const {
  if (call.replicas > 0) return reply(FieldError(Reason::kFieldInvalid, node::kDurabilityField, "is not offered here"));
  if (request.entries_size() == 0) return reply(FieldError(Reason::kFieldRequired, "entries", "is required"));
  if (request.entries_size() > kReissuedMax) {
    return reply(FieldError(Reason::kFieldTooLarge, "entries", fmt::format("holds more than {}", kReissuedMax)));
  }
  std::vector<Dot> dots;
  for (const std::string& name : request.entries()) {
    const absl::StatusOr<Dot> dot = ParseEntry("entries", name);
    if (!dot.ok()) return reply(dot.status());
    dots.push_back(*dot);
  }
  absl::StatusOr<std::vector<node::WriteRequest>> writes = node_->ReissuesOf(dots);
  if (!writes.ok()) return reply(writes.status());
  spdlog::info("{} has {} entries written anew", call.identity.path, writes->size());
  auto reissued = std::make_shared<Reissued>(node_->roster(), writes->size(), std::move(reply));
  for (size_t i = 0; i < writes->size(); ++i) {
    node_->Write(std::move((*writes)[i]), [reissued, i](const absl::StatusOr<node::WriteResult>& result) { reissued->Written(i, result); });
  }
}

}  // namespace fairlead::rpc
