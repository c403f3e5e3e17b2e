// Calls in flight, and what they took.
//
// Thread safety: a Caller may be used from any thread; the rest by one at a time. Ownership: values; nothing outlives its call.

#ifndef FAIRLEAD_TESTS_BENCH_LOAD_H_
#define FAIRLEAD_TESTS_BENCH_LOAD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fairlead::bench {

// Unary calls over one channel, in bytes: whatever is called, the client's own share is the same.
class Caller {
 public:
  explicit Caller(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {}

  // `done` gets the reply's bytes, on one of gRPC's threads.
  void Call(const std::string& method, const std::string& request, std::function<void(absl::StatusOr<std::string>)> done);
  absl::StatusOr<std::string> CallAndWait(const std::string& method, const std::string& request);

 private:
  grpc::GenericStub stub_;
};
using Callers = std::vector<std::unique_ptr<Caller>>;

// The value at `fraction` (0 to 1) of ascending values; 0 when there are none.
double Quantile(const std::vector<double>& ascending, double fraction);

struct Load {
  int64_t calls = 0;  // that succeeded
  double rate = 0;    // of them, per second
  double p50_ms = 0;
  double p99_ms = 0;
};

struct LoadOptions {
  std::string method;
  std::function<std::string(int64_t n)> request;  // of the n-th call; any thread
  int in_flight = 1;
  absl::Duration duration = absl::InfiniteDuration();  // after which no call is begun
  int64_t calls_max = INT64_MAX;
  std::function<void(const std::string& reply)> replied;  // of each call that succeeded, when set; any thread
};
// `in_flight` calls at all times, spread over the callers, until one of the bounds is reached. The first error of a call ends it.
absl::StatusOr<Load> RunLoad(const Callers& callers, const LoadOptions& options);
// `calls_max` calls at a steady rate, whatever earlier ones take; returns when all have ended. `in_flight` and `duration` do not count.
absl::Status RunPaced(const Callers& callers, const LoadOptions& options, double per_second);
// As RunLoad, by threads that each make one call after another: `call(thread, n)`, until `duration` is over or `calls_max` calls were made.
absl::StatusOr<Load> RunThreads(int threads, absl::Duration duration, int64_t calls_max,
                                const std::function<absl::Status(int thread, int64_t n)>& call);

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_LOAD_H_
