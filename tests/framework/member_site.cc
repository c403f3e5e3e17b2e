#include "tests/framework/member_site.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "api/ids.h"
#include "api/licence.h"
#include "certs/files.h"
#include "tests/framework/cluster.h"
#include "tests/framework/eventually.h"
#include "tests/framework/ports.h"
#include "tests/framework/test_network.h"

namespace fairlead::framework {
namespace {

constexpr char kAnalystIdentity[] = "hq/analyst/desk";
constexpr size_t kLogTailBytes = 6000;
constexpr absl::Duration kStopTimeout = absl::Seconds(20);

client::CallOptions Soon() {
  client::CallOptions call;
  call.timeout = absl::Seconds(2);
  call.token = "";
  return call;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemberSite>> MemberSite::Make(MemberSiteOptions options) {
  std::unique_ptr<MemberSite> site(new MemberSite(std::move(options)));
  EtcdClusterOptions etcd{.members = site->options_.etcd_members};
  for (const std::string name : {"a", "b", "c"}) {
    const auto place = site->options_.places.find(name);
    etcd.places.push_back(place == site->options_.places.end() ? Place() : place->second);
  }
  absl::StatusOr<std::unique_ptr<EtcdCluster>> cluster = EtcdCluster::Start(std::move(etcd));
  if (!cluster.ok()) return cluster.status();
  site->etcd_ = *std::move(cluster);
  for (const std::string name : {"a", "b", "c", kHq}) {
    if (absl::Status added = site->Add(name); !added.ok()) return added;
  }
  // Each names all the others.
  for (const std::string& name : site->names()) {
    if (absl::Status configured = site->Configure(name); !configured.ok()) return configured;
  }
  // Of the site's nodes one has the licence, and gives the site its log.
  for (const std::string name : {"a", kHq}) {
    const std::string origin = fmt::format("{}/{}/1/{}", kNetworkName, site->nodes_[name].site, kMainStream);
    const std::string licence =
        FormatLicence({.origin = origin, .unused_until = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) + 86400)});
    if (absl::Status written =
            certs::WriteFile(site->folder(name) + "/licence", licence, certs::Access::kOwnerOnly, certs::IfExists::kRefuse);
        !written.ok()) {
      return written;
    }
  }
  return site;
}

absl::Status MemberSite::Start() {
  const absl::StatusOr<Ended> grown = RunNode("a", {"grow", "--with", "b", "--with", "c"});
  if (!grown.ok()) return grown.status();
  if (grown->exit != Exit()) return absl::InternalError(fmt::format("grow: {}", grown->output));
  for (const std::string& name : names()) {
    if (absl::Status launched = Launch(name); !launched.ok()) return launched;
  }
  for (const std::string& name : names()) {
    if (!Eventually([&] { return Status(name).ok() || !Runs(name); }, 2 * kPatience) || !Runs(name)) {
      return absl::UnavailableError(fmt::format("node {} does not answer\n{}", name, Log(name)));
    }
  }
  return Leader(2 * kPatience).empty() ? absl::UnavailableError("none of the nodes leads") : absl::OkStatus();
}

std::vector<std::string> MemberSite::names() const {
  std::vector<std::string> out;
  for (const auto& [name, node] : nodes_) out.push_back(name);
  return out;
}

std::vector<std::string> MemberSite::members() const {
  std::vector<std::string> out = names();
  std::erase(out, kHq);
  return out;
}

std::string MemberSite::address(const std::string& name) const {
  const Node& node = nodes_.at(name);
  return fmt::format("{}:{}", node.place.host, node.port);
}

std::string MemberSite::Log(const std::string& name) const { return certs::ReadFile(folder(name) + "/node.log").value_or(""); }

std::string MemberSite::Logs() const {
  std::string out;
  for (const std::string& name : names()) {
    std::string log = Log(name);
    if (log.size() > kLogTailBytes) log = "...\n" + log.substr(log.find('\n', log.size() - kLogTailBytes) + 1);
    out += fmt::format("--- log of {}:\n{}", name, log);
  }
  return out;
}

absl::Status MemberSite::Add(const std::string& name) {
  const absl::StatusOr<int> port = FreePort();
  if (!port.ok()) return port.status();
  Node& node = nodes_[name];
  node.site = name == kHq ? kHq : kSite;
  if (const auto place = options_.places.find(name); place != options_.places.end()) node.place = place->second;
  node.port = *port;
  absl::StatusOr<std::unique_ptr<client::Client>> client = Connect(kAnalystIdentity, {name});
  if (!client.ok()) return client.status();
  node.client = *std::move(client);
  std::filesystem::create_directories(folder(name));
  return absl::OkStatus();
}

absl::Status MemberSite::Configure(const std::string& name, bool of_one_machine) {
  const std::string& site = nodes_.at(name).site;
  const std::string certs = TestNetwork::Get().folder().string();
  std::string text = fmt::format(
      "network = \"{0}\"\nsite = \"{1}\"\ndata = \"data\"\nbackups = \"backups\"\nlicence = \"licence\"\nlisten = \"{2}\"\n"
      "[tls]\ncertificate = \"{3}/node/{1}/tls.crt\"\nkey = \"{3}/node/{1}/tls.key\"\nca = \"{3}/ca/ca.crt\"\n"
      "[keys]\nroster = \"{3}/roster.note\"\nroot = \"{3}/root.vkey\"\nlog = \"{3}/node/{1}/log.key\"\n"
      "mirror = \"{3}/node/{1}/mirror.key\"\ntoken = \"{3}/node/{1}/token.key\"\n",
      kNetworkName, site, address(name), certs);
  if (site != kHq && !of_one_machine) {
    const bench::PeerHome& files = etcd_->home();
    text += fmt::format(
        "[member]\nname = \"{}\"\naddress = \"{}\"\n"
        "[etcd]\nendpoints = [\"{}\"]\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\nlease_seconds = {}\n",
        name, address(name), fmt::join(etcd_->endpoints(), "\", \""), files.ca_file(), files.certificate_file(), files.key_file(),
        absl::ToInt64Seconds(options_.lease));
  }
  std::vector<std::string> addresses;
  for (const std::string& peer : site == kHq ? members() : std::vector<std::string>{kHq}) addresses.push_back(address(peer));
  text += fmt::format("[[peer]]\nsite = \"{}\"\naddress = [\"{}\"]\n", site == kHq ? kSite : kHq, fmt::join(addresses, "\", \""));
  return certs::WriteFile(config_file(name), text, certs::Access::kOwnerOnly, certs::IfExists::kReplace);
}

std::string MemberSite::NodeBinary() const { return options_.node_binary.empty() ? Cluster::node_binary() : options_.node_binary; }

absl::Status MemberSite::Launch(const std::string& name) {
  Node& node = nodes_.at(name);
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start(At(node.place, {NodeBinary(), "--config", config_file(name)}), folder(name) + "/node.log");
  if (!process.ok()) return process.status();
  node.process = *std::move(process);
  return absl::OkStatus();
}

void MemberSite::Kill(const std::string& name) {
  nodes_.at(name).process->Signal(SIGKILL);
  nodes_.at(name).process->Wait(absl::InfiniteDuration());
}

absl::Status MemberSite::Stop(const std::string& name) {
  nodes_.at(name).process->Signal(SIGTERM);
  const std::optional<Exit> exit = nodes_.at(name).process->Wait(kStopTimeout);
  if (!exit) return absl::DeadlineExceededError(fmt::format("node {} runs on", name));
  return *exit == Exit() ? absl::OkStatus() : absl::InternalError(fmt::format("node {}: {}", name, ToString(*exit)));
}

absl::StatusOr<Ended> MemberSite::RunNode(const std::string& name, std::vector<std::string> words) const {
  words.insert(words.begin(), {NodeBinary(), "--config", config_file(name)});
  return RunToEnd(At(nodes_.at(name).place, std::move(words)), kPatience);
}

absl::StatusOr<std::unique_ptr<client::Client>> MemberSite::Connect(const std::string& identity,
                                                                    const std::vector<std::string>& names) const {
  const absl::StatusOr<Credentials> credentials = TestNetwork::Get().Of(identity);
  if (!credentials.ok()) return credentials.status();
  client::ClientOptions options;
  options.network = kNetworkName;
  options.certificate_file = credentials->certificate_file;
  options.key_file = credentials->key_file;
  options.ca_file = credentials->ca_file;
  options.timeout = 2 * kPatience;
  for (const std::string& name : names) options.nodes.push_back({nodes_.at(name).site, address(name)});
  return client::Client::Connect(std::move(options));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MemberSite::Channel(const std::string& identity, const std::string& name) const {
  const absl::StatusOr<Credentials> credentials = TestNetwork::Get().Of(identity);
  if (!credentials.ok()) return credentials.status();
  return ChannelTo(*credentials, nodes_.at(name).site, address(name));
}

absl::StatusOr<v1::NodeStatus> MemberSite::Status(const std::string& name) {
  return Analyst(name).Call<v1::NodeStatus>("fairlead.v1.NodeService.GetNodeStatus", v1::GetNodeStatusRequest(), Soon());
}

absl::StatusOr<v1::StateDigest> MemberSite::Digest(const std::string& name) {
  return Analyst(name).Call<v1::StateDigest>("fairlead.v1.NodeService.GetStateDigest", v1::GetStateDigestRequest(), Soon());
}

std::string MemberSite::Leader(absl::Duration timeout) {
  std::string leader;
  Eventually(
      [&] {
        for (const std::string& name : members()) {
          if (!Runs(name)) continue;
          const absl::StatusOr<v1::NodeStatus> status = Status(name);
          if (status.ok() && status->membership().leader() == name) leader = name;
        }
        return !leader.empty();
      },
      timeout);
  return leader;
}

absl::Status MemberSite::WaitForConvergence(absl::Duration timeout) {
  std::string last;
  const auto same = [&] {
    std::map<std::string, std::string> held;
    for (const std::string& name : names()) {
      const absl::StatusOr<v1::StateDigest> digest = Digest(name);
      if (!digest.ok()) {
        last = fmt::format("{}: {}", name, digest.status().ToString());
        return false;
      }
      std::string& all = held[name];
      for (const v1::LogPosition& position : digest->vector()) all += fmt::format(" {}={}", position.origin(), position.size());
      for (const v1::ClassDigest& one : digest->classes()) {
        if (one.audience() == "*") all += fmt::format(" {} of {}", one.digest(), one.records());
      }
    }
    last = fmt::format("{}", held);
    // Of a network that has something: before that, all are equal.
    return !held[kHq].empty() && std::all_of(held.begin(), held.end(), [&](const auto& each) { return each.second == held[kHq]; });
  };
  if (Eventually(same, timeout)) return absl::OkStatus();
  return absl::DeadlineExceededError(last);
}

}  // namespace fairlead::framework
