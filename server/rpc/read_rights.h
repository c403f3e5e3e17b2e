// Which records a caller may read: those of the types whose Get method it may call.
//
// For what tells of records of every type (history, conflicts, erasures, the change feed, search): the policy table's rule of a type's own
// method decides there, too. A type that no method gets is for staff who call for themselves.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_RPC_READ_RIGHTS_H_
#define FAIRLEAD_SERVER_RPC_READ_RIGHTS_H_

#include <absl/status/status.h>

#include <set>
#include <string>

#include "fairlead/v1/erasure.pb.h"
#include "server/records/record_type.h"
#include "server/rpc/dispatcher.h"

namespace fairlead::rpc {

bool MayRead(const Call& call, const records::RecordType& type);
// OK or PERMISSION_DENIED, in the words of the policy's.
absl::Status CheckMayRead(const Call& call, const records::RecordType& type);
// The collections whose records the caller may read.
std::set<std::string> ReadableCollections(const Call& call, const records::Registry& registry);
// Whether the caller may read every record that the erasure names: its reason may tell of any.
bool MayRead(const Call& call, const records::Registry& registry, const v1::Erasure& erasure);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_READ_RIGHTS_H_
