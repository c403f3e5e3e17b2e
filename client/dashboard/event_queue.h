// What one open page is still to be told.
//
// Two kinds of news: changes, which all count and keep their order, and states, of which only the newest of each name does. A page that
// reads slowly costs a bounded amount of memory: pushing a change waits for room, and a newer state takes the place of an unread one.
//
// Thread safety: any thread. Ownership: values.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_EVENT_QUEUE_H_
#define FAIRLEAD_CLIENT_DASHBOARD_EVENT_QUEUE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <deque>
#include <map>
#include <optional>
#include <string>

namespace fairlead::dashboard {

// As server-sent events have them.
struct Event {
  std::string type;
  std::string data;  // JSON, one line
  std::string id;    // where to resume; empty for none
};

class EventQueue {
 public:
  explicit EventQueue(size_t changes_max = 256) : changes_max_(changes_max) {}

  // Waits for room. False when the queue is closed.
  bool PushChange(Event event);
  // Replaces the unread state of that name.
  void PutState(const std::string& name, Event event);
  // The oldest, changes first; nullopt when nothing comes within `wait` or the queue is closed.
  std::optional<Event> Pop(absl::Duration wait);
  // Ends every wait; nothing is taken or given any more.
  void Close();

 private:
  const size_t changes_max_;
  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Event> changes_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Event> states_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_EVENT_QUEUE_H_
