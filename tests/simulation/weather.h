// Draws faults: which kinds occur in a run, when, and for how long.
//
// Thread safety: none. Ownership: borrows the world.

#ifndef FAIRLEAD_TESTS_SIMULATION_WEATHER_H_
#define FAIRLEAD_TESTS_SIMULATION_WEATHER_H_

#include <map>
#include <memory>
#include <vector>

#include "tests/simulation/random.h"
#include "tests/simulation/world.h"

namespace fairlead::simulation {

class Weather {
 public:
  // `restores`: the run has a restored site if it can; `forgets`: it has an empty disk then.
  Weather(World* world, Random random, bool restores, bool forgets);
  // Faults until `end`.
  void Start(absl::Time end);
  // Ends every fault and starts every site.
  void Heal();
  int64_t faults() const { return faults_; }

 private:
  enum class Fault {
    kBreak,
    kPartition,
    kCutOneWay,
    kIsolate,
    kSlow,
    kCrash,
    kCrashAtWrite,
    kDiskFull,
    kSyncFails,
    kClockJump,
    kLiar,
    kRestore,
  };

  void Wake(absl::Time end);
  void Strike(Fault fault);
  // Does `mend` after a time drawn from the run's scale, unless all is healed before.
  void Later(absl::Duration most, std::function<void()> mend);
  void CutBetween(const std::vector<std::pair<Site*, Site*>>& paths);
  void Crash(Site& site);

  World& world_;
  Random random_;
  const bool restores_;
  const bool forgets_;
  std::vector<Fault> kinds_;
  absl::Duration pause_;
  bool healed_ = false;
  int64_t faults_ = 0;
  bool restored_ = false;  // one site a run: two that have both forgotten cannot remind each other
  std::map<size_t, std::shared_ptr<const storage::MemoryStore>> copies_;  // by machine
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_WEATHER_H_
