// What a fuzzer asserts. A property that does not hold ends the process, so that libFuzzer keeps the input.
//
// Thread safety: any thread. Ownership: none.

#ifndef FAIRLEAD_TESTS_FUZZ_PROPERTY_H_
#define FAIRLEAD_TESTS_FUZZ_PROPERTY_H_

#include <absl/status/status.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

namespace fairlead::fuzz {

// `what` states the property.
inline void Require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "property broken: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// An error of one of `codes` that says what is wrong.
inline void RequireError(const absl::Status& status, std::initializer_list<absl::StatusCode> codes) {
  for (absl::StatusCode code : codes) {
    if (status.code() == code && !status.message().empty()) return;
  }
  Require(false, "not one of the errors promised, or without a message: " + status.ToString());
}

inline std::string_view AsText(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

}  // namespace fairlead::fuzz

#endif  // FAIRLEAD_TESTS_FUZZ_PROPERTY_H_
