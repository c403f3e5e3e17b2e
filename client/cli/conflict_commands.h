// conflicts: list, show and resolve fields that hold more than one value, and amendments that a lock has kept out.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_CONFLICT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_CONFLICT_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddConflictCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_CONFLICT_COMMANDS_H_
