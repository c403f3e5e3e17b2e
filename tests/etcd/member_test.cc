// Members of one site on real etcd: nodes that elect a leader, follow it and take over, in this process and step by step.

#include "server/etcd/member.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/note.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/node_testing.h"
#include "tests/etcd/log_testing.h"

namespace fairlead::etcd {
namespace {

using node::TestNetwork;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Fate = LossyEtcd::Fate;

constexpr char kInstance[] = "an instance";
constexpr absl::Duration kTtl = absl::Seconds(60);  // of a lease: it ends when a test says so

class SiteMember {
 public:
  SiteMember(const TestNetwork& network, const node::Clock& clock, Etcd* direct, const std::string& prefix, const std::string& name,
             std::unique_ptr<storage::MemoryStore> store = nullptr)
      : etcd(direct) {
    const EtcdLogOptions options{.prefix = prefix, .member = name, .attempts_max = 3};
    if (store == nullptr) {
      store = std::make_unique<storage::MemoryStore>();
      PutInstance(store.get(), kInstance);
    }
    node::NodeOptions node_options = network.OptionsOf("apac");
    node_options.commit_log = [&](storage::Store* s) -> absl::StatusOr<std::unique_ptr<node::CommitLog>> {
      auto opened = EtcdCommitLog::Open(&etcd, options, s);
      if (opened.ok()) log = opened->get();
      return opened;
    };
    auto opened = TestNetwork::Open(std::move(node_options), std::move(store));
    if (!opened.ok()) throw std::runtime_error(opened.status().ToString());
    site = *std::move(opened);
    member = std::make_unique<Member>(
        &etcd, log,
        Member::Options{.leadership = {.prefix = prefix, .member = name, .address = name + ".example:7401", .ttl = kTtl, .attempts_max = 3},
                        .may_lead = [this] { return node().CanLead(); },
                        .gives_way = [this] { return gives_way; },
                        .now = [&clock] { return clock.Now(); },
                        .durable = [this] { return node().JournalEnd(); },
                        .wake = [this] { node().Wake(); }});
  }
  node::Node& node() const { return *site.node; }
  void Step() {
    member->Step();
    node::RunNode(node());
  }
  bool leads() const { return node().UnwritableReason().empty(); }

  LossyEtcd etcd;
  TestNetwork::Site site;
  EtcdCommitLog* log = nullptr;  // the node's
  std::unique_ptr<Member> member;
  bool gives_way = false;
};

class MemberTest : public testing::Test {
 protected:
  void SetUp() override {
    if (SharedCluster() == nullptr) GTEST_SKIP() << "etcd is not installed";
    client_ = std::make_unique<EtcdClient>(OptionsOf(*SharedCluster()));
    ASSERT_TRUE(EtcdCommitLog::Create(client_.get(), {.prefix = prefix_, .member = "a"}, kInstance, Position(0)).ok());
    a_ = Open("a");
    b_ = Open("b");
    c_ = Open("c");
  }
  std::unique_ptr<SiteMember> Open(const std::string& name, std::unique_ptr<storage::MemoryStore> store = nullptr) {
    return std::make_unique<SiteMember>(network_, clock_, client_.get(), prefix_, name, std::move(store));
  }
  node::WriteRequest Naming(const node::Node& node, const std::string& name) {
    clock_.Advance(absl::Milliseconds(1));
    v1::Country country;
    country.set_display_name(name);
    return RequestFor(node, "countries/JP", country, {"display_name"}, clock_.RequestId());
  }
  absl::StatusOr<node::WriteResult> Name(const SiteMember& member, const std::string& name) {
    return Write(member.node(), Naming(member.node(), name));
  }
  // Invariant: one root for each size of the site's log, whoever signs.
  void NoteSigned(const node::Node& node) {
    const auto note = node.CheckpointNote(log_);
    if (!note) return;
    const auto checkpoint = note::ParseCheckpoint(note::Parse(*note)->text);
    ASSERT_TRUE(checkpoint.ok());
    EXPECT_EQ(signed_.try_emplace(checkpoint->size, checkpoint->root).first->second, checkpoint->root) << checkpoint->size;
  }
  static void ExpectSame(const SiteMember& one, const SiteMember& other) {
    EXPECT_EQ(*one.node().ReadJournal(Position(0), 10000), *other.node().ReadJournal(Position(0), 10000));
    EXPECT_EQ(one.node().Applied(), other.node().Applied());
    EXPECT_EQ(Digests(one.node()), Digests(other.node()));
  }

  TestNetwork network_{{"apac", "hq"}};
  node::ManualClock& clock_ = network_.clock();
  const LogId log_ = network_.log("apac");
  const std::string prefix_ = NewPrefix();
  std::unique_ptr<EtcdClient> client_;
  std::unique_ptr<SiteMember> a_, b_, c_;
  std::map<uint64_t, Digest> signed_;
};

TEST_F(MemberTest, OneLeadsAndTheOthersFollow) {
  for (SiteMember* member : {a_.get(), b_.get(), c_.get()}) member->Step();
  EXPECT_TRUE(a_->leads());
  EXPECT_FALSE(b_->leads() || c_->leads());
  for (const SiteMember* member : {a_.get(), b_.get(), c_.get()}) {
    EXPECT_EQ(member->member->leader(), "a");
    EXPECT_EQ(member->member->leader_address(), "a.example:7401");
  }
  ASSERT_TRUE(Name(*a_, "Japan").ok());
  TestNetwork::Site hq = network_.Open("hq");
  ASSERT_TRUE(Name(*a_, "Nippon").ok());
  Sync(a_->node(), *hq.node);
  v1::Country country;
  country.set_display_name("Korea");
  ASSERT_TRUE(Write(*hq.node, RequestFor(*hq.node, "countries/KR", country, {"display_name"}, clock_.RequestId())).ok());
  Sync(*hq.node, a_->node());
  b_->Step();
  c_->Step();
  ExpectSame(*b_, *a_);
  ExpectSame(*c_, *a_);
  EXPECT_EQ(b_->node().JournalEnd(), Position(3));
  EXPECT_EQ(b_->node().CheckpointNote(log_), std::nullopt) << "who follows signs nothing";
  EXPECT_EQ(b_->node().ResumePosition("hq"), a_->node().ResumePosition("hq"));
  EXPECT_EQ(ReasonOf(Name(*b_, "Yapan").status()), "NODE_READ_ONLY");
}

TEST_F(MemberTest, WhenItsLeaseEndsAnotherTakesOverWithAllThatWasAcknowledged) {
  a_->Step();
  const node::WriteRequest request = Naming(a_->node(), "Japan");
  const auto written = Write(a_->node(), request);
  ASSERT_TRUE(written.ok()) << written.status();
  NoteSigned(a_->node());
  ASSERT_TRUE(a_->etcd.EndLease().ok());
  b_->Step();
  ASSERT_TRUE(b_->leads());
  NoteSigned(b_->node());
  const auto again = Write(b_->node(), request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->dot, written->dot);

  // The old leader, which was suspended meanwhile and believes in its lease, writes and signs nothing.
  ASSERT_TRUE(a_->leads());
  const std::string before = *a_->node().CheckpointNote(log_);
  EXPECT_EQ(Name(*a_, "Yapan").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(a_->leads());
  EXPECT_EQ(a_->node().CheckpointNote(log_), before);
  ASSERT_TRUE(Name(*b_, "Nippon").ok());
  a_->Step();
  EXPECT_EQ(a_->member->leader(), "b");
  NoteSigned(a_->node());
  NoteSigned(b_->node());
  ExpectSame(*a_, *b_);
  EXPECT_EQ(b_->node().JournalEnd(), Position(2));
}

TEST_F(MemberTest, ALeaderThatFindsItsLeaseEndedStepsDown) {
  a_->Step();
  ASSERT_TRUE(a_->leads());
  ASSERT_TRUE(a_->etcd.EndLease().ok());
  b_->Step();
  clock_.Advance(absl::Seconds(1));
  a_->Step();
  EXPECT_FALSE(a_->leads());
  EXPECT_TRUE(b_->leads());
  // Nobody else: the same one may lead again, in another term.
  const uint64_t term = b_->log->Term();
  ASSERT_TRUE(b_->etcd.EndLease().ok());
  b_->Step();
  EXPECT_TRUE(b_->leads());
  EXPECT_EQ(b_->log->Term(), term + 1);
}

TEST_F(MemberTest, ALeaderThatEtcdDoesNotAnswerLeadsNoLongerThanItsLease) {
  a_->Step();
  const absl::Time confirmed = clock_.Now();
  clock_.Advance(absl::Seconds(1));
  a_->Step();
  EXPECT_EQ(a_->log->LedUntil(a_->log->Term(), a_->node().JournalEnd()), confirmed + absl::Seconds(1));
  a_->etcd.SetDown(true);
  clock_.Advance(kTtl);
  a_->Step();
  EXPECT_TRUE(a_->leads());
  EXPECT_EQ(a_->log->LedUntil(a_->log->Term(), a_->node().JournalEnd()), confirmed + absl::Seconds(1)) << "nobody knows";
  clock_.Advance(absl::Milliseconds(1));
  a_->Step();
  EXPECT_FALSE(a_->leads());
  a_->etcd.SetDown(false);
}

TEST_F(MemberTest, WhoLeavesLetsAnotherLeadAtOnce) {
  a_->Step();
  b_->Step();
  ASSERT_FALSE(b_->leads());
  a_->member->Leave();
  EXPECT_FALSE(a_->leads());
  b_->Step();
  EXPECT_TRUE(b_->leads());
}

TEST_F(MemberTest, AMemberThatCannotFollowDoesNotLead) {
  a_->Step();
  ASSERT_TRUE(Name(*a_, "Japan").ok());
  ASSERT_TRUE(Name(*a_, "Nippon").ok());
  // All that report have the entries: they go. One that comes without them cannot know what they were.
  clock_.Advance(absl::Seconds(11));
  a_->Step();
  auto late = Open("late");
  late->Step();
  EXPECT_EQ(late->node().Applied().Get(log_), Seq(0));
  EXPECT_FALSE(late->node().CanLead());
  a_->member->Leave();
  late->Step();
  EXPECT_FALSE(late->leads());
  a_->Step();
  EXPECT_TRUE(a_->leads());
  // One that begins with a copy of another's store has them.
  auto copied = Open("copied", a_->site.store->Crash(0));
  ASSERT_TRUE(Name(*a_, "Zipangu").ok());
  copied->Step();
  ExpectSame(*copied, *a_);
}

TEST_F(MemberTest, ALeaderThatCannotWriteLetsAnotherLead) {
  a_->Step();
  a_->site.store->set_write_fault([](storage::Sync) { return Error(Reason::kStorageFull, "the disk is full"); });
  const node::WriteRequest request = Naming(a_->node(), "Japan");
  ASSERT_EQ(Write(a_->node(), request).status().code(), absl::StatusCode::kUnavailable);
  for (int step = 0; step < 2; ++step) {
    a_->Step();
    b_->Step();
  }
  EXPECT_FALSE(a_->leads());
  ASSERT_TRUE(b_->leads());
  a_->Step();
  EXPECT_EQ(a_->member->leader(), "b") << "it does not stand, and asks";
  const auto again = Write(b_->node(), request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed) << "the site's log has it";
  a_->site.store->set_write_fault(nullptr);
  a_->Step();
  EXPECT_TRUE(a_->node().CanLead());
  ExpectSame(*a_, *b_);
}

TEST_F(MemberTest, ALeaderThatHadBetterNotLeadGivesWayAndLeadsAgainWhenNobodyElseDoes) {
  a_->Step();
  ASSERT_TRUE(a_->leads());
  a_->gives_way = true;
  a_->Step();
  EXPECT_FALSE(a_->leads());
  int steps = 1;
  while (!a_->leads() && steps < 100) {
    a_->Step();
    ++steps;
  }
  EXPECT_EQ(steps, 11) << "nobody else stood";
  a_->Step();
  EXPECT_TRUE(a_->leads()) << "once";
  // It is well again, and not well again.
  a_->gives_way = false;
  a_->Step();
  EXPECT_TRUE(a_->leads());
  a_->gives_way = true;
  a_->Step();
  b_->Step();
  EXPECT_TRUE(b_->leads());
  for (steps = 0; steps < 20; ++steps) a_->Step();
  EXPECT_FALSE(a_->leads());
  EXPECT_EQ(a_->member->leader(), "b");
}

TEST_F(MemberTest, WhoEtcdHasNotToldForALeaseKnowsOfNoLeader) {
  a_->Step();
  b_->Step();
  b_->etcd.SetDown(true);
  clock_.Advance(kTtl);
  b_->Step();
  EXPECT_EQ(b_->member->leader(), "a");
  clock_.Advance(absl::Milliseconds(1));
  b_->Step();
  EXPECT_EQ(b_->member->leader(), "");
  EXPECT_EQ(b_->member->leader_address(), "a.example:7401") << "it may be reached all the same";
  b_->etcd.SetDown(false);
  b_->Step();
  EXPECT_EQ(b_->member->leader(), "a");
}

TEST_F(MemberTest, ALeaderDoesNotTrimBeforeItHasSaidWhatItLacks) {
  b_->Step();
  ASSERT_TRUE(Name(*b_, "Japan").ok());
  b_->Step();
  b_->member->Leave();
  a_->etcd.Expect({Fate::kDone, Fate::kLost});  // elected; its report
  a_->Step();
  EXPECT_TRUE(a_->leads());
  ExpectSame(*a_, *b_);
}

TEST_F(MemberTest, AMemberWithAnotherHistoryThanTheLogNeitherFollowsNorLeads) {
  a_->Step();
  ASSERT_TRUE(Name(*a_, "Japan").ok());
  b_->Step();
  const Keys keys(prefix_);
  pb::TxnRequest look;
  *look.add_success() = Get(keys.tail());
  const auto tail = client_->Txn(look);
  ASSERT_TRUE(tail.ok()) << tail.status();
  ASSERT_TRUE(Name(*a_, "Nippon").ok());
  const std::string before = *a_->node().CheckpointNote(log_);

  // etcd is put back to a snapshot, and another goes on from there.
  pb::TxnRequest put_back;
  *put_back.add_success() = DeleteRange(keys.Batch(Position(1)), keys.batches_end());
  *put_back.add_success() = Put(keys.tail(), Found(*tail, 0)->value());
  ASSERT_TRUE(client_->Txn(put_back).ok());
  ASSERT_TRUE(a_->etcd.EndLease().ok());
  b_->Step();
  ASSERT_TRUE(Name(*b_, "Zipangu").ok());
  a_->Step();
  EXPECT_FALSE(a_->node().CanLead());
  ASSERT_TRUE(Name(*b_, "Cipangu").ok());
  b_->member->Leave();
  a_->Step();
  EXPECT_FALSE(a_->leads());
  EXPECT_THAT(a_->node().UnwritableReason(), HasSubstr("another"));
  EXPECT_EQ(a_->node().JournalEnd(), Position(2));
  EXPECT_EQ(a_->node().CheckpointNote(log_), before);
}

TEST_F(MemberTest, AnswersThatAreLostDoubleNothingAtAnyMember) {
  a_->Step();
  for (int i = 0; i < 5; ++i) {
    const node::WriteRequest request = Naming(a_->node(), "name " + std::to_string(i));
    // Of all attempts at one append: whether the first was done is not known in the end.
    a_->etcd.Expect({i % 2 == 0 ? Fate::kAnswerLost : Fate::kLate, Fate::kLost, Fate::kLost});
    const auto unknown = Write(a_->node(), request);
    EXPECT_EQ(unknown.status().code(), absl::StatusCode::kUnavailable);
    auto again = absl::StatusOr<node::WriteResult>(unknown.status());
    if (a_->etcd.Deliver() == 1) {
      // It came when the log had been read and ended before it: the next append does not fit, and the log is read again.
      again = Write(a_->node(), request);
      EXPECT_EQ(again.status().code(), absl::StatusCode::kUnavailable);
    }
    again = Write(a_->node(), request);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->dot, (Dot{log_, Seq(static_cast<uint64_t>(i))}));
    NoteSigned(a_->node());
  }
  b_->Step();
  ExpectSame(*b_, *a_);
  EXPECT_EQ(b_->node().JournalEnd(), Position(5));
}

// When it was asked for, its leader did not hear of it; when the log was read, it was not there yet. Nobody writes any more.
TEST_F(MemberTest, ALeaderReadsItsOwnAppendThatEtcdDidLate) {
  a_->Step();
  a_->etcd.Expect({Fate::kLate, Fate::kLost, Fate::kLost});
  EXPECT_EQ(Name(*a_, "Japan").status().code(), absl::StatusCode::kUnavailable);
  a_->Step();
  EXPECT_EQ(a_->node().JournalEnd(), Position(0));
  ASSERT_EQ(a_->etcd.Deliver(), 1);
  b_->Step();
  EXPECT_EQ(b_->node().JournalEnd(), Position(1));
  a_->Step();
  EXPECT_TRUE(a_->leads());
  EXPECT_EQ(a_->node().JournalEnd(), Position(1));
  EXPECT_NE(a_->node().CheckpointNote(log_), std::nullopt);
  ExpectSame(*b_, *a_);
  ASSERT_TRUE(Name(*a_, "Nippon").ok());
  NoteSigned(a_->node());
}

// Any of three is elected, suspended or lost with what it had not synced, again and again, under writes.
TEST_F(MemberTest, AcknowledgedWritesAreThereOnceWhoeverLeads) {
  std::map<std::string, std::unique_ptr<SiteMember>*> members = {{"a", &a_}, {"b", &b_}, {"c", &c_}};
  std::map<std::string, Dot> acknowledged;  // by request id
  SiteMember* leader = nullptr;
  for (int round = 0; round < 12; ++round) {
    const std::string name(1, static_cast<char>('a' + round % 3));
    if (leader != nullptr) {
      ASSERT_TRUE(leader->etcd.EndLease().ok());
    }
    SiteMember* const next = members[name]->get();
    next->Step();
    ASSERT_TRUE(next->leads()) << round;
    for (int i = 0; i < 4; ++i) {
      if (i == 2) next->etcd.Expect({Fate::kAnswerLost});
      const node::WriteRequest request = Naming(next->node(), name + std::to_string(round) + std::to_string(i));
      const auto written = Write(next->node(), request);
      ASSERT_TRUE(written.ok()) << written.status();
      EXPECT_TRUE(acknowledged.emplace(request.request_id, written->dot).second);
      NoteSigned(next->node());
    }
    if (leader != nullptr && leader != next) {
      EXPECT_FALSE(Name(*leader, "late").ok());
      NoteSigned(leader->node());
    }
    leader = next;
    if (round % 4 == 3) {
      // It begins again with what it had synced.
      ASSERT_TRUE(next->etcd.EndLease().ok());
      *members[name] = Open(name, next->site.store->Crash(0));
      leader = nullptr;
    }
  }
  for (const auto& [name, member] : members) {
    (*member)->Step();
    ExpectSame(**member, *a_);
    EXPECT_EQ((*member)->node().Applied().Get(log_), Seq(acknowledged.size()));
    for (const auto& [id, dot] : acknowledged) {
      const auto payload = (*member)->node().ReadPayload(dot);
      ASSERT_TRUE(payload.ok() && payload->has_value());
      EXPECT_EQ(DecodePayload(**payload)->request_id, id);
    }
  }
  EXPECT_THAT(acknowledged, SizeIs(48));
}

}  // namespace
}  // namespace fairlead::etcd
