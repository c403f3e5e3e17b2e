// The randomness of a simulation: everything is drawn from one seed, in an order that depends on nothing else.
//
// Thread safety: none. Ownership: values.

#ifndef FAIRLEAD_TESTS_SIMULATION_RANDOM_H_
#define FAIRLEAD_TESTS_SIMULATION_RANDOM_H_

#include <absl/time/time.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace fairlead::simulation {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // In [0, n). REQUIRES: n > 0.
  uint64_t Below(uint64_t n) { return engine_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  // In [0, 1).
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  // In [low, high).
  absl::Duration Between(absl::Duration low, absl::Duration high) { return low + (high - low) * Uniform(); }
  std::string Bytes(size_t n) {
    std::string bytes;
    while (bytes.size() < n) bytes.push_back(static_cast<char>(engine_() & 0xff));
    return bytes;
  }
  // REQUIRES: not empty.
  template <class T>
  T& Of(std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }
  template <class T>
  const T& Of(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }
  // A generator of its own, so that one part drawing more does not change what the others draw.
  Random Fork() { return Random(engine_()); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_RANDOM_H_
