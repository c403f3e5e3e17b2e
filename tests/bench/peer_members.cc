// A site of several machines: what it takes, and how long it takes nothing when it loses the one that leads.

#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "tests/bench/etcd.h"
#include "tests/bench/network.h"
#include "tests/bench/peer_rows.h"
#include "tests/framework/eventually.h"
#include "tests/framework/member_site.h"

namespace fairlead::bench {
namespace {

using framework::Eventually;
using framework::MemberSite;

constexpr int kEtcdMembers = 3;
constexpr char kOfficer[] = "officer/apac/watch";
constexpr absl::Duration kPatience = absl::Minutes(1);

// One that runs and knows the countries of the records. NOT_FOUND when etcd is not installed.
absl::StatusOr<std::unique_ptr<MemberSite>> StartSite(absl::Duration lease) {
  absl::StatusOr<std::unique_ptr<MemberSite>> site = MemberSite::Make({.etcd_members = kEtcdMembers, .lease = lease});
  if (!site.ok()) return site;
  if (absl::Status started = (*site)->Start(); !started.ok()) return started;
  v1::ImportCountriesRequest request;
  request.ParseFromString(CountriesRequest());
  const auto imported = (*site)->Analyst(MemberSite::kHq).Call<v1::ImportResponse>("fairlead.v1.ReferenceService.ImportCountries", request);
  if (!imported.ok()) return imported.status();
  if (absl::Status held = (*site)->WaitForConvergence(kPatience); !held.ok()) return held;
  return site;
}

absl::StatusOr<Callers> CallersOf(const MemberSite& site, const std::string& name) {
  Callers callers;
  for (int i = 0; i < kChannels; ++i) {
    const auto channel = site.Channel(kOfficer, name);
    if (!channel.ok()) return channel.status();
    callers.push_back(std::make_unique<Caller>(*channel));
  }
  return callers;
}

// An officer who creates one record after another, of a site that one may ask anywhere, and when each was acknowledged.
class Officer {
 public:
  explicit Officer(std::unique_ptr<client::Client> client) : client_(std::move(client)), thread_([this] { Write(); }) {}
  ~Officer() {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
    }
    thread_.join();
  }
  size_t count() const {
    absl::MutexLock lock(&mu_);
    return acknowledged_.size();
  }
  // From the last that was acknowledged before `moment` to the first after it.
  absl::Duration GapAt(absl::Time moment) const {
    absl::MutexLock lock(&mu_);
    const auto after = std::upper_bound(acknowledged_.begin(), acknowledged_.end(), moment);
    return after == acknowledged_.begin() || after == acknowledged_.end() ? absl::InfiniteDuration() : *after - *(after - 1);
  }
  absl::Status status() const {
    absl::MutexLock lock(&mu_);
    return status_;
  }

 private:
  void Write() {
    v1::CreateEngagementRequest request;
    request.ParseFromString(CreateRequest());
    request.clear_request_id();
    for (;;) {
      const auto created = client_->Call<v1::Engagement>("fairlead.v1.EngagementService.CreateEngagement", request);
      absl::MutexLock lock(&mu_);
      status_.Update(created.status());
      if (!created.ok() || stopping_) return;
      acknowledged_.push_back(absl::Now());
    }
  }

  const std::unique_ptr<client::Client> client_;
  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<absl::Time> acknowledged_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace

absl::StatusOr<Section> CompareMembers(const PeerSettings& settings) {
  Section section(
      fmt::format("a site of three members on three of etcd: durable unary creates of {} bytes, beside puts to three members of etcd",
                  kRecordBytes),
      LoadColumns("calls/s"));
  const absl::StatusOr<std::unique_ptr<MemberSite>> site = OrSkipped(StartSite(absl::Seconds(5)));
  if (!site.ok()) return site.status();
  if (*site == nullptr) return section;
  const absl::StatusOr<std::unique_ptr<Etcd>> etcd = Etcd::Start(kChannels, kEtcdMembers);
  if (!etcd.ok()) return etcd.status();
  const absl::StatusOr<Callers> callers = CallersOf(**site, (*site)->Leader(kPatience));
  if (!callers.ok()) return callers.status();
  int64_t put = 1;  // etcd has been given the first key
  constexpr int kBeside = 128;
  std::vector<Load> beside;  // puts with so many in flight
  for (int in_flight : {1, 16, kBeside, 512}) {
    for (int round = -1; round < settings.rounds; ++round) {  // the first is to warm up
      LoadOptions create = Creates(in_flight);
      create.duration = settings.duration;
      const absl::StatusOr<Load> own = RunLoad(*callers, create);
      if (!own.ok()) return own.status();
      const absl::StatusOr<Load> puts = RunLoad((*etcd)->callers(), {.method = Etcd::kPut,
                                                                     .request = [put](int64_t n) { return Etcd::PutRequest(put + n); },
                                                                     .in_flight = in_flight,
                                                                     .duration = settings.duration});
      if (!puts.ok()) return puts.status();
      put += puts->calls;
      if (round < 0) continue;
      AddRound(fmt::format("{:>3} in flight", in_flight), {{"Fairlead create", *own}, {"etcd put", *puts}}, &section);
      if (in_flight == kBeside) beside.push_back(*puts);
    }
  }
  // A call brings many records, each folded, indexed and proven by itself; a put has one value. Those puts that were made before: for a
  // while after an import the nodes still index it.
  for (int round = 0; round < settings.rounds; ++round) {
    const int64_t first = round * settings.rows;
    absl::StatusOr<Load> ports =
        RunLoad(*callers, {.method = kImportPorts,
                           .request = [first](int64_t n) { return PortsRequest(first + n * kImportRows, first + (n + 1) * kImportRows); },
                           .in_flight = kImportInFlight,
                           .calls_max = settings.rows / kImportRows});
    if (!ports.ok()) return ports.status();
    ports->rate *= static_cast<double>(kImportRows);
    AddRound(fmt::format("{} a call", kImportRows),
             {{"Fairlead ports/s", *ports}, {fmt::format("etcd put, {} in flight", kBeside), beside[static_cast<size_t>(round)]}},
             &section);
  }
  if (absl::Status held = (*site)->WaitForConvergence(kPatience); !held.ok()) return held;
  return section;
}

absl::StatusOr<Section> MeasureFailover(const PeerSettings& settings) {
  Section section("a site of three members whose leader is killed: from the last write acknowledged to the next, one in flight",
                  {"median s", "worst s"});
  for (const int lease_s : {2, 5}) {
    const absl::StatusOr<std::unique_ptr<MemberSite>> started = OrSkipped(StartSite(absl::Seconds(lease_s)));
    if (!started.ok()) return started.status();
    if (*started == nullptr) return section;
    MemberSite& site = **started;
    for (int round = 0; round < settings.rounds; ++round) {
      std::vector<double> gaps;
      for (int kill = 0; kill < settings.kills; ++kill) {
        auto client = site.Connect(kOfficer, site.members());
        if (!client.ok()) return client.status();
        const Officer officer(*std::move(client));
        if (!Eventually([&] { return officer.count() >= 10; }, kPatience)) return absl::UnavailableError("no write is acknowledged");
        const std::string leader = site.Leader(kPatience);
        const size_t before = officer.count();
        const absl::Time killed = absl::Now();
        site.Kill(leader);
        // One may have been on its way.
        if (!Eventually([&] { return officer.count() > before + 1; }, kPatience)) {
          return absl::UnavailableError(
              fmt::format("no write is acknowledged after {} was killed: {}", leader, officer.status().ToString()));
        }
        gaps.push_back(absl::ToDoubleSeconds(officer.GapAt(killed)));
        if (absl::Status launched = site.Launch(leader); !launched.ok()) return launched;
        if (!Eventually([&] { return site.Status(leader).ok(); }, kPatience)) return absl::UnavailableError(leader + " does not answer");
      }
      section.Add(fmt::format("lease {} s", lease_s), {Median(gaps), *std::max_element(gaps.begin(), gaps.end())});
    }
    if (absl::Status held = site.WaitForConvergence(kPatience); !held.ok()) return held;
  }
  return section;
}

}  // namespace fairlead::bench
