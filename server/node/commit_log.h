// The commit point of a site: where a batch of entries becomes durable, at one position and in one order.
//
// The node folds a batch and hands it over; it counts as committed when Append returns OK. Embedded (here): the site is one machine and its
// store is the commit point, so entries and fold go in one synced write. A site of several machines has a log that they share
// (server/etcd/commit_log.h): what one appends the others read, and fold for themselves. The rest of the node does not know which.
// Both pass one conformance suite (tests/etcd/commit_log_test.cc).
// Thread safety: Append and Read by one thread at a time. Ownership: borrows the store.

#ifndef FAIRLEAD_SERVER_NODE_COMMIT_LOG_H_
#define FAIRLEAD_SERVER_NODE_COMMIT_LOG_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "api/ids.h"
#include "storage/store.h"

namespace fairlead::node {

// What belongs to a batch beside its entries: the way they were proven, how far a peer's journal has been read.
struct KeptRow {
  storage::Cf cf = storage::Cf::kMeta;
  std::string key;
  std::string value;
  friend bool operator==(const KeptRow&, const KeptRow&) = default;
};

// One item of the journal, with what a member of the site needs to fold it.
struct JournalItem {
  Dot dot;
  std::string header;                  // canonical bytes; may be empty where the journal had the entry before
  std::optional<std::string> payload;  // what is new of it: nullopt when it is withheld or erased, or was there before
  std::vector<KeptRow> kept = {};      // of the batch that ends with this item
  friend bool operator==(const JournalItem&, const JournalItem&) = default;
};

// At most, of an item beside its header and payload.
inline constexpr size_t kItemOverheadBytes = 32;

// What was read of a log.
struct JournalPart {
  std::vector<JournalItem> items;
  bool last = false;  // the log ended behind them when it was asked
};

class CommitLog {
 public:
  virtual ~CommitLog() = default;
  // Whether Append asks for the items beside what was folded from them: others read them.
  virtual bool needs_items() const = 0;
  // How many bytes one Append takes: those of headers and payloads, and kItemOverheadBytes for each item.
  virtual size_t append_bytes_max() const { return std::numeric_limits<size_t>::max(); }
  // Another one whenever this member came to be the one that appends; 0 while it is not. Whoever has a new term reads the log to its end
  // before it appends. Any thread.
  virtual uint64_t Term() const { return 1; }
  // Until when, at least, the log had nothing from `held` on, and nobody else has appended in that term. Any thread.
  virtual absl::Time LedUntil(uint64_t /*term*/, Position /*held*/) const { return absl::InfiniteFuture(); }
  // Where the log was last seen to end, other than by reading it: also beyond what the one that appends has, since an append of which it
  // was not known whether it was done may be done later. Any thread.
  virtual Position SeenEnd() const { return Position(0); }
  // Makes the journal items [expected, end), which `folded` holds with all that follows from them, durable, and writes `folded` to the
  // store. `items` are those items, or none where they are not needed.
  //   FAILED_PRECONDITION  the log does not end at `expected`: nothing was written; what others appended is to be read
  //   DATA_LOSS            the log has other items before `expected` than the store: nothing was written
  //   ABORTED              another member writes now: nothing was written, nor will be
  //   UNAVAILABLE          it is not known whether it was appended, or it was and the store did not take it: reading from `expected` tells,
  //                        now or later
  // Other errors say that nothing was appended; those of the store (STORAGE_FULL, STORAGE_FAILED) are told only where nobody else has it.
  virtual absl::Status Append(Position expected, Position end, const std::vector<JournalItem>& items, storage::Batch* folded) = 0;
  // Items from `from` on: about `bytes_max` of them, at least one unless the log ends there. OUT_OF_RANGE when they were trimmed; DATA_LOSS
  // when the log ends before `from`, has a gap or is damaged, or has other items before `from`, where the store ends, than the store.
  virtual absl::StatusOr<JournalPart> Read(Position from, size_t bytes_max) = 0;
  virtual absl::StatusOr<Position> End() = 0;
  // Adds to `folded`, which holds the items read at [from, from + items.size()), what the log keeps in the store of how far it was
  // followed.
  virtual absl::Status NoteFollowed(Position, const std::vector<JournalItem>&, storage::Batch*) { return absl::OkStatus(); }
};

// The store as commit point of a site of one machine.
class EmbeddedCommitLog : public CommitLog {
 public:
  EmbeddedCommitLog(storage::Store* store, Position end) : store_(store), end_(end) {}

  bool needs_items() const override { return false; }
  absl::Status Append(Position expected, Position end, const std::vector<JournalItem>& items, storage::Batch* folded) override;
  // As the store has them now: with what came late, without what was erased.
  absl::StatusOr<JournalPart> Read(Position from, size_t bytes_max) override;
  absl::StatusOr<Position> End() override { return end_; }

 private:
  storage::Store* const store_;
  Position end_;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_COMMIT_LOG_H_
