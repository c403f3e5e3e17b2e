// The importers as commands: files in, progress on stderr, a report at the end.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_IMPORT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_IMPORT_COMMANDS_H_

#include "client/cli/commands.h"
#include "client/cli/resources.h"

namespace fairlead::cli {

void AddImportCommands(Commands& commands);
// The verb of a noun whose records are imported from a file of their own.
void AddRecordImport(Commands& commands, CLI::App* noun, const Resource& resource, const Verb& verb);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_IMPORT_COMMANDS_H_
