#include "server/view/overview.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "server/node/derived.h"
#include "server/records/figures.h"

namespace fairlead::view {
namespace {

namespace figures = records::figures;
using fairlead::v1::Overview;
using fairlead::v1::Region;

// The parts of a figure's key after its prefix.
std::vector<std::string> Parts(const std::string& key, std::string_view prefix) { return absl::StrSplit(key.substr(prefix.size()), '/'); }

int ToInt(const std::string& text) {
  int value = 0;
  return absl::SimpleAtoi(text, &value) ? value : 0;
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  out->set_seconds(absl::ToUnixSeconds(time));
  out->set_nanos(static_cast<int32_t>((time - absl::FromUnixSeconds(out->seconds())) / absl::Nanoseconds(1)));
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  absl::Duration rest;
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  out->set_nanos(static_cast<int32_t>(rest / absl::Nanoseconds(1)));
}

void AddSites(const node::Node& node, absl::Time now, absl::Duration staleness_bound, Overview* overview) {
  for (const RosterSite& site : node.roster().sites()) {
    fairlead::v1::SiteOverview* out = overview->add_sites();
    out->set_site(site.name);
    out->set_records(node.Aggregate(std::string(node::kRecordsFigure) + site.name));
    out->set_conflicts(node.Aggregate(std::string(node::kConflictsFigure) + site.name));
  }
  for (const node::LogInfo& log : node.Logs()) {
    auto of_log = [&](const auto& site) { return site.site() == log.log->site_name; };
    auto out = std::find_if(overview->mutable_sites()->begin(), overview->mutable_sites()->end(), of_log);
    out->set_entries(out->entries() + static_cast<int64_t>(log.size.value()));
    out->set_entries_behind(out->entries_behind() + static_cast<int64_t>(log.known_size.value() - log.size.value()));
    if (log.as_of) {
      SetTime(*log.as_of, out->mutable_as_of_time());
      absl::Duration lag = log.log->site == node.site() ? absl::ZeroDuration() : std::max(absl::ZeroDuration(), now - *log.as_of);
      SetDuration(lag, out->mutable_lag());
      if (lag <= staleness_bound) continue;
    }
    overview->add_unreachable(log.log->site_name);
  }
}

void AddCountries(const node::Node& node, Overview* overview) {
  std::map<std::string, fairlead::v1::CountryOverview> by_code;
  for (const auto& [key, n] : node.Aggregates(figures::kCountry)) {
    std::vector<std::string> parts = Parts(key, figures::kCountry);
    fairlead::v1::CountryOverview& country = by_code[parts[1]];
    country.set_country("countries/" + parts[1]);
    country.set_region(static_cast<Region>(ToInt(parts[0])));
  }
  auto add = [&by_code](const std::string& code, const auto& change) {
    if (auto it = by_code.find(code); it != by_code.end()) change(&it->second);
  };
  for (const auto& [key, n] : node.Aggregates(figures::kEngaged)) {
    add(Parts(key, figures::kEngaged)[0], [n = n](auto* country) { country->set_engagements(n); });
  }
  for (const auto& [key, n] : node.Aggregates(figures::kPort)) {  // one figure for each region a port of the country was given to
    add(Parts(key, figures::kPort)[0], [n = n](auto* country) { country->set_ports(country->ports() + n); });
  }
  for (auto& [code, country] : by_code) *overview->add_countries() = std::move(country);
}

void AddRegions(const node::Node& node, Overview* overview) {
  std::map<int, fairlead::v1::RegionCount> counts;
  std::map<std::string, int> region_of;  // by alpha-2
  for (const auto& [key, n] : node.Aggregates(figures::kCountry)) {
    std::vector<std::string> parts = Parts(key, figures::kCountry);
    int region = ToInt(parts[0]);
    region_of[parts[1]] = region;
    counts[region].set_countries(counts[region].countries() + n);
  }
  auto of_country = [&](const std::string& code) -> fairlead::v1::RegionCount& {
    auto it = region_of.find(code);
    return counts[it == region_of.end() ? 0 : it->second];
  };
  for (const auto& [key, n] : node.Aggregates(figures::kEngaged)) {
    auto& region = of_country(Parts(key, figures::kEngaged)[0]);
    region.set_countries_engaged(region.countries_engaged() + 1);
  }
  for (const auto& [key, n] : node.Aggregates(figures::kPort)) {
    std::vector<std::string> parts = Parts(key, figures::kPort);
    int override_region = ToInt(parts[1]);
    auto& region = override_region != 0 ? counts[override_region] : of_country(parts[0]);
    region.set_ports(region.ports() + n);
  }
  for (const auto& [key, n] : node.Aggregates(figures::kFacility)) {
    auto& region = of_country(Parts(key, figures::kFacility)[0]);
    region.set_port_facilities(region.port_facilities() + n);
  }
  for (const auto& [key, n] : node.Aggregates(figures::kOfficer)) {
    auto& region = counts[ToInt(Parts(key, figures::kOfficer)[0])];
    region.set_liaison_officers(region.liaison_officers() + n);
  }
  for (int region = fairlead::v1::REGION_APAC; region <= fairlead::v1::REGION_HQ; ++region) counts[region];
  for (auto& [region, count] : counts) {
    count.set_region(static_cast<Region>(region));
    // What is in no region yet (a port whose country is not here) is shown as such, and only when there is some.
    *overview->add_regions() = count;
  }
}

}  // namespace

Overview OverviewOf(const node::Node& node, absl::Duration staleness_bound) {
  Overview overview;
  absl::Time now = node.options().clock->Now();
  overview.set_answering_site(node.options().site);
  SetTime(now, overview.mutable_as_of_time());
  AddSites(node, now, staleness_bound, &overview);
  AddRegions(node, &overview);
  AddCountries(node, &overview);

  for (const auto& [key, n] : node.Aggregates(figures::kEngagement)) {
    std::vector<std::string> parts = Parts(key, figures::kEngagement);
    fairlead::v1::EngagementCount* out = overview.add_engagements();
    out->set_region(static_cast<Region>(ToInt(parts[0])));
    out->set_kind(static_cast<fairlead::v1::EngagementKind>(ToInt(parts[1])));
    out->set_state(static_cast<fairlead::v1::EngagementState>(ToInt(parts[2])));
    out->set_count(n);
  }
  std::sort(overview.mutable_engagements()->begin(), overview.mutable_engagements()->end(), [](const auto& a, const auto& b) {
    return std::tuple(a.region(), a.kind(), a.state()) < std::tuple(b.region(), b.kind(), b.state());
  });
  for (const auto& [key, n] : node.Aggregates(figures::kObservation)) overview.set_observations(overview.observations() + n);
  std::string today = absl::FormatTime("%Y-%m-%d", now, absl::UTCTimeZone());
  for (const auto& [key, n] : node.Aggregates(figures::kFollowUpDue)) {
    overview.set_follow_ups_open(overview.follow_ups_open() + n);
    if (key.substr(figures::kFollowUpDue.size()) < today) overview.set_follow_ups_overdue(overview.follow_ups_overdue() + n);
  }
  return overview;
}

}  // namespace fairlead::view
