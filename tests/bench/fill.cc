// fairlead-fill: engagements for a network that something else measures, such as the dashboard's page (tools/dev bench page).
//
//   fairlead-fill --config CLIENT.toml --site SITE --region REGION --country JP --country KR --count N
//
// Creates them at one site, many calls at once, spread over kinds, the countries and the days of three years.

#include <absl/synchronization/mutex.h>
#include <absl/time/civil_time.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "client/config.h"
#include "fairlead/v1/engagement_service.pb.h"

namespace fairlead::bench {
namespace {

constexpr int kInFlight = 64;
constexpr int kDays = 1000;
constexpr int kDaysAhead = 200;

v1::CreateEngagementRequest RequestOf(int64_t n, v1::Region region, const std::vector<std::string>& countries) {
  v1::CreateEngagementRequest request;
  v1::Engagement& engagement = *request.mutable_engagement();
  // Those of one country.
  constexpr v1::EngagementKind kKinds[] = {v1::ENGAGEMENT_KIND_BILATERAL,           v1::ENGAGEMENT_KIND_COUNTRY_VISIT,
                                           v1::ENGAGEMENT_KIND_PORT_VISIT,          v1::ENGAGEMENT_KIND_RECIPROCAL_VISIT,
                                           v1::ENGAGEMENT_KIND_TECHNICAL_EXCHANGE,  v1::ENGAGEMENT_KIND_TRAINING,
                                           v1::ENGAGEMENT_KIND_INFORMATION_EXCHANGE};
  engagement.set_kind(kKinds[static_cast<size_t>(n) % std::size(kKinds)]);
  engagement.set_title(fmt::format("Visit {}", n));
  engagement.add_countries("countries/" + countries[static_cast<size_t>(n) % countries.size()]);
  engagement.set_region(region);
  const absl::CivilDay day = absl::ToCivilDay(absl::Now(), absl::UTCTimeZone()) + kDaysAhead - n % kDays;
  engagement.mutable_start_date()->set_year(static_cast<int32_t>(day.year()));
  engagement.mutable_start_date()->set_month(day.month());
  engagement.mutable_start_date()->set_day(day.day());
  return request;
}

int Fail(const std::string& message) {
  fmt::print(stderr, "fairlead-fill: {}\n", message);
  return 1;
}

int Main(int argc, char** argv) {
  std::string config_file, site, region_name;
  std::vector<std::string> countries;
  int64_t count = 0;
  CLI::App app("Fills a network with engagements.", "fairlead-fill");
  app.add_option("--config", config_file, "Configuration of a client")->required();
  app.add_option("--site", site, "Where they are created")->required();
  app.add_option("--region", region_name, "Of which region: APAC")->required();
  app.add_option("--country", countries, "With whom; may be given several times")->required();
  app.add_option("--count", count, "How many")->required()->check(CLI::Range(1, 10'000'000));
  CLI11_PARSE(app, argc, argv);
  v1::Region region = v1::REGION_UNSPECIFIED;
  if (!v1::Region_Parse("REGION_" + region_name, &region)) return Fail(region_name + " is no region");
  absl::StatusOr<client::Config> config = client::ReadConfig(config_file);
  if (!config.ok()) return Fail(config.status().ToString());
  config->client.site = site;
  const absl::StatusOr<std::unique_ptr<client::Client>> client = client::Client::Connect(config->client);
  if (!client.ok()) return Fail(client.status().ToString());

  std::atomic<int64_t> next{0};
  absl::Mutex mu;
  absl::Status first_error;  // guarded by mu
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kInFlight; ++i) {
      callers.emplace_back([&] {
        for (int64_t n = next++; n < count; n = next++) {
          const auto created =
              (*client)->Call<v1::Engagement>("fairlead.v1.EngagementService.CreateEngagement", RequestOf(n, region, countries));
          if (created.ok()) continue;
          const absl::MutexLock lock(&mu);
          first_error.Update(created.status());
          next = count;
        }
      });
    }
  }
  return first_error.ok() ? 0 : Fail(first_error.ToString());
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) { return fairlead::bench::Main(argc, argv); }
