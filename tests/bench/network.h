// Real nodes for a measurement, what is written to them, and when it was seen elsewhere. All is written at apac.
//
// Thread safety: one thread at a time, unless said otherwise. Ownership: each class owns what it starts.

#ifndef FAIRLEAD_TESTS_BENCH_NETWORK_H_
#define FAIRLEAD_TESTS_BENCH_NETWORK_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/client_context.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "fairlead/v1/record_service.grpc.pb.h"
#include "tests/bench/load.h"
#include "tests/framework/cluster.h"

namespace fairlead::bench {

inline constexpr char kCreate[] = "/fairlead.v1.EngagementService/CreateEngagement";
inline constexpr char kImportPorts[] = "/fairlead.v1.ReferenceService/ImportPorts";
// Answered by gRPC itself, without a line of this project's code: all it costs is the call.
inline constexpr char kEmpty[] = "/grpc.health.v1.Health/Check";

inline constexpr size_t kRecordBytes = 512;
inline constexpr int kChannels = 2;
inline constexpr int64_t kImportRows = 500;  // of one call
inline constexpr int kImportInFlight = 2;
inline constexpr int kPeakInFlight = 128;
inline constexpr int kFillInFlight = 512;
inline constexpr absl::Duration kWarmUp = absl::Seconds(2);

// Eight, so that there are enough UN/LOCODEs for all rows.
inline constexpr std::string_view kCountries[] = {"AU", "ID", "JP", "KR", "MY", "NZ", "PH", "VN"};

// The import of them all.
std::string CountriesRequest();
// A request whose record has kRecordBytes in protobuf.
std::string CreateRequest(std::string_view country = "JP");
// Its record alone.
std::string RecordBytes(std::string_view country = "JP");
// The n-th port of all that can be imported; no two have one name.
std::string PortName(int64_t n);
// Ports [first, end).
std::string PortsRequest(int64_t first, int64_t end);
// `in_flight` creates, all of CreateRequest.
LoadOptions Creates(int in_flight);

// Real nodes, with the countries that the records name.
class Network {
 public:
  static absl::StatusOr<std::unique_ptr<Network>> Start(std::vector<std::string> sites);

  framework::Cluster& cluster() { return *cluster_; }
  const Callers& callers() const { return callers_; }
  // Entries of apac's log that `site` has applied.
  absl::StatusOr<int64_t> EntriesAt(const std::string& site);

 private:
  explicit Network(std::unique_ptr<framework::Cluster> cluster) : cluster_(std::move(cluster)) {}

  const std::unique_ptr<framework::Cluster> cluster_;
  Callers callers_;
};

// The records that a watcher has been sent, and when. Thread safety: any thread.
class Watcher {
 public:
  Watcher(const std::shared_ptr<grpc::Channel>& channel, const std::string& collection);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  size_t count() const;
  // Each record's name and the time of its first event.
  std::unordered_map<std::string, absl::Time> seen() const;

 private:
  void Watch(const std::string& collection);

  grpc::ClientContext context_;
  const std::unique_ptr<v1::RecordService::Stub> stub_;
  mutable absl::Mutex mu_;
  std::unordered_map<std::string, absl::Time> seen_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};
// OK once the watcher sees what is created from now on.
absl::Status AwaitBegun(const Callers& callers, const Watcher& watcher);

// Creates at a steady rate, whatever earlier ones take: the time at which each record's create was acknowledged, by name.
using Acknowledged = std::unordered_map<std::string, absl::Time>;
absl::StatusOr<Acknowledged> RunPacedCreates(const Callers& callers, double rate, absl::Duration duration);
// How much later the watcher had each, ascending, in ms; what it had before its writer heard of it has no lag.
absl::StatusOr<std::vector<double>> LagsMs(const Acknowledged& acknowledged, const Watcher& watcher);

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_NETWORK_H_
