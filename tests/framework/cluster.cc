#include "tests/framework/cluster.h"

#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "api/licence.h"
#include "api/state_digest.h"
#include "certs/files.h"
#include "tests/framework/ports.h"

namespace fairlead::framework {
namespace {

namespace fs = std::filesystem;
namespace v1 = fairlead::v1;

constexpr char kHeadquarters[] = "hq";
constexpr char kAnalyst[] = "hq/analyst/desk";
constexpr absl::Duration kStartTimeout = absl::Seconds(60);
constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr size_t kLogTailBytes = 6000;

bool Listens(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

std::string Loopback(int port) { return fmt::format("127.0.0.1:{}", port); }

// A call that says how the node is, not how it becomes: without the client's consistency token.
client::CallOptions As(const std::string& site) {
  client::CallOptions call;
  call.site = site;
  call.timeout = kCallTimeout;
  call.token = "";
  return call;
}

std::string Describe(const v1::StateDigest& digest) {
  std::string out = digest.site() + ":";
  for (const v1::LogPosition& position : digest.vector()) out += fmt::format(" {}={}", position.origin(), position.size());
  for (const v1::ClassDigest& one : digest.classes()) {
    out += fmt::format(" [{}] {} of {} records", one.audience(), one.digest().substr(0, 8), one.records());
  }
  return out + fmt::format(" opaque={}", digest.opaque_entries());
}

// They have applied the same, and the classes of records that both hold have one digest.
bool Equal(const v1::StateDigest& a, const v1::StateDigest& b) {
  const auto vector_of = [](const v1::StateDigest& digest) {
    std::map<std::string, int64_t> vector;
    for (const v1::LogPosition& position : digest.vector()) vector[position.origin()] = position.size();
    return vector;
  };
  if (a.opaque_entries() != 0 || b.opaque_entries() != 0 || a.fold_version() != b.fold_version() || vector_of(a) != vector_of(b))
    return false;
  return CompareClasses(a, b).different.empty();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Start(ClusterOptions options) {
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(options)));
  if (absl::Status prepared = cluster->Prepare(); !prepared.ok()) return prepared;
  for (const std::string& site : cluster->sites()) {
    if (absl::Status launched = cluster->Launch(site); !launched.ok()) return launched;
  }
  for (const std::string& site : cluster->sites()) {
    if (absl::Status ready = cluster->AwaitReady(site); !ready.ok()) return ready;
  }
  return cluster;
}

Cluster::~Cluster() = default;

absl::Status Cluster::Prepare() {
  if (options_.own_certificates) CopyCertificates();
  for (const std::string& site : options_.sites) {
    Node& node = nodes_[site];
    for (int* port : {&node.port, &node.metrics_port}) {
      const absl::StatusOr<int> free = FreePort();
      if (!free.ok()) return free.status();
      *port = *free;
    }
  }
  for (auto& [site, node] : nodes_) {
    for (const auto& [peer, other] : nodes_) {
      if (peer == site || (!options_.region_links && peer != kHeadquarters && site != kHeadquarters)) continue;
      const absl::StatusOr<Proxy::Link> link = proxy_.AddLink(other.port);
      if (!link.ok()) return link.status();
      node.links.emplace(peer, *link);
    }
    fs::create_directories(folder(site));
    const std::string origin = fmt::format("{}/{}/1/{}", kNetworkName, site, kMainStream);
    const std::string licence =
        FormatLicence({.origin = origin, .unused_until = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) + 3600)});
    if (absl::Status written = certs::WriteFile(licence_file(site), licence, certs::Access::kOwnerOnly, certs::IfExists::kRefuse);
        !written.ok()) {
      return written;
    }
    if (absl::Status written = WriteConfiguration(site); !written.ok()) return written;
  }
  absl::StatusOr<std::unique_ptr<client::Client>> analyst = Connect(kAnalyst, "");
  if (!analyst.ok()) return analyst.status();
  analyst_ = *std::move(analyst);
  for (const std::string& site : options_.sites) {
    absl::StatusOr<std::unique_ptr<client::Client>> officer = Connect(fmt::format("officer/{}/watch", site), site);
    if (!officer.ok()) return officer.status();
    officers_[site] = *std::move(officer);
  }
  return absl::OkStatus();
}

absl::Status Cluster::WriteConfiguration(const std::string& site) const {
  const Node& node = nodes_.at(site);
  const std::string certs = certs_.string();
  std::string text = fmt::format(
      "network = \"{}\"\nsite = \"{}\"\ndata = \"{}\"\nlicence = \"{}\"\nlisten = \"{}\"\nmetrics = \"{}\"\n{}\n"
      "[tls]\ncertificate = \"{}/node/{}/tls.crt\"\nkey = \"{}/node/{}/tls.key\"\nca = \"{}/ca/ca.crt\"\n{}\n"
      "[keys]\nroster = \"{}/roster.note\"\nroot = \"{}/root.vkey\"\nlog = \"{}/node/{}/log.key\"\n"
      "mirror = \"{}/node/{}/mirror.key\"\ntoken = \"{}/node/{}/token.key\"\n"
      "[limits]\n{}\n",
      kNetworkName, site, data_folder(site), licence_file(site), address(site), metrics_address(site), options_.settings, certs, site,
      certs, site, certs, options_.tls, certs, certs, certs, site, certs, site, certs, site, options_.limits);
  for (const auto& [peer, link] : node.links) {
    text += fmt::format("[[peer]]\nsite = \"{}\"\naddress = \"{}\"\n", peer, Loopback(proxy_.port(link)));
  }
  return certs::WriteFile(config_file(site), text, certs::Access::kOwnerOnly, certs::IfExists::kReplace);
}

// Other clusters live by the original.
void Cluster::CopyCertificates() {
  if (certs_ != TestNetwork::Get().folder()) return;
  certs_ = fs::path(scratch_.path()) / "certs";
  fs::copy(TestNetwork::Get().folder(), certs_, fs::copy_options::recursive);
}

absl::Status Cluster::BeginEpoch(const std::string& site) {
  CopyCertificates();
  absl::StatusOr<certs::Network> network = certs::Network::Open(certs_);
  if (!network.ok()) return network.status();
  if (absl::StatusOr<RosterLog> log = network->BeginEpoch(site, absl::Now()); !log.ok()) return log.status();
  return TakeUpEpoch(site);
}

absl::Status Cluster::CloseLog(const std::string& log, const LogClosing& closing) {
  CopyCertificates();
  absl::StatusOr<certs::Network> network = certs::Network::Open(certs_);
  if (!network.ok()) return network.status();
  if (absl::StatusOr<RosterLog> newest = network->CloseLog(log, closing, absl::Now()); !newest.ok()) return newest.status();
  return TakeUpEpoch(log.substr(0, log.find('/')));
}

absl::Status Cluster::TakeUpEpoch(const std::string& site) const {
  std::error_code error;
  fs::copy_file(certs_ / "node" / site / "licence", licence_file(site), fs::copy_options::overwrite_existing, error);
  if (error) return absl::InternalError(fmt::format("{}: {}", licence_file(site), error.message()));
  for (const auto& [each, node] : nodes_) {
    if (absl::Status written = WriteConfiguration(each); !written.ok()) return written;
  }
  return absl::OkStatus();
}

absl::Status Cluster::BeginStream(const std::string& stream) {
  CopyCertificates();
  absl::StatusOr<certs::Network> network = certs::Network::Open(certs_);
  if (!network.ok()) return network.status();
  if (absl::Status begun = network->BeginStream(stream).status(); !begun.ok()) return begun;
  for (const auto& [each, node] : nodes_) {
    if (absl::Status written = WriteConfiguration(each); !written.ok()) return written;
  }
  return absl::OkStatus();
}

std::string Cluster::node_binary() { return FAIRLEAD_NODE_BINARY; }
std::string Cluster::address(const std::string& site) const { return Loopback(nodes_.at(site).port); }
std::string Cluster::metrics_address(const std::string& site) const { return Loopback(nodes_.at(site).metrics_port); }
std::string Cluster::folder(const std::string& site) const { return fmt::format("{}/{}", scratch_.path(), site); }
std::string Cluster::config_file(const std::string& site) const { return folder(site) + "/node.toml"; }
std::string Cluster::licence_file(const std::string& site) const { return folder(site) + "/licence"; }
std::string Cluster::data_folder(const std::string& site) const {
  const auto it = options_.data.find(site);
  return it == options_.data.end() ? folder(site) + "/data" : it->second;
}

std::string Cluster::Log(const std::string& site) const {
  std::ifstream file(folder(site) + "/node.log", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Cluster::LogTail(const std::string& site) const {
  std::string log = Log(site);
  if (log.size() > kLogTailBytes) log = "..." + log.substr(log.size() - kLogTailBytes);
  const std::unique_ptr<Process>& process = nodes_.at(site).process;
  const std::optional<Exit> exit = process ? process->Wait(absl::ZeroDuration()) : std::nullopt;
  return fmt::format("--- log of {} ({}):\n{}", site, exit ? "ended: " + ToString(*exit) : process ? "runs" : "never started", log);
}

std::string Cluster::Logs() const {
  std::string out;
  for (const std::string& site : options_.sites) out += LogTail(site);
  return out;
}

// --- Nodes -----------------------------------------------------------------------------------------------------------------------

absl::Status Cluster::Launch(const std::string& site) {
  Node& node = nodes_.at(site);
  if (node.process && !node.process->HasEnded()) return absl::FailedPreconditionError(fmt::format("the node of {} runs", site));
  std::vector<std::string> words = node.command;
  words.insert(words.end(), {"--config", config_file(site)});
  absl::StatusOr<std::unique_ptr<Process>> process = Process::Start(words, folder(site) + "/node.log");
  if (!process.ok()) return process.status();
  node.process = *std::move(process);
  return absl::OkStatus();
}

absl::Status Cluster::AwaitReady(const std::string& site) {
  Node& node = nodes_.at(site);
  const absl::Time deadline = absl::Now() + kStartTimeout;
  // gRPC backs off for seconds after a refused connection, so it is not asked to connect before the node listens.
  const bool listens = Eventually([&] { return node.process->HasEnded() || Listens(node.port); }, kStartTimeout);
  absl::Status status = absl::DeadlineExceededError("it does not listen");
  if (node.process->HasEnded()) {
    status = absl::UnavailableError(ToString(*node.process->Wait(absl::ZeroDuration())));
  } else if (listens) {
    absl::StatusOr<std::unique_ptr<client::Client>> probe = Connect(kAnalyst, site);
    if (!probe.ok()) return probe.status();
    client::CallOptions call;
    call.timeout = deadline - absl::Now();
    status = (*probe)->Call<v1::NodeStatus>("fairlead.v1.NodeService.GetNodeStatus", v1::GetNodeStatusRequest(), call).status();
  }
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      fmt::format("the node of {} did not start: {}\n{}", site, std::string(status.message()), LogTail(site)));
}

absl::Status Cluster::StartNode(const std::string& site) {
  if (absl::Status launched = Launch(site); !launched.ok()) return launched;
  return AwaitReady(site);
}

void Cluster::Kill(const std::string& site) {
  nodes_.at(site).process->Signal(SIGKILL);
  nodes_.at(site).process->Wait(absl::InfiniteDuration());
}

void Cluster::RunAs(const std::string& site, std::vector<std::string> command) { nodes_.at(site).command = std::move(command); }
void Cluster::Pause(const std::string& site) { nodes_.at(site).process->Signal(SIGSTOP); }
void Cluster::Resume(const std::string& site) { nodes_.at(site).process->Signal(SIGCONT); }

void Cluster::RequestStop(const std::string& site) { nodes_.at(site).process->Signal(SIGTERM); }

absl::StatusOr<Exit> Cluster::AwaitExit(const std::string& site, absl::Duration timeout) {
  const std::optional<Exit> exit = nodes_.at(site).process->Wait(timeout);
  if (!exit) return absl::DeadlineExceededError(fmt::format("the node of {} still runs after {}", site, absl::FormatDuration(timeout)));
  return *exit;
}

absl::StatusOr<Exit> Cluster::Stop(const std::string& site, absl::Duration timeout) {
  RequestStop(site);
  return AwaitExit(site, timeout);
}

// --- Links -----------------------------------------------------------------------------------------------------------------------

void Cluster::SetLink(const std::string& receiver, const std::string& peer, LinkState state) {
  proxy_.SetState(nodes_.at(receiver).links.at(peer), state);
}

void Cluster::SetLinks(const std::string& site, LinkState state) {
  for (const auto& [receiver, node] : nodes_) {
    for (const auto& [peer, link] : node.links) {
      if (receiver == site || peer == site) proxy_.SetState(link, state);
    }
  }
}

void Cluster::SetDelay(const std::string& receiver, const std::string& peer, absl::Duration delay, absl::Duration jitter) {
  proxy_.SetDelay(nodes_.at(receiver).links.at(peer), delay, jitter);
}

void Cluster::SetRate(const std::string& receiver, const std::string& peer, size_t bytes_per_second) {
  proxy_.SetRate(nodes_.at(receiver).links.at(peer), bytes_per_second);
}

void Cluster::ResetConnections(const std::string& receiver, const std::string& peer) {
  proxy_.ResetConnections(nodes_.at(receiver).links.at(peer));
}

LinkCounts Cluster::Counts(const std::string& receiver, const std::string& peer) const {
  return proxy_.counts(nodes_.at(receiver).links.at(peer));
}

// --- Calls -----------------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<client::Client>> Cluster::Connect(const std::string& identity, const std::string& site) const {
  const absl::StatusOr<Credentials> credentials = TestNetwork::Get().Of(identity);
  if (!credentials.ok()) return credentials.status();
  return Connect(*credentials, site);
}

absl::StatusOr<std::unique_ptr<client::Client>> Cluster::Connect(const Credentials& credentials, const std::string& site) const {
  client::ClientOptions options;
  options.network = kNetworkName;
  options.certificate_file = credentials.certificate_file;
  options.key_file = credentials.key_file;
  options.ca_file = credentials.ca_file;
  options.site = site;
  options.timeout = kPatience;
  for (const std::string& each : options_.sites) options.nodes.push_back({each, address(each)});
  return client::Client::Connect(std::move(options));
}

client::Client& Cluster::Officer(const std::string& site) { return *officers_.at(site); }

absl::StatusOr<std::shared_ptr<grpc::Channel>> Cluster::Channel(const Credentials& credentials, const std::string& site) const {
  return ChannelTo(credentials, site, address(site));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Cluster::Channel(const std::string& identity, const std::string& site) const {
  const absl::StatusOr<Credentials> credentials = TestNetwork::Get().Of(identity);
  if (!credentials.ok()) return credentials.status();
  return Channel(*credentials, site);
}

absl::StatusOr<v1::NodeStatus> Cluster::Status(const std::string& site) {
  return analyst_->Call<v1::NodeStatus>("fairlead.v1.NodeService.GetNodeStatus", v1::GetNodeStatusRequest(), As(site));
}

absl::StatusOr<v1::StateDigest> Cluster::Digest(const std::string& site) {
  return analyst_->Call<v1::StateDigest>("fairlead.v1.NodeService.GetStateDigest", v1::GetStateDigestRequest(), As(site));
}

absl::StatusOr<v1::Overview> Cluster::Overview(const std::string& site) {
  return analyst_->Call<v1::Overview>("fairlead.v1.OverviewService.GetOverview", v1::GetOverviewRequest(), As(site));
}

absl::Status Cluster::WaitForConvergence(std::vector<std::string> sites, absl::Duration timeout) {
  if (sites.empty()) sites = options_.sites;
  std::string last;
  const auto converged = [&] {
    last.clear();
    bool equal = true;
    std::optional<v1::StateDigest> first;
    for (const std::string& site : sites) {
      const absl::StatusOr<v1::StateDigest> digest = Digest(site);
      if (!digest.ok()) {
        last += fmt::format("\n{}: {}", site, digest.status().ToString());
        equal = false;
        continue;
      }
      last += "\n" + Describe(*digest);
      if (!first) first = *digest;
      equal = equal && Equal(*first, *digest);
    }
    return equal;
  };
  if (Eventually(converged, timeout)) return absl::OkStatus();
  return absl::DeadlineExceededError(fmt::format("no convergence within {}:{}", absl::FormatDuration(timeout), last));
}

}  // namespace fairlead::framework
