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
  stopped_.store(true);
  woken_.Set();
  if (thread_.joinable()) thread_.join();
}

void Ticker::Wake() { woken_.Set(); }

void Ticker::Run() {
  absl::Time next = SteadyNow() + interval_;
  while (true) {
    woken_.Await(next - SteadyNow());
    if (stopped_.load()) return;
    const bool tick = SteadyNow() >= next;
    if (tick) next = SteadyNow() + interval_;
    round_(tick);
  }
}

}  // namespace fairlead::replication
