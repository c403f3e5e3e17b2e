#include "server/view/overview.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/assessment_service.pb.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "fairlead/v1/record_service.pb.h"
#include "fairlead/v1/training_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"
#include "server/node/derived.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/months.h"
#include "server/view/assessments.h"
#include "server/view/countries.h"
#include "server/view/drill_down.h"
#include "server/view/planning.h"
#include "server/view/portfolios.h"
#include "server/view/priorities.h"

namespace fairlead::view {
namespace {

namespace figures = records::figures;
using fairlead::v1::Overview;
using fairlead::v1::Region;

constexpr char kAnyEngagement[] = "engagements/-";
constexpr int kPrioritiesShown = 10;
constexpr size_t kUpcomingShown = 10;

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

// One answer in the making.
class Builder {
 public:
  Builder(const node::Node& node, const OverviewOptions& options, int months, Overview* out)
      : node_(node),
        options_(options),
        months_(months),
        now_(node.options().clock->Now()),
        today_(absl::ToCivilDay(now_, absl::UTCTimeZone())),
        date_(records::DateOf(today_)),
        out_(out) {}

  void AddFrame() {
    out_->set_answering_site(node_.options().site);
    SetTime(now_, out_->mutable_as_of_time());
    const SitesKnown known = SitesOf(node_, now_, options_.staleness_bound);
    out_->mutable_sites()->Assign(known.sites.begin(), known.sites.end());
    out_->mutable_unreachable()->Assign(known.unreachable.begin(), known.unreachable.end());
  }

  absl::Status AddCoverage() {
    AddRegions();
    const std::unique_ptr<storage::Snapshot> view = node_.store().NewSnapshot();
    absl::StatusOr<std::vector<v1::CountryOverview>> countries = CountryOverviews(node_, *view, today_);
    if (!countries.ok()) return countries.status();
    std::map<int, std::map<int, int64_t>> by_region;           // by standing
    std::map<std::string, std::map<int, int64_t>> by_officer;  // likewise; empty: nobody
    for (const v1::CountryOverview& country : *countries) {
      if (country.region() == v1::REGION_HQ) continue;
      ++by_region[country.region()][country.standing()];
      for (const std::string& officer : country.officers()) ++by_officer[officer][country.standing()];
      if (country.officers().empty()) ++by_officer[""][country.standing()];
    }
    for (const auto& [region, standings] : by_region) {
      v1::ListCountryOverviewsRequest request;
      request.set_measured(true);
      request.set_region(static_cast<Region>(region));
      AddCoverageRow(standings, request, out_->add_coverage_by_region())->set_region(static_cast<Region>(region));
    }
    auto nobody = by_officer.extract("");
    for (const auto& [officer, standings] : by_officer) {
      v1::ListCountryOverviewsRequest request;
      request.set_measured(true);
      request.set_officer(officer);
      AddCoverageRow(standings, request, out_->add_coverage_by_officer())->set_officer(officer);
    }
    if (!nobody.empty()) {
      v1::ListCountryOverviewsRequest request;
      request.set_measured(true);
      request.set_uncovered(true);
      AddCoverageRow(nobody.mapped(), request, out_->add_coverage_by_officer());
    }
    out_->mutable_countries()->Assign(std::make_move_iterator(countries->begin()), std::make_move_iterator(countries->end()));
    return absl::OkStatus();
  }

  absl::Status AddEngagements() {
    for (const auto& [key, n] : node_.Aggregates(figures::kEngagement)) {
      const std::vector<std::string> parts = Parts(key, figures::kEngagement);
      v1::EngagementCount* row = out_->add_engagements();
      row->set_region(static_cast<Region>(ToInt(parts[0])));
      row->set_kind(static_cast<v1::EngagementKind>(ToInt(parts[1])));
      row->set_state(static_cast<v1::EngagementState>(ToInt(parts[2])));
      row->set_count(n);
      if (row->region() == 0 || row->kind() == 0 || row->state() == 0) continue;
      v1::ListEngagementsRequest request;
      request.set_region(row->region());
      request.set_kind(row->kind());
      request.set_state(row->state());
      *row->mutable_records() = DrillDownTo(request);
    }
    std::sort(out_->mutable_engagements()->begin(), out_->mutable_engagements()->end(), [](const auto& a, const auto& b) {
      return std::tuple(a.region(), a.kind(), a.state()) < std::tuple(b.region(), b.kind(), b.state());
    });
    const absl::CivilMonth last = absl::CivilMonth(today_) + kMonthsAhead;
    for (absl::CivilMonth month = FirstMonth(); month <= last; ++month) AddMonth(records::MonthText(month));
    return absl::OkStatus();
  }

  absl::Status AddStages() {
    v1::ListVisitStagesRequest request;
    *request.mutable_as_of() = date_;
    const absl::StatusOr<v1::ListVisitStagesResponse> stages = ListVisitStages(node_, request);
    if (!stages.ok()) return stages.status();
    std::map<std::pair<int, int>, int64_t> counts;
    for (const v1::VisitStage& stage : stages->stages()) ++counts[{stage.region(), stage.phase()}];
    for (const auto& [key, n] : counts) {
      v1::StageCount* row = out_->add_stages();
      row->set_region(static_cast<Region>(key.first));
      row->set_phase(static_cast<v1::VisitPhase>(key.second));
      request.set_region(row->region());
      request.set_phase(row->phase());
      *row->mutable_countries() = FigureOf(n, request);
    }
    return absl::OkStatus();
  }

  absl::Status AddFindings() {
    v1::Findings* findings = out_->mutable_findings();
    v1::ListObservationsRequest observations;
    observations.set_parent(kAnyEngagement);
    for (const auto& [key, n] : node_.Aggregates(figures::kObservation)) {
      out_->set_observations(out_->observations() + n);
      v1::ObservationCount* row = findings->add_observations();
      row->set_severity(static_cast<v1::Severity>(ToInt(Parts(key, figures::kObservation)[0])));
      observations.set_severity(row->severity());
      if (row->severity() == 0) {
        row->mutable_observations()->set_count(n);
      } else {
        *row->mutable_observations() = FigureOf(n, observations);
      }
    }
    for (const bool of_observation : {false, true}) {
      int64_t open = 0;
      int64_t overdue = 0;
      const std::string_view prefix = of_observation ? figures::kRemedyDue : figures::kFollowUpDue;
      for (const auto& [key, n] : node_.Aggregates(prefix)) {
        open += n;
        if (key.substr(prefix.size()) < records::DayText(today_)) overdue += n;
      }
      v1::ListFollowUpsRequest outstanding;
      outstanding.set_parent(kAnyEngagement);
      of_observation ? outstanding.set_of_observation(true) : outstanding.set_outstanding(true);
      v1::ListOverdueFollowUpsRequest late;
      *late.mutable_as_of() = date_;
      late.set_of_observation(of_observation);
      *(of_observation ? findings->mutable_observations_open() : findings->mutable_follow_ups_open()) = FigureOf(open, outstanding);
      *(of_observation ? findings->mutable_observations_overdue() : findings->mutable_follow_ups_overdue()) = FigureOf(overdue, late);
    }
    out_->set_follow_ups_open(findings->follow_ups_open().count());
    out_->set_follow_ups_overdue(findings->follow_ups_overdue().count());
    return absl::OkStatus();
  }

  absl::Status AddAssessments() {
    v1::ListAssessmentStandingsRequest request;
    *request.mutable_as_of() = date_;
    const absl::StatusOr<v1::ListAssessmentStandingsResponse> standings = ListStandings(node_, request);
    if (!standings.ok()) return standings.status();
    const std::map<std::string, Region> regions = RegionsOfCountries(node_);
    std::map<std::pair<int, int>, int64_t> counts;
    int64_t alternative = 0;
    for (const v1::AssessmentStanding& standing : standings->standings()) {
      const auto region = regions.find(standing.country());
      if (region != regions.end()) ++counts[{region->second, standing.status()}];
      alternative += standing.basis() == v1::ASSESSMENT_BASIS_ALTERNATIVE;
    }
    for (const auto& [key, n] : counts) {
      v1::AssessmentCount* row = out_->add_assessments();
      row->set_region(static_cast<Region>(key.first));
      row->set_status(static_cast<v1::CycleStatus>(key.second));
      request.set_region(row->region());
      request.set_status(row->status());
      *row->mutable_countries() = FigureOf(n, request);
    }
    request.clear_region();
    request.clear_status();
    request.set_basis(v1::ASSESSMENT_BASIS_ALTERNATIVE);
    *out_->mutable_assessments_alternative() = FigureOf(alternative, request);
    return AddConditions();
  }

  absl::Status AddPriorities() {
    v1::ListVisitPrioritiesRequest request;
    *request.mutable_as_of() = date_;
    request.set_limit(kPrioritiesShown);
    const absl::StatusOr<v1::ListVisitPrioritiesResponse> priorities = ListPriorities(node_, request, options_.weights);
    if (!priorities.ok()) return priorities.status();
    *out_->mutable_priorities() = priorities->priorities();
    v1::ListEligibleCountriesRequest window;
    *window.mutable_start_date() = priorities->start_date();
    *window.mutable_end_date() = priorities->end_date();
    const absl::StatusOr<v1::ListEligibleCountriesResponse> eligible = ListEligible(node_, window);
    if (!eligible.ok()) return eligible.status();
    *out_->mutable_eligible_countries() = FigureOf(eligible->countries_size(), window);
    return absl::OkStatus();
  }

  absl::Status AddCalendar() {
    const std::unique_ptr<storage::Snapshot> view = node_.store().NewSnapshot();
    const absl::StatusOr<std::vector<Occasion>> next = NextOccasions(node_, *view, today_, kUpcomingShown);
    if (!next.ok()) return next.status();
    for (const Occasion& occasion : *next) *out_->add_upcoming() = occasion.entry;
    return absl::OkStatus();
  }

  absl::Status AddHelpDesk() {
    struct Sum {
      int64_t count = 0;
      int64_t seconds = 0;
    };
    std::map<std::tuple<std::string, int, int>, Sum> sums;  // by month, empty for all of them; region; state
    const std::string first = records::MonthText(FirstMonth());
    const auto add = [&](std::string_view prefix, int64_t Sum::*part) {
      for (const auto& [key, n] : node_.Aggregates(prefix)) {
        const std::vector<std::string> parts = Parts(key, prefix);
        const int region = ToInt(parts[1]);
        const int state = ToInt(parts[2]);
        sums[{"", region, state}].*part += n;
        if (parts[0] >= first) sums[{parts[0], region, state}].*part += n;
      }
    };
    add(figures::kInquiry, &Sum::count);
    add(figures::kInquirySeconds, &Sum::seconds);
    for (const auto& [key, sum] : sums) {
      const auto& [month, region, state] = key;
      v1::InquiryCount* row = out_->add_inquiries();
      row->set_month(month);
      row->set_region(static_cast<Region>(region));
      row->set_state(static_cast<v1::InquiryState>(state));
      v1::ListInquiriesRequest request;
      request.set_month(month);
      request.set_region(row->region());
      request.set_unrouted(region == v1::REGION_UNSPECIFIED);
      request.set_state(row->state());
      *row->mutable_inquiries() = FigureOf(sum.count, request);
      const bool answered = state == v1::INQUIRY_STATE_ANSWERED || state == v1::INQUIRY_STATE_CLOSED;
      if (answered && sum.count > 0) SetDuration(absl::Seconds(sum.seconds) / sum.count, row->mutable_mean_time());
    }
    return absl::OkStatus();
  }

  absl::Status AddTraining() {
    for (const auto& [key, n] : node_.Aggregates(figures::kTrainingSession)) {
      v1::TrainingSessionCount* row = out_->add_training_sessions();
      row->set_state(static_cast<v1::TrainingSessionState>(ToInt(Parts(key, figures::kTrainingSession)[0])));
      v1::ListTrainingSessionsRequest request;
      request.set_state(row->state());
      *row->mutable_sessions() = FigureOf(n, request);
      row->set_attended(node_.Aggregate(figures::Training(figures::kTrainingAttended, row->state())));
      row->set_completed(node_.Aggregate(figures::Training(figures::kTrainingCompleted, row->state())));
    }
    for (const auto& [key, n] : node_.Aggregates(figures::kTrainingRequest)) {
      v1::TrainingRequestCount* row = out_->add_training_requests();
      row->set_state(static_cast<v1::TrainingRequestState>(ToInt(Parts(key, figures::kTrainingRequest)[0])));
      v1::ListTrainingRequestsRequest request;
      request.set_state(row->state());
      *row->mutable_requests() = FigureOf(n, request);
    }
    return absl::OkStatus();
  }

  absl::Status AddNetwork() {
    if (options_.links) {
      for (v1::LinkStatus& link : options_.links()) *out_->add_links() = std::move(link);
    }
    int64_t conflicts = 0;
    for (const v1::SiteOverview& site : out_->sites()) conflicts += site.conflicts();
    *out_->mutable_conflicts() = FigureOf(conflicts, v1::ListConflictsRequest());
    *out_->mutable_opaque_entries() = FigureOf(node_.OpaqueCount(), v1::ListOpaqueEntriesRequest());
    return absl::OkStatus();
  }

 private:
  absl::CivilMonth FirstMonth() const { return absl::CivilMonth(today_) - (months_ - 1); }

  static v1::CoverageCount* AddCoverageRow(const std::map<int, int64_t>& standings, v1::ListCountryOverviewsRequest request,
                                           v1::CoverageCount* row) {
    int64_t all = 0;
    for (const auto& [standing, n] : standings) all += n;
    *row->mutable_countries() = FigureOf(all, request);
    for (const auto& [standing, figure] :
         {std::pair(v1::STANDING_ENGAGED, row->mutable_engaged()), std::pair(v1::STANDING_DUE, row->mutable_due()),
          std::pair(v1::STANDING_OVERDUE, row->mutable_overdue()), std::pair(v1::STANDING_NEVER, row->mutable_never())}) {
      request.set_standing(standing);
      const auto found = standings.find(standing);
      *figure = FigureOf(found == standings.end() ? 0 : found->second, request);
    }
    return row;
  }

  void AddRegions() {
    std::map<int, v1::RegionCount> counts;
    std::map<std::string, int> region_of;  // by alpha-2
    for (const auto& [key, n] : node_.Aggregates(figures::kCountry)) {
      std::vector<std::string> parts = Parts(key, figures::kCountry);
      int region = ToInt(parts[0]);
      region_of[parts[1]] = region;
      counts[region].set_countries(counts[region].countries() + n);
    }
    auto of_country = [&](const std::string& code) -> v1::RegionCount& {
      auto it = region_of.find(code);
      return counts[it == region_of.end() ? 0 : it->second];
    };
    for (const auto& [key, n] : node_.Aggregates(figures::kEngaged)) {
      auto& region = of_country(Parts(key, figures::kEngaged)[0]);
      region.set_countries_engaged(region.countries_engaged() + 1);
    }
    for (const auto& [key, n] : node_.Aggregates(figures::kPort)) {
      std::vector<std::string> parts = Parts(key, figures::kPort);
      int override_region = ToInt(parts[1]);
      auto& region = override_region != 0 ? counts[override_region] : of_country(parts[0]);
      region.set_ports(region.ports() + n);
    }
    for (const auto& [key, n] : node_.Aggregates(figures::kFacility)) {
      auto& region = of_country(Parts(key, figures::kFacility)[0]);
      region.set_port_facilities(region.port_facilities() + n);
    }
    for (const auto& [key, n] : node_.Aggregates(figures::kOfficer)) {
      auto& region = counts[ToInt(Parts(key, figures::kOfficer)[0])];
      region.set_liaison_officers(region.liaison_officers() + n);
    }
    for (int region = v1::REGION_APAC; region <= v1::REGION_HQ; ++region) counts[region];
    for (auto& [region, count] : counts) {
      count.set_region(static_cast<Region>(region));
      // What is in no region yet (a port whose country is not here) is shown as such, and only when there is some.
      *out_->add_regions() = count;
    }
  }

  void AddMonth(const std::string& month) {
    const std::string prefix = fmt::format("{}{}/", figures::kEngagementMonth, month);
    std::map<std::pair<int, int>, int64_t> counts;
    for (const auto& [key, n] : node_.Aggregates(prefix)) {
      const std::vector<std::string> parts = Parts(key, prefix);
      counts[{ToInt(parts[0]), ToInt(parts[1])}] = n;
    }
    for (const auto& [key, n] : counts) {
      v1::MonthCount* row = out_->add_months();
      row->set_month(month);
      row->set_region(static_cast<Region>(key.first));
      row->set_kind(static_cast<v1::EngagementKind>(key.second));
      row->mutable_engagements()->set_count(n);
      if (row->region() == 0 || row->kind() == 0) continue;
      v1::ListEngagementsRequest request;
      request.set_month(month);
      request.set_region(row->region());
      request.set_kind(row->kind());
      request.set_active(true);
      *row->mutable_engagements() = FigureOf(n, request);
    }
  }

  absl::Status AddConditions() {
    v1::ListConditionsInForceRequest request;
    *request.mutable_as_of() = date_;
    const absl::StatusOr<v1::ListConditionsInForceResponse> conditions = ListInForce(node_, request);
    if (!conditions.ok()) return conditions.status();
    std::map<int, int64_t> counts;
    for (const v1::ConditionStanding& standing : conditions->standings()) ++counts[standing.status()];
    for (const auto& [status, n] : counts) {
      v1::ConditionCount* row = out_->add_conditions();
      row->set_status(static_cast<v1::ConditionStatus>(status));
      request.set_status(row->status());
      *row->mutable_conditions() = FigureOf(n, request);
    }
    return absl::OkStatus();
  }

  const node::Node& node_;
  const OverviewOptions& options_;
  const int months_;
  const absl::Time now_;
  const absl::CivilDay today_;
  const google::type::Date date_;
  Overview* const out_;
};

}  // namespace

SitesKnown SitesOf(const node::Node& node, absl::Time now, absl::Duration staleness_bound) {
  SitesKnown known;
  for (const RosterSite& site : node.roster().sites()) {
    v1::SiteOverview& out = known.sites.emplace_back();
    out.set_site(site.name);
    out.set_records(node.Aggregate(std::string(node::kRecordsFigure) + site.name));
    out.set_conflicts(node.Aggregate(std::string(node::kConflictsFigure) + site.name));
  }
  for (const node::LogInfo& log : node.Logs()) {
    auto of_log = [&](const auto& site) { return site.site() == log.log->site_name; };
    auto out = std::find_if(known.sites.begin(), known.sites.end(), of_log);
    out->set_entries(out->entries() + static_cast<int64_t>(log.size.value()));
    out->set_entries_behind(out->entries_behind() + static_cast<int64_t>(log.known_size.value() - log.size.value()));
    if (log.as_of) {
      SetTime(*log.as_of, out->mutable_as_of_time());
      absl::Duration lag = log.log->site == node.site() ? absl::ZeroDuration() : std::max(absl::ZeroDuration(), now - *log.as_of);
      SetDuration(lag, out->mutable_lag());
      if (lag <= staleness_bound) continue;
    }
    known.unreachable.push_back(log.log->site_name);
  }
  return known;
}

absl::StatusOr<Overview> OverviewOf(const node::Node& node, const OverviewOptions& options, const v1::GetOverviewRequest& request) {
  if (request.months() < 0 || request.months() > kMonthsMax) {
    return FieldError(Reason::kFieldInvalid, "months", fmt::format("must be in [0, {}]", kMonthsMax));
  }
  std::set<int> wanted;
  for (int i = 0; i < request.sections_size(); ++i) {
    if (request.sections(i) == v1::OVERVIEW_SECTION_UNSPECIFIED || !v1::OverviewSection_IsValid(request.sections(i))) {
      return FieldError(Reason::kFieldInvalid, fmt::format("sections[{}]", i), "is no section");
    }
    wanted.insert(request.sections(i));
  }
  using Add = absl::Status (Builder::*)();
  constexpr std::pair<v1::OverviewSection, Add> kSections[] = {
      {v1::OVERVIEW_SECTION_COVERAGE, &Builder::AddCoverage},       {v1::OVERVIEW_SECTION_ENGAGEMENTS, &Builder::AddEngagements},
      {v1::OVERVIEW_SECTION_STAGES, &Builder::AddStages},           {v1::OVERVIEW_SECTION_FINDINGS, &Builder::AddFindings},
      {v1::OVERVIEW_SECTION_ASSESSMENTS, &Builder::AddAssessments}, {v1::OVERVIEW_SECTION_PRIORITIES, &Builder::AddPriorities},
      {v1::OVERVIEW_SECTION_CALENDAR, &Builder::AddCalendar},       {v1::OVERVIEW_SECTION_HELP_DESK, &Builder::AddHelpDesk},
      {v1::OVERVIEW_SECTION_TRAINING, &Builder::AddTraining},       {v1::OVERVIEW_SECTION_NETWORK, &Builder::AddNetwork},
  };
  Overview overview;
  Builder builder(node, options, request.months() == 0 ? kMonthsDefault : request.months(), &overview);
  builder.AddFrame();
  for (const auto& [section, add] : kSections) {
    if (!wanted.empty() && !wanted.contains(section)) continue;
    if (absl::Status added = (builder.*add)(); !added.ok()) return added;
  }
  return overview;
}

absl::StatusOr<v1::ListCountryOverviewsResponse> ListCountryOverviews(const node::Node& node, const OverviewOptions& options,
                                                                      const v1::ListCountryOverviewsRequest& request) {
  const absl::Time now = node.options().clock->Now();
  const absl::StatusOr<absl::CivilDay> day = DayOrToday(node, request.has_as_of(), request.as_of(), "as_of");
  if (!day.ok()) return day.status();
  const std::unique_ptr<storage::Snapshot> view = node.store().NewSnapshot();
  absl::StatusOr<std::vector<v1::CountryOverview>> countries = CountryOverviews(node, *view, *day);
  if (!countries.ok()) return countries.status();
  v1::ListCountryOverviewsResponse response;
  SetTime(now, response.mutable_as_of_time());
  const SitesKnown known = SitesOf(node, now, options.staleness_bound);
  response.mutable_sites()->Assign(known.sites.begin(), known.sites.end());
  response.mutable_unreachable()->Assign(known.unreachable.begin(), known.unreachable.end());
  for (v1::CountryOverview& country : *countries) {
    if (Passes(request, country)) *response.add_countries() = std::move(country);
  }
  return response;
}

}  // namespace fairlead::view
