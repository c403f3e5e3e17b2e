// A schedule of faults, drawn from a seed: what happens to the network and to one node at a time, and for how long.
//
//   kill, stop, pause      a node ends (SIGKILL, SIGTERM) and starts again, or stands still
//   partition, rough       links are cut, stalled or work one way at random; or are slow, uneven and break
//   lost disk, old copy    a node starts on an empty store, or on the store of an earlier stop
//
// A disk goes only when the load is held and all sites agree: what one site alone holds, nobody can bring back.
//
// Thread safety: one thread, which outlives the cluster's processes. Ownership: borrows cluster and load.

#ifndef FAIRLEAD_TESTS_SOAK_WEATHER_H_
#define FAIRLEAD_TESTS_SOAK_WEATHER_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>

#include "tests/framework/cluster.h"
#include "tests/soak/load.h"

namespace fairlead::soak {

class Weather {
 public:
  // `wait` sleeps, and returns false when the soak should end; `say` tells what happens.
  Weather(framework::Cluster* cluster, Load* load, uint64_t seed, std::function<bool(absl::Duration)> wait,
          std::function<void(const std::string&)> say);
  // One fault, from its beginning to its end. An error when a node does not come back.
  absl::Status Next();
  // Opens all links.
  void Heal();
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  absl::Status Crash(const std::string& site);
  absl::Status Stop(const std::string& site);
  void Pause(const std::string& site);
  absl::Status LoseDisk(const std::string& site, bool to_old_copy);
  void Partition();
  void Rough();
  absl::Status AwaitWritable(const std::string& site);
  void ForEachLink(const std::function<void(const std::string& receiver, const std::string& peer)>& visit);
  absl::Duration Between(absl::Duration least, absl::Duration most);
  std::string CopyOf(const std::string& site) const { return cluster_->folder(site) + "/old-copy"; }
  uint32_t Draw(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  framework::Cluster* const cluster_;
  Load* const load_;
  std::minstd_rand random_;
  const std::function<bool(absl::Duration)> wait_;
  const std::function<void(const std::string&)> say_;
  std::map<std::string, int> counts_;  // by fault
};

}  // namespace fairlead::soak

#endif  // FAIRLEAD_TESTS_SOAK_WEATHER_H_
