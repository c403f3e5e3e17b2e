// The importers as commands: files in, progress on stderr, a report at the end.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_IMPORT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_IMPORT_COMMANDS_H_

#include <absl/status/status.h>

#include <string>

#include "client/cli/resources.h"
#include "client/cli/session.h"

namespace fairlead::cli {

enum class ImportKind {
  kIsoCodes,
  kUnlocode,
  kWorldPortIndex,
  kSeaPorts,
  kEngagements,
  kEntrances,
  kNotices,
  kScheduleK,
  kEiaPetroleum,
  kConditions,
  kRecords,  // JSON lines of one resource type, to the chosen node
};

struct ImportArguments {
  ImportKind kind = ImportKind::kRecords;
  const Resource* resource = nullptr;  // for kRecords
  std::string file;
  std::string regions_file;  // empty: the configuration's, else what the network holds
  std::string refused_file;  // where to write every refusal, one JSON object a line
  int year = 0;              // of kEntrances
  bool progress = false;     // though stderr is no terminal
};

// The report goes to stdout. INVALID_ARGUMENT when rows were refused, UNAVAILABLE and the like when a call failed as a whole, CANCELLED
// when stopped; the report is printed in every case.
absl::Status RunImport(Session& session, const ImportArguments& arguments);

extern const char kIsoCodesFile[];

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_IMPORT_COMMANDS_H_
