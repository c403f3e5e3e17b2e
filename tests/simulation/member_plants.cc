#include "tests/simulation/member_plants.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/etcd/packing.h"
#include "server/etcd/txn.h"
#include "storage/schema.h"

namespace fairlead::simulation {

namespace pb = etcd::pb;

namespace {

// A way to etcd that is what it stands before, but for what a plant changes.
class PlantedEtcd : public etcd::Etcd {
 public:
  explicit PlantedEtcd(etcd::Etcd* etcd) : etcd_(etcd) {}
  absl::StatusOr<pb::TxnResponse> Txn(const pb::TxnRequest& request) override { return etcd_->Txn(request); }
  absl::Status Compact(int64_t revision) override { return etcd_->Compact(revision); }
  absl::StatusOr<int64_t> Grant(absl::Duration ttl) override { return etcd_->Grant(ttl); }
  absl::StatusOr<absl::Duration> KeepAlive(int64_t lease) override { return etcd_->KeepAlive(lease); }
  absl::Status Revoke(int64_t lease) override { return etcd_->Revoke(lease); }
  absl::StatusOr<pb::StatusResponse> Status() override { return etcd_->Status(); }
  absl::StatusOr<pb::AlarmResponse> Alarms() override { return etcd_->Alarms(); }
  void Pause(int attempt) override { etcd_->Pause(attempt); }

 protected:
  etcd::Etcd* const etcd_;
};

bool Ends(const std::string& key, std::string_view name) { return key.ends_with(std::string("/") + std::string(name)); }
bool IsBatch(const std::string& key) { return key.find("/batches/") != std::string::npos; }
bool Appends(const pb::TxnRequest& txn) {
  return txn.success_size() > 1 && txn.success(0).has_request_put() && IsBatch(txn.success(0).request_put().key());
}

void Uncompare(std::string_view what, pb::TxnRequest* txn) {
  auto* compares = txn->mutable_compare();
  for (int i = compares->size() - 1; i >= 0; --i) {
    if (compares->Get(i).key().find(what) != std::string::npos) compares->DeleteSubrange(i, 1);
  }
}

class FenceNotCompared : public PlantedEtcd {
 public:
  using PlantedEtcd::PlantedEtcd;
  absl::StatusOr<pb::TxnResponse> Txn(const pb::TxnRequest& request) override {
    if (!Appends(request)) return etcd_->Txn(request);
    pb::TxnRequest txn = request;
    Uncompare("/fence", &txn);
    return etcd_->Txn(txn);
  }
};

// Where the log does not end where it did, it appends where it ends now, although an attempt before may have been done.
class AppendedAgain : public PlantedEtcd {
 public:
  using PlantedEtcd::PlantedEtcd;
  absl::StatusOr<pb::TxnResponse> Txn(const pb::TxnRequest& request) override {
    auto answer = etcd_->Txn(request);
    if (!Appends(request) || !answer.ok() || answer->succeeded()) return answer;
    const auto first = etcd::DecodePacked(request.success(0).request_put().value());
    const pb::KeyValue* there = etcd::Found(*answer, 1);
    // Another's batch is looked for all the same.
    if (!first.ok() || there == nullptr || etcd::AppendIdOf(there->value()) != first->id) return answer;
    std::vector<node::JournalItem> items;
    for (const pb::RequestOp& op : request.success()) {
      if (!IsBatch(op.request_put().key())) continue;
      const auto packed = etcd::DecodePacked(op.request_put().value());
      items.insert(items.end(), packed->items.begin(), packed->items.end());
    }
    Digest chain = first->before;
    for (const node::JournalItem& item : items) chain = etcd::Chained(chain, item);
    const Position end = first->first + items.size();
    const std::string& tail = request.compare(1).key();
    const etcd::Keys keys(tail.substr(0, tail.size() - std::string_view("tail").size()));
    pb::TxnRequest txn;
    *txn.add_compare() = request.compare(0);
    *txn.add_compare() = etcd::HasValue(tail, etcd::TailText(end, chain));
    for (const etcd::Packed& packed : etcd::Pack(first->id, end, &chain, items)) {
      *txn.add_success() = etcd::Put(keys.Batch(packed.first), etcd::EncodePacked(packed));
    }
    *txn.add_success() = etcd::Put(tail, etcd::TailText(end + items.size(), chain));
    etcd_->Txn(txn).status().IgnoreError();
    return answer;
  }
};

// What others have not got is none of its concern.
class TrimsForItself : public PlantedEtcd {
 public:
  TrimsForItself(etcd::Etcd* etcd, std::string member) : PlantedEtcd(etcd), member_(std::move(member)) {}
  absl::StatusOr<pb::TxnResponse> Txn(const pb::TxnRequest& request) override {
    pb::TxnRequest txn = request;
    Uncompare("/members/", &txn);
    auto answer = etcd_->Txn(txn);
    if (!answer.ok()) return answer;
    for (pb::ResponseOp& op : *answer->mutable_responses()) {
      if (!op.has_response_range()) continue;
      auto* kvs = op.mutable_response_range()->mutable_kvs();
      for (int i = kvs->size() - 1; i >= 0; --i) {
        const std::string& key = kvs->Get(i).key();
        if (key.find("/members/") != std::string::npos && !Ends(key, member_)) kvs->DeleteSubrange(i, 1);
      }
    }
    return answer;
  }

 private:
  const std::string member_;
};

class PlantedLog : public node::CommitLog {
 public:
  PlantedLog(std::unique_ptr<node::CommitLog> log, storage::Store* store) : log_(std::move(log)), store_(store) {}
  bool needs_items() const override { return log_->needs_items(); }
  size_t append_bytes_max() const override { return log_->append_bytes_max(); }
  uint64_t Term() const override { return log_->Term(); }
  absl::Time LedUntil(uint64_t term, Position held) const override { return log_->LedUntil(term, held); }
  absl::Status Append(Position expected, Position end, const std::vector<node::JournalItem>& items, storage::Batch* folded) override {
    return log_->Append(expected, end, items, folded);
  }
  absl::StatusOr<node::JournalPart> Read(Position from, size_t bytes_max) override { return log_->Read(from, bytes_max); }
  absl::StatusOr<Position> End() override { return log_->End(); }
  absl::Status NoteFollowed(Position from, const std::vector<node::JournalItem>& items, storage::Batch* folded) override {
    return log_->NoteFollowed(from, items, folded);
  }

 protected:
  const std::unique_ptr<node::CommitLog> log_;
  storage::Store* const store_;
};

// Its own store is enough for it.
class AnswersBeforeEtcd : public PlantedLog {
 public:
  using PlantedLog::PlantedLog;
  absl::Status Append(Position expected, Position end, const std::vector<node::JournalItem>& items, storage::Batch* folded) override {
    const absl::Status appended = log_->Append(expected, end, items, folded);
    if (!absl::IsUnavailable(appended)) return appended;
    return store_->Write(folded, storage::Sync::kYes);
  }
};

// Once elected it takes what it has for all there is.
class LeadsUnread : public PlantedLog {
 public:
  using PlantedLog::PlantedLog;
  absl::StatusOr<node::JournalPart> Read(Position from, size_t bytes_max) override {
    if (log_->Term() != 0) return node::JournalPart{{}, true};
    return log_->Read(from, bytes_max);
  }
};

// Who has been elected leads, until he hears otherwise.
class TrustsItsLease : public PlantedLog {
 public:
  using PlantedLog::PlantedLog;
  absl::Time LedUntil(uint64_t term, Position) const override {
    return term == log_->Term() ? absl::InfiniteFuture() : absl::InfinitePast();
  }
};

template <class Log>
auto LogOf() {
  return [](std::unique_ptr<node::CommitLog> log, storage::Store* store) -> std::unique_ptr<node::CommitLog> {
    return std::make_unique<Log>(std::move(log), store);
  };
}

template <class Way>
auto WayOf() {
  return [](etcd::Etcd* etcd, const std::string&) -> std::unique_ptr<etcd::Etcd> { return std::make_unique<Way>(etcd); };
}

}  // namespace

std::vector<Plant> MemberPlants() {
  std::vector<Plant> plants;
  auto add = [&plants](std::string_view name, std::string_view rule, std::vector<std::string_view> expects) -> Plant& {
    Plant& plant = plants.emplace_back();
    plant.name = name;
    plant.rule = rule;
    plant.expects = std::move(expects);
    plant.members = true;
    return plant;
  };
  add("fence-not-compared", "26: one who was deposed appends", {"was elected"}).etcd = WayOf<FenceNotCompared>();
  plants.back().seeds_max = 40;
  add("appended-again", "26: an append whose answer was lost is there twice", {"entries come before it"}).etcd = WayOf<AppendedAgain>();
  add("trims-for-itself", "26: a member finds a gap where it reads on", {"the log is trimmed to position"}).etcd =
      [](etcd::Etcd* etcd, const std::string& member) { return std::make_unique<TrimsForItself>(etcd, member); };
  add("answers-before-etcd", "26: what was acknowledged is lost with one machine", {"and the log on etcd ever had"}).commit_log =
      LogOf<AnswersBeforeEtcd>();
  add("leads-unread", "26: one who was elected writes before it has read to the end", {"the sites do not agree"}).commit_log =
      LogOf<LeadsUnread>();
  plants.back().seeds_max = 40;
  add("trusts-its-lease", "26: a leader that was suspended says that nothing new has happened", {"after the log on etcd had more"})
      .commit_log = LogOf<TrustsItsLease>();
  plants.back().seeds_max = 60;
  return plants;
}

}  // namespace fairlead::simulation
