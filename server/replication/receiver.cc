#include "server/replication/receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/crypto.h"
#include "api/errors.h"
#include "api/merkle.h"
#include "server/replication/checkpoint.h"
#include "server/replication/sender.h"

namespace fairlead::replication {

namespace {

constexpr size_t kProofDigestsMax = 64;
constexpr int64_t kTimeMsMax = 253402300799999;  // the end of the year 9999

absl::Status Misplaced(const std::string& what) { return Error(Reason::kPeerProtocol, what); }

std::string EntryOf(const RosterLog& log, uint64_t seq) { return fmt::format("entry {} of log {}", seq, log.origin()); }

uint64_t BlocksOf(uint64_t size) { return (size + merkle::kBlockLeaves - 1) / merkle::kBlockLeaves; }

// The siblings to the left of `block` on its audit path among `blocks`, lowest first: the roots of the complete subtrees of the binary
// digits of `block`, smallest first. REQUIRES: the proof has been verified for them.
std::vector<Digest> LeftSiblings(uint64_t block, uint64_t blocks, const std::vector<Digest>& proof) {
  std::vector<Digest> left;
  uint64_t at = block;
  uint64_t last = blocks - 1;
  for (const Digest& sibling : proof) {
    if ((at & 1) != 0 || at == last) {
      left.push_back(sibling);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    }
    at >>= 1;
    last >>= 1;
  }
  return left;
}

// The root over the subtrees `left`, smallest first, starting from `root` to the right of them.
Digest FoldLeft(Digest root, const std::vector<Digest>& left, size_t from) {
  for (size_t i = from; i < left.size(); ++i) root = merkle::NodeHash(left[i], root);
  return root;
}

}  // namespace

Receiver::Receiver(const ReceiverOptions& options, const LogSource* source, EntrySink* sink, LinkInfo info)
    : options_(options), source_(source), sink_(sink), info_(std::move(info)) {
  info_.connected = false;
  for (const RosterLog& log : source_->roster().logs()) logs_[log.id].log = &log;
}

void Receiver::Start(absl::Time now) {
  hello_due_ = true;
  gossip_due_ = true;
  credit_due_ = options_.credit_bytes;
  last_heard_ = now;
  last_ping_ = now;
}

void Receiver::SetDirectLogs(std::vector<LogId> logs) {
  if (logs == direct_logs_) return;
  direct_logs_ = std::move(logs);
  have_due_ = true;
}

absl::Status Receiver::Settle(absl::Status status, absl::Time now) {
  if (status.ok()) return status;
  status_ = status;
  info_.connected = false;
  NoteError(status, now);
  return status;
}

void Receiver::OnEnd(const absl::Status& status, absl::Time now) {
  info_.connected = false;
  if (status_.ok()) Settle(status, now).IgnoreError();
}

void Receiver::NoteError(const absl::Status& status, absl::Time now) {
  info_.last_error = status;
  info_.last_error_time = now;
}

void Receiver::Refuse(LogIn* log, absl::Status why, absl::Time now) {
  if (!log->refused.ok()) return;
  NoteError(why, now);
  log->refused = std::move(why);
  log->held.clear();
  log->leaves.clear();
  have_due_ = true;  // the peer need not send more of it
}

void Receiver::RefuseForked(LogIn* log, const VerifiedCheckpoint& proof, const std::string& how, absl::Time now) {
  sink_->ReportFork(log->log->id, proof.note, how);
  Refuse(log, LogError(Reason::kLogForked, *log->log, how), now);
}

absl::Status Receiver::OnMessage(v1::ReplicateResponse message, absl::Time now) {
  if (!status_.ok()) return status_;
  last_heard_ = now;
  info_.last_contact = now;
  return Settle(Dispatch(std::move(message), now), now);
}

absl::Status Receiver::Dispatch(v1::ReplicateResponse message, absl::Time now) {
  if (message.has_welcome() == welcomed_) return Misplaced(welcomed_ ? "a second Welcome" : "the first message is not Welcome");
  const int64_t bytes = static_cast<int64_t>(message.ByteSizeLong());
  info_.bytes_received += static_cast<uint64_t>(bytes);
  switch (message.message_case()) {
    case v1::ReplicateResponse::kWelcome:
      welcomed_ = true;
      journal_instance_ = message.welcome().journal_instance();
      if (journal_instance_.size() != 16) return Misplaced("a journal instance that is not 16 bytes");
      info_.connected = true;
      if (absl::Status status = RefreshApplied(now); !status.ok()) return status;
      return TakeStates(message.welcome().logs(), message.welcome().own_checkpoint(), now);
    case v1::ReplicateResponse::kEntries:
      return TakeEntries(std::move(*message.mutable_entries()), bytes, now);
    case v1::ReplicateResponse::kCosignature:
      TakeCosignature(message.cosignature(), now);
      return absl::OkStatus();
    case v1::ReplicateResponse::kHeartbeat:
      if (absl::Status status = RefreshApplied(now); !status.ok()) return status;
      return TakeStates(message.heartbeat().logs(), message.heartbeat().own_checkpoint(), now);
    case v1::ReplicateResponse::kPong:
      if (message.pong().number() != ping_number_) return absl::OkStatus();
      info_.rtt = now - ping_time_;
      if (const int64_t time_ms = message.pong().time_ms(); time_ms > 0) {
        const absl::Time theirs = absl::FromUnixMillis(std::min(time_ms, kTimeMsMax));
        info_.clock_ahead = theirs - (source_->WallTime() - info_.rtt / 2);
        sink_->PeerClock(info_.peer, theirs, info_.rtt);
      }
      return absl::OkStatus();
    case v1::ReplicateResponse::kFork:
      if (absl::Status status = RefreshApplied(now); !status.ok()) return status;
      return TakeFork(message.fork(), now);
    case v1::ReplicateResponse::kWanted:
      return TakeWanted(std::move(*message.mutable_wanted()), bytes, now);
    case v1::ReplicateResponse::MESSAGE_NOT_SET:
      break;
  }
  return Misplaced("a message of no known kind");
}

absl::StatusOr<bool> Receiver::Contradicts(const VerifiedCheckpoint& checkpoint) const {
  if (checkpoint.size == Seq(0)) return false;
  auto root = source_->RootAt(checkpoint.log, checkpoint.size);
  if (!root.ok()) return root.status();
  return *root != checkpoint.root;
}

absl::Status Receiver::RefreshApplied(absl::Time now) {
  VersionVector applied = source_->Applied();
  if (applied != applied_) have_due_ = true;
  applied_ = std::move(applied);
  for (auto& [id, log] : logs_) {
    const bool quarantined = source_->Quarantined(id);
    if (quarantined != log.quarantined) have_due_ = true;
    log.quarantined = quarantined;
    log.applied = applied_.Get(id);
    const uint64_t held_begin = log.held_end.value() - log.held.size();
    for (uint64_t seq = held_begin; seq < log.Wanted().value() && !log.held.empty(); ++seq) log.held.pop_front();
    if (log.fork_claim && log.fork_claim->size <= log.applied) {
      auto forked = Contradicts(*log.fork_claim);
      if (!forked.ok()) return forked.status();
      if (*forked) RefuseForked(&log, *log.fork_claim, fmt::format("two histories of size {}", log.fork_claim->size.value()), now);
      log.fork_claim.reset();
    }
  }
  return absl::OkStatus();
}

absl::Status Receiver::TakeStates(const google::protobuf::RepeatedPtrField<v1::LogState>& states, const std::string& own_checkpoint,
                                  absl::Time now) {
  VersionVector erasures;
  for (const v1::LogState& state : states) {
    if (logs_.contains(LogId(state.log()))) erasures.Set(LogId(state.log()), Seq(state.erasures_end()));
  }
  if (const RosterSite* peer = source_->roster().FindSite(info_.peer)) sink_->PeerErasures(peer->id, erasures);
  for (const v1::LogState& state : states) {
    auto found = logs_.find(LogId(state.log()));
    if (found == logs_.end()) continue;  // of a newer roster
    LogIn& log = found->second;
    // Beyond a closing the peer's history is of no interest; up to it, the roster's root decides.
    const Seq size = log.log->Standing(Seq(state.size()));
    if (size == log.peer_size || size < Seq(state.size())) {
      log.peer_size = size;
      continue;
    }
    log.peer_size = size;
    if (size == Seq(0) || size > log.applied) continue;
    auto root = source_->RootAt(log.log->id, size);
    if (!root.ok()) return root.status();
    if (AsView(*root) == state.root() || !log.refused.ok()) continue;
    Refuse(&log, LogError(Reason::kLogForked, *log.log, fmt::format("the peer holds another history of size {}", size.value())), now);
    evidence_due_.push_back(log.log->id);
  }
  if (const RosterLog* own = source_->roster().CurrentLog(source_->site(), kMainStream)) {
    LogIn& log = logs_.at(own->id);
    std::optional<VerifiedCheckpoint> awaited;
    if (log.Open() && !own_checkpoint.empty()) {
      auto opened = OpenCheckpoint(*own, own_checkpoint);
      if (!opened.ok()) {
        Refuse(&log, opened.status(), now);
      } else if (opened->size > log.applied) {
        awaited = *std::move(opened);
      } else {
        auto forked = Contradicts(*opened);
        if (!forked.ok()) return forked.status();
        if (*forked) RefuseForked(&log, *opened, fmt::format("two histories of size {}", opened->size.value()), now);
      }
    }
    if (log.Open()) sink_->PeerHolds(info_.peer, log.peer_size, awaited);
  }
  return absl::OkStatus();
}

absl::Status Receiver::TakeFork(const v1::Fork& fork, absl::Time now) {
  auto found = logs_.find(LogId(fork.log()));
  if (found == logs_.end()) return Misplaced(fmt::format("a fork of the unknown log {}", fork.log()));
  LogIn& log = found->second;
  auto checkpoint = OpenCheckpoint(*log.log, fork.checkpoint());
  if (!checkpoint.ok()) {
    Refuse(&log, checkpoint.status(), now);
    return absl::OkStatus();
  }
  const std::string how = fmt::format("two histories of size {}", fork.size());
  if (checkpoint->size <= log.applied) {
    auto forked = Contradicts(*checkpoint);
    if (!forked.ok()) return forked.status();
    if (*forked) RefuseForked(&log, *checkpoint, how, now);
  } else {
    log.fork_claim = *std::move(checkpoint);
  }
  Refuse(&log, LogError(Reason::kLogForked, *log.log, "the peer says: " + how), now);
  evidence_due_.push_back(log.log->id);
  return absl::OkStatus();
}

void Receiver::TakeCosignature(const v1::Cosignature& cosignature, absl::Time now) {
  auto found = logs_.find(LogId(cosignature.log()));
  if (found == logs_.end()) return;
  absl::Status status = sink_->TakeCosignature(found->first, cosignature.note());
  if (status.ok()) return;
  // Not this stream's fault: the cosigner may be of a newer roster, and a fork has been quarantined by the sink.
  if (absl::IsDataLoss(status)) {
    Refuse(&found->second, status, now);
  } else {
    NoteError(status, now);
  }
}

absl::Status Receiver::TakeWanted(v1::PayloadFrame payload, int64_t bytes, absl::Time now) {
  if (credit_left_ <= 0) return Misplaced("a wanted payload without credit");
  credit_left_ -= bytes;
  credit_due_ += bytes;
  auto found = logs_.find(LogId(payload.log()));
  if (found == logs_.end()) return Misplaced(fmt::format("a payload of the unknown log {}", payload.log()));
  LogIn& log = found->second;
  if (!log.Open()) return absl::OkStatus();
  absl::Status taken = sink_->TakePayload({log.log->id, Seq(payload.seq())}, std::move(*payload.mutable_payload()));
  if (!taken.ok()) {
    Refuse(&log, LogError(Reason::kSignatureInvalid, *log.log, fmt::format("entry {}: {}", payload.seq(), std::string(taken.message()))),
           now);
  }
  return absl::OkStatus();
}

absl::Status Receiver::TakeEntries(v1::Entries entries, int64_t bytes, absl::Time now) {
  if (credit_left_ <= 0) return Misplaced("entries without credit");
  credit_left_ -= bytes;
  if (absl::Status status = RefreshApplied(now); !status.ok()) return status;
  for (v1::HeaderPackage& package : *entries.mutable_packages()) {
    if (absl::Status status = TakePackage(std::move(package), now); !status.ok()) return status;
  }
  Frame frame;
  frame.position = Position(entries.journal_position());
  frame.bytes = bytes;
  for (v1::PayloadFrame& payload : *entries.mutable_payloads()) {
    if (absl::Status status = TakePayload(std::move(payload), &frame, now); !status.ok()) return status;
  }
  for (const auto& [id, log] : logs_) {
    if (log.held.size() <= merkle::kBlockLeaves) continue;
    return Misplaced(fmt::format("{} headers of log {} without payloads", log.held.size(), log.log->origin()));
  }
  if (frame.entries.empty()) {
    credit_due_ += bytes;
    // Only the newest checkpoint of a log is worth keeping for a later frame.
    std::set<LogId> newer;
    std::reverse(checkpoints_.begin(), checkpoints_.end());
    std::erase_if(checkpoints_, [&newer](const VerifiedCheckpoint& c) { return !newer.insert(c.log).second; });
    std::reverse(checkpoints_.begin(), checkpoints_.end());
    return absl::OkStatus();
  }
  frame.checkpoints = std::exchange(checkpoints_, {});
  frames_.push_back(std::move(frame));
  return absl::OkStatus();
}

absl::Status Receiver::TakeCheckpoint(LogIn* log, const std::string& note, absl::Time now) {
  auto opened = OpenCheckpoint(*log->log, note);
  if (!opened.ok()) {
    Refuse(log, opened.status(), now);
    return absl::OkStatus();
  }
  const VerifiedCheckpoint& checkpoint = *opened;
  if (log->checkpoint && checkpoint.size < log->checkpoint->size) {
    Refuse(log,
           LogError(Reason::kPeerProtocol, *log->log,
                    fmt::format("a checkpoint of size {} after one of size {}", checkpoint.size.value(), log->checkpoint->size.value())),
           now);
    return absl::OkStatus();
  }
  bool forked = log->checkpoint && checkpoint.size == log->checkpoint->size && checkpoint.root != log->checkpoint->root;
  if (!forked && checkpoint.size <= log->applied) {
    auto contradicts = Contradicts(checkpoint);
    if (!contradicts.ok()) return contradicts.status();
    forked = *contradicts;
  }
  if (forked) {
    RefuseForked(log, checkpoint, fmt::format("two histories of size {}", checkpoint.size.value()), now);
    return absl::OkStatus();
  }
  log->checkpoint = checkpoint;
  checkpoints_.push_back(checkpoint);
  return absl::OkStatus();
}

absl::Status Receiver::TakePackage(v1::HeaderPackage package, absl::Time now) {
  auto found = logs_.find(LogId(package.log()));
  if (found == logs_.end()) return Misplaced(fmt::format("headers of the unknown log {}", package.log()));
  LogIn& log = found->second;
  if (!log.Open()) return absl::OkStatus();
  if (!package.checkpoint().empty()) {
    absl::Status status = TakeCheckpoint(&log, package.checkpoint(), now);
    if (!status.ok() || !log.Open()) return status;
  }
  if (!log.checkpoint) return Misplaced("headers without a checkpoint of log " + log.log->origin());

  const uint64_t first = package.first();
  const uint64_t count = static_cast<uint64_t>(package.headers_size());
  const uint64_t size = log.checkpoint->size.value();
  if (count == 0 || first >= size || count > size - first) {
    return Misplaced(fmt::format("{} headers from {} under a checkpoint of size {} of log {}", count, first, size, log.log->origin()));
  }
  const uint64_t end = first + count;
  const uint64_t block = first / merkle::kBlockLeaves;
  const uint64_t block_start = block * merkle::kBlockLeaves;
  if (end != std::min(block_start + merkle::kBlockLeaves, size)) {
    return Misplaced(fmt::format("headers [{}, {}) of log {} are not the rest of a block", first, end, log.log->origin()));
  }
  const uint64_t next = log.HeadersEnd().value();
  if (end <= next) return absl::OkStatus();  // came by another way
  if (first > next) return Misplaced(fmt::format("headers from {} before {}", first, EntryOf(*log.log, next)));

  // The block's leaves: those held before `first`, then the package's.
  if (log.block != block) {
    log.block = block;
    log.leaves.clear();
  }
  if (const uint64_t have = block_start + log.leaves.size(); have < next) {
    auto headers = source_->ReadHeaders(log.log->id, Seq(have), Seq(next));
    if (!headers.ok()) return headers.status();
    for (const std::string& header : *headers) log.leaves.push_back(merkle::LeafHash(header));
  }
  std::vector<Digest> leaves(log.leaves.begin(), log.leaves.begin() + static_cast<ptrdiff_t>(first - block_start));
  for (const std::string& header : package.headers()) leaves.push_back(merkle::LeafHash(header));
  std::vector<Digest> proof;
  for (const std::string& digest : package.proof()) {
    if (digest.size() != sizeof(Digest) || proof.size() == kProofDigestsMax) {
      Refuse(&log, LogError(Reason::kSignatureInvalid, *log.log, fmt::format("the proof of headers [{}, {}) is malformed", first, end)),
             now);
      return absl::OkStatus();
    }
    std::copy(digest.begin(), digest.end(), proof.emplace_back().begin());
  }
  const Digest block_root = merkle::BlockRoot(leaves);
  if (absl::Status status = merkle::VerifyBlock(block_root, block, size, proof, log.checkpoint->root); !status.ok()) {
    Refuse(
        &log,
        LogError(Reason::kSignatureInvalid, *log.log,
                 fmt::format("headers [{}, {}) are not of the checkpoint of size {}: {}", first, end, size, std::string(status.message()))),
        now);
    return absl::OkStatus();
  }
  for (uint64_t seq = first; seq < next; ++seq) {
    if (log.leaves[seq - block_start] == leaves[seq - block_start]) continue;
    RefuseForked(&log, *log.checkpoint, fmt::format("two entries {}", seq), now);
    return absl::OkStatus();
  }
  if (absl::Status status = CheckPrefix(&log, block, proof, now); !status.ok() || !log.Open()) return status;

  std::deque<HeldHeader> held;
  const uint64_t standing = log.log->Standing(Seq(end)).value();
  for (uint64_t seq = next; seq < standing; ++seq) {
    std::string& bytes = *package.mutable_headers(static_cast<int>(seq - first));
    auto header = DecodeHeader(bytes);
    const bool right = header.ok() && header->log == log.log->id && header->seq == Seq(seq);
    if (!right) {
      Refuse(&log,
             LogError(Reason::kSignatureInvalid, *log.log,
                      fmt::format("the header of entry {} is {}", seq,
                                  header.ok() ? "another entry's" : "malformed: " + std::string(header.status().message()))),
             now);
      return absl::OkStatus();
    }
    held.push_back({*std::move(header), std::move(bytes)});
  }
  if (end == block_start + merkle::kBlockLeaves) {
    log.prefix_blocks = block + 1;
    log.prefix_root = FoldLeft(block_root, LeftSiblings(block, BlocksOf(size), proof), 0);
  }
  log.leaves = std::move(leaves);
  if (log.held_end < Seq(next)) log.held.clear();
  std::move(held.begin(), held.end(), std::back_inserter(log.held));
  log.held_end = Seq(standing);
  return absl::OkStatus();
}

absl::Status Receiver::CheckPrefix(LogIn* log, uint64_t block, const std::vector<Digest>& proof, absl::Time now) {
  if (block == 0) return absl::OkStatus();
  if (log->prefix_blocks != block) {
    // Not followed on this stream: then it is applied here, or the headers before this block would be missing.
    auto root = source_->RootAt(log->log->id, Seq(block * merkle::kBlockLeaves));
    if (!root.ok()) return root.status();
    log->prefix_blocks = block;
    log->prefix_root = *root;
  }
  std::vector<Digest> left = LeftSiblings(block, BlocksOf(log->checkpoint->size.value()), proof);
  if (!left.empty() && FoldLeft(left[0], left, 1) == log->prefix_root) return absl::OkStatus();
  RefuseForked(log, *log->checkpoint, fmt::format("two histories of size {}", block * merkle::kBlockLeaves), now);
  return absl::OkStatus();
}

absl::Status Receiver::TakePayload(v1::PayloadFrame payload, Frame* frame, absl::Time now) {
  ++info_.entries_received;
  auto found = logs_.find(LogId(payload.log()));
  if (found == logs_.end()) return Misplaced(fmt::format("a payload of the unknown log {}", payload.log()));
  LogIn& log = found->second;
  if (!log.Open()) return absl::OkStatus();
  const Seq seq(payload.seq());
  if (seq < log.Wanted() || log.log->Voids(seq)) return absl::OkStatus();  // came by another way, or is void
  if (seq > log.Wanted()) return Misplaced(fmt::format("{} before entry {}", EntryOf(*log.log, seq.value()), log.Wanted().value()));
  if (seq >= log.held_end) return Misplaced(EntryOf(*log.log, seq.value()) + " before its header");
  while (log.held.front().header.seq < seq) log.held.pop_front();

  auto refuse = [&](const std::string& what) {
    Refuse(&log, LogError(Reason::kSignatureInvalid, *log.log, fmt::format("entry {}: {}", seq.value(), what)), now);
    return absl::OkStatus();
  };
  const HeldHeader& held = log.held.front();
  const bool due = held.header.audience.Includes(source_->site());
  std::optional<std::string> bytes;
  if (payload.withheld() && due) return refuse("withheld, though this site is in its audience");
  if (payload.withheld() && !payload.payload().empty()) return Misplaced(EntryOf(*log.log, seq.value()) + " is withheld and sent");
  if (!payload.payload().empty()) {
    if (Sha256(payload.payload()) != held.header.payload_digest) return refuse("the payload is not the one its header names");
    // A payload that this site should not have is not kept.
    if (due) bytes = std::move(*payload.mutable_payload());
  }
  frame->entry_bytes += held.bytes.size() + (bytes ? bytes->size() : 0);
  frame->entries.push_back({{log.log->id, seq}, held.bytes, held.header, std::move(bytes)});
  log.held.pop_front();
  log.delivered = seq + 1;
  return absl::OkStatus();
}

std::optional<RemoteBatch> Receiver::TakeBatch() {
  if (!status_.ok() || batch_out_) return std::nullopt;
  if (!batch_) {
    if (frames_.empty()) return std::nullopt;
    batch_.emplace();
    batch_->peer = info_.peer;
    batch_->journal_instance = journal_instance_;
    size_t bytes = 0;
    while (!frames_.empty()) {
      Frame& frame = frames_.front();
      if (!batch_->entries.empty() && (bytes + frame.entry_bytes > options_.batch_bytes_max ||
                                       batch_->entries.size() + frame.entries.size() > options_.batch_entries_max)) {
        break;
      }
      bytes += frame.entry_bytes;
      std::move(frame.entries.begin(), frame.entries.end(), std::back_inserter(batch_->entries));
      std::move(frame.checkpoints.begin(), frame.checkpoints.end(), std::back_inserter(batch_->checkpoints));
      batch_->journal_position = frame.position;
      batch_credit_ += frame.bytes;
      frames_.pop_front();
    }
    batch_due_ = true;
  }
  if (!batch_due_) return std::nullopt;
  batch_due_ = false;
  batch_out_ = true;
  return batch_;
}

absl::Status Receiver::OnApplied(const ApplyResult& result, absl::Time now) {
  batch_out_ = false;
  if (!status_.ok()) return status_;
  return Settle(TakeResult(result, now), now);
}

absl::Status Receiver::TakeResult(const ApplyResult& result, absl::Time now) {
  if (absl::Status status = RefreshApplied(now); !status.ok()) return status;
  std::vector<VerifiedEntry>& entries = batch_->entries;
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(std::min(result.applied, entries.size())));
  if (result.status.ok()) {
    if (!entries.empty()) return Error(Reason::kInternal, "a batch was reported applied in part and without a cause");
    blocked_.reset();
    info_.position_doubted = false;  // the sink has kept another with the batch
    FinishBatchIfEmpty();
    return absl::OkStatus();
  }
  if (entries.empty()) return result.status;
  const Dot dot = entries.front().dot;
  LogIn& log = logs_[dot.log];
  if (absl::IsUnavailable(result.status)) {
    if (blocked_ && blocked_->dot == dot) {
      NoteError(result.status, now);
    } else {
      blocked_ = {dot, now};
    }
    blocked_->on_deps = !Follows(entries.front().header);
    return absl::OkStatus();
  }
  const std::string reason = ReasonOf(result.status);
  const bool log_at_fault = absl::IsInvalidArgument(result.status) || absl::IsFailedPrecondition(result.status) ||
                            reason == ReasonName(Reason::kLogForked) || reason == ReasonName(Reason::kSignatureInvalid);
  if (!log_at_fault) return result.status;
  Refuse(&log, result.status, now);
  DropEntriesOf(dot.log);
  batch_due_ = true;
  blocked_.reset();
  FinishBatchIfEmpty();
  return absl::OkStatus();
}

void Receiver::DropEntriesOf(LogId log) {
  auto of_log = [log](const VerifiedEntry& entry) { return entry.dot.log == log; };
  std::erase_if(batch_->entries, of_log);
  for (Frame& frame : frames_) std::erase_if(frame.entries, of_log);
}

void Receiver::FinishBatchIfEmpty() {
  if (!batch_->entries.empty()) return;
  credit_due_ += std::exchange(batch_credit_, 0);
  batch_.reset();
  batch_due_ = false;
}

bool Receiver::Follows(const Header& header) const {
  const auto& deps = header.deps.entries();
  return std::all_of(deps.begin(), deps.end(),
                     [this](const auto& dep) { return applied_.Get(dep.first) >= source_->roster().Standing(dep.first, dep.second); });
}

absl::Status Receiver::CheckBlocked(absl::Time now) const {
  if (!blocked_ || batch_out_ || now - blocked_->since < options_.dep_timeout) return absl::OkStatus();
  const Header& header = batch_->entries.front().header;
  for (const auto& [id, size] : header.deps.entries()) {
    if (applied_.Get(id) >= source_->roster().Standing(id, size)) continue;
    const RosterLog* log = source_->roster().FindLog(header.log);
    const RosterLog* dep = source_->roster().FindLog(id);
    const std::string dep_name = dep == nullptr ? fmt::format("{}", id.value()) : dep->origin();
    return LogError(Reason::kPeerProtocol, *log,
                    fmt::format("entry {} has waited {} s for entry {} of log {}, which the peer does not send", header.seq.value(),
                                absl::ToInt64Seconds(now - blocked_->since), size.value() - 1, dep_name));
  }
  return absl::OkStatus();
}

absl::Status Receiver::OnTick(absl::Time now) {
  if (!status_.ok()) return status_;
  if (now - last_heard_ > options_.stall_timeout) {
    return Settle(absl::UnavailableError(
                      fmt::format("stalled: nothing heard from {} for {} ms", info_.peer, absl::ToInt64Milliseconds(now - last_heard_))),
                  now);
  }
  if (absl::Status status = RefreshApplied(now); !status.ok()) return Settle(status, now);
  if (absl::Status status = CheckBlocked(now); !status.ok()) {
    // What is missing may lie before the position that this stream was resumed at: the peer, or one that lied in its place, gave it.
    info_.position_doubted = true;
    return Settle(status, now);
  }
  if (now - last_ping_ >= options_.heartbeat_interval) {
    last_ping_ = now;
    ping_due_ = true;
    want_due_ = true;
  }
  gossip_due_ = true;
  if (batch_ && !batch_out_) batch_due_ = true;
  return absl::OkStatus();
}

absl::Status Receiver::OnAppliedChanged(absl::Time now) {
  if (!status_.ok()) return status_;
  gossip_due_ = true;
  if (absl::Status status = RefreshApplied(now); !status.ok()) return Settle(status, now);
  // What waits for anything but entries is offered again at the tick.
  if (blocked_ && blocked_->on_deps && !batch_out_ && Follows(batch_->entries.front().header)) batch_due_ = true;
  return absl::OkStatus();
}

absl::Status Receiver::PutStates(google::protobuf::RepeatedPtrField<v1::LogState>* out) const {
  const VersionVector erasures = source_->Erasures();
  for (const auto& [id, log] : logs_) {
    if (!log.Open()) continue;
    v1::LogState* state = out->Add();
    state->set_log(id.value());
    state->set_size(log.applied.value());
    if (log.applied == Seq(0)) continue;
    auto root = source_->RootAt(id, log.applied);
    if (!root.ok()) return root.status();
    state->set_root(std::string(AsView(*root)));
    state->set_erasures_end(erasures.Get(id).value());
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Receiver::Pump(absl::Time now, v1::ReplicateRequest* out) {
  out->Clear();
  if (!status_.ok()) return status_;
  if (hello_due_) {
    if (absl::Status status = RefreshApplied(now); !status.ok()) return Settle(status, now);
    v1::Hello* hello = out->mutable_hello();
    hello->set_network(source_->roster().network());
    hello->set_protocol_version(kProtocolVersion);
    if (absl::Status status = PutStates(hello->mutable_logs()); !status.ok()) return Settle(status, now);
    if (auto resume = sink_->ResumePosition(info_.peer); resume && !info_.position_doubted) {
      hello->set_journal_instance(resume->first);
      hello->set_journal_position(resume->second.value());
    }
    for (LogId log : direct_logs_) hello->add_direct_logs(log.value());
    hello_due_ = false;
    have_due_ = false;
    last_have_ = now;
    return true;
  }
  // Small grants are joined: the peer has most of its credit then.
  if (credit_due_ > 0 && (credit_due_ >= options_.credit_bytes / 4 || credit_left_ <= 0)) {
    out->mutable_credit()->set_bytes(static_cast<uint64_t>(credit_due_));
    credit_left_ += std::exchange(credit_due_, 0);
    return true;
  }
  if (have_due_ && now - last_have_ >= options_.have_interval) {
    v1::Have* have = out->mutable_have();
    if (absl::Status status = PutStates(have->mutable_logs()); !status.ok()) return Settle(status, now);
    for (LogId log : direct_logs_) have->add_direct_logs(log.value());
    have_due_ = false;
    last_have_ = now;
    return true;
  }
  if (ping_due_) {
    out->mutable_ping()->set_number(++ping_number_);
    ping_due_ = false;
    ping_time_ = now;
    return true;
  }
  while (!evidence_due_.empty()) {
    const LogId log = evidence_due_.front();
    evidence_due_.pop_front();
    auto note = source_->CheckpointNote(log);
    if (!note) continue;
    out->mutable_cosignature()->set_log(log.value());
    out->mutable_cosignature()->set_note(*std::move(note));
    return true;
  }
  if (want_due_) {
    want_due_ = false;
    std::vector<Dot> wanted = sink_->WantedPayloads(want_after_, kWantedEntriesMax);
    if (wanted.empty() && want_after_) wanted = sink_->WantedPayloads(std::nullopt, kWantedEntriesMax);
    want_after_.reset();
    if (wanted.size() == kWantedEntriesMax) want_after_ = wanted.back();
    for (const Dot& dot : wanted) {
      v1::EntryPosition* entry = out->mutable_want()->add_entries();
      entry->set_log(dot.log.value());
      entry->set_seq(dot.seq.value());
    }
    if (!wanted.empty()) return true;
  }
  if (gossip_due_ && gossip_.empty()) {
    gossip_due_ = false;
    size_t taken = 0;
    for (HeldCosignature& held : source_->CosignaturesAfter(gossip_version_)) {
      if (taken++ == options_.cosignatures_per_round_max) break;
      gossip_version_ = held.version;
      gossip_.push_back(std::move(held));
    }
  }
  while (!gossip_.empty()) {
    HeldCosignature held = std::move(gossip_.front());
    gossip_.pop_front();
    if (!source_->CosignatureStands(held)) continue;  // the next round has what replaced it
    out->mutable_cosignature()->set_log(held.log.value());
    out->mutable_cosignature()->set_note(std::move(held.note));
    return true;
  }
  return false;
}

LinkInfo Receiver::info() const {
  LinkInfo info = info_;
  info.entries_behind = 0;
  for (const auto& [id, log] : logs_) {
    if (log.peer_size > log.applied) info.entries_behind += log.peer_size.value() - log.applied.value();
  }
  return info;
}

absl::Status Receiver::RefusalOf(LogId log) const {
  auto found = logs_.find(log);
  return found == logs_.end() ? absl::OkStatus() : found->second.refused;
}

}  // namespace fairlead::replication
