#include "client/attachment_upload.h"

#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/ids.h"
#include "api/sha256_stream.h"
#include "fairlead/v1/attachment_service.pb.h"

namespace fairlead::client {
namespace {

namespace v1 = fairlead::v1;

constexpr char kService[] = "fairlead.v1.AttachmentService.";
constexpr size_t kReadBytes = 1 << 20;
// An upload is begun anew so often when the site does not know it any more: it expired, or the bytes came by another way.
constexpr int kBeginningsMax = 4;

absl::Status CannotRead(const std::string& path) { return absl::NotFoundError(fmt::format("{} cannot be read", path)); }

// The upload of these bytes is not there (any more).
bool IsGone(const absl::Status& status) {
  return absl::IsNotFound(status) || (ReasonOf(status) == ReasonName(Reason::kFieldInvalid) && FieldOf(status) == "offset");
}

}  // namespace

std::string MediaTypeOf(const std::string& file_name) {
  static const auto* const types = new std::map<std::string, std::string>{
      {".csv", "text/csv"},        {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
      {".jpeg", "image/jpeg"},     {".jpg", "image/jpeg"},
      {".pdf", "application/pdf"}, {".png", "image/png"},
      {".txt", "text/plain"},      {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
  };
  std::string ending = std::filesystem::path(file_name).extension();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found = types->find(ending);
  return found == types->end() ? "" : found->second;
}

absl::StatusOr<AttachmentUpload> AttachmentUpload::Open(std::string path, v1::Attachment attachment) {
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (!std::filesystem::is_regular_file(path, error) || !file) return CannotRead(path);
  if (attachment.file_name().empty()) attachment.set_file_name(std::filesystem::path(path).filename());
  if (attachment.media_type().empty()) attachment.set_media_type(MediaTypeOf(attachment.file_name()));
  if (attachment.media_type().empty()) {
    return FieldError(Reason::kFieldInvalid, "media_type",
                      fmt::format("{} does not end as a file that can be attached: pdf, jpg, png, txt, csv, docx, xlsx", path));
  }
  Sha256Stream hash;
  int64_t size = 0;
  std::string block(kReadBytes, '\0');
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    hash.Append(std::string_view(block).substr(0, static_cast<size_t>(file.gcount())));
    size += file.gcount();
  }
  if (file.bad()) return CannotRead(path);
  attachment.set_size_bytes(size);
  attachment.set_sha256(HexEncode(AsView(hash.Finish())));
  return AttachmentUpload(std::move(path), std::move(attachment));
}

absl::StatusOr<v1::Attachment> AttachmentUpload::Run(Client& client, const std::string& request_id,
                                                     const std::function<void(int64_t durable)>& on_progress, CallOptions call,
                                                     Answer* answer) const {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return CannotRead(path_);
  v1::FinishUploadRequest finish;
  *finish.mutable_attachment() = attachment_;
  finish.set_request_id(request_id.empty() ? NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()))) : request_id);
  v1::BeginUploadRequest begin;
  begin.set_sha256(attachment_.sha256());
  begin.set_size_bytes(attachment_.size_bytes());
  begin.set_media_type(attachment_.media_type());

  absl::Status last;
  for (int beginning = 0; beginning < kBeginningsMax; ++beginning) {
    Answer answered;
    absl::StatusOr<v1::Upload> upload = client.Call<v1::Upload>(std::string(kService) + "BeginUpload", begin, call, &answered);
    if (answer != nullptr) *answer = answered;
    if (!upload.ok()) return upload.status();
    call.site = answered.site;  // what it has, no other site has
    while (upload.ok() && upload->offset() < upload->size_bytes()) {
      if (on_progress) on_progress(upload->offset());
      v1::WriteChunkRequest chunk;
      chunk.set_name(upload->name());
      chunk.set_offset(upload->offset());
      std::string& data = *chunk.mutable_data();
      data.resize(static_cast<size_t>(std::min<int64_t>(upload->chunk_bytes(), upload->size_bytes() - upload->offset())));
      file.clear();
      file.seekg(upload->offset());
      if (!file.read(data.data(), static_cast<std::streamsize>(data.size()))) return CannotRead(path_);
      upload = client.Call<v1::Upload>(std::string(kService) + "WriteChunk", chunk, call, &answered);
    }
    if (upload.ok()) {
      if (on_progress) on_progress(upload->offset());
      absl::StatusOr<v1::Attachment> made = client.Call<v1::Attachment>(std::string(kService) + "FinishUpload", finish, call, &answered);
      if (answer != nullptr) *answer = answered;
      return made;
    }
    if (!IsGone(upload.status())) return upload.status();
    last = upload.status();
  }
  return last;
}

}  // namespace fairlead::client
