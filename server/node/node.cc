#include "server/node/node.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <set>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/state_digest.h"
#include "server/node/assembly.h"
#include "server/node/authority.h"
#include "server/node/clock_watch.h"
#include "server/node/commit_log.h"
#include "server/node/committer.h"
#include "server/node/contents.h"
#include "server/node/derived.h"
#include "server/node/erasures.h"
#include "server/node/licence.h"
#include "server/node/log_book.h"
#include "server/node/proven.h"
#include "server/node/witness.h"

namespace fairlead::node {

using storage::Cf;

namespace {

// A peer's word for erasures in entries that nothing shows to exist stops this node's payloads for so long.
constexpr absl::Duration kUnprovenErasures = absl::Seconds(10);

// Writes the store's identity on first use; refuses a store of another network or site.
absl::Status Claim(const NodeOptions& options, storage::Store* store) {
  auto batch = store->NewBatch();
  bool fresh = false;
  for (const auto& [key, value] :
       {std::pair(storage::kMetaNetwork, options.roster.network()), std::pair(storage::kMetaSite, options.site)}) {
    auto held = store->Get(Cf::kMeta, key);
    if (!held.ok()) return held.status();
    if (!held->has_value()) {
      batch->Put(Cf::kMeta, key, value);
      fresh = true;
    } else if (**held != value) {
      return absl::FailedPreconditionError(
          fmt::format("this store belongs to {} '{}'; the configuration says '{}'", std::string(key), **held, value));
    }
  }
  if (!fresh) return absl::OkStatus();
  auto instance = store->Get(Cf::kMeta, storage::kMetaJournalInstance);
  if (!instance.ok()) return instance.status();
  if (!instance->has_value()) batch->Put(Cf::kMeta, storage::kMetaJournalInstance, options.random_bytes(16));
  return store->Write(batch.get(), storage::Sync::kYes);
}

// Rosters only go forward, and never take back where they closed a log.
absl::Status CheckRoster(const Roster& roster, storage::Store* store) {
  auto held = store->Get(Cf::kMeta, storage::kMetaRoster);
  if (!held.ok()) return held.status();
  std::string now;
  PutU64(&now, roster.version());
  now += AsView(roster.digest());
  if (held->has_value()) {
    const uint64_t seen = Reader(**held).U64();
    if (seen > roster.version()) {
      return absl::FailedPreconditionError(
          fmt::format("the roster is of version {}; this store has seen version {}", roster.version(), seen));
    }
    if (seen == roster.version() && **held != now) {
      return absl::FailedPreconditionError(fmt::format("the roster is another of version {} than this store has seen", seen));
    }
  }
  auto it = store->Iterate(Cf::kMeta, storage::kMetaClosedPrefix, storage::PrefixEnd(storage::kMetaClosedPrefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const LogId id(Reader(it->key().substr(storage::kMetaClosedPrefix.size())).U32());
    const Seq size(Reader(it->value()).U64());
    const RosterLog* log = roster.FindLog(id);
    if (log != nullptr && log->closing && log->closing->size == size) continue;
    return absl::FailedPreconditionError(fmt::format("the roster does not close log {} at {}, where this store has closed it",
                                                     log == nullptr ? std::to_string(id.value()) : log->origin(), size.value()));
  }
  if (!it->status().ok() || *held == now) return it->status();
  auto batch = store->NewBatch();
  batch->Put(Cf::kMeta, storage::kMetaRoster, now);
  return store->Write(batch.get(), storage::Sync::kYes);
}

}  // namespace

Node::Node(NodeOptions options, std::unique_ptr<storage::Store> store, SiteId site, OwnLogs own_logs)
    : options_(std::move(options)), store_(std::move(store)), site_(site), own_logs_(std::move(own_logs)) {}

Node::~Node() = default;

absl::StatusOr<std::unique_ptr<Node>> Node::Open(NodeOptions options, std::unique_ptr<storage::Store> store) {
  if (options.clock == nullptr) options.clock = &SystemClock();
  const RosterSite* site = options.roster.FindSite(options.site);
  if (site == nullptr) {
    return absl::FailedPreconditionError(fmt::format("site '{}' is not in the roster of {}", options.site, options.roster.network()));
  }
  OwnLogs own_logs;
  for (const RosterLog* log : options.roster.CurrentLogs(site->id)) {
    const auto key = options.log_keys.find(log->stream);
    if (key == options.log_keys.end()) return absl::FailedPreconditionError(fmt::format("there is no key of {}", log->origin()));
    if (log->verifier.key().raw() != key->second.public_raw()) {
      return absl::FailedPreconditionError(fmt::format("the log key is not the one the roster names for {}", log->origin()));
    }
    own_logs.emplace(log->stream, log->id);
  }
  const RosterCosigner* cosigner = options.roster.FindCosigner(site->id);
  if (!own_logs.contains(kMainStream) || cosigner == nullptr) {
    return absl::FailedPreconditionError(fmt::format("the roster has no open main log or no cosigner for site '{}'", options.site));
  }
  if (cosigner->verifier.key().raw() != options.mirror_key.public_raw()) {
    return absl::FailedPreconditionError(fmt::format("the mirror key is not the one the roster names for {}", cosigner->verifier.name()));
  }
  absl::Status status = Claim(options, store.get());
  if (status.ok()) status = CheckRoster(options.roster, store.get());
  if (!status.ok()) return status;

  auto derived = StoredDerivedVersion(*store);
  if (!derived.ok()) return derived.status();
  if (*derived != kDerivedVersion) {
    if (status = RebuildDerived(*options.registry, options.roster, store.get()); !status.ok()) return status;
  }

  std::unique_ptr<Node> node(new Node(std::move(options), std::move(store), site->id, std::move(own_logs)));
  storage::Store* s = node->store_.get();
  const NodeOptions& o = node->options_;
  std::map<LogId, const SigningKey*> keys;
  for (const auto& [stream, log] : node->own_logs_) keys[log] = &o.log_keys.find(stream)->second;
  node->witness_ = std::make_unique<Witness>(Witness::Options{.roster = &o.roster,
                                                              .site = node->site_,
                                                              .own_logs = std::move(keys),
                                                              .mirror_key = &o.mirror_key,
                                                              .clock = o.clock,
                                                              .cosign_interval = o.cosign_interval,
                                                              .heartbeat_interval = o.heartbeat_interval,
                                                              .future_bound = o.future_bound,
                                                              .durable = [n = node.get()](LogId id) { return n->committer_->Durable(id); },
                                                              .speaks_until = [n = node.get()] { return n->committer_->LedUntil(); }},
                                             s, [s](LogId id, Seq size) { return LogBook(*s).Root(id, size); });
  if (o.commit_log) {
    auto opened = o.commit_log(s);
    if (!opened.ok()) return opened.status();
    node->commit_log_ = *std::move(opened);
  } else {
    auto end = LogBook(*s).JournalEnd();
    if (!end.ok()) return end.status();
    node->commit_log_ = std::make_unique<EmbeddedCommitLog>(s, *end);
  }
  if (o.licence != nullptr) {
    LogSizes held;
    for (const auto& [stream, log] : node->own_logs_) {
      auto size = LogBook(*s).Size(log);
      if (!size.ok()) return size.status();
      held[o.roster.FindLog(log)->origin()] = *size;
    }
    auto licence = LicenceKeeper::Open(
        {.file = o.licence, .origin = o.roster.FindLog(node->own_log())->origin(), .peers = o.peers, .clock = o.clock}, s, held);
    if (!licence.ok()) return licence.status();
    node->licence_ = *std::move(licence);
    // What an older copy takes from here on lies where its journal has had other entries: who followed that may not resume in this.
    if (!node->licence_->Entitled()) {
      auto batch = s->NewBatch();
      batch->Put(Cf::kMeta, storage::kMetaJournalInstance, o.random_bytes(16));
      if (status = s->Write(batch.get(), storage::Sync::kYes); !status.ok()) return status;
    }
  }
  node->clock_watch_ = std::make_unique<ClockWatch>(o.clock, o.future_bound);
  node->contents_ = std::make_unique<Contents>(s, o.clock);
  if (status = node->contents_->Load(); !status.ok()) return status;
  node->committer_ = std::make_unique<Committer>(&o, node->site_, node->own_logs_, s, node->commit_log_.get(), node->witness_.get(),
                                                 node->licence_.get(), node->clock_watch_.get(), node->contents_.get());
  if (status = node->committer_->Load(); !status.ok()) return status;
  if (status = node->committer_->CloseLogs(); !status.ok()) return status;
  if (status = node->committer_->JudgeAgain(); !status.ok()) return status;
  VersionVector held_sizes;  // void entries included: checkpoints may cover them
  for (const RosterLog& each : o.roster.logs()) {
    auto size = LogBook(*s).Size(each.id);
    if (!size.ok()) return size.status();
    held_sizes.Set(each.id, *size);
  }
  if (status = node->witness_->Load(held_sizes); !status.ok()) return status;

  if (node->licence_ == nullptr || node->licence_->Missing().empty()) {
    node->witness_->AllowOwn();
    // A member of several signs what it knows to be committed, once it leads.
    if (node->commit_log_->Term() == 0) return node;
    if (status = node->committer_->SignTail(); !status.ok()) return status;
  }
  return node;
}

std::vector<Dot> Node::WantedPayloads(std::optional<Dot> after, size_t max) const { return committer_->WantedPayloads(after, max); }
absl::Status Node::TakePayload(Dot dot, std::string payload) { return committer_->TakePayload(dot, std::move(payload)); }

void Node::PeerHolds(const std::string& peer, const std::vector<replication::HeldOwnLog>& logs) {
  LogSizes sizes;
  for (const replication::HeldOwnLog& log : logs) {
    if (log.awaited) witness_->Offer(*log.awaited);
    // What this site has signed must be here, too, and not only what some peer holds. Read before what is held, which may grow.
    sizes[options_.roster.FindLog(log.log)->origin()] = std::max(log.size, witness_->KnownSize(log.log));
  }
  if (licence_ != nullptr && licence_->PeerHolds(peer, sizes, OwnSizes())) BeginSigning();
}

LogSizes Node::OwnSizes() const {
  const VersionVector applied = Applied();
  LogSizes sizes;
  for (const auto& [stream, log] : own_logs_) sizes[options_.roster.FindLog(log)->origin()] = applied.Get(log);
  return sizes;
}

void Node::Write(WriteRequest request, WriteCallback done) { committer_->Write(std::move(request), std::move(done)); }

absl::StatusOr<std::optional<Dot>> Node::FindRequest(std::string_view actor, std::string_view request_id,
                                                     const std::array<uint8_t, 16>& digest) const {
  return committer_->FindRequest(actor, request_id, digest);
}

bool Node::CommitOnce() { return committer_->CommitOnce(); }
bool Node::WaitForWork() { return committer_->WaitForWork(); }
bool Node::CanLead() const { return committer_->CanLead(); }
void Node::Wake() { committer_->Wake(); }
bool Node::RunCompletions() { return committer_->RunCompletions(); }
bool Node::WaitForCompletions() { return committer_->WaitForCompletions(); }
void Node::Stop() { committer_->Stop(); }
void Node::StopCompletions() { committer_->StopCompletions(); }
std::string Node::UnwritableReason() const {
  std::string reason = committer_->UnwritableReason();
  return reason.empty() ? clock_watch_->Disagreement() : reason;
}
std::string Node::ClockTrouble() const {
  std::string disagreement = clock_watch_->Disagreement();
  if (!disagreement.empty()) return disagreement;
  const absl::Duration behind = absl::FromUnixMillis(committer_->LastTime().millis()) - WallTime();
  if (behind <= options_.future_bound) return "";
  return fmt::format("this node's clock is {} ms behind what it has seen", absl::ToInt64Milliseconds(behind));
}
std::string Node::ClockDisagreement() const { return clock_watch_->Disagreement(); }
absl::Time Node::WallTime() const { return options_.clock->Now(); }
void Node::PeerClock(const std::string& peer, absl::Time theirs, absl::Duration rtt) {
  clock_watch_->Heard(peer, theirs, rtt);
  clock_watch_->Report();
}

void Node::Purge(std::atomic<bool>* cancelled) { committer_->Purge(cancelled); }
void Node::Tick() {
  for (LogId log : witness_->CosignDue()) TellCosigned(log);
  if (licence_ != nullptr && licence_->Renew(OwnSizes(), JournalEnd())) BeginSigning();
}

void Node::BeginSigning() {
  witness_->AllowOwn();
  if (commit_log_->Term() == 0) return;  // it signs once it leads
  if (absl::Status status = committer_->SignTail(); !status.ok())
    spdlog::error("the log could not be signed: {}", std::string(status.message()));
}

void Node::TellCosigned(LogId log) {
  absl::MutexLock lock(&listeners_mu_);
  for (const auto& [id, listener] : cosignature_listeners_) listener(log);
}

std::map<SiteId, Seq> Node::Cosigned(LogId log) const { return witness_->Cosigned(log); }

uint64_t Node::AddEraser(std::function<bool(Position)> erased) { return committer_->AddEraser(std::move(erased)); }
void Node::RemoveEraser(uint64_t id) { committer_->RemoveEraser(id); }

uint64_t Node::AddCosignatureListener(std::function<void(LogId)> listener) {
  absl::MutexLock lock(&listeners_mu_);
  const uint64_t id = next_listener_++;
  cosignature_listeners_.emplace(id, std::move(listener));
  return id;
}

void Node::RemoveCosignatureListener(uint64_t id) {
  absl::MutexLock lock(&listeners_mu_);
  cosignature_listeners_.erase(id);
}

absl::StatusOr<Audience> Node::AudienceOf(Dot dot) const {
  if (dot.seq >= Applied().Get(dot.log)) return absl::NotFoundError("the entry is not applied here");
  auto headers = LogBook(*store_).Headers(dot.log, dot.seq, dot.seq + 1);
  if (!headers.ok()) return headers.status();
  auto header = DecodeHeader(headers->front());
  if (!header.ok()) return Error(Reason::kStoreDamaged, fmt::format("entry {} of log {} is damaged", dot.seq.value(), dot.log.value()));
  return std::move(header->audience);
}

std::vector<SiteId> ReplicaSites(const Roster& roster, const Audience& audience, SiteId origin) {
  std::vector<SiteId> sites;
  for (const RosterCosigner& cosigner : roster.cosigners()) {
    if (cosigner.site != origin && audience.Includes(cosigner.site)) sites.push_back(cosigner.site);
  }
  return sites;
}

absl::StatusOr<std::optional<RecordState>> Node::GetState(const storage::View& view, std::string_view record) const {
  auto bytes = view.Get(Cf::kRecords, record);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  auto state = DecodeState(**bytes);
  if (!state.ok()) return Error(Reason::kStoreDamaged, fmt::format("the state of {} is damaged", record));
  return *std::move(state);
}

uint64_t Node::AddJournalListener(std::function<void(Position)> listener) { return committer_->AddJournalListener(std::move(listener)); }
void Node::RemoveJournalListener(uint64_t id) { committer_->RemoveJournalListener(id); }
int64_t Node::Aggregate(std::string_view key) const { return committer_->Figure(key); }
std::vector<std::pair<std::string, int64_t>> Node::Aggregates(std::string_view prefix) const { return committer_->Figures(prefix); }

std::vector<LogInfo> Node::Logs() const {
  std::vector<LogInfo> logs;
  VersionVector applied = Applied();
  for (const RosterLog& log : options_.roster.logs()) {
    Witness::LogView view = witness_->View(log.id);
    LogInfo info;
    info.log = &log;
    info.size = applied.Get(log.id);
    info.known_size = log.Standing(std::max(view.known_size, info.size));
    if (log.closing) {
      const Seq held = LogBook(*store_).Size(log.id).value_or(info.size);
      info.void_entries = Seq(held.value() - std::min(held, info.size).value());
    }
    info.checkpoint_note = std::move(view.checkpoint_note);
    info.cosignatures = std::move(view.cosignatures);
    info.quarantine = std::move(view.quarantine);
    info.fork_notes = std::move(view.fork_notes);
    info.oldest_unapplied_age = view.oldest_unapplied_age;
    const auto own = own_logs_.find(log.stream);
    info.as_of = own != own_logs_.end() && own->second == log.id ? std::optional<absl::Time>(options_.clock->Now()) : view.as_of;
    logs.push_back(std::move(info));
  }
  return logs;
}

std::pair<VersionVector, std::vector<ClassDigestInfo>> Node::StateDigests() const {
  Committer::ClassStates states = committer_->Classes();
  std::erase_if(states.classes, [](const auto& one) { return one.second.records == 0; });
  // A peer may have records where this node has none: it has to hear all the same that they are not comparable.
  for (const std::string& figure : states.partly) states.classes.try_emplace(figure.substr(figure.find('/') + 1));
  std::vector<ClassDigestInfo> digests;
  for (const auto& [audience, state] : states.classes) {
    std::set<std::string> partly;
    for (const std::string& figure : states.partly) {
      const std::string sites = figure.substr(0, figure.find('/'));
      const std::string narrowest = figure.substr(sites.size() + 1);
      if ((audience == "*") != (narrowest == "*") || !ClassHolds(audience, narrowest)) continue;
      for (const RosterSite& site : options_.roster.sites()) {
        const bool meant = sites.front() == '!' ? !ClassHolds(sites.substr(1), site.name) : sites == site.name;
        if (meant) partly.insert(site.name);
      }
    }
    if (state.records == 0 && partly.empty()) continue;
    digests.push_back(
        {partly.empty() ? audience : fmt::format("{} but {}", audience, fmt::join(partly, ",")), state.hash.Sum(), state.records});
  }
  return {states.applied, digests};
}

std::vector<OpaqueInfo> Node::OpaqueEntries(std::optional<Dot> after, size_t max) const {
  std::vector<OpaqueInfo> out;
  const std::string prefix(storage::kMetaListedPrefix);
  const std::string from = after ? prefix + storage::DotKey({after->log, after->seq + 1}) : prefix;
  auto it = store_->Iterate(Cf::kMeta, from, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid() && out.size() < max; it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    OpaqueInfo info;
    info.dot = storage::ReadDot(&key);
    auto stored = store_->Get(Cf::kOpaque, storage::DotKey(info.dot));
    if (!stored.ok() || !stored->has_value()) continue;  // it is not opaque any more
    Reader value(**stored);
    info.cause = std::string(value.Bytes());
    info.detail = std::string(value.Bytes());
    out.push_back(std::move(info));
  }
  return out;
}

std::vector<UnauthorisedChange> Node::UnauthorisedChanges(std::optional<std::pair<Dot, uint32_t>> after, size_t max) const {
  const Authority authority(&options_.roster, options_.registry);
  const std::string prefix(storage::kMetaUnauthorisedPrefix);
  std::string from = prefix;
  if (after) {
    from += storage::DotKey(after->first);
    PutU32(&from, after->second);
    from.push_back('\0');  // the next key
  }
  std::vector<UnauthorisedChange> out;
  auto it = store_->Iterate(Cf::kMeta, from, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid() && out.size() < max; it->Next()) {
    UnauthorisedChange& change = out.emplace_back();
    Reader key(it->key().substr(prefix.size()));
    change.dot = storage::ReadDot(&key);
    change.mutation = key.U32();
    Reader value(it->value());
    const uint32_t type = static_cast<uint32_t>(value.Varint());
    change.record = std::string(value.Bytes());
    for (uint64_t n = value.Varint(); n > 0 && value.ok(); --n) {
      change.fields.push_back(authority.FieldName(type, static_cast<uint32_t>(value.Varint())));
    }
  }
  return out;
}

int64_t Node::UnauthorisedCount() const { return committer_->UnauthorisedCount(); }

std::vector<VoidEntry> Node::VoidEntries(std::optional<Dot> after, size_t max) const {
  std::set<Dot> discarded;
  const std::string prefix(storage::kMetaVoidPrefix);
  auto it = store_->Iterate(Cf::kMeta, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    discarded.insert(storage::ReadDot(&key));
  }
  const LogBook book(*store_);
  std::vector<VoidEntry> out;
  for (const RosterLog& log : options_.roster.logs()) {
    const auto held = book.Size(log.id);
    if (!held.ok()) continue;
    std::set<Dot> dots;
    for (const Dot& dot : discarded) {
      if (dot.log == log.id) dots.insert(dot);
    }
    if (log.closing) {
      for (Seq seq = std::max(log.closing->size, after && after->log == log.id ? after->seq + 1 : Seq(0));
           seq < *held && dots.size() < discarded.size() + max; ++seq) {
        dots.insert({log.id, seq});
      }
    }
    for (const Dot& dot : dots) {
      if (after && dot <= *after) continue;
      if (out.size() == max) break;
      VoidEntry& entry = out.emplace_back();
      entry.dot = dot;
      entry.discarded = !log.Voids(dot.seq);
      const auto bytes = book.Payload(dot);
      if (!bytes.ok() || !bytes->has_value()) continue;
      if (auto payload = DecodePayload(**bytes); payload.ok()) entry.payload = *std::move(payload);
    }
  }
  std::vector<VoidEntry*> closed;
  std::vector<std::pair<Dot, const Payload*>> entries;
  for (VoidEntry& entry : out) {
    if (entry.discarded || !entry.payload) continue;
    closed.push_back(&entry);
    entries.emplace_back(entry.dot, &*entry.payload);
  }
  const std::vector<absl::Status> judged = committer_->JudgeVoid(entries);
  for (size_t i = 0; i < closed.size(); ++i) closed[i]->refused = std::string(judged[i].message());
  return out;
}

absl::StatusOr<bool> Node::IsOpaque(Dot dot) const {
  if (dot.seq >= Applied().Get(dot.log)) return Error(Reason::kRecordNotFound, "this node has no such entry");
  auto opaque = store_->Get(Cf::kOpaque, storage::DotKey(dot));
  if (!opaque.ok()) return opaque.status();
  return opaque->has_value();
}

absl::StatusOr<std::vector<WriteRequest>> Node::ReissuesOf(const std::vector<Dot>& dots) const {
  std::deque<Payload> payloads;
  std::vector<std::pair<Dot, const Payload*>> entries;
  for (const Dot& dot : dots) {
    if (!options_.roster.Voids(dot)) return Error(Reason::kStateForbids, "the entry is not beyond the closing of its log");
    if (committer_->Discarded(dot)) return Error(Reason::kStateForbids, "the entry was discarded");
    auto bytes = LogBook(*store_).Payload(dot);
    if (!bytes.ok()) return bytes.status();
    if (!bytes->has_value()) return Error(Reason::kRecordNotFound, "this node does not hold the entry");
    auto payload = DecodePayload(**bytes);
    if (!payload.ok()) return Error(Reason::kStateForbids, "the entry cannot be understood: " + std::string(payload.status().message()));
    entries.emplace_back(dot, &payloads.emplace_back(*std::move(payload)));
  }
  for (const absl::Status& judged : committer_->JudgeVoid(entries)) {
    if (!judged.ok()) return judged;
  }
  std::vector<WriteRequest> requests;
  for (size_t i = 0; i < dots.size(); ++i) {
    WriteRequest& request = requests.emplace_back();
    request.stream = options_.roster.FindLog(dots[i].log)->stream;
    request.actor = payloads[i].actor;
    request.request_id = payloads[i].request_id;
    request.request_digest = payloads[i].request_digest;
    request.method = payloads[i].method;
    request.mutations = std::move(payloads[i].mutations);
    request.reissue = true;
  }
  return requests;
}

int64_t Node::UnkeptStatements() const { return witness_->UnkeptStatements(); }
int64_t Node::OpaqueCount() const { return committer_->OpaqueCount(); }
std::string Node::JournalInstance() const { return committer_->JournalInstance(); }
Position Node::JournalEnd() const { return committer_->JournalEnd(); }

absl::StatusOr<std::vector<Dot>> Node::ReadJournal(Position from, size_t max) const {
  Position end = JournalEnd();
  if (from >= end) return std::vector<Dot>();
  return LogBook(*store_).Journal(from, std::min<uint64_t>(max, end.value() - from.value()));
}

VersionVector Node::Applied() const { return committer_->Applied(); }

absl::StatusOr<std::vector<std::string>> Node::ReadHeaders(LogId log, Seq first, Seq end) const {
  return LogBook(*store_).Headers(log, first, end);
}

absl::StatusOr<std::optional<std::string>> Node::ReadPayload(Dot dot) const { return LogBook(*store_).Payload(dot); }
absl::StatusOr<bool> Node::Erased(Dot dot) const {
  if (Erasures().entries().empty()) return false;
  auto erasures = ErasuresOf(*store_, dot);
  if (!erasures.ok()) return erasures.status();
  return !erasures->empty();
}

VersionVector Node::Erasures() const { return committer_->Erasures(); }

absl::StatusOr<bool> Node::IsErasure(Dot dot) const {
  if (dot.seq >= Erasures().Get(dot.log)) return false;
  auto stored = store_->Get(Cf::kMeta, std::string(storage::kMetaErasurePrefix) + storage::DotKey(dot));
  if (!stored.ok()) return stored.status();
  return stored->has_value();
}

void Node::PeerErasures(SiteId peer, const VersionVector& erasures) {
  const VersionVector applied = Applied();
  // Erasures beyond the closing of their log are none, though a peer may not know it yet.
  const auto covers = [&](const VersionVector& told) {
    const auto& sizes = told.entries();
    return std::all_of(sizes.begin(), sizes.end(),
                       [&](const auto& size) { return applied.Get(size.first) >= options_.roster.Standing(size.first, size.second); });
  };
  absl::MutexLock lock(&erasures_mu_);
  Uncovered& before = uncovered_.try_emplace(peer, Uncovered{{}, absl::InfinitePast()}).first->second;
  if (covers(erasures) && covers(before.erasures)) {
    before = {erasures, absl::InfinitePast()};
    return;
  }
  // One that takes its word back is not believed at once again.
  if (before.since == absl::InfinitePast()) before.since = options_.clock->Now();
  before.erasures = erasures;
}

std::set<LogId> Node::MaybeErased() const {
  std::set<LogId> logs;
  // A store put back from an old copy does not know what was erased since, before each peer has told it. It need not have its licence: what
  // it has signed and lost may keep that from it for ever.
  if (licence_ != nullptr && !licence_->Missing().empty()) {
    absl::MutexLock lock(&erasures_mu_);
    const auto heard = [this](const std::string& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(erasures_mu_) {
      const RosterSite* site = options_.roster.FindSite(peer);
      return site != nullptr && uncovered_.contains(site->id);
    };
    if (options_.peers.empty() || !std::all_of(options_.peers.begin(), options_.peers.end(), heard)) {
      for (const RosterLog& log : options_.roster.logs()) logs.insert(log.id);
      return logs;
    }
  }
  const VersionVector applied = Applied();
  absl::MutexLock lock(&erasures_mu_);
  for (const auto& [peer, told] : uncovered_) {
    // Believed at once, but not for long: the log must be proven to be that long.
    const bool heard = options_.clock->Now() - told.since < kUnprovenErasures;
    for (const auto& [id, size] : told.erasures.entries()) {
      const RosterLog* const erasing = options_.roster.FindLog(id);
      if (erasing == nullptr || applied.Get(id) >= erasing->Standing(size) || !(heard || size <= witness_->KnownSize(id))) continue;
      // A site whose log never comes keeps back what it may erase, and nobody else's.
      for (const RosterLog& log : options_.roster.logs()) {
        if (MayErase(options_.roster, erasing->site, {log.id, Seq()})) logs.insert(log.id);
      }
    }
  }
  return logs;
}

absl::StatusOr<Digest> Node::RootAt(LogId log, Seq size) const { return LogBook(*store_).Root(log, size); }

absl::StatusOr<std::vector<Digest>> Node::BlockProof(LogId log, uint64_t block, const replication::ProvenPrefix& prefix) const {
  LogBook book(*store_);
  return merkle::BlockProof(block, prefix.tree(), book.Subtrees(log));
}

absl::StatusOr<std::optional<replication::ProvenPrefix>> Node::Proven(LogId log) const { return ReadProven(*store_, log); }

std::optional<std::string> Node::CheckpointNote(LogId log) const { return witness_->CheckpointNote(log); }
std::optional<std::string> Node::AwaitedCheckpointNote(LogId log) const { return witness_->AwaitedNote(log); }
bool Node::CosignatureStands(const replication::HeldCosignature& held) const { return witness_->CosignatureStands(held); }
std::vector<replication::HeldCosignature> Node::CosignaturesAfter(uint64_t after) const { return witness_->CosignaturesAfter(after); }
std::vector<replication::HeldCosignature> Node::CosignaturesOf(LogId log) const { return witness_->CosignaturesOf(log); }
bool Node::Quarantined(LogId log) const { return witness_->Quarantined(log); }

void Node::ApplyRemote(replication::RemoteBatch batch, std::function<void(replication::ApplyResult)> done) {
  committer_->ApplyRemote(std::move(batch), std::move(done));
}

absl::Status Node::TakeCosignature(LogId log, const std::string& note) {
  absl::Status status = witness_->TakeCosignature(log, note);
  if (status.ok()) TellCosigned(log);
  return status;
}

void Node::ReportFork(LogId log, const std::string& checkpoint_note, const std::string& how) {
  // Only the log's own signature on another history of what is held makes a log suspect: else any peer could stop any log.
  const RosterLog* roster_log = options_.roster.FindLog(log);
  if (roster_log == nullptr) return;
  auto parsed = note::Parse(checkpoint_note);
  if (!parsed.ok() || !note::Verify(*parsed, roster_log->verifier)) {
    spdlog::warn("a report of a fork of log {} carries no valid signature: {}", roster_log->origin(), how);
    return;
  }
  auto checkpoint = note::ParseCheckpoint(parsed->text);
  if (!checkpoint.ok() || checkpoint->origin != roster_log->origin()) return;
  if (Seq(checkpoint->size) > Applied().Get(log)) {
    // Compared when as many entries are here.
    return witness_->Offer({log, Seq(checkpoint->size), checkpoint->root, checkpoint_note});
  }
  auto root = RootAt(log, Seq(checkpoint->size));
  if (root.ok() && *root != checkpoint->root) witness_->Quarantine(log, how, checkpoint_note);
}

std::optional<std::pair<std::string, Position>> Node::ResumePosition(const std::string& peer) const {
  auto value = store_->Get(Cf::kLinks, peer);
  if (!value.ok() || !value->has_value()) return std::nullopt;
  Reader in(**value);
  std::string instance(in.Bytes());
  Position position(in.U64());
  if (!in.Done()) return std::nullopt;
  return std::pair(instance, position);
}

}  // namespace fairlead::node
