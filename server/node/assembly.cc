#include "server/node/assembly.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/attachments.h"
#include "server/node/derived.h"
#include "server/node/log_book.h"
#include "server/node/proven.h"
#include "server/records/entry_void.h"

namespace fairlead::node {

using storage::Cf;

namespace {

constexpr size_t kPruneMax = 4096;  // request ids forgotten in one batch

std::string DigestElement(const std::string& name, const std::string& state) {
  std::string element;
  PutBytes(&element, name);
  element += state;
  return element;
}

}  // namespace

std::string RequestKey(std::string_view actor, std::string_view request_id) {
  std::string key;
  PutU64(&key, static_cast<uint64_t>(std::max<int64_t>(0, RequestIdMillis(request_id))));
  key.append(actor);
  PutU8(&key, 0);
  key.append(request_id);
  return key;
}

std::string RequestValue(Dot dot, const std::array<uint8_t, 16>& digest) {
  std::string value = storage::DotKey(dot);
  value.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return value;
}

absl::StatusOr<Dot> ReadRequest(std::string_view value, const std::array<uint8_t, 16>& digest) {
  Reader in(value);
  const Dot dot = storage::ReadDot(&in);
  std::string_view held = in.Fixed(digest.size());
  if (!in.Done()) return Error(Reason::kStoreDamaged, "a request id is damaged");
  if (!std::equal(held.begin(), held.end(), reinterpret_cast<const char*>(digest.data()))) {
    return FieldError(Reason::kRequestIdReused, "request_id", "this request id was used for another request");
  }
  return dot;
}

Committer::Assembly::Assembly(const Committer& committer, Committed committed, Journal journal)
    : committer_(committer),
      options_(committer.options_),
      batch_(committer.store_->NewBatch()),
      committed_(std::move(committed)),
      journal_start_(committed_.journal_end),
      read_only_(committer.UnwritableReason()),
      clock_disagrees_(committer.clock_watch_ == nullptr ? "" : committer.clock_watch_->Disagreement()),
      collects_items_(committer.commit_log_->needs_items() && journal == Journal::kAppends),
      journal_(journal) {}

absl::StatusOr<Committer::Assembly::Record*> Committer::Assembly::Load(const std::string& name) {
  auto [it, inserted] = records_.try_emplace(name);
  Record& record = it->second;
  if (!inserted) return &record;
  auto stored = committer_.store_->Get(Cf::kRecords, name);
  if (!stored.ok()) {
    records_.erase(it);
    return stored.status();
  }
  if (stored->has_value()) {
    auto state = DecodeState(**stored);
    if (!state.ok()) {
      records_.erase(it);
      return Error(Reason::kStoreDamaged, fmt::format("the state of {} is damaged", name));
    }
    record.stored = **std::move(stored);
    record.state = *std::move(state);
  }
  return &record;
}

absl::StatusOr<std::optional<std::string>> Committer::Assembly::StoredRequest(const std::string& key) const {
  auto it = requests_.find(key);
  if (it != requests_.end()) return it->second;
  return committer_.store_->Get(Cf::kRequests, key);
}

absl::StatusOr<merkle::Frontier*> Committer::Assembly::FrontierOf(LogId log) {
  auto it = frontiers_.find(log);
  if (it == frontiers_.end()) {
    it = frontiers_.emplace(log, committer_.frontiers_.at(log)).first;
    waiting_sizes_[log] = committer_.witness_->WaitingSizes(log, Seq(it->second.size()));
  }
  return &it->second;
}

std::optional<std::string> Committer::Assembly::FetchValue(const ValueId& id, Dot dot) const {
  auto here = payloads_.find(dot);
  if (here != payloads_.end()) return ValueIn(*here->second, id);
  auto bytes = LogBook(*committer_.store_).Payload(dot);
  broken_.Update(bytes.status());
  if (!bytes.ok()) return std::nullopt;
  if (!bytes->has_value()) return KeptValue(id, dot);
  auto payload = DecodePayload(**bytes);
  return payload.ok() ? ValueIn(*payload, id) : std::nullopt;
}

std::optional<std::string> Committer::Assembly::ValueIn(const Payload& payload, const ValueId& id) const {
  for (size_t i = 0; i < payload.mutations.size(); ++i) {
    if (MutationIdOf(options_.roster.network(), payload, i) != id.mutation) continue;
    const std::vector<Op>& ops = payload.mutations[i].ops;
    if (id.op < ops.size() && ops[id.op].has_value) return ops[id.op].value;
  }
  return std::nullopt;
}

absl::StatusOr<bool> Committer::Assembly::IsProvenFromHere(const replication::VerifiedEntry& entry) {
  if (const auto last = proofs_.find(entry.dot.log); last != proofs_.end() && last->second.second == entry.proof) return true;
  const auto frontier = FrontierOf(entry.dot.log);
  if (!frontier.ok()) return frontier.status();
  const replication::ProvenPrefix beginning = entry.proof->UpTo(entry.dot.seq);
  const auto root = merkle::RootOf(beginning.tree(), [&](int level, uint64_t index) { return (*frontier)->Subtree(level, index); });
  if (!root.ok()) return root.status();
  return *root == beginning.checkpoint.root;
}

absl::Status Committer::Assembly::AppendEntry(const Header& header, const std::string& bytes, const std::string* payload) {
  const Dot dot{header.log, header.seq};
  auto frontier = FrontierOf(dot.log);
  if (!frontier.ok()) return frontier.status();
  std::string key = storage::DotKey(dot);
  headers_[dot] = header;
  batch_->Put(Cf::kHeaders, key, bytes);
  if (payload != nullptr) batch_->Put(Cf::kPayloads, key, *payload);
  (*frontier)->Append(merkle::LeafHash(bytes), [&](int level, uint64_t index, const Digest& hash) {
    if (level > 0) batch_->Put(Cf::kTree, storage::TreeKey(dot.log, level, index), AsView(hash));
  });
  uint64_t size = (*frontier)->size();
  if (waiting_sizes_[dot.log].contains(size)) checkpoint_roots_[dot.log][size] = (*frontier)->Root();
  AppendToJournal(key, &bytes, payload);
  committed_.applied.Set(dot.log, Seq(size));
  committed_.last_time = std::max(committed_.last_time, header.time);
  return absl::OkStatus();
}

void Committer::Assembly::AppendToJournal(const std::string& dot_key, const std::string* header, const std::string* payload) {
  Reader in(dot_key);
  if (journal_ == Journal::kTellsLater) {
    untold_.push_back(storage::ReadDot(&in));
    batch_->Put(Cf::kMeta, std::string(storage::kMetaUntoldPrefix) + dot_key, {});
  }
  changed_ = true;
  if (journal_ != Journal::kAppends) return;
  PutInJournal(dot_key);
  if (!collects_items_) return;
  items_.push_back({.dot = storage::ReadDot(&in), .header = header == nullptr ? "" : *header, .payload = {}, .kept = {}});
  if (payload != nullptr) items_.back().payload = *payload;
  item_bytes_ += kItemOverheadBytes + items_.back().header.size() + (payload == nullptr ? 0 : payload->size());
}

void Committer::Assembly::PutInJournal(const std::string& dot_key) {
  batch_->Put(Cf::kJournal, storage::JournalKey(committed_.journal_end), dot_key);
  ++committed_.journal_end;
  changed_ = true;
}

void Committer::Assembly::Keep(Cf cf, const std::string& key, const std::string& value) {
  batch_->Put(cf, key, value);
  if (collects_items_) kept_.push_back({cf, key, value});
}

std::vector<Committer::Assembly::Part> Committer::Assembly::PartsOf(const Payload& payload, const std::vector<MutationId>& ids) const {
  std::vector<Part> parts;
  for (size_t i = 0; i < payload.mutations.size(); ++i) {
    Part& part = parts.emplace_back(Part{.index = i, .mutation = &payload.mutations[i], .id = ids[i]});
    if (committer_.authority_.Limits() && committer_.authority_.NamesMaker(part.mutation->record)) {
      part.maker = Authority::MakerIn(options_.roster.network(), payload, part.mutation->record);
    }
  }
  return parts;
}

absl::StatusOr<Committer::Assembly::Effect> Committer::Assembly::Outcome(const std::vector<Part>& parts, bool is_shape, Hlc time, Dot dot) {
  const auto fetch = [&](const ValueId& id, Dot d) -> std::optional<std::string> {
    for (const Part& part : parts) {
      const std::vector<Op>& ops = part.mutation->ops;
      if (part.id != id.mutation || id.op >= ops.size() || !ops[id.op].has_value || (is_shape && IsErased(ops[id.op]))) continue;
      return ops[id.op].value;
    }
    return d == dot ? std::nullopt : FetchValue(id, d);
  };
  Effect effect;
  std::map<std::string, RecordState>& states = effect.states;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const Mutation& mutation = *part.mutation;
    if (absl::Status status = committer_.authority_.CheckShape(mutation); !status.ok()) return status;
    effect.judged = effect.judged && committer_.authority_.Knows(mutation);
    auto it = states.find(mutation.record);
    if (it == states.end()) {
      auto record = Load(mutation.record);
      if (!record.ok()) return record.status();
      it = states.emplace(mutation.record, (*record)->state.value_or(RecordState{})).first;
    }
    absl::Status status;
    if (is_shape) {
      Mutation checked = mutation;
      for (Op& op : checked.ops) op.has_value = op.has_value && !IsErased(op);
      status = CheckFoldable(checked);
    } else {
      status = CheckFoldable(mutation);
    }
    if (!status.ok()) return status;
    if (part.maker) {
      auto rows = RowsOf(mutation.record);
      if (!rows.ok()) return rows.status();
      if (!rows->empty()) effect.made_again.insert(mutation.record);
    }
    std::vector<uint16_t> refused = FoldPart(part, is_shape, time, dot, fetch, &it->second);
    if (!refused.empty()) effect.unauthorised[i] = std::move(refused);
  }
  std::erase_if(states, [](const auto& state) { return state.second.type == 0; });
  return effect;
}

absl::Status Committer::Assembly::Adopt(Effect effect, const std::vector<Part>& parts, Hlc time, Dot dot) {
  for (auto& [name, state] : effect.states) {
    Record& record = records_[name];
    record.state = std::move(state);
    record.changed = true;
  }
  if (!effect.judged) batch_->Put(Cf::kMeta, std::string(storage::kMetaUnjudgedPrefix) + storage::DotKey(dot), {});
  std::set<std::string> names;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Mutation& mutation = *parts[i].mutation;
    AddRow(mutation.record, time, dot, parts[i].index);
    if (mutation.type == records::kEntryVoidType) names.insert(mutation.record);
    if (!committer_.authority_.Limits()) continue;
    const auto refused = effect.unauthorised.find(i);
    absl::Status status = NoteUnauthorised(dot, parts[i], refused == effect.unauthorised.end() ? std::vector<uint16_t>() : refused->second);
    if (!status.ok()) return status;
  }
  // Whose making counts may be another's now.
  for (const std::string& name : effect.made_again) {
    if (absl::Status status = RefoldRecord(name); !status.ok()) return status;
  }
  return FollowVoids(names);
}

void Committer::Assembly::RememberRequest(const Payload& payload, Dot dot) {
  if (payload.request_digest == kCompanionDigest) return;
  if (RequestIdMillis(payload.request_id) < 0) return;  // a peer's entry without one: nobody can retry it
  std::string key = RequestKey(payload.actor, payload.request_id);
  std::string value = RequestValue(dot, payload.request_digest);
  batch_->Put(Cf::kRequests, key, value);
  requests_[key] = value;
}

void Committer::Assembly::MakeOpaque(Dot dot, std::string_view cause, std::string_view detail) {
  std::string value;
  PutBytes(&value, cause);
  PutBytes(&value, detail);
  batch_->Put(Cf::kOpaque, storage::DotKey(dot), value);
  opaque_[dot] = true;
  if (cause == kCauseWithheld) {
    withheld_.insert(dot);
  } else {
    batch_->Put(Cf::kMeta, std::string(storage::kMetaListedPrefix) + storage::DotKey(dot), {});
    ++committed_.opaque;
  }
}

void Committer::Assembly::MakeOpaqueWithoutPayload(Dot dot, const Audience& audience) {
  if (!audience.Includes(committer_.site_)) return MakeOpaque(dot, kCauseWithheld, "the payload is not for this site");
  MakeOpaque(dot, kCausePending, "no peer has given the payload yet");
  batch_->Put(Cf::kMeta, std::string(storage::kMetaWantedPrefix) + storage::DotKey(dot), {});
  ++committed_.wanted;
  wanted_[dot] = true;
}

absl::StatusOr<bool> Committer::Assembly::IsOpaque(Dot dot) const {
  if (auto here = opaque_.find(dot); here != opaque_.end()) return here->second;
  auto stored = committer_.store_->Get(Cf::kOpaque, storage::DotKey(dot));
  if (!stored.ok()) return stored.status();
  return stored->has_value();
}

absl::StatusOr<bool> Committer::Assembly::MakeClear(Dot dot) {
  const absl::StatusOr<bool> was = IsOpaque(dot);
  if (!was.ok() || !*was) return was;
  const std::string key = storage::DotKey(dot);
  bool withheld = withheld_.erase(dot) > 0;
  if (!opaque_.contains(dot)) {
    const auto stored = committer_.store_->Get(Cf::kOpaque, key);
    if (!stored.ok()) return stored.status();
    withheld = Reader(**stored).Bytes() == kCauseWithheld;
  }
  opaque_[dot] = false;
  batch_->Delete(Cf::kOpaque, key);
  if (!withheld) {
    batch_->Delete(Cf::kMeta, std::string(storage::kMetaListedPrefix) + key);
    --committed_.opaque;
  }
  const std::string wanted_key = std::string(storage::kMetaWantedPrefix) + key;
  auto here = wanted_.find(dot);
  bool wanted = here != wanted_.end() && here->second;
  if (here == wanted_.end()) {
    auto stored = committer_.store_->Get(Cf::kMeta, wanted_key);
    if (!stored.ok()) return stored.status();
    wanted = stored->has_value();
  }
  if (!wanted) return true;
  wanted_[dot] = false;
  batch_->Delete(Cf::kMeta, wanted_key);
  --committed_.wanted;
  return true;
}

absl::StatusOr<Audience> Committer::Assembly::AudienceOf(const std::map<std::string, RecordState>& states) const {
  std::optional<Audience> common;
  for (const auto& [name, state] : states) {
    Audience audience;
    std::string sites = ClassOf(state);
    if (sites != "*") {
      audience.all = false;
      std::set<SiteId> ids = {committer_.site_};  // the origin always holds what it wrote
      std::string_view rest = sites;
      while (!rest.empty()) {
        size_t comma = rest.find(',');
        std::string_view site = rest.substr(0, comma);
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
        const RosterSite* found = options_.roster.FindSite(site);
        if (found == nullptr) return FieldError(Reason::kFieldInvalid, "audience", fmt::format("'{}' is no site of the network", site));
        ids.insert(found->id);
      }
      audience.sites.assign(ids.begin(), ids.end());
    }
    if (common && *common != audience) {
      return FieldError(Reason::kFieldInvalid, "audience", "the records of one request must have one audience");
    }
    common = audience;
  }
  return common.value_or(Audience{});
}

absl::Status Committer::Assembly::FoldPayload(const Payload& payload, const std::vector<MutationId>& ids, const Header& header) {
  const Dot dot{header.log, header.seq};
  if (IsErasure(payload)) {
    auto erasing = ErasedOutcome(payload, header);
    if (!erasing.ok()) return erasing.status();
    payloads_[dot] = &payload;
    if (absl::Status status = AdoptErasure(*std::move(erasing), payload, header); !status.ok()) return status;
  } else {
    const std::vector<Part> parts = PartsOf(payload, ids);
    auto effect = Outcome(parts, /*is_shape=*/false, header.time, dot);
    if (!effect.ok()) return effect.status();
    payloads_[dot] = &payload;
    if (absl::Status status = Adopt(*std::move(effect), parts, header.time, dot); !status.ok()) return status;
  }
  RememberRequest(payload, dot);
  return absl::OkStatus();
}

bool Committer::Assembly::Follows(const Header& header) const {
  const auto& deps = header.deps.entries();
  return std::all_of(deps.begin(), deps.end(), [this](const auto& dep) {
    return committed_.applied.Get(dep.first) >= options_.roster.Standing(dep.first, dep.second) ||
           committer_.witness_->Quarantined(dep.first);
  });
}

replication::ApplyResult Committer::Assembly::AddRemote(const RemoteWork& work) {
  replication::ApplyResult result;
  Hlc bound = Hlc::FromMillis(static_cast<uint64_t>(absl::ToUnixMillis(options_.clock->Now() + options_.future_bound)));
  for (; result.applied < work.batch.entries.size(); ++result.applied) {
    const replication::VerifiedEntry& entry = work.batch.entries[result.applied];
    const Dot dot = entry.dot;
    if (options_.roster.Voids(dot)) {
      committed_.last_time = std::max(committed_.last_time, entry.header.time);
      continue;
    }
    if (committer_.witness_->Quarantined(dot.log)) continue;
    Seq next = committed_.applied.Get(dot.log);
    if (dot.seq < next) continue;  // came by another link
    if (dot.seq > next) {
      result.status = Error(Reason::kPeerProtocol,
                            fmt::format("entry {} of log {} came before entry {}", dot.seq.value(), dot.log.value(), next.value()));
      return result;
    }
    if (!Follows(entry.header)) {
      result.status =
          absl::UnavailableError(fmt::format("entry {} of log {} waits for entries it follows", dot.seq.value(), dot.log.value()));
      return result;
    }
    if (entry.header.time > bound) {
      result.status = absl::UnavailableError(fmt::format("entry {} of log {} is {} ms in the future", dot.seq.value(), dot.log.value(),
                                                         entry.header.time.millis() - bound.millis()));
      result.due = absl::FromUnixMillis(static_cast<int64_t>(entry.header.time.millis()) + 1) - options_.future_bound;
      return result;
    }
    const size_t bytes = kItemOverheadBytes + entry.header_bytes.size() + (entry.payload ? entry.payload->size() : 0);
    if (collects_items_ && !items_.empty() && item_bytes_ + bytes > committer_.commit_log_->append_bytes_max()) {
      result.status = absl::UnavailableError("the rest of them does not fit into this batch");
      return result;
    }
    if (entry.proof != nullptr) {
      const absl::StatusOr<bool> proven = IsProvenFromHere(entry);
      result.status = proven.status();
      if (!result.status.ok()) return result;
      if (!*proven) {
        result.status = Error(Reason::kPeerProtocol, fmt::format("entry {} of log {} continues another history than the one that is here",
                                                                 dot.seq.value(), dot.log.value()));
        return result;
      }
    }
    result.status = AppendEntry(entry.header, entry.header_bytes, entry.payload ? &*entry.payload : nullptr);
    if (!result.status.ok()) return result;
    if (entry.proof != nullptr) proofs_[dot.log] = {dot.seq + 1, entry.proof};
    const std::optional<DecodedPayload>& decoded = work.payloads[result.applied];
    if (Discarded(dot, decoded && decoded->status.ok() ? &decoded->payload : nullptr)) continue;
    if (!decoded) {
      MakeOpaqueWithoutPayload(dot, entry.header.audience);
    } else {
      // This node's store may be at fault, not the entry: then nothing of the batch may be written.
      result.status = FoldOrMakeOpaque(*decoded, entry.header);
      if (!result.status.ok()) return result;
    }
  }
  if (!work.batch.journal_instance.empty()) {
    std::string position;
    PutBytes(&position, work.batch.journal_instance);
    PutU64(&position, work.batch.journal_position.value());
    Keep(Cf::kLinks, work.batch.peer, position);
  }
  return result;
}

absl::Status Committer::Assembly::FoldOrMakeOpaque(const DecodedPayload& decoded, const Header& header) {
  const Dot dot{header.log, header.seq};
  absl::Status folded = decoded.status.ok() ? FoldPayload(decoded.payload, decoded.mutation_ids, header) : decoded.status;
  if (folded.ok()) return folded;
  if (folded.code() == absl::StatusCode::kUnimplemented) {
    MakeOpaque(dot, kCauseUnknownKind, std::string(folded.message()));
  } else if (folded.code() == absl::StatusCode::kInvalidArgument || !decoded.status.ok()) {
    MakeOpaque(dot, kCauseInvalid, std::string(folded.message()));
  } else if (folded.code() == absl::StatusCode::kPermissionDenied) {
    MakeOpaque(dot, kCauseUnauthorised, std::string(folded.message()));
  } else {
    return folded;
  }
  return absl::OkStatus();
}

absl::Status Committer::Assembly::AddLate(const LatePayload& late) {
  const std::string key = storage::DotKey(late.dot);
  const absl::StatusOr<bool> was = MakeClear(late.dot);  // not when it was erased or discarded while the payload was under way
  if (!was.ok() || !*was) return was.status();
  batch_->Put(Cf::kPayloads, key, late.bytes);
  AppendToJournal(key, nullptr, &late.bytes);
  return FoldOrMakeOpaque(late.decoded, late.header);
}

absl::StatusOr<std::string> Committer::Assembly::PruneRequests(const std::string& from, uint64_t before_ms) {
  std::string end;
  PutU64(&end, before_ms);
  if (from >= end) return std::string();
  auto it = committer_.store_->Iterate(Cf::kRequests, from, end);
  size_t n = 0;
  for (it->SeekToFirst(); it->Valid() && n < kPruneMax; it->Next(), ++n) batch_->Delete(Cf::kRequests, it->key());
  if (!it->status().ok()) return it->status();
  return it->Valid() ? std::string(it->key()) : std::string();
}

absl::Status Committer::Assembly::Finish() {
  if (!broken_.ok()) return broken_;
  std::set<std::string> touched_classes;
  std::map<std::string, int64_t> figure_deltas;
  std::deque<Derived> derived;
  // Keys of indexes, by all that they have before the record's name: of `derived`.
  std::map<std::string_view, std::vector<std::string_view>> new_index_keys;
  for (auto& [name, record] : records_) {
    if (!record.changed || (record.stored.empty() && !record.state)) continue;
    std::string stored = record.state ? EncodeState(*record.state) : "";
    Derived before;
    if (!record.stored.empty()) {
      auto old_state = DecodeState(record.stored);
      if (!old_state.ok()) return old_state.status();
      std::string old_class = ClassOf(*old_state);
      ClassState& state = committed_.classes[old_class];
      state.hash.Remove(DigestElement(name, record.stored));
      --state.records;
      touched_classes.insert(old_class);
      auto bytes = committer_.store_->Get(Cf::kDerived, name);
      if (!bytes.ok()) return bytes.status();
      if (bytes->has_value()) {
        auto decoded = DecodeDerived(**bytes);
        if (!decoded.ok()) return decoded.status();
        before = *std::move(decoded);
      }
    }
    Derived& after = derived.emplace_back();
    if (record.state) {
      std::string new_class = ClassOf(*record.state);
      ClassState& state = committed_.classes[new_class];
      state.hash.Add(DigestElement(name, stored));
      ++state.records;
      touched_classes.insert(new_class);
      batch_->Put(Cf::kRecords, name, stored);
      record.written.state = std::move(stored);
      if (const records::RecordType* type = options_.registry->FindByNumber(record.state->type)) {
        after = DeriveFrom(*type, options_.roster, name, *record.state);
      }
      const auto audience_of = [this](Dot dot) -> absl::StatusOr<Audience> {
        auto header = HeaderOf(dot);
        if (!header.ok()) return header.status();
        return header->has_value() ? std::move((*header)->audience) : Audience{};
      };
      if (absl::Status status = AddPartly(options_.roster, *record.state, audience_of, &after); !status.ok()) return status;
      record.written.fields = after.record;
    } else {
      batch_->Delete(Cf::kRecords, name);  // all that it was has been undone
    }
    const auto purged = purged_records_.find(name);
    for (const std::string& key : before.index_keys) {
      if (after.index_keys.contains(key)) continue;
      batch_->Delete(Cf::kIndexes, key);
      if (purged == purged_records_.end()) continue;
      Purge(Cf::kIndexes, key, purged->second);
      if (const std::string_view content = ContentOfIndexKey(key); !content.empty()) PurgeContent(content, purged->second);
    }
    for (const std::string& key : after.index_keys) {
      if (before.index_keys.contains(key)) continue;
      new_index_keys[std::string_view(key).substr(0, key.rfind('\0'))].push_back(key);
      if (const std::string_view content = ContentOfIndexKey(key); !content.empty()) {
        batch_->Put(Cf::kMeta, std::string(storage::kMetaFetchPrefix).append(content), {});
      }
    }
    for (const auto& [key, amount] : before.figures) {
      if (purged != purged_records_.end() && !after.figures.contains(key)) Purge(Cf::kAggregates, key, purged->second);
      figure_deltas[key] -= amount;
    }
    for (const auto& [key, amount] : after.figures) figure_deltas[key] += amount;
    if (record.state) {
      batch_->Put(Cf::kDerived, name, EncodeDerived(after));
    } else {
      batch_->Delete(Cf::kDerived, name);
    }
  }
  // In the order of the keys, as records and revisions: each is put beside the one before (storage/rocksdb_store.cc).
  for (const auto& [beginning, keys] : new_index_keys) {
    for (const std::string_view key : keys) batch_->Put(Cf::kIndexes, key, {});
  }
  PutRows();
  for (const auto& [key, delta] : figure_deltas) {
    if (delta == 0) continue;
    int64_t value = committer_.Figure(key) + delta;
    figures_[key] = value;
    if (value == 0) {
      batch_->Delete(Cf::kAggregates, key);
    } else {
      std::string bytes;
      PutU64(&bytes, static_cast<uint64_t>(value));
      batch_->Put(Cf::kAggregates, key, bytes);
    }
  }
  for (const std::string& name : touched_classes) {
    const ClassState& state = committed_.classes[name];
    std::string bytes;
    PutU64(&bytes, static_cast<uint64_t>(state.records));
    bytes += state.hash.Serialise();
    batch_->Put(Cf::kMeta, std::string(storage::kMetaDigestPrefix) + name, bytes);
  }
  for (const auto& [key, value] : unauthorised_) {
    if (value) {
      batch_->Put(Cf::kMeta, key, *value);
    } else {
      batch_->Delete(Cf::kMeta, key);
    }
  }
  for (const auto& [log, frontier] : frontiers_) {
    std::string size;
    PutU64(&size, frontier.size());
    batch_->Put(Cf::kLogs, storage::LogKey(log), size);
  }
  for (const auto& [log, proof] : proofs_) Keep(Cf::kMeta, ProvenKey(log), EncodeProven(proof.second->UpTo(proof.first)));
  if (!items_.empty()) items_.back().kept = std::move(kept_);
  std::string time;
  PutU64(&time, committed_.last_time.raw());
  batch_->Put(Cf::kMeta, storage::kMetaHlc, time);
  return absl::OkStatus();
}

void Committer::Assembly::ShowRecords(WriteResult* result) const {
  for (auto& [name, written] : result->records) {
    if (const auto record = records_.find(name); record != records_.end()) written = record->second.written;
  }
}

}  // namespace fairlead::node
