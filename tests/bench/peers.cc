// fairlead-peers: the same work on Fairlead and on others of Debian's packages, in turn in one run, with ratios.
//
//   fairlead-peers [--only creates|batches|reads|catchup|lag|watches|members|failover] [--rounds N] [--seconds S] [--rows N] [--engagements
//   N] [--entries N]
//   [--watchers N] [--changes N] [--json FILE] [--smoke]
//
// Each system runs as processes of its own on loopback, in a folder of its own, with mutual TLS; the clients share the machine with them.
// All sync what they acknowledge, but NATS 2.9, which cannot. Every figure is the median of the rounds, a ratio that of the rounds' ratios.

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/bench/network.h"
#include "tests/bench/peer_rows.h"

namespace fairlead::bench {
namespace {

int Fail(const std::string& message) {
  fmt::print(stderr, "fairlead-peers: {}\n", message);
  return 1;
}

// What others had to do on this machine over the last minute, before and during a part.
double LoadAverage() {
  double average = 0;
  return getloadavg(&average, 1) == 1 ? average : 0;
}

int Main(int argc, char** argv) {
  struct Row {
    const char* name;
    absl::StatusOr<Section> (*compare)(const PeerSettings&);
  };
  constexpr Row kRows[] = {{"creates", CompareCreates}, {"batches", CompareBatches},  {"reads", CompareReads},
                           {"catchup", CompareCatchUp}, {"lag", CompareLag},          {"watches", CompareWatches},
                           {"members", CompareMembers}, {"failover", MeasureFailover}};
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);

  PeerSettings settings;
  double seconds = absl::ToDoubleSeconds(settings.duration);
  std::vector<std::string> only;
  std::string json_file;
  bool smoke = false;
  CLI::App app("Measures Fairlead beside etcd, PostgreSQL and NATS on this machine.", "fairlead-peers");
  app.add_option("--only", only, "Some of the parts")->check(CLI::IsMember(names))->delimiter(',');
  app.add_option("--rounds", settings.rounds, "Rounds of each")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--seconds", seconds, "Length of one load")->check(CLI::Range(0.05, 600.0))->capture_default_str();
  app.add_option("--rows", settings.rows, "Ports written in batches")->check(CLI::Range(500, 300'000))->capture_default_str();
  app.add_option("--engagements", settings.engagements, "Records to read")->check(CLI::Range(400, 10'000'000))->capture_default_str();
  app.add_option("--entries", settings.entries, "Entries to catch up with")->check(CLI::Range(100, 10'000'000))->capture_default_str();
  app.add_option("--watchers", settings.watchers, "Watchers")->check(CLI::Range(1, 4000))->capture_default_str();
  app.add_option("--changes", settings.changes_per_s, "Changes a second that they watch")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--json", json_file, "Also write all figures of all rounds to this file");
  app.add_flag("--smoke", smoke, "A moment of each, for the counts; prints no figures");
  CLI11_PARSE(app, argc, argv);
  settings.duration = absl::Seconds(seconds);
  if (smoke) {
    settings = {.rounds = 1,
                .duration = absl::Milliseconds(200),
                .rows = 1000,
                .engagements = 400,
                .entries = 600,
                .watchers = 20,
                .changes_per_s = 100,
                .kills = 1};
  }
  settings.rows -= settings.rows % kImportRows;

  // As in fairlead-bench.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  nlohmann::json report = {{"machine", Machine()}, {"rounds", settings.rounds}, {"seconds", seconds}};
  if (!smoke) {
    for (const auto& [key, value] : Machine()) fmt::print("{}: {}\n", key, value);
    fmt::print("median of {} rounds, {} s each\n", settings.rounds, seconds);
  }
  for (const Row& row : kRows) {
    if (!only.empty() && std::find(only.begin(), only.end(), row.name) == only.end()) continue;
    const double before = LoadAverage();
    const Disturbance disturbance;
    const absl::StatusOr<Section> section = row.compare(settings);
    if (!section.ok()) return Fail(fmt::format("{}: {}", row.name, section.status().ToString()));
    if (smoke) {
      fmt::print("{}: the counts are right\n", row.name);
      continue;
    }
    const double others = disturbance.Share();
    fmt::print("{}load average {:.1f} before; other programs and the kernel used {:.0f}% of the machine meanwhile\n", section->Text(),
               before, others * 100);
    std::fflush(stdout);
    nlohmann::json json = section->Json();
    json["disturbance"] = others;
    json["load_before"] = before;
    report["measurements"][row.name] = std::move(json);
  }
  if (json_file.empty()) return 0;
  std::ofstream file(json_file);
  file << report.dump(2) << "\n";
  file.close();
  return file ? 0 : Fail(fmt::format("{} cannot be written", json_file));
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) { return fairlead::bench::Main(argc, argv); }
