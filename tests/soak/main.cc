// fairlead-soak: a network of real nodes under clients and faults for as long as one likes, and then the count.
//
//   fairlead-soak [--minutes M] [--seed S] [--rate R] [--threads N]
//
// Ends with 0 when every acknowledged write is at every site once, all state digests are equal, no log is quarantined, each store is clean
// (fsck), and memory stayed within bounds. The schedule of faults is drawn from the seed; when what happens is up to the machine.

#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/soak/load.h"
#include "tests/soak/weather.h"

namespace fairlead::soak {
namespace {

namespace fs = std::filesystem;
namespace v1 = fairlead::v1;
using framework::Cluster;

constexpr absl::Duration kHealPatience = absl::Minutes(5);
constexpr absl::Duration kFsckPatience = absl::Minutes(30);
constexpr double kMemoryMbMax = 1024;  // of one node

std::atomic<bool> interrupted{false};

int Fail(const std::string& message) {
  fmt::print(stderr, "fairlead-soak: {}\n", message);
  return 1;
}

// --- Figures ----------------------------------------------------------------------------------------------------------------------

double MemoryMb(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

double DiskMb(const fs::path& folder) {
  double bytes = 0;
  std::error_code gone;  // files come and go
  for (const auto& entry : fs::recursive_directory_iterator(folder, gone)) {
    const auto size = entry.file_size(gone);
    if (!gone) bytes += static_cast<double>(size);
  }
  return bytes / (1 << 20);
}

std::map<std::string, double> Memory(const Cluster& cluster) {
  std::map<std::string, double> by_site;
  for (const std::string& site : cluster.sites()) by_site[site] = MemoryMb(cluster.pid(site));
  return by_site;
}

// --- What is counted at the end ---------------------------------------------------------------------------------------------------

struct Tally {
  size_t found = 0;
  size_t lost = 0;        // acknowledged, and not there or without its last edit
  size_t duplicated = 0;  // there under a second name
};

absl::StatusOr<Tally> CountAt(Cluster* cluster, const std::string& site, const std::vector<Record>& records) {
  client::CallOptions call = scenarios::AtSite(site);
  call.timeout = absl::Minutes(1);
  const auto listed = scenarios::ListEngagements(cluster->Officer(site), call);
  if (!listed.ok()) return listed.status();
  std::map<std::string, const v1::Engagement*> by_name;
  std::map<std::string, size_t> titles;
  for (const v1::Engagement& engagement : *listed) {
    by_name[engagement.name()] = &engagement;
    ++titles[engagement.title()];
  }
  Tally tally;
  for (const Record& record : records) {
    const auto it = by_name.find(record.name);
    const bool there = it != by_name.end() && it->second->title() == record.title &&
                       (!record.notes_certain || it->second->notes() == record.notes) && it->second->conflicts().empty();
    ++(there ? tally.found : tally.lost);
    tally.duplicated += titles[record.title] > 1 ? titles[record.title] - 1 : 0;
  }
  return tally;
}

absl::Status ImportCountries(Cluster* cluster) {
  v1::ImportCountriesRequest request;
  for (const scenarios::Territory& territory : scenarios::Territories()) {
    v1::Country* country = request.add_countries();
    country->set_name(territory.country);
    country->set_display_name(territory.country.substr(territory.country.find('/') + 1));
    country->set_region(territory.region);
  }
  const auto imported =
      cluster->Officer("hq").Call<v1::ImportResponse>("fairlead.v1.ReferenceService.ImportCountries", request, scenarios::AtSite("hq"));
  return imported.ok() ? cluster->WaitForConvergence() : imported.status();
}

// Prints the summary's lines of the sites. Whether all is well.
bool CheckSites(Cluster* cluster, const std::vector<Record>& records, const std::map<std::string, double>& memory_at_start) {
  bool well = true;
  const std::map<std::string, double> memory = Memory(*cluster);
  for (const std::string& site : cluster->sites()) {
    const auto tally = CountAt(cluster, site, records);
    const auto status = cluster->Status(site);
    if (!tally.ok() || !status.ok()) {
      fmt::print("{}: {} {}\n", site, tally.status().ToString(), status.status().ToString());
      well = false;
      continue;
    }
    std::string quarantined;
    for (const v1::LogStatus& log : status->logs()) quarantined += log.quarantine().empty() ? "" : " " + log.origin();
    fmt::print(
        "{}: acknowledged={} found={} lost={} duplicated={}  journal {} entries, {:.0f} MB on disk, memory {:.0f} MB (at start {:.0f})\n",
        site, records.size(), tally->found, tally->lost, tally->duplicated, status->journal_size(), DiskMb(cluster->data_folder(site)),
        memory.at(site), memory_at_start.at(site));
    if (!quarantined.empty()) fmt::print("{}: quarantined:{}\n", site, quarantined);
    well = well && tally->lost == 0 && tally->duplicated == 0 && quarantined.empty() && memory.at(site) <= kMemoryMbMax;
  }
  return well;
}

bool CheckStores(Cluster* cluster) {
  bool well = true;
  for (const std::string& site : cluster->sites()) {
    if (const auto exit = cluster->Stop(site, absl::Minutes(1)); !exit.ok() || *exit != framework::Exit()) {
      fmt::print("{}: did not stop: {}\n", site, exit.ok() ? ToString(*exit) : exit.status().ToString());
      well = false;
    }
    const auto fsck = framework::RunToEnd({Cluster::node_binary(), "fsck", "--config", cluster->config_file(site)}, kFsckPatience);
    const bool clean = fsck.ok() && fsck->exit == framework::Exit();
    fmt::print("{}: fsck: {}", site,
               fsck.ok() ? fsck->output.substr(fsck->output.rfind('\n', fsck->output.size() - 2) + 1) : fsck.status().ToString() + "\n");
    well = well && clean;
  }
  return well;
}

int Run(double minutes, uint64_t seed, const LoadOptions& load_options) {
  const absl::Time start = absl::Now();
  const absl::Time end = start + absl::Minutes(minutes);
  framework::ClusterOptions cluster_options;
  cluster_options.limits = "staleness_seconds = 5";
  auto started = Cluster::Start(cluster_options);
  if (!started.ok()) return Fail(std::string(started.status().message()));
  Cluster& cluster = **started;
  if (absl::Status imported = ImportCountries(&cluster); !imported.ok()) return Fail(imported.ToString());
  const std::map<std::string, double> memory = Memory(cluster);

  Load load(&cluster, load_options);
  if (absl::Status begun = load.Start(); !begun.ok()) return Fail(begun.ToString());
  const auto wait = [&](absl::Duration duration) {
    const absl::Time until = std::min(absl::Now() + duration, end);
    while (!interrupted && absl::Now() < until) absl::SleepFor(std::min(absl::Milliseconds(100), until - absl::Now()));
    return !interrupted && absl::Now() < end;
  };
  const auto say = [&](const std::string& what) {
    const LoadCounts counts = load.counts();
    fmt::print("{:7.1f} s  {:<16} {} creates, {} edits, {} reads, {} repeats\n", absl::ToDoubleSeconds(absl::Now() - start), what,
               counts.creates, counts.edits, counts.reads, counts.repeats);
    fflush(stdout);
  };
  Weather weather(&cluster, &load, seed, wait, say);
  absl::Status status;
  while (status.ok() && wait(absl::ZeroDuration())) status = weather.Next();
  weather.Heal();
  say("healed");
  if (absl::Status stopped = load.Stop(); status.ok()) status = stopped;
  if (status.ok()) status = cluster.WaitForConvergence({}, kHealPatience);

  const LoadCounts counts = load.counts();
  fmt::print("\nsoak of {:.1f} minutes, seed {}\nfaults:", absl::ToDoubleMinutes(absl::Now() - start), seed);
  for (const auto& [fault, count] : weather.counts()) fmt::print(" {} {},", fault, count);
  fmt::print("\ncalls: {} creates and {} edits acknowledged, {} reads answered, {} requests repeated\n", counts.creates, counts.edits,
             counts.reads, counts.repeats);
  if (!status.ok()) {
    fmt::print("{}", cluster.Logs());
    return Fail(status.ToString());
  }
  fmt::print("state digests: equal at all sites\n");
  const bool sites = CheckSites(&cluster, load.records(), memory);
  const bool stores = CheckStores(&cluster);
  fmt::print("{}\n", sites && stores ? "all is well" : "NOT WELL");
  return sites && stores ? 0 : 1;
}

int Main(int argc, char** argv) {
  double minutes = 60;
  uint64_t seed = 1;
  LoadOptions load;
  CLI::App app("A Fairlead network under load and faults, and the count at the end.", "fairlead-soak");
  app.add_option("--minutes", minutes, "How long faults come")->check(CLI::Range(0.1, 100'000.0))->capture_default_str();
  app.add_option("--seed", seed, "Of load and faults")->capture_default_str();
  app.add_option("--rate", load.calls_per_second, "Calls a second of each client, at most")
      ->check(CLI::Range(0.1, 1000.0))
      ->capture_default_str();
  app.add_option("--threads", load.threads_per_site, "Clients of each site")->check(CLI::Range(1, 64))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  load.seed = seed;
  for (const int each : {SIGINT, SIGTERM}) signal(each, [](int) { interrupted = true; });
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return Run(minutes, seed, load);
}

}  // namespace
}  // namespace fairlead::soak

int main(int argc, char** argv) { return fairlead::soak::Main(argc, argv); }
