// The committer: takes the writes and the remote entries that wait, orders them, folds them and makes them durable as one batch.
//
// The sync in flight is the batching window: what arrives while one batch syncs is the next batch. Encoding and hashing are done before the
// queue, callbacks after it (RunCompletions), neither on the committing thread.
//
// Thread safety: any thread, but CommitOnce by one at a time. Ownership: borrows store, commit log, witness, licence
// and options.

#ifndef FAIRLEAD_SERVER_NODE_COMMITTER_H_
#define FAIRLEAD_SERVER_NODE_COMMITTER_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "api/merkle.h"
#include "server/node/authority.h"
#include "server/node/clock_watch.h"
#include "server/node/commit_log.h"
#include "server/node/lattice_hash.h"
#include "server/node/licence.h"
#include "server/node/node.h"
#include "server/node/witness.h"

namespace fairlead::node {

// The folded state of one audience class: its digest and how many records it has.
struct ClassState {
  LatticeHash hash;
  int64_t records = 0;
};

class Committer {
 public:
  // `licence` and `clock_watch` may be null: then nothing is missing and no clock is doubted. `contents` may be null where Purge is not
  // called.
  Committer(const NodeOptions* options, SiteId site, OwnLogs own_logs, storage::Store* store, CommitLog* commit_log, Witness* witness,
            const LicenceKeeper* licence, const ClockWatch* clock_watch = nullptr, Contents* contents = nullptr);
  // Reads what the store holds. DATA_LOSS when it is damaged.
  absl::Status Load();
  // Undoes, in one write, what is beyond the closings of the roster. REQUIRES: before all other work.
  absl::Status CloseLogs();
  // Judges what an older program folded without knowing its types, fields or states. REQUIRES: before all other work, and after derived
  // data is of this program.
  absl::Status JudgeAgain();
  // Signs this site's logs as far as they go, those that are not known to go further.
  absl::Status SignTail() const;

  void Write(WriteRequest request, WriteCallback done);
  void ApplyRemote(replication::RemoteBatch batch, std::function<void(replication::ApplyResult)> done);
  VersionVector Erasures() const;
  // Takes what was erased out of the store's files, once it is gone elsewhere. What cannot be is tried again by the next call. By one
  // thread; ends early once `cancelled`, which may be null, is true.
  void Purge(std::atomic<bool>* cancelled);
  uint64_t AddEraser(std::function<bool(Position end)> erased);
  void RemoveEraser(uint64_t id);
  // Entries [0, n) of the log have the payloads that are due here, if it is not the own log, and all that their erasures took is gone from
  // the store's files.
  Seq Durable(LogId log) const;
  std::vector<Dot> WantedPayloads(std::optional<Dot> after, size_t max) const;
  absl::Status TakePayload(Dot dot, std::string payload);
  absl::StatusOr<std::optional<Dot>> FindRequest(std::string_view actor, std::string_view request_id,
                                                 const std::array<uint8_t, 16>& digest) const;

  bool CommitOnce();
  bool WaitForWork();
  // Others may have appended to the commit log, or it has another term.
  void Wake();
  // Whether the store takes what is committed, and the commit log has all that this member lacks.
  bool CanLead() const;
  // The latest that any entry says that it is here.
  Hlc LastTime() const;
  // Until when it is known that the logs of this site had no entries but those held here; the past while this member does not lead.
  absl::Time LedUntil() const;
  bool RunCompletions();
  bool WaitForCompletions();
  // Refuses new work. What waits is still committed.
  void Stop();
  // Ends WaitForCompletions once none is left. Called when no more work can come.
  void StopCompletions();
  std::string UnwritableReason() const;

  uint64_t AddJournalListener(std::function<void(Position)> listener);
  void RemoveJournalListener(uint64_t id);

  Position JournalEnd() const;
  std::string JournalInstance() const { return journal_instance_; }
  VersionVector Applied() const;
  // All of one moment. `partly` names the figures of kPartlyFigure.
  struct ClassStates {
    VersionVector applied;
    std::map<std::string, ClassState> classes;
    std::vector<std::string> partly;
  };
  ClassStates Classes() const;
  int64_t Figure(std::string_view key) const;
  std::vector<std::pair<std::string, int64_t>> Figures(std::string_view prefix) const;
  int64_t OpaqueCount() const;
  int64_t UnauthorisedCount() const;
  bool Discarded(Dot dot) const;
  // Whether each of these entries, which are beyond the closings of their logs, may be written anew: STATE_FORBIDS when its own site had no
  // right to write it.
  std::vector<absl::Status> JudgeVoid(const std::vector<std::pair<Dot, const Payload*>>& entries) const;

 private:
  // An entry of a local write, encoded and hashed.
  struct LocalEntry {
    LogId log;
    Payload payload;
    std::string bytes;
    Digest digest{};
    std::vector<MutationId> mutation_ids;
  };
  struct LocalWrite {
    WriteRequest request;             // its mutations have moved to `entries`
    std::vector<LocalEntry> entries;  // that of the request, then its companions
    WriteCallback done;
  };
  // A remote entry's payload, decoded before the queue.
  struct DecodedPayload {
    absl::Status status;  // not OK: the entry will be opaque
    Payload payload;
    std::vector<MutationId> mutation_ids;
  };
  struct RemoteWork {
    replication::RemoteBatch batch;
    std::vector<std::optional<DecodedPayload>> payloads;  // nullopt: withheld
    std::function<void(replication::ApplyResult)> done;
  };
  // The payload of an entry that was applied without it, or could not be folded.
  struct LatePayload {
    Dot dot;
    Header header;
    std::string bytes;
    DecodedPayload decoded;
  };
  using Work = std::variant<LocalWrite, RemoteWork, LatePayload>;
  // What is committed, as readers see it. Changes all at once after each batch.
  struct Committed {
    VersionVector applied;
    Position journal_end;
    Hlc last_time;
    std::map<std::string, ClassState> classes;
    int64_t opaque = 0;  // of those that are due here
    int64_t wanted = 0;
    VersionVector erasures;  // sizes that cover them
    int64_t unauthorised = 0;
    std::set<Dot> discarded;
  };
  class Assembly;  // one batch in the making

  // STREAM_MISSING, MESSAGE_TOO_LARGE.
  absl::StatusOr<LocalEntry> Encode(const WriteRequest& request, const std::string& stream, const std::string& method,
                                    std::vector<Mutation> mutations, const std::array<uint8_t, 16>& digest) const;
  bool Own(LogId log) const;
  DecodedPayload Decode(std::string_view payload) const;
  // Enqueues again what an older program could not fold and this one can.
  absl::Status RetryUnknown();
  // Commits a change that no entry makes: it follows from the roster or the program.
  absl::Status CommitApart(const std::function<absl::Status(Assembly*)>& change);
  size_t CostOf(const Work& work) const;
  void Enqueue(Work work);
  void Complete(std::function<void()> completion);
  // All of them at once, so that those who run them are woken once.
  void Complete(std::vector<std::function<void()>> completions);
  // Whether what the erasures took is gone from all that erasers speak for.
  absl::StatusOr<bool> ErasedElsewhere(const std::set<Dot>& erasures);
  // Makes what `assembly` has written what readers see.
  void Publish(Assembly* assembly);
  // Likewise what later batches build on, and says so to the witness.
  void Advance(Assembly* assembly);
  void TellListeners(Position end);
  // Forgets request ids with the batch, when that is due; where to go on, for Pruned once the batch is written.
  absl::StatusOr<std::optional<std::string>> Prune(Assembly* assembly) const;
  void Pruned(std::optional<std::string> next);

  // --- Of a site of several machines (following.cc) ---
  // Whether this member appends to the commit log, having read all that was appended before.
  bool Leads();
  // Folds what others have appended.
  absl::Status Follow();
  // Asks for the positions in the journal that this member could not have while it did not lead.
  absl::Status TellUntold();

  const NodeOptions& options_;
  const SiteId site_;
  const OwnLogs own_logs_;
  const std::vector<LogId> main_logs_;  // of all sites: what entries of main logs follow
  storage::Store* const store_;
  CommitLog* const commit_log_;
  Witness* const witness_;
  const LicenceKeeper* const licence_;
  const ClockWatch* const clock_watch_;
  Contents* const contents_;
  const Authority authority_;
  const size_t header_bytes_max_;  // of an entry that is written here
  std::string journal_instance_;
  std::map<LogId, merkle::Frontier> frontiers_;   // used by the committing thread only
  absl::Time last_prune_ = absl::InfinitePast();  // likewise
  std::string prune_from_;                        // likewise; where the sweep goes on, empty between sweeps
  std::string failing_;                           // likewise; why the last batch was not written
  std::string behind_;                            // likewise; why the commit log is not read to its end
  std::set<Dot> untold_;  // likewise, and in the store; what changed here and not at other members, by this one's roster or program
  // The term of the commit log before which nothing is there that is not here.
  std::atomic<uint64_t> term_ = kUnread;
  static constexpr uint64_t kUnread = ~uint64_t{0};

  mutable absl::Mutex queue_mu_;
  std::deque<Work> queue_ ABSL_GUARDED_BY(queue_mu_);
  size_t queued_entries_ ABSL_GUARDED_BY(queue_mu_) = 0;
  std::set<Dot> late_ ABSL_GUARDED_BY(queue_mu_);  // of the LatePayloads in the queue
  bool stopped_ ABSL_GUARDED_BY(queue_mu_) = false;
  bool woken_ ABSL_GUARDED_BY(queue_mu_) = false;

  mutable absl::Mutex committed_mu_;
  Committed committed_ ABSL_GUARDED_BY(committed_mu_);
  std::map<std::string, int64_t, std::less<>> figures_ ABSL_GUARDED_BY(committed_mu_);
  std::set<std::string> purges_ ABSL_GUARDED_BY(committed_mu_);  // keys under kMetaPurgePrefix
  std::string failure_ ABSL_GUARDED_BY(committed_mu_);           // why the store takes no more writes
  std::string unfolded_ ABSL_GUARDED_BY(committed_mu_);          // why what the commit log has cannot be folded here, for now

  // Who made records in what is void of closed logs, as far as it has been read: what is judged of it may hang on them.
  struct VoidMakers {
    std::map<std::string, std::vector<std::pair<Dot, Maker>>> of;  // by record
    std::map<LogId, Seq> end;                                      // how far each log is noted
  };
  mutable absl::Mutex void_makers_mu_;
  mutable VoidMakers void_makers_ ABSL_GUARDED_BY(void_makers_mu_);

  absl::Mutex completions_mu_;
  std::deque<std::function<void()>> completions_ ABSL_GUARDED_BY(completions_mu_);
  bool completions_stopped_ ABSL_GUARDED_BY(completions_mu_) = false;

  absl::Mutex listeners_mu_;
  std::map<uint64_t, std::function<void(Position)>> listeners_ ABSL_GUARDED_BY(listeners_mu_);
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;

  absl::Mutex erasers_mu_;
  std::map<uint64_t, std::function<bool(Position)>> erasers_ ABSL_GUARDED_BY(erasers_mu_);
  uint64_t next_eraser_ ABSL_GUARDED_BY(erasers_mu_) = 1;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_COMMITTER_H_
