// etcd as the commit point of a site of several machines: its Raft decides what is the next batch.
//
// A batch is appended by one transaction that compares the position at which the log ends and the fence of the leader (leadership.h), so
// that a deposed writer never appends, however late its request arrives. The position is that of the journal, which every member has alike:
// the journal in a member's store tells how far it has folded, in the same write as what it folded. The chain (packing.h) is written with
// it, and compared with the log's: a store whose journal went on in a log that was lost since follows no other. etcd holds the tail of the
// journal only: what every member has durably is trimmed, and compacted.
//
// Thread safety: any thread, but Append and Read by one at a time. Ownership: borrows etcd and the store.

#ifndef FAIRLEAD_SERVER_ETCD_COMMIT_LOG_H_
#define FAIRLEAD_SERVER_ETCD_COMMIT_LOG_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/crypto.h"
#include "server/etcd/etcd.h"
#include "server/etcd/leadership.h"
#include "server/etcd/txn.h"
#include "server/node/commit_log.h"

namespace fairlead::etcd {

struct EtcdLogOptions {
  std::string prefix;  // see Keys
  std::string member;
  int attempts_max = 10;  // of one append, when etcd's answer does not come
  // Ids of appends. Only a simulator, whose runs must repeat, gives another.
  std::function<std::string(size_t)> random_bytes = RandomBytes;
};

class EtcdCommitLog : public node::CommitLog {
 public:
  // Makes the log of a journal of this instance, which begins at `first`: what comes before is in the members' stores. OK when this
  // journal's was made before; ALREADY_EXISTS when it is another's.
  static absl::Status Create(Etcd* etcd, const EtcdLogOptions& options, const std::string& journal_instance, Position first);
  // Which journal's log there is, and where it begins now. NOT_FOUND when there is none.
  struct Beginning {
    std::string journal_instance;
    Position first;
  };
  static absl::StatusOr<Beginning> Find(Etcd* etcd, const EtcdLogOptions& options);
  // Keeps, from now on, all that is there now for a member until it reports: it can begin with a copy of another's store that is made after
  // this. What a known one has said counts no more: its store may be another.
  static absl::Status Admit(Etcd* etcd, const EtcdLogOptions& options);
  // Who ended the log for good, and where; nullopt when there is a log, or there never was one.
  struct Ending {
    std::string member;
    Tail tail;
  };
  static absl::StatusOr<std::optional<Ending>> FindEnding(Etcd* etcd, const EtcdLogOptions& options);
  // NOT_FOUND when there is no log; FAILED_PRECONDITION when it is another journal's than the store's.
  static absl::StatusOr<std::unique_ptr<EtcdCommitLog>> Open(Etcd* etcd, EtcdLogOptions options, storage::Store* store);

  // With a fence this member may append, until another is elected. nullopt: it may not.
  void SetFence(std::optional<Fence> fence);
  // Asks whether nobody else has been elected, and where the log ends, at a moment that is not before `now`. ABORTED when somebody has:
  // then this member has no fence any more.
  absl::Status Confirm(absl::Time now);

  bool needs_items() const override { return true; }
  size_t append_bytes_max() const override;
  // Of the fence.
  uint64_t Term() const override;
  // When it was last confirmed, of the times when the log ended no later than `held`: an append may be done and not be known here.
  absl::Time LedUntil(uint64_t term, Position held) const override;
  // Also MESSAGE_TOO_LARGE, when the items are more than kAppendBytesMax (packing.h); STORAGE_FULL, when etcd's quota is used up.
  // As Confirm saw it last.
  Position SeenEnd() const override;
  absl::Status Append(Position expected, Position end, const std::vector<node::JournalItem>& items, storage::Batch* folded) override;
  // `from` is best where a batch begins, as it is after each that was read or appended.
  absl::StatusOr<node::JournalPart> Read(Position from, size_t bytes_max) override;
  absl::StatusOr<Position> End() override;
  absl::Status NoteFollowed(Position from, const std::vector<node::JournalItem>& items, storage::Batch* folded) override;

  // Says that this member has everything before `position` durably. From its first report on, nothing is trimmed that it lacks. A report
  // that comes late changes nothing that was said after it, nor what an Admit has said. Asks once, as Trim does: both are done again in
  // time. By one thread.
  absl::Status ReportDurable(Position position);
  // A member that is no more: nothing is kept for it.
  static absl::Status Forget(Etcd* etcd, const EtcdLogOptions& options);
  // Before which each member that has reported, or was admitted, has all durably.
  absl::StatusOr<std::map<std::string, Position>> Members();
  // Takes out of etcd what every member has durably, but for the batch that the slowest is in. Where the log begins now. REQUIRES: the
  // fence; ABORTED when another leads, UNAVAILABLE when a member lacks by now what was to go. It can be done while etcd's quota is used up,
  // unlike all else that changes.
  absl::StatusOr<Position> Trim();

  // Ends the log for good, where this member's store ends: the site goes on in that store alone. Nobody finds a log in etcd afterwards,
  // until Create makes another; only who ended it. REQUIRES: the fence; ABORTED when another leads. FAILED_PRECONDITION when the store does
  // not end where the log does.
  absl::Status Finish();
  // Whether the log was ended by this member, with this store.
  static absl::StatusOr<bool> FinishedWith(Etcd* etcd, const EtcdLogOptions& options, storage::Store* store);

  const Keys& keys() const { return keys_; }

 private:
  EtcdCommitLog(Etcd* etcd, EtcdLogOptions options, storage::Store* store);

  // Asks until there is an answer. A refusal is one. REQUIRES: asking twice does no more than asking once.
  absl::StatusOr<pb::TxnResponse> Ask(const pb::TxnRequest& txn) { return Ask(txn, options_.attempts_max); }
  absl::StatusOr<pb::TxnResponse> Ask(const pb::TxnRequest& txn, int attempts);
  // The chain at the position as the store has it; nullopt when the store does not end there.
  absl::StatusOr<std::optional<Digest>> ChainAt(Position position) const;
  // Forgets the chain of the log in which the journal went on before this one was made.
  absl::Status BeginChain(const Tail& tail) const;
  // Where the log begins now.
  absl::StatusOr<Position> Begins();
  // Where the log begins, when the index-th operation looked for the first batch.
  absl::StatusOr<Position> BeginningIn(const pb::TxnResponse& response, int index, Position tail) const;
  // Where the batch begins that holds the item at `position`. REQUIRES: first <= position, and position is before the end.
  absl::StatusOr<Position> FloorOf(Position position, int attempts);
  std::optional<Fence> fence() const;
  // Gives up the fence, unless there is another by now.
  absl::Status Deposed(const Fence& fence);

  Etcd* const etcd_;
  const EtcdLogOptions options_;
  const Keys keys_;
  storage::Store* const store_;
  mutable absl::Mutex mu_;
  std::optional<Fence> fence_ ABSL_GUARDED_BY(mu_);
  std::optional<int64_t> reported_;  // the revision of this member's last report; 0: there is none. nullopt: not known
  std::deque<std::pair<absl::Time, Position>> confirmed_ ABSL_GUARDED_BY(mu_);  // the last times, and where the log ended
};

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_COMMIT_LOG_H_
