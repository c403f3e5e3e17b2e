// TLS credentials: TLS 1.3 with certificates on both sides, reloaded from their files without a restart.
//
// Certificates must be ECDSA: that is what leaves a TLS 1.2 client without a shared cipher suite (RequireTls13). Whoever replaces the files
// should replace the directory that holds them, or key and certificate may be read half changed; gRPC then refuses handshakes until its
// next look.
// Thread safety: any thread, but RequireTls13. Ownership: results are shared; gRPC re-reads the files for as long as they live.

#ifndef FAIRLEAD_SERVER_RPC_CREDENTIALS_H_
#define FAIRLEAD_SERVER_RPC_CREDENTIALS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>
#include <string_view>

namespace fairlead::rpc {

struct CredentialFiles {
  std::string certificate;  // PEM, the leaf first
  std::string key;          // PEM
  std::string ca;           // PEM, the network's roots
  unsigned refresh_s = 10;  // how often the files are looked at, at least 1
};

struct CertificateInfo {
  std::string uri;  // its one SPIFFE id
  absl::Time not_after;
};

// Leaves TLS 1.3 as the only version that can connect: gRPC 1.51 has no public setting for the lowest version, so the only TLS 1.2 suite
// offered is one that needs an RSA certificate. REQUIRES: called before anything else of gRPC in this process.
void RequireTls13();

// Reads the files and checks that the key is the certificate's, that it is ECDSA, that the chain ends in `ca`, that the certificate is
// valid now and that it states one identity of `network`. FAILED_PRECONDITION says which file is at fault and how.
absl::StatusOr<CertificateInfo> CheckCredentials(const CredentialFiles& files, std::string_view network);

// A client certificate is required and verified.
std::shared_ptr<grpc::ServerCredentials> ServerCredentialsFrom(const CredentialFiles& files);

// For a channel to a peer that must be `node/{site}` of `network`: its certificate names `{site}.node.{network}` and has that one SPIFFE
// id. Nothing is sent to any other.
std::shared_ptr<grpc::ChannelCredentials> PeerCredentials(const CredentialFiles& files, std::string_view network, std::string_view site);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_CREDENTIALS_H_
