#include "tests/bench/measurements.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/record_service.grpc.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"
#include "tests/bench/load.h"
#include "tests/bench/network.h"
#include "tests/framework/cluster.h"

namespace fairlead::bench {
namespace {

using framework::Cluster;
using framework::Eventually;
using storage::Cf;

constexpr int kWatchersPerChannel = 250;
constexpr int kChangesPerRound = 5;
constexpr absl::Duration kWatchersTimeout = absl::Minutes(1);
constexpr absl::Duration kCatchUpTimeout = absl::Minutes(30);

struct Measured {
  Load load;
  double node_us = 0;  // processor time of the nodes for one call
};
absl::StatusOr<Measured> Measure(const Callers& callers, const LoadOptions& options) {
  const absl::Duration before = ChildrenCpuTime();
  absl::StatusOr<Load> load = RunLoad(callers, options);
  if (!load.ok()) return load.status();
  if (load->calls == 0) return absl::InternalError("a round made no call");
  return Measured{*load, absl::ToDoubleMicroseconds(ChildrenCpuTime() - before) / static_cast<double>(load->calls)};
}

// One key of a store.
struct Written {
  Cf cf;
  std::string key;
  std::string value;
};

// The record that a key of such a column family is about (storage/schema.h).
std::string_view RecordOf(Cf cf, std::string_view key) {
  if (cf == Cf::kRevisions) return key.substr(0, key.find('\0'));
  if (cf == Cf::kIndexes) return key.substr(key.rfind('\0') + 1);
  return key;
}

// What an import of `rows` ports has left in the store of a node that no longer runs, call by call.
absl::StatusOr<std::vector<std::vector<Written>>> ReadBack(const std::string& folder, int64_t rows) {
  absl::StatusOr<std::unique_ptr<storage::Store>> store = storage::OpenRocksDbStore({.path = folder});
  if (!store.ok()) return store.status();
  std::unordered_map<std::string, size_t> call_of;  // by record
  for (int64_t n = 0; n < rows; ++n) call_of.emplace(PortName(n), static_cast<size_t>(n / kImportRows));
  std::vector<std::vector<Written>> calls(static_cast<size_t>((rows + kImportRows - 1) / kImportRows));
  // Left out is what every batch rewrites, such as digest, figures and sizes: the store has it once, however many wrote it.
  for (Cf cf :
       {Cf::kHeaders, Cf::kPayloads, Cf::kTree, Cf::kJournal, Cf::kRequests, Cf::kRecords, Cf::kRevisions, Cf::kDerived, Cf::kIndexes}) {
    const bool by_record = cf == Cf::kRecords || cf == Cf::kRevisions || cf == Cf::kDerived || cf == Cf::kIndexes;
    std::vector<Written> keys;
    const std::unique_ptr<storage::Iterator> it = (*store)->Iterate(cf, {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) keys.push_back({cf, std::string(it->key()), std::string(it->value())});
    if (!it->status().ok()) return it->status();
    for (size_t i = 0; i < keys.size(); ++i) {
      // What is not of one record is in the order of the log.
      size_t call = i * calls.size() / keys.size();
      if (by_record) {
        const auto found = call_of.find(std::string(RecordOf(cf, keys[i].key)));
        call = found == call_of.end() ? 0 : found->second;  // the countries came first
      }
      calls[call].push_back(std::move(keys[i]));
    }
  }
  return calls;
}

// Many watches, without a thread for each: how many events each was sent, and when the newest.
class ManyWatchers {
 public:
  ManyWatchers() = default;
  ~ManyWatchers() {
    for (const auto& watch : watches_) watch->context.TryCancel();
    absl::MutexLock lock(&mu_);
    auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return open_ == 0; };
    mu_.Await(absl::Condition(&none));
  }
  ManyWatchers(const ManyWatchers&) = delete;
  ManyWatchers& operator=(const ManyWatchers&) = delete;

  // Begins with a snapshot, so that it can be seen to have begun.
  void Open(const std::shared_ptr<grpc::Channel>& channel) {
    auto watch = std::make_unique<Watch>(this, channel);
    {
      absl::MutexLock lock(&mu_);
      ++open_;
    }
    watch->Start();
    watches_.push_back(std::move(watch));
  }
  // Whether every watch has been sent `events`.
  bool AllHave(int events) const {
    absl::MutexLock lock(&mu_);
    return std::all_of(watches_.begin(), watches_.end(), [&](const auto& watch) { return watch->events >= events; });
  }
  int open() const {
    absl::MutexLock lock(&mu_);
    return open_;
  }
  // When each watch was sent its newest event.
  std::vector<absl::Time> newest() const {
    absl::MutexLock lock(&mu_);
    std::vector<absl::Time> times;
    for (const auto& watch : watches_) times.push_back(watch->newest);
    return times;
  }

 private:
  struct Watch : grpc::ClientReadReactor<v1::WatchRecordsResponse> {
    Watch(ManyWatchers* owner, const std::shared_ptr<grpc::Channel>& channel) : owner(owner), stub(v1::RecordService::NewStub(channel)) {
      request.set_snapshot(true);
    }
    void Start() {
      stub->async()->WatchRecords(&context, &request, this);
      StartRead(&event);
      StartCall();
    }
    void OnReadDone(bool ok) override {
      if (!ok) return;
      if (event.has_record()) {
        absl::MutexLock lock(&owner->mu_);
        ++events;
        newest = absl::Now();
      }
      StartRead(&event);
    }
    void OnDone(const grpc::Status&) override {
      absl::MutexLock lock(&owner->mu_);
      --owner->open_;
    }

    ManyWatchers* const owner;
    const std::unique_ptr<v1::RecordService::Stub> stub;
    grpc::ClientContext context;
    v1::WatchRecordsRequest request;
    v1::WatchRecordsResponse event;
    int events = 0;     // guarded by ManyWatchers::mu_
    absl::Time newest;  // likewise
  };

  mutable absl::Mutex mu_;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::unique_ptr<Watch>> watches_;
};

}  // namespace

absl::StatusOr<Section> MeasureCreates(const Settings& settings) {
  Section section(fmt::format("unary calls, a {}-byte record each", kRecordBytes),
                  {"creates/s", "p50 ms", "p99 ms", "CPU us", "empty/s", "empty p50", "empty p99", "empty CPU", "ratio"});
  absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac"});
  if (!network.ok()) return network.status();
  const Callers& callers = (*network)->callers();
  LoadOptions warm_up = Creates(kPeakInFlight);
  warm_up.duration = std::min(settings.duration, kWarmUp);
  if (auto warm = RunLoad(callers, warm_up); !warm.ok()) return warm.status();

  const absl::StatusOr<int64_t> before = (*network)->EntriesAt("apac");
  if (!before.ok()) return before.status();
  int64_t acknowledged = 0;
  for (int in_flight : {1, 16, 128, 512}) {
    for (int round = 0; round < settings.rounds; ++round) {
      LoadOptions create = Creates(in_flight);
      create.duration = settings.duration;
      LoadOptions empty = {.method = kEmpty, .request = [](int64_t) { return std::string(); }, .in_flight = in_flight};
      empty.duration = settings.duration;
      const absl::StatusOr<Measured> creates = Measure(callers, create);
      if (!creates.ok()) return creates.status();
      const absl::StatusOr<Measured> empties = Measure(callers, empty);
      if (!empties.ok()) return empties.status();
      acknowledged += creates->load.calls;
      section.Add(fmt::format("{:>3} in flight", in_flight),
                  {creates->load.rate, creates->load.p50_ms, creates->load.p99_ms, creates->node_us, empties->load.rate,
                   empties->load.p50_ms, empties->load.p99_ms, empties->node_us, creates->load.rate / empties->load.rate});
    }
  }
  const absl::StatusOr<int64_t> after = (*network)->EntriesAt("apac");
  if (!after.ok()) return after.status();
  if (*after - *before != acknowledged) {
    return absl::InternalError(fmt::format("{} creates were acknowledged, {} entries are there", acknowledged, *after - *before));
  }
  return section;
}

absl::StatusOr<ImportFigures> ImportRound(int64_t rows) {
  absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac"});
  if (!network.ok()) return network.status();
  const int64_t batches = (rows + kImportRows - 1) / kImportRows;
  const absl::StatusOr<Load> load = RunLoad(
      (*network)->callers(), {.method = kImportPorts,
                              .request = [rows](int64_t n) { return PortsRequest(n * kImportRows, std::min((n + 1) * kImportRows, rows)); },
                              .in_flight = kImportInFlight,
                              .calls_max = batches});
  if (!load.ok()) return load.status();

  Cluster& cluster = (*network)->cluster();
  const absl::StatusOr<v1::Overview> overview = cluster.Overview("apac");
  if (!overview.ok()) return overview.status();
  int64_t ports = 0;
  for (const auto& region : overview->regions()) ports += region.ports();
  if (ports != rows) return absl::InternalError(fmt::format("{} rows were imported, {} ports are there", rows, ports));
  if (auto stopped = cluster.Stop("apac"); !stopped.ok()) return stopped.status();

  const auto written = ReadBack(cluster.data_folder("apac"), rows);
  if (!written.ok()) return written.status();
  const storage::ScratchDirectory scratch;
  absl::StatusOr<std::unique_ptr<storage::Store>> store = storage::OpenRocksDbStore({.path = scratch.path()});
  if (!store.ok()) return store.status();
  double bytes = 0;
  const absl::Time start = absl::Now();
  for (const std::vector<Written>& call : *written) {
    const std::unique_ptr<storage::Batch> batch = (*store)->NewBatch();
    for (const Written& each : call) {
      batch->Put(each.cf, each.key, each.value);
      bytes += static_cast<double>(each.key.size() + each.value.size());
    }
    if (absl::Status synced = (*store)->Write(batch.get(), storage::Sync::kYes); !synced.ok()) return synced;
  }
  const auto all = static_cast<double>(rows);
  return ImportFigures{.api_rows_s = load->rate * all / static_cast<double>(batches),
                       .store_rows_s = all / absl::ToDoubleSeconds(absl::Now() - start),
                       .bytes_per_row = bytes / all};
}

absl::StatusOr<Section> MeasureImport(const Settings& settings) {
  Section section(fmt::format("import of {} ports, {} a call, {} calls in flight", settings.rows, kImportRows, kImportInFlight),
                  {"API rows/s", "RocksDB rows/s", "ratio", "bytes/row"});
  for (int round = 0; round < settings.rounds; ++round) {
    const absl::StatusOr<ImportFigures> figures = ImportRound(settings.rows);
    if (!figures.ok()) return figures.status();
    section.Add("import",
                {figures->api_rows_s, figures->store_rows_s, figures->api_rows_s / figures->store_rows_s, figures->bytes_per_row});
  }
  return section;
}

absl::StatusOr<Section> MeasureLag(const Settings& settings) {
  Section section("replication, from a create's acknowledgement at apac to a watcher at hq",
                  {"creates/s", "of peak/s", "p50 ms", "p99 ms", "max ms"});
  absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac", "hq"});
  if (!network.ok()) return network.status();
  const Callers& callers = (*network)->callers();
  const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = (*network)->cluster().Channel("hq/analyst/desk", "hq");
  if (!channel.ok()) return channel.status();
  Watcher watcher(*channel, "engagements");
  if (absl::Status begun = AwaitBegun(callers, watcher); !begun.ok()) return begun;

  LoadOptions all_out = Creates(kPeakInFlight);
  all_out.duration = settings.duration;
  const absl::StatusOr<Load> peak = RunLoad(callers, all_out);
  if (!peak.ok()) return peak.status();
  for (int round = 0; round < settings.rounds; ++round) {
    // Nothing of what was written before is still under way.
    if (absl::Status even = (*network)->cluster().WaitForConvergence(); !even.ok()) return even;
    const double rate = peak->rate / 2;
    const auto acknowledged = RunPacedCreates(callers, rate, settings.duration);
    if (!acknowledged.ok()) return acknowledged.status();
    const absl::StatusOr<std::vector<double>> lag_ms = LagsMs(*acknowledged, watcher);
    if (!lag_ms.ok()) return lag_ms.status();
    section.Add("lag", {rate, peak->rate, Quantile(*lag_ms, 0.5), Quantile(*lag_ms, 0.99), lag_ms->back()});
  }
  return section;
}

absl::StatusOr<Section> MeasureWatchers(const Settings& settings) {
  Section section(fmt::format("one create, sent to {} watchers of the same node", settings.watchers),
                  {"p50 ms", "p99 ms", "last ms", "CPU us/event"});
  absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac"});
  if (!network.ok()) return network.status();
  const Callers& callers = (*network)->callers();
  ManyWatchers watchers;
  std::shared_ptr<grpc::Channel> channel;
  for (int i = 0; i < settings.watchers; ++i) {
    if (i % kWatchersPerChannel == 0) {
      absl::StatusOr<std::shared_ptr<grpc::Channel>> opened = (*network)->cluster().Channel("hq/analyst/desk", "apac");
      if (!opened.ok()) return opened.status();
      channel = *std::move(opened);
    }
    watchers.Open(channel);
  }
  int events = static_cast<int>(std::size(kCountries));
  if (!Eventually([&] { return watchers.AllHave(events); }, kWatchersTimeout)) {
    return absl::DeadlineExceededError(
        fmt::format("of {} watches {} are open, and not all have had their snapshot", settings.watchers, watchers.open()));
  }
  const std::string request = CreateRequest();
  for (int round = 0; round < settings.rounds * kChangesPerRound; ++round) {
    const absl::Duration cpu = ChildrenCpuTime();
    if (auto created = callers[0]->CallAndWait(kCreate, request); !created.ok()) return created.status();
    const absl::Time acknowledged = absl::Now();
    ++events;
    if (!Eventually([&] { return watchers.AllHave(events); }, kWatchersTimeout)) {
      return absl::DeadlineExceededError("not every watcher was sent the create");
    }
    std::vector<double> lag_ms;
    for (absl::Time time : watchers.newest()) lag_ms.push_back(std::max(0.0, absl::ToDoubleMilliseconds(time - acknowledged)));
    std::sort(lag_ms.begin(), lag_ms.end());
    const double cpu_us = absl::ToDoubleMicroseconds(ChildrenCpuTime() - cpu) / settings.watchers;
    section.Add("change", {Quantile(lag_ms, 0.5), Quantile(lag_ms, 0.99), lag_ms.back(), cpu_us});
  }
  return section;
}

absl::StatusOr<std::unique_ptr<Network>> FilledForCatchUp(int64_t entries) {
  absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac", "hq"});
  if (!network.ok()) return network.status();
  if (auto stopped = (*network)->cluster().Stop("hq"); !stopped.ok()) return stopped.status();
  LoadOptions fill = Creates(kFillInFlight);
  fill.calls_max = entries;
  if (auto filled = RunLoad((*network)->callers(), fill); !filled.ok()) return filled.status();
  const absl::StatusOr<int64_t> held = (*network)->EntriesAt("apac");
  if (!held.ok()) return held.status();
  if (*held < entries) return absl::InternalError(fmt::format("of {} creates {} entries are there", entries, *held));
  return network;
}

absl::StatusOr<CatchUpFigures> CatchUpRound(Network* network) {
  Cluster& cluster = network->cluster();
  const absl::StatusOr<int64_t> target = network->EntriesAt("apac");
  if (!target.ok()) return target.status();
  std::filesystem::remove_all(cluster.data_folder("hq"));
  const absl::Time start = absl::Now();
  if (absl::Status started = cluster.StartNode("hq"); !started.ok()) return started;
  // The rate is that between the first entries seen and the last: starting a process is not catching up.
  absl::Time first_time = start;
  int64_t first = 0;
  absl::StatusOr<int64_t> applied = 0;
  const bool caught_up = Eventually(
      [&] {
        applied = network->EntriesAt("hq");
        if (!applied.ok()) return true;
        if (first == 0 && *applied < *target) {
          first = *applied;
          first_time = absl::Now();
        }
        return *applied >= *target;
      },
      kCatchUpTimeout);
  const absl::Time end = absl::Now();
  if (!applied.ok()) return applied.status();
  if (!caught_up) return absl::DeadlineExceededError(fmt::format("hq has {} of {} entries", *applied, *target));
  if (absl::Status equal = cluster.WaitForConvergence(); !equal.ok()) return equal;
  if (auto stopped = cluster.Stop("hq"); !stopped.ok()) return stopped.status();
  return CatchUpFigures{.entries_s = static_cast<double>(*target - first) / absl::ToDoubleSeconds(end - first_time),
                        .seconds = absl::ToDoubleSeconds(end - start)};
}

absl::StatusOr<Section> MeasureCatchUp(const Settings& settings) {
  Section section(fmt::format("an empty hq takes {} entries from apac, a {}-byte record each", settings.entries, kRecordBytes),
                  {"entries/s", "s from start"});
  absl::StatusOr<std::unique_ptr<Network>> network = FilledForCatchUp(settings.entries);
  if (!network.ok()) return network.status();
  for (int round = 0; round < settings.rounds; ++round) {
    const absl::StatusOr<CatchUpFigures> figures = CatchUpRound(network->get());
    if (!figures.ok()) return figures.status();
    section.Add("catch-up", {figures->entries_s, figures->seconds});
  }
  return section;
}

}  // namespace fairlead::bench
