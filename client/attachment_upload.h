// Uploads of attachments that go on where they were cut.
//
// What a node has answered is durable there, so nothing is kept here: the same file, by the same identity, at the same site, goes on after
// the last durable chunk, in this process or in another. The record is made at the end, once: give the same request id again after an
// error whose outcome is not known.
//
// Thread safety: one thread at a time. Ownership: a value; borrows the client during Run.

#ifndef FAIRLEAD_CLIENT_ATTACHMENT_UPLOAD_H_
#define FAIRLEAD_CLIENT_ATTACHMENT_UPLOAD_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "client/connection.h"
#include "fairlead/v1/attachment.pb.h"

namespace fairlead::client {

// What a file's name ends in says what it is: "application/pdf" of "report.pdf". Empty for what cannot be attached.
std::string MediaTypeOf(const std::string& file_name);

class AttachmentUpload {
 public:
  // `attachment` has its subject, and what else the caller decides (title, marking, audience). File name and media type are the file's when
  // they are empty. Reads the file once, for its size and SHA-256. NOT_FOUND when it cannot be read; INVALID_ARGUMENT, field `media_type`,
  // when its type is not known.
  static absl::StatusOr<AttachmentUpload> Open(std::string path, fairlead::v1::Attachment attachment);

  // As it will be made: with size and SHA-256.
  const fairlead::v1::Attachment& attachment() const { return attachment_; }

  // Uploads what is missing and makes the record. `request_id` is a UUID version 7; empty: a new one. `on_progress` hears how many bytes
  // are durable, first where the upload goes on; it may be null. Each call has the client's timeout; a connection that breaks is taken up
  // again within it. All calls go to the site that answers first. Errors as the nodes give them; INVALID_ARGUMENT on `attachment.sha256`
  // when the file was changed meanwhile.
  absl::StatusOr<fairlead::v1::Attachment> Run(Client& client, const std::string& request_id,
                                               const std::function<void(int64_t durable)>& on_progress = {}, CallOptions call = {},
                                               Answer* answer = nullptr) const;

 private:
  AttachmentUpload(std::string path, fairlead::v1::Attachment attachment) : path_(std::move(path)), attachment_(std::move(attachment)) {}

  std::string path_;
  fairlead::v1::Attachment attachment_;
};

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_ATTACHMENT_UPLOAD_H_
