// Records whose entries count otherwise than when they were folded: a log was closed, an entry discarded, or the maker of a record came
// after what hangs on it. What such an entry touched is folded anew from all that counts, so that the order of arrival says nothing.
//
//   unauthorised := type:varint record:bytes n:varint field:varint{n}     value in Cf::kMeta

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/assembly.h"
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

bool DiscardsOthers(const Payload& payload) {
  return std::any_of(payload.mutations.begin(), payload.mutations.end(),
                     [](const Mutation& mutation) { return mutation.type == records::kEntryVoidType; });
}

}  // namespace

SiteId Committer::Assembly::SiteOf(LogId log) const {
  const RosterLog* found = options_.roster.FindLog(log);
  return found == nullptr ? SiteId() : found->site;
}

std::string Committer::Assembly::NameOf(Dot dot) const {
  const RosterLog* found = options_.roster.FindLog(dot.log);
  return fmt::format("entry {} of log {}", dot.seq.value(), found == nullptr ? "?" : found->origin());
}

std::optional<Payload> Committer::Assembly::PayloadOf(Dot dot) const {
  auto here = payloads_.find(dot);
  if (here != payloads_.end()) return *here->second;
  auto bytes = LogBook(*committer_.store_).Payload(dot);
  if (!bytes.ok() || !bytes->has_value()) return std::nullopt;
  auto payload = DecodePayload(**bytes);
  return payload.ok() ? std::optional(*std::move(payload)) : std::nullopt;
}

absl::StatusOr<std::vector<std::pair<Hlc, Dot>>> Committer::Assembly::RowsOf(const std::string& record) const {
  std::vector<std::pair<Hlc, Dot>> rows;
  const auto changes = rows_.find(record);
  const std::string prefix = RevisionPrefix(record);
  auto it = committer_.store_->Iterate(Cf::kRevisions, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    const Hlc time(key.U64());
    const LogId log(key.U32());
    const Dot dot{log, Seq(key.U64())};
    if (!key.Done()) return Error(Reason::kStoreDamaged, fmt::format("a revision of {} is damaged", record));
    if (changes != rows_.end() && (changes->second.removed.contains(dot) || changes->second.added.contains(dot))) continue;
    rows.emplace_back(time, dot);
  }
  if (!it->status().ok()) return it->status();
  if (changes != rows_.end()) {
    for (const auto& [dot, time] : changes->second.added) rows.emplace_back(time, dot);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<Maker> Committer::Assembly::MakersOf(const std::string& record, bool all) const {
  std::vector<Maker> makers;
  const auto rows = RowsOf(record);
  if (!rows.ok()) return makers;
  for (const auto& [time, dot] : *rows) {
    const std::optional<Payload> payload = PayloadOf(dot);
    if (!payload || !committer_.authority_.Makes(*payload, record)) continue;
    for (size_t i = 0; i < payload->mutations.size(); ++i) {
      if (payload->mutations[i].record != record) continue;
      makers.push_back({payload->actor, SiteOf(dot.log), MutationIdOf(options_.roster.network(), *payload, i)});
    }
    if (!all && committer_.authority_.HasOffice(payload->actor)) break;
  }
  return makers;
}

absl::Status Committer::Assembly::NoteUnauthorised(Dot dot, size_t index, const Mutation& mutation, const std::vector<uint16_t>& ops,
                                                   bool fresh) {
  std::string key = std::string(storage::kMetaUnauthorisedPrefix) + storage::DotKey(dot);
  PutU32(&key, static_cast<uint32_t>(index));
  auto held = unauthorised_.find(key);
  bool listed = held != unauthorised_.end() && held->second.has_value();
  if (!fresh && held == unauthorised_.end()) {
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
  const auto makers = [this](const std::string& of, bool all) { return MakersOf(of, all); };
  const auto fetch = [this](const ValueId& id, Dot dot) { return FetchValue(id, dot); };
  RecordState state;
  for (const auto& [time, dot] : *rows) {
    const std::optional<Payload> payload = PayloadOf(dot);
    if (!payload) return Error(Reason::kStoreDamaged, fmt::format("the payload of {} is missing", NameOf(dot)));
    std::vector<MutationId> ids;
    for (size_t i = 0; i < payload->mutations.size(); ++i) ids.push_back(MutationIdOf(options_.roster.network(), *payload, i));
    for (size_t i = 0; i < payload->mutations.size(); ++i) {
      const Mutation& mutation = payload->mutations[i];
      if (mutation.record != name) continue;
      const std::vector<uint16_t> refused = committer_.authority_.Unauthorised(*payload, ids, i, SiteOf(dot.log), makers);
      if (committer_.authority_.Limits()) {
        if (absl::Status status = NoteUnauthorised(dot, i, mutation, refused, /*fresh=*/false); !status.ok()) return status;
      }
      if (refused.empty() || refused.size() < mutation.ops.size()) Fold(mutation, ids[i], time, dot, &state, fetch, refused);
    }
  }
  (*record)->state = state.type == 0 ? std::nullopt : std::optional(std::move(state));
  (*record)->changed = true;
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> Committer::Assembly::Unfold(Dot dot) {
  std::set<std::string> names;
  const std::string key = storage::DotKey(dot);
  const std::string wanted_key = std::string(storage::kMetaWantedPrefix) + key;
  auto opaque = committer_.store_->Get(Cf::kOpaque, key);
  if (!opaque.ok()) return opaque.status();
  // What this batch itself has just made of the entry is not in the store yet.
  const bool is_opaque = opaque_.contains(dot) || (opaque->has_value() && !payloads_.contains(dot));
  if (is_opaque) {
    auto wanted = committer_.store_->Get(Cf::kMeta, wanted_key);
    if (!wanted.ok()) return wanted.status();
    if (wanted->has_value() || wanted_.contains(dot)) {
      batch_->Delete(Cf::kMeta, wanted_key);
      --committed_.wanted;
    }
    batch_->Delete(Cf::kOpaque, key);
    --committed_.opaque;
    opaque_.erase(dot);
    wanted_.erase(dot);
    return names;
  }
  const std::optional<Payload> payload = PayloadOf(dot);
  if (!payload) return names;
  auto headers = LogBook(*committer_.store_).Headers(dot.log, dot.seq, dot.seq + 1);
  std::optional<Hlc> time;
  if (headers.ok()) {
    auto header = DecodeHeader(headers->front());
    if (!header.ok()) return header.status();
    time = header->time;
  }
  for (size_t i = 0; i < payload->mutations.size(); ++i) {
    const Mutation& mutation = payload->mutations[i];
    names.insert(mutation.record);
    Rows& rows = rows_[mutation.record];
    if (auto added = rows.added.find(dot); added != rows.added.end()) {
      time = added->second;
      rows.added.erase(added);
    }
    rows.removed.insert(dot);
    if (time) batch_->Delete(Cf::kRevisions, RevisionKey(mutation.record, *time, dot));
    if (committer_.authority_.Limits()) {
      if (absl::Status status = NoteUnauthorised(dot, i, mutation, {}, /*fresh=*/false); !status.ok()) return status;
    }
  }
  const std::string request = RequestKey(payload->actor, payload->request_id);
  auto known = StoredRequest(request);
  if (!known.ok()) return known.status();
  if (known->has_value() && (*known)->starts_with(key)) {
    batch_->Delete(Cf::kRequests, request);
    requests_[request] = std::nullopt;
  }
  AppendToJournal(key);  // whoever follows the journal learns that its records have changed
  return names;
}

absl::Status Committer::Assembly::Reinstate(Dot dot) {
  if (dot.seq >= committed_.applied.Get(dot.log)) return absl::OkStatus();
  auto headers = LogBook(*committer_.store_).Headers(dot.log, dot.seq, dot.seq + 1);
  if (!headers.ok()) return headers.status();
  auto header = DecodeHeader(headers->front());
  if (!header.ok()) return header.status();
  auto bytes = LogBook(*committer_.store_).Payload(dot);
  if (!bytes.ok()) return bytes.status();
  if (bytes->has_value()) {
    const DecodedPayload& decoded = reinstated_.emplace_back(committer_.Decode(**bytes));
    if (absl::Status status = FoldOrMakeOpaque(decoded, header->time, dot); !status.ok()) return status;
    AppendToJournal(storage::DotKey(dot));
  } else {
    MakeOpaqueWithoutPayload(dot, header->audience);
  }
  return absl::OkStatus();
}

bool Committer::Assembly::Discarded(Dot dot, const Payload* payload) const {
  return committed_.discarded.contains(dot) && (payload == nullptr || !DiscardsOthers(*payload));
}

absl::Status Committer::Assembly::FollowVoids(const std::set<std::string>& names) {
  for (const std::string& name : names) {
    const std::optional<Dot> dot = records::VoidedBy(name);
    if (!dot) continue;
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
    if (const std::optional<Payload> payload = PayloadOf(*dot); payload && DiscardsOthers(*payload)) continue;
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

}  // namespace fairlead::node
