// RecordService: the history of a record and the feed of changes, whatever the type.
//
// The feed reads the journal from disk: a watcher holds a position, not a queue, and is woken when the journal grows. What watchers at one
// position are told is the same, and is written once for them all as long as they are near each other.
// Thread safety: any thread. Ownership: borrows all it is given; outlives the dispatcher's server, and waits, when destroyed, for its
// watches.

#ifndef FAIRLEAD_SERVER_RPC_RECORD_SERVICE_H_
#define FAIRLEAD_SERVER_RPC_RECORD_SERVICE_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "fairlead/v1/record_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/journal_feed.h"
#include "server/rpc/journal_tail.h"
#include "server/rpc/shown_records.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

class RecordService {
 public:
  // An idle watch hears a heartbeat this often.
  RecordService(node::Node* node, const Sealer* sealer, ShownRecords* shown, absl::Duration heartbeat = absl::Seconds(15));

  void Register(Dispatcher* dispatcher);

 private:
  class Watch;
  // A change of a record as it is told.
  struct Change {
    std::string name;
    std::string site;
    Position after;  // everything before it has been sent once this is
    bool operator==(const Change&) const = default;
  };
  struct Told {
    Change change;
    std::weak_ptr<const Shown> shown;  // what `bytes` show
    std::string bytes;                 // a WatchRecordsResponse
  };
  static constexpr size_t kToldKept = 1024;
  static constexpr size_t kToldBytesMax = 16 << 10;  // of one that is kept

  // The change in wire form, with the record as it is now; null when there is none, as when its entry is opaque.
  absl::StatusOr<std::shared_ptr<const std::string>> Tell(const Change& change);

  absl::StatusOr<v1::ListRevisionsResponse> ListRevisions(const Call& call, const v1::ListRevisionsRequest& request) const;
  absl::StatusOr<std::shared_ptr<Source>> WatchRecords(const Call& call, const v1::WatchRecordsRequest& request);

  node::Node* const node_;
  const Sealer* const sealer_;
  ShownRecords& shown_;
  JournalTail tail_;
  absl::Mutex mu_;
  std::array<std::shared_ptr<const Told>, kToldKept> told_ ABSL_GUARDED_BY(mu_);  // each where the hash of its place and name says
  JournalFeeds feeds_;                                                            // last: it waits for the watches
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_RECORD_SERVICE_H_
