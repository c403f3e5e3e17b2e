// A Fairlead network of real nodes: one process a site over mutual TLS on loopback, each link between two nodes through a proxy.
//
// A link is directed as replication is: the link of receiver R to peer P is the connection that R dials, over which P's journal reaches R.
// A node that is killed and started again keeps its data, ports and links.
//
// Thread safety: one thread at a time, which outlives the cluster (process.h); clients may be used from any thread, and so may what the
// methods marked so return. Ownership: owns processes, folder and proxy; all are gone when it is, whatever the test's outcome.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_CLUSTER_H_
#define FAIRLEAD_TESTS_FRAMEWORK_CLUSTER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/roster.h"
#include "client/connection.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/overview_service.pb.h"
#include "storage/scratch_directory.h"
#include "tests/framework/eventually.h"
#include "tests/framework/process.h"
#include "tests/framework/proxy.h"
#include "tests/framework/test_network.h"

namespace fairlead::framework {

struct ClusterOptions {
  std::vector<std::string> sites = {"apac", "eame", "csa", "hq"};
  // Whether the regions dial each other. Every site and hq always do.
  bool region_links = true;
  // Lines of TOML for every node's configuration: before its tables, and in its tables [tls] and [limits].
  std::string settings;
  std::string tls;
  std::string limits;
  // Whether the cluster has a copy of the network's certificates for itself, to revoke and replace (certs_folder).
  bool own_certificates = false;
  // Data folders outside the cluster's own, by site.
  std::map<std::string, std::string> data;
};

class Cluster {
 public:
  // Returns when every node answers. An error holds the end of the log of the node that did not.
  static absl::StatusOr<std::unique_ptr<Cluster>> Start(ClusterOptions options = {});
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  const std::vector<std::string>& sites() const { return options_.sites; }
  static std::string node_binary();
  // Any thread.
  std::string address(const std::string& site) const;
  // The network folder (certs/network.h) that the nodes read. To be changed only with `own_certificates`.
  const std::filesystem::path& certs_folder() const { return certs_; }
  std::string metrics_address(const std::string& site) const;
  std::string folder(const std::string& site) const;
  std::string data_folder(const std::string& site) const;
  std::string licence_file(const std::string& site) const;
  std::string config_file(const std::string& site) const;
  // What the node has written, from its first start.
  std::string Log(const std::string& site) const;
  // The last lines of every node's log, for a test that has failed.
  std::string Logs() const;

  // --- Nodes --------------------------------------------------------------------------------------------------------------------
  // The words that run a node from its next start on, before `--config FILE`: node_binary() alone unless told otherwise.
  void RunAs(const std::string& site, std::vector<std::string> command);
  // Starts a node that does not run, and returns when it answers.
  absl::Status StartNode(const std::string& site);
  // SIGKILL; returns when the process is gone.
  void Kill(const std::string& site);
  // SIGSTOP: it lives and does nothing, until SIGCONT.
  void Pause(const std::string& site);
  void Resume(const std::string& site);
  // SIGTERM. DEADLINE_EXCEEDED when the node runs on after `timeout`.
  absl::StatusOr<Exit> Stop(const std::string& site, absl::Duration timeout = absl::Seconds(20));
  // SIGTERM, without waiting; AwaitExit waits.
  void RequestStop(const std::string& site);
  absl::StatusOr<Exit> AwaitExit(const std::string& site, absl::Duration timeout = absl::Seconds(20));
  bool HasEnded(const std::string& site) { return nodes_.at(site).process->HasEnded(); }
  // 0 before the first start.
  pid_t pid(const std::string& site) const { return nodes_.at(site).process ? nodes_.at(site).process->pid() : 0; }

  // `fairlead certs epoch` for a node that does not run; the others learn of it when they are started again.
  absl::Status BeginEpoch(const std::string& site);
  // `fairlead certs close` of `{site}/{epoch}/{stream}`, likewise.
  absl::Status CloseLog(const std::string& log, const LogClosing& closing);
  // `fairlead certs stream`, of which nodes learn when they are started again.
  absl::Status BeginStream(const std::string& stream);

  // --- Links --------------------------------------------------------------------------------------------------------------------
  void SetLink(const std::string& receiver, const std::string& peer, LinkState state);
  // All links of a site, both ways.
  void SetLinks(const std::string& site, LinkState state);
  void SetDelay(const std::string& receiver, const std::string& peer, absl::Duration delay, absl::Duration jitter = absl::ZeroDuration());
  void SetRate(const std::string& receiver, const std::string& peer, size_t bytes_per_second);
  void ResetConnections(const std::string& receiver, const std::string& peer);
  // Whether `receiver` is configured to dial `peer`.
  bool HasLink(const std::string& receiver, const std::string& peer) const { return nodes_.at(receiver).links.contains(peer); }
  LinkCounts Counts(const std::string& receiver, const std::string& peer) const;

  // --- Calls --------------------------------------------------------------------------------------------------------------------
  // A client with the identity `identity`, which asks `site` unless told otherwise and knows all sites.
  absl::StatusOr<std::unique_ptr<client::Client>> Connect(const std::string& identity, const std::string& site) const;
  absl::StatusOr<std::unique_ptr<client::Client>> Connect(const Credentials& credentials, const std::string& site) const;
  // The client of officer/{site}/watch, which asks its own site. Made once.
  client::Client& Officer(const std::string& site);
  // A channel of its own to one node, for calls that the client library does not make. Any thread.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel(const Credentials& credentials, const std::string& site) const;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel(const std::string& identity, const std::string& site) const;

  absl::StatusOr<fairlead::v1::NodeStatus> Status(const std::string& site);
  absl::StatusOr<fairlead::v1::StateDigest> Digest(const std::string& site);
  absl::StatusOr<fairlead::v1::Overview> Overview(const std::string& site);
  // OK once all of `sites` (every site when empty) have applied the same entries, hold nothing opaque and have equal state digests;
  // DEADLINE_EXCEEDED saying how they differ.
  absl::Status WaitForConvergence(std::vector<std::string> sites = {}, absl::Duration timeout = kPatience);

 private:
  struct Node {
    int port = 0;
    int metrics_port = 0;
    std::map<std::string, Proxy::Link> links;  // by peer
    std::vector<std::string> command{node_binary()};
    std::unique_ptr<Process> process;
  };

  explicit Cluster(ClusterOptions options) : options_(std::move(options)) {}
  absl::Status Prepare();
  absl::Status Launch(const std::string& site);
  absl::Status AwaitReady(const std::string& site);
  void CopyCertificates();
  // Gives the site the licence, and all nodes the roster, that the network folder has now.
  absl::Status TakeUpEpoch(const std::string& site) const;
  absl::Status WriteConfiguration(const std::string& site) const;
  std::string LogTail(const std::string& site) const;

  const ClusterOptions options_;
  const storage::ScratchDirectory scratch_;
  std::filesystem::path certs_ = TestNetwork::Get().folder();  // of the nodes
  Proxy proxy_;
  std::map<std::string, Node> nodes_;
  std::map<std::string, std::unique_ptr<client::Client>> officers_;
  std::unique_ptr<client::Client> analyst_;
};

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_CLUSTER_H_
