// One simulated run of a network of Fairlead sites, from one seed.
//
// Fault model. These are legal, and whatever combination of them happens, the promises that checks.h looks at must hold:
//
//   network  A message takes 0.2 to 120 ms, or seconds on a slow path; it is never changed, and within one direction of one connection
//            never reordered or lost. Across connections anything may overtake anything. A connection may end at any moment with what is
//            in flight, and each end learns it in its own time or never; so a site may hold several connections of one peer. A path may
//            be cut in one direction or both, for one pair, between two groups, or around one site, without either end being told.
//   process  May end at any moment, also in the midst of any write, and comes back later. Its machine may or may not tell its peers.
//   disk     Keeps every synced batch, and of the later ones a prefix, in order. A disk may be full for a while: writes fail and leave
//            nothing. A sync may fail: the store then takes no more writes until its process is started again, and what the failed
//            batch wrote may or may not be found then. Bytes that were synced do not change.
//   clock    Up to 1 s off; may jump up to 15 s either way, and is set right later. Clocks that run the streams' timers do not jump.
//   relay    A site's transport may lie (liar.h): change, drop, replay and invent anything that needs no key of others. Its own node is
//            honest, so that all of its entries are due everywhere once it is mended. It is started again when it is mended.
//   store    One site a run is restored from an old copy, as by `fairlead-node restore`, or finds its disk empty. What only it had is lost,
//            acknowledged or not; nothing else is. Two sites may not, for what one held of the other's log both have forgotten, and none
//            in a run with a lying relay, which could hide what it alone holds (rule 7, limits).
//   people   Up to four officers of each site call any site, repeat any call anywhere, and may never get the answer. An audience leaves
//            out only sites that no entry needs to pass through. A payload may come after its header all the same: of a restored site's own
//            entries, and while a site waits for erasures (rules 13 and 14).
//            They erase revisions where they may. What was erased is nobody's loss.
//   members  A site may have several machines, whose commit point is etcd (etcd_model.h). Each of them has all of the above for itself, but
//            that its clock is within 50 ms of the others' while no fault sets it. A process may stand still, for longer than its lease.
//            Its way to etcd may carry nothing, no answers, or be late: what it asked for may be done, or be done later, when it was told
//            that nobody answers. etcd may lose its majority, or be full until somebody sees to it. Leases end late and never early.
//            Watches wake late, twice or never. One machine at a time may lose its disk, or be replaced: by an empty one while the log has
//            its first entry, else by a copy of a member's store that the log goes on from, after `admit`. Nothing is lost with it.
//   healing  In the end all paths carry, clocks are right within 1 s, disks have room, every site runs and nobody lies. All sites then
//            hold all entries within 90 s.
//
// Not in the model: two processes of one machine at once, keys in wrong hands, damaged synced bytes, etcd put back to an older copy (its
// members then need copies of one that follows the log: rule 26; what was acknowledged in between is lost).
//
// Thread safety: Simulate may be called from several threads. Ownership: values.

#ifndef FAIRLEAD_TESTS_SIMULATION_SIMULATION_H_
#define FAIRLEAD_TESTS_SIMULATION_SIMULATION_H_

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/plants.h"

namespace fairlead::simulation {

struct Options {
  uint64_t seed = 1;
  int sites = 0;                              // 0: 3 to 7, by the seed
  int members = 0;                            // machines of one of the sites; 0: 1 in two runs of three, else 2 or 3, by the seed
  absl::Duration length = absl::Seconds(20);  // of the time in which faults happen and clients write
  const Plant* plant = nullptr;
  bool print_trace = false;
};

struct Result {
  uint64_t seed = 0;
  std::vector<std::string> failures;  // broken promises; empty: none
  std::vector<std::string> trace_tail;
  uint64_t trace_hash = 0;
  int sites = 0;
  int64_t faults = 0;
  int64_t requests = 0;
  int64_t acknowledged = 0;
  int64_t refused = 0;
  int64_t erased = 0;
  int64_t entries = 0;
  int64_t conflicts = 0;   // unresolved at the end
  int64_t companions = 0;  // entries that came with others in other streams
  uint64_t messages = 0;
  int members = 1;
  int64_t elections = 0;
  int64_t trims = 0;  // of the log on etcd
};

Result Simulate(const Options& options);

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_SIMULATION_H_
