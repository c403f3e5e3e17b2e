#include "server/etcd/commit_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/etcd/packing.h"
#include "storage/schema.h"

namespace fairlead::etcd {

using node::JournalItem;

namespace {

constexpr int64_t kReadBatches = 16;  // of one question
// etcd counts all keys of a range, however few it is to give of them: what is asked for is a range of few.
constexpr uint64_t kReadPositions = 4096;
constexpr size_t kConfirmedMax = 4;  // while a store takes what was appended, earlier ones say more

// An error of etcd as one of the log, where its code says something else.
absl::Status ToError(const absl::Status& error) {
  if (error.message().find("database space exceeded") != absl::string_view::npos) {
    return Error(Reason::kStorageFull, std::string(error.message()));
  }
  const bool taken = absl::IsFailedPrecondition(error) || absl::IsOutOfRange(error) || absl::IsNotFound(error) || absl::IsAborted(error);
  return taken ? absl::InternalError(error.message()) : error;
}

// Whether etcd only asks for patience.
bool Busy(const absl::Status& refused) { return refused.message().find("too many requests") != absl::string_view::npos; }

// What the index-th operation, a Get of the tail, found.
absl::StatusOr<Tail> WholeTailIn(const pb::TxnResponse& response, int index) {
  const pb::KeyValue* tail = Found(response, index);
  if (tail == nullptr) return absl::NotFoundError("etcd does not have this site's log");
  return ReadTail(tail->value());
}

absl::StatusOr<Position> TailIn(const pb::TxnResponse& response, int index) {
  auto tail = WholeTailIn(response, index);
  if (!tail.ok()) return tail.status();
  return tail->position;
}

void PutChain(Position position, const Digest& chain, storage::Batch* batch) {
  std::string value;
  PutU64(&value, position.value());
  value += AsView(chain);
  batch->Put(storage::Cf::kMeta, storage::kMetaChain, value);
}

absl::Status OtherHistory(Position position) {
  return Error(Reason::kStoreDamaged,
               fmt::format("the log in etcd has another history before position {} than this store: it can only begin anew, "
                           "with a copy of a member's that follows the log",
                           position.value()));
}

absl::Status GapAt(Position position) {
  return Error(Reason::kStoreDamaged, fmt::format("the batch at position {} is missing in etcd", position.value()));
}

absl::Status NotElected() { return absl::AbortedError("another member of the site writes now"); }

}  // namespace

EtcdCommitLog::EtcdCommitLog(Etcd* etcd, EtcdLogOptions options, storage::Store* store)
    : etcd_(etcd), options_(std::move(options)), keys_(options_.prefix), store_(store) {}

absl::Status EtcdCommitLog::Create(Etcd* etcd, const EtcdLogOptions& options, const std::string& journal_instance, Position first) {
  EtcdCommitLog log(etcd, options, nullptr);
  pb::TxnRequest txn;
  *txn.add_compare() = ChangedAt(log.keys_.instance(), 0);
  *txn.add_success() = Put(log.keys_.instance(), journal_instance);
  *txn.add_success() = Put(log.keys_.tail(), TailText(first, Digest{}));
  // Of one that was ended, and of whoever did not know.
  *txn.add_success() = Delete(log.keys_.ended());
  *txn.add_success() = DeleteRange(log.keys_.members(), log.keys_.members_end());
  *txn.add_failure() = Get(log.keys_.instance());
  const auto answer = log.Ask(txn);
  if (!answer.ok()) return answer.status();
  if (answer->succeeded()) return absl::OkStatus();
  const pb::KeyValue* there = Found(*answer, 0);
  if (there != nullptr && there->value() == journal_instance) return absl::OkStatus();
  return absl::AlreadyExistsError(fmt::format("etcd has the log of another journal under {}", options.prefix));
}

absl::StatusOr<EtcdCommitLog::Beginning> EtcdCommitLog::Find(Etcd* etcd, const EtcdLogOptions& options) {
  EtcdCommitLog log(etcd, options, nullptr);
  pb::TxnRequest txn;
  *txn.add_success() = Get(log.keys_.tail());
  *txn.add_success() = GetRange(log.keys_.batches(), log.keys_.batches_end(), 1, With::kKeys);
  *txn.add_success() = Get(log.keys_.instance());
  const auto answer = log.Ask(txn);
  if (!answer.ok()) return answer.status();
  const pb::KeyValue* instance = Found(*answer, 2);
  if (instance == nullptr) return absl::NotFoundError(fmt::format("etcd has no log under {}", options.prefix));
  const auto tail = TailIn(*answer, 0);
  if (!tail.ok()) return tail.status();
  const auto first = log.BeginningIn(*answer, 1, *tail);
  if (!first.ok()) return first.status();
  return Beginning{instance->value(), *first};
}

absl::Status EtcdCommitLog::Admit(Etcd* etcd, const EtcdLogOptions& options) {
  const auto found = Find(etcd, options);
  if (!found.ok()) return found.status();
  EtcdCommitLog log(etcd, options, nullptr);
  pb::TxnRequest txn;
  *txn.add_success() = Put(log.keys_.members() + options.member, PositionText(found->first));
  return log.Ask(txn).status();
}

absl::StatusOr<std::optional<EtcdCommitLog::Ending>> EtcdCommitLog::FindEnding(Etcd* etcd, const EtcdLogOptions& options) {
  EtcdCommitLog log(etcd, options, nullptr);
  pb::TxnRequest txn;
  *txn.add_success() = Get(log.keys_.ended());
  const auto answer = log.Ask(txn);
  if (!answer.ok()) return answer.status();
  const pb::KeyValue* ended = Found(*answer, 0);
  if (ended == nullptr) return std::nullopt;
  const std::string_view text = ended->value();
  const size_t name_end = text.find(' ');
  auto tail = ReadTail(text.substr(name_end == std::string_view::npos ? text.size() : name_end + 1));
  if (!tail.ok()) return tail.status();
  return Ending{std::string(text.substr(0, name_end)), *std::move(tail)};
}

absl::StatusOr<bool> EtcdCommitLog::FinishedWith(Etcd* etcd, const EtcdLogOptions& options, storage::Store* store) {
  const auto ending = FindEnding(etcd, options);
  if (!ending.ok()) return ending.status();
  if (!*ending || (*ending)->member != options.member) return false;
  const auto held = EtcdCommitLog(etcd, options, store).ChainAt((*ending)->tail.position);
  if (!held.ok()) return held.status();
  return *held && (*ending)->tail.Has(**held);
}

absl::StatusOr<std::unique_ptr<EtcdCommitLog>> EtcdCommitLog::Open(Etcd* etcd, EtcdLogOptions options, storage::Store* store) {
  std::unique_ptr<EtcdCommitLog> log(new EtcdCommitLog(etcd, std::move(options), store));
  const auto instance = store->Get(storage::Cf::kMeta, storage::kMetaJournalInstance);
  if (!instance.ok()) return instance.status();
  pb::TxnRequest txn;
  *txn.add_success() = Get(log->keys_.instance());
  *txn.add_success() = Get(log->keys_.tail());
  const auto answer = log->Ask(txn);
  if (!answer.ok()) return answer.status();
  const pb::KeyValue* there = Found(*answer, 0);
  if (there == nullptr) return absl::NotFoundError(fmt::format("etcd has no log under {}", log->keys_.prefix));
  if (!instance->has_value() || there->value() != **instance) {
    return absl::FailedPreconditionError(fmt::format("etcd has the log of another journal under {} than the store's", log->keys_.prefix));
  }
  const auto tail = WholeTailIn(*answer, 1);
  if (!tail.ok()) return tail.status();
  if (absl::Status begun = log->BeginChain(*tail); !begun.ok()) return begun;
  return log;
}

absl::Status EtcdCommitLog::BeginChain(const Tail& tail) const {
  const auto held = ChainAt(tail.position);
  if (!held.ok() || !*held || tail.Has(**held) || !tail.Has(Digest{})) return held.status();
  auto batch = store_->NewBatch();
  batch->Delete(storage::Cf::kMeta, storage::kMetaChain);
  return store_->Write(batch.get(), storage::Sync::kYes);
}

absl::StatusOr<std::optional<Digest>> EtcdCommitLog::ChainAt(Position position) const {
  const auto stored = store_->Get(storage::Cf::kMeta, storage::kMetaChain);
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) {
    // It begins where the journal of a site of one machine ends.
    const uint64_t end = position.value();
    auto journal = store_->Iterate(storage::Cf::kJournal, storage::JournalKey(Position(end == 0 ? 0 : end - 1)), {});
    uint64_t found = 0;
    for (journal->SeekToFirst(); journal->Valid() && found < 2; journal->Next()) ++found;
    if (!journal->status().ok()) return journal->status();
    return found == std::min<uint64_t>(end, 1) ? std::optional(Digest{}) : std::nullopt;
  }
  Reader in(**stored);
  const Position at(in.U64());
  Digest chain{};
  const std::string_view bytes = in.Fixed(chain.size());
  if (!in.Done()) return Error(Reason::kStoreDamaged, "the chain of the journal is damaged");
  if (at != position) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), chain.begin());
  return chain;
}

absl::Status EtcdCommitLog::NoteFollowed(Position from, const std::vector<JournalItem>& items, storage::Batch* folded) {
  const auto held = ChainAt(from);
  if (!held.ok()) return held.status();
  if (!*held) return Error(Reason::kStoreDamaged, fmt::format("the store has no chain of the journal at position {}", from.value()));
  Digest chain = **held;
  for (const JournalItem& item : items) chain = Chained(chain, item);
  PutChain(from + items.size(), chain, folded);
  return absl::OkStatus();
}

void EtcdCommitLog::SetFence(std::optional<Fence> fence) {
  absl::MutexLock lock(&mu_);
  if (fence_ != fence) confirmed_.clear();
  fence_ = fence;
}

absl::Status EtcdCommitLog::Deposed(const Fence& fence) {
  absl::MutexLock lock(&mu_);
  if (fence_ == fence) fence_ = std::nullopt;
  return NotElected();
}

absl::Status EtcdCommitLog::Confirm(absl::Time now) {
  const std::optional<Fence> fence = this->fence();
  if (!fence) return NotElected();
  pb::TxnRequest txn;
  *txn.add_compare() = ChangedAt(keys_.fence(), fence->revision);
  *txn.add_success() = Get(keys_.tail());
  const auto answer = etcd_->Txn(txn);
  if (!answer.ok()) return ToError(answer.status());
  if (!answer->succeeded()) return Deposed(*fence);
  const auto tail = TailIn(*answer, 0);
  if (!tail.ok()) return tail.status();
  absl::MutexLock lock(&mu_);
  if (fence_ != fence) return absl::OkStatus();
  confirmed_.emplace_back(now, *tail);
  if (confirmed_.size() > kConfirmedMax) confirmed_.pop_front();
  return absl::OkStatus();
}

size_t EtcdCommitLog::append_bytes_max() const { return kEntryBytesMax; }

uint64_t EtcdCommitLog::Term() const {
  absl::MutexLock lock(&mu_);
  return fence_ ? fence_->term : 0;
}

absl::Time EtcdCommitLog::LedUntil(uint64_t term, Position held) const {
  absl::MutexLock lock(&mu_);
  absl::Time until = absl::InfinitePast();
  if (!fence_ || fence_->term != term) return until;
  for (const auto& [time, tail] : confirmed_) {
    if (tail <= held) until = std::max(until, time);
  }
  return until;
}

Position EtcdCommitLog::SeenEnd() const {
  absl::MutexLock lock(&mu_);
  return confirmed_.empty() ? Position(0) : confirmed_.back().second;
}

std::optional<Fence> EtcdCommitLog::fence() const {
  absl::MutexLock lock(&mu_);
  return fence_;
}

absl::StatusOr<pb::TxnResponse> EtcdCommitLog::Ask(const pb::TxnRequest& txn, int attempts) {
  absl::Status failed;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (attempt > 0) etcd_->Pause(attempt);
    auto answer = etcd_->Txn(txn);
    if (answer.ok()) return answer;
    failed = answer.status();
    if (Refused(failed) && !Busy(failed)) break;
  }
  return ToError(failed);
}

absl::Status EtcdCommitLog::Append(Position expected, Position end, const std::vector<JournalItem>& items, storage::Batch* folded) {
  if (end != expected + items.size()) return Error(Reason::kInternal, "the items are not those of the positions");
  // What others need not know, such as how far a peer's journal was read, is this member's alone.
  if (items.empty()) return store_->Write(folded, storage::Sync::kYes);
  const std::optional<Fence> fence = this->fence();
  if (!fence) return NotElected();
  const auto held = ChainAt(expected);
  if (!held.ok()) return held.status();
  if (!*held) return absl::FailedPreconditionError(fmt::format("the store's journal does not end at position {}", expected.value()));
  Digest chain = **held;
  const std::string id = options_.random_bytes(kAppendIdBytes);
  size_t bytes = 0;
  pb::TxnRequest txn;
  *txn.add_compare() = ChangedAt(keys_.fence(), fence->revision);
  *txn.add_compare() = HasValue(keys_.tail(), TailText(expected, chain));
  for (const Packed& packed : Pack(id, expected, &chain, items)) {
    std::string value = EncodePacked(packed);
    bytes += value.size();
    *txn.add_success() = Put(keys_.Batch(packed.first), value);
  }
  if (bytes > kAppendBytesMax) {
    return Error(Reason::kMessageTooLarge, fmt::format("a batch of {} bytes; at most {} can be appended at once", bytes, kAppendBytesMax));
  }
  *txn.add_success() = Put(keys_.tail(), TailText(end, chain));
  *txn.add_failure() = Get(keys_.tail());
  *txn.add_failure() = Get(keys_.Batch(expected));
  *txn.add_failure() = Get(keys_.fence());

  bool unknown = false;  // an attempt may have been done, or may be yet
  absl::Status failed;
  for (int attempt = 0; attempt < options_.attempts_max; ++attempt) {
    if (attempt > 0) etcd_->Pause(attempt);
    const auto answer = etcd_->Txn(txn);
    if (!answer.ok()) {
      failed = answer.status();
      if (!Refused(failed)) {
        unknown = true;
      } else if (!unknown && !Busy(failed)) {
        return ToError(failed);
      }
      continue;
    }
    if (!answer->succeeded()) {
      // Position and fence never come back to what they were: what was not appended by now is never.
      const pb::KeyValue* there = Found(*answer, 1);
      if (there == nullptr || AppendIdOf(there->value()) != id) {
        const auto tail = WholeTailIn(*answer, 0);
        if (!tail.ok()) return tail.status();
        const pb::KeyValue* now = Found(*answer, 2);
        const absl::Status deposed = now != nullptr && now->mod_revision() == fence->revision ? absl::OkStatus() : Deposed(*fence);
        if (tail->position == expected && !tail->Has(**held)) return OtherHistory(expected);
        if (tail->position == expected) {
          return deposed.ok() ? Error(Reason::kInternal, "etcd has refused a batch that fits") : deposed;
        }
        return absl::FailedPreconditionError(
            fmt::format("the log ends at position {}, not at {}", tail->position.value(), expected.value()));
      }
    }
    PutChain(end, chain, folded);
    const absl::Status written = store_->Write(folded, storage::Sync::kYes);
    if (written.ok()) return written;
    // Whoever asked is not told what says that nothing was written.
    return absl::UnavailableError(fmt::format("the batch at position {} was appended, and this member's store did not take it: {}",
                                              expected.value(), std::string(written.message())));
  }
  if (!unknown) return ToError(failed);
  return absl::UnavailableError(
      fmt::format("it is not known whether the batch at position {} was appended: {}", expected.value(), std::string(failed.message())));
}

absl::StatusOr<node::JournalPart> EtcdCommitLog::Read(Position from, size_t bytes_max) {
  const auto held = ChainAt(from);
  if (!held.ok()) return held.status();
  std::optional<Digest> chain = *held;  // at `at`, once that is known
  node::JournalPart part;
  std::vector<JournalItem>& items = part.items;
  size_t bytes = 0;
  for (Position at = from; bytes < bytes_max || items.empty();) {
    pb::TxnRequest txn;
    *txn.add_success() = Get(keys_.tail());
    *txn.add_success() = GetRange(keys_.Batch(at), keys_.Batch(at + kReadPositions), kReadBatches);
    const auto answer = Ask(txn);
    if (!answer.ok()) return answer.status();
    const auto tail = WholeTailIn(*answer, 0);
    if (!tail.ok()) return tail.status();
    if (at > tail->position) {
      return Error(Reason::kStoreDamaged,
                   fmt::format("the log in etcd ends at position {}, before {}: it has lost its tail", tail->position.value(), at.value()));
    }
    if (at == tail->position) {
      if (chain && !tail->Has(*chain)) return OtherHistory(at);
      part.last = true;
      return part;
    }
    const auto& batches = answer->responses(1).response_range().kvs();
    if (batches.empty() || batches[0].key() != keys_.Batch(at)) {
      const auto first = Begins();
      if (!first.ok()) return first.status();
      if (at < *first) {
        if (!items.empty()) return part;
        return absl::OutOfRangeError(
            fmt::format("etcd has the log from position {} on: {} was trimmed, and is in a member's store", first->value(), from.value()));
      }
      if (!items.empty() || at != from) return GapAt(at);
      // Within a batch.
      const auto floor = FloorOf(from, options_.attempts_max);
      if (!floor.ok()) return floor.status();
      if (*floor == from) return GapAt(from);
      at = *floor;
      chain.reset();
      continue;
    }
    for (const pb::KeyValue& batch : batches) {
      if (batch.key() != keys_.Batch(at)) return GapAt(at);
      auto packed = DecodePacked(batch.value());
      if (!packed.ok()) return packed.status();
      if (packed->first != at) return Error(Reason::kStoreDamaged, fmt::format("the batch at position {} is another's", at.value()));
      const uint64_t skipped = from > at ? from.value() - at.value() : 0;
      if (skipped >= packed->items.size()) return GapAt(from);
      if (chain && *chain != packed->before) return OtherHistory(at);
      chain = packed->before;
      for (size_t i = 0; i < packed->items.size(); ++i) {
        if (i == skipped && *held && skipped > 0 && **held != *chain) return OtherHistory(from);
        chain = Chained(*chain, packed->items[i]);
      }
      std::move(packed->items.begin() + static_cast<ptrdiff_t>(skipped), packed->items.end(), std::back_inserter(items));
      bytes += batch.value().size();
      at = packed->end();
      if (bytes >= bytes_max) break;
    }
    if (at != tail->position) continue;
    if (!tail->Has(*chain)) return OtherHistory(at);
    part.last = true;
    return part;
  }
  return part;
}

absl::StatusOr<Position> EtcdCommitLog::Begins() {
  pb::TxnRequest txn;
  *txn.add_success() = Get(keys_.tail());
  *txn.add_success() = GetRange(keys_.batches(), keys_.batches_end(), 1, With::kKeys);
  const auto answer = Ask(txn);
  if (!answer.ok()) return answer.status();
  const auto tail = WholeTailIn(*answer, 0);
  if (!tail.ok()) return tail.status();
  return BeginningIn(*answer, 1, tail->position);
}

absl::StatusOr<Position> EtcdCommitLog::BeginningIn(const pb::TxnResponse& response, int index, Position tail) const {
  const pb::KeyValue* first = Found(response, index);
  if (first == nullptr) return tail;
  return keys_.PositionOf(first->key());
}

absl::StatusOr<Position> EtcdCommitLog::FloorOf(Position position, int attempts) {
  const Position lowest(position.value() - std::min<uint64_t>(position.value(), kPackedItemsMax - 1));
  pb::TxnRequest txn;
  // In their own order, of which the last is wanted: asked for another, etcd sorts all there are.
  *txn.add_success() = GetRange(keys_.Batch(lowest), keys_.Batch(position + 1), 0, With::kKeys);
  const auto answer = Ask(txn, attempts);
  if (!answer.ok()) return answer.status();
  const auto& batches = answer->responses(0).response_range().kvs();
  if (batches.empty()) return GapAt(position);
  return keys_.PositionOf(batches[batches.size() - 1].key());
}

absl::StatusOr<Position> EtcdCommitLog::End() {
  pb::TxnRequest txn;
  *txn.add_success() = Get(keys_.tail());
  const auto answer = Ask(txn);
  if (!answer.ok()) return answer.status();
  return TailIn(*answer, 0);
}

absl::Status EtcdCommitLog::ReportDurable(Position position) {
  const std::string key = keys_.members() + options_.member;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (!reported_) {
      pb::TxnRequest look;
      *look.add_success() = Get(key);
      const auto seen = Ask(look, 1);
      if (!seen.ok()) return seen.status();
      const pb::KeyValue* there = Found(*seen, 0);
      reported_ = there == nullptr ? 0 : there->mod_revision();
    }
    pb::TxnRequest txn;
    *txn.add_compare() = ChangedAt(key, *std::exchange(reported_, std::nullopt));
    *txn.add_success() = Put(key, PositionText(position));
    *txn.add_success() = Get(key);
    const auto answer = Ask(txn, 1);
    if (!answer.ok()) return answer.status();
    if (!answer->succeeded()) continue;  // it was admitted anew, or a report of before has come late
    if (const pb::KeyValue* there = Found(*answer, 1); there != nullptr) reported_ = there->mod_revision();
    return absl::OkStatus();
  }
  return absl::UnavailableError("what is known of this member changes all the time");
}

absl::Status EtcdCommitLog::Forget(Etcd* etcd, const EtcdLogOptions& options) {
  EtcdCommitLog log(etcd, options, nullptr);
  pb::TxnRequest txn;
  *txn.add_success() = Delete(log.keys_.members() + options.member);
  return log.Ask(txn).status();
}

absl::StatusOr<std::map<std::string, Position>> EtcdCommitLog::Members() {
  pb::TxnRequest txn;
  *txn.add_success() = GetRange(keys_.members(), keys_.members_end(), 0);
  const auto answer = Ask(txn, 1);
  if (!answer.ok()) return answer.status();
  std::map<std::string, Position> members;
  for (const pb::KeyValue& member : answer->responses(0).response_range().kvs()) {
    const auto durable = ReadPosition(member.value(), "a member's position");
    if (!durable.ok()) return durable.status();
    members.emplace(member.key().substr(keys_.members().size()), *durable);
  }
  return members;
}

absl::StatusOr<Position> EtcdCommitLog::Trim() {
  const std::optional<Fence> fence = this->fence();
  if (!fence) return NotElected();
  pb::TxnRequest look;
  *look.add_success() = Get(keys_.tail());
  *look.add_success() = GetRange(keys_.batches(), keys_.batches_end(), 1, With::kKeys);
  *look.add_success() = GetRange(keys_.members(), keys_.members_end(), 0);
  const auto seen = Ask(look, 1);
  if (!seen.ok()) return seen.status();
  const auto tail = TailIn(*seen, 0);
  if (!tail.ok()) return tail.status();
  const auto first = BeginningIn(*seen, 1, *tail);
  if (!first.ok()) return first.status();
  const auto& members = seen->responses(2).response_range().kvs();
  if (members.empty()) return *first;
  Position slowest = *tail;
  for (const pb::KeyValue& member : members) {
    const auto durable = ReadPosition(member.value(), "a member's position");
    if (!durable.ok()) return durable.status();
    slowest = std::min(slowest, *durable);
  }
  if (slowest <= *first) return *first;
  Position keep = slowest;
  if (slowest < *tail) {
    const auto floor = FloorOf(slowest, 1);
    if (!floor.ok()) return floor.status();
    keep = *floor;
  }
  if (keep <= *first) return *first;

  pb::TxnRequest txn;
  *txn.add_compare() = ChangedAt(keys_.fence(), fence->revision);
  // A member that comes now, or has another store by now, may need what is to go.
  *txn.add_compare() = AllAfter(keys_.members(), keys_.members_end(), PositionText(Position(keep.value() - 1)));
  // Nothing is put: etcd whose quota is used up takes this, too.
  *txn.add_success() = DeleteRange(keys_.Batch(*first), keys_.Batch(keep));
  *txn.add_failure() = Get(keys_.fence());
  const auto answer = Ask(txn, 1);
  if (!answer.ok()) return answer.status();
  if (!answer->succeeded()) {
    const pb::KeyValue* now = Found(*answer, 0);
    if (now == nullptr || now->mod_revision() != fence->revision) return Deposed(*fence);
    return absl::UnavailableError("a member lacks by now what was to go: to be tried again");
  }
  // Until then etcd keeps what was deleted, and every end that the log ever had.
  if (absl::Status compacted = etcd_->Compact(answer->header().revision()); !compacted.ok()) return compacted;
  return keep;
}

absl::Status EtcdCommitLog::Finish() {
  const std::optional<Fence> fence = this->fence();
  if (!fence) return NotElected();
  pb::TxnRequest look;
  *look.add_success() = Get(keys_.tail());
  const auto seen = Ask(look);
  if (!seen.ok()) return seen.status();
  const auto tail = WholeTailIn(*seen, 0);
  if (!tail.ok()) return tail.status();
  const auto held = ChainAt(tail->position);
  if (!held.ok()) return held.status();
  if (!*held)
    return absl::FailedPreconditionError(fmt::format("the store does not end at position {}, where the log does", tail->position.value()));
  if (!tail->Has(**held)) return OtherHistory(tail->position);

  const std::string end = TailText(tail->position, **held);
  pb::TxnRequest txn;
  *txn.add_compare() = ChangedAt(keys_.fence(), fence->revision);
  *txn.add_compare() = HasValue(keys_.tail(), end);
  *txn.add_success() = Put(keys_.ended(), options_.member + ' ' + end);
  *txn.add_success() = Delete(keys_.instance());
  *txn.add_success() = Delete(keys_.tail());
  *txn.add_success() = DeleteRange(keys_.batches(), keys_.batches_end());
  *txn.add_success() = DeleteRange(keys_.members(), keys_.members_end());
  const auto answer = Ask(txn);
  if (!answer.ok()) return answer.status();
  if (!answer->succeeded()) {
    // An earlier attempt whose answer was lost.
    const auto finished = FinishedWith(etcd_, options_, store_);
    if (!finished.ok()) return finished.status();
    if (!*finished) return Deposed(*fence);
  }
  etcd_->Compact(answer->header().revision()).IgnoreError();  // else etcd does, in its time
  return absl::OkStatus();
}

}  // namespace fairlead::etcd
