// The overview of the whole network, and its countries.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_OVERVIEW_COMMAND_H_
#define FAIRLEAD_CLIENT_CLI_OVERVIEW_COMMAND_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddOverviewCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_OVERVIEW_COMMAND_H_
