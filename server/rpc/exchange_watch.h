// WatchReleasedRecords: what is released to a nation, now and as it changes.
//
// A watch keeps the names and etags that its caller holds, and walks over what is released when something that bears on it was committed,
// or a day has ended: it sends what differs, then says that this is all. Records are read as they are when there is room to send them, a
// few at a time, which get their receipts (receipt_book.h) before the first of them is sent; so a slow reader costs no memory beside those
// few and those names. One that is taken back before its turn comes is not sent, though it has a receipt by then. What is committed and
// does not concern the nation is looked at and sends nothing.
//
// The resume token is a hash over names and etags: it says nothing that the caller does not hold, and is the same at every site.
//
// Thread safety: any thread. Ownership: borrows all it is given; waits, when destroyed, for its watches to end.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_WATCH_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_WATCH_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/exchange/pseudonyms.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/journal_feed.h"
#include "server/rpc/receipt_book.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

class ExchangeWatches {
 public:
  // An idle watch hears an empty response this often.
  ExchangeWatches(node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms,
                  absl::Duration heartbeat = absl::Seconds(15));

  void Register(Dispatcher* dispatcher);

  // What the caller is sent. FIELD_INVALID of `resume_token`.
  absl::StatusOr<std::shared_ptr<Source>> Open(const Call& call, const v1::WatchReleasedRecordsRequest& request);

 private:
  class Watch;

  node::Node* const node_;
  const Sealer* const sealer_;
  const exchange::Pseudonyms* const pseudonyms_;
  const ReceiptBook receipts_;
  JournalFeeds feeds_;  // last: it waits for the watches
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_WATCH_H_
