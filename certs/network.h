// A network folder: its root certificate and roster, and the keys and certificates issued under them.
//
//   ca/ca.crt ca/crl.pem                     the TLS roots, the one that signs first, and a revocation list of each
//   ca/ca.key ca/next.key                    their keys: two places, either of which may hold that of the root that signs
//   ca/issued.jsonl                          one JSON object a line for each certificate ever signed, in order
//   roster.note root.vkey root.key           the roster (api/roster.h) and the Ed25519 key that signs it
//   token.key                                32 random bytes: the MAC key of consistency, page and resume tokens
//   <identity>/tls.crt <identity>/tls.key    per identity (certs/identity.h); no tls.key where a request named the key
//   node/<site>/log.key mirror.key token.key PKCS #8 Ed25519 of the site's main log and cosigner; a copy of token.key
//   node/<site>/log.<stream>.key             likewise of its log of each other stream: audit, partner-<ISO2>
//   node/<site>/licence                      the licence to write the site's logs (api/licence.h)
//
// Keys and directories are for their owner only (0600, 0700). Every file is whole or absent (certs/files.h). A folder is made under another
// name and renamed when it is complete. A certificate is in the index before it is on disk, so what exists can always be revoked.
//
// Thread safety: any thread; processes exclude each other by a lock on ca/. Ownership: value.

#ifndef FAIRLEAD_CERTS_NETWORK_H_
#define FAIRLEAD_CERTS_NETWORK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/roster.h"
#include "certs/identity.h"
#include "certs/x509.h"

namespace fairlead::certs {

inline constexpr absl::Duration kRootLifetime = absl::Hours(24 * 3650);
// How long a new site may take until its first start. After that, an empty log is taken for a lost one.
inline constexpr absl::Duration kLicenceUnusedFor = absl::Hours(24 * 7);
inline constexpr absl::Duration kRevocationListLifetime = absl::Hours(24 * 90);
// Validity starts this long before the issue, for machines whose clocks are behind.
inline constexpr absl::Duration kBackdating = absl::Minutes(5);

struct CreateOptions {
  std::string network;
  std::vector<std::string> sites;     // in the order of their ids in the roster, from 1
  bool loopback = false;              // node certificates also name localhost and 127.0.0.1
  std::string headquarters;           // one of `sites`, which may write what types keep for it (api/PROTOCOL.md, rule 12); empty: none
  std::vector<std::string> partners;  // ISO 3166-1 alpha-2 codes of nations that have a stream from the start
};

struct IssueOptions {
  std::optional<absl::Duration> lifetime;  // the profile's when absent
  bool loopback = false;
  std::string request_pem;  // a PKCS #10 request: certify its key and write no tls.key. Empty: make a key
  bool replace = false;     // overwrite tls.crt and tls.key
};

struct RenewOptions {
  std::optional<absl::Duration> lifetime;
  std::string request_pem;  // as above; when empty, a key made elsewhere stays as it is and one made here is made anew
};

// A line of ca/issued.jsonl.
struct Issued {
  std::string serial;  // lower-case hex, 32 digits
  std::string identity;
  Validity validity;
  bool loopback = false;
  bool key_elsewhere = false;  // certified by request
  std::string root;            // key id of the root that signed it; empty in lines older than the field
  std::optional<Revocation> revocation;
};

class Network {
 public:
  // Makes the folder with a node's files for each site. ALREADY_EXISTS when `folder` is there and not empty; FAILED_PRECONDITION when an
  // earlier creation stopped half-way.
  static absl::Status Create(const std::filesystem::path& folder, const CreateOptions& options, absl::Time now);
  // NOT_FOUND naming what the folder lacks; INVALID_ARGUMENT or UNAUTHENTICATED naming the file that is damaged or of another network.
  static absl::StatusOr<Network> Open(const std::filesystem::path& folder);

  const std::string& name() const { return roster_.network(); }
  const Roster& roster() const { return roster_; }
  const Certificate& root() const { return roots_.front(); }  // the one that signs
  // One, or two while one succeeds the other.
  const std::vector<Certificate>& roots() const { return roots_; }
  std::filesystem::path FolderOf(const Identity& identity) const;

  // ALREADY_EXISTS when the identity has a certificate, FAILED_PRECONDITION when an earlier issue stopped half-way, NOT_FOUND for a site
  // that the roster does not name.
  absl::StatusOr<Issued> Issue(const Identity& identity, const IssueOptions& options, absl::Time now) const;
  // A new certificate in place of the newest; that one stays valid until it ends or is revoked. FAILED_PRECONDITION when it is revoked.
  absl::StatusOr<Issued> Renew(const Identity& identity, const RenewOptions& options, absl::Time now) const;
  // Revokes one serial, or every certificate of an identity that has not ended, and writes the list anew. Returns those newly revoked.
  // NOT_FOUND when no certificate matches.
  absl::StatusOr<std::vector<Issued>> Revoke(std::string_view serial_or_identity, RevocationReason reason, absl::Time now) const;
  // Signs the revocation list anew, under the next number.
  absl::Status RenewRevocationList(absl::Time now) const;
  // The TLS root's succession, in three steps. Between them the roots and lists must have reached everyone who connects.
  // 1. A second root, trusted beside the one that signs. FAILED_PRECONDITION when there are two.
  absl::Status IntroduceRoot(absl::Time now) const;
  // 2. From now on the second signs; certificates move over when they are renewed. FAILED_PRECONDITION when there is one.
  absl::Status PromoteRoot() const;
  // 3. The one that no longer signs is trusted no longer, and its key removed. FAILED_PRECONDITION when there is one, or when the newest
  // certificate of some identity, neither ended nor revoked, is of that root, unless `force`.
  absl::Status RetireRoot(bool force, absl::Time now) const;
  // Begins a stream, kAuditStream or that of a partner nation, at every site that has none: a log each, with a key in the site's folder, in
  // the next version of the roster. Every node needs that roster, and its key. Returns the new logs. INVALID_ARGUMENT for another stream,
  // ALREADY_EXISTS when all sites have it.
  absl::StatusOr<std::vector<RosterLog>> BeginStream(std::string_view stream) const;
  // New logs for a site that can no longer extend its newest (its disk or its licence is lost and its peers cannot say what they hold): the
  // next epoch of all of its streams, with new keys and licence in the site's folder, in the next version of the roster. Every node needs
  // that roster; the old logs stay, and end wherever they ended. Returns the new main log. NOT_FOUND for a site that the roster does not
  // name.
  absl::StatusOr<RosterLog> BeginEpoch(std::string_view site, absl::Time now) const;
  // Closes a log, `{site}/{epoch}/{stream}`, in the next version of the roster: its entries from `closing.size` on are void at every node
  // that has that roster (api/PROTOCOL.md, rule 6). When it is of the site's newest epoch, begins the next epoch of all of the site's
  // streams too. Cannot be taken back. Returns the site's newest main log. NOT_FOUND for a log that the roster does not name,
  // FAILED_PRECONDITION for one that is closed already.
  absl::StatusOr<RosterLog> CloseLog(std::string_view log, const LogClosing& closing, absl::Time now) const;
  // All that were ever issued, in order. FAILED_PRECONDITION when the revocation list lacks one that is revoked.
  absl::StatusOr<std::vector<Issued>> List() const;

 private:
  Network(std::filesystem::path folder, std::vector<Certificate> roots, Roster roster)
      : folder_(std::move(folder)), roots_(std::move(roots)), roster_(std::move(roster)) {}

  // Writes the next version of the roster: with `closing` for the log `closed` when there is one, and, where that is of the newest epoch of
  // `site` or none is closed, with the site's next epoch. Returns its newest main log.
  absl::StatusOr<RosterLog> BeginNextEpoch(const Roster& roster, const RosterSite& site, std::optional<LogId> closed,
                                           const LogClosing& closing, absl::Time now) const;
  // Signs and writes the next version of the roster, with these logs. The last step: until then nothing has changed.
  absl::Status WriteRoster(const Roster& roster, const std::vector<RosterLog>& logs) const;
  // The file among the two places that holds the root's key.
  absl::StatusOr<std::filesystem::path> KeyFileOf(const Certificate& root) const;
  absl::StatusOr<Key> KeyOf(const Certificate& root) const;
  absl::Status WriteRoots(const std::vector<Certificate>& roots) const;
  absl::StatusOr<std::vector<Issued>> ReadIndex() const;
  absl::Status WriteIndex(const std::vector<Issued>& index) const;
  absl::StatusOr<RevocationList> CurrentRevocationList(const Certificate& root) const;
  // A list of each of `roots`, which names every revoked certificate, whichever root signed it: serial numbers are random.
  absl::Status WriteRevocationLists(const std::vector<Certificate>& roots, const std::vector<Issued>& index, absl::Time now) const;
  // Signs, notes it in `index` and on disk, then writes the files. A null `public_key`: makes a key.
  absl::StatusOr<Issued> Sign(const LeafOptions& options, Key public_key, bool replace, std::vector<Issued> index) const;

  std::filesystem::path folder_;
  std::vector<Certificate> roots_;
  Roster roster_;
};

}  // namespace fairlead::certs

#endif  // FAIRLEAD_CERTS_NETWORK_H_
