#include "tests/fuzz/tamper.h"

#include <google/protobuf/descriptor.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A field of `message`; index -1 for the field itself.
struct Place {
  Message* message = nullptr;
  const FieldDescriptor* field = nullptr;
  int index = -1;
};

constexpr size_t kPlacesMax = 4096;

void Collect(Message* message, std::vector<Place>* places) {
  const Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    places->push_back({message, field});
    const int size = field->is_repeated() ? reflection.FieldSize(*message, field) : 0;
    for (int i = 0; i < size && places->size() < kPlacesMax; ++i) {
      places->push_back({message, field, i});
      if (field->message_type() != nullptr) Collect(reflection.MutableRepeatedMessage(message, field, i), places);
    }
    if (!field->is_repeated() && field->message_type() != nullptr) Collect(reflection.MutableMessage(message, field), places);
  }
}

uint64_t Number(Script* script, uint64_t old) {
  constexpr uint64_t kEdges[] = {0,
                                 1,
                                 2,
                                 3,
                                 255,
                                 256,
                                 257,
                                 1 << 20,
                                 std::numeric_limits<uint32_t>::max(),
                                 std::numeric_limits<int64_t>::max(),
                                 std::numeric_limits<uint64_t>::max() - 255,
                                 std::numeric_limits<uint64_t>::max()};
  switch (script->Below(4)) {
    case 0:
      return kEdges[script->Below(std::size(kEdges))];
    case 1:
      return old + script->Byte();
    case 2:
      return old - script->Byte();
    default:
      return script->Number();
  }
}

std::string Text(Script* script, std::string old) {
  switch (script->Below(5)) {
    case 0:
      return "";
    case 1:
      return old.substr(0, script->Below(old.size() + 1));
    case 2:
      if (!old.empty()) old[script->Below(old.size())] ^= static_cast<char>(script->Byte());
      return old;
    case 3:
      return old + script->Bytes(script->Below(64));
    default:
      return script->Bytes(script->Below(256));
  }
}

void ChangeList(Script* script, const Place& at, const Reflection& reflection) {
  const int size = reflection.FieldSize(*at.message, at.field);
  switch (script->Below(4)) {
    case 0:
      return reflection.ClearField(at.message, at.field);
    case 1:
      return reflection.RemoveLast(at.message, at.field);
    case 2:
      return reflection.SwapElements(at.message, at.field, static_cast<int>(script->Below(size)), static_cast<int>(script->Below(size)));
    default:
      break;
  }
  // An element twice.
  const int index = static_cast<int>(script->Below(size));
  if (at.field->message_type() != nullptr) {
    Message* added = reflection.AddMessage(at.message, at.field);
    added->CopyFrom(reflection.GetRepeatedMessage(*at.message, at.field, index));
  } else if (at.field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    reflection.AddString(at.message, at.field, reflection.GetRepeatedString(*at.message, at.field, index));
  }
}

void ChangeElement(Script* script, const Place& at, const Reflection& reflection) {
  switch (at.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetRepeatedUInt32(
          at.message, at.field, at.index,
          static_cast<uint32_t>(Number(script, reflection.GetRepeatedUInt32(*at.message, at.field, at.index))));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetRepeatedString(at.message, at.field, at.index,
                                          Text(script, reflection.GetRepeatedString(*at.message, at.field, at.index)));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return reflection.MutableRepeatedMessage(at.message, at.field, at.index)->Clear();
    default:
      return;
  }
}

void ChangeSingle(Script* script, const Place& at, const Reflection& reflection) {
  switch (at.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(at.message, at.field, static_cast<uint32_t>(Number(script, reflection.GetUInt32(*at.message, at.field))));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(at.message, at.field, Number(script, reflection.GetUInt64(*at.message, at.field)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(at.message, at.field, !reflection.GetBool(*at.message, at.field));
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = Text(script, reflection.GetString(*at.message, at.field));
      if (at.field->type() == FieldDescriptor::TYPE_STRING) {
        for (char& c : text) c = static_cast<char>(c & 0x7f);  // a parser lets nothing but UTF-8 pass
      }
      return reflection.SetString(at.message, at.field, std::move(text));
    }
    default:
      return reflection.ClearField(at.message, at.field);
  }
}

}  // namespace

void ChangeField(Script* script, Message* message) {
  std::vector<Place> places;
  Collect(message, &places);
  if (places.empty()) return;
  const Place& at = places[script->Below(places.size())];
  const Reflection& reflection = *at.message->GetReflection();
  if (at.index >= 0) return ChangeElement(script, at, reflection);
  if (at.field->is_repeated()) return ChangeList(script, at, reflection);
  ChangeSingle(script, at, reflection);
}

bool ChangeBytes(Script* script, Message* message) {
  std::string bytes = message->SerializeAsString();
  const size_t at = script->Below(bytes.size() + 1);
  switch (script->Below(3)) {
    case 0:
      bytes.resize(at);
      break;
    case 1:
      if (at < bytes.size()) bytes[at] ^= static_cast<char>(script->Byte());
      break;
    default:
      bytes.insert(at, script->Bytes(script->Below(32)));
      break;
  }
  return message->ParseFromString(bytes);
}

}  // namespace fairlead::fuzz
