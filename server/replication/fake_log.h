// For tests: a node in memory with real trees, notes and keys, which applies what it is given only in order and after what it follows.
//
// It fails the test when it is offered an entry that is not the one its key signed for that number.
// Thread safety: any thread. Ownership: owns its logs.

#ifndef FAIRLEAD_SERVER_REPLICATION_FAKE_LOG_H_
#define FAIRLEAD_SERVER_REPLICATION_FAKE_LOG_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/crypto.h"
#include "api/merkle.h"
#include "api/roster.h"
#include "server/replication/log_io.h"

namespace fairlead::replication {

// A roster of `sites` ("a", "b", ...), site n (from 1) with log n, and all the private keys, which are always the same. Each of the
// `others` is a stream of every site; their logs have the next ids, stream by stream.
struct FakeNetwork {
  explicit FakeNetwork(const std::vector<std::string>& sites, const std::vector<std::string>& others = {});
  Roster roster;
  std::map<LogId, SigningKey> log_keys;
  std::map<SiteId, SigningKey> mirror_keys;
};

class FakeNode : public LogSource, public EntrySink {
 public:
  FakeNode(const FakeNetwork* network, std::string site);

  // Appends to this site's log; deps are all that is applied here. Without a checkpoint: call Sign.
  Dot Append(const std::string& payload, Audience audience = {});
  // As above, with no deps.
  Dot AppendAlone(const std::string& payload);
  // As above, to another of this site's streams.
  Dot AppendTo(std::string_view stream, const std::string& payload);
  // Signs this site's log as it is.
  void Sign(std::string_view stream = kMainStream);
  // This site's cosignature on its newest complete checkpoint of `log`.
  void Cosign(LogId log, uint64_t time_s);
  // Applies what was offered, batch by batch; false when there was nothing.
  bool Apply();
  // Applies what is offered until StopApplying.
  void ApplyUntilStopped();
  void StopApplying();
  // Whether the log gets to `size` within `timeout`.
  bool AwaitSize(LogId log, Seq size, absl::Duration timeout) const;
  // Called when the journal has grown. A running call ends before this returns.
  void SetListener(std::function<void()> listener);

  Seq Size(LogId log) const;
  std::optional<std::string> PayloadOf(Dot dot) const;
  std::map<LogId, std::string> Forks() const;
  std::vector<Dot> Journal() const;
  std::vector<HeldCosignature> Cosignatures() const { return CosignaturesAfter(0); }
  // Entries offered that had been applied before.
  int duplicates() const;
  // Batches that were refused with UNAVAILABLE.
  int blocked() const;
  // Answers the next batches with `status`, having applied nothing.
  void FailApply(absl::Status status);
  // Entries of `log` are of the future until then.
  void SetDue(LogId log, absl::Time due);
  void SetWallTime(absl::Time time);

  const Roster& roster() const override { return network_.roster; }
  SiteId site() const override { return site_; }
  absl::Time WallTime() const override;
  std::string JournalInstance() const override { return instance_; }
  Position JournalEnd() const override;
  absl::StatusOr<std::vector<Dot>> ReadJournal(Position from, size_t max) const override;
  VersionVector Applied() const override;
  absl::StatusOr<std::vector<std::string>> ReadHeaders(LogId log, Seq first, Seq end) const override;
  absl::StatusOr<std::optional<std::string>> ReadPayload(Dot dot) const override;
  absl::StatusOr<bool> Erased(Dot dot) const override;
  VersionVector Erasures() const override;
  std::set<LogId> MaybeErased() const override;
  absl::StatusOr<bool> IsErasure(Dot dot) const override;
  absl::StatusOr<Digest> RootAt(LogId log, Seq size) const override;
  absl::StatusOr<std::vector<Digest>> BlockProof(LogId log, uint64_t block, const ProvenPrefix& prefix) const override;
  absl::StatusOr<std::optional<ProvenPrefix>> Proven(LogId log) const override;
  std::optional<std::string> CheckpointNote(LogId log) const override;
  std::optional<std::string> AwaitedCheckpointNote(LogId log) const override;
  std::vector<HeldCosignature> CosignaturesAfter(uint64_t after) const override;
  bool CosignatureStands(const HeldCosignature& held) const override;
  bool Quarantined(LogId log) const override;
  void ApplyRemote(RemoteBatch batch, std::function<void(ApplyResult)> done) override;
  absl::Status TakeCosignature(LogId log, const std::string& note) override;
  void ReportFork(LogId log, const std::string& checkpoint_note, const std::string& how) override;
  std::optional<std::pair<std::string, Position>> ResumePosition(const std::string& peer) const override;
  std::vector<Dot> WantedPayloads(std::optional<Dot> after, size_t max) const override;
  absl::Status TakePayload(Dot dot, std::string payload) override;
  void PeerErasures(SiteId peer, const VersionVector& erasures) override;
  // `entry` is erased by `erasure`: its payload goes.
  void Erase(Dot entry, Dot erasure);
  void PeerClock(const std::string&, absl::Time, absl::Duration) override {}
  void PeerHolds(const std::string& peer, const std::vector<HeldOwnLog>& logs) override;
  // What `peer` last said that it holds of this site's own log; nullopt when it has not.
  std::optional<Seq> PeerHeld(const std::string& peer, std::string_view stream = kMainStream) const;
  // The checkpoint of this site's own log that `peer` last said it waits for the entries of.
  std::optional<VerifiedCheckpoint> PeerAwaits(const std::string& peer, std::string_view stream = kMainStream) const;

 private:
  struct Log {
    std::vector<std::string> headers;
    std::vector<std::optional<std::string>> payloads;
    std::vector<std::vector<Digest>> levels;  // levels[l][i]: complete subtree (l, i)
    merkle::Frontier frontier;
    std::optional<VerifiedCheckpoint> complete;
    std::vector<VerifiedCheckpoint> waiting;
    std::optional<ProvenPrefix> proven;
    std::string fork;
  };

  std::optional<HeldOwnLog> PeerHolding(const std::string& peer, std::string_view stream) const;
  void Notify();
  merkle::SubtreeFn Subtrees(const Log& log) const;
  Dot AppendOwn(std::string_view stream, const std::string& payload, Audience audience, VersionVector deps);
  void Store(Log* log, Dot dot, const std::string& header, const std::optional<std::string>& payload) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Settle(Log* log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  VersionVector AppliedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ApplyResult ApplyBatch(const RemoteBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  const Log& LogOf(LogId log) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const FakeNetwork& network_;
  SiteId site_;
  std::string instance_;
  mutable absl::Mutex mu_;
  std::map<LogId, Log> logs_ ABSL_GUARDED_BY(mu_);
  std::vector<Dot> journal_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::pair<std::string, Position>> resume_ ABSL_GUARDED_BY(mu_);
  std::deque<std::pair<RemoteBatch, std::function<void(ApplyResult)>>> queue_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> out_ ABSL_GUARDED_BY(mu_);  // peers with a batch outstanding
  std::map<std::pair<LogId, SiteId>, HeldCosignature> cosignatures_ ABSL_GUARDED_BY(mu_);
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;
  int duplicates_ ABSL_GUARDED_BY(mu_) = 0;
  int blocked_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, std::vector<HeldOwnLog>> peer_holds_ ABSL_GUARDED_BY(mu_);
  std::map<Dot, Dot> erased_ ABSL_GUARDED_BY(mu_);  // and by what
  std::map<SiteId, VersionVector> peer_erasures_ ABSL_GUARDED_BY(mu_);
  absl::Status fail_ ABSL_GUARDED_BY(mu_);
  absl::Time wall_time_ ABSL_GUARDED_BY(mu_) = absl::FromUnixMillis(1'800'000'000'000);
  std::map<LogId, absl::Time> due_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  absl::Mutex listener_mu_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mu_);
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_FAKE_LOG_H_
