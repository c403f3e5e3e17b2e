// Random networks of 3 to 5 nodes with delays, dropped streams and slow disks: whatever happens, all nodes end with the same logs.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/replication/fake_log.h"
#include "server/replication/fake_stream.h"

namespace fairlead::replication {
namespace {

class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : random_(seed) {
    const size_t n = 3 + Below(3);
    std::vector<std::string> names;
    for (size_t i = 0; i < n; ++i) names.push_back(std::string(1, static_cast<char>('a' + i)));
    network_.emplace(names);
    for (const std::string& name : names) nodes_.push_back(std::make_unique<FakeNode>(&*network_, name));
    // A random spanning tree, both ways, and some more.
    for (size_t i = 1; i < n; ++i) {
      const size_t peer = Below(i);
      Connect(i, peer);
      Connect(peer, i);
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        if (i != j && Below(3) == 0 && !HasStream(i, j)) Connect(i, j);
      }
    }
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
    // Quiet: everything is delivered.
    for (auto& stream : world_.streams) Reconnect(stream.get());
    for (int i = 0; i < 200 && !Converged(); ++i) {
      for (auto& stream : world_.streams) {
        if (!stream->up()) Reconnect(stream.get());
      }
      world_.Advance(absl::Milliseconds(50));
    }
  }

  // The last site is gone, with its disk. The others, all linked now, end with all that any of them holds.
  void RunWithoutLast(int steps) {
    for (int i = 0; i < steps; ++i) Step();
    gone_ = std::move(nodes_.back());
    nodes_.pop_back();
    for (auto& stream : std::exchange(world_.streams, {})) {
      const bool ends = &stream->from() == gone_.get() || &stream->to() == gone_.get();
      if (ends) stream->Drop();
      (ends ? gone_streams_ : world_.streams).push_back(std::move(stream));  // a batch may still be at a sink
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (size_t j = 0; j < nodes_.size(); ++j) {
        if (i != j && !HasStream(i, j)) Connect(i, j);
      }
    }
    VersionVector held;
    for (const auto& node : nodes_) {
      const VersionVector applied = node->Applied();
      for (const auto& [log, size] : applied.entries()) held.Set(log, std::max(held.Get(log), size));
    }
    auto all_hold_all = [&] {
      return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node->Applied().Covers(held); });
    };
    for (int i = 0; i < 200 && !all_hold_all(); ++i) {
      for (const auto& node : nodes_) node->Sign();
      for (auto& stream : world_.streams) {
        if (!stream->up()) Reconnect(stream.get());
      }
      world_.Advance(absl::Milliseconds(50));
    }
    EXPECT_TRUE(all_hold_all()) << Describe();
    for (const auto& node : nodes_) {
      EXPECT_TRUE(node->Forks().empty());
      for (const auto& [log, size] : held.entries()) EXPECT_EQ(*node->RootAt(log, size), *nodes_[0]->RootAt(log, size));
    }
  }

  void Check() {
    ASSERT_TRUE(Converged()) << Describe();
    for (const auto& node : nodes_) {
      EXPECT_TRUE(node->Forks().empty());
      std::set<Dot> seen;
      for (const Dot& dot : node->Journal()) EXPECT_TRUE(seen.insert(dot).second);
      const VersionVector applied = node->Applied();
      for (const auto& other : nodes_) {
        for (const auto& [log, size] : applied.entries()) {
          EXPECT_EQ(*node->RootAt(log, size), *other->RootAt(log, size));
          EXPECT_EQ(node->CheckpointNote(log), other->CheckpointNote(log));
        }
      }
    }
    for (const auto& [dot, audience] : audiences_) {
      for (const auto& node : nodes_) {
        if (!audience.Includes(node->site())) {
          EXPECT_EQ(node->PayloadOf(dot), std::nullopt);
        } else if (audience.all) {
          EXPECT_EQ(node->PayloadOf(dot), payloads_.at(dot));
        }
      }
    }
  }

 private:
  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  bool HasStream(size_t from, size_t to) {
    for (const auto& stream : world_.streams) {
      if (&stream->from() == nodes_[from].get() && &stream->to() == nodes_[to].get()) return true;
    }
    return false;
  }

  void Connect(size_t from, size_t to) {
    FakeStream* stream = world_.Add(nodes_[from].get(), nodes_[to].get());
    stream->sender_options.frame_bytes_max = 1 + Below(20000);
    stream->sender_options.journal_chunk_max = 1 + Below(50);
    stream->receiver_options.credit_bytes = 1 + static_cast<int64_t>(Below(50000));
    stream->receiver_options.dep_timeout = absl::InfiniteDuration();
    Reconnect(stream);
  }

  void Reconnect(FakeStream* stream) {
    stream->direct_logs.clear();
    for (const auto& other : world_.streams) {
      if (&other->to() == &stream->to() && other->up()) stream->direct_logs.push_back(LogId(other->from().site().value()));
    }
    stream->Connect();
  }

  void Write() {
    FakeNode* node = nodes_[Below(nodes_.size())].get();
    const size_t n = Below(20) == 0 ? 1 + Below(600) : 1 + Below(5);
    for (size_t i = 0; i < n; ++i) {
      Audience audience;
      if (Below(4) == 0) {
        audience.all = false;
        for (const auto& other : nodes_) {
          if (other.get() == node || Below(2) == 0) audience.sites.push_back(other->site());
        }
      }
      const std::string payload = fmt::format("{} {}", random_(), std::string(Below(200), 'x'));
      const Dot dot = node->Append(payload, audience);
      audiences_[dot] = audience;
      payloads_[dot] = payload;
    }
    if (Below(3) != 0) node->Sign();
  }

  void Step() {
    FakeStream* stream = world_.streams[Below(world_.streams.size())].get();
    switch (Below(12)) {
      case 0:
        if (Below(10) == 0) Write();
        break;
      case 1:
        if (Below(40) == 0) stream->Drop();
        break;
      case 2:
        if (!stream->up() && Below(4) == 0) Reconnect(stream);
        break;
      case 3:
        world_.now += absl::Milliseconds(Below(40));
        stream->Tick();
        break;
      case 4:
      case 5:
        nodes_[Below(nodes_.size())]->Apply();
        break;
      case 6:
        stream->Wake();
        break;
      case 7:
      case 8:
        stream->Pump();
        break;
      case 9:
        stream->DeliverUp();
        break;
      default:
        stream->DeliverDown();
    }
    // Only time may end a stream here: nobody does wrong.
    for (const absl::Status& status : {stream->sender_status, stream->receiver_status}) {
      EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
    }
  }

  bool Converged() {
    for (const auto& node : nodes_) node->Sign();
    for (const auto& node : nodes_) {
      if (node->Applied() != nodes_[0]->Applied()) return false;
    }
    for (const auto& log : network_->roster.logs()) {
      for (const auto& node : nodes_) {
        if (node->CheckpointNote(log.id) != nodes_[log.id.value() - 1]->CheckpointNote(log.id) && node->Size(log.id) > Seq(0)) return false;
      }
    }
    return true;
  }

  std::string Describe() {
    std::string out;
    for (const auto& node : nodes_) {
      out += fmt::format("site {}:", node->site().value());
      const VersionVector applied = node->Applied();
      for (const auto& [log, size] : applied.entries()) out += fmt::format(" {}:{}", log.value(), size.value());
      out += "\n";
    }
    for (const auto& stream : world_.streams) {
      out += fmt::format("{} -> {} up {} {}\n", stream->from().site().value(), stream->to().site().value(), stream->up(),
                         stream->receiver_status.ToString());
    }
    return out;
  }

  std::mt19937_64 random_;
  std::optional<FakeNetwork> network_;
  std::vector<std::unique_ptr<FakeNode>> nodes_;
  World world_;
  std::unique_ptr<FakeNode> gone_;
  std::vector<std::unique_ptr<FakeStream>> gone_streams_;
  std::map<Dot, Audience> audiences_;
  std::map<Dot, std::string> payloads_;
};

// FAIRLEAD_SEED runs one seed.
TEST(RandomNetworkTest, Converges) {
  const char* only = std::getenv("FAIRLEAD_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const uint64_t end = only != nullptr ? first + 1 : 41;
  for (uint64_t seed = first; seed < end; ++seed) {
    SCOPED_TRACE(fmt::format("FAIRLEAD_SEED={}", seed));
    RandomNetwork network(seed);
    network.Run(4000);
    network.Check();
    if (::testing::Test::HasFailure()) break;
  }
}

TEST(RandomNetworkTest, WhatIsHeldOfASiteThatIsGoneReachesAll) {
  const char* only = std::getenv("FAIRLEAD_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const uint64_t end = only != nullptr ? first + 1 : 41;
  for (uint64_t seed = first; seed < end; ++seed) {
    SCOPED_TRACE(fmt::format("FAIRLEAD_SEED={}", seed));
    RandomNetwork network(seed);
    network.RunWithoutLast(3000);
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace fairlead::replication
