// The configuration file of the client, in TOML:
//
//   network = "demo.fairlead.example"
//   certificate = "officer.pem"      paths are relative to the file
//   key = "officer.key"
//   ca = "ca.pem"
//   crl = "crl.pem"                  optional: crl.pem beside ca, when it is there
//   default_site = "hq"              optional: the first node
//   timeout = "30s"                  optional, of a call with its retries
//   failover = false                 optional
//   regions = "regions.csv"          optional: the region table for imports
//   outbox = "outbox"                optional: the folder for work without a node; `outbox` beside the file otherwise
//   [[node]]
//   site = "apac"
//   address = "127.0.0.1:7401"
//
// Thread safety: free functions. Ownership: values.

#ifndef FAIRLEAD_CLIENT_CONFIG_H_
#define FAIRLEAD_CLIENT_CONFIG_H_

#include <absl/status/statusor.h>

#include <functional>
#include <string>
#include <string_view>

#include "client/connection.h"

namespace fairlead::client {

struct Config {
  ClientOptions client;
  std::string regions_file;  // empty: not configured
  std::string outbox_folder;
};

// INVALID_ARGUMENT names file, line and what is wrong, an unknown key included; NOT_FOUND when there is no such file.
absl::StatusOr<Config> ReadConfig(const std::string& path);
// The same from text; `path` is for messages and relative paths.
absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& path);

// $FAIRLEAD_CONFIG, else $XDG_CONFIG_HOME/fairlead/config.toml, else ~/.config/fairlead/config.toml. `get` looks up an environment variable
// and gives an empty string for none.
std::string DefaultConfigPath(const std::function<std::string(const char*)>& get);

// "30s", "500ms", "2m". INVALID_ARGUMENT unless positive.
absl::StatusOr<absl::Duration> ParseTimeout(const std::string& text);

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_CONFIG_H_
