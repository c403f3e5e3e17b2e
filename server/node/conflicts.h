// The fields of a record that ask for a person: in conflict, or changed by an amendment that a lock has kept out.
//
// A field is in conflict when it holds something beside what is shown: another live value of a register or state with other bytes, or a
// pending value or removal that would make a difference (fold.h). Computed from the state alone, so nodes that applied the same entries
// have the same conflicts, whatever order they came in.
//
// Thread safety: pure functions. Ownership: views point into the state.

#ifndef FAIRLEAD_SERVER_NODE_CONFLICTS_H_
#define FAIRLEAD_SERVER_NODE_CONFLICTS_H_

#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>

#include <map>
#include <string>
#include <vector>

#include "api/entry.h"
#include "server/node/fold.h"
#include "server/records/record_type.h"

namespace fairlead::node {

// By field number. Fields that `type` does not have, or has with another merge kind, are left out.
std::map<uint32_t, FieldView> ConflictsOf(const records::RecordType& type, const RecordState& state);
// The same of who has looked already. REQUIRES: `views` are ViewOf(state).
std::map<uint32_t, FieldView> ConflictsOf(const records::RecordType& type, const RecordState& state,
                                          const std::map<uint32_t, FieldView>& views);

// Values whose bytes are not shown and differ from each other, in the order of the view: live ones, then pending ones.
std::vector<const FieldValue*> DistinctOthers(const FieldView& view);

// Stands for exactly the values and removals of `view` and for which of them count. 16 hex digits; equal views, equal etags.
std::string FieldEtag(const FieldView& view);
// The same of one field of a record as it is now.
std::string FieldEtagOf(const RecordState& state, uint32_t field);

// The values that the op `by` replaced in this field, ascending.
std::vector<ValueId> ReplacedBy(const FieldState& field, const ValueId& by);

// The mutation that settles the conflict of `field` by values that it has, by an author who had read `read`; it replaces all of them and
// writes the kept ones anew, so that two people who keep different values at two sites are in conflict again and neither value goes. Of a
// register or state, `keep` is one value, live or pending, or none when none is live: then what is pending is dropped. Of a set, `keep` are
// the pending values and removals that take effect; the others are dropped. INVALID_ARGUMENT when `keep` is not that; its message is for
// people. REQUIRES: `field` is in conflict.
absl::StatusOr<Mutation> KeepValues(const records::RecordType& type, const std::string& name, const RecordState& read,
                                    const google::protobuf::FieldDescriptor& field, const std::vector<ValueId>& keep);

// A value id as people and programs hand it on: 32 hex digits, a hyphen, the number of the op.
std::string ValueIdText(const ValueId& id);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_CONFLICTS_H_
