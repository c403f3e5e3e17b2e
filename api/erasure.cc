#include "api/erasure.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "api/bytes.h"

namespace fairlead {
namespace {

constexpr uint8_t kVersion = 1;

// Kinds whose values are content.
bool IsContent(MergeKind kind) { return kind == MergeKind::kRegister || kind == MergeKind::kSet; }

absl::Status Malformed(size_t mutation, const char* what) {
  return absl::InvalidArgumentError(fmt::format("mutation {} of the erasure: {}", mutation, what));
}

}  // namespace

bool IsErasure(const Payload& payload) {
  return std::any_of(payload.mutations.begin(), payload.mutations.end(), [](const Mutation& mutation) {
    return std::any_of(mutation.ops.begin(), mutation.ops.end(), [](const Op& op) { return op.kind == MergeKind::kErase; });
  });
}

absl::StatusOr<Erasure> ErasureIn(const Payload& payload) {
  Erasure erasure;
  for (size_t i = 0; i < payload.mutations.size(); ++i) {
    const Mutation& mutation = payload.mutations[i];
    if (mutation.ops.size() != 1 || !mutation.seen_seals.empty()) return Malformed(i, "is not of one op alone");
    const Op& op = mutation.ops.front();
    if (op.kind != MergeKind::kErase || op.field != 0 || !op.has_value || op.seals || !op.replaces.empty()) {
      return Malformed(i, "does more than erase");
    }
    Reader in(op.value);
    ErasedMutation erased;
    const bool known = in.U8() == kVersion;
    const uint64_t log = in.Varint();
    const uint64_t seq = in.Varint();
    const std::string_view id = in.Fixed(erased.id.size());
    const uint8_t made = in.U8();
    if (made == 1) erased.maker = in.Bytes();
    const std::string_view reason = in.Bytes();
    const std::string_view authority = in.Bytes();
    if (!in.ok() || !known || made > 1 || log > std::numeric_limits<uint32_t>::max()) return Malformed(i, "is not canonical");
    if (reason.size() > kErasureTextBytesMax || authority.size() > kErasureTextBytesMax) return Malformed(i, "gives too long a reason");
    std::copy(id.begin(), id.end(), erased.id.begin());
    auto shape = DecodeMutation(in.Fixed(in.left()));
    if (!shape.ok()) return Malformed(i, "has no shape");
    erased.shape = *std::move(shape);
    if (erased.shape.type != mutation.type || erased.shape.record != mutation.record) return Malformed(i, "is of another record");
    if (std::any_of(erased.shape.ops.begin(), erased.shape.ops.end(), [](const Op& o) { return o.kind == MergeKind::kErase; })) {
      return Malformed(i, "erases an erasure");
    }
    const Dot entry{LogId(static_cast<uint32_t>(log)), Seq(seq)};
    if (i == 0) {
      erasure.entry = entry;
      erasure.reason = reason;
      erasure.authority = authority;
    } else if (entry != erasure.entry || !reason.empty() || !authority.empty()) {
      return Malformed(i, "is of another erasure");
    }
    erasure.mutations.push_back(std::move(erased));
  }
  return erasure;
}

std::vector<Mutation> MutationsOf(const Erasure& erasure) {
  std::vector<Mutation> mutations;
  for (const ErasedMutation& erased : erasure.mutations) {
    const bool first = mutations.empty();
    Mutation& mutation = mutations.emplace_back();
    mutation.type = erased.shape.type;
    mutation.record = erased.shape.record;
    Op& op = mutation.ops.emplace_back();
    op.kind = MergeKind::kErase;
    op.has_value = true;
    PutU8(&op.value, kVersion);
    PutVarint(&op.value, erasure.entry.log.value());
    PutVarint(&op.value, erasure.entry.seq.value());
    op.value.append(reinterpret_cast<const char*>(erased.id.data()), erased.id.size());
    PutU8(&op.value, erased.maker ? 1 : 0);
    if (erased.maker) PutBytes(&op.value, *erased.maker);
    PutBytes(&op.value, first ? erasure.reason : "");
    PutBytes(&op.value, first ? erasure.authority : "");
    op.value += EncodeMutation(erased.shape);
  }
  return mutations;
}

bool IsErased(const Op& op) { return op.has_value && op.value.empty() && IsContent(op.kind); }

Mutation ShapeOf(const Mutation& mutation, const std::set<uint32_t>& kept) {
  Mutation shape = mutation;
  for (Op& op : shape.ops) {
    if (IsContent(op.kind) && !kept.contains(op.field)) op.value.clear();
  }
  return shape;
}

bool IsShapeOf(const Mutation& shape, const Mutation& mutation) {
  if (shape.ops.size() != mutation.ops.size()) return false;
  Mutation filled = shape;
  for (size_t i = 0; i < shape.ops.size(); ++i) {
    if (IsErased(shape.ops[i])) filled.ops[i].value = mutation.ops[i].value;
  }
  return filled == mutation;
}

}  // namespace fairlead
