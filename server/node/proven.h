// How the entries of a log were proven when they came, as the store keeps it: so that this node can prove them to others, whether or not
// the rest of their checkpoint ever comes, and after any crash.
//
//   proven = size:u64 note:bytes digest*      one digest for each subtree of the rest (api/merkle.h, prefixes), at the key proven/ log:u32
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_PROVEN_H_
#define FAIRLEAD_SERVER_NODE_PROVEN_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>

#include "api/roster.h"
#include "server/replication/log_io.h"
#include "storage/store.h"

namespace fairlead::node {

// The key in Cf::kMeta.
std::string ProvenKey(LogId log);
std::string EncodeProven(const replication::ProvenPrefix& proven);
// nullopt when there is none. DATA_LOSS (STORE_DAMAGED) when it is malformed.
absl::StatusOr<std::optional<replication::ProvenPrefix>> ReadProven(const storage::View& view, LogId log);
// That the log's key has signed the checkpoint and the entries held are its first. DATA_LOSS (STORE_DAMAGED) says what is wrong.
absl::Status CheckProven(const storage::View& view, const RosterLog& log, const replication::ProvenPrefix& proven);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_PROVEN_H_
