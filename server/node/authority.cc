#include "server/node/authority.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/erasure.h"
#include "fairlead/v1/common.pb.h"
#include "fairlead/v1/options.pb.h"
#include "server/node/fold.h"

namespace fairlead::node {
namespace {

using google::protobuf::FieldDescriptor;

constexpr std::string_view kOfficer = "officer/";

const FieldDescriptor* FieldOf(const records::RecordType& type, uint32_t number) {
  return type.prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number));
}

bool MovesState(const FieldDescriptor* field, const Op& op) {
  return op.kind == MergeKind::kState && op.has_value && field != nullptr && field->enum_type() != nullptr;
}

// The state that the op writes; null when it is not known. REQUIRES: MovesState.
const google::protobuf::EnumValueDescriptor* StateIn(const FieldDescriptor* field, const Op& op) {
  Reader value(op.value);
  value.Varint();  // rank
  return field->enum_type()->FindValueByNumber(static_cast<int>(value.Varint()));
}

// Who may move to the state that the op writes; UNSPECIFIED when the field's own rule is enough.
v1::Authority StateWriters(const FieldDescriptor* field, const Op& op) {
  if (!MovesState(field, op)) return v1::AUTHORITY_UNSPECIFIED;
  const auto* state = StateIn(field, op);
  return state == nullptr ? v1::AUTHORITY_UNSPECIFIED : state->options().GetExtension(v1::state_writers);
}

// A record without a marking is OFFICIAL: PUBLIC loosens that, whatever it replaces.
bool MarksPublic(const Op& op) {
  if (op.field != kMarkingField || op.kind != MergeKind::kRestrictMax || !op.has_value || IsErased(op)) return false;
  Reader value(op.value);
  return value.Varint() <= v1::MARKING_PUBLIC;
}

v1::Authority WritersOf(const records::RecordType* type, const Op& op) {
  if (type == nullptr) return v1::AUTHORITY_ANY_SITE;
  const FieldDescriptor* field = FieldOf(*type, op.field);
  if (const v1::Authority of_state = StateWriters(field, op); of_state != v1::AUTHORITY_UNSPECIFIED) return of_state;
  const v1::Authority own = field == nullptr ? v1::AUTHORITY_UNSPECIFIED : field->options().GetExtension(v1::writers);
  if (own != v1::AUTHORITY_UNSPECIFIED) return own;
  const v1::Authority general = type->prototype->GetDescriptor()->options().GetExtension(v1::record_writers);
  return general == v1::AUTHORITY_UNSPECIFIED ? v1::AUTHORITY_ANY_SITE : general;
}

}  // namespace

absl::Status Authority::CheckShape(const Mutation& mutation) const {
  const records::RecordType* named = registry_.FindByName(mutation.record);
  const records::RecordType* type = registry_.FindByNumber(mutation.type);
  if (named != type) {
    return absl::InvalidArgumentError(fmt::format("{} is not a name of type {}", mutation.record, mutation.type));
  }
  if (type == nullptr) return absl::OkStatus();
  for (const Op& op : mutation.ops) {
    const FieldDescriptor* field = FieldOf(*type, op.field);
    const bool known_kind = op.kind >= MergeKind::kRegister && op.kind <= MergeKind::kState;
    if (field == nullptr || !known_kind) continue;
    const int kind = field->options().GetExtension(v1::merge);
    if (kind != static_cast<int>(op.kind)) {
      return absl::InvalidArgumentError(
          fmt::format("field {} of {} has merge kind {}, the op has {}", op.field, mutation.record, kind, static_cast<int>(op.kind)));
    }
  }
  return absl::OkStatus();
}

bool Authority::Knows(const Mutation& mutation) const {
  const records::RecordType* type = registry_.FindByNumber(mutation.type);
  if (type == nullptr) return false;
  return std::all_of(mutation.ops.begin(), mutation.ops.end(), [type](const Op& op) {
    const FieldDescriptor* field = FieldOf(*type, op.field);
    return field != nullptr && (!MovesState(field, op) || StateIn(field, op) != nullptr);
  });
}

bool Authority::NamesMaker(const std::string& record) const {
  const records::RecordType* type = registry_.FindByName(record);
  return type != nullptr && !type->check_id;
}

std::optional<std::string> Authority::MakerIn(std::string_view network, const Payload& payload, const std::string& record) {
  const std::string id = record.substr(record.rfind('/') + 1);
  if (id != CreatedRecordId(network, payload.actor, payload.method, payload.request_id)) return std::nullopt;
  const std::string_view actor = payload.actor;
  if (!actor.starts_with(kOfficer)) return "";
  const std::string_view rest = actor.substr(kOfficer.size());
  return std::string(rest.substr(0, rest.find('/')));
}

bool Authority::IsHeadquarters(SiteId site) const {
  const RosterSite* headquarters = roster_.FindSite(roster_.headquarters());
  return headquarters != nullptr && headquarters->id == site;
}

bool Authority::IsHome(SiteId site, const std::vector<Maker>& makers) const {
  if (makers.empty()) return false;
  if (const RosterSite* office = roster_.FindSite(makers.front().office)) return office->id == site;
  const auto at = [&makers](const auto& matches) { return std::any_of(makers.begin(), makers.end(), matches); };
  if (at([this](const Maker& maker) { return IsHeadquarters(maker.site); })) return false;
  return at([site](const Maker& maker) { return maker.site == site; });
}

Authority::Unauthorised Authority::Judge(const Mutation& mutation, const MutationId& id, bool makes, SiteId site,
                                         const MakersOf& makers) const {
  Unauthorised out;
  if (!Limits() || IsHeadquarters(site)) return out;
  const records::RecordType* type = registry_.FindByNumber(mutation.type);
  // Each is asked for once, however many ops there are.
  std::optional<bool> made;
  const auto is_made = [&] {
    if (!made) made = !makers(mutation.record, /*all=*/false).empty();
    return *made;
  };
  struct AsHome {
    bool all = false;    // it is the home's
    bool first = false;  // what it makes, the home has not made: what follows nothing stands
    bool alone = false;  // nobody else has made it
  };
  std::optional<AsHome> as_home;
  const auto judge_home = [&]() -> AsHome {
    const std::vector<Maker> known = makers(mutation.record, makes);
    if (!makes) return {.all = IsHome(site, known)};
    // The same request may be made elsewhere while the home cannot be reached. It does not stand against another that the home has taken.
    const auto of_home = [this](const Maker& maker) {
      const RosterSite* office = roster_.FindSite(maker.office);
      return IsHeadquarters(maker.site) || (office != nullptr && office->id == maker.site);
    };
    const auto is_this = [&id](const Maker& maker) { return maker.mutation == id; };
    return {.all = std::any_of(known.begin(), known.end(), [&](const Maker& maker) { return is_this(maker) && of_home(maker); }),
            .first = std::none_of(known.begin(), known.end(), of_home),
            .alone = std::all_of(known.begin(), known.end(), is_this)};
  };
  for (size_t i = 0; i < mutation.ops.size(); ++i) {
    const Op& op = mutation.ops[i];
    const v1::Authority writers = WritersOf(type, op);
    // Of a record that nobody is known to have made, such as a receipt, there is no home to keep it for.
    const bool restricts = op.kind == MergeKind::kRestrictMax || op.kind == MergeKind::kRestrictIntersect;
    const bool of_all = type != nullptr && writers == v1::AUTHORITY_ANY_SITE && restricts;
    const bool publishes = of_all && MarksPublic(op) && is_made();
    const bool may_loosen = of_all && (publishes || !op.replaces.empty());
    if (writers == v1::AUTHORITY_ANY_SITE && !may_loosen) continue;
    if (writers != v1::AUTHORITY_HEADQUARTERS) {
      if (!as_home) as_home = judge_home();
      // One that makes has read nothing.
      const bool begins = as_home->first && op.replaces.empty() && (!publishes || as_home->alone);
      if (as_home->all || begins) continue;
    }
    (may_loosen && op.has_value && !publishes ? out.replacing : out.ops).push_back(static_cast<uint16_t>(i));
  }
  return out;
}

std::string Authority::FieldName(uint32_t type, uint32_t number) const {
  const records::RecordType* found = registry_.FindByNumber(type);
  const FieldDescriptor* field = found == nullptr ? nullptr : FieldOf(*found, number);
  return field == nullptr ? fmt::format("{}", number) : field->name();
}

}  // namespace fairlead::node
