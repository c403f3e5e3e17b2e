// The configuration of the client, and its durations.

#include "client/config.h"
#include "tests/fuzz/property.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fairlead::fuzz::Require;
  const std::string text(fairlead::fuzz::AsText(data, size));
  const std::string path = "/etc/fairlead/client.toml";
  auto config = fairlead::client::ParseConfig(text, path);
  if (!config.ok()) {
    fairlead::fuzz::RequireError(config.status(), {absl::StatusCode::kInvalidArgument});
    Require(std::string(config.status().message()).starts_with(path), "a mistake is named with its file");
  } else {
    Require(!config->client.network.empty() && !config->client.nodes.empty(), "a client has a network and a node");
    for (const auto& node : config->client.nodes) Require(!node.site.empty() && !node.address.empty(), "a node has a site and an address");
    Require(config->client.timeout > absl::ZeroDuration(), "the timeout is above zero");
  }
  auto timeout = fairlead::client::ParseTimeout(text);
  if (!timeout.ok()) {
    fairlead::fuzz::RequireError(timeout.status(), {absl::StatusCode::kInvalidArgument});
  } else {
    Require(*timeout > absl::ZeroDuration() && *timeout < absl::InfiniteDuration(), "a timeout is above zero and ends");
  }
  return 0;
}
