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
#include "client/cli/session.h"
#include "fairlead/v1/log_service.pb.h"

namespace fairlead::cli {

struct LogArguments {
  std::string subject;         // a log; for a receipt an entry or a record
  std::string old_checkpoint;  // file
  std::string file;            // written whole or not at all; empty: standard output (a checkpoint only)
  bool payload = false;        // of a receipt
};
absl::Status RunLogCheckpoint(Session& session, const LogArguments& arguments);
absl::Status RunLogExport(Session& session, const LogArguments& arguments);
absl::Status RunLogReceipt(Session& session, const LogArguments& arguments);
absl::Status RunLogConsistency(Session& session, const LogArguments& arguments);

// Writes a receipt that was fetched, with its payload or without, as a file for RunVerifyReceipt.
absl::Status SaveReceipt(Session& session, const fairlead::v1::Receipt& fetched, bool payload, const std::string& file);
// The checkpoint of a file, which may be a receipt: the log, `{site}/{epoch}/{stream}`, and its size.
struct OldCheckpoint {
  std::string log;
  uint64_t size = 0;
};
absl::StatusOr<OldCheckpoint> ReadOldCheckpoint(const std::string& file);
// Likewise a consistency proof, for RunVerifyConsistency.
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
// DATA_LOSS when the evidence does not hold.
absl::Status RunVerifyCheckpoint(Session& session, const VerifyArguments& arguments);
absl::Status RunVerifyLog(Session& session, const VerifyArguments& arguments);
absl::Status RunVerifyReceipt(Session& session, const VerifyArguments& arguments);
absl::Status RunVerifyConsistency(Session& session, const VerifyArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_EVIDENCE_COMMANDS_H_
