#include "server/replication/receiver.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "api/merkle.h"
#include "server/replication/checkpoint.h"
#include "server/replication/sender.h"

namespace fairlead::replication {

namespace {

constexpr int64_t kTimeMsMax = 253402300799999;  // the end of the year 9999

}  // namespace

Receiver::Receiver(const ReceiverOptions& options, const LogSource* source, EntrySink* sink, LinkInfo info)
    : options_(options), source_(source), sink_(sink), info_(std::move(info)) {
  info_.connected = false;
  info_.refused.clear();
  for (const RosterLog& log : source_->roster().logs()) logs_[log.id].log = &log;
}

void Receiver::Start(absl::Time now) {
  hello_due_ = true;
  gossip_due_ = true;
  credit_due_ = options_.credit_bytes;
  last_heard_ = now;
  last_ping_ = now;
  pace_since_ = now;
}

void Receiver::SetDirectLogs(std::vector<LogId> logs) {
  if (logs == direct_logs_) return;
  direct_logs_ = std::move(logs);
  have_due_ = true;
}

absl::Status Receiver::Misplaced(const std::string& what) { return Error(Reason::kPeerProtocol, what); }

absl::Status Receiver::Settle(absl::Status status, absl::Time now) {
  if (status.ok()) return status;
  status_ = status;
  info_.connected = false;
  info_.refused.clear();
  TellError(status, now, /*log=*/false);  // the link tells how it ended
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

void Receiver::TellError(const absl::Status& status, absl::Time now, bool log) {
  NoteError(status, now);
  const std::string reason = ReasonOf(status);
  ++info_.errors[reason.empty() ? absl::StatusCodeToString(status.code()) : reason];
  if (log) spdlog::warn("from {}: {}", info_.peer, std::string(status.message()));
}

void Receiver::Refuse(LogIn* log, absl::Status why, absl::Time now) {
  if (!log->refused.ok()) return;
  TellError(why, now, /*log=*/true);
  info_.refused[log->log->origin()] = why;
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
      return TakeStates(message.welcome(), now);
    case v1::ReplicateResponse::kEntries:
      return TakeEntries(std::move(*message.mutable_entries()), bytes, now);
    case v1::ReplicateResponse::kCosignature:
      TakeCosignature(message.cosignature(), now);
      return absl::OkStatus();
    case v1::ReplicateResponse::kHeartbeat:
      if (absl::Status status = RefreshApplied(now); !status.ok()) return status;
      return TakeStates(message.heartbeat(), now);
    case v1::ReplicateResponse::kPong:
      if (message.pong().number() != ping_number_) return absl::OkStatus();
      info_.rtt = now - ping_time_;
      if (const int64_t time_ms = message.pong().time_ms(); time_ms > 0) {
        const absl::Time theirs = absl::FromUnixMillis(std::min(time_ms, kTimeMsMax));
        info_.clock_ahead = theirs - (source_->WallTime() - info_.rtt / 2);
        sink_->PeerClock(info_.peer, theirs, info_.rtt);
        const absl::Duration off = absl::AbsDuration(*info_.clock_ahead);
        if (off - info_.rtt / 2 <= options_.clock_bound) {
          clock_told_ = false;
        } else if (!std::exchange(clock_told_, true)) {
          TellError(Error(Reason::kClockDrift, fmt::format("its clock is {} ms {} this node's", absl::ToInt64Milliseconds(off),
                                                           *info_.clock_ahead > absl::ZeroDuration() ? "ahead of" : "behind")),
                    now, /*log=*/true);
        }
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

template <class Message>
absl::Status Receiver::TakeStates(const Message& message, absl::Time now) {
  VersionVector erasures;
  for (const v1::LogState& state : message.logs()) {
    if (logs_.contains(LogId(state.log()))) erasures.Set(LogId(state.log()), Seq(state.erasures_end()));
  }
  if (const RosterSite* peer = source_->roster().FindSite(info_.peer)) sink_->PeerErasures(peer->id, erasures);
  for (const v1::LogState& state : message.logs()) {
    auto found = logs_.find(LogId(state.log()));
    if (found == logs_.end()) continue;  // of a newer roster
    LogIn& log = found->second;
    // Beyond a closing the peer's history is of no interest; up to it, the roster's root decides.
    const Seq size = log.log->Standing(Seq(state.size()));
    if (size < log.peer_size && log.Open()) {
      Refuse(&log,
             LogError(Reason::kPeerProtocol, *log.log,
                      fmt::format("the peer holds {} entries, and had said {}", size.value(), log.peer_size.value())),
             now);
    }
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
  std::map<std::string, std::string> awaited;
  for (const std::string& note : message.other_own_checkpoints()) awaited[note.substr(0, note.find('\n'))] = note;
  const RosterLog* own = source_->roster().CurrentLog(source_->site(), kMainStream);
  if (own != nullptr && !message.own_checkpoint().empty()) awaited[own->origin()] = message.own_checkpoint();
  return TakeOwnLogs(awaited, now);
}

absl::Status Receiver::TakeOwnLogs(const std::map<std::string, std::string>& awaited, absl::Time now) {
  std::vector<HeldOwnLog> held;
  bool all = true;
  for (const RosterLog* own : source_->roster().CurrentLogs(source_->site())) {
    LogIn& log = logs_.at(own->id);
    HeldOwnLog& here = held.emplace_back(HeldOwnLog{own->id, log.peer_size, {}});
    if (const auto note = awaited.find(own->origin()); log.Open() && note != awaited.end()) {
      auto opened = OpenCheckpoint(*own, note->second);
      if (!opened.ok()) {
        Refuse(&log, opened.status(), now);
      } else if (opened->size > log.applied) {
        here.awaited = *std::move(opened);
      } else {
        auto forked = Contradicts(*opened);
        if (!forked.ok()) return forked.status();
        if (*forked) RefuseForked(&log, *opened, fmt::format("two histories of size {}", opened->size.value()), now);
      }
    }
    all = all && log.Open();
  }
  if (all && !held.empty()) sink_->PeerHolds(info_.peer, held);
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
    TellError(status, now, /*log=*/!std::exchange(cosignature_told_, true));
  }
}

absl::Status Receiver::TakeWanted(v1::PayloadFrame payload, int64_t bytes, absl::Time now) {
  if (credit_left_ <= 0) return Misplaced("a wanted payload without credit");
  credit_left_ -= bytes;
  credit_due_ += bytes;
  entry_bytes_ += static_cast<uint64_t>(bytes);
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
      if (std::exchange(blocked_->told, true)) {
        NoteError(result.status, now);
      } else {
        TellError(result.status, now, /*log=*/true);
      }
    } else {
      blocked_ = {dot, now};
    }
    blocked_->on_deps = !Follows(entries.front().header);
    blocked_->due = result.due;
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

std::optional<Dot> Receiver::Lacks(const Header& header) const {
  for (const auto& [id, size] : header.deps.entries()) {
    auto log = logs_.find(id);
    if (log != logs_.end() && log->second.quarantined) continue;
    if (applied_.Get(id) < source_->roster().Standing(id, size)) return Dot{id, Seq(size.value() - 1)};
  }
  return std::nullopt;
}

absl::Status Receiver::CheckBlocked(absl::Time now) {
  while (blocked_ && !batch_out_) {
    const Header header = batch_->entries.front().header;
    LogIn& log = logs_.at(header.log);
    const std::optional<Dot> lacks = Lacks(header);
    const absl::Duration waited = now - blocked_->since;
    absl::Status why;
    if (!lacks) {
      const absl::Duration early = blocked_->due - source_->WallTime();
      if (early <= absl::ZeroDuration() || waited < options_.refused_wait) return absl::OkStatus();
      why = LogError(
          Reason::kClockDrift, *log.log,
          fmt::format("entry {} is of a time that is not here for another {} ms", header.seq.value(), absl::ToInt64Milliseconds(early)));
    } else if (const auto followed = logs_.find(lacks->log); followed == logs_.end()) {
      why = LogError(Reason::kPeerProtocol, *log.log,
                     fmt::format("entry {} follows entry {} of log {}, which the roster here does not name", header.seq.value(),
                                 lacks->seq.value(), lacks->log.value()));
    } else {
      const std::string entry = EntryOf(*followed->second.log, lacks->seq.value());
      if (waited >= options_.dep_timeout) {
        return LogError(Reason::kPeerProtocol, *log.log,
                        fmt::format("entry {} has waited {} s for {}, which the peer does not send", header.seq.value(),
                                    absl::ToInt64Seconds(waited), entry));
      }
      if (followed->second.refused.ok()) return absl::OkStatus();
      // What others have not brought to one that waited, the next need not wait for.
      if (waited < options_.refused_wait && followed->second.missed != followed->second.applied) return absl::OkStatus();
      followed->second.missed = followed->second.applied;
      why = LogError(Reason::kPeerProtocol, *log.log,
                     fmt::format("entry {} follows {}, a log of which no more is taken from this peer", header.seq.value(), entry));
    }
    if (log.refused.ok()) {
      Refuse(&log, why, now);
      log.set_aside = header;
      log.due = blocked_->due;
      log.missed = log.applied;
    }
    DropEntriesOf(header.log);
    blocked_.reset();
    if (!batch_->entries.empty() && !Follows(batch_->entries.front().header)) blocked_ = {batch_->entries.front().dot, now, true};
    batch_due_ = true;
    FinishBatchIfEmpty();
  }
  return absl::OkStatus();
}

void Receiver::CheckPace(absl::Time now) {
  uint64_t lacking = 0;
  for (const auto& [id, log] : logs_) {
    if (log.Open()) lacking += log.Behind();
  }
  if (lacking == 0) pace_told_ = false;
  const uint64_t brought = entry_bytes_ - pace_bytes_;
  if (lacking > 0 && !batch_ && now - pace_since_ < options_.stall_timeout) return;
  if (lacking > 0 && !batch_ && brought < options_.pace_min * static_cast<uint64_t>(absl::ToInt64Seconds(options_.stall_timeout)) &&
      !std::exchange(pace_told_, true)) {
    TellError(absl::UnavailableError(fmt::format("it says that it holds {} entries that are not here, and has brought {} bytes in {} s",
                                                 lacking, brought, absl::ToInt64Seconds(now - pace_since_))),
              now, /*log=*/true);
  }
  pace_since_ = now;
  pace_bytes_ = entry_bytes_;
}

absl::Status Receiver::CheckSetAside() const {
  for (const auto& [id, log] : logs_) {
    if (!log.set_aside || log.peer_size <= log.applied || source_->WallTime() < log.due || !Follows(*log.set_aside)) continue;
    return absl::UnavailableError(
        fmt::format("log {}: what its entry {} waited for has come: it is asked for again", log.log->origin(), log.set_aside->seq.value()));
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
  if (absl::Status status = CheckSetAside(); !status.ok()) return Settle(status, now);
  CheckPace(now);
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
  for (const auto& [id, log] : logs_) info.entries_behind += log.Behind();
  return info;
}

absl::Status Receiver::RefusalOf(LogId log) const {
  auto found = logs_.find(log);
  return found == logs_.end() ? absl::OkStatus() : found->second.refused;
}

}  // namespace fairlead::replication
