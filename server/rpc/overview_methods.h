// OverviewService: the global view, and a stream of it.
//
// A stream tells the overview as it is, at once when it has changed, at most once a second, and every few seconds besides, so that
// as-of times move. It keeps nothing for a reader who is slow: the next message is made once there is room for it. Streams that ask for the
// same share what is made.
//
// What a caller may not read (read_rights.h) is in no figure that leads to records: conflicts are those that the caller may list.
//
// Thread safety: any thread. Ownership: borrows the node; waits, when destroyed, for its streams to end.

#ifndef FAIRLEAD_SERVER_RPC_OVERVIEW_METHODS_H_
#define FAIRLEAD_SERVER_RPC_OVERVIEW_METHODS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <map>
#include <string>

#include "fairlead/v1/overview_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/journal_feed.h"
#include "server/view/overview.h"

namespace fairlead::rpc {

class OverviewMethods {
 public:
  static constexpr absl::Duration kIntervalMin = absl::Seconds(1);  // between messages of one stream

  OverviewMethods(node::Node* node, view::OverviewOptions options, absl::Duration heartbeat = absl::Seconds(5));

  void Register(Dispatcher* dispatcher);

 private:
  class Watch;

  // What was made lately for the request, when the journal has not grown since; else a new one.
  absl::StatusOr<v1::Overview> Shared(const v1::GetOverviewRequest& request);

  struct Made {
    Position journal;
    absl::Time time;
    v1::Overview overview;
  };

  node::Node* const node_;
  const view::OverviewOptions options_;
  absl::Mutex mu_;
  std::map<std::string, Made> made_ ABSL_GUARDED_BY(mu_);  // by request
  JournalFeeds feeds_;                                     // last: its feeds use the rest
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_OVERVIEW_METHODS_H_
