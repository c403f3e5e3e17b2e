// Checkpoints as they come from peers.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_REPLICATION_CHECKPOINT_H_
#define FAIRLEAD_SERVER_REPLICATION_CHECKPOINT_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "api/errors.h"
#include "api/roster.h"
#include "server/replication/log_io.h"

namespace fairlead::replication {

// Verifies a checkpoint note under the log's key and origin line, and leaves out what else was put on it. SIGNATURE_INVALID names the log
// and what is wrong.
absl::StatusOr<VerifiedCheckpoint> OpenCheckpoint(const RosterLog& log, const std::string& note);

// The size and root of a checkpoint that this node itself holds, whose signature was verified when it was taken.
absl::StatusOr<VerifiedCheckpoint> ReadCheckpoint(LogId log, const std::string& note);

// An error about one log, with its origin line in message and metadata.
absl::Status LogError(Reason reason, const RosterLog& log, const std::string& what);

// "entry 7 of log net/site/1/main"
std::string EntryOf(const RosterLog& log, uint64_t seq);

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_CHECKPOINT_H_
