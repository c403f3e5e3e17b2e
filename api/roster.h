// The roster: the sites of a network, their logs and their keys, signed by the network's root key.
//
// A signed note (api/note.h) whose text is
//
//   fairlead roster v1
//   network {name}
//   version {n}                                   grows with every roster of the network
//   fold {n}                                      the fold version in force
//   site {site id} {site name}                    ids and names unique, never reused
//   headquarters {site name}                      at most once: the site that may write what types keep for it (rule 12)
//   log {log id} {site name} {epoch} {stream} {vkey}     vkey name is the origin line, algorithm 0x01
//   close {log id} {size} {root}                  the log counts up to `size`, where its root is `root` (base64), and no further
//   cosigner {site name} {vkey}                   vkey name is "{network}/{site}/mirror", algorithm 0x04
//
// with sites, logs, closings and cosigners in ascending order of id (cosigners: of their site's). The root key's name is "{network}/root".
// No public key appears twice, the root's included: a cosignature does not name its cosigner, so a shared key could speak for two.
// Names of networks, sites and streams: 1 to 63 of [a-z0-9.-] (a site without dots); the stream of a partner nation is `partner-` and the
// two capitals of its code.
//
// Thread safety: immutable. Ownership: value.

#ifndef FAIRLEAD_API_ROSTER_H_
#define FAIRLEAD_API_ROSTER_H_

#include <absl/status/statusor.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/ids.h"
#include "api/note.h"

namespace fairlead {

inline constexpr std::string_view kMainStream = "main";    // of records
inline constexpr std::string_view kAuditStream = "audit";  // of reads, denials and administrative acts
// Of what a nation submitted and was sent. REQUIRES: the ISO 3166-1 alpha-2 code, in capitals.
std::string PartnerStream(std::string_view country);
// Whether a roster may name a stream so.
bool IsStreamName(std::string_view name);

// Where the key of a site's log of this stream is, when that of its main log is at `main`: beside it, "log.audit.key" for "log.key".
std::string LogKeyPath(const std::string& main, std::string_view stream);

struct RosterSite {
  SiteId id;
  std::string name;
};

// Where a log ends by decision of the network, whatever its key signs (api/PROTOCOL.md, rule 6). Never changed or taken back.
struct LogClosing {
  Seq size;
  Digest root{};  // over the `size` headers that stand
  friend bool operator==(const LogClosing&, const LogClosing&) = default;
};

struct RosterLog {
  LogId id;
  SiteId site;
  std::string site_name;
  uint32_t epoch = 1;
  std::string stream;
  note::Verifier verifier;
  std::optional<LogClosing> closing;
  const std::string& origin() const { return verifier.name(); }
  // Whether the entry is beyond where the log was closed.
  bool Voids(Seq seq) const { return closing && seq >= closing->size; }
  // How many of the first `size` entries stand.
  Seq Standing(Seq size) const { return closing ? std::min(size, closing->size) : size; }
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
                          const std::vector<RosterLog>& logs, const std::vector<RosterCosigner>& cosigners,
                          std::string_view headquarters = {});

  const std::string& network() const { return network_; }
  uint64_t version() const { return version_; }
  const std::vector<RosterSite>& sites() const { return sites_; }
  const std::vector<RosterLog>& logs() const { return logs_; }
  const std::vector<RosterCosigner>& cosigners() const { return cosigners_; }
  // The name of the site of headquarters; empty when the roster names none.
  const std::string& headquarters() const { return headquarters_; }
  // SHA-256 of the text that is signed.
  const Digest& digest() const { return digest_; }

  // Null when there is none.
  const RosterSite* FindSite(std::string_view name) const;
  const RosterSite* FindSite(SiteId id) const;
  const RosterLog* FindLog(LogId id) const;
  const RosterCosigner* FindCosigner(SiteId site) const;
  // The log of the site's newest epoch of `stream`; null when that one is closed.
  const RosterLog* CurrentLog(SiteId site, std::string_view stream) const;
  // Those of all streams of the site, in order of id.
  std::vector<const RosterLog*> CurrentLogs(SiteId site) const;
  // Of a log that the roster names: whether the entry is beyond its closing.
  bool Voids(Dot dot) const;
  // How much of a log an entry that follows `size` entries of it waits for: no more than stands.
  Seq Standing(LogId log, Seq size) const;

 private:
  std::string network_;
  uint64_t version_ = 0;
  int fold_ = 1;
  std::vector<RosterSite> sites_;
  std::vector<RosterLog> logs_;
  std::vector<RosterCosigner> cosigners_;
  std::string headquarters_;
  Digest digest_{};
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_ROSTER_H_
