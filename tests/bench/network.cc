#include "tests/bench/network.h"

#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"

namespace fairlead::bench {
namespace {

using framework::Cluster;
using framework::Eventually;

constexpr char kImportCountries[] = "/fairlead.v1.ReferenceService/ImportCountries";
// UN/LOCODE's last three characters: letters, and digits 2 to 9.
constexpr std::string_view kPlaceCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ23456789";

v1::Engagement Record(std::string_view country) {
  v1::Engagement engagement;
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title("Country visit");
  engagement.add_countries(fmt::format("countries/{}", country));
  engagement.set_region(v1::REGION_APAC);
  engagement.mutable_start_date()->set_year(2026);
  engagement.mutable_start_date()->set_month(5);
  engagement.mutable_start_date()->set_day(11);
  // The tag and the length of so long a text take three bytes.
  engagement.set_objectives(std::string(kRecordBytes - engagement.ByteSizeLong(), 'o'));
  engagement.mutable_objectives()->resize(engagement.objectives().size() - (engagement.ByteSizeLong() - kRecordBytes));
  return engagement;
}

}  // namespace

std::string CountriesRequest() {
  v1::ImportCountriesRequest request;
  for (std::string_view code : kCountries) {
    v1::Country& country = *request.add_countries();
    country.set_name(fmt::format("countries/{}", code));
    country.set_display_name(fmt::format("Country {}", code));
    country.set_region(v1::REGION_APAC);
  }
  return request.SerializeAsString();
}

std::string CreateRequest(std::string_view country) {
  v1::CreateEngagementRequest request;
  *request.mutable_engagement() = Record(country);
  return request.SerializeAsString();
}

std::string RecordBytes(std::string_view country) { return Record(country).SerializeAsString(); }

std::string PortName(int64_t n) {
  const auto base = static_cast<int64_t>(kPlaceCharacters.size());
  std::string name = fmt::format("ports/{}", kCountries[static_cast<size_t>(n % std::ssize(kCountries))]);
  for (int64_t unit : {base * base, base, int64_t{1}})
    name += kPlaceCharacters[static_cast<size_t>(n / std::ssize(kCountries) / unit % base)];
  return name;
}

std::string PortsRequest(int64_t first, int64_t end) {
  v1::ImportPortsRequest request;
  for (int64_t n = first; n < end; ++n) {
    v1::Port& port = *request.add_ports();
    port.set_name(PortName(n));
    port.set_display_name(fmt::format("Port {}", n));
    port.set_country(fmt::format("countries/{}", kCountries[static_cast<size_t>(n % std::ssize(kCountries))]));
    port.mutable_position()->set_latitude(35.4 + static_cast<double>(n) * 1e-6);
    port.mutable_position()->set_longitude(139.6);
    port.set_source("generated");
  }
  return request.SerializeAsString();
}

LoadOptions Creates(int in_flight) {
  return {.method = kCreate, .request = [bytes = CreateRequest()](int64_t) { return bytes; }, .in_flight = in_flight};
}

absl::StatusOr<std::unique_ptr<Network>> Network::Start(std::vector<std::string> sites) {
  framework::ClusterOptions options;
  options.sites = std::move(sites);
  options.limits = "staff = { calls_per_second = 0, calls_max = 0 }";  // one identity stands for as many officers as there are clients
  absl::StatusOr<std::unique_ptr<Cluster>> cluster = Cluster::Start(std::move(options));
  if (!cluster.ok()) return cluster.status();
  std::unique_ptr<Network> network(new Network(*std::move(cluster)));
  for (int i = 0; i < kChannels; ++i) {
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = network->cluster_->Channel("officer/apac/watch", "apac");
    if (!channel.ok()) return channel.status();
    network->callers_.push_back(std::make_unique<Caller>(*channel));
  }
  if (auto imported = network->callers_[0]->CallAndWait(kImportCountries, CountriesRequest()); !imported.ok()) return imported.status();
  return network;
}

absl::StatusOr<int64_t> Network::EntriesAt(const std::string& site) {
  const absl::StatusOr<v1::NodeStatus> status = cluster_->Status(site);
  if (!status.ok()) return status.status();
  for (const v1::LogStatus& log : status->logs()) {
    if (log.site() == "apac") return log.size();
  }
  return absl::NotFoundError(fmt::format("{} knows no log of apac", site));
}

Watcher::Watcher(const std::shared_ptr<grpc::Channel>& channel, const std::string& collection)
    : stub_(v1::RecordService::NewStub(channel)), thread_([this, collection] { Watch(collection); }) {}

Watcher::~Watcher() {
  context_.TryCancel();
  thread_.join();
}

size_t Watcher::count() const {
  absl::MutexLock lock(&mu_);
  return seen_.size();
}

std::unordered_map<std::string, absl::Time> Watcher::seen() const {
  absl::MutexLock lock(&mu_);
  return seen_;
}

void Watcher::Watch(const std::string& collection) {
  v1::WatchRecordsRequest request;
  request.add_collections(collection);
  const auto reader = stub_->WatchRecords(&context_, request);
  v1::WatchRecordsResponse event;
  v1::Engagement engagement;
  while (reader->Read(&event)) {
    const absl::Time now = absl::Now();
    if (!event.has_record() || !event.record().UnpackTo(&engagement)) continue;
    absl::MutexLock lock(&mu_);
    seen_.emplace(engagement.name(), now);
  }
}

absl::Status AwaitBegun(const Callers& callers, const Watcher& watcher) {
  absl::Status probed;
  const bool begun = Eventually([&] {
    probed = callers[0]->CallAndWait(kCreate, CreateRequest()).status();
    return !probed.ok() || watcher.count() > 0;
  });
  if (!probed.ok()) return probed;
  return begun ? absl::OkStatus() : absl::DeadlineExceededError("the watcher sees nothing");
}

absl::StatusOr<Acknowledged> RunPacedCreates(const Callers& callers, double rate, absl::Duration duration) {
  absl::Mutex mu;
  Acknowledged acknowledged;
  bool parsed = true;
  LoadOptions creates = Creates(1);
  creates.calls_max = static_cast<int64_t>(rate * absl::ToDoubleSeconds(duration));
  creates.replied = [&](const std::string& reply) {
    const absl::Time now = absl::Now();
    v1::Engagement engagement;
    const bool known = engagement.ParseFromString(reply);
    absl::MutexLock lock(&mu);
    parsed = parsed && known;
    acknowledged.emplace(engagement.name(), now);
  };
  if (absl::Status ended = RunPaced(callers, creates, rate); !ended.ok()) return ended;
  if (!parsed) return absl::InternalError("a reply is no engagement");
  return acknowledged;
}

absl::StatusOr<std::vector<double>> LagsMs(const Acknowledged& acknowledged, const Watcher& watcher) {
  Acknowledged seen;
  const bool all_seen = Eventually([&] {
    seen = watcher.seen();
    return std::all_of(acknowledged.begin(), acknowledged.end(), [&](const auto& record) { return seen.contains(record.first); });
  });
  if (!all_seen) return absl::DeadlineExceededError("not every acknowledged create was seen");
  if (acknowledged.empty()) return absl::InternalError("nothing was written");
  std::vector<double> lags_ms;
  for (const auto& [name, time] : acknowledged) lags_ms.push_back(std::max(0.0, absl::ToDoubleMilliseconds(seen.at(name) - time)));
  std::sort(lags_ms.begin(), lags_ms.end());
  return lags_ms;
}

}  // namespace fairlead::bench
