// The methods that answer what is planned and who is responsible: the calendar, clashes, overdue follow-ups, visit stages, coverage, the
// team's duties; and the handover of a country from one officer to another, which writes two records at once.
//
// Thread safety: Register before the server starts. Ownership: borrows all it is given, which outlives the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_PLANNING_METHODS_H_
#define FAIRLEAD_SERVER_RPC_PLANNING_METHODS_H_

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/portfolio_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

class PlanningMethods {
 public:
  PlanningMethods(node::Node* node, const Sealer* sealer, const WriteMethods* writes) : node_(node), sealer_(sealer), writes_(writes) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<MessagePtr> ListCalendarEntries(const Call& call, const v1::ListCalendarEntriesRequest& request) const;
  absl::StatusOr<v1::ListClashesResponse> ListClashes(const v1::ListClashesRequest& request) const;
  absl::StatusOr<MessagePtr> ListOverdueFollowUps(const Call& call, const v1::ListOverdueFollowUpsRequest& request) const;
  absl::StatusOr<WriteMethods::Plan> PlanHandover(const Call& call, const v1::HandoverAssignmentRequest& request) const;

  node::Node* const node_;
  const Sealer* const sealer_;
  const WriteMethods* const writes_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_PLANNING_METHODS_H_
