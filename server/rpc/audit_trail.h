// A site's audit: what is to be kept of calls and acts goes into the site's own log `audit` (api/PROTOCOL.md).
//
// Events are gathered for a few seconds and written as one entry, or as a few when there are many, by a thread of the trail's own: no call
// waits for it, and one entry at a time is on its way. What the store does not take is tried again, under another request id when that is
// what it refuses, and meanwhile gathered within the bounds of AuditBatch. A crash loses what was not written yet.
//
// Of a site of several machines, what a member sees that does not lead is kept by the one that does (KeepAuditEvents).
//
// Where the roster names no log `audit` of the site, nothing is audited, and the trail says so when it starts.
//
// Thread safety: any thread. Ownership: borrows the node; REQUIRES: Stop before the node's runner is stopped.

#ifndef FAIRLEAD_SERVER_RPC_AUDIT_TRAIL_H_
#define FAIRLEAD_SERVER_RPC_AUDIT_TRAIL_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "api/steady_event.h"
#include "fairlead/v1/node_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/audit_batch.h"
#include "server/rpc/dispatcher.h"

namespace fairlead::rpc {

struct AuditOptions {
  AuditBatchLimits limits;
  absl::Duration interval = absl::Seconds(5);  // how long events are gathered
  size_t entry_events_max = 256;               // of one entry, which may have 1 MiB
  // Of a site of several machines: has the member that leads keep what this one has seen, when another does; nullopt when this one leads.
  // Null: the site is one machine.
  std::function<std::optional<absl::Status>(const v1::KeepAuditEventsRequest&)> pass_on;
};

class AuditTrail {
 public:
  AuditTrail(node::Node* node, AuditOptions options);
  ~AuditTrail();
  AuditTrail(const AuditTrail&) = delete;
  AuditTrail& operator=(const AuditTrail&) = delete;

  // KeepAuditEvents.
  void Register(Dispatcher* dispatcher);
  void Start();
  // Writes what is gathered, if the store takes it, and ends the thread. What comes afterwards is not kept.
  void Stop();

  // For DispatcherOptions::on_stream and on_finish: a stream may last for days, and the node not as long. What has begun has no outcome.
  void StreamBegan(const CallSummary& summary) { AddCall(summary, ""); }
  void CallFinished(const CallSummary& summary);
  // A call that was refused outside the dispatcher; `actor` may be empty.
  void Denied(std::string_view actor, std::string_view method, const absl::Status& why);
  // What the site did without a call: "certificate/reload". Written without waiting for more.
  void Act(std::string_view act, const std::string& detail);

  // Waits until what was gathered so far is in the log, or until `deadline`; false then.
  bool Flush(absl::Time deadline);
  // Whether there is a log to write to.
  bool enabled() const { return enabled_; }

 private:
  void AddCall(const CallSummary& summary, const std::string& outcome);
  void Add(v1::AuditEvent event) ABSL_LOCKS_EXCLUDED(mu_);
  void Run();
  // How long to gather on.
  absl::Duration Rest();
  v1::KeepAuditEventsRequest RequestOf(const std::vector<v1::AuditEvent>& events) const;
  // The entry of these events, which is the same whichever member writes it.
  node::WriteRequest WriteOf(const v1::KeepAuditEventsRequest& request) const;
  // Writes them; false when the trail is stopped before the store takes them.
  bool Keep(const std::vector<v1::AuditEvent>& events);
  absl::Status Write(const v1::KeepAuditEventsRequest& request);

  node::Node* const node_;
  const AuditOptions options_;
  const bool enabled_;
  const std::string actor_;
  std::string failing_;  // why the last entry was not written; used by the thread only

  absl::Mutex mu_;
  AuditBatch batch_ ABSL_GUARDED_BY(mu_);
  absl::Time due_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();  // when the batch is written, as of SteadyNow
  uint64_t gathered_ ABSL_GUARDED_BY(mu_) = 0;                    // events so far
  uint64_t written_ ABSL_GUARDED_BY(mu_) = 0;                     // of them
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  SteadyEvent sooner_;   // what is due, or stopping: for Run
  SteadyEvent give_up_;  // stopping: for Keep
  std::thread thread_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_AUDIT_TRAIL_H_
