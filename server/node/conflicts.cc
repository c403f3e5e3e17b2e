#include "server/node/conflicts.h"

#include <absl/status/status.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/bytes.h"
#include "api/crypto.h"
#include "fairlead/v1/options.pb.h"

namespace fairlead::node {
namespace {

// Whether people are asked to choose between values of this kind.
bool HasConflicts(MergeKind kind) { return kind == MergeKind::kRegister || kind == MergeKind::kSet || kind == MergeKind::kState; }

// Whether the removal, accepted, would take away something that is live.
bool WouldRemove(const FieldState& field, const FieldView& view, const ValueId& removal) {
  const std::vector<ValueId> targets = ReplacedBy(field, removal);
  return std::any_of(view.live.begin(), view.live.end(),
                     [&targets](const auto& live) { return std::binary_search(targets.begin(), targets.end(), live.first); });
}

bool InConflict(const FieldState& field, const FieldView& view) {
  if (!HasConflicts(view.kind)) return false;
  return !DistinctOthers(view).empty() || std::any_of(view.pending_removals.begin(), view.pending_removals.end(),
                                                      [&](const auto& removal) { return WouldRemove(field, view, removal.first); });
}

void PutId(std::string* out, const ValueId& id) {
  out->append(reinterpret_cast<const char*>(id.mutation.data()), id.mutation.size());
  PutU16(out, id.op);
}

}  // namespace

std::vector<const FieldValue*> DistinctOthers(const FieldView& view) {
  std::vector<const FieldValue*> others;
  std::set<std::string_view> seen;
  // Every live element of a set is shown; of the other kinds the first one is.
  size_t shown = view.kind == MergeKind::kSet ? view.live.size() : std::min<size_t>(1, view.live.size());
  if (shown == view.live.size() && view.pending.empty()) return others;
  for (size_t i = 0; i < shown; ++i) seen.insert(view.live[i].second->bytes);
  for (size_t i = shown; i < view.live.size(); ++i) {
    if (seen.insert(view.live[i].second->bytes).second) others.push_back(view.live[i].second);
  }
  for (const auto& [id, value] : view.pending) {
    if (seen.insert(value->bytes).second) others.push_back(value);
  }
  return others;
}

std::map<uint32_t, FieldView> ConflictsOf(const records::RecordType& type, const RecordState& state) {
  return ConflictsOf(type, state, ViewOf(state));
}

std::map<uint32_t, FieldView> ConflictsOf(const records::RecordType& type, const RecordState& state,
                                          const std::map<uint32_t, FieldView>& views) {
  std::map<uint32_t, FieldView> conflicts;
  for (const auto& [number, view] : views) {
    // Nearly all have none, which is quicker to see than what kind of field it is.
    if (!InConflict(state.fields.at(number), view)) continue;
    const auto* field = type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number));
    if (field == nullptr || static_cast<MergeKind>(field->options().GetExtension(v1::merge)) != view.kind) continue;
    conflicts.emplace(number, view);
  }
  return conflicts;
}

std::string FieldEtag(const FieldView& view) {
  std::string content;
  for (const auto* ids : {&view.live, &view.pending, &view.pending_removals}) {
    PutVarint(&content, ids->size());
    for (const auto& [id, value] : *ids) PutId(&content, id);
  }
  return HexEncode(AsView(Sha256(content)).substr(0, 8));
}

std::string FieldEtagOf(const RecordState& state, uint32_t field) {
  const std::map<uint32_t, FieldView> views = ViewOf(state);
  const auto view = views.find(field);
  return FieldEtag(view == views.end() ? FieldView() : view->second);
}

std::vector<ValueId> ReplacedBy(const FieldState& field, const ValueId& by) {
  std::vector<ValueId> ids;
  for (const auto& [replaced, replacer] : field.edges) {
    if (replacer == by) ids.push_back(replaced);
  }
  return ids;
}

absl::StatusOr<Mutation> KeepValues(const records::RecordType& type, const std::string& name, const RecordState& read,
                                    const google::protobuf::FieldDescriptor& field, const std::vector<ValueId>& keep) {
  const auto number = static_cast<uint32_t>(field.number());
  const FieldState& state = read.fields.at(number);
  const std::map<uint32_t, FieldView> views = ViewOf(read);
  const FieldView& view = views.at(number);
  const bool is_set = view.kind == MergeKind::kSet;

  std::set<ValueId> wanted(keep.begin(), keep.end());
  std::set<ValueId> choices;
  if (!is_set) {
    for (const auto& [id, value] : view.live) choices.insert(id);
  }
  for (const auto& [id, value] : view.pending) choices.insert(id);
  for (const auto& [id, value] : view.pending_removals) choices.insert(id);
  for (const ValueId& id : wanted) {
    if (!choices.contains(id))
      return absl::InvalidArgumentError(fmt::format("{} is not one of the values to choose from", ValueIdText(id)));
  }

  Mutation mutation;
  mutation.type = type.number;
  mutation.record = name;
  for (const auto& [seal, listed] : read.seals) mutation.seen_seals.push_back(seal);
  const auto add = [&](const FieldValue* value, std::vector<ValueId> replaces) {
    std::sort(replaces.begin(), replaces.end());
    Op& op = mutation.ops.emplace_back();
    op.field = number;
    op.kind = view.kind;
    op.has_value = value != nullptr;
    if (value != nullptr) op.value = value->bytes;
    op.replaces = std::move(replaces);
  };
  if (!is_set) {
    if (wanted.size() > 1 || (wanted.empty() && !view.live.empty())) return absl::InvalidArgumentError("must be exactly one value");
    std::vector<ValueId> all;
    const FieldValue* kept = nullptr;
    for (const auto* ids : {&view.live, &view.pending, &view.pending_removals}) {
      for (const auto& [id, value] : *ids) {
        all.push_back(id);
        if (wanted.contains(id)) kept = value;
      }
    }
    add(kept, std::move(all));
    return mutation;
  }
  for (const auto& [id, value] : view.pending) add(wanted.contains(id) ? value : nullptr, {id});
  for (const auto& [id, value] : view.pending_removals) {
    std::vector<ValueId> replaces = {id};
    if (wanted.contains(id)) {
      const std::vector<ValueId> targets = ReplacedBy(state, id);
      replaces.insert(replaces.end(), targets.begin(), targets.end());
    }
    add(nullptr, std::move(replaces));
  }
  return mutation;
}

std::string ValueIdText(const ValueId& id) {
  const std::string_view mutation(reinterpret_cast<const char*>(id.mutation.data()), id.mutation.size());
  return fmt::format("{}-{}", HexEncode(mutation), id.op);
}

}  // namespace fairlead::node
