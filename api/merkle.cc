#include "api/merkle.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "api/crypto.h"

namespace fairlead::merkle {
namespace {

// MTH of a range of what a tree is built over (leaves or blocks).
using RangeFn = std::function<absl::StatusOr<Digest>(uint64_t start, uint64_t end)>;

// The largest power of two smaller than n. REQUIRES: n > 1.
uint64_t SplitPoint(uint64_t n) { return std::bit_floor(n - 1); }

uint64_t BlockCount(uint64_t size) { return (size >> kBlockLevel) + ((size & (kBlockLeaves - 1)) != 0 ? 1 : 0); }

// RFC 9162 2.1.3.1, from the root down; the path is listed from the leaf up.
absl::StatusOr<std::vector<Digest>> AuditPath(uint64_t index, uint64_t size, const RangeFn& range_root) {
  if (index >= size) return absl::InvalidArgumentError("no such leaf in the tree");
  std::vector<Digest> path;
  for (uint64_t start = 0, end = size; end - start > 1;) {
    const uint64_t middle = start + SplitPoint(end - start);
    const bool left = index < middle;
    absl::StatusOr<Digest> sibling = left ? range_root(middle, end) : range_root(start, middle);
    if (!sibling.ok()) return sibling.status();
    path.push_back(*sibling);
    (left ? end : start) = middle;
  }
  std::reverse(path.begin(), path.end());
  return path;
}

struct Range {
  uint64_t start = 0;
  uint64_t end = 0;
};

// The fewest nodes of the tree of `size` leaves that make up [held, size), in order.
std::vector<Range> RestRanges(uint64_t held, uint64_t size) {
  std::vector<Range> ranges;
  Range node{0, size};
  while (held < node.end) {
    if (held <= node.start) {
      ranges.push_back(node);
      break;
    }
    const uint64_t middle = node.start + SplitPoint(node.end - node.start);
    if (held > middle) {
      node.start = middle;
      continue;
    }
    ranges.push_back({middle, node.end});
    node.end = middle;
  }
  std::reverse(ranges.begin(), ranges.end());
  return ranges;
}

// Hashes of nodes of the tree that `prefix` begins, each of which has a leaf that is held, or is of the rest.
class PrefixNodes {
 public:
  PrefixNodes(const Prefix& prefix, RangeFn held_root)
      : prefix_(prefix), ranges_(RestRanges(prefix.held, prefix.size)), held_root_(std::move(held_root)) {
    assert(ranges_.size() == prefix.rest.size());
  }
  absl::StatusOr<Digest> Root(uint64_t start, uint64_t end) const {
    if (end <= prefix_.held) return held_root_(start, end);
    if (start >= prefix_.held) {
      const auto range = std::find_if(ranges_.begin(), ranges_.end(), [&](const Range& r) { return r.start == start && r.end == end; });
      if (range == ranges_.end()) return absl::InvalidArgumentError("what is below the rest of a tree is not known");
      return prefix_.rest[static_cast<size_t>(range - ranges_.begin())];
    }
    const uint64_t middle = start + SplitPoint(end - start);
    const absl::StatusOr<Digest> left = Root(start, middle);
    if (!left.ok()) return left;
    const absl::StatusOr<Digest> right = Root(middle, end);
    if (!right.ok()) return right;
    return NodeHash(*left, *right);
  }

 private:
  const Prefix& prefix_;
  const std::vector<Range> ranges_;
  const RangeFn held_root_;
};

absl::Status WrongLength() { return absl::InvalidArgumentError("the proof has the wrong length"); }

}  // namespace

Digest LeafHash(std::string_view leaf) { return Sha256({std::string_view("\x00", 1), leaf}); }
Digest NodeHash(const Digest& left, const Digest& right) { return Sha256({std::string_view("\x01", 1), AsView(left), AsView(right)}); }
Digest EmptyRoot() { return Sha256(std::string_view()); }

absl::StatusOr<Frontier> Frontier::Load(uint64_t size, const SubtreeFn& subtree) {
  Frontier frontier;
  frontier.size_ = size;
  uint64_t start = 0;
  for (int level = std::bit_width(size) - 1; level >= 0; --level) {
    if ((size >> level & 1) == 0) continue;
    absl::StatusOr<Digest> root = subtree(level, start >> level);
    if (!root.ok()) return root.status();
    frontier.edge_.push_back(*root);
    start += uint64_t{1} << level;
  }
  return frontier;
}

void Frontier::Append(const Digest& leaf_hash, const std::function<void(int, uint64_t, const Digest&)>& completed) {
  const uint64_t index = size_++;
  Digest hash = leaf_hash;
  if (completed) completed(0, index, hash);
  // Every trailing one of the index is a complete subtree that this leaf's subtree joins.
  for (int level = 1; (index >> (level - 1) & 1) != 0; ++level) {
    hash = NodeHash(edge_.back(), hash);
    edge_.pop_back();
    if (completed) completed(level, index >> level, hash);
  }
  edge_.push_back(hash);
}

Digest Frontier::Root() const {
  if (edge_.empty()) return EmptyRoot();
  Digest root = edge_.back();
  for (size_t i = edge_.size() - 1; i > 0; --i) root = NodeHash(edge_[i - 1], root);
  return root;
}

absl::StatusOr<Digest> Frontier::Subtree(int level, uint64_t index) const {
  const bool is_edge = level >= 0 && level < 64 && (size_ >> level & 1) != 0 && (size_ >> level) - 1 == index;
  if (!is_edge) return absl::NotFoundError("not on the edge");
  return edge_[static_cast<size_t>(std::popcount(size_ >> level) - 1)];
}

absl::StatusOr<Digest> RangeRoot(uint64_t start, uint64_t end, const SubtreeFn& subtree) {
  assert(start <= end && (start & (std::bit_ceil(std::max<uint64_t>(end - start, 1)) - 1)) == 0);
  absl::StatusOr<Frontier> frontier =
      Frontier::Load(end - start, [&](int level, uint64_t index) { return subtree(level, (start >> level) + index); });
  if (!frontier.ok()) return frontier.status();
  return frontier->Root();
}

absl::StatusOr<std::vector<Digest>> InclusionProof(uint64_t index, uint64_t size, const SubtreeFn& subtree) {
  return AuditPath(index, size, [&](uint64_t start, uint64_t end) { return RangeRoot(start, end, subtree); });
}

absl::Status VerifyInclusion(const Digest& leaf_hash, uint64_t index, uint64_t size, const std::vector<Digest>& proof, const Digest& root) {
  if (index >= size) return absl::InvalidArgumentError("no such leaf in the tree");
  // fn and sn of RFC 9162: the path of the leaf and that of the last leaf.
  uint64_t fn = index;
  uint64_t sn = size - 1;
  Digest hash = leaf_hash;
  for (const Digest& sibling : proof) {
    if (sn == 0) return WrongLength();
    if ((fn & 1) != 0 || fn == sn) {
      hash = NodeHash(sibling, hash);
      // At the right edge, levels without a sibling are passed over.
      const int skipped = (fn & 1) != 0 || fn == 0 ? 0 : std::countr_zero(fn);
      fn >>= skipped;
      sn >>= skipped;
    } else {
      hash = NodeHash(hash, sibling);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return WrongLength();
  if (hash != root) return absl::DataLossError("the proof leads to another root");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Digest>> ConsistencyProof(uint64_t old_size, uint64_t new_size, const SubtreeFn& subtree) {
  if (old_size == 0 || old_size > new_size) return absl::InvalidArgumentError("no proof between these sizes");
  std::vector<Digest> proof;
  auto add = [&](uint64_t start, uint64_t end) -> absl::Status {
    absl::StatusOr<Digest> root = RangeRoot(start, end, subtree);
    if (root.ok()) proof.push_back(*root);
    return root.status();
  };
  uint64_t start = 0;
  uint64_t end = new_size;
  while (end != old_size) {
    const uint64_t middle = start + SplitPoint(end - start);
    const bool left = old_size <= middle;
    if (absl::Status status = left ? add(middle, end) : add(start, middle); !status.ok()) return status;
    (left ? end : start) = middle;
  }
  // From the left edge the remaining subtree is the old tree, whose root the verifier has.
  if (start != 0) {
    if (absl::Status status = add(start, end); !status.ok()) return status;
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

absl::Status VerifyConsistency(uint64_t old_size, const Digest& old_root, uint64_t new_size, const Digest& new_root,
                               const std::vector<Digest>& proof) {
  if (old_size == 0 || old_size > new_size) return absl::InvalidArgumentError("no proof between these sizes");
  if (old_size == new_size) {
    if (!proof.empty()) return WrongLength();
    return old_root == new_root ? absl::OkStatus() : absl::DataLossError("two roots of one size");
  }
  if (proof.empty()) return WrongLength();
  uint64_t fn = old_size - 1;
  uint64_t sn = new_size - 1;
  const int complete = std::countr_one(fn);
  fn >>= complete;
  sn >>= complete;
  // A complete old tree is itself the first subtree and is left out of the proof.
  const bool implied = std::has_single_bit(old_size);
  Digest old_hash = implied ? old_root : proof.front();
  Digest new_hash = old_hash;
  for (size_t i = implied ? 0 : 1; i < proof.size(); ++i) {
    if (sn == 0) return WrongLength();
    if ((fn & 1) != 0 || fn == sn) {
      old_hash = NodeHash(proof[i], old_hash);
      new_hash = NodeHash(proof[i], new_hash);
      const int skipped = (fn & 1) != 0 || fn == 0 ? 0 : std::countr_zero(fn);
      fn >>= skipped;
      sn >>= skipped;
    } else {
      new_hash = NodeHash(new_hash, proof[i]);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return WrongLength();
  if (old_hash != old_root) return absl::DataLossError("the proof leads to another old root");
  if (new_hash != new_root) return absl::DataLossError("the proof leads to another new root");
  return absl::OkStatus();
}

size_t RestCount(uint64_t held, uint64_t size) { return RestRanges(held, size).size(); }

absl::StatusOr<Digest> RootOf(const Prefix& prefix, const SubtreeFn& subtree) {
  if (prefix.size == 0) return EmptyRoot();
  const PrefixNodes nodes(prefix, [&](uint64_t start, uint64_t end) { return RangeRoot(start, end, subtree); });
  return nodes.Root(0, prefix.size);
}

Prefix Shorten(const Prefix& prefix, uint64_t held, const std::vector<Digest>& leaf_hashes) {
  assert(held + leaf_hashes.size() == prefix.held);
  const PrefixNodes nodes(prefix, [&](uint64_t start, uint64_t end) {
    Frontier frontier;
    for (uint64_t leaf = start; leaf < end; ++leaf) frontier.Append(leaf_hashes[leaf - held], nullptr);
    return frontier.Root();
  });
  Prefix shorter{held, prefix.size, {}};
  for (const Range& range : RestRanges(held, prefix.size)) shorter.rest.push_back(*nodes.Root(range.start, range.end));
  return shorter;
}

absl::StatusOr<std::vector<Digest>> BlockProof(uint64_t block, uint64_t size, const SubtreeFn& subtree) {
  return BlockProof(block, Prefix{size, size, {}}, subtree);
}

absl::StatusOr<std::vector<Digest>> BlockProof(uint64_t block, const Prefix& prefix, const SubtreeFn& subtree) {
  const PrefixNodes nodes(prefix, [&](uint64_t start, uint64_t end) { return RangeRoot(start, end, subtree); });
  const uint64_t blocks = BlockCount(prefix.size);
  return AuditPath(block, blocks, [&](uint64_t start, uint64_t end) {
    return nodes.Root(start << kBlockLevel, end == blocks ? prefix.size : end << kBlockLevel);
  });
}

absl::Status VerifyBlock(const Digest& block_root, uint64_t block, uint64_t size, const std::vector<Digest>& proof, const Digest& root) {
  return VerifyInclusion(block_root, block, BlockCount(size), proof, root);
}

Digest BlockRoot(const std::vector<Digest>& leaf_hashes) {
  assert(!leaf_hashes.empty() && leaf_hashes.size() <= kBlockLeaves);
  Frontier frontier;
  for (const Digest& hash : leaf_hashes) frontier.Append(hash, nullptr);
  return frontier.Root();
}

Digest BlockRoot(const std::vector<Digest>& leaf_hashes, uint64_t size, const std::vector<Digest>& rest) {
  return Shorten({leaf_hashes.size(), size, rest}, 0, leaf_hashes).rest.front();
}

}  // namespace fairlead::merkle
