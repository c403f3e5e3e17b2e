// Logs as evidence: fetching checkpoints, logs, receipts and consistency proofs from a node, and verifying such files without one.
//
// Files are as api/evidence.h and api/log_file.h say. Verifying needs no configuration, no node and no network: the roster and the root's
// public key are all that is believed.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_EVIDENCE_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_EVIDENCE_COMMANDS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "api/roster.h"
#include "client/cli/commands.h"
#include "fairlead/v1/log_service.pb.h"

namespace fairlead::cli {

void AddLogCommands(Commands& commands);
void AddVerifyCommands(Commands& commands);

// Writes a receipt that was fetched, with its payload or without, as a file for `verify receipt`.
absl::Status SaveReceipt(Session& session, const fairlead::v1::Receipt& fetched, bool payload, const std::string& file);
// The checkpoint of a file, which may be a receipt: the log, `{site}/{epoch}/{stream}`, and its size.
struct OldCheckpoint {
  std::string log;
  uint64_t size = 0;
};
absl::StatusOr<OldCheckpoint> ReadOldCheckpoint(const std::string& file);
// Likewise a consistency proof, for `verify consistency`.
absl::Status SaveConsistency(Session& session, const fairlead::v1::ConsistencyProof& fetched, uint64_t old_size, const std::string& file);

struct VerifyArguments {
  std::string roster_file;
  std::string root_key_file;  // holds the vkey
  std::string file;
  std::string old_checkpoint;  // file
  std::string statement_file;  // of a report
};
// The roster, as the root signed it.
absl::StatusOr<Roster> OpenRoster(const VerifyArguments& arguments);
// What a caller reads when it names a file that does not verify.
absl::Status InFile(const std::string& file, const absl::Status& status);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_EVIDENCE_COMMANDS_H_
