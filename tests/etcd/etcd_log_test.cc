// The commit log on etcd, where it can go wrong as no other does: answers that are lost, writers that are deposed, quotas, damage, members
// of etcd that end or hang. Real etcd; transactions are lost and delayed on the way to it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/errors.h"
#include "server/etcd/commit_log.h"
#include "server/etcd/health.h"
#include "server/etcd/packing.h"
#include "server/etcd/watch.h"
#include "storage/memory_store.h"
#include "tests/etcd/log_testing.h"
#include "tests/framework/eventually.h"

namespace fairlead::etcd {
namespace {

using framework::EtcdCluster;
using framework::Eventually;
using node::JournalItem;
using storage::MemoryStore;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using Fate = LossyEtcd::Fate;

constexpr size_t kPlenty = 64 << 20;
constexpr char kInstance[] = "an instance";

// One member of a site: its way to etcd, its store, its part of the log.
struct Member {
  Member(Etcd* direct, const std::string& prefix, const std::string& name)
      : etcd(direct), options{.prefix = prefix, .member = name, .attempts_max = 4}, leadership(&etcd, {.prefix = prefix, .member = name}) {
    PutInstance(&store, kInstance);
    const absl::Status made = EtcdCommitLog::Create(&etcd, options, kInstance, Position(0));
    EXPECT_TRUE(made.ok()) << made;
    auto opened = EtcdCommitLog::Open(&etcd, options, &store);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (opened.ok()) log = *std::move(opened);
  }
  // Whether it has been elected.
  bool Lead() {
    const auto fence = leadership.Campaign();
    EXPECT_TRUE(fence.ok()) << fence.status();
    if (!fence.ok() || !*fence) return false;
    log->SetFence(**fence);
    term = (*fence)->term;
    return true;
  }
  absl::Status Append(uint64_t expected, const std::vector<JournalItem>& items) {
    return etcd::Append(log.get(), &store, Position(expected), items);
  }
  std::vector<JournalItem> Read(uint64_t from) {
    const auto items = log->Read(Position(from), kPlenty);
    EXPECT_TRUE(items.ok()) << items.status();
    return items.ok() ? items->items : std::vector<JournalItem>();
  }
  // Folds what others appended.
  void CatchUp() {
    const Position from(JournalEnd(store));
    const std::vector<JournalItem> items = Read(from.value());
    const auto folded = Fold(store, from, items);
    const absl::Status noted = log->NoteFollowed(from, items, folded.get());
    EXPECT_TRUE(noted.ok()) << noted;
    const absl::Status written = store.Write(folded.get(), storage::Sync::kYes);
    EXPECT_TRUE(written.ok()) << written;
  }
  uint64_t End() {
    const auto end = log->End();
    EXPECT_TRUE(end.ok()) << end.status();
    return end.ok() ? end->value() : ~uint64_t{0};
  }

  MemoryStore store;
  LossyEtcd etcd;
  const EtcdLogOptions options;
  Leadership leadership;
  std::unique_ptr<EtcdCommitLog> log;
  uint64_t term = 0;
};

class EtcdLogTest : public testing::Test {
 protected:
  void SetUp() override {
    if (SharedCluster() == nullptr) GTEST_SKIP() << "etcd is not installed";
    client_ = std::make_unique<EtcdClient>(OptionsOf(*SharedCluster()));
    a_ = std::make_unique<Member>(client_.get(), prefix_, "a");
    b_ = std::make_unique<Member>(client_.get(), prefix_, "b");
    ASSERT_TRUE(a_->Lead());
  }
  // Changes a key as none of the members would.
  void Change(const pb::RequestOp& op) {
    pb::TxnRequest txn;
    *txn.add_success() = op;
    const auto answer = client_->Txn(txn);
    ASSERT_TRUE(answer.ok()) << answer.status();
  }

  const std::string prefix_ = NewPrefix();
  std::unique_ptr<EtcdClient> client_;
  std::unique_ptr<Member> a_, b_;
};

// --- Answers that are lost ---------------------------------------------------------------------------------------------------------

TEST_F(EtcdLogTest, BatchWhoseAnswerWasLostIsFoundByItsId) {
  a_->etcd.Expect({Fate::kAnswerLost});
  const int before = a_->etcd.attempts();
  ASSERT_TRUE(a_->Append(0, Entries(0, 3)).ok());
  EXPECT_EQ(a_->etcd.attempts() - before, 2);
  EXPECT_EQ(JournalEnd(a_->store), 3u);
  EXPECT_THAT(b_->Read(0), ElementsAreArray(Entries(0, 3)));
  EXPECT_TRUE(a_->Append(3, Entries(3, 1)).ok());
}

TEST_F(EtcdLogTest, BatchThatWasLostIsSentAgain) {
  a_->etcd.Expect({Fate::kLost, Fate::kLost, Fate::kDone});
  ASSERT_TRUE(a_->Append(0, Entries(0, 3)).ok());
  EXPECT_THAT(b_->Read(0), ElementsAreArray(Entries(0, 3)));
}

TEST_F(EtcdLogTest, BatchThatArrivesTwiceIsAppendedOnce) {
  a_->etcd.Expect({Fate::kLate, Fate::kDone});
  ASSERT_TRUE(a_->Append(0, Entries(0, 3)).ok());
  EXPECT_EQ(a_->etcd.Deliver(), 0);
  ASSERT_TRUE(a_->Append(3, Entries(3, 1)).ok());
  EXPECT_THAT(b_->Read(0), ElementsAreArray(Entries(0, 4)));
}

TEST_F(EtcdLogTest, OutcomeThatIsNotKnownIsToldAndReadLater) {
  a_->etcd.Expect({Fate::kLate, Fate::kLost, Fate::kLost, Fate::kLost});
  const absl::Status unknown = a_->Append(0, Entries(0, 3));
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("it is not known whether the batch at position 0 was appended"));
  EXPECT_EQ(JournalEnd(a_->store), 0u);
  EXPECT_EQ(a_->End(), 0u);
  EXPECT_EQ(a_->etcd.Deliver(), 1);
  EXPECT_EQ(a_->Append(0, Entries(5, 1)).code(), absl::StatusCode::kFailedPrecondition);
  a_->CatchUp();
  EXPECT_EQ(JournalEnd(a_->store), 3u);
  EXPECT_TRUE(a_->Append(3, Entries(3, 1)).ok());
  EXPECT_THAT(b_->Read(0), ElementsAreArray(Entries(0, 4)));
}

TEST_F(EtcdLogTest, LateBatchDoesNotFollowOneThatTookItsPlace) {
  a_->etcd.Expect({Fate::kLate, Fate::kLate, Fate::kLate, Fate::kLate});
  ASSERT_EQ(a_->Append(0, Entries(0, 3)).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(a_->Append(0, Entries(7, 2)).ok());
  EXPECT_EQ(a_->etcd.Deliver(), 0);
  EXPECT_THAT(b_->Read(0), ElementsAreArray(Entries(7, 2)));
}

TEST_F(EtcdLogTest, StoreThatRefusesHasTheBatchToRead) {
  a_->store.set_write_fault([](storage::Sync) { return Error(Reason::kStorageFull, "the disk is full"); });
  const absl::Status refused = a_->Append(0, Entries(0, 2));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(refused), "") << "it was written, and is to be asked for again";
  EXPECT_THAT(std::string(refused.message()), HasSubstr("the disk is full"));
  a_->store.set_write_fault(nullptr);
  EXPECT_EQ(JournalEnd(a_->store), 0u);
  a_->CatchUp();
  EXPECT_EQ(JournalEnd(a_->store), 2u);
}

TEST_F(EtcdLogTest, AppendThatIsTooLargeIsRefused) {
  const absl::Status refused = a_->Append(0, Entries(0, 2, 1 << 20));
  EXPECT_EQ(ReasonOf(refused), "MESSAGE_TOO_LARGE");
  EXPECT_EQ(a_->End(), 0u);
}

// --- One writer --------------------------------------------------------------------------------------------------------------------

TEST_F(EtcdLogTest, OnlyTheLeaderAppends) {
  EXPECT_FALSE(b_->Lead());
  EXPECT_EQ(b_->leadership.leader(), "a");
  EXPECT_EQ(b_->Append(0, Entries(0, 1)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(b_->End(), 0u);
}

TEST_F(EtcdLogTest, DeposedWriterNeverAppends) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  // On its way while a's lease ends and b is elected.
  a_->etcd.Expect({Fate::kLate, Fate::kLate, Fate::kLate, Fate::kLate});
  ASSERT_EQ(a_->Append(2, Entries(2, 1)).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(a_->etcd.EndLease().ok());
  ASSERT_TRUE(b_->Lead());
  EXPECT_EQ(b_->term, a_->term + 1);
  EXPECT_EQ(a_->etcd.Deliver(), 0);
  // a has not heard of it.
  EXPECT_EQ(a_->Append(2, Entries(2, 1)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(JournalEnd(a_->store), 2u);
  EXPECT_EQ(a_->leadership.Renew().status().code(), absl::StatusCode::kNotFound);
  b_->CatchUp();
  ASSERT_TRUE(b_->Append(2, Entries(4, 2)).ok());
  EXPECT_THAT(a_->Read(2), ElementsAreArray(Entries(4, 2)));
}

TEST_F(EtcdLogTest, LeaseAloneDoesNotDepose) {
  // Nobody else was elected: what a writes is read by whoever is.
  ASSERT_TRUE(a_->etcd.EndLease().ok());
  ASSERT_TRUE(a_->Append(0, Entries(0, 1)).ok());
  ASSERT_TRUE(b_->Lead());
  EXPECT_THAT(b_->Read(0), ElementsAreArray(Entries(0, 1)));
}

TEST_F(EtcdLogTest, ElectionWhoseAnswerWasLostIsWon) {
  ASSERT_TRUE(a_->leadership.Resign().ok());
  b_->etcd.Expect({Fate::kAnswerLost});
  ASSERT_TRUE(b_->Lead());
  EXPECT_TRUE(b_->Append(0, Entries(0, 1)).ok());
  a_->CatchUp();
  EXPECT_EQ(a_->Append(1, Entries(1, 1)).code(), absl::StatusCode::kAborted);
}

TEST_F(EtcdLogTest, ElectionOfWhichNothingIsHeardElectsNobody) {
  ASSERT_TRUE(a_->leadership.Resign().ok());
  b_->etcd.Expect(std::deque<Fate>(10, Fate::kLate));
  EXPECT_EQ(b_->leadership.Campaign().status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(a_->Lead());
  EXPECT_TRUE(a_->Append(0, Entries(0, 1)).ok());
}

TEST_F(EtcdLogTest, TheLogIsKnownToEndOnlyWhereItsLeaderDoes) {
  const absl::Time before = absl::FromUnixSeconds(100), after = absl::FromUnixSeconds(101);
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  ASSERT_TRUE(a_->log->Confirm(before).ok());
  EXPECT_EQ(a_->log->LedUntil(a_->term, Position(2)), before);
  a_->store.set_write_fault([](storage::Sync) { return Error(Reason::kStorageFull, "the disk is full"); });
  ASSERT_FALSE(a_->Append(2, Entries(2, 1)).ok());
  ASSERT_TRUE(a_->log->Confirm(after).ok());
  EXPECT_EQ(a_->log->LedUntil(a_->term, Position(2)), before) << "it had another entry then";
  EXPECT_EQ(a_->log->LedUntil(a_->term, Position(3)), after);
  EXPECT_EQ(a_->log->LedUntil(a_->term + 1, Position(3)), absl::InfinitePast());
}

TEST_F(EtcdLogTest, MemberThatResignsMakesRoomAtOnce) {
  EXPECT_FALSE(b_->Lead());
  const auto left = a_->leadership.Renew();
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_GE(*left, absl::Seconds(1));
  ASSERT_TRUE(a_->leadership.Resign().ok());
  EXPECT_TRUE(b_->Lead());
  EXPECT_FALSE(a_->Lead());
}

TEST_F(EtcdLogTest, LeaseThatIsNotRenewedEnds) {
  ASSERT_TRUE(a_->leadership.Resign().ok());
  Leadership short_lived(client_.get(), {.prefix = prefix_, .member = "c", .ttl = absl::Seconds(1)});
  const auto fence = short_lived.Campaign();
  ASSERT_TRUE(fence.ok() && *fence) << fence.status();
  EXPECT_TRUE(Eventually([&] { return b_->Lead(); }));
  EXPECT_EQ(short_lived.Renew().status().code(), absl::StatusCode::kNotFound);
}

// --- What is trimmed, lost or damaged ----------------------------------------------------------------------------------------------

TEST_F(EtcdLogTest, WhatEveryMemberHasIsTrimmed) {
  for (uint64_t at = 0; at < 10; at += 2) ASSERT_TRUE(a_->Append(at, Entries(at, 2)).ok());
  auto first = a_->log->Trim();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->value(), 0u) << "nobody has said what he has";
  ASSERT_TRUE(a_->log->ReportDurable(Position(10)).ok());
  ASSERT_TRUE(b_->log->ReportDurable(Position(5)).ok());
  first = a_->log->Trim();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->value(), 4u) << "the batch that holds position 5";
  EXPECT_THAT(a_->etcd.compacted(), SizeIs(1));
  EXPECT_EQ(b_->log->Read(Position(3), kPlenty).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(b_->Read(5), ElementsAreArray(Entries(5, 5)));
  EXPECT_THAT(b_->Read(4), ElementsAreArray(Entries(4, 6)));

  // One that is to come is kept all that is there now, and so is one that is admitted again: its store may be another.
  const EtcdLogOptions late{.prefix = prefix_, .member = "late"};
  ASSERT_TRUE(EtcdCommitLog::Admit(client_.get(), late).ok());
  ASSERT_TRUE(b_->log->ReportDurable(Position(10)).ok());
  EXPECT_EQ(a_->log->Trim()->value(), 4u);
  ASSERT_TRUE(EtcdCommitLog::Admit(client_.get(), b_->options).ok());
  EXPECT_THAT(*a_->log->Members(), ElementsAre(Pair("a", Position(10)), Pair("b", Position(4)), Pair("late", Position(4))));
  ASSERT_TRUE(b_->log->ReportDurable(Position(10)).ok());
  EXPECT_EQ(EtcdCommitLog::Find(client_.get(), late)->first, Position(4));
  EXPECT_TRUE(absl::IsNotFound(EtcdCommitLog::Find(client_.get(), {.prefix = NewPrefix()}).status()));

  ASSERT_TRUE(EtcdCommitLog::Forget(client_.get(), late).ok());
  first = a_->log->Trim();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->value(), 10u);
  EXPECT_EQ(b_->log->Read(Position(5), kPlenty).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(b_->Read(10), IsEmpty());
  ASSERT_TRUE(a_->Append(10, Entries(10, 1)).ok());
  EXPECT_THAT(b_->Read(10), ElementsAreArray(Entries(10, 1)));
}

// Its disk was lost: what it had said was of a store that is gone.
TEST_F(EtcdLogTest, AKnownMemberThatIsAdmittedIsKeptAllThatIsThere) {
  for (uint64_t at = 0; at < 10; at += 2) ASSERT_TRUE(a_->Append(at, Entries(at, 2)).ok());
  ASSERT_TRUE(a_->log->ReportDurable(Position(10)).ok());
  ASSERT_TRUE(b_->log->ReportDurable(Position(10)).ok());
  a_->etcd.Expect({Fate::kLate});
  EXPECT_EQ(a_->log->Trim().status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(EtcdCommitLog::Admit(client_.get(), b_->options).ok());
  EXPECT_EQ(a_->etcd.Deliver(), 0) << "it was asked for before, and comes after";
  EXPECT_EQ(a_->log->Trim()->value(), 0u);
  ASSERT_TRUE(b_->log->ReportDurable(Position(4)).ok());
  EXPECT_EQ(a_->log->Trim()->value(), 4u);
}

// As of a member whose disk was lost a moment after it had reported.
TEST_F(EtcdLogTest, AReportThatComesLateIsNotOfWhatIsThereNow) {
  for (uint64_t at = 0; at < 10; at += 2) ASSERT_TRUE(a_->Append(at, Entries(at, 2)).ok());
  ASSERT_TRUE(a_->log->ReportDurable(Position(10)).ok());
  b_->etcd.Expect({Fate::kLate});
  EXPECT_EQ(b_->log->ReportDurable(Position(10)).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(EtcdCommitLog::Admit(client_.get(), b_->options).ok());
  EXPECT_EQ(b_->etcd.Deliver(), 0);
  EXPECT_THAT(*a_->log->Members(), ElementsAre(Pair("a", Position(10)), Pair("b", Position(0))));
  EXPECT_EQ(a_->log->Trim()->value(), 0u);
  // Nor is an older one of the same member.
  ASSERT_TRUE(b_->log->ReportDurable(Position(2)).ok());
  b_->etcd.Expect({Fate::kLate});
  EXPECT_EQ(b_->log->ReportDurable(Position(4)).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(b_->log->ReportDurable(Position(6)).ok());
  EXPECT_EQ(b_->etcd.Deliver(), 0);
  EXPECT_EQ(b_->log->Members()->at("b"), Position(6));
}

TEST_F(EtcdLogTest, WhatIsDoneAgainInTimeIsAskedForOnce) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  a_->etcd.Expect({Fate::kLost});
  EXPECT_EQ(a_->log->ReportDurable(Position(2)).code(), absl::StatusCode::kUnavailable) << "the lease has to be renewed meanwhile";
  ASSERT_TRUE(a_->log->ReportDurable(Position(2)).ok());
  a_->etcd.Expect({Fate::kLost});
  EXPECT_EQ(a_->log->Trim().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(a_->log->Trim()->value(), 2u);
  a_->etcd.SetDown(true);
  const int before = a_->etcd.unanswered();
  EXPECT_EQ(a_->log->Members().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(a_->etcd.unanswered() - before, 1);
  a_->etcd.SetDown(false);
  EXPECT_THAT(*a_->log->Members(), ElementsAre(Pair("a", Position(2))));
}

TEST_F(EtcdLogTest, OnlyTheLeaderTrims) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  ASSERT_TRUE(a_->log->ReportDurable(Position(2)).ok());
  EXPECT_EQ(b_->log->Trim().status().code(), absl::StatusCode::kAborted);
  ASSERT_TRUE(a_->leadership.Resign().ok());
  ASSERT_TRUE(b_->Lead());
  EXPECT_EQ(a_->log->Trim().status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(a_->Read(0), SizeIs(2));
}

TEST_F(EtcdLogTest, GapIsALoss) {
  for (uint64_t at = 0; at < 6; at += 2) ASSERT_TRUE(a_->Append(at, Entries(at, 2)).ok());
  const std::string second = Keys(prefix_).Batch(Position(2));
  Change(Delete(second));
  for (const uint64_t from : {0, 2, 3}) {
    const auto read = a_->log->Read(Position(from), kPlenty);
    EXPECT_EQ(ReasonOf(read.status()), "STORE_DAMAGED") << "from " << from << ": " << read.status();
  }
  EXPECT_THAT(a_->Read(4), SizeIs(2));
}

TEST_F(EtcdLogTest, DamagedBatchIsNamed) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  Packed packed{.id = std::string(kAppendIdBytes, 'i'), .first = Position(0), .before = {}, .items = Entries(0, 2)};
  packed.items[1].payload->back() ^= 1;
  Change(Put(Keys(prefix_).Batch(Position(0)), EncodePacked(packed)));
  const auto read = a_->log->Read(Position(0), kPlenty);
  EXPECT_EQ(ReasonOf(read.status()), "STORE_DAMAGED");
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("a payload is not its header's"));
  // Another place's batch.
  packed = {.id = packed.id, .first = Position(4), .before = {}, .items = Entries(0, 2)};
  Change(Put(Keys(prefix_).Batch(Position(0)), EncodePacked(packed)));
  EXPECT_EQ(ReasonOf(a_->log->Read(Position(0), kPlenty).status()), "STORE_DAMAGED");
}

TEST_F(EtcdLogTest, EtcdThatWasPutBackIsALoss) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  Change(Put(Keys(prefix_).tail(), TailText(Position(0), {})));
  const auto read = b_->log->Read(Position(2), kPlenty);
  EXPECT_EQ(ReasonOf(read.status()), "STORE_DAMAGED");
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("it has lost its tail"));
}

// etcd comes back from a snapshot and others go on from there: what a store had beyond it is no part of the log.
TEST_F(EtcdLogTest, AStoreWithAnotherHistoryIsToldSo) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  b_->CatchUp();
  pb::TxnRequest look;
  *look.add_success() = Get(Keys(prefix_).tail());
  const auto tail = client_->Txn(look);
  ASSERT_TRUE(tail.ok()) << tail.status();
  ASSERT_TRUE(a_->Append(2, Entries(2, 3)).ok());
  Change(DeleteRange(Keys(prefix_).Batch(Position(2)), Keys(prefix_).batches_end()));
  Change(Put(Keys(prefix_).tail(), Found(*tail, 0)->value()));
  ASSERT_TRUE(a_->leadership.Resign().ok());
  ASSERT_TRUE(b_->Lead());

  const auto expect_told = [&] {
    const auto read = a_->log->Read(Position(5), kPlenty);
    EXPECT_EQ(ReasonOf(read.status()), "STORE_DAMAGED");
    EXPECT_THAT(std::string(read.status().message()), HasSubstr("another history before position 5"));
  };
  // As many entries as it has, and then more: within what is packed, and where the next begins.
  ASSERT_TRUE(b_->Append(2, Entries(7, 2)).ok());
  ASSERT_TRUE(b_->Append(4, Entries(9, 1)).ok());
  expect_told();
  ASSERT_TRUE(a_->leadership.Resign().ok());
  ASSERT_TRUE(b_->leadership.Resign().ok());
  ASSERT_TRUE(a_->Lead());
  EXPECT_EQ(ReasonOf(a_->Append(5, Entries(5, 1))), "STORE_DAMAGED") << "nor does it append";
  ASSERT_TRUE(a_->leadership.Resign().ok());
  ASSERT_TRUE(b_->Lead());
  ASSERT_TRUE(b_->Append(5, Entries(10, 2)).ok());
  expect_told();
  EXPECT_THAT(b_->Read(7), IsEmpty());
}

TEST_F(EtcdLogTest, AStoreWithAnotherHistoryWithinABatchIsToldSo) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  Change(DeleteRange(Keys(prefix_).batches(), Keys(prefix_).batches_end()));
  Change(Put(Keys(prefix_).tail(), TailText(Position(0), {})));
  ASSERT_TRUE(a_->leadership.Resign().ok());
  ASSERT_TRUE(b_->Lead());
  ASSERT_TRUE(b_->Append(0, Entries(7, 4)).ok());
  EXPECT_EQ(ReasonOf(a_->log->Read(Position(2), kPlenty).status()), "STORE_DAMAGED");
  EXPECT_THAT(a_->Read(3), SizeIs(1)) << "of which its store says nothing";
}

// When all of etcd is lost, the log is made anew where the best store ends.
TEST_F(EtcdLogTest, AStoreGoesOnInALogThatIsMadeAnew) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 2)).ok());
  const EtcdLogOptions options{.prefix = NewPrefix(), .member = "a"};
  ASSERT_TRUE(EtcdCommitLog::Create(client_.get(), options, kInstance, Position(2)).ok());
  auto log = EtcdCommitLog::Open(client_.get(), options, &a_->store);
  ASSERT_TRUE(log.ok()) << log.status();
  Leadership leadership(client_.get(), {.prefix = options.prefix, .member = "a"});
  const auto fence = leadership.Campaign();
  ASSERT_TRUE(fence.ok() && *fence) << fence.status();
  (*log)->SetFence(**fence);
  ASSERT_TRUE(Append(log->get(), &a_->store, Position(2), Entries(2, 2)).ok());
  const auto read = (*log)->Read(Position(2), kPlenty);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->items, ElementsAreArray(Entries(2, 2)));
}

// --- Its end -----------------------------------------------------------------------------------------------------------------------

TEST_F(EtcdLogTest, WhoHasAllOfItEndsItForGood) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 3)).ok());
  EXPECT_EQ(b_->log->Finish().code(), absl::StatusCode::kAborted) << "without the fence";
  b_->CatchUp();
  ASSERT_TRUE(b_->log->ReportDurable(Position(3)).ok());
  ASSERT_TRUE(a_->log->Finish().ok());
  const auto none = EtcdCommitLog::Find(client_.get(), a_->options);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(b_->log->Read(Position(3), kPlenty).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(EtcdCommitLog::Open(client_.get(), b_->options, &b_->store).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(a_->Append(3, Entries(3, 1)).code(), absl::StatusCode::kNotFound);
  const auto ending = EtcdCommitLog::FindEnding(client_.get(), b_->options);
  ASSERT_TRUE(ending.ok() && *ending) << ending.status();
  EXPECT_EQ((*ending)->member, "a");
  EXPECT_EQ((*ending)->tail.position, Position(3));
  EXPECT_EQ(EtcdCommitLog::FinishedWith(client_.get(), a_->options, &a_->store).value(), true);
  EXPECT_EQ(EtcdCommitLog::FinishedWith(client_.get(), b_->options, &b_->store).value(), false);
  MemoryStore another;
  EXPECT_EQ(EtcdCommitLog::FinishedWith(client_.get(), a_->options, &another).value(), false);
}

TEST_F(EtcdLogTest, AnEndWhoseAnswerWasLostIsOne) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 3)).ok());
  a_->etcd.Expect({Fate::kDone, Fate::kAnswerLost});
  EXPECT_TRUE(a_->log->Finish().ok());
  EXPECT_EQ(EtcdCommitLog::Find(client_.get(), a_->options).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(EtcdLogTest, WhoLacksSomethingOrWasDeposedEndsNothing) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 3)).ok());
  ASSERT_TRUE(a_->leadership.Resign().ok());
  ASSERT_TRUE(b_->Lead());
  EXPECT_EQ(b_->log->Finish().code(), absl::StatusCode::kFailedPrecondition) << "it has not read the log";
  EXPECT_EQ(a_->log->Finish().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(a_->Append(3, Entries(3, 1)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(EtcdCommitLog::FindEnding(client_.get(), a_->options).value(), std::nullopt);
  EXPECT_EQ(b_->End(), 3u);
}

TEST_F(EtcdLogTest, ALogThatWasEndedCanBeMadeAnew) {
  ASSERT_TRUE(a_->Append(0, Entries(0, 3)).ok());
  ASSERT_TRUE(a_->log->Finish().ok());
  // One that runs on and knows nothing of it.
  ASSERT_TRUE(b_->log->ReportDurable(Position(1)).ok());
  ASSERT_TRUE(EtcdCommitLog::Create(client_.get(), a_->options, kInstance, Position(7)).ok());
  EXPECT_EQ(EtcdCommitLog::FindEnding(client_.get(), a_->options).value(), std::nullopt);
  EXPECT_EQ(EtcdCommitLog::Find(client_.get(), a_->options)->first, Position(7));
  EXPECT_THAT(a_->log->Members().value(), IsEmpty());
  EXPECT_EQ(b_->log->Read(Position(0), kPlenty).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(EtcdLogTest, LogOfAnotherJournalIsRefused) {
  const EtcdLogOptions options{.prefix = prefix_, .member = "c"};
  EXPECT_EQ(EtcdCommitLog::Create(client_.get(), options, "another", Position(0)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(EtcdCommitLog::Create(client_.get(), options, kInstance, Position(0)).ok());
  MemoryStore store;
  PutInstance(&store, "another");
  EXPECT_EQ(EtcdCommitLog::Open(client_.get(), options, &store).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(EtcdCommitLog::Open(client_.get(), {.prefix = NewPrefix(), .member = "c"}, &store).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(EtcdLogTest, LogBeginsWhereAnEmbeddedSiteWas) {
  const EtcdLogOptions options{.prefix = NewPrefix(), .member = "a"};
  ASSERT_TRUE(EtcdCommitLog::Create(client_.get(), options, kInstance, Position(1'000)).ok());
  MemoryStore store;
  PutInstance(&store, kInstance);
  ASSERT_TRUE(store.Write(Fold(store, Position(990), Entries(390, 10)).get(), storage::Sync::kYes).ok());
  auto log = EtcdCommitLog::Open(client_.get(), options, &store);
  ASSERT_TRUE(log.ok()) << log.status();
  Leadership leadership(client_.get(), {.prefix = options.prefix, .member = "a"});
  const auto fence = leadership.Campaign();
  ASSERT_TRUE(fence.ok() && *fence) << fence.status();
  (*log)->SetFence(**fence);
  ASSERT_TRUE(Append(log->get(), &store, Position(1'000), Entries(400, 2)).ok());
  EXPECT_EQ((*log)->Read(Position(999), kPlenty).status().code(), absl::StatusCode::kOutOfRange);
  const auto read = (*log)->Read(Position(1'000), kPlenty);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->items, ElementsAreArray(Entries(400, 2)));
}

// --- etcd itself -------------------------------------------------------------------------------------------------------------------

TEST_F(EtcdLogTest, WatchWakesWhoeverReads) {
  std::atomic<int> woken = 0;
  // So long that only changes count.
  const EtcdWatch watch(client_.get(), Keys(prefix_).tail(), absl::Minutes(10), [&] { ++woken; });
  ASSERT_TRUE(Eventually([&] { return woken > 0; })) << "when it stands";
  for (uint64_t at = 0; at < 3; ++at) {
    const int before = woken;
    ASSERT_TRUE(a_->Append(at, Entries(at, 1)).ok());
    EXPECT_TRUE(Eventually([&] { return woken > before; }));
    b_->CatchUp();
    EXPECT_EQ(JournalEnd(b_->store), at + 1);
  }
}

TEST_F(EtcdLogTest, WatchWakesNowAndThenOfItself) {
  std::atomic<int> woken = 0;
  const EtcdWatch watch(client_.get(), Keys(prefix_).tail(), absl::Milliseconds(200), [&] { ++woken; });
  EXPECT_TRUE(Eventually([&] { return woken >= 3; }));
}

TEST_F(EtcdLogTest, EtcdTakesCertificatesOfItsAuthorityAlone) {
  const auto other = bench::PeerHome::Make();
  ASSERT_TRUE(other.ok()) << other.status();
  const bench::PeerHome& trusted = SharedCluster()->home();
  pb::TxnRequest look;
  *look.add_success() = Get("any");
  const auto ask = [&](const std::string& ca, const bench::PeerHome& own) {
    EtcdClient client({.endpoints = SharedCluster()->endpoints(),
                       .credentials = [ca, &own] { return EtcdCredentials(ca, own.certificate_file(), own.key_file()); }});
    return client.Txn(look).status();
  };
  EXPECT_TRUE(ask(trusted.ca_file(), trusted).ok());
  EXPECT_EQ(ask(trusted.ca_file(), **other).code(), absl::StatusCode::kUnavailable) << "etcd does not know who asks";
  EXPECT_EQ(ask((*other)->ca_file(), trusted).code(), absl::StatusCode::kUnavailable) << "who answers may be anyone";
  EXPECT_EQ(ask("/no/such/file", trusted).code(), absl::StatusCode::kNotFound);
}

TEST(EtcdQuotaTest, FullDatabaseIsToldBeforeAndWhenItRefuses) {
  if (!EtcdCluster::Installed()) GTEST_SKIP() << "etcd is not installed";
  constexpr int64_t kQuota = 8 << 20;
  constexpr size_t kEntryBytes = 200 << 10;
  const auto cluster = EtcdCluster::Start({.quota_bytes = kQuota});
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EtcdClient client(OptionsOf(**cluster));
  ASSERT_TRUE(AwaitAnswer(&client).ok());
  Member member(&client, NewPrefix(), "a");
  ASSERT_TRUE(member.Lead());
  bool warned = false;
  absl::Status refused;
  uint64_t at = 0;
  for (; at < 200 && refused.ok(); ++at) {
    // etcd's file and what it says of it follow what it holds by a moment: every few batches they are waited for.
    EtcdHealth health;
    ASSERT_TRUE(Eventually([&] {
      const auto read = ReadHealth(&client);
      if (!read.ok()) return false;  // on a busy machine etcd does not answer in time now and then
      health = *read;
      return at % 4 != 0 || health.bytes_in_use >= static_cast<int64_t>(at * kEntryBytes);
    }));
    EXPECT_FALSE(health.full);
    warned |= !WarningOf(health, kQuota).empty();
    refused = member.Append(at, Entries(at, 1, kEntryBytes));
    if (at == 9) {
      ASSERT_TRUE(member.log->ReportDurable(Position(10)).ok());
    }
  }
  EXPECT_TRUE(warned);
  EXPECT_EQ(ReasonOf(refused), "STORAGE_FULL") << refused;
  EXPECT_EQ(member.End(), at - 1);
  EXPECT_EQ(JournalEnd(member.store), at - 1);
  const auto health = ReadHealth(&client);
  ASSERT_TRUE(health.ok()) << health.status();
  EXPECT_TRUE(health->full);
  EXPECT_TRUE(health->has_leader);
  EXPECT_THAT(WarningOf(*health, kQuota), HasSubstr("takes no more writes"));
  EXPECT_THAT(member.Read(10), SizeIs(at - 11));
  const auto first = member.log->Trim();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->value(), 10u);
  EXPECT_THAT(member.Read(10), SizeIs(at - 11));
}

TEST(EtcdHealthTest, WarningsSayWhatIsTheMatter) {
  const EtcdHealth well{.bytes = 100 << 20, .bytes_in_use = 50 << 20, .has_leader = true};
  EXPECT_EQ(WarningOf(well, kQuotaBytesDefault), "");
  EtcdHealth health = well;
  health.bytes = kQuotaBytesDefault / 100 * 71;
  EXPECT_THAT(WarningOf(health, kQuotaBytesDefault), HasSubstr("will take no more writes"));
  health = well;
  health.has_leader = false;
  EXPECT_THAT(WarningOf(health, kQuotaBytesDefault), HasSubstr("no leader"));
  health.corrupt = true;
  EXPECT_THAT(WarningOf(health, kQuotaBytesDefault), HasSubstr("corrupt"));
}

// Three members of etcd, of which one at a time ends or hangs while a batch after the other is appended.
TEST(EtcdMinorityTest, AcknowledgedBatchesSurviveTheLossOfAnyMember) {
  if (!EtcdCluster::Installed()) GTEST_SKIP() << "etcd is not installed";
  const auto started = EtcdCluster::Start({.members = 3});
  ASSERT_TRUE(started.ok()) << started.status();
  EtcdCluster& cluster = **started;
  EtcdOptions options = OptionsOf(cluster);
  options.timeout = absl::Seconds(1);
  EtcdClient client(options);
  ASSERT_TRUE(AwaitAnswer(&client).ok());
  MemoryStore store;
  PutInstance(&store, kInstance);
  const EtcdLogOptions log_options{.prefix = NewPrefix(), .member = "a", .attempts_max = 30};
  ASSERT_TRUE(EtcdCommitLog::Create(&client, log_options, kInstance, Position(0)).ok());
  const auto log = EtcdCommitLog::Open(&client, log_options, &store);
  ASSERT_TRUE(log.ok()) << log.status();
  Leadership leadership(&client, {.prefix = log_options.prefix, .member = "a", .ttl = absl::Minutes(5), .attempts_max = 30});
  const auto fence = leadership.Campaign();
  ASSERT_TRUE(fence.ok() && *fence) << fence.status();
  (*log)->SetFence(**fence);

  std::atomic<int> woken = 0;
  const EtcdWatch watch(&client, Keys(log_options.prefix).tail(), absl::Seconds(5), [&] { ++woken; });
  uint64_t at = 0;
  const auto append = [&](uint64_t batches) {
    for (uint64_t i = 0; i < batches; ++i, at += 2) {
      const absl::Status appended = Append(log->get(), &store, Position(at), Entries(at, 2));
      ASSERT_TRUE(appended.ok()) << appended;
    }
  };
  append(3);
  for (int member = 0; member < 3; ++member) {
    cluster.Kill(member);
    append(3);
    ASSERT_TRUE(cluster.StartAgain(member).ok());
    append(2);
    cluster.Signal((member + 1) % 3, SIGSTOP);
    append(3);
    cluster.Signal((member + 1) % 3, SIGCONT);
    append(2);
  }
  const auto read = (*log)->Read(Position(0), kPlenty);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->items, ElementsAreArray(Entries(0, at)));
  const int before = woken;
  EXPECT_TRUE(Eventually([&] { return woken > before; })) << "the watch has found its way";
}

}  // namespace
}  // namespace fairlead::etcd
