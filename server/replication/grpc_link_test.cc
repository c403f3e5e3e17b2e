// Replicators over real gRPC on loopback. Insecure credentials: identities come from a header that only this test understands.

#include "server/replication/grpc_link.h"

#include <absl/strings/str_split.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <thread>

#include "api/errors.h"
#include "server/replication/fake_log.h"

namespace fairlead::replication {
namespace {

using ::testing::HasSubstr;

constexpr LogId kLogA(1);
constexpr LogId kLogB(2);
constexpr absl::Duration kPatience = absl::Seconds(30);

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

// A fake node with a thread that applies, a server and its replicator.
class TestNode {
 public:
  TestNode(const FakeNetwork* network, const std::string& site) : log(network, site), applier_([this] { log.ApplyUntilStopped(); }) {}
  ~TestNode() {
    Down();
    log.StopApplying();
    applier_.join();
  }

  // `port` 0: any; the same one again after that. `caller`: who every caller is taken for.
  void Up(const std::vector<std::pair<std::string, std::string>>& peers, absl::StatusOr<SiteId> caller) {
    ReplicatorOptions options;
    for (const auto& [site, address] : peers) {
      const std::vector<std::string> addresses = absl::StrSplit(address, ' ');
      options.peers.push_back({site, addresses, [] { return grpc::InsecureChannelCredentials(); }});
    }
    options.dials = [this] { return dials.load(); };
    options.backoff = {absl::Milliseconds(20), absl::Milliseconds(200), 2};
    options.receiver.heartbeat_interval = options.sender.heartbeat_interval = absl::Milliseconds(100);
    options.tick = absl::Milliseconds(10);
    options.sender.relay_delay = absl::Seconds(60);  // on a busy machine too, nobody is sent what it wrote
    replicator = std::make_unique<Replicator>(options, &log, &log);
    {
      absl::MutexLock lock(&caller_mu_);
      caller_ = caller;
    }
    replicator->set_authorize([this](const grpc::ServerContextBase&) {
      absl::MutexLock lock(&caller_mu_);
      return caller_;
    });
    grpc::ServerBuilder builder;
    builder.AddListeningPort(fmt::format("127.0.0.1:{}", port), grpc::InsecureServerCredentials(), &port);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.SetMaxSendMessageSize(kMessageBytesMax);
    builder.RegisterService(replicator->service());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    replicator->Start();
    log.SetListener([this] { replicator->OnJournalAdvanced(); });
  }

  void Down() {
    if (!replicator) return;
    log.SetListener(nullptr);
    replicator->Stop();
    server_->Shutdown();
    server_.reset();
    replicator.reset();
  }

  void SetCaller(absl::StatusOr<SiteId> caller) {
    absl::MutexLock lock(&caller_mu_);
    caller_ = std::move(caller);
  }

  void Write(int n) {
    for (int i = 0; i < n; ++i) log.Append(fmt::format("entry {} of site {}", i, log.site().value()));
    log.Sign();
  }

  std::string address() const { return fmt::format("127.0.0.1:{}", port); }

  FakeNode log;
  std::unique_ptr<Replicator> replicator;
  int port = 0;
  std::atomic<bool> dials{true};

 private:
  absl::Mutex caller_mu_;
  absl::StatusOr<SiteId> caller_ ABSL_GUARDED_BY(caller_mu_) = absl::UnauthenticatedError("not up");
  std::unique_ptr<grpc::Server> server_;
  std::thread applier_;
};

TEST(GrpcLinkTest, TwoNodesReplicateBothWaysAndReconnect) {
  FakeNetwork network({"a", "b"});
  TestNode a(&network, "a");
  TestNode b(&network, "b");
  a.Write(2000);
  a.log.Append(std::string(kPayloadBytesMax, 'x'));
  a.log.Sign();
  b.Up({}, SiteId(1));  // for a port
  const std::string b_address = b.address();
  b.Down();
  a.Up({{"b", b_address}}, SiteId(2));
  b.Up({{"a", a.address()}}, SiteId(1));
  ASSERT_TRUE(b.log.AwaitSize(kLogA, Seq(2001), kPatience));
  b.Write(500);
  ASSERT_TRUE(a.log.AwaitSize(kLogB, Seq(500), kPatience));
  ASSERT_TRUE(Eventually([&] { return b.replicator->Links()[0].rtt > absl::ZeroDuration(); }));
  LinkInfo link = b.replicator->Links()[0];
  EXPECT_TRUE(link.connected);
  EXPECT_EQ(link.peer, "a");
  EXPECT_EQ(link.address, a.address());
  EXPECT_EQ(link.entries_received, 2001u);
  EXPECT_GT(link.bytes_received, kPayloadBytesMax);

  a.Down();
  ASSERT_TRUE(Eventually([&] { return !b.replicator->Links()[0].connected; }));
  EXPECT_TRUE(absl::IsUnavailable(b.replicator->Links()[0].last_error)) << b.replicator->Links()[0].last_error;
  a.Write(300);
  b.Write(10);
  a.Up({{"b", b_address}}, SiteId(2));
  ASSERT_TRUE(b.log.AwaitSize(kLogA, Seq(2301), kPatience));
  ASSERT_TRUE(a.log.AwaitSize(kLogB, Seq(510), kPatience));
  EXPECT_EQ(*a.log.RootAt(kLogA, Seq(2301)), *b.log.RootAt(kLogA, Seq(2301)));
  EXPECT_EQ(a.log.duplicates() + b.log.duplicates(), 0);
  EXPECT_EQ(b.replicator->Links()[0].entries_received, 2301u);
}

TEST(GrpcLinkTest, TheAuthenticatedSiteDecidesWhatLeaves) {
  FakeNetwork network({"a", "b"});
  TestNode a(&network, "a");
  TestNode b(&network, "b");
  a.log.Append("for a and b", {false, {SiteId(1), SiteId(2)}});
  a.log.Append("for a", {false, {SiteId(1)}});
  a.log.Sign();
  a.Up({}, SiteId(2));
  b.Up({{"a", a.address()}}, SiteId(1));
  ASSERT_TRUE(b.log.AwaitSize(kLogA, Seq(2), kPatience));
  EXPECT_EQ(b.log.PayloadOf({kLogA, Seq(0)}), "for a and b");
  EXPECT_EQ(b.log.PayloadOf({kLogA, Seq(1)}), std::nullopt);
}

TEST(GrpcLinkTest, WhoIsNotAuthorizedIsRefusedAndARevocationCutsTheStream) {
  FakeNetwork network({"a", "b"});
  TestNode a(&network, "a");
  TestNode b(&network, "b");
  a.Write(5);
  a.Up({}, Error(Reason::kPermissionDenied, "no node of the roster"));
  b.Up({{"a", a.address()}}, SiteId(1));
  ASSERT_TRUE(Eventually([&] { return ReasonOf(b.replicator->Links()[0].last_error) == "PERMISSION_DENIED"; }));
  EXPECT_EQ(b.log.Size(kLogA), Seq(0));
  a.SetCaller(SiteId(2));
  ASSERT_TRUE(b.log.AwaitSize(kLogA, Seq(5), kPatience));
  a.SetCaller(Error(Reason::kIdentityMissing, "revoked"));
  a.replicator->Reauthorize();
  ASSERT_TRUE(Eventually([&] { return ReasonOf(b.replicator->Links()[0].last_error) == "IDENTITY_MISSING"; }));
  EXPECT_FALSE(b.replicator->Links()[0].connected);
}

TEST(GrpcLinkTest, AReceiverThatDoesNotApplyHoldsUpNobodyElse) {
  FakeNetwork network({"a", "b", "c"});
  TestNode a(&network, "a");
  TestNode c(&network, "c");
  FakeNode slow(&network, "b");  // nobody applies
  a.Write(1);
  for (int i = 0; i < 200; ++i) a.log.Append(std::string(100'000, 'x'));
  a.log.Sign();
  a.Up({}, SiteId(2));
  ReplicatorOptions options;
  options.peers.push_back({"a", {a.address()}, [] { return grpc::InsecureChannelCredentials(); }});
  Replicator stuck(options, &slow, &slow);
  stuck.Start();
  ASSERT_TRUE(Eventually([&] { return stuck.Links()[0].bytes_received > 3'000'000; }));
  a.SetCaller(SiteId(3));
  c.Up({{"a", a.address()}}, SiteId(1));
  ASSERT_TRUE(c.log.AwaitSize(kLogA, Seq(201), kPatience));
  LinkInfo link = stuck.Links()[0];
  EXPECT_TRUE(link.connected);
  EXPECT_EQ(link.entries_behind, 201u);
  EXPECT_LT(link.bytes_received, static_cast<uint64_t>(options.receiver.credit_bytes) + (2u << 20));
  // Its batch is answered at last; then it stops.
  std::thread applier([&slow] { slow.ApplyUntilStopped(); });
  EXPECT_TRUE(slow.AwaitSize(kLogA, Seq(201), kPatience));
  stuck.Stop();
  slow.StopApplying();
  applier.join();
}

TEST(GrpcLinkTest, StopsWhileAPeerCannotBeReached) {
  FakeNetwork network({"a", "b"});
  FakeNode log(&network, "b");
  ReplicatorOptions options;
  options.peers.push_back({"a", {"127.0.0.1:1"}, [] { return grpc::InsecureChannelCredentials(); }});
  options.backoff = {absl::Milliseconds(1), absl::Milliseconds(1), 2};
  Replicator replicator(options, &log, &log);
  replicator.Start();
  ASSERT_TRUE(Eventually([&] { return absl::IsUnavailable(replicator.Links()[0].last_error); }));
  EXPECT_FALSE(replicator.Links()[0].connected);
  replicator.Stop();
}

TEST(GrpcLinkTest, APeerThatIsAwayIsReportedOnceAndWhenItIsBack) {
  const auto lines = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
  const auto said = [&lines](const std::string& what) {
    const std::vector<std::string> all = lines->last_formatted();
    return std::count_if(all.begin(), all.end(), [&](const std::string& line) {
      return line.find(what) != std::string::npos && line.find("shutting down") == std::string::npos;
    });
  };
  const std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", lines));
  {
    FakeNetwork network({"a", "b"});
    TestNode a(&network, "a");
    FakeNode b(&network, "b");
    a.Write(1);
    a.Up({}, SiteId(2));  // for a port
    a.Down();
    std::atomic<int> dials = 0;
    ReplicatorOptions options;
    options.peers.push_back({"a", {a.address()}, [&dials] {
                               ++dials;
                               return grpc::InsecureChannelCredentials();
                             }});
    options.backoff = {absl::Milliseconds(1), absl::Milliseconds(5), 2};
    options.tick = absl::Milliseconds(1);
    Replicator replicator(options, &b, &b);
    replicator.Start();
    ASSERT_TRUE(Eventually([&] { return dials >= 20; }));
    a.Up({}, SiteId(2));
    ASSERT_TRUE(Eventually([&] { return replicator.Links()[0].connected; }));
    std::thread applier([&b] { b.ApplyUntilStopped(); });
    EXPECT_TRUE(b.AwaitSize(kLogA, Seq(1), kPatience));
    EXPECT_TRUE(Eventually([&] { return said("link to a is up again") == 1; }));
    replicator.Stop();
    b.StopApplying();
    applier.join();
  }
  spdlog::set_default_logger(before);
  EXPECT_GE(said("link to a has ended"), 1);
  EXPECT_LE(said("link to a has ended"), 3);  // gRPC may word the same cause in more than one way
  EXPECT_EQ(said("link to a is up again"), 1);
}

// A site of several machines: the members are dialled in turn until the one that leads answers, and again when another does.
TEST(GrpcLinkTest, TheMemberThatLeadsIsFoundAmongAll) {
  FakeNetwork network({"a", "b"});
  TestNode hq(&network, "b");
  TestNode first(&network, "a"), second(&network, "a");
  const absl::Status follows = absl::UnavailableError("another member of the site leads");
  first.dials = second.dials = false;
  hq.Up({}, SiteId(1));
  first.Up({{"b", hq.address()}}, follows);
  second.Up({{"b", hq.address()}}, SiteId(2));
  hq.Down();
  hq.Up({{"a", first.address() + " " + second.address()}}, SiteId(1));
  const auto link = [&] { return hq.replicator->Links()[0]; };
  ASSERT_TRUE(Eventually([&] { return link().connected; }));
  EXPECT_EQ(link().address, second.address());
  second.SetCaller(follows);
  first.SetCaller(SiteId(2));
  second.replicator->Reauthorize();
  ASSERT_TRUE(Eventually([&] { return link().connected && link().address == first.address(); }));
  // Who follows dials nobody.
  EXPECT_FALSE(first.replicator->Links()[0].connected);
  first.dials = true;
  ASSERT_TRUE(Eventually([&] { return first.replicator->Links()[0].connected; }));
  EXPECT_FALSE(second.replicator->Links()[0].connected);
  first.dials = false;
  first.replicator->Reauthorize();
  ASSERT_TRUE(Eventually([&] { return !first.replicator->Links()[0].connected; }));
}

}  // namespace
}  // namespace fairlead::replication
