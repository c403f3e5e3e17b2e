#include "server/config.h"

#include <absl/status/status.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <variant>

namespace fairlead {
namespace {

enum class Kind { kName, kText, kPath, kAddress };

// Where a setting goes, what it may be, and what it means.
struct Setting {
  std::string key;  // "limits.drain_seconds"
  std::variant<std::function<std::string*(NodeConfig*)>, std::function<bool*(NodeConfig*)>, std::function<int*(NodeConfig*)>,
               std::function<std::vector<std::string>*(NodeConfig*)>>
      target;
  Kind kind = Kind::kText;
  std::string default_value;  // as in TOML; empty: required unless `optional`
  std::string meaning;
  bool optional = false;
  int min = 0, max = 0;  // of integers, both included
  std::vector<std::string> choices;
};

Setting Text(std::string key, std::function<std::string*(NodeConfig*)> target, Kind kind, std::string meaning) {
  Setting s;
  s.key = std::move(key);
  s.target = std::move(target);
  s.kind = kind;
  s.meaning = std::move(meaning);
  return s;
}

Setting Optional(Setting s) {
  s.optional = true;
  return s;
}

Setting Number(std::string key, std::function<int*(NodeConfig*)> target, int value, int64_t min, int64_t max, std::string meaning) {
  Setting s;
  s.key = std::move(key);
  s.target = std::move(target);
  s.default_value = std::to_string(value);
  s.min = min;
  s.max = max;
  s.meaning = std::move(meaning);
  return s;
}

// The settings of a site of several machines: all of them, or none.
void AddMember(std::vector<Setting>* all) {
  all->push_back(Optional(Text(
      "member.name", [](NodeConfig* c) { return &c->member.name; }, Kind::kName,
      "This node's name among the members of its site, which share one log on etcd. Absent: the site is one machine, and `etcd` absent "
      "too. "
      "See \"A site of several machines\" in `api/PROTOCOL.md`.")));
  all->push_back(Optional(Text(
      "member.address", [](NodeConfig* c) { return &c->member.address; }, Kind::kAddress,
      "Where the other members reach this one's API, `HOST:PORT`. Required with `member.name`.")));
  Setting endpoints;
  endpoints.key = "etcd.endpoints";
  endpoints.target = std::function<std::vector<std::string>*(NodeConfig*)>([](NodeConfig* c) { return &c->etcd.endpoints; });
  endpoints.kind = Kind::kAddress;
  endpoints.optional = true;
  endpoints.meaning = "The members of etcd, `[\"HOST:PORT\", ...]`. HOST is as in their certificates. Required with `member.name`.";
  all->push_back(endpoints);
  all->push_back(Optional(Text(
      "etcd.ca", [](NodeConfig* c) { return &c->etcd.ca; }, Kind::kPath, "Who issues etcd's certificates, PEM. Required likewise.")));
  all->push_back(Optional(Text(
      "etcd.certificate", [](NodeConfig* c) { return &c->etcd.certificate; }, Kind::kPath,
      "The certificate chain that this node shows to etcd, PEM. Required likewise.")));
  all->push_back(Optional(Text(
      "etcd.key", [](NodeConfig* c) { return &c->etcd.key; }, Kind::kPath, "Its private key, PEM. Required likewise.")));
  all->push_back(Number(
      "etcd.lease_seconds", [](NodeConfig* c) { return &c->etcd.lease_seconds; }, 5, 2, 60,
      "How long a leader that is not heard of leads on before another member takes over."));
  all->push_back(Number(
      "etcd.quota_mebibytes", [](NodeConfig* c) { return &c->etcd.quota_mebibytes; }, 2048, 16, 1 << 20,
      "What etcd was started with (`--quota-backend-bytes`), of which it does not tell. The node warns from 70 % on."));
}

using IdentityLimits = NodeConfig::IdentityLimits;

// Four numbers for each kind of identity.
void AddIdentityLimits(std::vector<Setting>* all) {
  struct Row {
    std::string kind, who;
    IdentityLimits* (*of)(NodeConfig*);
    IdentityLimits values;
  };
  static const Row kRows[] = {
      {"partner", "a partner's system", [](NodeConfig* c) { return &c->limits.partner; }, {50, 100, 32, 16}},
      {"staff", "an officer or headquarters identity", [](NodeConfig* c) { return &c->limits.staff; }, {20000, 20000, 1024, 4096}},
      {"gateway", "a gateway, for all its users", [](NodeConfig* c) { return &c->limits.gateway; }, {5000, 5000, 1024, 4096}},
      {"node", "a site's node, beside replication", [](NodeConfig* c) { return &c->limits.node; }, {500, 500, 64, 64}},
  };
  for (const Row& row : kRows) {
    const auto add = [&](const std::string& name, int IdentityLimits::*member, const std::string& meaning) {
      all->push_back(Number(
          fmt::format("limits.{}.{}", row.kind, name), [of = row.of, member](NodeConfig* c) { return &(of(c)->*member); },
          row.values.*member, 0, 1'000'000, meaning));
    };
    add("calls_per_second", &IdentityLimits::calls_per_second,
        fmt::format(
            "Calls and streams begun by {}, in the long run; more are refused with LIMIT_REACHED, as by the next three. 0: no limit.",
            row.who));
    add("burst", &IdentityLimits::burst, "Those that may come at once after a silence.");
    add("calls_max", &IdentityLimits::calls_max, "Unary calls at a time. 0: no limit.");
    add("streams_max", &IdentityLimits::streams_max, "Streams at a time. 0: no limit.");
  }
}

const std::vector<Setting>& Settings() {
  static const std::vector<Setting>* const settings = [] {
    auto* all = new std::vector<Setting>;
    auto add = [all](Setting s) { all->push_back(std::move(s)); };
    add(Text(
        "network", [](NodeConfig* c) { return &c->network; }, Kind::kName, "The network's name, as in its roster and certificates."));
    add(Text(
        "site", [](NodeConfig* c) { return &c->site; }, Kind::kName, "The site this node is, as in the roster."));
    add(Text(
        "data", [](NodeConfig* c) { return &c->data; }, Kind::kPath,
        "Folder of the node's store. Made when absent. Its search index is in `search` there, and may be removed while the node is down."));
    add(Optional(Text(
        "backups", [](NodeConfig* c) { return &c->backups; }, Kind::kPath,
        "Folder that backups are written to, outside `data`; another disk, to survive the loss of one. Made when absent. Absent: no "
        "backups.")));
    add(Text(
        "licence", [](NodeConfig* c) { return &c->licence; }, Kind::kPath,
        "The file with this store's licence to write, which the node replaces. Outside the data folder, and never in a backup: a restored "
        "store without it asks its peers what is missing before it writes."));
    add(Text(
        "listen", [](NodeConfig* c) { return &c->listen; }, Kind::kAddress, "Address of the API, `HOST:PORT`."));
    add(Optional(Text(
        "metrics", [](NodeConfig* c) { return &c->metrics; }, Kind::kAddress,
        "Address of the Prometheus endpoint, `HOST:PORT`, without TLS: keep it on loopback or a management network. Absent: none.")));
    {
      Setting level = Text(
          "log_level", [](NodeConfig* c) { return &c->log_level; }, Kind::kText, "What is logged to standard error.");
      level.default_value = "\"info\"";
      level.choices = {"debug", "info", "warning", "error"};
      add(level);
    }
    {
      Setting reflection;
      reflection.key = "reflection";
      reflection.target = std::function<bool*(NodeConfig*)>([](NodeConfig* c) { return &c->reflection; });
      reflection.default_value = "false";
      reflection.meaning = "Whether gRPC server reflection answers (to verified identities).";
      add(reflection);
    }
    add(Text(
        "tls.certificate", [](NodeConfig* c) { return &c->tls.certificate; }, Kind::kPath,
        "The node's certificate chain, PEM. Reloaded when it changes."));
    add(Text(
        "tls.key", [](NodeConfig* c) { return &c->tls.key; }, Kind::kPath, "Its private key, PEM. Reloaded when it changes."));
    add(Text(
        "tls.ca", [](NodeConfig* c) { return &c->tls.ca; }, Kind::kPath, "The network's roots, PEM. Reloaded when they change."));
    add(Optional(Text(
        "tls.crl", [](NodeConfig* c) { return &c->tls.crl; }, Kind::kPath,
        "Revocation lists, PEM, one of each root. Reloaded when they change. Absent: `crl.pem` beside `tls.ca`, which must be there.")));
    add(Number(
        "tls.refresh_seconds", [](NodeConfig* c) { return &c->tls.refresh_seconds; }, 5, 1, 3600,
        "How often these files are looked at. A revocation ends streams within this and a second."));
    add(Number(
        "tls.list_grace_hours", [](NodeConfig* c) { return &c->tls.list_grace_hours; }, 168, 0, 8760,
        "How long a revocation list that was due to be signed anew still counts. The node warns from the day it is due; after the grace it "
        "refuses every certificate of that root."));
    add(Text(
        "keys.roster", [](NodeConfig* c) { return &c->keys.roster; }, Kind::kPath, "The signed roster."));
    add(Text(
        "keys.root", [](NodeConfig* c) { return &c->keys.root; }, Kind::kPath, "The roster's public key (vkey)."));
    add(Text(
        "keys.log", [](NodeConfig* c) { return &c->keys.log; }, Kind::kPath,
        "The key that signs this site's main log, PEM. Those of its other streams are beside it: `log.audit.key` for `log.key`."));
    add(Text(
        "keys.mirror", [](NodeConfig* c) { return &c->keys.mirror; }, Kind::kPath, "The key that cosigns what this site holds, PEM."));
    add(Text(
        "keys.token", [](NodeConfig* c) { return &c->keys.token; }, Kind::kPath,
        "The network's key for opaque tokens, the same at every node."));
    add(Number(
        "limits.message_bytes_max", [](NodeConfig* c) { return &c->limits.message_bytes_max; }, 4 << 20, 64 << 10, 8 << 20,
        "Bytes of one request."));
    add(Number(
        "limits.in_flight_max", [](NodeConfig* c) { return &c->limits.in_flight_max; }, 4096, 1, 1 << 20,
        "Unary calls at a time; more are refused with OVERLOADED."));
    add(Number(
        "limits.streams_max", [](NodeConfig* c) { return &c->limits.streams_max; }, 4096, 1, 1 << 20,
        "Watches at a time; more are refused with OVERLOADED."));
    add(Number(
        "limits.completion_threads", [](NodeConfig* c) { return &c->limits.completion_threads; }, 1, 1, 64,
        "Threads that answer calls after their commit."));
    add(Number(
        "limits.staleness_seconds", [](NodeConfig* c) { return &c->limits.staleness_seconds; }, 30, 1, 86400,
        "A site whose figures are older is named unreachable in overviews."));
    add(Number(
        "limits.drain_seconds", [](NodeConfig* c) { return &c->limits.drain_seconds; }, 10, 0, 3600,
        "How long a shutdown waits for calls in flight."));
    add(Number(
        "limits.keepalive_seconds", [](NodeConfig* c) { return &c->limits.keepalive_seconds; }, 30, 1, 7200,
        "A connection silent for this long is pinged, and dropped when no answer comes within 10 s."));
    add(Number(
        "limits.ping_seconds_min", [](NodeConfig* c) { return &c->limits.ping_seconds_min; }, 10, 1, 7200,
        "A client that pings more often while nothing is sent is dropped (GOAWAY, too_many_pings)."));
    add(Number(
        "limits.partner.submissions_per_day", [](NodeConfig* c) { return &c->limits.submissions_per_day; }, 5000, 0, 1'000'000,
        "Submissions of a partner nation, of all its systems together, half of them of one, that this site keeps in a day, in the long "
        "run; as many may come at once. One counts once more for each 8 KiB that it has. More are refused with LIMIT_REACHED. 0: no "
        "limit."));
    AddIdentityLimits(all);
    add(Number(
        "attachments.file_mebibytes_max", [](NodeConfig* c) { return &c->attachments.file_mebibytes_max; }, 64, 1, 1024,
        "Mebibytes of one attachment that is uploaded here. Those of other sites come whatever they have."));
    add(Number(
        "attachments.uploads_max", [](NodeConfig* c) { return &c->attachments.uploads_max; }, 8, 1, 1000,
        "Unfinished uploads of one identity; more are refused with LIMIT_REACHED."));
    add(Number(
        "attachments.upload_hours", [](NodeConfig* c) { return &c->attachments.upload_hours; }, 72, 1, 8760,
        "An upload, or a fetch from a peer, that has not gone on for so long is dropped."));
    add(Number(
        "priority.vessels", [](NodeConfig* c) { return &c->priority.vessels; }, 40, 0, 1000,
        "Weight of the number of vessels in the visit priority. Only the proportion of the four matters; the same at every node, so that "
        "all give one order."));
    add(Number(
        "priority.cargo", [](NodeConfig* c) { return &c->priority.cargo; }, 20, 0, 1000, "Weight of the amount of cargo."));
    add(Number(
        "priority.history", [](NodeConfig* c) { return &c->priority.history; }, 25, 0, 1000,
        "Weight of the country's history with international instruments."));
    add(Number(
        "priority.other", [](NodeConfig* c) { return &c->priority.other; }, 15, 0, 1000, "Weight of other information."));
    AddMember(all);
    return all;
  }();
  return *settings;
}

bool IsName(const std::string& text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

// HOST:PORT with a port of 0 to 65535; [V6]:PORT too.
bool IsAddress(const std::string& text) {
  size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  std::string port = text.substr(colon + 1);
  if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  return std::stoi(port) <= 65535;
}

bool IsReadableFile(const std::string& path) {
  std::error_code error;
  return !std::filesystem::is_directory(path, error) && std::ifstream(path).is_open();  // a directory opens, too
}

// Absolute, without dots and without a separator at its end.
std::filesystem::path Plain(const std::string& path) {
  std::error_code error;
  return (std::filesystem::absolute(path, error) / "").lexically_normal().parent_path();
}

// Whether `inner` is `outer` or is below it, by their names alone.
bool LiesIn(const std::string& inner, const std::string& outer) {
  const std::filesystem::path in = Plain(inner), out = Plain(outer);
  return std::mismatch(out.begin(), out.end(), in.begin(), in.end()).first == out.end();
}

class Parser {
 public:
  explicit Parser(const std::string& path) : path_(path), folder_(std::filesystem::path(path).parent_path()) {}

  absl::StatusOr<NodeConfig> Parse(std::string_view text) {
    toml::table table;
    try {
      table = toml::parse(text, path_);
    } catch (const toml::parse_error& e) {
      return absl::InvalidArgumentError(fmt::format("{}:{}: {}", path_, e.source().begin.line, std::string(e.description())));
    }
    NodeConfig config;
    std::set<std::string> known = {"peer"};
    for (const Setting& setting : Settings()) {
      known.insert(setting.key);
      toml::node_view<toml::node> node = table.at_path(setting.key);
      if (node) {
        Set(setting, *node.node(), &config);
      } else if (!setting.default_value.empty()) {
        toml::table fallback = toml::parse(fmt::format("v = {}", setting.default_value));
        Set(setting, *fallback.get("v"), &config);
      } else if (!setting.optional) {
        mistakes_.push_back(fmt::format("{}: {}: is required", path_, setting.key));
      }
    }
    const bool has_data = !config.data.empty();
    if (has_data && !config.backups.empty() && (LiesIn(config.backups, config.data) || LiesIn(config.data, config.backups))) {
      Mistake(*table.get("backups"), "backups",
              fmt::format("{} and the data folder {} must not lie in each other", config.backups, config.data));
    }
    CheckKeys(table, "", known);
    CheckMember(config);
    ReadPeers(table, &config);
    if (has_data && !config.licence.empty() && LiesIn(config.licence, config.data)) {
      Mistake(*table.get("licence"), "licence", "must lie outside the data folder: it may not be copied with it");
    }
    if (mistakes_.empty()) return config;
    return absl::InvalidArgumentError(fmt::format("{}", fmt::join(mistakes_, "\n")));
  }

 private:
  void Mistake(const toml::node& node, const std::string& key, const std::string& rule) {
    mistakes_.push_back(fmt::format("{}:{}: {}: {}", path_, node.source().begin.line, key, rule));
  }

  void Set(const Setting& setting, const toml::node& node, NodeConfig* config) {
    if (const auto* at = std::get_if<std::function<bool*(NodeConfig*)>>(&setting.target)) {
      if (!node.is_boolean()) return Mistake(node, setting.key, "must be true or false");
      *(*at)(config) = node.as_boolean()->get();
    } else if (const auto* number = std::get_if<std::function<int*(NodeConfig*)>>(&setting.target)) {
      if (!node.is_integer() || node.as_integer()->get() < setting.min || node.as_integer()->get() > setting.max) {
        return Mistake(node, setting.key, fmt::format("must be a whole number from {} to {}", setting.min, setting.max));
      }
      *(*number)(config) = static_cast<int>(node.as_integer()->get());
    } else if (const auto* texts = std::get_if<std::function<std::vector<std::string>*(NodeConfig*)>>(&setting.target)) {
      if (!node.is_array()) return Mistake(node, setting.key, "must be an array of addresses");
      ReadTexts(node, setting.key, setting.kind, (*texts)(config));
    } else {
      std::string* out = std::get<std::function<std::string*(NodeConfig*)>>(setting.target)(config);
      if (!ReadText(node, setting.key, setting.kind, out)) return;
      if (!setting.choices.empty() && std::find(setting.choices.begin(), setting.choices.end(), *out) == setting.choices.end()) {
        Mistake(node, setting.key, fmt::format("must be one of {}", fmt::join(setting.choices, ", ")));
      }
    }
  }

  bool ReadText(const toml::node& node, const std::string& key, Kind kind, std::string* out) {
    if (!node.is_string() || node.as_string()->get().empty()) {
      Mistake(node, key, "must be a text that is not empty");
      return false;
    }
    *out = node.as_string()->get();
    switch (kind) {
      case Kind::kText:
        break;
      case Kind::kName:
        if (!IsName(*out)) Mistake(node, key, "must be 1 to 63 of a-z, 0-9, '.' and '-'");
        break;
      case Kind::kAddress:
        if (!IsAddress(*out)) Mistake(node, key, fmt::format("'{}' must be HOST:PORT", *out));
        break;
      case Kind::kPath:
        *out = (folder_ / *out).lexically_normal().string();
        if (key != "data" && key != "licence" && key != "backups" && !IsReadableFile(*out)) {
          Mistake(node, key, fmt::format("{} cannot be read", *out));
        }
        break;
    }
    return true;
  }

  // One text, or an array of at least one, none twice.
  void ReadTexts(const toml::node& node, const std::string& key, Kind kind, std::vector<std::string>* out) {
    const toml::array* many = node.as_array();
    if (many == nullptr) {
      std::string text;
      if (ReadText(node, key, kind, &text)) out->push_back(std::move(text));
      return;
    }
    if (many->empty()) return Mistake(node, key, "must have at least one element");
    for (const toml::node& each : *many) {
      std::string text;
      if (!ReadText(each, key, kind, &text)) continue;
      if (std::find(out->begin(), out->end(), text) != out->end()) Mistake(each, key, fmt::format("'{}' stands twice", text));
      out->push_back(std::move(text));
    }
  }

  // The settings of a member are all there, or none is.
  void CheckMember(const NodeConfig& config) {
    const std::pair<const char*, bool> settings[] = {
        {"member.name", !config.member.name.empty()},           {"member.address", !config.member.address.empty()},
        {"etcd.endpoints", !config.etcd.endpoints.empty()},     {"etcd.ca", !config.etcd.ca.empty()},
        {"etcd.certificate", !config.etcd.certificate.empty()}, {"etcd.key", !config.etcd.key.empty()}};
    const auto set = std::find_if(std::begin(settings), std::end(settings), [](const auto& each) { return each.second; });
    if (set == std::end(settings)) return;
    for (const auto& [key, is_set] : settings) {
      if (!is_set) mistakes_.push_back(fmt::format("{}: {}: is required with {}", path_, key, set->first));
    }
  }

  void CheckKeys(const toml::table& table, const std::string& prefix, const std::set<std::string>& known) {
    for (const auto& [name, node] : table) {
      std::string key = prefix + std::string(name.str());
      // A quoted name with a dot is not the path that it looks like.
      if (known.contains(key) && name.str().find('.') == std::string_view::npos) continue;
      const bool is_group = std::any_of(known.begin(), known.end(), [&](const std::string& k) { return k.starts_with(key + "."); });
      if (is_group && node.is_table()) {
        CheckKeys(*node.as_table(), key + ".", known);
      } else {
        Mistake(node, key, is_group ? "must be a table" : "is no setting");
      }
    }
  }

  void ReadPeers(const toml::table& table, NodeConfig* config) {
    const toml::node* node = table.get("peer");
    if (node == nullptr) return;
    if (!node->is_array_of_tables()) return Mistake(*node, "peer", "must be written as [[peer]]");
    std::set<std::string> sites;
    for (const toml::node& element : *node->as_array()) {
      NodeConfig::Peer peer;
      const toml::table& entry = *element.as_table();
      CheckKeys(entry, "peer.", {"peer.site", "peer.address"});
      const toml::node* site = entry.get("site");
      const toml::node* address = entry.get("address");
      if (site == nullptr) {
        Mistake(element, "peer.site", "is required");
      } else {
        ReadText(*site, "peer.site", Kind::kName, &peer.site);
      }
      if (address == nullptr) {
        Mistake(element, "peer.address", "is required");
      } else {
        ReadTexts(*address, "peer.address", Kind::kAddress, &peer.addresses);
      }
      if (!peer.site.empty() && peer.site == config->site)
        Mistake(element, "peer.site", fmt::format("'{}' is this node's own site", peer.site));
      if (!peer.site.empty() && !sites.insert(peer.site).second) Mistake(element, "peer.site", fmt::format("'{}' stands twice", peer.site));
      config->peers.push_back(std::move(peer));
    }
  }

  const std::string path_;
  const std::filesystem::path folder_;
  std::vector<std::string> mistakes_;
};

std::string KindText(const Setting& s) {
  if (std::holds_alternative<std::function<bool*(NodeConfig*)>>(s.target)) return "true or false";
  if (std::holds_alternative<std::function<int*(NodeConfig*)>>(s.target)) return fmt::format("{} to {}", s.min, s.max);
  if (!s.choices.empty()) return fmt::format("{}", fmt::join(s.choices, ", "));
  if (std::holds_alternative<std::function<std::vector<std::string>*(NodeConfig*)>>(s.target)) return "addresses";
  switch (s.kind) {
    case Kind::kName:
      return "name";
    case Kind::kPath:
      return "path";
    case Kind::kAddress:
      return "address";
    case Kind::kText:
      break;
  }
  return "text";
}

}  // namespace

absl::StatusOr<NodeConfig> ParseConfig(std::string_view text, const std::string& path) { return Parser(path).Parse(text); }

absl::StatusOr<NodeConfig> LoadConfig(const std::string& path) {
  if (!IsReadableFile(path)) return absl::InvalidArgumentError(fmt::format("{}: cannot be read", path));
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return absl::InvalidArgumentError(fmt::format("{}: cannot be read", path));
  return ParseConfig(text.str(), path);
}

std::string SettingsMarkdown() {
  std::string out =
      "# Settings of a node\n\n"
      "Printed by `fairlead-node --print-settings`; a test keeps this page equal to the code. `fairlead-node --config FILE` reads a TOML "
      "file;\n"
      "relative paths are taken from the file's folder. A mistake names file, line and key, and the node does not start.\n\n"
      "| key | values | default | meaning |\n|---|---|---|---|\n";
  for (const Setting& s : Settings()) {
    std::string value = !s.default_value.empty() ? fmt::format("`{}`", s.default_value) : s.optional ? "none" : "required";
    out += fmt::format("| `{}` | {} | {} | {} |\n", s.key, KindText(s), value, s.meaning);
  }
  out +=
      "\nOne `[[peer]]` for each node that this one takes entries from:\n\n"
      "| key | values | default | meaning |\n|---|---|---|---|\n"
      "| `peer.site` | name | required | The peer's site. Not this node's own; none twice. |\n"
      "| `peer.address` | address, or addresses | required | The peer's API address, `HOST:PORT`; of a site of several machines the array "
      "of its "
      "members'. |\n";
  return out;
}

}  // namespace fairlead
