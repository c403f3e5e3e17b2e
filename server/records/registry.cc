#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

#include "fairlead/v1/common.pb.h"
#include "fairlead/v1/options.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/records/record_type.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

// A registration that cannot work is a fault of the program: it must not start.
template <class... Args>
[[noreturn]] void Die(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print(stderr, "record registry: {}\n", fmt::format(format, std::forward<Args>(args)...));
  std::abort();
}

// Takes the first segment off `path`.
std::string_view TakeSegment(std::string_view* path) {
  size_t slash = path->find('/');
  std::string_view segment = path->substr(0, slash);
  path->remove_prefix(slash == std::string_view::npos ? path->size() : slash + 1);
  return segment;
}

bool IsVariable(std::string_view segment) { return segment.size() > 2 && segment.front() == '{' && segment.back() == '}'; }

// Whether `name` is made of the pattern's literals with an id for each variable.
bool Matches(std::string_view pattern, std::string_view name) {
  if (name.ends_with('/')) return false;
  while (!pattern.empty() && !name.empty()) {
    std::string_view want = TakeSegment(&pattern);
    std::string_view have = TakeSegment(&name);
    if (IsVariable(want) ? have.empty() : have != want) return false;
  }
  return pattern.empty() && name.empty();
}

// A pattern alternates literals and variables and ends in a variable.
void CheckPattern(const RecordType& type) {
  std::string_view rest = type.pattern;
  bool variable = true;
  while (!rest.empty()) {
    std::string_view segment = TakeSegment(&rest);
    if (segment.empty() || IsVariable(segment) == variable) Die("{}: pattern \"{}\" is malformed", type.singular(), type.pattern);
    variable = !variable;
  }
  if (!variable || type.pattern.empty()) Die("{}: pattern \"{}\" must end in a variable", type.singular(), type.pattern);
}

bool IsInteger(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return true;
    default:
      return false;
  }
}

void CheckRanks(const RecordType& type, const FieldDescriptor* field) {
  std::map<uint32_t, const EnumValueDescriptor*> by_rank;
  const EnumDescriptor* states = field->enum_type();
  for (int i = 0; i < states->value_count(); ++i) {
    const EnumValueDescriptor* value = states->value(i);
    if (value->number() == 0) continue;
    if (value->number() < 0) Die("{}.{}: {} is negative", type.singular(), field->name(), value->name());
    if (!value->options().HasExtension(v1::rank)) Die("{}.{}: {} has no rank", type.singular(), field->name(), value->name());
    auto [other, fresh] = by_rank.emplace(value->options().GetExtension(v1::rank), value);
    if (!fresh) Die("{}.{}: {} and {} have the same rank", type.singular(), field->name(), other->second->name(), value->name());
  }
}

void CheckMerge(const RecordType& type, const FieldDescriptor* field) {
  auto fits = [&](bool yes, const char* what) {
    if (!yes) Die("{}.{}: {}", type.singular(), field->name(), what);
  };
  switch (field->options().GetExtension(v1::merge)) {
    case v1::MERGE_KIND_UNSPECIFIED:
      return;
    case v1::MERGE_KIND_REGISTER:
      fits(!field->is_map(), "REGISTER does not fit a map: its order of entries is not defined");
      fits(field->real_containing_oneof() == nullptr, "REGISTER does not fit a member of a oneof: its members merge together");
      return;
    case v1::MERGE_KIND_SET:
      fits(field->is_repeated() && !field->is_map(), "SET fits repeated fields only");
      fits(field->type() == FieldDescriptor::TYPE_STRING || field->type() == FieldDescriptor::TYPE_MESSAGE || field->enum_type() != nullptr,
           "the elements of a SET are strings, messages or enums");
      return;
    case v1::MERGE_KIND_RESTRICT_MAX:
      fits(!field->is_repeated() && (IsInteger(field) || field->enum_type() != nullptr),
           "RESTRICT_MAX fits single enums and integers only");
      return;
    case v1::MERGE_KIND_RESTRICT_INTERSECT:
      fits(field->is_repeated() && field->type() == FieldDescriptor::TYPE_STRING, "RESTRICT_INTERSECT fits repeated strings only");
      return;
    case v1::MERGE_KIND_STATE:
      fits(!field->is_repeated() && field->enum_type() != nullptr, "STATE fits single enums only");
      fits(field->name() == type.state_field, "a STATE must be the type's state_field");
      CheckRanks(type, field);
      return;
    default:
      fits(false, "its merge kind is unknown");
  }
}

// Checks the search options of a message's fields, and of those in it.
void CheckSearch(const RecordType& type, const Descriptor& message) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string of = field.message_type() != nullptr ? field.message_type()->full_name() : "";
    const bool text = field.type() == FieldDescriptor::TYPE_STRING;
    bool fits = false;
    switch (field.options().GetExtension(v1::search)) {
      case v1::SEARCH_USE_UNSPECIFIED:
        if (of.starts_with("fairlead.")) CheckSearch(type, *field.message_type());
        continue;
      case v1::SEARCH_USE_TITLE:
      case v1::SEARCH_USE_TEXT:
      case v1::SEARCH_USE_COUNTRY:
        fits = text;
        break;
      case v1::SEARCH_USE_REGION:
        fits = field.enum_type() == v1::Region_descriptor();
        break;
      case v1::SEARCH_USE_KIND:
        fits = field.enum_type() != nullptr && !field.is_repeated();
        break;
      case v1::SEARCH_USE_FIRST_DAY:
      case v1::SEARCH_USE_LAST_DAY:
        fits = !field.is_repeated() && (of == google::protobuf::Timestamp::descriptor()->full_name() || of == "google.type.Date");
        break;
      default:
        break;
    }
    if (!fits) Die("{}: {} does not fit its use by search", type.singular(), field.full_name());
  }
}

// Fields 1 to 8 mean the same in every resource.
void CheckCommonFields(const RecordType& type) {
  struct Common {
    int number;
    const char* name;
    FieldDescriptor::Type type;
    const char* of;  // full name of its message or enum; empty for others
    bool repeated;
    v1::MergeKind merge;
  };
  const std::string timestamp = google::protobuf::Timestamp::descriptor()->full_name();
  const std::string marking = v1::Marking_descriptor()->full_name();
  const std::string conflict = v1::FieldConflict::descriptor()->full_name();
  const Common kCommon[] = {
      {1, "name", FieldDescriptor::TYPE_STRING, "", false, v1::MERGE_KIND_UNSPECIFIED},
      {2, "etag", FieldDescriptor::TYPE_STRING, "", false, v1::MERGE_KIND_UNSPECIFIED},
      {3, "create_time", FieldDescriptor::TYPE_MESSAGE, timestamp.c_str(), false, v1::MERGE_KIND_UNSPECIFIED},
      {4, "update_time", FieldDescriptor::TYPE_MESSAGE, timestamp.c_str(), false, v1::MERGE_KIND_UNSPECIFIED},
      {5, "marking", FieldDescriptor::TYPE_ENUM, marking.c_str(), false, v1::MERGE_KIND_RESTRICT_MAX},
      {6, "audience", FieldDescriptor::TYPE_STRING, "", true, v1::MERGE_KIND_RESTRICT_INTERSECT},
      {7, "withdrawn", FieldDescriptor::TYPE_BOOL, "", false, v1::MERGE_KIND_REGISTER},
      {8, "conflicts", FieldDescriptor::TYPE_MESSAGE, conflict.c_str(), true, v1::MERGE_KIND_UNSPECIFIED},
  };
  for (const Common& want : kCommon) {
    const FieldDescriptor* field = type.prototype->GetDescriptor()->FindFieldByNumber(want.number);
    std::string of;
    if (field != nullptr && field->message_type() != nullptr) of = field->message_type()->full_name();
    if (field != nullptr && field->enum_type() != nullptr) of = field->enum_type()->full_name();
    if (field == nullptr || field->name() != want.name || field->type() != want.type || of != want.of ||
        field->is_repeated() != want.repeated || field->options().GetExtension(v1::merge) != want.merge) {
      Die("{}.{}: field {} is not as in every resource", type.singular(), want.name, want.number);
    }
  }
}

void CheckLifecycle(const RecordType& type) {
  if (type.state_field.empty()) {
    if (!type.transitions.empty()) Die("{}: transitions without a state_field", type.singular());
    return;
  }
  const FieldDescriptor* field = type.prototype->GetDescriptor()->FindFieldByName(type.state_field);
  if (field == nullptr || field->options().GetExtension(v1::merge) != v1::MERGE_KIND_STATE) {
    Die("{}.{}: the state_field is no field with merge kind STATE", type.singular(), type.state_field);
  }
  auto is_state = [field](int number) { return number != 0 && field->enum_type()->FindValueByNumber(number) != nullptr; };
  if (!is_state(type.initial_state)) Die("{}.{}: initial state {} is none", type.singular(), type.state_field, type.initial_state);
  std::set<std::string> methods;
  for (const Transition& transition : type.transitions) {
    if (!methods.insert(transition.method).second) Die("{}: method {} is there twice", type.singular(), transition.method);
    bool known = is_state(transition.to) && !transition.from.empty();
    for (int from : transition.from) known = known && is_state(from);
    if (!known) Die("{}.{}: {} leads from or to no state", type.singular(), type.state_field, transition.method);
  }
}

void CheckIndexes(const RecordType& type, std::map<uint16_t, std::string>* taken) {
  std::set<std::string> filters;
  for (const Index& index : type.indexes) {
    if (index.number == 0 || !index.values) Die("{}.{}: an index needs a number and values", type.singular(), index.filter);
    if (index.number >= kSharedIndexes) Die("{}.{}: index number {} is reserved", type.singular(), index.filter, index.number);
    auto [other, fresh] = taken->emplace(index.number, type.singular() + "." + index.filter);
    if (!fresh) Die("{}.{}: index number {} is that of {}", type.singular(), index.filter, index.number, other->second);
    if (index.filter.empty() || !filters.insert(index.filter).second) {
      Die("{}.{}: index {} needs a filter of its own", type.singular(), index.filter, index.number);
    }
  }
}

}  // namespace

std::string RecordType::collection() const {
  std::string_view head = std::string_view(pattern).substr(0, pattern.rfind('/'));
  return std::string(head.substr(head.rfind('/') + 1));
}

Registry::Registry(std::vector<RecordType> types) : types_(std::move(types)) {
  std::map<uint16_t, std::string> numbers;
  std::map<std::string, std::string> patterns;
  std::map<std::string, std::string> collections;
  std::set<std::string> messages;
  std::map<uint16_t, std::string> indexes;
  for (const RecordType& type : types_) {
    if (type.prototype == nullptr) Die("type {} has no prototype", type.number);
    const std::string name = type.singular();
    if (type.number == 0) Die("{}: number 0 is none", name);
    if (!type.validate) Die("{}: has no validator", name);
    CheckPattern(type);
    if (!messages.insert(name).second) Die("{}: is there twice", name);
    if (auto [other, fresh] = numbers.emplace(type.number, name); !fresh) Die("{}: number {} is {}'s", name, type.number, other->second);
    if (auto [other, fresh] = patterns.emplace(type.pattern, name); !fresh)
      Die("{}: pattern \"{}\" is {}'s", name, type.pattern, other->second);
    if (auto [other, fresh] = collections.emplace(type.collection(), name); !fresh) {
      Die("{}: collection \"{}\" is {}'s", name, type.collection(), other->second);
    }
    CheckCommonFields(type);
    const Descriptor* descriptor = type.prototype->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) CheckMerge(type, descriptor->field(i));
    CheckLifecycle(type);
    CheckSearch(type, *descriptor);
    CheckIndexes(type, &indexes);
  }
}

const RecordType* Registry::FindByNumber(uint32_t number) const {
  for (const RecordType& type : types_) {
    if (type.number == number) return &type;
  }
  return nullptr;
}

const RecordType* Registry::FindByMessage(std::string_view message_name) const {
  for (const RecordType& type : types_) {
    if (type.prototype->GetDescriptor()->name() == message_name) return &type;
  }
  return nullptr;
}

const RecordType* Registry::FindByName(std::string_view record_name) const {
  for (const RecordType& type : types_) {
    if (Matches(type.pattern, record_name)) return &type;
  }
  return nullptr;
}

const RecordType* Registry::FindByCollection(std::string_view collection) const {
  for (const RecordType& type : types_) {
    if (type.collection() == collection) return &type;
  }
  return nullptr;
}

const Registry& TheRegistry() {
  static const Registry* const kRegistry = new Registry({CountryType(),
                                                         PortType(),
                                                         PortFacilityType(),
                                                         LiaisonOfficerType(),
                                                         EngagementType(),
                                                         ObservationType(),
                                                         FollowUpType(),
                                                         VisitCycleType(),
                                                         ReciprocalVisitType(),
                                                         TrainingOfferingType(),
                                                         TrainingRequestType(),
                                                         TrainingSessionType(),
                                                         AssignmentType(),
                                                         AssessmentType(),
                                                         ConditionOfEntryType(),
                                                         ArrivalType(),
                                                         ScheduleKPortType(),
                                                         TrafficFigureType(),
                                                         PracticeContributionType(),
                                                         BestPracticeType(),
                                                         EndorsementType(),
                                                         InquiryType(),
                                                         ContactType(),
                                                         ReleaseType(),
                                                         PartnerGroupType(),
                                                         AcknowledgementType(),
                                                         ProposalType(),
                                                         AttachmentType(),
                                                         PartnerReceiptType(),
                                                         ReportType(),
                                                         DeliveryType(),
                                                         AuditEventType(),
                                                         EntryVoidType()});
  return *kRegistry;
}

}  // namespace fairlead::records
