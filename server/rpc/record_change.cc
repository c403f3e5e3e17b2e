#include "server/rpc/record_change.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <set>
#include <utility>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/common.pb.h"
#include "server/exchange/disclosure.h"
#include "server/node/erasures.h"
#include "server/node/materialise.h"
#include "server/records/release.h"

namespace fairlead::rpc {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

void SetString(Message* message, const std::string& field, const std::string& value) {
  message->GetReflection()->SetString(message, Field(*message, field), value);
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

Fields SetFieldsOf(const Message& message) {
  Fields fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

// Those that take part in the fold.
Fields FoldedFieldsOf(const Message& record) {
  Fields fields = SetFieldsOf(record);
  std::erase_if(fields, [](const FieldDescriptor* field) { return !IsFolded(field); });
  return fields;
}

}  // namespace

MessagePtr Clone(const Message& message) {
  MessagePtr copy(message.New());
  copy->MergeFrom(message);
  return copy;
}

Fields PopulatedFields(const records::RecordType& type, const Message& record) {
  Fields fields = SetFieldsOf(record);
  std::erase_if(fields, [&type](const FieldDescriptor* field) { return !IsSettable(type, field); });
  return fields;
}

Fields ChangedFields(const Fields& fields, const Message& shown, const Message& given) {
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_repeated_field_comparison(google::protobuf::util::MessageDifferencer::AS_SET);
  Fields changed;
  for (const FieldDescriptor* field : fields) {
    if (!differencer.CompareWithFields(shown, given, {field}, {field})) changed.push_back(field);
  }
  return changed;
}

void DefaultMarking(Message* record) {
  const FieldDescriptor* marking = Field(*record, "marking");
  if (!IsSet(*record, marking)) record->GetReflection()->SetEnumValue(record, marking, v1::MARKING_OFFICIAL);
}

absl::Status CheckId(const records::RecordType& type, const std::string& id, const std::string& field) {
  if (id.empty()) return FieldError(Reason::kFieldRequired, field, "is required");
  const absl::Status checked = type.check_id ? type.check_id(id) : absl::OkStatus();
  if (checked.ok()) return checked;
  return FieldError(Reason::kFieldInvalid, field, std::string(checked.message()));
}

absl::Status RecordWithdrawn(const std::string& name) {
  return Error(Reason::kRecordWithdrawn, "the record has been withdrawn", {{"name", name}});
}
absl::Status RecordExists(const std::string& name) { return Error(Reason::kRecordExists, "the record exists", {{"name", name}}); }
absl::Status EtagMismatch(const std::string& name) {
  return Error(Reason::kEtagMismatch, "the record has changed since it was read", {{"name", name}});
}

absl::StatusOr<Change> PlanNew(const node::Node& node, const storage::View& view, const records::RecordType& type, const std::string& name,
                               const Message& given) {
  Change change;
  change.creates = true;
  change.next = NewRecord(type, name, given);
  change.expectation = {name, ""};
  const StoreReader reader(node, view);
  if (type.complete) type.complete(change.next.get(), nullptr, reader, node.options().clock->Now());
  if (absl::Status valid = CheckRecord(node, type, *change.next, nullptr, reader); !valid.ok()) return valid;
  change.mutation = node::MutationFor(type, name, nullptr, *change.next, FoldedFieldsOf(*change.next));
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
  if (read.now != nullptr) change.merged = OutcomeOf(node, type, name, read.now->state, change.mutation);
  change.end_of_publication = EndOfPublication(node, type, read.now ? *read.now->message : *read.message, change.outcome());
  return change;
}

MessagePtr OutcomeOf(const node::Node& node, const records::RecordType& type, const std::string& name, node::RecordState now,
                     const Mutation& mutation) {
  MutationId nobody;
  nobody.fill(0xff);
  const Hlc after(node::SpanOf(now).last_time.raw() + 1);
  node::Fold(mutation, nobody, after, {node.own_log(), Seq(0)}, &now);
  return node::Materialise(type, name, now);
}

std::optional<v1::Release> EndOfPublication(const node::Node& node, const records::RecordType& type, const Message& previous,
                                            const Message& next) {
  if (records::PublicIndexOf(type) == 0) return std::nullopt;
  std::set<std::string> nations;
  const std::string prefix = PartnerStream("");
  for (const RosterLog& log : node.roster().logs()) {
    if (log.stream.starts_with(prefix)) nations.insert(exchange::NationOf(log.stream.substr(prefix.size())));
  }
  return records::EndOfPublication(previous, next, {nations.begin(), nations.end()});
}

void AddEndOfPublication(const node::Node& node, std::optional<v1::Release> end, node::WriteRequest* write) {
  if (!end) return;
  const records::RecordType& type = *node.registry().FindByMessage("Release");
  const std::string name = "releases/" + CreatedRecordId(node.roster().network(), write->actor, write->method, write->request_id);
  write->mutations.push_back(node::MutationFor(type, name, nullptr, *end, FoldedFieldsOf(*end)));
}

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

absl::Status CheckMayPublish(const Call& call, const Roster& roster, const Message& next) {
  const Identity& caller = call.identity;
  const bool of_headquarters =
      caller.kind == IdentityKind::kHq || (caller.kind == IdentityKind::kOfficer && caller.scope == node::ErasingSite(roster));
  if (of_headquarters || records::PublicTo(next).empty()) return absl::OkStatus();
  return Error(Reason::kPermissionDenied,
               "the record is PUBLIC: what partner nations are shown without a release is headquarters' to write");
}

}  // namespace fairlead::rpc
