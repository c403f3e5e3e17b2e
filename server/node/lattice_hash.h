// LtHash: a hash of a set that follows insertions and removals (Bellare and Micciancio 1997; 1,024 lanes of 16 bits).
//
// Each element is expanded to 2,048 bytes by AES-256-CTR under the key SHA-256(element); lanes add modulo 2^16. Unlike XOR of hashes, no
// one can find another set of the same sum. Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_LATTICE_HASH_H_
#define FAIRLEAD_SERVER_NODE_LATTICE_HASH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/ids.h"

namespace fairlead::node {

class LatticeHash {
 public:
  static constexpr size_t kLanes = 1024;
  static constexpr size_t kBytes = kLanes * 2;

  void Add(std::string_view element);
  // REQUIRES: `element` was added.
  void Remove(std::string_view element);
  Digest Sum() const;
  std::string Serialise() const;  // kBytes, lanes big-endian
  static bool Parse(std::string_view bytes, LatticeHash* out);
  friend bool operator==(const LatticeHash&, const LatticeHash&) = default;

 private:
  std::array<uint16_t, kLanes> lanes_{};
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_LATTICE_HASH_H_
