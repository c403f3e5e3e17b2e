// fairlead-bench: what real nodes do on this machine, beside what bounds them, in turns in one run.
//
//   fairlead-bench [--only creates|import|lag|watchers|catchup|flood|overview|search|size|links] [--rounds N] [--seconds S] [--rows N]
//   [--entries N]
//   [--watchers N]
//   [--engagements N] [--json FILE] [--smoke]
//
// Every figure is the median of the rounds. Nodes are processes of their own on loopback, with mutual TLS and synced writes; the clients
// share the machine with them. --smoke does a moment of everything, for the counts that every measurement checks, and prints no figures.

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/bench/measurements.h"

namespace fairlead::bench {
namespace {

int Fail(const std::string& message) {
  fmt::print(stderr, "fairlead-bench: {}\n", message);
  return 1;
}

int Main(int argc, char** argv) {
  struct Measurement {
    const char* name;
    absl::StatusOr<Section> (*measure)(const Settings&);
  };
  constexpr Measurement kMeasurements[] = {{"creates", MeasureCreates},   {"import", MeasureImport},   {"lag", MeasureLag},
                                           {"watchers", MeasureWatchers}, {"catchup", MeasureCatchUp}, {"flood", MeasureFlood},
                                           {"overview", MeasureOverview}, {"search", MeasureSearch},   {"size", MeasureSize},
                                           {"links", MeasureLinks}};

  Settings settings;
  double seconds = absl::ToDoubleSeconds(settings.duration);
  std::string only, json_file;
  bool smoke = false;
  CLI::App app("Measures Fairlead nodes on this machine.", "fairlead-bench");
  app.add_option("--only", only, "One measurement")
      ->check(CLI::IsMember({"creates", "import", "lag", "watchers", "catchup", "flood", "overview", "search", "size", "links"}));
  app.add_option("--rounds", settings.rounds, "Rounds of each")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--seconds", seconds, "Length of one load")->check(CLI::Range(0.05, 600.0))->capture_default_str();
  app.add_option("--rows", settings.rows, "Ports of an import")->check(CLI::Range(500, 300'000))->capture_default_str();
  app.add_option("--entries", settings.entries, "Entries to catch up with, and records to search")
      ->check(CLI::Range(100, 10'000'000))
      ->capture_default_str();
  app.add_option("--watchers", settings.watchers, "Watchers of one node")->check(CLI::Range(1, 4000))->capture_default_str();
  app.add_option("--engagements", settings.engagements, "Engagements beneath the overview, and of the node whose size is measured")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--json", json_file, "Also write all figures of all rounds to this file");
  app.add_flag("--smoke", smoke, "A moment of each, for the counts");
  CLI11_PARSE(app, argc, argv);
  settings.duration = absl::Seconds(seconds);
  if (smoke)
    settings = {.rounds = 1, .duration = absl::Milliseconds(200), .rows = 1200, .entries = 600, .watchers = 50, .engagements = 200};

  // Nobody needs to know whether the clients could deadlock; Abseil's search for it, on in Debian's build, costs every call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  nlohmann::json report = {{"machine", Machine()}, {"rounds", settings.rounds}, {"seconds", seconds}};
  if (!smoke) {
    for (const auto& [key, value] : Machine()) fmt::print("{}: {}\n", key, value);
    fmt::print("median of {} rounds, {} s each\n", settings.rounds, seconds);
  }
  for (const Measurement& measurement : kMeasurements) {
    if (!only.empty() && only != measurement.name) continue;
    const Disturbance disturbance;
    const absl::StatusOr<Section> section = measurement.measure(settings);
    if (!section.ok()) return Fail(fmt::format("{}: {}", measurement.name, section.status().ToString()));
    if (smoke) {
      fmt::print("{}: the counts are right\n", measurement.name);
      continue;
    }
    const double others = disturbance.Share();
    fmt::print("{}other programs and the kernel used {:.0f}% of the machine meanwhile\n", section->Text(), others * 100);
    std::fflush(stdout);
    nlohmann::json json = section->Json();
    json["disturbance"] = others;
    report["measurements"][measurement.name] = std::move(json);
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
