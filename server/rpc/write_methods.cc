#include "server/rpc/write_methods.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/alarm.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/common.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "server/node/materialise.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

using Fields = std::vector<const FieldDescriptor*>;

constexpr size_t kChunkBytesMax = 64 << 10;  // of an import's mutations in one entry
constexpr size_t kChunkRecordsMax = 512;
constexpr int kImportRounds = 8;
// What an op costs beside its value: numbers, and one replaced value id.
constexpr size_t kOpBytes = 32;

MessagePtr Clone(const Message& message) {
  MessagePtr copy(message.New());
  copy->CopyFrom(message);
  return copy;
}

void SetString(Message* message, const std::string& field, const std::string& value) {
  message->GetReflection()->SetString(message, Field(*message, field), value);
}

bool HasField(const Message& message, const std::string& field) { return Field(message, field) != nullptr; }

// The settable fields that are set in `record`.
Fields PopulatedFields(const records::RecordType& type, const Message& record) {
  Fields fields;
  for (const FieldDescriptor* field : FoldedFields(type)) {
    if (IsSettable(type, field) && IsSet(record, field)) fields.push_back(field);
  }
  return fields;
}

// Those of `fields` that `given` would change from what is shown. What a caller sends back as it was read answers no conflict.
Fields ChangedFields(const Fields& fields, const Message& shown, const Message& given) {
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_repeated_field_comparison(google::protobuf::util::MessageDifferencer::AS_SET);
  Fields changed;
  for (const FieldDescriptor* field : fields) {
    if (!differencer.CompareWithFields(shown, given, {field}, {field})) changed.push_back(field);
  }
  return changed;
}

// As the node shows a record that has none.
void DefaultMarking(Message* record) {
  const FieldDescriptor* marking = Field(*record, "marking");
  if (!IsSet(*record, marking)) record->GetReflection()->SetEnumValue(record, marking, v1::MARKING_OFFICIAL);
}

// A record to be created: what may be set of `given`, its name and its first state.
MessagePtr NewRecord(const records::RecordType& type, const std::string& name, const Message& given) {
  MessagePtr record(type.prototype->New());
  CopyFields(given, PopulatedFields(type, given), record.get());
  SetString(record.get(), "name", name);
  DefaultMarking(record.get());
  if (!type.state_field.empty()) {
    record->GetReflection()->SetEnumValue(record.get(), Field(*record, type.state_field), type.initial_state);
  }
  return record;
}

Fields SetFields(const records::RecordType& type, const Message& record) {
  Fields fields;
  for (const FieldDescriptor* field : FoldedFields(type)) {
    if (IsSet(record, field)) fields.push_back(field);
  }
  return fields;
}

absl::Status CheckId(const records::RecordType& type, const std::string& id, const std::string& field) {
  if (id.empty()) return FieldError(Reason::kFieldRequired, field, "is required");
  const absl::Status checked = type.check_id ? type.check_id(id) : absl::OkStatus();
  if (checked.ok()) return checked;
  return FieldError(Reason::kFieldInvalid, field, std::string(checked.message()));
}

absl::Status Withdrawn(const std::string& name) {
  return Error(Reason::kRecordWithdrawn, "the record has been withdrawn", {{"name", name}});
}
absl::Status Exists(const std::string& name) { return Error(Reason::kRecordExists, "the record exists", {{"name", name}}); }
absl::Status EtagMismatch(const std::string& name) {
  return Error(Reason::kEtagMismatch, "the record has changed since it was read", {{"name", name}});
}

bool HasMask(const Message& request) {
  const auto* reflection = request.GetReflection();
  const FieldDescriptor* field = Field(request, "update_mask");
  return static_cast<const google::protobuf::FieldMask&>(reflection->GetMessage(request, field)).paths_size() > 0;
}

// The fields that an Update names: those of its mask (AIP-134: `*` is every one), else those that are set.
absl::StatusOr<Fields> NamedFields(const records::RecordType& type, const Message& request, const FieldDescriptor* resource) {
  const Message& record = request.GetReflection()->GetMessage(request, resource);
  if (!HasMask(request)) return PopulatedFields(type, record);
  const auto& mask =
      static_cast<const google::protobuf::FieldMask&>(request.GetReflection()->GetMessage(request, Field(request, "update_mask")));
  std::set<int> numbers;
  Fields fields;
  for (const std::string& path : mask.paths()) {
    if (path == "*") {
      for (const FieldDescriptor* field : FoldedFields(type)) {
        if (IsSettable(type, field) && numbers.insert(field->number()).second) fields.push_back(field);
      }
      continue;
    }
    const FieldDescriptor* field = Field(record, path);
    if (field == nullptr) return FieldError(Reason::kFieldInvalid, "update_mask", "there is no field '" + path + "'");
    if (!IsSettable(type, field)) return FieldError(Reason::kFieldImmutable, resource->name() + "." + path, "cannot be set by an update");
    if (numbers.insert(field->number()).second) fields.push_back(field);
  }
  return fields;
}

// What one request of an import or an update comes to for one record.
struct Change {
  MessagePtr next;
  Mutation mutation;  // no ops: it equals what is stored
  node::Expectation expectation;
  bool creates = false;
};

absl::StatusOr<Change> PlanNew(const node::Node& node, const storage::View& view, const records::RecordType& type, const std::string& name,
                               const Message& given) {
  Change change;
  change.creates = true;
  change.next = NewRecord(type, name, given);
  change.expectation = {name, ""};
  const StoreReader reader(node, view);
  if (type.complete) type.complete(change.next.get(), nullptr, reader, node.options().clock->Now());
  if (absl::Status valid = CheckRecord(node, type, *change.next, nullptr, reader); !valid.ok()) return valid;
  change.mutation = node::MutationFor(type, name, nullptr, *change.next, SetFields(type, *change.next));
  return change;
}

absl::StatusOr<Change> PlanChange(const node::Node& node, const storage::View& view, const records::RecordType& type,
                                  const std::string& name, const Loaded& read, MessagePtr next, Fields fields) {
  Change change;
  change.next = std::move(next);
  change.expectation = {name, node::EtagOf(read.state)};
  change.mutation = node::MutationFor(type, name, &read.state, *change.next, fields);
  if (change.mutation.ops.empty()) return change;
  const StoreReader reader(node, view);
  if (type.complete) {
    const MessagePtr given = Clone(*change.next);
    type.complete(change.next.get(), read.message.get(), reader, node.options().clock->Now());
    for (const FieldDescriptor* field : ChangedFields(FoldedFields(type), *given, *change.next)) {
      if (std::find(fields.begin(), fields.end(), field) == fields.end()) fields.push_back(field);
    }
    change.mutation = node::MutationFor(type, name, &read.state, *change.next, fields);
  }
  if (absl::Status valid = CheckRecord(node, type, *change.next, read.message.get(), reader); !valid.ok()) return valid;
  return change;
}

Audience AudienceOf(const Roster& roster, const Message& record) {
  const FieldDescriptor* field = Field(record, "audience");
  Audience audience;
  for (int i = 0; i < record.GetReflection()->FieldSize(record, field); ++i) {
    audience.all = false;
    if (const RosterSite* site = roster.FindSite(record.GetReflection()->GetRepeatedString(record, field, i)))
      audience.sites.push_back(site->id);
  }
  std::sort(audience.sites.begin(), audience.sites.end());
  return audience;
}

// All that this site has written by now, for the sites of a record that a request found as it wants it.
Holding EverythingWritten(const node::Node& node, const Message& record) {
  return {node.own_log(), node.Applied().Get(node.own_log()), AudienceOf(node.roster(), record)};
}

// What `report` comes to: OK, with the call's trailing metadata, or an error that says who holds what was written.
absl::Status Held(const Durability::Report& report, std::map<std::string, std::string> metadata, Call* call) {
  const std::string sites = fmt::format("{}", fmt::join(report.sites, ","));
  if (report.reached) {
    call->durability = fmt::format("replicated:{} {}", call->replicas, sites);
    return absl::OkStatus();
  }
  metadata["sites"] = sites;
  metadata["replicas"] = std::to_string(call->replicas);
  const std::string known =
      fmt::format("it is written here, and {} of {} other sites are known to hold it{}{}: the same request waits again",
                  report.sites.size(), call->replicas, sites.empty() ? "" : ": ", sites);
  return Error(report.closing ? Reason::kShuttingDown : Reason::kReplicationTimeout, known, metadata);
}

// The part of an actor that says as what it acts: "officer", "hq/release".
std::string_view RoleOf(std::string_view actor) {
  const size_t kind = actor.find('/');
  return actor.substr(0, actor.starts_with("hq/") ? actor.find('/', kind + 1) : kind);
}

// PERMISSION_DENIED when the caller acts in the role in which the record was made, or that is not known here.
absl::Status CheckOtherRole(const node::Node& node, const node::RecordState& state, const Call& call) {
  const absl::StatusOr<std::optional<Payload>> made = ReadEntry(node, node::SpanOf(state).first);
  if (!made.ok()) return made.status();
  if (made->has_value() && RoleOf((*made)->actor) != RoleOf(call.identity.path)) return absl::OkStatus();
  return Error(Reason::kPermissionDenied, "needs a role other than the author's");
}

// --- Import ------------------------------------------------------------------------------------------------------------------------

// One call of an import method. A round plans every record that is still to be done against one snapshot, writes the changes in chunks and
// waits for all; records of a chunk that lost a race are planned again in the next round.
class ImportRun : public std::enable_shared_from_this<ImportRun> {
 public:
  // `running` is held for as long as the run may touch the node.
  ImportRun(node::Node* node, Durability* durability, const records::RecordType& type, std::shared_ptr<Call> call, const Message& request,
            Reply reply, std::shared_ptr<void> running)
      : running_(std::move(running)),
        node_(node),
        durability_(durability),
        type_(type),
        call_(std::move(call)),
        request_(Clone(request)),
        records_(FieldOfType(*request.GetDescriptor(), type, /*repeated=*/true)),
        reply_(std::move(reply)) {}

  void Start() {
    const int n = request_->GetReflection()->FieldSize(*request_, records_);
    if (n == 0) return reply_(FieldError(Reason::kFieldRequired, records_->name(), "is required"));
    if (n > kImportRecordsMax) {
      return reply_(FieldError(Reason::kFieldTooLarge, records_->name(), "holds more than " + std::to_string(kImportRecordsMax)));
    }
    std::set<std::string> names;
    for (int i = 0; i < n; ++i) {
      if (const std::string name = GetString(Record(i), "name"); !name.empty() && !names.insert(name).second) {
        refusals_[i] = FieldError(Reason::kFieldInvalid, "name", "occurs twice in this import");
      } else {
        pending_.push_back(i);
      }
    }
    Round();
  }

 private:
  struct Row {
    int index;
    bool creates;
  };
  struct Chunk {
    std::vector<Row> rows;
    node::WriteRequest write;
    size_t bytes = 0;
  };

  const Message& Record(int i) const { return request_->GetReflection()->GetRepeatedMessage(*request_, records_, i); }

  absl::StatusOr<Change> PlanRow(const storage::View& view, const Message& record) const {
    const std::string name = GetString(record, "name");
    if (absl::Status named = CheckName(node_->registry(), type_, name, "name"); !named.ok()) return named;
    if (absl::Status id = CheckId(type_, std::string(LastSegment(name)), "name"); !id.ok()) return id;
    absl::StatusOr<std::optional<Loaded>> read = Load(*node_, view, type_, name);
    if (!read.ok()) return read.status();
    if (!read->has_value()) return PlanNew(*node_, view, type_, name, record);
    if (IsWithdrawn(*(*read)->message)) return Withdrawn(name);
    const Fields fields = ChangedFields(PopulatedFields(type_, record), *(*read)->message, record);
    MessagePtr next = Clone(*(*read)->message);
    CopyFields(record, fields, next.get());
    return PlanChange(*node_, view, type_, name, **read, std::move(next), fields);
  }

  // One entry has one audience, so a chunk holds records of one audience only.
  static std::string AudienceOf(const Message& record) {
    const FieldDescriptor* field = Field(record, "audience");
    std::set<std::string> sites;
    for (int i = 0; i < record.GetReflection()->FieldSize(record, field); ++i) {
      sites.insert(record.GetReflection()->GetRepeatedString(record, field, i));
    }
    std::string key;
    for (const std::string& site : sites) key += site + ",";
    return key;
  }

  Chunk NewChunk() const {
    Chunk chunk;
    chunk.write.actor = call_->identity.path;
    chunk.write.method = call_->method;
    chunk.write.request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(node_->options().clock->Now())));
    return chunk;
  }

  void Round() {
    std::vector<Chunk> full;
    std::map<std::string, Chunk> open;  // by audience
    {
      const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
      for (int i : pending_) {
        absl::StatusOr<Change> change = PlanRow(*view, Record(i));
        if (!change.ok()) {
          refusals_[i] = change.status();
          continue;
        }
        if (call_->replicas > 0) {
          const Holding written = EverythingWritten(*node_, *change->next);
          if (absl::Status possible = durability_->Check({written}, call_->replicas); !possible.ok()) {
            refusals_[i] = possible;
            continue;
          }
          if (change->mutation.ops.empty()) Hold(written);
        }
        if (change->mutation.ops.empty()) {
          ++unchanged_;
          continue;
        }
        size_t bytes = change->mutation.record.size() + kOpBytes;
        for (const Op& op : change->mutation.ops) bytes += kOpBytes + op.value.size();
        auto [chunk, added] = open.try_emplace(AudienceOf(*change->next));
        if (added) chunk->second = NewChunk();
        if (!chunk->second.rows.empty() &&
            (chunk->second.bytes + bytes > kChunkBytesMax || chunk->second.rows.size() == kChunkRecordsMax)) {
          full.push_back(std::exchange(chunk->second, NewChunk()));
        }
        chunk->second.rows.push_back({i, change->creates});
        chunk->second.bytes += bytes;
        chunk->second.write.mutations.push_back(std::move(change->mutation));
        chunk->second.write.expectations.push_back(std::move(change->expectation));
      }
    }
    pending_.clear();
    for (auto& [audience, chunk] : open) full.push_back(std::move(chunk));
    if (full.empty()) return Finish();
    {
      absl::MutexLock lock(&mu_);
      outstanding_ = full.size();
    }
    for (Chunk& chunk : full) {
      node_->Write(std::move(chunk.write), [self = shared_from_this(), rows = std::move(chunk.rows)](
                                               const absl::StatusOr<node::WriteResult>& result) { self->OnWritten(rows, result); });
    }
  }

  // Has to be held by other sites before the answer: of each audience, the longest head of the log.
  void Hold(const Holding& written) {
    if (written.size == Seq(0)) return;
    for (Holding& held : holdings_) {
      if (held.log != written.log || held.audience != written.audience) continue;
      held.size = std::max(held.size, written.size);
      return;
    }
    holdings_.push_back(written);
  }

  void OnWritten(const std::vector<Row>& rows, const absl::StatusOr<node::WriteResult>& result) {
    absl::Status status = result.status();
    absl::StatusOr<Audience> audience;
    if (result.ok() && call_->replicas > 0) {
      audience = node_->AudienceOf(result->dot);
      status = audience.status();
    }
    {
      absl::MutexLock lock(&mu_);
      if (audience.ok()) Hold({result->dot.log, result->dot.seq + 1, *audience});
      const bool lost_race = absl::IsAborted(status) || absl::IsAlreadyExists(status);
      for (const Row& row : rows) {
        if (status.ok()) {
          ++(row.creates ? created_ : updated_);
        } else if (lost_race) {
          pending_.push_back(row.index);
        }
      }
      if (!status.ok() && !lost_race) error_ = status;
      if (--outstanding_ > 0) return;
    }
    // The last write of the round: nobody else touches this object now. The next round leaves the node's completion thread.
    if (!error_.ok() || pending_.empty() || call_->cancelled()) return Finish();
    if (--rounds_ == 0) {
      for (int i : pending_) refusals_[i] = EtagMismatch(GetString(Record(i), "name"));
      return Finish();
    }
    std::sort(pending_.begin(), pending_.end());
    // An alarm keeps its function until it is destroyed, so the function may not own this run: the run owns itself until then.
    self_ = shared_from_this();
    hop_ = std::make_unique<grpc::Alarm>();
    hop_->Set(absl::ToChronoTime(absl::Now()), [this](bool) {
      const std::shared_ptr<ImportRun> self = std::move(self_);
      self->Round();
    });
  }

  void Finish() {
    if (!error_.ok()) return reply_(error_);
    if (holdings_.empty()) return Answer();
    const uint64_t wait =
        durability_->Await(holdings_, call_->replicas, call_->deadline, [self = shared_from_this()](const Durability::Report& report) {
          const absl::Status held = Held(report, {}, self->call_.get());
          held.ok() ? self->Answer() : self->reply_(held);
        });
    if (wait != 0) call_->OnEnd([durability = durability_, wait] { durability->Leave(wait); });
  }

  void Answer() {
    auto response = std::make_unique<v1::ImportResponse>();
    response->set_created(created_);
    response->set_updated(updated_);
    response->set_unchanged(unchanged_);
    for (const auto& [index, status] : refusals_) {
      v1::ImportRefusal* refusal = response->add_refusals();
      refusal->set_index(index);
      *refusal->mutable_status() = ToProto(status);
    }
    reply_(std::move(response));
  }

  const std::shared_ptr<void> running_;
  node::Node* const node_;
  Durability* const durability_;
  const records::RecordType& type_;
  const std::shared_ptr<Call> call_;
  const MessagePtr request_;
  const FieldDescriptor* const records_;
  const Reply reply_;

  absl::Mutex mu_;  // guards what follows while writes are outstanding
  size_t outstanding_ = 0;
  int created_ = 0;
  int updated_ = 0;
  int unchanged_ = 0;
  int rounds_ = kImportRounds;
  std::vector<int> pending_;
  std::map<int, absl::Status> refusals_;
  std::vector<Holding> holdings_;
  absl::Status error_;
  std::unique_ptr<grpc::Alarm> hop_;
  std::shared_ptr<ImportRun> self_;
};

}  // namespace

absl::Status CheckRecord(const node::Node& node, const records::RecordType& type, const Message& next, const Message* previous,
                         const records::RecordReader& reader) {
  const FieldDescriptor* audience = Field(next, "audience");
  bool own = false;
  const int sites = next.GetReflection()->FieldSize(next, audience);
  for (int i = 0; i < sites; ++i) {
    const std::string site = next.GetReflection()->GetRepeatedString(next, audience, i);
    if (node.roster().FindSite(site) == nullptr) {
      return FieldError(Reason::kFieldInvalid, "audience", "names a site that the network does not have");
    }
    own = own || site == node.options().site;
  }
  if (sites > 0 && !own) return FieldError(Reason::kFieldInvalid, "audience", "must hold the site that writes");
  return type.validate(next, previous, reader);
}

// Before a request is judged by what is here: a node that recovers its store may hold none of the records that the request names.
static absl::Status CheckWritable(const node::Node& node) {
  const std::string reason = node.UnwritableReason();
  return reason.empty() ? absl::OkStatus() : Error(Reason::kNodeReadOnly, reason);
}

absl::StatusOr<WriteMethods::Plan> WriteMethods::Begin(const Call& call, const Message& request) const {
  Plan plan;
  plan.write.actor = call.identity.path;
  plan.write.method = call.method;
  plan.write.request_digest = RequestDigest(call.method, request, {"request_id"});
  plan.write.request_id = GetString(request, "request_id");
  plan.write.replicas = call.replicas;
  plan.validate_only = GetBool(request, "validate_only");
  if (plan.write.request_id.empty()) {
    plan.write.request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(node_->options().clock->Now())));
  } else if (RequestIdMillis(plan.write.request_id) < 0) {
    return FieldError(Reason::kFieldInvalid, "request_id", "must be a UUID of version 7");
  } else if (!plan.validate_only) {
    const absl::StatusOr<std::optional<Dot>> found = node_->FindRequest(plan.write.actor, plan.write.request_id, plan.write.request_digest);
    if (!found.ok()) return found.status();
    plan.replay = *found;
  }
  if (plan.replay) return plan;
  if (absl::Status writable = CheckWritable(*node_); !writable.ok()) return writable;
  return plan;
}

absl::StatusOr<Loaded> WriteMethods::LoadForChange(const records::RecordType& type, const storage::View& view, const std::string& name,
                                                   const std::string& etag, const std::string& etag_field) const {
  absl::StatusOr<Loaded> read = LoadExisting(*node_, view, type, name);
  if (!read.ok()) return read;
  if (etag.empty()) return FieldError(Reason::kFieldRequired, etag_field, "is required: read the record first");
  if (IsWithdrawn(*read->message)) return Withdrawn(name);
  if (etag != node::EtagOf(read->state)) return EtagMismatch(name);
  return read;
}

absl::StatusOr<WriteMethods::Plan> WriteMethods::PlanCreate(const records::RecordType& type, const Call& call,
                                                            const Message& request) const {
  const Reflection* reflection = request.GetReflection();
  const FieldDescriptor* resource = FieldOfType(*request.GetDescriptor(), type, /*repeated=*/false);
  if (!reflection->HasField(request, resource)) return FieldError(Reason::kFieldRequired, resource->name(), "is required");
  absl::StatusOr<Plan> plan = Begin(call, request);
  if (!plan.ok()) return plan;

  std::string id;
  if (const std::string id_field = resource->name() + "_id"; HasField(request, id_field)) {
    id = GetString(request, id_field);
    if (absl::Status checked = CheckId(type, id, id_field); !checked.ok()) return checked;
  } else {
    id = CreatedRecordId(node_->roster().network(), call.identity.path, call.method, plan->write.request_id);
  }
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  plan->name = type.collection() + "/" + id;
  if (HasField(request, "parent")) {
    const std::string parent = GetString(request, "parent");
    if (parent.empty()) return FieldError(Reason::kFieldRequired, "parent", "is required");
    plan->name = parent + "/" + plan->name;
    const records::RecordType* parent_type = node_->registry().FindByName(parent);
    if (parent_type == nullptr || node_->registry().FindByName(plan->name) != &type) {
      return FieldError(Reason::kFieldInvalid, "parent", "is not a parent of " + type.pattern);
    }
    const absl::StatusOr<std::optional<Loaded>> above = Load(*node_, *view, *parent_type, parent);
    if (!above.ok()) return above.status();
    if (!above->has_value()) return FieldError(Reason::kReferenceNotFound, "parent", "there is no such record");
    if (IsWithdrawn(*(*above)->message) && !plan->replay) return Withdrawn(parent);
  }
  if (plan->replay) return plan;
  if (absl::Status named = CheckName(node_->registry(), type, plan->name, "name"); !named.ok()) return named;

  const absl::StatusOr<std::optional<Loaded>> existing = Load(*node_, *view, type, plan->name);
  if (!existing.ok()) return existing.status();
  if (existing->has_value()) return Exists(plan->name);
  absl::StatusOr<Change> change = PlanNew(*node_, *view, type, plan->name, reflection->GetMessage(request, resource));
  if (!change.ok()) return PrefixFields(change.status(), resource->name());
  if (GetBool(request, "validate_only")) {
    plan->answer = std::move(change->next);
    return plan;
  }
  plan->write.mutations.push_back(std::move(change->mutation));
  plan->write.expectations.push_back(std::move(change->expectation));
  return plan;
}

absl::StatusOr<WriteMethods::Plan> WriteMethods::PlanUpdate(const records::RecordType& type, const Call& call,
                                                            const Message& request) const {
  const Reflection* reflection = request.GetReflection();
  const FieldDescriptor* resource = FieldOfType(*request.GetDescriptor(), type, /*repeated=*/false);
  if (!reflection->HasField(request, resource)) return FieldError(Reason::kFieldRequired, resource->name(), "is required");
  const Message& given = reflection->GetMessage(request, resource);
  const std::string name = GetString(given, "name");
  if (absl::Status named = CheckName(node_->registry(), type, name, resource->name() + ".name"); !named.ok()) return named;
  absl::StatusOr<Fields> fields = NamedFields(type, request, resource);
  if (!fields.ok()) return fields.status();
  absl::StatusOr<Plan> plan = Begin(call, request);
  if (!plan.ok()) return plan;
  plan->name = name;
  if (plan->replay) return plan;

  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  absl::StatusOr<Change> change;
  absl::StatusOr<Loaded> read = LoadForChange(type, *view, name, GetString(given, "etag"), resource->name() + ".etag");
  if (read.ok()) {
    if (!HasMask(request)) fields = ChangedFields(*fields, *read->message, given);
    MessagePtr next = Clone(*read->message);
    CopyFields(given, *fields, next.get());
    change = PlanChange(*node_, *view, type, name, *read, std::move(next), *fields);
  } else if (absl::IsNotFound(read.status()) && GetBool(request, "allow_missing")) {
    if (absl::Status id = CheckId(type, std::string(LastSegment(name)), resource->name() + ".name"); !id.ok()) return id;
    change = PlanNew(*node_, *view, type, name, given);
  } else {
    return read.status();
  }
  if (!change.ok()) return PrefixFields(change.status(), resource->name());
  DefaultMarking(change->next.get());  // a mask may have cleared it
  if (change->mutation.ops.empty() || GetBool(request, "validate_only")) {
    plan->answer = std::move(change->mutation.ops.empty() ? read->message : change->next);
    return plan;
  }
  plan->write.mutations.push_back(std::move(change->mutation));
  plan->write.expectations.push_back(std::move(change->expectation));
  return plan;
}

absl::StatusOr<WriteMethods::Plan> WriteMethods::PlanWithdraw(const records::RecordType& type, const Call& call,
                                                              const Message& request) const {
  const std::string name = GetString(request, "name");
  if (absl::Status named = CheckName(node_->registry(), type, name, "name"); !named.ok()) return named;
  absl::StatusOr<Plan> plan = Begin(call, request);
  if (!plan.ok()) return plan;
  plan->name = name;
  if (plan->replay) return plan;
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  absl::StatusOr<Loaded> read = LoadForChange(type, *view, name, GetString(request, "etag"), "etag");
  if (!read.ok()) return read.status();
  // Not validated: a record that its type's rules have outgrown can still be withdrawn.
  const FieldDescriptor* withdrawn = Field(*read->message, "withdrawn");
  read->message->GetReflection()->SetBool(read->message.get(), withdrawn, true);
  plan->write.mutations.push_back(node::MutationFor(type, name, &read->state, *read->message, {withdrawn}));
  plan->write.expectations.push_back({name, node::EtagOf(read->state)});
  return plan;
}

absl::StatusOr<WriteMethods::Plan> WriteMethods::PlanMove(const records::RecordType& type, const records::Transition& transition,
                                                          const Call& call, const Message& request) const {
  const std::string name = GetString(request, "name");
  if (absl::Status named = CheckName(node_->registry(), type, name, "name"); !named.ok()) return named;
  absl::StatusOr<Plan> plan = Begin(call, request);
  if (!plan.ok()) return plan;
  plan->name = name;
  if (plan->replay) return plan;
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  absl::StatusOr<Loaded> read = LoadForChange(type, *view, name, GetString(request, "etag"), "etag");
  if (!read.ok()) return read.status();

  const FieldDescriptor* state = Field(*read->message, type.state_field);
  const int from = read->message->GetReflection()->GetEnumValue(*read->message, state);
  if (std::find(transition.from.begin(), transition.from.end(), from) == transition.from.end()) {
    const auto name_of = [state](int number) {
      const auto* value = state->enum_type()->FindValueByNumber(number);
      return value == nullptr ? std::to_string(number) : value->name();
    };
    return Error(Reason::kStateForbids, transition.method + " is not allowed in state " + name_of(from),
                 {{"from", name_of(from)}, {"to", name_of(transition.to)}});
  }

  if (transition.by_other_role) {
    if (absl::Status allowed = CheckOtherRole(*node_, read->state, call); !allowed.ok()) return allowed;
  }

  // Fields of the request that the record has too, by way of JSON: the two messages number them differently.
  MessagePtr given = Clone(request);
  Fields set;
  given->GetReflection()->ListFields(*given, &set);
  for (const FieldDescriptor* field : set) {
    const FieldDescriptor* target = Field(*read->message, field->name());
    if (target == nullptr || !IsSettable(type, target)) given->GetReflection()->ClearField(given.get(), field);
  }
  given->GetReflection()->MutableUnknownFields(given.get())->Clear();
  std::string json;
  MessagePtr named(type.prototype->New());
  if (!google::protobuf::util::MessageToJsonString(*given, &json).ok() ||
      !google::protobuf::util::JsonStringToMessage(json, named.get()).ok()) {
    return Error(Reason::kMessageMalformed, "a field of the request does not fit the record's");
  }
  Fields fields;
  named->GetReflection()->ListFields(*named, &fields);

  MessagePtr next = Clone(*read->message);
  CopyFields(*named, fields, next.get());
  next->GetReflection()->SetEnumValue(next.get(), state, transition.to);
  fields.push_back(state);
  absl::StatusOr<Change> change = PlanChange(*node_, *view, type, name, *read, std::move(next), fields);
  if (!change.ok()) return change.status();
  plan->write.mutations.push_back(std::move(change->mutation));
  plan->write.expectations.push_back(std::move(change->expectation));
  return plan;
}

void WriteMethods::AnswerWhenHeld(const std::shared_ptr<Call>& call, const std::string& name, Holding holding, MessagePtr answer,
                                  Reply reply) const {
  if (absl::Status possible = durability_->Check({holding}, call->replicas); !possible.ok()) return reply(possible);
  std::map<std::string, std::string> metadata = {{"name", name},
                                                 {"entry", EntryName(node_->roster(), {holding.log, Seq(holding.size.value() - 1)})}};
  // Shared, because a function must be copyable.
  auto answered = std::make_shared<MessagePtr>(std::move(answer));
  const uint64_t wait = durability_->Await({std::move(holding)}, call->replicas, call->deadline,
                                           [call, answered, metadata, reply = std::move(reply)](const Durability::Report& report) {
                                             if (absl::Status held = Held(report, metadata, call.get()); !held.ok()) return reply(held);
                                             reply(std::move(*answered));
                                           });
  if (wait != 0) call->OnEnd([durability = durability_, wait] { durability->Leave(wait); });
}

void WriteMethods::Finish(const records::RecordType& type, const std::shared_ptr<Call>& call, absl::StatusOr<Plan> plan,
                          Reply reply) const {
  if (!plan.ok()) return reply(plan.status());
  if (plan->answer != nullptr) {
    if (call->replicas == 0 || plan->validate_only) return reply(std::move(plan->answer));
    Holding written = EverythingWritten(*node_, *plan->answer);
    if (written.size == Seq(0)) return reply(std::move(plan->answer));
    return AnswerWhenHeld(call, plan->name, std::move(written), std::move(plan->answer), std::move(reply));
  }
  const auto as_it_is = [node = node_, &type, name = plan->name]() -> absl::StatusOr<MessagePtr> {
    absl::StatusOr<Loaded> now = LoadExisting(*node, node->store(), type, name);
    if (!now.ok()) return now.status();
    return std::move(now->message);
  };
  const auto answer = [this, call, name = plan->name, reply](Dot dot, absl::StatusOr<MessagePtr> message) {
    if (!message.ok() || call->replicas == 0) return reply(std::move(message));
    absl::StatusOr<Audience> audience = node_->AudienceOf(dot);
    if (!audience.ok()) return reply(audience.status());
    AnswerWhenHeld(call, name, {dot.log, dot.seq + 1, *std::move(audience)}, *std::move(message), reply);
  };
  if (plan->replay) return answer(*plan->replay, as_it_is());
  node_->Write(std::move(plan->write), [node = node_, &type, name = plan->name, as_it_is, answer,
                                        reply = std::move(reply)](const absl::StatusOr<node::WriteResult>& result) {
    if (!result.ok()) return reply(result.status());
    const auto state = result->states.find(name);
    if (result->replayed || state == result->states.end()) return answer(result->dot, as_it_is());
    answer(result->dot, Show(node->store(), type, name, state->second));
  });
}

void WriteMethods::Create(const records::RecordType& type, const std::shared_ptr<Call>& call, const Message& request, Reply reply) const {
  Finish(type, call, PlanCreate(type, *call, request), std::move(reply));
}
void WriteMethods::Update(const records::RecordType& type, const std::shared_ptr<Call>& call, const Message& request, Reply reply) const {
  Finish(type, call, PlanUpdate(type, *call, request), std::move(reply));
}
void WriteMethods::Withdraw(const records::RecordType& type, const std::shared_ptr<Call>& call, const Message& request, Reply reply) const {
  Finish(type, call, PlanWithdraw(type, *call, request), std::move(reply));
}
void WriteMethods::Move(const records::RecordType& type, const records::Transition& transition, const std::shared_ptr<Call>& call,
                        const Message& request, Reply reply) const {
  Finish(type, call, PlanMove(type, transition, *call, request), std::move(reply));
}
void WriteMethods::Import(const records::RecordType& type, std::shared_ptr<Call> call, const Message& request, Reply reply) const {
  if (absl::Status writable = CheckWritable(*node_); !writable.ok()) return reply(std::move(writable));
  {
    absl::MutexLock lock(&mu_);
    ++imports_;
  }
  std::shared_ptr<void> running(nullptr, [this](void*) {
    absl::MutexLock lock(&mu_);
    --imports_;
  });
  std::make_shared<ImportRun>(node_, durability_, type, std::move(call), request, std::move(reply), std::move(running))->Start();
}

WriteMethods::~WriteMethods() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(
      +[](int* imports) { return *imports == 0; }, &imports_));
}

}  // namespace fairlead::rpc
