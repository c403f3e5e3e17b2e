#include "client/config.h"

#include <absl/time/time.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <type_traits>
#include <vector>

namespace fairlead::client {
namespace {

absl::Status At(const std::string& path, const toml::source_region& source, const std::string& message) {
  return absl::InvalidArgumentError(fmt::format("{}:{}: {}", path, source.begin.line, message));
}

// Reads the keys of one table and refuses what is left over.
class Keys {
 public:
  Keys(std::string path, const toml::table& table) : path_(std::move(path)), table_(table) {}

  template <class T>
  T Get(std::string_view key, T otherwise, bool required = false) {
    known_.push_back(std::string(key));
    const toml::node* node = table_.get(key);
    if (node == nullptr) {
      if (required && status_.ok()) status_ = At(path_, table_.source(), fmt::format("{} is missing", key));
      return otherwise;
    }
    std::optional<T> value = node->value_exact<T>();
    if (!value.has_value()) {
      if (status_.ok()) status_ = At(path_, node->source(), fmt::format("{} has the wrong type", key));
      return otherwise;
    }
    if constexpr (std::is_same_v<T, std::string>) {
      if (required && value->empty() && status_.ok()) status_ = At(path_, node->source(), fmt::format("{} is empty", key));
    }
    return *value;
  }

  void Allow(std::string_view key) { known_.push_back(std::string(key)); }

  absl::Status Finish() const {
    if (!status_.ok()) return status_;
    for (const auto& [key, value] : table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end()) {
        return At(path_, value.source(), fmt::format("unknown key {}", key.str()));
      }
    }
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  const toml::table& table_;
  std::vector<std::string> known_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<absl::Duration> ParseTimeout(const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration() || duration == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(fmt::format("{} is not a duration such as 30s or 500ms", text));
  }
  return duration;
}

absl::StatusOr<Config> ReadConfig(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::NotFoundError(fmt::format("there is no configuration file {}", path));
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in.is_open() || in.bad()) return absl::InvalidArgumentError(fmt::format("{}: cannot be read", path));
  return ParseConfig(text.str(), path);
}

absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& path) {
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& e) {
    return At(path, e.source(), std::string(e.description()));
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const auto resolve = [&folder](const std::string& file) { return file.empty() ? file : (folder / file).lexically_normal().string(); };

  Config config;
  Keys keys(path, table);
  config.client.network = keys.Get<std::string>("network", "", true);
  config.client.certificate_file = resolve(keys.Get<std::string>("certificate", "", true));
  config.client.key_file = resolve(keys.Get<std::string>("key", "", true));
  config.client.ca_file = resolve(keys.Get<std::string>("ca", "", true));
  config.client.crl_file = resolve(keys.Get<std::string>("crl", ""));
  config.client.site = keys.Get<std::string>("default_site", "");
  config.client.failover = keys.Get<bool>("failover", false);
  config.regions_file = resolve(keys.Get<std::string>("regions", ""));
  config.outbox_folder = resolve(keys.Get<std::string>("outbox", "outbox"));
  const std::string timeout = keys.Get<std::string>("timeout", "30s");
  keys.Allow("node");
  if (absl::Status status = keys.Finish(); !status.ok()) return status;

  absl::StatusOr<absl::Duration> parsed = ParseTimeout(timeout);
  if (!parsed.ok()) return At(path, table.get("timeout")->source(), "timeout: " + std::string(parsed.status().message()));
  config.client.timeout = *parsed;

  const toml::node* nodes = table.get("node");
  if (nodes == nullptr || !nodes->is_array_of_tables()) return At(path, table.source(), "no [[node]] is given");
  for (const toml::node& entry : *nodes->as_array()) {
    Keys node(path, *entry.as_table());
    NodeAddress address{node.Get<std::string>("site", "", true), node.Get<std::string>("address", "", true)};
    if (absl::Status status = node.Finish(); !status.ok()) return status;
    config.client.nodes.push_back(std::move(address));
  }
  if (absl::Status valid = Client::Validate(config.client); !valid.ok()) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", path, std::string(valid.message())));
  }
  return config;
}

std::string DefaultConfigPath(const std::function<std::string(const char*)>& get) {
  if (std::string path = get("FAIRLEAD_CONFIG"); !path.empty()) return path;
  std::string folder = get("XDG_CONFIG_HOME");
  if (folder.empty()) folder = get("HOME") + "/.config";
  return folder + "/fairlead/config.toml";
}

}  // namespace fairlead::client
