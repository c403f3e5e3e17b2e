// erase, erasures: take what a revision said from every site, and see who has done so.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_ERASURE_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_ERASURE_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddErasureCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_ERASURE_COMMANDS_H_
