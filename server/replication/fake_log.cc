#include "server/replication/fake_log.h"

#include <absl/cleanup/cleanup.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "api/note.h"
#include "server/replication/checkpoint.h"

namespace fairlead::replication {

FakeNetwork::FakeNetwork(const std::vector<std::string>& names, const std::vector<std::string>& others) {
  const std::string network = "test";
  const auto key = [](char kind, size_t site) { return *SigningKey::FromSeed(std::string(31, kind) + static_cast<char>(site)); };
  const SigningKey root = key('r', 0);
  std::vector<RosterSite> sites;
  std::vector<RosterLog> logs;
  std::vector<RosterCosigner> cosigners;
  std::vector<std::string> streams = {std::string(kMainStream)};
  streams.insert(streams.end(), others.begin(), others.end());
  for (const std::string& stream : streams) {
    for (size_t i = 0; i < names.size(); ++i) {
      const LogId log(static_cast<uint32_t>(logs.size() + 1));
      const SigningKey& log_key = log_keys.emplace(log, key('l', logs.size())).first->second;
      RosterLog roster_log;
      roster_log.id = log;
      roster_log.site = SiteId(static_cast<uint16_t>(i + 1));
      roster_log.site_name = names[i];
      roster_log.stream = stream;
      roster_log.verifier =
          note::Verifier::Make(network + "/" + names[i] + "/1/" + stream, note::kEd25519, *VerifyKey::FromRaw(log_key.public_raw()));
      logs.push_back(roster_log);
    }
  }
  for (size_t i = 0; i < names.size(); ++i) {
    const SiteId site(static_cast<uint16_t>(i + 1));
    const SigningKey& mirror_key = mirror_keys.emplace(site, key('m', i)).first->second;
    sites.push_back({site, names[i]});
    cosigners.push_back({site, note::Verifier::Make(network + "/" + names[i] + "/mirror", note::kCosignatureV1,
                                                    *VerifyKey::FromRaw(mirror_key.public_raw()))});
  }
  note::Note signed_note;
  signed_note.text = Roster::Text(network, 1, sites, logs, cosigners);
  signed_note.signatures.push_back(note::Sign(network + "/root", root, signed_note.text));
  auto opened = Roster::Open(note::Format(signed_note),
                             note::Verifier::Make(network + "/root", note::kEd25519, *VerifyKey::FromRaw(root.public_raw())));
  EXPECT_TRUE(opened.ok()) << opened.status();
  roster = *std::move(opened);
}

FakeNode::FakeNode(const FakeNetwork* network, std::string site)
    : network_(*network), site_(network->roster.FindSite(site)->id), instance_(RandomBytes(16)) {
  absl::MutexLock lock(&mu_);
  for (const RosterLog& log : network_.roster.logs()) logs_[log.id];
}

merkle::SubtreeFn FakeNode::Subtrees(const Log& log) const {
  return [&log](int level, uint64_t index) -> absl::StatusOr<Digest> { return log.levels.at(level).at(index); };
}

const FakeNode::Log& FakeNode::LogOf(LogId log) const { return logs_.at(log); }

void FakeNode::Store(Log* log, Dot dot, const std::string& header, const std::optional<std::string>& payload) {
  log->headers.push_back(header);
  log->payloads.push_back(payload);
  log->frontier.Append(merkle::LeafHash(header), [log](int level, uint64_t index, const Digest& hash) {
    if (log->levels.size() <= static_cast<size_t>(level)) log->levels.emplace_back();
    ASSERT_EQ(log->levels[level].size(), index);
    log->levels[level].push_back(hash);
  });
  journal_.push_back(dot);
  Settle(log);
}

void FakeNode::Settle(Log* log) {
  for (const VerifiedCheckpoint& checkpoint : log->waiting) {
    if (checkpoint.size.value() != log->headers.size()) continue;
    EXPECT_EQ(checkpoint.root, log->frontier.Root()) << "applied entries that are not of their checkpoint";
    log->complete = checkpoint;
  }
  std::erase_if(log->waiting, [log](const VerifiedCheckpoint& c) { return c.size.value() <= log->headers.size(); });
}

Dot FakeNode::AppendOwn(std::string_view stream, const std::string& payload, Audience audience, VersionVector deps) {
  const LogId id = network_.roster.CurrentLog(site_, stream)->id;
  absl::MutexLock lock(&mu_);
  Log& log = logs_[id];
  Header header;
  header.log = id;
  header.seq = Seq(log.headers.size());
  header.time = Hlc(log.headers.size() + 1);
  header.deps = std::move(deps);
  header.deps.Set(id, Seq(0));
  header.audience = std::move(audience);
  header.payload_digest = Sha256(payload);
  Store(&log, {id, header.seq}, EncodeHeader(header), payload);
  return {id, header.seq};
}

Dot FakeNode::Append(const std::string& payload, Audience audience) {
  return AppendOwn(kMainStream, payload, std::move(audience), Applied());
}

Dot FakeNode::AppendAlone(const std::string& payload) { return AppendOwn(kMainStream, payload, {}, {}); }

Dot FakeNode::AppendTo(std::string_view stream, const std::string& payload) { return AppendOwn(stream, payload, {}, {}); }

void FakeNode::Sign(std::string_view stream) {
  const RosterLog& roster_log = *network_.roster.CurrentLog(site_, stream);
  {
    absl::MutexLock lock(&mu_);
    Log& log = logs_[roster_log.id];
    note::Note signed_note;
    signed_note.text = note::CheckpointText({roster_log.origin(), log.headers.size(), log.frontier.Root()});
    signed_note.signatures.push_back(note::Sign(roster_log.origin(), network_.log_keys.at(roster_log.id), signed_note.text));
    log.complete = {roster_log.id, Seq(log.headers.size()), log.frontier.Root(), note::Format(signed_note)};
  }
  Notify();
}

void FakeNode::Cosign(LogId id, uint64_t time_s) {
  absl::MutexLock lock(&mu_);
  auto parsed = note::Parse(logs_[id].complete->note);
  ASSERT_TRUE(parsed.ok());
  parsed->signatures.push_back(
      note::Cosign(network_.roster.FindCosigner(site_)->verifier.name(), network_.mirror_keys.at(site_), parsed->text, time_s));
  cosignatures_[{id, site_}] = {++version_, id, site_, note::Format(*parsed)};
}

ApplyResult FakeNode::ApplyBatch(const RemoteBatch& batch) {
  ApplyResult result;
  if (!fail_.ok()) {
    result.status = std::exchange(fail_, absl::OkStatus());
    return result;
  }
  for (const VerifiedCheckpoint& checkpoint : batch.checkpoints) {
    Log& log = logs_[checkpoint.log];
    log.waiting.push_back(checkpoint);
    Settle(&log);
  }
  std::map<LogId, const VerifiedEntry*> last;
  // Once a batch, as a node does: a proof for each entry costs a block's hashes each.
  const absl::Cleanup prove = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const auto& [id, entry] : last) {
      Log& log = logs_[id];
      log.proven = entry->proof->UpTo(entry->dot.seq + 1);
      EXPECT_EQ(*merkle::RootOf(log.proven->tree(), Subtrees(log)), log.proven->checkpoint.root);
    }
  };
  for (; result.applied < batch.entries.size(); ++result.applied) {
    const VerifiedEntry& entry = batch.entries[result.applied];
    Log& log = logs_[entry.dot.log];
    if (!log.fork.empty()) continue;
    if (entry.dot.seq.value() < log.headers.size()) {
      EXPECT_EQ(log.headers[entry.dot.seq.value()], entry.header_bytes);
      ++duplicates_;
      continue;
    }
    EXPECT_EQ(entry.dot.seq.value(), log.headers.size()) << "a gap in log " << entry.dot.log.value();
    EXPECT_EQ(EncodeHeader(entry.header), entry.header_bytes);
    EXPECT_TRUE(!entry.payload || Sha256(*entry.payload) == entry.header.payload_digest);
    if (!AppliedLocked().Covers(entry.header.deps)) {
      ++blocked_;
      result.status = absl::UnavailableError("deps");
      return result;
    }
    if (const auto due = due_.find(entry.dot.log); due != due_.end() && wall_time_ < due->second) {
      result.status = absl::UnavailableError("the future");
      result.due = due->second;
      return result;
    }
    Store(&log, entry.dot, entry.header_bytes, entry.payload);
    if (entry.proof == nullptr) {
      ADD_FAILURE() << "an entry without the proof that it came with";
      continue;
    }
    last[entry.dot.log] = &entry;
  }
  resume_[batch.peer] = {batch.journal_instance, batch.journal_position};
  return result;
}

bool FakeNode::Apply() {
  std::pair<RemoteBatch, std::function<void(ApplyResult)>> work;
  ApplyResult result;
  bool grown = false;
  {
    absl::MutexLock lock(&mu_);
    if (queue_.empty()) return false;
    work = std::move(queue_.front());
    queue_.pop_front();
    out_.erase(work.first.peer);
    const size_t before = journal_.size();
    result = ApplyBatch(work.first);
    grown = journal_.size() > before;
  }
  work.second(result);
  if (grown) Notify();
  return true;
}

void FakeNode::ApplyUntilStopped() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopped_ || !queue_.empty(); };
      mu_.Await(absl::Condition(&due));
      if (queue_.empty()) return;
    }
    Apply();
  }
}

void FakeNode::StopApplying() {
  absl::MutexLock lock(&mu_);
  stopped_ = true;
}

bool FakeNode::AwaitSize(LogId log, Seq size, absl::Duration timeout) const {
  absl::MutexLock lock(&mu_);
  auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return LogOf(log).headers.size() >= size.value(); };
  return mu_.AwaitWithTimeout(absl::Condition(&reached), timeout);
}

void FakeNode::SetListener(std::function<void()> listener) {
  absl::MutexLock lock(&listener_mu_);
  listener_ = std::move(listener);
}

void FakeNode::Notify() {
  absl::MutexLock lock(&listener_mu_);
  if (listener_) listener_();
}

Seq FakeNode::Size(LogId log) const {
  absl::MutexLock lock(&mu_);
  return Seq(LogOf(log).headers.size());
}

std::optional<std::string> FakeNode::PayloadOf(Dot dot) const {
  absl::MutexLock lock(&mu_);
  return LogOf(dot.log).payloads.at(dot.seq.value());
}

std::map<LogId, std::string> FakeNode::Forks() const {
  absl::MutexLock lock(&mu_);
  std::map<LogId, std::string> forks;
  for (const auto& [id, log] : logs_) {
    if (!log.fork.empty()) forks[id] = log.fork;
  }
  return forks;
}

std::vector<Dot> FakeNode::Journal() const {
  absl::MutexLock lock(&mu_);
  return journal_;
}

int FakeNode::duplicates() const {
  absl::MutexLock lock(&mu_);
  return duplicates_;
}

int FakeNode::blocked() const {
  absl::MutexLock lock(&mu_);
  return blocked_;
}

void FakeNode::SetDue(LogId log, absl::Time due) {
  absl::MutexLock lock(&mu_);
  due_[log] = due;
}

void FakeNode::SetWallTime(absl::Time time) {
  absl::MutexLock lock(&mu_);
  wall_time_ = time;
}

absl::Time FakeNode::WallTime() const {
  absl::MutexLock lock(&mu_);
  return wall_time_;
}

void FakeNode::FailApply(absl::Status status) {
  absl::MutexLock lock(&mu_);
  fail_ = std::move(status);
}

Position FakeNode::JournalEnd() const {
  absl::MutexLock lock(&mu_);
  return Position(journal_.size());
}

absl::StatusOr<std::vector<Dot>> FakeNode::ReadJournal(Position from, size_t max) const {
  absl::MutexLock lock(&mu_);
  const size_t begin = std::min<size_t>(from.value(), journal_.size());
  const size_t end = std::min(begin + max, journal_.size());
  return std::vector<Dot>(journal_.begin() + static_cast<ptrdiff_t>(begin), journal_.begin() + static_cast<ptrdiff_t>(end));
}

VersionVector FakeNode::AppliedLocked() const {
  VersionVector applied;
  for (const auto& [id, log] : logs_) applied.Set(id, Seq(log.headers.size()));
  return applied;
}

VersionVector FakeNode::Applied() const {
  absl::MutexLock lock(&mu_);
  return AppliedLocked();
}

absl::StatusOr<std::vector<std::string>> FakeNode::ReadHeaders(LogId id, Seq first, Seq end) const {
  absl::MutexLock lock(&mu_);
  const Log& log = LogOf(id);
  EXPECT_LE(end.value(), log.headers.size());
  return std::vector<std::string>(log.headers.begin() + static_cast<ptrdiff_t>(first.value()),
                                  log.headers.begin() + static_cast<ptrdiff_t>(end.value()));
}

absl::StatusOr<std::optional<std::string>> FakeNode::ReadPayload(Dot dot) const { return PayloadOf(dot); }

absl::StatusOr<bool> FakeNode::Erased(Dot dot) const {
  absl::MutexLock lock(&mu_);
  return erased_.contains(dot);
}

VersionVector FakeNode::Erasures() const {
  absl::MutexLock lock(&mu_);
  VersionVector sizes;
  for (const auto& [entry, by] : erased_) sizes.Set(by.log, std::max(sizes.Get(by.log), by.seq + 1));
  return sizes;
}

std::set<LogId> FakeNode::MaybeErased() const {
  absl::MutexLock lock(&mu_);
  const VersionVector applied = AppliedLocked();
  std::set<LogId> logs;
  for (const auto& [peer, erasures] : peer_erasures_) {
    for (const auto& [log, size] : erasures.entries()) {
      if (applied.Get(log) < size) logs.insert(log);
    }
  }
  return logs;
}

absl::StatusOr<bool> FakeNode::IsErasure(Dot dot) const {
  absl::MutexLock lock(&mu_);
  return std::any_of(erased_.begin(), erased_.end(), [dot](const auto& erased) { return erased.second == dot; });
}

void FakeNode::PeerErasures(SiteId peer, const VersionVector& erasures) {
  absl::MutexLock lock(&mu_);
  peer_erasures_[peer] = erasures;
}

void FakeNode::Erase(Dot entry, Dot erasure) {
  absl::MutexLock lock(&mu_);
  erased_[entry] = erasure;
  logs_.at(entry.log).payloads.at(entry.seq.value()).reset();
}

absl::StatusOr<Digest> FakeNode::RootAt(LogId id, Seq size) const {
  absl::MutexLock lock(&mu_);
  const Log& log = LogOf(id);
  EXPECT_LE(size.value(), log.headers.size());
  return size == Seq(0) ? merkle::EmptyRoot() : merkle::RangeRoot(0, size.value(), Subtrees(log));
}

absl::StatusOr<std::vector<Digest>> FakeNode::BlockProof(LogId id, uint64_t block, const ProvenPrefix& prefix) const {
  absl::MutexLock lock(&mu_);
  const Log& log = LogOf(id);
  EXPECT_LE(prefix.size.value(), log.headers.size());
  return merkle::BlockProof(block, prefix.tree(), Subtrees(log));
}

absl::StatusOr<std::optional<ProvenPrefix>> FakeNode::Proven(LogId id) const {
  absl::MutexLock lock(&mu_);
  return LogOf(id).proven;
}

std::optional<std::string> FakeNode::CheckpointNote(LogId id) const {
  absl::MutexLock lock(&mu_);
  const Log& log = LogOf(id);
  if (!log.complete) return std::nullopt;
  return log.complete->note;
}

std::optional<std::string> FakeNode::AwaitedCheckpointNote(LogId id) const {
  absl::MutexLock lock(&mu_);
  const Log& log = LogOf(id);
  if (log.waiting.empty()) return std::nullopt;
  return std::max_element(log.waiting.begin(), log.waiting.end(), [](const auto& a, const auto& b) { return a.size < b.size; })->note;
}

std::vector<HeldCosignature> FakeNode::CosignaturesAfter(uint64_t after) const {
  absl::MutexLock lock(&mu_);
  std::vector<HeldCosignature> out;
  for (const auto& [key, held] : cosignatures_) {
    if (held.version > after) out.push_back(held);
  }
  std::sort(out.begin(), out.end(), [](const HeldCosignature& x, const HeldCosignature& y) { return x.version < y.version; });
  return out;
}

bool FakeNode::CosignatureStands(const HeldCosignature& held) const {
  absl::MutexLock lock(&mu_);
  auto found = cosignatures_.find({held.log, held.site});
  return found != cosignatures_.end() && found->second.version == held.version;
}

bool FakeNode::Quarantined(LogId log) const {
  absl::MutexLock lock(&mu_);
  return !LogOf(log).fork.empty();
}

void FakeNode::ApplyRemote(RemoteBatch batch, std::function<void(ApplyResult)> done) {
  absl::MutexLock lock(&mu_);
  EXPECT_TRUE(out_.insert(batch.peer).second) << "two batches of one link";
  queue_.emplace_back(std::move(batch), std::move(done));
}

absl::Status FakeNode::TakeCosignature(LogId id, const std::string& note) {
  const RosterLog& roster_log = *network_.roster.FindLog(id);
  auto checkpoint = OpenCheckpoint(roster_log, note);
  if (!checkpoint.ok()) return absl::InvalidArgumentError("does not verify");
  auto parsed = note::Parse(note);
  const RosterCosigner* cosigner = nullptr;
  for (const RosterCosigner& candidate : network_.roster.cosigners()) {
    if (note::Verify(*parsed, candidate.verifier)) cosigner = &candidate;
  }
  if (cosigner == nullptr) return absl::InvalidArgumentError("no cosigner");
  absl::MutexLock lock(&mu_);
  HeldCosignature& held = cosignatures_[{id, cosigner->site}];
  if (held.note == note) return absl::OkStatus();
  held = {++version_, id, cosigner->site, note};
  return absl::OkStatus();
}

void FakeNode::ReportFork(LogId id, const std::string& checkpoint_note, const std::string& how) {
  auto checkpoint = OpenCheckpoint(*network_.roster.FindLog(id), checkpoint_note);
  EXPECT_TRUE(checkpoint.ok()) << "a fork without proof";
  absl::MutexLock lock(&mu_);
  logs_[id].fork = how;
}

std::optional<std::pair<std::string, Position>> FakeNode::ResumePosition(const std::string& peer) const {
  absl::MutexLock lock(&mu_);
  auto found = resume_.find(peer);
  if (found == resume_.end()) return std::nullopt;
  return found->second;
}

std::vector<Dot> FakeNode::WantedPayloads(std::optional<Dot> after, size_t max) const {
  absl::MutexLock lock(&mu_);
  std::vector<Dot> wanted;
  for (const auto& [id, log] : logs_) {
    for (size_t i = 0; i < log.headers.size() && wanted.size() < max; ++i) {
      const Dot dot{id, Seq(i)};
      if (log.payloads[i] || (after && dot <= *after)) continue;
      if (DecodeHeader(log.headers[i])->audience.Includes(site_)) wanted.push_back(dot);
    }
  }
  return wanted;
}

absl::Status FakeNode::TakePayload(Dot dot, std::string payload) {
  absl::MutexLock lock(&mu_);
  Log& log = logs_[dot.log];
  if (dot.seq.value() >= log.headers.size() || erased_.contains(dot)) return absl::OkStatus();  // not wanted
  if (Sha256(payload) != DecodeHeader(log.headers[dot.seq.value()])->payload_digest) return absl::InvalidArgumentError("another payload");
  log.payloads[dot.seq.value()] = std::move(payload);
  return absl::OkStatus();
}

void FakeNode::PeerHolds(const std::string& peer, const std::vector<HeldOwnLog>& logs) {
  absl::MutexLock lock(&mu_);
  peer_holds_[peer] = logs;
}

std::optional<HeldOwnLog> FakeNode::PeerHolding(const std::string& peer, std::string_view stream) const {
  absl::MutexLock lock(&mu_);
  auto found = peer_holds_.find(peer);
  if (found == peer_holds_.end()) return std::nullopt;
  for (const HeldOwnLog& log : found->second) {
    if (network_.roster.FindLog(log.log)->stream == stream) return log;
  }
  return std::nullopt;
}

std::optional<Seq> FakeNode::PeerHeld(const std::string& peer, std::string_view stream) const {
  const std::optional<HeldOwnLog> held = PeerHolding(peer, stream);
  return held ? std::optional(held->size) : std::nullopt;
}

std::optional<VerifiedCheckpoint> FakeNode::PeerAwaits(const std::string& peer, std::string_view stream) const {
  const std::optional<HeldOwnLog> held = PeerHolding(peer, stream);
  return held ? held->awaited : std::nullopt;
}

}  // namespace fairlead::replication
