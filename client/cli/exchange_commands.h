// Releases to partner nations, for officers; and the partner's door, for a partner's identity.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_EXCHANGE_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_EXCHANGE_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddReleaseCommands(Commands& commands);
void AddExchangeCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_EXCHANGE_COMMANDS_H_
