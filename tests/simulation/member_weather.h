// Draws the faults that only a site of several machines has: of etcd, of the ways to it, and of its members.
//
// Thread safety: none. Ownership: borrows the world.

#ifndef FAIRLEAD_TESTS_SIMULATION_MEMBER_WEATHER_H_
#define FAIRLEAD_TESTS_SIMULATION_MEMBER_WEATHER_H_

#include <functional>
#include <memory>
#include <vector>

#include "tests/simulation/random.h"
#include "tests/simulation/world.h"

namespace fairlead::simulation {

class MemberWeather {
 public:
  MemberWeather(World* world, Random random);
  // Faults until `end`; none where no site has several machines.
  void Start(absl::Time end);
  // Nothing happens any more. What lasts, MemberSite::Heal ends.
  void Heal() { healed_ = true; }
  int64_t faults() const { return faults_; }

 private:
  enum class Fault {
    kStandStill,
    kWay,
    kNoMajority,
    kFull,
    kLeaderCrashes,
    kLeaves,
    kNewDisk,
    kOldCopy,
  };

  void Wake(absl::Time end);
  void Strike(Fault fault);
  void Later(absl::Duration most, std::function<void()> mend);
  // The one that leads, more often than not.
  Site& AnyMachine();

  World& world_;
  Random random_;
  MemberSite* const site_;
  std::vector<Fault> kinds_;
  absl::Duration pause_;
  bool healed_ = false;
  int64_t faults_ = 0;
  std::shared_ptr<const storage::MemoryStore> copy_;  // of any member's store, and of any age
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_MEMBER_WEATHER_H_
