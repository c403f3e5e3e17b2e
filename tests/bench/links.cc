// What a long link that loses packets carries from a region to headquarters.
//
// Emulated by the fault proxy of tests/framework: bytes arrive half a round trip later each way, and no faster than TCP gets them through a
// link that loses kLoss of its packets (Mathis et al., "The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm", 1997). Not
// every kernel has netem, and packets lost on loopback are sent again at once, which says nothing about a link of 300 ms.

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "tests/bench/measurements.h"
#include "tests/bench/network.h"

namespace fairlead::bench {
namespace {

constexpr int kRoundTripsMs[] = {0, 50, 150, 300};
constexpr double kLoss = 0.01;
constexpr double kSegmentBytes = 1448;  // of TCP over Ethernet
constexpr double kWritesPerS = 20;      // whose lag is taken: far from what the link carries
constexpr int64_t kEntriesMax = 2000;   // caught up with

size_t BytesPerSecond(absl::Duration round_trip) {
  return static_cast<size_t>(kSegmentBytes / absl::ToDoubleSeconds(round_trip) * std::sqrt(1.5 / kLoss));
}

}  // namespace

absl::StatusOr<Section> MeasureLinks(const Settings& settings) {
  Section section(fmt::format("a link that loses {:.0f}% of its packets: lag of {:.0f} writes/s, and catch-up of an empty hq", kLoss * 100,
                              kWritesPerS),
                  {"kB/s", "p50 ms", "p99 ms", "entries/s", "B/entry"});
  const int64_t entries = std::min(settings.entries, kEntriesMax);
  for (const int round_trip_ms : kRoundTripsMs) {
    const absl::StatusOr<std::unique_ptr<Network>> network = FilledForCatchUp(entries);
    if (!network.ok()) return network.status();
    framework::Cluster& cluster = (*network)->cluster();
    const absl::Duration round_trip = absl::Milliseconds(round_trip_ms);
    const size_t rate = round_trip_ms == 0 ? 0 : BytesPerSecond(round_trip);
    for (const auto& [receiver, peer] : {std::pair("hq", "apac"), std::pair("apac", "hq")}) {
      cluster.SetDelay(receiver, peer, round_trip / 2);
      cluster.SetRate(receiver, peer, rate);
    }
    const auto bytes = [&] { return cluster.Counts("hq", "apac").bytes_from_target + cluster.Counts("apac", "hq").bytes_to_target; };
    for (int round = 0; round < settings.rounds; ++round) {
      const uint64_t before = bytes();
      const absl::StatusOr<int64_t> held = (*network)->EntriesAt("apac");
      if (!held.ok()) return held.status();
      const absl::StatusOr<CatchUpFigures> caught = CatchUpRound(network->get());
      if (!caught.ok()) return caught.status();
      const double each = static_cast<double>(bytes() - before) / static_cast<double>(*held);

      if (absl::Status started = cluster.StartNode("hq"); !started.ok()) return started;
      const auto channel = cluster.Channel("hq/analyst/desk", "hq");
      if (!channel.ok()) return channel.status();
      Watcher watcher(*channel, "engagements");
      if (absl::Status begun = AwaitBegun((*network)->callers(), watcher); !begun.ok()) return begun;
      if (absl::Status even = cluster.WaitForConvergence(); !even.ok()) return even;
      const absl::StatusOr<Acknowledged> acknowledged = RunPacedCreates((*network)->callers(), kWritesPerS, settings.duration);
      if (!acknowledged.ok()) return acknowledged.status();
      const absl::StatusOr<std::vector<double>> lags_ms = LagsMs(*acknowledged, watcher);
      if (!lags_ms.ok()) return lags_ms.status();
      if (auto stopped = cluster.Stop("hq"); !stopped.ok()) return stopped.status();
      section.Add(fmt::format("{:>3} ms", round_trip_ms), {static_cast<double>(rate) / 1000, Quantile(*lags_ms, 0.5),
                                                           Quantile(*lags_ms, 0.99), static_cast<double>(*held) / caught->seconds, each});
    }
  }
  return section;
}

}  // namespace fairlead::bench
