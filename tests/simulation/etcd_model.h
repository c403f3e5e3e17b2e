// A model of etcd: one linearizable store of keys with revisions and leases, in virtual time, and a way to it for each who calls.
//
// It stands for the whole cluster: what its Raft does is that a request takes effect once, at one moment, or never. What a caller learns of
// that is another matter: his request or its answer may be lost, and a request may take effect after he was told that nobody answers. Calls
// return at once; what is late comes later in virtual time. A lease never ends early. It may end late, since a new leader of etcd begins
// each one anew.
//
// Thread safety: none; a simulation is one thread. Ownership: owns the handles that it gives; borrows the schedule, no event
// of which happens once it is gone.

#ifndef FAIRLEAD_TESTS_SIMULATION_ETCD_MODEL_H_
#define FAIRLEAD_TESTS_SIMULATION_ETCD_MODEL_H_

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/etcd/etcd.h"
#include "tests/simulation/random.h"
#include "tests/simulation/schedule.h"

namespace fairlead::simulation {

class EtcdModel {
 public:
  // What becomes of a call on its way.
  enum class Way {
    kOpen,   // it is done, and answered
    kCut,    // it never arrives
    kDeaf,   // it is done, and the answer is lost
    kLate,   // it is done later; its caller is told that nobody answers
    kFlaky,  // any of these, drawn for each call
  };
  // The way of one caller.
  class Handle : public etcd::Etcd {
   public:
    Handle(EtcdModel* model, std::string name) : model_(*model), name_(std::move(name)) {}
    void set_way(Way way) { way_ = way; }
    Way way() const { return way_; }
    const std::string& name() const { return name_; }

    absl::StatusOr<etcd::pb::TxnResponse> Txn(const etcd::pb::TxnRequest& request) override;
    absl::Status Compact(int64_t revision) override;
    absl::StatusOr<int64_t> Grant(absl::Duration ttl) override;
    absl::StatusOr<absl::Duration> KeepAlive(int64_t lease) override;
    absl::Status Revoke(int64_t lease) override;
    absl::StatusOr<etcd::pb::StatusResponse> Status() override;
    absl::StatusOr<etcd::pb::AlarmResponse> Alarms() override;
    void Pause(int) override {}

   private:
    // What `done` says, or what becomes of it on the way.
    template <class Result, class Fn>
    Result Carry(Fn done);

    EtcdModel& model_;
    const std::string name_;
    Way way_ = Way::kOpen;
  };
  // What has been carried out of one request, in order. `caller` is empty when a lease has ended.
  using Observer = std::function<void(const std::string& caller, const std::vector<etcd::pb::RequestOp>& changes)>;

  // `lease_late_max`: by how much a lease may end late.
  EtcdModel(Schedule* schedule, Random random, absl::Duration lease_late_max);
  Handle* NewHandle(const std::string& name);
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  // One call in so many, of those whose way is open, has a fate of its own; 0: none.
  void SetTrouble(uint64_t one_in) { trouble_ = one_in; }

  // Without a majority nothing is done for anyone, and no lease ends.
  void SetMajority(bool has);
  bool has_majority() const { return majority_; }
  // Once what it keeps takes more than this, it takes nothing that puts something, until somebody has seen to that.
  void SetQuota(int64_t bytes) { quota_ = bytes; }
  void Disarm();
  bool full() const { return full_; }
  int64_t bytes() const { return bytes_; }

  int64_t revision() const { return revision_; }
  bool Has(const std::string& key) const { return keys_.contains(key); }
  absl::Duration lease_late_max() const { return lease_late_max_; }

 private:
  struct Lease {
    absl::Duration ttl;
    absl::Time end;
    std::set<std::string> keys;
  };

  absl::StatusOr<etcd::pb::TxnResponse> DoTxn(const std::string& caller, const etcd::pb::TxnRequest& request);
  absl::Status DoCompact(int64_t revision);
  absl::StatusOr<int64_t> DoGrant(absl::Duration ttl);
  absl::StatusOr<absl::Duration> DoKeepAlive(int64_t lease);
  absl::Status DoRevoke(const std::string& caller, int64_t lease);

  bool Holds(const etcd::pb::Compare& compare) const;
  static bool Holds(const etcd::pb::Compare& compare, const etcd::pb::KeyValue* found);
  absl::Status Check(const etcd::pb::TxnRequest& request, const google::protobuf::RepeatedPtrField<etcd::pb::RequestOp>& ops);
  void Read(const etcd::pb::RangeRequest& range, etcd::pb::RangeResponse* response) const;
  void Put(const etcd::pb::PutRequest& put, int64_t revision);
  int64_t Delete(const etcd::pb::DeleteRangeRequest& range);
  // [key, end) as etcd reads a range: without an end it is the key alone.
  template <class Fn>
  void ForRange(const std::string& key, const std::string& end, Fn fn) const;
  void Prolong(Lease* lease);
  void ScheduleEnd(int64_t lease);

  Schedule& schedule_;
  Random random_;
  const absl::Duration lease_late_max_;
  Observer observer_;
  std::vector<std::unique_ptr<Handle>> handles_;
  std::map<std::string, etcd::pb::KeyValue> keys_;
  std::map<int64_t, Lease> leases_;
  int64_t revision_ = 1;
  int64_t compacted_ = 0;
  int64_t next_lease_ = 1000;
  int64_t bytes_ = 0;  // of all that was put and not compacted
  int64_t quota_ = int64_t{2} << 30;
  bool full_ = false;
  uint64_t trouble_ = 0;
  bool majority_ = true;
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_ETCD_MODEL_H_
