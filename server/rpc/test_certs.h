// Certificates of one test network, good and bad, on disk as a node and its callers have them.
//
// Thread safety: one thread at a time. Ownership: one network a process; its folder goes with the process.

#ifndef FAIRLEAD_SERVER_RPC_TEST_CERTS_H_
#define FAIRLEAD_SERVER_RPC_TEST_CERTS_H_

#include <absl/time/time.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/crypto.h"
#include "api/roster.h"
#include "certs/network.h"
#include "certs/temp_folder.h"
#include "server/rpc/credentials.h"

namespace fairlead::rpc {

inline constexpr char kTestNetwork[] = "test.example";

// A certificate that the network's own issuer would refuse to make.
struct CraftedLeaf {
  std::vector<std::string> uris;
  absl::Duration begins_in = -absl::Hours(2);
  absl::Duration ends_in = absl::Hours(1);      // negative: it has expired
  std::string key = "P-256";                    // or "rsa:BITS", or a curve as OpenSSL calls it
  std::string usage = "serverAuth,clientAuth";  // empty: no such extension
  std::string dns;                              // beside the URIs
  bool authority = false;
  bool other_ca = false;  // signed by a root of the same name and another key
  uint64_t serial = 7;
};

class TestCerts {
 public:
  // The sites apac, eame and hq on loopback, with streams of the partner nations of the tests (AU, DE, JP). Leaves TLS 1.3 as the only
  // version when the process starts.
  static TestCerts& Get();

  const Roster& roster() const { return network_->roster(); }
  // "officer/apac/watch": issued at its first use.
  CredentialFiles Of(const std::string& identity);
  // The same, read and in use. Owned by this.
  Credentials& Live(const std::string& identity);
  CredentialFiles Craft(const std::string& name, const CraftedLeaf& leaf);
  // The folder `certs/network.h` describes.
  const certs::Network& network() const { return *network_; }
  // A folder of its own for a test, removed with the process.
  std::filesystem::path NewFolder(const std::string& name) const;
  // Of the site's current logs, by stream.
  std::map<std::string, SigningKey, std::less<>> LogKeys(const std::string& site) const;
  // "log", "log.audit" or "mirror".
  SigningKey SiteKey(const std::string& site, const std::string& which) const;
  std::string token_key() const;

 private:
  TestCerts();

  certs::TempFolder folder_;
  std::optional<certs::Network> network_;
  certs::Key other_key_;
  certs::Certificate other_root_;
  std::map<std::string, std::unique_ptr<Credentials>> live_;
};

std::string FileText(const std::string& path);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_TEST_CERTS_H_
