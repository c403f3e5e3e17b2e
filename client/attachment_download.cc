#include "client/attachment_download.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "api/bytes.h"
#include "api/sha256_stream.h"

namespace fairlead::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 1 << 20;

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Sha256Stream hash;
  std::string block(kReadBytes, '\0');
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    hash.Append(std::string_view(block).substr(0, static_cast<size_t>(file.gcount())));
  }
  if (!file.eof()) return absl::NotFoundError(fmt::format("{} cannot be read", path));
  return HexEncode(AsView(hash.Finish()));
}

// `fetch` brings the bytes from an offset on, piece by piece.
absl::Status DownloadTo(const std::string& path, int64_t size, const std::string& sha256,
                        const std::function<absl::Status(int64_t offset, const Client::OnPiece& on_piece)>& fetch) {
  std::error_code error;
  if (fs::exists(path, error)) return absl::AlreadyExistsError(fmt::format("{} is there already", path));
  const std::string part = path + ".part";
  auto there = static_cast<int64_t>(fs::file_size(part, error));
  if (error || there > size) there = 0;
  if (there < size) {
    std::ofstream out(part, std::ios::binary | (there > 0 ? std::ios::app : std::ios::trunc));
    if (!out) return absl::PermissionDeniedError(fmt::format("{} cannot be written", part));
    absl::Status fetched = fetch(there, [&](std::string_view piece) {
      out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      out.flush();
      return out ? absl::OkStatus() : absl::ResourceExhaustedError(fmt::format("{} cannot be written", part));
    });
    out.close();
    if (!fetched.ok()) {
      if (fs::file_size(part, error) == 0) fs::remove(part, error);  // nothing came
      return fetched;
    }
  }
  const absl::StatusOr<std::string> found = Sha256OfFile(part);
  if (!found.ok()) return found.status();
  if (*found != sha256) {
    fs::remove(part, error);
    return absl::DataLossError(fmt::format("what came has the SHA-256 {}, not {}: it is not kept", *found, sha256));
  }
  fs::rename(part, path, error);
  if (error) return absl::PermissionDeniedError(fmt::format("{}: {}", path, error.message()));
  return absl::OkStatus();
}

}  // namespace

absl::Status DownloadTo(const std::string& path, const fairlead::v1::Attachment& attachment, Client& client, const CallOptions& call,
                        Answer* answer) {
  return DownloadTo(path, attachment.size_bytes(), attachment.sha256(), [&](int64_t offset, const Client::OnPiece& on_piece) {
    fairlead::v1::DownloadAttachmentRequest request;
    request.set_name(attachment.name());
    request.set_offset(offset);
    return client.Download(std::move(request), on_piece, call, answer);
  });
}

absl::Status DownloadTo(const std::string& path, const fairlead::v1::ReleasedAttachment& attachment, Client& client,
                        const CallOptions& call, Answer* answer) {
  return DownloadTo(path, attachment.size_bytes(), attachment.sha256(), [&](int64_t offset, const Client::OnPiece& on_piece) {
    fairlead::v1::DownloadReleasedAttachmentRequest request;
    request.set_name(attachment.name());
    request.set_offset(offset);
    return client.Download(std::move(request), on_piece, call, answer);
  });
}

}  // namespace fairlead::client
