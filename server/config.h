// The configuration of a node, from a TOML file.
//
// One table of settings (config.cc) drives parsing, checks and the documentation (SETTINGS.md), so that the three agree.
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_CONFIG_H_
#define FAIRLEAD_SERVER_CONFIG_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead {

struct NodeConfig {
  struct Peer {
    std::string site;
    std::vector<std::string> addresses;  // one for each member of the site, at least one
  };

  std::string network;
  std::string site;
  std::string data;
  std::string licence;
  std::string backups;  // empty: none
  std::string listen;
  std::string metrics;
  std::string log_level;
  bool reflection = false;
  struct {
    std::string certificate, key, ca;
    std::string crl;  // empty: `crl.pem` beside `ca`
    int refresh_seconds = 0;
    int list_grace_hours = 0;
  } tls;
  struct {
    std::string roster, root, log, mirror, token;
  } keys;
  // Of one identity. 0: no such limit.
  struct IdentityLimits {
    int calls_per_second = 0;
    int burst = 0;
    int calls_max = 0;
    int streams_max = 0;
  };
  struct {
    int message_bytes_max = 0;
    int in_flight_max = 0;
    int streams_max = 0;
    int completion_threads = 0;
    int staleness_seconds = 0;
    int drain_seconds = 0;
    int keepalive_seconds = 0;
    int ping_seconds_min = 0;
    int submissions_per_day = 0;  // of a partner nation. 0: no such limit
    IdentityLimits partner, staff, gateway, node;
  } limits;
  struct {
    int file_mebibytes_max = 0;
    int uploads_max = 0;
    int upload_hours = 0;
  } attachments;
  struct {
    int vessels = 0, cargo = 0, history = 0, other = 0;
  } priority;  // weights of the visit priority's factors
  // One member of a site of several machines; no name: the site is one machine.
  struct {
    std::string name, address;
  } member;
  // What they share; no endpoints: as above.
  struct {
    std::vector<std::string> endpoints;
    std::string ca, certificate, key;
    int lease_seconds = 0;
    int quota_mebibytes = 0;
  } etcd;
  std::vector<Peer> peers;
};

// Relative paths are taken from the file's folder. INVALID_ARGUMENT lists every mistake, one a line, each as `FILE:LINE: KEY: rule`.
absl::StatusOr<NodeConfig> LoadConfig(const std::string& path);
// The same from text; `path` is for messages and relative paths.
absl::StatusOr<NodeConfig> ParseConfig(std::string_view text, const std::string& path);

// SETTINGS.md.
std::string SettingsMarkdown();

}  // namespace fairlead

#endif  // FAIRLEAD_SERVER_CONFIG_H_
