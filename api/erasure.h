// Erasures: entries that take from another one what it said and leave its shape (api/PROTOCOL.md, rule 14).
//
// An erasure has one mutation for each of the erased entry's, in their order, of the same type and record, with no seals seen and one op:
// field 0, kind 6, nothing replaced, and the value
//
//   erased := 0x01 log:varint seq:varint mutation_id[16] maker reason:bytes authority:bytes shape
//   maker  := 0x00 | 0x01 office:bytes    1: the entry's request made the record; the site whose officer asked, empty when no officer did
//   shape  := mutation (api/entry.h)            as it was, but that values of registers and sets may be empty: those are erased
//
// All name one entry. Reason and authority are those of the first mutation, and empty in the others. What an erased value replaced stays
// replaced. Values of the other kinds stay too: a marking, an audience and a lifecycle state say how the record is guarded, and without
// them it would open up.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_API_ERASURE_H_
#define FAIRLEAD_API_ERASURE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/entry.h"
#include "api/ids.h"

namespace fairlead {

inline constexpr size_t kErasureTextBytesMax = 1000;  // of reason and of authority

struct ErasedMutation {
  MutationId id{};
  std::optional<std::string> maker;  // of the record, when the entry made it: rule 12 asks for its office
  Mutation shape;
  friend bool operator==(const ErasedMutation&, const ErasedMutation&) = default;
};

struct Erasure {
  Dot entry;  // the erased one
  std::string reason;
  std::string authority;
  std::vector<ErasedMutation> mutations;
  friend bool operator==(const Erasure&, const Erasure&) = default;
};

// Whether an op of the payload has the kind of an erasure's.
bool IsErasure(const Payload& payload);
// INVALID_ARGUMENT saying what is not as above. REQUIRES: IsErasure.
absl::StatusOr<Erasure> ErasureIn(const Payload& payload);
// The mutations of an erasure's payload.
std::vector<Mutation> MutationsOf(const Erasure& erasure);

// Whether the op adds a value of which an erasure has left nothing. REQUIRES: `op` is of a shape.
bool IsErased(const Op& op);
// The mutation without its values; those of `kept` fields stay.
Mutation ShapeOf(const Mutation& mutation, const std::set<uint32_t>& kept);
// Whether `shape` says what `mutation` does, but for values of registers and sets that are empty.
bool IsShapeOf(const Mutation& shape, const Mutation& mutation);

}  // namespace fairlead

#endif  // FAIRLEAD_API_ERASURE_H_
