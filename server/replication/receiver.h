// The receiving side of one replication stream, as a pure state machine: messages, ticks and results in; messages and batches out.
//
// It verifies everything before it offers anything: a checkpoint under its log's key, each header package against the checkpoint, and
// that the checkpoint's tree continues the one held here, each payload against its header. A package's proof holds the roots of all that
// lies before its block: they are compared with this node's own root there, so a log that was rewritten anywhere shows at the first
// package. A peer that does not hold the rest of a block sends its hashes instead (api/merkle.h, prefixes): what it holds is proven by
// them.
//
// Faults: what only the peer can have done wrong (a message out of place, a gap, bytes without credit) ends the stream. What is wrong
// with one log (a signature, a proof, a payload) makes that log refused on this stream, and a contradiction between what its key has
// signed and what is held is reported to the sink as a fork; the other logs flow. Each error names log and entry. What follows a refused
// log waits a moment for another peer to bring that, and is then set aside, too; when it has come, the stream begins anew.
//
// Memory: frames that wait for the sink, bounded by the credit granted, and headers and leaf hashes of one block per log.
//
// Thread safety: none; one thread at a time. Ownership: borrows source and sink, which outlive it.

#ifndef FAIRLEAD_SERVER_REPLICATION_RECEIVER_H_
#define FAIRLEAD_SERVER_REPLICATION_RECEIVER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/v1/replication_service.pb.h"
#include "server/replication/link_info.h"
#include "server/replication/log_io.h"

namespace fairlead::replication {

struct ReceiverOptions {
  int64_t credit_bytes = 4 << 20;  // what the peer may have sent that is not applied, plus one frame
  size_t batch_entries_max = 4096;
  size_t batch_bytes_max = 1 << 20;  // frames are joined up to here; a larger one is a batch of its own
  size_t cosignatures_per_round_max = 64;
  absl::Duration have_interval = absl::Milliseconds(20);
  absl::Duration heartbeat_interval = absl::Seconds(1);
  absl::Duration stall_timeout = absl::Seconds(10);
  absl::Duration dep_timeout = absl::Seconds(30);  // a peer that never sends what its entries follow
  absl::Duration clock_bound = absl::Seconds(5);   // a peer's clock that is off by more is told of
  uint64_t pace_min = 1024;  // bytes of entries a second: a peer that holds more and brings less for stall_timeout is told of
  absl::Duration refused_wait = absl::Seconds(1);  // for what another peer may bring, of a log that is refused on this stream
};

class Receiver {
 public:
  // `info`: the link's so far; its counters go on.
  Receiver(const ReceiverOptions& options, const LogSource* source, EntrySink* sink, LinkInfo info);

  // Begins: Hello and the first credit are due.
  void Start(absl::Time now);
  // After an error of any of these the stream is over and so is this object's work.
  absl::Status OnMessage(v1::ReplicateResponse message, absl::Time now);
  // The result of the batch that TakeBatch gave last.
  absl::Status OnApplied(const ApplyResult& result, absl::Time now);
  absl::Status OnTick(absl::Time now);
  // Entries were applied here, from any peer or by this site itself.
  absl::Status OnAppliedChanged(absl::Time now);
  // Logs whose origin is heard directly; told to the peer when they change.
  void SetDirectLogs(std::vector<LogId> logs);
  // The stream has ended for a reason of the transport's.
  void OnEnd(const absl::Status& status, absl::Time now);

  // Makes the next message; false when there is none now. Called until it returns false after each of the inputs above.
  absl::StatusOr<bool> Pump(absl::Time now, v1::ReplicateRequest* out);
  // What is to be given to the sink; nullopt while another batch is out or there is nothing.
  std::optional<RemoteBatch> TakeBatch();

  LinkInfo info() const;
  // The first reason why `log` is refused on this stream; OK when it is not.
  absl::Status RefusalOf(LogId log) const;

 private:
  struct HeldHeader {
    Header header;
    std::string bytes;
    std::shared_ptr<const ProvenHeaders> proof;
  };
  struct LogIn {
    const RosterLog* log = nullptr;
    Seq applied;    // as last read
    Seq delivered;  // after the last entry taken from this stream
    Seq held_end;   // headers [held_end - held.size(), held_end) are verified and wait for their payload
    std::deque<HeldHeader> held;
    uint64_t block = 0;          // of `leaves`
    std::vector<Digest> leaves;  // leaf hashes of [block * 256, ...), verified here or applied
    uint64_t prefix_blocks = 0;  // blocks [0, prefix_blocks) have prefix_root
    Digest prefix_root{};
    std::optional<VerifiedCheckpoint> checkpoint;  // the last of this stream
    Seq brought;                                   // after the last header that this stream has brought
    std::optional<VerifiedCheckpoint> fork_claim;  // the peer's word for a fork that cannot be checked before its size is applied
    Seq peer_size;                                 // what the peer has said it holds
    bool quarantined = false;                      // as last read
    absl::Status refused;
    std::optional<Seq> missed;              // of a refused log: what it had here when an entry of another waited in vain for more
    std::optional<Header> set_aside;        // refused because this entry has to wait: the first that was not taken
    absl::Time due = absl::InfinitePast();  // of set_aside: as of ApplyResult
    // Whether it has all that the roster lets stand.
    bool Ended() const { return log->closing && applied >= log->closing->size; }
    bool Open() const { return refused.ok() && !quarantined && !Ended(); }
    // How many entries the peer holds that are not applied here. A header that it has brought is an entry that it holds.
    uint64_t Behind() const { return std::max({peer_size, brought, applied}).value() - applied.value(); }
    // The next entry wanted from this stream.
    Seq Wanted() const { return std::max(applied, delivered); }
    // The next header wanted.
    Seq HeadersEnd() const { return std::max(applied, held_end); }
  };
  struct Frame {
    std::vector<VerifiedEntry> entries;
    std::vector<VerifiedCheckpoint> checkpoints;
    Position position;
    size_t entry_bytes = 0;
    int64_t bytes = 0;  // of credit
  };

  // What only the peer can have done wrong.
  static absl::Status Misplaced(const std::string& what);
  absl::Status Dispatch(v1::ReplicateResponse message, absl::Time now);
  absl::Status TakeEntries(v1::Entries entries, int64_t bytes, absl::Time now);
  absl::Status TakePackage(v1::HeaderPackage package, absl::Time now);
  absl::Status TakePayload(v1::PayloadFrame payload, Frame* frame, absl::Time now);
  absl::Status TakeCheckpoint(LogIn* log, const std::string& note, absl::Time now);
  // Compares the root of all blocks before `block`, which are below the verified siblings to its `left`, with the one held.
  absl::Status CheckPrefix(LogIn* log, uint64_t block, const std::vector<Digest>& left, absl::Time now);
  // Of a Welcome or a Heartbeat: where the peer stands, and what it waits for of this site's own logs.
  template <class Message>
  absl::Status TakeStates(const Message& message, absl::Time now);
  // What the peer holds of this site's own logs, once its states are taken. `awaited`, by origin: the checkpoints, as they came, that it
  // waits for the entries of.
  absl::Status TakeOwnLogs(const std::map<std::string, std::string>& awaited, absl::Time now);
  absl::Status TakeFork(const v1::Fork& fork, absl::Time now);
  void TakeCosignature(const v1::Cosignature& cosignature, absl::Time now);
  absl::Status TakeWanted(v1::PayloadFrame payload, int64_t bytes, absl::Time now);

  absl::Status TakeResult(const ApplyResult& result, absl::Time now);
  absl::Status RefreshApplied(absl::Time now);
  // The first entry that this one follows and that is not applied here, though it stands; nullopt when all are. Of a quarantined log
  // nothing is waited for.
  std::optional<Dot> Lacks(const Header& header) const;
  bool Follows(const Header& header) const { return !Lacks(header); }
  // When the entry that blocks the batch has waited too long. One that follows a log refused on this stream is set aside with its own log,
  // so that the others flow; for any other the error, PEER_PROTOCOL, names what it lacks.
  absl::Status CheckBlocked(absl::Time now);
  // Tells of a peer that says it holds what is lacking here, and does not bring it.
  void CheckPace(absl::Time now);
  // UNAVAILABLE when what a log was set aside for has come by another way: the stream begins anew with it.
  absl::Status CheckSetAside() const;
  // Whether what is held here at the checkpoint's size has another root. REQUIRES: that many are applied.
  absl::StatusOr<bool> Contradicts(const VerifiedCheckpoint& checkpoint) const;
  // Takes no more of the log from this stream.
  void Refuse(LogIn* log, absl::Status why, absl::Time now);
  // Refuses the log, with `proof` for the sink.
  void RefuseForked(LogIn* log, const VerifiedCheckpoint& proof, const std::string& how, absl::Time now);
  void DropEntriesOf(LogId log);
  void FinishBatchIfEmpty();
  void NoteError(const absl::Status& status, absl::Time now);
  // Notes it, counts it by its reason, and writes it to the log unless its owner does.
  void TellError(const absl::Status& status, absl::Time now, bool log);
  // An error ends the stream.
  absl::Status Settle(absl::Status status, absl::Time now);
  absl::Status PutStates(google::protobuf::RepeatedPtrField<v1::LogState>* out) const;

  const ReceiverOptions options_;
  const LogSource* const source_;
  EntrySink* const sink_;

  LinkInfo info_;
  absl::Status status_;  // not OK: over
  bool welcomed_ = false;
  std::string journal_instance_;  // the peer's
  std::map<LogId, LogIn> logs_;
  VersionVector applied_;

  int64_t credit_left_ = 0;                      // at the peer, when all that was granted has reached it
  int64_t credit_due_ = 0;                       // to be granted
  std::deque<Frame> frames_;                     // verified, not offered
  std::vector<VerifiedCheckpoint> checkpoints_;  // verified, for the next frame; at most one per log
  std::optional<RemoteBatch> batch_;             // what is left of the batch that was offered
  int64_t batch_credit_ = 0;
  bool batch_out_ = false;  // at the sink now
  bool batch_due_ = false;  // to be offered (again)
  struct Blocked {
    Dot dot;
    absl::Time since;
    bool on_deps = false;
    bool told = false;
    absl::Time due = absl::InfinitePast();  // as of ApplyResult
  };
  std::optional<Blocked> blocked_;  // the first entry of batch_, when it waits

  std::vector<LogId> direct_logs_;
  bool hello_due_ = false;
  bool have_due_ = false;
  absl::Time last_have_ = absl::InfinitePast();
  bool ping_due_ = false;
  uint64_t ping_number_ = 0;
  absl::Time ping_time_ = absl::InfinitePast();
  absl::Time last_ping_ = absl::InfinitePast();
  absl::Time last_heard_ = absl::InfinitePast();
  std::deque<LogId> evidence_due_;
  bool want_due_ = false;
  std::optional<Dot> want_after_;                 // the last that was asked for, while there are more
  uint64_t entry_bytes_ = 0;                      // received
  absl::Time pace_since_ = absl::InfinitePast();  // the peer has held more than is here since, and nothing here has kept it back
  uint64_t pace_bytes_ = 0;                       // of entry_bytes_ then
  bool pace_told_ = false;
  bool clock_told_ = false;
  bool cosignature_told_ = false;  // that the peer gives cosignatures that are none
  bool gossip_due_ = false;
  uint64_t gossip_version_ = 0;
  std::deque<HeldCosignature> gossip_;
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_RECEIVER_H_
