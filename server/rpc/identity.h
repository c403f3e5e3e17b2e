// Who calls: the identity that a verified certificate states.
//
// Exactly one URI subject alternative name, `spiffe://{network}/{kind}/{...}`:
//
//   node/{site}   officer/{site}/{name}   hq/{role}/{name}   partner/{ISO 3166-1 alpha-2}/{system}   gateway/{name}
//
// A segment is 1 to 63 of [a-z0-9-]; a nation is two capital letters. Everything else is refused.
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_RPC_IDENTITY_H_
#define FAIRLEAD_SERVER_RPC_IDENTITY_H_

#include <absl/status/statusor.h>
#include <grpcpp/security/auth_context.h>

#include <functional>
#include <string>
#include <string_view>

#include "api/trust.h"

namespace fairlead::rpc {

enum class IdentityKind { kNode, kOfficer, kHq, kPartner, kGateway };

struct Identity {
  IdentityKind kind = IdentityKind::kPartner;
  std::string scope;  // site, site, role, nation; empty for a gateway
  std::string name;   // empty for a node
  // The path of the URI: "officer/apac/watch". The actor of what the identity writes.
  std::string path;
  friend bool operator==(const Identity&, const Identity&) = default;
};

// How a server finds out who calls.
using Identify = std::function<absl::StatusOr<Identity>(const grpc::AuthContext&)>;

// UNAUTHENTICATED (IDENTITY_MISSING, with the certificate's fault as metadata `cause`) for another network and for every other form.
absl::StatusOr<Identity> ParseIdentity(std::string_view uri, std::string_view network);

// The identity that a certificate states, which must state exactly one URI.
absl::StatusOr<Identity> IdentityOf(const Leaf& leaf, std::string_view network);

// The identity of a peer whose certificate TLS has verified. UNAUTHENTICATED when it states none, or more than one URI: gRPC 1.51 then
// shows all of them as `peer_uri`, and the first is not better than the second.
absl::StatusOr<Identity> IdentityOf(const grpc::AuthContext& context, std::string_view network);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_IDENTITY_H_
