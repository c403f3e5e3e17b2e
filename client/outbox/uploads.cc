#include "client/outbox/uploads.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <utility>

#include "api/errors.h"
#include "client/attachment_upload.h"
#include "fairlead/v1/attachment_service.pb.h"

namespace fairlead::client {
namespace {

namespace fs = std::filesystem;
namespace v1 = fairlead::v1;

constexpr char kFinishUpload[] = "fairlead.v1.AttachmentService.FinishUpload";

fs::path FilesOf(const Outbox& outbox) { return fs::path(outbox.folder()) / "files"; }

absl::Status Failed(const fs::path& path, const std::string& what) {
  return absl::InternalError(fmt::format("{}: {}", path.string(), what));
}

absl::Status SyncPath(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failed(path, "cannot be opened");
  const bool synced = fsync(fd) == 0;
  close(fd);
  return synced ? absl::OkStatus() : Failed(path, "cannot be synced");
}

// Under its final name the copy is whole.
absl::Status CopyWhole(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (fs::exists(to, error)) return absl::OkStatus();
  fs::create_directories(to.parent_path(), error);
  const fs::path part = to.string() + ".part";
  if (!error) fs::copy_file(from, part, fs::copy_options::overwrite_existing, error);
  if (error) return Failed(part, error.message());
  if (absl::Status synced = SyncPath(part); !synced.ok()) return synced;
  fs::rename(part, to, error);
  if (error) return Failed(to, error.message());
  if (absl::Status synced = SyncPath(to.parent_path()); !synced.ok()) return synced;
  return SyncPath(to.parent_path().parent_path());
}

// The request of a recorded upload, by its generated type.
v1::FinishUploadRequest FinishOf(const google::protobuf::Message& request) {
  v1::FinishUploadRequest finish;
  finish.CopyFrom(request);
  return finish;
}

}  // namespace

bool IsUpload(const google::protobuf::MethodDescriptor& method) { return method.full_name() == kFinishUpload; }

absl::StatusOr<Change> RecordUpload(Outbox* outbox, const std::string& path, v1::Attachment attachment, const std::string& site) {
  const absl::StatusOr<AttachmentUpload> upload = AttachmentUpload::Open(path, std::move(attachment));
  if (!upload.ok()) return upload.status();
  if (absl::Status copied = CopyWhole(path, FilesOf(*outbox) / upload->attachment().sha256()); !copied.ok()) return copied;
  v1::FinishUploadRequest request;
  *request.mutable_attachment() = upload->attachment();
  return outbox->Record(*MethodNamed(kFinishUpload), request, "attachments/", site);
}

absl::Status SendUpload(Client* client, const Outbox& outbox, const google::protobuf::Message& request, google::protobuf::Message* response,
                        const CallOptions& call, Answer* answer) {
  const v1::FinishUploadRequest finish = FinishOf(request);
  const std::string& sha256 = finish.attachment().sha256();
  const absl::StatusOr<AttachmentUpload> upload = AttachmentUpload::Open((FilesOf(outbox) / sha256).string(), finish.attachment());
  if (!upload.ok() || upload->attachment().sha256() != sha256) {
    return FieldError(Reason::kFieldInvalid, "attachment.sha256", "the copy in the outbox is gone or damaged: attach the file again");
  }
  const absl::StatusOr<v1::Attachment> made = upload->Run(*client, finish.request_id(), {}, call, answer);
  if (!made.ok()) return made.status();
  response->CopyFrom(*made);
  return absl::OkStatus();
}

absl::Status RemoveUnneededFiles(const Outbox& outbox) {
  std::error_code error;
  if (!fs::exists(FilesOf(outbox), error)) return absl::OkStatus();
  const absl::StatusOr<std::vector<Change>> open = outbox.Changes(/*with_done=*/false);
  if (!open.ok()) return open.status();
  std::set<std::string> needed;
  for (const Change& change : *open) {
    if (IsUpload(*change.method)) needed.insert(FinishOf(*change.request).attachment().sha256());
  }
  for (const fs::directory_entry& file : fs::directory_iterator(FilesOf(outbox), error)) {
    if (!needed.contains(file.path().filename())) fs::remove(file.path(), error);
    if (error) return Failed(file.path(), error.message());
  }
  return absl::OkStatus();
}

}  // namespace fairlead::client
