// For whom a peer calls: itself, or, when it is a gateway, the viewer that it vouches for.
//
// A gateway has verified a person by means of its own and names them in the metadata `fairlead-viewer`, as the path of an identity of this
// network: `officer/apac/watch`. The node believes that of a gateway and of nobody else, and only of officers and headquarters: a gateway
// never speaks for a node, a partner or another gateway. What the viewer may do is decided here as if they called themselves; what
// the gateway may pass on at all is a rule of its own (policy.h).
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_RPC_VIEWER_H_
#define FAIRLEAD_SERVER_RPC_VIEWER_H_

#include <absl/status/statusor.h>
#include <grpcpp/support/string_ref.h>

#include <map>
#include <string_view>

#include "server/rpc/identity.h"

namespace fairlead::rpc {

inline constexpr char kViewerMetadata[] = "fairlead-viewer";

// The peer's own identity when it is no gateway. PERMISSION_DENIED, in the words of the policy's: a gateway that names no one viewer of a
// kind it may vouch for, and any other peer that names one.
absl::StatusOr<Identity> ViewerOf(const Identity& peer, const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                                  std::string_view network);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_VIEWER_H_
