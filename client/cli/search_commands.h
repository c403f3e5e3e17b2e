// search: records by their words.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_SEARCH_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_SEARCH_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddSearchCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_SEARCH_COMMANDS_H_
