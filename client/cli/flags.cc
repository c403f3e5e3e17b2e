#include "client/cli/flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "client/cli/comments.h"
#include "fairlead/v1/options.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/type/date.pb.h"
#include "google/type/latlng.pb.h"

namespace fairlead::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Kebab(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// A repeated field's flag is given once for each value, so it reads better in the singular.
std::string Singular(const std::string& name) {
  if (name.ends_with("ies")) return name.substr(0, name.size() - 3) + "y";
  if (name.ends_with("s")) return name.substr(0, name.size() - 1);
  return name;
}

std::vector<std::string> ChoicesOf(const EnumDescriptor& type) {
  std::vector<std::string> choices;
  for (int i = 0; i < type.value_count(); ++i) {
    if (std::string choice = ShortEnum(*type.value(i)); !choice.empty()) choices.push_back(std::move(choice));
  }
  return choices;
}

std::string PlaceholderOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM:
      return Kebab(field.name()).substr(field.name().rfind('_') + 1);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (field.message_type() == google::type::Date::descriptor()) return "DATE";
      if (field.message_type() == google::type::LatLng::descriptor()) return "LAT,LON";
      return "FIELD=VALUE,...";
    case FieldDescriptor::CPPTYPE_STRING:
      return "TEXT";
    default:
      return "NUMBER";
  }
}

Flag MakeFlag(const FieldDescriptor& field, bool of_record) {
  Flag flag;
  flag.name = "--" + Kebab(field.is_repeated() ? Singular(field.name()) : field.name());
  flag.placeholder = PlaceholderOf(field);
  std::transform(flag.placeholder.begin(), flag.placeholder.end(), flag.placeholder.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  flag.help = CommentOf(field.full_name());
  flag.field = &field;
  flag.of_record = of_record;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    flag.choices = ChoicesOf(*field.enum_type());
    flag.help += fmt::format("{}One of: {}.", flag.help.empty() ? "" : " ", fmt::join(flag.choices, ", "));
  }
  if (field.is_repeated()) flag.help += " May be given several times.";
  return flag;
}

// A field that a caller may write: the others are output only, moved by custom methods or the service's own.
bool IsWritable(const FieldDescriptor& field) {
  const auto merge = field.options().GetExtension(fairlead::v1::merge);
  return merge != fairlead::v1::MERGE_KIND_UNSPECIFIED && merge != fairlead::v1::MERGE_KIND_STATE &&
         !CommentOf(field.full_name()).starts_with("Output only");
}

absl::Status Wrong(const std::string& typed, const std::string& wanted) {
  return absl::InvalidArgumentError(fmt::format("\"{}\" is not {}", typed, wanted));
}

bool ParseNumber(std::string_view text, int* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

absl::Status ParseDate(const std::string& typed, google::type::Date* date) {
  const auto wrong = [&typed] { return Wrong(typed, "a date such as 2026-05-01, 2026-05 or 2026"); };
  int parts[3] = {0, 0, 0};
  static constexpr size_t kDigits[] = {4, 2, 2};
  size_t at = 0;
  for (int i = 0; i < 3 && at < typed.size(); ++i) {
    if (i > 0 && typed[at++] != '-') return wrong();
    const std::string_view part = std::string_view(typed).substr(at, kDigits[i]);
    if (part.size() != kDigits[i] || part[0] == '-' || !ParseNumber(part, &parts[i]) || parts[i] == 0) return wrong();
    at += kDigits[i];
  }
  if (at == 0 || at != typed.size()) return wrong();
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (parts[0] % 4 == 0 && parts[0] % 100 != 0) || parts[0] % 400 == 0;
  if (parts[1] > 12) return wrong();
  if (parts[1] > 0 && parts[2] > kDays[parts[1] - 1] + (leap && parts[1] == 2 ? 1 : 0)) return wrong();
  date->set_year(parts[0]);
  date->set_month(parts[1]);
  date->set_day(parts[2]);
  return absl::OkStatus();
}

absl::Status ParsePosition(const std::string& typed, google::type::LatLng* position) {
  const auto wrong = [&typed] { return Wrong(typed, "a position such as 35.45,139.65 (latitude, longitude)"); };
  const size_t comma = typed.find(',');
  if (comma == std::string::npos) return wrong();
  double parts[2];
  const std::string_view texts[2] = {std::string_view(typed).substr(0, comma), std::string_view(typed).substr(comma + 1)};
  for (int i = 0; i < 2; ++i) {
    const auto [end, error] = std::from_chars(texts[i].data(), texts[i].data() + texts[i].size(), parts[i]);
    if (error != std::errc() || end != texts[i].data() + texts[i].size() || !std::isfinite(parts[i])) return wrong();
  }
  if (std::abs(parts[0]) > 90 || std::abs(parts[1]) > 180) return wrong();
  position->set_latitude(parts[0]);
  position->set_longitude(parts[1]);
  return absl::OkStatus();
}

absl::Status ParseMessage(const std::string& typed, Message* message) {
  if (auto* date = google::protobuf::DynamicCastToGenerated<google::type::Date>(message)) return ParseDate(typed, date);
  if (auto* position = google::protobuf::DynamicCastToGenerated<google::type::LatLng>(message)) return ParsePosition(typed, position);
  if (message->GetDescriptor() == google::protobuf::Timestamp::descriptor()) {
    const auto status = google::protobuf::util::JsonStringToMessage(nlohmann::json(typed).dump(), message);
    return status.ok() ? absl::OkStatus() : Wrong(typed, "a time such as 2026-05-01T12:00:00Z");
  }
  if (!typed.empty() && typed[0] == '{') {
    const auto status = google::protobuf::util::JsonStringToMessage(typed, message);
    if (!status.ok()) return Wrong(typed, fmt::format("a JSON object of {}", message->GetDescriptor()->name()));
    return absl::OkStatus();
  }
  size_t at = 0;
  while (at < typed.size()) {
    const size_t end = std::min(typed.find(',', at), typed.size());
    const std::string part = typed.substr(at, end - at);
    at = end + 1;
    const size_t equals = part.find('=');
    if (equals == std::string::npos) return Wrong(part, "field=value");
    std::string name = part.substr(0, equals);
    std::replace(name.begin(), name.end(), '-', '_');
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) return Wrong(name, fmt::format("a field of {}", message->GetDescriptor()->name()));
    if (absl::Status status = SetField(message, *field, {part.substr(equals + 1)}); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ParseEnum(const std::string& typed, const EnumDescriptor& type, int* number) {
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor* value = type.value(i);
    if (ShortEnum(*value) == typed || value->name() == typed) {
      *number = value->number();
      return absl::OkStatus();
    }
  }
  return Wrong(typed, fmt::format("one of {}", fmt::join(ChoicesOf(type), ", ")));
}

}  // namespace

std::string ShortEnum(const EnumValueDescriptor& value) {
  if (value.number() == 0) return "";
  // Values repeat the name of their type: ENGAGEMENT_KIND_COUNTRY_VISIT.
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (std::isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix.push_back('_');
    prefix.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  prefix.push_back('_');
  std::string name = value.name().rfind(prefix, 0) == 0 ? value.name().substr(prefix.size()) : value.name();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  return name;
}

std::string ShortEnum(const google::protobuf::EnumDescriptor& type, int number) {
  const EnumValueDescriptor* value = type.FindValueByNumber(number);
  return value == nullptr ? std::to_string(number) : ShortEnum(*value);
}

const FieldDescriptor* RecordField(const Descriptor& request, const Descriptor& type) {
  for (int i = 0; i < request.field_count(); ++i) {
    if (!request.field(i)->is_repeated() && request.field(i)->message_type() == &type) return request.field(i);
  }
  return nullptr;
}

std::vector<Flag> FlagsOf(const Resource& resource, const Verb& verb) {
  static const std::set<std::string> kSupplied = {"name", "parent", "etag", "request_id", "page_size", "page_token", "update_mask"};
  const Descriptor& request = *verb.method->input_type();
  std::vector<Flag> flags;
  if (verb.kind == VerbKind::kImport) return flags;
  const FieldDescriptor* record = RecordField(request, *resource.type);
  if (record != nullptr) {
    for (int i = 0; i < resource.type->field_count(); ++i) {
      const FieldDescriptor& field = *resource.type->field(i);
      if (!IsWritable(field)) continue;
      if (verb.kind == VerbKind::kCreate && field.name() == "withdrawn") continue;
      flags.push_back(MakeFlag(field, true));
    }
  }
  for (int i = 0; i < request.field_count(); ++i) {
    const FieldDescriptor& field = *request.field(i);
    if (&field == record || kSupplied.contains(field.name()) || field.name().ends_with("_id")) continue;
    flags.push_back(MakeFlag(field, false));
  }
  return flags;
}

absl::Status SetField(Message* message, const FieldDescriptor& field, const std::vector<std::string>& values) {
  const Reflection* reflection = message->GetReflection();
  if (!field.is_repeated() && values.size() > 1) return absl::InvalidArgumentError(fmt::format("{} is given more than once", field.name()));
  reflection->ClearField(message, &field);
  for (const std::string& typed : values) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string value = FullReference(field.name(), typed);
        field.is_repeated() ? reflection->AddString(message, &field, value) : reflection->SetString(message, &field, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_BOOL:
        if (typed != "true" && typed != "false") return Wrong(typed, "true or false");
        reflection->SetBool(message, &field, typed == "true");
        break;
      case FieldDescriptor::CPPTYPE_ENUM: {
        int number = 0;
        if (absl::Status status = ParseEnum(typed, *field.enum_type(), &number); !status.ok()) return status;
        field.is_repeated() ? reflection->AddEnumValue(message, &field, number) : reflection->SetEnumValue(message, &field, number);
        break;
      }
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_INT32: {
        int number = 0;
        const bool is_unsigned = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32;
        if (!ParseNumber(typed, &number) || (is_unsigned && number < 0)) return Wrong(typed, "a whole number");
        is_unsigned ? reflection->SetUInt32(message, &field, number) : reflection->SetInt32(message, &field, number);
        break;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message* value = field.is_repeated() ? reflection->AddMessage(message, &field) : reflection->MutableMessage(message, &field);
        if (absl::Status status = ParseMessage(typed, value); !status.ok()) return status;
        break;
      }
      default:
        return absl::InternalError(fmt::format("no way to type a value of {}", field.full_name()));
    }
  }
  return absl::OkStatus();
}

}  // namespace fairlead::cli
