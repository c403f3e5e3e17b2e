// ListConflicts, GetConflict and ResolveConflict: fields that ask for a person, of records of every type.
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_CONFLICT_METHODS_H_
#define FAIRLEAD_SERVER_RPC_CONFLICT_METHODS_H_

#include <absl/status/statusor.h>

#include <memory>

#include "fairlead/v1/record_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

class ConflictMethods {
 public:
  ConflictMethods(node::Node* node, const Sealer* sealer, const WriteMethods* writes) : node_(node), sealer_(sealer), writes_(writes) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<v1::ListConflictsResponse> List(const Call& call, const v1::ListConflictsRequest& request) const;
  absl::StatusOr<v1::Conflict> Get(const Call& call, const v1::GetConflictRequest& request) const;
  void Resolve(const std::shared_ptr<Call>& call, const v1::ResolveConflictRequest& request, Reply reply) const;

  absl::StatusOr<WriteMethods::Plan> PlanResolve(const records::RecordType& type, const std::string& record, const std::string& field_name,
                                                 const Call& call, const v1::ResolveConflictRequest& request) const;

  node::Node* const node_;
  const Sealer* const sealer_;
  const WriteMethods* const writes_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_CONFLICT_METHODS_H_
