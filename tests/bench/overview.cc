// What the overview takes at a node with few engagements and with many.

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/overview_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "tests/bench/load.h"
#include "tests/bench/measurements.h"
#include "tests/bench/network.h"
#include "tests/framework/cluster.h"

namespace fairlead::bench {
namespace {

using framework::Cluster;

constexpr char kImportCountries[] = "/fairlead.v1.ReferenceService/ImportCountries";
constexpr char kOverview[] = "/fairlead.v1.OverviewService/GetOverview";
constexpr int kFewer = 100;  // times fewer engagements, for comparison

// Spread over kinds, countries and the days of three years.
std::string EngagementRequest(int64_t n) {
  v1::CreateEngagementRequest request;
  v1::Engagement& engagement = *request.mutable_engagement();
  engagement.set_kind(n % 2 == 0 ? v1::ENGAGEMENT_KIND_COUNTRY_VISIT : v1::ENGAGEMENT_KIND_PORT_VISIT);
  engagement.set_title(fmt::format("Visit {}", n));
  engagement.add_countries(fmt::format("countries/{}", kCountries[n % std::size(kCountries)]));
  engagement.set_region(v1::REGION_APAC);
  const absl::CivilDay day = absl::ToCivilDay(absl::Now(), absl::UTCTimeZone()) - 800 + n % 1000;
  engagement.mutable_start_date()->set_year(static_cast<int32_t>(day.year()));
  engagement.mutable_start_date()->set_month(day.month());
  engagement.mutable_start_date()->set_day(day.day());
  return request.SerializeAsString();
}

absl::StatusOr<int64_t> EngagementsShown(Cluster& cluster) {
  const absl::StatusOr<v1::Overview> overview = cluster.Overview("apac");
  if (!overview.ok()) return overview.status();
  int64_t shown = 0;
  for (const v1::EngagementCount& count : overview->engagements()) shown += count.count();
  return shown;
}

}  // namespace

absl::StatusOr<Section> MeasureOverview(const Settings& settings) {
  Section section("the overview, whole and of one section, 1 in flight", {"whole/s", "p50 ms", "p99 ms", "section/s", "p50 ms", "p99 ms"});
  framework::ClusterOptions options;
  options.sites = {"apac"};
  const absl::StatusOr<std::unique_ptr<Cluster>> cluster = Cluster::Start(std::move(options));
  if (!cluster.ok()) return cluster.status();
  const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = (*cluster)->Channel("officer/apac/watch", "apac");
  if (!channel.ok()) return channel.status();
  Callers callers;
  callers.push_back(std::make_unique<Caller>(*channel));
  if (auto imported = callers[0]->CallAndWait(kImportCountries, CountriesRequest()); !imported.ok()) return imported.status();

  v1::GetOverviewRequest of_engagements;
  of_engagements.add_sections(v1::OVERVIEW_SECTION_ENGAGEMENTS);
  int64_t created = 0;
  for (const int64_t size : {std::max<int64_t>(1, settings.engagements / kFewer), settings.engagements}) {
    const absl::StatusOr<Load> fill = RunLoad(callers, {.method = kCreate,
                                                        .request = [created](int64_t n) { return EngagementRequest(created + n); },
                                                        .in_flight = kFillInFlight,
                                                        .calls_max = size - created});
    if (!fill.ok()) return fill.status();
    created = size;
    const absl::StatusOr<int64_t> shown = EngagementsShown(**cluster);
    if (!shown.ok()) return shown.status();
    if (*shown != created) return absl::InternalError(fmt::format("{} were created, the overview shows {}", created, *shown));
    for (int round = 0; round < settings.rounds; ++round) {
      std::vector<double> figures;
      for (const std::string& request : {std::string(), of_engagements.SerializeAsString()}) {
        const absl::StatusOr<Load> load =
            RunLoad(callers, {.method = kOverview, .request = [request](int64_t) { return request; }, .duration = settings.duration});
        if (!load.ok()) return load.status();
        figures.insert(figures.end(), {load->rate, load->p50_ms, load->p99_ms});
      }
      section.Add(fmt::format("{:>9} engagements", created), figures);
    }
  }
  return section;
}

}  // namespace fairlead::bench
