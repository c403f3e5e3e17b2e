#include "tests/simulation/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "server/node/committer.h"

namespace fairlead::simulation {

void ReferenceRecord::Add(const Mutation& mutation, const MutationId& id, Hlc time, Dot dot, bool erased) {
  for (size_t i = 0; i < mutation.ops.size(); ++i) {
    const Op& op = mutation.ops[i];
    if (op.kind == MergeKind::kErase) continue;
    const ValueId value_id{id, static_cast<uint16_t>(i)};
    Field& field = fields_[op.field];
    field.kind = op.kind;
    auto [it, inserted] = field.values.try_emplace(value_id);
    Value& value = it->second;
    if (inserted) {
      value.adds = op.has_value;
      value.bytes = op.value;
      value.replaces.insert(op.replaces.begin(), op.replaces.end());
      value.seen_seals.insert(mutation.seen_seals.begin(), mutation.seen_seals.end());
    }
    if (inserted || std::pair(time, dot) < std::pair(value.time, value.dot)) {
      value.time = time;
      value.dot = dot;
    }
    // Content goes; what guards the record stays, its withdrawal included.
    const bool content = (op.kind == MergeKind::kRegister || op.kind == MergeKind::kSet) && op.field != node::kWithdrawnField;
    value.erased = value.erased || (erased && op.has_value && content);
    if (op.seals) seals_[value_id].insert(op.sealed.begin(), op.sealed.end());
  }
}

// "A seal covers what it lists, what that had replaced, and its own mutation."
bool ReferenceRecord::Covers(const ValueId& seal, const ValueId& id) const {
  if (seal.mutation == id.mutation) return true;
  std::set<ValueId> covered = seals_.at(seal);
  for (bool grown = true; grown && !covered.contains(id);) {
    grown = false;
    for (const auto& [number, field] : fields_) {
      for (const auto& [by, value] : field.values) {
        if (!covered.contains(by)) continue;
        for (const ValueId& replaced : value.replaces) grown |= covered.insert(replaced).second;
      }
    }
  }
  return covered.contains(id);
}

// "An edit that is not among them, and whose author had not seen the seal, is pending."
bool ReferenceRecord::IsPending(const Field& field, const ValueId& id) const {
  if (field.kind != MergeKind::kRegister && field.kind != MergeKind::kSet) return false;
  const Value& value = field.values.at(id);
  return std::any_of(seals_.begin(), seals_.end(),
                     [&](const auto& seal) { return !value.seen_seals.contains(seal.first) && !Covers(seal.first, id); });
}

// "A field holds all values ever added, less those replaced"; a pending value replaces nothing.
bool ReferenceRecord::IsDead(const Field& field, const ValueId& id) const {
  return std::any_of(field.values.begin(), field.values.end(),
                     [&](const auto& other) { return other.second.replaces.contains(id) && !IsPending(field, other.first); });
}

std::map<uint32_t, ReferenceRecord::View> ReferenceRecord::Views() const {
  std::map<uint32_t, View> views;
  for (const auto& each : fields_) {
    const Field& field = each.second;
    View view;
    for (const auto& [id, value] : field.values) {
      if (!value.adds || value.erased || IsDead(field, id)) continue;
      (IsPending(field, id) ? view.pending : view.live).push_back(id);
    }
    if (view.live.empty() && view.pending.empty()) continue;
    auto before = [&field](const ValueId& a, const ValueId& b) {
      const Value& x = field.values.at(a);
      const Value& y = field.values.at(b);
      if (field.kind == MergeKind::kState) {
        const uint64_t rank_x = Reader(x.bytes).Varint();
        const uint64_t rank_y = Reader(y.bytes).Varint();
        if (rank_x != rank_y) return rank_x > rank_y;
      }
      if (x.time != y.time) return x.time > y.time;
      return std::pair(x.dot, a) < std::pair(y.dot, b);
    };
    std::sort(view.live.begin(), view.live.end(), before);
    std::sort(view.pending.begin(), view.pending.end(), before);
    views.emplace(each.first, std::move(view));
  }
  return views;
}

std::string Compare(const node::Node& node, const std::string& name, const ReferenceRecord* reference) {
  auto state = node.GetState(node.store(), name);
  if (!state.ok()) return std::string(state.status().message());
  if (!state->has_value()) return reference == nullptr ? "" : "is not there";
  if (reference == nullptr) return "is there";
  std::map<uint32_t, ReferenceRecord::View> held;
  for (const auto& [number, view] : node::ViewOf(**state)) {
    ReferenceRecord::View& ids = held[number];
    for (const auto& [values, out] : {std::pair(&view.live, &ids.live), std::pair(&view.pending, &ids.pending)}) {
      for (const auto& [id, value] : *values) {
        out->push_back(id);
        auto field = reference->fields().find(number);
        auto added = field == reference->fields().end() ? decltype(field->second.values.end())() : field->second.values.find(id);
        if (field == reference->fields().end() || added == field->second.values.end()) {
          return fmt::format("field {} holds a value that no entry added", number);
        }
        if (added->second.bytes != value->bytes) return fmt::format("field {} holds a value with other bytes than were written", number);
      }
    }
  }
  const auto expected = reference->Views();
  if (held == expected) return "";
  for (const auto& [number, view] : expected) {
    auto found = held.find(number);
    const size_t live = found == held.end() ? 0 : found->second.live.size();
    const size_t pending = found == held.end() ? 0 : found->second.pending.size();
    if (found != held.end() && found->second == view) continue;
    return fmt::format("field {} holds {} live and {} pending values; by its entries it holds {} and {}{}", number, live, pending,
                       view.live.size(), view.pending.size(),
                       live == view.live.size() && pending == view.pending.size() ? ", others or in another order" : "");
  }
  return "has a field without values";
}

}  // namespace fairlead::simulation
