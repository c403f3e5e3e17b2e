// Which certificates the programs of a network accept: signed by one of its roots, for the use at hand, in their time, with a key that is
// strong enough, and not revoked (RFC 5280).
//
// A Trust is made from two files: the roots, several while one succeeds another, and their revocation lists, one for each root. It is
// immutable; a change of the files makes another. Nodes ask it about callers and peers, clients about nodes.
// A revocation list that has not been signed anew before its next update is stale: it is used for `grace` longer, and then its root's
// certificates are refused, all of them, because nobody can tell which are revoked.
//
// Thread safety: any thread. Ownership: values.

#ifndef FAIRLEAD_API_TRUST_H_
#define FAIRLEAD_API_TRUST_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead {

// Why a certificate is refused. Names are labels of a metric and metadata `cause` of errors: never reuse one for another meaning.
enum class CertificateFault {
  kMalformed,         // malformed: no certificate, or one that cannot be read
  kUnknownAuthority,  // unknown_authority: not signed by a root of this network
  kNotYetValid,       // not_yet_valid
  kExpired,           // expired
  kWrongUse,          // wrong_use: not an end entity's, or not for a client or a server as the case may be
  kWeakKey,           // weak_key: RSA below 2048 bits, a curve other than P-256 and P-384, or another kind of key
  kRevoked,           // revoked
  kListStale,         // list_stale: the revocation list of its root has ended, and its grace too
  kNoUri,             // no_uri: states no identity
  kSeveralUris,       // several_uris: states several
  kForeignNetwork,    // foreign_network: states an identity of another network
  kUnknownForm,       // unknown_form: states an identity of no known kind
  kOtherServer,       // other_server: is not that of the node that was called
};
inline constexpr size_t kCertificateFaults = 13;
std::string_view FaultName(CertificateFault fault);
// Their order is that of the enumerators.
const std::array<CertificateFault, kCertificateFaults>& AllCertificateFaults();
// CERTIFICATE_REFUSED, with the fault's name as metadata `cause`.
absl::Status CertificateRefused(CertificateFault fault, const std::string& why);

enum class CertificateUse { kClient, kServer };

// What is kept of a certificate that has been accepted.
struct Leaf {
  std::string serial;             // lower-case hex, 32 digits
  std::string root_key_id;        // of the root that signed it, lower-case hex
  absl::Time not_after;           // the first moment at which it is not valid
  std::vector<std::string> uris;  // subject alternative names
  std::vector<std::string> dns_names;
};

class Trust {
 public:
  struct Root {
    std::string key_id;  // subject key identifier, lower-case hex
    absl::Time not_after;
    // Of its revocation list; absent when lists are not checked.
    std::optional<absl::Time> list_next_update;
    uint64_t list_number = 0;
    std::set<std::string> revoked;  // serials, as in Leaf
  };

  // `roots_pem`: self-signed certificates. `lists_pem`: absent when revocation is not checked; else there must be a list of each root;
  // those of other roots are passed over, and of two of one root the higher number counts. INVALID_ARGUMENT says what is wrong.
  static absl::StatusOr<Trust> Parse(const std::string& roots_pem, const std::optional<std::string>& lists_pem, absl::Duration grace);

  // `chain_pem`: the leaf first. CERTIFICATE_REFUSED, with the first fault in the order malformed, weak key, chain, use, list, revoked.
  absl::StatusOr<Leaf> Verify(const std::string& chain_pem, CertificateUse use, absl::Time now) const;
  // Whether a leaf that was accepted, perhaps by an earlier Trust, would still be.
  absl::Status Recheck(const Leaf& leaf, absl::Time now) const;

  const std::vector<Root>& roots() const { return roots_; }
  // Whether it has every root that `other` has.
  bool HasRootsOf(const Trust& other) const;
  // Empty until a list is past its next update; then says which and when it is refused.
  std::string Staleness(absl::Time now) const;
  // Whether this could follow `earlier`: no root that both have goes back to an older revocation list. Empty, or what is wrong.
  std::string RollbackFrom(const Trust& earlier) const;

 private:
  Trust() = default;

  std::shared_ptr<X509_STORE> store_;
  std::vector<Root> roots_;
  absl::Duration grace_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_TRUST_H_
