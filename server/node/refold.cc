// Records whose entries count otherwise than when they were folded: a log was closed, an entry discarded, or the maker of a record came
// after what hangs on it, or was erased, or the program knows what an older one did not. What such an entry touched is folded anew from all
// that counts, payloads and what erasures have left of them alike, so that the order of arrival says nothing.
//
//   unauthorised := type:varint record:bytes n:varint field:varint{n}     value in Cf::kMeta

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <optional>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/assembly.h"
#include "server/node/erasures.h"
#include "server/node/log_book.h"
#include "server/records/entry_void.h"

namespace fairlead::node {

using storage::Cf;

namespace {

std::string RevisionPrefix(const std::string& record) { return record + std::string(1, '\0'); }

std::string RevisionKey(const std::string& record, Hlc time, Dot dot) {
  std::string key = RevisionPrefix(record);
  PutU64(&key, time.raw());
  return key + storage::DotKey(dot);
}

bool IsVoid(const Mutation& mutation) { return mutation.type == records::kEntryVoidType; }

}  // namespace

SiteId Committer::Assembly::SiteOf(LogId log) const {
  const RosterLog* found = options_.roster.FindLog(log);
  return found == nullptr ? SiteId() : found->site;
}

std::string Committer::Assembly::NameOf(Dot dot) const {
  const RosterLog* found = options_.roster.FindLog(dot.log);
  return fmt::format("entry {} of log {}", dot.seq.value(), found == nullptr ? "?" : found->origin());
}

absl::StatusOr<std::optional<Header>> Committer::Assembly::HeaderOf(Dot dot) const {
  if (auto here = headers_.find(dot); here != headers_.end()) return here->second;
  auto bytes = committer_.store_->Get(Cf::kHeaders, storage::DotKey(dot));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  auto header = DecodeHeader(**bytes);
  if (!header.ok()) return Error(Reason::kStoreDamaged, fmt::format("the header of {} is damaged", NameOf(dot)));
  return *std::move(header);
}

absl::StatusOr<std::optional<Payload>> Committer::Assembly::PayloadOf(Dot dot) const {
  if (auto here = payloads_.find(dot); here != payloads_.end()) return *here->second;
  auto bytes = LogBook(*committer_.store_).Payload(dot);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  auto payload = DecodePayload(**bytes);
  if (!payload.ok()) return absl::InvalidArgumentError(fmt::format("what {} says is malformed", NameOf(dot)));
  return *std::move(payload);
}

absl::StatusOr<std::optional<Committer::Assembly::Content>> Committer::Assembly::ContentOf(Dot dot) const {
  Content content;
  const auto erasures = ErasedByTrust(dot);
  if (!erasures.ok()) return erasures.status();
  for (const Dot& by : *erasures) {
    auto payload = PayloadOf(by);
    if (!payload.ok()) return payload.status();
    auto erasure = payload->has_value() ? ErasureIn(**payload) : absl::NotFoundError("");
    if (!erasure.ok()) return Error(Reason::kStoreDamaged, fmt::format("{}, which erases {}, is damaged", NameOf(by), NameOf(dot)));
    content.erasures.push_back(*std::move(erasure));
    for (Part& part : PartsOf(content.erasures.back(), by)) content.parts.push_back(std::move(part));
  }
  if (content.is_shape()) return content;
  auto payload = PayloadOf(dot);
  if (absl::IsInvalidArgument(payload.status())) return std::nullopt;
  if (!payload.ok()) return payload.status();
  if (!payload->has_value()) return std::nullopt;
  content.payload = **std::move(payload);
  if (IsErasure(content.payload)) {
    auto erasure = ErasureIn(content.payload);
    if (!erasure.ok()) return std::nullopt;
    content.erases = erasure->entry;
  }
  std::vector<MutationId> ids;
  for (size_t i = 0; i < content.payload.mutations.size(); ++i) ids.push_back(MutationIdOf(options_.roster.network(), content.payload, i));
  content.parts = PartsOf(content.payload, ids);
  return content;
}

absl::StatusOr<std::vector<std::pair<Hlc, Dot>>> Committer::Assembly::RowsOf(const std::string& record) const {
  std::vector<std::pair<Hlc, Dot>> rows;
  const auto changes = rows_.find(record);
  const std::string prefix = RevisionPrefix(record);
  auto it = committer_.store_->Iterate(Cf::kRevisions, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    const Hlc time(key.U64());
    const Dot dot = storage::ReadDot(&key);
    if (!key.Done()) return Error(Reason::kStoreDamaged, fmt::format("a revision of {} is damaged", record));
    if (changes != rows_.end() && (changes->second.removed.contains(dot) || changes->second.added.contains(dot))) continue;
    rows.emplace_back(time, dot);
  }
  if (!it->status().ok()) return it->status();
  if (changes != rows_.end()) {
    for (const auto& [dot, row] : changes->second.added) rows.emplace_back(row.time, dot);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

void Committer::Assembly::AddRow(const std::string& record, Hlc time, Dot dot, size_t index) {
  Rows& rows = rows_[record];
  rows.added[dot] = {time, index};
  rows.removed.erase(dot);
}

void Committer::Assembly::RemoveRow(const std::string& record, Hlc time, Dot dot) {
  Rows& rows = rows_[record];
  rows.added.erase(dot);
  rows.removed[dot] = time;
}

void Committer::Assembly::PutRows() {
  for (const auto& [record, rows] : rows_) {
    for (const auto& [dot, time] : rows.removed) batch_->Delete(Cf::kRevisions, RevisionKey(record, time, dot));
    for (const auto& [dot, row] : rows.added) {
      std::string value;
      PutVarint(&value, row.index);
      batch_->Put(Cf::kRevisions, RevisionKey(record, row.time, dot), value);
    }
  }
}

std::vector<Maker> Committer::Assembly::MakersOf(const std::string& record, bool all) const {
  std::vector<Maker> makers;
  const auto rows = RowsOf(record);
  broken_.Update(rows.status());
  if (!rows.ok()) return makers;
  // The name proves who made the record while the entry that did is held. Of an erased one somebody says so: of the shapes that say
  // something else the least doubtful one is believed.
  int doubt = 3;
  std::string office;
  for (const auto& [time, dot] : *rows) {
    const auto content = ContentOf(dot);
    broken_.Update(content.status());
    if (!content.ok() || !content->has_value() || (*content)->erases) continue;
    for (const Part& part : (*content)->parts) {
      if (part.mutation->record != record || !part.maker) continue;
      if (part.doubt < doubt) {
        doubt = part.doubt;
        office = *part.maker;
      }
      makers.push_back({*part.maker, SiteOf(dot.log), part.id});
    }
    if (!all && doubt == 0 && committer_.authority_.IsOffice(office)) break;
  }
  std::erase_if(makers, [&office](const Maker& maker) { return maker.office != office; });
  return makers;
}

bool Committer::Assembly::Loosens(const Op& op, const RecordState& state, const ValueFetcher& fetch) const {
  const auto field = state.fields.find(op.field);
  if (field == state.fields.end() || IsErased(op)) return false;
  for (const ValueId& id : op.replaces) {
    const auto value = field->second.values.find(id);
    if (value == field->second.values.end() || !value->second.adds || value->second.erased) continue;
    const std::optional<std::string> replaced = value->second.has_bytes ? std::optional(value->second.bytes) : fetch(id, value->second.dot);
    if (!replaced) continue;
    if (!op.has_value) return true;
    Reader was(*replaced);
    Reader now(op.value);
    if (op.kind == MergeKind::kRestrictMax) {
      if (now.Varint() < was.Varint()) return true;
      continue;
    }
    std::set<std::string_view> allowed;
    while (was.ok() && was.left() > 0) allowed.insert(was.Bytes());
    while (now.ok() && now.left() > 0) {
      if (!allowed.contains(now.Bytes())) return true;
    }
  }
  return false;
}

std::vector<Maker> Committer::Assembly::MakersFor(Dot dot, const std::string& record, bool all) const {
  std::vector<Maker> makers = MakersOf(record, all);
  if (void_makers_ == nullptr || !makers.empty()) return makers;
  const auto beside = void_makers_->of.find(record);
  if (beside == void_makers_->of.end()) return makers;
  for (const auto& [made, maker] : beside->second) {
    // Of its own log only what came before it.
    if (maker.site == SiteOf(dot.log) && (made.log != dot.log || made <= dot)) makers.push_back(maker);
  }
  return makers;
}

std::vector<uint16_t> Committer::Assembly::FoldPart(const Part& part, bool is_shape, Hlc time, Dot dot, const ValueFetcher& fetch,
                                                    RecordState* state) const {
  const auto makers = [&](const std::string& record, bool all) { return MakersFor(dot, record, all); };
  auto [ignored, replacing] = committer_.authority_.Judge(*part.mutation, part.id, part.maker.has_value(), SiteOf(dot.log), makers);
  std::vector<uint16_t> unauthorised = ignored;
  Mutation beside;
  for (const uint16_t op : replacing) {
    if (beside.ops.empty()) beside = *part.mutation;
    // Written anew it would be headquarters', and replace all that it names; some of that may be void, too, and not here to compare with.
    if (void_makers_ != nullptr || Loosens(beside.ops[op], *state, fetch)) unauthorised.push_back(op);
    beside.ops[op].replaces.clear();
  }
  if (!ignored.empty() && ignored.size() == part.mutation->ops.size()) return unauthorised;
  const Mutation& mutation = beside.ops.empty() ? *part.mutation : beside;
  if (is_shape) {
    FoldErased(mutation, part.id, time, dot, state, fetch, ignored);
  } else {
    Fold(mutation, part.id, time, dot, state, fetch, ignored);
  }
  std::sort(unauthorised.begin(), unauthorised.end());
  return unauthorised;
}

absl::Status Committer::Assembly::NoteUnauthorised(Dot dot, const Part& part, const std::vector<uint16_t>& ops) {
  const Mutation& mutation = *part.mutation;
  std::string key = std::string(storage::kMetaUnauthorisedPrefix) + storage::DotKey(dot);
  PutU32(&key, static_cast<uint32_t>(part.index));
  auto held = unauthorised_.find(key);
  bool listed = held != unauthorised_.end() && held->second.has_value();
  if (held == unauthorised_.end() && committed_.unauthorised > 0) {
    auto stored = committer_.store_->Get(Cf::kMeta, key);
    if (!stored.ok()) return stored.status();
    listed = stored->has_value();
  }
  if (ops.empty()) {
    if (!listed) return absl::OkStatus();
    unauthorised_[key] = std::nullopt;
    --committed_.unauthorised;
    return absl::OkStatus();
  }
  std::set<uint32_t> fields;
  for (uint16_t op : ops) fields.insert(mutation.ops[op].field);
  std::string value;
  PutVarint(&value, mutation.type);
  PutBytes(&value, mutation.record);
  PutVarint(&value, fields.size());
  for (uint32_t field : fields) PutVarint(&value, field);
  unauthorised_[key] = value;
  if (listed) return absl::OkStatus();
  ++committed_.unauthorised;
  spdlog::warn("{} changes {} of {} without the right to: it counts for nothing", NameOf(dot),
               committer_.authority_.FieldName(mutation.type, *fields.begin()), mutation.record);
  return absl::OkStatus();
}

absl::Status Committer::Assembly::RefoldRecord(const std::string& name) {
  auto record = Load(name);
  if (!record.ok()) return record.status();
  auto rows = RowsOf(name);
  if (!rows.ok()) return rows.status();
  const auto fetch = [this](const ValueId& id, Dot dot) { return FetchValue(id, dot); };
  RecordState state;
  for (const auto& [time, dot] : *rows) {
    const auto content = ContentOf(dot);
    if (!content.ok()) return content.status();
    if (!content->has_value()) return Error(Reason::kStoreDamaged, fmt::format("the payload of {} is missing", NameOf(dot)));
    if ((*content)->erases) continue;
    for (const Part& part : (*content)->parts) {
      if (part.mutation->record != name) continue;
      const std::vector<uint16_t> refused = FoldPart(part, (*content)->is_shape(), time, dot, fetch, &state);
      if (!committer_.authority_.Limits()) continue;
      if (absl::Status status = NoteUnauthorised(dot, part, refused); !status.ok()) return status;
    }
  }
  (*record)->state = state.type == 0 ? std::nullopt : std::optional(std::move(state));
  (*record)->changed = true;
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> Committer::Assembly::Unfold(Dot dot) {
  std::set<std::string> names;
  const absl::StatusOr<bool> opaque = MakeClear(dot);
  if (!opaque.ok()) return opaque.status();
  if (*opaque) return names;
  const auto content = ContentOf(dot);
  if (!content.ok()) return content.status();
  const auto header = HeaderOf(dot);
  if (!header.ok()) return header.status();
  if (!content->has_value() || !header->has_value()) return names;
  for (const Part& part : (*content)->parts) {
    names.insert(part.mutation->record);
    RemoveRow(part.mutation->record, (*header)->time, dot);
    if (committer_.authority_.Limits()) {
      if (absl::Status status = NoteUnauthorised(dot, part, {}); !status.ok()) return status;
    }
  }
  const std::string key = storage::DotKey(dot);
  if (!(*content)->is_shape()) {
    const Payload& payload = (*content)->payload;
    const std::string request = RequestKey(payload.actor, payload.request_id);
    auto known = StoredRequest(request);
    if (!known.ok()) return known.status();
    if (known->has_value() && (*known)->starts_with(key)) {
      batch_->Delete(Cf::kRequests, request);
      requests_[request] = std::nullopt;
    }
  }
  if ((*content)->erases) {
    if (absl::Status status = TakeErasureBack(*(*content)->erases, dot, &names); !status.ok()) return status;
  }
  AppendToJournal(key);  // whoever follows the journal learns that its records have changed
  return names;
}

absl::Status Committer::Assembly::TakeErasureBack(Dot entry, Dot by, std::set<std::string>* names) {
  auto left = ErasedBy(entry);
  if (!left.ok()) return left.status();
  const auto at = std::find(left->begin(), left->end(), by);
  if (at == left->end()) return absl::OkStatus();
  const auto content = ContentOf(entry);
  if (!content.ok()) return content.status();
  left->erase(at);
  const bool none = left->empty();
  ListErasures(entry, *std::move(left));
  if (absl::Status status = ListErasure(by, /*folded=*/false); !status.ok()) return status;
  const auto header = HeaderOf(entry);
  if (!header.ok()) return header.status();
  if (!content->has_value() || !header->has_value() || !Counts(entry, (*content)->parts)) return absl::OkStatus();
  // Shapes that nobody could compare may name other records than this one did.
  std::set<std::string> still;
  if (!none) {
    const auto rest = ContentOf(entry);
    if (!rest.ok()) return rest.status();
    for (const Part& part : (*rest)->parts) still.insert(part.mutation->record);
  }
  for (const Part& part : (*content)->parts) {
    names->insert(part.mutation->record);
    if (still.contains(part.mutation->record)) continue;
    RemoveRow(part.mutation->record, (*header)->time, entry);
    if (committer_.authority_.Limits()) {
      if (absl::Status status = NoteUnauthorised(entry, part, {}); !status.ok()) return status;
    }
  }
  if (!none) return absl::OkStatus();
  MakeOpaqueWithoutPayload(entry, (*header)->audience);
  AppendToJournal(storage::DotKey(entry));
  return absl::OkStatus();
}

absl::Status Committer::Assembly::Reinstate(Dot dot) {
  if (dot.seq >= committed_.applied.Get(dot.log)) return absl::OkStatus();
  const auto header = HeaderOf(dot);
  if (!header.ok()) return header.status();
  if (!header->has_value()) return Error(Reason::kStoreDamaged, fmt::format("the header of {} is missing", NameOf(dot)));
  const auto erasures = ErasedBy(dot);
  if (!erasures.ok()) return erasures.status();
  auto bytes = LogBook(*committer_.store_).Payload(dot);
  if (!bytes.ok()) return bytes.status();
  if (erasures->empty() && !bytes->has_value()) {
    MakeOpaqueWithoutPayload(dot, (*header)->audience);
    return absl::OkStatus();
  }
  AppendToJournal(storage::DotKey(dot));
  if (erasures->empty()) return FoldOrMakeOpaque(decoded_.emplace_back(committer_.Decode(**bytes)), **header);
  const auto content = ContentOf(dot);
  if (!content.ok()) return content.status();
  auto effect = Outcome((*content)->parts, /*is_shape=*/true, (*header)->time, dot);
  if (absl::IsInvalidArgument(effect.status()) || absl::IsUnimplemented(effect.status())) {
    MakeOpaque(dot, kCauseInvalid, std::string(effect.status().message()));
    return absl::OkStatus();
  }
  return effect.ok() ? Adopt(*std::move(effect), (*content)->parts, (*header)->time, dot) : effect.status();
}

bool Committer::Assembly::Discarded(Dot dot, const Payload* payload) const {
  return committed_.discarded.contains(dot) &&
         (payload == nullptr || std::none_of(payload->mutations.begin(), payload->mutations.end(), IsVoid));
}

bool Committer::Assembly::Counts(Dot dot, const std::vector<Part>& parts) const {
  if (options_.roster.Voids(dot)) return false;
  return !committed_.discarded.contains(dot) ||
         std::any_of(parts.begin(), parts.end(), [](const Part& part) { return IsVoid(*part.mutation); });
}

absl::Status Committer::Assembly::FollowVoids(const std::set<std::string>& names) {
  for (const std::string& name : names) {
    const std::optional<Dot> dot = records::VoidedBy(name);
    if (!dot || !MayDiscard(options_.roster, *dot)) continue;
    auto record = Load(name);
    if (!record.ok()) return record.status();
    const bool discards = (*record)->state.has_value();
    if (discards == committed_.discarded.contains(*dot)) continue;
    const std::string key = std::string(storage::kMetaVoidPrefix) + storage::DotKey(*dot);
    if (!discards) {
      committed_.discarded.erase(*dot);
      batch_->Delete(Cf::kMeta, key);
      if (absl::Status status = Reinstate(*dot); !status.ok()) return status;
      continue;
    }
    committed_.discarded.insert(*dot);
    batch_->Put(Cf::kMeta, key, {});
    spdlog::warn("{} is discarded", NameOf(*dot));
    if (dot->seq >= committed_.applied.Get(dot->log)) continue;  // it will not be folded when it comes
    const auto content = ContentOf(*dot);
    if (!content.ok()) return content.status();
    if (content->has_value() && Counts(*dot, (*content)->parts)) continue;
    auto touched = Unfold(*dot);
    if (!touched.ok()) return touched.status();
    for (const std::string& each : *touched) {
      if (absl::Status status = RefoldRecord(each); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Committer::Assembly::Close(const RosterLog& log) {
  const LogBook book(*committer_.store_);
  auto size = book.Size(log.id);
  if (!size.ok()) return size.status();
  const Seq standing = log.Standing(*size);
  if (standing == log.closing->size) {
    auto root = book.Root(log.id, standing);
    if (!root.ok()) return root.status();
    if (*root != log.closing->root) {
      return absl::FailedPreconditionError(
          fmt::format("this store holds another history of log {} than the one that the roster closes at {}: begin it anew from its peers",
                      log.origin(), standing.value()));
    }
  }
  std::set<std::string> touched;
  for (Seq seq = standing; seq < *size; ++seq) {
    auto names = Unfold({log.id, seq});
    if (!names.ok()) return names.status();
    touched.merge(*names);
  }
  for (const std::string& name : touched) {
    if (absl::Status status = RefoldRecord(name); !status.ok()) return status;
  }
  if (absl::Status status = FollowVoids(touched); !status.ok()) return status;
  // The decision that a fork asked for has been made.
  batch_->Delete(Cf::kMeta, std::string(storage::kMetaQuarantinePrefix) + storage::LogKey(log.id));
  std::string at;
  PutU64(&at, log.closing->size.value());
  batch_->Put(Cf::kMeta, std::string(storage::kMetaClosedPrefix) + storage::LogKey(log.id), at);
  spdlog::warn("log {} is closed at {}: {} entries held here are void", log.origin(), log.closing->size.value(),
               size->value() - standing.value());
  return absl::OkStatus();
}

absl::Status Committer::Assembly::NoteVoidMakers(SiteId site) {
  for (const RosterLog& log : options_.roster.logs()) {
    if (log.site != site || !log.closing) continue;
    const auto size = LogBook(*committer_.store_).Size(log.id);
    if (!size.ok()) return size.status();
    Seq& seq = void_makers_->end.try_emplace(log.id, log.closing->size).first->second;
    for (; seq < *size; ++seq) {
      const auto content = ContentOf({log.id, seq});
      if (!content.ok()) return content.status();
      if (!content->has_value() || (*content)->erases) continue;
      for (const Part& part : (*content)->parts) {
        if (part.maker) void_makers_->of[part.mutation->record].emplace_back(Dot{log.id, seq}, Maker{*part.maker, site, part.id});
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Committer::Assembly::JudgeVoid(Dot dot, const Payload& payload, VoidMakers* makers) {
  void_makers_ = makers;
  const auto header = HeaderOf(dot);
  if (!header.ok()) return header.status();
  if (!header->has_value()) return Error(Reason::kStoreDamaged, fmt::format("the header of {} is missing", NameOf(dot)));
  if (committer_.authority_.Limits()) {
    if (absl::Status status = NoteVoidMakers(SiteOf(dot.log)); !status.ok()) return status;
  }
  const auto forbids = [&](const absl::Status& status) {
    if (absl::IsDataLoss(status) || absl::IsUnavailable(status)) return status;  // this store is at fault
    return Error(Reason::kStateForbids, fmt::format("{} cannot be written anew: {}", NameOf(dot), std::string(status.message())));
  };
  if (IsErasure(payload)) {
    const auto erasing = ErasedOutcome(payload, **header);
    if (!broken_.ok()) return broken_;
    return erasing.ok() ? absl::OkStatus() : forbids(erasing.status());
  }
  std::vector<MutationId> ids;
  for (size_t i = 0; i < payload.mutations.size(); ++i) ids.push_back(MutationIdOf(options_.roster.network(), payload, i));
  const std::vector<Part> parts = PartsOf(payload, ids);
  for (const Part& part : parts) {
    const std::string& record = part.mutation->record;
    if (!committer_.authority_.Limits() || !committer_.authority_.NamesMaker(record) || !MakersFor(dot, record, /*all=*/false).empty())
      continue;
    return forbids(absl::NotFoundError(fmt::format("this node does not hold the entry that made {}", record)));
  }
  const auto effect = Outcome(parts, /*is_shape=*/false, (*header)->time, dot);
  if (!broken_.ok()) return broken_;
  if (!effect.ok()) return forbids(effect.status());
  if (!effect->unauthorised.empty()) {
    const auto& [index, ops] = *effect->unauthorised.begin();
    const Mutation& mutation = payload.mutations[index];
    const std::string field = committer_.authority_.FieldName(mutation.type, mutation.ops[ops.front()].field);
    return FieldError(Reason::kStateForbids, field,
                      fmt::format("{} cannot be written anew: its site may not write {} of {}", NameOf(dot), field, mutation.record));
  }
  if (effect->judged) return absl::OkStatus();
  return forbids(absl::UnimplementedError("this program does not know all that it says, nor who may say it"));
}

absl::Status Committer::Assembly::JudgeAgain(const std::vector<Dot>& entries) {
  std::set<std::string> touched;
  std::map<std::string, std::vector<Dot>> refolded;
  for (const Dot& dot : entries) {
    const auto content = ContentOf(dot);
    if (!content.ok()) return content.status();
    const auto opaque = IsOpaque(dot);
    if (!opaque.ok()) return opaque.status();
    const bool counts = !*opaque && content->has_value() && Counts(dot, (*content)->parts);
    const auto all = [&content](const auto& what) { return std::all_of((*content)->parts.begin(), (*content)->parts.end(), what); };
    const bool stands = counts && all([this](const Part& part) { return committer_.authority_.CheckShape(*part.mutation).ok(); });
    if (!stands || all([this](const Part& part) { return committer_.authority_.Knows(*part.mutation); })) {
      batch_->Delete(Cf::kMeta, std::string(storage::kMetaUnjudgedPrefix) + storage::DotKey(dot));
    }
    if (stands) {
      for (const Part& part : (*content)->parts) refolded[part.mutation->record].push_back(dot);
    } else if (counts) {
      auto names = Unfold(dot);
      if (!names.ok()) return names.status();
      touched.merge(*names);
      if (absl::Status status = Reinstate(dot); !status.ok()) return status;
    }
  }
  for (const std::string& name : touched) {
    if (absl::Status status = RefoldRecord(name); !status.ok()) return status;
  }
  for (const auto& [name, dots] : refolded) {
    auto record = Load(name);
    if (!record.ok()) return record.status();
    const std::optional<RecordState> before = (*record)->state;
    if (absl::Status status = RefoldRecord(name); !status.ok()) return status;
    if ((*record)->state == before) continue;
    for (const Dot& dot : dots) Tell(dot);
    touched.insert(name);
  }
  return FollowVoids(touched);
}

}  // namespace fairlead::node
