// Sends what waits in an outbox, in the order in which it was made.
//
// Each change is marked as sent before it is, and as answered after: one whose answer was cut off is sent again as it was, and has one
// effect. A change that the node refuses stays, with the refusal, and holds back those that need its record; the others go on. What is
// the link's or the node's trouble ends the sync, and leaves all as it was.
//
// Thread safety: one thread. Ownership: borrows the outbox.

#ifndef FAIRLEAD_CLIENT_OUTBOX_SYNC_H_
#define FAIRLEAD_CLIENT_OUTBOX_SYNC_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "client/connection.h"
#include "client/outbox/outbox.h"

namespace fairlead::client {

// One call, as Client::Call.
using SendCall = std::function<absl::Status(const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                                            google::protobuf::Message* response, const CallOptions& call, Answer* answer)>;
// Through a client, which must outlive it, as must the outbox, which has the files of attachments.
SendCall SendThrough(Client* client, const Outbox* outbox);

struct SyncResult {
  int done = 0;                                   // answered now
  int refused = 0;                                // now
  std::vector<std::pair<int64_t, int64_t>> held;  // a change, and the one that holds it back
  absl::Status stopped;                           // why it ended before all were tried
};

// Whether an answer says that the change itself is at fault, rather than the link, the node or the caller's certificate.
bool IsRefusal(const absl::Status& status);

// `on_end` is told of each change that is answered or refused, as it then is. An error is the outbox's own.
absl::StatusOr<SyncResult> Sync(Outbox* outbox, const SendCall& send, const std::function<void(const Change&)>& on_end,
                                const std::stop_token& stop = {});

// What a person can do about a refused change: commands, with its position.
std::string AdviceFor(const Change& change);

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_OUTBOX_SYNC_H_
