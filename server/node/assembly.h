// One batch of the committer in the making: the folded effect of entries that are not durable yet.
//
// Reads through what it has changed so far to the store. Nothing outside changes until the batch is written: an assembly that is thrown
// away leaves no trace.
//
// Thread safety: one thread. Ownership: borrows all it is given; must not outlive it.

#ifndef FAIRLEAD_SERVER_NODE_ASSEMBLY_H_
#define FAIRLEAD_SERVER_NODE_ASSEMBLY_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/erasure.h"
#include "api/merkle.h"
#include "server/node/committer.h"

namespace fairlead::node {

class Committer::Assembly {
 public:
  Assembly(const Committer& committer, Committed committed);

  // Checks a local write against the state so far and folds it. The error is the write's own and leaves the assembly as it was.
  absl::StatusOr<WriteResult> AddLocal(const LocalWrite& write);
  // Folds the entries of a peer's batch that can be applied: a prefix.
  replication::ApplyResult AddRemote(const RemoteWork& work);
  // Folds an entry that was opaque; nothing when it is not opaque any more. The journal gets it again: what it says is new here.
  absl::Status AddLate(const LatePayload& late);
  // Forgets a bounded number of the request ids of before `before_ms`, from the key `from` on. Where to go on; empty when all are
  // forgotten.
  absl::StatusOr<std::string> PruneRequests(const std::string& from, uint64_t before_ms);

  // Adds what follows from the folded records: states, digests, indexes, figures, position.
  absl::Status Finish();

  storage::Batch* batch() { return batch_.get(); }
  bool empty() const { return !changed_; }
  Position journal_start() const { return journal_start_; }
  Committed& committed() { return committed_; }
  std::map<LogId, merkle::Frontier>& frontiers() { return frontiers_; }
  // New values of the figures that change.
  const std::map<std::string, int64_t>& figures() const { return figures_; }
  // Keys under kMetaPurgePrefix that are new.
  const std::set<std::string>& purges() const { return purges_; }
  // Roots at the sizes that waiting checkpoints have, for logs that grew.
  const std::map<LogId, std::map<uint64_t, Digest>>& checkpoint_roots() const { return checkpoint_roots_; }

 private:
  struct Record {
    std::string stored;                // as in the store; empty when it was not there
    std::optional<RecordState> state;  // as it is now
    bool changed = false;
  };

  absl::StatusOr<Record*> Load(const std::string& name);
  absl::StatusOr<std::optional<std::string>> StoredRequest(const std::string& key) const;
  absl::StatusOr<merkle::Frontier*> FrontierOf(LogId log);
  // Adds header and payload to their log, tree and journal.
  absl::Status AppendEntry(const Header& header, const std::string& bytes, const std::string* payload);
  absl::Status FoldPayload(const Payload& payload, const std::vector<MutationId>& ids, const Header& header);
  // The states the payload's mutations lead to, by record name; the error says which mutation the fold refuses.
  absl::StatusOr<std::map<std::string, RecordState>> Outcome(const Payload& payload, const std::vector<MutationId>& ids, Hlc time, Dot dot);
  void Adopt(std::map<std::string, RecordState> states, const Payload& payload, Hlc time, Dot dot);
  void RememberRequest(const std::string& actor, const std::string& request_id, const std::array<uint8_t, 16>& digest, Dot dot);
  // Folds an entry's payload, or lists the entry as opaque when it is at fault. The error is this node's.
  absl::Status FoldOrMakeOpaque(const DecodedPayload& decoded, const Header& header);
  void MakeOpaque(Dot dot, std::string_view cause, std::string_view detail);
  // Not opaque any more, nor wanted; nothing when it was not.
  absl::Status MakeClear(const std::string& dot_key);
  void AddRevision(const std::string& record, Hlc time, Dot dot, size_t index);
  // Of an entry of this batch or before; nullopt when it is not here.
  absl::StatusOr<std::optional<Header>> HeaderOf(Dot dot) const;
  void AppendToJournal(const std::string& dot_key);
  absl::StatusOr<Audience> AudienceOf(const std::map<std::string, RecordState>& states) const;
  std::string ClassOf(const RecordState& state) const;
  // Whether what the entry follows is here. A log that is quarantined here brings no more: the others do not wait for it.
  bool Follows(const Header& header) const;
  // --- Erasures (erasures.cc)
  // Folds an erasure: its shape, and none of the content. The erasure's own fault: PERMISSION_DENIED when its site may not erase that
  // entry, INVALID_ARGUMENT, UNIMPLEMENTED.
  absl::StatusOr<std::map<std::string, RecordState>> ErasedOutcome(const Erasure& erasure, const Header& header);
  // What the entry said, if that is here.
  absl::StatusOr<std::optional<Payload>> PayloadOf(Dot dot) const;
  // Takes what was erased out of the store.
  absl::Status AdoptErasure(const Erasure& erasure, Dot by);
  // What is deleted or replaced at `key` has to leave the store's files, for the erasure `by`.
  void Purge(storage::Cf cf, std::string_view key, Dot by);
  // An entry of before that brought the mutations, and was erased; nullopt when there is none.
  static std::optional<Dot> ErasedBefore(const std::vector<MutationId>& ids, const std::map<std::string, RecordState>& states);
  // What an erasure has left of a value.
  std::optional<std::string> KeptValue(const ValueId& id, Dot dot) const;

  std::optional<std::string> FetchValue(const ValueId& id, Dot dot) const;
  std::optional<std::string> ValueIn(const Payload& payload, const ValueId& id) const;

  const Committer& committer_;
  const NodeOptions& options_;
  std::unique_ptr<storage::Batch> batch_;
  Committed committed_;
  const Position journal_start_;
  const std::string read_only_;  // why no local write is taken; empty when they are
  bool changed_ = false;
  std::map<std::string, Record> records_;
  std::map<std::string, std::string> requests_;
  std::map<std::string, int64_t> figures_;
  std::map<Dot, const Payload*> payloads_;     // of this batch
  std::map<Dot, Header> headers_;              // of this batch
  std::map<std::string, bool> opaque_;         // by key: whether this batch lists the entry as opaque, or no longer does
  std::set<std::string> wanted_;               // keys of entries that this batch wants
  std::map<Dot, std::vector<Dot>> erased_;     // entries that this batch erases, and by which
  std::set<std::string> purges_;               // keys under kMetaPurgePrefix
  std::map<std::string, Dot> purged_records_;  // and the erasures for which their contributions have to leave the files
  std::map<LogId, merkle::Frontier> frontiers_;
  std::map<LogId, std::set<uint64_t>> waiting_sizes_;
  std::map<LogId, std::map<uint64_t, Digest>> checkpoint_roots_;
};

// Why an entry is opaque (NodeService.ListOpaqueEntries).
inline constexpr std::string_view kCauseWithheld = "WITHHELD";          // this site is not in its audience
inline constexpr std::string_view kCausePending = "PENDING";            // this site is, and no peer has given the payload yet
inline constexpr std::string_view kCauseInvalid = "INVALID";            // malformed, or contradicts its record
inline constexpr std::string_view kCauseUnknownKind = "UNKNOWN_KIND";   // of a later version of the fold
inline constexpr std::string_view kCauseUnauthorised = "UNAUTHORISED";  // an erasure by a site that may not erase that entry

// Key in Cf::kRequests.
std::string RequestKey(std::string_view actor, std::string_view request_id);
// Value in Cf::kRequests.
std::string RequestValue(Dot dot, const std::array<uint8_t, 16>& digest);
// The dot, or REQUEST_ID_REUSED when the digest is another request's.
absl::StatusOr<Dot> ReadRequest(std::string_view value, const std::array<uint8_t, 16>& digest);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_ASSEMBLY_H_
