// X.509 as this network uses it (RFC 5280): one self-signed root, leaves that name one identity, one revocation list.
//
// TLS keys are ECDSA P-256 and signatures SHA-256. Thread safety: free functions may be called from any thread; handles are immutable once
// made. Ownership: handles are counted references to OpenSSL objects.

#ifndef FAIRLEAD_CERTS_X509_H_
#define FAIRLEAD_CERTS_X509_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "certs/identity.h"

namespace fairlead::certs {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

// Half-open: valid at t when not_before <= t < not_after. (RFC 5280 counts the last second in; the difference is not relied upon.)
struct Validity {
  absl::Time not_before;
  absl::Time not_after;
};
std::string FormatUtc(absl::Time time);  // "2026-01-31T23:59:59Z"

// A new P-256 key.
absl::StatusOr<Key> GenerateKey();
// PKCS #8 PEM.
absl::StatusOr<std::string> KeyToPem(const Key& key);
absl::StatusOr<Key> KeyFromPem(std::string_view pem);
// The public key of a PKCS #10 request whose signature proves possession of the private key. INVALID_ARGUMENT when it does not, or
// when the key is not P-256. All else that the request asks for is ignored.
absl::StatusOr<Key> KeyOfRequest(std::string_view pem);

absl::StatusOr<std::string> CertificateToPem(const Certificate& certificate);
// The first certificate of `pem`.
absl::StatusOr<Certificate> CertificateFromPem(std::string_view pem);
// All of them, at least one.
absl::StatusOr<std::vector<Certificate>> CertificatesFromPem(std::string_view pem);
bool KeyMatches(const Key& key, const Certificate& certificate);
Key PublicKeyOf(const Certificate& certificate);

// The network's root. Subject O = network, CN = "root".
absl::StatusOr<Certificate> MakeRoot(std::string_view network, const Key& key, const Validity& validity);

struct LeafOptions {
  std::string network;
  Identity identity;
  Validity validity;
  bool loopback = false;  // also DNS localhost and IP 127.0.0.1, for networks on one machine; only where the profile serves
};
// INVALID_ARGUMENT when the validity does not lie within the root's or `loopback` is not for this kind.
absl::StatusOr<Certificate> MakeLeaf(const LeafOptions& options, const Key& public_key, const Certificate& root, const Key& root_key);

// What a certificate says, for people and for tests.
struct CertificateFields {
  std::string serial;   // lower-case hex, 32 digits
  std::string subject;  // "O=demo.fairlead.example,OU=node,CN=apac"
  std::string issuer;
  Validity validity;
  bool is_ca = false;
  std::optional<int64_t> path_length;
  std::vector<std::string> key_usages;           // as RFC 5280 names them: "digitalSignature"
  std::vector<std::string> extended_key_usages;  // "serverAuth"
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;
  std::string subject_key_id;    // lower-case hex
  std::string authority_key_id;  // lower-case hex
  std::string key_type;          // "P-256"
  std::string signature;         // "ecdsa-with-SHA256"
};
absl::StatusOr<CertificateFields> ReadFields(const Certificate& certificate);

// CRLReason of RFC 5280, 5.3.1; the numbers are the standard's.
enum class RevocationReason {
  kUnspecified = 0,
  kKeyCompromise = 1,
  kAffiliationChanged = 3,
  kSuperseded = 4,
  kCessationOfOperation = 5,
};
std::string_view RevocationReasonName(RevocationReason reason);  // "keyCompromise"
absl::StatusOr<RevocationReason> RevocationReasonFromName(std::string_view name);

struct Revocation {
  std::string serial;  // lower-case hex, 32 digits
  absl::Time time;
  RevocationReason reason = RevocationReason::kUnspecified;
};

struct RevocationList {
  uint64_t number = 0;  // grows with every list
  absl::Time this_update;
  absl::Time next_update;
  std::vector<Revocation> revoked;
};
absl::StatusOr<std::string> MakeRevocationList(const RevocationList& list, const Certificate& root, const Key& root_key);  // PEM
// The list that `root` has signed, among those of `pem`. UNAUTHENTICATED when there is none.
absl::StatusOr<RevocationList> ReadRevocationList(std::string_view pem, const Certificate& root);

}  // namespace fairlead::certs

#endif  // FAIRLEAD_CERTS_X509_H_
