// The audit of the sites, for headquarters' staff.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_AUDIT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_AUDIT_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddAuditCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_AUDIT_COMMANDS_H_
