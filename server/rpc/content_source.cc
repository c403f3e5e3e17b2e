#include "server/rpc/content_source.h"

#include <fmt/format.h>

#include <utility>

#include "api/errors.h"

namespace fairlead::rpc {
namespace {

class ContentSource : public Source {
 public:
  ContentSource(const storage::View& view, node::Content content, uint64_t offset, PieceOf piece)
      : view_(view), content_(std::move(content)), piece_(std::move(piece)), offset_(offset) {}

  void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) override {
    if (offset_ >= content_.size) return ready(MessagePtr());
    const uint64_t index = offset_ / node::kContentChunkBytes;
    absl::StatusOr<std::string> chunk = node::ReadChunk(view_, content_, index);
    if (!chunk.ok()) return ready(absl::IsNotFound(chunk.status()) ? BytesNotHere(v1::BYTES_STATE_ERASED) : chunk.status());
    const uint64_t begin = offset_;
    chunk->erase(0, begin - index * node::kContentChunkBytes);
    offset_ += chunk->size();
    ready(piece_(begin, *std::move(chunk)));
  }
  void Cancel() override {}

 private:
  const storage::View& view_;
  const node::Content content_;
  const PieceOf piece_;
  uint64_t offset_;  // touched by Next alone
};

}  // namespace

absl::Status BytesNotHere(v1::BytesState state) {
  const bool erased = state == v1::BYTES_STATE_ERASED;
  return Error(Reason::kStateForbids, erased ? "the bytes were erased" : "this site does not have the bytes yet: another may",
               {{"bytes_state", erased ? "ERASED" : "AWAITED"}});
}

absl::StatusOr<std::shared_ptr<Source>> StreamContent(const storage::View& view, node::Content content, int64_t offset, PieceOf piece) {
  if (offset < 0 || static_cast<uint64_t>(offset) > content.size) {
    return FieldError(Reason::kFieldInvalid, "offset", fmt::format("must be from 0 to {}, the number of bytes", content.size));
  }
  return std::make_shared<ContentSource>(view, std::move(content), static_cast<uint64_t>(offset), std::move(piece));
}

}  // namespace fairlead::rpc
