// The sending side of one replication stream, as a pure state machine: messages, ticks and wake-ups in, frames out.
//
// It walks this node's journal from disk, in chunks, and sends what the receiver lacks. Per log, header packages come before the payloads
// of their entries, and all headers that one checkpoint proves before the next is taken. What is kept in memory is one journal chunk
// and one audience bit for each header of one block per log; a frame is made only when the transport has room for it.
//
// Packages are proven under the newest complete checkpoint, or, for entries beyond it, under the one that these themselves came with,
// though this node cannot complete it: a log goes on to others as far as it is held, whether or not anyone ever gives the rest of it.
//
// Entries leave in journal order, with one exception: an entry that cannot be sent yet is held, and with it its log and all that
// causally follows, while the rest flows. When the cause is gone the walk goes back to where the first one was held. Entries are held
// because no checkpoint that is known here covers them yet (this site's own, before they are signed); because this node does not have a
// payload that the receiver is due and will get from the origin itself; or because the receiver wrote them: it is given a moment to say
// that it has them. (A node that has lost the end of its own log shows that in Hello, and is sent it like any other.) The resume position
// that frames state never passes a held entry.
//
// While a peer has told of erasures that are not applied here, no payload leaves: it may be one that they have erased. After a moment
// entries go on without theirs, and the receiver asks for them later; those of erasures go with them, so that two nodes that wait for each
// other's erasures get them.
//
// A log that the receiver's last Hello or Have does not name is not wanted: it is unknown there, quarantined or refused.
//
// Resuming by position is an optimisation and never trusted: when the walk finds a gap in what the receiver has, it starts again from 0.
//
// Thread safety: none; one thread at a time. Ownership: borrows source and sink, which outlive it.

#ifndef FAIRLEAD_SERVER_REPLICATION_SENDER_H_
#define FAIRLEAD_SERVER_REPLICATION_SENDER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fairlead/v1/replication_service.pb.h"
#include "server/replication/log_io.h"

namespace fairlead::replication {

inline constexpr uint32_t kProtocolVersion = 1;
inline constexpr size_t kWantedEntriesMax = 1024;  // of one Want
inline constexpr int kWholeHeartbeats = 60;        // one in so many has the states of all logs, whatever has changed

struct SenderOptions {
  size_t frame_bytes_max = 1 << 20;  // a larger single package or payload makes a frame of its own
  size_t frame_entries_max = 4096;
  size_t journal_chunk_max = 1024;
  size_t walk_items_max = 1 << 16;  // looked at for one message; then a heartbeat tells how far the walk has come
  int64_t credit_bytes_max = 64 << 20;
  size_t cosignatures_per_round_max = 64;
  absl::Duration relay_delay = absl::Milliseconds(250);  // for entries that the receiver should get from their origin
  absl::Duration heartbeat_interval = absl::Seconds(1);
  absl::Duration stall_timeout = absl::Seconds(10);
  absl::Duration erasures_wait = absl::Seconds(2);  // for erasures that peers have; then entries go without their payloads
};

class Sender {
 public:
  // `receiver`: the authenticated site at the other end; decides which payloads leave.
  Sender(const SenderOptions& options, const LogSource* source, EntrySink* sink, SiteId receiver, absl::Time now);

  // An error ends the stream. PEER_PROTOCOL for another network or version, and for messages out of place.
  absl::Status OnMessage(const v1::ReplicateRequest& message, absl::Time now);
  // The journal has grown, or a checkpoint or a cosignature is new.
  void OnJournalAdvanced(absl::Time now);
  // UNAVAILABLE when nothing was heard for stall_timeout.
  absl::Status OnTick(absl::Time now);
  // Makes the next message; false when there is none now. Called until it returns false, at the pace of the transport, after each of
  // the inputs above and after each message written. An error (of this node's disk) ends the stream.
  absl::StatusOr<bool> Pump(absl::Time now, v1::ReplicateResponse* out);

 private:
  enum class Hold { kNone, kProof, kPayload, kDependency, kOwn };

  struct LogOut {
    const RosterLog* log = nullptr;
    bool wanted = false;
    bool direct = false;                 // the receiver hears its origin directly
    bool forked = false;                 // the receiver holds another history
    bool quarantined = false;            // as of the last frame
    Seq known;                           // what the receiver has said it holds
    Seq next;                            // the first entry not held there and not sent: never less than `known`
    Seq headers_end;                     // headers sent
    std::vector<bool> due;               // for the headers before headers_end, last one last: whether the receiver is in the audience
    std::optional<ProvenPrefix> proven;  // what packages are proven by
    bool checkpoint_sent = false;        // that of `proven`
    Hold hold = Hold::kNone;
    Position held_at;    // of the entry `next`, when held
    Seq lost_end;        // held here when the receiver named the log: what it lacks of that it does lack, even if it wrote it
    absl::Time own_due;  // of the receiver's own log: when items before own_covers have waited for its word
    Position own_covers;
    bool Open() const { return wanted && !forked && !quarantined; }
  };

  absl::Status OnHello(const v1::Hello& hello);
  absl::Status TakeStates(const google::protobuf::RepeatedPtrField<v1::LogState>& states,
                          const google::protobuf::RepeatedField<uint32_t>& direct_logs);
  void TakeCosignature(const v1::Cosignature& cosignature);
  void TakeWant(const v1::Want& want);
  // The payload, if it may be sent.
  absl::StatusOr<std::optional<std::string>> Sendable(Dot dot, const std::set<LogId>& maybe_erased) const;
  // The next wanted payload that is held here and due to the receiver.
  absl::StatusOr<bool> PutWanted(v1::ReplicateResponse* out);
  absl::Status PutHeartbeat(absl::Time now, v1::ReplicateResponse* out);
  // Says, in a message with own_checkpoint, what the receiver has signed of its own logs and this node waits for the entries of.
  template <class Message>
  void PutAwaited(Message* out) const;
  // Where this node stands in each log; unless `all`, in those that have changed since it was last said, or have erasures.
  absl::Status PutStates(bool all, google::protobuf::RepeatedPtrField<v1::LogState>* out);

  absl::StatusOr<bool> PutEntries(absl::Time now, v1::ReplicateResponse* out);
  // The journal item at position_; nullopt at the end.
  absl::StatusOr<std::optional<Dot>> Head();
  // At the end of the journal: whether the receiver was found to lack entries before the start of this walk, which then begins again.
  absl::StatusOr<bool> RestartIfIncomplete();
  absl::Status Restart();
  bool WaitsForOrigin(const LogOut& log, absl::Time now);
  // The proof of more of the log than `seq` entries; nullopt when there is none.
  absl::StatusOr<std::optional<ProvenPrefix>> ProofBeyond(LogId id, Seq seq) const;
  // The next package of `log`; nullopt while nothing proves the entry.
  absl::StatusOr<std::optional<v1::HeaderPackage>> NextPackage(LogOut* log);
  absl::StatusOr<bool> DependsOnHeld(Dot dot) const;
  void HoldLog(LogOut* log, Hold why);
  absl::Status ReleaseHolds(absl::Time now);
  Position ResumePosition() const;

  const SenderOptions options_;
  const LogSource* const source_;
  EntrySink* const sink_;
  const SiteId receiver_;

  bool greeted_ = false;
  bool welcome_due_ = false;
  Position start_;
  std::map<LogId, LogOut> logs_;
  std::deque<v1::Fork> forks_due_;
  std::optional<uint64_t> pong_due_;
  absl::Time last_heard_;
  absl::Time last_heartbeat_ = absl::InfinitePast();
  int heartbeats_ = 0;        // since the last that had the states of all logs
  VersionVector told_sizes_;  // what the receiver has been told

  int64_t credit_ = 0;       // bytes; below zero after a frame larger than what was left
  Position position_;        // of the walk
  bool whole_walk_ = false;  // the walk began at 0, so that a gap is this node's own fault
  std::vector<Dot> chunk_;
  Position chunk_start_;
  size_t holds_ = 0;  // that others may depend on
  bool holds_recheck_ = false;

  // Journal items before aged_end_ have been here for relay_delay. At relay_due_ those before relay_covers_ will have been.
  Position aged_end_;
  Position relay_covers_;
  std::optional<absl::Time> relay_due_;

  bool gossip_due_ = false;
  uint64_t gossip_version_ = 0;
  std::deque<HeldCosignature> gossip_;
  std::deque<Dot> wanted_;
  std::optional<absl::Time> uncovered_since_;  // when peers told of erasures that are not applied here
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_SENDER_H_
