// Waiting for a condition of other processes, with a deadline.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_EVENTUALLY_H_
#define FAIRLEAD_TESTS_FRAMEWORK_EVENTUALLY_H_

#include <absl/time/clock.h>
#include <absl/time/time.h>

namespace fairlead::framework {

inline constexpr absl::Duration kPollInterval = absl::Milliseconds(20);
// For what should take well under a second, on a machine that is busy with other things.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Asks `condition` again and again until it is true; false when it was not within `timeout`.
template <class Condition>
bool Eventually(Condition condition, absl::Duration timeout = kPatience) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(kPollInterval);
  }
  return true;
}

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_EVENTUALLY_H_
