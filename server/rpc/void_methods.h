// What counts for nothing: ListUnauthorisedChanges, ListVoidEntries, VoidEntry and ReissueEntries (api/PROTOCOL.md, rules 6, 12 and 13).
//
// Thread safety: any thread. Ownership: borrows all it is given; must outlive the dispatcher's server.

#ifndef FAIRLEAD_SERVER_RPC_VOID_METHODS_H_
#define FAIRLEAD_SERVER_RPC_VOID_METHODS_H_

#include <absl/status/statusor.h>

#include <memory>

#include "fairlead/v1/node_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

class VoidMethods {
 public:
  VoidMethods(node::Node* node, const Sealer* sealer, const WriteMethods* writes) : node_(node), sealer_(sealer), writes_(writes) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  absl::StatusOr<v1::ListUnauthorisedChangesResponse> ListUnauthorised(const Call& call,
                                                                       const v1::ListUnauthorisedChangesRequest& request) const;
  absl::StatusOr<v1::ListVoidEntriesResponse> ListVoid(const Call& call, const v1::ListVoidEntriesRequest& request) const;
  absl::StatusOr<WriteMethods::Plan> PlanVoid(const records::RecordType& type, const Call& call, const v1::VoidEntryRequest& request) const;
  void Reissue(const Call& call, const v1::ReissueEntriesRequest& request, Reply reply) const;
  // FIELD_REQUIRED or FIELD_INVALID unless `name` is `{site}/{epoch}/{sequence}` of a log of the roster.
  absl::StatusOr<Dot> ParseEntry(const std::string& field, const std::string& name) const;

  node::Node* const node_;
  const Sealer* const sealer_;
  const WriteMethods* const writes_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_VOID_METHODS_H_
