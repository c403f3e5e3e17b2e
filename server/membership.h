// One member of a site of several machines, whose commit log is on etcd: what it has beside its node.
//
// A site begins on one machine. Grow makes its log on etcd from that machine's store, which is a member's from then on, until EndLog and
// LeaveLog make one member's store its site's alone again. Other members begin with a copy of it, or empty while the log has its first
// entry yet; for each, the log is kept from the moment it is admitted. Members need no licence (api/PROTOCOL.md, rule 7): what may be
// appended, the log decides.
//
// Thread safety: any thread, but Prepare, Start and Stop by one. Ownership: owns its connections to etcd and its threads; borrows the node,
// which it outlives, since the node's commit log uses the connections.

#ifndef FAIRLEAD_SERVER_MEMBERSHIP_H_
#define FAIRLEAD_SERVER_MEMBERSHIP_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/steady_event.h"
#include "server/config.h"
#include "server/etcd/client.h"
#include "server/etcd/commit_log.h"
#include "server/etcd/health.h"
#include "server/etcd/member.h"
#include "server/etcd/watch.h"
#include "server/node/commit_log.h"
#include "server/node/node.h"
#include "storage/store.h"

namespace fairlead {

// What the members of a site know of each other, as one of them sees it.
struct MembershipView {
  std::string name;    // of this one
  std::string leader;  // empty: none is known
  std::string leader_address;
  uint64_t term = 0;                        // while this one leads; else 0
  std::map<std::string, Position> durable;  // of each member, as it said last
  std::optional<etcd::EtcdHealth> health;   // nullopt: etcd does not answer
  int64_t quota_bytes = 0;                  // of etcd, as configured
  std::string warning;                      // what an operator has to know of it; empty when all is well
};

class Membership {
 public:
  // FAILED_PRECONDITION, when the store is a member's: a site of one machine does not begin with it.
  static absl::Status RefuseMembersStore(const storage::Store& store);
  // Makes the site's log on etcd, to go on where the store ends, and admits these members beside this one. Done again after a crash, it is
  // done once. FAILED_PRECONDITION when etcd has another history. REQUIRES: the node of `store` was opened with its licence, and is closed.
  static absl::Status Grow(const NodeConfig& config, storage::Store* store, const std::vector<std::string>& members);
  // Keeps the log on etcd for a member that is to come, from now on; or no more for one that is gone.
  static absl::Status Admit(const NodeConfig& config, const std::string& member);
  static absl::Status Forget(const NodeConfig& config, const std::string& member);

  // Back to one machine, when no node of the site runs: first the log on etcd is ended for good, by a member that has all of it by then.
  // Nobody leads the site afterwards. FAILED_PRECONDITION when another member does, or this one cannot follow the log.
  static absl::Status EndLog(const NodeConfig& config, node::NodeOptions options, std::unique_ptr<storage::Store> store);
  // Whether it was ended so, with this store.
  static absl::StatusOr<bool> LogEnded(const NodeConfig& config, storage::Store* store);
  // Then the store is its site's alone, with the licence (rule 7). Done again after a crash, it is done once. REQUIRES: LogEnded.
  static absl::Status LeaveLog(const NodeConfig& config, const Roster& roster, storage::Store* store);

  // REQUIRES: the configuration is a member's.
  explicit Membership(const NodeConfig& config);
  ~Membership();  // stops
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Before the node is opened on `store`: an empty one becomes a member's, when the log on etcd still begins at its beginning. Errors say
  // what else the member can begin with.
  absl::Status Prepare(storage::Store* store);
  // NodeOptions::commit_log. REQUIRES: Prepare.
  absl::StatusOr<std::unique_ptr<node::CommitLog>> OpenLog(storage::Store* store);
  // Has this member stand for election, and follow. `on_change` is called, from a thread of this, after it came to lead or ceased to, or
  // the leader is at another address. Once.
  void Start(node::Node* node, std::function<void()> on_change);
  // Steps down. After the node's runner has stopped, so that what it had taken is committed.
  void Stop();

  bool leads() const { return log_->Term() != 0; }
  // OK when this member leads; else UNAVAILABLE, to refuse with what only the leader does.
  absl::Status Leads() const;
  // Where the member is that leads; empty when there is none, or it is this one.
  std::string leader_address() const;
  MembershipView View() const;
  // Why the site takes no writes through this member; empty when it does.
  std::string UnwritableReason(const node::Node& node) const;

 private:
  void Run();
  void LookAtEtcd();

  const NodeConfig config_;
  const std::unique_ptr<etcd::EtcdClient> etcd_;
  etcd::EtcdCommitLog* log_ = nullptr;  // the node's
  node::Node* node_ = nullptr;
  std::function<void()> on_change_;
  std::unique_ptr<etcd::Member> member_;
  std::vector<std::unique_ptr<etcd::EtcdWatch>> watches_;
  std::thread thread_;
  SteadyEvent woken_;  // or stopping
  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, Position> durable_ ABSL_GUARDED_BY(mu_);
  std::optional<etcd::EtcdHealth> health_ ABSL_GUARDED_BY(mu_);
  std::string warning_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVER_MEMBERSHIP_H_
