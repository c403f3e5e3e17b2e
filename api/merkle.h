// Merkle trees over entry headers: RFC 6962 section 2.1 / RFC 9162 section 2.1.
//
//   leaf = SHA-256(0x00 || header)      node = SHA-256(0x01 || left || right)      empty = SHA-256("")
//
// A tree is stored as the hashes of its complete subtrees: (level, index) covers leaves [index << level, (index + 1) << level).
// Blocks: for a tree of n leaves and k = 2^kBlockLevel, the RFC's split point is a multiple of k whenever n > k, so the tree over n leaves
// is the RFC tree over its ceil(n / k) block roots. One inclusion proof of a block root proves every leaf of the block.
//
// Prefixes: who holds only the first leaves of a tree, and the roots of the subtrees that the others make up, has every hash that a proof
// of what is held needs. Such a rest takes no more bytes than a proof.
//
// Thread safety: free functions are pure. Ownership: values.

#ifndef FAIRLEAD_API_MERKLE_H_
#define FAIRLEAD_API_MERKLE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "api/ids.h"

namespace fairlead::merkle {

inline constexpr int kBlockLevel = 8;
inline constexpr uint64_t kBlockLeaves = 1 << kBlockLevel;  // 256

Digest LeafHash(std::string_view leaf);
Digest NodeHash(const Digest& left, const Digest& right);
Digest EmptyRoot();

// Hash of the complete subtree (level, index). REQUIRES: the subtree is complete in the tree asked about.
using SubtreeFn = std::function<absl::StatusOr<Digest>(int level, uint64_t index)>;

// A tree that grows at its end, kept as its right edge. Reports each subtree it completes, leaves included (level 0).
class Frontier {
 public:
  Frontier() = default;
  // The frontier of a stored tree of `size` leaves.
  static absl::StatusOr<Frontier> Load(uint64_t size, const SubtreeFn& subtree);
  // `completed(level, index, hash)` is called for each subtree the leaf completes, from level 0 up.
  void Append(const Digest& leaf_hash, const std::function<void(int, uint64_t, const Digest&)>& completed);
  uint64_t size() const { return size_; }
  Digest Root() const;
  // A complete subtree of its right edge. NOT_FOUND when it is none.
  absl::StatusOr<Digest> Subtree(int level, uint64_t index) const;

 private:
  uint64_t size_ = 0;
  std::vector<Digest> edge_;  // roots of the complete subtrees of the binary digits of size_, largest first
};

// MTH(D[start, end)) from stored subtrees. REQUIRES: start is a multiple of the smallest power of two >= end - start, or start == 0.
absl::StatusOr<Digest> RangeRoot(uint64_t start, uint64_t end, const SubtreeFn& subtree);

// RFC 9162 2.1.3.1: the audit path of leaf `index` in the tree of `size` leaves. REQUIRES: index < size.
absl::StatusOr<std::vector<Digest>> InclusionProof(uint64_t index, uint64_t size, const SubtreeFn& subtree);
// RFC 9162 2.1.3.2. INVALID_ARGUMENT for a proof of the wrong length, DATA_LOSS for a wrong root.
absl::Status VerifyInclusion(const Digest& leaf_hash, uint64_t index, uint64_t size, const std::vector<Digest>& proof, const Digest& root);
// RFC 9162 2.1.4.1 and 2.1.4.2. REQUIRES: 0 < old_size <= new_size.
absl::StatusOr<std::vector<Digest>> ConsistencyProof(uint64_t old_size, uint64_t new_size, const SubtreeFn& subtree);
absl::Status VerifyConsistency(uint64_t old_size, const Digest& old_root, uint64_t new_size, const Digest& new_root,
                               const std::vector<Digest>& proof);

// The first `held` leaves of a tree of `size` leaves, which are at hand, and what the others come to. REQUIRES: held <= size.
struct Prefix {
  uint64_t held = 0;
  uint64_t size = 0;
  std::vector<Digest> rest;  // RestCount(held, size) of them: the roots of the fewest subtrees that leaves [held, size) make up, in order
};
// How many subtrees leaves [held, size) make up: none when all are held, one when none is, never more than 64.
size_t RestCount(uint64_t held, uint64_t size);
// The root of the whole tree. `subtree` is asked for what is held.
absl::StatusOr<Digest> RootOf(const Prefix& prefix, const SubtreeFn& subtree);
// `prefix` without its last leaves. REQUIRES: leaf_hashes are those of [held, prefix.held).
Prefix Shorten(const Prefix& prefix, uint64_t held, const std::vector<Digest>& leaf_hashes);

// The proof that block `block` (leaves [256 * block, min(256 * (block + 1), size))) belongs to the tree of `size` leaves: the audit
// path of its root among the block roots.
absl::StatusOr<std::vector<Digest>> BlockProof(uint64_t block, uint64_t size, const SubtreeFn& subtree);
// The same by who holds a prefix. REQUIRES: the block's first leaf is held.
absl::StatusOr<std::vector<Digest>> BlockProof(uint64_t block, const Prefix& prefix, const SubtreeFn& subtree);
absl::Status VerifyBlock(const Digest& block_root, uint64_t block, uint64_t size, const std::vector<Digest>& proof, const Digest& root);
// Root of one block from its leaf hashes, 1 to 256 of them.
Digest BlockRoot(const std::vector<Digest>& leaf_hashes);
// Root of one block of `size` leaves from the hashes of the first, at least one, and the rest after them. REQUIRES: as many as there must
// be.
Digest BlockRoot(const std::vector<Digest>& leaf_hashes, uint64_t size, const std::vector<Digest>& rest);

}  // namespace fairlead::merkle

#endif  // FAIRLEAD_API_MERKLE_H_
