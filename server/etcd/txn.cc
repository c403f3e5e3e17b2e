#include "server/etcd/txn.h"

#include <fmt/format.h>

#include <charconv>

#include "api/bytes.h"
#include "api/errors.h"

namespace fairlead::etcd {

std::string PositionText(Position position) { return fmt::format("{:020}", position.value()); }

absl::StatusOr<Position> ReadPosition(std::string_view text, std::string_view what) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  if (PositionText(Position(value)) != text) {
    return Error(Reason::kStoreDamaged, fmt::format("{} in etcd is no position", what));
  }
  return Position(value);
}

std::string TailText(Position position, const Digest& chain) { return PositionText(position) + ' ' + HexEncode(AsView(chain)); }

absl::StatusOr<Tail> ReadTail(std::string_view text) {
  const size_t digits = text.find(' ');
  const auto position = ReadPosition(text.substr(0, digits), "the end of the log");
  if (!position.ok()) return position.status();
  if (digits == std::string_view::npos || text.size() - digits - 1 != 2 * Digest().size()) {
    return Error(Reason::kStoreDamaged, "the end of the log in etcd has no chain");
  }
  return Tail{*position, std::string(text.substr(digits + 1))};
}

std::string Keys::Batch(Position first) const { return batches() + PositionText(first); }

absl::StatusOr<Position> Keys::PositionOf(std::string_view batch_key) const {
  if (!batch_key.starts_with(batches())) return Error(Reason::kStoreDamaged, "a batch in etcd has a key of another kind");
  return ReadPosition(batch_key.substr(batches().size()), "the key of a batch");
}

pb::Compare HasValue(const std::string& key, const std::string& value) {
  pb::Compare compare;
  compare.set_target(pb::Compare::VALUE);
  compare.set_key(key);
  compare.set_value(value);
  return compare;
}

pb::Compare ChangedAt(const std::string& key, int64_t revision) {
  pb::Compare compare;
  compare.set_target(pb::Compare::MOD);
  compare.set_key(key);
  compare.set_mod_revision(revision);
  return compare;
}

pb::Compare AllAfter(const std::string& key, const std::string& end, const std::string& value) {
  pb::Compare compare;
  compare.set_result(pb::Compare::GREATER);
  compare.set_target(pb::Compare::VALUE);
  compare.set_key(key);
  compare.set_value(value);
  compare.set_range_end(end);
  return compare;
}

pb::RequestOp Put(const std::string& key, const std::string& value, int64_t lease) {
  pb::RequestOp op;
  op.mutable_request_put()->set_key(key);
  op.mutable_request_put()->set_value(value);
  op.mutable_request_put()->set_lease(lease);
  return op;
}

pb::RequestOp Get(const std::string& key) {
  pb::RequestOp op;
  op.mutable_request_range()->set_key(key);
  return op;
}

pb::RequestOp GetRange(const std::string& key, const std::string& end, int64_t limit, With with) {
  pb::RequestOp op = Get(key);
  op.mutable_request_range()->set_range_end(end);
  op.mutable_request_range()->set_limit(limit);
  op.mutable_request_range()->set_keys_only(with == With::kKeys);
  return op;
}

pb::RequestOp Delete(const std::string& key) { return DeleteRange(key, key + '\0'); }

pb::RequestOp DeleteRange(const std::string& key, const std::string& end) {
  pb::RequestOp op;
  op.mutable_request_delete_range()->set_key(key);
  op.mutable_request_delete_range()->set_range_end(end);
  return op;
}

const pb::KeyValue* Found(const pb::TxnResponse& response, int index) {
  const pb::RangeResponse& range = response.responses(index).response_range();
  return range.kvs().empty() ? nullptr : &range.kvs(0);
}

}  // namespace fairlead::etcd
