#include "tests/bench/load.h"

#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <atomic>
#include <chrono>

namespace fairlead::bench {
namespace {

constexpr std::chrono::seconds kCallTimeout(60);

}  // namespace

void Caller::Call(const std::string& method, const std::string& request, std::function<void(absl::StatusOr<std::string>)> done) {
  struct State {
    grpc::ClientContext context;
    grpc::ByteBuffer request, reply;
  };
  auto state = std::make_shared<State>();
  grpc::Slice slice(request);
  state->request = grpc::ByteBuffer(&slice, 1);
  state->context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  stub_.UnaryCall(
      &state->context, method, {}, &state->request, &state->reply, [state, method, done = std::move(done)](grpc::Status status) mutable {
        absl::StatusOr<std::string> reply;
        grpc::Slice bytes;
        if (!status.ok()) {
          reply = absl::Status(static_cast<absl::StatusCode>(status.error_code()), fmt::format("{}: {}", method, status.error_message()));
        } else if (!state->reply.TrySingleSlice(&bytes).ok() && !state->reply.DumpToSingleSlice(&bytes).ok()) {
          reply = absl::InternalError(fmt::format("{}: the reply cannot be read", method));
        } else {
          reply = std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
        }
        // The context holds the channel, and the last channel of a process may not end here, on one of gRPC's threads: it waits for them.
        state.reset();
        done(std::move(reply));
      });
}

absl::StatusOr<std::string> Caller::CallAndWait(const std::string& method, const std::string& request) {
  absl::Notification called;
  absl::StatusOr<std::string> out;
  Call(method, request, [&](absl::StatusOr<std::string> reply) {
    out = std::move(reply);
    called.Notify();
  });
  called.WaitForNotification();
  return out;
}

double Quantile(const std::vector<double>& ascending, double fraction) {
  if (ascending.empty()) return 0;
  return ascending[std::min(ascending.size() - 1, static_cast<size_t>(fraction * static_cast<double>(ascending.size())))];
}

absl::StatusOr<Load> RunLoad(const Callers& callers, const LoadOptions& options) {
  struct Slot {
    std::vector<double> ms;
    absl::Time sent;
  };
  std::vector<Slot> slots(static_cast<size_t>(options.in_flight));
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  absl::Mutex mu;
  absl::Status error;
  absl::BlockingCounter running(options.in_flight);
  const absl::Time start = absl::Now();
  const absl::Time end = start + options.duration;
  // Each slot calls again from the callback of its call before.
  std::function<void(size_t)> call = [&](size_t i) {
    const int64_t n = next++;
    const absl::Time now = absl::Now();
    if (now >= end || n >= options.calls_max || failed) {
      running.DecrementCount();
      return;
    }
    slots[i].sent = now;
    callers[i % callers.size()]->Call(options.method, options.request(n), [&, i](const absl::StatusOr<std::string>& reply) {
      if (reply.ok()) {
        slots[i].ms.push_back(absl::ToDoubleMilliseconds(absl::Now() - slots[i].sent));
      } else {
        failed = true;
        absl::MutexLock lock(&mu);
        error = reply.status();
      }
      call(i);
    });
  };
  for (size_t i = 0; i < slots.size(); ++i) call(i);
  running.Wait();
  const double elapsed_s = absl::ToDoubleSeconds(absl::Now() - start);
  if (failed) {
    absl::MutexLock lock(&mu);
    return error;
  }
  std::vector<double> ms;
  for (const Slot& slot : slots) ms.insert(ms.end(), slot.ms.begin(), slot.ms.end());
  std::sort(ms.begin(), ms.end());
  return Load{.calls = static_cast<int64_t>(ms.size()),
              .rate = static_cast<double>(ms.size()) / elapsed_s,
              .p50_ms = Quantile(ms, 0.5),
              .p99_ms = Quantile(ms, 0.99)};
}

}  // namespace fairlead::bench
