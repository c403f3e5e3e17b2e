// Search at one node: how long the index of all records takes to build, how large it is, and how long a question takes.

#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/search_service.pb.h"
#include "tests/bench/load.h"
#include "tests/bench/measurements.h"
#include "tests/framework/cluster.h"

namespace fairlead::bench {
namespace {

namespace fs = std::filesystem;

using framework::Cluster;
using framework::Eventually;

constexpr char kSite[] = "apac";
constexpr char kCreate[] = "/fairlead.v1.EngagementService/CreateEngagement";
constexpr char kImportCountries[] = "/fairlead.v1.ReferenceService/ImportCountries";
constexpr char kSearch[] = "/fairlead.v1.SearchService/Search";
constexpr int kInFlight = 128;
constexpr int kWordsOfText = 60;
constexpr int kQuestions = 200;
constexpr absl::Duration kBuildTimeout = absl::Minutes(10);

// The n-th word: pronounceable, so that the stemmer has work. Small numbers are asked for often, as words are in texts.
std::string Word(uint32_t n) {
  constexpr std::string_view kHeads = "bdfgklmnprstvz";
  constexpr std::string_view kVowels = "aeiou";
  std::string word;
  for (n += 70; n > 0; n /= 70) {
    word.push_back(kHeads[n % 14]);
    word.push_back(kVowels[n / 14 % 5]);
  }
  return word;
}

std::string EngagementRequest(int64_t n) {
  std::mt19937 random(static_cast<uint32_t>(n));
  std::exponential_distribution<double> rank(0.002);
  const auto words = [&](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += fmt::format("{}{}", text.empty() ? "" : " ", Word(static_cast<uint32_t>(rank(random))));
    return text;
  };
  v1::CreateEngagementRequest request;
  v1::Engagement& engagement = *request.mutable_engagement();
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title(words(5));
  engagement.set_notes(words(kWordsOfText));
  engagement.add_countries("countries/JP");
  engagement.set_region(v1::REGION_APAC);
  engagement.mutable_start_date()->set_year(2000 + static_cast<int>(n % 30));
  return request.SerializeAsString();
}

std::string CountriesRequest() {
  v1::ImportCountriesRequest request;
  v1::Country& country = *request.add_countries();
  country.set_name("countries/JP");
  country.set_display_name("Japan");
  country.set_region(v1::REGION_APAC);
  return request.SerializeAsString();
}

uintmax_t BytesIn(const fs::path& folder) {
  uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) bytes += entry.is_regular_file() ? entry.file_size() : 0;
  return bytes;
}

// Waits for the index to be at the journal's end.
absl::Status AwaitIndex(Cluster& cluster) {
  absl::StatusOr<v1::NodeStatus> status = absl::UnavailableError("");
  const bool built = Eventually(
      [&] {
        status = cluster.Status(kSite);
        return status.ok() && !status->search().building() && status->search().entries_behind() == 0;
      },
      kBuildTimeout);
  return built ? absl::OkStatus() : absl::DeadlineExceededError("the index does not come to the journal's end");
}

// The answers' times, ascending, in ms; each must find something.
absl::StatusOr<std::vector<double>> Ask(Caller& caller, int words) {
  std::vector<double> times;
  for (int i = 0; i < kQuestions; ++i) {
    v1::SearchRequest request;
    std::string query;
    for (int word = 0; word < words; ++word) query += fmt::format("{} ", Word(static_cast<uint32_t>((i * 7 + word * 31) % 300)));
    request.set_query(query);
    request.set_page_size(20);
    const absl::Time begun = absl::Now();
    const absl::StatusOr<std::string> reply = caller.CallAndWait(kSearch, request.SerializeAsString());
    if (!reply.ok()) return reply.status();
    times.push_back(absl::ToDoubleMilliseconds(absl::Now() - begun));
    v1::SearchResponse found;
    if (!found.ParseFromString(*reply) || (words == 1 && found.results().empty())) {
      return absl::InternalError(fmt::format("nothing is found by \"{}\"", query));
    }
  }
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace

absl::StatusOr<Section> MeasureSearch(const Settings& settings) {
  Section section(fmt::format("search in {} engagements of {} words each, at one node", settings.entries, kWordsOfText + 5),
                  {"build s", "index MB", "one word p50 ms", "p99 ms", "two words p50 ms", "p99 ms"});
  framework::ClusterOptions options;
  options.sites = {kSite};
  absl::StatusOr<std::unique_ptr<Cluster>> started = Cluster::Start(std::move(options));
  if (!started.ok()) return started.status();
  Cluster& cluster = **started;
  Callers callers;
  const auto dial = [&]() -> absl::Status {
    const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = cluster.Channel("officer/apac/watch", kSite);
    if (!channel.ok()) return channel.status();
    callers.clear();
    callers.push_back(std::make_unique<Caller>(*channel));
    return absl::OkStatus();
  };
  if (absl::Status dialled = dial(); !dialled.ok()) return dialled;
  if (auto imported = callers[0]->CallAndWait(kImportCountries, CountriesRequest()); !imported.ok()) return imported.status();
  LoadOptions fill;
  fill.method = kCreate;
  fill.request = EngagementRequest;
  fill.in_flight = kInFlight;
  fill.calls_max = settings.entries;
  if (auto filled = RunLoad(callers, fill); !filled.ok()) return filled.status();
  for (int round = 0; round < settings.rounds; ++round) {
    if (auto stopped = cluster.Stop(kSite); !stopped.ok()) return stopped.status();
    const fs::path folder = fs::path(cluster.data_folder(kSite)) / "search";
    fs::remove_all(folder);
    const absl::Time begun = absl::Now();
    if (absl::Status again = cluster.StartNode(kSite); !again.ok()) return again;
    if (absl::Status built = AwaitIndex(cluster); !built.ok()) return built;
    const double build_s = absl::ToDoubleSeconds(absl::Now() - begun);
    const absl::StatusOr<v1::NodeStatus> status = cluster.Status(kSite);
    if (!status.ok()) return status.status();
    if (status->search().records() != settings.entries + 1) {
      return absl::InternalError(fmt::format("{} records are in the index, not {}", status->search().records(), settings.entries + 1));
    }
    if (absl::Status dialled = dial(); !dialled.ok()) return dialled;
    const absl::StatusOr<std::vector<double>> one = Ask(*callers[0], 1);
    if (!one.ok()) return one.status();
    const absl::StatusOr<std::vector<double>> two = Ask(*callers[0], 2);
    if (!two.ok()) return two.status();
    section.Add("search", {build_s, static_cast<double>(BytesIn(folder)) / 1e6, Quantile(*one, 0.5), Quantile(*one, 0.99),
                           Quantile(*two, 0.5), Quantile(*two, 0.99)});
  }
  return section;
}

}  // namespace fairlead::bench
