#include "tests/simulation/etcd_model.h"

#include <algorithm>
#include <utility>

namespace fairlead::simulation {

namespace pb = etcd::pb;

namespace {

// As etcd has them unless it is configured otherwise.
constexpr int kOpsMax = 128;
constexpr size_t kRequestBytesMax = 1536 << 10;
constexpr absl::Duration kLateMax = absl::Seconds(4);

absl::Status NoAnswer() { return absl::UnavailableError("etcdserver: request timed out"); }
absl::Status NoLease() { return absl::NotFoundError("etcdserver: requested lease not found"); }

int64_t SizeOf(const pb::KeyValue& value) { return static_cast<int64_t>(value.key().size() + value.value().size()); }

template <class T>
bool Compares(pb::Compare::CompareResult result, const T& held, const T& asked) {
  switch (result) {
    case pb::Compare::EQUAL:
      return held == asked;
    case pb::Compare::GREATER:
      return held > asked;
    case pb::Compare::LESS:
      return held < asked;
    default:
      return held != asked;
  }
}

bool Puts(const google::protobuf::RepeatedPtrField<pb::RequestOp>& ops) {
  return std::any_of(ops.begin(), ops.end(), [](const pb::RequestOp& op) { return op.has_request_put(); });
}

}  // namespace

EtcdModel::EtcdModel(Schedule* schedule, Random random, absl::Duration lease_late_max)
    : schedule_(*schedule), random_(std::move(random)), lease_late_max_(lease_late_max) {}

EtcdModel::Handle* EtcdModel::NewHandle(const std::string& name) {
  return handles_.emplace_back(std::make_unique<Handle>(this, name)).get();
}

// --- What becomes of a call -------------------------------------------------------------------------------------------------------

template <class Result, class Fn>
Result EtcdModel::Handle::Carry(Fn done) {
  Way way = way_;
  // Of those of an unsteady way, most get through.
  const uint64_t one_in = way == Way::kFlaky ? 3 : way == Way::kOpen ? model_.trouble_ : 0;
  if (one_in > 0) {
    constexpr Way kFates[] = {Way::kCut, Way::kDeaf, Way::kLate};
    way = model_.random_.OneIn(one_in) ? kFates[model_.random_.Below(std::size(kFates))] : Way::kOpen;
  }
  if (!model_.majority_) way = Way::kCut;
  switch (way) {
    case Way::kOpen:
    case Way::kFlaky:
      return done();
    case Way::kDeaf:
      done().IgnoreError();
      break;
    case Way::kLate:
      model_.schedule_.After(model_.random_.Between(absl::Milliseconds(1), kLateMax), [model = &model_, done] {
        if (model->majority_) done().IgnoreError();
      });
      break;
    case Way::kCut:
      break;
  }
  return NoAnswer();
}

absl::StatusOr<pb::TxnResponse> EtcdModel::Handle::Txn(const pb::TxnRequest& request) {
  return Carry<absl::StatusOr<pb::TxnResponse>>([model = &model_, name = name_, request] { return model->DoTxn(name, request); });
}

absl::Status EtcdModel::Handle::Compact(int64_t revision) {
  const absl::Status status = Carry<absl::Status>([model = &model_, revision] { return model->DoCompact(revision); });
  return absl::IsOutOfRange(status) ? absl::OkStatus() : status;
}

absl::StatusOr<int64_t> EtcdModel::Handle::Grant(absl::Duration ttl) {
  return Carry<absl::StatusOr<int64_t>>([model = &model_, ttl] { return model->DoGrant(ttl); });
}

absl::StatusOr<absl::Duration> EtcdModel::Handle::KeepAlive(int64_t lease) {
  return Carry<absl::StatusOr<absl::Duration>>([model = &model_, lease] { return model->DoKeepAlive(lease); });
}

absl::Status EtcdModel::Handle::Revoke(int64_t lease) {
  const absl::Status status = Carry<absl::Status>([model = &model_, name = name_, lease] { return model->DoRevoke(name, lease); });
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<pb::StatusResponse> EtcdModel::Handle::Status() {
  return Carry<absl::StatusOr<pb::StatusResponse>>([model = &model_]() -> absl::StatusOr<pb::StatusResponse> {
    pb::StatusResponse response;
    response.set_dbsize(model->bytes_);
    response.set_dbsizeinuse(model->bytes_);
    response.set_leader(1);
    return response;
  });
}

absl::StatusOr<pb::AlarmResponse> EtcdModel::Handle::Alarms() {
  return Carry<absl::StatusOr<pb::AlarmResponse>>([model = &model_]() -> absl::StatusOr<pb::AlarmResponse> {
    pb::AlarmResponse response;
    if (model->full_) response.add_alarms()->set_alarm(pb::NOSPACE);
    return response;
  });
}

// --- Keys -------------------------------------------------------------------------------------------------------------------------

template <class Fn>
void EtcdModel::ForRange(const std::string& key, const std::string& end, Fn fn) const {
  for (auto it = keys_.lower_bound(key); it != keys_.end(); ++it) {
    if (end.empty() ? it->first != key : it->first >= end) return;
    if (!fn(it->second)) return;
  }
}

bool EtcdModel::Holds(const pb::Compare& compare, const pb::KeyValue* found) {
  const pb::KeyValue none;
  switch (compare.target()) {
    case pb::Compare::VALUE:
      return found != nullptr && Compares(compare.result(), found->value(), compare.value());  // what is not there has no value
    case pb::Compare::CREATE:
      return Compares(compare.result(), (found == nullptr ? none : *found).create_revision(), compare.create_revision());
    default:
      return Compares(compare.result(), (found == nullptr ? none : *found).mod_revision(), compare.mod_revision());
  }
}

bool EtcdModel::Holds(const pb::Compare& compare) const {
  bool any = false, all = true;
  ForRange(compare.key(), compare.range_end(), [&](const pb::KeyValue& value) {
    any = true;
    all = all && Holds(compare, &value);
    return all;
  });
  return any ? all : Holds(compare, nullptr);
}

absl::Status EtcdModel::Check(const pb::TxnRequest& request, const google::protobuf::RepeatedPtrField<pb::RequestOp>& ops) {
  for (const int count : {request.compare_size(), request.success_size(), request.failure_size()}) {
    if (count > kOpsMax) return absl::InvalidArgumentError("etcdserver: too many operations in txn request");
  }
  if (request.ByteSizeLong() > kRequestBytesMax) return absl::InvalidArgumentError("etcdserver: request is too large");
  std::set<std::string> put;
  for (const pb::RequestOp& op : ops) {
    if (!op.has_request_put()) continue;
    if (!put.insert(op.request_put().key()).second) return absl::InvalidArgumentError("etcdserver: duplicate key given in txn request");
    if (op.request_put().lease() != 0 && !leases_.contains(op.request_put().lease())) return NoLease();
  }
  // What one branch may put counts, whichever is taken.
  if (Puts(request.success()) || Puts(request.failure())) {
    full_ = full_ || bytes_ + static_cast<int64_t>(request.ByteSizeLong()) > quota_;
    if (full_) return absl::ResourceExhaustedError("etcdserver: mvcc: database space exceeded");
  }
  return absl::OkStatus();
}

absl::StatusOr<pb::TxnResponse> EtcdModel::DoTxn(const std::string& caller, const pb::TxnRequest& request) {
  const bool succeeded = std::all_of(request.compare().begin(), request.compare().end(), [&](const auto& each) { return Holds(each); });
  const auto& ops = succeeded ? request.success() : request.failure();
  if (absl::Status status = Check(request, ops); !status.ok()) return status;
  pb::TxnResponse response;
  response.set_succeeded(succeeded);
  std::vector<pb::RequestOp> changes;
  for (const pb::RequestOp& op : ops) {
    pb::ResponseOp* done = response.add_responses();
    switch (op.request_case()) {
      case pb::RequestOp::kRequestRange:
        Read(op.request_range(), done->mutable_response_range());
        break;
      case pb::RequestOp::kRequestPut:
        Put(op.request_put(), revision_ + 1);
        done->mutable_response_put();
        changes.push_back(op);
        break;
      default:
        done->mutable_response_delete_range()->set_deleted(Delete(op.request_delete_range()));
        if (done->response_delete_range().deleted() > 0) changes.push_back(op);
    }
  }
  if (!changes.empty()) ++revision_;
  response.mutable_header()->set_revision(revision_);
  if (!changes.empty() && observer_) observer_(caller, changes);
  return response;
}

void EtcdModel::Read(const pb::RangeRequest& range, pb::RangeResponse* response) const {
  int64_t count = 0;
  ForRange(range.key(), range.range_end(), [&](const pb::KeyValue& value) {
    ++count;
    if (range.count_only() || (range.limit() > 0 && response->kvs_size() == range.limit())) return true;
    pb::KeyValue* found = response->add_kvs();
    *found = value;
    if (range.keys_only()) found->clear_value();
    return true;
  });
  response->set_count(count);
  response->set_more(!range.count_only() && count > response->kvs_size());
}

void EtcdModel::Put(const pb::PutRequest& put, int64_t revision) {
  pb::KeyValue& value = keys_[put.key()];
  if (value.lease() != 0) leases_[value.lease()].keys.erase(put.key());
  if (value.create_revision() == 0) value.set_create_revision(revision);
  value.set_key(put.key());
  value.set_mod_revision(revision);
  value.set_value(put.value());
  value.set_lease(put.lease());
  if (put.lease() != 0) leases_[put.lease()].keys.insert(put.key());
  bytes_ += SizeOf(value);
}

int64_t EtcdModel::Delete(const pb::DeleteRangeRequest& range) {
  std::vector<std::string> gone;
  ForRange(range.key(), range.range_end(), [&gone](const pb::KeyValue& value) {
    gone.push_back(value.key());
    return true;
  });
  for (const std::string& key : gone) {
    const auto it = keys_.find(key);
    if (it->second.lease() != 0) leases_[it->second.lease()].keys.erase(key);
    keys_.erase(it);
  }
  return static_cast<int64_t>(gone.size());
}

absl::Status EtcdModel::DoCompact(int64_t revision) {
  if (revision > revision_) return absl::OutOfRangeError("etcdserver: mvcc: required revision is a future revision");
  if (revision <= compacted_) return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted");
  compacted_ = revision;
  bytes_ = 0;  // nobody reads what was: of that, only the size is kept
  for (const auto& [key, value] : keys_) bytes_ += SizeOf(value);
  return absl::OkStatus();
}

void EtcdModel::Disarm() {
  full_ = false;
  quota_ = int64_t{2} << 30;
}

// --- Leases -----------------------------------------------------------------------------------------------------------------------

void EtcdModel::Prolong(Lease* lease) {
  lease->end = schedule_.now() + lease->ttl + random_.Between(absl::ZeroDuration(), lease_late_max_);
}

void EtcdModel::ScheduleEnd(int64_t id) {
  const auto lease = leases_.find(id);
  if (lease == leases_.end()) return;
  schedule_.At(lease->second.end, [this, id] {
    const auto due = leases_.find(id);
    if (due == leases_.end() || !majority_) return;
    if (due->second.end > schedule_.now()) return ScheduleEnd(id);
    DoRevoke("", id).IgnoreError();
  });
}

void EtcdModel::SetMajority(bool has) {
  if (std::exchange(majority_, has) == has || !has) return;
  // Whoever leads etcd now does not know how long they have lasted.
  for (auto& [id, lease] : leases_) {
    Prolong(&lease);
    ScheduleEnd(id);
  }
}

absl::StatusOr<int64_t> EtcdModel::DoGrant(absl::Duration ttl) {
  if (full_) return absl::ResourceExhaustedError("etcdserver: mvcc: database space exceeded");
  const int64_t id = next_lease_++;
  Lease& lease = leases_[id];
  lease.ttl = ttl;
  Prolong(&lease);
  ScheduleEnd(id);
  return id;
}

absl::StatusOr<absl::Duration> EtcdModel::DoKeepAlive(int64_t id) {
  const auto lease = leases_.find(id);
  if (lease == leases_.end()) return absl::NotFoundError("the lease has ended");
  Prolong(&lease->second);
  return lease->second.ttl;
}

absl::Status EtcdModel::DoRevoke(const std::string& caller, int64_t id) {
  const auto lease = leases_.find(id);
  if (lease == leases_.end()) return NoLease();
  const std::set<std::string> keys = std::move(lease->second.keys);
  leases_.erase(lease);
  std::vector<pb::RequestOp> changes;
  for (const std::string& key : keys) {
    keys_.erase(key);
    changes.emplace_back().mutable_request_delete_range()->set_key(key);
  }
  if (changes.empty()) return absl::OkStatus();
  ++revision_;
  if (observer_) observer_(caller, changes);
  return absl::OkStatus();
}

}  // namespace fairlead::simulation
