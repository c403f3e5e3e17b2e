#include "server/node/materialise.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "api/bytes.h"
#include "api/deterministic.h"
#include "fairlead/v1/common.pb.h"
#include "fairlead/v1/options.pb.h"
#include "server/node/conflicts.h"

namespace fairlead::node {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

// Fields that mean the same in every resource; the registry checks it.
constexpr int kName = 1;
constexpr int kEtag = 2;
constexpr int kCreateTime = 3;
constexpr int kUpdateTime = 4;
constexpr int kConflicts = 8;

MergeKind KindOf(const FieldDescriptor* field) { return static_cast<MergeKind>(field->options().GetExtension(v1::merge)); }

bool IsWireOf(const FieldDescriptor* field, const std::string& bytes) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  while (const uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) != field->number() || !WireFormatLite::SkipField(&in, tag)) return false;
  }
  return in.ConsumedEntireMessage();
}

// The fields of a message, each in the wire form that it has alone.
class WireFields {
 public:
  explicit WireFields(const Message& message) {
    using google::protobuf::internal::WireFormatLite;
    // Written last, and perhaps with the number of a field that is known: those are of no field.
    if (message.GetReflection()->GetUnknownFields(message).empty()) {
      bytes_ = DeterministicBytes(message);
    } else {
      const std::unique_ptr<Message> known(message.New());
      known->MergeFrom(message);
      known->GetReflection()->MutableUnknownFields(known.get())->Clear();
      bytes_ = DeterministicBytes(*known);
    }
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes_.data()), static_cast<int>(bytes_.size()));
    for (int from = 0, to = 0; const uint32_t tag = in.ReadTag(); from = to) {
      WireFormatLite::SkipField(&in, tag);
      to = in.CurrentPosition();
      auto& [begin, end] = places_.try_emplace(WireFormatLite::GetTagFieldNumber(tag), from, to).first->second;
      end = to;
    }
  }
  std::string_view Of(const FieldDescriptor* field) const {
    const auto place = places_.find(field->number());
    if (place == places_.end()) return {};
    const auto [begin, end] = place->second;
    return std::string_view(bytes_).substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }

 private:
  std::string bytes_;
  std::map<int, std::pair<int, int>> places_;  // in bytes_, by number: fields are written in that order
};

uint64_t NumberOf(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM:
      return static_cast<uint64_t>(reflection->GetEnumValue(message, field));
    case FieldDescriptor::CPPTYPE_INT32:
      return static_cast<uint64_t>(reflection->GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<uint64_t>(reflection->GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(message, field);
    default:
      return reflection->GetUInt64(message, field);
  }
}

void SetNumber(Message* message, const FieldDescriptor* field, uint64_t value) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnumValue(message, field, static_cast<int>(value));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(message, field, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(message, field, static_cast<int64_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(message, field, static_cast<uint32_t>(value));
    default:
      return reflection->SetUInt64(message, field, value);
  }
}

uint64_t DecodeNumber(const std::string& bytes) { return Reader(bytes).Varint(); }

uint64_t DecodeStateNumber(const std::string& bytes) {
  Reader in(bytes);
  in.Varint();  // rank
  return in.Varint();
}

std::set<std::string> DecodeNames(const std::string& bytes) {
  std::set<std::string> names;
  Reader in(bytes);
  while (in.ok() && in.left() > 0) names.emplace(in.Bytes());
  return names;
}

std::string EncodeNames(const std::set<std::string>& names) {
  std::string bytes;
  for (const std::string& name : names) PutBytes(&bytes, name);
  return bytes;
}

std::set<std::string> NamesOf(const Message& message, const FieldDescriptor* field) {
  std::set<std::string> names;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
    names.insert(message.GetReflection()->GetRepeatedString(message, field, i));
  }
  return names;
}

void AddNames(const std::set<std::string>& names, const FieldDescriptor* field, Message* message) {
  for (const std::string& name : names) message->GetReflection()->AddString(message, field, name);
}

// Adds to `message` what one value holds. Bytes that are not of the field (a faulty origin wrote them) add nothing: no value may
// reach another field.
void AddValue(const FieldDescriptor* field, const std::string& bytes, Message* message) {
  switch (KindOf(field)) {
    case MergeKind::kRegister:
      if (!IsWireOf(field, bytes) || !message->MergeFromString(bytes)) message->GetReflection()->ClearField(message, field);
      return;
    case MergeKind::kSet: {
      std::unique_ptr<Message> alone(message->New());
      if (IsWireOf(field, bytes) && alone->ParseFromString(bytes)) message->MergeFrom(*alone);
      return;
    }
    case MergeKind::kRestrictMax:
      return SetNumber(message, field, DecodeNumber(bytes));
    case MergeKind::kRestrictIntersect:
      return AddNames(DecodeNames(bytes), field, message);
    case MergeKind::kState:
      return SetNumber(message, field, DecodeStateNumber(bytes));
    case MergeKind::kErase:
      return;  // of no field
  }
}

void ShowField(const FieldDescriptor* field, const FieldView& view, Message* message) {
  if (view.live.empty()) return;
  switch (view.kind) {
    case MergeKind::kRegister:
    case MergeKind::kState:
      return AddValue(field, view.live.front().second->bytes, message);
    case MergeKind::kSet: {
      std::set<std::string_view> elements;
      for (const auto& [id, value] : view.live) elements.insert(value->bytes);
      for (std::string_view element : elements) AddValue(field, std::string(element), message);
      return;
    }
    case MergeKind::kRestrictMax: {
      uint64_t largest = 0;
      for (const auto& [id, value] : view.live) largest = std::max(largest, DecodeNumber(value->bytes));
      return SetNumber(message, field, largest);
    }
    case MergeKind::kRestrictIntersect: {
      std::set<std::string> common = DecodeNames(view.live.front().second->bytes);
      for (const auto& [id, value] : view.live) {
        std::erase_if(common, [names = DecodeNames(value->bytes)](const std::string& name) { return !names.contains(name); });
      }
      if (common.empty()) common.insert(std::string(kNobody));
      return AddNames(common, field, message);
    }
    case MergeKind::kErase:
      return;
  }
}

void ShowDefaultMarking(Message* message) {
  const FieldDescriptor* marking = message->GetDescriptor()->FindFieldByNumber(kMarkingField);
  if (NumberOf(*message, marking) == 0) SetNumber(message, marking, v1::MARKING_OFFICIAL);
}

void SetTime(Message* message, int number, Hlc time) {
  const FieldDescriptor* field = message->GetDescriptor()->FindFieldByNumber(number);
  auto* timestamp = static_cast<google::protobuf::Timestamp*>(message->GetReflection()->MutableMessage(message, field));
  timestamp->set_seconds(static_cast<int64_t>(time.millis() / 1000));
  timestamp->set_nanos(static_cast<int32_t>(time.millis() % 1000) * 1'000'000);
}

// The JSON of a scalar that is at its default, which a message leaves out.
std::string DefaultJson(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return "\"\"";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return "\"" + field->default_value_enum()->name() + "\"";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "null";
    default:
      return "0";
  }
}

// Writes one field: knows what the author had read of it, and replaces that.
class FieldWriter {
 public:
  // `view` is null when the author had read no value. Borrows all.
  FieldWriter(const FieldDescriptor* field, const FieldView* view, Mutation* mutation) : field_(field), mutation_(mutation) {
    if (view == nullptr) return;
    live_ = view->live;
    pending_ = view->pending;
    removals_ = view->pending_removals;
  }

  // One value in place of all that was read. Null, and no op, when it is already the only one.
  Op* WriteSingle(std::string bytes, bool is_default) {
    if (live_.empty() && pending_.empty() && is_default) return nullptr;
    bool settled = pending_.empty() && removals_.empty() && !live_.empty();
    for (const auto& [id, value] : live_) settled = settled && value->bytes == bytes;
    return settled ? nullptr : Append(std::move(bytes), Read());
  }

  // Exactly `elements`: what is wanted and not live is added; what was read and is not wanted, and what was pending, is replaced, whether
  // it would add or remove.
  void WriteSet(const std::set<std::string>& elements) {
    struct Ids {
      std::vector<ValueId> live;
      std::vector<ValueId> pending;
    };
    std::map<std::string, Ids> read;
    for (const auto& [id, value] : live_) read[value->bytes].live.push_back(id);
    for (const auto& [id, value] : pending_) read[value->bytes].pending.push_back(id);
    for (const std::string& element : elements) read.try_emplace(element);
    for (auto& [element, ids] : read) {
      bool wanted = elements.contains(element);
      bool adds = wanted && ids.live.empty();
      std::vector<ValueId> replaces = std::move(ids.pending);
      if (!wanted) replaces.insert(replaces.end(), ids.live.begin(), ids.live.end());
      if (adds || !replaces.empty()) Append(adds ? std::optional(element) : std::nullopt, std::move(replaces));
    }
    std::vector<ValueId> removals;
    for (const auto& [id, value] : removals_) removals.push_back(id);
    if (!removals.empty()) Append(std::nullopt, std::move(removals));
  }

  // `bytes`, or nothing, in place of all that was read.
  void Replace(std::optional<std::string> bytes) { Append(std::move(bytes), Read()); }

 private:
  std::vector<ValueId> Read() const {
    std::vector<ValueId> ids;
    for (const auto& [id, value] : live_) ids.push_back(id);
    for (const auto& [id, value] : pending_) ids.push_back(id);
    for (const auto& [id, value] : removals_) ids.push_back(id);
    return ids;
  }

  Op* Append(std::optional<std::string> bytes, std::vector<ValueId> replaces) {
    std::sort(replaces.begin(), replaces.end());
    Op& op = mutation_->ops.emplace_back();
    op.field = static_cast<uint32_t>(field_->number());
    op.kind = KindOf(field_);
    op.has_value = bytes.has_value();
    op.value = std::move(bytes).value_or("");
    op.replaces = std::move(replaces);
    return &op;
  }

  const FieldDescriptor* field_;
  Mutation* mutation_;
  std::vector<std::pair<ValueId, const FieldValue*>> live_;
  std::vector<std::pair<ValueId, const FieldValue*>> pending_;
  std::vector<std::pair<ValueId, const FieldValue*>> removals_;
};

// The elements of a set, each in the wire form of a single occurrence. The registry admits strings, messages and enums.
std::set<std::string> ElementsOf(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  std::set<std::string> elements;
  std::unique_ptr<Message> alone(message.New());
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    alone->Clear();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->AddString(alone.get(), field, reflection->GetRepeatedString(message, field, i));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        reflection->AddMessage(alone.get(), field)->CopyFrom(reflection->GetRepeatedMessage(message, field, i));
        break;
      default:
        reflection->AddEnumValue(alone.get(), field, reflection->GetRepeatedEnumValue(message, field, i));
    }
    elements.insert(DeterministicBytes(*alone));
  }
  return elements;
}

// Whether the numbers mean the same: a marking that is not set is the default one.
bool SameNumber(const FieldDescriptor* field, uint64_t a, uint64_t b) {
  if (field->number() == kMarkingField && a == 0) a = v1::MARKING_OFFICIAL;
  if (field->number() == kMarkingField && b == 0) b = v1::MARKING_OFFICIAL;
  return a == b;
}

void WriteState(const FieldDescriptor* field, const Message& next, const RecordState* read, FieldWriter* writer) {
  const EnumValueDescriptor* value = field->enum_type()->FindValueByNumber(next.GetReflection()->GetEnumValue(next, field));
  std::string bytes;
  PutVarint(&bytes, value->options().GetExtension(v1::rank));
  PutVarint(&bytes, static_cast<uint64_t>(value->number()));
  Op* op = writer->WriteSingle(bytes, value->number() == 0);
  if (op == nullptr || !value->options().GetExtension(v1::locks)) return;
  op->seals = true;
  if (read != nullptr) op->sealed = SealableValues(*read);
}

}  // namespace

std::unique_ptr<Message> MaterialiseFields(const records::RecordType& type, const std::string& name, const RecordState& state,
                                           const std::map<uint32_t, FieldView>& views, const std::map<uint32_t, FieldView>& conflicts) {
  std::unique_ptr<Message> message(type.prototype->New());
  const Descriptor* descriptor = message->GetDescriptor();
  const Reflection* reflection = message->GetReflection();
  for (const auto& [number, view] : views) {
    // A field that this version does not know, or knows with another merge kind, is kept in the state and not shown.
    const FieldDescriptor* field = descriptor->FindFieldByNumber(static_cast<int>(number));
    if (field == nullptr || KindOf(field) != view.kind) continue;
    ShowField(field, view, message.get());
  }
  for (const auto& [number, view] : conflicts) {
    const FieldDescriptor* field = descriptor->FindFieldByNumber(static_cast<int>(number));
    auto* conflict = static_cast<v1::FieldConflict*>(reflection->AddMessage(message.get(), descriptor->FindFieldByNumber(kConflicts)));
    conflict->set_field(field->name());
    for (const FieldValue* other : DistinctOthers(view)) conflict->add_other_values(ValueJson(type, field, other->bytes));
  }
  ShowDefaultMarking(message.get());
  reflection->SetString(message.get(), descriptor->FindFieldByNumber(kName), name);
  Span span = SpanOf(state);
  SetTime(message.get(), kCreateTime, span.first_time);
  SetTime(message.get(), kUpdateTime, span.last_time);
  return message;
}

std::unique_ptr<Message> MaterialiseFields(const records::RecordType& type, const std::string& name, const RecordState& state) {
  const std::map<uint32_t, FieldView> views = ViewOf(state);
  return MaterialiseFields(type, name, state, views, ConflictsOf(type, state, views));
}

std::unique_ptr<Message> Materialise(const records::RecordType& type, const std::string& name, const RecordState& state) {
  std::unique_ptr<Message> message = MaterialiseFields(type, name, state);
  message->GetReflection()->SetString(message.get(), message->GetDescriptor()->FindFieldByNumber(kEtag), EtagOf(state));
  return message;
}

std::string ValueJson(const records::RecordType& type, const FieldDescriptor* field, const std::string& bytes) {
  std::unique_ptr<Message> alone(type.prototype->New());
  AddValue(field, bytes, alone.get());
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(*alone, &json).ok()) return "null";
  // {"field":value}
  size_t colon = json.find(':');
  if (colon == std::string::npos) return DefaultJson(field);
  json = json.substr(colon + 1, json.size() - colon - 2);
  bool is_element = KindOf(field) == MergeKind::kSet;
  return is_element ? json.substr(1, json.size() - 2) : json;
}

Mutation MutationFor(const records::RecordType& type, const std::string& name, const RecordState* read, const Message& next,
                     const std::vector<const FieldDescriptor*>& fields) {
  Mutation mutation;
  mutation.type = type.number;
  mutation.record = name;
  std::map<uint32_t, FieldView> views;
  if (read != nullptr) {
    views = ViewOf(*read);
    for (const auto& [seal, listed] : read->seals) mutation.seen_seals.push_back(seal);
  }

  // The order of the ops is canonical, so that one request accepted at two sites is one mutation.
  std::map<int, const FieldDescriptor*> ordered;
  for (const FieldDescriptor* field : fields) ordered.emplace(field->number(), field);

  const WireFields wire(next);
  const std::unique_ptr<Message> shown(read == nullptr ? nullptr : next.New());  // by those fields that are compared with what is written
  const Message& before = shown == nullptr ? *type.prototype : *shown;
  for (const auto& [number, field] : ordered) {
    auto found = views.find(static_cast<uint32_t>(number));
    const FieldView* view = found == views.end() ? nullptr : &found->second;
    FieldWriter writer(field, view, &mutation);
    switch (KindOf(field)) {
      case MergeKind::kRegister: {
        const std::string_view bytes = wire.Of(field);
        writer.WriteSingle(std::string(bytes), bytes.empty());
        break;
      }
      case MergeKind::kSet:
        writer.WriteSet(ElementsOf(next, field));
        break;
      case MergeKind::kRestrictMax: {
        if (view != nullptr) ShowField(field, *view, shown.get());
        uint64_t wanted = NumberOf(next, field);
        if (SameNumber(field, NumberOf(before, field), wanted)) break;
        std::string bytes;
        PutVarint(&bytes, wanted);
        writer.Replace(wanted == 0 ? std::nullopt : std::optional(bytes));
        break;
      }
      case MergeKind::kRestrictIntersect: {
        if (view != nullptr) ShowField(field, *view, shown.get());
        std::set<std::string> wanted = NamesOf(next, field);
        if (wanted == NamesOf(before, field)) break;
        writer.Replace(wanted.empty() ? std::nullopt : std::optional(EncodeNames(wanted)));
        break;
      }
      case MergeKind::kState:
        WriteState(field, next, read, &writer);
        break;
      case MergeKind::kErase:
        break;
    }
  }
  return mutation;
}

}  // namespace fairlead::node
