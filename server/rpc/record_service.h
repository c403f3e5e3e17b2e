// RecordService: the history of a record and the feed of changes, whatever the type.
//
// The feed reads the journal from disk: a watcher holds a position, not a queue, and is woken when the journal grows.
// Thread safety: any thread. Ownership: borrows node and sealer; outlives the dispatcher's server, and waits, when destroyed, for its
// watches.

#ifndef FAIRLEAD_SERVER_RPC_RECORD_SERVICE_H_
#define FAIRLEAD_SERVER_RPC_RECORD_SERVICE_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>

#include "fairlead/v1/record_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/journal_feed.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

class RecordService {
 public:
  // An idle watch hears a heartbeat this often.
  RecordService(node::Node* node, const Sealer* sealer, absl::Duration heartbeat = absl::Seconds(15));

  void Register(Dispatcher* dispatcher);

 private:
  class Watch;

  absl::StatusOr<v1::ListRevisionsResponse> ListRevisions(const Call& call, const v1::ListRevisionsRequest& request) const;
  absl::StatusOr<std::shared_ptr<Source>> WatchRecords(const Call& call, const v1::WatchRecordsRequest& request);

  node::Node* const node_;
  const Sealer* const sealer_;
  JournalFeeds feeds_;  // last: it waits for the watches
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_RECORD_SERVICE_H_
