// What verified once in a run verifies at every site that asks: the sites of a run share one process, and a signature that each of them
// verifies is computed once for all.
//
// Whether bytes are a key's signature of a message depends on those three alone, so an answer is kept by all three whole. The sites ask as
// often as ever, and are told the same: VerifyKey::Verify itself is replaced where programs are linked with the simulation
// (CMakeLists.txt).
//
// Thread safety: of the thread that made it. Ownership: a value.

#ifndef FAIRLEAD_TESTS_SIMULATION_VERIFIED_H_
#define FAIRLEAD_TESTS_SIMULATION_VERIFIED_H_

#include <string>
#include <unordered_map>

namespace fairlead::simulation {

// While it lives, its thread's answers of VerifyKey::Verify are kept. REQUIRES: the thread has no other.
class Verified {
 public:
  Verified();
  ~Verified();
  Verified(const Verified&) = delete;
  Verified& operator=(const Verified&) = delete;

  std::unordered_map<std::string, bool> answers;  // by key, signature and message
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_VERIFIED_H_
