// What counts for nothing: entries that are void, changes that their site had no right to make, and what an operator does about them.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_VOID_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_VOID_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace fairlead::cli {

struct VoidArguments {
  int64_t limit = 0;  // 0: all
  std::vector<std::string> entries;
  std::string reason;
  std::string request_id;
};
absl::Status RunUnauthorised(Session& session, const VoidArguments& arguments);
absl::Status RunVoidList(Session& session, const VoidArguments& arguments);
absl::Status RunVoidReissue(Session& session, const VoidArguments& arguments);
// Discards the one entry.
absl::Status RunOpaqueVoid(Session& session, const VoidArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_VOID_COMMANDS_H_
