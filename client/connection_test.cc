#include "client/connection.h"

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "api/errors.h"
#include "api/ids.h"
#include "client/test_node.h"

namespace fairlead::client {
namespace {

using fairlead::v1::Port;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ne;

constexpr char kGetPort[] = "fairlead.v1.ReferenceService.GetPort";
constexpr char kCreatePort[] = "fairlead.v1.ReferenceService.CreatePort";
constexpr char kUpdatePort[] = "fairlead.v1.ReferenceService.UpdatePort";

Port MakePort(const std::string& name) {
  Port port;
  port.set_name(name);
  port.set_display_name("Yokohama");
  return port;
}

fairlead::v1::GetPortRequest Get(const std::string& name) {
  fairlead::v1::GetPortRequest request;
  request.set_name(name);
  return request;
}

grpc::Status Unavailable() { return {grpc::StatusCode::UNAVAILABLE, "going away"}; }

class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() {
    for (TestNode* node : {&apac_, &hq_}) node->Put(MakePort("ports/JPYOK"));
    options_.nodes = {{"apac", apac_.address()}, {"hq", hq_.address()}};
    options_.timeout = absl::Seconds(20);
    options_.retry = FastRetries();
  }
  std::unique_ptr<Client> MakeClient() {
    return std::make_unique<Client>(options_, std::vector<std::shared_ptr<grpc::Channel>>{apac_.Channel(), hq_.Channel()});
  }
  TestNode apac_{"apac"};
  TestNode hq_{"hq"};
  ClientOptions options_;
};

TEST_F(ConnectionTest, CallsTheFirstNodeAndSaysWhoAnswered) {
  Answer answer;
  const auto port = MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"), {}, &answer);
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_EQ(port->display_name(), "Yokohama");
  EXPECT_EQ(answer.site, "apac");
  EXPECT_EQ(answer.address, apac_.address());
  EXPECT_EQ(answer.attempts, 1);
  EXPECT_EQ(hq_.calls(), 0);
}

TEST_F(ConnectionTest, CallsTheNodeOfTheSiteAskedFor) {
  options_.site = "hq";
  Answer answer;
  ASSERT_TRUE(MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"), {}, &answer).ok());
  EXPECT_EQ(answer.site, "hq");
  CallOptions call;
  call.site = "apac";
  ASSERT_TRUE(MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"), call, &answer).ok());
  EXPECT_EQ(answer.site, "apac");
  call.site = "csa";
  EXPECT_EQ(MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"), call).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ConnectionTest, ErrorsCarryReasonAndField) {
  const auto client = MakeClient();
  const auto missing = client->Call<Port>(kGetPort, Get("ports/XXXXX"));
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(missing.status()), "RECORD_NOT_FOUND");
  fairlead::v1::CreatePortRequest create;
  create.set_port_id("JPTYO");
  EXPECT_EQ(FieldOf(client->Call<Port>(kCreatePort, create).status()), "port.display_name");
}

TEST_F(ConnectionTest, RetriesWhatPassesAndStaysAtItsNode) {
  apac_.FailNext({Unavailable(), Unavailable(), ToGrpc(Error(Reason::kOverloaded, "queue full"))});
  Answer answer;
  ASSERT_TRUE(MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"), {}, &answer).ok());
  EXPECT_EQ(answer.attempts, 4);
  EXPECT_EQ(apac_.calls(), 4);
  EXPECT_EQ(hq_.calls(), 0);
}

TEST_F(ConnectionTest, EtagMismatchComesBackAtOnce) {
  fairlead::v1::UpdatePortRequest update;
  *update.mutable_port() = MakePort("ports/JPYOK");
  update.mutable_port()->set_etag("old");
  const auto result = MakeClient()->Call<Port>(kUpdatePort, update);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(result.status()), "ETAG_MISMATCH");
  EXPECT_EQ(apac_.calls(), 1);
}

TEST_F(ConnectionTest, AWriteHasOneRequestIdForAllItsAttempts) {
  apac_.LoseNextAnswers(2);
  fairlead::v1::CreatePortRequest create;
  create.set_port_id("JPTYO");
  create.mutable_port()->set_display_name("Tokyo");
  const auto client = MakeClient();
  // The first attempt takes effect and its answer is lost: a new id would find that the record exists.
  const auto created = client->Call<Port>(kCreatePort, create);
  ASSERT_TRUE(created.ok()) << created.status();
  const std::vector<std::string> ids = apac_.request_ids();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_THAT(ids, Each(ids[0]));
  EXPECT_NEAR(static_cast<double>(RequestIdMillis(ids[0])), static_cast<double>(absl::ToUnixMillis(absl::Now())), 60'000);
  create.set_port_id("JPNGO");
  ASSERT_TRUE(client->Call<Port>(kCreatePort, create).ok());
  EXPECT_THAT(apac_.request_ids().back(), Ne(ids[0]));
  create.set_request_id(ids[0]);
  ASSERT_TRUE(client->Call<Port>(kCreatePort, create).ok());
  EXPECT_EQ(apac_.request_ids().back(), ids[0]);
}

TEST_F(ConnectionTest, FailsOverOnlyWhenAsked) {
  apac_.FailNext({ToGrpc(Error(Reason::kNodeReadOnly, "no licence")), ToGrpc(Error(Reason::kNodeReadOnly, "no licence"))});
  const auto stay = MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"));
  EXPECT_EQ(ReasonOf(stay.status()), "NODE_READ_ONLY");
  EXPECT_EQ(hq_.calls(), 0);
  options_.failover = true;
  Answer answer;
  ASSERT_TRUE(MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"), {}, &answer).ok());
  EXPECT_EQ(answer.site, "hq");
  EXPECT_EQ(answer.attempts, 2);
}

TEST_F(ConnectionTest, AsksAnyNodeOfItsSiteAndNoOtherSite) {
  TestNode member("apac");
  member.Put(MakePort("ports/JPYOK"));
  options_.nodes = {{"apac", "127.0.0.1:1"}, {"hq", hq_.address()}, {"apac", member.address()}};
  Client client(options_, {grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials()), hq_.Channel(), member.Channel()});
  Answer answer;
  ASSERT_TRUE(client.Call<Port>(kGetPort, Get("ports/JPYOK"), {}, &answer).ok());
  EXPECT_EQ(answer.address, member.address());
  CallOptions call;
  call.site = "apac";
  ASSERT_TRUE(client.Call<Port>(kGetPort, Get("ports/JPYOK"), call, &answer).ok());
  EXPECT_EQ(answer.address, member.address());
  // It begins with the one that answered last.
  EXPECT_EQ(answer.attempts, 1);
  // One of them alone.
  call.address = "127.0.0.1:1";
  call.timeout = absl::Milliseconds(200);
  const absl::Status nobody = client.Call<Port>(kGetPort, Get("ports/JPYOK"), call, &answer).status();
  // On a busy machine the time may end while it connects again.
  EXPECT_THAT(nobody.code(), AnyOf(absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded)) << nobody;
  EXPECT_EQ(answer.address, "127.0.0.1:1");
  call.address = hq_.address();
  EXPECT_TRUE(absl::IsInvalidArgument(client.Call<Port>(kGetPort, Get("ports/JPYOK"), call).status()));
  EXPECT_EQ(hq_.calls(), 0);
}

TEST_F(ConnectionTest, FailsOverFromANodeThatIsNotThere) {
  options_.failover = true;
  Client client(options_, {grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials()), hq_.Channel()});
  Answer answer;
  ASSERT_TRUE(client.Call<Port>(kGetPort, Get("ports/JPYOK"), {}, &answer).ok());
  EXPECT_EQ(answer.site, "hq");
}

TEST_F(ConnectionTest, ABackupStaysAtItsNodeWithItsWholeDeadline) {
  options_.failover = true;
  options_.attempt_timeout = absl::ZeroDuration();  // no answer comes within it
  apac_.FailNext({Unavailable(), Unavailable()});
  Answer answer;
  const auto backup =
      MakeClient()->Call<fairlead::v1::Backup>("fairlead.v1.NodeService.CreateBackup", fairlead::v1::CreateBackupRequest(), {}, &answer);
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(backup->name(), "backups/apac");
  EXPECT_EQ(answer.attempts, 3);
  EXPECT_EQ(apac_.calls(), 3);
  EXPECT_EQ(hq_.calls(), 0);
  EXPECT_THAT(apac_.request_ids(), Each(apac_.request_ids()[0]));
}

TEST_F(ConnectionTest, EveryCallEndsByItsDeadline) {
  Client client(options_, {grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials()), hq_.Channel()});
  CallOptions call;
  call.timeout = absl::Milliseconds(200);
  const absl::Time begun = absl::Now();
  const absl::StatusCode code = client.Call<Port>(kGetPort, Get("ports/JPYOK"), call).status().code();
  EXPECT_TRUE(code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded) << absl::StatusCodeToString(code);
  EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
}

TEST_F(ConnectionTest, PresentsTheNewestToken) {
  const auto client = MakeClient();
  EXPECT_EQ(client->token(), "");
  ASSERT_TRUE(client->Call<Port>(kGetPort, Get("ports/JPYOK")).ok());
  EXPECT_EQ(client->token(), "apac:1");
  CallOptions at_hq;
  at_hq.site = "hq";
  ASSERT_TRUE(client->Call<Port>(kGetPort, Get("ports/JPYOK"), at_hq).ok());
  EXPECT_THAT(hq_.tokens(), ElementsAre("apac:1"));
  EXPECT_EQ(client->token(), "hq:1");
  // An error's token counts too.
  EXPECT_FALSE(client->Call<Port>(kGetPort, Get("ports/XXXXX")).ok());
  EXPECT_THAT(apac_.tokens(), ElementsAre("", "hq:1"));
  EXPECT_EQ(client->token(), "apac:2");
  at_hq.token = "mine";
  ASSERT_TRUE(client->Call<Port>(kGetPort, Get("ports/JPYOK"), at_hq).ok());
  EXPECT_THAT(hq_.tokens(), ElementsAre("apac:1", "mine"));
  EXPECT_EQ(client->token(), "apac:2");
}

TEST_F(ConnectionTest, StoppingEndsACallThatIsBeingRetried) {
  options_.retry = {absl::Hours(1), absl::Hours(1)};
  options_.timeout = absl::Hours(10);
  apac_.FailNext({Unavailable()});
  std::stop_source stop;
  CallOptions call;
  call.stop = stop.get_token();
  absl::Status status;
  {
    std::jthread caller([&] { status = MakeClient()->Call<Port>(kGetPort, Get("ports/JPYOK"), call).status(); });
    while (apac_.calls() == 0) std::this_thread::yield();
    stop.request_stop();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

fairlead::v1::WatchRecordsResponse Event(const std::string& token, bool record) {
  fairlead::v1::WatchRecordsResponse event;
  event.set_resume_token(token);
  if (record) {
    event.set_collection("ports");
    event.mutable_record()->PackFrom(MakePort("ports/" + token));
  }
  return event;
}

TEST_F(ConnectionTest, WatchResumesAfterTheLastEvent) {
  apac_.feed = {{Event("t1", true), Event("t2", false)}, {}, {Event("t3", true)}};
  std::vector<std::string> seen;
  int breaks = 0;
  fairlead::v1::WatchRecordsRequest request;
  request.set_snapshot(true);
  const absl::Status status = MakeClient()->Watch(
      request,
      [&](const fairlead::v1::WatchRecordsResponse& event) {
        seen.push_back(event.resume_token());
        return event.resume_token() != "t3";
      },
      [&](const absl::Status&) { ++breaks; }, {});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre("t1", "t2", "t3"));
  EXPECT_EQ(breaks, 2);
  const auto watches = apac_.watches();
  ASSERT_EQ(watches.size(), 3u);
  EXPECT_TRUE(watches[0].snapshot());
  EXPECT_EQ(watches[0].resume_token(), "");
  EXPECT_FALSE(watches[1].snapshot());
  EXPECT_EQ(watches[1].resume_token(), "t2");
  EXPECT_EQ(watches[2].resume_token(), "t2");
}

TEST_F(ConnectionTest, EventsOfOneMessageComeOneByOne) {
  fairlead::v1::WatchRecordsResponse message = Event("t1", true);
  for (const char* token : {"t2", "t3", "t4"}) *message.add_following() = Event(token, true);
  apac_.feed = {{message}, {message}};
  std::vector<std::string> seen;
  const auto watch = [&](const std::string& last) {
    return MakeClient()->Watch(
        {},
        [&](const fairlead::v1::WatchRecordsResponse& event) {
          EXPECT_EQ(event.following_size(), 0);
          seen.push_back(event.resume_token());
          return event.resume_token() != last;
        },
        [&](const absl::Status&) { seen.push_back("break"); }, {});
  };
  EXPECT_TRUE(watch("t3").ok());
  EXPECT_THAT(seen, ElementsAre("t1", "t2", "t3"));
  EXPECT_EQ(apac_.watches()[0].events_max(), 100);
}

TEST_F(ConnectionTest, AWatchPresentsTheNewestToken) {
  const auto client = MakeClient();
  ASSERT_TRUE(client->Call<Port>(kGetPort, Get("ports/JPYOK")).ok());
  fairlead::v1::WatchRecordsResponse event;
  event.set_collection("ports");
  apac_.feed = {{event}};
  ASSERT_TRUE(client
                  ->Watch(
                      {}, [](const auto&) { return false; }, [](const absl::Status&) {}, {})
                  .ok());
  EXPECT_THAT(apac_.tokens(), ElementsAre("", "apac:1"));
}

TEST_F(ConnectionTest, OnlyCallsThatWriteAskForDurabilityAndSayWhoHoldsIt) {
  options_.durability = "replicated:1";
  const auto client = MakeClient();
  Answer answer;
  ASSERT_TRUE(client->Call<Port>(kGetPort, Get("ports/JPYOK"), {}, &answer).ok());
  EXPECT_EQ(answer.durability, "");
  fairlead::v1::CreatePortRequest create;
  create.set_port_id("JPTYO");
  create.mutable_port()->set_display_name("Tokyo");
  ASSERT_TRUE(client->Call<Port>(kCreatePort, create, {}, &answer).ok());
  EXPECT_EQ(answer.durability, "replicated:1 eame");
  EXPECT_THAT(apac_.durabilities(), ElementsAre("", "replicated:1"));
}

TEST_F(ConnectionTest, AReplicationTimeoutIsWaitedForAgainAtItsNodeWithOneRequestId) {
  options_.failover = true;
  options_.durability = "replicated:1";
  apac_.FailNext({ToGrpc(Error(Reason::kReplicationTimeout, "held by none"))});
  fairlead::v1::CreatePortRequest create;
  create.set_port_id("JPTYO");
  create.mutable_port()->set_display_name("Tokyo");
  Answer answer;
  ASSERT_TRUE(MakeClient()->Call<Port>(kCreatePort, create, {}, &answer).ok());
  EXPECT_EQ(answer.site, "apac");
  EXPECT_EQ(answer.attempts, 2);
  EXPECT_EQ(hq_.calls(), 0);
  ASSERT_EQ(apac_.request_ids().size(), 2u);
  EXPECT_EQ(apac_.request_ids()[0], apac_.request_ids()[1]);
}

TEST_F(ConnectionTest, OptionsAreChecked) {
  EXPECT_FALSE(Client::Validate({}).ok());
  options_.site = "csa";
  EXPECT_FALSE(Client::Validate(options_).ok());
  options_.site = "hq";
  EXPECT_TRUE(Client::Validate(options_).ok());
  options_.network = "demo.example";
  options_.ca_file = "/nowhere/ca.crt";
  EXPECT_EQ(Client::Connect(options_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fairlead::client
