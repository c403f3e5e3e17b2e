// Whom a browser's certificate stands for.
//
// The certificate ends in an authority that the gateway was given (viewer_trust.h). It stands for the one SPIFFE id that it states,
// when that is an officer's or headquarters' of this network, or else for the identity that the operator has mapped its SHA-256 fingerprint
// to: so certificates of another authority, on cards that people already carry, can be used. What the identity may do, the node decides.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_VIEWER_CERTIFICATE_H_
#define FAIRLEAD_CLIENT_DASHBOARD_VIEWER_CERTIFICATE_H_

#include <absl/status/statusor.h>
#include <openssl/x509.h>

#include <map>
#include <string>
#include <string_view>

namespace fairlead::dashboard {

// Identity by fingerprint: 64 hexadecimal digits, lower case.
using ViewerMap = std::map<std::string, std::string>;

struct ViewerCertificate {
  std::string viewer;       // "officer/apac/watch"
  std::string fingerprint;  // as in ViewerMap
};

// UNAUTHENTICATED (IDENTITY_MISSING) when it stands for nobody.
absl::StatusOr<ViewerCertificate> ViewerOf(X509* certificate, std::string_view network, const ViewerMap& map);

// Whether `path` has the form of an identity that a gateway may vouch for.
bool IsViewer(std::string_view path);

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_VIEWER_CERTIFICATE_H_
