// fairlead-sim: runs simulated networks from seeds and says which promises they broke.
//
//   fairlead-sim [--seeds N] [--first S] [--seed S] [--nodes K] [--members K] [--seconds S] [--jobs J] [--plant NAME] [--trace]
//
// Exits with 1 when a seed failed, and prints for each what broke, the end of its trace and the command that repeats it.

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/simulation/simulation.h"

namespace fairlead::simulation {
namespace {

std::string Command(const Options& options) {
  std::string command = fmt::format("tools/dev sim --seed {}", options.seed);
  if (options.sites > 0) command += fmt::format(" --nodes {}", options.sites);
  if (options.members > 0) command += fmt::format(" --members {}", options.members);
  if (options.length != Options().length) command += fmt::format(" --seconds {}", absl::ToDoubleSeconds(options.length));
  if (options.plant != nullptr) command += fmt::format(" --plant {}", options.plant->name);
  return command;
}

void PrintFailure(const Options& options, const Result& result) {
  fmt::print("seed {} failed:\n", result.seed);
  for (const std::string& failure : result.failures) fmt::print("  {}\n", failure);
  if (!options.print_trace) {
    fmt::print("the end of its trace:\n");
    for (const std::string& line : result.trace_tail) fmt::print("  {}\n", line);
  }
  fmt::print("again with its whole trace: {} --trace\n\n", Command(options));
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  Options options;
  uint64_t seeds = 100, first = 1, one = 0;
  double seconds = absl::ToDoubleSeconds(options.length);
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  std::string plant;
  CLI::App app("Simulates networks of Fairlead sites under faults. A seed decides everything that happens in a run.", "fairlead-sim");
  app.add_option("--seeds", seeds, "How many seeds")->capture_default_str();
  app.add_option("--first", first, "The first of them")->capture_default_str();
  app.add_option("--seed", one, "Only this seed");
  app.add_option("--nodes", options.sites, "Sites; 3 to 7 by the seed when 0")->check(CLI::Range(0, 7))->capture_default_str();
  app.add_option("--members", options.members, "Machines of one of the sites; 1, 2 or 3 by the seed when 0")
      ->check(CLI::Range(0, 5))
      ->capture_default_str();
  app.add_option("--seconds", seconds, "Simulated time with faults")->check(CLI::Range(1.0, 3600.0))->capture_default_str();
  app.add_option("--jobs", jobs, "Simulations at once")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--plant", plant, "With a planted bug; README.md lists them");
  app.add_flag("--trace", options.print_trace, "Print everything that happens (with --seed)");
  CLI11_PARSE(app, argc, argv);
  options.length = absl::Seconds(seconds);
  if (!plant.empty()) {
    options.plant = FindPlant(plant);
    if (options.plant == nullptr) {
      fmt::print(stderr, "fairlead-sim: there is no plant \"{}\"\n", plant);
      return 2;
    }
  }
  if (one > 0) {
    first = one;
    seeds = 1;
  } else {
    options.print_trace = false;
  }
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (options.print_trace) {
    spdlog::set_pattern("           log: %v");
  } else {
    spdlog::set_level(spdlog::level::off);
  }

  std::mutex mu;
  Result total;
  uint64_t with_members = 0;
  std::vector<uint64_t> failed;
  std::atomic<uint64_t> next{first};
  const auto start = std::chrono::steady_clock::now();
  auto work = [&] {
    for (uint64_t seed = next++; seed < first + seeds; seed = next++) {
      Options mine = options;
      mine.seed = seed;
      const Result result = Simulate(mine);
      const std::lock_guard lock(mu);
      total.faults += result.faults;
      total.requests += result.requests;
      total.acknowledged += result.acknowledged;
      total.entries += result.entries;
      total.conflicts += result.conflicts;
      total.messages += result.messages;
      total.elections += result.elections;
      total.trims += result.trims;
      with_members += result.members > 1;
      if (result.failures.empty()) {
        if (one > 0)
          fmt::print("seed {}: {} sites, {} members of one, trace {:016x}\n", seed, result.sites, result.members, result.trace_hash);
        continue;
      }
      failed.push_back(seed);
      PrintFailure(mine, result);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::min<uint64_t>(jobs, seeds); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print(
      "{} seeds in {:.1f} s ({:.0f} a minute): {} faults, {} requests, {} acknowledged, {} entries, {} messages, {} conflicts kept\n",
      seeds, took, static_cast<double>(seeds) * 60 / took, total.faults, total.requests, total.acknowledged, total.entries, total.messages,
      total.conflicts);
  if (with_members > 0) {
    fmt::print("{} of them with a site of several machines: {} elections, {} trims\n", with_members, total.elections, total.trims);
  }
  if (failed.empty()) {
    fmt::print("every promise was kept\n");
    return 0;
  }
  std::string list;
  for (const uint64_t seed : failed) list += fmt::format(" {}", seed);
  fmt::print("{} seeds failed:{}\n", failed.size(), list);
  return 1;
}

}  // namespace
}  // namespace fairlead::simulation

int main(int argc, char** argv) { return fairlead::simulation::Main(argc, argv); }
