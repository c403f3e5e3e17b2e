// etcd with mutual TLS and synced writes, and the calls that are measured.
//
// Thread safety: one thread at a time; the requests' functions any. Ownership: owns its process.

#ifndef FAIRLEAD_TESTS_BENCH_ETCD_H_
#define FAIRLEAD_TESTS_BENCH_ETCD_H_

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tests/bench/load.h"
#include "tests/etcd/etcd_cluster.h"

namespace fairlead::bench {

class Etcd {
 public:
  static constexpr char kPut[] = "/etcdserverpb.KV/Put";
  static constexpr char kRange[] = "/etcdserverpb.KV/Range";
  static constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";

  // Returns when it answers, with `channels` connections to the member that leads. NOT_FOUND when it is not installed.
  static absl::StatusOr<std::unique_ptr<Etcd>> Start(int channels, int members = 1);

  const Callers& callers() const { return callers_; }
  // A connection of its own.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel() const;
  // How many keys there are.
  absl::StatusOr<int64_t> Keys();

  static std::string Key(int64_t n);
  // Of the n-th key: a record of kRecordBytes.
  static std::string PutRequest(int64_t n);
  // Serializable: answered from what this server has, without asking others.
  static std::string GetRequest(int64_t n);
  // Every change of any key.
  static std::string WatchRequest();
  // How many events a message of a watch brings.
  static int64_t Events(const std::string& message);

 private:
  Etcd() = default;

  std::unique_ptr<framework::EtcdCluster> server_;
  int leader_ = 0;
  Callers callers_;
};

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_ETCD_H_
