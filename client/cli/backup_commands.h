// Backups of a node's store, made and kept at the node.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_BACKUP_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_BACKUP_COMMANDS_H_

#include <absl/status/status.h>

#include <string>

#include "client/cli/session.h"

namespace fairlead::cli {

absl::Status RunBackupCreate(Session& session, const std::string& request_id);
absl::Status RunBackupList(Session& session);
// `name` with or without its collection.
absl::Status RunBackupVerify(Session& session, const std::string& name);
absl::Status RunBackupDelete(Session& session, const std::string& name);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_BACKUP_COMMANDS_H_
