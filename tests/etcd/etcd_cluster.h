// A cluster of real etcd on loopback, with TLS and a certificate asked of everybody, for tests and measurements.
//
// Thread safety: one thread at a time, the one that starts it. Ownership: owns its processes and its folder.

#ifndef FAIRLEAD_TESTS_ETCD_ETCD_CLUSTER_H_
#define FAIRLEAD_TESTS_ETCD_ETCD_CLUSTER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/peer.h"
#include "tests/framework/process.h"

namespace fairlead::framework {

struct EtcdClusterOptions {
  int members = 1;
  int64_t quota_bytes = int64_t{2} << 30;
  std::vector<Place> places = {};  // of each member; those beyond its end are on loopback
};

class EtcdCluster {
 public:
  static bool Installed();
  // Returns when all its members listen; they may still be electing. NOT_FOUND when etcd is not installed.
  static absl::StatusOr<std::unique_ptr<EtcdCluster>> Start(EtcdClusterOptions options = {});
  ~EtcdCluster();

  // "host:port" of each member.
  std::vector<std::string> endpoints() const;
  // Whose certificates it trusts, and one that it does.
  const bench::PeerHome& home() const { return *home_; }
  // Has no effect on a member that is down.
  void Signal(int member, int signal);
  // The member that leads, as it says itself; -1 when none does.
  int Leader() const;
  // Without a chance to end in order.
  void Kill(int member);
  // A member that was killed, with what it had.
  absl::Status StartAgain(int member);
  // `status` and the end of what the first member wrote.
  absl::Status WithLog(const absl::Status& status) const;

 private:
  struct Member {
    int port = 0;
    int peer_port = 0;
    std::unique_ptr<Process> process;
  };
  explicit EtcdCluster(const EtcdClusterOptions& options) : options_(options) {}
  absl::Status Launch(int member);
  Place PlaceOf(int member) const;

  const EtcdClusterOptions options_;
  std::unique_ptr<bench::PeerHome> home_;
  std::vector<Member> members_;
};

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_ETCD_ETCD_CLUSTER_H_
