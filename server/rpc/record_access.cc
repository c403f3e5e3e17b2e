#include "server/rpc/record_access.h"

#include <algorithm>

#include "api/crypto.h"
#include "api/deterministic.h"
#include "api/errors.h"
#include "fairlead/v1/attachment.pb.h"
#include "fairlead/v1/options.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/node/attachments.h"
#include "server/node/conflicts.h"
#include "server/node/materialise.h"
#include "server/records/release.h"

namespace fairlead::rpc {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

constexpr char kWithdrawnField[] = "withdrawn";

// Of an attachment, whether its bytes are here.
void ShowBytesState(const storage::View& view, Message* message) {
  if (message->GetDescriptor() != v1::Attachment::descriptor()) return;
  auto& attachment = static_cast<v1::Attachment&>(*message);
  // Of a damaged store nothing is said: whoever reads the bytes will hear of it.
  attachment.set_bytes_state(node::BytesStateOf(view, attachment).value_or(v1::BYTES_STATE_UNSPECIFIED));
}

}  // namespace

absl::StatusOr<std::optional<Loaded>> Load(const node::Node& node, const storage::View& view, const records::RecordType& type,
                                           const std::string& name) {
  absl::StatusOr<std::optional<node::RecordState>> state = node.GetState(view, name);
  if (!state.ok()) return state.status();
  if (!state->has_value()) return std::nullopt;
  MessagePtr message = Show(view, type, name, **state);
  return Loaded{**std::move(state), std::move(message), true};
}

MessagePtr Show(const storage::View& view, const records::RecordType& type, const std::string& name, const node::RecordState& state) {
  MessagePtr message = node::Materialise(type, name, state);
  ShowBytesState(view, message.get());
  return message;
}

MessagePtr Show(const storage::View& view, const node::WrittenRecord& written) {
  MessagePtr message(written.fields->New());
  message->CopyFrom(*written.fields);
  message->GetReflection()->SetString(message.get(), Field(*message, "etag"), node::EtagOfBytes(written.state));
  ShowBytesState(view, message.get());
  return message;
}

absl::StatusOr<Loaded> LoadExisting(const node::Node& node, const storage::View& view, const records::RecordType& type,
                                    const std::string& name) {
  absl::StatusOr<std::optional<Loaded>> loaded = Load(node, view, type, name);
  if (!loaded.ok()) return loaded.status();
  if (!loaded->has_value()) return NotFound(name);
  return **std::move(loaded);
}

absl::Status NotFound(const std::string& name) { return Error(Reason::kRecordNotFound, "there is no such record", {{"name", name}}); }

absl::StatusOr<std::optional<Payload>> ReadEntry(const node::Node& node, Dot dot) {
  absl::StatusOr<std::optional<std::string>> bytes = node.ReadPayload(dot);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  absl::StatusOr<Payload> payload = DecodePayload(**bytes);
  if (!payload.ok()) return std::nullopt;
  return *std::move(payload);
}

MessagePtr StoreReader::Find(std::string_view name) const {
  const records::RecordType* type = node_.registry().FindByName(name);
  if (type == nullptr) return nullptr;
  const absl::StatusOr<std::optional<node::RecordState>> state = node_.GetState(view_, name);
  if (!state.ok() || !state->has_value()) return nullptr;
  return node::MaterialiseFields(*type, std::string(name), **state);  // an etag says nothing to a validator
}

bool StoreReader::Has(std::string_view name) const {
  if (node_.registry().FindByName(name) == nullptr) return false;
  const absl::StatusOr<std::optional<node::RecordState>> state = node_.GetState(view_, name);
  return state.ok() && state->has_value();
}

absl::Status CheckName(const records::Registry& registry, const records::RecordType& type, const std::string& name,
                       const std::string& field) {
  if (name.empty()) return FieldError(Reason::kFieldRequired, field, "is required");
  const bool clean = std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (name.size() > kRecordNameBytesMax || !clean || registry.FindByName(name) != &type) {
    return FieldError(Reason::kFieldInvalid, field, "must have the form " + type.pattern);
  }
  return absl::OkStatus();
}

std::string_view LastSegment(std::string_view name) { return name.substr(name.rfind('/') + 1); }

const FieldDescriptor* Field(const Message& message, const std::string& name) { return message.GetDescriptor()->FindFieldByName(name); }

std::string GetString(const Message& message, const std::string& name) {
  const FieldDescriptor* field = Field(message, name);
  return field == nullptr ? "" : message.GetReflection()->GetString(message, field);
}

bool GetBool(const Message& message, const std::string& name) {
  const FieldDescriptor* field = Field(message, name);
  return field != nullptr && message.GetReflection()->GetBool(message, field);
}

bool IsWithdrawn(const Message& record) { return GetBool(record, kWithdrawnField); }

const FieldDescriptor* FieldOfType(const Descriptor& message, const records::RecordType& type, bool repeated) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    if (field->message_type() == type.prototype->GetDescriptor() && field->is_repeated() == repeated) return field;
  }
  return nullptr;
}

bool IsSet(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  return field->is_repeated() ? reflection->FieldSize(message, field) > 0 : reflection->HasField(message, field);
}

void CopyFields(const Message& from, const std::vector<const FieldDescriptor*>& fields, Message* to) {
  MessagePtr copy(from.New());
  copy->MergeFrom(from);
  to->GetReflection()->SwapFields(to, copy.get(), fields);
}

bool IsFolded(const FieldDescriptor* field) { return field->options().GetExtension(v1::merge) != v1::MERGE_KIND_UNSPECIFIED; }

std::vector<const FieldDescriptor*> FoldedFields(const records::RecordType& type) {
  std::vector<const FieldDescriptor*> fields;
  const Descriptor* descriptor = type.prototype->GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    if (IsFolded(descriptor->field(i))) fields.push_back(descriptor->field(i));
  }
  return fields;
}

bool IsSettable(const records::RecordType& type, const FieldDescriptor* field) {
  if (!IsFolded(field) || records::IsServiceSet(*field)) return false;
  return field->name() != kWithdrawnField && field->name() != type.state_field;
}

std::array<uint8_t, 16> RequestDigest(std::string_view method, const Message& request, const std::vector<std::string>& without) {
  MessagePtr rest(request.New());
  rest->MergeFrom(request);
  for (const std::string& name : without) {
    if (const FieldDescriptor* field = Field(*rest, name)) rest->GetReflection()->ClearField(rest.get(), field);
  }
  const Digest digest = Sha256({method, std::string_view("\0", 1), DeterministicBytes(*rest)});
  std::array<uint8_t, 16> head;
  std::copy_n(digest.begin(), head.size(), head.begin());
  return head;
}

absl::Status RenameFields(const absl::Status& status, const std::function<std::string(const std::string& field)>& names) {
  if (status.ok()) return status;
  google::rpc::Status proto = ToProto(status);
  for (auto& detail : *proto.mutable_details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    if (detail.UnpackTo(&info)) {
      if (auto field = info.mutable_metadata()->find("field"); field != info.mutable_metadata()->end()) {
        field->second = names(field->second);
      }
      detail.set_value(DeterministicBytes(info));
    } else if (detail.UnpackTo(&bad)) {
      for (auto& violation : *bad.mutable_field_violations()) violation.set_field(names(violation.field()));
      detail.set_value(DeterministicBytes(bad));
    }
  }
  return FromProto(proto);
}

absl::Status PrefixFields(const absl::Status& status, const std::string& prefix) {
  return RenameFields(status, [&prefix](const std::string& field) { return prefix + "." + field; });
}

}  // namespace fairlead::rpc
