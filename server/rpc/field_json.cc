#include "server/rpc/field_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <utility>

#include "api/bytes.h"

namespace fairlead::rpc {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// The value of `field`, the only one set in `message`: the JSON of the message less its braces and the field's name.
std::string ValueOf(const Message& message, const FieldDescriptor* field) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "";
  const size_t head = field->name().size() + 4;  // {"name":
  if (json.size() < head + 1) return "";
  return json.substr(head, json.size() - head - 1);
}

std::string DefaultJson(const FieldDescriptor* field) {
  if (field->is_repeated()) return "[]";
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return Quoted("");
    case FieldDescriptor::CPPTYPE_BOOL:
      return "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return Quoted(field->default_value_enum()->name());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "null";
    default:
      return "0";
  }
}

std::string NumberJson(const FieldDescriptor* field, uint64_t number) {
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    if (const auto* value = field->enum_type()->FindValueByNumber(static_cast<int>(number))) return Quoted(value->name());
  }
  return std::to_string(number);
}

}  // namespace

std::string ValueJson(const records::RecordType& type, const Op& op) {
  const FieldDescriptor* field = type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(op.field));
  if (field == nullptr || !op.has_value) return "";
  std::unique_ptr<Message> message(type.prototype->New());
  Reader reader(op.value);
  switch (op.kind) {
    case MergeKind::kRestrictMax:
      return NumberJson(field, reader.Varint());
    case MergeKind::kState:
      reader.Varint();  // rank
      return NumberJson(field, reader.Varint());
    case MergeKind::kRestrictIntersect:
      while (reader.ok() && reader.left() > 0) message->GetReflection()->AddString(message.get(), field, std::string(reader.Bytes()));
      break;
    case MergeKind::kRegister:
    case MergeKind::kSet:
      if (!message->ParseFromString(op.value)) return "";
      break;
    default:
      return "";
  }
  const bool set =
      field->is_repeated() ? message->GetReflection()->FieldSize(*message, field) > 0 : message->GetReflection()->HasField(*message, field);
  if (!set) return DefaultJson(field);
  std::string json = ValueOf(*message, field);
  if (op.kind == MergeKind::kSet && json.size() >= 2) json = json.substr(1, json.size() - 2);
  return json;
}

}  // namespace fairlead::rpc
