// An input read as a list of choices: after its end every choice is 0.
//
// Thread safety: none. Ownership: borrows the input.

#ifndef FAIRLEAD_TESTS_FUZZ_SCRIPT_H_
#define FAIRLEAD_TESTS_FUZZ_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::fuzz {

class Script {
 public:
  explicit Script(std::string_view input) : input_(input) {}
  bool done() const { return input_.empty(); }
  uint8_t Byte() {
    if (input_.empty()) return 0;
    const uint8_t byte = static_cast<uint8_t>(input_.front());
    input_.remove_prefix(1);
    return byte;
  }
  // In [0, n). REQUIRES: n > 0.
  size_t Below(size_t n) {
    const size_t low = Byte();
    return (n <= 256 ? low : low | static_cast<size_t>(Byte()) << 8) % n;
  }
  uint64_t Number() {
    uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | Byte();
    return number;
  }
  // At most `max` bytes, fewer at the end.
  std::string Bytes(size_t max) {
    const std::string bytes(input_.substr(0, max));
    input_.remove_prefix(bytes.size());
    return bytes;
  }

 private:
  std::string_view input_;
};

}  // namespace fairlead::fuzz

#endif  // FAIRLEAD_TESTS_FUZZ_SCRIPT_H_
