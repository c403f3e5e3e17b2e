// The model of etcd answers as etcd does, as far as the product asks it.

#include "tests/simulation/etcd_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/etcd/txn.h"

namespace fairlead::simulation {
namespace {

using etcd::AllAfter;
using etcd::ChangedAt;
using etcd::Found;
using etcd::Get;
using etcd::GetRange;
using etcd::HasValue;
using etcd::Put;
using Way = EtcdModel::Way;

constexpr absl::Duration kTtl = absl::Seconds(2);
constexpr absl::Duration kLateMax = absl::Seconds(1);

class EtcdModelTest : public testing::Test {
 protected:
  static etcd::pb::TxnRequest Putting(const std::string& key, const std::string& value, int64_t lease = 0) {
    etcd::pb::TxnRequest txn;
    *txn.add_success() = Put(key, value, lease);
    return txn;
  }
  std::string Value(const std::string& key) {
    etcd::pb::TxnRequest txn;
    *txn.add_success() = Get(key);
    const auto answer = b_.Txn(txn);
    if (!answer.ok() || Found(*answer, 0) == nullptr) return "none";
    return Found(*answer, 0)->value();
  }
  void Pass(absl::Duration time) {
    const absl::Time end = schedule_.now() + time;
    while (schedule_.Step(end)) {
    }
  }

  Schedule schedule_;
  EtcdModel model_{&schedule_, Random(7), kLateMax};
  EtcdModel::Handle& a_ = *model_.NewHandle("a");
  EtcdModel::Handle& b_ = *model_.NewHandle("b");
};

TEST_F(EtcdModelTest, ATransactionIsDoneAsAWholeOrNotAtAll) {
  const auto first = a_.Txn(Putting("k", "1"));
  ASSERT_TRUE(first.ok() && first->succeeded());
  etcd::pb::TxnRequest txn = Putting("k", "2");
  *txn.add_compare() = ChangedAt("k", first->header().revision());
  *txn.add_compare() = ChangedAt("other", 0);
  *txn.add_failure() = Get("k");
  ASSERT_TRUE(b_.Txn(txn)->succeeded());
  const auto again = b_.Txn(txn);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->succeeded());
  EXPECT_EQ(Found(*again, 0)->value(), "2");
  EXPECT_EQ(again->header().revision(), first->header().revision() + 1);
  *txn.add_success() = Put("k", "3");
  txn.clear_compare();
  EXPECT_EQ(b_.Txn(txn).status().code(), absl::StatusCode::kInvalidArgument) << "one key twice";
}

TEST_F(EtcdModelTest, ComparesAsEtcdDoes) {
  etcd::pb::TxnRequest txn;
  *txn.add_compare() = HasValue("k", "");
  EXPECT_FALSE(a_.Txn(txn)->succeeded()) << "what is not there has no value";
  txn.clear_compare();
  *txn.add_compare() = AllAfter("m/", "m0", "2");
  EXPECT_FALSE(a_.Txn(txn)->succeeded()) << "nothing is there";
  ASSERT_TRUE(a_.Txn(Putting("m/x", "3")).ok());
  EXPECT_TRUE(a_.Txn(txn)->succeeded());
  ASSERT_TRUE(a_.Txn(Putting("m/y", "2")).ok());
  EXPECT_FALSE(a_.Txn(txn)->succeeded());
}

TEST_F(EtcdModelTest, RangesAreOrderedAndLimited) {
  for (const char* key : {"m/c", "m/a", "m/b", "n"}) ASSERT_TRUE(a_.Txn(Putting(key, "v")).ok());
  etcd::pb::TxnRequest txn;
  *txn.add_success() = GetRange("m/", "m0", 2, etcd::With::kKeys);
  const auto answer = a_.Txn(txn);
  const auto& range = answer->responses(0).response_range();
  ASSERT_EQ(range.kvs_size(), 2);
  EXPECT_EQ(range.kvs(0).key(), "m/a");
  EXPECT_EQ(range.kvs(1).key(), "m/b");
  EXPECT_EQ(range.kvs(0).value(), "");
  EXPECT_EQ(range.count(), 3);
  EXPECT_TRUE(range.more());
}

TEST_F(EtcdModelTest, ALeaseEndsLateAndNeverEarly) {
  const int64_t lease = *a_.Grant(kTtl);
  ASSERT_TRUE(a_.Txn(Putting("leader", "a", lease)).ok());
  Pass(kTtl - absl::Milliseconds(1));
  EXPECT_EQ(Value("leader"), "a");
  EXPECT_EQ(*a_.KeepAlive(lease), kTtl);
  Pass(kTtl - absl::Milliseconds(1));
  EXPECT_EQ(Value("leader"), "a");
  Pass(kLateMax + absl::Milliseconds(1));
  EXPECT_EQ(Value("leader"), "none");
  EXPECT_TRUE(absl::IsNotFound(a_.KeepAlive(lease).status()));
  EXPECT_TRUE(a_.Revoke(lease).ok());
  EXPECT_TRUE(absl::IsNotFound(a_.Txn(Putting("leader", "a", lease)).status()));
}

TEST_F(EtcdModelTest, WithoutAMajorityNothingIsDoneAndNoLeaseEnds) {
  const int64_t lease = *a_.Grant(kTtl);
  ASSERT_TRUE(a_.Txn(Putting("leader", "a", lease)).ok());
  model_.SetMajority(false);
  EXPECT_TRUE(absl::IsUnavailable(a_.Txn(Putting("k", "1")).status()));
  Pass(absl::Seconds(60));
  model_.SetMajority(true);
  EXPECT_EQ(Value("leader"), "a");
  EXPECT_EQ(Value("k"), "none");
  Pass(kTtl + kLateMax);
  EXPECT_EQ(Value("leader"), "none");
}

TEST_F(EtcdModelTest, AnswersAreLostAndRequestsComeLate) {
  a_.set_way(Way::kCut);
  EXPECT_TRUE(absl::IsUnavailable(a_.Txn(Putting("cut", "1")).status()));
  a_.set_way(Way::kDeaf);
  EXPECT_TRUE(absl::IsUnavailable(a_.Txn(Putting("deaf", "1")).status()));
  EXPECT_EQ(Value("deaf"), "1");
  a_.set_way(Way::kLate);
  etcd::pb::TxnRequest once = Putting("late", "a");
  *once.add_compare() = ChangedAt("late", 0);
  EXPECT_TRUE(absl::IsUnavailable(a_.Txn(once).status()));
  EXPECT_EQ(Value("late"), "none");
  Pass(absl::Seconds(10));
  EXPECT_EQ(Value("late"), "a");
  EXPECT_EQ(Value("cut"), "none");
  EXPECT_EQ(b_.way(), Way::kOpen) << "each has a way of its own";
}

TEST_F(EtcdModelTest, WhatIsFullTakesDeletionsAlone) {
  ASSERT_TRUE(a_.Txn(Putting("k", std::string(1000, 'x'))).ok());
  model_.SetQuota(model_.bytes() + 100);
  const absl::Status full = a_.Txn(Putting("k", std::string(1000, 'y'))).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_THAT(std::string(full.message()), testing::HasSubstr("database space exceeded"));
  EXPECT_FALSE(a_.Grant(kTtl).ok());
  EXPECT_EQ(a_.Alarms()->alarms_size(), 1);
  etcd::pb::TxnRequest txn;
  *txn.add_success() = etcd::DeleteRange("k", "l");
  const auto gone = a_.Txn(txn);
  ASSERT_TRUE(gone.ok());
  EXPECT_TRUE(a_.Compact(gone->header().revision()).ok());
  EXPECT_TRUE(a_.Compact(1).ok()) << "it was done before";
  EXPECT_EQ(model_.bytes(), 0);
  EXPECT_FALSE(a_.Txn(Putting("k", "1")).ok()) << "until somebody has seen to it";
  model_.Disarm();
  EXPECT_TRUE(a_.Txn(Putting("k", "1")).ok());
}

}  // namespace
}  // namespace fairlead::simulation
