// erase, erasures: take what a revision said from every site, and see who has done so.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_ERASURE_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_ERASURE_COMMANDS_H_

#include <absl/status/status.h>

#include <string>

#include "client/cli/session.h"

namespace fairlead::cli {

struct EraseArguments {
  std::string record;  // "engagements/e"
  std::string entry;   // "apac/1/17"
  std::string reason;
  std::string authority;
  bool confirmed = false;  // else nothing is erased, and what would be is shown
  std::string request_id;  // empty: a new one
};

absl::Status RunErase(Session& session, const EraseArguments& arguments);
absl::Status RunErasureList(Session& session);
absl::Status RunErasureShow(Session& session, const std::string& entry);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_ERASURE_COMMANDS_H_
