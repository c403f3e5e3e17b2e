// What the tests of the commit logs share: entries of a journal, what a node writes of them, and an etcd of this process.
//
// Thread safety: one thread at a time. Ownership: the cluster ends with the tests.

#ifndef FAIRLEAD_TESTS_ETCD_LOG_TESTING_H_
#define FAIRLEAD_TESTS_ETCD_LOG_TESTING_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/etcd/client.h"
#include "server/node/commit_log.h"
#include "storage/store.h"
#include "tests/etcd/etcd_cluster.h"

namespace fairlead::etcd {

// The cluster of one member that all tests of the process use, each under a prefix of its own; null when etcd is not installed.
framework::EtcdCluster* SharedCluster();
std::string NewPrefix();
EtcdOptions OptionsOf(const framework::EtcdCluster& cluster);
// Waits until the cluster answers.
absl::Status AwaitAnswer(EtcdClient* etcd);

// An entry of one log. Its payload has `bytes` bytes and is like no other's; none: it is withheld.
node::JournalItem Entry(uint64_t seq, std::optional<size_t> bytes = 100);
std::vector<node::JournalItem> Entries(uint64_t first_seq, size_t n, size_t bytes = 100);
// What a node writes of the items at these positions, as far as the commit log is concerned.
std::unique_ptr<storage::Batch> Fold(const storage::Store& store, Position first, const std::vector<node::JournalItem>& items);
absl::Status Append(node::CommitLog* log, storage::Store* store, Position expected, const std::vector<node::JournalItem>& items);
// How far the store's journal goes.
uint64_t JournalEnd(const storage::Store& store);
void PutInstance(storage::Store* store, const std::string& instance);

// etcd behind a way that loses and delays transactions, as a test says.
class LossyEtcd : public Etcd {
 public:
  enum class Fate {
    kDone,        // as it should be
    kAnswerLost,  // etcd does it, and nobody hears of it
    kLost,        // etcd never hears of it
    kLate,        // etcd hears of it at Deliver
  };
  explicit LossyEtcd(Etcd* etcd) : etcd_(etcd) {}

  // Of the next transactions that change something; then all are done.
  void Expect(std::deque<Fate> fates) { fates_ = std::move(fates); }
  // How many of the late ones take effect now.
  int Deliver();
  int attempts() const { return attempts_; }
  const std::vector<int64_t>& compacted() const { return compacted_; }

  absl::StatusOr<pb::TxnResponse> Txn(const pb::TxnRequest& request) override;
  absl::Status Compact(int64_t revision) override {
    compacted_.push_back(revision);
    return etcd_->Compact(revision);
  }
  absl::StatusOr<int64_t> Grant(absl::Duration ttl) override {
    if (down_) return Down();
    auto lease = etcd_->Grant(ttl);
    if (lease.ok()) last_lease_ = *lease;
    return lease;
  }
  absl::StatusOr<absl::Duration> KeepAlive(int64_t lease) override {
    if (down_) return Down();
    return etcd_->KeepAlive(lease);
  }
  absl::Status Revoke(int64_t lease) override {
    if (down_) return Down();
    return etcd_->Revoke(lease);
  }
  absl::StatusOr<pb::StatusResponse> Status() override { return etcd_->Status(); }
  absl::StatusOr<pb::AlarmResponse> Alarms() override { return etcd_->Alarms(); }
  void Pause(int) override {}
  // While it is down, nothing gets to etcd.
  void SetDown(bool down) { down_ = down; }
  // How many calls were made meanwhile.
  int unanswered() const { return unanswered_; }
  // What the end of the last granted lease does, without the wait.
  absl::Status EndLease() { return etcd_->Revoke(last_lease_); }

 private:
  absl::Status Down() {
    ++unanswered_;
    return absl::UnavailableError("nobody answers");
  }

  Etcd* const etcd_;
  bool down_ = false;
  int unanswered_ = 0;
  std::deque<Fate> fates_;
  std::deque<pb::TxnRequest> late_;
  int attempts_ = 0;
  std::vector<int64_t> compacted_;
  int64_t last_lease_ = 0;
};

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_TESTS_ETCD_LOG_TESTING_H_
