// The same work on Fairlead and on its peers, in turn, round by round. In every table the last columns are Fairlead's figure over that of
// the row's system, of the same round: more than 1 is faster for a rate, less than 1 is quicker for a latency.
//
// A peer that is not installed is named on standard output and left out. Each function starts what it needs and returns when all has ended.
//
// Thread safety: one at a time, in the thread that is to outlive the processes. Ownership: nothing outlives the call.

#ifndef FAIRLEAD_TESTS_BENCH_PEER_ROWS_H_
#define FAIRLEAD_TESTS_BENCH_PEER_ROWS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/load.h"
#include "tests/bench/report.h"

namespace fairlead::bench {

struct PeerSettings {
  int rounds = 3;
  absl::Duration duration = absl::Seconds(2);  // of one load
  int64_t rows = 50'000;                       // of batches; a multiple of kImportRows
  int64_t engagements = 10'000;                // to read
  int64_t entries = 50'000;                    // to catch up with
  int watchers = 1000;
  int changes_per_s = 1000;  // that they watch
  int kills = 5;             // of a leader, in a round
};

// Durable creates one by one, beside etcd's put and an empty call to the same node.
absl::StatusOr<Section> CompareCreates(const PeerSettings& settings);
// Creates in batches, beside PostgreSQL's multi-row INSERT and RocksDB alone.
absl::StatusOr<Section> CompareBatches(const PeerSettings& settings);
// One record by name, beside etcd's serializable get and PostgreSQL; a page of 50 by country, beside PostgreSQL.
absl::StatusOr<Section> CompareReads(const PeerSettings& settings);
// A site that has nothing takes all, beside PostgreSQL's logical replication and a JetStream mirror.
absl::StatusOr<Section> CompareCatchUp(const PeerSettings& settings);
// From a write's acknowledgement to its being seen at the other site, three writers, all systems at one rate: half of what the slowest can
// do.
absl::StatusOr<Section> CompareLag(const PeerSettings& settings);
// Many watchers of every change, beside etcd's watch.
absl::StatusOr<Section> CompareWatches(const PeerSettings& settings);

// Durable creates of a site of three members on etcd of three, beside puts to etcd of three.
absl::StatusOr<Section> CompareMembers(const PeerSettings& settings);
// How long such a site acknowledges nothing when the member that leads is killed.
absl::StatusOr<Section> MeasureFailover(const PeerSettings& settings);

// What one system did in one round. Those without latency have 0.
using SystemLoad = std::pair<std::string, Load>;
// Adds a round to a section of LoadColumns: the first is Fairlead.
std::vector<std::string> LoadColumns(const std::string& rate);
void AddRound(const std::string& work, const std::vector<SystemLoad>& systems, Section* section);

// Null, and a line for the reader, when it is not installed.
template <class Peer>
absl::StatusOr<std::unique_ptr<Peer>> OrSkipped(absl::StatusOr<std::unique_ptr<Peer>> started) {
  if (started.ok() || !absl::IsNotFound(started.status())) return started;
  fmt::print("skipped: {}\n", std::string(started.status().message()));
  return nullptr;
}

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_PEER_ROWS_H_
