// Checks a whole store against itself: every byte that follows from other bytes is computed again and compared.
//
//   headers, payloads   each header is canonical and its own, each payload has its header's digest, or is listed as withheld or erased,
//                       and is not there then
//   tree                every node is the hash of what is below it
//   checkpoints, cosignatures   each verifies, and its root is that of the entries held
//   proofs              each leads from the entries held to its checkpoint
//   journal             positions without gaps, each log in order, each entry after those it follows
//   records, revisions, derived, indexes, aggregates, requests, opaque, state digests   byte for byte what a fold of all entries in
//                       journal order gives, by the node's own committer on a scratch store
//
// The fold is left out when headers, payloads or journal are damaged: it would name every record that hangs on them.
// A difference in derived, indexes or aggregates alone may also mean that another version of the program derived them.
//
// Thread safety: one thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_NODE_FSCK_H_
#define FAIRLEAD_SERVER_NODE_FSCK_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>

#include "api/roster.h"
#include "server/records/record_type.h"
#include "storage/store.h"

namespace fairlead::node {

// One damage.
struct Finding {
  storage::Cf family = storage::Cf::kMeta;
  std::string key;   // as a person reads it
  std::string rule;  // what does not hold
};
// "headers apac/1/17: ..."
std::string ToString(const Finding& finding);

struct FsckOptions {
  const Roster* roster = nullptr;
  const records::Registry* registry = nullptr;
  absl::Time now;  // request ids older than the horizon may have been forgotten
  absl::Duration request_horizon = absl::Hours(24 * 30);
  std::function<void(const Finding&)> on_finding;
};

struct FsckReport {
  uint64_t entries = 0;
  uint64_t withheld = 0;
  uint64_t erased = 0;
  uint64_t records = 0;
  uint64_t findings = 0;
  bool folded = false;  // whether the fold was compared
};

// `scratch` is an empty store, which gets about the size of `store`. FAILED_PRECONDITION when `store` is of another network or of no site
// of the roster; errors of `scratch`. What cannot be read of `store` is a finding.
absl::StatusOr<FsckReport> Fsck(const storage::View& store, storage::Store* scratch, const FsckOptions& options);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_FSCK_H_
