// Between the folded state of a record and its resource message.
//
// Thread safety: pure functions. Ownership: results are the caller's.

#ifndef FAIRLEAD_SERVER_NODE_MATERIALISE_H_
#define FAIRLEAD_SERVER_NODE_MATERIALISE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/node/fold.h"
#include "server/records/record_type.h"

namespace fairlead::node {

// Shown as the audience of a record whose concurrently written audiences have no site in common: an empty list would say every site.
inline constexpr std::string_view kNobody = "nobody";

// The record as it is shown: winners of registers and states, unions of sets, maxima and intersections; name, etag, create_time,
// update_time and conflicts (conflicts.h) computed. A marking that was never set is OFFICIAL.
std::unique_ptr<google::protobuf::Message> Materialise(const records::RecordType& type, const std::string& name, const RecordState& state);
// The same without its etag, which takes a hash of the whole state, for who looks at fields alone. REQUIRES: `views` are ViewOf(state) and
// `conflicts` ConflictsOf(type, state).
std::unique_ptr<google::protobuf::Message> MaterialiseFields(const records::RecordType& type, const std::string& name,
                                                             const RecordState& state);
std::unique_ptr<google::protobuf::Message> MaterialiseFields(const records::RecordType& type, const std::string& name,
                                                             const RecordState& state, const std::map<uint32_t, FieldView>& views,
                                                             const std::map<uint32_t, FieldView>& conflicts);

// One value of a field (the bytes of an op, api/entry.h) as JSON, as conflicts and revisions show it; one element of a set.
// REQUIRES: a field of `type` with a merge kind.
std::string ValueJson(const records::RecordType& type, const google::protobuf::FieldDescriptor* field, const std::string& bytes);

// The mutation that makes the fields `fields` of the record be as in `next`, by an author who had read `read` (null: there was none).
// Replaces what the author had read, live and pending; fields that do not change give no op; no ops: nothing to write. A field in
// conflict changes even when `next` holds what is shown: naming it settles it. A register that is cleared is written as the
// empty value, so that a concurrent edit shows as a conflict. A state op carries its rank; a state that locks seals every live register
// and set value. The author of a sealed record has seen its seals. Equal arguments give equal mutations, at every site.
// REQUIRES: `fields` are fields of `next` with a merge kind; a state among them is a value of its enum.
Mutation MutationFor(const records::RecordType& type, const std::string& name, const RecordState* read,
                     const google::protobuf::Message& next, const std::vector<const google::protobuf::FieldDescriptor*>& fields);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_MATERIALISE_H_
