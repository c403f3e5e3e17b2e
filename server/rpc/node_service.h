// NodeService: what an operator asks of one node.
//
// Thread safety: any thread. Ownership: borrows node and sealer.

#ifndef FAIRLEAD_SERVER_RPC_NODE_SERVICE_H_
#define FAIRLEAD_SERVER_RPC_NODE_SERVICE_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <string>
#include <vector>

#include "fairlead/v1/node_service.pb.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

struct NodeServiceOptions {
  std::string version;
  absl::Time start_time;
  // Every configured peer; null for none.
  std::function<std::vector<v1::LinkStatus>()> links;
  // Its search index; null for none.
  std::function<v1::SearchStatus()> search;
  // When the node's certificate ends; null when not known.
  std::function<absl::Time()> certificate_expiry;
  // Of a site of several machines; null: it is one.
  std::function<v1::MembershipStatus()> membership;
  // Why the node takes no writes, empty when it does; null: what the node says.
  std::function<std::string()> unwritable_reason;
};

class NodeService {
 public:
  NodeService(const node::Node* node, const Sealer* sealer, NodeServiceOptions options)
      : node_(node), sealer_(sealer), options_(std::move(options)) {}

  void Register(Dispatcher* dispatcher);

 private:
  v1::NodeStatus GetNodeStatus() const;
  v1::StateDigest GetStateDigest() const;
  absl::StatusOr<v1::ListOpaqueEntriesResponse> ListOpaqueEntries(const Call& call, const v1::ListOpaqueEntriesRequest& request) const;

  const node::Node* const node_;
  const Sealer* const sealer_;
  const NodeServiceOptions options_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_NODE_SERVICE_H_
