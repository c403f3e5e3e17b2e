// The fold: what a record is, from the mutations of all logs, in any causal order.
//
// A field is all values ever added minus those replaced by someone who had read them (api/PROTOCOL.md, rules 8 to 11). The fold knows merge
// kinds, not resource types. Everything here is a pure function of the set of mutations applied: two nodes that applied the same entries
// hold byte-identical states.
//
// A value is
//   dead      when an op that is not pending replaced it,
//   pending   when it is not dead and some seal neither covers it nor was seen by its author (an edit concurrent with the close of a
//             report): it counts for nothing and replaces nothing until a person deals with it. Seals bind registers and sets only,
//   live      otherwise.
// A seal covers the values it lists, what those replaced, and so on back, and the other values of its own mutation.
//
//   state     := 0x01 type:varint n:varint mutation{n} n:varint seal{n} n:varint field{n}
//   mutation  := id[16] known:u8 [hlc:u64 log:varint seq:varint n:varint ref{n}]      ascending by id; the refs are the seals it had seen
//   seal      := ref n:varint ref{n}                                               ascending
//   field     := number:varint kind:u8 n:varint value{n} n:varint edge{n}            ascending
//   value     := ref flags:u8 [kind:u8] [type:varint] [bytes]                      ascending; flags: 1 adds a value, 2 bytes follow,
//                                                                                  4 erased, 8 kind is not the field's, 16 type is not
//                                                                                  the record's
//   edge      := ref ref                                                           replaced, by; ascending
//   ref       := mutation:varint op:varint                                         mutation: index in the table above
//
// A mutation is not known when only ids of it are (its payload is withheld here). The bytes of a dead value are dropped; a seal that
// arrives later can revive it, and the fold then fetches them from the entry that the value names. Those of an erased value are gone for
// ever; it still replaces what it replaced.
//
// The types that a program knows say which kind each of their fields is (authority.h). Of fields and types that it does not know, two
// writers may say different things, and neither comes first: each value keeps its own kind and type. The field's kind and the record's type
// are the least of those of their values, and only values of these are seen.
//
// Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_FOLD_H_
#define FAIRLEAD_SERVER_NODE_FOLD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/entry.h"
#include "api/ids.h"

namespace fairlead::node {

// Fields that mean the same, and have one kind, in every record type.
inline constexpr uint32_t kMarkingField = 5;    // RestrictMax
inline constexpr uint32_t kAudienceField = 6;   // RestrictIntersect
inline constexpr uint32_t kWithdrawnField = 7;  // Register

struct FieldValue {
  uint32_t type = 0;  // of the record, as its mutation says
  MergeKind kind = MergeKind::kRegister;
  Hlc time;
  Dot dot;                 // the entry that added it (the earliest, when one request was accepted twice)
  bool adds = true;        // false: an op that only replaced
  bool has_bytes = false;  // exactly when it adds, is neither dead nor erased, and its bytes could be had
  bool erased = false;
  std::string bytes;
  std::vector<ValueId> seen_seals;
  friend bool operator==(const FieldValue&, const FieldValue&) = default;
};

struct FieldState {
  MergeKind kind = MergeKind::kRegister;  // the least of its values'
  std::map<ValueId, FieldValue> values;
  std::set<std::pair<ValueId, ValueId>> edges;  // (replaced, by)
  friend bool operator==(const FieldState&, const FieldState&) = default;
};

struct RecordState {
  uint32_t type = 0;  // the least of its values'; 0: there is no record
  std::map<uint32_t, FieldState> fields;
  std::map<ValueId, std::set<ValueId>> seals;  // seal -> values it had seen
  friend bool operator==(const RecordState&, const RecordState&) = default;
};

std::string EncodeState(const RecordState& state);
absl::StatusOr<RecordState> DecodeState(std::string_view bytes);

// Whether the fold of this version understands the mutation, whatever was folded before; UNIMPLEMENTED when it does not (the entry becomes
// opaque), INVALID_ARGUMENT when it names no record or no type, the name is longer than kRecordNameBytesMax, its values are malformed for
// their kind, or a field of every type is of another kind.
absl::Status CheckFoldable(const Mutation& mutation);

// The bytes of a value from the entry that added it; nullopt when this node does not hold them.
using ValueFetcher = std::function<std::optional<std::string>(const ValueId& id, Dot dot)>;

// Adds one mutation. REQUIRES: CheckFoldable. Idempotent; commutes with every mutation that is not causally related. `fetch` is asked only
// for values that a seal revives.
// Ops whose positions are in `ignored` fold to nothing, and so does a mutation without ops.
void Fold(const Mutation& mutation, const MutationId& id, Hlc time, Dot dot, RecordState* state, const ValueFetcher& fetch = {},
          const std::vector<uint16_t>& ignored = {});

// The same for what an erasure has left of a mutation (api/erasure.h). REQUIRES: CheckFoldable of the shape less its erased values.
void FoldErased(const Mutation& shape, const MutationId& id, Hlc time, Dot dot, RecordState* state, const ValueFetcher& fetch = {},
                const std::vector<uint16_t>& ignored = {});

// The record as the entries that `held` names have made it, when there was nothing else: its state at another node or time.
// REQUIRES: with an entry, what it follows among those of the state. `fetch` as of Fold.
RecordState Restrict(const RecordState& state, const std::function<bool(Dot)>& held, const ValueFetcher& fetch);

// One field as it is seen: live values with the one that is shown first, then the others in the order they would be shown.
struct FieldView {
  MergeKind kind = MergeKind::kRegister;
  std::vector<std::pair<ValueId, const FieldValue*>> live;
  std::vector<std::pair<ValueId, const FieldValue*>> pending;
  // Pending ops that add nothing: they ask that elements of a set be removed.
  std::vector<std::pair<ValueId, const FieldValue*>> pending_removals;
};

// The fields of a record, by number; those with nothing live or pending are left out. Views point into `state`.
std::map<uint32_t, FieldView> ViewOf(const RecordState& state);

// Every value a lock seals: those of registers and sets that nothing has replaced (api/PROTOCOL.md, rule 10).
std::vector<ValueId> SealableValues(const RecordState& state);

// Names the revision: 16 hex digits of a hash over the state. Equal states have equal etags at every node.
std::string EtagOf(const RecordState& state);
// The same from EncodeState's bytes.
std::string EtagOfBytes(std::string_view encoded);
// Earliest and latest time of any value; the site that began the record is that of `first`.
struct Span {
  Hlc first_time;
  Dot first;
  Hlc last_time;
};
Span SpanOf(const RecordState& state);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_FOLD_H_
