#include "server/node/witness.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/errors.h"

namespace fairlead::node {
namespace {

using storage::Cf;

constexpr size_t kKnownSizesMax = 1024;
constexpr size_t kOriginStatementsMax = 1024;

std::string CosignatureKey(LogId log, SiteId site) {
  std::string key = storage::LogKey(log);
  PutU16(&key, site.value());
  return key;
}

uint64_t Seconds(absl::Time t) { return static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixSeconds(t))); }

}  // namespace

Witness::Witness(Options options, storage::Store* store, RootFn root)
    : options_(std::move(options)), store_(store), root_(std::move(root)) {
  for (const RosterLog& log : options_.roster->logs()) logs_[log.id];
}

absl::Status Witness::Load(const VersionVector& applied) {
  absl::MutexLock lock(&mu_);
  for (auto& [id, log] : logs_) {
    const RosterLog& roster_log = *options_.roster->FindLog(id);
    log.applied = applied.Get(id);
    auto note = store_->Get(Cf::kCheckpoints, storage::LogKey(id));
    if (!note.ok()) return note.status();
    if (note->has_value()) {
      auto parsed = note::Parse(**note);
      if (!parsed.ok()) return Error(Reason::kStoreDamaged, fmt::format("the checkpoint of log {} is damaged", roster_log.origin()));
      auto checkpoint = note::ParseCheckpoint(parsed->text);
      if (!checkpoint.ok() || !note::Verify(*parsed, roster_log.verifier)) {
        return Error(Reason::kStoreDamaged, fmt::format("the checkpoint of log {} does not verify", roster_log.origin()));
      }
      if (Seq(checkpoint->size) > log.applied) {
        return Error(Reason::kStoreDamaged, fmt::format("log {} ends at {}, before its checkpoint of size {}", roster_log.origin(),
                                                        log.applied.value(), checkpoint->size));
      }
      auto root = root_(id, Seq(checkpoint->size));
      if (!root.ok()) return root.status();
      if (*root != checkpoint->root) {
        return Error(Reason::kStoreDamaged,
                     fmt::format("the tree of log {} does not match its checkpoint of size {}", roster_log.origin(), checkpoint->size));
      }
      log.complete_size = checkpoint->size;
      log.complete_root = checkpoint->root;
      log.complete_note = **note;
      Know(log, checkpoint->size);
    }
    std::string prefix = storage::LogKey(id);
    auto it = store_->Iterate(Cf::kCosignatures, prefix, storage::PrefixEnd(prefix));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      Reader key(it->key().substr(prefix.size()));
      SiteId site(key.U16());
      const RosterCosigner* cosigner = options_.roster->FindCosigner(site);
      auto parsed = note::Parse(it->value());
      if (!parsed.ok() || cosigner == nullptr) continue;  // of a roster that is no longer in force
      uint64_t time_s = 0;
      auto checkpoint = note::ParseCheckpoint(parsed->text);
      if (!checkpoint.ok() || !note::Verify(*parsed, cosigner->verifier, &time_s)) {
        return Error(Reason::kStoreDamaged, fmt::format("a cosignature on log {} is damaged", roster_log.origin()));
      }
      log.statements[site] = {++version_, checkpoint->size, time_s, std::string(it->value())};
      Know(log, checkpoint->size);
      if (site == roster_log.site) OriginSaid(log, checkpoint->size, time_s);
      if (site == options_.site) log.last_cosigned_size = checkpoint->size;
    }
    if (!it->status().ok()) return it->status();
    auto quarantine = store_->Get(Cf::kMeta, std::string(storage::kMetaQuarantinePrefix) + storage::LogKey(id));
    if (!quarantine.ok()) return quarantine.status();
    if (quarantine->has_value()) log.quarantine = **quarantine;
  }
  return absl::OkStatus();
}

void Witness::Keep(Cf cf, const std::string& key, const std::string& value) {
  auto batch = store_->NewBatch();
  batch->Put(cf, key, value);
  // Unsynced: what is lost in a crash is signed again from the synced tree, or sent again by a peer.
  absl::Status status = store_->Write(batch.get(), storage::Sync::kNo);
  if (!status.ok()) spdlog::warn("could not keep a signed statement: {}", std::string(status.message()));
}

void Witness::Know(LogState& log, uint64_t size) {
  log.known_size = std::max(log.known_size, size);
  if (Seq(size) <= log.applied) return;
  if (!log.known.empty() && size <= log.known.back().first) return;
  if (log.known.size() == kKnownSizesMax) {
    log.known.back().first = size;  // keeps the earlier time: the age errs on the old side
  } else {
    log.known.emplace_back(size, options_.clock->Now());
  }
}

void Witness::OriginSaid(LogState& log, uint64_t size, uint64_t time_s) {
  if (Seq(size) <= log.applied) {
    log.as_of_s = std::max(log.as_of_s.value_or(0), time_s);
    return;
  }
  if (log.origin_said.size() == kOriginStatementsMax) log.origin_said.pop_back();
  log.origin_said.emplace_back(size, time_s);
}

void Witness::SetComplete(LogId id, LogState& log, uint64_t size, const Digest& root, const std::string& note) {
  if (size <= log.complete_size && !log.complete_note.empty()) return;
  log.complete_size = size;
  log.complete_root = root;
  log.complete_note = note;
  Keep(Cf::kCheckpoints, storage::LogKey(id), note);
}

void Witness::SignOwn(Seq size, const Digest& root) {
  const RosterLog& roster_log = *options_.roster->FindLog(options_.own_log);
  std::string text = note::CheckpointText({roster_log.origin(), size.value(), root});
  std::string signed_note = note::Format({text, {note::Sign(roster_log.origin(), *options_.log_key, text)}});
  absl::MutexLock lock(&mu_);
  LogState& log = logs_[options_.own_log];
  log.applied = std::max(log.applied, size);
  log.known_size = std::max(log.known_size, size.value());
  SetComplete(options_.own_log, log, size.value(), root, signed_note);
}

void Witness::Offer(const replication::VerifiedCheckpoint& checkpoint) {
  absl::MutexLock lock(&mu_);
  LogState& log = logs_[checkpoint.log];
  uint64_t size = checkpoint.size.value();
  Know(log, size);
  if (checkpoint.size > log.applied) {
    log.waiting.emplace(size, checkpoint);
    return;
  }
  if (size <= log.complete_size) return;
  auto root = root_(checkpoint.log, checkpoint.size);
  if (!root.ok()) return;
  if (*root != checkpoint.root) {
    QuarantineLocked(checkpoint.log, fmt::format("a signed checkpoint of size {} contradicts the entries held here", size));
  } else {
    SetComplete(checkpoint.log, log, size, *root, checkpoint.note);
  }
}

std::set<uint64_t> Witness::WaitingSizes(LogId log, Seq after) const {
  absl::MutexLock lock(&mu_);
  std::set<uint64_t> sizes;
  auto it = logs_.find(log);
  if (it == logs_.end()) return sizes;
  for (auto w = it->second.waiting.upper_bound(after.value()); w != it->second.waiting.end(); ++w) sizes.insert(w->first);
  return sizes;
}

void Witness::Advanced(LogId id, Seq size, const std::map<uint64_t, Digest>& roots) {
  absl::MutexLock lock(&mu_);
  LogState& log = logs_[id];
  log.applied = std::max(log.applied, size);
  while (!log.known.empty() && Seq(log.known.front().first) <= log.applied) log.known.pop_front();
  while (!log.waiting.empty() && Seq(log.waiting.begin()->first) <= log.applied) {
    const replication::VerifiedCheckpoint& checkpoint = log.waiting.begin()->second;
    auto root = roots.find(checkpoint.size.value());
    if (root != roots.end()) {
      if (root->second == checkpoint.root) {
        SetComplete(id, log, checkpoint.size.value(), checkpoint.root, checkpoint.note);
      } else {
        QuarantineLocked(id, fmt::format("a signed checkpoint of size {} contradicts the entries held here", checkpoint.size.value()));
      }
    }
    log.waiting.erase(log.waiting.begin());
  }
  std::erase_if(log.origin_said, [&log](const auto& said) {
    if (Seq(said.first) > log.applied) return false;
    log.as_of_s = std::max(log.as_of_s.value_or(0), said.second);
    return true;
  });
}

std::optional<std::string> Witness::CheckpointNote(LogId id) const {
  absl::MutexLock lock(&mu_);
  auto it = logs_.find(id);
  if (it == logs_.end() || it->second.complete_note.empty()) return std::nullopt;
  return it->second.complete_note;
}

absl::Status Witness::TakeCosignature(LogId id, const std::string& bytes) {
  const RosterLog* roster_log = options_.roster->FindLog(id);
  if (roster_log == nullptr) return Error(Reason::kSignatureInvalid, fmt::format("cosignature on unknown log {}", id.value()));
  auto invalid = [roster_log](const std::string& what) {
    return absl::InvalidArgumentError(fmt::format("cosignature on log {}: {}", roster_log->origin(), what));
  };
  auto parsed = note::Parse(bytes);
  if (!parsed.ok()) return invalid(std::string(parsed.status().message()));
  auto checkpoint = note::ParseCheckpoint(parsed->text);
  if (!checkpoint.ok()) return invalid(std::string(checkpoint.status().message()));
  if (checkpoint->origin != roster_log->origin()) return invalid(fmt::format("its origin is {}", checkpoint->origin));

  const RosterCosigner* cosigner = nullptr;
  uint64_t claimed_time_s = 0;
  for (const RosterCosigner& candidate : options_.roster->cosigners()) {
    for (const note::Signature& signature : parsed->signatures) {
      if (signature.name != candidate.verifier.name() || signature.key_id != candidate.verifier.key_id()) continue;
      Reader in(signature.bytes);
      cosigner = &candidate;
      claimed_time_s = in.U64();
    }
  }
  if (cosigner == nullptr) return invalid("no signature of a cosigner of the roster");
  auto newer = [&](const Statement& held) { return std::pair(claimed_time_s, checkpoint->size) > std::pair(held.time_s, held.size); };
  {
    absl::MutexLock lock(&mu_);
    auto held = logs_[id].statements.find(cosigner->site);
    if (held != logs_[id].statements.end() && !newer(held->second)) return absl::OkStatus();
  }
  uint64_t time_s = 0;
  if (!note::Verify(*parsed, roster_log->verifier)) return invalid("the log's signature does not verify");
  if (!note::Verify(*parsed, cosigner->verifier, &time_s)) return invalid("the cosignature does not verify");

  absl::MutexLock lock(&mu_);
  LogState& log = logs_[id];
  if (Seq(checkpoint->size) <= log.applied) {
    const bool same = !log.complete_note.empty() && checkpoint->size == log.complete_size;
    absl::StatusOr<Digest> root = same ? log.complete_root : root_(id, Seq(checkpoint->size));
    if (!root.ok()) return root.status();
    if (*root != checkpoint->root) {
      QuarantineLocked(id, fmt::format("site {} cosigned another history of size {}", cosigner->site.value(), checkpoint->size));
      return Error(Reason::kLogForked, fmt::format("log {} has two histories at size {}", roster_log->origin(), checkpoint->size));
    }
    // Every cosigned note carries the log's own signature: it may be the checkpoint whose entries are here already.
    SetComplete(
        id, log, checkpoint->size, *root,
        note::Format({parsed->text, {*std::find_if(parsed->signatures.begin(), parsed->signatures.end(), [&](const note::Signature& s) {
                        return s.name == roster_log->verifier.name();
                      })}}));
  }
  Statement& held = log.statements[cosigner->site];
  if (!newer(held)) return absl::OkStatus();
  held = {++version_, checkpoint->size, time_s, bytes};
  Know(log, checkpoint->size);
  if (cosigner->site == roster_log->site) OriginSaid(log, checkpoint->size, time_s);
  Keep(Cf::kCosignatures, CosignatureKey(id, cosigner->site), bytes);
  return absl::OkStatus();
}

std::vector<replication::HeldCosignature> Witness::CosignaturesAfter(uint64_t version) const {
  std::vector<replication::HeldCosignature> out;
  absl::MutexLock lock(&mu_);
  if (version >= version_) return out;
  for (const auto& [id, log] : logs_) {
    for (const auto& [site, statement] : log.statements) {
      if (statement.version > version) out.push_back({statement.version, id, site, statement.note});
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.version < b.version; });
  return out;
}

std::vector<LogId> Witness::CosignDue() {
  absl::Time now = options_.clock->Now();
  const RosterCosigner* own = options_.roster->FindCosigner(options_.site);
  std::vector<LogId> cosigned_logs;
  for (const RosterLog& roster_log : options_.roster->logs()) {
    std::string bytes;
    uint64_t size = 0;
    {
      absl::MutexLock lock(&mu_);
      LogState& log = logs_[roster_log.id];
      if (!log.quarantine.empty() || log.complete_note.empty() || log.complete_size < log.last_cosigned_size) continue;
      absl::Duration since = now - log.last_cosigned;
      const bool grown = log.complete_size > log.last_cosigned_size;
      if (since < (grown ? options_.cosign_interval : options_.heartbeat_interval)) continue;
      // The origin vouches that its log ends here; it may do so only while its complete checkpoint is all it has.
      if (roster_log.id == options_.own_log && Seq(log.complete_size) < log.applied) continue;
      bytes = log.complete_note;
      size = log.complete_size;
    }
    auto parsed = note::Parse(bytes);
    if (!parsed.ok()) continue;  // verified when it was kept
    uint64_t time_s = Seconds(now);
    note::AddSignature(&*parsed, note::Cosign(own->verifier.name(), *options_.mirror_key, parsed->text, time_s));
    std::string cosigned = note::Format(*parsed);

    absl::MutexLock lock(&mu_);
    LogState& log = logs_[roster_log.id];
    Statement& held = log.statements[options_.site];
    log.last_cosigned = now;
    log.last_cosigned_size = size;
    if (std::pair(time_s, size) <= std::pair(held.time_s, held.size)) continue;
    held = {++version_, size, time_s, cosigned};
    if (roster_log.id == options_.own_log) OriginSaid(log, size, time_s);
    Keep(Cf::kCosignatures, CosignatureKey(roster_log.id, options_.site), cosigned);
    cosigned_logs.push_back(roster_log.id);
  }
  return cosigned_logs;
}

std::map<SiteId, Seq> Witness::Cosigned(LogId id) const {
  std::map<SiteId, Seq> sizes;
  absl::MutexLock lock(&mu_);
  auto it = logs_.find(id);
  if (it == logs_.end()) return sizes;
  for (const auto& [site, statement] : it->second.statements) sizes[site] = Seq(statement.size);
  return sizes;
}

void Witness::QuarantineLocked(LogId id, const std::string& reason) {
  LogState& log = logs_[id];
  if (!log.quarantine.empty()) return;
  log.quarantine = reason;
  spdlog::error("log {} is quarantined: {}", options_.roster->FindLog(id)->origin(), reason);
  Keep(Cf::kMeta, std::string(storage::kMetaQuarantinePrefix) + storage::LogKey(id), reason);
}

void Witness::Quarantine(LogId id, const std::string& reason) {
  absl::MutexLock lock(&mu_);
  if (logs_.contains(id)) QuarantineLocked(id, reason);
}

bool Witness::Quarantined(LogId id) const {
  absl::MutexLock lock(&mu_);
  auto it = logs_.find(id);
  return it != logs_.end() && !it->second.quarantine.empty();
}

Seq Witness::KnownSize(LogId id) const {
  absl::MutexLock lock(&mu_);
  auto it = logs_.find(id);
  return it == logs_.end() ? Seq(0) : Seq(std::max(it->second.known_size, it->second.applied.value()));
}

Witness::LogView Witness::View(LogId id) const {
  absl::MutexLock lock(&mu_);
  LogView view;
  auto it = logs_.find(id);
  if (it == logs_.end()) return view;
  const LogState& log = it->second;
  view.checkpoint_note = log.complete_note;
  view.known_size = Seq(std::max(log.known_size, log.applied.value()));
  for (const auto& [site, statement] : log.statements) {
    view.cosignatures[site] = {Seq(statement.size), absl::FromUnixSeconds(static_cast<int64_t>(statement.time_s))};
  }
  view.quarantine = log.quarantine;
  if (!log.known.empty()) view.oldest_unapplied_age = std::max(absl::ZeroDuration(), options_.clock->Now() - log.known.front().second);
  if (log.as_of_s) view.as_of = absl::FromUnixSeconds(static_cast<int64_t>(*log.as_of_s));
  return view;
}

}  // namespace fairlead::node
