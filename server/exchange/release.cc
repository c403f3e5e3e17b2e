#include "server/exchange/release.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/exchange/projection.h"
#include "server/node/conflicts.h"
#include "server/node/materialise.h"

namespace fairlead::exchange {
namespace {

using node::FieldState;
using node::FieldView;
using node::RecordState;
using v1::Release;

constexpr uint32_t kState = Release::kStateFieldNumber;
// What an approval approves.
constexpr uint32_t kContent[] = {Release::kRecordFieldNumber,   Release::kNationsFieldNumber,      Release::kGroupsFieldNumber,
                                 Release::kFieldsFieldNumber,   Release::kPurposeFieldNumber,      Release::kRetentionDateFieldNumber,
                                 Release::kReplacesFieldNumber, Release::kRecordMarkingFieldNumber};

// Whether the approvals that are shown have seen all other moves and sealed all of the content. REQUIRES: the release shows APPROVED.
bool StandsAsApproved(const RecordState& state) {
  const std::map<uint32_t, FieldView> views = node::ViewOf(state);
  const FieldView& shown = views.at(kState);
  const FieldState& moves = state.fields.at(kState);
  const auto approves = [&shown](const ValueId& id) {
    return std::any_of(shown.live.begin(), shown.live.end(),
                       [&](const auto& value) { return value.first == id && value.second->bytes == shown.live.front().second->bytes; });
  };
  for (const auto& [approval, value] : shown.live) {
    if (!approves(approval)) return false;
    for (const auto& [move, other] : moves.values) {
      if (!approves(move) && !moves.edges.contains({move, approval})) return false;
    }
    const auto sealed = state.seals.find(approval);
    if (sealed == state.seals.end()) return false;
    for (const uint32_t field : kContent) {
      const auto content = views.find(field);
      if (content == views.end()) continue;
      if (content->second.live.size() > 1) return false;
      for (const auto& [id, written] : content->second.live) {
        if (!sealed->second.contains(id)) return false;
      }
    }
  }
  return true;
}

Grant GrantFrom(const std::string& name, const Release& release) {
  Grant grant;
  grant.release = name;
  grant.record = release.record();
  grant.nations.insert(release.nations().begin(), release.nations().end());
  grant.groups.insert(release.groups().begin(), release.groups().end());
  grant.replaces.insert(release.replaces().begin(), release.replaces().end());
  for (const v1::ReleasedField& field : release.fields()) {
    grant.values[field.field()].insert(field.value_ids().begin(), field.value_ids().end());
  }
  grant.marking = release.record_marking();
  if (release.has_retention_date()) {
    const google::type::Date& date = release.retention_date();
    grant.last_day = fmt::format("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
  }
  grant.purpose = release.purpose();
  grant.approve_time = release.approve_time();
  return grant;
}

// What both allow.
void Narrow(const FieldValues& other, FieldValues* values) {
  std::erase_if(*values, [&other](const auto& field) { return !other.contains(field.first); });
  for (auto& [field, ids] : *values) {
    std::erase_if(ids, [&allowed = other.at(field)](const std::string& id) { return !allowed.contains(id); });
  }
}

}  // namespace

std::optional<Grant> GrantOf(const records::RecordType& type, const std::string& name, const RecordState& state) {
  const auto message = node::Materialise(type, name, state);
  const auto& release = static_cast<const Release&>(*message);
  const auto approvals = state.fields.find(Release::kApproveTimeFieldNumber);
  const bool approved = approvals != state.fields.end() && !approvals->second.values.empty();
  if (!approved && release.state() != v1::RELEASE_STATE_RECALLED) return std::nullopt;
  Grant grant = GrantFrom(name, release);
  grant.approved = approved;
  grant.in_force = approved && !release.withdrawn() && release.state() == v1::RELEASE_STATE_APPROVED && StandsAsApproved(state);
  return grant;
}

Grant GrantIfApproved(const Release& release) {
  Grant grant = GrantFrom(release.name(), release);
  grant.approved = grant.in_force = true;
  return grant;
}

Grant GrantOfPublic(const records::RecordType& type, const std::string& name, const RecordState& state, const std::string& nation) {
  Grant grant;
  grant.record = name;
  grant.nations = {nation};
  grant.approved = grant.in_force = true;
  const std::vector<std::string>& releasable = ReleasableFields(type);
  for (const auto& [number, view] : node::ViewOf(state)) {
    const auto* field = type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number));
    if (field == nullptr || std::find(releasable.begin(), releasable.end(), field->name()) == releasable.end()) continue;
    for (const auto& [id, value] : view.live) grant.values[field->name()].insert(node::ValueIdText(id));
  }
  grant.marking = v1::MARKING_PUBLIC;
  return grant;
}

bool Reaches(const Grant& grant, const std::string& nation, const Groups& groups) {
  if (grant.nations.contains(nation)) return true;
  return std::any_of(grant.groups.begin(), grant.groups.end(), [&](const std::string& name) {
    const auto group = groups.find(name);
    return group != groups.end() && group->second.contains(nation);
  });
}

std::set<std::string> ReachOf(const Grant& grant, const Groups& groups) {
  std::set<std::string> nations = grant.nations;
  for (const std::string& name : grant.groups) {
    if (const auto group = groups.find(name); group != groups.end()) nations.insert(group->second.begin(), group->second.end());
  }
  return nations;
}

std::optional<Sight> SightOf(const std::vector<Grant>& grants, const Subject& subject, const std::string& nation, const Groups& groups,
                             const std::string& today) {
  if (subject.withdrawn) return std::nullopt;
  std::set<std::string> replaced;
  for (const Grant& grant : grants) {
    if (grant.approved) replaced.insert(grant.replaces.begin(), grant.replaces.end());
  }
  Sight sight;
  for (const Grant& grant : grants) {
    if (replaced.contains(grant.release) || !Reaches(grant, nation, groups)) continue;
    const bool over = !grant.last_day.empty() && today > grant.last_day;
    if (!grant.in_force || over || subject.marking > grant.marking) return std::nullopt;
    if (sight.by.empty()) {
      sight.values = grant.values;
    } else {
      Narrow(grant.values, &sight.values);
    }
    sight.by.push_back(&grant);
  }
  std::erase_if(sight.values, [](const auto& field) { return field.second.empty(); });
  if (sight.values.empty()) return std::nullopt;
  return sight;
}

RecordState OnlyValues(const records::RecordType& type, const RecordState& state, const FieldValues& values) {
  RecordState only;
  only.type = state.type;
  const std::vector<std::string>& releasable = ReleasableFields(type);
  for (const auto& [number, view] : node::ViewOf(state)) {
    const auto* field = type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number));
    const auto allowed = field == nullptr ? values.end() : values.find(field->name());
    if (allowed == values.end() || std::find(releasable.begin(), releasable.end(), field->name()) == releasable.end()) continue;
    for (const auto& [id, value] : view.live) {
      if (!allowed->second.contains(node::ValueIdText(id))) continue;
      FieldState& kept = only.fields[number];
      kept.kind = view.kind;
      kept.values[id] = *value;
    }
  }
  return only;
}

}  // namespace fairlead::exchange
