// Replication streams whose peer sends garbage: the real Sender and Receiver between three sites, with messages changed, dropped, replayed
// and made up on the way as the input says, in sequences.
//
//   a <=> b => c      a and b hear each other through what the input does; c hears b undisturbed
//
// Without a key nobody can make a site hold what its origin did not write: c's stream never fails and no fork is seen. In half of the runs
// the input also has the messages of a site that holds a's key and another history; then log a may stop, and the others may not.
// When the garbage ends and the streams are opened anew, all sites come to hold the same.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "server/replication/fake_stream.h"
#include "tests/fuzz/property.h"
#include "tests/fuzz/script.h"
#include "tests/fuzz/tamper.h"

namespace fairlead::fuzz {
namespace {

using replication::FakeNetwork;
using replication::FakeNode;
using replication::FakeStream;
using replication::World;

constexpr int kStepsMax = 48;
constexpr LogId kLogA(1);

const FakeNetwork& Network() {
  static const FakeNetwork* const network = new FakeNetwork({"a", "b", "c"});
  return *network;
}

void Write(FakeNode* node, int n, const char* what) {
  for (int i = 0; i < n; ++i) node->Append(fmt::format("{} {} of {}", what, node->Journal().size(), node->site().value()));
  node->Sign();
}

// Messages that a site with a's key and another history sends.
std::vector<std::string> MakeOtherHistory(int entries) {
  FakeNode liar(&Network(), "a");
  FakeNode reader(&Network(), "c");
  Write(&liar, entries, "other");
  World world;
  FakeStream* stream = world.Add(&liar, &reader);
  world.Advance(absl::Seconds(2));
  return stream->down_log;
}

// Made once: it does not hang on the input.
const std::vector<std::string>& OtherHistory(bool blocks) {
  static const auto* const of_few = new std::vector<std::string>(MakeOtherHistory(4));
  static const auto* const of_blocks = new std::vector<std::string>(MakeOtherHistory(258));
  return blocks ? *of_blocks : *of_few;
}

class Garbage {
 public:
  explicit Garbage(Script* script) : script_(*script) {}

  // What a stream of responses can be given in place of its own.
  void AddPool(std::vector<std::string> pool) { pool_ = std::move(pool); }
  void Stop() { stopped_ = true; }

  template <class Message>
  bool operator()(Message* message) {
    std::vector<std::string>& sent = std::is_same_v<Message, v1::ReplicateResponse> ? down_ : up_;
    sent.push_back(message->SerializeAsString());
    if (stopped_ || script_.done()) return true;
    switch (script_.Byte() % 12) {
      case 1:
        return false;
      case 2:
        return message->ParseFromString(sent[script_.Below(sent.size())]);
      case 3:
        return ChangeBytes(&script_, message);
      case 4:
        return message->ParseFromString(script_.Bytes(script_.Below(200)));
      case 5:
        if (pool_.empty() || !std::is_same_v<Message, v1::ReplicateResponse>) return true;
        return message->ParseFromString(pool_[script_.Below(pool_.size())]);
      case 6:
      case 7:
        ChangeField(&script_, message);
        return true;
      case 8:
        for (size_t n = script_.Below(4) + 1; n > 0; --n) ChangeField(&script_, message);
        return true;
      default:
        return true;
    }
  }

 private:
  Script& script_;
  bool stopped_ = false;
  std::vector<std::string> up_, down_, pool_;
};

// An end of a stream is an error with a message; one that the peer caused says so.
void RequireNamed(const absl::Status& status) {
  if (status.ok()) return;
  Require(!status.message().empty() && !absl::IsInternal(status) && !absl::IsUnknown(status),
          "a stream ends for a reason that is named: " + status.ToString());
}

void RequireSame(const FakeNode& x, const FakeNode& y, LogId log) {
  Require(x.Size(log) == y.Size(log), fmt::format("log {} is as long at sites {} and {}", log.value(), x.site().value(), y.site().value()));
  Require(*x.RootAt(log, x.Size(log)) == *y.RootAt(log, y.Size(log)), "sites hold the same history");
  for (Seq seq; seq < x.Size(log); ++seq) Require(x.PayloadOf({log, seq}) == y.PayloadOf({log, seq}), "sites hold the same payloads");
}

void Run(std::string_view input) {
  Script script(input);
  const uint8_t setup = script.Byte();
  const bool liar = (setup & 1) != 0;
  const bool blocks = (setup & 2) != 0;
  FakeNode a(&Network(), "a"), b(&Network(), "b"), c(&Network(), "c");
  Write(&a, static_cast<int>(script.Below(8)) + (blocks ? 254 : 1), "entry");
  World world;
  FakeStream* const ab = world.Add(&a, &b);
  FakeStream* const ba = world.Add(&b, &a);
  FakeStream* const bc = world.Add(&b, &c);
  if ((setup & 4) != 0) ab->sender_options.frame_bytes_max = 2000;

  Garbage garbage(&script);
  if (liar) garbage.AddPool(OtherHistory(blocks));
  for (FakeStream* stream : {ab, ba}) {
    stream->tamper_down = std::ref(garbage);
    stream->tamper_up = std::ref(garbage);
    stream->Connect();
  }
  for (int step = 0; step < kStepsMax && !script.done(); ++step) {
    switch (script.Byte() % 8) {
      case 0:
        Write(&a, static_cast<int>(script.Below(4)) + 1, "entry");
        break;
      case 1:
        Write(&b, static_cast<int>(script.Below(4)) + 1, "entry");
        break;
      case 2:
        a.Append("for two", {false, {SiteId(1), SiteId(2)}});
        a.Sign();
        break;
      case 3:
        if (a.CheckpointNote(kLogA)) a.Cosign(kLogA, 1000 + static_cast<uint64_t>(step));
        break;
      case 4:
        world.Advance(absl::Milliseconds(50) * static_cast<int>(script.Below(40)));
        break;
      case 5:
        world.Advance(absl::Seconds(12));
        break;
      default:
        break;
    }
    world.Settle();
    for (FakeStream* stream : {ab, ba}) {
      RequireNamed(stream->sender_status);
      RequireNamed(stream->receiver_status);
      if (!stream->up()) stream->Connect();
    }
    Require(bc->up() || liar, "what is passed on is right: " + bc->receiver_status.ToString() + " " + bc->sender_status.ToString());
    if (!bc->up()) bc->Connect();
  }

  garbage.Stop();
  for (FakeStream* stream : {ab, ba, bc}) {
    stream->Drop();
    stream->Connect();
  }
  // What a lie about the journal left out is asked for again after dep_timeout.
  for (int round = 0; round < 50 && (round < 2 || b.Applied() != a.Applied() || c.Applied() != a.Applied()); ++round) {
    world.Advance(absl::Seconds(2));
    for (FakeStream* stream : {ab, ba, bc}) {
      if (!stream->up()) stream->Connect();
    }
  }
  for (const FakeNode* node : {&a, &b, &c}) {
    for (const auto& [log, how] : node->Forks()) Require(liar && log == kLogA, "nobody but who holds its key can fork a log: " + how);
  }
  if (liar) return;
  for (LogId log : {kLogA, LogId(2)}) {
    RequireSame(a, b, log);
    Require(b.Size(log) == c.Size(log), "what one site holds reaches the next");
  }
}

}  // namespace
}  // namespace fairlead::fuzz

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  testing::InitGoogleTest(argc, *argv);
  // What the fake nodes expect of the state machines is a property, too.
  testing::FLAGS_gtest_break_on_failure = true;
  fairlead::fuzz::OtherHistory(false);  // so that it counts to no input
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fairlead::fuzz::Run(fairlead::fuzz::AsText(data, size));
  return 0;
}
