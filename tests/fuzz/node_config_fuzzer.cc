// The configuration of a node.

#include "server/config.h"
#include "tests/fuzz/property.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fairlead::fuzz::Require;
  const std::string path = "/etc/fairlead/node.toml";
  auto config = fairlead::ParseConfig(fairlead::fuzz::AsText(data, size), path);
  if (!config.ok()) {
    fairlead::fuzz::RequireError(config.status(), {absl::StatusCode::kInvalidArgument});
    Require(std::string(config.status().message()).starts_with(path), "a mistake is named with its file");
    return 0;
  }
  Require(!config->network.empty() && !config->site.empty() && !config->listen.empty(), "a node has a network, a site and an address");
  Require(config->data.starts_with('/') && config->tls.key.starts_with('/'), "paths are taken from the file's folder");
  Require(config->limits.message_bytes_max > 0 && config->limits.in_flight_max > 0, "limits are above zero");
  for (const auto& peer : config->peers) Require(!peer.site.empty() && !peer.addresses.empty(), "a peer has a site and an address");
  return 0;
}
