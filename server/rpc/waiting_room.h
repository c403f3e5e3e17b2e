// Calls that wait for something the node has yet to come to, each until a time of its own. No thread waits: gRPC's alarms do.
//
// Thread safety: any thread. Ownership: owns its waiters; when destroyed, answers them all and waits until they have been.

#ifndef FAIRLEAD_SERVER_RPC_WAITING_ROOM_H_
#define FAIRLEAD_SERVER_RPC_WAITING_ROOM_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <grpcpp/alarm.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

namespace fairlead::rpc {

// When a wait is given up so that its answer still arrives: 100 ms before the deadline, or a tenth of what is left of it.
inline absl::Time AnswerTime(absl::Time deadline) {
  const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
  return deadline - std::min(absl::Milliseconds(100), left / 10);
}

// `State` is what the conditions are about.
template <class State>
class WaitingRoom {
 public:
  using Condition = std::function<bool(const State&)>;
  using StateFn = std::function<State()>;

  // `now` gives the state as it is. May be called from any thread.
  explicit WaitingRoom(StateFn now) : now_(std::move(now)) {}
  ~WaitingRoom() {
    Close();
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(
        +[](std::map<uint64_t, std::shared_ptr<Waiter>>* waiters) { return waiters->empty(); }, &waiters_));
  }
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  // Calls `done` once, from another thread: true when the condition holds, false at `until` or when this room closes. Not at all after
  // Leave.
  uint64_t Enter(Condition condition, absl::Time until, std::function<void(bool met)> done) {
    auto waiter = std::make_shared<Waiter>();
    waiter->condition = std::move(condition);
    waiter->done = std::move(done);
    absl::MutexLock lock(&mu_);
    waiter->id = next_++;
    waiters_.emplace(waiter->id, waiter);
    // `waiters_` keeps the waiter until this has run; an alarm keeps its function, so it may not keep the waiter.
    waiter->alarm.Set(absl::ToChronoTime(until), [this, weak = std::weak_ptr<Waiter>(waiter)](bool) {
      if (auto alive = weak.lock()) OnAlarm(alive);
    });
    // What came to be before the insertion has woken nobody.
    Wake(*waiter, now_());
    if (closed_) waiter->alarm.Cancel();
    return waiter->id;
  }

  // Answers all who wait, and all who enter later, at once.
  void Close() {
    absl::MutexLock lock(&mu_);
    closed_ = true;
    for (const auto& [id, waiter] : waiters_) waiter->alarm.Cancel();
  }

  // The waiter, if it is still there, is not answered: its caller has gone. May come before or while it is answered.
  void Leave(uint64_t id) {
    absl::MutexLock lock(&mu_);
    const auto waiter = waiters_.find(id);
    if (waiter == waiters_.end()) return;
    waiter->second->left = true;
    waiter->second->alarm.Cancel();
  }

  // The state has changed.
  void Look() {
    absl::MutexLock lock(&mu_);
    if (waiters_.empty()) return;
    const State state = now_();
    for (const auto& [id, waiter] : waiters_) Wake(*waiter, state);
  }

  size_t size() const {
    absl::MutexLock lock(&mu_);
    return waiters_.size();
  }

 private:
  struct Waiter {
    uint64_t id = 0;
    Condition condition;
    std::function<void(bool met)> done;
    bool met = false;
    bool left = false;
    grpc::Alarm alarm;
  };

  void Wake(Waiter& waiter, const State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (waiter.met || !waiter.condition(state)) return;
    waiter.met = true;
    waiter.alarm.Cancel();
  }

  void OnAlarm(const std::shared_ptr<Waiter>& waiter) {
    bool met, left;
    {
      absl::MutexLock lock(&mu_);
      met = waiter->met;
      left = waiter->left;
    }
    if (!left) waiter->done(met);
    waiter->done = nullptr;
    absl::MutexLock lock(&mu_);
    waiters_.erase(waiter->id);
  }

  const StateFn now_;
  mutable absl::Mutex mu_;
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 1;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::map<uint64_t, std::shared_ptr<Waiter>> waiters_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_WAITING_ROOM_H_
