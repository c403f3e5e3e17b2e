// Who a certificate speaks for, and the profile of its kind.
//
//   identity := "node/" site | "officer/" site "/" name | "hq/" role "/" name | "gateway/" name | "partner/" country "/" system
//   site, name, role, system := 1 to 63 of [a-z0-9-], neither starting nor ending in "-"
//   country  := two of [A-Z]                                  ISO 3166-1 alpha-2
//   network  := 1 to 63 of [a-z0-9.-], names as above joined by "."
//   uri      := "spiffe://" network "/" identity
//
// Thread safety: immutable values. Ownership: values.

#ifndef FAIRLEAD_CERTS_IDENTITY_H_
#define FAIRLEAD_CERTS_IDENTITY_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::certs {

enum class Kind { kNode, kOfficer, kHq, kGateway, kPartner };

// What certificates of a kind may do. The table is repeated for readers in certs/README.md.
struct Profile {
  Kind kind;
  std::string_view form;  // "officer/<site>/<name>"
  bool serves;            // extended key usage serverAuth beside clientAuth, and DNS names
  bool names_site;        // the second part is a site of the roster
  absl::Duration lifetime;
};

const std::array<Profile, 5>& Profiles();

// INVALID_ARGUMENT quoting the name and its rule.
absl::Status CheckName(std::string_view what, std::string_view name);
absl::Status CheckNetworkName(std::string_view network);

class Identity {
 public:
  // "officer/apac/watch". INVALID_ARGUMENT quoting the text and the rule that it breaks.
  static absl::StatusOr<Identity> Parse(std::string_view text);

  const Profile& profile() const { return *profile_; }
  Kind kind() const { return profile_->kind; }
  const std::vector<std::string>& parts() const { return parts_; }  // "officer", "apac", "watch"
  // The site it belongs to; empty for kinds that belong to none.
  std::string_view site() const { return profile_->names_site ? std::string_view(parts_[1]) : std::string_view(); }
  std::string ToString() const;
  std::string Uri(std::string_view network) const;
  // The DNS name that a node's certificate carries. REQUIRES: profile().serves.
  std::string DnsName(std::string_view network) const;

 private:
  const Profile* profile_ = nullptr;  // an element of Profiles()
  std::vector<std::string> parts_;
};

}  // namespace fairlead::certs

#endif  // FAIRLEAD_CERTS_IDENTITY_H_
