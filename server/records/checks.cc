#include "server/records/checks.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <vector>

#include "fairlead/v1/options.pb.h"
#include "server/records/dates.h"
#include "server/records/formats.h"

namespace fairlead::records {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

constexpr int kAudienceField = 6;

// Fields that the node computes; what a caller put there does not count.
bool IsComputed(const FieldDescriptor* field) {
  constexpr int kUpdateTime = 4, kConflicts = 8;  // of every resource, as the registry checks: name, etag and create_time are 1 to 3
  return field->number() <= kUpdateTime || field->number() == kConflicts;
}

// Whether no element may be there twice.
bool IsSet(const FieldDescriptor* field) {
  v1::MergeKind kind = field->options().GetExtension(v1::merge);
  return kind == v1::MERGE_KIND_SET || kind == v1::MERGE_KIND_RESTRICT_INTERSECT;
}

// One element of a set, in bytes that are equal for equal elements. The registry admits strings, messages and enums.
std::string ElementBytes(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetRepeatedString(message, field, index);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return reflection->GetRepeatedMessage(message, field, index).SerializeAsString();
    default:
      return std::to_string(reflection->GetRepeatedEnumValue(message, field, index));
  }
}

}  // namespace

const Collection kCountries = {"countries", IsAlpha2, "two upper-case letters (ISO 3166-1 alpha-2)"};
const Collection kPorts = {"ports", IsLocode,
                           "a country's two letters, then three of A to Z and 2 to 9 (UN/LOCODE, UNECE Recommendation 16)"};
const Collection kPortFacilities = {"portFacilities", IsFacilityNumber,
                                    "two letters, three letters or digits, a hyphen and four digits (IMO port facility number)"};
const Collection kLiaisonOfficers = {"liaisonOfficers", IsOfficerId,
                                     "1 to 63 lower-case letters, digits and hyphens (the name in the officer's certificate)"};

absl::Status CheckId(const Collection& collection, std::string_view id) {
  if (collection.is_id(id)) return absl::OkStatus();
  return FieldError(Reason::kFieldInvalid, "name", fmt::format("an id of {} is {}", collection.name, collection.rule));
}

std::string_view ParentOf(std::string_view name) {
  size_t id = name.rfind('/');
  if (id == std::string_view::npos || id == 0) return {};
  size_t collection = name.rfind('/', id - 1);
  return collection == std::string_view::npos ? std::string_view() : name.substr(0, collection);
}

void Checks::Fail(Reason reason, std::string_view field, std::string_view message) {
  if (status_.ok()) {
    status_ = FieldError(reason, std::string(field), std::string(message));
  } else {
    AddFieldViolation(&status_, std::string(field), std::string(message));
  }
}

void Checks::Common(const Message& record) {
  Walk(record, "");
  const FieldDescriptor* audience = record.GetDescriptor()->FindFieldByNumber(kAudienceField);
  for (int i = 0; i < record.GetReflection()->FieldSize(record, audience); ++i) {
    if (IsSiteName(record.GetReflection()->GetRepeatedString(record, audience, i))) continue;
    Fail(Reason::kFieldInvalid, fmt::format("audience[{}]", i), "a site's name is 1 to 63 of a to z, 0 to 9 and hyphen");
  }
}

void Checks::Walk(const Message& message, const std::string& prefix) {
  const Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (prefix.empty() && IsComputed(field)) continue;
    std::string path = prefix + field->name();
    if (field->is_repeated()) {
      Repeated(message, field, path);
      continue;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Walk(reflection->GetMessage(message, field), path + ".");
        break;
      case FieldDescriptor::CPPTYPE_STRING: {
        TextScan scan = ScanText(reflection->GetString(message, field));
        if (!scan.utf8) Fail(Reason::kFieldInvalid, path, "is not well-formed UTF-8 (RFC 3629)");
        if (scan.control) Fail(Reason::kFieldInvalid, path, "holds a control character");
        break;
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        int value = reflection->GetEnumValue(message, field);
        if (field->enum_type()->FindValueByNumber(value) == nullptr) {
          Fail(Reason::kFieldInvalid, path, fmt::format("{} is no value of {}", value, field->enum_type()->name()));
        }
        break;
      }
      default:
        break;
    }
  }
}

void Checks::Repeated(const Message& message, const FieldDescriptor* field, const std::string& path) {
  const Reflection* reflection = message.GetReflection();
  int size = reflection->FieldSize(message, field);
  if (size > kElementsMax) {
    Fail(Reason::kFieldTooLarge, path, fmt::format("holds {} elements; at most {} are allowed", size, kElementsMax));
    return;
  }
  std::set<std::string> seen;
  for (int i = 0; i < size; ++i) {
    std::string element = fmt::format("{}[{}]", path, i);
    if (IsSet(field) && !seen.insert(ElementBytes(message, field, i)).second) Fail(Reason::kFieldInvalid, element, "is there twice");
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Walk(reflection->GetRepeatedMessage(message, field, i), element + ".");
        break;
      case FieldDescriptor::CPPTYPE_STRING: {
        TextScan scan = ScanText(reflection->GetRepeatedString(message, field, i));
        if (!scan.utf8) Fail(Reason::kFieldInvalid, element, "is not well-formed UTF-8 (RFC 3629)");
        if (scan.control) Fail(Reason::kFieldInvalid, element, "holds a control character");
        break;
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        int value = reflection->GetRepeatedEnumValue(message, field, i);
        if (value == 0 || field->enum_type()->FindValueByNumber(value) == nullptr) {
          Fail(Reason::kFieldInvalid, element, fmt::format("{} is no value of {} to choose", value, field->enum_type()->name()));
        }
        break;
      }
      default:
        break;
    }
  }
}

void Checks::Text(std::string_view field, std::string_view text, Need need, size_t max, bool lines) {
  TextScan scan = ScanText(text);
  if (!scan.utf8) return;  // reported by Common
  if (scan.blank && need == Need::kRequired) return Fail(Reason::kFieldRequired, field, "is required");
  if (scan.characters > max) {
    Fail(Reason::kFieldTooLarge, field, fmt::format("has {} characters; at most {} are allowed", scan.characters, max));
  }
  if (scan.line_break && !lines) Fail(Reason::kFieldInvalid, field, "is one line: no line feeds, no tabs");
}

void Checks::Line(std::string_view field, std::string_view text, Need need, size_t max) { Text(field, text, need, max, false); }

void Checks::Prose(std::string_view field, std::string_view text, Need need, size_t max) { Text(field, text, need, max, true); }

void Checks::Code(std::string_view field, std::string_view text, bool (*is_code)(std::string_view), std::string_view rule) {
  if (!text.empty() && !is_code(text)) Fail(Reason::kFieldInvalid, field, fmt::format("must be {}", rule));
}

void Checks::NotZero(std::string_view field, int value, std::string_view rule) {
  if (value == 0) Fail(Reason::kFieldRequired, field, rule);
}

void Checks::Date(std::string_view field, bool present, const google::type::Date& date) {
  if (!present || IsDate(date)) return;
  Fail(Reason::kFieldInvalid, field,
       "is no date: a year of 1 to 9999 is needed, month and day may be 0 where unknown, and a day needs its month (google.type.Date)");
}

void Checks::Position(std::string_view field, bool present, const google::type::LatLng& position) {
  if (!present) return;
  // Written so that a NaN fails.
  if (!(std::abs(position.latitude()) <= 90)) {
    Fail(Reason::kFieldInvalid, fmt::format("{}.latitude", field), "must be in [-90, 90] degrees (WGS 84)");
  }
  if (!(std::abs(position.longitude()) <= 180)) {
    Fail(Reason::kFieldInvalid, fmt::format("{}.longitude", field), "must be in [-180, 180] degrees (WGS 84)");
  }
}

void Checks::Reference(std::string_view field, std::string_view name, const Collection& collection, Need need) {
  if (name.empty()) {
    if (need == Need::kRequired) Fail(Reason::kFieldRequired, field, "is required");
    return;
  }
  std::string prefix = fmt::format("{}/", collection.name);
  if (!name.starts_with(prefix) || !collection.is_id(name.substr(prefix.size()))) {
    return Fail(Reason::kFieldInvalid, field, fmt::format("must be {}{{id}}, the id being {}", prefix, collection.rule));
  }
  if (!reader_.Has(name)) Fail(Reason::kReferenceNotFound, field, fmt::format("there is no {}", name));
}

void Checks::References(std::string_view field, const google::protobuf::RepeatedPtrField<std::string>& names,
                        const Collection& collection) {
  for (int i = 0; i < names.size(); ++i) Reference(fmt::format("{}[{}]", field, i), names[i], collection, Need::kRequired);
}

std::string_view Checks::OwnId(std::string_view name, const Collection& collection) {
  std::string prefix = fmt::format("{}/", collection.name);
  if (name.starts_with(prefix) && collection.is_id(name.substr(prefix.size()))) return name.substr(prefix.size());
  Fail(Reason::kFieldInvalid, "name", fmt::format("must be {}{{id}}, the id being {}", prefix, collection.rule));
  return {};
}

}  // namespace fairlead::records
