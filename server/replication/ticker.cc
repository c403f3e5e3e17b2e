#include "server/replication/ticker.h"

#include <absl/time/clock.h>

#include <chrono>
#include <utility>

namespace fairlead::replication {

absl::Time SteadyNow() {
  static const absl::Time wall_start = absl::Now();
  static const auto steady_start = std::chrono::steady_clock::now();
  return wall_start + absl::FromChrono(std::chrono::steady_clock::now() - steady_start);
}

Ticker::Ticker(absl::Duration interval, std::function<void(bool)> round) : interval_(interval), round_(std::move(round)) {}

Ticker::~Ticker() { Stop(); }

void Ticker::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Ticker::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Ticker::Wake() {
  absl::MutexLock lock(&mu_);
  woken_ = true;
}

void Ticker::Run() {
  absl::Time next = SteadyNow() + interval_;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return woken_ || stopped_; };
      mu_.AwaitWithTimeout(absl::Condition(&due), next - SteadyNow());
      if (stopped_) return;
      woken_ = false;
    }
    const bool tick = SteadyNow() >= next;
    if (tick) next = SteadyNow() + interval_;
    round_(tick);
  }
}

}  // namespace fairlead::replication
