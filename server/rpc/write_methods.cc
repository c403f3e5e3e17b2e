#include "server/rpc/write_methods.h"

#include <absl/time/clock.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "api/errors.h"
#include "api/ids.h"
#include "server/node/materialise.h"
#include "server/rpc/basis.h"
#include "server/rpc/import_run.h"
#include "server/rpc/record_change.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

bool HasField(const Message& message, const std::string& field) { return Field(message, field) != nullptr; }

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

}  // namespace

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
                                                   const std::string& etag, const std::string& etag_field, const Call& call) const {
  absl::StatusOr<Loaded> read = LoadExisting(*node_, view, type, name);
  if (!read.ok()) return read;
  if (etag.empty() && (!call.basis || call.basis->requests.empty()))
    return FieldError(Reason::kFieldRequired, etag_field, "is required: read the record first");
  if (IsWithdrawn(*read->message)) return RecordWithdrawn(name);
  if (call.basis) return AtBasis(*node_, type, name, etag, *call.basis, call.identity.path, *std::move(read));
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
    if (IsWithdrawn(*(*above)->message) && !plan->replay) return RecordWithdrawn(parent);
  }
  if (plan->replay) return plan;
  if (absl::Status named = CheckName(node_->registry(), type, plan->name, "name"); !named.ok()) return named;

  const absl::StatusOr<std::optional<Loaded>> existing = Load(*node_, *view, type, plan->name);
  if (!existing.ok()) return existing.status();
  if (existing->has_value()) return RecordExists(plan->name);
  absl::StatusOr<Change> change = PlanNew(*node_, *view, type, plan->name, reflection->GetMessage(request, resource));
  if (!change.ok()) return PrefixFields(change.status(), resource->name());
  if (absl::Status may = CheckMayPublish(call, node_->roster(), *change->next); !may.ok()) return may;
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
  absl::StatusOr<Loaded> read = LoadForChange(type, *view, name, GetString(given, "etag"), resource->name() + ".etag", call);
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
  if (change->mutation.ops.empty() && !read->expected) {
    read = LoadExisting(*node_, *view, type, name);
    if (!read.ok()) return read.status();
  }
  if (!change->mutation.ops.empty()) {
    if (absl::Status may = CheckMayPublish(call, node_->roster(), change->outcome()); !may.ok()) return may;
  }
  if (change->mutation.ops.empty() || GetBool(request, "validate_only")) {
    plan->answer = std::move(change->mutation.ops.empty() ? read->message : change->next);
    return plan;
  }
  plan->write.mutations.push_back(std::move(change->mutation));
  AddEndOfPublication(*node_, std::move(change->end_of_publication), &plan->write);
  if (!read.ok() || read->expected) plan->write.expectations.push_back(std::move(change->expectation));
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
  absl::StatusOr<Loaded> read = LoadForChange(type, *view, name, GetString(request, "etag"), "etag", call);
  if (!read.ok()) return read.status();
  // Not validated: a record that its type's rules have outgrown can still be withdrawn.
  const MessagePtr next = Clone(*read->message);
  const FieldDescriptor* withdrawn = Field(*next, "withdrawn");
  next->GetReflection()->SetBool(next.get(), withdrawn, true);
  plan->write.mutations.push_back(node::MutationFor(type, name, &read->state, *next, {withdrawn}));
  const Loaded& now = read->now ? *read->now : *read;
  const MessagePtr outcome = OutcomeOf(*node_, type, name, now.state, plan->write.mutations.back());
  AddEndOfPublication(*node_, EndOfPublication(*node_, type, *now.message, *outcome), &plan->write);
  if (read->expected) plan->write.expectations.push_back({name, node::EtagOf(read->state)});
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
  absl::StatusOr<Loaded> read = LoadForChange(type, *view, name, GetString(request, "etag"), "etag", call);
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
  if (change->mutation.ops.empty()) {
    plan->answer = std::move(read->message);
    return plan;
  }
  if (absl::Status may = CheckMayPublish(call, node_->roster(), change->outcome()); !may.ok()) return may;
  plan->write.mutations.push_back(std::move(change->mutation));
  AddEndOfPublication(*node_, std::move(change->end_of_publication), &plan->write);
  if (read->expected) plan->write.expectations.push_back(std::move(change->expectation));
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
                                             if (absl::Status held = HeldStatus(report, metadata, call.get()); !held.ok())
                                               return reply(held);
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
  node_->Write(std::move(plan->write), [node = node_, name = plan->name, as_it_is, answer,
                                        reply = std::move(reply)](const absl::StatusOr<node::WriteResult>& result) {
    if (!result.ok()) return reply(result.status());
    const auto written = result->records.find(name);
    if (result->replayed || written == result->records.end() || written->second.fields == nullptr) return answer(result->dot, as_it_is());
    answer(result->dot, Show(node->store(), written->second));
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
  StartImport(node_, durability_, type, std::move(call), request, std::move(reply), std::move(running));
}

WriteMethods::~WriteMethods() { AwaitImports(); }

void WriteMethods::AwaitImports() const {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(
      +[](int* imports) { return *imports == 0; }, &imports_));
}

}  // namespace fairlead::rpc
