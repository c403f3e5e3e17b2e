#include "server/node/erasures.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/assembly.h"
#include "server/node/attachments.h"
#include "server/node/committer.h"
#include "server/node/contents.h"
#include "server/node/log_book.h"

namespace fairlead::node {

using storage::Cf;

namespace {

constexpr std::string_view kHqSite = "hq";
constexpr size_t kPurgeKeysMax = 1024;  // of one call
// Before a SHA-256, in place of a key of Cf::kContents: the bytes that have it, wherever they lie.
constexpr std::string_view kContentOf = "sha256/";

std::string ErasedKey(Dot entry) { return std::string(storage::kMetaErasedPrefix) + storage::DotKey(entry); }
std::string ErasureKey(Dot erasure) { return std::string(storage::kMetaErasurePrefix) + storage::DotKey(erasure); }
std::string PurgeKey(Dot by, Cf cf, std::string_view key) {
  std::string out = std::string(storage::kMetaPurgePrefix) + storage::DotKey(by);
  PutU8(&out, static_cast<uint8_t>(cf));
  return out.append(key);
}

std::string Name(Dot dot) { return fmt::format("entry {} of log {}", dot.seq.value(), dot.log.value()); }

}  // namespace

std::string_view ErasingSite(const Roster& roster) {
  return roster.headquarters().empty() ? kHqSite : std::string_view(roster.headquarters());
}

bool MayErase(const Roster& roster, SiteId site, Dot entry) {
  const RosterLog* log = roster.FindLog(entry.log);
  const RosterSite* hq = roster.FindSite(ErasingSite(roster));
  return log != nullptr && log->stream != kAuditStream && (log->site == site || (hq != nullptr && hq->id == site));
}

bool MayDiscard(const Roster& roster, Dot entry) {
  const RosterLog* log = roster.FindLog(entry.log);
  return log == nullptr || log->stream != kAuditStream;
}

Erasure ErasureOf(const Roster& roster, const Payload& payload, Dot entry, std::string reason, std::string authority) {
  Erasure erasure{entry, std::move(reason), std::move(authority), {}};
  for (size_t i = 0; i < payload.mutations.size(); ++i) {
    const Mutation& mutation = payload.mutations[i];
    erasure.mutations.push_back({MutationIdOf(roster.network(), payload, i), Authority::MakerIn(roster.network(), payload, mutation.record),
                                 ShapeOf(mutation, {kWithdrawnField})});
  }
  return erasure;
}

absl::StatusOr<std::vector<Dot>> ErasuresOf(const storage::View& view, Dot entry) {
  auto stored = view.Get(Cf::kMeta, ErasedKey(entry));
  if (!stored.ok()) return stored.status();
  std::vector<Dot> erasures;
  if (!stored->has_value()) return erasures;
  Reader in(**stored);
  while (in.ok() && in.left() > 0) erasures.push_back(storage::ReadDot(&in));
  if (!in.ok()) return Error(Reason::kStoreDamaged, fmt::format("the erasures of {} are damaged", Name(entry)));
  return erasures;
}

absl::StatusOr<std::vector<std::pair<Dot, Position>>> StoredErasures(const storage::View& view) {
  std::vector<std::pair<Dot, Position>> erasures;
  auto it = view.Iterate(Cf::kMeta, storage::kMetaErasurePrefix, storage::PrefixEnd(storage::kMetaErasurePrefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(storage::kMetaErasurePrefix.size()));
    Reader value(it->value());
    const Dot erasure = storage::ReadDot(&key);
    erasures.emplace_back(erasure, Position(value.U64()));
    if (!key.Done() || !value.Done()) return Error(Reason::kStoreDamaged, "the list of erasures is damaged");
  }
  if (!it->status().ok()) return it->status();
  return erasures;
}

// --- In a batch --------------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<Dot>> Committer::Assembly::ErasedBy(Dot entry) const {
  if (auto here = erased_.find(entry); here != erased_.end()) return here->second;
  if (committed_.erasures.entries().empty()) return std::vector<Dot>();
  return ErasuresOf(*committer_.store_, entry);
}

absl::StatusOr<std::vector<Dot>> Committer::Assembly::ErasedByTrust(Dot entry) const {
  auto erasures = ErasedBy(entry);
  const RosterSite* hq = options_.roster.FindSite(ErasingSite(options_.roster));
  if (!erasures.ok() || hq == nullptr) return erasures;
  std::stable_partition(erasures->begin(), erasures->end(), [&](Dot by) { return SiteOf(by.log) == hq->id; });
  return erasures;
}

void Committer::Assembly::ListErasures(Dot entry, std::vector<Dot> by) {
  std::string list;
  for (const Dot& each : by) list += storage::DotKey(each);
  if (by.empty()) {
    batch_->Delete(Cf::kMeta, ErasedKey(entry));
  } else {
    batch_->Put(Cf::kMeta, ErasedKey(entry), list);
  }
  erased_[entry] = std::move(by);
}

absl::Status Committer::Assembly::ListErasure(Dot by, bool folded) {
  erasures_[by] = folded;
  if (folded) {
    std::string position;
    PutU64(&position, committed_.journal_end.value() - 1);
    batch_->Put(Cf::kMeta, ErasureKey(by), position);
    committed_.erasures.Set(by.log, std::max(committed_.erasures.Get(by.log), by.seq + 1));
    return absl::OkStatus();
  }
  batch_->Delete(Cf::kMeta, ErasureKey(by));
  auto stored = StoredErasures(*committer_.store_);
  if (!stored.ok()) return stored.status();
  std::map<Dot, bool> all = erasures_;
  for (const auto& [erasure, position] : *stored) all.emplace(erasure, true);
  Seq size;
  for (const auto& [erasure, is_folded] : all) {
    if (is_folded && erasure.log == by.log) size = std::max(size, erasure.seq + 1);
  }
  committed_.erasures.Set(by.log, size);
  return absl::OkStatus();
}

std::vector<Committer::Assembly::Part> Committer::Assembly::PartsOf(const Erasure& erasure, Dot by) const {
  const bool doubtful = !committer_.authority_.IsHeadquarters(SiteOf(by.log));
  std::vector<Part> parts;
  for (size_t i = 0; i < erasure.mutations.size(); ++i) {
    const ErasedMutation& told = erasure.mutations[i];
    Part& part = parts.emplace_back(Part{.index = i, .mutation = &told.shape, .id = told.id});
    if (!committer_.authority_.Limits() || !committer_.authority_.NamesMaker(told.shape.record)) continue;
    part.maker = told.maker;
    part.doubt = doubtful ? 2 : 1;
  }
  return parts;
}

absl::StatusOr<Committer::Assembly::Erasing> Committer::Assembly::ErasedOutcome(const Payload& payload, const Header& header) {
  auto read = ErasureIn(payload);
  if (!read.ok()) return read.status();
  Erasing erasing;
  erasing.erasure = std::make_unique<Erasure>(*std::move(read));
  const Erasure& erasure = *erasing.erasure;
  const Dot entry = erasure.entry;
  if (!MayErase(options_.roster, SiteOf(header.log), entry)) {
    return absl::PermissionDeniedError(fmt::format("its site may not erase {}", Name(entry)));
  }
  const bool follows = entry.log == header.log ? entry.seq < header.seq : entry.seq < header.deps.Get(entry.log);
  if (!follows) return absl::InvalidArgumentError(fmt::format("erases {}, which it does not follow", Name(entry)));
  auto erased = HeaderOf(entry);
  if (!erased.ok()) return erased.status();
  erasing.erased = *std::move(erased);
  if (options_.roster.Voids(entry)) return erasing;  // perhaps held, perhaps not
  if (!erasing.erased) return absl::UnimplementedError(fmt::format("erases {}, whose log is quarantined here", Name(entry)));
  if (erasing.erased->audience != header.audience) {
    return absl::InvalidArgumentError(fmt::format("erases {}, and has another audience", Name(entry)));
  }
  auto said = PayloadOf(entry);
  if (!said.ok()) return said.status();
  if (said->has_value()) {
    const std::vector<Mutation>& mutations = (*said)->mutations;
    bool same = mutations.size() == erasure.mutations.size();
    for (size_t i = 0; same && i < mutations.size(); ++i) {
      const ErasedMutation& told = erasure.mutations[i];
      same = told.id == MutationIdOf(options_.roster.network(), **said, i) && IsShapeOf(told.shape, mutations[i]) &&
             told.maker == Authority::MakerIn(options_.roster.network(), **said, told.shape.record);
    }
    if (!same) return absl::InvalidArgumentError(fmt::format("states another shape than {} has", Name(entry)));
  }
  erasing.parts = PartsOf(erasure, {header.log, header.seq});
  erasing.counts = Counts(entry, erasing.parts);
  if (!erasing.counts) return erasing;
  auto effect = Outcome(erasing.parts, /*is_shape=*/true, erasing.erased->time, entry);
  if (!effect.ok()) return effect.status();
  erasing.effect = *std::move(effect);
  return erasing;
}

absl::Status Committer::Assembly::AdoptErasure(Erasing erasing, const Payload& payload, const Header& header) {
  const Dot by{header.log, header.seq};
  const Dot entry = erasing.erasure->entry;
  for (size_t i = 0; i < payload.mutations.size(); ++i) AddRow(payload.mutations[i].record, header.time, by, i);
  auto list = ErasedBy(entry);
  if (!list.ok()) return list.status();
  const bool again = !list->empty();
  auto at = std::lower_bound(list->begin(), list->end(), by);
  if (at == list->end() || *at != by) list->insert(at, by);
  ListErasures(entry, *std::move(list));
  if (absl::Status status = ListErasure(by, /*folded=*/true); !status.ok()) return status;
  if (!erasing.erased) return absl::OkStatus();

  const std::string key = storage::DotKey(entry);
  payloads_.erase(entry);
  batch_->Delete(Cf::kPayloads, key);
  Purge(Cf::kPayloads, key, by);
  for (const Mutation& mutation : payload.mutations) {
    purged_records_[mutation.record] = by;
    Purge(Cf::kRecords, mutation.record, by);
    Purge(Cf::kDerived, mutation.record, by);
    const absl::StatusOr<std::vector<std::string>> contents = ContentsOfSubject(*committer_.store_, mutation.record);
    if (!contents.ok()) return contents.status();
    for (const std::string& sha256 : *contents) PurgeContent(sha256, by);
  }
  if (!erasing.counts) return absl::OkStatus();
  if (absl::StatusOr<bool> was = MakeClear(entry); !was.ok()) return was.status();
  if (absl::Status status = Adopt(std::move(erasing.effect), erasing.parts, erasing.erased->time, entry); !status.ok() || !again)
    return status;
  // Another may have stated another shape, where the payload was not here to compare: which one came first must not count.
  std::set<std::string> names;
  for (const Part& part : erasing.parts) names.insert(part.mutation->record);
  for (const std::string& name : names) {
    if (absl::Status status = RefoldRecord(name); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Committer::Assembly::Purge(Cf cf, std::string_view key, Dot by) {
  const std::string purge = PurgeKey(by, cf, key);
  purges_.insert(purge);
  batch_->Put(Cf::kMeta, purge, {});
}

void Committer::Assembly::PurgeContent(std::string_view sha256, Dot by) {
  Purge(Cf::kContents, std::string(kContentOf).append(sha256), by);
}

std::optional<Dot> Committer::Assembly::ErasedBefore(const std::vector<MutationId>& ids, const std::map<std::string, RecordState>& states) {
  for (const auto& [name, state] : states) {
    for (const auto& [number, field] : state.fields) {
      for (const auto& [id, value] : field.values) {
        if (value.erased && std::find(ids.begin(), ids.end(), id.mutation) != ids.end()) return value.dot;
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> Committer::Assembly::KeptValue(const ValueId& id, Dot dot) const {
  const auto erasures = ErasedByTrust(dot);
  broken_.Update(erasures.status());
  if (!erasures.ok()) return std::nullopt;
  for (const Dot& by : *erasures) {
    auto payload = PayloadOf(by);
    broken_.Update(payload.status());
    if (!payload.ok() || !payload->has_value()) continue;
    auto erasure = ErasureIn(**payload);
    if (!erasure.ok()) continue;
    for (const ErasedMutation& kept : erasure->mutations) {
      if (kept.id != id.mutation || id.op >= kept.shape.ops.size() || IsErased(kept.shape.ops[id.op])) continue;
      return kept.shape.ops[id.op].value;
    }
  }
  return std::nullopt;
}

// --- After it ----------------------------------------------------------------------------------------------------------------------

VersionVector Committer::Erasures() const {
  absl::MutexLock lock(&committed_mu_);
  return committed_.erasures;
}

void Committer::Purge(std::atomic<bool>* cancelled) {
  std::vector<std::string> purges;
  {
    absl::MutexLock lock(&committed_mu_);
    for (const std::string& purge : purges_) {
      if (purges.size() < kPurgeKeysMax) purges.push_back(purge);
    }
  }
  if (purges.empty()) return;
  std::set<Dot> erasures;
  for (const std::string& purge : purges) {
    Reader in(std::string_view(purge).substr(storage::kMetaPurgePrefix.size()));
    erasures.insert(storage::ReadDot(&in));
  }
  const absl::StatusOr<bool> elsewhere = ErasedElsewhere(erasures);
  if (elsewhere.ok() && !*elsewhere) return;
  absl::Status status = elsewhere.status();
  std::vector<std::pair<Cf, std::string>> keys;
  std::vector<std::string> due;  // by bytes that are removed here
  for (const std::string& purge : purges) {
    if (!status.ok()) break;
    Reader in(std::string_view(purge).substr(storage::kMetaPurgePrefix.size()));
    const Dot by = storage::ReadDot(&in);
    const Cf cf = static_cast<Cf>(in.U8());
    const std::string_view key = in.Fixed(in.left());
    if (cf != Cf::kContents || !key.starts_with(kContentOf)) {
      keys.emplace_back(cf, key);
      continue;
    }
    // Whether a record needs them, what is committed says: the batch of the erasure is.
    status = contents_->RemoveUnneeded(key.substr(kContentOf.size()), [&](std::string_view chunks, storage::Batch* batch) {
      due.push_back(PurgeKey(by, Cf::kContents, chunks));
      batch->Put(Cf::kMeta, due.back(), {});
    });
  }
  {
    absl::MutexLock lock(&committed_mu_);
    purges_.insert(due.begin(), due.end());  // by the next call
  }
  if (status.ok()) status = store_->Purge(keys, cancelled);
  if (status.ok()) {
    auto batch = store_->NewBatch();
    for (const std::string& purge : purges) batch->Delete(Cf::kMeta, purge);
    status = store_->Write(batch.get(), storage::Sync::kNo);
  }
  if (!status.ok()) {
    if (!absl::IsUnavailable(status))
      spdlog::warn("what was erased is not out of the store's files yet: {}", std::string(status.message()));
    return;
  }
  absl::MutexLock lock(&committed_mu_);
  for (const std::string& purge : purges) purges_.erase(purge);
}

absl::StatusOr<bool> Committer::ErasedElsewhere(const std::set<Dot>& erasures) {
  Position end;
  for (const Dot& by : erasures) {
    // None of one that was taken back: what it erased is wanted again.
    auto position = store_->Get(Cf::kMeta, ErasureKey(by));
    if (!position.ok()) return position.status();
    if (position->has_value()) end = std::max(end, Position(Reader(**position).U64()) + 1);
  }
  absl::MutexLock lock(&erasers_mu_);
  return std::all_of(erasers_.begin(), erasers_.end(), [end](const auto& eraser) { return eraser.second(end); });
}

uint64_t Committer::AddEraser(std::function<bool(Position)> erased) {
  absl::MutexLock lock(&erasers_mu_);
  const uint64_t id = next_eraser_++;
  erasers_.emplace(id, std::move(erased));
  return id;
}

void Committer::RemoveEraser(uint64_t id) {
  absl::MutexLock lock(&erasers_mu_);
  erasers_.erase(id);
}

Seq Committer::Durable(LogId log) const {
  Seq size;
  bool wanted = false;
  {
    absl::MutexLock lock(&committed_mu_);
    size = committed_.applied.Get(log);
    for (const std::string& purge : purges_) {
      Reader in(std::string_view(purge).substr(storage::kMetaPurgePrefix.size()));
      const Dot by = storage::ReadDot(&in);
      if (by.log == log) size = std::min(size, by.seq);
    }
    // A site's word on its own logs says where they end; nobody counts it as a copy.
    wanted = committed_.wanted > 0 && !Own(log);
  }
  if (!wanted) return size;
  const std::string prefix = std::string(storage::kMetaWantedPrefix) + storage::LogKey(log);
  auto it = store_->Iterate(Cf::kMeta, prefix, storage::PrefixEnd(prefix));
  it->SeekToFirst();
  if (it->Valid()) size = std::min(size, Seq(Reader(it->key().substr(prefix.size())).U64()));
  return it->status().ok() ? size : Seq();  // what cannot be read is not vouched for
}

}  // namespace fairlead::node
