// Backups of a node's store, made and kept at the node.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_BACKUP_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_BACKUP_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddBackupCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_BACKUP_COMMANDS_H_
