#include "client/outbox/messages.h"

#include <fmt/format.h>
#include <google/protobuf/field_mask.pb.h>

#include <vector>

namespace fairlead::client {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::Reflection;

namespace {

bool IsSet(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  return field->is_repeated() ? reflection->FieldSize(message, field) > 0 : reflection->HasField(message, field);
}

// Makes `to` of `target` as `from` of `source`: two fields of one type, perhaps of different messages.
void CopyField(const Message& source, const FieldDescriptor* from, Message* target, const FieldDescriptor* to) {
  const Reflection* read = source.GetReflection();
  const Reflection* write = target->GetReflection();
  write->ClearField(target, to);
  const int n = from->is_repeated() ? read->FieldSize(source, from) : (IsSet(source, from) ? 1 : 0);
  for (int i = 0; i < n; ++i) {
    const bool many = from->is_repeated();
    switch (from->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string value = many ? read->GetRepeatedString(source, from, i) : read->GetString(source, from);
        many ? write->AddString(target, to, value) : write->SetString(target, to, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        (many ? write->AddMessage(target, to) : write->MutableMessage(target, to))
            ->CopyFrom(many ? read->GetRepeatedMessage(source, from, i) : read->GetMessage(source, from));
        break;
      case FieldDescriptor::CPPTYPE_ENUM: {
        const int value = many ? read->GetRepeatedEnumValue(source, from, i) : read->GetEnumValue(source, from);
        many ? write->AddEnumValue(target, to, value) : write->SetEnumValue(target, to, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!many) write->SetBool(target, to, read->GetBool(source, from));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        if (!many) write->SetInt32(target, to, read->GetInt32(source, from));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        if (!many) write->SetUInt32(target, to, read->GetUInt32(source, from));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        if (!many) write->SetInt64(target, to, read->GetInt64(source, from));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        if (!many) write->SetUInt64(target, to, read->GetUInt64(source, from));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        if (!many) write->SetDouble(target, to, read->GetDouble(source, from));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        if (!many) write->SetFloat(target, to, read->GetFloat(source, from));
        break;
    }
  }
}

bool SameKind(const FieldDescriptor* a, const FieldDescriptor* b) {
  return a->cpp_type() == b->cpp_type() && a->is_repeated() == b->is_repeated() && a->message_type() == b->message_type() &&
         a->enum_type() == b->enum_type();
}

// Replaces each text of the message, nested ones included, by what `edit` makes of it.
void EditTexts(Message* message, const std::function<std::string(const std::string&)>& edit) {
  const Reflection* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_text = field->type() == FieldDescriptor::TYPE_STRING;
    if (!is_text && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int n = field->is_repeated() ? reflection->FieldSize(*message, field) : 1;
    for (int i = 0; i < n; ++i) {
      if (!is_text) {
        EditTexts(field->is_repeated() ? reflection->MutableRepeatedMessage(message, field, i) : reflection->MutableMessage(message, field),
                  edit);
      } else if (field->is_repeated()) {
        reflection->SetRepeatedString(message, field, i, edit(reflection->GetRepeatedString(*message, field, i)));
      } else {
        reflection->SetString(message, field, edit(reflection->GetString(*message, field)));
      }
    }
  }
}

}  // namespace

const MethodDescriptor* MethodNamed(const std::string& full_name) {
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(full_name);
}

MessagePtr NewMessage(const Descriptor& type) {
  return MessagePtr(google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

absl::StatusOr<MessagePtr> ParseMessage(const Descriptor& type, const std::string& bytes) {
  MessagePtr message = NewMessage(type);
  if (!message->ParseFromString(bytes)) return absl::DataLossError(fmt::format("the outbox holds what is no {}", type.full_name()));
  return message;
}

std::string TextOf(const Message& message, const std::string& field) {
  const FieldDescriptor* found = message.GetDescriptor()->FindFieldByName(field);
  return found == nullptr ? "" : message.GetReflection()->GetString(message, found);
}

void SetText(Message* message, const std::string& field, const std::string& value) {
  message->GetReflection()->SetString(message, message->GetDescriptor()->FindFieldByName(field), value);
}

bool Creates(const MethodDescriptor& method) { return method.name().rfind("Create", 0) == 0 || method.name() == "FinishUpload"; }

const FieldDescriptor* RecordFieldOf(const MethodDescriptor& method) {
  const Descriptor& request = *method.input_type();
  for (int i = 0; i < request.field_count(); ++i) {
    if (!request.field(i)->is_repeated() && request.field(i)->message_type() == method.output_type()) return request.field(i);
  }
  return nullptr;
}

Message* EtagHolder(const MethodDescriptor& method, Message* request) {
  if (method.input_type()->FindFieldByName("etag") != nullptr) return request;
  const FieldDescriptor* record = RecordFieldOf(method);
  if (record == nullptr || record->message_type()->FindFieldByName("etag") == nullptr) return nullptr;
  return request->GetReflection()->MutableMessage(request, record);
}

void ShowChange(const MethodDescriptor& method, const Message& request, Message* record) {
  const Descriptor& type = *record->GetDescriptor();
  if (const FieldDescriptor* field = RecordFieldOf(method)) {
    const Message& given = request.GetReflection()->GetMessage(request, field);
    std::vector<const FieldDescriptor*> fields;
    const FieldDescriptor* mask = method.input_type()->FindFieldByName("update_mask");
    if (mask != nullptr && request.GetReflection()->HasField(request, mask)) {
      google::protobuf::FieldMask paths;
      paths.CopyFrom(request.GetReflection()->GetMessage(request, mask));
      for (const std::string& path : paths.paths()) {
        if (path == "*") given.GetReflection()->ListFields(given, &fields);
        if (const FieldDescriptor* named = type.FindFieldByName(path)) fields.push_back(named);
      }
    } else {
      given.GetReflection()->ListFields(given, &fields);
    }
    for (const FieldDescriptor* named : fields) {
      if (named->name() != "name" && named->name() != "etag") CopyField(given, named, record, named);
    }
    return;
  }
  std::vector<const FieldDescriptor*> set;
  request.GetReflection()->ListFields(request, &set);
  for (const FieldDescriptor* from : set) {
    const FieldDescriptor* to = type.FindFieldByName(from->name());
    if (to == nullptr || !SameKind(from, to) || from->name() == "name" || from->name() == "etag") continue;
    CopyField(request, from, record, to);
  }
  const FieldDescriptor* withdrawn = type.FindFieldByName("withdrawn");
  if (withdrawn != nullptr && method.name().rfind("Withdraw", 0) == 0) record->GetReflection()->SetBool(record, withdrawn, true);
}

bool Names(std::string_view text, std::string_view record) {
  return text.starts_with(record) && (text.size() == record.size() || text[record.size()] == '/');
}

bool Mentions(const Message& message, std::string_view record) {
  bool found = false;
  MessagePtr copy(message.New());
  copy->CopyFrom(message);
  EditTexts(copy.get(), [&found, record](const std::string& text) {
    found |= Names(text, record);
    return text;
  });
  return found;
}

void Rename(Message* message, std::string_view before, std::string_view now) {
  EditTexts(message,
            [before, now](const std::string& text) { return Names(text, before) ? std::string(now) + text.substr(before.size()) : text; });
}

}  // namespace fairlead::client
