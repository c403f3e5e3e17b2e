// Delays between attempts: exponential, with full jitter (uniform in [0, ceiling)), so that peers of a node that returns do not come at
// once.
//
// Thread safety: none; one thread at a time. Ownership: value.

#ifndef FAIRLEAD_SERVER_REPLICATION_BACKOFF_H_
#define FAIRLEAD_SERVER_REPLICATION_BACKOFF_H_

#include <absl/time/time.h>

#include <functional>

namespace fairlead::replication {

struct BackoffOptions {
  absl::Duration first_max = absl::Milliseconds(200);  // ceiling of the first delay
  absl::Duration max = absl::Seconds(30);              // ceiling of every delay
  double factor = 2;                                   // from one ceiling to the next
};

class Backoff {
 public:
  // `uniform` gives numbers in [0, 1).
  Backoff(const BackoffOptions& options, std::function<double()> uniform);
  // The delay before the next attempt.
  absl::Duration Next();
  // After success.
  void Reset();

 private:
  const BackoffOptions options_;
  const std::function<double()> uniform_;
  absl::Duration ceiling_;
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_BACKOFF_H_
