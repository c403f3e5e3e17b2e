#include "server/node/fold.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/erasure.h"

namespace fairlead::node {
namespace {

constexpr uint8_t kStateVersion = 1;
constexpr uint8_t kValueAdds = 1;
constexpr uint8_t kValueHasBytes = 2;
constexpr uint8_t kValueErased = 4;
constexpr uint8_t kValueOtherKind = 8;
constexpr uint8_t kValueOtherType = 16;
constexpr uint8_t kValueFlags = 31;

bool BoundBySeals(MergeKind kind) { return kind == MergeKind::kRegister || kind == MergeKind::kSet; }

// Which values of a record count. Computed once per question: seals are rare, and without one only edges matter.
class Standing {
 public:
  explicit Standing(const RecordState& state) : state_(state) {
    for (const auto& [seal, listed] : state.seals) covered_.emplace(seal, Covered(listed));
  }

  bool Pending(const ValueId& id, const FieldValue& value) const {
    if (!BoundBySeals(value.kind)) return false;
    for (const auto& [seal, covered] : covered_) {
      if (id.mutation == seal.mutation || covered.contains(id)) continue;
      if (std::find(value.seen_seals.begin(), value.seen_seals.end(), seal) == value.seen_seals.end()) return true;
    }
    return false;
  }

  // Values of `field` that an op which is not pending replaced.
  std::set<ValueId> Dead(const FieldState& field) const {
    std::set<ValueId> dead;
    for (const auto& [replaced, by] : field.edges) {
      auto replacer = field.values.find(by);
      if (replacer != field.values.end() && !Pending(by, replacer->second)) dead.insert(replaced);
    }
    return dead;
  }

 private:
  std::set<ValueId> Covered(const std::set<ValueId>& listed) const {
    std::set<ValueId> covered = listed;
    std::vector<ValueId> open(listed.begin(), listed.end());
    while (!open.empty()) {
      ValueId by = open.back();
      open.pop_back();
      for (const auto& [number, field] : state_.fields) {
        for (const auto& [replaced, replacer] : field.edges) {
          if (replacer == by && covered.insert(replaced).second) open.push_back(replaced);
        }
      }
    }
    return covered;
  }

  const RecordState& state_;
  std::map<ValueId, std::set<ValueId>> covered_;
};

// Keeps bytes exactly for the values that are not dead, so that the state depends on the set of mutations alone.
void SettleBytes(const ValueFetcher& fetch, RecordState* state) {
  Standing standing(*state);
  for (auto& [number, field] : state->fields) {
    if (field.edges.empty() && state->seals.empty()) continue;
    std::set<ValueId> dead = standing.Dead(field);
    for (auto& [id, value] : field.values) {
      if (!value.adds) continue;
      if (dead.contains(id) || value.erased) {
        value.has_bytes = false;
        value.bytes.clear();
      } else if (!value.has_bytes && fetch) {
        if (std::optional<std::string> bytes = fetch(id, value.dot)) {
          value.has_bytes = true;
          value.bytes = *std::move(bytes);
        }
      }
    }
  }
}

// State values are varint rank, varint state.
uint64_t RankOf(const std::string& bytes) {
  Reader in(bytes);
  return in.Varint();
}

// What restricts who sees a record restricts it before a program knows the record's type.
std::optional<MergeKind> KindInEveryType(uint32_t field) {
  switch (field) {
    case kMarkingField:
      return MergeKind::kRestrictMax;
    case kAudienceField:
      return MergeKind::kRestrictIntersect;
    case kWithdrawnField:
      return MergeKind::kRegister;
    default:
      return std::nullopt;
  }
}

absl::Status CheckValue(const Op& op) {
  Reader in(op.value);
  switch (op.kind) {
    case MergeKind::kRegister:
    case MergeKind::kSet:
      return absl::OkStatus();
    case MergeKind::kRestrictMax:
      in.Varint();
      break;
    case MergeKind::kRestrictIntersect: {
      std::string_view last;
      bool first = true;
      while (in.ok() && in.left() > 0) {
        std::string_view next = in.Bytes();
        if (!first && next <= last) in.Fail();
        last = next;
        first = false;
      }
      break;
    }
    case MergeKind::kState:
      in.Varint();
      in.Varint();
      break;
    case MergeKind::kErase:
      break;
  }
  if (!in.Done()) return absl::InvalidArgumentError(fmt::format("the value of field {} is malformed for its merge kind", op.field));
  return absl::OkStatus();
}

// Sorted indexes for the ids a state mentions.
class MutationTable {
 public:
  explicit MutationTable(const RecordState& state) {
    for (const auto& [seal, listed] : state.seals) {
      Mention(seal);
      for (const ValueId& id : listed) Mention(id);
    }
    for (const auto& [number, field] : state.fields) {
      for (const auto& [id, value] : field.values) {
        known_.emplace(id.mutation, &value);
        Mention(id);
        for (const ValueId& seal : value.seen_seals) Mention(seal);
      }
      for (const auto& [replaced, by] : field.edges) {
        Mention(replaced);
        Mention(by);
      }
    }
    uint64_t next = 0;
    for (auto& [id, index] : index_) index = next++;
  }
  void PutRef(std::string* out, const ValueId& id) const {
    PutVarint(out, index_.at(id.mutation));
    PutVarint(out, id.op);
  }
  const std::map<MutationId, uint64_t>& index() const { return index_; }
  const FieldValue* Known(const MutationId& id) const {
    auto it = known_.find(id);
    return it == known_.end() ? nullptr : it->second;
  }

 private:
  void Mention(const ValueId& id) { index_.emplace(id.mutation, 0); }
  std::map<MutationId, uint64_t> index_;
  std::map<MutationId, const FieldValue*> known_;
};

}  // namespace

std::string EncodeState(const RecordState& state) {
  MutationTable table(state);
  thread_local std::string out;  // one that grew before grows no more
  out.clear();
  PutU8(&out, kStateVersion);
  PutVarint(&out, state.type);
  PutVarint(&out, table.index().size());
  for (const auto& [id, index] : table.index()) {
    out.append(reinterpret_cast<const char*>(id.data()), id.size());
    const FieldValue* value = table.Known(id);
    PutU8(&out, value != nullptr);
    if (value == nullptr) continue;
    PutU64(&out, value->time.raw());
    PutVarint(&out, value->dot.log.value());
    PutVarint(&out, value->dot.seq.value());
    PutVarint(&out, value->seen_seals.size());
    for (const ValueId& seal : value->seen_seals) table.PutRef(&out, seal);
  }
  PutVarint(&out, state.seals.size());
  for (const auto& [seal, listed] : state.seals) {
    table.PutRef(&out, seal);
    PutVarint(&out, listed.size());
    for (const ValueId& id : listed) table.PutRef(&out, id);
  }
  PutVarint(&out, state.fields.size());
  for (const auto& [number, field] : state.fields) {
    PutVarint(&out, number);
    PutU8(&out, static_cast<uint8_t>(field.kind));
    PutVarint(&out, field.values.size());
    for (const auto& [id, value] : field.values) {
      table.PutRef(&out, id);
      const bool other_kind = value.kind != field.kind;
      const bool other_type = value.type != state.type;
      PutU8(&out, (value.adds ? kValueAdds : 0) | (value.has_bytes ? kValueHasBytes : 0) | (value.erased ? kValueErased : 0) |
                      (other_kind ? kValueOtherKind : 0) | (other_type ? kValueOtherType : 0));
      if (other_kind) PutU8(&out, static_cast<uint8_t>(value.kind));
      if (other_type) PutVarint(&out, value.type);
      if (value.has_bytes) PutBytes(&out, value.bytes);
    }
    PutVarint(&out, field.edges.size());
    for (const auto& [replaced, by] : field.edges) {
      table.PutRef(&out, replaced);
      table.PutRef(&out, by);
    }
  }
  return out;
}

absl::StatusOr<RecordState> DecodeState(std::string_view bytes) {
  Reader in(bytes);
  RecordState state;
  if (in.U8() != kStateVersion) in.Fail();
  state.type = static_cast<uint32_t>(in.Varint());

  struct Known {
    MutationId id{};
    bool known = false;
    FieldValue origin;  // time, dot and seals only
    std::vector<std::pair<uint64_t, uint64_t>> seen;
  };
  std::vector<Known> table;
  auto count = [&in] {
    uint64_t n = in.Varint();
    if (n > in.left()) in.Fail();  // each element takes at least a byte
    return in.ok() ? n : 0;
  };
  auto ref = [&in, &table]() -> ValueId {
    uint64_t mutation = in.Varint();
    uint64_t op = in.Varint();
    if (mutation >= table.size() || op > UINT16_MAX) in.Fail();
    if (!in.ok()) return {};
    return {table[mutation].id, static_cast<uint16_t>(op)};
  };

  for (uint64_t n = count(); n > 0 && in.ok(); --n) {
    Known entry;
    std::string_view id = in.Fixed(entry.id.size());
    std::copy(id.begin(), id.end(), entry.id.begin());
    if (!table.empty() && entry.id <= table.back().id) in.Fail();  // an id stands once, or its values had two origins
    entry.known = in.U8() != 0;
    if (entry.known) {
      entry.origin.time = Hlc(in.U64());
      entry.origin.dot.log = LogId(static_cast<uint32_t>(in.Varint()));
      entry.origin.dot.seq = Seq(in.Varint());
      for (uint64_t seen = count(); seen > 0 && in.ok(); --seen) {
        uint64_t mutation = in.Varint();
        entry.seen.emplace_back(mutation, in.Varint());
      }
    }
    table.push_back(std::move(entry));
  }
  for (Known& entry : table) {
    for (const auto& [mutation, op] : entry.seen) {
      if (mutation >= table.size() || op > UINT16_MAX) {
        in.Fail();
        break;
      }
      entry.origin.seen_seals.push_back({table[mutation].id, static_cast<uint16_t>(op)});
    }
  }
  for (uint64_t n = count(); n > 0 && in.ok(); --n) {
    std::set<ValueId>& listed = state.seals[ref()];
    for (uint64_t m = count(); m > 0 && in.ok(); --m) listed.insert(ref());
  }
  for (uint64_t n = count(); n > 0 && in.ok(); --n) {
    FieldState& field = state.fields[static_cast<uint32_t>(in.Varint())];
    field.kind = static_cast<MergeKind>(in.U8());
    for (uint64_t m = count(); m > 0 && in.ok(); --m) {
      uint64_t mutation = in.Varint();
      uint64_t op = in.Varint();
      if (mutation >= table.size() || !table[mutation].known || op > UINT16_MAX) {
        in.Fail();
        break;
      }
      FieldValue value = table[mutation].origin;
      uint8_t flags = in.U8();
      if ((flags & ~kValueFlags) != 0) in.Fail();
      value.adds = (flags & kValueAdds) != 0;
      value.has_bytes = (flags & kValueHasBytes) != 0;
      value.erased = (flags & kValueErased) != 0;
      value.kind = (flags & kValueOtherKind) != 0 ? static_cast<MergeKind>(in.U8()) : field.kind;
      value.type = (flags & kValueOtherType) != 0 ? static_cast<uint32_t>(in.Varint()) : state.type;
      if ((flags & kValueOtherKind) != 0 && value.kind == field.kind) in.Fail();
      if ((flags & kValueOtherType) != 0 && value.type == state.type) in.Fail();
      if (value.has_bytes) value.bytes = std::string(in.Bytes());
      field.values.emplace_hint(field.values.end(), ValueId{table[mutation].id, static_cast<uint16_t>(op)}, std::move(value));
    }
    for (uint64_t m = count(); m > 0 && in.ok(); --m) {
      ValueId replaced = ref();
      field.edges.emplace_hint(field.edges.end(), replaced, ref());
    }
  }
  if (!in.Done()) return absl::DataLossError("a record's state is damaged");
  return state;
}

absl::Status CheckFoldable(const Mutation& mutation) {
  // Keys of the store end a name with a zero byte, and no type is numbered 0.
  if (mutation.record.empty() || mutation.record.find('\0') != std::string::npos || mutation.type == 0) {
    return absl::InvalidArgumentError("a mutation names no record or no type");
  }
  if (mutation.record.size() > kRecordNameBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("a record's name has {} bytes, more than {}", mutation.record.size(), kRecordNameBytesMax));
  }
  for (const Op& op : mutation.ops) {
    switch (op.kind) {
      case MergeKind::kRegister:
      case MergeKind::kSet:
      case MergeKind::kRestrictMax:
      case MergeKind::kRestrictIntersect:
      case MergeKind::kState:
        break;
      case MergeKind::kErase:
        return absl::InvalidArgumentError("an erasure among other changes");
      default:
        return absl::UnimplementedError(
            fmt::format("field {} has merge kind {}, unknown to fold version {}", op.field, static_cast<int>(op.kind), kFoldVersion));
    }
    if (const auto kind = KindInEveryType(op.field); kind && op.kind != *kind) {
      return absl::InvalidArgumentError(fmt::format("field {} of every record has merge kind {}, the op has {}", op.field,
                                                    static_cast<int>(*kind), static_cast<int>(op.kind)));
    }
    if (op.seals && op.kind != MergeKind::kState) {
      return absl::InvalidArgumentError(fmt::format("field {} seals, and is no state", op.field));
    }
    if (op.has_value) {
      absl::Status status = CheckValue(op);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

namespace {

void FoldOps(const Mutation& mutation, bool is_shape, const MutationId& id, Hlc time, Dot dot, RecordState* state,
             const ValueFetcher& fetch, const std::vector<uint16_t>& ignored) {
  if (mutation.ops.empty()) return;
  state->type = state->type == 0 ? mutation.type : std::min(state->type, mutation.type);
  bool settle = !state->seals.empty();
  for (size_t i = 0; i < mutation.ops.size(); ++i) {
    const Op& op = mutation.ops[i];
    if (std::find(ignored.begin(), ignored.end(), i) != ignored.end()) continue;
    ValueId value_id{id, static_cast<uint16_t>(i)};
    FieldState& field = state->fields[op.field];
    field.kind = field.values.empty() ? op.kind : std::min(field.kind, op.kind);
    auto [it, inserted] = field.values.try_emplace(value_id);
    FieldValue& value = it->second;
    if (inserted) {
      value.type = mutation.type;
      value.kind = op.kind;
      value.time = time;
      value.dot = dot;
      value.adds = op.has_value;
      value.has_bytes = op.has_value;
      value.bytes = op.value;
      value.seen_seals = mutation.seen_seals;
    } else if (std::pair(time, dot) < std::pair(value.time, value.dot)) {
      value.time = time;  // one request accepted at two sites: the earlier entry stands for it
      value.dot = dot;
    }
    if (is_shape && IsErased(op)) {
      value.erased = true;
      value.has_bytes = false;
      value.bytes.clear();
    }
    for (const ValueId& replaced : op.replaces) field.edges.emplace(replaced, value_id);
    settle = settle || !field.edges.empty() || op.seals;
    if (op.seals) state->seals[value_id].insert(op.sealed.begin(), op.sealed.end());
  }
  if (settle) SettleBytes(fetch, state);
}

}  // namespace

void Fold(const Mutation& mutation, const MutationId& id, Hlc time, Dot dot, RecordState* state, const ValueFetcher& fetch,
          const std::vector<uint16_t>& ignored) {
  FoldOps(mutation, /*is_shape=*/false, id, time, dot, state, fetch, ignored);
}

void FoldErased(const Mutation& shape, const MutationId& id, Hlc time, Dot dot, RecordState* state, const ValueFetcher& fetch,
                const std::vector<uint16_t>& ignored) {
  FoldOps(shape, /*is_shape=*/true, id, time, dot, state, fetch, ignored);
}

RecordState Restrict(const RecordState& state, const std::function<bool(Dot)>& held, const ValueFetcher& fetch) {
  RecordState out;
  std::set<ValueId> kept;
  for (const auto& [number, field] : state.fields) {
    FieldState restricted;
    for (const auto& [id, value] : field.values) {
      if (!held(value.dot)) continue;
      restricted.kind = restricted.values.empty() ? value.kind : std::min(restricted.kind, value.kind);
      out.type = out.type == 0 ? value.type : std::min(out.type, value.type);
      restricted.values.emplace_hint(restricted.values.end(), id, value);
      kept.insert(id);
    }
    for (const auto& edge : field.edges) {
      if (restricted.values.contains(edge.second)) restricted.edges.emplace_hint(restricted.edges.end(), edge);
    }
    if (!restricted.values.empty()) out.fields.emplace_hint(out.fields.end(), number, std::move(restricted));
  }
  for (const auto& [seal, listed] : state.seals) {
    if (kept.contains(seal)) out.seals.emplace_hint(out.seals.end(), seal, listed);
  }
  // What has no edge left was not looked at when it died.
  for (auto& [number, field] : out.fields) {
    for (auto& [id, value] : field.values) {
      if (!value.adds || value.erased || value.has_bytes || !fetch) continue;
      if (std::optional<std::string> bytes = fetch(id, value.dot)) {
        value.has_bytes = true;
        value.bytes = *std::move(bytes);
      }
    }
  }
  SettleBytes(fetch, &out);
  return out;
}

std::map<uint32_t, FieldView> ViewOf(const RecordState& state) {
  Standing standing(state);
  std::map<uint32_t, FieldView> views;
  for (const auto& [number, field] : state.fields) {
    std::set<ValueId> dead = standing.Dead(field);
    FieldView view;
    view.kind = field.kind;
    for (const auto& [id, value] : field.values) {
      if (dead.contains(id) || value.kind != field.kind || value.type != state.type) continue;
      if (!value.adds && standing.Pending(id, value)) view.pending_removals.emplace_back(id, &value);
      if (!value.has_bytes) continue;
      (standing.Pending(id, value) ? view.pending : view.live).emplace_back(id, &value);
    }
    if (view.live.empty() && view.pending.empty() && view.pending_removals.empty()) continue;
    auto shown_before = [&view](const auto& a, const auto& b) {
      if (view.kind == MergeKind::kState) {
        uint64_t rank_a = RankOf(a.second->bytes);
        uint64_t rank_b = RankOf(b.second->bytes);
        if (rank_a != rank_b) return rank_a > rank_b;
      }
      if (a.second->time != b.second->time) return a.second->time > b.second->time;
      return std::pair(a.second->dot, a.first) < std::pair(b.second->dot, b.first);
    };
    std::sort(view.live.begin(), view.live.end(), shown_before);
    std::sort(view.pending.begin(), view.pending.end(), shown_before);
    std::sort(view.pending_removals.begin(), view.pending_removals.end(), shown_before);
    views.emplace(number, std::move(view));
  }
  return views;
}

std::vector<ValueId> SealableValues(const RecordState& state) {
  Standing standing(state);
  std::vector<ValueId> out;
  for (const auto& [number, field] : state.fields) {
    std::set<ValueId> dead = standing.Dead(field);
    for (const auto& [id, value] : field.values) {
      if (BoundBySeals(value.kind) && !dead.contains(id) && !standing.Pending(id, value)) out.push_back(id);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string EtagOf(const RecordState& state) { return EtagOfBytes(EncodeState(state)); }

std::string EtagOfBytes(std::string_view encoded) { return HexEncode(AsView(Sha256(encoded)).substr(0, 8)); }

Span SpanOf(const RecordState& state) {
  Span span;
  bool any = false;
  for (const auto& [number, field] : state.fields) {
    for (const auto& [id, value] : field.values) {
      if (!any || std::pair(value.time, value.dot) < std::pair(span.first_time, span.first)) {
        span.first_time = value.time;
        span.first = value.dot;
      }
      if (!any || value.time > span.last_time) span.last_time = value.time;
      any = true;
    }
  }
  return span;
}

}  // namespace fairlead::node
