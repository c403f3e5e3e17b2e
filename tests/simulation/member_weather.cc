#include "tests/simulation/member_weather.h"

#include <utility>

namespace fairlead::simulation {

using Way = EtcdModel::Way;

MemberWeather::MemberWeather(World* world, Random random) : world_(*world), random_(std::move(random)), site_(world->member_site()) {
  const uint64_t share = 1 + random_.Below(3);
  for (int kind = 0; kind <= static_cast<int>(Fault::kOldCopy); ++kind) {
    if (random_.OneIn(share)) kinds_.push_back(static_cast<Fault>(kind));
  }
  pause_ = random_.Between(absl::Milliseconds(400), absl::Seconds(3));
}

void MemberWeather::Start(absl::Time end) {
  if (site_ == nullptr) return;
  if (random_.OneIn(2)) site_->model().SetTrouble(8 + random_.Below(40));
  if (kinds_.empty()) return;
  world_.schedule().After(random_.Between(absl::ZeroDuration(), pause_), [this, end] { Wake(end); });
}

void MemberWeather::Wake(absl::Time end) {
  if (world_.schedule().now() >= end || healed_) return;
  Strike(random_.Of(kinds_));
  world_.schedule().After(random_.Between(absl::ZeroDuration(), pause_ * 2), [this, end] { Wake(end); });
}

void MemberWeather::Later(absl::Duration most, std::function<void()> mend) {
  world_.schedule().After(random_.Between(absl::Milliseconds(10), most), [this, mend = std::move(mend)] {
    if (!healed_) mend();
  });
}

Site& MemberWeather::AnyMachine() {
  if (!random_.OneIn(3)) {
    for (Site* machine : site_->machines()) {
      if (world_.Leads(*machine)) return *machine;
    }
  }
  return *random_.Of(site_->machines());
}

void MemberWeather::Strike(Fault fault) {
  ++faults_;
  Site& site = AnyMachine();
  Trace& trace = world_.trace();
  EtcdModel& model = site_->model();
  const auto start_later = [this, &site] { Later(absl::Seconds(2), [this, &site] { world_.Start(site); }); };
  switch (fault) {
    case Fault::kStandStill:
      if (site.node == nullptr) break;
      // Often about as long as its lease lasts.
      site.asleep_until = world_.schedule().now() + (random_.OneIn(2) ? random_.Between(absl::Milliseconds(10), 4 * site_->ttl())
                                                                      : random_.Between(site_->ttl(), 2 * site_->ttl()));
      trace.Add("fault: {} stands still for {} ms", site.label, absl::ToInt64Milliseconds(site.asleep_until - world_.schedule().now()));
      break;
    case Fault::kWay: {
      constexpr Way kWays[] = {Way::kCut, Way::kDeaf, Way::kLate, Way::kFlaky, Way::kFlaky};
      constexpr const char* kNames[] = {"carries nothing", "carries no answers", "is late", "is unsteady", "is unsteady"};
      const uint64_t way = random_.Below(std::size(kWays));
      trace.Add("fault: the way of {} to etcd {}", site.label, kNames[way]);
      site.machine.way->set_way(kWays[way]);
      Later(absl::Seconds(4), [&site] { site.machine.way->set_way(Way::kOpen); });
      break;
    }
    case Fault::kNoMajority:
      trace.Add("fault: etcd has no majority");
      model.SetMajority(false);
      Later(absl::Seconds(3), [&model] { model.SetMajority(true); });
      break;
    case Fault::kFull:
      trace.Add("fault: etcd is nearly full");
      model.SetQuota(model.bytes() + static_cast<int64_t>(random_.Below(6000)));
      Later(absl::Seconds(4), [&model] { model.Disarm(); });
      break;
    case Fault::kLeaderCrashes:
      if (site.node == nullptr) break;
      trace.Add("fault: {} crashes", site.label);
      world_.Stop(site, random_.OneIn(3));
      start_later();
      break;
    case Fault::kLeaves:
      if (site.node == nullptr || world_.Asleep(site)) break;
      trace.Add("fault: {} is shut down", site.label);
      site.machine.member->Leave();
      world_.Stop(site, /*silent=*/false);
      start_later();
      break;
    case Fault::kNewDisk:
      if (!site_->MayLose(site)) break;
      trace.Add("fault: {} has a new disk", site.label);
      site_->LoseDisk(site);
      start_later();
      break;
    case Fault::kOldCopy: {
      if (site.node != nullptr && (copy_ == nullptr || random_.OneIn(3))) copy_ = site.disk.Copy();
      if (copy_ == nullptr || random_.OneIn(2) || !site_->MayLose(site)) break;
      trace.Add("fault: {} is replaced", site.label);
      site_->LoseDisk(site);
      Later(absl::Seconds(2), [this, &site] {
        if (!site.machine.lost || site.node != nullptr) return;
        site_->Replace(site, copy_.get());
        world_.Start(site);
      });
      break;
    }
  }
}

}  // namespace fairlead::simulation
