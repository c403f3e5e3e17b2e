#include "server/options.h"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "api/note.h"
#include "server/records/record_type.h"

namespace fairlead {
namespace {

absl::StatusOr<SigningKey> ReadSigningKey(const std::string& path) {
  auto pem = ReadFile(path);
  if (!pem.ok()) return pem.status();
  auto key = SigningKey::FromPem(*pem);
  if (!key.ok()) return absl::InvalidArgumentError(fmt::format("{}: {}", path, std::string(key.status().message())));
  return key;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  if (!in) return absl::NotFoundError(fmt::format("{} cannot be read", path));
  return out.str();
}

absl::StatusOr<Roster> RosterFrom(const NodeConfig& config) {
  auto vkey = ReadFile(config.keys.root);
  if (!vkey.ok()) return vkey.status();
  auto root = note::Verifier::FromVkey(FirstLine(*vkey));
  if (!root.ok()) return absl::InvalidArgumentError(fmt::format("{}: {}", config.keys.root, std::string(root.status().message())));
  auto signed_roster = ReadFile(config.keys.roster);
  if (!signed_roster.ok()) return signed_roster.status();
  auto roster = Roster::Open(*signed_roster, *root);
  if (!roster.ok()) return absl::InvalidArgumentError(fmt::format("{}: {}", config.keys.roster, std::string(roster.status().message())));
  return roster;
}

absl::StatusOr<node::NodeOptions> NodeOptionsFrom(const NodeConfig& config) {
  auto roster = RosterFrom(config);
  if (!roster.ok()) return roster.status();
  std::map<std::string, SigningKey, std::less<>> log_keys;
  const RosterSite* site = roster->FindSite(config.site);
  for (const RosterLog* log : site == nullptr ? std::vector<const RosterLog*>() : roster->CurrentLogs(site->id)) {
    auto key = ReadSigningKey(LogKeyPath(config.keys.log, log->stream));
    if (!key.ok())
      return absl::Status(key.status().code(), fmt::format("{} (the key of {})", std::string(key.status().message()), log->origin()));
    log_keys.emplace(log->stream, *std::move(key));
  }
  auto mirror_key = ReadSigningKey(config.keys.mirror);
  if (!mirror_key.ok()) return mirror_key.status();
  node::NodeOptions options{
      .site = config.site, .roster = *std::move(roster), .log_keys = std::move(log_keys), .mirror_key = *std::move(mirror_key)};
  options.registry = &records::TheRegistry();
  options.clock = &node::SystemClock();
  for (const NodeConfig::Peer& peer : config.peers) options.peers.push_back(peer.site);
  return options;
}

}  // namespace fairlead
