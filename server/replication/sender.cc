#include "server/replication/sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "api/merkle.h"
#include "server/replication/checkpoint.h"

namespace fairlead::replication {

namespace {

constexpr size_t kFieldOverheadBytes = 16;  // tags, lengths and numbers of one payload frame, at least

}  // namespace

Sender::Sender(const SenderOptions& options, const LogSource* source, EntrySink* sink, SiteId receiver, absl::Time now)
    : options_(options), source_(source), sink_(sink), receiver_(receiver), last_heard_(now) {
  for (const RosterLog& log : source_->roster().logs()) logs_[log.id].log = &log;
}

absl::Status Sender::OnMessage(const v1::ReplicateRequest& message, absl::Time now) {
  last_heard_ = now;
  if (message.has_hello() == greeted_) {
    return Error(Reason::kPeerProtocol, greeted_ ? "a second Hello" : "the first message is not Hello");
  }
  switch (message.message_case()) {
    case v1::ReplicateRequest::kHello:
      return OnHello(message.hello());
    case v1::ReplicateRequest::kCredit:
      credit_ = static_cast<int64_t>(std::min<uint64_t>(message.credit().bytes(), options_.credit_bytes_max)) + credit_;
      credit_ = std::min(credit_, options_.credit_bytes_max);
      return absl::OkStatus();
    case v1::ReplicateRequest::kHave:
      return TakeStates(message.have().logs(), message.have().direct_logs());
    case v1::ReplicateRequest::kCosignature:
      TakeCosignature(message.cosignature());
      return absl::OkStatus();
    case v1::ReplicateRequest::kPing:
      pong_due_ = message.ping().number();
      return absl::OkStatus();
    case v1::ReplicateRequest::kWant:
      TakeWant(message.want());
      return absl::OkStatus();
    case v1::ReplicateRequest::MESSAGE_NOT_SET:
      break;
  }
  return Error(Reason::kPeerProtocol, "a message of no known kind");
}

absl::Status Sender::OnHello(const v1::Hello& hello) {
  if (hello.network() != source_->roster().network()) {
    return Error(Reason::kPeerProtocol,
                 fmt::format("the peer is of network '{}', this node of '{}'", hello.network(), source_->roster().network()));
  }
  if (hello.protocol_version() != kProtocolVersion) {
    return Error(Reason::kPeerProtocol,
                 fmt::format("the peer speaks protocol version {}, this node {}", hello.protocol_version(), kProtocolVersion));
  }
  greeted_ = true;
  welcome_due_ = true;
  gossip_due_ = true;
  Position resume(hello.journal_position());
  // A position beyond the end is one of a journal that has lost its tail.
  if (hello.journal_instance() == source_->JournalInstance() && resume <= source_->JournalEnd()) start_ = resume;
  position_ = start_;
  whole_walk_ = start_ == Position(0);
  return TakeStates(hello.logs(), hello.direct_logs());
}

absl::Status Sender::TakeStates(const google::protobuf::RepeatedPtrField<v1::LogState>& states,
                                const google::protobuf::RepeatedField<uint32_t>& direct_logs) {
  const VersionVector applied = source_->Applied();
  std::map<LogId, bool> named;
  VersionVector erasures;
  for (const v1::LogState& state : states) {
    auto found = logs_.find(LogId(state.log()));
    if (found == logs_.end()) continue;  // of a newer roster: nothing here to send of it
    LogOut& log = found->second;
    const Seq size(state.size());
    named[log.log->id] = true;
    erasures.Set(log.log->id, Seq(state.erasures_end()));
    if (size > log.known || !log.wanted) {
      if (size > Seq(0) && size <= applied.Get(log.log->id) && !log.forked) {
        auto root = source_->RootAt(log.log->id, size);
        if (!root.ok()) return root.status();
        if (AsView(*root) != state.root()) {
          log.forked = true;
          v1::Fork& fork = forks_due_.emplace_back();
          fork.set_log(log.log->id.value());
          fork.set_size(size.value());
          fork.set_root(std::string(AsView(*root)));
          if (auto note = source_->CheckpointNote(log.log->id)) fork.set_checkpoint(*note);
        }
      }
    }
    if (!log.wanted) {
      // From here on as if never sent. The walk may have passed its entries.
      log.wanted = true;
      log.known = log.next = log.headers_end = size;
      log.lost_end = applied.Get(log.log->id);
      log.proven.reset();
      whole_walk_ = whole_walk_ && position_ == Position(0);
    }
    log.known = std::max(log.known, size);
    log.next = std::max(log.next, log.known);
  }
  for (auto& [id, log] : logs_) {
    if (!named.contains(id)) log.wanted = false;
    log.direct = std::find(direct_logs.begin(), direct_logs.end(), id.value()) != direct_logs.end();
  }
  sink_->PeerErasures(receiver_, erasures);
  holds_recheck_ = true;
  return absl::OkStatus();
}

void Sender::TakeCosignature(const v1::Cosignature& cosignature) {
  auto found = logs_.find(LogId(cosignature.log()));
  if (found == logs_.end()) return;
  const LogOut& log = found->second;
  if (log.forked && !source_->Quarantined(log.log->id)) {
    // The receiver's checkpoint: proof of the fork, when it is no longer than what is held here.
    auto theirs = OpenCheckpoint(*log.log, cosignature.note());
    if (theirs.ok() && theirs->size > Seq(0) && theirs->size <= source_->Applied().Get(log.log->id)) {
      auto root = source_->RootAt(log.log->id, theirs->size);
      if (root.ok() && *root != theirs->root) {
        sink_->ReportFork(log.log->id, cosignature.note(), fmt::format("a peer holds another history at size {}", theirs->size.value()));
        return;
      }
    }
  }
  // A refusal is no reason to end the stream: the note may be signed by a cosigner of a newer roster, and a fork has been quarantined by
  // the sink.
  sink_->TakeCosignature(log.log->id, cosignature.note()).IgnoreError();
}

void Sender::TakeWant(const v1::Want& want) {
  wanted_.clear();
  for (const v1::EntryPosition& entry : want.entries()) {
    if (wanted_.size() == kWantedEntriesMax) break;
    wanted_.push_back({LogId(entry.log()), Seq(entry.seq())});
  }
}

absl::StatusOr<std::optional<std::string>> Sender::Sendable(Dot dot, const std::set<LogId>& maybe_erased) const {
  if (maybe_erased.contains(dot.log)) {
    auto is_erasure = source_->IsErasure(dot);
    if (!is_erasure.ok()) return is_erasure.status();
    if (!*is_erasure) return std::nullopt;
  }
  return source_->ReadPayload(dot);
}

absl::StatusOr<bool> Sender::PutWanted(v1::ReplicateResponse* out) {
  const std::set<LogId> maybe_erased = wanted_.empty() ? std::set<LogId>() : source_->MaybeErased();
  const VersionVector applied = source_->Applied();
  while (credit_ > 0 && !wanted_.empty()) {
    const Dot dot = wanted_.front();
    wanted_.pop_front();
    auto found = logs_.find(dot.log);
    if (found == logs_.end() || found->second.forked || source_->Quarantined(dot.log) || dot.seq >= applied.Get(dot.log)) continue;
    auto headers = source_->ReadHeaders(dot.log, dot.seq, dot.seq + 1);
    if (!headers.ok()) return headers.status();
    auto header = DecodeHeader(headers->front());
    if (!header.ok()) return header.status();
    if (!header->audience.Includes(receiver_)) continue;
    auto payload = Sendable(dot, maybe_erased);
    if (!payload.ok()) return payload.status();
    if (!payload->has_value()) continue;
    out->mutable_wanted()->set_log(dot.log.value());
    out->mutable_wanted()->set_seq(dot.seq.value());
    out->mutable_wanted()->set_payload(**std::move(payload));
    credit_ -= static_cast<int64_t>(out->ByteSizeLong());
    return true;
  }
  return false;
}

void Sender::OnJournalAdvanced(absl::Time) {
  holds_recheck_ = true;
  gossip_due_ = true;
}

absl::Status Sender::OnTick(absl::Time now) {
  holds_recheck_ = true;
  gossip_due_ = true;
  if (now - last_heard_ > options_.stall_timeout) {
    return absl::UnavailableError(
        fmt::format("stalled: nothing heard from the receiver for {} ms", absl::ToInt64Milliseconds(now - last_heard_)));
  }
  return absl::OkStatus();
}

absl::Status Sender::PutStates(bool all, google::protobuf::RepeatedPtrField<v1::LogState>* out) {
  const VersionVector erasures = source_->Erasures();  // first: of no more than what is applied
  const VersionVector applied = source_->Applied();
  for (const auto& [id, size] : applied.entries()) {
    // Each message's erasures are taken as all that there are.
    if (!all && size == told_sizes_.Get(id) && erasures.Get(id) == Seq(0)) continue;
    auto root = source_->RootAt(id, size);
    if (!root.ok()) return root.status();
    v1::LogState* state = out->Add();
    state->set_log(id.value());
    state->set_size(size.value());
    state->set_root(std::string(AsView(*root)));
    state->set_erasures_end(erasures.Get(id).value());
  }
  told_sizes_ = applied;
  return absl::OkStatus();
}

template <class Message>
void Sender::PutAwaited(Message* out) const {
  for (const RosterLog* log : source_->roster().CurrentLogs(receiver_)) {
    std::optional<std::string> note = source_->AwaitedCheckpointNote(log->id);
    if (!note) continue;
    if (log->stream == kMainStream) {
      out->set_own_checkpoint(*std::move(note));
    } else {
      out->add_other_own_checkpoints(*std::move(note));
    }
  }
}

absl::Status Sender::PutHeartbeat(absl::Time now, v1::ReplicateResponse* out) {
  v1::Heartbeat* heartbeat = out->mutable_heartbeat();
  heartbeat->set_journal_position(ResumePosition().value());
  last_heartbeat_ = now;
  PutAwaited(heartbeat);
  heartbeats_ = (heartbeats_ + 1) % kWholeHeartbeats;
  return PutStates(/*all=*/heartbeats_ == 0, heartbeat->mutable_logs());
}

absl::StatusOr<bool> Sender::Pump(absl::Time now, v1::ReplicateResponse* out) {
  out->Clear();
  if (!greeted_) return false;
  if (welcome_due_) {
    v1::Welcome* welcome = out->mutable_welcome();
    welcome->set_journal_instance(source_->JournalInstance());
    welcome->set_journal_position(start_.value());
    PutAwaited(welcome);
    absl::Status status = PutStates(/*all=*/true, welcome->mutable_logs());
    if (!status.ok()) return status;
    welcome_due_ = false;
    last_heartbeat_ = now;
    return true;
  }
  if (pong_due_) {
    out->mutable_pong()->set_number(*pong_due_);
    out->mutable_pong()->set_time_ms(absl::ToUnixMillis(source_->WallTime()));
    pong_due_.reset();
    return true;
  }
  if (!forks_due_.empty()) {
    *out->mutable_fork() = std::move(forks_due_.front());
    forks_due_.pop_front();
    return true;
  }
  if (now - last_heartbeat_ >= options_.heartbeat_interval) {
    if (absl::Status status = PutHeartbeat(now, out); !status.ok()) return status;
    return true;
  }
  if (gossip_due_ && gossip_.empty()) {
    gossip_due_ = false;
    size_t taken = 0;
    for (HeldCosignature& held : source_->CosignaturesAfter(gossip_version_)) {
      if (taken++ == options_.cosignatures_per_round_max) break;
      gossip_version_ = held.version;
      if (held.site != receiver_) gossip_.push_back(std::move(held));
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
  auto put = PutWanted(out);
  if (!put.ok() || *put) return put;
  return PutEntries(now, out);
}

absl::StatusOr<bool> Sender::PutEntries(absl::Time now, v1::ReplicateResponse* out) {
  if (credit_ <= 0) return false;
  for (auto& [id, log] : logs_) {
    const bool quarantined = source_->Quarantined(id);
    if (log.quarantined && !quarantined) whole_walk_ = false;
    log.quarantined = quarantined;
  }
  if (holds_recheck_) {
    holds_recheck_ = false;
    if (absl::Status status = ReleaseHolds(now); !status.ok()) return status;
  }
  const std::set<LogId> maybe_erased = source_->MaybeErased();
  if (maybe_erased.empty()) {
    uncovered_since_.reset();
  } else if (!uncovered_since_) {
    uncovered_since_ = now;
  }
  if (!maybe_erased.empty() && now - *uncovered_since_ < options_.erasures_wait) return false;
  const size_t bytes_max = static_cast<size_t>(std::min<int64_t>(options_.frame_bytes_max, credit_));
  size_t bytes = 0;
  v1::Entries* frame = out->mutable_entries();
  auto fits = [&](size_t more) { return bytes == 0 || bytes + more <= bytes_max; };

  size_t walked = 0;
  while (static_cast<size_t>(frame->payloads_size()) < options_.frame_entries_max && walked < options_.walk_items_max) {
    ++walked;
    auto head = Head();
    if (!head.ok()) return head.status();
    if (!head->has_value()) {
      auto again = RestartIfIncomplete();
      if (!again.ok()) return again.status();
      if (*again) continue;
      break;
    }
    const Dot dot = **head;
    auto found = logs_.find(dot.log);
    if (found == logs_.end() || !found->second.Open() || dot.seq < found->second.next || found->second.hold != Hold::kNone ||
        found->second.log->Voids(dot.seq)) {
      ++position_;
      continue;
    }
    LogOut& log = found->second;
    if (dot.seq > log.next) {
      if (absl::Status status = Restart(); !status.ok()) return status;
      continue;
    }
    if (log.log->site == receiver_ && dot.seq >= log.lost_end && position_ >= aged_end_) {
      if (position_ >= log.own_covers) {
        log.own_due = now + options_.relay_delay;
        log.own_covers = source_->JournalEnd();
      }
      HoldLog(&log, Hold::kOwn);
      continue;
    }
    if (WaitsForOrigin(log, now)) break;
    if (holds_ > 0) {
      auto depends = DependsOnHeld(dot);
      if (!depends.ok()) return depends.status();
      if (*depends) {
        HoldLog(&log, Hold::kDependency);
        continue;
      }
    }
    if (log.headers_end <= dot.seq) {
      auto package = NextPackage(&log);
      if (!package.ok()) return package.status();
      if (!package->has_value()) {
        HoldLog(&log, Hold::kProof);
        continue;
      }
      const size_t size = (*package)->ByteSizeLong();
      if (!fits(size)) break;  // made again for the next frame
      bytes += size;
      log.headers_end = Seq((*package)->first() + static_cast<uint64_t>((*package)->headers_size()));
      log.checkpoint_sent = true;
      *frame->add_packages() = *std::move(*package);
    }
    v1::PayloadFrame payload;
    payload.set_log(dot.log.value());
    payload.set_seq(dot.seq.value());
    if (!log.due[log.due.size() - (log.headers_end.value() - dot.seq.value())]) {
      payload.set_withheld(true);
    } else {
      auto held = Sendable(dot, maybe_erased);
      if (!held.ok()) return held.status();
      if (held->has_value()) {
        payload.set_payload(**std::move(held));
      } else if (log.direct && log.log->site != source_->site() && log.log->site != receiver_) {
        auto erased = source_->Erased(dot);
        if (!erased.ok()) return erased.status();
        if (!*erased) {
          HoldLog(&log, Hold::kPayload);
          continue;
        }
      }
    }
    const size_t size = payload.payload().size() + kFieldOverheadBytes;
    if (!fits(size)) break;
    bytes += size;
    *frame->add_payloads() = std::move(payload);
    ++log.next;
    ++position_;
  }
  if (bytes == 0) {
    out->Clear();
    if (walked < options_.walk_items_max) return false;
    if (absl::Status status = PutHeartbeat(now, out); !status.ok()) return status;
    return true;
  }
  frame->set_journal_position(ResumePosition().value());
  credit_ -= static_cast<int64_t>(out->ByteSizeLong());
  return true;
}

absl::StatusOr<std::optional<Dot>> Sender::Head() {
  if (position_ < chunk_start_ || position_.value() - chunk_start_.value() >= chunk_.size()) {
    auto chunk = source_->ReadJournal(position_, options_.journal_chunk_max);
    if (!chunk.ok()) return chunk.status();
    chunk_ = *std::move(chunk);
    chunk_start_ = position_;
    if (chunk_.empty()) return std::nullopt;
  }
  return chunk_[position_.value() - chunk_start_.value()];
}

absl::StatusOr<bool> Sender::RestartIfIncomplete() {
  const VersionVector applied = source_->Applied();
  if (source_->JournalEnd() != position_) return false;  // grown since: its items come first
  for (const auto& [id, log] : logs_) {
    if (!log.Open() || log.hold != Hold::kNone || log.next >= applied.Get(id)) continue;
    if (absl::Status status = Restart(); !status.ok()) return status;
    return true;
  }
  return false;
}

absl::Status Sender::Restart() {
  if (whole_walk_) return Error(Reason::kStoreDamaged, "the journal does not have every entry of the logs");
  whole_walk_ = true;
  position_ = Position(0);
  return absl::OkStatus();
}

bool Sender::WaitsForOrigin(const LogOut& log, absl::Time now) {
  if (!log.direct || log.log->site == source_->site() || log.log->site == receiver_ || position_ < aged_end_) return false;
  if (!relay_due_ || position_ >= relay_covers_) {
    relay_due_ = now + options_.relay_delay;
    relay_covers_ = source_->JournalEnd();
  }
  if (now < *relay_due_) return true;
  // What came into the journal before the wait began has had the same time.
  aged_end_ = relay_covers_;
  relay_due_.reset();
  return position_ >= aged_end_;
}

absl::StatusOr<std::optional<ProvenPrefix>> Sender::ProofBeyond(LogId id, Seq seq) const {
  // A complete checkpoint first: the receiver can complete it, too, and cosign it.
  if (auto note = source_->CheckpointNote(id)) {
    auto checkpoint = ReadCheckpoint(id, *note);
    if (!checkpoint.ok()) return checkpoint.status();
    const Seq size = checkpoint->size;
    if (size > seq) return ProvenPrefix{*std::move(checkpoint), size, {}};
  }
  auto proven = source_->Proven(id);
  if (!proven.ok()) return proven.status();
  if (!proven->has_value() || (*proven)->size <= seq) return std::nullopt;
  return *std::move(proven);
}

absl::StatusOr<std::optional<v1::HeaderPackage>> Sender::NextPackage(LogOut* log) {
  const LogId id = log->log->id;
  const Seq first = log->next;
  if (!log->proven || log->proven->size <= first) {
    auto proven = ProofBeyond(id, first);
    if (!proven.ok()) return proven.status();
    if (!proven->has_value()) return std::nullopt;
    const bool same = log->proven && log->proven->checkpoint.note == (*proven)->checkpoint.note;
    log->checkpoint_sent = same && log->checkpoint_sent;
    log->proven = *std::move(proven);
  }
  const uint64_t block_start = first.value() - first.value() % merkle::kBlockLeaves;
  const uint64_t block_end = std::min(block_start + merkle::kBlockLeaves, log->proven->checkpoint.size.value());
  const Seq end = std::min(Seq(block_end), log->proven->size);
  auto headers = source_->ReadHeaders(id, first, end);
  if (!headers.ok()) return headers.status();
  auto proof = source_->BlockProof(id, block_start / merkle::kBlockLeaves, *log->proven);
  if (!proof.ok()) return proof.status();
  v1::HeaderPackage package;
  package.set_log(id.value());
  package.set_first(first.value());
  log->due.clear();
  for (std::string& bytes : *headers) {
    auto header = DecodeHeader(bytes);
    if (!header.ok()) return LogError(Reason::kStoreDamaged, *log->log, "a stored header is damaged");
    log->due.push_back(header->audience.Includes(receiver_));
    package.add_headers(std::move(bytes));
  }
  if (!log->checkpoint_sent) package.set_checkpoint(log->proven->checkpoint.note);
  for (const Digest& digest : *proof) package.add_proof(std::string(AsView(digest)));
  // Of the rest of the tree, what lies in this block is the first.
  const size_t rest = merkle::RestCount(end.value() - block_start, block_end - block_start);
  for (size_t i = 0; i < rest; ++i) package.add_rest(std::string(AsView(log->proven->rest[i])));
  return package;
}

absl::StatusOr<bool> Sender::DependsOnHeld(Dot dot) const {
  auto headers = source_->ReadHeaders(dot.log, dot.seq, dot.seq + 1);
  if (!headers.ok()) return headers.status();
  auto header = DecodeHeader(headers->at(0));
  if (!header.ok()) return Error(Reason::kStoreDamaged, fmt::format("entry {} of log {} is damaged", dot.seq.value(), dot.log.value()));
  for (const auto& [id, size] : header->deps.entries()) {
    auto found = logs_.find(id);
    if (found == logs_.end() || size <= found->second.next) continue;
    if (found->second.hold != Hold::kNone && found->second.hold != Hold::kOwn) return true;
  }
  return false;
}

void Sender::HoldLog(LogOut* log, Hold why) {
  log->hold = why;
  log->held_at = position_;
  if (why != Hold::kOwn) ++holds_;
  ++position_;
}

absl::Status Sender::ReleaseHolds(absl::Time now) {
  bool release = false;
  for (const auto& [id, log] : logs_) {
    if (log.hold == Hold::kProof) {
      auto proven = ProofBeyond(id, log.next);
      if (!proven.ok()) return proven.status();
      release |= proven->has_value();
    } else if (log.hold == Hold::kPayload) {
      release |= !log.direct;
    } else if (log.hold == Hold::kOwn && now >= log.own_due) {
      release = true;
      aged_end_ = std::max(aged_end_, log.own_covers);
    }
    if (log.hold != Hold::kNone && log.hold != Hold::kDependency) release |= !log.Open();
  }
  // An entry that has arrived by another way frees what waits for it.
  for (const auto& [id, log] : logs_) {
    if (log.hold == Hold::kNone || log.hold == Hold::kDependency) continue;
    auto item = source_->ReadJournal(log.held_at, 1);
    if (!item.ok()) return item.status();
    release |= item->empty() || item->at(0).seq < log.next;
  }
  if (!release) return absl::OkStatus();
  position_ = ResumePosition();
  for (auto& [id, log] : logs_) log.hold = Hold::kNone;
  holds_ = 0;
  return absl::OkStatus();
}

Position Sender::ResumePosition() const {
  Position position = position_;
  for (const auto& [id, log] : logs_) {
    if (log.hold != Hold::kNone) position = std::min(position, log.held_at);
  }
  return position;
}

}  // namespace fairlead::replication
