// AuditService: the audit of this site, and of those whose audit it holds.
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_AUDIT_METHODS_H_
#define FAIRLEAD_SERVER_RPC_AUDIT_METHODS_H_

#include <absl/status/statusor.h>

#include "fairlead/v1/audit_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/record_access.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

class AuditMethods {
 public:
  AuditMethods(node::Node* node, const Sealer* sealer) : node_(node), sealer_(sealer) {}

  // QueryAuditEvents; GetAuditEvent is a standard method.
  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<v1::QueryAuditEventsResponse> Query(const Call& call, const v1::QueryAuditEventsRequest& request) const;
  // Whether it came in the audit log of the site that it names.
  bool IsGenuine(const Loaded& loaded) const;

  node::Node* const node_;
  const Sealer* const sealer_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_AUDIT_METHODS_H_
