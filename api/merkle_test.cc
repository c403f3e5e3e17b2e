#include "api/merkle.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <sstream>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/vectors.h"

namespace fairlead::merkle {
namespace {

Digest FromHexDigest(const std::string& hex) {
  Digest d{};
  const std::string bytes = FromHex(hex);
  std::copy_n(bytes.begin(), d.size(), d.begin());
  return d;
}

std::vector<Digest> FromHexDigests(const std::string& words) {
  std::vector<Digest> out;
  std::istringstream in(words == "-" ? "" : words);
  for (std::string word; in >> word;) out.push_back(FromHexDigest(word));
  return out;
}

// The definitions of RFC 9162 section 2.1 as they are written: recursive, with ranges of leaf hashes for D[a:b].
class Reference {
 public:
  explicit Reference(std::vector<Digest> leaves) : leaves_(std::move(leaves)) {}
  uint64_t size() const { return leaves_.size(); }

  Digest Mth(uint64_t a, uint64_t b) {
    if (a == b) return Sha256("");
    if (b - a == 1) return leaves_[a];
    auto [it, fresh] = known_.try_emplace({a, b});
    if (fresh) {
      const uint64_t k = K(b - a);
      const Digest left = Mth(a, a + k);
      const Digest right = Mth(a + k, b);
      std::string in = "\x01";
      in += AsView(left);
      in += AsView(right);
      it->second = Sha256(in);
    }
    return it->second;
  }

  // PATH(m, D[a:b])
  std::vector<Digest> Path(uint64_t m, uint64_t a, uint64_t b) {
    if (b - a == 1) return {};
    const uint64_t k = K(b - a);
    std::vector<Digest> path = m < k ? Path(m, a, a + k) : Path(m - k, a + k, b);
    path.push_back(m < k ? Mth(a + k, b) : Mth(a, a + k));
    return path;
  }

  // PROOF(m, D[0:n])
  std::vector<Digest> Proof(uint64_t m, uint64_t n) { return Subproof(m, 0, n, true); }

 private:
  std::vector<Digest> Subproof(uint64_t m, uint64_t a, uint64_t b, bool complete) {
    if (m == b - a) return complete ? std::vector<Digest>{} : std::vector<Digest>{Mth(a, b)};
    const uint64_t k = K(b - a);
    std::vector<Digest> proof = m <= k ? Subproof(m, a, a + k, complete) : Subproof(m - k, a + k, b, false);
    proof.push_back(m <= k ? Mth(a + k, b) : Mth(a, a + k));
    return proof;
  }
  // The largest power of two smaller than n.
  static uint64_t K(uint64_t n) {
    uint64_t k = 1;
    while (2 * k < n) k *= 2;
    return k;
  }

  std::vector<Digest> leaves_;
  std::map<std::pair<uint64_t, uint64_t>, Digest> known_;
};

std::vector<Digest> Leaves(uint64_t n) {
  std::vector<Digest> leaves;
  for (uint64_t i = 0; i < n; ++i) leaves.push_back(LeafHash("leaf " + std::to_string(i)));
  return leaves;
}

// Complete subtrees as a store keeps them. Asks for one that is not there fail, as they would on disk.
struct Subtrees {
  std::map<std::pair<int, uint64_t>, Digest> hashes;
  Frontier frontier;

  explicit Subtrees(const std::vector<Digest>& leaves) {
    for (const Digest& leaf : leaves) {
      frontier.Append(leaf, [&](int level, uint64_t index, const Digest& hash) { hashes[{level, index}] = hash; });
    }
  }
  SubtreeFn fn() const {
    return [this](int level, uint64_t index) -> absl::StatusOr<Digest> {
      auto it = hashes.find({level, index});
      if (it == hashes.end()) return absl::NotFoundError("no such subtree");
      return it->second;
    };
  }
};

TEST(Merkle, PublishedTree) {
  std::vector<Digest> leaves;
  EXPECT_EQ(EmptyRoot(), FromHexDigest(ReadVector("merkle.txt", "tree-0").at("root")));
  Frontier frontier;
  EXPECT_EQ(frontier.Root(), EmptyRoot());
  for (int n = 1; n <= 8; ++n) {
    const VectorCase c = ReadVector("merkle.txt", "tree-" + std::to_string(n));
    const Digest leaf = LeafHash(FromHex(c.at("leaf")));
    EXPECT_EQ(leaf, FromHexDigest(c.at("leaf_hash"))) << n;
    frontier.Append(leaf, nullptr);
    EXPECT_EQ(frontier.Root(), FromHexDigest(c.at("root"))) << n;
    leaves.push_back(leaf);
    EXPECT_EQ(BlockRoot(leaves), FromHexDigest(c.at("root"))) << n;
    EXPECT_EQ(Reference(leaves).Mth(0, n), FromHexDigest(c.at("root"))) << n;
  }
}

TEST(Merkle, PublishedProofs) {
  std::vector<Digest> leaves, roots = {EmptyRoot()};
  for (int n = 1; n <= 8; ++n) {
    const VectorCase c = ReadVector("merkle.txt", "tree-" + std::to_string(n));
    leaves.push_back(FromHexDigest(c.at("leaf_hash")));
    roots.push_back(FromHexDigest(c.at("root")));
  }
  const Subtrees tree(leaves);
  int inclusion = 0, consistency = 0;
  for (const VectorCase& c : ReadVectors("merkle.txt")) {
    SCOPED_TRACE(c.name);
    if (c.name.rfind("inclusion", 0) == 0) {
      const uint64_t index = std::stoull(c.at("index")), size = std::stoull(c.at("size"));
      const auto proof = FromHexDigests(c.at("proof"));
      EXPECT_EQ(*InclusionProof(index, size, tree.fn()), proof);
      EXPECT_TRUE(VerifyInclusion(leaves[index], index, size, proof, roots[size]).ok());
      ++inclusion;
    } else if (c.name.rfind("consistency", 0) == 0) {
      const uint64_t old_size = std::stoull(c.at("old_size")), new_size = std::stoull(c.at("new_size"));
      const auto proof = FromHexDigests(c.at("proof"));
      EXPECT_EQ(*ConsistencyProof(old_size, new_size, tree.fn()), proof);
      EXPECT_TRUE(VerifyConsistency(old_size, roots[old_size], new_size, roots[new_size], proof).ok());
      ++consistency;
    }
  }
  EXPECT_EQ(inclusion, 5);
  EXPECT_EQ(consistency, 4);
}

TEST(Merkle, FrontierReportsEverySubtreeOnceAndInOrder) {
  const auto leaves = Leaves(70);
  Reference reference(leaves);
  Frontier frontier;
  std::map<std::pair<int, uint64_t>, Digest> seen;
  for (uint64_t i = 0; i < leaves.size(); ++i) {
    int expected_level = 0;
    frontier.Append(leaves[i], [&](int level, uint64_t index, const Digest& hash) {
      EXPECT_EQ(level, expected_level++);
      EXPECT_EQ(hash, reference.Mth(index << level, (index + 1) << level));
      EXPECT_TRUE(seen.emplace(std::pair(level, index), hash).second);
    });
    EXPECT_EQ(frontier.size(), i + 1);
    size_t complete = 0;
    for (int level = 0; level < 8; ++level) complete += (i + 1) >> level;
    EXPECT_EQ(seen.size(), complete);
  }
}

// Every root, inclusion proof and consistency proof of all sizes up to 300, made and checked.
TEST(Merkle, AllSizesUpTo300AgreeWithTheDefinitions) {
  constexpr uint64_t kSizes = 300;
  const auto leaves = Leaves(kSizes);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  for (uint64_t n = 1; n <= kSizes; ++n) {
    const Digest root = reference.Mth(0, n);
    const auto frontier = Frontier::Load(n, tree.fn());
    ASSERT_TRUE(frontier.ok());
    ASSERT_EQ(frontier->Root(), root) << n;
    ASSERT_EQ(*RangeRoot(0, n, tree.fn()), root) << n;
    for (uint64_t i = 0; i < n; ++i) {
      const auto proof = InclusionProof(i, n, tree.fn());
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_EQ(*proof, reference.Path(i, 0, n)) << i << " in " << n;
      ASSERT_TRUE(VerifyInclusion(leaves[i], i, n, *proof, root).ok()) << i << " in " << n;
    }
    for (uint64_t m = 1; m <= n; ++m) {
      const auto proof = ConsistencyProof(m, n, tree.fn());
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_EQ(*proof, reference.Proof(m, n)) << m << " to " << n;
      ASSERT_TRUE(VerifyConsistency(m, reference.Mth(0, m), n, root, *proof).ok()) << m << " to " << n;
    }
  }
}

TEST(Merkle, RandomLargerSizesAgreeWithTheDefinitions) {
  const auto leaves = Leaves(20000);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  std::mt19937_64 random(7);
  for (int round = 0; round < 40; ++round) {
    const uint64_t n = 301 + random() % (leaves.size() - 300);
    const Digest root = reference.Mth(0, n);
    ASSERT_EQ(*RangeRoot(0, n, tree.fn()), root);
    for (int j = 0; j < 10; ++j) {
      const uint64_t i = random() % n;
      const auto path = InclusionProof(i, n, tree.fn());
      ASSERT_TRUE(path.ok());
      ASSERT_EQ(*path, reference.Path(i, 0, n));
      ASSERT_TRUE(VerifyInclusion(leaves[i], i, n, *path, root).ok());
      const uint64_t m = 1 + random() % n;
      const auto proof = ConsistencyProof(m, n, tree.fn());
      ASSERT_TRUE(proof.ok());
      ASSERT_EQ(*proof, reference.Proof(m, n));
      ASSERT_TRUE(VerifyConsistency(m, reference.Mth(0, m), n, root, *proof).ok());
    }
  }
}

TEST(Merkle, AlignedRangesAreTheRangesOfTheDefinition) {
  const auto leaves = Leaves(200);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  for (uint64_t width = 1; width <= 64; ++width) {
    uint64_t align = 1;
    while (align < width) align *= 2;
    for (uint64_t start = 0; start + width <= leaves.size(); start += align) {
      ASSERT_EQ(*RangeRoot(start, start + width, tree.fn()), reference.Mth(start, start + width)) << start << " + " << width;
    }
  }
  EXPECT_EQ(*RangeRoot(0, 0, tree.fn()), EmptyRoot());
}

// A tree over 2^50 leaves, of which only the subtrees that a proof needs can be asked for.
TEST(Merkle, SizesBeyond32Bits) {
  const SubtreeFn synthetic = [](int level, uint64_t index) -> absl::StatusOr<Digest> {
    return Sha256(std::to_string(level) + "/" + std::to_string(index));
  };
  const uint64_t size = (uint64_t{1} << 50) + (uint64_t{1} << 33) + 5;
  for (uint64_t index : {size - 1, size - 6, uint64_t{1} << 50}) {
    const auto proof = InclusionProof(index, size, synthetic);
    ASSERT_TRUE(proof.ok());
    EXPECT_LE(proof->size(), 51u);
    // The subtrees are not hashes of each other, so the proof leads to a root that nothing else would: length alone is right.
    EXPECT_EQ(VerifyInclusion(*synthetic(0, index), index, size, *proof, Digest{}).code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(InclusionProof(size, size, synthetic).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(VerifyInclusion({}, 0, UINT64_MAX, {}, {}).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Merkle, AMissingSubtreeIsItsError) {
  const Subtrees tree(Leaves(5));
  const SubtreeFn damaged = [&](int level, uint64_t index) -> absl::StatusOr<Digest> {
    if (level == 1) return absl::DataLossError("damaged");
    return tree.fn()(level, index);
  };
  EXPECT_EQ(InclusionProof(0, 5, damaged).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ConsistencyProof(2, 3, [](int, uint64_t) -> absl::StatusOr<Digest> { return absl::DataLossError("damaged"); }).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(Frontier::Load(6, damaged).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RangeRoot(0, 7, damaged).status().code(), absl::StatusCode::kDataLoss);
  // Nothing that a larger tree completes is asked for.
  EXPECT_TRUE(InclusionProof(4, 5, tree.fn()).ok());
}

TEST(Merkle, FrontierGoesOnFromAStoredTree) {
  const auto leaves = Leaves(130);
  const Subtrees tree(leaves);
  for (uint64_t n = 0; n <= 130; ++n) {
    auto frontier = Frontier::Load(n, tree.fn());
    ASSERT_TRUE(frontier.ok());
    ASSERT_EQ(frontier->size(), n);
    for (uint64_t i = n; i < leaves.size(); ++i) frontier->Append(leaves[i], nullptr);
    ASSERT_EQ(frontier->Root(), tree.frontier.Root());
  }
}

Digest Flipped(Digest d, size_t at = 0) {
  d[at] ^= 1;
  return d;
}

struct Inclusion {
  Digest leaf{};
  uint64_t index = 0;
  uint64_t size = 0;
  std::vector<Digest> proof;
  Digest root{};
};

const struct {
  const char* name;
  absl::StatusCode code;  // kOk: either error will do
  void (*apply)(Inclusion&);
} kInclusionMutations[] = {
    {"trailing-garbage", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.proof.push_back(Digest{}); }},
    {"trailing-root", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.proof.push_back(c.root); }},
    {"preceding-garbage", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.proof.insert(c.proof.begin(), Digest{}); }},
    {"preceding-leaf", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.proof.insert(c.proof.begin(), c.leaf); }},
    {"truncated", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.proof.pop_back(); }},
    {"truncated-at-front", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.proof.erase(c.proof.begin()); }},
    {"empty-proof", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.proof.clear(); }},
    {"empty-proof-and-leaf-as-root", absl::StatusCode::kInvalidArgument,
     [](Inclusion& c) {
       c.proof.clear();
       c.root = c.leaf;
     }},
    {"index-before", absl::StatusCode::kOk, [](Inclusion& c) { c.index = c.index == 0 ? c.size - 1 : c.index - 1; }},
    {"index-after", absl::StatusCode::kOk, [](Inclusion& c) { c.index = (c.index + 1) % c.size; }},
    {"index-of-the-sibling", absl::StatusCode::kOk, [](Inclusion& c) { c.index ^= 1; }},
    {"index-is-the-size", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.index = c.size; }},
    {"index-beyond", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.index = UINT64_MAX; }},
    {"size-doubled", absl::StatusCode::kOk, [](Inclusion& c) { c.size *= 2; }},
    {"size-zero", absl::StatusCode::kInvalidArgument, [](Inclusion& c) { c.size = 0; }},
    {"wrong-root", absl::StatusCode::kDataLoss, [](Inclusion& c) { c.root = Flipped(c.root, 31); }},
    {"empty-root", absl::StatusCode::kDataLoss, [](Inclusion& c) { c.root = EmptyRoot(); }},
    {"wrong-leaf", absl::StatusCode::kDataLoss, [](Inclusion& c) { c.leaf = Flipped(c.leaf); }},
    {"root-as-leaf", absl::StatusCode::kDataLoss, [](Inclusion& c) { c.leaf = c.root; }},
    {"swapped-leaf-and-sibling", absl::StatusCode::kDataLoss, [](Inclusion& c) { std::swap(c.leaf, c.proof.front()); }},
    {"swapped-root-and-leaf", absl::StatusCode::kDataLoss, [](Inclusion& c) { std::swap(c.leaf, c.root); }},
};

TEST(Merkle, MutatedInclusionProofsFail) {
  const auto leaves = Leaves(300);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  for (uint64_t size : {2, 3, 5, 7, 8, 9, 64, 65, 100, 127, 255, 256, 257, 300}) {
    for (uint64_t index = 0; index < size; ++index) {
      const Inclusion good{leaves[index], index, size, *InclusionProof(index, size, tree.fn()), reference.Mth(0, size)};
      for (const auto& mutation : kInclusionMutations) {
        Inclusion bad = good;
        mutation.apply(bad);
        const absl::Status status = VerifyInclusion(bad.leaf, bad.index, bad.size, bad.proof, bad.root);
        ASSERT_FALSE(status.ok()) << mutation.name << ": " << index << " in " << size;
        if (mutation.code != absl::StatusCode::kOk) {
          ASSERT_EQ(status.code(), mutation.code) << mutation.name;
        }
      }
      for (size_t i = 0; i < good.proof.size(); ++i) {
        Inclusion bad = good;
        bad.proof[i] = Flipped(bad.proof[i], i % 32);
        ASSERT_EQ(VerifyInclusion(bad.leaf, bad.index, bad.size, bad.proof, bad.root).code(), absl::StatusCode::kDataLoss);
      }
      for (size_t i = 1; i < good.proof.size(); ++i) {
        Inclusion bad = good;
        std::swap(bad.proof[i - 1], bad.proof[i]);
        ASSERT_EQ(VerifyInclusion(bad.leaf, bad.index, bad.size, bad.proof, bad.root).code(), absl::StatusCode::kDataLoss);
      }
    }
  }
}

// An inner node is no leaf: the prefixes keep the two apart.
TEST(Merkle, AnInnerNodeIsNotALeaf) {
  const auto leaves = Leaves(2);
  std::string node(AsView(leaves[0]));
  node += AsView(leaves[1]);
  EXPECT_NE(LeafHash(node), NodeHash(leaves[0], leaves[1]));
  EXPECT_NE(NodeHash(leaves[0], leaves[1]), NodeHash(leaves[1], leaves[0]));
}

struct Consistency {
  uint64_t old_size = 0;
  Digest old_root{};
  uint64_t new_size = 0;
  Digest new_root{};
  std::vector<Digest> proof;
};

const struct {
  const char* name;
  absl::StatusCode code;
  void (*apply)(Consistency&);
} kConsistencyMutations[] = {
    {"trailing-garbage", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.proof.push_back(Digest{}); }},
    {"trailing-root", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.proof.push_back(c.new_root); }},
    {"preceding-garbage", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.proof.insert(c.proof.begin(), Digest{}); }},
    {"preceding-old-root", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.proof.insert(c.proof.begin(), c.old_root); }},
    {"truncated", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.proof.pop_back(); }},
    {"truncated-at-front", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.proof.erase(c.proof.begin()); }},
    {"empty-proof", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.proof.clear(); }},
    {"swapped-roots", absl::StatusCode::kDataLoss, [](Consistency& c) { std::swap(c.old_root, c.new_root); }},
    {"swapped-sizes", absl::StatusCode::kInvalidArgument, [](Consistency& c) { std::swap(c.old_size, c.new_size); }},
    {"same-root-twice", absl::StatusCode::kDataLoss, [](Consistency& c) { c.new_root = c.old_root; }},
    {"wrong-old-root", absl::StatusCode::kDataLoss, [](Consistency& c) { c.old_root = Flipped(c.old_root); }},
    {"wrong-new-root", absl::StatusCode::kDataLoss, [](Consistency& c) { c.new_root = Flipped(c.new_root); }},
    {"old-size-zero", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.old_size = 0; }},
    {"old-size-as-new", absl::StatusCode::kInvalidArgument, [](Consistency& c) { c.new_size = c.old_size; }},
    {"new-size-doubled", absl::StatusCode::kOk, [](Consistency& c) { c.new_size *= 2; }},
};

TEST(Merkle, MutatedConsistencyProofsFail) {
  const auto leaves = Leaves(130);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  for (uint64_t new_size : {2, 3, 4, 7, 8, 9, 33, 64, 65, 100, 128, 130}) {
    for (uint64_t old_size = 1; old_size < new_size; ++old_size) {
      const Consistency good{old_size, reference.Mth(0, old_size), new_size, reference.Mth(0, new_size),
                             *ConsistencyProof(old_size, new_size, tree.fn())};
      for (const auto& mutation : kConsistencyMutations) {
        Consistency bad = good;
        mutation.apply(bad);
        const absl::Status status = VerifyConsistency(bad.old_size, bad.old_root, bad.new_size, bad.new_root, bad.proof);
        ASSERT_FALSE(status.ok()) << mutation.name << ": " << old_size << " to " << new_size;
        if (mutation.code != absl::StatusCode::kOk) {
          ASSERT_EQ(status.code(), mutation.code) << mutation.name << ": " << old_size << " to " << new_size;
        }
      }
      for (size_t i = 0; i < good.proof.size(); ++i) {
        Consistency bad = good;
        bad.proof[i] = Flipped(bad.proof[i], i % 32);
        ASSERT_EQ(VerifyConsistency(bad.old_size, bad.old_root, bad.new_size, bad.new_root, bad.proof).code(), absl::StatusCode::kDataLoss);
      }
    }
  }
}

TEST(Merkle, ConsistencyOfOneSizeWithItself) {
  const Digest root = LeafHash("x");
  EXPECT_TRUE(VerifyConsistency(7, root, 7, root, {}).ok());
  EXPECT_EQ(VerifyConsistency(7, root, 7, Flipped(root), {}).code(), absl::StatusCode::kDataLoss) << "a fork at one size";
  EXPECT_EQ(VerifyConsistency(7, root, 7, root, {root}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ConsistencyProof(0, 7, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ConsistencyProof(8, 7, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
}

// A history rewritten at `changed` has no proof to its own past.
TEST(Merkle, ARewrittenHistoryIsNotConsistent) {
  auto leaves = Leaves(40);
  Reference before(leaves);
  for (uint64_t changed : {0, 7, 19}) {
    auto other = leaves;
    other[changed] = LeafHash("rewritten");
    Reference after(other);
    const Subtrees tree(other);
    const auto proof = ConsistencyProof(20, 40, tree.fn());
    ASSERT_TRUE(proof.ok());
    EXPECT_EQ(VerifyConsistency(20, before.Mth(0, 20), 40, after.Mth(0, 40), *proof).code(), absl::StatusCode::kDataLoss);
  }
}

// What block proofs stand on: a tree is the tree over its blocks, and a leaf's path is its path in the block, then the block's.
TEST(Merkle, BlocksAgreeWithPlainInclusion) {
  const auto leaves = Leaves(3000);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  for (uint64_t size : {1, 2, 100, 255, 256, 257, 300, 511, 512, 513, 767, 768, 769, 1000, 1024, 1025, 2048, 2300, 2816, 2817, 3000}) {
    SCOPED_TRACE(size);
    const uint64_t blocks = (size + kBlockLeaves - 1) / kBlockLeaves;
    std::vector<Digest> block_roots;
    for (uint64_t b = 0; b < blocks; ++b) {
      const uint64_t end = std::min(size, (b + 1) * kBlockLeaves);
      block_roots.push_back(BlockRoot({leaves.begin() + b * kBlockLeaves, leaves.begin() + end}));
      ASSERT_EQ(block_roots.back(), reference.Mth(b * kBlockLeaves, end));
    }
    const Digest root = reference.Mth(0, size);
    Reference over_blocks(block_roots);
    ASSERT_EQ(over_blocks.Mth(0, blocks), root);

    for (uint64_t b = 0; b < blocks; ++b) {
      const auto proof = BlockProof(b, size, tree.fn());
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_EQ(*proof, over_blocks.Path(b, 0, blocks));
      ASSERT_TRUE(VerifyBlock(block_roots[b], b, size, *proof, root).ok());

      const uint64_t start = b * kBlockLeaves, end = std::min(size, start + kBlockLeaves);
      for (uint64_t i = start; i < end; ++i) {
        std::vector<Digest> path = reference.Path(i - start, start, end);
        path.insert(path.end(), proof->begin(), proof->end());
        ASSERT_EQ(path, reference.Path(i, 0, size)) << i;
      }
    }
    EXPECT_EQ(BlockProof(blocks, size, tree.fn()).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(Merkle, MutatedBlockProofsFail) {
  const auto leaves = Leaves(1300);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  const uint64_t size = 1300, blocks = 6;
  const Digest root = reference.Mth(0, size);
  for (uint64_t b = 0; b < blocks; ++b) {
    SCOPED_TRACE(b);
    const uint64_t start = b * kBlockLeaves, end = std::min(size, start + kBlockLeaves);
    const std::vector<Digest> block(leaves.begin() + start, leaves.begin() + end);
    const Digest good = BlockRoot(block);
    const std::vector<Digest> proof = *BlockProof(b, size, tree.fn());

    auto trailing = proof, truncated = proof, flipped = proof;
    trailing.push_back(root);
    truncated.pop_back();
    flipped[0] = Flipped(flipped[0]);
    EXPECT_EQ(VerifyBlock(good, b, size, trailing, root).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(VerifyBlock(good, b, size, truncated, root).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(VerifyBlock(good, b, size, flipped, root).code(), absl::StatusCode::kDataLoss);
    EXPECT_FALSE(VerifyBlock(good, b ^ 1, size, proof, root).ok());
    EXPECT_EQ(VerifyBlock(good, blocks, size, proof, root).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(VerifyBlock(good, b, size, proof, Flipped(root)).code(), absl::StatusCode::kDataLoss);

    std::vector<Digest> reordered = block, shorter = block, longer = block, changed = block;
    std::swap(reordered[1], reordered[2]);
    shorter.pop_back();
    changed.back() = Flipped(changed.back());
    for (const auto& other : {reordered, shorter, changed})
      EXPECT_EQ(VerifyBlock(BlockRoot(other), b, size, proof, root).code(), absl::StatusCode::kDataLoss);
    if (longer.size() < kBlockLeaves) {
      longer.push_back(leaves[0]);
      EXPECT_EQ(VerifyBlock(BlockRoot(longer), b, size, proof, root).code(), absl::StatusCode::kDataLoss);
    }
  }
}

// Of what is beyond the prefix nothing is asked; and whoever held more can tell the rest after less.
TEST(Merkle, APrefixProvesWhatItHolds) {
  const auto leaves = Leaves(1100);
  Reference reference(leaves);
  const Subtrees tree(leaves);
  for (uint64_t size : {1, 2, 3, 7, 8, 100, 255, 256, 257, 300, 512, 513, 700, 768, 1000, 1025, 1100}) {
    SCOPED_TRACE(size);
    const Digest root = reference.Mth(0, size);
    Prefix prefix{size, size, {}};
    ASSERT_EQ(RestCount(size, size), 0u);
    const uint64_t step = size < 300 ? 1 : 37;
    for (uint64_t held = size; held > 0;) {
      const uint64_t next = held - std::min(held, step);
      prefix = Shorten(prefix, next, {leaves.begin() + static_cast<ptrdiff_t>(next), leaves.begin() + static_cast<ptrdiff_t>(held)});
      held = next;
      SCOPED_TRACE(held);
      ASSERT_EQ(prefix.held, held);
      ASSERT_EQ(prefix.rest.size(), RestCount(held, size));
      ASSERT_LE(prefix.rest.size(), 64u);
      const SubtreeFn only_held = [&](int level, uint64_t index) -> absl::StatusOr<Digest> {
        if (((index + 1) << level) > held) return absl::NotFoundError("not held");
        return tree.fn()(level, index);
      };
      const auto computed = RootOf(prefix, only_held);
      ASSERT_TRUE(computed.ok()) << computed.status();
      ASSERT_EQ(*computed, root);
      for (uint64_t b = 0; b * kBlockLeaves < held; ++b) {
        const auto proof = BlockProof(b, prefix, only_held);
        ASSERT_TRUE(proof.ok()) << proof.status();
        ASSERT_EQ(*proof, *BlockProof(b, size, tree.fn()));
      }
      if (held == 0) break;
      // The block that the prefix ends in, from the leaves held and what follows them in it.
      const uint64_t start = (held - 1) / kBlockLeaves * kBlockLeaves, end = std::min(size, start + kBlockLeaves);
      const size_t in_block = RestCount(held - start, end - start);
      const std::vector<Digest> rest(prefix.rest.begin(), prefix.rest.begin() + static_cast<ptrdiff_t>(in_block));
      const std::vector<Digest> first(leaves.begin() + static_cast<ptrdiff_t>(start), leaves.begin() + static_cast<ptrdiff_t>(held));
      ASSERT_EQ(BlockRoot(first, end - start, rest), reference.Mth(start, end));
    }
    EXPECT_EQ(prefix.rest, std::vector<Digest>{root}) << "of nothing held";
  }
  EXPECT_EQ(*RootOf(Prefix{}, nullptr), EmptyRoot());
}

TEST(Merkle, AnotherRestLeadsToAnotherRoot) {
  const auto leaves = Leaves(300);
  const Subtrees tree(leaves);
  const Prefix prefix = Shorten({300, 300, {}}, 77, {leaves.begin() + 77, leaves.end()});
  ASSERT_GT(prefix.rest.size(), 1u);
  const Digest root = *RootOf(prefix, tree.fn());
  for (size_t i = 0; i < prefix.rest.size(); ++i) {
    Prefix changed = prefix;
    changed.rest[i][5] ^= 1;
    EXPECT_NE(*RootOf(changed, tree.fn()), root) << i;
  }
}

}  // namespace
}  // namespace fairlead::merkle
