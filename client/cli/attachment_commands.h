// Attachments: adding a file to a record, and getting one, each of which goes on where it was cut; for officers and for partners' systems.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_ATTACHMENT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_ATTACHMENT_COMMANDS_H_

#include "client/cli/commands.h"

namespace fairlead::cli {

void AddAttachmentCommands(Commands& commands);
// The partner's, beneath `exchange`: of a released record.
void AddReleasedAttachmentCommands(Commands& commands, CLI::App* exchange);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_ATTACHMENT_COMMANDS_H_
