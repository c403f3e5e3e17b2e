// conflicts: list, show and resolve fields that hold more than one value, and amendments that a lock has kept out.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_CONFLICT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_CONFLICT_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace fairlead::cli {

struct ConflictListArguments {
  std::string record;      // only its own; empty: all
  std::string collection;  // likewise
  std::string written_at;  // a site that wrote one of the values; empty: any
  bool show_withdrawn = false;
  int64_t limit = 0;  // at most so many; 0: all
  std::string page_token;
};

struct ConflictArguments {
  std::string name;  // "countries/JP/conflicts/display_name"
  // How it is settled; exactly one of these.
  std::vector<std::string> keep;    // ids, or their beginnings
  bool keep_shown = false;          // what the record shows; amendments are dropped
  bool accept = false;              // every amendment
  std::vector<std::string> values;  // a new value, typed as for update
  bool clear = false;               // no value
  std::string etag;                 // empty: read first
  std::string request_id;           // empty: a new one
};

absl::Status RunConflictList(Session& session, const ConflictListArguments& arguments);
absl::Status RunConflictShow(Session& session, const ConflictArguments& arguments);
absl::Status RunConflictResolve(Session& session, const ConflictArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_CONFLICT_COMMANDS_H_
