// Sender and Receiver against each other, over fake nodes with real trees, notes and keys.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "server/replication/checkpoint.h"
#include "server/replication/fake_log.h"
#include "server/replication/fake_stream.h"

namespace fairlead::replication {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;

constexpr LogId kLogA(1);
constexpr LogId kLogB(2);
constexpr LogId kLogC(3);
constexpr SiteId kSiteA(1);
constexpr SiteId kSiteB(2);
constexpr SiteId kSiteC(3);

class StreamTest : public ::testing::Test {
 protected:
  void Write(FakeNode* node, int n) {
    for (int i = 0; i < n; ++i)
      node->Append(fmt::format("payload {} of {}", node->Size(LogId(node->site().value())).value(), node->site().value()));
    node->Sign();
  }
  static Digest RootOf(const FakeNode& node, LogId log) { return *node.RootAt(log, node.Size(log)); }
  static void ExpectSame(const FakeNode& x, const FakeNode& y) {
    EXPECT_EQ(x.Applied(), y.Applied());
    for (LogId log : {kLogA, kLogB, kLogC}) {
      ASSERT_EQ(x.Size(log), y.Size(log));
      EXPECT_EQ(RootOf(x, log), RootOf(y, log));
      for (uint64_t seq = 0; seq < x.Size(log).value(); ++seq) EXPECT_EQ(x.PayloadOf({log, Seq(seq)}), y.PayloadOf({log, Seq(seq)}));
    }
  }

  FakeNetwork network_{{"a", "b", "c"}};
  FakeNode a_{&network_, "a"};
  FakeNode b_{&network_, "b"};
  FakeNode c_{&network_, "c"};
  World world_;
};

TEST_F(StreamTest, CatchesUpFromEmptyOverManyBlocks) {
  Write(&a_, 3000);
  FakeStream* stream = world_.Add(&a_, &b_);
  world_.Settle();
  ExpectSame(a_, b_);
  EXPECT_EQ(b_.CheckpointNote(kLogA), a_.CheckpointNote(kLogA));
  EXPECT_EQ(b_.duplicates(), 0);
  EXPECT_EQ(b_.blocked(), 0);
  EXPECT_TRUE(stream->receiver().info().connected);
  EXPECT_EQ(stream->receiver().info().entries_received, 3000u);
  EXPECT_EQ(b_.ResumePosition("a")->second, Position(3000));
}

TEST_F(StreamTest, ContinuesInTheMiddleOfABlockAndAcrossCheckpoints) {
  world_.Add(&a_, &b_);
  for (int n : {1, 99, 156, 1, 255, 256, 300, 7}) {
    Write(&a_, n);
    world_.Settle();
    ExpectSame(a_, b_);
    EXPECT_EQ(b_.CheckpointNote(kLogA), a_.CheckpointNote(kLogA));
  }
  EXPECT_EQ(b_.Size(kLogA), Seq(1075));
}

TEST_F(StreamTest, AnEntryWithoutACheckpointWaitsForOne) {
  Write(&a_, 5);
  a_.Append("not signed yet");
  world_.Add(&a_, &b_);
  world_.Settle();
  EXPECT_EQ(b_.Size(kLogA), Seq(5));
  a_.Sign();
  world_.Settle();
  ExpectSame(a_, b_);
}

TEST_F(StreamTest, InterleavedLogsArriveAfterWhatTheyFollow) {
  world_.Add(&a_, &b_);
  world_.Add(&b_, &a_);
  for (int round = 0; round < 200; ++round) {
    Write(&a_, 1 + round % 7);
    world_.Settle();
    Write(&b_, 1 + round % 3);
    world_.Settle();
  }
  world_.Add(&b_, &c_)->sender_options.frame_bytes_max = 2000;
  world_.Settle();
  ExpectSame(b_, c_);
  EXPECT_EQ(c_.Journal(), b_.Journal());
  EXPECT_EQ(c_.blocked(), 0);
  EXPECT_EQ(c_.duplicates(), 0);
}

TEST_F(StreamTest, ARelayPassesLogsOnWithTheirCheckpointsAndCosignatures) {
  world_.Add(&a_, &b_);
  world_.Add(&b_, &c_);
  Write(&a_, 600);
  a_.Cosign(kLogA, 1000);
  world_.Settle();
  ExpectSame(a_, c_);
  EXPECT_EQ(c_.CheckpointNote(kLogA), a_.CheckpointNote(kLogA));
  ASSERT_EQ(c_.Cosignatures().size(), 1u);
  EXPECT_EQ(c_.Cosignatures()[0].site, kSiteA);
  // The other way, from receiver to sender.
  c_.Cosign(kLogA, 2000);
  world_.Advance(absl::Milliseconds(100));
  ASSERT_EQ(a_.Cosignatures().size(), 2u);
  EXPECT_EQ(a_.Cosignatures()[1].site, kSiteC);
}

TEST_F(StreamTest, WhatArrivesFromItsOriginIsNotRelayed) {
  world_.Add(&a_, &b_);
  world_.Add(&a_, &c_);
  FakeStream* relay = world_.Add(&b_, &c_);
  relay->direct_logs = {kLogA};
  relay->Connect();
  for (int i = 0; i < 20; ++i) {
    Write(&a_, 10);
    world_.Advance(absl::Milliseconds(50));
  }
  EXPECT_EQ(c_.Size(kLogA), Seq(200));
  EXPECT_EQ(relay->payloads_sent[kLogA], 0);
  Write(&b_, 1);
  world_.Advance(absl::Milliseconds(50));
  EXPECT_EQ(relay->payloads_sent[kLogB], 1);
  EXPECT_EQ(c_.duplicates(), 0);
}

TEST_F(StreamTest, ASiteIsNotSentWhatItWrote) {
  FakeStream* to_b = world_.Add(&a_, &b_);
  FakeStream* to_a = world_.Add(&b_, &a_);
  for (int i = 0; i < 50; ++i) {
    Write(&a_, 5);
    Write(&b_, 3);
    world_.Settle();  // no time passes: neither side has said yet what it has
    EXPECT_EQ(a_.Size(kLogB), Seq(3 * (i + 1))) << "what the other wrote does not wait for that";
    if (i % 5 == 0) world_.Advance(absl::Milliseconds(50));
  }
  EXPECT_EQ(to_b->payloads_sent[kLogB], 0);
  EXPECT_EQ(to_a->payloads_sent[kLogA], 0);
  ExpectSame(a_, b_);
}

TEST_F(StreamTest, ASiteThatLostItsLogIsSentIt) {
  Write(&a_, 700);
  world_.Add(&a_, &b_);
  world_.Settle();
  world_.streams.clear();
  Write(&b_, 1);
  FakeNode restored(&network_, "a");
  world_.Add(&b_, &restored);
  world_.Settle();
  ExpectSame(b_, restored);
  EXPECT_EQ(restored.blocked(), 0);
}

// What the lost log's owner lacked came to the sender only after Hello.
TEST_F(StreamTest, ASiteThatLostItsLogIsSentWhatARelayHearsLater) {
  Write(&a_, 300);
  world_.Add(&a_, &c_);
  world_.Settle();
  world_.streams.clear();
  FakeNode restored(&network_, "a");
  world_.Add(&b_, &restored);
  world_.Settle();
  world_.Add(&c_, &b_);
  world_.Settle();
  EXPECT_EQ(restored.Size(kLogA), Seq(0));
  world_.Advance(absl::Milliseconds(250));
  EXPECT_EQ(restored.Size(kLogA), Seq(300));
}

TEST_F(StreamTest, AWalkOverWhatIsHeldIsTakenInSteps) {
  Write(&a_, 1000);
  world_.Add(&a_, &b_);
  world_.Settle();
  world_.streams.clear();
  Write(&a_, 1);
  FakeStream* stream = world_.Add(&a_, &b_);
  stream->sender_options.walk_items_max = 100;
  stream->tamper_up = [](v1::ReplicateRequest* request) {
    if (request->has_hello()) request->mutable_hello()->clear_journal_instance();
    return true;
  };
  std::vector<uint64_t> steps;
  stream->tamper_down = [&steps](v1::ReplicateResponse* response) {
    if (response->has_heartbeat()) steps.push_back(response->heartbeat().journal_position());
    return true;
  };
  stream->Connect();
  world_.Settle();
  EXPECT_THAT(steps, ::testing::ElementsAre(100, 200, 300, 400, 500, 600, 700, 800, 900, 1000));
  EXPECT_EQ(b_.Size(kLogA), Seq(1001));
}

TEST_F(StreamTest, TheRelayWaitsForTheOriginOnlyForItsDelay) {
  world_.Add(&a_, &b_);
  FakeStream* relay = world_.Add(&b_, &c_);
  relay->direct_logs = {kLogA};
  relay->Connect();
  world_.Settle();
  Write(&a_, 500);
  world_.Settle();
  Write(&b_, 1);
  world_.Advance(absl::Milliseconds(200));
  EXPECT_EQ(c_.Size(kLogA), Seq(0));
  EXPECT_EQ(c_.Size(kLogB), Seq(0));
  world_.Advance(absl::Milliseconds(50));
  EXPECT_EQ(c_.Size(kLogA), Seq(500));
  EXPECT_EQ(c_.Size(kLogB), Seq(1));
}

TEST_F(StreamTest, AReconnectAtEveryMessageGivesEveryEntryOnceAndInOrder) {
  FakeNode source(&network_, "a");
  FakeNode other(&network_, "b");
  World before;
  before.Add(&source, &other);
  before.Add(&other, &source);
  for (int i = 0; i < 60; ++i) {
    Write(&source, 5);
    before.Settle();
    Write(&other, 1);
    before.Settle();
  }
  int messages = 1000;
  for (int cut = 1; cut < messages; ++cut) {
    FakeNode sink(&network_, "c");
    World world;
    FakeStream* stream = world.Add(&source, &sink);
    stream->sender_options.frame_bytes_max = 1000;
    stream->receiver_options.credit_bytes = 3000;
    stream->Connect();
    for (int delivered = 0; delivered < cut;) {
      bool moved = stream->Pump();
      moved |= stream->DeliverUp();
      const bool down = stream->DeliverDown();
      delivered += down ? 1 : 0;
      moved |= down;
      // At odd cuts the sink is slower than the wire.
      if (cut % 2 == 0 || delivered % 3 == 0) moved |= sink.Apply();
      if (moved) continue;
      if (sink.Apply()) continue;
      messages = std::min(messages, delivered);
      break;
    }
    stream->Drop();
    while (sink.Apply()) {
    }
    ASSERT_TRUE(stream->Connect());
    world.Settle();
    ASSERT_EQ(sink.Journal(), source.Journal()) << "cut after message " << cut;
    ASSERT_EQ(sink.blocked(), 0);
    ASSERT_EQ(sink.duplicates(), 0);
  }
  EXPECT_GT(messages, 10);
  EXPECT_LT(messages, 1000);
}

TEST_F(StreamTest, CreditBoundsWhatIsOutstanding) {
  for (int i = 0; i < 100; ++i) a_.Append(std::string(1000, static_cast<char>('a' + i % 26)));
  a_.Sign();
  FakeStream* stream = world_.Add(&a_, &b_);
  stream->sender_options.frame_bytes_max = 3000;
  stream->receiver_options.credit_bytes = 9000;
  int64_t sent = 0;
  int64_t largest = 0;
  stream->tamper_down = [&](v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    const int64_t bytes = static_cast<int64_t>(response->ByteSizeLong());
    sent += bytes;
    largest = std::max(largest, bytes);
    return true;
  };
  stream->Connect();
  world_.apply = false;
  world_.Settle();
  EXPECT_GE(sent, 9000);
  // A package of headers without payloads is granted again at once: at most one per block comes on top.
  EXPECT_LE(sent, 9000 + 2 * largest);
  const int64_t stuck = sent;
  world_.Advance(absl::Seconds(3));
  EXPECT_EQ(sent, stuck);
  EXPECT_EQ(stream->receiver().info().entries_behind, 100u);
  world_.apply = true;
  world_.Settle();
  EXPECT_EQ(b_.Size(kLogA), Seq(100));
  EXPECT_EQ(stream->receiver().info().entries_behind, 0u);
}

TEST_F(StreamTest, OneByteOfCreditAdmitsOneFrame) {
  Write(&a_, 600);
  a_.Append(std::string(kPayloadBytesMax, 'x'));
  a_.Sign();
  FakeStream* stream = world_.Add(&a_, &b_);
  stream->receiver_options.credit_bytes = 1;
  stream->Connect();
  world_.Settle();
  ExpectSame(a_, b_);
}

TEST_F(StreamTest, FramesAreBoundedByBytes) {
  for (int i = 0; i < 40; ++i) a_.Append(std::string(100'000, 'x'));
  a_.Append(std::string(kPayloadBytesMax, 'y'));
  a_.Sign();
  FakeStream* stream = world_.Add(&a_, &b_);
  world_.Settle();
  ExpectSame(a_, b_);
  size_t frames = 0;
  for (const std::string& bytes : stream->down_log) {
    EXPECT_LE(bytes.size(), (1u << 20) + 4096u);
    frames += bytes.size() > 500'000 ? 1 : 0;
  }
  EXPECT_GE(frames, 4u);
}

TEST_F(StreamTest, AWithheldPayloadNeverReachesTheWire) {
  const std::string secret = "only for a and b";
  a_.Append(secret, {false, {kSiteA, kSiteB}});
  a_.Append("for all");
  a_.Sign();
  FakeStream* to_b = world_.Add(&a_, &b_);
  FakeStream* to_c = world_.Add(&b_, &c_);
  world_.Settle();
  EXPECT_EQ(b_.PayloadOf({kLogA, Seq(0)}), secret);
  EXPECT_EQ(c_.Size(kLogA), Seq(2));
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(0)}), std::nullopt);
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(1)}), "for all");
  EXPECT_THAT(to_b->down_log, Contains(HasSubstr(secret)));
  EXPECT_THAT(to_c->down_log, Not(Contains(HasSubstr(secret))));
  EXPECT_EQ(RootOf(c_, kLogA), RootOf(a_, kLogA));
}

TEST_F(StreamTest, APayloadThatIsNotForThisSiteIsNotKept) {
  a_.Append("only for a", {false, {kSiteA}});
  a_.Sign();
  FakeStream* stream = world_.Add(&a_, &b_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    for (v1::PayloadFrame& payload : *response->mutable_entries()->mutable_payloads()) {
      payload.set_withheld(false);
      payload.set_payload("only for a");
    }
    return true;
  };
  world_.Settle();
  EXPECT_EQ(b_.Size(kLogA), Seq(1));
  EXPECT_EQ(b_.PayloadOf({kLogA, Seq(0)}), std::nullopt);
}

TEST_F(StreamTest, ARelayThatLacksADuePayloadLeavesItToTheOrigin) {
  a_.Append("for a and c", {false, {kSiteA, kSiteC}});
  a_.Sign();
  world_.Add(&a_, &b_);
  world_.Settle();
  // Independent of log a: it must not wait.
  b_.AppendAlone("of b");
  b_.Sign();
  b_.Append("after a");
  b_.Sign();
  FakeStream* relay = world_.Add(&b_, &c_);
  relay->direct_logs = {kLogA};
  relay->Connect();
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(c_.Size(kLogA), Seq(0));
  EXPECT_EQ(c_.Size(kLogB), Seq(1)) << "the second entry follows the held one";
  FakeStream* direct = world_.Add(&a_, &c_);
  world_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(0)}), "for a and c");
  EXPECT_EQ(c_.Size(kLogB), Seq(2));
  EXPECT_TRUE(direct->up());
  EXPECT_EQ(c_.ResumePosition("b")->second, b_.JournalEnd());
}

TEST_F(StreamTest, ARelayThatLacksADuePayloadSendsTheHeaderWhenTheOriginIsNotHeard) {
  a_.Append("for a and c", {false, {kSiteA, kSiteC}});
  a_.Sign();
  world_.Add(&a_, &b_);
  FakeStream* relay = world_.Add(&b_, &c_);
  relay->direct_logs = {kLogA};
  relay->Connect();
  world_.Advance(absl::Seconds(1));
  EXPECT_EQ(c_.Size(kLogA), Seq(0));
  relay->receiver().SetDirectLogs({});
  world_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(c_.Size(kLogA), Seq(1));
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(0)}), std::nullopt);
}

// c has two headers from b, which has no right to their payloads. a has both, and c a right to one; it asks all.
TEST_F(StreamTest, AWantedPayloadComesFromAPeerThatHasIt) {
  a_.Append("for a and c", {false, {kSiteA, kSiteC}});
  a_.Append("for a alone", {false, {kSiteA}});
  a_.Sign();
  world_.Add(&a_, &b_);
  FakeStream* relay = world_.Add(&b_, &c_);
  world_.Advance(absl::Seconds(2));
  ASSERT_EQ(c_.Size(kLogA), Seq(2));
  ASSERT_EQ(c_.PayloadOf({kLogA, Seq(0)}), std::nullopt);
  FakeStream* direct = world_.Add(&a_, &c_);
  // A receiver that asks for what is not its own.
  direct->tamper_up = [](v1::ReplicateRequest* request) {
    if (!request->has_want()) return true;
    EXPECT_EQ(request->want().entries_size(), 1);
    for (uint64_t seq : {1, 2, 99}) {
      v1::EntryPosition* entry = request->mutable_want()->add_entries();
      entry->set_log(kLogA.value());
      entry->set_seq(seq);
    }
    request->mutable_want()->add_entries()->set_log(77);
    return true;
  };
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(0)}), "for a and c");
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(1)}), std::nullopt);
  EXPECT_THAT(direct->down_log, Contains(HasSubstr("for a and c")));
  EXPECT_THAT(direct->down_log, Not(Contains(HasSubstr("for a alone"))));
  EXPECT_TRUE(relay->up());
  EXPECT_TRUE(direct->up()) << direct->sender_status << direct->receiver_status;
}

TEST_F(StreamTest, AWrongPayloadForAWantedOneRefusesItsLogByName) {
  a_.Append("for a and c", {false, {kSiteA, kSiteC}});
  a_.Sign();
  world_.Add(&a_, &b_);
  world_.Add(&b_, &c_);
  world_.Advance(absl::Seconds(2));
  ASSERT_EQ(c_.PayloadOf({kLogA, Seq(0)}), std::nullopt);
  FakeStream* direct = world_.Add(&a_, &c_);
  direct->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_wanted()) response->mutable_wanted()->set_payload("for c and a");
    return true;
  };
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(c_.PayloadOf({kLogA, Seq(0)}), std::nullopt);
  EXPECT_TRUE(direct->up());
  EXPECT_THAT(std::string(direct->receiver().RefusalOf(kLogA).message()), HasSubstr("a/1/main"));
  EXPECT_THAT(std::string(direct->receiver().RefusalOf(kLogA).message()), HasSubstr("entry 0"));
}

TEST_F(StreamTest, APeersWordOnThisSitesLogIsPassedOn) {
  Write(&a_, 5);
  FakeStream* to_b = world_.Add(&a_, &b_);
  world_.Settle();
  EXPECT_EQ(a_.PeerHeld("b"), std::nullopt);
  FakeStream* back = world_.Add(&b_, &a_);
  world_.Settle();
  EXPECT_EQ(a_.PeerHeld("b"), Seq(5));
  EXPECT_EQ(b_.PeerHeld("a"), Seq(0));
  Write(&a_, 2);
  to_b->Wake();
  back->Wake();
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(a_.PeerHeld("b"), Seq(7));
}

TEST_F(StreamTest, AStatementThatWasReplacedWhileItWaitedIsNotSent) {
  Write(&a_, 1);
  world_.Add(&a_, &b_);
  world_.Settle();
  Write(&b_, 1);
  b_.Cosign(kLogA, 1);
  b_.Cosign(kLogB, 1);
  const std::vector<HeldCosignature> first = b_.Cosignatures();
  ASSERT_EQ(first.size(), 2u);
  FakeStream* stream = world_.Add(&b_, &c_);
  std::vector<std::string> sent;
  stream->tamper_down = [&](v1::ReplicateResponse* response) {
    if (!response->has_cosignature()) return true;
    sent.push_back(response->cosignature().note());
    if (sent.size() == 1) b_.Cosign(first[1].log, 2);  // the other waits in the link's queue
    return true;
  };
  world_.Advance(absl::Seconds(1));
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0], first[0].note);
  EXPECT_EQ(sent[1], b_.CosignaturesAfter(first[1].version).at(0).note);
  EXPECT_TRUE(stream->up());
}

TEST_F(StreamTest, ASiteIsToldWhatItHasSignedAndThePeerHasNot) {
  Write(&a_, 2);
  FakeStream* to_b = world_.Add(&a_, &b_);
  world_.Settle();
  to_b->Drop();
  Write(&a_, 1);
  RemoteBatch checkpoint_only;
  checkpoint_only.peer = "a";
  checkpoint_only.checkpoints.push_back(*OpenCheckpoint(*network_.roster.FindLog(kLogA), *a_.CheckpointNote(kLogA)));
  b_.ApplyRemote(std::move(checkpoint_only), [](const ApplyResult& result) { EXPECT_TRUE(result.status.ok()); });
  ASSERT_TRUE(b_.Apply());

  FakeNode empty(&network_, "a");
  FakeStream* first = world_.Add(&b_, &empty);
  world_.Settle();
  EXPECT_EQ(empty.PeerHeld("b"), Seq(2));
  ASSERT_TRUE(empty.PeerAwaits("b").has_value()) << "the first word says so: the site may write after it";
  EXPECT_EQ(empty.PeerAwaits("b")->size, Seq(3));
  EXPECT_EQ(empty.PeerAwaits("b")->note, a_.CheckpointNote(kLogA));
  world_.Advance(absl::Seconds(2));
  ASSERT_TRUE(empty.PeerAwaits("b").has_value()) << "heartbeats repeat it";
  EXPECT_TRUE(first->up());

  world_.Add(&b_, &a_);
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(a_.PeerHeld("b"), Seq(2));
  EXPECT_FALSE(a_.PeerAwaits("b").has_value()) << "it has the entries";
}

// --- Several streams of a site -------------------------------------------------------------------------------------------------------

class StreamsOfASiteTest : public ::testing::Test {
 protected:
  void Write(FakeNode* node, std::string_view stream, int n) {
    for (int i = 0; i < n; ++i) node->AppendTo(stream, fmt::format("{} {}", stream, i));
    node->Sign(stream);
  }

  FakeNetwork network_{{"a", "b"}, {"audit", "partner-JP"}};
  const LogId audit_ = network_.roster.CurrentLog(kSiteA, "audit")->id;
  FakeNode a_{&network_, "a"};
  FakeNode b_{&network_, "b"};
  World world_;
};

TEST_F(StreamsOfASiteTest, EachComesUnderItsOwnCheckpoint) {
  Write(&a_, "main", 3);
  Write(&a_, "audit", 300);
  world_.Add(&a_, &b_);
  world_.Settle();
  EXPECT_EQ(a_.Applied(), b_.Applied());
  EXPECT_EQ(b_.Size(audit_), Seq(300));
  EXPECT_EQ(b_.CheckpointNote(audit_), a_.CheckpointNote(audit_));
  EXPECT_EQ(b_.PayloadOf({audit_, Seq(299)}), "audit 299");
}

TEST_F(StreamsOfASiteTest, ASiteIsToldOfEachOfItsLogs) {
  Write(&a_, "main", 3);
  Write(&a_, "audit", 2);
  world_.Add(&a_, &b_);
  world_.Settle();
  FakeNode empty(&network_, "a");
  FakeStream* stream = world_.Add(&b_, &empty);
  world_.Settle();
  EXPECT_EQ(empty.PeerHeld("b"), Seq(3));
  EXPECT_EQ(empty.PeerHeld("b", "audit"), Seq(2));
  EXPECT_EQ(empty.PeerHeld("b", "partner-JP"), Seq(0));
  EXPECT_TRUE(stream->up());
}

TEST_F(StreamsOfASiteTest, ASiteIsToldWhatItHasSignedInEachOfItsLogs) {
  Write(&a_, "audit", 3);
  RemoteBatch checkpoint_only;
  checkpoint_only.peer = "a";
  checkpoint_only.checkpoints.push_back(*OpenCheckpoint(*network_.roster.FindLog(audit_), *a_.CheckpointNote(audit_)));
  b_.ApplyRemote(std::move(checkpoint_only), [](const ApplyResult& result) { EXPECT_TRUE(result.status.ok()); });
  ASSERT_TRUE(b_.Apply());
  FakeNode empty(&network_, "a");
  world_.Add(&b_, &empty);
  world_.Settle();
  ASSERT_TRUE(empty.PeerAwaits("b", "audit").has_value()) << "the first word says so";
  EXPECT_EQ(empty.PeerAwaits("b", "audit")->size, Seq(3));
  EXPECT_EQ(empty.PeerHeld("b", "audit"), Seq(0));
  EXPECT_FALSE(empty.PeerAwaits("b").has_value());
  world_.Advance(absl::Seconds(2));
  EXPECT_TRUE(empty.PeerAwaits("b", "audit").has_value()) << "heartbeats repeat it";
}

// A word on one log is no word on the others: none counts until all can be taken.
TEST_F(StreamsOfASiteTest, AFalseWordOnOneLogIsNoWordOnAny) {
  FakeStream* stream = world_.Add(&b_, &a_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_welcome()) response->mutable_welcome()->add_other_own_checkpoints("test/a/1/audit\n9\n");
    return true;
  };
  world_.Advance(absl::Seconds(2));
  EXPECT_TRUE(stream->up());
  EXPECT_EQ(a_.PeerHeld("b"), std::nullopt);
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(audit_).message()), HasSubstr("a/1/audit"));
  EXPECT_TRUE(stream->receiver().RefusalOf(kLogA).ok());
}

// Of an epoch that only the peer's roster has.
TEST_F(StreamsOfASiteTest, ACheckpointOfALogThatTheSiteHasNotIsLeftAside) {
  FakeStream* stream = world_.Add(&b_, &a_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_welcome()) response->mutable_welcome()->add_other_own_checkpoints("test/a/2/audit\n9\n");
    return true;
  };
  world_.Advance(absl::Seconds(2));
  EXPECT_EQ(a_.PeerHeld("b"), Seq(0));
  EXPECT_TRUE(stream->receiver().RefusalOf(audit_).ok());
}

TEST_F(StreamTest, AnUnsignedClaimAboutTheOwnLogRefusesItByName) {
  FakeStream* back = world_.Add(&b_, &a_);
  back->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_heartbeat()) response->mutable_heartbeat()->set_own_checkpoint("a/1/main\n9\n");
    return true;
  };
  world_.Advance(absl::Seconds(2));
  EXPECT_TRUE(back->up());
  EXPECT_FALSE(a_.PeerAwaits("b").has_value());
  EXPECT_THAT(std::string(back->receiver().RefusalOf(kLogA).message()), HasSubstr("a/1/main"));
}

// A store that was put back and written on before it heard of what it had lost.
TEST_F(StreamTest, AnAwaitedCheckpointOfAnotherHistoryIsAFork) {
  Write(&a_, 3);
  const std::optional<std::string> note = a_.CheckpointNote(kLogA);
  FakeNode other(&network_, "a");
  other.Append("another history");
  other.AppendAlone("of three");
  other.AppendAlone("entries");
  other.Sign();
  FakeStream* stream = world_.Add(&b_, &other);
  stream->tamper_down = [&note](v1::ReplicateResponse* response) {
    if (response->has_heartbeat()) response->mutable_heartbeat()->set_own_checkpoint(*note);
    return true;
  };
  world_.Advance(absl::Seconds(2));
  EXPECT_THAT(other.Forks(), Contains(testing::Pair(kLogA, HasSubstr("two histories of size 3"))));
}

// --- Faults --------------------------------------------------------------------------------------------------------------------

// What is done to log a on the wire, and what is said of it. Log b, from the same peer, must flow; and on a good stream everything heals.
struct Tampering {
  std::string name;
  std::function<void(v1::Entries*)> change;
  std::string reason;
  std::string says;
};

class TamperTest : public StreamTest, public ::testing::WithParamInterface<Tampering> {};

v1::HeaderPackage* PackageOf(v1::Entries* entries, LogId log) {
  for (v1::HeaderPackage& package : *entries->mutable_packages()) {
    if (package.log() == log.value()) return &package;
  }
  return nullptr;
}

TEST_P(TamperTest, IsRefusedByNameAndTheRestFlows) {
  for (int i = 0; i < 700; ++i) a_.AppendAlone(fmt::format("a {}", i));
  a_.Sign();
  world_.Add(&a_, &b_);
  for (int i = 0; i < 300; ++i) b_.AppendAlone(fmt::format("b {}", i));
  b_.Sign();
  world_.Settle();
  // b's journal: its own entries, then those of a.
  for (int i = 0; i < 300; ++i) b_.AppendAlone(fmt::format("late b {}", i));
  b_.Sign();

  FakeStream* stream = world_.Add(&b_, &c_);
  stream->sender_options.frame_bytes_max = 20'000;
  stream->Connect();
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_entries()) GetParam().change(response->mutable_entries());
    return true;
  };
  world_.Advance(absl::Milliseconds(100));
  EXPECT_TRUE(stream->up()) << stream->receiver_status;
  absl::Status refused = stream->receiver().RefusalOf(kLogA);
  EXPECT_EQ(ReasonOf(refused), GetParam().reason) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("log test/a/1/main"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr(GetParam().says));
  EXPECT_EQ(stream->receiver().info().last_error, refused);
  EXPECT_EQ(c_.Size(kLogB), Seq(600));
  EXPECT_LT(c_.Size(kLogA), Seq(700));
  EXPECT_TRUE(c_.Forks().empty());

  stream->Drop();
  stream->tamper_down = nullptr;
  ASSERT_TRUE(stream->Connect());
  world_.Settle();
  ExpectSame(b_, c_);
  EXPECT_TRUE(stream->receiver().RefusalOf(kLogA).ok());
}

INSTANTIATE_TEST_SUITE_P(Wire, TamperTest,
                         ::testing::Values(Tampering{"ChangedHeader",
                                                     [](v1::Entries* entries) {
                                                       if (auto* package = PackageOf(entries, kLogA))
                                                         package->mutable_headers(0)->back() ^= 1;
                                                     },
                                                     "SIGNATURE_INVALID", "headers [0, 256)"},
                                           Tampering{"ChangedHeaderOfALaterBlock",
                                                     [](v1::Entries* entries) {
                                                       auto* package = PackageOf(entries, kLogA);
                                                       if (package != nullptr && package->first() == 256)
                                                         package->mutable_headers(100)->back() ^= 1;
                                                     },
                                                     "SIGNATURE_INVALID", "headers [256, 512)"},
                                           Tampering{"GarbageHeader",
                                                     [](v1::Entries* entries) {
                                                       if (auto* package = PackageOf(entries, kLogA)) package->set_headers(3, "garbage");
                                                     },
                                                     "SIGNATURE_INVALID", "headers [0, 256)"},
                                           Tampering{"ChangedPayload",
                                                     [](v1::Entries* entries) {
                                                       for (auto& payload : *entries->mutable_payloads()) {
                                                         if (payload.log() == 1 && payload.seq() == 77)
                                                           payload.mutable_payload()->back() ^= 1;
                                                       }
                                                     },
                                                     "SIGNATURE_INVALID", "entry 77"},
                                           Tampering{"WithheldThoughDue",
                                                     [](v1::Entries* entries) {
                                                       for (auto& payload : *entries->mutable_payloads()) {
                                                         if (payload.log() != 1 || payload.seq() != 5) continue;
                                                         payload.clear_payload();
                                                         payload.set_withheld(true);
                                                       }
                                                     },
                                                     "SIGNATURE_INVALID", "entry 5"},
                                           Tampering{"WrongKey",
                                                     [](v1::Entries* entries) {
                                                       auto* package = PackageOf(entries, kLogA);
                                                       if (package == nullptr || package->checkpoint().empty()) return;
                                                       auto note = note::Parse(package->checkpoint());
                                                       note->signatures = {note::Sign("test/a/1/main", SigningKey::Generate(), note->text)};
                                                       package->set_checkpoint(note::Format(*note));
                                                     },
                                                     "SIGNATURE_INVALID", "the signature does not verify"},
                                           Tampering{"GarbageCheckpoint",
                                                     [](v1::Entries* entries) {
                                                       auto* package = PackageOf(entries, kLogA);
                                                       if (package != nullptr && !package->checkpoint().empty())
                                                         package->set_checkpoint("\x80garbage");
                                                     },
                                                     "SIGNATURE_INVALID", "checkpoint"},
                                           Tampering{"TruncatedProof",
                                                     [](v1::Entries* entries) {
                                                       if (auto* package = PackageOf(entries, kLogA))
                                                         package->mutable_proof()->RemoveLast();
                                                     },
                                                     "SIGNATURE_INVALID", "headers [0, 256)"},
                                           Tampering{"ShortDigestInProof",
                                                     [](v1::Entries* entries) {
                                                       if (auto* package = PackageOf(entries, kLogA)) package->mutable_proof(0)->pop_back();
                                                     },
                                                     "SIGNATURE_INVALID", "malformed"},
                                           Tampering{"SwappedHeaders",
                                                     [](v1::Entries* entries) {
                                                       if (auto* package = PackageOf(entries, kLogA))
                                                         package->mutable_headers()->SwapElements(0, 1);
                                                     },
                                                     "SIGNATURE_INVALID", "headers [0, 256)"}),
                         [](const ::testing::TestParamInfo<Tampering>& info) { return info.param.name; });

TEST_F(StreamTest, AnOlderCheckpointAfterANewerIsRefused) {
  FakeStream* stream = world_.Add(&a_, &b_);
  Write(&a_, 100);
  const std::string older = *a_.CheckpointNote(kLogA);
  world_.Settle();
  Write(&a_, 100);
  world_.Settle();
  stream->tamper_down = [&older](v1::ReplicateResponse* response) {
    if (response->has_entries()) response->mutable_entries()->mutable_packages(0)->set_checkpoint(older);
    return true;
  };
  Write(&a_, 100);
  world_.Settle();
  EXPECT_TRUE(stream->up());
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(kLogA).message()), HasSubstr("a checkpoint of size 100 after one of size 200"));
  EXPECT_EQ(b_.Size(kLogA), Seq(200));
}

TEST_F(StreamTest, AForkShowsAtHelloAndOnlyItsLogStops) {
  FakeNode forked(&network_, "a");  // the same site and key, another history
  Write(&a_, 10);
  for (int i = 0; i < 12; ++i) forked.Append(fmt::format("another {}", i));
  forked.Sign();
  world_.Add(&a_, &b_);
  world_.Add(&forked, &c_);
  world_.Settle();
  ASSERT_EQ(b_.Size(kLogA), Seq(10));
  ASSERT_EQ(c_.Size(kLogA), Seq(12));
  world_.streams.clear();
  c_.AppendAlone("of c");
  c_.Sign();
  FakeStream* stream = world_.Add(&c_, &b_);
  world_.Advance(absl::Milliseconds(100));
  EXPECT_TRUE(stream->up());
  EXPECT_EQ(ReasonOf(stream->receiver().RefusalOf(kLogA)), "LOG_FORKED");
  EXPECT_EQ(stream->payloads_sent[kLogA], 0);
  EXPECT_EQ(b_.Size(kLogC), Seq(1)) << "the other log flows";
  // b's checkpoint of size 10 proves it to c, which holds 12. b, which holds 10, has c's word only.
  EXPECT_THAT(c_.Forks(), Contains(Key(kLogA)));
  EXPECT_TRUE(b_.Forks().empty());
  // When b has grown to the size of c's checkpoint, that proves it here too.
  Write(&a_, 2);
  world_.Add(&a_, &b_);
  world_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(b_.Size(kLogA), Seq(12));
  EXPECT_THAT(b_.Forks(), Contains(Key(kLogA)));
}

TEST_F(StreamTest, AForkIsProvenByTheReceiverWhenTheSendersCheckpointIsShorter) {
  FakeNode forked(&network_, "a");
  Write(&a_, 12);
  for (int i = 0; i < 10; ++i) forked.Append(fmt::format("another {}", i));
  forked.Sign();
  world_.Add(&a_, &b_);
  world_.Add(&forked, &c_);
  world_.Settle();
  world_.streams.clear();
  FakeStream* stream = world_.Add(&c_, &b_);  // c says in Welcome: 10 entries, another root
  world_.Settle();
  EXPECT_EQ(ReasonOf(stream->receiver().RefusalOf(kLogA)), "LOG_FORKED");
  EXPECT_THAT(std::string(stream->receiver().info().last_error.message()), HasSubstr("another history of size 10"));
}

// A peer that hides the fork at Hello. The first package after what is held shows it.
TEST_F(StreamTest, ARewrittenPrefixShowsAtTheFirstPackage) {
  FakeNode forked(&network_, "a");
  Write(&a_, 512);
  for (int i = 0; i < 700; ++i) forked.Append(fmt::format("another {}", i));
  forked.Sign();
  world_.Add(&a_, &b_);
  world_.Settle();
  world_.streams.clear();
  FakeStream* stream = world_.Add(&forked, &b_);
  stream->tamper_up = [&](v1::ReplicateRequest* request) {
    if (request->has_hello()) request->mutable_hello()->mutable_logs(0)->set_root(std::string(AsView(*forked.RootAt(kLogA, Seq(512)))));
    return true;
  };
  stream->Connect();
  world_.Settle();
  EXPECT_EQ(b_.Size(kLogA), Seq(512));
  EXPECT_THAT(b_.Forks(), Contains(Key(kLogA)));
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(kLogA).message()), HasSubstr("two histories of size 512"));
}

// A peer that takes the receiver for one that holds less: what it sends again is compared with what is held.
TEST_F(StreamTest, ARewrittenEntryShowsWhenItIsSentAgain) {
  FakeNode forked(&network_, "a");
  Write(&a_, 256);
  Write(&forked, 256);
  Write(&a_, 44);
  for (int i = 0; i < 144; ++i) forked.Append(fmt::format("another {}", i));
  forked.Sign();
  world_.Add(&a_, &b_);
  world_.Settle();
  world_.streams.clear();
  FakeStream* stream = world_.Add(&forked, &b_);
  stream->tamper_up = [&](v1::ReplicateRequest* request) {
    if (!request->has_hello()) return !request->has_have();
    request->mutable_hello()->mutable_logs(0)->set_size(256);
    request->mutable_hello()->mutable_logs(0)->set_root(std::string(AsView(*forked.RootAt(kLogA, Seq(256)))));
    return true;
  };
  stream->Connect();
  world_.Settle();
  EXPECT_EQ(b_.Size(kLogA), Seq(300));
  EXPECT_THAT(b_.Forks(), Contains(Key(kLogA)));
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(kLogA).message()), HasSubstr("two entries 256"));
}

TEST_F(StreamTest, ARewrittenTailOfABlockIsRefused) {
  FakeNode forked(&network_, "a");
  Write(&a_, 300);
  for (int i = 0; i < 400; ++i) forked.Append(fmt::format("another {}", i));
  forked.Sign();
  world_.Add(&a_, &b_);
  world_.Settle();
  world_.streams.clear();
  FakeStream* stream = world_.Add(&forked, &b_);
  stream->tamper_up = [&](v1::ReplicateRequest* request) {
    if (request->has_hello()) request->mutable_hello()->mutable_logs(0)->set_root(std::string(AsView(*forked.RootAt(kLogA, Seq(300)))));
    return true;
  };
  stream->Connect();
  world_.Settle();
  EXPECT_EQ(b_.Size(kLogA), Seq(300));
  EXPECT_THAT(std::string(stream->receiver().RefusalOf(kLogA).message()), HasSubstr("headers [300, 400) are not of the checkpoint"));
}

TEST_F(StreamTest, ABlockedBatchIsOfferedAgain) {
  Write(&a_, 10);
  FakeStream* stream = world_.Add(&a_, &b_);
  b_.FailApply(absl::UnavailableError("the disk is full"));
  world_.Settle();
  EXPECT_EQ(b_.Size(kLogA), Seq(0));
  world_.Advance(absl::Milliseconds(50));
  EXPECT_EQ(b_.Size(kLogA), Seq(10));
  EXPECT_TRUE(stream->up());
}

TEST_F(StreamTest, ABatchThatWaitsForEntriesIsOfferedWhenTheyArrive) {
  Write(&a_, 3);
  world_.Add(&a_, &b_);
  world_.Settle();
  world_.streams.clear();
  Write(&b_, 2);
  FakeStream* stream = world_.Add(&b_, &c_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    for (v1::HeaderPackage& package : *response->mutable_entries()->mutable_packages()) {
      if (package.log() == kLogA.value()) package.mutable_headers(0)->back() ^= 1;
    }
    return true;
  };
  world_.Settle();
  EXPECT_EQ(c_.Size(kLogB), Seq(0));
  EXPECT_EQ(c_.blocked(), 1);
  world_.Add(&a_, &c_);
  world_.Settle();  // to the sink
  world_.Settle();  // and from there to the other stream
  EXPECT_EQ(c_.Size(kLogA), Seq(3));
  EXPECT_EQ(c_.Size(kLogB), Seq(2));
}

TEST_F(StreamTest, AnEntryThatTheSinkRefusesStopsItsLogOnly) {
  a_.AppendAlone("a");
  a_.Sign();
  world_.Add(&a_, &b_);
  world_.Settle();
  b_.AppendAlone("b");
  b_.Sign();
  FakeStream* stream = world_.Add(&b_, &c_);
  c_.FailApply(Error(Reason::kLogForked, "log test/a/1/main: by the sink"));
  world_.Advance(absl::Milliseconds(50));
  EXPECT_TRUE(stream->up());
  EXPECT_EQ(c_.Size(kLogA), Seq(0));
  EXPECT_EQ(c_.Size(kLogB), Seq(1));
  EXPECT_EQ(ReasonOf(stream->receiver().RefusalOf(kLogA)), "LOG_FORKED");
}

TEST_F(StreamTest, AFailureOfTheSinkEndsTheStream) {
  Write(&a_, 1);
  FakeStream* stream = world_.Add(&a_, &b_);
  b_.FailApply(Error(Reason::kStorageFailed, "the store takes no more"));
  world_.Settle();
  EXPECT_FALSE(stream->up());
  EXPECT_EQ(ReasonOf(stream->receiver_status), "STORAGE_FAILED");
  EXPECT_FALSE(stream->info.connected);
  EXPECT_EQ(stream->info.last_error_time, world_.now);
}

TEST_F(StreamTest, ADepThatNeverComesEndsTheStreamByName) {
  Write(&a_, 3);
  world_.Add(&a_, &b_);
  world_.Settle();
  Write(&b_, 2);
  FakeStream* stream = world_.Add(&b_, &c_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    v1::Entries& entries = *response->mutable_entries();
    for (int i = entries.packages_size() - 1; i >= 0; --i) {
      if (entries.packages(i).log() == kLogA.value()) entries.mutable_packages()->DeleteSubrange(i, 1);
    }
    for (int i = entries.payloads_size() - 1; i >= 0; --i) {
      if (entries.payloads(i).log() == kLogA.value()) entries.mutable_payloads()->DeleteSubrange(i, 1);
    }
    return true;
  };
  world_.Advance(absl::Seconds(29));
  EXPECT_TRUE(stream->up());
  EXPECT_EQ(stream->receiver().info().entries_behind, 5u);
  EXPECT_GT(c_.blocked(), 0);
  world_.Advance(absl::Seconds(2));
  EXPECT_FALSE(stream->up());
  EXPECT_EQ(ReasonOf(stream->receiver_status), "PEER_PROTOCOL");
  EXPECT_THAT(std::string(stream->receiver_status.message()),
              HasSubstr("log test/b/1/main: entry 0 has waited 30 s for entry 2 of log test/a/1/main"));
}

TEST_F(StreamTest, SilenceIsAStallOnEitherSide) {
  FakeStream* stream = world_.Add(&a_, &b_);
  world_.Advance(absl::Seconds(60));
  EXPECT_TRUE(stream->up()) << "heartbeats keep an idle stream";
  EXPECT_EQ(stream->receiver().info().last_contact, world_.now);
  stream->tamper_down = [](v1::ReplicateResponse*) { return false; };
  world_.Advance(absl::Seconds(9));
  EXPECT_TRUE(stream->up());
  world_.Advance(absl::Seconds(2));
  EXPECT_FALSE(stream->up());
  EXPECT_TRUE(absl::IsUnavailable(stream->receiver_status)) << stream->receiver_status;
  EXPECT_THAT(std::string(stream->receiver_status.message()), HasSubstr("stalled: nothing heard from a"));

  stream->tamper_down = nullptr;
  stream->tamper_up = [](v1::ReplicateRequest* request) { return !request->has_ping(); };
  ASSERT_TRUE(stream->Connect());
  world_.Advance(absl::Seconds(11));
  EXPECT_FALSE(stream->up());
  EXPECT_TRUE(absl::IsUnavailable(stream->sender_status)) << stream->sender_status;
}

TEST_F(StreamTest, HeartbeatsTellRoundTripAndWhatIsMissing) {
  FakeStream* stream = world_.Add(&a_, &b_);
  world_.Settle();
  bool hold = false;
  stream->tamper_down = [&hold](v1::ReplicateResponse* response) { return !(hold && response->has_entries()); };
  hold = true;
  Write(&a_, 42);
  world_.Advance(absl::Seconds(2));
  LinkInfo info = stream->receiver().info();
  EXPECT_EQ(info.entries_behind, 42u);
  EXPECT_EQ(info.entries_received, 0u);
  EXPECT_EQ(info.peer, "a");
  EXPECT_EQ(info.rtt, absl::ZeroDuration()) << "in this world messages take no time";
  EXPECT_GT(info.bytes_received, 0u);
}

// --- Protocol ------------------------------------------------------------------------------------------------------------------

TEST_F(StreamTest, TheSenderRefusesOtherNetworksVersionsAndOrders) {
  const absl::Time now = world_.now;
  v1::ReplicateRequest hello;
  hello.mutable_hello()->set_network("test");
  hello.mutable_hello()->set_protocol_version(kProtocolVersion);
  {
    Sender sender({}, &a_, &a_, kSiteB, now);
    v1::ReplicateRequest ping;
    ping.mutable_ping()->set_number(1);
    EXPECT_EQ(ReasonOf(sender.OnMessage(ping, now)), "PEER_PROTOCOL");
  }
  {
    Sender sender({}, &a_, &a_, kSiteB, now);
    v1::ReplicateRequest other = hello;
    other.mutable_hello()->set_network("other");
    absl::Status status = sender.OnMessage(other, now);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("network 'other'"));
  }
  {
    Sender sender({}, &a_, &a_, kSiteB, now);
    v1::ReplicateRequest newer = hello;
    newer.mutable_hello()->set_protocol_version(2);
    EXPECT_EQ(ReasonOf(sender.OnMessage(newer, now)), "PEER_PROTOCOL");
  }
  Sender sender({}, &a_, &a_, kSiteB, now);
  ASSERT_TRUE(sender.OnMessage(hello, now).ok());
  EXPECT_EQ(ReasonOf(sender.OnMessage(hello, now)), "PEER_PROTOCOL");
  EXPECT_EQ(ReasonOf(sender.OnMessage({}, now)), "PEER_PROTOCOL");
}

TEST_F(StreamTest, ThePongHasThePingsNumberAndTheHeartbeatTheSendersState) {
  Write(&a_, 3);
  const absl::Time now = world_.now;
  Sender sender({}, &a_, &a_, kSiteB, now);
  v1::ReplicateRequest request;
  request.mutable_hello()->set_network("test");
  request.mutable_hello()->set_protocol_version(kProtocolVersion);
  ASSERT_TRUE(sender.OnMessage(request, now).ok());
  v1::ReplicateResponse response;
  ASSERT_TRUE(*sender.Pump(now, &response));
  ASSERT_TRUE(response.has_welcome());
  EXPECT_EQ(response.welcome().journal_instance(), a_.JournalInstance());
  EXPECT_EQ(response.welcome().logs(0).size(), 3u);
  request.mutable_ping()->set_number(77);
  ASSERT_TRUE(sender.OnMessage(request, now).ok());
  ASSERT_TRUE(*sender.Pump(now, &response));
  EXPECT_EQ(response.pong().number(), 77u);
  EXPECT_FALSE(*sender.Pump(now, &response)) << "no credit, no entries";
  ASSERT_TRUE(*sender.Pump(now + absl::Seconds(1), &response));
  ASSERT_TRUE(response.has_heartbeat());
  EXPECT_EQ(response.heartbeat().journal_position(), 0u);
  EXPECT_THAT(response.heartbeat().logs(), IsEmpty()) << "nothing is new";
  Write(&a_, 1);
  ASSERT_TRUE(*sender.Pump(now + absl::Seconds(2), &response));
  ASSERT_THAT(response.heartbeat().logs(), SizeIs(1));
  EXPECT_EQ(response.heartbeat().logs(0).size(), 4u);
  EXPECT_EQ(response.heartbeat().logs(0).root(), AsView(RootOf(a_, kLogA)));
}

// What a peer has been told it keeps: an idle stream costs the same, however many logs there are.
TEST_F(StreamTest, AHeartbeatNamesTheLogsThatHaveChanged) {
  FakeStream* stream = world_.Add(&a_, &b_);
  Write(&a_, 3);
  world_.Settle();
  std::map<int, int> heartbeats;  // by the number of logs named
  bool hold = false;
  stream->tamper_down = [&](v1::ReplicateResponse* response) {
    if (response->has_heartbeat()) ++heartbeats[response->heartbeat().logs_size()];
    return !(hold && response->has_entries());
  };
  hold = true;
  Write(&a_, 42);
  world_.Advance(absl::Seconds(10));
  EXPECT_EQ(stream->receiver().info().entries_behind, 42u);
  EXPECT_EQ(heartbeats[1], 1);
  EXPECT_GE(heartbeats[0], 8);
  world_.Advance(absl::Seconds(kWholeHeartbeats));
  EXPECT_GE(heartbeats[1], 2) << "all of them now and then";
  EXPECT_LE(heartbeats[1], 3);
}

TEST_F(StreamTest, WhatOnlyThePeerCanHaveDoneWrongEndsTheStream) {
  struct Case {
    std::function<void(v1::ReplicateResponse*)> change;
    std::string says;
  };
  const std::vector<Case> cases = {
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_payloads(0)->set_seq(1); }, "before entry 0"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_payloads(0)->set_log(99); }, "unknown log 99"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_packages(0)->set_log(99); }, "unknown log 99"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->clear_packages(); }, "before its header"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_packages(0)->clear_checkpoint(); }, "without a checkpoint"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_packages(0)->mutable_headers()->RemoveLast(); }, "rest of a block"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_packages(0)->clear_headers(); }, "0 headers"},
      {[](v1::ReplicateResponse* r) {
         r->mutable_entries()->mutable_packages(0)->set_first(1);
         r->mutable_entries()->mutable_packages(0)->mutable_headers()->RemoveLast();
       },
       "before entry 0"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_payloads(0)->set_withheld(true); }, "withheld"},
      {[](v1::ReplicateResponse* r) { r->mutable_entries()->mutable_packages(0)->set_first(10); }, "under a checkpoint of size 10"},
      {[](v1::ReplicateResponse* r) { r->mutable_welcome(); }, "second Welcome"},
      {[](v1::ReplicateResponse* r) { r->Clear(); }, "no known kind"},
      {[](v1::ReplicateResponse* r) { r->mutable_fork()->set_log(99); }, "unknown log 99"},
  };
  a_.Append("not for b", {false, {kSiteA}});
  Write(&a_, 9);
  for (const Case& c : cases) {
    FakeNode sink(&network_, "b");
    World world;
    FakeStream* stream = world.Add(&a_, &sink);
    stream->tamper_down = [&c](v1::ReplicateResponse* response) {
      if (response->has_entries()) {
        response->mutable_entries()->mutable_payloads(0)->set_payload("x");
        c.change(response);
      }
      return true;
    };
    world.Settle();
    EXPECT_FALSE(stream->up()) << c.says;
    EXPECT_EQ(ReasonOf(stream->receiver_status), "PEER_PROTOCOL");
    EXPECT_THAT(std::string(stream->receiver_status.message()), HasSubstr(c.says));
    EXPECT_EQ(sink.Size(kLogA), Seq(0));
  }
}

// Headers may run ahead of their payloads by one block and no more, or memory would not be bounded.
TEST_F(StreamTest, HeadersWithoutTheirPayloadsEndTheStream) {
  Write(&a_, 600);
  FakeStream* stream = world_.Add(&a_, &b_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_entries()) response->mutable_entries()->clear_payloads();
    return true;
  };
  world_.Settle();
  EXPECT_FALSE(stream->up());
  EXPECT_THAT(std::string(stream->receiver_status.message()), HasSubstr("headers of log test/a/1/main without payloads"));
}

TEST_F(StreamTest, EntriesWithoutCreditEndTheStream) {
  for (int i = 0; i < 100; ++i) a_.Append(std::string(1000, 'x'));
  a_.Sign();
  FakeStream* stream = world_.Add(&a_, &b_);
  stream->sender_options.frame_bytes_max = 3000;
  stream->receiver_options.credit_bytes = 5000;
  stream->Connect();
  stream->tamper_up = [](v1::ReplicateRequest* request) {
    if (request->has_credit()) request->mutable_credit()->set_bytes(1'000'000);
    return true;
  };
  world_.apply = false;
  world_.Settle();
  EXPECT_FALSE(stream->up());
  EXPECT_THAT(std::string(stream->receiver_status.message()), HasSubstr("without credit"));
}

TEST_F(StreamTest, AnotherJournalInstanceOrALostTailStartsFromTheBeginning) {
  Write(&a_, 300);
  FakeStream* stream = world_.Add(&a_, &b_);
  world_.Settle();
  stream->Drop();
  stream->tamper_up = [](v1::ReplicateRequest* request) {
    if (request->has_hello()) request->mutable_hello()->set_journal_instance(std::string(16, 'x'));
    return true;
  };
  uint64_t start = 99;
  stream->tamper_down = [&start](v1::ReplicateResponse* response) {
    if (response->has_welcome()) start = response->welcome().journal_position();
    return true;
  };
  Write(&a_, 5);
  stream->Connect();
  world_.Settle();
  EXPECT_EQ(start, 0u);
  EXPECT_EQ(b_.Size(kLogA), Seq(305));
  EXPECT_EQ(b_.duplicates(), 0);
  stream->tamper_up = nullptr;
  Write(&a_, 5);
  stream->Connect();
  world_.Settle();
  EXPECT_EQ(start, 305u);
  EXPECT_EQ(b_.Size(kLogA), Seq(310));
}

TEST_F(StreamTest, APositionThatLeavesOutWhatEntriesFollowIsNotUsedTwice) {
  b_.AppendAlone("b");
  b_.Sign();
  FakeStream* stream = world_.Add(&b_, &c_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (response->has_entries()) response->mutable_entries()->set_journal_position(4);
    return true;
  };
  world_.Settle();
  ASSERT_EQ(c_.ResumePosition("b")->second, Position(4));
  stream->Drop();
  stream->tamper_down = nullptr;

  Write(&a_, 3);
  world_.Add(&a_, &b_);
  world_.Settle();
  world_.streams.pop_back();
  Write(&b_, 2);  // they follow a's entries, which lie before the position
  stream->Connect();
  world_.Advance(absl::Seconds(31));
  EXPECT_FALSE(stream->up());
  EXPECT_EQ(ReasonOf(stream->receiver_status), "PEER_PROTOCOL");
  EXPECT_EQ(c_.Size(kLogA), Seq(0));
  stream->Connect();
  world_.Settle();
  ExpectSame(b_, c_);
  EXPECT_EQ(c_.ResumePosition("b")->second, Position(6));
  EXPECT_FALSE(stream->receiver().info().position_doubted);
}

TEST_F(StreamTest, AQuarantinedLogIsNeitherTakenNorSent) {
  for (int i = 0; i < 5; ++i) a_.AppendAlone("x");
  a_.Sign();
  world_.Add(&a_, &b_);
  world_.Settle();
  b_.AppendAlone("y");
  b_.Sign();
  c_.ReportFork(kLogA, *a_.CheckpointNote(kLogA), "by another link");
  FakeStream* stream = world_.Add(&b_, &c_);
  world_.Settle();
  EXPECT_EQ(stream->payloads_sent[kLogA], 0) << "not named in Hello, so not sent";
  EXPECT_EQ(c_.Size(kLogB), Seq(1));
  EXPECT_TRUE(stream->up());
}

}  // namespace
}  // namespace fairlead::replication
