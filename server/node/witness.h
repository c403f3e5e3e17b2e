// What is signed about the logs held here: checkpoints, cosignatures, what they say about other sites, and contradictions among them.
//
// A checkpoint is kept as complete once its entries are applied here. A cosignature says that a site holds a log durably up to a
// checkpoint; the origin's own also says until when its log was no longer (as-of). A signed statement that contradicts what is held
// quarantines its log.
//
// Thread safety: any thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_NODE_WITNESS_H_
#define FAIRLEAD_SERVER_NODE_WITNESS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/crypto.h"
#include "api/note.h"
#include "api/roster.h"
#include "server/node/clock.h"
#include "server/replication/log_io.h"
#include "storage/store.h"

namespace fairlead::node {

// How much more rarely a log of another stream than main is cosigned while it does not grow: nobody's figures are as of it, and there are
// many: each site's note on each of them goes over each link.
inline constexpr int kQuietStreams = 3600;

class Witness {
 public:
  struct Options {
    const Roster* roster = nullptr;
    SiteId site;
    std::map<LogId, const SigningKey*> own_logs;  // this site's current logs, with their keys
    const SigningKey* mirror_key = nullptr;
    const Clock* clock = nullptr;
    absl::Duration cosign_interval;
    absl::Duration heartbeat_interval;               // of main logs; of the others, kQuietStreams times as long
    absl::Duration future_bound = absl::Seconds(5);  // a cosignature of a later time by this much is not counted
    // Entries [0, n) of the log have all of what this site's cosignature says is durable here, and nothing of what it says is gone. Null:
    // all that are applied.
    std::function<Seq(LogId)> durable;
    // Until when this node speaks for its site: what is said is as of then at the latest. Null: now.
    std::function<absl::Time()> speaks_until;
  };
  struct LogView {
    std::string checkpoint_note;
    Seq known_size;
    std::map<SiteId, std::pair<Seq, absl::Time>> cosignatures;
    std::string quarantine;
    std::vector<std::string> fork_notes;
    absl::Duration oldest_unapplied_age;
    std::optional<absl::Time> as_of;
  };
  // The root this node holds at a size it has applied.
  using RootFn = std::function<absl::StatusOr<Digest>(LogId, Seq)>;

  Witness(Options options, storage::Store* store, RootFn root);
  // Reads what was kept, and checks the complete checkpoints against the trees. DATA_LOSS naming the log that does not match.
  absl::Status Load(const VersionVector& applied);

  // Until this is called nothing is said in this site's own name about its own logs: SignOwn does nothing, CosignDue leaves them out.
  void AllowOwn();
  // Signs one of this site's own logs. REQUIRES: `root` was read back from the committed position `size`.
  void SignOwn(LogId log, Seq size, const Digest& root);
  // A checkpoint that verified, whose entries may come later.
  void Offer(const replication::VerifiedCheckpoint& checkpoint);
  // Sizes > `after` of offered checkpoints of a log that wait for entries.
  std::set<uint64_t> WaitingSizes(LogId log, Seq after) const;
  // The log has grown to `size` here; `roots` has the root at each waiting size it passed.
  void Advanced(LogId log, Seq size, const std::map<uint64_t, Digest>& roots);

  std::optional<std::string> CheckpointNote(LogId log) const;
  // The longest verified checkpoint whose entries are not all here; nullopt when there is none.
  std::optional<std::string> AwaitedNote(LogId log) const;
  absl::Status TakeCosignature(LogId log, const std::string& note);
  std::vector<replication::HeldCosignature> CosignaturesAfter(uint64_t version) const;
  std::vector<replication::HeldCosignature> CosignaturesOf(LogId log) const;
  bool CosignatureStands(const replication::HeldCosignature& held) const;
  // Cosigns the complete checkpoints that are due, keeps that with one synced write, and only then gives it out. The logs of which
  // something new is there to send. One thread at a time.
  std::vector<LogId> CosignDue();
  // The size each site has cosigned last.
  std::map<SiteId, Seq> Cosigned(LogId log) const;
  // `checkpoint_note`, which the log has signed, contradicts the entries held here.
  void Quarantine(LogId log, const std::string& reason, const std::string& checkpoint_note);
  bool Quarantined(LogId log) const;
  LogView View(LogId log) const;
  // The largest size any verified statement has shown.
  Seq KnownSize(LogId log) const;
  // How many statements the store would not take since the start.
  int64_t UnkeptStatements() const;

 private:
  struct Statement {  // a cosignature
    uint64_t version = 0;
    uint64_t size = 0;
    uint64_t time_s = 0;
    std::string note;
  };
  struct LogState {
    Seq applied;
    uint64_t complete_size = 0;
    Digest complete_root{};
    std::string complete_note;
    std::map<uint64_t, replication::VerifiedCheckpoint> waiting;
    std::map<SiteId, Statement> statements;
    std::deque<std::pair<uint64_t, absl::Time>> known;  // sizes beyond `applied`, ascending, with when each was first known
    uint64_t known_size = 0;
    std::deque<std::pair<uint64_t, uint64_t>> origin_said;  // (size, time) of the origin's statements not yet covered by `applied`
    std::optional<uint64_t> as_of_s;
    absl::Time last_cosigned = absl::InfinitePast();
    uint64_t last_cosigned_size = 0;
    uint64_t awaited_kept = 0;  // of this site's own logs: the size of the awaited checkpoint on disk
    std::string quarantine;
    std::vector<std::string> fork_notes;  // what the log has signed for the one history and for the other
  };

  // The log's own signature on the note of a checkpoint of this size, if it is on what is held of that checkpoint: it has verified then.
  static std::optional<note::Signature> HeldSignature(const RosterLog& roster_log, const LogState& log, const note::Note& note,
                                                      uint64_t size);
  void Know(LogState& log, uint64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OriginSaid(LogState& log, uint64_t size, uint64_t time_s) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetComplete(LogId id, LogState& log, uint64_t size, const Digest& root, const std::string& note) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Keeps a verified checkpoint until its entries are here. One of this site's own logs is kept on disk: the entries may be lost, and then
  // nobody else need remember that they were signed.
  void Await(LogId id, LogState& log, replication::VerifiedCheckpoint checkpoint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What the log has signed for the entries held here; empty when there is nothing.
  std::string NoteOfHeld(LogId id, const LogState& log) const;
  // Whether `checkpoint`, whose entries are here, has the root that they have; quarantines the log when not. The store's error.
  absl::StatusOr<bool> Agrees(LogId id, const replication::VerifiedCheckpoint& checkpoint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Own(LogId id) const { return options_.own_logs.contains(id); }
  // Nothing that a closed log's key signs can quarantine it: the roster has decided.
  bool Closed(LogId id) const;
  // Keeps the `notes` for good: nobody may send them again, and who decides on a closing has to compare them.
  void QuarantineLocked(LogId id, const std::string& reason, std::vector<std::string> notes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Counts what the store did not take, and says when that begins and ends.
  void Note(const absl::Status& status, int64_t statements) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether the store took it.
  bool Keep(storage::Cf cf, const std::string& key, const std::string& value, storage::Sync sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The checkpoint that the newest entries came with.
  absl::Status LoadProven(const RosterLog& roster_log, LogState& log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status LoadAwaited(const RosterLog& roster_log, LogState& log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  storage::Store* const store_;
  const RootFn root_;
  mutable absl::Mutex mu_;
  std::map<LogId, LogState> logs_ ABSL_GUARDED_BY(mu_);
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;
  bool own_allowed_ ABSL_GUARDED_BY(mu_) = false;
  bool keeping_ ABSL_GUARDED_BY(mu_) = true;  // the store took the last statement
  int64_t unkept_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_WITNESS_H_
