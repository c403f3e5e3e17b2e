#include "server/node/fsck.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/evidence.h"
#include "api/merkle.h"
#include "fairlead/v1/options.pb.h"
#include "server/node/assembly.h"
#include "server/node/commit_log.h"
#include "server/node/committer.h"
#include "server/node/contents.h"
#include "server/node/lattice_hash.h"
#include "server/node/log_book.h"
#include "server/node/proven.h"
#include "server/node/witness.h"

namespace fairlead::node {
namespace {

using storage::Cf;

constexpr size_t kBatchEntries = 1024;
constexpr size_t kBatchBytes = 4 << 20;
constexpr size_t kMismatchesMax = 1024;  // tree nodes of one log that are remembered

// Nothing is too old and nothing too new for the fold: what the origin accepted once is history.
class FoldClock : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch(); }
};
constexpr absl::Duration kAnyFuture = absl::Hours(24 * 365 * 5000);

std::string Printable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (c >= 0x20 && c < 0x7f && c != '\\') {
      out.push_back(c);
    } else {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    }
  }
  return out;
}

std::optional<Dot> DotOf(std::string_view key) {
  Reader in(key);
  const Dot dot = storage::ReadDot(&in);
  if (!in.Done()) return std::nullopt;
  return dot;
}

class Checker {
 public:
  Checker(const storage::View& store, storage::Store* scratch, const FsckOptions& options)
      : store_(store), scratch_(scratch), options_(options), roster_(*options.roster) {}

  absl::StatusOr<FsckReport> Run() {
    if (absl::Status status = CheckIdentity(); !status.ok()) return status;
    ReadErased();
    CheckLogs();
    CheckJournal();
    CheckLinks();
    CheckBytes();
    if (inputs_whole_) {
      if (absl::Status status = Refold(); !status.ok()) return status;
    }
    return report_;
  }

 private:
  struct LogCheck {
    const RosterLog* log = nullptr;
    uint64_t size = 0;  // as `logs` says
    uint64_t next = 0;  // headers seen
    bool whole = true;  // no header missing or unreadable so far: the tree can be computed
    merkle::Frontier frontier;
    std::map<uint64_t, Digest> roots;                  // at the sizes that signed notes have
    std::vector<std::pair<int, uint64_t>> mismatches;  // tree nodes that are not what the headers give
  };

  void Report(Cf family, const std::string& key, const std::string& rule) {
    ++report_.findings;
    if (family == Cf::kHeaders || family == Cf::kPayloads || family == Cf::kJournal || family == Cf::kLogs) inputs_whole_ = false;
    if (options_.on_finding) options_.on_finding({family, key, rule});
  }
  // Of what follows such a place nothing is said: whether it is there cannot be known.
  void ReportUnreadable(Cf family, const absl::Status& status, const std::string& after = "") {
    Report(family, after.empty() ? "-" : "after " + after, std::string(status.message()));
  }

  std::string Name(LogId id) const {
    const RosterLog* log = roster_.FindLog(id);
    return log == nullptr ? fmt::format("log {}", id.value()) : fmt::format("{}/{}/{}", log->site_name, log->epoch, log->stream);
  }
  std::string Name(Dot dot) const { return fmt::format("{}/{}", Name(dot.log), dot.seq.value()); }
  std::string KeyText(Cf family, std::string_view key) const {
    if (family == Cf::kOpaque) {
      if (const std::optional<Dot> dot = DotOf(key)) return Name(*dot);
    }
    return Printable(key);
  }

  // The value, or nullopt when it is absent or cannot be read, which is then reported.
  std::optional<std::string> Get(Cf family, const std::string& key) {
    absl::StatusOr<std::optional<std::string>> value = store_.Get(family, key);
    if (value.ok()) return *std::move(value);
    ReportUnreadable(family, value.status());
    return std::nullopt;
  }

  absl::Status CheckIdentity() {
    const std::optional<std::string> network = Get(Cf::kMeta, std::string(storage::kMetaNetwork));
    const std::optional<std::string> site = Get(Cf::kMeta, std::string(storage::kMetaSite));
    if (!network || !site) {
      Report(Cf::kMeta, network ? "site" : "network", "is missing");
    } else if (*network != roster_.network() || roster_.FindSite(*site) == nullptr) {
      return absl::FailedPreconditionError(
          fmt::format("the store is of network '{}' and site '{}'; the roster is of '{}'", *network, *site, roster_.network()));
    } else {
      site_ = roster_.FindSite(*site)->id;
    }
    const std::optional<std::string> instance = Get(Cf::kMeta, std::string(storage::kMetaJournalInstance));
    if (!instance || instance->size() != 16) Report(Cf::kMeta, "journal_instance", "is not 16 bytes");
    return absl::OkStatus();
  }

  void ReadErased() {
    const std::string_view prefix = storage::kMetaErasedPrefix;
    auto it = store_.Iterate(Cf::kMeta, prefix, storage::PrefixEnd(prefix));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const std::optional<Dot> dot = DotOf(it->key().substr(prefix.size()));
      if (dot) {
        erased_.insert(*dot);
      } else {
        Report(Cf::kMeta, Printable(it->key()), "is no entry");
      }
    }
    if (!it->status().ok()) ReportUnreadable(Cf::kMeta, it->status());
  }

  void CheckLogs() {
    auto sizes = store_.Iterate(Cf::kLogs, {}, {});
    for (sizes->SeekToFirst(); sizes->Valid(); sizes->Next()) {
      Reader key(sizes->key());
      const LogId id(key.U32());
      Reader value(sizes->value());
      const uint64_t size = value.U64();
      const RosterLog* log = roster_.FindLog(id);
      if (!key.Done() || !value.Done()) {
        Report(Cf::kLogs, Printable(sizes->key()), "is no log and its size");
      } else if (log == nullptr) {
        Report(Cf::kLogs, Name(id), "is no log of the roster");
      } else {
        LogCheck& check = logs_[id];
        check.log = log;
        check.size = size;
      }
    }
    if (!sizes->status().ok()) ReportUnreadable(Cf::kLogs, sizes->status());
    for (const RosterLog& log : roster_.logs()) logs_[log.id].log = &log;
    for (auto& [id, check] : logs_) NoteSizes(id, &check);
    CheckHeaders();
    for (auto& [id, check] : logs_) {
      if (check.next < check.size && headers_read_) MissHeaders(id, &check, check.size);
      if (check.next < check.size) check.whole = false;
      CheckTree(id, check);
      CheckNotes(id, check);
    }
  }

  // The sizes at which the roots of this log are wanted.
  void NoteSizes(LogId id, LogCheck* check) {
    const auto note_size = [&](std::string_view bytes) {
      const absl::StatusOr<note::Note> parsed = note::Parse(bytes);
      const absl::StatusOr<note::Checkpoint> checkpoint =
          parsed.ok() ? note::ParseCheckpoint(parsed->text) : absl::StatusOr<note::Checkpoint>(parsed.status());
      if (checkpoint.ok()) check->roots[checkpoint->size] = merkle::EmptyRoot();
    };
    const absl::StatusOr<std::optional<std::string>> checkpoint = store_.Get(Cf::kCheckpoints, storage::LogKey(id));
    if (checkpoint.ok() && checkpoint->has_value()) note_size(**checkpoint);
    const std::string prefix = storage::LogKey(id);
    auto it = store_.Iterate(Cf::kCosignatures, prefix, storage::PrefixEnd(prefix));
    for (it->SeekToFirst(); it->Valid(); it->Next()) note_size(it->value());
  }

  void MissHeaders(LogId id, LogCheck* check, uint64_t end) {
    Report(Cf::kHeaders, Name(Dot{id, Seq(check->next)}),
           end == check->next + 1 ? "is missing" : fmt::format("is missing, and all up to {}", end - 1));
    check->whole = false;
    check->next = end;
  }

  // Headers and payloads in one pass, and the tree over them.
  void CheckHeaders() {
    auto headers = store_.Iterate(Cf::kHeaders, {}, {});
    auto payloads = store_.Iterate(Cf::kPayloads, {}, {});
    payloads->SeekToFirst();
    std::string last;  // the header read last
    const auto stray_payload = [&] { Report(Cf::kPayloads, PayloadName(payloads->key()), "belongs to no header"); };
    for (headers->SeekToFirst(); headers->Valid(); headers->Next()) {
      while (payloads->Valid() && payloads->key() < headers->key()) {
        stray_payload();
        payloads->Next();
      }
      std::optional<std::string> payload;
      const bool has_payload = payloads->Valid() && payloads->key() == headers->key();
      const std::optional<Dot> dot = DotOf(headers->key());
      const auto log = dot ? logs_.find(dot->log) : logs_.end();
      if (log == logs_.end() || dot->seq.value() >= log->second.size) {
        Report(Cf::kHeaders, dot ? Name(*dot) : Printable(headers->key()), "is beyond what `logs` says there is");
      } else {
        CheckEntry(*dot, headers->value(), has_payload ? std::optional(payloads->value()) : std::nullopt, payloads->status().ok(),
                   &log->second);
        last = Name(*dot);
      }
      if (has_payload) payloads->Next();
    }
    for (; payloads->Valid() && headers->status().ok(); payloads->Next()) stray_payload();
    if (!headers->status().ok()) {
      ReportUnreadable(Cf::kHeaders, headers->status(), last);
      headers_read_ = false;
    }
    if (!payloads->status().ok()) ReportUnreadable(Cf::kPayloads, payloads->status());
  }
  std::string PayloadName(std::string_view key) const {
    const std::optional<Dot> dot = DotOf(key);
    return dot ? Name(*dot) : Printable(key);
  }

  // `payloads_read`: that `payload` is absent is known.
  void CheckEntry(Dot dot, std::string_view header_bytes, std::optional<std::string_view> payload, bool payloads_read, LogCheck* check) {
    if (dot.seq.value() > check->next) MissHeaders(dot.log, check, dot.seq.value());
    check->next = dot.seq.value() + 1;
    ++report_.entries;
    if (check->whole) {
      check->frontier.Append(merkle::LeafHash(header_bytes), [&](int level, uint64_t index, const Digest& hash) {
        if (level > 0) CompareNode(dot.log, level, index, hash, check);
      });
      auto root = check->roots.find(check->frontier.size());
      if (root != check->roots.end()) root->second = check->frontier.Root();
    }
    const absl::StatusOr<Header> header = evidence::HeaderOf(*check->log, dot.seq.value(), header_bytes);
    if (!header.ok()) return Report(Cf::kHeaders, Name(dot), std::string(header.status().message()));
    if (erased_.contains(dot)) {
      ++report_.erased;
      if (payload) Report(Cf::kPayloads, Name(dot), "is there, and the entry is listed as erased");
      return;
    }
    if (payload) {
      if (Sha256(*payload) != header->payload_digest) Report(Cf::kPayloads, Name(dot), "does not have the digest that its header states");
      return;
    }
    if (!payloads_read) return;
    const std::optional<std::string> opaque = Get(Cf::kOpaque, storage::DotKey(dot));
    const std::string_view cause = opaque ? Reader(*opaque).Bytes() : std::string_view();
    if (cause == kCauseWithheld || cause == kCausePending || check->log->Voids(dot.seq) ||
        Get(Cf::kMeta, std::string(storage::kMetaVoidPrefix) + storage::DotKey(dot))) {
      ++report_.withheld;
    } else {
      Report(Cf::kPayloads, Name(dot), "is missing, and the entry is not listed as withheld or erased");
    }
  }

  void CompareNode(LogId id, int level, uint64_t index, const Digest& hash, LogCheck* check) {
    const std::optional<std::string> held = Get(Cf::kTree, storage::TreeKey(id, level, index));
    if (!held) {
      Report(Cf::kTree, NodeName(id, level, index), "is missing");
    } else if (*held != AsView(hash) && check->mismatches.size() < kMismatchesMax) {
      check->mismatches.emplace_back(level, index);
    }
  }
  std::string NodeName(LogId id, int level, uint64_t index) const { return fmt::format("{} level {} index {}", Name(id), level, index); }

  void CheckTree(LogId id, const LogCheck& check) {
    const std::string prefix = storage::LogKey(id);
    auto it = store_.Iterate(Cf::kTree, prefix, storage::PrefixEnd(prefix));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      Reader in(it->key().substr(prefix.size()));
      const int level = in.U8();
      const uint64_t index = in.U64();
      if (!in.Done() || level < 1 || level > 63 || index >= (check.size >> level)) {
        Report(Cf::kTree, in.Done() ? NodeName(id, level, index) : Printable(it->key()),
               fmt::format("is no complete subtree of {} entries", check.size));
      }
    }
    if (!it->status().ok()) ReportUnreadable(Cf::kTree, it->status());
    if (check.mismatches.empty()) return;
    // Which side is damaged, the checkpoint tells: with its root, the headers are as they were signed.
    if (HeadersAreSigned(id, check)) {
      for (const auto& [level, index] : check.mismatches) {
        Report(Cf::kTree, NodeName(id, level, index), "is not the hash of what is below it");
      }
      return;
    }
    for (const auto& [level, index] : check.mismatches) {
      if (level != 1) continue;
      Report(Cf::kHeaders, fmt::format("{} or {}", Name(Dot{id, Seq(2 * index)}), 2 * index + 1),
             "is not what the tree above it was computed from");
    }
    if (std::none_of(check.mismatches.begin(), check.mismatches.end(), [](const auto& node) { return node.first == 1; })) {
      const auto& [level, index] = check.mismatches.front();
      Report(Cf::kTree, NodeName(id, level, index), "is not the hash of what is below it");
    }
  }

  bool HeadersAreSigned(LogId id, const LogCheck& check) const {
    const absl::StatusOr<std::optional<std::string>> held = store_.Get(Cf::kCheckpoints, storage::LogKey(id));
    if (!held.ok() || !held->has_value()) return false;
    const absl::StatusOr<evidence::Checkpoint> checkpoint = evidence::VerifyCheckpoint(**held, roster_);
    if (!checkpoint.ok()) return false;
    const auto root = check.roots.find(checkpoint->size);
    return checkpoint->size > 0 && root != check.roots.end() && root->second == checkpoint->root;
  }

  void CheckNotes(LogId id, const LogCheck& check) {
    if (const std::optional<std::string> held = Get(Cf::kCheckpoints, storage::LogKey(id))) {
      CheckNote(Cf::kCheckpoints, Name(id), *held, check, true);
    }
    if (check.whole && check.mismatches.empty()) {
      const absl::StatusOr<std::optional<replication::ProvenPrefix>> proven = ReadProven(store_, id);
      absl::Status status = proven.status();
      if (proven.ok() && proven->has_value()) status = CheckProven(store_, *check.log, **proven);
      if (!status.ok()) Report(Cf::kMeta, fmt::format("proven {}", Name(id)), std::string(status.message()));
    }
    const std::string prefix = storage::LogKey(id);
    auto it = store_.Iterate(Cf::kCosignatures, prefix, storage::PrefixEnd(prefix));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const SiteId site(Reader(it->key().substr(prefix.size())).U16());
      const RosterSite* found = roster_.FindSite(site);
      if (found == nullptr || roster_.FindCosigner(site) == nullptr) continue;  // of a roster that is no longer in force
      const std::string key = fmt::format("{} by {}", Name(id), found->name);
      const std::optional<evidence::Checkpoint> checkpoint = CheckNote(Cf::kCosignatures, key, it->value(), check, false);
      const absl::StatusOr<note::Note> parsed = note::Parse(it->value());
      if (parsed.ok() && note::IsByOtherKey(*parsed, roster_.FindCosigner(site)->verifier)) continue;  // that the roster has replaced
      if (checkpoint && std::none_of(checkpoint->cosignatures.begin(), checkpoint->cosignatures.end(),
                                     [&](const auto& c) { return c.site == found->name; })) {
        Report(Cf::kCosignatures, key, "is not cosigned by that site");
      }
    }
    if (!it->status().ok()) ReportUnreadable(Cf::kCosignatures, it->status());
  }

  // What the note says, when it verifies.
  std::optional<evidence::Checkpoint> CheckNote(Cf family, const std::string& key, std::string_view bytes, const LogCheck& check,
                                                bool must_be_held) {
    absl::StatusOr<evidence::Checkpoint> checkpoint = evidence::VerifyCheckpoint(bytes, roster_);
    if (!checkpoint.ok()) {
      Report(family, key, std::string(checkpoint.status().message()));
      return std::nullopt;
    }
    if (checkpoint->log != check.log) {
      Report(family, key, fmt::format("is of {}", checkpoint->log->origin()));
    } else if (checkpoint->size > check.size) {
      if (must_be_held) Report(family, key, fmt::format("covers {} entries; the log has {}", checkpoint->size, check.size));
    } else if (check.whole && check.roots.at(checkpoint->size) != checkpoint->root) {
      Report(family, key, fmt::format("its root is not that of entries [0, {})", checkpoint->size));
    }
    return *std::move(checkpoint);
  }

  void CheckJournal() {
    auto it = store_.Iterate(Cf::kJournal, {}, {});
    uint64_t next = 0;
    VersionVector applied;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      Reader key(it->key());
      const uint64_t position = key.U64();
      const std::optional<Dot> dot = DotOf(it->value());
      const std::string name = std::to_string(position);
      if (!key.Done() || position != next) {
        Report(Cf::kJournal, std::to_string(next), "is missing");
        if (!key.Done()) continue;
      }
      next = position + 1;
      if (!dot) {
        Report(Cf::kJournal, name, "is no entry");
        continue;
      }
      const Seq expected = applied.Get(dot->log);
      if (dot->seq < expected) continue;  // again: its payload came late
      if (dot->seq != expected) {
        Report(Cf::kJournal, name, fmt::format("is entry {}; the next of its log is {}", Name(*dot), expected.value()));
      }
      applied.Set(dot->log, std::max(expected, dot->seq + 1));
      const absl::StatusOr<std::optional<std::string>> bytes = store_.Get(Cf::kHeaders, storage::DotKey(*dot));
      if (!bytes.ok() || !bytes->has_value()) {
        Report(Cf::kJournal, name, fmt::format("is entry {}, which has no header", Name(*dot)));
        continue;
      }
      const absl::StatusOr<Header> header = DecodeHeader(**bytes);
      if (header.ok() && !Follows(applied, *header)) {
        Report(Cf::kJournal, name, fmt::format("is entry {}, before one that it follows", Name(*dot)));
      }
    }
    if (!it->status().ok()) return ReportUnreadable(Cf::kJournal, it->status(), next == 0 ? "" : std::to_string(next - 1));
    for (const auto& [id, check] : logs_) {
      if (applied.Get(id).value() != check.size) {
        Report(Cf::kJournal, Name(id), fmt::format("has {} entries of it; `logs` says {}", applied.Get(id).value(), check.size));
      }
    }
    journal_end_ = next;
  }

  // Whether `applied` has all that the entry follows, as far as it stands.
  bool Follows(const VersionVector& applied, const Header& header) const {
    const auto& deps = header.deps.entries();
    return std::all_of(deps.begin(), deps.end(),
                       [&](const auto& d) { return applied.Get(d.first) >= roster_.Standing(d.first, d.second); });
  }

  void CheckLinks() {
    auto it = store_.Iterate(Cf::kLinks, {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      Reader in(it->value());
      in.Bytes();
      in.U64();
      if (!in.Done()) Report(Cf::kLinks, Printable(it->key()), "is no instance and position");
    }
    if (!it->status().ok()) ReportUnreadable(Cf::kLinks, it->status());
  }

  void CheckBytes() {
    const absl::Status read =
        CheckContents(store_, [this](const std::string& key, const std::string& rule) { Report(Cf::kContents, Printable(key), rule); });
    if (!read.ok()) ReportUnreadable(Cf::kContents, read);
  }

  // Folds every entry into the scratch store, as a node does that receives them, and compares.
  absl::Status Refold() {
    auto identity = scratch_->NewBatch();
    for (const std::string_view key : {storage::kMetaNetwork, storage::kMetaSite, storage::kMetaJournalInstance}) {
      identity->Put(Cf::kMeta, key, Get(Cf::kMeta, std::string(key)).value_or(""));
    }
    if (absl::Status status = scratch_->Write(identity.get(), storage::Sync::kNo); !status.ok()) return status;

    const FoldClock clock;
    NodeOptions options{.site = "", .roster = roster_, .log_keys = {}, .mirror_key = {}};
    options.registry = options_.registry;
    options.clock = &clock;
    options.future_bound = kAnyFuture;
    options.request_horizon = absl::ZeroDuration();
    // No log is the node's own: nothing is signed.
    Witness witness({.roster = &roster_, .site = SiteId(), .own_logs = {}, .clock = &clock}, scratch_,
                    [this](LogId id, Seq size) { return LogBook(*scratch_).Root(id, size); });
    EmbeddedCommitLog commit_log(scratch_, Position(0));
    Committer committer(&options, site_, {}, scratch_, &commit_log, &witness, nullptr);
    if (absl::Status status = committer.Load(); !status.ok()) return status;

    const LogBook book(store_);
    for (uint64_t position = 0; position < journal_end_;) {
      const absl::StatusOr<std::vector<Dot>> dots = book.Journal(Position(position), kBatchEntries);
      if (!dots.ok()) return dots.status();
      replication::RemoteBatch batch;
      size_t bytes = 0;
      for (const Dot& dot : *dots) {
        if (bytes >= kBatchBytes) break;
        replication::VerifiedEntry& entry = batch.entries.emplace_back();
        entry.dot = dot;
        entry.header_bytes = Get(Cf::kHeaders, storage::DotKey(dot)).value_or("");
        absl::StatusOr<Header> header = DecodeHeader(entry.header_bytes);
        if (!header.ok()) return header.status();  // it was read before
        entry.header = *std::move(header);
        entry.payload = Get(Cf::kPayloads, storage::DotKey(dot));
        bytes += entry.header_bytes.size() + (entry.payload ? entry.payload->size() : 0);
      }
      const size_t count = batch.entries.size();
      replication::ApplyResult result;
      committer.ApplyRemote(std::move(batch), [&result](const replication::ApplyResult& r) { result = r; });
      while (committer.CommitOnce()) {
      }
      while (committer.RunCompletions()) {
      }
      if (!result.status.ok()) return result.status;
      if (result.applied != count) return absl::InternalError(fmt::format("the fold took {} of {} entries", result.applied, count));
      position += count;
    }
    // Here an erasure may have come before what undoes it. A node that has been given the payload again gives it to the fold, too.
    std::optional<Dot> last;
    for (std::vector<Dot> wanted; !(wanted = committer.WantedPayloads(last, kBatchEntries)).empty(); last = wanted.back()) {
      for (const Dot& dot : wanted) {
        std::optional<std::string> payload = Get(Cf::kPayloads, storage::DotKey(dot));
        if (!payload) continue;
        if (absl::Status status = committer.TakePayload(dot, *std::move(payload)); !status.ok()) return status;
      }
      while (committer.CommitOnce()) {
      }
    }
    report_.folded = true;
    for (const Cf family :
         {Cf::kMeta, Cf::kRecords, Cf::kRevisions, Cf::kDerived, Cf::kIndexes, Cf::kAggregates, Cf::kRequests, Cf::kOpaque}) {
      Compare(family);
    }
    return absl::OkStatus();
  }

  void Compare(Cf family) {
    auto held = store_.Iterate(family, {}, {});
    auto folded = scratch_->Iterate(family, {}, {});
    held->SeekToFirst();
    folded->SeekToFirst();
    std::string last;  // the key read last
    while (held->Valid() || folded->Valid()) {
      if (!held->status().ok()) break;
      const bool only_held = !folded->Valid() || (held->Valid() && held->key() < folded->key());
      const bool only_folded = !held->Valid() || (folded->Valid() && folded->key() < held->key());
      const std::string key(only_folded ? folded->key() : held->key());
      if (only_held) {
        if (!MayDiffer(family, key, held->value())) Report(family, KeyText(family, key), "follows from no entry");
      } else if (only_folded) {
        if (!MayDiffer(family, key, folded->value())) Report(family, KeyText(family, key), "is missing");
      } else if (held->value() != folded->value() && !MayDiffer(family, key, {}) &&
                 !DiffersInLoosened(family, key, held->value(), folded->value())) {
        Report(family, KeyText(family, key), "is not what the entries fold to");
      }
      if (family == Cf::kRecords && !only_folded) ++report_.records;
      if (!only_folded) {
        last = key;
        held->Next();
      }
      if (!only_held) folded->Next();
    }
    if (!held->status().ok()) ReportUnreadable(family, held->status(), KeyText(family, last));
  }

  // Whether two lists of what one mutation may not, either of which may be empty, differ in restrictions alone. Whether one loosened what
  // was there was seen as it came, by what was there then.
  bool DiffersInLoosened(Cf family, std::string_view key, std::string_view one, std::string_view other) const {
    if (family != Cf::kMeta || !key.starts_with(storage::kMetaUnauthorisedPrefix)) return false;
    const auto others = [this](std::string_view value) {
      std::vector<uint32_t> fields;
      if (value.empty()) return fields;
      Reader in(value);
      const auto* type = options_.registry->FindByNumber(static_cast<uint32_t>(in.Varint()));
      in.Bytes();
      for (uint64_t left = in.Varint(); in.ok() && left > 0; --left) {
        const auto field = static_cast<uint32_t>(in.Varint());
        const auto* found = type == nullptr ? nullptr : type->prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(field));
        const int kind = found == nullptr ? 0 : static_cast<int>(found->options().GetExtension(v1::merge));
        if (kind != static_cast<int>(MergeKind::kRestrictMax) && kind != static_cast<int>(MergeKind::kRestrictIntersect))
          fields.push_back(field);
      }
      if (!in.Done()) fields.push_back(0);  // it is none
      return fields;
    };
    return others(one) == others(other);
  }

  // What does not follow from the entries alone. `value` is that of the side that has the key when the other lacks it.
  bool MayDiffer(Cf family, std::string_view key, std::string_view value) {
    if (family == Cf::kMeta) {
      if (key == storage::kMetaHlc || key.starts_with(storage::kMetaErasedPrefix)) return false;
      if (key.starts_with(storage::kMetaVoidPrefix)) return false;
      if (key.starts_with(storage::kMetaUnauthorisedPrefix)) return !value.empty() && DiffersInLoosened(family, key, value, {});
      if (!key.starts_with(storage::kMetaDigestPrefix)) return true;
      // A class that lost its last record, or had one only within a batch.
      return value.size() == 8 + LatticeHash::kBytes && value.find_first_not_of('\0') == std::string_view::npos;
    }
    if (family == Cf::kRequests) {
      // The id of a request whose entry was erased stays, so that a retry does not write it again; it cannot be read from the entry. Nor
      // can it when the erasure turned out to be void, until a peer gives the payload.
      const std::string_view entry = value.substr(0, std::min<size_t>(value.size(), 12));
      if (const std::optional<Dot> dot = DotOf(entry); dot && !Get(Cf::kPayloads, std::string(entry))) return true;
      const auto millis = static_cast<int64_t>(Reader(key.substr(0, std::min<size_t>(key.size(), 8))).U64());
      return !value.empty() && millis < absl::ToUnixMillis(options_.now - options_.request_horizon);
    }
    return false;
  }

  const storage::View& store_;
  storage::Store* const scratch_;
  const FsckOptions& options_;
  const Roster& roster_;
  SiteId site_;  // the store's
  std::map<LogId, LogCheck> logs_;
  std::set<Dot> erased_;
  uint64_t journal_end_ = 0;
  bool inputs_whole_ = true;
  bool headers_read_ = true;  // to their end
  FsckReport report_;
};

}  // namespace

std::string ToString(const Finding& finding) {
  const std::string_view family = finding.family == Cf::kMeta ? "meta" : storage::kCfNames[static_cast<size_t>(finding.family)];
  return fmt::format("{} {}: {}", family, finding.key, finding.rule);
}

absl::StatusOr<FsckReport> Fsck(const storage::View& store, storage::Store* scratch, const FsckOptions& options) {
  return Checker(store, scratch, options).Run();
}

}  // namespace fairlead::node
