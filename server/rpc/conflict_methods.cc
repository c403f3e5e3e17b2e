#include "server/rpc/conflict_methods.h"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/conflicts.h"
#include "server/node/derived.h"
#include "server/node/materialise.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/read_rights.h"
#include "server/rpc/record_access.h"
#include "server/rpc/record_change.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::string_view kSegment = "/conflicts/";
constexpr size_t kPageBytesMax = 2 << 20;  // a page that grows larger ends early
constexpr int kKeysPerPage = 10000;        // looked at, before a page ends early

// A conflict's name in its parts.
struct ConflictPath {
  const records::RecordType* type = nullptr;
  std::string record;
  std::string field;
};

absl::StatusOr<ConflictPath> ParseName(const records::Registry& registry, const std::string& name) {
  if (name.empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const size_t at = name.rfind(kSegment);
  ConflictPath path;
  if (at != std::string::npos) {
    path.record = name.substr(0, at);
    path.field = name.substr(at + kSegment.size());
    path.type = registry.FindByName(path.record);
  }
  if (path.type == nullptr || path.field.empty()) {
    return FieldError(Reason::kFieldInvalid, "name", "must have the form {record}/conflicts/{field}");
  }
  if (absl::Status named = CheckName(registry, *path.type, path.record, "name"); !named.ok()) return named;
  return path;
}

// Writes the values of one record's conflicts as messages. Payloads that were read are kept for the next value.
class Narrator {
 public:
  explicit Narrator(const node::Node& node) : node_(node) {}

  absl::StatusOr<v1::Conflict> Tell(const records::RecordType& type, const std::string& record, const node::RecordState& state,
                                    uint32_t number, const node::FieldView& view) {
    type_ = &type;
    field_ = type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number));
    const node::FieldState& values = state.fields.at(number);
    v1::Conflict conflict;
    conflict.set_name(node::ConflictName(record, field_->name()));
    conflict.set_etag(node::FieldEtag(view));
    conflict.set_record(record);
    conflict.set_field(field_->name());
    for (const auto& [id, value] : view.live) {
      v1::ConflictValue* told = conflict.add_values();
      // Two people may have written the same.
      told->set_shown(view.kind == MergeKind::kSet || value->bytes == view.live.front().second->bytes);
      if (absl::Status status = TellValue(values, id, *value, told); !status.ok()) return status;
    }
    std::stable_partition(conflict.mutable_values()->pointer_begin(), conflict.mutable_values()->pointer_end(),
                          [](const v1::ConflictValue* value) { return value->shown(); });
    for (const auto* pending : {&view.pending, &view.pending_removals}) {
      for (const auto& [id, value] : *pending) {
        v1::ConflictValue* told = conflict.add_values();
        told->set_amendment(true);
        if (absl::Status status = TellValue(values, id, *value, told); !status.ok()) return status;
      }
    }
    return conflict;
  }

 private:
  absl::Status TellValue(const node::FieldState& values, const ValueId& id, const node::FieldValue& value, v1::ConflictValue* told) {
    told->set_value_id(node::ValueIdText(id));
    if (value.adds) told->set_value(node::ValueJson(*type_, field_, value.bytes));
    told->set_entry(EntryName(node_.roster(), value.dot));
    told->set_site(SiteName(node_.roster(), value.dot.log));
    SetTimestamp(TimeOf(value.time), told->mutable_time());
    const absl::StatusOr<const std::optional<Payload>*> payload = PayloadOf(value.dot);
    if (!payload.ok()) return payload.status();
    if (*payload != nullptr && (*payload)->has_value()) {
      told->set_actor((**payload)->actor);
      told->set_method((**payload)->method);
    }
    for (const ValueId& replaced : node::ReplacedBy(values, id)) {
      v1::ReadValue* read = told->add_read();
      read->set_value_id(node::ValueIdText(replaced));
      const auto known = values.values.find(replaced);
      if (known == values.values.end()) continue;
      read->set_entry(EntryName(node_.roster(), known->second.dot));
      read->set_site(SiteName(node_.roster(), known->second.dot.log));
      const absl::StatusOr<std::optional<std::string>> bytes = BytesOf(replaced, known->second);
      if (!bytes.ok()) return bytes.status();
      if (bytes->has_value()) read->set_value(node::ValueJson(*type_, field_, **bytes));
    }
    return TellApplied(value.dot, told);
  }

  absl::Status TellApplied(Dot dot, v1::ConflictValue* told) const {
    const absl::StatusOr<std::vector<std::string>> headers = node_.ReadHeaders(dot.log, dot.seq, dot.seq + 1);
    if (!headers.ok()) return headers.status();
    absl::StatusOr<Header> header = DecodeHeader(headers->front());
    if (!header.ok()) return Error(Reason::kStoreDamaged, fmt::format("entry {} is damaged", EntryName(node_.roster(), dot)));
    header->deps.Set(dot.log, dot.seq);
    for (const auto& [log, size] : header->deps.entries()) {
      const RosterLog* known = node_.roster().FindLog(log);
      if (known == nullptr) continue;
      v1::LogPosition* position = told->add_applied();
      position->set_origin(known->origin());
      position->set_size(static_cast<int64_t>(size.value()));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<const std::optional<Payload>*> PayloadOf(Dot dot) {
    auto it = payloads_.find(dot);
    if (it == payloads_.end()) {
      absl::StatusOr<std::optional<Payload>> payload = ReadEntry(node_, dot);
      if (!payload.ok()) return payload.status();
      it = payloads_.emplace(dot, *std::move(payload)).first;
    }
    return &it->second;
  }

  // What a value was. The state keeps no bytes of those that are replaced: their entries do.
  absl::StatusOr<std::optional<std::string>> BytesOf(const ValueId& id, const node::FieldValue& value) {
    if (value.has_bytes) return value.bytes;
    if (!value.adds || value.erased) return std::nullopt;
    const absl::StatusOr<const std::optional<Payload>*> payload = PayloadOf(value.dot);
    if (!payload.ok()) return payload.status();
    if (!(*payload)->has_value()) return std::nullopt;
    const std::vector<Mutation>& mutations = (**payload)->mutations;
    for (size_t i = 0; i < mutations.size(); ++i) {
      if (id.op >= mutations[i].ops.size() || MutationIdOf(node_.roster().network(), ***payload, i) != id.mutation) continue;
      return mutations[i].ops[id.op].value;
    }
    return std::nullopt;
  }

  const node::Node& node_;
  const records::RecordType* type_ = nullptr;
  const FieldDescriptor* field_ = nullptr;
  std::map<Dot, std::optional<Payload>> payloads_;
};

// The keys of the index to read, and what each conflict must be.
struct Scan {
  std::string lower;
  std::string site;  // empty: any
};

absl::StatusOr<Scan> PlanScan(const node::Node& node, const Call& call, const v1::ListConflictsRequest& request) {
  std::string collection = request.collection();
  if (!collection.empty()) {
    const records::RecordType* type = node.registry().FindByCollection(collection);
    if (type == nullptr) return FieldError(Reason::kFieldInvalid, "collection", "there is no collection '" + collection + "'");
    if (absl::Status allowed = CheckMayRead(call, *type); !allowed.ok()) return allowed;
  }
  if (!request.site().empty() && node.roster().FindSite(request.site()) == nullptr) {
    return FieldError(Reason::kFieldInvalid, "site", "there is no site '" + request.site() + "'");
  }
  Scan scan;
  if (!request.parent().empty()) {
    const records::RecordType* type = node.registry().FindByName(request.parent());
    if (type == nullptr) return FieldError(Reason::kFieldInvalid, "parent", "is not the name of a record");
    if (absl::Status allowed = CheckMayRead(call, *type); !allowed.ok()) return allowed;
    if (!collection.empty() && collection != type->collection()) {
      return FieldError(Reason::kFieldInvalid, "collection", "is not that of the parent");
    }
    scan.lower = node::IndexKey(node::kConflictsByCollection, type->collection(), "", request.parent() + std::string(kSegment));
    scan.site = request.site();
  } else if (!request.site().empty()) {
    scan.lower = collection.empty() ? node::IndexPrefix(node::kConflictsBySite, request.site())
                                    : node::IndexKey(node::kConflictsBySite, request.site(), collection, "");
  } else if (!collection.empty()) {
    scan.lower = node::IndexPrefix(node::kConflictsByCollection, collection);
  } else {
    PutU16(&scan.lower, node::kConflictsByCollection);
  }
  return scan;
}

// The conflict of `field` among those of a record; end() when there is none.
using Conflicts = std::map<uint32_t, node::FieldView>;
Conflicts::const_iterator FindConflict(const Conflicts& conflicts, const FieldDescriptor* field) {
  return field == nullptr ? conflicts.end() : conflicts.find(static_cast<uint32_t>(field->number()));
}

bool HasSite(const v1::Conflict& conflict, const std::string& site) {
  return std::any_of(conflict.values().begin(), conflict.values().end(),
                     [&site](const v1::ConflictValue& value) { return value.site() == site; });
}

absl::Status NoSuchConflict(const std::string& name) {
  return Error(Reason::kRecordNotFound, "there is no such conflict", {{"name", name}});
}

absl::Status Changed(const std::string& name) {
  return Error(Reason::kEtagMismatch, "the conflict has changed since it was read", {{"name", name}});
}

// The record with `field` as `json` says.
absl::StatusOr<MessagePtr> WithValue(const Message& record, const FieldDescriptor* field, const std::string& json) {
  const absl::Status malformed = FieldError(Reason::kFieldInvalid, "value", "is not a value of " + field->name() + " as JSON");
  // On its own first, so that it cannot be read as more than one value.
  google::protobuf::Value alone;
  if (!google::protobuf::util::JsonStringToMessage(json, &alone).ok()) return malformed;
  MessagePtr given(record.New());
  const std::string object = fmt::format("{{\"{}\":{}}}", field->name(), json);
  if (!google::protobuf::util::JsonStringToMessage(object, given.get()).ok()) return malformed;
  MessagePtr next(record.New());
  next->CopyFrom(record);
  CopyFields(*given, {field}, next.get());
  return next;
}

std::string LastPart(std::string_view key) { return std::string(key.substr(key.rfind('\0') + 1)); }

}  // namespace

void ConflictMethods::Register(Dispatcher* dispatcher) const {
  dispatcher->Unary<v1::ListConflictsRequest, v1::ListConflictsResponse>(
      "fairlead.v1.RecordService/ListConflicts",
      [this](const Call& call, const v1::ListConflictsRequest& request) { return List(call, request); });
  dispatcher->Unary<v1::GetConflictRequest, v1::Conflict>(
      "fairlead.v1.RecordService/GetConflict",
      [this](const Call& call, const v1::GetConflictRequest& request) { return Get(call, request); });
  dispatcher->Handle("fairlead.v1.RecordService/ResolveConflict",
                     [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
                       Resolve(call, static_cast<const v1::ResolveConflictRequest&>(request), std::move(reply));
                     });
}

absl::StatusOr<v1::ListConflictsResponse> ConflictMethods::List(const Call& call, const v1::ListConflictsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const absl::StatusOr<Scan> scan = PlanScan(*node_, call, request);
  if (!scan.ok()) return scan.status();

  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  v1::ListConflictsResponse page;
  Narrator narrator(*node_);
  std::string last;  // key looked at last
  size_t bytes = 0;
  int budget = kKeysPerPage;
  const auto it = view->Iterate(storage::Cf::kIndexes, position->empty() ? scan->lower : *position + '\0', storage::PrefixEnd(scan->lower));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (page.conflicts_size() == *page_size || bytes > kPageBytesMax || budget-- == 0 || call.cancelled()) {
      page.set_next_page_token(SealPageToken(*sealer_, call.method, request, last));
      break;
    }
    last = std::string(it->key());
    const absl::StatusOr<ConflictPath> path = ParseName(node_->registry(), LastPart(last));
    if (!path.ok()) return Error(Reason::kStoreDamaged, "the index of conflicts is damaged");
    if (!MayRead(call, *path->type)) continue;
    const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, *view, *path->type, path->record);
    if (!loaded.ok()) return loaded.status();
    if (!loaded->has_value()) continue;
    const bool withdrawn = IsWithdrawn(*(*loaded)->message);
    if (withdrawn && !request.show_withdrawn()) continue;
    const Conflicts conflicts = node::ConflictsOf(*path->type, (*loaded)->state);
    const auto found = FindConflict(conflicts, Field(*(*loaded)->message, path->field));
    if (found == conflicts.end()) continue;
    absl::StatusOr<v1::Conflict> conflict = narrator.Tell(*path->type, path->record, (*loaded)->state, found->first, found->second);
    if (!conflict.ok()) return conflict.status();
    if (!scan->site.empty() && !HasSite(*conflict, scan->site)) continue;
    conflict->set_withdrawn(withdrawn);
    bytes += conflict->ByteSizeLong();
    *page.add_conflicts() = *std::move(conflict);
  }
  if (!it->status().ok()) return it->status();
  return page;
}

absl::StatusOr<v1::Conflict> ConflictMethods::Get(const Call& call, const v1::GetConflictRequest& request) const {
  const absl::StatusOr<ConflictPath> path = ParseName(node_->registry(), request.name());
  if (!path.ok()) return path.status();
  if (absl::Status allowed = CheckMayRead(call, *path->type); !allowed.ok()) return allowed;
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, *view, *path->type, path->record);
  if (!loaded.ok()) return loaded.status();
  if (!loaded->has_value()) return NoSuchConflict(request.name());
  const Conflicts conflicts = node::ConflictsOf(*path->type, (*loaded)->state);
  const auto found = FindConflict(conflicts, Field(*(*loaded)->message, path->field));
  if (found == conflicts.end()) return NoSuchConflict(request.name());
  absl::StatusOr<v1::Conflict> conflict = Narrator(*node_).Tell(*path->type, path->record, (*loaded)->state, found->first, found->second);
  if (conflict.ok()) conflict->set_withdrawn(IsWithdrawn(*(*loaded)->message));
  return conflict;
}

absl::StatusOr<WriteMethods::Plan> ConflictMethods::PlanResolve(const records::RecordType& type, const std::string& record,
                                                                const std::string& field_name, const Call& call,
                                                                const v1::ResolveConflictRequest& request) const {
  if (request.etag().empty()) return FieldError(Reason::kFieldRequired, "etag", "is required: read the conflict first");
  if (request.resolution_case() == v1::ResolveConflictRequest::RESOLUTION_NOT_SET) {
    return FieldError(Reason::kFieldRequired, "keep", "is required, or value");
  }
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(call, request);
  if (!plan.ok()) return plan;
  plan->name = record;
  if (plan->replay) return plan;

  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Loaded> read = LoadExisting(*node_, *view, type, record);
  if (!read.ok()) return read.status();
  if (IsWithdrawn(*read->message)) return Error(Reason::kRecordWithdrawn, "the record has been withdrawn", {{"name", record}});
  const FieldDescriptor* field = Field(*read->message, field_name);
  if (field == nullptr) return NoSuchConflict(request.name());
  const auto number = static_cast<uint32_t>(field->number());
  const Conflicts conflicts = node::ConflictsOf(type, read->state);
  const auto conflict = FindConflict(conflicts, field);
  if (conflict == conflicts.end() || node::FieldEtag(conflict->second) != request.etag()) return Changed(request.name());

  Mutation mutation;
  if (request.has_keep()) {
    std::map<std::string, ValueId> ids;
    for (const auto* values : {&conflict->second.live, &conflict->second.pending, &conflict->second.pending_removals}) {
      for (const auto& [id, value] : *values) ids.emplace(node::ValueIdText(id), id);
    }
    std::vector<ValueId> keep;
    for (const std::string& text : request.keep().value_ids()) {
      const auto id = ids.find(text);
      if (id == ids.end()) return FieldError(Reason::kFieldInvalid, "keep.value_ids", "'" + text + "' is not a value of this conflict");
      keep.push_back(id->second);
    }
    absl::StatusOr<Mutation> kept = node::KeepValues(type, record, read->state, *field, keep);
    if (!kept.ok()) return FieldError(Reason::kFieldInvalid, "keep.value_ids", std::string(kept.status().message()));
    mutation = *std::move(kept);
  } else {
    if (!IsSettable(type, field))
      return FieldError(Reason::kFieldImmutable, "value", field_name + " is settled by keeping one of its values");
    const absl::StatusOr<MessagePtr> next = WithValue(*read->message, field, request.value());
    if (!next.ok()) return next.status();
    mutation = node::MutationFor(type, record, &read->state, **next, {field});
  }

  // As the record will be. What it shows already may be kept though it breaks a rule: no merge asked for one.
  MessagePtr next = OutcomeOf(*node_, type, record, read->state, mutation);
  if (!google::protobuf::util::MessageDifferencer().CompareWithFields(*next, *read->message, {field}, {field})) {
    const absl::Status valid = CheckRecord(*node_, type, *next, read->message.get(), StoreReader(*node_, *view));
    if (!valid.ok()) return PrefixFields(valid, "record");
  }
  if (absl::Status may = CheckMayPublish(call, node_->roster(), *next); !may.ok()) return may;
  if (plan->validate_only) {
    const Message& shown = *read->message;
    CopyFields(shown, {Field(shown, "etag"), Field(shown, "create_time"), Field(shown, "update_time")}, next.get());
    plan->answer = std::move(next);
    return plan;
  }
  plan->write.mutations.push_back(std::move(mutation));
  plan->write.expectations.push_back({record, request.etag(), number});
  return plan;
}

void ConflictMethods::Resolve(const std::shared_ptr<Call>& call, const v1::ResolveConflictRequest& request, Reply reply) const {
  const absl::StatusOr<ConflictPath> path = ParseName(node_->registry(), request.name());
  if (!path.ok()) return reply(path.status());
  if (absl::Status allowed = CheckMayRead(*call, *path->type); !allowed.ok()) return reply(allowed);
  writes_->Finish(*path->type, call, PlanResolve(*path->type, path->record, path->field, *call, request),
                  [reply = std::move(reply)](absl::StatusOr<MessagePtr> record) {
                    if (!record.ok()) return reply(record.status());
                    auto response = std::make_unique<v1::ResolveConflictResponse>();
                    response->mutable_record()->PackFrom(**record);
                    reply(std::move(response));
                  });
}

}  // namespace fairlead::rpc
