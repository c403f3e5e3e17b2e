#include "client/dashboard/event_queue.h"

#include <utility>

namespace fairlead::dashboard {

bool EventQueue::PushChange(Event event) {
  absl::MutexLock lock(&mu_);
  const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closed_ || changes_.size() < changes_max_; };
  mu_.Await(absl::Condition(&has_room));
  if (closed_) return false;
  changes_.push_back(std::move(event));
  return true;
}

void EventQueue::PutState(const std::string& name, Event event) {
  absl::MutexLock lock(&mu_);
  if (!closed_) states_[name] = std::move(event);
}

std::optional<Event> EventQueue::Pop(absl::Duration wait) {
  absl::MutexLock lock(&mu_);
  const auto has_news = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closed_ || !changes_.empty() || !states_.empty(); };
  mu_.AwaitWithTimeout(absl::Condition(&has_news), wait);
  if (closed_) return std::nullopt;
  if (!changes_.empty()) {
    Event event = std::move(changes_.front());
    changes_.pop_front();
    return event;
  }
  if (states_.empty()) return std::nullopt;
  Event event = std::move(states_.extract(states_.begin()).mapped());
  return event;
}

void EventQueue::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
  changes_.clear();
  states_.clear();
}

}  // namespace fairlead::dashboard
