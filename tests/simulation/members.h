// A site of several machines in the simulation: its etcd, its members on it, and what its operators do.
//
// A member runs EtcdCommitLog, Leadership and Member unchanged, on its machine's own way to the model of etcd. What server/membership.h
// does with threads is done here with events: a step about five times in the time of a lease, and wakes by watches, which come late, twice
// or never. Operators replace a member whose disk is lost as `fairlead-node admit` and `restore` do.
//
// What the log on etcd has ever had is kept here beside it, and each change of etcd is held against it.
//
// Thread safety: none. Ownership: owns the model; borrows world and machines.

#ifndef FAIRLEAD_TESTS_SIMULATION_MEMBERS_H_
#define FAIRLEAD_TESTS_SIMULATION_MEMBERS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/etcd/commit_log.h"
#include "server/etcd/member.h"
#include "server/etcd/packing.h"
#include "server/node/node.h"
#include "storage/memory_store.h"
#include "tests/simulation/etcd_model.h"
#include "tests/simulation/random.h"

namespace fairlead::simulation {

struct Plant;
struct Site;
class World;

// What one machine of such a site has beside what a Site has.
struct MemberMachine {
  std::string name;                  // of the member
  EtcdModel::Handle* way = nullptr;  // to etcd
  std::unique_ptr<etcd::Etcd> planted;
  etcd::Etcd* etcd = nullptr;  // the way, or what is planted in it
  Position durable;            // how far the journal on its disk goes
  bool lost = false;           // its disk, and nothing stands in for it yet

  // Of the process.
  etcd::EtcdCommitLog* log = nullptr;  // the node's
  std::unique_ptr<etcd::Member> member;
  bool led = false;
  bool wake_due = false;
};

class MemberSite {
 public:
  // By so much are its machines' clocks off at most, unless a fault sets one.
  static constexpr absl::Duration kClockOffsetMax = absl::Milliseconds(50);

  MemberSite(World* world, Random random, std::string site, const Plant* plant);
  // One after another, before Begin.
  void Add(Site* machine);
  // Makes the log, which is to have its first entry yet.
  void Begin();

  const std::vector<Site*>& machines() const { return machines_; }
  // Null when there is none.
  Site* Find(const std::string& member) const;
  EtcdModel& model() { return model_; }
  absl::Duration ttl() const { return ttl_; }

  // --- Processes
  // Before the node of its machine is opened. False: it cannot be now; the disk may have been replaced.
  bool Prepare(Site& site);
  void Configure(Site& site, node::NodeOptions* options);
  // The node was opened.
  void OnStart(Site& site);
  // Its disk is gone with all that was on it. REQUIRES: MayLose.
  void LoseDisk(Site& site);
  // Whether what the log on etcd lacks is on another disk, whatever becomes of this one.
  bool MayLose(const Site& site) const;
  // Puts a copy of a member's store on the machine: `older` if the log still goes on from it, else one that is made now. False: nobody can
  // make one now.
  bool Replace(Site& site, const storage::MemoryStore* older);
  // All is well with etcd and the ways to it.
  void Heal();
  // Whether one member leads, and takes writes.
  bool TakesWrites() const;

  // --- What the log has ever had
  const std::vector<Dot>& journal() const { return journal_; }
  // How many entries of the log were appended.
  Seq SizeOf(LogId log) const;
  // When the entry was appended. REQUIRES: it was.
  absl::Time AppendedAt(Dot dot) const { return appended_.at(dot.log)[dot.seq.value()]; }
  // A machine's clock was more than a second off.
  void NoteClockJump() { clocks_jumped_ = true; }
  bool clocks_jumped() const { return clocks_jumped_; }
  int64_t elections() const { return elections_; }
  int64_t trims() const { return trims_; }

 private:
  void Observe(const std::string& caller, const std::vector<etcd::pb::RequestOp>& changes);
  void ObserveBatch(const std::string& value);
  void ObserveTrim(Position first);
  void Step(Site& site, uint64_t life);
  void Steps(Site& site, uint64_t life);
  void WakeBy(Site& site, bool leader);
  void Wake(Site& site, uint64_t life, bool leader);
  // Nobody leads for long while somebody could.
  void Look();
  void Fail(const std::string& what);

  World& world_;
  Random random_;
  const std::string site_;
  const Plant* const plant_;
  const etcd::Keys keys_;
  const absl::Duration ttl_;
  const absl::Duration trim_interval_;
  const int attempts_max_;
  const absl::Duration heartbeat_interval_;
  EtcdModel model_;
  EtcdModel::Handle* const operators_;
  std::string instance_;
  std::vector<Site*> machines_;

  std::vector<Dot> journal_;
  std::map<LogId, std::vector<absl::Time>> appended_;
  std::set<Dot> late_;   // whose payloads came late
  Position first_;       // where the log begins now
  std::string elected_;  // who was last
  int64_t elections_ = 0;
  int64_t trims_ = 0;
  bool clocks_jumped_ = false;
  std::optional<absl::Time> leaderless_since_;
  std::map<size_t, absl::Time> able_since_;  // to lead, by machine
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_MEMBERS_H_
