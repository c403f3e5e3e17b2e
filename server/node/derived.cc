#include "server/node/derived.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "api/bytes.h"
#include "api/entry.h"
#include "api/errors.h"
#include "api/state_digest.h"
#include "server/node/assembly.h"
#include "server/node/conflicts.h"
#include "server/node/materialise.h"
#include "storage/schema.h"

namespace fairlead::node {
namespace {

constexpr const char* kWithdrawn = "withdrawn";

constexpr size_t kRebuildBatchBytes = 4 << 20;

// Index keys separate their parts by a zero byte.
std::string WithoutZeros(std::string text) {
  std::erase(text, '\0');
  return text;
}

uint64_t ZigZag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
int64_t UnZigZag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

std::string SiteOf(const Roster& roster, Dot dot) {
  const RosterLog* log = roster.FindLog(dot.log);
  return log == nullptr ? "" : log->site_name;
}

void IndexConflict(const records::RecordType& type, const Roster& roster, const std::string& name, uint32_t field, const FieldView& view,
                   Derived* derived) {
  const auto* descriptor = type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(field));
  const std::string conflict = ConflictName(name, descriptor->name());
  derived->index_keys.insert(IndexKey(kConflictsByCollection, type.collection(), "", conflict));
  for (const auto* ids : {&view.live, &view.pending, &view.pending_removals}) {
    for (const auto& [id, value] : *ids) {
      derived->index_keys.insert(IndexKey(kConflictsBySite, SiteOf(roster, value->dot), type.collection(), conflict));
    }
  }
}

// Deletes every key of the family.
absl::Status Empty(storage::Cf cf, storage::Store* store) {
  auto it = store->Iterate(cf, {}, {});
  auto batch = store->NewBatch();
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    batch->Delete(cf, it->key());
    if (batch->bytes() < kRebuildBatchBytes) continue;
    if (absl::Status status = store->Write(batch.get(), storage::Sync::kNo); !status.ok()) return status;
    batch->Clear();
  }
  if (!it->status().ok()) return it->status();
  return store->Write(batch.get(), storage::Sync::kNo);
}

// Lists the opaque entries that are due here.
absl::Status RebuildListed(storage::Store* store) {
  using storage::Cf;
  const std::string prefix(storage::kMetaListedPrefix);
  auto batch = store->NewBatch();
  auto listed = store->Iterate(Cf::kMeta, prefix, storage::PrefixEnd(prefix));
  for (listed->SeekToFirst(); listed->Valid(); listed->Next()) batch->Delete(Cf::kMeta, listed->key());
  if (!listed->status().ok()) return listed->status();
  auto it = store->Iterate(Cf::kOpaque, {}, {});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (Reader(it->value()).Bytes() != kCauseWithheld) batch->Put(Cf::kMeta, prefix + std::string(it->key()), {});
  }
  if (!it->status().ok()) return it->status();
  return store->Write(batch.get(), storage::Sync::kNo);
}

}  // namespace

std::string ClassOf(const RecordState& state) {
  if (!state.fields.contains(kAudienceField)) return "*";
  std::map<uint32_t, FieldView> view = ViewOf(state);
  auto field = view.find(kAudienceField);
  if (field == view.end() || field->second.live.empty()) return "*";
  std::optional<std::set<std::string>> sites;
  for (const auto& [id, value] : field->second.live) {
    std::set<std::string> next;
    Reader in(value->bytes);
    while (in.ok() && in.left() > 0) next.emplace(in.Bytes());
    if (!sites) {
      sites = next;
    } else {
      std::erase_if(*sites, [&next](const std::string& site) { return !next.contains(site); });
    }
  }
  return fmt::format("{}", fmt::join(*sites, ","));
}

EntryAudience AudiencesIn(const storage::View& view) {
  return [&view](Dot dot) -> absl::StatusOr<Audience> {
    auto bytes = view.Get(storage::Cf::kHeaders, storage::DotKey(dot));
    if (!bytes.ok()) return bytes.status();
    if (!bytes->has_value()) return Audience{};
    auto header = DecodeHeader(**bytes);
    if (!header.ok()) {
      return Error(Reason::kStoreDamaged, fmt::format("the header of entry {} of log {} is damaged", dot.seq.value(), dot.log.value()));
    }
    return std::move(header->audience);
  };
}

absl::Status AddPartly(const Roster& roster, const RecordState& state, const EntryAudience& audience_of, Derived* derived) {
  const auto audiences = state.fields.find(kAudienceField);
  if (audiences == state.fields.end()) return absl::OkStatus();  // all that there is of it is for all
  std::map<Dot, Audience> entries;
  for (const auto& [number, field] : state.fields) {
    for (const auto& [id, value] : field.values) {
      if (entries.contains(value.dot)) continue;
      auto audience = audience_of(value.dot);
      if (!audience.ok()) return audience.status();
      entries.emplace(value.dot, *std::move(audience));
    }
  }
  std::set<SiteId> named;
  for (const auto& [dot, audience] : entries) named.insert(audience.sites.begin(), audience.sites.end());
  std::set<std::string> names;
  for (const RosterSite& site : roster.sites()) {
    if (named.contains(site.id)) names.insert(site.name);
  }
  const std::string whole = ClassOf(state);
  const Dot first = SpanOf(state).first;
  const FieldState& field = audiences->second;
  const auto add = [&](const std::string& sites, const std::function<bool(const Audience&)>& includes) {
    const auto held = [&](Dot dot) { return includes(entries.at(dot)); };
    std::optional<std::set<std::string>> common;  // nullopt: all sites
    size_t count = 0;
    for (const auto& [dot, audience] : entries) {
      if (!includes(audience)) continue;
      ++count;
      if (audience.all) continue;
      std::set<std::string> rest;
      for (const RosterSite& site : roster.sites()) {
        if (audience.Includes(site.id) && (!common || common->contains(site.name))) rest.insert(site.name);
      }
      common = std::move(rest);
    }
    if (count == entries.size()) return;
    std::set<std::string> classes;
    if (whole == "*" || ClassHolds(whole, sites)) classes.insert(whole);
    if (count > 0) {
      // What the site has of the record is of no narrower class than its entries.
      classes.insert(common ? fmt::format("{}", fmt::join(*common, ",")) : "*");
      // It has it for all when no audience counts there: none that it holds, or none that it knows the record's maker to have had the right
      // to.
      const auto counts = [&](const auto& value) {
        const auto replaces = [&](const auto& edge) {
          const auto by = field.values.find(edge.second);
          return edge.first == value.first && by != field.values.end() && held(by->second.dot);
        };
        return value.second.adds && held(value.second.dot) && std::none_of(field.edges.begin(), field.edges.end(), replaces);
      };
      if (!held(first) || std::none_of(field.values.begin(), field.values.end(), counts)) classes.insert("*");
    }
    for (const std::string& of : classes) derived->figures[fmt::format("{}{}/{}", kPartlyFigure, sites, of)] += 1;
  };
  for (const RosterSite& site : roster.sites()) {
    if (named.contains(site.id)) add(site.name, [&site](const Audience& audience) { return audience.Includes(site.id); });
  }
  // All others, and those that a later roster adds, have what is for all.
  add(fmt::format("!{}", fmt::join(names, ",")), [](const Audience& audience) { return audience.all; });
  return absl::OkStatus();
}

std::string ConflictName(std::string_view record, std::string_view field) { return fmt::format("{}/conflicts/{}", record, field); }

std::string IndexPrefix(uint16_t index, std::string_view value) {
  std::string key;
  PutU16(&key, index);
  key.append(value);
  PutU8(&key, 0);
  return key;
}

std::string IndexKey(uint16_t index, std::string_view value, std::string_view sort, std::string_view record) {
  std::string key;
  key.reserve(sizeof(index) + value.size() + sort.size() + record.size() + 2);
  PutU16(&key, index);
  key.append(value).push_back('\0');
  key.append(sort).push_back('\0');
  return key.append(record);
}

Derived DeriveFrom(const records::RecordType& type, const Roster& roster, const std::string& name, const RecordState& state) {
  Derived derived;
  const std::map<uint32_t, FieldView> views = ViewOf(state);
  const std::map<uint32_t, FieldView> conflicts = ConflictsOf(type, state, views);
  derived.record = MaterialiseFields(type, name, state, views, conflicts);
  const google::protobuf::Message* const record = derived.record.get();
  for (const records::Index& index : type.indexes) {
    const std::vector<std::string> values = index.values(*record);
    if (values.empty()) continue;
    const std::string sort = index.sort ? WithoutZeros(index.sort(*record)) : "";
    for (const std::string& value : values) {
      derived.index_keys.insert(IndexKey(index.number, WithoutZeros(value), sort, name));
    }
  }
  for (const auto& [field, view] : conflicts) IndexConflict(type, roster, name, field, view, &derived);
  const auto* descriptor = record->GetDescriptor();
  const auto* reflection = record->GetReflection();
  if (reflection->GetBool(*record, descriptor->FindFieldByName(kWithdrawn))) return derived;

  const std::string site = SiteOf(roster, SpanOf(state).first);
  if (type.counted) derived.figures[std::string(kRecordsFigure) + site] += 1;
  if (!conflicts.empty()) derived.figures[std::string(kConflictsFigure) + site] += static_cast<int64_t>(conflicts.size());
  if (type.contribute) {
    for (const records::Contribution& c : type.contribute(*record)) derived.figures[c.key] += c.amount;
  }
  return derived;
}

std::string EncodeDerived(const Derived& derived) {
  thread_local std::string out;  // one that grew before grows no more
  out.clear();
  PutVarint(&out, derived.index_keys.size());
  for (const std::string& key : derived.index_keys) PutBytes(&out, key);
  PutVarint(&out, derived.figures.size());
  for (const auto& [key, amount] : derived.figures) {
    PutBytes(&out, key);
    PutVarint(&out, ZigZag(amount));
  }
  return out;
}

absl::StatusOr<Derived> DecodeDerived(std::string_view bytes) {
  Reader in(bytes);
  Derived derived;
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) derived.index_keys.emplace(in.Bytes());
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) {
    std::string key(in.Bytes());
    derived.figures[key] = UnZigZag(in.Varint());
  }
  if (!in.Done()) return absl::DataLossError("a record's derived entries are damaged");
  return derived;
}

absl::StatusOr<uint32_t> StoredDerivedVersion(const storage::Store& store) {
  auto held = store.Get(storage::Cf::kMeta, storage::kMetaDerived);
  if (!held.ok()) return held.status();
  if (!held->has_value()) return 0;
  Reader in(**held);
  const uint32_t version = in.U32();
  if (!in.Done()) return Error(Reason::kStoreDamaged, "the version of what is derived is damaged");
  return version;
}

absl::Status RebuildDerived(const records::Registry& registry, const Roster& roster, storage::Store* store) {
  using storage::Cf;
  // Until the end there is no version: a run that is cut off begins again.
  auto batch = store->NewBatch();
  batch->Delete(Cf::kMeta, storage::kMetaDerived);
  if (absl::Status status = store->Write(batch.get(), storage::Sync::kYes); !status.ok()) return status;
  batch->Clear();
  for (Cf cf : {Cf::kIndexes, Cf::kDerived, Cf::kAggregates}) {
    if (absl::Status status = Empty(cf, store); !status.ok()) return status;
  }

  std::map<std::string, int64_t> figures;
  size_t records = 0;
  auto it = store->Iterate(Cf::kRecords, {}, {});
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++records) {
    const std::string name(it->key());
    const auto state = DecodeState(it->value());
    if (!state.ok()) return Error(Reason::kStoreDamaged, fmt::format("the state of {} is damaged", name));
    Derived derived;
    if (const records::RecordType* type = registry.FindByNumber(state->type)) derived = DeriveFrom(*type, roster, name, *state);
    if (absl::Status status = AddPartly(roster, *state, AudiencesIn(*store), &derived); !status.ok()) return status;
    for (const std::string& key : derived.index_keys) batch->Put(Cf::kIndexes, key, {});
    for (const auto& [key, amount] : derived.figures) figures[key] += amount;
    batch->Put(Cf::kDerived, name, EncodeDerived(derived));
    if (batch->bytes() < kRebuildBatchBytes) continue;
    if (absl::Status status = store->Write(batch.get(), storage::Sync::kNo); !status.ok()) return status;
    batch->Clear();
  }
  if (!it->status().ok()) return it->status();
  if (absl::Status status = RebuildListed(store); !status.ok()) return status;
  if (records > 0) spdlog::info("indexes and figures of {} records are derived anew, as version {}", records, kDerivedVersion);
  for (const auto& [key, value] : figures) {
    if (value == 0) continue;
    std::string bytes;
    PutU64(&bytes, static_cast<uint64_t>(value));
    batch->Put(Cf::kAggregates, key, bytes);
  }
  std::string version;
  PutU32(&version, kDerivedVersion);
  batch->Put(Cf::kMeta, storage::kMetaDerived, version);
  return store->Write(batch.get(), storage::Sync::kYes);
}

}  // namespace fairlead::node
