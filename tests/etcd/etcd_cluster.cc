#include "tests/etcd/etcd_cluster.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "server/etcd/client.h"
#include "tests/framework/eventually.h"
#include "tests/framework/ports.h"

namespace fairlead::framework {

namespace {

constexpr char kProgram[] = "/usr/bin/etcd";
constexpr absl::Duration kLeaderTimeout = absl::Seconds(1);

std::string NameOf(int member) { return fmt::format("m{}", member); }
std::string Url(const Place& place, int port) { return fmt::format("https://{}:{}", place.host, port); }
std::string LogOf(int member) { return NameOf(member) + ".log"; }

}  // namespace

bool EtcdCluster::Installed() { return access(kProgram, X_OK) == 0; }

absl::StatusOr<std::unique_ptr<EtcdCluster>> EtcdCluster::Start(EtcdClusterOptions options) {
  if (absl::Status there = bench::RequireProgram(kProgram, "etcd-server"); !there.ok()) return there;
  std::unique_ptr<EtcdCluster> cluster(new EtcdCluster(options));
  std::vector<std::string> hosts;
  for (const Place& place : options.places) hosts.push_back(place.host);
  absl::StatusOr<std::unique_ptr<bench::PeerHome>> home = bench::PeerHome::Make(bench::RunAs::kSelf, hosts);
  if (!home.ok()) return home.status();
  cluster->home_ = *std::move(home);
  for (int i = 0; i < options.members; ++i) {
    const absl::StatusOr<int> port = FreePort();
    const absl::StatusOr<int> peer_port = FreePort();
    if (!port.ok() || !peer_port.ok()) return port.ok() ? peer_port.status() : port.status();
    cluster->members_.push_back({*port, *peer_port, nullptr});
  }
  for (int i = 0; i < options.members; ++i) {
    if (absl::Status launched = cluster->Launch(i); !launched.ok()) return launched;
  }
  for (int i = 0; i < options.members; ++i) {
    Member& member = cluster->members_[i];
    const bool ready = Eventually([&] { return member.process->HasEnded() || bench::Listens(member.port, cluster->PlaceOf(i).host); },
                                  bench::kPeerStartTimeout);
    if (!ready || member.process->HasEnded()) return cluster->home_->WithLog(absl::UnavailableError("etcd does not listen"), LogOf(i));
  }
  return cluster;
}

EtcdCluster::~EtcdCluster() {
  for (Member& member : members_) {
    if (member.process != nullptr) member.process->Signal(SIGCONT);
    bench::EndPeer(member.process.get(), SIGTERM);
  }
}

absl::Status EtcdCluster::Launch(int member) {
  std::string cluster;
  for (int i = 0; i < options_.members; ++i) {
    cluster += fmt::format("{}{}={}", i == 0 ? "" : ",", NameOf(i), Url(PlaceOf(i), members_[i].peer_port));
  }
  const std::string client_url = Url(PlaceOf(member), members_[member].port);
  const std::string peer_url = Url(PlaceOf(member), members_[member].peer_port);
  const bench::PeerHome& files = *home_;
  std::vector<std::string> command = {kProgram,
                                      "--name=" + NameOf(member),
                                      "--data-dir=" + files.path() + "/" + NameOf(member),
                                      "--listen-client-urls=" + client_url,
                                      "--advertise-client-urls=" + client_url,
                                      "--listen-peer-urls=" + peer_url,
                                      "--initial-advertise-peer-urls=" + peer_url,
                                      "--initial-cluster=" + cluster,
                                      "--client-cert-auth",
                                      "--trusted-ca-file=" + files.ca_file(),
                                      "--cert-file=" + files.certificate_file(),
                                      "--key-file=" + files.key_file(),
                                      "--peer-client-cert-auth",
                                      "--peer-trusted-ca-file=" + files.ca_file(),
                                      "--peer-cert-file=" + files.certificate_file(),
                                      "--peer-key-file=" + files.key_file(),
                                      fmt::format("--quota-backend-bytes={}", options_.quota_bytes),
                                      "--logger=zap",
                                      "--log-level=error"};
  absl::StatusOr<std::unique_ptr<Process>> process = files.Start(At(PlaceOf(member), std::move(command)), LogOf(member));
  if (!process.ok()) return process.status();
  members_[member].process = *std::move(process);
  return absl::OkStatus();
}

Place EtcdCluster::PlaceOf(int member) const {
  return static_cast<size_t>(member) < options_.places.size() ? options_.places[member] : Place();
}

std::vector<std::string> EtcdCluster::endpoints() const {
  std::vector<std::string> out;
  for (size_t i = 0; i < members_.size(); ++i) out.push_back(fmt::format("{}:{}", PlaceOf(i).host, members_[i].port));
  return out;
}

int EtcdCluster::Leader() const {
  const std::vector<std::string> all = endpoints();
  for (size_t i = 0; i < all.size(); ++i) {
    etcd::EtcdClient client(
        {.endpoints = {all[i]},
         .credentials = [this] { return etcd::EtcdCredentials(home_->ca_file(), home_->certificate_file(), home_->key_file()); },
         .timeout = kLeaderTimeout});
    const absl::StatusOr<etcd::pb::StatusResponse> status = client.Status();
    if (status.ok() && status->leader() != 0 && status->leader() == status->header().member_id()) return static_cast<int>(i);
  }
  return -1;
}

void EtcdCluster::Signal(int member, int signal) {
  if (members_[member].process != nullptr) members_[member].process->Signal(signal);
}

void EtcdCluster::Kill(int member) { members_[member].process.reset(); }

absl::Status EtcdCluster::StartAgain(int member) { return Launch(member); }

absl::Status EtcdCluster::WithLog(const absl::Status& status) const { return home_->WithLog(status, LogOf(0)); }

}  // namespace fairlead::framework
