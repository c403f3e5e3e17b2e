#include "server/rpc/attachment_methods.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <set>
#include <utility>

#include "api/bytes.h"
#include "api/errors.h"
#include "server/node/attachments.h"
#include "server/records/attachment.h"
#include "server/records/media_type.h"
#include "server/rpc/content_source.h"
#include "server/rpc/record_access.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {
namespace {

using google::protobuf::Message;

constexpr std::string_view kUploads = "uploads/";
constexpr size_t kUploadIdChars = 32;

bool IsUploadName(const std::string& name) {
  if (!name.starts_with(kUploads) || name.size() != kUploads.size() + kUploadIdChars) return false;
  return name.find_first_not_of("0123456789abcdef", kUploads.size()) == std::string::npos;
}

}  // namespace

void AttachmentMethods::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.AttachmentService/";
  dispatcher->Unary<v1::BeginUploadRequest, v1::Upload>(
      service + "BeginUpload", [this](const Call& call, const v1::BeginUploadRequest& request) { return Begin(call, request); });
  dispatcher->Unary<v1::GetUploadRequest, v1::Upload>(
      service + "GetUpload", [this](const Call& call, const v1::GetUploadRequest& request) { return GetUpload(call, request); });
  dispatcher->Unary<v1::WriteChunkRequest, v1::Upload>(
      service + "WriteChunk", [this](const Call& call, const v1::WriteChunkRequest& request) { return WriteChunk(call, request); });
  dispatcher->Handle(service + "FinishUpload", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    Finish(call, static_cast<const v1::FinishUploadRequest&>(request), std::move(reply));
  });
  dispatcher->HandleStream(service + "DownloadAttachment", [this](const std::shared_ptr<Call>&, const Message& request) {
    return Download(static_cast<const v1::DownloadAttachmentRequest&>(request));
  });
  dispatcher->HandleStream("fairlead.v1.ContentService/FetchContent", [this](const std::shared_ptr<Call>& call, const Message& request) {
    return Fetch(*call, static_cast<const v1::FetchContentRequest&>(request));
  });
}

// --- Uploads -------------------------------------------------------------------------------------------------------------------------

absl::Status AttachmentMethods::CheckBytes(const std::string& sha256, int64_t size_bytes, const std::string& media_type) const {
  if (sha256.empty()) return FieldError(Reason::kFieldRequired, "sha256", "is required");
  if (!records::IsSha256(sha256)) return FieldError(Reason::kFieldInvalid, "sha256", "must be 64 lower-case hex digits");
  if (size_bytes < 1) return FieldError(Reason::kFieldInvalid, "size_bytes", "must be at least 1: an empty file says nothing");
  if (size_bytes > limits_.file_bytes_max) {
    return FieldError(Reason::kFieldTooLarge, "size_bytes", fmt::format("must be at most {} at this site", limits_.file_bytes_max));
  }
  if (media_type.empty()) return FieldError(Reason::kFieldRequired, "media_type", "is required: what the bytes are");
  if (!records::IsMediaType(media_type)) {
    return FieldError(Reason::kFieldInvalid, "media_type", fmt::format("must be one of {}", fmt::join(records::MediaTypes(), ", ")));
  }
  return absl::OkStatus();
}

v1::Upload AttachmentMethods::ToProto(const node::Transfer& transfer) const {
  v1::Upload upload;
  upload.set_name(std::string(kUploads) + HexEncode(transfer.id));
  upload.set_sha256(transfer.sha256);
  upload.set_size_bytes(static_cast<int64_t>(transfer.size));
  upload.set_offset(static_cast<int64_t>(transfer.offset));
  upload.set_chunk_bytes(static_cast<int32_t>(node::kContentChunkBytes));
  SetTimestamp(transfer.touched + limits_.upload_lifetime, upload.mutable_expire_time());
  return upload;
}

absl::StatusOr<node::Transfer> AttachmentMethods::FindUpload(const Call& call, const std::string& name) const {
  if (name.empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  if (!IsUploadName(name)) return FieldError(Reason::kFieldInvalid, "name", "must be uploads/{id}");
  const std::string id = absl::HexStringToBytes(name.substr(kUploads.size()));
  absl::StatusOr<std::optional<node::Transfer>> transfer = node_->contents().Find(id);
  if (!transfer.ok()) return transfer.status();
  if (!transfer->has_value() || (*transfer)->source != call.identity.path) return NotFound(name);
  return **std::move(transfer);
}

absl::StatusOr<v1::Upload> AttachmentMethods::Begin(const Call& call, const v1::BeginUploadRequest& request) const {
  if (absl::Status checked = CheckBytes(request.sha256(), request.size_bytes(), request.media_type()); !checked.ok()) return checked;
  const auto size = static_cast<uint64_t>(request.size_bytes());
  const absl::StatusOr<std::optional<node::Content>> held = node::FindContent(node_->store(), request.sha256());
  if (!held.ok()) return held.status();
  if (held->has_value()) {
    if ((*held)->size != size) {
      return FieldError(Reason::kFieldInvalid, "size_bytes", fmt::format("the bytes of this SHA-256 are {}", (*held)->size));
    }
    return ToProto({.id = node::TransferId(call.identity.path, request.sha256()),
                    .sha256 = request.sha256(),
                    .size = size,
                    .offset = size,
                    .source = call.identity.path,
                    .touched = node_->options().clock->Now()});
  }
  const absl::StatusOr<node::Transfer> transfer =
      node_->contents().Begin(call.identity.path, request.sha256(), size, static_cast<size_t>(limits_.uploads_max));
  if (!transfer.ok()) return transfer.status();
  return ToProto(*transfer);
}

absl::StatusOr<v1::Upload> AttachmentMethods::GetUpload(const Call& call, const v1::GetUploadRequest& request) const {
  const absl::StatusOr<node::Transfer> transfer = FindUpload(call, request.name());
  if (!transfer.ok()) return transfer.status();
  return ToProto(*transfer);
}

absl::StatusOr<v1::Upload> AttachmentMethods::WriteChunk(const Call& call, const v1::WriteChunkRequest& request) const {
  const absl::StatusOr<node::Transfer> transfer = FindUpload(call, request.name());
  if (!transfer.ok()) return transfer.status();
  if (request.offset() < 0) return FieldError(Reason::kFieldInvalid, "offset", "must not be negative");
  const absl::StatusOr<node::Transfer> after =
      node_->contents().Append(transfer->id, static_cast<uint64_t>(request.offset()), request.data());
  if (!after.ok()) return after.status();
  return ToProto(*after);
}

absl::Status AttachmentMethods::TakeBytes(const Call& call, const v1::Attachment& attachment) const {
  if (absl::Status checked = CheckBytes(attachment.sha256(), attachment.size_bytes(), attachment.media_type()); !checked.ok()) {
    return checked;
  }
  records::MediaTypeCheck type(attachment.media_type());
  const auto look = [&type](std::string_view chunk) {
    type.Append(chunk);
    return absl::OkStatus();
  };
  node::Contents& contents = node_->contents();
  const absl::StatusOr<std::optional<node::Content>> held = node::FindContent(node_->store(), attachment.sha256());
  if (!held.ok()) return held.status();
  const auto wrong_type = [&type] {
    const absl::Status fits = type.Finish();
    return fits.ok() ? fits : FieldError(Reason::kFieldInvalid, "media_type", std::string(fits.message()));
  };
  if (held->has_value()) {
    if ((*held)->size != static_cast<uint64_t>(attachment.size_bytes())) {
      return FieldError(Reason::kFieldInvalid, "size_bytes", fmt::format("the bytes of this SHA-256 are {}", (*held)->size));
    }
    if (absl::Status read = node::VisitChunks(node_->store(), **held, look); !read.ok()) return read;
    return wrong_type();
  }
  const absl::StatusOr<std::optional<node::Transfer>> found = contents.Find(node::TransferId(call.identity.path, attachment.sha256()));
  if (!found.ok()) return found.status();
  if (!found->has_value()) return FieldError(Reason::kFieldInvalid, "sha256", "no upload of these bytes is under way: begin one");
  const node::Transfer& transfer = **found;
  if (transfer.size != static_cast<uint64_t>(attachment.size_bytes())) {
    return FieldError(Reason::kFieldInvalid, "size_bytes", fmt::format("the upload was begun with {}", transfer.size));
  }
  if (transfer.offset < transfer.size) {
    return FieldError(Reason::kFieldInvalid, "size_bytes",
                      fmt::format("{} of {} bytes are here: go on there", transfer.offset, transfer.size));
  }
  // The last chunk completes the look, so that bytes of the wrong type never become content.
  uint64_t seen = 0;
  absl::Status type_status;
  const absl::Status completed = contents.Complete(transfer, [&](std::string_view chunk) {
    type.Append(chunk);
    seen += chunk.size();
    if (seen == transfer.size) type_status = wrong_type();
    return type_status;
  });
  if (!type_status.ok()) return type_status;
  if (absl::IsInvalidArgument(completed)) return FieldError(Reason::kFieldInvalid, "sha256", std::string(completed.message()));
  return completed;
}

void AttachmentMethods::Finish(const std::shared_ptr<Call>& call, const v1::FinishUploadRequest& request, Reply reply) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Attachment");
  const absl::StatusOr<WriteMethods::Plan> begun = writes_->Begin(*call, request);
  if (!begun.ok()) return reply(begun.status());
  // What was finished before needs no bytes: they may have been erased since.
  if (begun->replay || request.validate_only() || !request.has_attachment()) return writes_->Create(type, call, request, std::move(reply));
  // Until the record is there, nothing else needs the bytes. Shared, because a function must be copyable.
  auto pin = std::make_shared<node::Contents::Pin>(&node_->contents(), request.attachment().sha256());
  if (absl::Status taken = TakeBytes(*call, request.attachment()); !taken.ok()) return reply(PrefixFields(taken, "attachment"));
  writes_->Create(type, call, request, [pin, reply = std::move(reply)](absl::StatusOr<MessagePtr> record) mutable {
    pin.reset();
    reply(std::move(record));
  });
}

// --- Downloads -----------------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::shared_ptr<Source>> AttachmentMethods::Download(const v1::DownloadAttachmentRequest& request) const {
  const records::RecordType& type = *node_->registry().FindByMessage("Attachment");
  if (absl::Status named = CheckName(node_->registry(), type, request.name(), "name"); !named.ok()) return named;
  const absl::StatusOr<Loaded> loaded = LoadExisting(*node_, node_->store(), type, request.name());
  if (!loaded.ok()) return loaded.status();
  const auto& attachment = static_cast<const v1::Attachment&>(*loaded->message);
  if (attachment.bytes_state() != v1::BYTES_STATE_HELD) return BytesNotHere(attachment.bytes_state());
  const absl::StatusOr<std::optional<node::Content>> content = node::FindContent(node_->store(), attachment.sha256());
  if (!content.ok()) return content.status();
  if (!content->has_value()) return BytesNotHere(v1::BYTES_STATE_ERASED);
  return StreamContent(node_->store(), **content, request.offset(), [](uint64_t offset, std::string data) -> MessagePtr {
    auto piece = std::make_unique<v1::DownloadAttachmentResponse>();
    piece->set_offset(static_cast<int64_t>(offset));
    piece->set_data(std::move(data));
    return piece;
  });
}

absl::StatusOr<std::shared_ptr<Source>> AttachmentMethods::Fetch(const Call& call, const v1::FetchContentRequest& request) const {
  if (!records::IsSha256(request.sha256())) return FieldError(Reason::kFieldInvalid, "sha256", "must be 64 lower-case hex digits");
  // What is erased elsewhere may still be here.
  const std::set<LogId> maybe_erased = node_->MaybeErased();
  const absl::StatusOr<bool> due = node::BytesAreFor(node_->store(), request.sha256(), call.identity.scope, maybe_erased);
  if (!due.ok()) return due.status();
  if (!*due && !maybe_erased.empty()) {
    return absl::UnavailableError("this node has not carried out every erasure that its peers tell of");
  }
  const absl::StatusOr<std::optional<node::Content>> content = node::FindContent(node_->store(), request.sha256());
  if (!content.ok()) return content.status();
  if (!*due || !content->has_value()) return NotFound(request.sha256());
  const auto size = static_cast<int64_t>((*content)->size);
  return StreamContent(node_->store(), **content, request.offset(), [size](uint64_t offset, std::string data) -> MessagePtr {
    auto piece = std::make_unique<v1::FetchContentResponse>();
    piece->set_size_bytes(size);
    piece->set_offset(static_cast<int64_t>(offset));
    piece->set_data(std::move(data));
    return piece;
  });
}

}  // namespace fairlead::rpc
