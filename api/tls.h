// TLS 1.3 with certificates on both sides, as gRPC is told to do it: whoever shows a certificate is judged by a Trust, at each handshake
// by the one that is current then.
//
// gRPC 1.51 would verify chains itself, but knows no way to replace roots and revocation lists together and says of a refusal only that
// there was one. So its own verification is off and the verifier here takes its place: nothing connects that it has not accepted.
//
// Thread safety: any thread, but RequireTls13. Ownership: results are shared.

#ifndef FAIRLEAD_API_TLS_H_
#define FAIRLEAD_API_TLS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_verifier.h>

#include <functional>
#include <memory>
#include <string>

#include "api/trust.h"

namespace fairlead {

// Leaves TLS 1.3 as the only version that can connect: gRPC 1.51 has no public setting for the lowest version, so the only TLS 1.2 suite
// offered is one that needs an RSA certificate; servers' certificates must be ECDSA. Keeps OpenSSL from freeing, when the process exits,
// what threads of gRPC still use. REQUIRES: called before anything else of gRPC and OpenSSL in this process.
void RequireTls13();

using TrustSource = std::function<std::shared_ptr<const Trust>()>;
// Told of each certificate that was judged, with its chain, on gRPC's threads; may be null.
using OnJudged = std::function<void(const std::string& chain_pem, const absl::StatusOr<Leaf>& leaf)>;

// For a server: accepts clients of any identity. What the identity may do is decided at each call.
std::shared_ptr<grpc::experimental::CertificateVerifier> ClientVerifier(TrustSource trust, OnJudged on_judged);

struct NodeChannel {
  std::string network;
  std::string site;             // the node must be `node/{site}`: have that one URI and the name `{site}.node.{network}`
  std::string certificate_pem;  // the caller's own, leaf first
  std::string key_pem;
  TrustSource trust;
  OnJudged on_judged;
};
// For a channel to the node of a site. Nothing is sent to any other, whoever answers at the address.
std::shared_ptr<grpc::ChannelCredentials> NodeChannelCredentials(NodeChannel channel);

}  // namespace fairlead

#endif  // FAIRLEAD_API_TLS_H_
