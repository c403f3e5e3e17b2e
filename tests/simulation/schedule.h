// Virtual time: the one queue of what will happen, the clocks that sites read, and the trace of what has happened.
//
// Thread safety: none; a simulation is one thread. Ownership: values; a SiteClock borrows its schedule.

#ifndef FAIRLEAD_TESTS_SIMULATION_SCHEDULE_H_
#define FAIRLEAD_TESTS_SIMULATION_SCHEDULE_H_

#include <absl/time/time.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/node/clock.h"

namespace fairlead::simulation {

class Schedule {
 public:
  absl::Time now() const { return now_; }
  void At(absl::Time time, std::function<void()> event) { events_.emplace(std::pair(std::max(time, now_), next_++), std::move(event)); }
  void After(absl::Duration delay, std::function<void()> event) { At(now_ + delay, std::move(event)); }
  // Lets the next event happen if it is due before `end`; otherwise moves the time there and returns false.
  bool Step(absl::Time end) {
    if (events_.empty() || events_.begin()->first.first >= end) {
      now_ = end;
      return false;
    }
    auto node = events_.extract(events_.begin());
    now_ = node.key().first;
    node.mapped()();
    return true;
  }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  uint64_t next_ = 0;  // events of one moment happen in the order they were added
  std::map<std::pair<absl::Time, uint64_t>, std::function<void()>> events_;
};

// A site's own clock: off by some amount, which a fault may change at once.
class SiteClock : public node::Clock {
 public:
  explicit SiteClock(const Schedule* schedule) : schedule_(*schedule) {}
  absl::Time Now() const override { return schedule_.now() + offset; }
  absl::Duration offset;

 private:
  const Schedule& schedule_;
};

// What happened, line by line. The hash is over every line, so equal hashes mean equal runs.
class Trace {
 public:
  Trace(const Schedule* schedule, bool print) : schedule_(*schedule), start_(schedule->now()), print_(print) {}

  template <class... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    std::string line = fmt::format("{:10.3f} ", absl::ToDoubleMilliseconds(schedule_.now() - start_));
    line += fmt::format(format, std::forward<Args>(args)...);
    for (const char c : line) hash_ = (hash_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;  // FNV-1a
    if (print_) std::puts(line.c_str());
    tail_.push_back(std::move(line));
    if (tail_.size() > kTailLines) tail_.pop_front();
  }
  uint64_t hash() const { return hash_; }
  std::vector<std::string> tail() const { return {tail_.begin(), tail_.end()}; }

 private:
  static constexpr size_t kTailLines = 40;
  const Schedule& schedule_;
  const absl::Time start_;
  const bool print_;
  uint64_t hash_ = 0xcbf29ce484222325;
  std::deque<std::string> tail_;
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_SCHEDULE_H_
