// Streams that are told of changes, as bytes and without a thread for each: whatever is watched, the client's own share is the same.
//
// Thread safety: any thread, but Open by one. Ownership: owns its calls; they are cancelled and have ended when it is gone.

#ifndef FAIRLEAD_TESTS_BENCH_DELIVERIES_H_
#define FAIRLEAD_TESTS_BENCH_DELIVERIES_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fairlead::bench {

class Deliveries {
 public:
  struct Options {
    std::string method;
    std::string request;
    bool half_closes = true;                                    // whether the request is said to be the last
    std::function<int64_t(const std::string& message)> events;  // that a message brings; any thread
  };
  explicit Deliveries(Options options);
  ~Deliveries();
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  enum class Reads { kAll, kNothing };
  void Open(const std::shared_ptr<grpc::Channel>& channel, Reads reads = Reads::kAll);

  // Events of all streams so far.
  int64_t events() const { return events_.load(); }
  // How many streams have had a message.
  int64_t begun() const { return begun_.load(); }
  // How many have not ended.
  int64_t open() const;

 private:
  class Stream;

  const Options options_;
  std::atomic<int64_t> events_{0};
  std::atomic<int64_t> begun_{0};
  mutable absl::Mutex mu_;
  int64_t open_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_DELIVERIES_H_
