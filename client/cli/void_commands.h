// What counts for nothing: entries that are void, changes that their site had no right to make, and what an operator does about them.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_VOID_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_VOID_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddVoidCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_VOID_COMMANDS_H_
