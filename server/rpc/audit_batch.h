// What one entry of the audit holds: events that were gathered, those that are the same counted and not repeated.
//
// Bounded whatever callers do. Staff's acts and partners' calls have rooms of their own, and in each an actor has one, so that a flood
// displaces nothing of the others'. What finds no room is counted, and told by one event of kind OVERFLOW.
//
// Thread safety: one thread. Ownership: value.

#ifndef FAIRLEAD_SERVER_RPC_AUDIT_BATCH_H_
#define FAIRLEAD_SERVER_RPC_AUDIT_BATCH_H_

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "fairlead/v1/audit.pb.h"
#include "server/rpc/dispatcher.h"

namespace fairlead::rpc {

// What a call is to the audit; nullopt: nothing.
std::optional<v1::AuditKind> AuditKindOf(const CallSummary& summary);
// The collection that a call named, of those that the program knows, or "other"; empty when it named nothing.
std::string ResourceClass(std::string_view subject);

struct AuditBatchLimits {
  size_t actors_max = 1024;      // with releases, recalls and administration; and as many with reads, submissions and denials
  size_t actor_events_max = 16;  // of one actor, of either
};

class AuditBatch {
 public:
  explicit AuditBatch(AuditBatchLimits limits) : limits_(limits) {}

  // Counts the event, which says everything but its count and times, as having happened at `time`.
  void Add(v1::AuditEvent event, absl::Time time);
  bool empty() const { return events_.empty() && !overflow_; }
  // In the order of their first; the batch is empty then.
  std::vector<v1::AuditEvent> Take();

 private:
  using Key = std::tuple<int, std::string, std::string, std::string, std::string, std::string, std::string>;
  using Room = std::map<std::string, size_t>;  // events by actor

  const AuditBatchLimits limits_;
  std::vector<v1::AuditEvent> events_;
  std::map<Key, size_t> places_;  // in events_
  Room acts_, calls_;
  std::optional<v1::AuditEvent> overflow_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_AUDIT_BATCH_H_
