// What replication needs of a node: logs to send (LogSource) and a place for verified entries (EntrySink).
//
// replication/ declares them and node/ implements them, so that the progress state machines run unchanged against a real node, a
// simulated one or a test's.
// Thread safety: implementations may be called from any thread. Ownership: borrowed; they outlive every link.

#ifndef FAIRLEAD_SERVER_REPLICATION_LOG_IO_H_
#define FAIRLEAD_SERVER_REPLICATION_LOG_IO_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/entry.h"
#include "api/ids.h"
#include "api/merkle.h"
#include "api/roster.h"

namespace fairlead::replication {

// A checkpoint that verified under its log's key.
struct VerifiedCheckpoint {
  LogId log;
  Seq size;
  Digest root{};
  std::string note;
};

// That entries [0, size) of a log are the first of its checkpoint's: with their leaves and `rest` (merkle::Prefix) anyone computes its
// root.
struct ProvenPrefix {
  VerifiedCheckpoint checkpoint;
  Seq size;
  std::vector<Digest> rest;

  merkle::Prefix tree() const { return {size.value(), checkpoint.size.value(), rest}; }
};

// What a peer holds of one of this site's own logs.
struct HeldOwnLog {
  LogId log;
  Seq size;
  // A checkpoint that the peer has verified and whose entries are neither there nor here, if there is one.
  std::optional<VerifiedCheckpoint> awaited;
};

// A cosignature held here. `version` grows with every change at this node, so that a link can ask for what is new.
struct HeldCosignature {
  uint64_t version = 0;
  LogId log;
  SiteId site;
  std::string note;
};

class LogSource {
 public:
  virtual ~LogSource() = default;
  virtual const Roster& roster() const = 0;
  virtual SiteId site() const = 0;
  // This site's clock, as it tells it to its peers.
  virtual absl::Time WallTime() const = 0;
  // 16 bytes, new whenever a journal starts anew.
  virtual std::string JournalInstance() const = 0;
  // Entries durable in the journal: positions [0, JournalEnd()).
  virtual Position JournalEnd() const = 0;
  // Items [from, from + max), fewer at the end. The order is a linear extension of causality.
  virtual absl::StatusOr<std::vector<Dot>> ReadJournal(Position from, size_t max) const = 0;
  // Entries applied and durable, per log.
  virtual VersionVector Applied() const = 0;
  // Canonical bytes of headers [first, end). REQUIRES: end <= Applied(log).
  virtual absl::StatusOr<std::vector<std::string>> ReadHeaders(LogId log, Seq first, Seq end) const = 0;
  // nullopt when this node does not hold it (withheld or erased).
  virtual absl::StatusOr<std::optional<std::string>> ReadPayload(Dot dot) const = 0;
  // Whether the payload was erased: nobody is to have it.
  virtual absl::StatusOr<bool> Erased(Dot dot) const = 0;
  // Sizes that cover the erasures applied here, by log; none for a log without.
  virtual VersionVector Erasures() const = 0;
  // Logs of which a payload held here may be one that is erased, since a peer has told of an erasure that is not applied here. Meanwhile
  // none of them may be sent, unless the entry is an erasure (IsErasure).
  virtual std::set<LogId> MaybeErased() const = 0;
  virtual absl::StatusOr<bool> IsErasure(Dot dot) const = 0;
  // The RFC 6962 root over headers [0, size). REQUIRES: size <= Applied(log).
  virtual absl::StatusOr<Digest> RootAt(LogId log, Seq size) const = 0;
  // merkle::BlockProof of a log's block in the tree of the checkpoint. REQUIRES: the prefix is of entries held here, and the block begins
  // within it.
  virtual absl::StatusOr<std::vector<Digest>> BlockProof(LogId log, uint64_t block, const ProvenPrefix& prefix) const = 0;
  // The newest verified checkpoint whose entries are all applied here; nullopt when the log is empty.
  virtual std::optional<std::string> CheckpointNote(LogId log) const = 0;
  // The longest prefix of a log whose proof came with its entries, under a checkpoint that may be longer than what is applied here; nullopt
  // when the log is empty or all of it was written here.
  virtual absl::StatusOr<std::optional<ProvenPrefix>> Proven(LogId log) const = 0;
  // The longest verified checkpoint of a log, when not all of its entries are applied here; nullopt when they are.
  virtual std::optional<std::string> AwaitedCheckpointNote(LogId log) const = 0;
  // Cosignatures whose version is greater than `after`, in version order.
  virtual std::vector<HeldCosignature> CosignaturesAfter(uint64_t after) const = 0;
  // Whether `held` is still what is held of its site on its log: what has been replaced is not to be sent any more.
  virtual bool CosignatureStands(const HeldCosignature& held) const = 0;
  // Logs of which no more is taken or sent, because a fork was seen.
  virtual bool Quarantined(LogId log) const = 0;
};

// Headers of one block, and that they belong to a checkpoint: for any of them, what proves the log up to it.
struct ProvenHeaders {
  ProvenPrefix end;  // after the last of them
  Seq first;
  std::vector<Digest> leaf_hashes;  // of [first, end.size)

  // REQUIRES: first <= size <= end.size.
  ProvenPrefix UpTo(Seq size) const {
    const std::vector<Digest> after(leaf_hashes.begin() + static_cast<ptrdiff_t>(size.value() - first.value()), leaf_hashes.end());
    return {end.checkpoint, size, merkle::Shorten(end.tree(), size.value(), after).rest};
  }
};

// An entry whose header has been proven to belong to a signed checkpoint of its log.
struct VerifiedEntry {
  Dot dot;
  std::string header_bytes;
  Header header;
  std::optional<std::string> payload;  // nullopt: withheld. When set, its SHA-256 is the header's payload_digest.
  // What the header came with, kept with the entry so that it can be proven to others; null where it came from this node's own store.
  std::shared_ptr<const ProvenHeaders> proof;
};

// What one frame of a peer brought, in the peer's journal order.
struct RemoteBatch {
  std::string peer;  // site name, for the resume position and for errors
  std::vector<VerifiedEntry> entries;
  std::vector<VerifiedCheckpoint> checkpoints;  // kept once their entries are applied
  std::string journal_instance;                 // the peer's
  Position journal_position;                    // kept with the entries: where to continue if all of them are applied
};

struct ApplyResult {
  // How many of the batch's entries are applied and durable now, whether by this batch or before: a prefix.
  size_t applied = 0;
  // OK when all. UNAVAILABLE when the next entry must wait (deps not here, its time in the future, disk full): offer the rest again later.
  // Anything else: the entry or the node is at fault and the message says how; do not offer it again.
  absl::Status status;
  // With UNAVAILABLE: when the next entry's time is here, by LogSource::WallTime; long past when it waits for something else. Not how long
  // that takes: a clock that was behind is put right.
  absl::Time due = absl::InfinitePast();
};

class EntrySink {
 public:
  virtual ~EntrySink() = default;
  // Enqueues; `done` is called once, from another thread, after the entries are durable. At most one batch per link is outstanding.
  virtual void ApplyRemote(RemoteBatch batch, std::function<void(ApplyResult)> done) = 0;
  // A cosigned note from a peer. Costs one comparison when it is not newer. INVALID_ARGUMENT when it does not verify; DATA_LOSS when its
  // root contradicts this node's: the log is then quarantined here.
  virtual absl::Status TakeCosignature(LogId log, const std::string& note) = 0;
  // Evidence of a fork: a checkpoint that verifies under the log's key and contradicts what is held. Quarantines the log.
  virtual void ReportFork(LogId log, const std::string& checkpoint_note, const std::string& how) = 0;
  // Where to continue from `peer`: its journal instance and position; nullopt at the first contact.
  virtual std::optional<std::pair<std::string, Position>> ResumePosition(const std::string& peer) const = 0;
  // Entries applied here without their payload, though this site is in their audience: at most `max`, in order, after `after`.
  virtual std::vector<Dot> WantedPayloads(std::optional<Dot> after, size_t max) const = 0;
  // A payload that was wanted. Enqueues; what is not kept now is wanted still. INVALID_ARGUMENT when it is not the one that the entry's
  // header names.
  virtual absl::Status TakePayload(Dot dot, std::string payload) = 0;
  // `peer` has said which erasures it has applied: sizes that cover them.
  virtual void PeerErasures(SiteId peer, const VersionVector& erasures) = 0;
  // `peer` has said that its clock stands at `theirs`, in answer to a question asked `rtt` ago.
  virtual void PeerClock(const std::string& peer, absl::Time theirs, absl::Duration rtt) = 0;
  // `peer` has said how much it holds of this site's own logs: one for each that is current. Its history of each is the one held here as
  // far as both go.
  virtual void PeerHolds(const std::string& peer, const std::vector<HeldOwnLog>& logs) = 0;
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_LOG_IO_H_
