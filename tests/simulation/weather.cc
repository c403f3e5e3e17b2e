#include "tests/simulation/weather.h"

#include <algorithm>
#include <utility>

namespace fairlead::simulation {

Weather::Weather(World* world, Random random, bool restores, bool forgets)
    : world_(*world), random_(std::move(random)), restores_(restores), forgets_(forgets) {
  // A run with few kinds of faults goes deeper into each.
  const uint64_t share = 1 + random_.Below(4);
  for (int kind = 0; kind <= static_cast<int>(Fault::kRestore); ++kind) {
    if (random_.OneIn(share)) kinds_.push_back(static_cast<Fault>(kind));
  }
  // A peer that hides what it alone holds of a forgotten log cannot be told from one that holds nothing.
  if (restores) {
    std::erase(kinds_, Fault::kLiar);
    kinds_.insert(kinds_.end(), 3, Fault::kRestore);
  } else if (std::count(kinds_.begin(), kinds_.end(), Fault::kLiar) > 0) {
    std::erase(kinds_, random_.OneIn(2) ? Fault::kLiar : Fault::kRestore);
  }
  pause_ = random_.Between(absl::Milliseconds(300), absl::Seconds(4));
}

void Weather::Start(absl::Time end) {
  if (kinds_.empty()) return;
  world_.schedule().After(random_.Between(absl::ZeroDuration(), pause_), [this, end] { Wake(end); });
}

void Weather::Wake(absl::Time end) {
  if (world_.schedule().now() >= end || healed_) return;
  Strike(random_.Of(kinds_));
  world_.schedule().After(random_.Between(absl::ZeroDuration(), pause_ * 2), [this, end] { Wake(end); });
}

void Weather::Later(absl::Duration most, std::function<void()> mend) {
  world_.schedule().After(random_.Between(absl::Milliseconds(10), most), [this, mend = std::move(mend)] {
    if (!healed_) mend();
  });
}

void Weather::CutBetween(const std::vector<std::pair<Site*, Site*>>& paths) {
  for (const auto& [from, to] : paths) world_.Cut(*from, *to);
  Later(absl::Seconds(8), [this, paths] {
    world_.trace().Add("{} paths carry again", paths.size());
    for (const auto& [from, to] : paths) world_.MendPath(*from, *to);
  });
}

void Weather::Crash(Site& site) {
  if (site.node == nullptr) return;
  world_.Stop(site, random_.OneIn(3));
  Later(absl::Seconds(6), [this, &site] { world_.Start(site); });
}

void Weather::Strike(Fault fault) {
  ++faults_;
  Site& site = *random_.Of(world_.sites());
  Site& other = *random_.Of(world_.sites());
  Trace& trace = world_.trace();
  switch (fault) {
    case Fault::kBreak:
      trace.Add("fault: connections of {} and {} break", site.label, other.label);
      world_.Break(site, other);
      if (random_.OneIn(2)) world_.Break(other, site);
      break;
    case Fault::kPartition: {
      trace.Add("fault: partition");
      std::map<size_t, bool> side;  // by machine
      for (const auto& each : world_.sites()) side[each->number] = random_.OneIn(2);
      std::vector<std::pair<Site*, Site*>> paths;
      for (const auto& from : world_.sites()) {
        for (const auto& to : world_.sites()) {
          if (side[from->number] != side[to->number]) paths.emplace_back(from.get(), to.get());
        }
      }
      CutBetween(paths);
      break;
    }
    case Fault::kCutOneWay:
      trace.Add("fault: nothing gets from {} to {}", site.label, other.label);
      CutBetween({{&site, &other}});
      break;
    case Fault::kIsolate: {
      trace.Add("fault: {} is cut off", site.label);
      std::vector<std::pair<Site*, Site*>> paths;
      for (const auto& each : world_.sites()) {
        paths.emplace_back(&site, each.get());
        paths.emplace_back(each.get(), &site);
      }
      CutBetween(paths);
      break;
    }
    case Fault::kSlow:
      trace.Add("fault: {} to {} is slow", site.label, other.label);
      world_.Slow(site, other, random_.Between(absl::Milliseconds(100), absl::Seconds(3)));
      Later(absl::Seconds(10), [this, &site, &other] { world_.MendPath(site, other); });
      break;
    case Fault::kCrash:
      trace.Add("fault: {} crashes", site.label);
      Crash(site);
      break;
    case Fault::kCrashAtWrite: {
      const auto writes = static_cast<int64_t>(1 + random_.Below(12));
      const bool after = random_.OneIn(2);
      trace.Add("fault: {} will crash {} its write {}", site.label, after ? "after" : "before", writes);
      site.disk.CutAtWrite(writes, after);
      break;
    }
    case Fault::kDiskFull:
      trace.Add("fault: the disk of {} is full", site.label);
      site.disk.SetFull(true);
      Later(absl::Seconds(5), [&site] { site.disk.SetFull(false); });
      break;
    case Fault::kSyncFails:
      trace.Add("fault: the disk of {} cannot sync", site.label);
      site.disk.FailNextSync();
      Later(absl::Seconds(6), [this, &site] {
        if (site.disk.failed()) Crash(site);
      });
      break;
    case Fault::kClockJump:
      site.clock.offset = random_.Between(-absl::Seconds(15), absl::Seconds(15));
      if (site.members != nullptr) site.members->NoteClockJump();
      trace.Add("fault: the clock of {} is {} ms off", site.label, absl::ToInt64Milliseconds(site.clock.offset));
      Later(absl::Seconds(10), [&site, right = random_.Between(-absl::Seconds(1), absl::Seconds(1))] { site.clock.offset = right; });
      break;
    case Fault::kLiar:
      trace.Add("fault: {} lies", site.label);
      site.lying = true;
      Later(absl::Seconds(10), [this, &site] {
        if (!std::exchange(site.lying, false)) return;
        Crash(site);
      });
      break;
    case Fault::kRestore: {
      if (site.members != nullptr) break;  // MemberWeather sees to those
      auto copy = copies_.find(site.number);
      if (copy == copies_.end() || random_.OneIn(3)) {
        copies_[site.number] = site.disk.Copy();
        break;
      }
      if (std::exchange(restored_, true)) break;
      const bool lost = random_.OneIn(4) || forgets_;
      trace.Add("fault: {} {}", site.label, lost ? "has a new disk" : "is restored from an old copy");
      const storage::MemoryStore empty;
      world_.Restore(site, lost ? empty : *copy->second);
      Later(absl::Seconds(3), [this, &site] {
        // Before its peers can tell it anything, somebody may ask it for a write.
        std::vector<std::pair<Site*, Site*>> cut;
        for (const auto& other : world_.sites()) {
          if (restores_ && other.get() != &site) cut.emplace_back(other.get(), &site);
        }
        if (!cut.empty()) CutBetween(cut);
        world_.Start(site);
      });
      break;
    }
  }
}

void Weather::Heal() {
  healed_ = true;
  world_.trace().Add("all is healed");
  world_.MendPaths();
  if (world_.member_site() != nullptr) world_.member_site()->Heal();
  for (const auto& site : world_.sites()) {
    site->disk.Mend();
    site->clock.offset = random_.Between(-absl::Seconds(1), absl::Seconds(1));
    if (site->members != nullptr) site->clock.offset *= absl::FDivDuration(MemberSite::kClockOffsetMax, absl::Seconds(1));
    const bool lied = std::exchange(site->lying, false);
    if (lied || site->disk.failed()) world_.Stop(*site, /*silent=*/false);
    world_.Start(*site);
  }
}

}  // namespace fairlead::simulation
