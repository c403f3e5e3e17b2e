// Between the folded state of a record and its resource message.
//
// Thread safety: pure functions. Ownership: results are the caller's.

#ifndef FAIRLEAD_SERVER_NODE_MATERIALISE_H_
#define FAIRLEAD_SERVER_NODE_MATERIALISE_H_

#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "server/node/fold.h"
#include "server/records/record_type.h"

namespace fairlead::node {

// The record as it is shown: winners of registers and states, unions of sets, maxima and intersections; name, etag, create_time, update_time
// and conflicts (registers and states with several live values of different bytes) computed.
std::unique_ptr<google::protobuf::Message> Materialise(const records::RecordType& type, const std::string& name, const RecordState& state);

// The mutation that makes the fields `fields` of the record be as in `next`, by an author who had read `read` (null: there was none). Replaces what
// the author had read; fields that do not change give no op; no ops: nothing to write. A state op carries its rank; a state that locks seals
// every live register and set value. The author of a sealed record has seen its seals.
// REQUIRES: `fields` are fields of `next` with a merge kind.
Mutation MutationFor(const records::RecordType& type, const std::string& name, const RecordState* read,
                     const google::protobuf::Message& next, const std::vector<const google::protobuf::FieldDescriptor*>& fields);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_MATERIALISE_H_
