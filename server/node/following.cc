// A member of a site of several machines: folds what the site's commit log has, and appends to it while it leads.
//
// A member that follows folds the entries by the leader's own code, and has each position of the journal as the leader gave it: what a
// reader of one member's journal has read up to a position, it has read of every member's.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "api/errors.h"
#include "server/node/assembly.h"
#include "server/node/proven.h"

namespace fairlead::node {

using storage::Cf;

namespace {

constexpr size_t kToldMax = 1024;  // of one append, which takes a bounded number of bytes

}  // namespace

absl::Status Committer::Assembly::AddCommitted(const JournalItem& item) {
  const Dot dot = item.dot;
  const RosterLog* log = options_.roster.FindLog(dot.log);
  if (log == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("the site's commit log has entries of log {}: this member's roster does not name it yet", dot.log.value()));
  }
  const auto damaged = [&](std::string_view what) {
    return Error(Reason::kStoreDamaged, fmt::format("{} in the site's commit log {}", NameOf(dot), what));
  };
  PutInJournal(storage::DotKey(dot));
  if (!item.header.empty()) {
    const auto header = DecodeHeader(item.header);
    if (!header.ok()) return damaged("is malformed");
    const auto frontier = FrontierOf(dot.log);
    if (!frontier.ok()) return frontier.status();
    if (Seq((*frontier)->size()) != dot.seq) return damaged(fmt::format("comes after {} entries", (*frontier)->size()));
    absl::Status status = AppendEntry(*header, item.header, item.payload ? &*item.payload : nullptr);
    if (!status.ok()) return status;
    committed_.applied.Set(dot.log, log->Standing(dot.seq + 1));
    // The leader's roster may not yet close the log where this one's does.
    if (!log->Voids(dot.seq)) status = FoldCommitted(item, *header);
    if (!status.ok()) return status;
  } else if (item.payload && !log->Voids(dot.seq)) {
    const auto header = HeaderOf(dot);
    if (!header.ok()) return header.status();
    if (!header->has_value()) return damaged("comes after its payload");
    if (Sha256(*item.payload) != (*header)->payload_digest) return damaged("has the payload of another");
    late_.push_back({dot, **header, *item.payload, committer_.Decode(*item.payload)});
    if (absl::Status status = AddLate(late_.back()); !status.ok()) return status;
  }
  for (const KeptRow& kept : item.kept) {
    const bool proof = kept.cf == Cf::kMeta && kept.key.starts_with(storage::kMetaProvenPrefix);
    if (!proof && kept.cf != Cf::kLinks) return damaged("comes with a value of another kind");
    batch_->Put(kept.cf, kept.key, kept.value);
  }
  return absl::OkStatus();
}

absl::Status Committer::Assembly::FoldCommitted(const JournalItem& item, const Header& header) {
  const DecodedPayload* decoded = item.payload ? &decoded_.emplace_back(committer_.Decode(*item.payload)) : nullptr;
  if (Discarded(item.dot, decoded != nullptr && decoded->status.ok() ? &decoded->payload : nullptr)) return absl::OkStatus();
  if (decoded != nullptr) return FoldOrMakeOpaque(*decoded, header);
  MakeOpaqueWithoutPayload(item.dot, header.audience);
  return absl::OkStatus();
}

bool Committer::Leads() {
  bool woken = false;
  {
    absl::MutexLock lock(&queue_mu_);
    woken = std::exchange(woken_, false);
  }
  if (!commit_log_->needs_items()) return true;
  const uint64_t term = commit_log_->Term();
  // Who leads has what is in the log, but for an append of its own that etcd did late.
  const bool behind = woken && (term == 0 || commit_log_->SeenEnd() > JournalEnd());
  if (term == term_ && !behind) return term != 0;
  absl::Status status = Follow();
  // Damaged, trimmed, or of a roster that is not here, or the store is: no waiting helps.
  const bool for_good = absl::IsDataLoss(status) || absl::IsOutOfRange(status) || absl::IsFailedPrecondition(status) ||
                        ReasonOf(status) == ReasonName(Reason::kStorageFailed);
  // While nobody answers, no other member could do better.
  if (!absl::IsUnavailable(status)) {
    absl::MutexLock lock(&committed_mu_);
    unfolded_ = std::string(status.message());
    if (for_good) failure_ = unfolded_;
  }
  if (status.ok() && term != 0) {
    // The log has no end but that which is here: nobody but this member has appended since its election.
    status = TellUntold();
    if (status.ok()) status = SignTail();
  }
  if (!status.ok()) {
    term_ = kUnread;
    std::string cause(status.message());
    if (std::exchange(behind_, cause) != cause) spdlog::error("the site's commit log cannot be followed: {}", cause);
    return false;
  }
  if (!behind_.empty()) spdlog::info("the site's commit log is followed again");
  behind_.clear();
  term_ = term;
  return term != 0;
}

absl::Status Committer::Follow() {
  for (;;) {
    Committed before;
    {
      absl::MutexLock lock(&committed_mu_);
      before = committed_;
    }
    const auto read = commit_log_->Read(before.journal_end, options_.batch_bytes_max);
    if (!read.ok()) return read.status();
    const std::vector<JournalItem>& items = read->items;
    if (items.empty()) return absl::OkStatus();
    Assembly assembly(*this, std::move(before), Assembly::Journal::kFollows);
    for (const JournalItem& item : items) {
      if (absl::Status status = assembly.AddCommitted(item); !status.ok()) return status;
    }
    auto pruned = Prune(&assembly);
    if (!pruned.ok()) return pruned.status();
    absl::Status status = assembly.Finish();
    if (status.ok()) status = commit_log_->NoteFollowed(assembly.journal_start(), items, assembly.batch());
    if (status.ok()) status = store_->Write(assembly.batch(), storage::Sync::kYes);
    if (!status.ok()) return status;
    Pruned(*std::move(pruned));
    const Position end = assembly.committed().journal_end;
    Publish(&assembly);
    Advance(&assembly);
    TellListeners(end);
    for (const JournalItem& item : items) {
      for (const KeptRow& kept : item.kept) {
        if (kept.cf != Cf::kMeta) continue;
        const LogId log(Reader(std::string_view(kept.key).substr(storage::kMetaProvenPrefix.size())).U32());
        const auto proven = ReadProven(*store_, log);
        if (!proven.ok()) return proven.status();
        if (*proven && options_.roster.FindLog(log) != nullptr) witness_->Offer((*proven)->checkpoint);
      }
    }
    if (read->last) return absl::OkStatus();
  }
}

absl::Status Committer::TellUntold() {
  while (!untold_.empty()) {
    Committed before;
    {
      absl::MutexLock lock(&committed_mu_);
      before = committed_;
    }
    Assembly assembly(*this, std::move(before));
    auto told = untold_.begin();
    for (size_t n = 0; n < kToldMax && told != untold_.end(); ++n, ++told) assembly.Tell(*told);
    absl::Status status = assembly.Finish();
    if (status.ok()) {
      status = commit_log_->Append(assembly.journal_start(), assembly.committed().journal_end, assembly.items(), assembly.batch());
    }
    if (!status.ok()) return status;
    untold_.erase(untold_.begin(), told);
    const Position end = assembly.committed().journal_end;
    Publish(&assembly);
    TellListeners(end);
  }
  return absl::OkStatus();
}

void Committer::Wake() {
  absl::MutexLock lock(&queue_mu_);
  woken_ = true;
}

bool Committer::CanLead() const {
  absl::MutexLock lock(&committed_mu_);
  return failure_.empty() && unfolded_.empty();
}

Hlc Committer::LastTime() const {
  absl::MutexLock lock(&committed_mu_);
  return committed_.last_time;
}

absl::Time Committer::LedUntil() const {
  const uint64_t term = term_;
  return term == 0 || term == kUnread ? absl::InfinitePast() : commit_log_->LedUntil(term, JournalEnd());
}

}  // namespace fairlead::node
