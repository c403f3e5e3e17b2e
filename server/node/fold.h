// The fold: what a record is, from the mutations of all logs, in any causal order.
//
// A field is all values ever added minus those replaced by someone who had read them (api/PROTOCOL.md, rules 8 to 11). The fold knows merge
// kinds, not resource types. Everything here is a pure function of the set of mutations applied: two nodes that applied the same entries
// hold byte-identical states.
//
// A value is
//   dead      when a live or dead value's op that is not pending replaced it,
//   pending   when a seal neither lists it nor was seen by its author (an edit concurrent with the close of a report): it counts for nothing
//             and replaces nothing until a person deals with it. Seals bind registers and sets only,
//   live      otherwise.
//
//   state     := 0x01 type:varint seals n:varint field{n}                          fields ascending
//   seals     := n:varint (seal:value_id m:varint value_id{m}){n}                  ascending
//   field     := number:varint kind:u8 n:varint value{n} m:varint edge{m}
//   value     := id:value_id hlc:u64 log:varint seq:varint flags:u8 [seen:value_ids] [bytes]      ascending by id; flags: 1 has bytes, 2 adds nothing,
//                                                                                    4 saw seals
//   edge      := replaced:value_id by:value_id                                     ascending
//
// A value that nobody may need again keeps its bytes all the same while it is dead only by one field's edges: a later seal can make its
// replacer pending and revive it. Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_FOLD_H_
#define FAIRLEAD_SERVER_NODE_FOLD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/entry.h"
#include "api/ids.h"

namespace fairlead::node {

struct FieldValue {
  Hlc time;
  Dot dot;                         // the entry that added it (the earliest, when one request was accepted twice)
  bool adds = true;                // false: an op that only replaced
  std::string bytes;
  std::vector<ValueId> seen_seals;
  friend bool operator==(const FieldValue&, const FieldValue&) = default;
};

struct FieldState {
  MergeKind kind = MergeKind::kRegister;
  std::map<ValueId, FieldValue> values;
  std::set<std::pair<ValueId, ValueId>> edges;  // (replaced, by)
  friend bool operator==(const FieldState&, const FieldState&) = default;
};

struct RecordState {
  uint32_t type = 0;
  std::map<uint32_t, FieldState> fields;
  std::map<ValueId, std::set<ValueId>> seals;   // seal -> values it had seen
  friend bool operator==(const RecordState&, const RecordState&) = default;
};

std::string EncodeState(const RecordState& state);
absl::StatusOr<RecordState> DecodeState(std::string_view bytes);

// Whether the fold of this version understands the mutation; UNIMPLEMENTED when it does not (the entry becomes opaque), INVALID_ARGUMENT when its
// values are malformed for their kind or its type is not the record's.
absl::Status CheckFoldable(const Mutation& mutation, const RecordState* existing);

// Adds one mutation. REQUIRES: CheckFoldable. Idempotent; commutes with every mutation that is not causally related.
void Fold(const Mutation& mutation, const MutationId& id, Hlc time, Dot dot, RecordState* state);

enum class Liveness { kLive, kPending, kDead };

// One field as it is seen: live values with the one that is shown first, then the others in the order they would be shown.
struct FieldView {
  MergeKind kind = MergeKind::kRegister;
  std::vector<std::pair<ValueId, const FieldValue*>> live;
  std::vector<std::pair<ValueId, const FieldValue*>> pending;
};

// The fields of a record, by number; fields with neither live nor pending values are left out. Views point into `state`.
std::map<uint32_t, FieldView> ViewOf(const RecordState& state);

// Names the revision: 16 hex digits of a hash over the state. Equal states have equal etags at every node.
std::string EtagOf(const RecordState& state);
// Earliest and latest time of any value; the site that began the record is that of `first`.
struct Span {
  Hlc first_time;
  Dot first;
  Hlc last_time;
};
Span SpanOf(const RecordState& state);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_FOLD_H_
