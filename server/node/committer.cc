#include "server/node/committer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "api/bytes.h"
#include "api/erasure.h"
#include "api/errors.h"
#include "server/node/assembly.h"
#include "server/node/derived.h"
#include "server/node/erasures.h"
#include "server/node/log_book.h"

namespace fairlead::node {

using storage::Cf;

namespace {

constexpr std::string_view kDoesNotLead = "another member of the site writes";
constexpr absl::Duration kPruneInterval = absl::Hours(1);
constexpr size_t kJudgedAtOnce = 1000;                    // entries that a later program judges anew in one batch
constexpr size_t kLatePayloadsMax = 1024;                 // that wait in the queue; more are dropped, and wanted still
constexpr int64_t kRequestAheadMsMax = 24 * 3600 * 1000;  // a caller's clock may be this far ahead

absl::Status ToWriteError(const absl::Status& status) {
  // Errors with a reason are for the caller as they are.
  if (!ReasonOf(status).empty()) return status;
  switch (status.code()) {
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnavailable:
      // Another member writes now, or it is not known whether this was written: as when a connection breaks, the same is asked for again.
      return absl::UnavailableError(status.message());
    default:
      break;
  }
  return Error(Reason::kInternal, std::string(status.message()));
}

std::vector<LogId> MainLogs(const Roster& roster) {
  std::vector<LogId> logs;
  for (const RosterLog& log : roster.logs()) {
    if (log.stream == kMainStream) logs.push_back(log.id);
  }
  return logs;
}

// Of a header of one of the site's logs (api/entry.h), as long as no log has 2^42 entries.
size_t HeaderBytesMax(const Roster& roster) {
  constexpr size_t kNumbers = 5 + 10 + 8;  // log, seq, time
  constexpr size_t kDep = 5 + 6;           // log, size
  constexpr size_t kCount = 5;
  return 1 + kNumbers + kCount + kDep * roster.logs().size() + 1 + kCount + 3 * roster.sites().size() + std::tuple_size_v<Digest>;
}

// Whether the entry does nothing to what others have written, so that it need not follow them.
bool OnlyCreates(const Payload& payload) {
  if (IsErasure(payload)) return false;
  return std::all_of(payload.mutations.begin(), payload.mutations.end(), [](const Mutation& mutation) {
    return mutation.seen_seals.empty() &&
           std::all_of(mutation.ops.begin(), mutation.ops.end(), [](const Op& op) { return op.replaces.empty() && op.sealed.empty(); });
  });
}

// Whether every node can read what the payload holds (api/entry.h): one that is over the limits would be opaque everywhere but here.
absl::Status CheckLimits(const Payload& payload, size_t bytes) {
  auto check = [](const char* what, size_t n, size_t max) {
    if (n <= max) return absl::OkStatus();
    return Error(Reason::kMessageTooLarge, fmt::format("the request makes {} {}; at most {} are allowed", n, what, max));
  };
  absl::Status status = check("bytes of an entry", bytes, kPayloadBytesMax);
  status.Update(check("mutations of an entry", payload.mutations.size(), kMutationsMax));
  for (const Mutation& mutation : payload.mutations) {
    status.Update(check("changes of one record", mutation.ops.size(), kOpsMax));
    status.Update(check("seals seen", mutation.seen_seals.size(), kValueIdsMax));
    for (const Op& op : mutation.ops)
      status.Update(check("values replaced or sealed at once", std::max(op.replaces.size(), op.sealed.size()), kValueIdsMax));
  }
  return status;
}

}  // namespace

Committer::Committer(const NodeOptions* options, SiteId site, OwnLogs own_logs, storage::Store* store, CommitLog* commit_log,
                     Witness* witness, const LicenceKeeper* licence, const ClockWatch* clock_watch, Contents* contents)
    : options_(*options),
      site_(site),
      own_logs_(std::move(own_logs)),
      main_logs_(MainLogs(options->roster)),
      store_(store),
      commit_log_(commit_log),
      witness_(witness),
      licence_(licence),
      clock_watch_(clock_watch),
      contents_(contents),
      authority_(&options->roster, options->registry),
      header_bytes_max_(HeaderBytesMax(options->roster)) {}

absl::Status Committer::Load() {
  LogBook book(*store_);
  auto instance = store_->Get(Cf::kMeta, storage::kMetaJournalInstance);
  if (!instance.ok()) return instance.status();
  if (!instance->has_value()) return Error(Reason::kStoreDamaged, "the store has no journal instance");
  journal_instance_ = **instance;
  if (!commit_log_->needs_items()) term_ = commit_log_->Term();

  Committed committed;
  for (const RosterLog& log : options_.roster.logs()) {
    auto size = book.Size(log.id);
    if (!size.ok()) return size.status();
    committed.applied.Set(log.id, log.Standing(*size));
    auto frontier = merkle::Frontier::Load(size->value(), book.Subtrees(log.id));
    if (!frontier.ok()) return frontier.status();
    frontiers_.emplace(log.id, *std::move(frontier));
  }
  auto end = book.JournalEnd();
  if (!end.ok()) return end.status();
  committed.journal_end = *end;

  auto time = store_->Get(Cf::kMeta, storage::kMetaHlc);
  if (!time.ok()) return time.status();
  if (time->has_value()) committed.last_time = Hlc(Reader(**time).U64());

  auto classes = store_->Iterate(Cf::kMeta, storage::kMetaDigestPrefix, storage::PrefixEnd(storage::kMetaDigestPrefix));
  for (classes->SeekToFirst(); classes->Valid(); classes->Next()) {
    ClassState state;
    Reader in(classes->value());
    state.records = static_cast<int64_t>(in.U64());
    if (!in.ok() || !LatticeHash::Parse(in.Fixed(LatticeHash::kBytes), &state.hash)) {
      return Error(Reason::kStoreDamaged, "the state digest is damaged");
    }
    committed.classes.emplace(classes->key().substr(storage::kMetaDigestPrefix.size()), state);
  }
  if (!classes->status().ok()) return classes->status();

  std::map<std::string, int64_t, std::less<>> figures;
  auto it = store_->Iterate(Cf::kAggregates, {}, {});
  for (it->SeekToFirst(); it->Valid(); it->Next()) figures.emplace(it->key(), static_cast<int64_t>(Reader(it->value()).U64()));
  if (!it->status().ok()) return it->status();

  auto opaque = store_->Iterate(Cf::kMeta, storage::kMetaListedPrefix, storage::PrefixEnd(storage::kMetaListedPrefix));
  for (opaque->SeekToFirst(); opaque->Valid(); opaque->Next()) ++committed.opaque;
  if (!opaque->status().ok()) return opaque->status();

  auto wanted = store_->Iterate(Cf::kMeta, storage::kMetaWantedPrefix, storage::PrefixEnd(storage::kMetaWantedPrefix));
  for (wanted->SeekToFirst(); wanted->Valid(); wanted->Next()) ++committed.wanted;
  if (!wanted->status().ok()) return wanted->status();

  auto erasures = StoredErasures(*store_);
  if (!erasures.ok()) return erasures.status();
  for (const auto& [erasure, position] : *erasures) committed.erasures.Set(erasure.log, erasure.seq + 1);
  auto purges = store_->Iterate(Cf::kMeta, storage::kMetaPurgePrefix, storage::PrefixEnd(storage::kMetaPurgePrefix));
  std::set<std::string> unpurged;
  for (purges->SeekToFirst(); purges->Valid(); purges->Next()) unpurged.emplace(purges->key());
  if (!purges->status().ok()) return purges->status();
  auto voids = store_->Iterate(Cf::kMeta, storage::kMetaVoidPrefix, storage::PrefixEnd(storage::kMetaVoidPrefix));
  for (voids->SeekToFirst(); voids->Valid(); voids->Next()) {
    Reader key(voids->key().substr(storage::kMetaVoidPrefix.size()));
    // Perhaps of a log that an earlier roster did not name.
    if (const Dot dot = storage::ReadDot(&key); MayDiscard(options_.roster, dot)) committed.discarded.insert(dot);
  }
  if (!voids->status().ok()) return voids->status();
  auto untold = store_->Iterate(Cf::kMeta, storage::kMetaUntoldPrefix, storage::PrefixEnd(storage::kMetaUntoldPrefix));
  for (untold->SeekToFirst(); untold->Valid(); untold->Next()) {
    Reader key(untold->key().substr(storage::kMetaUntoldPrefix.size()));
    untold_.insert(storage::ReadDot(&key));
  }
  if (!untold->status().ok()) return untold->status();
  auto refused = store_->Iterate(Cf::kMeta, storage::kMetaUnauthorisedPrefix, storage::PrefixEnd(storage::kMetaUnauthorisedPrefix));
  for (refused->SeekToFirst(); refused->Valid(); refused->Next()) ++committed.unauthorised;
  if (!refused->status().ok()) return refused->status();

  {
    absl::MutexLock lock(&committed_mu_);
    committed_ = std::move(committed);
    figures_ = std::move(figures);
    purges_ = std::move(unpurged);
  }
  return RetryUnknown();
}

void Committer::Write(WriteRequest request, WriteCallback done) {
  auto refuse = [&](absl::Status status) { Complete([done, status = std::move(status)] { done(status); }); };
  int64_t millis = RequestIdMillis(request.request_id);
  int64_t now_ms = absl::ToUnixMillis(options_.clock->Now());
  if (!request.reissue && (millis < 0 || millis > now_ms + kRequestAheadMsMax)) {
    return refuse(FieldError(Reason::kFieldInvalid, "request_id", "must be a UUID version 7 (RFC 9562) of the present"));
  }
  if (!request.reissue && millis < now_ms - absl::ToInt64Milliseconds(options_.request_horizon)) {
    return refuse(FieldError(Reason::kRequestIdExpired, "request_id", "is older than this node remembers; use a new one"));
  }
  LocalWrite write;
  absl::StatusOr<LocalEntry> entry = Encode(request, request.stream, request.method, std::move(request.mutations), request.request_digest);
  if (!entry.ok()) return refuse(entry.status());
  write.entries.push_back(*std::move(entry));
  for (CompanionWrite& companion : request.companions) {
    entry = Encode(request, companion.stream, companion.method, std::move(companion.mutations), kCompanionDigest);
    if (!entry.ok()) return refuse(entry.status());
    write.entries.push_back(*std::move(entry));
  }
  write.request = std::move(request);
  write.done = std::move(done);
  Enqueue(std::move(write));
}

absl::StatusOr<Committer::LocalEntry> Committer::Encode(const WriteRequest& request, const std::string& stream, const std::string& method,
                                                        std::vector<Mutation> mutations, const std::array<uint8_t, 16>& digest) const {
  const auto log = own_logs_.find(stream);
  if (log == own_logs_.end()) {
    return Error(Reason::kStreamMissing, fmt::format("the roster names no open log of stream {} of site {}", stream, options_.site),
                 {{"stream", stream}, {"site", options_.site}});
  }
  LocalEntry entry;
  entry.log = log->second;
  const std::string nonce = options_.random_bytes(entry.payload.nonce.size());
  std::copy(nonce.begin(), nonce.end(), entry.payload.nonce.begin());
  entry.payload.actor = request.actor;
  entry.payload.request_id = request.request_id;
  entry.payload.request_digest = digest;
  entry.payload.method = method;
  entry.payload.mutations = std::move(mutations);
  if (stream != kMainStream && !OnlyCreates(entry.payload)) {
    return Error(Reason::kInternal, fmt::format("{} changes what it did not create, in stream {}", method, stream));
  }
  entry.bytes = EncodePayload(entry.payload);
  if (absl::Status status = CheckLimits(entry.payload, entry.bytes.size()); !status.ok()) return status;
  entry.digest = Sha256(entry.bytes);
  for (size_t i = 0; i < entry.payload.mutations.size(); ++i) {
    entry.mutation_ids.push_back(MutationIdOf(options_.roster.network(), entry.payload, i));
  }
  return entry;
}

bool Committer::Own(LogId log) const {
  return std::any_of(own_logs_.begin(), own_logs_.end(), [log](const auto& own) { return own.second == log; });
}

Committer::DecodedPayload Committer::Decode(std::string_view bytes) const {
  DecodedPayload decoded;
  auto payload = DecodePayload(bytes);
  decoded.status = payload.status();
  if (!payload.ok()) return decoded;
  decoded.payload = *std::move(payload);
  for (size_t i = 0; i < decoded.payload.mutations.size(); ++i) {
    decoded.mutation_ids.push_back(MutationIdOf(options_.roster.network(), decoded.payload, i));
  }
  return decoded;
}

std::vector<Dot> Committer::WantedPayloads(std::optional<Dot> after, size_t max) const {
  std::vector<Dot> wanted;
  {
    absl::MutexLock lock(&committed_mu_);
    if (committed_.wanted == 0) return wanted;
  }
  const std::string prefix(storage::kMetaWantedPrefix);
  const std::string from = after ? prefix + storage::DotKey({after->log, after->seq + 1}) : prefix;
  auto it = store_->Iterate(Cf::kMeta, from, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid() && wanted.size() < max; it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    wanted.push_back(storage::ReadDot(&key));
  }
  return wanted;
}

absl::Status Committer::TakePayload(Dot dot, std::string payload) {
  auto opaque = store_->Get(Cf::kOpaque, storage::DotKey(dot));
  if (!opaque.ok() || !opaque->has_value()) return absl::OkStatus();  // it came from another peer
  auto headers = LogBook(*store_).Headers(dot.log, dot.seq, dot.seq + 1);
  if (!headers.ok()) return absl::OkStatus();  // this node's fault, not the peer's
  auto header = DecodeHeader(headers->front());
  if (!header.ok()) return absl::OkStatus();
  if (payload.size() > kPayloadBytesMax) {
    return absl::InvalidArgumentError(fmt::format("the payload has {} bytes, and {} are allowed", payload.size(), kPayloadBytesMax));
  }
  if (Sha256(payload) != header->payload_digest) return absl::InvalidArgumentError("the payload is not the one its header names");
  if (!header->audience.Includes(site_)) return absl::OkStatus();  // what this site should not have is not kept
  LatePayload late{dot, *std::move(header), std::move(payload), {}};
  late.decoded = Decode(late.bytes);
  Enqueue(std::move(late));
  return absl::OkStatus();
}

absl::Status Committer::RetryUnknown() {
  const std::string_view prefix = storage::kMetaListedPrefix;
  auto it = store_->Iterate(Cf::kMeta, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    const Dot dot = storage::ReadDot(&key);
    auto opaque = store_->Get(Cf::kOpaque, storage::DotKey(dot));
    if (!opaque.ok()) return opaque.status();
    if (!opaque->has_value() || Reader(**opaque).Bytes() != kCauseUnknownKind) continue;
    auto payload = LogBook(*store_).Payload(dot);
    if (!payload.ok()) return payload.status();
    if (!payload->has_value()) continue;
    DecodedPayload decoded = Decode(**payload);
    if (!decoded.status.ok()) continue;
    const std::vector<Mutation>& mutations = decoded.payload.mutations;
    if (!IsErasure(decoded.payload) &&
        !std::all_of(mutations.begin(), mutations.end(), [](const Mutation& m) { return CheckFoldable(m).ok(); }))
      continue;
    auto headers = LogBook(*store_).Headers(dot.log, dot.seq, dot.seq + 1);
    if (!headers.ok()) return headers.status();
    auto header = DecodeHeader(headers->front());
    if (!header.ok()) return header.status();
    Enqueue(LatePayload{dot, *std::move(header), **std::move(payload), std::move(decoded)});
  }
  return it->status();
}

void Committer::ApplyRemote(replication::RemoteBatch batch, std::function<void(replication::ApplyResult)> done) {
  RemoteWork work;
  work.payloads.reserve(batch.entries.size());
  for (const replication::VerifiedEntry& entry : batch.entries) {
    if (!entry.payload) {
      work.payloads.push_back(std::nullopt);
      continue;
    }
    work.payloads.push_back(Decode(*entry.payload));
  }
  for (const replication::VerifiedCheckpoint& checkpoint : batch.checkpoints) witness_->Offer(checkpoint);
  work.batch = std::move(batch);
  work.done = std::move(done);
  Enqueue(std::move(work));
}

absl::StatusOr<std::optional<Dot>> Committer::FindRequest(std::string_view actor, std::string_view request_id,
                                                          const std::array<uint8_t, 16>& digest) const {
  auto value = store_->Get(Cf::kRequests, RequestKey(actor, request_id));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  auto dot = ReadRequest(**value, digest);
  if (!dot.ok()) return dot.status();
  return *dot;
}

size_t Committer::CostOf(const Work& work) const {
  if (const auto* late = std::get_if<LatePayload>(&work)) return kItemOverheadBytes + late->bytes.size();
  size_t bytes = 0;
  if (const auto* write = std::get_if<LocalWrite>(&work)) {
    for (const LocalEntry& entry : write->entries) bytes += kItemOverheadBytes + header_bytes_max_ + entry.bytes.size();
    return bytes;
  }
  for (const replication::VerifiedEntry& entry : std::get<RemoteWork>(work).batch.entries) {
    bytes += kItemOverheadBytes + entry.header_bytes.size() + (entry.payload ? entry.payload->size() : 0);
  }
  return bytes;
}

void Committer::Enqueue(Work work) {
  const bool local = std::holds_alternative<LocalWrite>(work);
  absl::Status refused;
  {
    absl::MutexLock lock(&queue_mu_);
    if (const auto* late = std::get_if<LatePayload>(&work)) {
      // Nobody waits for its result. One that is dropped is wanted still.
      if (stopped_ || late_.size() == kLatePayloadsMax || !late_.insert(late->dot).second) return;
      queue_.push_back(std::move(work));
      return;
    }
    if (stopped_) {
      refused = Error(Reason::kShuttingDown, "the node is shutting down");
    } else if (local && queued_entries_ >= options_.queue_entries_max) {
      refused = Error(Reason::kOverloaded, fmt::format("{} writes wait already", queued_entries_));
    } else {
      queued_entries_ += local ? 1 : 0;  // remote batches are bounded by their links' credit
      queue_.push_back(std::move(work));
      return;
    }
  }
  if (local) {
    Complete([done = std::move(std::get<LocalWrite>(work).done), refused] { done(refused); });
  } else {
    Complete([done = std::move(std::get<RemoteWork>(work).done), refused] { done({0, refused}); });
  }
}

bool Committer::CommitOnce() {
  const bool leads = Leads();
  std::vector<Work> works;
  {
    absl::MutexLock lock(&queue_mu_);
    size_t bytes = 0;
    while (!queue_.empty() && works.size() < options_.batch_entries_max && bytes < options_.batch_bytes_max) {
      const size_t cost = CostOf(queue_.front());
      if (!works.empty() && bytes + cost > commit_log_->append_bytes_max()) break;
      bytes += cost;
      if (std::holds_alternative<LocalWrite>(queue_.front())) --queued_entries_;
      if (const auto* late = std::get_if<LatePayload>(&queue_.front())) late_.erase(late->dot);
      works.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
  }
  if (works.empty()) return false;

  Committed before;
  {
    absl::MutexLock lock(&committed_mu_);
    before = committed_;
  }
  const VersionVector applied_before = before.applied;
  Assembly assembly(*this, std::move(before), leads ? Assembly::Journal::kAppends : Assembly::Journal::kTellsLater);
  std::vector<absl::StatusOr<WriteResult>> written(works.size(), absl::UnknownError("not a write"));
  std::vector<replication::ApplyResult> applied(works.size());
  absl::Status status;
  for (size_t i = 0; i < works.size() && status.ok(); ++i) {
    if (const auto* late = std::get_if<LatePayload>(&works[i])) {
      // One that has come to a member that does not lead would not come to the others: there it is wanted still, and so it is here.
      const bool taken = leads || LogBook(*store_).Payload(late->dot).value_or(std::nullopt).has_value();
      if (taken) status = assembly.AddLate(*late);
      continue;
    }
    if (!leads) {
      written[i] = Error(Reason::kNodeReadOnly, std::string(kDoesNotLead));
      const auto* remote = std::get_if<RemoteWork>(&works[i]);
      if (remote == nullptr) continue;
      // What came by the site's own log.
      const std::vector<replication::VerifiedEntry>& entries = remote->batch.entries;
      const auto is_here = [&](Dot dot) { return dot.seq < applied_before.Get(dot.log) || options_.roster.Voids(dot); };
      while (applied[i].applied < entries.size() && is_here(entries[applied[i].applied].dot)) ++applied[i].applied;
      if (entries.empty() || applied[i].applied < entries.size()) applied[i].status = absl::UnavailableError(std::string(kDoesNotLead));
      continue;
    }
    if (auto* write = std::get_if<LocalWrite>(&works[i])) {
      written[i] = assembly.AddLocal(*write);
      status = assembly.broken();
      continue;
    }
    applied[i] = assembly.AddRemote(std::get<RemoteWork>(works[i]));
    switch (applied[i].status.code()) {
      case absl::StatusCode::kOk:
      case absl::StatusCode::kUnavailable:         // waits
      case absl::StatusCode::kFailedPrecondition:  // the peer broke the protocol
        break;
      default:
        status = applied[i].status;
    }
  }
  if (status.ok() && !assembly.empty()) {
    auto pruned = Prune(&assembly);
    status = pruned.status();
    if (status.ok()) status = assembly.Finish();
    if (status.ok()) {
      status = commit_log_->Append(assembly.journal_start(), assembly.committed().journal_end, assembly.items(), assembly.batch());
      if (!status.ok() && commit_log_->needs_items()) term_ = kUnread;
    }
    if (status.ok()) {
      Pruned(*std::move(pruned));
      untold_.insert(assembly.untold().begin(), assembly.untold().end());
      if (!failing_.empty()) spdlog::info("batches are written again");
      failing_.clear();
    }
  }

  if (!status.ok()) {
    // What peers sent is offered again many times a second: each cause is told once.
    if (std::string cause(status.message()); std::exchange(failing_, cause) != cause) spdlog::error("a batch was not written: {}", cause);
    if (ReasonOf(status) == ReasonName(Reason::kStorageFailed) || status.code() == absl::StatusCode::kDataLoss) {
      absl::MutexLock lock(&committed_mu_);
      failure_ = std::string(status.message());
    }
    absl::Status error = ToWriteError(status);
    for (Work& work : works) {
      if (auto* write = std::get_if<LocalWrite>(&work)) {
        Complete([done = std::move(write->done), error] { done(error); });
      } else if (auto* remote = std::get_if<RemoteWork>(&work)) {
        // The entries are not at fault: they are offered again.
        std::string message(error.message());
        Complete([done = std::move(remote->done), message] { done({0, absl::UnavailableError(message)}); });
      }
    }
    return true;
  }

  const Position journal_end = assembly.committed().journal_end;
  const VersionVector applied_after = assembly.committed().applied;
  if (!assembly.empty()) Publish(&assembly);
  // The batch is durable: its callers need not wait for its signature. Peers are told after it.
  std::vector<std::function<void()>> completions;
  completions.reserve(works.size());
  for (size_t i = 0; i < works.size(); ++i) {
    if (auto* write = std::get_if<LocalWrite>(&works[i])) {
      if (written[i].ok()) assembly.ShowRecords(&*written[i]);
      completions.emplace_back([done = std::move(write->done), result = std::move(written[i])]() mutable { done(std::move(result)); });
    } else if (auto* remote = std::get_if<RemoteWork>(&works[i])) {
      completions.emplace_back([done = std::move(remote->done), result = std::move(applied[i])] { done(result); });
    }
  }
  Complete(std::move(completions));
  Advance(&assembly);
  for (const auto& [stream, log] : own_logs_) {
    const Seq size = applied_after.Get(log);
    if (size == applied_before.Get(log) || witness_->KnownSize(log) != size) continue;
    // Signed over what the store answers, never over what this process believes it wrote.
    auto root = LogBook(*store_).Root(log, size);
    if (root.ok()) {
      witness_->SignOwn(log, size, *root);
    } else {
      spdlog::error("the checkpoint of {} of size {} could not be signed: {}", stream, size.value(), std::string(root.status().message()));
    }
  }
  if (journal_end > assembly.journal_start()) TellListeners(journal_end);
  return true;
}

absl::StatusOr<std::optional<std::string>> Committer::Prune(Assembly* assembly) const {
  const absl::Time now = options_.clock->Now();
  if (prune_from_.empty() && now - last_prune_ <= kPruneInterval) return std::nullopt;
  // Well after they are refused, so that one that was let in before is still known when its turn comes.
  const absl::Time before = now - options_.request_horizon - kPruneInterval;
  return assembly->PruneRequests(prune_from_, static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixMillis(before))));
}

void Committer::Pruned(std::optional<std::string> next) {
  if (!next) return;
  prune_from_ = *std::move(next);
  last_prune_ = options_.clock->Now();
}

void Committer::Advance(Assembly* assembly) {
  for (auto& [log, frontier] : assembly->frontiers()) {
    auto roots = assembly->checkpoint_roots().find(log);
    witness_->Advanced(log, Seq(frontier.size()),
                       roots == assembly->checkpoint_roots().end() ? std::map<uint64_t, Digest>() : roots->second);
    frontiers_[log] = std::move(frontier);
  }
}

void Committer::TellListeners(Position end) {
  Complete([this, end] {
    absl::MutexLock lock(&listeners_mu_);
    for (const auto& [id, listener] : listeners_) listener(end);
  });
}

absl::Status Committer::SignTail() const {
  // A crash between the synced batch and its checkpoint leaves a tail without signature. An empty log is signed too, so that a site with
  // nothing to say can be told from one that is silent.
  const VersionVector applied = Applied();
  for (const auto& [stream, log] : own_logs_) {
    const Seq size = applied.Get(log);
    if (witness_->KnownSize(log) != size) continue;
    auto root = LogBook(*store_).Root(log, size);
    if (!root.ok()) return root.status();
    witness_->SignOwn(log, size, *root);
  }
  return absl::OkStatus();
}

void Committer::Publish(Assembly* assembly) {
  absl::MutexLock lock(&committed_mu_);
  committed_ = std::move(assembly->committed());
  purges_.insert(assembly->purges().begin(), assembly->purges().end());
  for (const auto& [key, value] : assembly->figures()) {
    if (value == 0) {
      figures_.erase(key);
    } else {
      figures_[key] = value;
    }
  }
}

absl::Status Committer::CloseLogs() {
  std::vector<const RosterLog*> due;
  for (const RosterLog& log : options_.roster.logs()) {
    if (!log.closing) continue;
    auto done = store_->Get(Cf::kMeta, std::string(storage::kMetaClosedPrefix) + storage::LogKey(log.id));
    if (!done.ok()) return done.status();
    if (!done->has_value()) due.push_back(&log);
  }
  if (due.empty()) return absl::OkStatus();
  return CommitApart([&due](Assembly* assembly) {
    for (const RosterLog* log : due) {
      if (absl::Status status = assembly->Close(*log); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::Status Committer::JudgeAgain() {
  const std::string end = storage::PrefixEnd(storage::kMetaUnjudgedPrefix);
  std::string from(storage::kMetaUnjudgedPrefix);
  while (true) {
    std::vector<Dot> entries;
    auto it = store_->Iterate(Cf::kMeta, from, end);
    for (it->SeekToFirst(); it->Valid() && entries.size() < kJudgedAtOnce; it->Next()) {
      Reader key(it->key().substr(storage::kMetaUnjudgedPrefix.size()));
      entries.push_back(storage::ReadDot(&key));
      from = std::string(it->key()) + '\0';
    }
    if (!it->status().ok()) return it->status();
    if (entries.empty()) return absl::OkStatus();
    absl::Status status = CommitApart([&entries](Assembly* assembly) { return assembly->JudgeAgain(entries); });
    if (!status.ok()) return status;
  }
}

absl::Status Committer::CommitApart(const std::function<absl::Status(Assembly*)>& change) {
  Committed before;
  {
    absl::MutexLock lock(&committed_mu_);
    before = committed_;
  }
  Assembly assembly(*this, std::move(before), commit_log_->Term() == 0 ? Assembly::Journal::kTellsLater : Assembly::Journal::kAppends);
  absl::Status status = change(&assembly);
  if (status.ok()) status = assembly.Finish();
  if (status.ok())
    status = commit_log_->Append(assembly.journal_start(), assembly.committed().journal_end, assembly.items(), assembly.batch());
  if (!status.ok()) return status;
  untold_.insert(assembly.untold().begin(), assembly.untold().end());
  Publish(&assembly);
  return status;
}

bool Committer::WaitForWork() {
  absl::MutexLock lock(&queue_mu_);
  auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(queue_mu_) { return stopped_ || woken_ || !queue_.empty(); };
  queue_mu_.Await(absl::Condition(&ready));
  return woken_ || !queue_.empty();
}

void Committer::Complete(std::function<void()> completion) {
  absl::MutexLock lock(&completions_mu_);
  completions_.push_back(std::move(completion));
}

void Committer::Complete(std::vector<std::function<void()>> completions) {
  absl::MutexLock lock(&completions_mu_);
  completions_.insert(completions_.end(), std::make_move_iterator(completions.begin()), std::make_move_iterator(completions.end()));
}

bool Committer::RunCompletions() {
  std::deque<std::function<void()>> ready;
  {
    absl::MutexLock lock(&completions_mu_);
    ready.swap(completions_);
  }
  for (std::function<void()>& completion : ready) completion();
  return !ready.empty();
}

bool Committer::WaitForCompletions() {
  absl::MutexLock lock(&completions_mu_);
  auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(completions_mu_) { return completions_stopped_ || !completions_.empty(); };
  completions_mu_.Await(absl::Condition(&ready));
  return !completions_.empty();
}

void Committer::Stop() {
  {
    absl::MutexLock lock(&queue_mu_);
    stopped_ = true;
  }
}

void Committer::StopCompletions() {
  absl::MutexLock lock(&completions_mu_);
  completions_stopped_ = true;
}

std::string Committer::UnwritableReason() const {
  if (commit_log_->Term() == 0) return std::string(kDoesNotLead);
  // First, so that it cannot know of what is committed in between.
  std::map<LogId, Seq> known;
  for (const auto& [stream, log] : own_logs_) known[log] = witness_->KnownSize(log);
  VersionVector held;
  {
    absl::MutexLock lock(&committed_mu_);
    if (!failure_.empty()) return failure_;
    if (!unfolded_.empty()) return unfolded_;
    held = committed_.applied;
  }
  for (const auto& [stream, log] : own_logs_) {
    const std::string name = stream == kMainStream ? "log" : "log " + stream;
    if (known[log] > held.Get(log)) {
      return fmt::format("peers hold {} entries of this site's {} and this node {}: it recovers them before it writes", known[log].value(),
                         name, held.Get(log).value());
    }
    if (witness_->Quarantined(log)) return fmt::format("this site's own {} is quarantined: it has two histories", name);
  }
  return licence_ == nullptr ? "" : licence_->Missing();
}

uint64_t Committer::AddJournalListener(std::function<void(Position)> listener) {
  absl::MutexLock lock(&listeners_mu_);
  uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(listener));
  return id;
}

void Committer::RemoveJournalListener(uint64_t id) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_.erase(id);
}

Position Committer::JournalEnd() const {
  absl::MutexLock lock(&committed_mu_);
  return committed_.journal_end;
}

VersionVector Committer::Applied() const {
  absl::MutexLock lock(&committed_mu_);
  return committed_.applied;
}

Committer::ClassStates Committer::Classes() const {
  absl::MutexLock lock(&committed_mu_);
  ClassStates states{committed_.applied, committed_.classes, {}};
  for (auto it = figures_.lower_bound(kPartlyFigure); it != figures_.end() && it->first.starts_with(kPartlyFigure); ++it) {
    if (it->second > 0) states.partly.push_back(it->first.substr(kPartlyFigure.size()));
  }
  return states;
}

int64_t Committer::Figure(std::string_view key) const {
  absl::MutexLock lock(&committed_mu_);
  auto it = figures_.find(key);
  return it == figures_.end() ? 0 : it->second;
}

std::vector<std::pair<std::string, int64_t>> Committer::Figures(std::string_view prefix) const {
  std::vector<std::pair<std::string, int64_t>> out;
  absl::MutexLock lock(&committed_mu_);
  for (auto it = figures_.lower_bound(prefix); it != figures_.end() && it->first.starts_with(prefix); ++it) out.push_back(*it);
  return out;
}

int64_t Committer::UnauthorisedCount() const {
  absl::MutexLock lock(&committed_mu_);
  return committed_.unauthorised;
}

bool Committer::Discarded(Dot dot) const {
  absl::MutexLock lock(&committed_mu_);
  return committed_.discarded.contains(dot);
}

std::vector<absl::Status> Committer::JudgeVoid(const std::vector<std::pair<Dot, const Payload*>>& entries) const {
  Committed committed;
  {
    absl::MutexLock lock(&committed_mu_);
    committed = committed_;
  }
  Assembly assembly(*this, std::move(committed), Assembly::Journal::kFollows);  // is thrown away
  std::vector<absl::Status> judged;
  absl::MutexLock lock(&void_makers_mu_);
  for (const auto& [dot, payload] : entries) judged.push_back(assembly.JudgeVoid(dot, *payload, &void_makers_));
  return judged;
}

int64_t Committer::OpaqueCount() const {
  absl::MutexLock lock(&committed_mu_);
  return committed_.opaque;
}

}  // namespace fairlead::node
