// Streams of the bytes of attachments, each of one chunk at a time, read when its reader has room.
//
// Reads the store as it is, not a snapshot that a slow reader would keep alive: a stream whose bytes are erased meanwhile ends as
// one whose bytes are not here. Thread safety: as Source. Ownership: borrows the view.

#ifndef FAIRLEAD_SERVER_RPC_CONTENT_SOURCE_H_
#define FAIRLEAD_SERVER_RPC_CONTENT_SOURCE_H_

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "fairlead/v1/attachment.pb.h"
#include "server/node/contents.h"
#include "server/rpc/dispatcher.h"
#include "storage/store.h"

namespace fairlead::rpc {

// Makes the message of a piece that begins at `offset`.
using PieceOf = std::function<MessagePtr(uint64_t offset, std::string data)>;

// From `offset` on. FIELD_INVALID (of "offset") beyond the end.
absl::StatusOr<std::shared_ptr<Source>> StreamContent(const storage::View& view, node::Content content, int64_t offset, PieceOf piece);

// STATE_FORBIDS, with metadata `bytes_state`: AWAITED or ERASED.
absl::Status BytesNotHere(v1::BytesState state);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_CONTENT_SOURCE_H_
