// What the node tells Prometheus.
//
// Counters of calls are kept as they end; everything about logs, links and the certificate is read when scraped, from the same sources as
// NodeService.GetNodeStatus, so that the two never disagree.
// Thread safety: any thread. Ownership: borrows what its sources name.

#ifndef FAIRLEAD_SERVER_METRICS_H_
#define FAIRLEAD_SERVER_METRICS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "server/membership.h"
#include "server/node/node.h"
#include "server/replication/link_info.h"
#include "server/rpc/backup_methods.h"
#include "server/rpc/credentials.h"
#include "server/rpc/dispatcher.h"
#include "server/search/search_index.h"

namespace fairlead {

class Metrics {
 public:
  struct Sources {
    const node::Node* node = nullptr;
    std::function<std::vector<replication::LinkInfo>()> links;
    const rpc::Credentials* credentials = nullptr;
    std::function<rpc::BackupFigures()> backups;
    std::function<search::IndexFigures()> search;
    std::function<std::string()> unwritable_reason;
    const Membership* membership = nullptr;  // null: the site is one machine
  };

  Metrics();
  // For DispatcherOptions::on_finish.
  void CallFinished(const rpc::CallSummary& summary);
  // Serves `GET /metrics` on `address`. UNAVAILABLE when it cannot be bound.
  absl::Status Serve(const std::string& address, Sources sources);
  // REQUIRES: called before what Sources names goes away.
  void Stop() { exposer_.reset(); }

 private:
  class NodeCollector;

  using CallKind = std::tuple<std::string_view, rpc::IdentityKind, grpc::StatusCode>;  // the method is a key of methods_

  // Looked up once: a family makes a new metric each time it is asked for one, and drops it when there is one of these labels.
  absl::Mutex mu_;
  std::map<std::string, prometheus::Histogram*, std::less<>> methods_ ABSL_GUARDED_BY(mu_);
  std::map<CallKind, prometheus::Counter*> call_kinds_ ABSL_GUARDED_BY(mu_);

  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>* calls_ = nullptr;
  prometheus::Family<prometheus::Counter>* limited_ = nullptr;
  prometheus::Family<prometheus::Histogram>* seconds_ = nullptr;
  std::shared_ptr<NodeCollector> collector_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVER_METRICS_H_
