// What a node with few records takes of memory, of time to start after a kill, and of disk; and with ten times as many.

#include <absl/cleanup/cleanup.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/utilities/options_util.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/v1/record_service.pb.h"
#include "tests/bench/deliveries.h"
#include "tests/bench/measurements.h"
#include "tests/bench/network.h"

namespace fairlead::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kFewer = 10;  // times fewer engagements, for comparison
constexpr int kWatchersPerChannel = 250;
constexpr int kWatched = 100;  // changes that the watchers are told of
constexpr char kWatchRecords[] = "/fairlead.v1.RecordService/WatchRecords";
constexpr absl::Duration kPatience = absl::Minutes(2);

// proc(5): memory that the process has in RAM, in MiB.
absl::StatusOr<double> ResidentMib(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return absl::NotFoundError(fmt::format("the memory of process {} is not known", pid));
}

double BytesIn(const fs::path& folder) {
  double bytes = 0;
  for (const auto& file : fs::recursive_directory_iterator(folder))
    bytes += file.is_regular_file() ? static_cast<double>(file.file_size()) : 0;
  return bytes;
}

absl::Status OfRocksDb(const rocksdb::Status& status) { return status.ok() ? absl::OkStatus() : absl::InternalError(status.ToString()); }

// Rewrites every table of a store that is not open, under the options it was written with, and leaves no log.
absl::Status Compact(const std::string& folder) {
  rocksdb::DBOptions options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = true;
  if (absl::Status loaded = OfRocksDb(rocksdb::LoadLatestOptions(config, folder, &options, &families)); !loaded.ok()) return loaded;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  if (absl::Status opened = OfRocksDb(rocksdb::DB::Open(options, folder, families, &handles, &raw)); !opened.ok()) return opened;
  const std::unique_ptr<rocksdb::DB> db(raw);
  const absl::Cleanup close = [&] {
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  };
  rocksdb::CompactRangeOptions compact;
  compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    if (absl::Status done = OfRocksDb(db->CompactRange(compact, handle, nullptr, nullptr)); !done.ok()) return done;
  }
  return absl::OkStatus();
}

// Memory once `watchers`, one of them slow, have been told of kWatched changes: the slow one reads nothing.
absl::StatusOr<double> WatchedMib(Network* network, int watchers) {
  framework::Cluster& cluster = network->cluster();
  Deliveries deliveries({.method = kWatchRecords, .request = {}, .events = [](const std::string& message) {
                           v1::WatchRecordsResponse event;
                           return int64_t{event.ParseFromString(message) && event.has_record()};
                         }});
  std::shared_ptr<grpc::Channel> channel;
  for (int i = 0; i < watchers; ++i) {
    if (i % kWatchersPerChannel == 0) {
      absl::StatusOr<std::shared_ptr<grpc::Channel>> dialled = cluster.Channel("hq/analyst/desk", "apac");
      if (!dialled.ok()) return dialled.status();
      channel = *std::move(dialled);
    }
    deliveries.Open(channel, i == 0 ? Deliveries::Reads::kNothing : Deliveries::Reads::kAll);
  }
  const auto create = [&] { return network->callers()[0]->CallAndWait(kCreate, CreateRequest()).status(); };
  absl::Status created;
  const bool begun = framework::Eventually(
      [&] {
        created = create();
        return !created.ok() || deliveries.begun() == watchers - 1;
      },
      kPatience);
  if (!created.ok()) return created;
  if (!begun) return absl::DeadlineExceededError(fmt::format("of {} watches {} have begun", watchers, deliveries.begun()));
  const int64_t before = deliveries.events();
  for (int i = 0; i < kWatched; ++i) {
    if (created = create(); !created.ok()) return created;
  }
  const int64_t due = before + int64_t{kWatched} * (watchers - 1);
  if (!framework::Eventually([&] { return deliveries.events() >= due; }, kPatience)) {
    return absl::DeadlineExceededError("not every watcher was told of every change");
  }
  return ResidentMib(cluster.pid("apac"));
}

}  // namespace

absl::StatusOr<Section> MeasureSize(const Settings& settings) {
  Section section(
      fmt::format("memory of a node, alone and with {} watchers; start to serving after kill -9; disk after compaction, a record of {} "
                  "bytes each",
                  settings.watchers, kRecordBytes),
      {"MiB", "MiB watched", "start s", "B/record", "of 2 records", "search B"});
  const absl::StatusOr<std::unique_ptr<Network>> network = Network::Start({"apac"});
  if (!network.ok()) return network.status();
  framework::Cluster& cluster = (*network)->cluster();
  int64_t created = 0;
  for (const int64_t size : {std::max<int64_t>(1, settings.engagements / kFewer), settings.engagements}) {
    LoadOptions fill = Creates(kFillInFlight);
    fill.calls_max = size - created;
    if (auto filled = RunLoad((*network)->callers(), fill); !filled.ok()) return filled.status();
    created = size;
    const absl::StatusOr<double> alone = ResidentMib(cluster.pid("apac"));
    if (!alone.ok()) return alone.status();
    const absl::StatusOr<double> watched = WatchedMib(network->get(), settings.watchers);
    if (!watched.ok()) return watched.status();

    const absl::StatusOr<int64_t> entries = (*network)->EntriesAt("apac");
    if (!entries.ok()) return entries.status();
    std::vector<double> starts;
    for (int round = 0; round < settings.rounds; ++round) {
      cluster.Kill("apac");
      const absl::Time start = absl::Now();
      if (absl::Status started = cluster.StartNode("apac"); !started.ok()) return started;
      starts.push_back(absl::ToDoubleSeconds(absl::Now() - start));
      const absl::StatusOr<int64_t> held = (*network)->EntriesAt("apac");
      if (!held.ok()) return held.status();
      if (*held != *entries) return absl::InternalError(fmt::format("{} entries were there, {} after the kill", *entries, *held));
    }

    // On a copy: the node goes on with what it has.
    if (auto stopped = cluster.Stop("apac"); !stopped.ok()) return stopped.status();
    const storage::ScratchDirectory scratch;
    const std::string copy = scratch.path() + "/data";
    fs::copy(cluster.data_folder("apac"), copy, fs::copy_options::recursive);
    double search = 0;
    if (const fs::path folder = fs::path(copy) / "search"; fs::exists(folder)) {
      search = BytesIn(folder);
      fs::remove_all(folder);
    }
    if (absl::Status compacted = Compact(copy); !compacted.ok()) return compacted;
    const auto records = static_cast<double>(*entries);
    const double bytes = BytesIn(copy) / records;
    section.Add(fmt::format("{:>9} engagements", created),
                {*alone, *watched, Median(starts), bytes, bytes / (2.0 * kRecordBytes), search / records});
    if (absl::Status started = cluster.StartNode("apac"); !started.ok()) return started;
  }
  return section;
}

}  // namespace fairlead::bench
