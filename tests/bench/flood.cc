// What an officer's calls take while a partner's system calls as fast as it can, on connections of its own.

#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/load.h"
#include "tests/bench/measurements.h"
#include "tests/framework/cluster.h"

namespace fairlead::bench {
namespace {

using framework::Cluster;

constexpr char kOfficersCall[] = "/fairlead.v1.NodeService/GetNodeStatus";
// Partners may call nothing yet: the node's work for each call is the same up to its refusal.
constexpr char kPartnersCall[] = "/fairlead.v1.ReferenceService/GetCountry";
constexpr char kNoLimits[] = "partner = { calls_per_second = 0, calls_max = 0 }";
constexpr int kFloodInFlight = 256;
constexpr int kFloodChannels = 4;
constexpr absl::Duration kSettle = absl::Seconds(1);  // until the partner's burst is spent

// Calls without a pause, whatever the answers.
class Flood {
 public:
  explicit Flood(Callers callers) : callers_(std::move(callers)) {
    for (int i = 0; i < kFloodInFlight; ++i) Call(static_cast<size_t>(i));
  }
  ~Flood() {
    absl::MutexLock lock(&state_->mu);
    state_->stopping = true;
    const auto over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu) { return state_->running == 0; };
    state_->mu.Await(absl::Condition(&over));
  }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  int64_t answers() const { return state_->answers.load(); }

 private:
  // Callbacks keep it: the last of them is still in it when the destructor goes on.
  struct State {
    std::atomic<int64_t> answers{0};
    absl::Mutex mu;
    bool stopping ABSL_GUARDED_BY(mu) = false;
    int running ABSL_GUARDED_BY(mu) = 0;
  };

  void Call(size_t i) {
    {
      absl::MutexLock lock(&state_->mu);
      if (state_->stopping) return;
      ++state_->running;
    }
    callers_[i % callers_.size()]->Call(kPartnersCall, "", [this, state = state_, i](const absl::StatusOr<std::string>&) {
      ++state->answers;
      Call(i);
      absl::MutexLock lock(&state->mu);
      --state->running;
    });
  }

  const Callers callers_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

absl::StatusOr<Callers> Connect(Cluster& cluster, const std::string& identity, int channels) {
  Callers callers;
  for (int i = 0; i < channels; ++i) {
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = cluster.Channel(identity, "hq");
    if (!channel.ok()) return channel.status();
    callers.push_back(std::make_unique<Caller>(*channel));
  }
  return callers;
}

absl::Status Measure(const std::string& limits, const std::string& name, const Settings& settings, Section* section) {
  framework::ClusterOptions options;
  options.sites = {"hq"};
  options.limits = limits;
  absl::StatusOr<std::unique_ptr<Cluster>> cluster = Cluster::Start(std::move(options));
  if (!cluster.ok()) return cluster.status();
  absl::StatusOr<Callers> officer = Connect(**cluster, "officer/hq/watch", 1);
  if (!officer.ok()) return officer.status();
  const LoadOptions load = {.method = kOfficersCall, .request = [](int64_t) { return std::string(); }, .duration = settings.duration};
  for (int round = 0; round < settings.rounds; ++round) {
    const absl::StatusOr<Load> alone = RunLoad(*officer, load);
    if (!alone.ok()) return alone.status();
    section->Add(fmt::format("alone ({})", name), {alone->rate, alone->p50_ms, alone->p99_ms, 0});
    absl::StatusOr<Callers> partner = Connect(**cluster, "partner/JP/portnet", kFloodChannels);
    if (!partner.ok()) return partner.status();
    const Flood flood(*std::move(partner));
    absl::SleepFor(std::min(kSettle, settings.duration));
    const int64_t before = flood.answers();
    const absl::Time start = absl::Now();
    const absl::StatusOr<Load> beside = RunLoad(*officer, load);
    if (!beside.ok()) return beside.status();
    if (beside->calls == 0) return absl::InternalError("the officer was not answered");
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    section->Add(fmt::format("beside the flood ({})", name),
                 {beside->rate, beside->p50_ms, beside->p99_ms, static_cast<double>(flood.answers() - before) / seconds});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Section> MeasureFlood(const Settings& settings) {
  Section section(fmt::format("an officer's calls, 1 in flight, beside a partner with {} in flight", kFloodInFlight),
                  {"officer's calls/s", "p50 ms", "p99 ms", "partner's answers/s"});
  if (absl::Status measured = Measure("", "limits as they are by default", settings, &section); !measured.ok()) return measured;
  if (absl::Status measured = Measure(kNoLimits, "no limits for partners", settings, &section); !measured.ok()) return measured;
  return section;
}

}  // namespace fairlead::bench
