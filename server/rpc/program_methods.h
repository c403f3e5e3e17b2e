// The program's methods that answer from many records: standings, conditions in force, eligible countries, visit priority, measures and
// service times.
//
// Thread safety: Register before the server starts. Ownership: borrows the node, which outlives the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_PROGRAM_METHODS_H_
#define FAIRLEAD_SERVER_RPC_PROGRAM_METHODS_H_

#include "fairlead/v1/priority.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"

namespace fairlead::rpc {

// `weights`: of the visit priority, for requests that bring none. REQUIRES: view::CheckWeights is OK with them.
void RegisterProgramMethods(const node::Node* node, const v1::PriorityWeights& weights, Dispatcher* dispatcher);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_PROGRAM_METHODS_H_
