// Random clients of every site, and the ledger of what they were told.
//
// Each thread creates engagements, edits its own and reads anyone's, at the nodes of its site; a request without an answer is made again
// with the same id, now and then at another site.
//
// Thread safety: any thread, but Start and Stop once each, by one. Ownership: borrows the cluster, which outlives it.

#ifndef FAIRLEAD_TESTS_SOAK_LOAD_H_
#define FAIRLEAD_TESTS_SOAK_LOAD_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/scenarios/scenario.h"

namespace fairlead::soak {

struct LoadOptions {
  uint64_t seed = 1;
  int threads_per_site = 2;
  double calls_per_second = 10;  // of each thread, at most
};

// An engagement whose creation was acknowledged.
struct Record {
  std::string name;
  std::string title;
  std::string notes;          // as acknowledged last
  bool notes_certain = true;  // false: an edit was given up, and may have been made
};

struct LoadCounts {
  uint64_t creates = 0;  // acknowledged
  uint64_t edits = 0;    // acknowledged
  uint64_t reads = 0;    // answered
  uint64_t repeats = 0;  // of requests without an answer
};

class Load {
 public:
  Load(framework::Cluster* cluster, LoadOptions options);
  ~Load();  // stops
  absl::Status Start();
  // Lets each thread finish its request. The first error that no fault explains.
  absl::Status Stop();
  // Returns once every thread waits between two requests, where Resume lets it go on. REQUIRES: every node can answer.
  void Hold();
  void Resume();

  LoadCounts counts() const;
  // REQUIRES: stopped.
  std::vector<Record> records() const;

 private:
  struct Thread;
  void Run(Thread* thread);
  absl::Status CreateOne(Thread* thread);
  absl::Status EditOne(Thread* thread);
  void ReadOne(Thread* thread);
  // Waits while held, and for the next call's time. False once stopped.
  bool Next(Thread* thread);

  framework::Cluster* const cluster_;
  const LoadOptions options_;
  mutable absl::Mutex mu_;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  int busy_ ABSL_GUARDED_BY(mu_) = 0;  // threads between their Next and the next one
  LoadCounts counts_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace fairlead::soak

#endif  // FAIRLEAD_TESTS_SOAK_LOAD_H_
