#include "server/replication/ticker.h"

#include <utility>

namespace fairlead::replication {

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
