// What is special about releases: PreviewRelease and ListRecalls. The rest are standard methods (standard_methods.h).
//
// Thread safety: any thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_RPC_RELEASE_METHODS_H_
#define FAIRLEAD_SERVER_RPC_RELEASE_METHODS_H_

#include <absl/status/statusor.h>

#include "fairlead/v1/release_service.pb.h"
#include "server/exchange/pseudonyms.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

class ReleaseMethods {
 public:
  ReleaseMethods(const node::Node* node, const Sealer* sealer, const exchange::Pseudonyms* pseudonyms)
      : node_(node), sealer_(sealer), pseudonyms_(pseudonyms) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  // Who would see what of the record, were it public.
  absl::StatusOr<v1::PreviewReleaseResponse> PreviewPublication(const std::string& name) const;
  absl::StatusOr<v1::PreviewReleaseResponse> Preview(const v1::PreviewReleaseRequest& request) const;
  absl::StatusOr<v1::ListRecallsResponse> ListRecalls(const Call& call, const v1::ListRecallsRequest& request) const;

  const node::Node* const node_;
  const Sealer* const sealer_;
  const exchange::Pseudonyms* const pseudonyms_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_RELEASE_METHODS_H_
