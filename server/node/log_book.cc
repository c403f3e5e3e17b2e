#include "server/node/log_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/errors.h"

namespace fairlead::node {

using storage::Cf;

absl::StatusOr<Seq> LogBook::Size(LogId log) const {
  auto value = view_.Get(Cf::kLogs, storage::LogKey(log));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return Seq(0);
  Reader in(**value);
  Seq size(in.U64());
  if (!in.Done()) return Error(Reason::kStoreDamaged, fmt::format("the size of log {} is damaged", log.value()));
  return size;
}

absl::StatusOr<std::vector<std::string>> LogBook::Headers(LogId log, Seq first, Seq end) const {
  std::vector<std::string> headers;
  auto it = view_.Iterate(Cf::kHeaders, storage::DotKey({log, first}), storage::DotKey({log, end}));
  Seq next = first;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (it->key() != storage::DotKey({log, next})) break;
    headers.emplace_back(it->value());
    ++next;
  }
  if (!it->status().ok()) return it->status();
  if (next < end) {
    return Error(Reason::kStoreDamaged, fmt::format("the header of entry {} of log {} is missing", next.value(), log.value()));
  }
  return headers;
}

absl::StatusOr<std::optional<std::string>> LogBook::Payload(Dot dot) const { return view_.Get(Cf::kPayloads, storage::DotKey(dot)); }

absl::StatusOr<std::vector<Dot>> LogBook::Journal(Position from, size_t max) const {
  std::vector<Dot> dots;
  auto it = view_.Iterate(Cf::kJournal, storage::JournalKey(from), {});
  for (it->SeekToFirst(); it->Valid() && dots.size() < max; it->Next()) {
    Reader in(it->value());
    dots.push_back(storage::ReadDot(&in));
    if (!in.Done()) return Error(Reason::kStoreDamaged, "the journal is damaged");
  }
  if (!it->status().ok()) return it->status();
  return dots;
}

absl::StatusOr<Position> LogBook::JournalEnd() const {
  auto it = view_.Iterate(Cf::kJournal, {}, {});
  it->SeekToLast();
  if (!it->status().ok()) return it->status();
  if (!it->Valid()) return Position(0);
  Reader in(it->key());
  Position last(in.U64());
  if (!in.Done()) return Error(Reason::kStoreDamaged, "the journal is damaged");
  return last + 1;
}

merkle::SubtreeFn LogBook::Subtrees(LogId log) const {
  return [this, log](int level, uint64_t index) -> absl::StatusOr<Digest> {
    const bool leaf = level == 0;
    auto value =
        leaf ? view_.Get(Cf::kHeaders, storage::DotKey({log, Seq(index)})) : view_.Get(Cf::kTree, storage::TreeKey(log, level, index));
    if (!value.ok()) return value.status();
    if (!value->has_value() || (!leaf && (*value)->size() != sizeof(Digest))) {
      return Error(Reason::kStoreDamaged, fmt::format("the tree of log {} lacks level {} index {}", log.value(), level, index));
    }
    if (leaf) return merkle::LeafHash(**value);
    Digest digest;
    std::copy((*value)->begin(), (*value)->end(), digest.begin());
    return digest;
  };
}

absl::StatusOr<Digest> LogBook::Root(LogId log, Seq size) const {
  if (size == Seq(0)) return merkle::EmptyRoot();
  return merkle::RangeRoot(0, size.value(), Subtrees(log));
}

}  // namespace fairlead::node
