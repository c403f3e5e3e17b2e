// The one thread that drives all links and streams between messages: at a fixed interval, and at once when woken.
//
// Thread safety: any thread; Stop joins and must not be called from the callback. Ownership: owns its thread.

#ifndef FAIRLEAD_SERVER_REPLICATION_TICKER_H_
#define FAIRLEAD_SERVER_REPLICATION_TICKER_H_

#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <thread>

#include "api/steady_event.h"

namespace fairlead::replication {

class Ticker {
 public:
  // `round(tick)`: `tick` is true once each interval, and false when only woken. Wake-ups during a round make one more.
  Ticker(absl::Duration interval, std::function<void(bool tick)> round);
  ~Ticker();
  void Start();
  void Stop();
  void Wake();

 private:
  void Run();

  const absl::Duration interval_;
  const std::function<void(bool)> round_;
  SteadyEvent woken_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_TICKER_H_
