// A node's credentials as they are now: its certificate and key, the roots and revocation lists it goes by, re-read while it runs.
//
// The files are looked at every `refresh`. What has changed is taken up when it is whole and good: certificate and key together, roots
// and lists together. Else what is in use stays in use, the log says what is wrong, and the next look tries again: a file that is half
// written, or half of a rotation, costs nothing. A root that is gone must be gone at two looks. A change concerns new handshakes at once;
// connections go on, and whoever needs to know whether their certificates still hold asks Identify and PeerTrusted again after each look.
//
// Thread safety: any thread. Ownership: credentials that were handed out, and gRPC's copies of them, stay valid after this is gone; they
// then go by what was current last.

#ifndef FAIRLEAD_SERVER_RPC_CREDENTIALS_H_
#define FAIRLEAD_SERVER_RPC_CREDENTIALS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "api/steady_event.h"
#include "api/tls.h"
#include "api/trust.h"
#include "server/rpc/identity.h"

namespace fairlead::rpc {

struct CredentialFiles {
  std::string certificate;  // PEM, the leaf first; its key is ECDSA (RequireTls13)
  std::string key;          // PEM
  std::string ca;           // PEM, the network's roots
  std::string crl;          // PEM, a revocation list of each root; empty: `crl.pem` beside `ca`
};

struct CredentialOptions {
  CredentialFiles files;
  std::string network;
  absl::Duration refresh = absl::Seconds(5);
  absl::Duration list_grace = absl::Hours(24 * 7);  // how long a revocation list that is past its next update still counts
};

struct CertificateInfo {
  std::string uri;  // its one SPIFFE id
  absl::Time not_after;
};

// Where a certificate was refused, for metrics.
enum class RefusedAt { kHandshake, kCall, kPeer };  // a caller's at its handshake, a caller's later, a node's that this one dials
inline constexpr size_t kRefusedAt = 3;

struct CredentialFigures {
  absl::Time certificate_not_after;
  absl::Time root_not_after;    // the earliest
  absl::Time list_next_update;  // the earliest
  uint64_t changes = 0;         // taken up since the start
  uint64_t looks_failed = 0;    // looks that found something that could not be taken up
  std::array<std::array<uint64_t, kCertificateFaults>, kRefusedAt> refused{};
};

// Reads the files and checks that the key is the certificate's, that it is ECDSA, that the certificate is good for both ends of a
// connection now and that it states one identity of `network`. FAILED_PRECONDITION says which file is at fault and how.
absl::StatusOr<CertificateInfo> CheckCredentials(const CredentialFiles& files, std::string_view network);

class Credentials {
 public:
  // Errors as of CheckCredentials.
  static absl::StatusOr<std::unique_ptr<Credentials>> Open(CredentialOptions options);
  ~Credentials();

  // Looks at the files every `refresh` from now on, in a thread of its own, and calls `on_look` after each look. Once.
  void Start(std::function<void()> on_look);
  // Ends that thread. `on_look` is not called afterwards.
  void Stop();
  // Looks once. True when something was taken up.
  bool Look(absl::Time now);

  std::string uri() const;
  std::shared_ptr<const Trust> trust() const;
  CredentialFigures Figures() const;

  // Takes up changes while the server runs, within a second of the look that found them.
  std::shared_ptr<grpc::ServerCredentials> ForServer() const;
  // For one channel to `node/{site}`, with what is current now.
  std::shared_ptr<grpc::ChannelCredentials> ForPeer(std::string_view site) const;
  // Whether the certificate that the site's node showed last would be accepted now. OK when it has shown none.
  absl::Status PeerTrusted(std::string_view site, absl::Time now) const;
  // The identity of a caller, whose certificate is judged anew. CERTIFICATE_REFUSED, or IDENTITY_MISSING when it states none.
  absl::StatusOr<Identity> Identify(const grpc::AuthContext& context, absl::Time now = absl::Now()) const;

 private:
  struct Shared;
  class PairFile;

  Credentials(CredentialOptions options, std::shared_ptr<Shared> shared, std::unique_ptr<PairFile> pair_file);
  // OK when nothing has changed, too.
  absl::Status LookAtTrust(bool* changed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(look_mu_);
  absl::Status LookAtPair(absl::Time now, bool* changed);
  void Warn(const std::string& what, std::string* last);

  const CredentialOptions options_;
  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<PairFile> pair_file_;
  absl::Mutex look_mu_;  // one look at a time
  // The texts of roots and lists that are in use; that of roots which lacked one of these at the last look.
  std::string ca_text_ ABSL_GUARDED_BY(look_mu_), crl_text_ ABSL_GUARDED_BY(look_mu_), seen_ca_text_ ABSL_GUARDED_BY(look_mu_);
  std::string warned_trust_ ABSL_GUARDED_BY(look_mu_), warned_pair_ ABSL_GUARDED_BY(look_mu_), warned_stale_ ABSL_GUARDED_BY(look_mu_);
  SteadyEvent stopping_;
  std::thread thread_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_CREDENTIALS_H_
