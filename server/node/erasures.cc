#include "server/node/erasures.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/assembly.h"
#include "server/node/committer.h"
#include "server/node/log_book.h"

namespace fairlead::node {

using storage::Cf;

namespace {

constexpr size_t kPurgeKeysMax = 1024;  // of one call

std::string ErasedKey(Dot entry) { return std::string(storage::kMetaErasedPrefix) + storage::DotKey(entry); }
std::string ErasureKey(Dot erasure) { return std::string(storage::kMetaErasurePrefix) + storage::DotKey(erasure); }
std::string PurgeKey(Dot by, Cf cf, std::string_view key) {
  std::string out = std::string(storage::kMetaPurgePrefix) + storage::DotKey(by);
  PutU8(&out, static_cast<uint8_t>(cf));
  return out.append(key);
}

Dot ReadDot(Reader* in) {
  const LogId log(in->U32());
  return {log, Seq(in->U64())};
}

std::string Name(Dot dot) { return fmt::format("entry {} of log {}", dot.seq.value(), dot.log.value()); }

}  // namespace

bool MayErase(const Roster& roster, SiteId site, Dot entry) {
  const RosterLog* log = roster.FindLog(entry.log);
  const RosterSite* hq = roster.FindSite(kHqSite);
  return log != nullptr && (log->site == site || (hq != nullptr && hq->id == site));
}

Erasure ErasureOf(const Roster& roster, const Payload& payload, Dot entry, std::string reason, std::string authority) {
  Erasure erasure{entry, std::move(reason), std::move(authority), {}};
  for (size_t i = 0; i < payload.mutations.size(); ++i) {
    erasure.mutations.push_back({MutationIdOf(roster.network(), payload, i), ShapeOf(payload.mutations[i], {kWithdrawnField})});
  }
  return erasure;
}

absl::StatusOr<std::vector<Dot>> ErasuresOf(const storage::View& view, Dot entry) {
  auto stored = view.Get(Cf::kMeta, ErasedKey(entry));
  if (!stored.ok()) return stored.status();
  std::vector<Dot> erasures;
  if (!stored->has_value()) return erasures;
  Reader in(**stored);
  while (in.ok() && in.left() > 0) erasures.push_back(ReadDot(&in));
  if (!in.ok()) return Error(Reason::kStoreDamaged, fmt::format("the erasures of {} are damaged", Name(entry)));
  return erasures;
}

absl::StatusOr<std::vector<std::pair<Dot, Position>>> StoredErasures(const storage::View& view) {
  std::vector<std::pair<Dot, Position>> erasures;
  auto it = view.Iterate(Cf::kMeta, storage::kMetaErasurePrefix, storage::PrefixEnd(storage::kMetaErasurePrefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(storage::kMetaErasurePrefix.size()));
    Reader value(it->value());
    const Dot erasure = ReadDot(&key);
    erasures.emplace_back(erasure, Position(value.U64()));
    if (!key.Done() || !value.Done()) return Error(Reason::kStoreDamaged, "the list of erasures is damaged");
  }
  if (!it->status().ok()) return it->status();
  return erasures;
}

// --- In a batch --------------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::optional<Payload>> Committer::Assembly::PayloadOf(Dot dot) const {
  if (auto here = payloads_.find(dot); here != payloads_.end()) return *here->second;
  auto bytes = LogBook(*committer_.store_).Payload(dot);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  auto payload = DecodePayload(**bytes);
  if (!payload.ok()) return absl::InvalidArgumentError(fmt::format("what {} says is malformed", Name(dot)));
  return *std::move(payload);
}

absl::StatusOr<std::map<std::string, RecordState>> Committer::Assembly::ErasedOutcome(const Erasure& erasure, const Header& header) {
  const Dot entry = erasure.entry;
  const RosterLog* origin = options_.roster.FindLog(header.log);
  if (origin == nullptr || !MayErase(options_.roster, origin->site, entry)) {
    return absl::PermissionDeniedError(fmt::format("its site may not erase {}", Name(entry)));
  }
  const bool follows = entry.log == header.log ? entry.seq < header.seq : entry.seq < header.deps.Get(entry.log);
  if (!follows) return absl::InvalidArgumentError(fmt::format("erases {}, which it does not follow", Name(entry)));
  auto erased = HeaderOf(entry);
  if (!erased.ok()) return erased.status();
  if (!erased->has_value()) return absl::UnimplementedError(fmt::format("erases {}, whose log is quarantined here", Name(entry)));
  if ((*erased)->audience != header.audience) {
    return absl::InvalidArgumentError(fmt::format("erases {}, and has another audience", Name(entry)));
  }
  auto payload = PayloadOf(entry);
  if (!payload.ok()) return payload.status();
  if (payload->has_value()) {
    const std::vector<Mutation>& mutations = (*payload)->mutations;
    bool same = mutations.size() == erasure.mutations.size();
    for (size_t i = 0; same && i < mutations.size(); ++i) {
      const ErasedMutation& told = erasure.mutations[i];
      same = told.id == MutationIdOf(options_.roster.network(), **payload, i) && IsShapeOf(told.shape, mutations[i]);
    }
    if (!same) return absl::InvalidArgumentError(fmt::format("states another shape than {} has", Name(entry)));
  }

  std::map<std::string, RecordState> states;
  for (const ErasedMutation& told : erasure.mutations) {
    const std::string& name = told.shape.record;
    auto it = states.find(name);
    if (it == states.end()) {
      auto record = Load(name);
      if (!record.ok()) return record.status();
      it = states.emplace(name, (*record)->state.value_or(RecordState{})).first;
    }
    Mutation checked = told.shape;
    for (Op& op : checked.ops) op.has_value = op.has_value && !IsErased(op);
    absl::Status foldable = CheckFoldable(checked, it->second.type == 0 ? nullptr : &it->second);
    if (!foldable.ok()) return foldable;
    auto fetch = [&](const ValueId& id, Dot dot) -> std::optional<std::string> {
      for (const ErasedMutation& kept : erasure.mutations) {
        if (kept.id != id.mutation || id.op >= kept.shape.ops.size() || IsErased(kept.shape.ops[id.op])) continue;
        return kept.shape.ops[id.op].value;
      }
      return FetchValue(id, dot);
    };
    FoldErased(told.shape, told.id, (*erased)->time, entry, &it->second, fetch);
  }
  return states;
}

absl::Status Committer::Assembly::AdoptErasure(const Erasure& erasure, Dot by) {
  const std::string key = storage::DotKey(erasure.entry);
  auto [erased, fresh] = erased_.try_emplace(erasure.entry);
  if (fresh) {
    auto stored = ErasuresOf(*committer_.store_, erasure.entry);
    if (!stored.ok()) return stored.status();
    erased->second = *std::move(stored);
  }
  auto at = std::lower_bound(erased->second.begin(), erased->second.end(), by);
  if (at == erased->second.end() || *at != by) erased->second.insert(at, by);
  std::string list;
  for (const Dot& each : erased->second) list += storage::DotKey(each);
  batch_->Put(Cf::kMeta, ErasedKey(erasure.entry), list);
  std::string position;
  PutU64(&position, committed_.journal_end.value() - 1);
  batch_->Put(Cf::kMeta, ErasureKey(by), position);
  committed_.erasures.Set(by.log, std::max(committed_.erasures.Get(by.log), by.seq + 1));

  batch_->Delete(Cf::kPayloads, key);
  Purge(Cf::kPayloads, key, by);
  if (absl::Status status = MakeClear(key); !status.ok()) return status;
  auto header = HeaderOf(erasure.entry);
  if (!header.ok()) return header.status();
  for (size_t i = 0; i < erasure.mutations.size(); ++i) {
    const std::string& record = erasure.mutations[i].shape.record;
    AddRevision(record, (*header)->time, erasure.entry, i);
    purged_records_[record] = by;
    Purge(Cf::kRecords, record, by);
    Purge(Cf::kDerived, record, by);
  }
  return absl::OkStatus();
}

void Committer::Assembly::Purge(Cf cf, std::string_view key, Dot by) {
  const std::string purge = PurgeKey(by, cf, key);
  purges_.insert(purge);
  batch_->Put(Cf::kMeta, purge, {});
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
  std::vector<Dot> erasures;
  if (auto here = erased_.find(dot); here != erased_.end()) {
    erasures = here->second;
  } else if (auto stored = ErasuresOf(*committer_.store_, dot); stored.ok()) {
    erasures = *std::move(stored);
  }
  for (const Dot& by : erasures) {
    auto payload = PayloadOf(by);
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

void Committer::Purge() {
  std::vector<std::string> purges;
  {
    absl::MutexLock lock(&committed_mu_);
    for (const std::string& purge : purges_) {
      if (purges.size() < kPurgeKeysMax) purges.push_back(purge);
    }
  }
  if (purges.empty()) return;
  std::vector<std::pair<Cf, std::string>> keys;
  for (const std::string& purge : purges) {
    Reader in(std::string_view(purge).substr(storage::kMetaPurgePrefix.size()));
    ReadDot(&in);
    const Cf cf = static_cast<Cf>(in.U8());
    keys.emplace_back(cf, in.Fixed(in.left()));
  }
  absl::Status status = store_->Purge(keys);
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

Seq Committer::Durable(LogId log) const {
  Seq size;
  bool wanted = false;
  {
    absl::MutexLock lock(&committed_mu_);
    size = committed_.applied.Get(log);
    for (const std::string& purge : purges_) {
      Reader in(std::string_view(purge).substr(storage::kMetaPurgePrefix.size()));
      const Dot by = ReadDot(&in);
      if (by.log == log) size = std::min(size, by.seq);
    }
    // A site's word on its own log says where it ends; nobody counts it as a copy.
    wanted = committed_.wanted > 0 && log != own_log_;
  }
  if (!wanted) return size;
  const std::string prefix = std::string(storage::kMetaWantedPrefix) + storage::LogKey(log);
  auto it = store_->Iterate(Cf::kMeta, prefix, storage::PrefixEnd(prefix));
  it->SeekToFirst();
  if (it->Valid()) size = std::min(size, Seq(Reader(it->key().substr(prefix.size())).U64()));
  return size;
}

}  // namespace fairlead::node
