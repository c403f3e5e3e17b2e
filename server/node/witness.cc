#include "server/node/witness.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/proven.h"

namespace fairlead::node {
namespace {

using storage::Cf;

constexpr size_t kKnownSizesMax = 1024;
constexpr size_t kOriginStatementsMax = 1024;
constexpr size_t kWaitingMax = 1024;  // checkpoints of one log whose entries are not here

std::string CosignatureKey(LogId log, SiteId site) {
  std::string key = storage::LogKey(log);
  PutU16(&key, site.value());
  return key;
}

// The signature of `verifier` on the note that verifies, the newest when it is a cosigner's. What else a peer has put on a note is neither
// kept nor passed on.
std::optional<note::Signature> SignatureBy(const note::Note& note, const note::Verifier& verifier, uint64_t* time_s = nullptr) {
  std::optional<note::Signature> found;
  uint64_t newest_s = 0;
  for (const note::Signature& signature : note.signatures) {
    uint64_t at_s = 0;
    if (!note::Verify({note.text, {signature}}, verifier, &at_s) || (found && at_s <= newest_s)) continue;
    found = signature;
    newest_s = at_s;
  }
  if (time_s != nullptr) *time_s = newest_s;
  return found;
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
    if (absl::Status status = LoadProven(roster_log, log); !status.ok()) return status;
    auto quarantine = store_->Get(Cf::kMeta, std::string(storage::kMetaQuarantinePrefix) + storage::LogKey(id));
    if (!quarantine.ok()) return quarantine.status();
    if (quarantine->has_value()) log.quarantine = **quarantine;
    auto fork = store_->Get(Cf::kMeta, std::string(storage::kMetaForkPrefix) + storage::LogKey(id));
    if (!fork.ok()) return fork.status();
    if (fork->has_value()) {
      for (Reader notes(**fork); notes.ok() && notes.left() > 0;) log.fork_notes.emplace_back(notes.Bytes());
    }
    if (roster_log.closing) continue;
    if (Own(id)) {
      if (absl::Status status = LoadAwaited(roster_log, log); !status.ok()) return status;
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
      auto signature = checkpoint.ok() ? HeldSignature(roster_log, log, *parsed, checkpoint->size) : std::nullopt;
      if (!signature) signature = SignatureBy(*parsed, roster_log.verifier);
      const bool of_old_key = note::IsByOtherKey(*parsed, cosigner->verifier);  // says what its log's key signed, and no more
      if (!checkpoint.ok() || !signature || (!of_old_key && !note::Verify(*parsed, cosigner->verifier, &time_s))) {
        return Error(Reason::kStoreDamaged, fmt::format("a cosignature on log {} is damaged", roster_log.origin()));
      }
      const bool counts = !of_old_key && time_s <= Seconds(options_.clock->Now() + options_.future_bound);  // or a clock has jumped since
      if (counts) log.statements[site] = {++version_, checkpoint->size, time_s, std::string(it->value())};
      Know(log, checkpoint->size);
      if (counts && site == roster_log.site) OriginSaid(log, checkpoint->size, time_s);
      if (site == options_.site) log.last_cosigned_size = checkpoint->size;
      replication::VerifiedCheckpoint said{id, Seq(checkpoint->size), checkpoint->root, note::Format({parsed->text, {*signature}})};
      if (said.size > log.applied) {
        Await(id, log, std::move(said));
      } else if (auto agrees = Agrees(id, said); !agrees.ok()) {
        return agrees.status();
      }
    }
    if (!it->status().ok()) return it->status();
  }
  return absl::OkStatus();
}

absl::Status Witness::LoadProven(const RosterLog& roster_log, LogState& log) {
  auto proven = ReadProven(*store_, roster_log.id);
  if (!proven.ok()) return proven.status();
  if (!proven->has_value()) return absl::OkStatus();
  if (absl::Status status = CheckProven(*store_, roster_log, **proven); !status.ok()) return status;
  replication::VerifiedCheckpoint checkpoint = std::move((*proven)->checkpoint);
  const uint64_t size = checkpoint.size.value();
  Know(log, size);
  if (checkpoint.size > log.applied) {
    if (!roster_log.closing) Await(roster_log.id, log, std::move(checkpoint));
  } else if (size > log.complete_size) {
    // Complete when the entries came: the note itself is kept unsynced.
    auto agrees = Agrees(roster_log.id, checkpoint);
    if (!agrees.ok()) return agrees.status();
    if (*agrees) SetComplete(roster_log.id, log, size, checkpoint.root, checkpoint.note);
  }
  return absl::OkStatus();
}

absl::Status Witness::LoadAwaited(const RosterLog& roster_log, LogState& log) {
  auto note = store_->Get(Cf::kMeta, std::string(storage::kMetaAwaitedPrefix) + storage::LogKey(roster_log.id));
  if (!note.ok()) return note.status();
  if (!note->has_value()) return absl::OkStatus();
  auto parsed = note::Parse(**note);
  auto checkpoint = parsed.ok() ? note::ParseCheckpoint(parsed->text) : parsed.status();
  if (!checkpoint.ok() || !note::Verify(*parsed, roster_log.verifier)) {
    return Error(Reason::kStoreDamaged, fmt::format("the awaited checkpoint of log {} does not verify", roster_log.origin()));
  }
  log.awaited_kept = checkpoint->size;
  replication::VerifiedCheckpoint awaited{roster_log.id, Seq(checkpoint->size), checkpoint->root, **note};
  if (awaited.size <= log.applied) return Agrees(roster_log.id, awaited).status();
  Know(log, checkpoint->size);
  Await(roster_log.id, log, std::move(awaited));
  return absl::OkStatus();
}

bool Witness::Keep(Cf cf, const std::string& key, const std::string& value, storage::Sync sync) {
  auto batch = store_->NewBatch();
  batch->Put(cf, key, value);
  const absl::Status status = store_->Write(batch.get(), sync);
  Note(status, 1);
  return status.ok();
}

void Witness::Note(const absl::Status& status, int64_t statements) {
  if (!status.ok()) unkept_ += statements;
  if (status.ok() == keeping_) return;
  keeping_ = status.ok();
  if (keeping_) {
    spdlog::info("signed statements are kept again; {} were not", unkept_);
  } else {
    spdlog::warn("signed statements cannot be kept: {}", std::string(status.message()));
  }
}

std::optional<note::Signature> Witness::HeldSignature(const RosterLog& roster_log, const LogState& log, const note::Note& note,
                                                      uint64_t size) {
  const auto waiting = log.waiting.find(size);
  for (const note::Signature& signature : note.signatures) {
    if (signature.name != roster_log.verifier.name()) continue;
    const std::string checkpoint = note::Format({note.text, {signature}});
    // A statement is kept with the log's signature before the cosigner's.
    const bool held = log.complete_note == checkpoint || (waiting != log.waiting.end() && waiting->second.note == checkpoint) ||
                      std::any_of(log.statements.begin(), log.statements.end(),
                                  [&checkpoint](const auto& statement) { return statement.second.note.starts_with(checkpoint); });
    if (held) return signature;
  }
  return std::nullopt;
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
  // Unsynced, as cosignatures are: what is lost in a crash is signed again from the synced tree, or sent again by a peer.
  Keep(Cf::kCheckpoints, storage::LogKey(id), note, storage::Sync::kNo);
}

bool Witness::Closed(LogId id) const { return options_.roster->FindLog(id)->closing.has_value(); }

void Witness::AllowOwn() {
  absl::MutexLock lock(&mu_);
  own_allowed_ = true;
}

void Witness::SignOwn(LogId id, Seq size, const Digest& root) {
  {
    absl::MutexLock lock(&mu_);
    if (!own_allowed_) return;
  }
  const RosterLog& roster_log = *options_.roster->FindLog(id);
  std::string text = note::CheckpointText({roster_log.origin(), size.value(), root});
  std::string signed_note = note::Format({text, {note::Sign(roster_log.origin(), *options_.own_logs.at(id), text)}});
  absl::MutexLock lock(&mu_);
  LogState& log = logs_[id];
  log.applied = std::max(log.applied, size);
  log.known_size = std::max(log.known_size, size.value());
  SetComplete(id, log, size.value(), root, signed_note);
}

void Witness::Await(LogId id, LogState& log, replication::VerifiedCheckpoint checkpoint) {
  const uint64_t size = checkpoint.size.value();
  const auto held = log.waiting.find(size);
  if (held == log.waiting.end()) {
    log.waiting.emplace(size, std::move(checkpoint));
  } else if (held->second.root != checkpoint.root && !Closed(id)) {
    QuarantineLocked(id, fmt::format("two signed checkpoints of size {} have different roots", size), {held->second.note, checkpoint.note});
  }
  if (Own(id) && size > log.awaited_kept) {
    const std::string key = std::string(storage::kMetaAwaitedPrefix) + storage::LogKey(id);
    if (Keep(Cf::kMeta, key, log.waiting.at(size).note, storage::Sync::kYes)) log.awaited_kept = size;
  }
  // The newest is what others are told of once it is complete; the oldest are compared with the entries first.
  if (log.waiting.size() > kWaitingMax) log.waiting.erase(std::prev(log.waiting.end(), 2));
}

absl::StatusOr<bool> Witness::Agrees(LogId id, const replication::VerifiedCheckpoint& checkpoint) {
  auto root = root_(id, checkpoint.size);
  if (!root.ok()) return root.status();
  if (*root == checkpoint.root) return true;
  if (Closed(id)) return false;
  QuarantineLocked(id, fmt::format("a signed checkpoint of size {} contradicts the entries held here", checkpoint.size.value()),
                   {NoteOfHeld(id, logs_[id]), checkpoint.note});
  return false;
}

void Witness::Offer(const replication::VerifiedCheckpoint& offered) {
  replication::VerifiedCheckpoint checkpoint = offered;
  if (auto parsed = note::Parse(offered.note); parsed.ok() && parsed->signatures.size() > 1) {
    auto signature = SignatureBy(*parsed, options_.roster->FindLog(offered.log)->verifier);
    if (!signature) return;
    checkpoint.note = note::Format({parsed->text, {*signature}});
  }
  absl::MutexLock lock(&mu_);
  LogState& log = logs_[checkpoint.log];
  const uint64_t size = checkpoint.size.value();
  if (const auto& closing = options_.roster->FindLog(offered.log)->closing) {
    if (checkpoint.size > closing->size || checkpoint.size <= log.applied) return;
  }
  Know(log, size);
  if (checkpoint.size > log.applied) return Await(checkpoint.log, log, std::move(checkpoint));
  if (size <= log.complete_size) return;
  auto agrees = Agrees(checkpoint.log, checkpoint);
  if (agrees.ok() && *agrees) SetComplete(checkpoint.log, log, size, checkpoint.root, checkpoint.note);
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
    const replication::VerifiedCheckpoint checkpoint = std::move(log.waiting.begin()->second);
    log.waiting.erase(log.waiting.begin());
    auto root = roots.find(checkpoint.size.value());
    // The root of one that came after the batch was begun was not computed with it.
    const bool agrees = root != roots.end() && root->second == checkpoint.root;
    if (agrees || Agrees(id, checkpoint).value_or(false)) {
      SetComplete(id, log, checkpoint.size.value(), checkpoint.root, checkpoint.note);
    }
  }
  if (const auto& closing = options_.roster->FindLog(id)->closing; closing && log.applied >= closing->size) {
    auto root = root_(id, closing->size);
    if (root.ok() && *root != closing->root) {
      QuarantineLocked(id, fmt::format("its first {} entries held here are not those that the roster lets stand", closing->size.value()),
                       {NoteOfHeld(id, log)});
    }
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

std::optional<std::string> Witness::AwaitedNote(LogId id) const {
  absl::MutexLock lock(&mu_);
  auto it = logs_.find(id);
  if (it == logs_.end() || it->second.waiting.empty()) return std::nullopt;
  return it->second.waiting.rbegin()->second.note;
}

absl::Status Witness::TakeCosignature(LogId id, const std::string& bytes) {
  const RosterLog* roster_log = options_.roster->FindLog(id);
  if (roster_log == nullptr) return Error(Reason::kSignatureInvalid, fmt::format("cosignature on unknown log {}", id.value()));
  if (roster_log->closing) return absl::OkStatus();
  auto invalid = [roster_log](const std::string& what) {
    return absl::InvalidArgumentError(fmt::format("cosignature on log {}: {}", roster_log->origin(), what));
  };
  const uint64_t now_s = Seconds(options_.clock->Now());
  const uint64_t bound_s = Seconds(options_.clock->Now() + options_.future_bound);
  {
    // Each peer brings it.
    absl::MutexLock lock(&mu_);
    for (const auto& [site, held] : logs_[id].statements) {
      if (held.note == bytes && held.time_s <= bound_s) return absl::OkStatus();
    }
  }
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
      if (std::exchange(cosigner, &candidate) != &candidate) claimed_time_s = 0;
      claimed_time_s = std::max(claimed_time_s, in.U64());
    }
  }
  if (cosigner == nullptr) return invalid("no signature of a cosigner of the roster");
  auto newer = [&](uint64_t time_s, const Statement& held) {
    // What was taken while this site's own clock was ahead, too, gives way.
    return held.time_s > bound_s || std::pair(time_s, checkpoint->size) > std::pair(held.time_s, held.size);
  };
  std::optional<note::Signature> log_signature;
  {
    absl::MutexLock lock(&mu_);
    const LogState& log = logs_[id];
    auto held = log.statements.find(cosigner->site);
    if (held != log.statements.end() && !newer(claimed_time_s, held->second)) return absl::OkStatus();
    log_signature = HeldSignature(*roster_log, log, *parsed, checkpoint->size);
  }
  uint64_t time_s = 0;
  if (!log_signature) log_signature = SignatureBy(*parsed, roster_log->verifier);
  if (!log_signature) return invalid("the log's signature does not verify");
  auto cosignature = SignatureBy(*parsed, cosigner->verifier, &time_s);
  if (!cosignature) return invalid("the cosignature does not verify");

  absl::MutexLock lock(&mu_);
  LogState& log = logs_[id];
  // Every cosigned note carries the log's own signature: it is a checkpoint too.
  replication::VerifiedCheckpoint said{id, Seq(checkpoint->size), checkpoint->root, note::Format({parsed->text, {*log_signature}})};
  if (said.size > log.applied) {
    Await(id, log, std::move(said));
  } else if (log.complete_note.empty() || checkpoint->size != log.complete_size || checkpoint->root != log.complete_root) {
    auto agrees = Agrees(id, said);
    if (!agrees.ok()) return agrees.status();
    if (!*agrees) {
      return Error(Reason::kLogForked, fmt::format("log {} has two histories at size {}", roster_log->origin(), checkpoint->size));
    }
    SetComplete(id, log, checkpoint->size, checkpoint->root, said.note);
  }
  Know(log, checkpoint->size);  // the log's own signature says so, whatever the cosigner's clock
  // A clock that is ahead makes nothing fresher. Kept, it would also stand in the way of all that its site says once its clock is right.
  if (time_s > bound_s) {
    return invalid(fmt::format("the clock of {} is {} s ahead", cosigner->verifier.name(), time_s - now_s));
  }
  Statement& held = log.statements[cosigner->site];
  if (!newer(time_s, held)) return absl::OkStatus();
  // This site's own, of when its clock was ahead: it has vouched for more since, and does not go back.
  if (cosigner->site == options_.site && checkpoint->size < held.size) return absl::OkStatus();
  held = {++version_, checkpoint->size, time_s, note::Format({parsed->text, {*log_signature, *cosignature}})};
  if (cosigner->site == roster_log->site) OriginSaid(log, checkpoint->size, time_s);
  Keep(Cf::kCosignatures, CosignatureKey(id, cosigner->site), held.note, storage::Sync::kNo);
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

std::vector<replication::HeldCosignature> Witness::CosignaturesOf(LogId log) const {
  std::vector<replication::HeldCosignature> out;
  absl::MutexLock lock(&mu_);
  const auto found = logs_.find(log);
  if (found == logs_.end()) return out;
  for (const auto& [site, statement] : found->second.statements) {
    // Without a version it was not kept, and is not said.
    if (statement.version > 0) out.push_back({statement.version, log, site, statement.note});
  }
  return out;
}

bool Witness::CosignatureStands(const replication::HeldCosignature& held) const {
  absl::MutexLock lock(&mu_);
  auto log = logs_.find(held.log);
  if (log == logs_.end()) return false;
  auto statement = log->second.statements.find(held.site);
  return statement != log->second.statements.end() && statement->second.version == held.version;
}

std::vector<LogId> Witness::CosignDue() {
  struct Due {
    LogId log;
    Statement statement;
  };
  const absl::Time now = options_.speaks_until ? std::min(options_.speaks_until(), options_.clock->Now()) : options_.clock->Now();
  if (now == absl::InfinitePast()) return {};
  const RosterCosigner* own = options_.roster->FindCosigner(options_.site);
  std::vector<Due> due;
  for (const RosterLog& roster_log : options_.roster->logs()) {
    std::string bytes;
    uint64_t size = 0;
    uint64_t time_s = Seconds(now);
    {
      absl::MutexLock lock(&mu_);
      LogState& log = logs_[roster_log.id];
      if (roster_log.closing || !log.quarantine.empty() || log.complete_note.empty() || log.complete_size < log.last_cosigned_size)
        continue;
      absl::Duration since = now - log.last_cosigned;
      const bool grown = log.complete_size > log.last_cosigned_size;
      const bool set_back = since < absl::ZeroDuration();  // the clock was
      const absl::Duration idle = options_.heartbeat_interval * (roster_log.stream == kMainStream ? 1 : kQuietStreams);
      if (!set_back && since < (grown ? options_.cosign_interval : idle)) continue;
      // The origin vouches that its log ends here; it may do so only while its complete checkpoint is all it has.
      if (Own(roster_log.id) && (!own_allowed_ || Seq(log.complete_size) < log.applied)) continue;
      if (options_.durable) {
        const Seq durable = options_.durable(roster_log.id);
        // What the origin has committed beyond it may have been there before `now`.
        if (durable < Seq(log.complete_size) || (Own(roster_log.id) && durable > Seq(log.complete_size))) continue;
      }
      log.last_cosigned = now;
      const Statement& held = log.statements[options_.site];
      // What this site said while its clock was ahead binds nobody: peers have not counted it. Else peers take no statement that is older
      // than what they have: while the clock catches up with what was said before it was set back, what is new is said with that time.
      const bool said_ahead = held.time_s > Seconds(now + options_.future_bound);
      if (!said_ahead) {
        time_s = std::max(time_s, held.time_s);
        if (std::pair(time_s, log.complete_size) <= std::pair(held.time_s, held.size)) continue;
      }
      bytes = log.complete_note;
      size = log.complete_size;
    }
    auto parsed = note::Parse(bytes);
    if (!parsed.ok()) continue;  // verified when it was kept
    note::AddSignature(&*parsed, note::Cosign(own->verifier.name(), *options_.mirror_key, parsed->text, time_s));
    due.push_back({roster_log.id, {.size = size, .time_s = time_s, .note = note::Format(*parsed)}});
  }
  if (due.empty()) return {};

  // Synced before anyone sees them: after a power cut this site must know up to where it has vouched, and vouch for no less.
  auto batch = store_->NewBatch();
  for (const Due& each : due) batch->Put(Cf::kCosignatures, CosignatureKey(each.log, options_.site), each.statement.note);
  const absl::Status kept = store_->Write(batch.get(), storage::Sync::kYes);
  absl::MutexLock lock(&mu_);
  Note(kept, static_cast<int64_t>(due.size()));
  if (!kept.ok()) return {};
  std::vector<LogId> cosigned;
  for (Due& each : due) {
    LogState& log = logs_[each.log];
    log.last_cosigned_size = each.statement.size;
    if (Own(each.log)) OriginSaid(log, each.statement.size, each.statement.time_s);
    each.statement.version = ++version_;
    log.statements[options_.site] = std::move(each.statement);
    cosigned.push_back(each.log);
  }
  return cosigned;
}

std::map<SiteId, Seq> Witness::Cosigned(LogId id) const {
  std::map<SiteId, Seq> sizes;
  absl::MutexLock lock(&mu_);
  auto it = logs_.find(id);
  if (it == logs_.end()) return sizes;
  for (const auto& [site, statement] : it->second.statements) sizes[site] = Seq(statement.size);
  return sizes;
}

std::string Witness::NoteOfHeld(LogId id, const LogState& log) const {
  // The newest entries may have come with a checkpoint that is not complete.
  auto proven = ReadProven(*store_, id);
  const bool newer = proven.ok() && proven->has_value() && (*proven)->checkpoint.size > Seq(log.complete_size);
  return newer ? (*proven)->checkpoint.note : log.complete_note;
}

void Witness::QuarantineLocked(LogId id, const std::string& reason, std::vector<std::string> notes) {
  LogState& log = logs_[id];
  if (!log.quarantine.empty()) return;
  log.quarantine = reason;
  spdlog::error("log {} is quarantined: {}", options_.roster->FindLog(id)->origin(), reason);
  // Beside those of an earlier quarantine, which the log's closing ended.
  std::string fork;
  for (std::string& note : notes) {
    const bool is_new = !note.empty() && std::find(log.fork_notes.begin(), log.fork_notes.end(), note) == log.fork_notes.end();
    if (is_new) log.fork_notes.push_back(std::move(note));
  }
  for (const std::string& note : log.fork_notes) PutBytes(&fork, note);
  Keep(Cf::kMeta, std::string(storage::kMetaForkPrefix) + storage::LogKey(id), fork, storage::Sync::kYes);
  Keep(Cf::kMeta, std::string(storage::kMetaQuarantinePrefix) + storage::LogKey(id), reason, storage::Sync::kYes);
}

void Witness::Quarantine(LogId id, const std::string& reason, const std::string& checkpoint_note) {
  absl::MutexLock lock(&mu_);
  const auto log = logs_.find(id);
  const auto parsed = note::Parse(checkpoint_note);
  const auto signature = parsed.ok() ? SignatureBy(*parsed, options_.roster->FindLog(id)->verifier) : std::nullopt;
  if (log == logs_.end() || Closed(id) || !signature) return;
  QuarantineLocked(id, reason, {NoteOfHeld(id, log->second), note::Format({parsed->text, {*signature}})});
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

int64_t Witness::UnkeptStatements() const {
  absl::MutexLock lock(&mu_);
  return unkept_;
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
  view.fork_notes = log.fork_notes;
  if (!log.known.empty()) view.oldest_unapplied_age = std::max(absl::ZeroDuration(), options_.clock->Now() - log.known.front().second);
  if (log.as_of_s) view.as_of = std::min(absl::FromUnixSeconds(static_cast<int64_t>(*log.as_of_s)), options_.clock->Now());
  return view;
}

}  // namespace fairlead::node
