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

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/erasure.h"
#include "api/merkle.h"
#include "server/node/authority.h"
#include "server/node/committer.h"

namespace fairlead::node {

class Committer::Assembly {
 public:
  // What becomes of the positions of the journal that the batch asks for.
  enum class Journal {
    kAppends,
    kFollows,     // only what AddCommitted is given gets one: that has what the leader asked for
    kTellsLater,  // a member that does not lead gets none: `untold` has the entries
  };
  Assembly(const Committer& committer, Committed committed, Journal journal = Journal::kAppends);

  // Checks a local write against the state so far and folds it. The error is the write's own and leaves the assembly as it was.
  absl::StatusOr<WriteResult> AddLocal(const LocalWrite& write);
  // Folds the entries of a peer's batch that can be applied: a prefix.
  replication::ApplyResult AddRemote(const RemoteWork& work);
  // Folds an entry that was opaque; nothing when it is not opaque any more. The journal gets it again: what it says is new here.
  absl::Status AddLate(const LatePayload& late);
  // Folds what the site's commit log has next, of whichever log. FAILED_PRECONDITION when the roster does not name that; DATA_LOSS when it
  // does not follow what is here. REQUIRES: Journal::kFollows.
  absl::Status AddCommitted(const JournalItem& item);
  // Tells whoever follows the journal that what an entry says has changed, `untold` or not; a member that does not lead does so later.
  void Tell(Dot dot) {
    AppendToJournal(storage::DotKey(dot));
    if (journal_ != Journal::kAppends) return;
    batch_->Delete(storage::Cf::kMeta, std::string(storage::kMetaUntoldPrefix) + storage::DotKey(dot));
  }
  // Forgets a bounded number of the request ids of before `before_ms`, from the key `from` on. Where to go on; empty when all are
  // forgotten.
  absl::StatusOr<std::string> PruneRequests(const std::string& from, uint64_t before_ms);

  // Undoes what the log's entries beyond its closing did, and notes that it is done. REQUIRES: the roster closes the log.
  absl::Status Close(const RosterLog& log);

  // Judges anew, and for good, what entries say that an older program folded without knowing it. Those that this one does not know either
  // stay as they are.
  absl::Status JudgeAgain(const std::vector<Dot>& entries);

  // Whether an entry beyond its log's closing may be written anew: all that it says stood, were the log open. STATE_FORBIDS names the field
  // that its site may not write. Changes nothing but the notes of `makers`, which it goes on from.
  absl::Status JudgeVoid(Dot dot, const Payload& payload, VoidMakers* makers);

  // Adds what follows from the folded records: states, digests, indexes, figures, position.
  absl::Status Finish();
  // Puts what Finish has made of its records into the result of a local write. REQUIRES: Finish; the result is of AddLocal.
  void ShowRecords(WriteResult* result) const;

  storage::Batch* batch() { return batch_.get(); }
  // What the journal gets; empty unless the commit log needs it.
  const std::vector<JournalItem>& items() const { return items_; }
  const std::vector<Dot>& untold() const { return untold_; }
  bool empty() const { return !changed_; }
  // Not OK: the store is at fault, and nothing of the assembly may be used. Finish says so, too.
  const absl::Status& broken() const { return broken_; }
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
    WrittenRecord written;  // by Finish
  };
  // The rows of Cf::kRevisions of one record that this batch adds and takes away.
  struct Rows {
    struct Row {
      Hlc time;
      size_t index = 0;  // of the mutation in its entry
    };
    std::map<Dot, Row> added;
    std::map<Dot, Hlc> removed;
  };
  // One mutation of an entry, as it is folded.
  struct Part {
    size_t index = 0;  // in the entry
    const Mutation* mutation = nullptr;
    MutationId id{};
    std::optional<std::string> maker;  // the office, when the entry made the record; not asked for where nothing is kept for anyone
    int doubt = 0;                     // of that: none, since the name proves it; 1: headquarters says so; 2: another site does
  };
  // What an entry says, or what is left of it. Parts point into the rest.
  struct Content {
    Content() = default;
    Content(Content&&) = default;
    Content& operator=(Content&&) = default;
    Payload payload;
    std::vector<Erasure> erasures;  // when it is erased, by these
    std::optional<Dot> erases;      // when it is an erasure: it folds nothing itself
    std::vector<Part> parts;
    bool is_shape() const { return !erasures.empty(); }
  };
  // What the parts of an entry come to.
  struct Effect {
    std::map<std::string, RecordState> states;             // by record; without those that stay as they are
    std::map<size_t, std::vector<uint16_t>> unauthorised;  // by part: its ops that its site had no right to
    std::set<std::string> made_again;                      // records that were there, and that the entry makes
    bool judged = true;                                    // the program knows all that it says
  };
  // What an erasure comes to.
  struct Erasing {
    std::unique_ptr<Erasure> erasure;
    std::optional<Header> erased;  // of the entry; nullopt when it is void and not held
    bool counts = false;           // the entry does: else there is nothing to fold in its place
    std::vector<Part> parts;
    Effect effect;
  };

  // A local entry that may be appended.
  struct Planned {
    const LocalEntry* entry = nullptr;
    Header header;
    std::vector<Part> parts;
    Effect effect;
    std::optional<Erasing> erasing;  // when the entry is an erasure
    const std::map<std::string, RecordState>& states() const { return erasing ? erasing->effect.states : effect.states; }
  };

  // The entry that the request led to before; nullopt when there is none. REQUEST_ID_REUSED when its id is another's.
  absl::StatusOr<std::optional<Dot>> WrittenBefore(const LocalWrite& write);
  // What comes of a local entry, without its audience; as AddLocal.
  absl::StatusOr<Planned> Plan(const LocalEntry& entry, Seq seq, Hlc time);
  absl::Status Append(Planned planned);
  // The time that the entry must be later than: of all that is applied in `main`, where what is written may replace what was read; in other
  // streams, which their nations see, of what the entry follows and no other, or the count in it would tell how busy the site is (rule 18).
  absl::StatusOr<Hlc> LatestBefore(const LocalEntry& entry, Seq seq) const;
  // What an entry of the log follows (api/PROTOCOL.md, rule 4).
  VersionVector DepsOf(const RosterLog& log, Seq seq) const;
  absl::StatusOr<Record*> Load(const std::string& name);
  absl::StatusOr<std::optional<std::string>> StoredRequest(const std::string& key) const;
  absl::StatusOr<merkle::Frontier*> FrontierOf(LogId log);
  // Whether what the entry's proof says of the log's beginning is what is here. One receiver knows only what came on its own stream, and
  // other entries of the same numbers may have come by another one since.
  absl::StatusOr<bool> IsProvenFromHere(const replication::VerifiedEntry& entry);
  // Adds header and payload to their log, tree and journal.
  absl::Status AppendEntry(const Header& header, const std::string& bytes, const std::string* payload);
  absl::Status FoldPayload(const Payload& payload, const std::vector<MutationId>& ids, const Header& header);
  std::vector<Part> PartsOf(const Payload& payload, const std::vector<MutationId>& ids) const;
  // What an entry's parts lead to; the error says which mutation the fold refuses.
  absl::StatusOr<Effect> Outcome(const std::vector<Part>& parts, bool is_shape, Hlc time, Dot dot);
  absl::Status Adopt(Effect effect, const std::vector<Part>& parts, Hlc time, Dot dot);

  // --- What counts, and what does not after all (refold.cc) ---
  // The entries that hold a mutation of the record, in order of time.
  absl::StatusOr<std::vector<std::pair<Hlc, Dot>>> RowsOf(const std::string& record) const;
  void AddRow(const std::string& record, Hlc time, Dot dot, size_t index);
  void RemoveRow(const std::string& record, Hlc time, Dot dot);
  // Adds to the batch what these two have noted.
  void PutRows();
  std::vector<Maker> MakersOf(const std::string& record, bool all) const;
  SiteId SiteOf(LogId log) const;
  std::string NameOf(Dot dot) const;
  // Of this batch or the store; nullopt when it is not here.
  absl::StatusOr<std::optional<Header>> HeaderOf(Dot dot) const;
  // Likewise, of what an entry says. INVALID_ARGUMENT when that is malformed.
  absl::StatusOr<std::optional<Payload>> PayloadOf(Dot dot) const;
  // What an entry folds: its payload, or what erasures have left of it. nullopt when there is nothing here that could be folded.
  absl::StatusOr<std::optional<Content>> ContentOf(Dot dot) const;
  // Whether the op would show the record to more, or with less care, than a value that it replaces.
  bool Loosens(const Op& op, const RecordState& state, const ValueFetcher& fetch) const;
  // The makers of a record that the entry is judged by: those that count, else those in what is void with it.
  std::vector<Maker> MakersFor(Dot dot, const std::string& record, bool all) const;
  // Folds a part into its record. Its ops that its site had no right to, ascending: they count for nothing, or only narrow.
  std::vector<uint16_t> FoldPart(const Part& part, bool is_shape, Hlc time, Dot dot, const ValueFetcher& fetch, RecordState* state) const;
  // The record from all its mutations, anew.
  absl::Status RefoldRecord(const std::string& name);
  // Lists or unlists what folded to nothing of one mutation.
  absl::Status NoteUnauthorised(Dot dot, const Part& part, const std::vector<uint16_t>& ops);
  // Takes back what an applied entry did; the names of the records it had changed.
  absl::StatusOr<std::set<std::string>> Unfold(Dot dot);
  // Takes back that the entry is erased `by` another. The payload is wanted again when no erasure is left: what counts has lost it.
  absl::Status TakeErasureBack(Dot entry, Dot by, std::set<std::string>* names);
  // Folds an entry that had been discarded.
  absl::Status Reinstate(Dot dot);
  // Notes who made records in what is void of the site's logs.
  absl::Status NoteVoidMakers(SiteId site);
  // Does what the records of discarded entries among `names` say, as they are now.
  absl::Status FollowVoids(const std::set<std::string>& names);
  // Whether the entry was discarded. One that discards others cannot be: no two of them can say so of each other.
  bool Discarded(Dot dot, const Payload* payload) const;
  // Whether an entry of these parts is neither that nor beyond the closing of its log.
  bool Counts(Dot dot, const std::vector<Part>& parts) const;

  // That the entry answers its request, unless it is a companion.
  void RememberRequest(const Payload& payload, Dot dot);
  // Folds an entry's payload, or lists the entry as opaque when it is at fault. The error is this node's.
  absl::Status FoldOrMakeOpaque(const DecodedPayload& decoded, const Header& header);
  void MakeOpaque(Dot dot, std::string_view cause, std::string_view detail);
  void MakeOpaqueWithoutPayload(Dot dot, const Audience& audience);
  absl::StatusOr<bool> IsOpaque(Dot dot) const;
  // Makes it opaque no more, nor wanted. Whether it was.
  absl::StatusOr<bool> MakeClear(Dot dot);
  // `header` and `payload`: what the members of a site get with it; null where the journal had the entry before, or there is none.
  void AppendToJournal(const std::string& dot_key, const std::string* header = nullptr, const std::string* payload = nullptr);
  void PutInJournal(const std::string& dot_key);
  // Folds an entry that AddCommitted has appended.
  absl::Status FoldCommitted(const JournalItem& item, const Header& header);
  // Keeps a value with the batch, here and at the site's other members.
  void Keep(storage::Cf cf, const std::string& key, const std::string& value);
  absl::StatusOr<Audience> AudienceOf(const std::map<std::string, RecordState>& states) const;
  // Whether what the entry follows is here. A log that is quarantined here brings no more: the others do not wait for it.
  bool Follows(const Header& header) const;

  // --- Erasures (erasures.cc) ---
  // What an erasure comes to: its shape in place of the erased entry's content. The erasure's own fault: PERMISSION_DENIED when its site
  // may not erase that entry, INVALID_ARGUMENT, UNIMPLEMENTED.
  absl::StatusOr<Erasing> ErasedOutcome(const Payload& payload, const Header& header);
  // Takes what was erased out of the store.
  absl::Status AdoptErasure(Erasing erasing, const Payload& payload, const Header& header);
  // The parts of what `by` has left. They point into `erasure`.
  std::vector<Part> PartsOf(const Erasure& erasure, Dot by) const;
  // The erasures of the entry, ascending.
  absl::StatusOr<std::vector<Dot>> ErasedBy(Dot entry) const;
  // The same, the more trusted first: what headquarters says of an entry goes before what others do.
  absl::StatusOr<std::vector<Dot>> ErasedByTrust(Dot entry) const;
  void ListErasures(Dot entry, std::vector<Dot> by);
  // The bytes of this SHA-256 have to leave the store, unless a record needs them still.
  void PurgeContent(std::string_view sha256, Dot by);
  // Whether the node has folded the erasure `by`, from now on.
  absl::Status ListErasure(Dot by, bool folded);
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
  const std::string read_only_;        // why no local write is taken; empty when they are
  const std::string clock_disagrees_;  // likewise
  const bool collects_items_;
  const Journal journal_;
  bool changed_ = false;
  std::vector<JournalItem> items_;
  size_t item_bytes_ = 0;      // as the commit log counts them
  std::vector<KeptRow> kept_;  // for the last of them
  std::vector<Dot> untold_;
  std::map<std::string, Record> records_;
  std::map<std::string, std::optional<std::string>> requests_;  // nullopt: forgotten in this batch
  std::set<Dot> withheld_;                                      // those made opaque by this batch that are not due here
  std::map<Dot, bool> opaque_;                                  // whether this batch makes it so, or no longer
  std::map<Dot, bool> wanted_;                                  // likewise
  std::deque<DecodedPayload> decoded_;                          // by this batch
  std::deque<LatePayload> late_;                                // that AddCommitted brought
  std::map<std::string, int64_t> figures_;
  std::map<Dot, const Payload*> payloads_;  // of this batch
  std::map<Dot, Header> headers_;           // of this batch
  std::map<std::string, Rows> rows_;
  std::map<std::string, std::optional<std::string>> unauthorised_;  // keys of Cf::kMeta as they are now
  std::map<Dot, std::vector<Dot>> erased_;                          // entries whose erasures change in this batch, as they are now
  std::map<Dot, bool> erasures_;                                    // erasures that this batch lists, or no longer does
  VoidMakers* void_makers_ = nullptr;                               // of JudgeVoid
  std::set<std::string> purges_;                                    // keys under kMetaPurgePrefix
  std::map<std::string, Dot> purged_records_;  // and the erasures for which their contributions have to leave the files
  std::map<LogId, merkle::Frontier> frontiers_;
  std::map<LogId, std::set<uint64_t>> waiting_sizes_;
  std::map<LogId, std::pair<Seq, std::shared_ptr<const replication::ProvenHeaders>>> proofs_;  // of the last entry that came with one
  std::map<LogId, std::map<uint64_t, Digest>> checkpoint_roots_;
  mutable absl::Status broken_;  // also by what cannot be read
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
