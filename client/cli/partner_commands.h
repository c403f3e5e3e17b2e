// What a partner's identity asks for, contributes and states at its door, and the watch of what is released to it.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_PARTNER_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_PARTNER_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

// Beneath `exchange`.
void AddPartnerCommands(Commands& commands, CLI::App* exchange);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_PARTNER_COMMANDS_H_
