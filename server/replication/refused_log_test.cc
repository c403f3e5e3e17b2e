// What a peer does wrong with one log, or without any proof of it: named, and kept from holding up the rest.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "server/replication/fake_log.h"
#include "server/replication/fake_stream.h"

namespace fairlead::replication {
namespace {

using ::testing::HasSubstr;

constexpr LogId kLogA(1);
constexpr LogId kLogB(2);
constexpr LogId kLogC(3);
constexpr LogId kLogD(4);

class RefusedLogTest : public ::testing::Test {
 protected:
  // The relay d has a's log, b's and c's after it, in a chain, and its own, which follows nothing. It changes each header of a.
  void SetUp() override {
    World world;
    a_.Append("of a");
    a_.Sign();
    world.Add(&a_, &b_);
    world.Settle();
    b_.Append("of b, after a");
    b_.Sign();
    world.Add(&b_, &c_);
    world.Settle();
    c_.Append("of c, after b");
    c_.Sign();
    world.Add(&c_, &d_);
    world.Settle();
    d_.AppendAlone("of d");
    d_.Sign();
    stream_ = world_.Add(&d_, &e_);
    stream_->tamper_down = [](v1::ReplicateResponse* response) {
      if (!response->has_entries()) return true;
      for (v1::HeaderPackage& package : *response->mutable_entries()->mutable_packages()) {
        if (package.log() == kLogA.value()) package.mutable_headers(0)->back() ^= 1;
      }
      return true;
    };
  }

  FakeNetwork network_{{"a", "b", "c", "d", "e"}};
  FakeNode a_{&network_, "a"};
  FakeNode b_{&network_, "b"};
  FakeNode c_{&network_, "c"};
  FakeNode d_{&network_, "d"};
  FakeNode e_{&network_, "e"};
  World world_;
  FakeStream* stream_ = nullptr;
};

TEST_F(RefusedLogTest, APayloadThatNoSiteMayWriteIsNotTaken) {
  World world;
  FakeNetwork network({"a", "b"});
  FakeNode a(&network, "a"), b(&network, "b");
  a.Append(std::string(kPayloadBytesMax, 'x'));
  a.Append(std::string(kPayloadBytesMax + 1, 'x'));
  a.Sign();
  FakeStream* stream = world.Add(&a, &b);
  world.Advance(absl::Seconds(2));
  EXPECT_EQ(b.Size(kLogA), Seq(1));
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(kLogA).message()),
              HasSubstr("entry 1: the payload has 1048577 bytes, and 1048576 are allowed"));
  EXPECT_TRUE(stream->up()) << stream->receiver_status;
}

TEST_F(RefusedLogTest, WhatFollowsItIsSetAsideAndTheRestFlows) {
  world_.Advance(absl::Milliseconds(900));
  EXPECT_EQ(ReasonOf(stream_->receiver().RefusalOf(kLogA)), "SIGNATURE_INVALID");
  EXPECT_TRUE(stream_->receiver().RefusalOf(kLogB).ok()) << "another peer may bring what it follows";
  world_.Advance(absl::Milliseconds(300));
  EXPECT_TRUE(stream_->up()) << stream_->receiver_status;
  EXPECT_EQ(e_.Size(kLogD), Seq(1));
  EXPECT_THAT(std::string(stream_->receiver().RefusalOf(kLogB).message()),
              HasSubstr("log test/b/1/main: entry 0 follows entry 0 of log test/a/1/main, a log of which no more is taken from this peer"));
  EXPECT_THAT(std::string(stream_->receiver().RefusalOf(kLogC).message()), HasSubstr("log test/c/1/main: entry 0 follows entry 0 of log"));
  EXPECT_TRUE(stream_->receiver().RefusalOf(kLogD).ok());
  // What d writes from then on comes at once.
  d_.AppendAlone("of d, later");
  d_.Sign();
  world_.Settle();
  EXPECT_EQ(e_.Size(kLogD), Seq(2));
  world_.Advance(absl::Seconds(60));
  EXPECT_TRUE(stream_->up()) << stream_->receiver_status;
}

TEST_F(RefusedLogTest, WhatWasSetAsideIsAskedForAgainWhenItCanBeTaken) {
  world_.Advance(absl::Milliseconds(1200));
  ASSERT_FALSE(stream_->receiver().RefusalOf(kLogB).ok());
  world_.Add(&a_, &e_);
  world_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(e_.Size(kLogA), Seq(1));
  EXPECT_FALSE(stream_->up());
  EXPECT_TRUE(absl::IsUnavailable(stream_->receiver_status)) << stream_->receiver_status;
  EXPECT_THAT(std::string(stream_->receiver_status.message()), HasSubstr("log test/b/1/main: what its entry 0 waited for has come"));
  ASSERT_TRUE(stream_->Connect());
  world_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(e_.Applied(), d_.Applied()) << "though the liar has not changed";
  EXPECT_TRUE(stream_->up());
}

TEST_F(RefusedLogTest, WhatAnotherPeerBringsInTimeSetsNothingAside) {
  world_.Advance(absl::Milliseconds(500));
  world_.Add(&a_, &e_);
  world_.Advance(absl::Seconds(2));
  EXPECT_TRUE(stream_->up());
  EXPECT_TRUE(stream_->receiver().RefusalOf(kLogB).ok());
  EXPECT_EQ(e_.Applied(), d_.Applied());
}

// A peer with a newer roster sends what follows a log that only that one names.
TEST_F(RefusedLogTest, WhatFollowsALogOfANewerRosterIsSetAside) {
  const FakeNetwork newer({"a", "b", "c"}, {"extra"});
  const FakeNetwork older({"a", "b", "c"});
  FakeNode a(&newer, "a"), b(&newer, "b"), c(&older, "c");
  World of_newer;
  a.AppendTo("extra", "of a's new log");
  a.Sign("extra");
  of_newer.Add(&a, &b);
  of_newer.Settle();
  b.AppendAlone("of b, before");
  b.Append("of b, after a's new log");
  b.Append("of b, later");
  b.Sign();
  a.AppendAlone("of a");
  a.Sign();
  of_newer.Settle();
  ASSERT_EQ(b.Size(kLogA), Seq(1));
  World of_older;
  FakeStream* stream = of_older.Add(&b, &c);
  of_older.Advance(absl::Seconds(2));
  EXPECT_TRUE(stream->up()) << stream->receiver_status;
  EXPECT_EQ(c.Size(kLogA), Seq(1)) << "others' entries flow";
  EXPECT_EQ(c.Size(kLogB), Seq(1));
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(kLogB).message()),
              HasSubstr("entry 1 follows entry 0 of log 4, which the roster here does not name"));
  of_older.Advance(absl::Seconds(60));
  EXPECT_TRUE(stream->up()) << stream->receiver_status;
}

TEST_F(RefusedLogTest, WhatIsOfTheFutureIsSetAsideUntilItsTime) {
  World world;
  FakeNetwork network({"a", "b", "c"});
  FakeNode a(&network, "a"), b(&network, "b"), c(&network, "c");
  a.AppendAlone("of a's fast clock");
  a.Sign();
  world.Add(&a, &b);
  world.Settle();
  b.AppendAlone("of b");
  b.Sign();
  FakeStream* stream = world.Add(&b, &c);
  const absl::Time due = c.WallTime() + absl::Hours(1);
  c.SetDue(kLogA, due);
  world.Advance(absl::Seconds(3));
  EXPECT_TRUE(stream->up()) << stream->receiver_status;
  EXPECT_EQ(c.Size(kLogB), Seq(1)) << "others' entries flow";
  EXPECT_EQ(c.Size(kLogA), Seq(0));
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(kLogA).message()), HasSubstr("not here for another 3600000 ms"));
  c.SetWallTime(due - absl::Milliseconds(1));
  world.Advance(absl::Seconds(60));
  EXPECT_TRUE(stream->up()) << "before its time nothing is asked for again";
  // The hour was not long: the clock here was behind, and is put right.
  c.SetWallTime(due);
  world.Advance(absl::Milliseconds(100));
  EXPECT_FALSE(stream->up());
  ASSERT_TRUE(stream->Connect());
  world.Advance(absl::Milliseconds(100));
  EXPECT_EQ(c.Applied(), b.Applied());
}

// --- What a peer does that no proof shows ------------------------------------------------------------------------------------------

class PeerWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) a_.Append(fmt::format("of a {}", i));
    a_.Sign();
    stream_ = world_.Add(&a_, &b_);
  }
  LinkInfo info() { return stream_->receiver().info(); }

  FakeNetwork network_{{"a", "b"}};
  FakeNode a_{&network_, "a"};
  FakeNode b_{&network_, "b"};
  World world_;
  FakeStream* stream_ = nullptr;
};

TEST_F(PeerWatchTest, APeerThatIsAliveAndDeliversNothingIsToldOf) {
  stream_->tamper_down = [](v1::ReplicateResponse* response) { return !response->has_entries(); };
  world_.Advance(absl::Seconds(9));
  EXPECT_TRUE(info().last_error.ok());
  world_.Advance(absl::Seconds(2));
  EXPECT_TRUE(stream_->up());
  EXPECT_THAT(std::string(info().last_error.message()),
              HasSubstr("it says that it holds 5 entries that are not here, and has brought 0 bytes"));
  EXPECT_EQ(info().errors.at("UNAVAILABLE"), 1u);
  world_.Advance(absl::Seconds(30));
  EXPECT_EQ(info().errors.at("UNAVAILABLE"), 1u) << "once while it lasts";
}

// A heartbeat names the logs that changed: one that is lost is not made up for by the next.
TEST_F(PeerWatchTest, APeerThatBringsHeadersAloneIsToldOfWhateverItSaysThatItHolds) {
  world_.Advance(absl::Seconds(2));
  ASSERT_EQ(b_.Size(kLogA), Seq(5));
  stream_->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_entries()) response->mutable_entries()->clear_payloads();
    if (response->has_heartbeat()) response->mutable_heartbeat()->clear_logs();
    return true;
  };
  for (int i = 0; i < 3; ++i) a_.Append(fmt::format("more of a {}", i));
  a_.Sign();
  world_.Advance(absl::Seconds(12));
  EXPECT_TRUE(stream_->up());
  EXPECT_EQ(b_.Size(kLogA), Seq(5));
  EXPECT_THAT(std::string(info().last_error.message()), HasSubstr("it says that it holds 3 entries that are not here, and has brought"));
  EXPECT_EQ(info().errors.at("UNAVAILABLE"), 1u);
  EXPECT_EQ(info().entries_behind, 3u);
}

TEST_F(PeerWatchTest, AnIdlePeerAndOneThatBringsItsEntriesAreNot) {
  world_.Advance(absl::Seconds(60));
  EXPECT_EQ(b_.Size(kLogA), Seq(5));
  EXPECT_TRUE(info().last_error.ok()) << info().last_error;
  EXPECT_TRUE(info().errors.empty());
}

TEST_F(PeerWatchTest, ALogThatHasBecomeShorterIsRefusedByName) {
  world_.Advance(absl::Seconds(2));
  stream_->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_heartbeat()) {
      v1::LogState* state = response->mutable_heartbeat()->add_logs();
      state->set_log(kLogA.value());
      state->set_size(2);
    }
    return true;
  };
  world_.Advance(absl::Seconds(2));
  EXPECT_TRUE(stream_->up());
  EXPECT_EQ(ReasonOf(stream_->receiver().RefusalOf(kLogA)), "PEER_PROTOCOL");
  EXPECT_THAT(std::string(info().refused.at("test/a/1/main").message()),
              HasSubstr("log test/a/1/main: the peer holds 2 entries, and had said 5"));
  EXPECT_EQ(info().errors.at("PEER_PROTOCOL"), 1u);
}

TEST_F(PeerWatchTest, AClockThatIsFarOffIsToldOf) {
  stream_->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_pong()) response->mutable_pong()->set_time_ms(response->pong().time_ms() + 3'600'000);
    return true;
  };
  world_.Advance(absl::Seconds(3));
  EXPECT_TRUE(stream_->up());
  EXPECT_EQ(ReasonOf(info().last_error), "CLOCK_DRIFT");
  EXPECT_THAT(std::string(info().last_error.message()), HasSubstr("its clock is 3600000 ms ahead of this node's"));
  EXPECT_EQ(info().errors.at("CLOCK_DRIFT"), 1u);
}

}  // namespace
}  // namespace fairlead::replication
