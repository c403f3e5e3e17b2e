// The commit point of a site: where a batch of entries becomes durable, at one position and in one order.
//
// The node folds a batch and hands it over; it counts as committed when Append returns OK. Embedded (here): the site is one machine and its
// store is the commit point, so entries and fold go in one synced write. The rest of the node does not know which implementation it has.
// Thread safety: one thread at a time. Ownership: borrows the store.

#ifndef FAIRLEAD_SERVER_NODE_COMMIT_LOG_H_
#define FAIRLEAD_SERVER_NODE_COMMIT_LOG_H_

#include <absl/status/status.h>

#include "api/ids.h"
#include "storage/store.h"

namespace fairlead::node {

class CommitLog {
 public:
  virtual ~CommitLog() = default;
  // Makes the journal items [expected, end), which `folded` holds with all that follows from them, durable. FAILED_PRECONDITION when the
  // log does not end at `expected`: nothing was written. Errors of the store pass through.
  virtual absl::Status Append(Position expected, Position end, storage::Batch* folded) = 0;
};

// The store as commit point of a site of one machine.
class EmbeddedCommitLog : public CommitLog {
 public:
  EmbeddedCommitLog(storage::Store* store, Position end) : store_(store), end_(end) {}

  absl::Status Append(Position expected, Position end, storage::Batch* folded) override {
    if (expected != end_) return absl::FailedPreconditionError("the journal has moved on");
    absl::Status status = store_->Write(folded, storage::Sync::kYes);
    if (status.ok()) end_ = end;
    return status;
  }

 private:
  storage::Store* const store_;
  Position end_;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_COMMIT_LOG_H_
