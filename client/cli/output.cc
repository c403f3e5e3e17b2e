#include "client/cli/output.h"

#include <absl/strings/cord.h>
#include <absl/time/time.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <numeric>

#include "api/errors.h"
#include "client/cli/flags.h"
#include "google/type/date.pb.h"
#include "google/type/latlng.pb.h"

namespace fairlead::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr char kUsagePayload[] = "fairlead.cli/usage";
constexpr size_t kColumnWidthMin = 8;
constexpr char kEllipsis[] = "\xe2\x80\xa6";

// Characters, for alignment: every code point counts as one.
size_t Width(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string Cut(const std::string& text, size_t width) {
  if (Width(text) <= width) return text;
  size_t at = 0;
  for (size_t left = width; at < text.size(); ++at) {
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (starts && left-- == 1) break;
  }
  return text.substr(0, at) + kEllipsis;
}

std::string DateText(const google::type::Date& date) {
  if (date.month() == 0) return fmt::format("{:04}", date.year());
  if (date.day() == 0) return fmt::format("{:04}-{:02}", date.year(), date.month());
  return fmt::format("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
}

std::string MessageText(const Message& message) {
  if (const auto* date = google::protobuf::DynamicCastToGenerated<google::type::Date>(&message)) return DateText(*date);
  if (const auto* time = google::protobuf::DynamicCastToGenerated<google::protobuf::Timestamp>(&message)) return TimeText(*time);
  if (const auto* duration = google::protobuf::DynamicCastToGenerated<google::protobuf::Duration>(&message)) return DurationText(*duration);
  if (const auto* position = google::protobuf::DynamicCastToGenerated<google::type::LatLng>(&message)) {
    return fmt::format("{},{}", position->latitude(), position->longitude());
  }
  std::vector<std::string> parts;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (std::string text = CellText(message, field); !text.empty()) parts.push_back(field.name() + "=" + text);
  }
  return fmt::format("{}", fmt::join(parts, " "));
}

// The value at `index`, or the only one when the field is not repeated (index -1).
std::string ValueText(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection* reflection = message.GetReflection();
  const bool repeated = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = repeated ? reflection->GetRepeatedString(message, &field, index) : reflection->GetString(message, &field);
      // A reference is known by its collection's column; only "name" is shown whole, to be copied into the next command.
      const bool reference = field.name() != "name" && !text.empty() && FullReference(field.name(), "X") != "X";
      return reference ? text.substr(text.rfind('/') + 1) : text;
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortEnum(*(repeated ? reflection->GetRepeatedEnum(message, &field, index) : reflection->GetEnum(message, &field)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, &field) ? "yes" : "";
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(reflection->GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(reflection->GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(reflection->GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageText(repeated ? reflection->GetRepeatedMessage(message, &field, index) : reflection->GetMessage(message, &field));
    default:
      return "";
  }
}

}  // namespace

std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

const char kExitCodesHelp[] =
    "Exit codes: 0 done; 1 internal error; 2 wrong usage or configuration; 3 invalid argument or refused rows; 4 not found;\n"
    "5 conflict (exists already, changed meanwhile, state forbids); 6 not permitted; 7 no answer in time;\n"
    "8 evidence or stored data does not hold; 130 interrupted.";

absl::Status UsageError(const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

int ExitCodeOf(const absl::Status& status) {
  if (status.GetPayload(kUsagePayload).has_value()) return kExitUsage;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitInvalid;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return kExitConflict;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitDenied;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return kExitUnavailable;
    case absl::StatusCode::kDataLoss:
      return kExitUnproven;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitInternal;
  }
}

void PrintError(const absl::Status& status, std::ostream& err) {
  err << "fairlead: " << Printable(std::string(status.message())) << "\n";
  if (const std::string field = FieldOf(status); !field.empty()) err << "  field: " << field << "\n";
  if (const std::string reason = ReasonOf(status); !reason.empty()) err << "  reason: " << reason << "\n";
}

nlohmann::ordered_json ErrorJson(const absl::Status& status) {
  nlohmann::ordered_json error = {{"code", absl::StatusCodeToString(status.code())}, {"message", std::string(status.message())}};
  if (const std::string reason = ReasonOf(status); !reason.empty()) error["reason"] = reason;
  if (const std::string field = FieldOf(status); !field.empty()) error["field"] = field;
  return {{"error", error}};
}

void Table::Print(std::ostream& out, int width) const {
  constexpr size_t kGap = 2;
  std::vector<size_t> widths;
  for (const std::string& header : headers) widths.push_back(Width(header));
  for (const auto& row : rows) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  const auto total = [&widths] { return std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1)); };
  while (width > 0 && total() > static_cast<size_t>(width)) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kColumnWidthMin) break;
    --*widest;
  }
  const auto print = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = Cut(Printable(cells[i]), widths[i]);
      line += cell;
      if (i + 1 < widths.size()) line.append(widths[i] - Width(cell) + kGap, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  };
  print(headers);
  for (const auto& row : rows) print(row);
}

std::string CellText(const Message& message, const FieldDescriptor& field) {
  const Reflection* reflection = message.GetReflection();
  if (!field.is_repeated()) return reflection->HasField(message, &field) ? ValueText(message, field, -1) : "";
  std::vector<std::string> values;
  for (int i = 0; i < reflection->FieldSize(message, &field); ++i) values.push_back(ValueText(message, field, i));
  // Lists of messages have spaces of their own inside.
  return fmt::format("{}", fmt::join(values, field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ? "; " : ","));
}

Table RecordTable(const Resource& resource, const std::vector<const Message*>& records) {
  Table table;
  for (const Column& column : resource.columns) table.headers.push_back(column.header);
  for (const Message* record : records) {
    std::vector<std::string> row;
    for (const Column& column : resource.columns) row.push_back(CellText(*record, *resource.type->FindFieldByName(column.field)));
    table.rows.push_back(std::move(row));
  }
  return table;
}

void PrintRecord(const Message& record, std::ostream& out) {
  std::vector<std::pair<std::string, std::string>> lines;
  size_t width = 0;
  for (int i = 0; i < record.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *record.GetDescriptor()->field(i);
    std::string text = CellText(record, field);
    if (text.empty()) continue;
    lines.emplace_back(field.name(), std::move(text));
    width = std::max(width, field.name().size());
  }
  for (const auto& [name, text] : lines) {
    std::string indented;
    for (const char c : text) {
      indented.push_back(c);
      if (c == '\n') indented.append(width + 2, ' ');
    }
    out << name << std::string(width - name.size() + 2, ' ') << indented << "\n";
  }
}

nlohmann::ordered_json ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return {{"undecodable", status.ToString()}};
  return nlohmann::ordered_json::parse(text);
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
}

std::string LastErrorText(const std::string& error, const google::protobuf::Timestamp& time) {
  return error.empty() ? "" : fmt::format("{} {}", TimeText(time), Printable(error));
}

std::string DurationText(const google::protobuf::Duration& duration) {
  absl::Duration value = absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  if (value == absl::ZeroDuration()) return "0";
  // Three digits say enough at any scale.
  if (value >= absl::Minutes(1)) {
    value = absl::Trunc(value, absl::Seconds(1));
  } else if (value >= absl::Seconds(1)) {
    value = absl::Trunc(value, absl::Milliseconds(100));
  } else if (value >= absl::Milliseconds(1)) {
    value = absl::Trunc(value, absl::Microseconds(100));
  } else {
    value = absl::Trunc(value, absl::Microseconds(1));
  }
  return absl::FormatDuration(value);
}

}  // namespace fairlead::cli
