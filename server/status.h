// What the node's parts know, as NodeService.GetNodeStatus says it.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_STATUS_H_
#define FAIRLEAD_SERVER_STATUS_H_

#include <vector>

#include "fairlead/v1/node_service.pb.h"
#include "server/membership.h"
#include "server/replication/link_info.h"

namespace fairlead {

std::vector<v1::LinkStatus> ToProto(const std::vector<replication::LinkInfo>& links);
v1::MembershipStatus ToProto(const MembershipView& view);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVER_STATUS_H_
