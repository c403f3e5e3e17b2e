// Logs whose newest checkpoint nobody can complete, because their site is gone: what is held of them is proven and passed on all the same.

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

class PartialLogTest : public ::testing::Test {
 protected:
  static void Write(FakeNode* node, int n) {
    for (int i = 0; i < n; ++i)
      node->Append(fmt::format("{} of {}", node->Size(LogId(node->site().value())).value(), node->site().value()));
    node->Sign();
  }
  // Brings `to` the log of a up to `size` entries, under a checkpoint that covers more, and no further.
  static void BringPart(FakeNode* from, FakeNode* to, uint64_t size) {
    World world;
    FakeStream* stream = world.Add(from, to);
    stream->sender_options.frame_bytes_max = 1;  // an entry a frame
    stream->tamper_down = [size](v1::ReplicateResponse* response) {
      for (const v1::PayloadFrame& payload : response->entries().payloads()) {
        if (payload.log() == kLogA.value() && payload.seq() >= size) return false;
      }
      return true;
    };
    stream->Connect();
    world.Settle();
    ASSERT_EQ(to->Size(kLogA), Seq(size));
  }
  static void ExpectSame(const FakeNode& x, const FakeNode& y) {
    EXPECT_EQ(x.Applied(), y.Applied());
    const VersionVector applied = x.Applied();
    for (const auto& [log, size] : applied.entries()) EXPECT_EQ(*x.RootAt(log, size), *y.RootAt(log, size));
  }

  FakeNetwork network_{{"a", "b", "c", "d"}};
  FakeNode a_{&network_, "a"};
  FakeNode b_{&network_, "b"};
  FakeNode c_{&network_, "c"};
  FakeNode d_{&network_, "d"};
  World world_;
};

TEST_F(PartialLogTest, IsPassedOnFromRelayToRelayWithWhatFollowsIt) {
  Write(&a_, 600);
  BringPart(&a_, &b_, 300);
  EXPECT_EQ(b_.CheckpointNote(kLogA), std::nullopt);
  Write(&b_, 1);  // follows all of them
  world_.Add(&b_, &c_);
  FakeStream* next = world_.Add(&c_, &d_);
  world_.Settle();
  EXPECT_EQ(d_.Size(kLogA), Seq(300));
  EXPECT_EQ(d_.Size(kLogB), Seq(1));
  ExpectSame(b_, d_);
  EXPECT_TRUE(next->receiver().RefusalOf(kLogA).ok());
  EXPECT_EQ((*d_.Proven(kLogA))->checkpoint.size, Seq(600));

  // The site that lost them gets back what there is.
  FakeNode restored(&network_, "a");
  world_.Add(&d_, &restored);
  world_.Settle();
  ExpectSame(b_, restored);
  EXPECT_EQ(restored.AwaitedCheckpointNote(kLogA), a_.CheckpointNote(kLogA)) << "it learns what it had signed";
}

TEST_F(PartialLogTest, WhereverThePartEnds) {
  for (const uint64_t size : {2, 200, 256, 257, 513, 700, 769}) {
    for (const uint64_t held : {1, 2, 100, 199, 255, 256, 257, 300, 511, 512, 513, 699, 768}) {
      if (held >= size) continue;
      SCOPED_TRACE(fmt::format("{} of {}", held, size));
      FakeNode a(&network_, "a"), b(&network_, "b"), c(&network_, "c");
      Write(&a, static_cast<int>(size));
      BringPart(&a, &b, held);
      World world;
      FakeStream* stream = world.Add(&b, &c);
      world.Settle();
      EXPECT_EQ(c.Size(kLogA), Seq(held)) << stream->receiver().info().last_error;
      // The rest turns up, somewhere else.
      world.Add(&a, &c);
      world.Settle();
      ExpectSame(a, c);
      EXPECT_EQ(c.CheckpointNote(kLogA), a.CheckpointNote(kLogA));
      EXPECT_EQ(c.duplicates(), 0);
    }
  }
}

// The relay's own proof ends a little later with each frame.
TEST_F(PartialLogTest, GrowsEntryByEntry) {
  Write(&a_, 300);
  FakeStream* first = world_.Add(&a_, &b_);
  first->sender_options.frame_bytes_max = 1;
  first->Connect();
  FakeStream* second = world_.Add(&b_, &c_);
  std::vector<uint64_t> checkpoints;
  second->tamper_down = [&checkpoints](v1::ReplicateResponse* response) {
    for (const v1::HeaderPackage& package : response->entries().packages()) {
      if (!package.checkpoint().empty()) checkpoints.push_back(package.first());
    }
    return true;
  };
  world_.Settle();
  ExpectSame(a_, c_);
  EXPECT_EQ(c_.CheckpointNote(kLogA), a_.CheckpointNote(kLogA));
  EXPECT_EQ(checkpoints.size(), 1u) << "one that was sent is not sent again";
}

// What the relay proved by the larger checkpoint ends before the smaller one's.
TEST_F(PartialLogTest, ASmallerCheckpointMayProveMore) {
  Write(&a_, 60);
  World early;
  early.Add(&a_, &c_);
  early.Settle();
  Write(&a_, 40);
  BringPart(&a_, &b_, 50);
  FakeStream* stream = world_.Add(&b_, &d_);
  world_.Settle();
  ASSERT_EQ(d_.Size(kLogA), Seq(50));
  ASSERT_EQ((*b_.Proven(kLogA))->checkpoint.size, Seq(100));
  world_.Add(&c_, &b_);
  world_.Settle();
  ASSERT_EQ(b_.Size(kLogA), Seq(60));
  EXPECT_EQ(d_.Size(kLogA), Seq(60)) << stream->receiver().RefusalOf(kLogA);
  EXPECT_EQ(d_.CheckpointNote(kLogA), c_.CheckpointNote(kLogA));
  EXPECT_EQ(d_.AwaitedCheckpointNote(kLogA), a_.CheckpointNote(kLogA));
}

TEST_F(PartialLogTest, ACompleteCheckpointIsGivenFirst) {
  FakeStream* first = world_.Add(&a_, &b_);
  Write(&a_, 60);
  world_.Settle();
  first->Drop();
  const std::optional<std::string> complete = a_.CheckpointNote(kLogA);
  Write(&a_, 40);
  BringPart(&a_, &b_, 80);
  world_.streams.clear();
  world_.Add(&b_, &c_);
  world_.Settle();
  EXPECT_EQ(c_.Size(kLogA), Seq(80));
  EXPECT_EQ(c_.CheckpointNote(kLogA), complete) << "what others can complete and cosign is not lost over what they cannot";
}

struct Lie {
  std::string name;
  std::function<void(v1::HeaderPackage*)> change;
  std::string says;
  bool ends_stream = false;
};

class PartialLieTest : public PartialLogTest, public ::testing::WithParamInterface<Lie> {};

TEST_P(PartialLieTest, IsRefusedByName) {
  Write(&a_, 300);
  BringPart(&a_, &b_, 150);
  b_.AppendAlone("of b");
  b_.Sign();
  FakeStream* stream = world_.Add(&b_, &c_);
  stream->tamper_down = [](v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    for (v1::HeaderPackage& package : *response->mutable_entries()->mutable_packages()) {
      if (package.log() == kLogA.value()) GetParam().change(&package);
    }
    return true;
  };
  world_.Settle();
  EXPECT_EQ(c_.Size(kLogA), Seq(0));
  EXPECT_TRUE(c_.Forks().empty());
  EXPECT_EQ(stream->up(), !GetParam().ends_stream);
  const absl::Status said = GetParam().ends_stream ? stream->receiver_status : stream->receiver().RefusalOf(kLogA);
  EXPECT_EQ(ReasonOf(said), GetParam().ends_stream ? "PEER_PROTOCOL" : "SIGNATURE_INVALID") << said;
  EXPECT_THAT(std::string(said.message()), HasSubstr(GetParam().says));
  EXPECT_THAT(std::string(said.message()), HasSubstr("log test/a/1/main"));
  if (!GetParam().ends_stream) {
    EXPECT_EQ(c_.Size(kLogB), Seq(1)) << "the rest flows";
  }

  stream->Drop();
  stream->tamper_down = nullptr;
  ASSERT_TRUE(stream->Connect());
  world_.Settle();
  ExpectSame(b_, c_);
}

INSTANTIATE_TEST_SUITE_P(
    Wire, PartialLieTest,
    ::testing::Values(
        Lie{"AChangedRest", [](v1::HeaderPackage* package) { package->mutable_rest(0)->back() ^= 1; }, "headers [0, 150)"},
        Lie{"AShortDigest", [](v1::HeaderPackage* package) { package->mutable_rest(0)->pop_back(); }, "malformed"},
        Lie{"AMissingRest", [](v1::HeaderPackage* package) { package->mutable_rest()->RemoveLast(); }, "are not the rest of a block", true},
        Lie{"TooMuchRest", [](v1::HeaderPackage* package) { package->add_rest(std::string(32, 'x')); }, "are not the rest of a block",
            true},
        Lie{"HashesOnly",
            [](v1::HeaderPackage* package) {
              package->clear_headers();
              package->clear_rest();
              package->add_rest(std::string(32, 'x'));
            },
            "0 headers", true},
        Lie{"AChangedHeader", [](v1::HeaderPackage* package) { package->mutable_headers(7)->back() ^= 1; }, "headers [0, 150)"}),
    [](const ::testing::TestParamInfo<Lie>& info) { return info.param.name; });

}  // namespace
}  // namespace fairlead::replication
