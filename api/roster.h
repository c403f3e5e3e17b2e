// The roster: the sites of a network, their logs and their keys, signed by the network's root key.
//
// A signed note (api/note.h) whose text is
//
//   fairlead roster v1
//   network {name}
//   version {n}                                   grows with every roster of the network
//   fold {n}                                      the fold version in force
//   site {site id} {site name}                    ids and names unique, never reused
//   log {log id} {site name} {epoch} {stream} {vkey}     vkey name is the origin line, algorithm 0x01
//   cosigner {site name} {vkey}                   vkey name is "{network}/{site}/mirror", algorithm 0x04
//
// with sites, logs and cosigners in ascending order of id (cosigners: of their site's). The root key's name is "{network}/root".
// No public key appears twice, the root's included: a cosignature does not name its cosigner, so a shared key could speak for two.
// Names of networks, sites and streams: 1 to 63 of [a-z0-9.-] (a site without dots).
//
// Thread safety: immutable. Ownership: value.

#ifndef FAIRLEAD_API_ROSTER_H_
#define FAIRLEAD_API_ROSTER_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/ids.h"
#include "api/note.h"

namespace fairlead {

inline constexpr std::string_view kMainStream = "main";  // of records

struct RosterSite {
  SiteId id;
  std::string name;
};

struct RosterLog {
  LogId id;
  SiteId site;
  std::string site_name;
  uint32_t epoch = 1;
  std::string stream;  // kMainStream
  note::Verifier verifier;
  const std::string& origin() const { return verifier.name(); }
};

struct RosterCosigner {
  SiteId site;
  note::Verifier verifier;
};

class Roster {
 public:
  // Verifies the root's signature and every rule above. INVALID_ARGUMENT names the line; UNAUTHENTICATED the signature.
  static absl::StatusOr<Roster> Open(std::string_view signed_note, const note::Verifier& root);
  // The text to be signed. REQUIRES: the parts keep the rules above.
  static std::string Text(std::string_view network, uint64_t version, const std::vector<RosterSite>& sites,
                          const std::vector<RosterLog>& logs, const std::vector<RosterCosigner>& cosigners);

  const std::string& network() const { return network_; }
  uint64_t version() const { return version_; }
  const std::vector<RosterSite>& sites() const { return sites_; }
  const std::vector<RosterLog>& logs() const { return logs_; }
  const std::vector<RosterCosigner>& cosigners() const { return cosigners_; }

  // Null when there is none.
  const RosterSite* FindSite(std::string_view name) const;
  const RosterSite* FindSite(SiteId id) const;
  const RosterLog* FindLog(LogId id) const;
  const RosterCosigner* FindCosigner(SiteId site) const;
  // The log of the site's newest epoch of `stream`.
  const RosterLog* CurrentLog(SiteId site, std::string_view stream) const;

 private:
  std::string network_;
  uint64_t version_ = 0;
  int fold_ = 1;
  std::vector<RosterSite> sites_;
  std::vector<RosterLog> logs_;
  std::vector<RosterCosigner> cosigners_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_ROSTER_H_
