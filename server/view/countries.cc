#include "server/view/countries.h"

#include <algorithm>
#include <map>
#include <memory>

#include "server/node/derived.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/types.h"
#include "server/view/assessments.h"
#include "server/view/planning.h"
#include "server/view/portfolios.h"
#include "storage/schema.h"

namespace fairlead::view {
namespace {

namespace figures = records::figures;
using ByName = std::map<std::string, v1::CountryOverview>;

// The part of a figure's key between `prefix` and the next slash, as a country's name.
std::string CountryOf(const std::string& key, std::string_view prefix) {
  return "countries/" + key.substr(prefix.size(), key.find('/', prefix.size()) - prefix.size());
}

void AddCounts(const node::Node& node, ByName* countries) {
  const auto find = [countries](const std::string& name) {
    const auto it = countries->find(name);
    return it == countries->end() ? nullptr : &it->second;
  };
  for (const auto& [key, n] : node.Aggregates(figures::kEngaged)) {
    if (v1::CountryOverview* country = find(CountryOf(key, figures::kEngaged))) country->set_engagements(n);
  }
  for (const auto& [key, n] : node.Aggregates(figures::kPort)) {  // one figure for each region a port of the country was given to
    if (v1::CountryOverview* country = find(CountryOf(key, figures::kPort))) country->set_ports(country->ports() + n);
  }
}

// The last engagement of each country that had ended by `day`: the greatest key of the country up to that day.
absl::Status AddStandings(const storage::View& view, absl::CivilDay day, ByName* countries) {
  const std::string all = node::IndexPrefix(records::kEngagementsHeld, "");
  const std::string lower = all.substr(0, all.size() - 1);
  const std::unique_ptr<storage::Iterator> it = view.Iterate(storage::Cf::kIndexes, lower, storage::PrefixEnd(lower));
  for (auto& [name, country] : *countries) {
    const bool measured = country.region() != v1::REGION_HQ;
    if (measured) country.set_standing(v1::STANDING_NEVER);
    const std::string prefix = node::IndexPrefix(records::kEngagementsHeld, name);
    // A sort key ends in a zero byte: 0x01 lies after every key with this one.
    it->Seek(prefix + records::DayText(day) + '\x01');
    it->Valid() ? it->Prev() : it->SeekToLast();
    if (!it->status().ok()) return it->status();
    if (!it->Valid() || !it->key().starts_with(prefix)) continue;
    const std::string_view rest = it->key().substr(prefix.size());
    absl::CivilDay last;
    if (!absl::ParseCivilTime(std::string(rest.substr(0, rest.find('\0'))), &last)) continue;
    country.set_last_engagement(std::string(rest.substr(rest.find('\0') + 1)));
    *country.mutable_last_engagement_date() = records::DateOf(last);
    *country.mutable_due_date() = records::DateOf(records::YearsAfter(last, kStandingYears));
    if (measured) country.set_standing(StandingOn(last, day));
  }
  return absl::OkStatus();
}

}  // namespace

v1::Standing StandingOn(absl::CivilDay last, absl::CivilDay today) {
  const absl::CivilDay due = records::YearsAfter(last, kStandingYears);
  if (due < today) return v1::STANDING_OVERDUE;
  return due - today <= kDueWithinDaysDefault ? v1::STANDING_DUE : v1::STANDING_ENGAGED;
}

absl::StatusOr<std::vector<v1::CountryOverview>> CountryOverviews(const node::Node& node, const storage::View& view, absl::CivilDay day) {
  ByName countries;
  for (const auto& [name, region] : RegionsOfCountries(node)) {
    v1::CountryOverview& country = countries[name];
    country.set_country(name);
    country.set_region(region);
  }
  AddCounts(node, &countries);
  if (absl::Status added = AddStandings(view, day, &countries); !added.ok()) return added;

  v1::ListCoverageRequest coverage;
  *coverage.mutable_as_of() = records::DateOf(day);
  const absl::StatusOr<v1::ListCoverageResponse> covered = ListCoverage(node, coverage);
  if (!covered.ok()) return covered.status();
  for (const v1::Coverage& row : covered->coverage()) {
    const auto& officers = countries[row.country()].officers();
    const bool there = std::find(officers.begin(), officers.end(), row.officer()) != officers.end();
    if (!row.officer().empty() && !there) countries[row.country()].add_officers(row.officer());
  }
  v1::ListVisitStagesRequest visits;
  *visits.mutable_as_of() = records::DateOf(day);
  const absl::StatusOr<v1::ListVisitStagesResponse> stages = ListVisitStages(node, visits);
  if (!stages.ok()) return stages.status();
  for (const v1::VisitStage& stage : stages->stages()) countries[stage.country()].set_phase(stage.phase());

  v1::ListAssessmentStandingsRequest cycle;
  *cycle.mutable_as_of() = records::DateOf(day);
  const absl::StatusOr<v1::ListAssessmentStandingsResponse> standings = ListStandings(node, cycle);
  if (!standings.ok()) return standings.status();
  for (const v1::AssessmentStanding& standing : standings->standings()) countries[standing.country()].set_assessment(standing.status());

  v1::ListConditionsInForceRequest imposed;
  *imposed.mutable_as_of() = records::DateOf(day);
  const absl::StatusOr<v1::ListConditionsInForceResponse> conditions = ListInForce(node, imposed);
  if (!conditions.ok()) return conditions.status();
  for (const v1::ConditionStanding& standing : conditions->standings()) {
    const auto country = countries.find(standing.condition().country());
    if (country == countries.end()) continue;
    // The gravest has the lowest number.
    const v1::ConditionStatus held = country->second.condition();
    if (held == v1::CONDITION_STATUS_UNSPECIFIED || standing.status() < held) country->second.set_condition(standing.status());
  }

  std::vector<v1::CountryOverview> all;
  for (auto& [name, country] : countries) {
    if (country.country() == name) all.push_back(std::move(country));  // what was committed meanwhile may speak of another
  }
  return all;
}

bool Passes(const v1::ListCountryOverviewsRequest& request, const v1::CountryOverview& country) {
  const auto& officers = country.officers();
  const bool covered = request.officer().empty() || std::find(officers.begin(), officers.end(), request.officer()) != officers.end();
  return covered && (request.region() == v1::REGION_UNSPECIFIED || country.region() == request.region()) &&
         (request.standing() == v1::STANDING_UNSPECIFIED || country.standing() == request.standing()) &&
         (!request.uncovered() || officers.empty()) && (!request.with_engagements() || country.engagements() > 0) &&
         (!request.measured() || country.region() != v1::REGION_HQ);
}

}  // namespace fairlead::view
