// Members of one site: what a member that follows passes on, and whom the one that leads believes.

#include "server/rpc/forwarder.h"

#include <absl/synchronization/notification.h>
#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <mutex>
#include <thread>

#include "fairlead/v1/overview_service.grpc.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "server/rpc/durability.h"
#include "server/rpc/policy.h"
#include "server/rpc/rpc_fixture.h"
#include "server/rpc/services.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kCreate[] = "fairlead.v1.ReferenceService/CreateCountry";
constexpr char kGet[] = "fairlead.v1.ReferenceService/GetCountry";
constexpr char kSuggest[] = "fairlead.v1.ExchangeService/GetContactSheet";
constexpr char kWatch[] = "fairlead.v1.OverviewService/WatchOverview";

TEST(AnsweredByLeaderTest, AllThatWritesAndWhatOnlyTheLeaderKnows) {
  for (const std::string method :
       {"ReferenceService/CreateCountry", "EngagementService/CloseEngagement", "AttachmentService/WriteChunk",
        "AttachmentService/GetUpload", "NodeService/VoidEntry", "ReleaseService/AcceptProposal", "ExchangeService/GetSuggestion",
        "ExchangeService/WatchReleasedRecords", "LogService/GetReceipt", "LogService/GetCheckpoint", "OverviewService/GetOverview",
        "ContentService/FetchContent", "RecordService/ResolveConflict", "ReportService/PrepareReport",
        "PriorityService/ImportSecurityPriorities"}) {
    EXPECT_TRUE(AnsweredByLeader("fairlead.v1." + method)) << method;
  }
  for (const std::string method :
       {"ReferenceService/GetCountry", "EngagementService/ListEngagements", "RecordService/WatchRecords", "SearchService/Search",
        "AuditService/QueryAuditEvents", "ReleaseService/PreviewRelease", "PriorityService/AdviseMeasures", "NodeService/GetNodeStatus",
        "NodeService/CreateBackup", "NodeService/DeleteBackup", "NodeService/ListBackups", "AttachmentService/DownloadAttachment"}) {
    EXPECT_FALSE(AnsweredByLeader("fairlead.v1." + method)) << method;
  }
  EXPECT_FALSE(AnsweredByLeader("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
}

Identity IdentityFor(const std::string& path) { return *ParseIdentity(fmt::format("spiffe://{}/{}", kTestNetwork, path), kTestNetwork); }

absl::StatusOr<std::optional<PassedOn>> Believed(const std::string& peer, const std::multimap<std::string, std::string>& sent,
                                                 const std::string& site = "apac") {
  Metadata metadata;
  for (const auto& [key, value] : sent) metadata.emplace(key, value);
  return PassedOnBy(IdentityFor(peer), metadata, kTestNetwork, site);
}

TEST(PassedOnByTest, NodesOfTheSiteAreBelievedAndNobodyElse) {
  const auto staff = Believed("node/apac", {{kCallerMetadata, "officer/apac/watch"}});
  ASSERT_TRUE(staff.ok() && *staff) << staff.status();
  EXPECT_EQ((*staff)->caller, IdentityFor("officer/apac/watch"));
  EXPECT_FALSE((*staff)->gateway);
  const auto vouched = Believed("node/apac", {{kCallerMetadata, "hq/analyst/desk"}, {kCallerGatewayMetadata, "gateway/dashboard"}});
  ASSERT_TRUE(vouched.ok() && *vouched) << vouched.status();
  EXPECT_EQ(*(*vouched)->gateway, IdentityFor("gateway/dashboard"));
  for (const std::string peer : {"officer/apac/watch", "hq/analyst/desk", "partner/JP/registry", "gateway/dashboard", "node/eame"}) {
    EXPECT_THAT(Believed(peer, {{kCallerMetadata, "hq/analyst/desk"}}), FailsWith("PERMISSION_DENIED")) << peer;
    EXPECT_THAT(Believed(peer, {{kCallerGatewayMetadata, "gateway/dashboard"}}), FailsWith("PERMISSION_DENIED")) << peer;
    const auto itself = Believed(peer, {{kDurabilityMetadata, "local"}});
    EXPECT_TRUE(itself.ok() && !*itself) << peer;
  }
  EXPECT_THAT(Believed("node/apac", {{kCallerMetadata, "hq/analyst/desk"}}, ""), FailsWith("PERMISSION_DENIED")) << "a site of one machine";
  for (const std::multimap<std::string, std::string>& odd : std::vector<std::multimap<std::string, std::string>>{
           {{kCallerMetadata, "hq/analyst/desk"}, {kCallerMetadata, "officer/apac/watch"}},
           {{kCallerMetadata, "hq"}},
           {{kCallerMetadata, ""}},
           {{kCallerGatewayMetadata, "gateway/dashboard"}},
           {{kCallerMetadata, "hq/analyst/desk"}, {kCallerGatewayMetadata, "officer/apac/watch"}},
           {{kCallerMetadata, "gateway/dashboard"}, {kViewerMetadata, "hq/analyst/desk"}}}) {
    EXPECT_THAT(Believed("node/apac", odd), FailsWith("PERMISSION_DENIED"));
  }
}

// Gives `messages` empty messages, and then waits to be cancelled.
class WaitingSource : public Source {
 public:
  explicit WaitingSource(int messages) : left_(messages) {}
  void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) override {
    if (left_-- > 0) ready(std::make_unique<v1::Overview>());
  }
  void Cancel() override {
    std::call_once(told_, [this] { cancelled_.Notify(); });
  }
  bool AwaitCancel() { return cancelled_.WaitForNotificationWithTimeout(kPatience); }

 private:
  int left_;
  std::once_flag told_;
  absl::Notification cancelled_;
};

// Two members of apac, with handlers that say who answers.
class ForwarderTest : public ::testing::Test {
 protected:
  struct Member {
    std::atomic<bool> leads{false};
    std::unique_ptr<Forwarder> forwarder;
    std::unique_ptr<Dispatcher> dispatcher;
    std::unique_ptr<Server> server;
    std::vector<std::string> seen;      // by its handlers
    std::vector<std::string> finished;  // as its summaries say
  };

  ForwarderTest() {
    leader_.leads = true;
    Open(&leader_);
    Open(&follower_);
    leader_address_ = fmt::format("127.0.0.1:{}", leader_.server->port());
  }
  ~ForwarderTest() override {
    follower_.server->Shutdown(kPatience);
    leader_.server->Shutdown(kPatience);
  }

  void Open(Member* member) {
    member->forwarder =
        std::make_unique<Forwarder>(ForwarderOptions{.site = "apac",
                                                     .leads = [member] { return member->leads.load(); },
                                                     .leader_address =
                                                         [this] {
                                                           std::string address;
                                                           std::function<void()> then;
                                                           {
                                                             std::lock_guard lock(mutex_);
                                                             address = leader_address_;
                                                             then = std::exchange(after_address_, nullptr);
                                                           }
                                                           if (then) then();
                                                           return address;
                                                         },
                                                     .credentials = [] { return TestCerts::Get().Live("node/apac").ForPeer("apac"); }});
    member->dispatcher = std::make_unique<Dispatcher>(
        DispatcherOptions{.network = kTestNetwork,
                          .identify =
                              [this](const grpc::AuthContext& context) {
                                ++identified_;
                                return IdentityOf(context, kTestNetwork);
                              },
                          .authorize = Authorize,
                          .forwarder = member->forwarder.get(),
                          .on_finish =
                              [this, member](const CallSummary& summary) {
                                std::lock_guard lock(mutex_);
                                member->finished.push_back(fmt::format("{} {}{}", summary.caller, static_cast<int>(summary.code),
                                                                       summary.passed_on ? " passed on" : ""));
                              }});
    for (const char* method : {kCreate, kGet}) {
      member->dispatcher->Handle(
          method, [this, member](const std::shared_ptr<Call>& call, const google::protobuf::Message&, const Reply& reply) {
            {
              std::lock_guard lock(mutex_);
              member->seen.push_back(fmt::format("{} for {} via '{}', {} replicas", call->method.substr(call->method.find('/') + 1),
                                                 call->identity.path, call->gateway, call->replicas));
              deadline_ = call->deadline;
            }
            if (refusal_) return reply(*refusal_);
            if (silent_) {
              std::lock_guard lock(mutex_);
              unanswered_ = reply;
              return asked_.Notify();
            }
            call->durability = "replicated:1 hq";
            auto country = std::make_unique<v1::Country>();
            country->set_display_name("answered");
            reply(std::move(country));
          });
    }
    member->dispatcher->Handle(kSuggest,
                               [this, member](const std::shared_ptr<Call>& call, const google::protobuf::Message&, const Reply& reply) {
                                 {
                                   std::lock_guard lock(mutex_);
                                   member->seen.push_back(fmt::format("{} {} bytes", call->identity.path, call->submitted.size()));
                                 }
                                 reply(Error(Reason::kStorageFailed, "the disk of the port office at 10.0.0.7 is gone"));
                               });
    member->dispatcher->HandleStream(kWatch, [this](const std::shared_ptr<Call>&, const google::protobuf::Message&) {
      return streams_++ == 0 ? source_ : std::make_shared<WaitingSource>(3);
    });
    auto server =
        Server::Start({.address = "127.0.0.1:0", .credentials = &TestCerts::Get().Live("node/apac")}, member->dispatcher.get(), {});
    ASSERT_TRUE(server.ok()) << server.status();
    member->server = *std::move(server);
  }

  Client At(const Member& member, const std::string& identity = "officer/apac/watch") const {
    return Client(member.server->port(), TestCerts::Get().Of(identity));
  }
  void SetLeaderAddress(const std::string& address) {
    std::lock_guard lock(mutex_);
    leader_address_ = address;
  }
  std::vector<std::string> Seen(const Member& member) {
    std::lock_guard lock(mutex_);
    return member.seen;
  }
  std::vector<std::string> Finished(const Member& member) {
    std::lock_guard lock(mutex_);
    return member.finished;
  }

  std::mutex mutex_;
  std::string leader_address_;
  std::function<void()> after_address_;  // called once, before the address that was read is used
  absl::Time deadline_;
  std::optional<absl::Status> refusal_;
  std::atomic<int> identified_{0};   // callers, by all members
  std::atomic<bool> silent_{false};  // one call is not answered before the test answers it
  Reply unanswered_;
  absl::Notification asked_;
  const std::shared_ptr<WaitingSource> source_ = std::make_shared<WaitingSource>(3);  // of the first stream
  std::atomic<int> streams_{0};
  Member leader_, follower_;
};

TEST_F(ForwarderTest, AWriteIsTheLeadersAndAReadIsTheMembersOwn) {
  grpc::ClientContext context;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  context.set_deadline(absl::ToChronoTime(deadline));
  context.AddMetadata(kDurabilityMetadata, "replicated:1");
  const auto created = At(follower_).Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest(), &context);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->display_name(), "answered");
  EXPECT_EQ(context.GetServerTrailingMetadata().find(kDurabilityMetadata)->second, "replicated:1 hq");
  EXPECT_THAT(Seen(leader_), ElementsAre("CreateCountry for officer/apac/watch via '', 1 replicas"));
  EXPECT_THAT(Seen(follower_), IsEmpty());
  EXPECT_LE(absl::AbsDuration(deadline_ - deadline), absl::Seconds(1));
  ASSERT_TRUE((At(follower_).Call<v1::Country>("ReferenceService/GetCountry", v1::GetCountryRequest()).ok()));
  EXPECT_THAT(Seen(follower_), ElementsAre("GetCountry for officer/apac/watch via '', 0 replicas"));
  follower_.server->Shutdown(kPatience);
  leader_.server->Shutdown(kPatience);
  EXPECT_THAT(Finished(leader_), ElementsAre("officer/apac/watch 0"));
  EXPECT_THAT(Finished(follower_), ElementsAre("officer/apac/watch 0 passed on", "officer/apac/watch 0"));
}

TEST_F(ForwarderTest, AGatewayAndItsViewerAndErrorsAreTheSameAtTheLeader) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  context.AddMetadata(kViewerMetadata, "hq/analyst/desk");
  // What a gateway may pass on at all is decided first, at the member that it asks.
  EXPECT_THAT(
      (At(follower_, "gateway/dashboard").Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest(), &context)),
      FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(Seen(leader_), IsEmpty());
  refusal_ = FieldError(Reason::kFieldInvalid, "country.region", "must be set");
  const auto refused = At(follower_).Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest());
  EXPECT_THAT(refused, FailsWith("FIELD_INVALID", "country.region"));
  EXPECT_EQ(refused.status().message(), "must be set");
}

TEST_F(ForwarderTest, APartnersCallIsTheSameBytesAndTellsNothingOfTheSite) {
  v1::GetContactSheetRequest request;
  const auto refused = At(follower_, "partner/JP/registry").Call<v1::ContactSheet>("ExchangeService/GetContactSheet", request);
  EXPECT_THAT(refused, FailsWith("STORAGE_FAILED"));
  EXPECT_EQ(refused.status().message(), "this site could not answer: try another");
  EXPECT_THAT(Seen(leader_), ElementsAre(fmt::format("partner/JP/registry {} bytes", request.ByteSizeLong())));
  SetLeaderAddress("127.0.0.1:1");
  const auto unreached = At(follower_, "partner/JP/registry").Call<v1::ContactSheet>("ExchangeService/GetContactSheet", request);
  EXPECT_EQ(unreached.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(unreached.status().message()), Not(HasSubstr("127.0.0.1")));
}

TEST_F(ForwarderTest, WhoClaimsToCallForAnotherIsDeniedByEachMember) {
  for (const std::string claimant : {"officer/apac/watch", "partner/JP/registry", "gateway/dashboard", "node/eame", "hq/analyst/desk"}) {
    for (const Member* member : {&leader_, &follower_}) {
      for (const std::string method : {"ReferenceService/CreateCountry", "ReferenceService/GetCountry"}) {
        grpc::ClientContext context;
        context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
        context.AddMetadata(kCallerMetadata, "hq/director/main");
        EXPECT_THAT((At(*member, claimant).Call<v1::Country>(method, v1::GetCountryRequest(), &context)), FailsWith("PERMISSION_DENIED"))
            << claimant << " " << method;
      }
    }
  }
  EXPECT_THAT(Seen(leader_), IsEmpty());
  EXPECT_THAT(Seen(follower_), IsEmpty());
  // What a node of the site passes on is judged by the policy of him for whom it calls.
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  context.AddMetadata(kCallerMetadata, "partner/JP/registry");
  EXPECT_THAT((At(leader_, "node/apac").Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest(), &context)),
              FailsWith("PERMISSION_DENIED"));
}

TEST_F(ForwarderTest, WithoutALeaderACallIsRefusedAndNeverGoesRound) {
  const auto create = [&](const Member& member) {
    return At(member).Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest()).status();
  };
  SetLeaderAddress("");
  EXPECT_EQ(create(follower_).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(create(follower_).message(), "no member of site apac leads it now");
  // Each takes the other, or itself, for the leader.
  leader_.leads = false;
  SetLeaderAddress(fmt::format("127.0.0.1:{}", leader_.server->port()));
  EXPECT_EQ(create(follower_).message(), "this member of the site does not lead it");
  EXPECT_EQ(create(leader_).message(), "this member of the site does not lead it");
  EXPECT_THAT(Seen(leader_), IsEmpty());
  EXPECT_THAT(Seen(follower_), IsEmpty());
  // And goes to whoever leads next.
  follower_.leads = true;
  SetLeaderAddress(fmt::format("127.0.0.1:{}", follower_.server->port()));
  EXPECT_TRUE(create(leader_).ok());
  EXPECT_THAT(Seen(follower_), ElementsAre("CreateCountry for officer/apac/watch via '', 0 replicas"));
}

TEST_F(ForwarderTest, WhatTheLeaderCannotWriteYetIsAskedForAgain) {
  for (const Reason reason : {Reason::kNodeReadOnly, Reason::kClockDrift, Reason::kClockDisagrees}) {
    refusal_ = Error(reason, "peers hold 2 entries of this site's log and this node 1: it recovers them before it writes");
    for (const Member* member : {&leader_, &follower_}) {
      const absl::Status status = At(*member).Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest()).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
      EXPECT_EQ(ReasonOf(status), "") << "with a reason that lasts until an operator acts, callers give up";
      EXPECT_EQ(status.message(), refusal_->message());
    }
  }
}

TEST_F(ForwarderTest, WhoLeadsNoMoreEndsTheStreamsThatOnlyALeaderHas) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Overview>>> readers;
  std::vector<std::unique_ptr<v1::OverviewService::Stub>> stubs;
  v1::Overview overview;
  // One asks the leader, one a member that passes it on.
  for (const Member* member : {&leader_, &follower_}) {
    stubs.push_back(v1::OverviewService::NewStub(At(*member).channel()));
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    contexts.back()->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    readers.push_back(stubs.back()->WatchOverview(contexts.back().get(), v1::WatchOverviewRequest()));
    ASSERT_TRUE(readers.back()->Read(&overview));
  }
  follower_.dispatcher->Reauthorize();
  leader_.leads = false;
  leader_.dispatcher->Reauthorize();
  for (const auto& reader : readers) {
    while (reader->Read(&overview)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
}

TEST_F(ForwarderTest, AStreamWhoseRequestIsYetToComeIsPassedOnAfterALookAtWhoMayGoOn) {
  const Client caller = At(follower_);
  grpc::GenericStub stub(caller.channel());
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(&context, fmt::format("/{}", kWatch), &queue);
  const auto ends = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  EXPECT_TRUE(ends());
  // Once at its admission, and once more.
  for (const absl::Time latest = absl::Now() + kPatience; identified_ < 2 && absl::Now() < latest; std::this_thread::yield()) {
    follower_.dispatcher->Reauthorize();
  }
  const grpc::Slice empty;
  call->Write(grpc::ByteBuffer(&empty, 1), nullptr);
  EXPECT_TRUE(ends());
  grpc::ByteBuffer overview;
  call->Read(&overview, nullptr);
  EXPECT_TRUE(ends()) << "the leader's first message";
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(ends());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED) << status.error_message();
}

TEST_F(ForwarderTest, WhatALeaderLeavesWaitingEndsWhenAnotherIsKnown) {
  silent_ = true;
  absl::Status status;
  std::thread caller(
      [&] { status = At(follower_).Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest()).status(); });
  EXPECT_TRUE(asked_.WaitForNotificationWithTimeout(kPatience));
  const Client reader_client = At(follower_);
  const auto stub = v1::OverviewService::NewStub(reader_client.channel());
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto reader = stub->WatchOverview(&context, v1::WatchOverviewRequest());
  v1::Overview response;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(reader->Read(&response)) << i;
  // The same one still leads: they wait on.
  follower_.forwarder->LeaderChanged();
  SetLeaderAddress("127.0.0.1:1");
  follower_.forwarder->LeaderChanged();
  caller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "the site's leader had not answered when another was known");
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  Reply late;
  {
    std::lock_guard lock(mutex_);
    late = std::exchange(unanswered_, nullptr);
  }
  late(Error(Reason::kInternal, "nobody waits for it"));
}

TEST_F(ForwarderTest, WhatIsJustBeingPassedOnEndsWhenAnotherIsKnown) {
  silent_ = true;
  const auto change_in_between = [this] {
    std::lock_guard lock(mutex_);
    leader_address_ = fmt::format("127.0.0.1:{}", leader_.server->port());
    after_address_ = [this] {
      SetLeaderAddress("127.0.0.1:1");
      follower_.forwarder->LeaderChanged();
    };
  };
  change_in_between();
  const absl::Status status = At(follower_).Call<v1::Country>("ReferenceService/CreateCountry", v1::CreateCountryRequest()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "the site's leader had not answered when another was known");
  change_in_between();
  const Client caller = At(follower_);
  const auto stub = v1::OverviewService::NewStub(caller.channel());
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto reader = stub->WatchOverview(&context, v1::WatchOverviewRequest());
  v1::Overview response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ForwarderTest, AStreamOfTheLeadersIsPassedOnUntilItsReaderGoes) {
  const Client caller = At(follower_);
  const auto stub = v1::OverviewService::NewStub(caller.channel());
  grpc::ClientContext context;
  const auto reader = stub->WatchOverview(&context, v1::WatchOverviewRequest());
  v1::Overview response;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(reader->Read(&response)) << i;
  context.TryCancel();
  EXPECT_TRUE(source_->AwaitCancel());
  reader->Finish();
}

}  // namespace
}  // namespace fairlead::rpc
