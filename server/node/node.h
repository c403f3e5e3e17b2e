// The node: one site's logs, the fold over all logs, and the committer that writes them.
//
// All changes, local and remote, pass through one committer (CommitOnce), which takes what waits, orders it, folds it and writes it as one
// synced batch. CommitOnce is called by one thread (runner.h) or by a simulator; callbacks are run by whoever calls RunCompletions.
//
// Thread safety: any thread, but CommitOnce by one at a time. Ownership: owns its store and keys; borrows registry and clock.

#ifndef FAIRLEAD_SERVER_NODE_NODE_H_
#define FAIRLEAD_SERVER_NODE_NODE_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/crypto.h"
#include "api/entry.h"
#include "api/licence.h"
#include "api/roster.h"
#include "server/node/clock.h"
#include "server/node/fold.h"
#include "server/records/record_type.h"
#include "server/replication/log_io.h"
#include "storage/store.h"

namespace fairlead::node {

class CommitLog;
class LicenceFile;

struct NodeOptions {
  std::string site;  // name in the roster
  Roster roster;
  std::map<std::string, SigningKey, std::less<>> log_keys;  // of the site's current logs, by stream
  SigningKey mirror_key;                                    // of its cosigner
  const records::Registry* registry = nullptr;
  const Clock* clock = nullptr;
  // What a site of several machines shares, for one of its members; null: the node's own store is its commit log. The member's store has
  // the instance of the site's journal.
  std::function<absl::StatusOr<std::unique_ptr<CommitLog>>(storage::Store*)> commit_log;
  LicenceFile* licence = nullptr;  // null: the store cannot be copied, and may always extend its log
  std::vector<std::string> peers;  // sites that are asked what they hold of this site's log, should the licence be missing
  size_t batch_entries_max = 4096;
  size_t batch_bytes_max = 4 << 20;
  size_t queue_entries_max = 65536;                       // more are refused with OVERLOADED
  absl::Duration future_bound = absl::Seconds(5);         // remote entries further ahead than this wait
  absl::Duration request_horizon = absl::Hours(24 * 30);  // older request ids are refused
  absl::Duration cosign_interval = absl::Milliseconds(100);
  absl::Duration heartbeat_interval = absl::Seconds(1);  // own as-of statements when idle
  // Nonces and the journal's instance. Only a simulator, whose runs must repeat, gives another.
  std::function<std::string(size_t)> random_bytes = RandomBytes;
};

// What an error names when WriteRequest::replicas is more than can be.
inline constexpr char kDurabilityField[] = "fairlead-durability";

// What a record, or one field of it, must still be when the write is committed.
struct Expectation {
  std::string record;
  std::string etag;    // empty: the record must not exist
  uint32_t field = 0;  // not 0: `etag` is this field's (FieldEtag), and the others may have changed
};

// Another entry of a request, in a stream of its own. It creates records that no other entry of the request touches.
struct CompanionWrite {
  std::string stream;
  std::vector<Mutation> mutations;
  std::string method;
};

// One request that writes. Its mutations take effect together.
struct WriteRequest {
  std::string actor;
  std::string request_id;  // UUID version 7
  std::array<uint8_t, 16> request_digest{};
  std::string method;
  std::vector<Mutation> mutations;
  std::vector<Expectation> expectations;
  bool reissue = false;  // of an entry that is void: the request id may be of any age
  int replicas = 0;      // refused when fewer sites than this, beside the own one, are in the entry's audience
  // The site's own log that takes it. Entries of other streams than main create records and do nothing else: they follow no other entries
  // (api/PROTOCOL.md, rule 4).
  std::string stream{kMainStream};
  // Written in the same batch, all or nothing, with the same actor and request id. The audience of each follows from its own records.
  std::vector<CompanionWrite> companions;
};

// A record as a batch has left it.
struct WrittenRecord {
  std::shared_ptr<const google::protobuf::Message> fields;  // MaterialiseFields of it; null: there is no record of a known type
  std::string state;                                        // EncodeState of it
};

struct WriteResult {
  Dot dot;
  Hlc time;
  // The same request had been committed before, here or elsewhere; nothing was written now.
  bool replayed = false;
  // The records that the request's own mutations wrote, by name (empty when replayed).
  std::map<std::string, WrittenRecord> records;
  std::vector<Dot> companions;  // in the order of the request; empty when replayed
};
using WriteCallback = std::function<void(absl::StatusOr<WriteResult>)>;

// The logs of one site that its node extends, by stream.
using OwnLogs = std::map<std::string, LogId, std::less<>>;

// One log as held here, for status.
struct LogInfo {
  const RosterLog* log = nullptr;
  Seq size;                                                   // as far as it stands
  Seq void_entries;                                           // held beyond where the roster closes it
  Seq known_size;                                             // the largest size any verified note has shown
  std::string checkpoint_note;                                // newest complete; empty when none
  std::map<SiteId, std::pair<Seq, absl::Time>> cosignatures;  // size and time by site
  std::string quarantine;
  std::vector<std::string> fork_notes;  // what the log signed for two histories
  absl::Duration oldest_unapplied_age;
  std::optional<absl::Time> as_of;  // the origin's own newest statement that covers no more than `size`
};

struct ClassDigestInfo {
  std::string audience;  // as ClassDigest.audience: "*", "apac,hq", "* but eame" (api/state_digest.h)
  Digest digest{};
  int64_t records = 0;
};

// The sites of `audience`, other than `origin`, that have a cosigner: those whose word REPLICATED can wait for.
std::vector<SiteId> ReplicaSites(const Roster& roster, const Audience& audience, SiteId origin);

class ClockWatch;
class Committer;
class Contents;
class LicenceKeeper;
class Witness;

struct OpaqueInfo {
  Dot dot;
  std::string cause;
  std::string detail;
};

// What an entry would have changed, had its site had the right to.
struct UnauthorisedChange {
  Dot dot;
  uint32_t mutation = 0;  // its index in the entry
  std::string record;
  std::vector<std::string> fields;
};

// An entry that counts for nothing.
struct VoidEntry {
  Dot dot;
  bool discarded = false;          // else: beyond the closing of its log
  std::optional<Payload> payload;  // when it is held here
  std::string refused;             // then: why it may not be written anew; empty when it may, or was discarded
};

class Node : public replication::LogSource, public replication::EntrySink {
 public:
  // Opens the node on `store`, and undoes what the roster has closed since. Refuses by name a store of another network or site, an older
  // roster than the store has seen, and one that closes another history than it holds (FAILED_PRECONDITION); and a store whose logs do not
  // match their tree (DATA_LOSS).
  static absl::StatusOr<std::unique_ptr<Node>> Open(NodeOptions options, std::unique_ptr<storage::Store> store);
  ~Node() override;

  // --- Writing -----------------------------------------------------------------------------------------------------------------
  // `done` is called once, from RunCompletions. Errors: FIELD_INVALID, ETAG_MISMATCH, RECORD_EXISTS, REQUEST_ID_REUSED, REQUEST_ID_EXPIRED,
  // STREAM_MISSING, OVERLOADED, STORAGE_FULL, STORAGE_FAILED, NODE_READ_ONLY, SHUTTING_DOWN.
  void Write(WriteRequest request, WriteCallback done);
  // Where an earlier call with this request id was committed; nullopt when it was not. REQUEST_ID_REUSED when the digests differ.
  absl::StatusOr<std::optional<Dot>> FindRequest(std::string_view actor, std::string_view request_id,
                                                 const std::array<uint8_t, 16>& digest) const;

  // Commits what waits; false when nothing waited. One thread at a time.
  bool CommitOnce();
  // Blocks until something waits or the node is stopped; false when stopped.
  bool WaitForWork();
  // Whether nothing is known that keeps this member of a site of several machines from having all that its commit log has.
  bool CanLead() const;
  // The commit log may have what other members of the site have appended, or another term. Any thread.
  void Wake();
  // Runs finished callbacks; false when there were none.
  bool RunCompletions();
  bool WaitForCompletions();
  // Cosigns what is due and renews the licence. Called about every cosign_interval.
  void Tick();
  // Takes what was erased out of the store's files, which may take minutes; until then the logs concerned are not cosigned further. Called
  // about every cosign_interval, by one thread. Ends early once `cancelled`, which may be null, is true.
  void Purge(std::atomic<bool>* cancelled);
  // Refuses new work with SHUTTING_DOWN and wakes WaitForWork. What was enqueued is still committed.
  void Stop();
  // Ends WaitForCompletions once none is left. REQUIRES: Stop, and CommitOnce has returned false since.
  void StopCompletions();
  // Empty when the node takes writes; else why not.
  std::string UnwritableReason() const;
  // Why its clock lets it take none; empty when it does (api/PROTOCOL.md, rule 18).
  std::string ClockTrouble() const;

  // --- Reading -----------------------------------------------------------------------------------------------------------------
  const storage::Store& store() const { return *store_; }
  // The bytes of attachments.
  Contents& contents() const { return *contents_; }
  // The folded state of a record; nullopt when there is none. DATA_LOSS when damaged.
  absl::StatusOr<std::optional<RecordState>> GetState(const storage::View& view, std::string_view record) const;
  // Called after each commit with the new end of the journal, from RunCompletions. Returns an id for RemoveJournalListener, which waits for
  // a running call to end.
  uint64_t AddJournalListener(std::function<void(Position)> listener);
  void RemoveJournalListener(uint64_t id);
  // For what holds, outside the store, what records say: an erasure is not cosigned before every such `erased` says that what erasures
  // before `end` of the journal took is gone there, files included. Called now and then, from Purge, while there are such. Returns an id
  // for RemoveEraser, which waits for a running call to end.
  uint64_t AddEraser(std::function<bool(Position end)> erased);
  void RemoveEraser(uint64_t id);
  // What each site says, by a cosignature that verified, it holds durably of the log: payloads due to it included.
  std::map<SiteId, Seq> Cosigned(LogId log) const;
  // Called after every change of what Cosigned says of the log, from any thread. RemoveCosignatureListener waits for a running call to end.
  uint64_t AddCosignatureListener(std::function<void(LogId)> listener);
  void RemoveCosignatureListener(uint64_t id);
  // Whom the entry is for. NOT_FOUND when this node has not applied it.
  absl::StatusOr<Audience> AudienceOf(Dot dot) const;
  // The figure `key` of the aggregates.
  int64_t Aggregate(std::string_view key) const;
  // Figures whose key starts with `prefix`, in key order.
  std::vector<std::pair<std::string, int64_t>> Aggregates(std::string_view prefix) const;

  std::vector<LogInfo> Logs() const;
  // Digests and the vector they belong to, read at one moment.
  std::pair<VersionVector, std::vector<ClassDigestInfo>> StateDigests() const;
  std::vector<OpaqueInfo> OpaqueEntries(std::optional<Dot> after, size_t max) const;
  int64_t OpaqueCount() const;
  // In order, after the given one.
  std::vector<UnauthorisedChange> UnauthorisedChanges(std::optional<std::pair<Dot, uint32_t>> after, size_t max) const;
  int64_t UnauthorisedCount() const;
  std::vector<VoidEntry> VoidEntries(std::optional<Dot> after, size_t max) const;
  // Whether the entry is opaque here. NOT_FOUND (RECORD_NOT_FOUND) when it is not applied here.
  absl::StatusOr<bool> IsOpaque(Dot dot) const;
  // The writes that stand for entries beyond their logs' closings, with the same mutation ids. RECORD_NOT_FOUND when a payload is not held
  // here; STATE_FORBIDS when an entry is not void or was discarded, or says what its own site may not write: then it names the field.
  absl::StatusOr<std::vector<WriteRequest>> ReissuesOf(const std::vector<Dot>& dots) const;
  // How this node's clock disagrees with its peers'; empty when it does not.
  std::string ClockDisagreement() const;
  // How many checkpoints and cosignatures the store would not take since the start: they are signed or sent again.
  int64_t UnkeptStatements() const;
  const NodeOptions& options() const { return options_; }
  // The site's current main log.
  LogId own_log() const { return own_logs_.find(kMainStream)->second; }
  // The site's current logs, by stream.
  const OwnLogs& own_logs() const { return own_logs_; }
  const records::Registry& registry() const { return *options_.registry; }

  // --- replication::LogSource and EntrySink ------------------------------------------------------------------------------------
  const Roster& roster() const override { return options_.roster; }
  SiteId site() const override { return site_; }
  absl::Time WallTime() const override;
  std::string JournalInstance() const override;
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
  absl::StatusOr<std::vector<Digest>> BlockProof(LogId log, uint64_t block, const replication::ProvenPrefix& prefix) const override;
  absl::StatusOr<std::optional<replication::ProvenPrefix>> Proven(LogId log) const override;
  std::optional<std::string> CheckpointNote(LogId log) const override;
  std::optional<std::string> AwaitedCheckpointNote(LogId log) const override;
  std::vector<replication::HeldCosignature> CosignaturesAfter(uint64_t after) const override;
  // Those of one log, the newest of each site.
  std::vector<replication::HeldCosignature> CosignaturesOf(LogId log) const;
  bool CosignatureStands(const replication::HeldCosignature& held) const override;
  bool Quarantined(LogId log) const override;
  void ApplyRemote(replication::RemoteBatch batch, std::function<void(replication::ApplyResult)> done) override;
  absl::Status TakeCosignature(LogId log, const std::string& note) override;
  void ReportFork(LogId log, const std::string& checkpoint_note, const std::string& how) override;
  std::optional<std::pair<std::string, Position>> ResumePosition(const std::string& peer) const override;
  std::vector<Dot> WantedPayloads(std::optional<Dot> after, size_t max) const override;
  absl::Status TakePayload(Dot dot, std::string payload) override;
  void PeerErasures(SiteId peer, const VersionVector& erasures) override;
  void PeerClock(const std::string& peer, absl::Time theirs, absl::Duration rtt) override;
  void PeerHolds(const std::string& peer, const std::vector<replication::HeldOwnLog>& logs) override;

 private:
  void TellCosigned(LogId log);

  Node(NodeOptions options, std::unique_ptr<storage::Store> store, SiteId site, OwnLogs own_logs);
  // How many entries of each of this site's logs are here.
  LogSizes OwnSizes() const;
  // The licence has come.
  void BeginSigning();

  const NodeOptions options_;
  const std::unique_ptr<storage::Store> store_;
  const SiteId site_;
  const OwnLogs own_logs_;
  absl::Mutex listeners_mu_;
  std::map<uint64_t, std::function<void(LogId)>> cosignature_listeners_ ABSL_GUARDED_BY(listeners_mu_);
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;
  // What peers have told of erasures since the start. One that was heard is here, whatever it said.
  struct Uncovered {
    VersionVector erasures;
    absl::Time since;  // when it first told of some that are not applied here; else in the past
  };
  mutable absl::Mutex erasures_mu_;
  std::map<SiteId, Uncovered> uncovered_ ABSL_GUARDED_BY(erasures_mu_);
  std::unique_ptr<ClockWatch> clock_watch_;
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<LicenceKeeper> licence_;  // null when options_.licence is
  std::unique_ptr<CommitLog> commit_log_;
  std::unique_ptr<Contents> contents_;
  std::unique_ptr<Committer> committer_;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_NODE_H_
