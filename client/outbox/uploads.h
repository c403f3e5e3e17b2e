// Attachments that wait in an outbox.
//
// An upload is a change like the others: the call that makes the attachment's record. Its file is copied into the outbox's folder when it
// is recorded, under the SHA-256 of its bytes, so that what was recorded is what is uploaded; the copy goes when no change needs it any
// more. What a node has of the bytes it keeps, so an upload that was cut goes on there at the next sync.
//
// Thread safety: one thread, as the outbox. Ownership: borrows outbox and client.

#ifndef FAIRLEAD_CLIENT_OUTBOX_UPLOADS_H_
#define FAIRLEAD_CLIENT_OUTBOX_UPLOADS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <string>

#include "client/connection.h"
#include "client/outbox/outbox.h"
#include "fairlead/v1/attachment.pb.h"

namespace fairlead::client {

// Records the upload of `path`; `attachment` as for AttachmentUpload::Open, whose errors it has, and Outbox::Record's. Copy and change are
// durable when it returns OK.
absl::StatusOr<Change> RecordUpload(Outbox* outbox, const std::string& path, fairlead::v1::Attachment attachment, const std::string& site);

bool IsUpload(const google::protobuf::MethodDescriptor& method);
// Sends a recorded upload's bytes and its request. As Client::Call; INVALID_ARGUMENT, field `attachment.sha256`, when the copy is not what
// it was.
absl::Status SendUpload(Client* client, const Outbox& outbox, const google::protobuf::Message& request, google::protobuf::Message* response,
                        const CallOptions& call, Answer* answer);

// Removes the copies that no open change needs.
absl::Status RemoveUnneededFiles(const Outbox& outbox);

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_OUTBOX_UPLOADS_H_
