#include "server/node/commit_log.h"

#include <fmt/format.h>

#include <utility>

#include "api/errors.h"
#include "server/node/log_book.h"

namespace fairlead::node {

namespace {

constexpr size_t kReadItems = 64;  // positions looked up at once

}  // namespace

absl::Status EmbeddedCommitLog::Append(Position expected, Position end, const std::vector<JournalItem>&, storage::Batch* folded) {
  if (expected != end_) return absl::FailedPreconditionError("the journal has moved on");
  absl::Status status = store_->Write(folded, storage::Sync::kYes);
  if (status.ok()) end_ = end;
  return status;
}

absl::StatusOr<JournalPart> EmbeddedCommitLog::Read(Position from, size_t bytes_max) {
  if (from > end_) {
    return Error(Reason::kStoreDamaged, fmt::format("the journal ends at position {}, before {}", end_.value(), from.value()));
  }
  const LogBook book(*store_);
  JournalPart part;
  std::vector<JournalItem>& items = part.items;
  size_t bytes = 0;
  while (from < end_ && (items.empty() || bytes < bytes_max)) {
    auto dots = book.Journal(from, kReadItems);
    if (!dots.ok()) return dots.status();
    if (dots->empty()) return Error(Reason::kStoreDamaged, fmt::format("the journal lacks position {}", from.value()));
    for (const Dot dot : *dots) {
      if (!items.empty() && bytes >= bytes_max) break;
      auto header = book.Headers(dot.log, dot.seq, dot.seq + 1);
      if (!header.ok()) return header.status();
      auto payload = book.Payload(dot);
      if (!payload.ok()) return payload.status();
      bytes += header->front().size() + (*payload ? (*payload)->size() : 0);
      items.push_back({dot, std::move(header->front()), *std::move(payload)});
      ++from;
    }
  }
  part.last = from == end_;
  return part;
}

}  // namespace fairlead::node
