// What the command line prints: tables and records for people, JSON for programs, errors for both, and exit codes.
//
// Times are UTC, ISO 8601. JSON of API messages is proto3 JSON with every field present, so that a name that is there once is always there.
//
// Thread safety: pure functions over their arguments. Ownership: borrows streams.

#ifndef FAIRLEAD_CLIENT_CLI_OUTPUT_H_
#define FAIRLEAD_CLIENT_CLI_OUTPUT_H_

#include <absl/status/status.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/resources.h"

namespace fairlead::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitInternal = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInvalid = 3;
inline constexpr int kExitNotFound = 4;
inline constexpr int kExitConflict = 5;
inline constexpr int kExitDenied = 6;
inline constexpr int kExitUnavailable = 7;
inline constexpr int kExitUnproven = 8;
inline constexpr int kExitInterrupted = 130;
// The same for --help.
extern const char kExitCodesHelp[];

// An error in how the command was typed or configured.
absl::Status UsageError(const std::string& message);
int ExitCodeOf(const absl::Status& status);

// "fairlead: message", then field and reason, a line each where there are any.
void PrintError(const absl::Status& status, std::ostream& err);
// {"error": {"code", "message", "reason", "field"}}; absent ones are left out.
nlohmann::ordered_json ErrorJson(const absl::Status& status);

// Aligned columns. Columns are cut, the widest first and with an ellipsis, until a line fits in `width` characters (0: as wide as it is).
// Control characters are shown as spaces.
struct Table {
  std::vector<std::string> headers;
  std::vector<std::vector<std::string>> rows;
  void Print(std::ostream& out, int width) const;
};

// With spaces for control characters.
std::string Printable(std::string text);

// One field as a cell: enums short, references without their collection, lists with commas. Empty for what is unset.
std::string CellText(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field);
// Records as a table of the resource's columns.
Table RecordTable(const Resource& resource, const std::vector<const google::protobuf::Message*>& records);
// One record, a line for each field that is set.
void PrintRecord(const google::protobuf::Message& record, std::ostream& out);

nlohmann::ordered_json ToJson(const google::protobuf::Message& message);

std::string TimeText(const google::protobuf::Timestamp& time);         // "2026-05-01T12:00:00Z"
std::string DurationText(const google::protobuf::Duration& duration);  // "1.5s", "12m", "3h5m"
// What was last wrong with a link, after when that was: it stays listed when the link is well again. Empty when nothing was.
std::string LastErrorText(const std::string& error, const google::protobuf::Timestamp& time);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_OUTPUT_H_
