// Reports for a named audience: making, showing and delivering them, and verifying their files without a node.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_REPORT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_REPORT_COMMANDS_H_

#include "client/cli/commands.h"
#include "client/cli/evidence_commands.h"

namespace fairlead::cli {

void AddReportCommands(Commands& commands);

// DATA_LOSS when no site of the network has made the file as it is.
absl::Status RunVerifyReport(Session& session, const VerifyArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_REPORT_COMMANDS_H_
