// Something to wait for until a deadline that a step of the machine's clock neither stretches nor cuts short.
//
// Abseil's waits with a timeout last until a time of day (in the release of Debian 12): set the clock back by an hour meanwhile, and they
// take an hour.
// Thread safety: any thread. Ownership: none.

#ifndef FAIRLEAD_API_STEADY_EVENT_H_
#define FAIRLEAD_API_STEADY_EVENT_H_

#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace fairlead {

// The time of day at start, moved on by the steady clock, so that a correction of the clock neither stalls nor fires a timeout.
inline absl::Time SteadyNow() {
  static const absl::Time wall_start = absl::Now();
  static const auto steady_start = std::chrono::steady_clock::now();
  return wall_start + absl::FromChrono(std::chrono::steady_clock::now() - steady_start);
}

class SteadyEvent {
 public:
  void Set() {
    std::lock_guard lock(mu_);
    set_ = true;
    changed_.notify_all();
  }
  // Waits until it is set, or for `timeout`. Whether it was set; it then is no more.
  bool Await(absl::Duration timeout) {
    std::unique_lock lock(mu_);
    changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] { return set_; });
    return std::exchange(set_, false);
  }

 private:
  std::mutex mu_;  // a condition variable of Abseil's waits until a time of day
  std::condition_variable changed_;
  bool set_ = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_STEADY_EVENT_H_
