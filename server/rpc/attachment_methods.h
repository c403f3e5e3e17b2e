// Uploads and downloads of attachments, and what nodes give each other of them. Their records' other methods are standard ones.
//
// Thread safety: Register before the server starts; any thread after that. Ownership: borrows all it is given, which outlives the
// dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_ATTACHMENT_METHODS_H_
#define FAIRLEAD_SERVER_RPC_ATTACHMENT_METHODS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <string>

#include "fairlead/v1/attachment_service.pb.h"
#include "fairlead/v1/content_service.pb.h"
#include "server/node/contents.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

struct AttachmentLimits {
  int64_t file_bytes_max = 64 << 20;
  int uploads_max = 8;  // unfinished, of one identity
  absl::Duration upload_lifetime = absl::Hours(72);
};

class AttachmentMethods {
 public:
  AttachmentMethods(node::Node* node, const WriteMethods* writes, AttachmentLimits limits)
      : node_(node), writes_(writes), limits_(limits) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<v1::Upload> Begin(const Call& call, const v1::BeginUploadRequest& request) const;
  absl::StatusOr<v1::Upload> GetUpload(const Call& call, const v1::GetUploadRequest& request) const;
  absl::StatusOr<v1::Upload> WriteChunk(const Call& call, const v1::WriteChunkRequest& request) const;
  void Finish(const std::shared_ptr<Call>& call, const v1::FinishUploadRequest& request, Reply reply) const;
  // Makes what the caller has uploaded content, unless it is here, and checks that it is what the attachment says. Errors name fields of
  // the attachment.
  absl::Status TakeBytes(const Call& call, const v1::Attachment& attachment) const;
  absl::StatusOr<std::shared_ptr<Source>> Download(const v1::DownloadAttachmentRequest& request) const;
  absl::StatusOr<std::shared_ptr<Source>> Fetch(const Call& call, const v1::FetchContentRequest& request) const;

  // Checks what a request says of bytes, before any are taken.
  absl::Status CheckBytes(const std::string& sha256, int64_t size_bytes, const std::string& media_type) const;
  // The caller's own. RECORD_NOT_FOUND.
  absl::StatusOr<node::Transfer> FindUpload(const Call& call, const std::string& name) const;
  v1::Upload ToProto(const node::Transfer& transfer) const;

  node::Node* const node_;
  const WriteMethods* const writes_;
  const AttachmentLimits limits_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_ATTACHMENT_METHODS_H_
