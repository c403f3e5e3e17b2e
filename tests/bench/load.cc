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
#include <thread>
#include <utility>

namespace fairlead::bench {
namespace {

constexpr std::chrono::seconds kCallTimeout(60);

Load Summed(const std::vector<std::vector<double>>& each_ms, double elapsed_s) {
  std::vector<double> ms;
  for (const std::vector<double>& some : each_ms) ms.insert(ms.end(), some.begin(), some.end());
  std::sort(ms.begin(), ms.end());
  return Load{.calls = static_cast<int64_t>(ms.size()),
              .rate = static_cast<double>(ms.size()) / elapsed_s,
              .p50_ms = Quantile(ms, 0.5),
              .p99_ms = Quantile(ms, 0.99)};
}

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
        if (options.replied) options.replied(*reply);
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
  std::vector<std::vector<double>> ms;
  for (Slot& slot : slots) ms.push_back(std::move(slot.ms));
  return Summed(ms, elapsed_s);
}

absl::Status RunPaced(const Callers& callers, const LoadOptions& options, double per_second) {
  absl::Mutex mu;
  absl::Status error;
  int64_t done = 0;
  const absl::Time start = absl::Now();
  for (int64_t n = 0; n < options.calls_max; ++n) {
    absl::SleepFor(start + absl::Seconds(static_cast<double>(n) / per_second) - absl::Now());
    callers[static_cast<size_t>(n) % callers.size()]->Call(options.method, options.request(n),
                                                           [&](const absl::StatusOr<std::string>& reply) {
                                                             if (reply.ok() && options.replied) options.replied(*reply);
                                                             absl::MutexLock lock(&mu);
                                                             if (!reply.ok()) error = reply.status();
                                                             ++done;
                                                           });
  }
  absl::MutexLock lock(&mu);
  auto all_done = [&] { return done == options.calls_max; };
  mu.Await(absl::Condition(&all_done));
  return error;
}

absl::StatusOr<Load> RunThreads(int threads, absl::Duration duration, int64_t calls_max,
                                const std::function<absl::Status(int thread, int64_t n)>& call) {
  std::vector<std::vector<double>> ms(static_cast<size_t>(threads));
  std::vector<absl::Status> errors(static_cast<size_t>(threads));
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  const absl::Time start = absl::Now();
  const absl::Time end = start + duration;
  std::vector<std::thread> running;
  for (int thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      const auto own = static_cast<size_t>(thread);
      for (;;) {
        const int64_t n = next++;
        const absl::Time sent = absl::Now();
        if (sent >= end || n >= calls_max || failed) return;
        errors[own] = call(thread, n);
        if (!errors[own].ok()) {
          failed = true;
          return;
        }
        ms[own].push_back(absl::ToDoubleMilliseconds(absl::Now() - sent));
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  const double elapsed_s = absl::ToDoubleSeconds(absl::Now() - start);
  for (const absl::Status& error : errors) {
    if (!error.ok()) return error;
  }
  return Summed(ms, elapsed_s);
}

}  // namespace fairlead::bench
