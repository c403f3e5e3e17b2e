// Import of many records in one call.
//
// A round plans every record that is still to be done against one snapshot, writes the changes in chunks and waits for all; records of a
// chunk that lost a race are planned again in the next round. Each record is created, updated, left as it is, or refused by itself.
//
// Thread safety: the call returns at once; the run goes on in the node's threads. Ownership: borrows node and durability.

#ifndef FAIRLEAD_SERVER_RPC_IMPORT_RUN_H_
#define FAIRLEAD_SERVER_RPC_IMPORT_RUN_H_

#include <google/protobuf/message.h>

#include <memory>

#include "server/node/node.h"
#include "server/records/record_type.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/durability.h"

namespace fairlead::rpc {

inline constexpr int kImportRecordsMax = 2000;

// `request` holds the records in its one repeated field of the type. `running` is held for as long as the run may touch the node.
void StartImport(node::Node* node, Durability* durability, const records::RecordType& type, std::shared_ptr<Call> call,
                 const google::protobuf::Message& request, Reply reply, std::shared_ptr<void> running);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_IMPORT_RUN_H_
