#include "api/tls.h"

#include <absl/base/call_once.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "api/errors.h"

namespace fairlead {
namespace {

using grpc::experimental::ExternalCertificateVerifier;
using grpc::experimental::TlsCustomVerificationCheckRequest;

// Judges at once. A subclass says who, of those whose certificate is good, is meant.
class Verifier : public ExternalCertificateVerifier {
 public:
  Verifier(CertificateUse use, TrustSource trust, OnJudged on_judged)
      : use_(use), trust_(std::move(trust)), on_judged_(std::move(on_judged)) {}

  bool Verify(TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>, grpc::Status* result) override {
    // A server's view of the chain lacks the leaf (SSL_get_peer_cert_chain), a client's has it: twice does no harm.
    const grpc::string_ref leaf_pem = request->peer_cert(), rest = request->peer_cert_full_chain();
    const std::string chain = std::string(leaf_pem.data(), leaf_pem.size()) + std::string(rest.data(), rest.size());
    absl::StatusOr<Leaf> leaf = trust_()->Verify(chain, use_, absl::Now());
    if (leaf.ok()) {
      if (absl::Status meant = Meant(*leaf); !meant.ok()) leaf = meant;
    }
    if (on_judged_) on_judged_(chain, leaf);
    *result = leaf.ok() ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, std::string(leaf.status().message()));
    return true;
  }
  void Cancel(TlsCustomVerificationCheckRequest*) override {}

 protected:
  virtual absl::Status Meant(const Leaf&) const { return absl::OkStatus(); }

 private:
  const CertificateUse use_;
  const TrustSource trust_;
  const OnJudged on_judged_;
};

class NodeVerifier : public Verifier {
 public:
  NodeVerifier(const std::string& network, const std::string& site, TrustSource trust, OnJudged on_judged)
      : Verifier(CertificateUse::kServer, std::move(trust), std::move(on_judged)),
        uri_(fmt::format("spiffe://{}/node/{}", network, site)),
        dns_(fmt::format("{}.node.{}", site, network)) {}

 protected:
  absl::Status Meant(const Leaf& leaf) const override {
    if (leaf.uris.empty()) return CertificateRefused(CertificateFault::kNoUri, "it states no identity");
    if (leaf.uris.size() > 1) return CertificateRefused(CertificateFault::kSeveralUris, "it states more than one URI");
    const bool named = std::find(leaf.dns_names.begin(), leaf.dns_names.end(), dns_) != leaf.dns_names.end();
    if (leaf.uris[0] == uri_ && named) return absl::OkStatus();
    return CertificateRefused(CertificateFault::kOtherServer, fmt::format("it is that of {}, not of {}", leaf.uris[0], uri_));
  }

 private:
  const std::string uri_;
  const std::string dns_;
};

}  // namespace

void RequireTls13() {
  static absl::once_flag once;
  absl::call_once(once, [] {
    setenv("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384", 1);
    // Threads of gRPC live on while the process exits, and use what OpenSSL would free then (gRPC issue 38539). The system frees it all.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  });
}

std::shared_ptr<grpc::experimental::CertificateVerifier> ClientVerifier(TrustSource trust, OnJudged on_judged) {
  return ExternalCertificateVerifier::Create<Verifier>(CertificateUse::kClient, std::move(trust), std::move(on_judged));
}

std::shared_ptr<grpc::ChannelCredentials> NodeChannelCredentials(NodeChannel channel) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  const grpc::experimental::IdentityKeyCertPair own = {std::move(channel.key_pem), std::move(channel.certificate_pem)};
  options.set_certificate_provider(std::make_shared<grpc::experimental::StaticDataCertificateProvider>(std::vector{own}));
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(false);  // the verifier does
  options.set_check_call_host(false);      // the verifier is stricter
  options.set_certificate_verifier(ExternalCertificateVerifier::Create<NodeVerifier>(
      channel.network, channel.site, std::move(channel.trust), std::move(channel.on_judged)));
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace fairlead
