// Work without a node: verbs of records under --offline, and outbox: what waits, and sending it.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_OUTBOX_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_OUTBOX_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/record_commands.h"
#include "client/cli/session.h"
#include "fairlead/v1/attachment.pb.h"

namespace fairlead::cli {

// Get and list from what is kept, with what waits; the others record a change.
absl::Status RunVerbOffline(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments);
// Records the upload of a file.
absl::Status RunUploadOffline(Session& session, const std::string& path, fairlead::v1::Attachment attachment);

struct OutboxArguments {
  int64_t change = 0;
  std::vector<std::string> names;  // keep: records or collections; none: all that is kept. unkeep: records
  bool beneath = false;            // keep: what lies under them too
  bool all = false;                // list: also what is done
  bool rebase = false;             // retry: upon what is kept now
  bool even_if_sent = false;       // drop, renew
  std::vector<std::string> set;    // edit: FIELD=VALUE
  std::vector<std::string> clear;  // edit: fields
};

absl::Status RunOutboxList(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxShow(Session& session, const OutboxArguments& arguments);
// ABORTED (exit code 5) when a person has to decide something; the error that ended it early.
absl::Status RunOutboxSync(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxRetry(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxEdit(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxRenew(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxDrop(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxKeep(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxKept(Session& session, const OutboxArguments& arguments);
absl::Status RunOutboxUnkeep(Session& session, const OutboxArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_OUTBOX_COMMANDS_H_
