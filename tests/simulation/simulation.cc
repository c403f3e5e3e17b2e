#include "tests/simulation/simulation.h"

#include <fmt/format.h>

#include "tests/simulation/checks.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/member_weather.h"
#include "tests/simulation/random.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/verified.h"
#include "tests/simulation/weather.h"
#include "tests/simulation/world.h"

namespace fairlead::simulation {

namespace {

constexpr absl::Duration kHealingMax = absl::Seconds(90);
// After this long nothing that was cut or slowed is still on its way.
constexpr absl::Duration kSettling = absl::Seconds(6);

// Drawn apart, so that a run without such a site is what it would be if there were none.
size_t MembersOf(const Options& options) {
  if (options.members > 0) return static_cast<size_t>(options.members);
  if (options.plant != nullptr) return options.plant->members ? 3 : 1;
  Random random(options.seed ^ 0x6d656d62657273);
  return random.OneIn(3) ? 2 + random.Below(2) : 1;
}

}  // namespace

Result Simulate(const Options& options) {
  Verified verified;
  Random random(options.seed);
  Schedule schedule;
  Trace trace(&schedule, options.print_trace);
  const size_t sites = options.sites > 0 ? static_cast<size_t>(options.sites) : 3 + random.Below(5);
  const size_t members = MembersOf(options);
  World world(&schedule, &trace, random.Fork(), sites, members, options.plant);
  Checks checks(&world);
  Clients clients(&world, random.Fork());
  const Plant* plant = options.plant;
  Weather weather(&world, random.Fork(), plant != nullptr && plant->restores, plant != nullptr && plant->forgets);

  MemberWeather member_weather(&world, Random(options.seed ^ 0x66617561));

  const absl::Time end = schedule.now() + options.length;
  auto run_until = [&](absl::Time time) {
    while (world.failures().empty() && schedule.Step(time)) {
    }
  };
  for (const auto& site : world.sites()) world.Start(*site);
  clients.Start(end);
  weather.Start(end);
  member_weather.Start(end);
  run_until(end);
  if (world.failures().empty()) {
    member_weather.Heal();
    weather.Heal();
  }
  const absl::Time settled = schedule.now() + kSettling;
  const absl::Time late = schedule.now() + kHealingMax;
  bool converged = false;
  while (world.failures().empty() && !converged && schedule.now() < late) {
    run_until(schedule.now() + absl::Milliseconds(500));
    converged = schedule.now() >= settled && world.Converged();
  }
  if (world.failures().empty() && !converged) {
    world.Fail(fmt::format("{} s after healing the sites do not agree: {}", absl::ToInt64Seconds(kHealingMax), world.Describe()));
  }
  if (world.failures().empty()) checks.Final(clients);

  Result result;
  result.seed = options.seed;
  result.failures = world.failures();
  result.sites = static_cast<int>(sites);
  result.members = static_cast<int>(members);
  if (const MemberSite* site = world.member_site()) {
    result.elections = site->elections();
    result.trims = site->trims();
  }
  result.faults = weather.faults() + member_weather.faults();
  result.requests = static_cast<int64_t>(clients.requests().size());
  result.acknowledged = clients.acknowledged();
  result.refused = clients.refused();
  result.erased = clients.erased();
  result.conflicts = checks.conflicts();
  result.companions = checks.companions();
  result.messages = world.messages();
  for (const auto& site : world.sites()) {
    if (site->node != nullptr) result.entries = std::max<int64_t>(result.entries, static_cast<int64_t>(site->node->JournalEnd().value()));
  }
  trace.Add("{} entries, {} acknowledged, {} refused, {} conflicts", result.entries, result.acknowledged, result.refused, result.conflicts);
  result.trace_hash = trace.hash();
  result.trace_tail = trace.tail();
  return result;
}

}  // namespace fairlead::simulation
