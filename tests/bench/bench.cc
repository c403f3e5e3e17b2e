// fairlead-bench: what a network of real nodes does, beside what bounds it, measured in turn in one run.
//
//   fairlead-bench [--rounds N] [--seconds S] [--entries N] [--only creates|import|lag|catchup] [--smoke]
//
// Every figure is the median of the rounds. Nodes are processes of their own on loopback, with mutual TLS and synced writes; the clients
// share the machine with them. --smoke runs everything for a moment and checks counts instead of printing figures.

#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/record_service.grpc.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"
#include "tests/framework/cluster.h"

namespace fairlead::bench {
namespace {

using framework::Cluster;

constexpr char kCreate[] = "/fairlead.v1.EngagementService/CreateEngagement";
constexpr char kImportPorts[] = "/fairlead.v1.ReferenceService/ImportPorts";
constexpr char kImportCountries[] = "/fairlead.v1.ReferenceService/ImportCountries";
constexpr char kEmpty[] = "/grpc.health.v1.Health/Check";
constexpr size_t kRecordBytes = 512;
constexpr int kImportRows = 500;  // of one call
constexpr int kImportInFlight = 2;

struct Options {
  int rounds = 3;
  double seconds = 4;
  int entries = 100000;
  std::string only;
  bool smoke = false;
};

[[noreturn]] void Die(const std::string& message) {
  fmt::print(stderr, "fairlead-bench: {}\n", message);
  std::exit(1);
}

template <class T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) Die(value.status().ToString());
  return *std::move(value);
}
void Must(const absl::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// One call over a channel, in bytes, so that both sides of a comparison cost the client the same.
class Caller {
 public:
  explicit Caller(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {}

  // `done` gets the reply's bytes; an error of the call ends the program.
  void Call(const std::string& method, const std::string& request, std::function<void(std::string)> done) {
    struct State {
      grpc::ClientContext context;
      grpc::ByteBuffer request, reply;
    };
    auto state = std::make_shared<State>();
    grpc::Slice slice(request);
    state->request = grpc::ByteBuffer(&slice, 1);
    state->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stub_.UnaryCall(&state->context, method, {}, &state->request, &state->reply,
                    [state, method, done = std::move(done)](grpc::Status status) {
                      if (!status.ok())
                        Die(fmt::format("{}: {} {}", method, static_cast<int>(status.error_code()), status.error_message()));
                      grpc::Slice bytes;
                      if (!state->reply.TrySingleSlice(&bytes).ok() && !state->reply.DumpToSingleSlice(&bytes).ok())
                        Die("a reply cannot be read");
                      done(std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size()));
                    });
  }

  std::string CallAndWait(const std::string& method, const std::string& request) {
    absl::Notification called;
    std::string out;
    Call(method, request, [&](std::string reply) {
      out = std::move(reply);
      called.Notify();
    });
    called.WaitForNotification();
    return out;
  }

 private:
  grpc::GenericStub stub_;
};

struct Load {
  int64_t calls = 0;
  double rate = 0;  // per second
  double p50_ms = 0;
  double p99_ms = 0;
};

// `in_flight` calls at all times until `duration` has passed or `calls_max` have been made.
Load Run(const std::vector<std::shared_ptr<Caller>>& callers, const std::string& method, const std::function<std::string(int64_t)>& request,
         int in_flight, absl::Duration duration, int64_t calls_max = INT64_MAX) {
  struct Slot {
    std::vector<double> ms;
    absl::Time sent;
  };
  std::vector<Slot> slots(in_flight);
  std::atomic<int64_t> next{0};
  absl::BlockingCounter ended(in_flight);
  const absl::Time start = absl::Now();
  const absl::Time end = start + duration;
  std::function<void(int)> send = [&](int i) {
    int64_t n = next++;
    absl::Time now = absl::Now();
    if (now >= end || n >= calls_max) {
      ended.DecrementCount();
      return;
    }
    slots[i].sent = now;
    callers[i % callers.size()]->Call(method, request(n), [&, i](const std::string&) {
      slots[i].ms.push_back(absl::ToDoubleMilliseconds(absl::Now() - slots[i].sent));
      send(i);
    });
  };
  for (int i = 0; i < in_flight; ++i) send(i);
  ended.Wait();
  const double elapsed = absl::ToDoubleSeconds(absl::Now() - start);
  std::vector<double> all;
  for (const Slot& slot : slots) all.insert(all.end(), slot.ms.begin(), slot.ms.end());
  std::sort(all.begin(), all.end());
  Load load;
  load.calls = static_cast<int64_t>(all.size());
  if (all.empty()) return load;
  load.rate = static_cast<double>(all.size()) / elapsed;
  load.p50_ms = all[all.size() / 2];
  load.p99_ms = all[all.size() * 99 / 100];
  return load;
}

Load Middle(const std::vector<Load>& rounds) {
  std::vector<double> rate, p50, p99;
  Load out;
  for (const Load& round : rounds) {
    rate.push_back(round.rate);
    p50.push_back(round.p50_ms);
    p99.push_back(round.p99_ms);
    out.calls += round.calls;
  }
  out.rate = Median(rate);
  out.p50_ms = Median(p50);
  out.p99_ms = Median(p99);
  return out;
}

// A create request whose record is of kRecordBytes in protobuf.
std::string CreateRequest() {
  v1::CreateEngagementRequest request;
  v1::Engagement& engagement = *request.mutable_engagement();
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title("Country visit");
  engagement.add_countries("countries/JP");
  engagement.set_region(v1::REGION_APAC);
  engagement.mutable_start_date()->set_year(2026);
  engagement.set_objectives("o");
  engagement.set_objectives(std::string(kRecordBytes - engagement.ByteSizeLong(), 'o'));
  return request.SerializeAsString();
}

std::string Countries() {
  v1::ImportCountriesRequest request;
  v1::Country& country = *request.add_countries();
  country.set_name("countries/JP");
  country.set_display_name("Japan");
  country.set_region(v1::REGION_APAC);
  return request.SerializeAsString();
}

// The `batch`-th call of an import: ports that no other call names.
v1::ImportPortsRequest Ports(int64_t batch, int rows) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ23456789";
  v1::ImportPortsRequest request;
  for (int i = 0; i < rows; ++i) {
    int64_t n = batch * rows + i;
    const int64_t base = static_cast<int64_t>(kLetters.size());
    std::string id = "JP";
    for (int64_t place : {base * base, base, int64_t{1}}) id += kLetters[static_cast<size_t>(n / place % base)];
    v1::Port& port = *request.add_ports();
    port.set_name("ports/" + id);
    port.set_display_name(fmt::format("Port {}", n));
    port.set_country("countries/JP");
    port.mutable_position()->set_latitude(35.4 + static_cast<double>(n) * 1e-6);
    port.mutable_position()->set_longitude(139.6);
    port.set_source("bench");
  }
  return request;
}

class Network {
 public:
  explicit Network(std::vector<std::string> sites) {
    framework::ClusterOptions options;
    options.sites = std::move(sites);
    cluster_ = Must(Cluster::Start(std::move(options)));
    for (int i = 0; i < 2; ++i) callers_.push_back(std::make_shared<Caller>(Must(cluster_->Channel("officer/apac/watch", "apac"))));
    callers_[0]->CallAndWait(kImportCountries, Countries());
  }
  Cluster& cluster() { return *cluster_; }
  const std::vector<std::shared_ptr<Caller>>& callers() const { return callers_; }
  // Entries of apac's log that `site` has applied.
  int64_t EntriesAt(const std::string& site) {
    const v1::NodeStatus status = Must(cluster_->Status(site));
    for (const v1::LogStatus& log : status.logs()) {
      if (log.site() == "apac") return log.size();
    }
    return 0;
  }

 private:
  std::unique_ptr<Cluster> cluster_;
  std::vector<std::shared_ptr<Caller>> callers_;
};

void Creates(const Options& options) {
  Network network({"apac"});
  const std::string create = CreateRequest();
  const auto fixed = [](const std::string& bytes) { return [&bytes](int64_t) { return bytes; }; };
  const std::string nothing;
  const absl::Duration duration = absl::Seconds(options.seconds);
  Run(network.callers(), kCreate, fixed(create), 64, std::min(duration, absl::Seconds(2)));  // warm
  fmt::print("\nunary calls, {} s a round, median of {}\n", options.seconds, options.rounds);
  fmt::print("{:>9} | {:>10} {:>8} {:>8} | {:>10} {:>8} {:>8} | {:>6}\n", "in flight", "creates/s", "p50 ms", "p99 ms", "empty/s", "p50 ms",
             "p99 ms", "ratio");
  int64_t before = network.EntriesAt("apac");
  int64_t made = 0;
  for (int in_flight : {1, 16, 128, 512}) {
    std::vector<Load> creates, empties;
    for (int round = 0; round < options.rounds; ++round) {
      creates.push_back(Run(network.callers(), kCreate, fixed(create), in_flight, duration));
      empties.push_back(Run(network.callers(), kEmpty, fixed(nothing), in_flight, duration));
    }
    Load c = Middle(creates), e = Middle(empties);
    made += c.calls;
    fmt::print("{:>9} | {:>10.0f} {:>8.2f} {:>8.2f} | {:>10.0f} {:>8.2f} {:>8.2f} | {:>6.2f}\n", in_flight, c.rate, c.p50_ms, c.p99_ms,
               e.rate, e.p50_ms, e.p99_ms, e.rate > 0 ? c.rate / e.rate : 0);
    if (c.calls == 0 || e.calls == 0) Die("a round made no call");
  }
  int64_t after = network.EntriesAt("apac");
  if (after - before != made) Die(fmt::format("{} creates were acknowledged and {} entries are there", made, after - before));
}

void Import(const Options& options) {
  const int64_t batches = options.smoke ? 2 : 60;
  std::vector<double> product, raw;
  for (int round = 0; round < options.rounds; ++round) {
    {
      Network network({"apac"});
      absl::Time start = absl::Now();
      Run(
          network.callers(), kImportPorts, [](int64_t n) { return Ports(n, kImportRows).SerializeAsString(); }, kImportInFlight,
          absl::InfiniteDuration(), batches);
      product.push_back(static_cast<double>(batches * kImportRows) / absl::ToDoubleSeconds(absl::Now() - start));
      v1::Overview overview = Must(network.cluster().Overview("apac"));
      int64_t ports = 0;
      for (const auto& region : overview.regions()) ports += region.ports();
      if (ports != batches * kImportRows) Die(fmt::format("{} rows were imported and {} ports are there", batches * kImportRows, ports));
    }
    storage::ScratchDirectory scratch;
    auto store = Must(storage::OpenRocksDbStore({.path = scratch.path()}));
    absl::Time start = absl::Now();
    for (int64_t n = 0; n < batches; ++n) {
      auto batch = store->NewBatch();
      const v1::ImportPortsRequest request = Ports(n, kImportRows);
      for (int i = 0; i < request.ports_size(); ++i) {
        const v1::Port& port = request.ports(i);
        std::string bytes = port.SerializeAsString();
        batch->Put(storage::Cf::kPayloads, storage::DotKey({LogId(1), Seq(static_cast<uint64_t>(n * kImportRows + i))}), bytes);
        batch->Put(storage::Cf::kRecords, port.name(), bytes);
        batch->Put(storage::Cf::kIndexes, "country/JP/" + port.name(), "");
      }
      Must(store->Write(batch.get(), storage::Sync::kYes));
    }
    raw.push_back(static_cast<double>(batches * kImportRows) / absl::ToDoubleSeconds(absl::Now() - start));
  }
  fmt::print("\nimport of {} ports, {} a call, {} calls in flight, median of {}\n", batches * kImportRows, kImportRows, kImportInFlight,
             options.rounds);
  fmt::print("{:>12.0f} rows/s through the API\n{:>12.0f} rows/s in raw synced RocksDB batches of the same bytes (log, record, index)\n",
             Median(product), Median(raw));
  fmt::print("{:>12.2f} ratio\n", Median(product) / Median(raw));
}

void Lag(const Options& options) {
  Network network({"apac", "hq"});
  const std::string create = CreateRequest();
  const auto request = [&create](int64_t) { return create; };
  const Load peak = Run(network.callers(), kCreate, request, 128, absl::Seconds(options.seconds));

  absl::Mutex mu;
  std::map<std::string, absl::Time> acknowledged, seen;
  auto stub = v1::RecordService::NewStub(Must(network.cluster().Channel("hq/analyst/desk", "hq")));
  grpc::ClientContext context;
  v1::WatchRecordsRequest watch;
  watch.add_collections("engagements");
  auto reader = stub->WatchRecords(&context, watch);
  std::thread watcher([&] {
    v1::WatchRecordsResponse event;
    v1::Engagement engagement;
    while (reader->Read(&event)) {
      absl::Time now = absl::Now();
      if (!event.has_record() || !event.record().UnpackTo(&engagement)) continue;
      absl::MutexLock lock(&mu);
      seen.emplace(engagement.name(), now);
    }
  });

  const double rate = peak.rate / 2;
  const int64_t total = static_cast<int64_t>(rate * options.seconds * options.rounds);
  std::atomic<int64_t> outstanding{total};
  absl::Time start = absl::Now();
  for (int64_t n = 0; n < total; ++n) {
    absl::Time due = start + absl::Seconds(static_cast<double>(n) / rate);
    if (absl::Duration early = due - absl::Now(); early > absl::Microseconds(200)) absl::SleepFor(early);
    network.callers()[static_cast<size_t>(n) % network.callers().size()]->Call(kCreate, create, [&](const std::string& reply) {
      absl::Time now = absl::Now();
      v1::Engagement engagement;
      if (!engagement.ParseFromString(reply)) Die("a reply does not parse");
      {
        absl::MutexLock lock(&mu);
        acknowledged.emplace(engagement.name(), now);
      }
      --outstanding;
    });
  }
  absl::Time deadline = absl::Now() + absl::Seconds(60);
  {
    absl::MutexLock lock(&mu);
    auto all_seen = [&] {
      if (outstanding > 0) return false;
      return std::all_of(acknowledged.begin(), acknowledged.end(), [&](const auto& a) { return seen.contains(a.first); });
    };
    while (!all_seen()) {
      if (absl::Now() > deadline) Die("not every acknowledged create was seen at hq");
      mu.Unlock();
      absl::SleepFor(absl::Milliseconds(20));
      mu.Lock();
    }
  }
  context.TryCancel();
  watcher.join();
  std::vector<double> lag;
  for (const auto& [name, time] : acknowledged) lag.push_back(std::max(0.0, absl::ToDoubleMilliseconds(seen.at(name) - time)));
  std::sort(lag.begin(), lag.end());
  fmt::print(
      "\nreplication lag, acknowledged at apac to seen by a watcher at hq, {:.0f} creates/s (half of the peak of {:.0f}/s), {} creates\n",
      rate, peak.rate, lag.size());
  if (lag.empty()) Die("nothing was written");
  fmt::print("{:>12.2f} ms p50\n{:>12.2f} ms p99\n{:>12.2f} ms max\n", lag[lag.size() / 2], lag[lag.size() * 99 / 100], lag.back());
}

void CatchUp(const Options& options) {
  std::vector<double> rates;
  const int64_t entries = options.smoke ? 500 : options.entries;
  for (int round = 0; round < options.rounds; ++round) {
    Network network({"apac", "hq"});
    Must(network.cluster().Stop("hq"));
    std::filesystem::remove_all(network.cluster().data_folder("hq"));
    const std::string create = CreateRequest();
    Run(
        network.callers(), kCreate, [&create](int64_t) { return create; }, 512, absl::InfiniteDuration(), entries);
    const int64_t target = network.EntriesAt("apac");
    absl::Time start = absl::Now();
    Must(network.cluster().StartNode("hq"));
    while (network.EntriesAt("hq") < target) {
      if (absl::Now() - start > absl::Minutes(10)) Die("hq did not catch up");
      absl::SleepFor(absl::Milliseconds(10));
    }
    rates.push_back(static_cast<double>(target) / absl::ToDoubleSeconds(absl::Now() - start));
    Must(network.cluster().WaitForConvergence());
  }
  fmt::print("\ncatch-up of an empty node over {} entries of {} bytes, from process start, every proof verified, median of {}\n", entries,
             kRecordBytes, options.rounds);
  fmt::print("{:>12.0f} entries/s\n", Median(rates));
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures a network of Fairlead nodes on this machine.", "fairlead-bench");
  app.add_option("--rounds", options.rounds, "Rounds of each measurement")->check(CLI::Range(1, 100));
  app.add_option("--seconds", options.seconds, "Seconds of one load")->check(CLI::Range(0.05, 600.0));
  app.add_option("--entries", options.entries, "Entries of the catch-up")->check(CLI::Range(1000, 10000000));
  app.add_option("--only", options.only, "One measurement")->check(CLI::IsMember({"creates", "import", "lag", "catchup"}));
  app.add_flag("--smoke", options.smoke, "A moment of each, for the counts");
  CLI11_PARSE(app, argc, argv);
  if (options.smoke) {
    options.rounds = 1;
    options.seconds = 0.2;
  }
  auto wanted = [&options](const char* name) { return options.only.empty() || options.only == name; };
  if (wanted("creates")) Creates(options);
  if (wanted("import")) Import(options);
  if (wanted("lag")) Lag(options);
  if (wanted("catchup")) CatchUp(options);
  return 0;
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) { return fairlead::bench::Main(argc, argv); }
