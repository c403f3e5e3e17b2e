// The measurements of fairlead-bench. Each starts real nodes, counts what it caused, and fails when something acknowledged is not there.
//
// Thread safety: one at a time, in the thread that is to outlive the nodes (tests/framework/process.h). Ownership: everything that is
// started is gone on return.

#ifndef FAIRLEAD_TESTS_BENCH_MEASUREMENTS_H_
#define FAIRLEAD_TESTS_BENCH_MEASUREMENTS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>

#include "tests/bench/report.h"

namespace fairlead::bench {

class Network;

struct Settings {
  int rounds = 3;
  absl::Duration duration = absl::Seconds(4);  // of one load
  int64_t rows = 100'000;                      // imported in a round
  int64_t entries = 100'000;                   // caught up with in a round; engagements that are searched
  int watchers = 2000;                         // of one node
  int64_t engagements = 10'000;                // of one node, for the overview
};

// Durable creates one by one, beside an empty call over the same connections to the same process.
absl::StatusOr<Section> MeasureCreates(const Settings& settings);
// An import, beside RocksDB alone writing the keys that the import left in the store, in one synced batch for each call of the import.
absl::StatusOr<Section> MeasureImport(const Settings& settings);
// From a write's acknowledgement at one node until a watcher at another has it, while the first is at half of what it can do.
absl::StatusOr<Section> MeasureLag(const Settings& settings);
// From one write's acknowledgement until many watchers of the same node have been sent it.
absl::StatusOr<Section> MeasureWatchers(const Settings& settings);
// An empty node takes, verifies and folds a log from a peer.
absl::StatusOr<Section> MeasureCatchUp(const Settings& settings);

// What one round of an import, and of a catch-up, gives, for those who measure others beside it.
struct ImportFigures {
  double api_rows_s = 0;
  double store_rows_s = 0;  // of RocksDB alone
  double bytes_per_row = 0;
};
absl::StatusOr<ImportFigures> ImportRound(int64_t rows);
// apac with `entries` creates and hq stopped; and hq, empty, started, taking all, and stopped again.
absl::StatusOr<std::unique_ptr<Network>> FilledForCatchUp(int64_t entries);
struct CatchUpFigures {
  double entries_s = 0;  // once the first had come
  double seconds = 0;    // from the start of the process
};
absl::StatusOr<CatchUpFigures> CatchUpRound(Network* network);

// Memory, start after a kill and disk of a node with a tenth of `engagements`, and with all of them.
absl::StatusOr<Section> MeasureSize(const Settings& settings);

// Lag and catch-up over links of up to 300 ms that lose packets, by the emulation that links.cc describes.
absl::StatusOr<Section> MeasureLinks(const Settings& settings);

// The overview at a node with a hundredth of `engagements`, and with all of them.
absl::StatusOr<Section> MeasureOverview(const Settings& settings);

// An officer's calls beside a partner's system that calls as fast as it can, with the limits of partners and without.
absl::StatusOr<Section> MeasureFlood(const Settings& settings);

// A node builds the search index of its engagements, and answers questions.
absl::StatusOr<Section> MeasureSearch(const Settings& settings);

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_MEASUREMENTS_H_
