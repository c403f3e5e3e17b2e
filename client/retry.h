// When a failed call may be made again, and where.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_CLIENT_RETRY_H_
#define FAIRLEAD_CLIENT_RETRY_H_

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <google/protobuf/descriptor.h>

namespace fairlead::client {

struct RetryOptions {
  absl::Duration backoff_initial = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(3);
};

enum class NextStep {
  kStop,
  kSameNode,
  kOtherNode,
};

// Whether making the call twice has the effect of making it once: reads, writes that carry a request id, and imports (which write
// nothing for a record that equals what is stored).
bool IsIdempotent(const google::protobuf::MethodDescriptor& method);

// Whether the call is about what one node keeps for itself, the backups of NodeService. It stays with the node that it is sent to, with its
// whole deadline: another node would begin a backup of its own, or speak of other backups.
bool StaysAtItsNode(const google::protobuf::MethodDescriptor& method);

// What follows an attempt that ended in `status`. `has_other_node`: the caller allowed failover and there is another node.
// An ETAG_MISMATCH (ABORTED) is never retried: someone else wrote, and only the caller can tell what that means.
NextStep StepAfter(const absl::Status& status, bool idempotent, bool has_other_node);

// How long to wait before attempt `attempt` (1 is the first retry): half of an exponentially growing bound, and `jitter` times the other
// half. REQUIRES: 0 <= jitter < 1.
absl::Duration Backoff(const RetryOptions& options, int attempt, double jitter);

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_RETRY_H_
