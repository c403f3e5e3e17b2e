// Work without a node: verbs of records under --offline, and outbox: what waits, and sending it.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_OUTBOX_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_OUTBOX_COMMANDS_H_

#include <string>

#include "client/cli/commands.h"
#include "client/cli/record_commands.h"
#include "fairlead/v1/attachment.pb.h"

namespace fairlead::cli {

void AddOutboxCommands(Commands& commands);

// Get and list from what is kept, with what waits; the others record a change.
absl::Status RunVerbOffline(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments);
// Records the upload of a file.
absl::Status RunUploadOffline(Session& session, const std::string& path, fairlead::v1::Attachment attachment);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_OUTBOX_COMMANDS_H_
