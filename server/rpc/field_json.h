// Values of the log as JSON, for people who read a record's history.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_RPC_FIELD_JSON_H_
#define FAIRLEAD_SERVER_RPC_FIELD_JSON_H_

#include <string>

#include "api/entry.h"
#include "server/records/record_type.h"

namespace fairlead::rpc {

// The value that `op` adds to a field of `type`, in proto3's JSON mapping with the names of the proto; one element for a set. Empty when
// the op adds nothing, or what cannot be read.
std::string ValueJson(const records::RecordType& type, const Op& op);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_FIELD_JSON_H_
