// What erasures mean for streams: which payloads leave, and that nobody waits for one that is gone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/replication/fake_log.h"
#include "server/replication/fake_stream.h"

namespace fairlead::replication {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr LogId kLogA(1);
constexpr LogId kLogB(2);
constexpr SiteId kSiteA(1);

class ErasureStreamTest : public ::testing::Test {
 protected:
  // An entry of `node` and one that erases it.
  static std::pair<Dot, Dot> WriteAndErase(FakeNode* node, const std::string& payload) {
    const Dot entry = node->Append(payload);
    const Dot erasure = node->Append("the erasure of " + payload.substr(0, 1));
    node->Sign();
    node->Erase(entry, erasure);
    return {entry, erasure};
  }

  FakeNetwork network_{{"a", "b", "c"}};
  FakeNode a_{&network_, "a"};
  FakeNode b_{&network_, "b"};
  FakeNode c_{&network_, "c"};
  World world_;
};

TEST_F(ErasureStreamTest, ARelayDoesNotHoldALogForWhatIsErased) {
  const auto [entry, erasure] = WriteAndErase(&a_, "secret");
  world_.Add(&a_, &b_);
  world_.Settle();
  ASSERT_EQ(b_.Size(kLogA), Seq(2));
  b_.Erase(entry, erasure);
  FakeStream* relay = world_.Add(&b_, &c_);
  relay->direct_logs = {kLogA};  // and the origin is not heard
  relay->Connect();
  world_.Advance(absl::Seconds(1));
  EXPECT_EQ(c_.Size(kLogA), Seq(2));
  EXPECT_EQ(c_.PayloadOf(entry), std::nullopt);
  EXPECT_EQ(c_.PayloadOf(erasure), "the erasure of s");
}

// b has come back from an old copy: it holds what a has erased, and not the erasure. a tells it, and has no time to bring it.
TEST_F(ErasureStreamTest, NoPayloadLeavesBeforePeersErasuresAreApplied) {
  a_.Append("secret");
  a_.Sign();
  FakeStream* from_a = world_.Add(&a_, &b_);
  world_.Settle();
  ASSERT_EQ(b_.PayloadOf({kLogA, Seq(0)}), "secret");
  b_.Append("of b");
  b_.Sign();
  from_a->Drop();
  VersionVector erasures;
  erasures.Set(kLogA, Seq(2));
  b_.PeerErasures(kSiteA, erasures);

  FakeStream* stream = world_.Add(&b_, &c_);
  world_.Advance(absl::Milliseconds(1900));
  EXPECT_EQ(c_.Applied(), VersionVector());
  world_.Advance(absl::Milliseconds(400));
  EXPECT_EQ(c_.Size(kLogA), Seq(1)) << "headers do not wait for ever";
  EXPECT_EQ(c_.Size(kLogB), Seq(1));
  world_.Advance(absl::Seconds(5));
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(0)}), std::nullopt) << "nor when it is asked for";
  EXPECT_EQ(c_.PayloadOf({kLogB, Seq(0)}), "of b") << "which a does not erase";
  EXPECT_THAT(stream->down_log, Not(Contains(HasSubstr("secret"))));
  EXPECT_TRUE(stream->up()) << stream->sender_status << stream->receiver_status;

  // The erasure comes.
  const Dot erasure = a_.Append("the erasure");
  a_.Sign();
  a_.Erase({kLogA, Seq(0)}, erasure);
  ASSERT_TRUE(from_a->Connect());
  world_.Settle();
  b_.Erase({kLogA, Seq(0)}, erasure);
  c_.Erase({kLogA, Seq(0)}, erasure);
  world_.Advance(absl::Seconds(3));
  EXPECT_EQ(c_.PayloadOf(erasure), "the erasure");
  EXPECT_THAT(stream->down_log, Not(Contains(HasSubstr("secret"))));
}

TEST_F(ErasureStreamTest, TwoThatWaitForEachOthersErasuresGetThem) {
  const auto [of_a, by_a] = WriteAndErase(&a_, "secret of a");
  const auto [of_b, by_b] = WriteAndErase(&b_, "private of b");
  a_.Append("more of a");
  a_.Sign();
  b_.Append("more of b");
  b_.Sign();
  FakeStream* to_a = world_.Add(&b_, &a_);
  FakeStream* to_b = world_.Add(&a_, &b_);
  world_.Advance(absl::Seconds(1));
  EXPECT_THAT(a_.MaybeErased(), Not(IsEmpty()));
  EXPECT_THAT(b_.MaybeErased(), Not(IsEmpty()));
  world_.Advance(absl::Seconds(5));
  EXPECT_THAT(a_.MaybeErased(), IsEmpty());
  EXPECT_THAT(b_.MaybeErased(), IsEmpty());
  for (const FakeNode* node : {&a_, &b_}) {
    EXPECT_EQ(node->PayloadOf(by_a), "the erasure of s");
    EXPECT_EQ(node->PayloadOf(by_b), "the erasure of p");
    EXPECT_EQ(node->PayloadOf({kLogA, Seq(2)}), "more of a");
    EXPECT_EQ(node->PayloadOf({kLogB, Seq(2)}), "more of b");
  }
  EXPECT_TRUE(to_a->up() && to_b->up());
}

TEST_F(ErasureStreamTest, EachTellsHowFarItHasErased) {
  WriteAndErase(&a_, "secret");
  FakeStream* stream = world_.Add(&a_, &b_);
  std::vector<uint64_t> told;
  stream->tamper_down = [&told](v1::ReplicateResponse* response) {
    const auto& states = response->has_welcome() ? response->welcome().logs() : response->heartbeat().logs();
    for (const v1::LogState& state : states) {
      if (LogId(state.log()) == kLogA) told.push_back(state.erasures_end());
    }
    return true;
  };
  world_.Advance(absl::Seconds(3));
  ASSERT_FALSE(told.empty());
  EXPECT_THAT(told, ::testing::Each(2));
  EXPECT_FALSE(b_.MaybeErased().empty() && b_.Size(kLogA) < Seq(2));
}

}  // namespace
}  // namespace fairlead::replication
