#include "server/view/portfolios.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/derived.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/types.h"
#include "server/view/planning.h"
#include "server/view/records.h"
#include "storage/schema.h"

namespace fairlead::view {
namespace {

using google::protobuf::DynamicCastToGenerated;
using google::protobuf::Message;
using google::type::Date;

// The day on which something begins; null when it has no date.
bool HasBegun(const Date& date, absl::CivilDay as_of) { return records::IsDate(date) && records::EarliestDay(date) <= as_of; }

// Calls `visit` with each record of `index`, of one country when it is not empty, in the order of the index; withdrawn ones are left out.
template <class M, class Fn>
absl::Status ForEachIn(const node::Node& node, const storage::View& view, uint16_t index, const std::string& country, Fn visit) {
  const std::string all = node::IndexPrefix(index, "");
  const std::string prefix = country.empty() ? all.substr(0, all.size() - 1) : node::IndexPrefix(index, country);
  const std::unique_ptr<storage::Iterator> it = view.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const absl::StatusOr<std::unique_ptr<Message>> record =
        FindRecord(node, view, std::string(it->key().substr(it->key().rfind('\0') + 1)));
    if (!record.ok()) return record.status();
    if (const auto* found = DynamicCastToGenerated<const M>(record->get())) visit(*found);
  }
  return it->status();
}

// The assignment begins after others of its country in a listing.
auto OrderOf(const v1::Coverage& c) { return std::tuple(c.country(), c.duty(), records::DateText(c.since()), c.officer(), c.assignment()); }

// Countries that only portfolios speak of: no dates, no capacity.
absl::Status AddUndated(const node::Node& node, const storage::View& view, const std::string& country,
                        std::map<std::string, std::vector<v1::Coverage>>* covered) {
  std::map<std::string, std::vector<v1::Coverage>> undated;
  const auto add = [&](const v1::LiaisonOfficer& officer) {
    for (const std::string& name : officer.portfolio()) {
      if (covered->contains(name) || (!country.empty() && name != country)) continue;
      std::vector<v1::Coverage>& rows = undated[name];
      const bool there = std::any_of(rows.begin(), rows.end(), [&](const v1::Coverage& row) { return row.officer() == officer.name(); });
      if (there) continue;  // an officer is in the index once for each country
      v1::Coverage& row = rows.emplace_back();
      row.set_country(name);
      row.set_officer(officer.name());
      row.set_duty(v1::ASSIGNMENT_DUTY_PRIMARY);
    }
  };
  if (absl::Status read = ForEachIn<v1::LiaisonOfficer>(node, view, records::kOfficersByCountry, country, add); !read.ok()) return read;
  covered->merge(undated);
  return absl::OkStatus();
}

}  // namespace

v1::VisitStage StageOf(const v1::VisitCycle& cycle, absl::CivilDay as_of) {
  v1::VisitStage stage;
  const auto enter = [&](bool present, v1::VisitPhase phase, const Date& date) {
    if (!present || !HasBegun(date, as_of)) return;
    stage.set_phase(phase);
    *stage.mutable_since() = date;
    stage.set_days(static_cast<int32_t>(as_of - records::EarliestDay(date)));
  };
  enter(cycle.has_preliminary_date(), v1::VISIT_PHASE_PRELIMINARY_EXCHANGE, cycle.preliminary_date());
  enter(cycle.has_in_country_date(), v1::VISIT_PHASE_IN_COUNTRY, cycle.in_country_date());
  enter(cycle.has_reciprocal_offered_date(), v1::VISIT_PHASE_RECIPROCAL_OFFERED, cycle.reciprocal_offered_date());
  enter(cycle.has_dialogue_date(), v1::VISIT_PHASE_DIALOGUE, cycle.dialogue_date());
  enter(cycle.has_ended_date(), v1::VISIT_PHASE_ENDED, cycle.ended_date());
  stage.set_country(cycle.country());
  stage.set_visit_cycle(cycle.name());
  stage.set_officer(cycle.officer());
  return stage;
}

absl::StatusOr<v1::ListVisitStagesResponse> ListVisitStages(const node::Node& node, const v1::ListVisitStagesRequest& request) {
  const absl::StatusOr<absl::CivilDay> as_of = AsOf(node, request.has_as_of() ? &request.as_of() : nullptr, "as_of");
  if (!as_of.ok()) return as_of.status();
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  std::map<std::string, v1::VisitStage> stages;  // by country, of the newest cycle that had begun: the index is in the order of beginnings
  const absl::Status read =
      ForEachIn<v1::VisitCycle>(node, *view, records::kVisitCyclesByCountry, request.country(), [&](const v1::VisitCycle& cycle) {
        v1::VisitStage stage = StageOf(cycle, *as_of);
        if (stage.phase() != v1::VISIT_PHASE_UNSPECIFIED) stages[cycle.country()] = std::move(stage);
      });
  if (!read.ok()) return read;

  v1::ListVisitStagesResponse response;
  *response.mutable_as_of() = records::DateOf(*as_of);
  for (const auto& [country, region] : RegionsOfCountries(node)) {
    const auto found = stages.find(country);
    v1::VisitStage stage = found == stages.end() ? v1::VisitStage() : std::move(found->second);
    const bool never = stage.phase() == v1::VISIT_PHASE_UNSPECIFIED;
    if (never && (!request.show_never() || request.phase() != 0 || region == v1::REGION_HQ)) continue;
    if (request.region() != 0 && region != request.region()) continue;
    if (request.phase() != 0 && stage.phase() != request.phase()) continue;
    if (!request.country().empty() && country != request.country()) continue;
    stage.set_country(country);
    stage.set_region(region);
    *response.add_stages() = std::move(stage);
  }
  const auto order = [](const v1::VisitStage& s) {
    return std::tuple(s.phase() == v1::VISIT_PHASE_UNSPECIFIED, s.phase(), records::DateText(s.since()), s.country());
  };
  std::sort(response.mutable_stages()->begin(), response.mutable_stages()->end(),
            [order](const v1::VisitStage& a, const v1::VisitStage& b) { return order(a) < order(b); });
  return response;
}

absl::StatusOr<v1::ListCoverageResponse> ListCoverage(const node::Node& node, const v1::ListCoverageRequest& request) {
  const absl::StatusOr<absl::CivilDay> as_of = AsOf(node, request.has_as_of() ? &request.as_of() : nullptr, "as_of");
  if (!as_of.ok()) return as_of.status();
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  std::map<std::string, std::vector<v1::Coverage>> covered;  // by country
  const absl::Status read =
      ForEachIn<v1::Assignment>(node, *view, records::kAssignmentsByCountry, request.country(), [&](const v1::Assignment& assignment) {
        if (!HasBegun(assignment.start_date(), *as_of)) return;
        if (assignment.has_end_date() && HasBegun(assignment.end_date(), *as_of)) return;
        v1::Coverage& row = covered[assignment.country()].emplace_back();
        row.set_country(assignment.country());
        row.set_officer(assignment.officer());
        row.set_duty(assignment.duty());
        row.set_assignment(assignment.name());
        *row.mutable_since() = assignment.start_date();
        if (assignment.has_end_date()) *row.mutable_until() = assignment.end_date();
      });
  if (!read.ok()) return read;
  if (absl::Status undated = AddUndated(node, *view, request.country(), &covered); !undated.ok()) return undated;

  v1::ListCoverageResponse response;
  *response.mutable_as_of() = records::DateOf(*as_of);
  for (const auto& [country, region] : RegionsOfCountries(node)) {
    if (request.region() != 0 && region != request.region()) continue;
    if (!request.country().empty() && country != request.country()) continue;
    std::vector<v1::Coverage>& rows = covered[country];
    if (request.uncovered() && !rows.empty()) continue;
    if (rows.empty()) {
      if (region == v1::REGION_HQ) continue;
      rows.emplace_back().set_country(country);
    }
    for (v1::Coverage& row : rows) {
      row.set_region(region);
      *response.add_coverage() = std::move(row);
    }
  }
  std::sort(response.mutable_coverage()->begin(), response.mutable_coverage()->end(),
            [](const v1::Coverage& a, const v1::Coverage& b) { return OrderOf(a) < OrderOf(b); });
  return response;
}

absl::StatusOr<v1::ListTeamDutiesResponse> ListTeamDuties(const node::Node& node, const v1::ListTeamDutiesRequest& request) {
  if (request.days() < 0 || request.days() > kTeamDaysMax) return FieldError(Reason::kFieldInvalid, "days", "must be in [0, 366]");
  const absl::StatusOr<absl::CivilDay> as_of = AsOf(node, request.has_as_of() ? &request.as_of() : nullptr, "as_of");
  if (!as_of.ok()) return as_of.status();
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  CalendarQuery query;
  query.days = {*as_of, *as_of + (request.days() == 0 ? kTeamDaysDefault : request.days())};
  const absl::StatusOr<std::vector<Occasion>> occasions = OccasionsOf(node, *view, query);
  if (!occasions.ok()) return occasions.status();

  v1::ListTeamDutiesResponse response;
  *response.mutable_as_of() = records::DateOf(*as_of);
  const absl::Status read = ForEachRecord(node, *view, "liaisonOfficers", [&](const Message& record) {
    const auto& member = static_cast<const v1::LiaisonOfficer&>(record);
    if (member.region() != v1::REGION_HQ) return;
    const auto add = [&]() -> v1::TeamDuty& {
      v1::TeamDuty& duty = *response.add_duties();
      duty.set_officer(member.name());
      duty.set_display_name(member.display_name());
      return duty;
    };
    bool idle = true;
    for (const Occasion& occasion : *occasions) {
      const v1::CalendarEntry& entry = occasion.entry;
      if (std::find(entry.officers().begin(), entry.officers().end(), member.name()) == entry.officers().end()) continue;
      v1::TeamDuty& duty = add();
      duty.set_record(entry.record());
      duty.set_title(entry.title());
      duty.set_kind(entry.kind());
      *duty.mutable_start_date() = entry.start_date();
      if (entry.has_end_date()) *duty.mutable_end_date() = entry.end_date();
      *duty.mutable_countries() = entry.countries();
      idle = false;
    }
    if (idle) add();
  });
  if (!read.ok()) return read;
  return response;
}

}  // namespace fairlead::view
