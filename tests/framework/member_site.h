// A site of three nodes on etcd (a, b and c, all of apac) and headquarters on one machine (hq), as real processes.
//
// Thread safety: one thread at a time, which outlives it (process.h); clients may be used from any thread. Ownership: owns the processes,
// those of etcd too, and the folder; all are gone when it is.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_MEMBER_SITE_H_
#define FAIRLEAD_TESTS_FRAMEWORK_MEMBER_SITE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/connection.h"
#include "fairlead/v1/node_service.pb.h"
#include "storage/scratch_directory.h"
#include "tests/etcd/etcd_cluster.h"
#include "tests/framework/process.h"

namespace fairlead::framework {

struct MemberSiteOptions {
  int etcd_members = 1;
  absl::Duration lease = absl::Seconds(2);  // whole seconds
  // Where each node runs, by name. Of several members of etcd, the first is where a is, and so on.
  std::map<std::string, Place> places;
  std::string node_binary = {};  // what every node begins as; empty: this build's
};

class MemberSite {
 public:
  static constexpr char kSite[] = "apac";
  static constexpr char kHq[] = "hq";

  // With etcd that runs, and nodes that do not.
  static absl::StatusOr<std::unique_ptr<MemberSite>> Make(MemberSiteOptions options = {});
  // The site begins with what `a` has, grows by b and c, and all run. Returns when they answer and one leads.
  absl::Status Start();

  EtcdCluster& etcd() { return *etcd_; }
  // Of all nodes.
  std::vector<std::string> names() const;
  // Of those of the site.
  std::vector<std::string> members() const;
  std::string address(const std::string& name) const;
  std::string folder(const std::string& name) const { return scratch_.path() + "/" + name; }
  std::string config_file(const std::string& name) const { return folder(name) + "/node.toml"; }
  std::string Log(const std::string& name) const;
  // The last of it of every node, for a test that has failed.
  std::string Logs() const;

  // --- Nodes --------------------------------------------------------------------------------------------------------------------
  // Another member, configured and not started.
  absl::Status Add(const std::string& name);
  // One that does not run and is of no interest any more.
  void Remove(const std::string& name) { nodes_.erase(name); }
  // Writes the configuration; of one machine: without [member] and [etcd].
  absl::Status Configure(const std::string& name, bool of_one_machine = false);
  absl::Status Launch(const std::string& name);
  // Of the nodes that are launched from now on: this build's program.
  void Upgrade() { options_.node_binary.clear(); }
  // SIGKILL; returns when the process is gone.
  void Kill(const std::string& name);
  void Signal(const std::string& name, int signal) { nodes_.at(name).process->Signal(signal); }
  // SIGTERM. DEADLINE_EXCEEDED when it runs on.
  absl::Status Stop(const std::string& name);
  bool Runs(const std::string& name) { return nodes_.at(name).process != nullptr && !nodes_.at(name).process->HasEnded(); }
  // `fairlead-node --config FILE WORD...`, to its end.
  absl::StatusOr<Ended> RunNode(const std::string& name, std::vector<std::string> words) const;

  // --- Calls --------------------------------------------------------------------------------------------------------------------
  // Whose calls go to this node, or to whichever of these answers.
  absl::StatusOr<std::unique_ptr<client::Client>> Connect(const std::string& identity, const std::vector<std::string>& names) const;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel(const std::string& identity, const std::string& name) const;
  // Of an analyst, who asks this node and no other.
  client::Client& Analyst(const std::string& name) { return *nodes_.at(name).client; }
  absl::StatusOr<v1::NodeStatus> Status(const std::string& name);
  absl::StatusOr<v1::StateDigest> Digest(const std::string& name);
  // Waits for one that says that it leads; empty when none did.
  std::string Leader(absl::Duration timeout);
  // Returns when all nodes hold the same; DEADLINE_EXCEEDED saying how they differ.
  absl::Status WaitForConvergence(absl::Duration timeout);

 private:
  struct Node {
    std::string site;
    Place place;
    int port = 0;
    std::unique_ptr<Process> process;
    std::unique_ptr<client::Client> client;
  };
  explicit MemberSite(MemberSiteOptions options) : options_(std::move(options)) {}

  std::string NodeBinary() const;

  MemberSiteOptions options_;
  const storage::ScratchDirectory scratch_;
  std::unique_ptr<EtcdCluster> etcd_;
  std::map<std::string, Node> nodes_;
};

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_MEMBER_SITE_H_
