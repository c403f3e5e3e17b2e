#include "client/outbox/sync.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>

#include "api/errors.h"
#include "client/test_node.h"
#include "fairlead/v1/engagement_service.pb.h"

namespace fairlead::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kCreatePort[] = "fairlead.v1.ReferenceService.CreatePort";
constexpr char kUpdatePort[] = "fairlead.v1.ReferenceService.UpdatePort";

class SyncTest : public testing::Test {
 protected:
  SyncTest() {
    std::filesystem::remove_all(folder_);
    OutboxOptions options;
    options.folder = folder_.string();
    options.network = "demo.example";
    options.actor = "officer/apac/watch";
    outbox_ = Outbox::Open(options).value();
    ClientOptions client;
    client.nodes = {{"apac", node_.address()}};
    client.timeout = absl::Seconds(20);
    client.retry = FastRetries();
    client_ = std::make_unique<Client>(client, std::vector<std::shared_ptr<grpc::Channel>>{node_.Channel()});
  }
  ~SyncTest() override { std::filesystem::remove_all(folder_); }

  Change Make(const std::string& locode, const std::string& display_name, const std::string& country = "") {
    v1::CreatePortRequest request;
    request.set_port_id(locode);
    request.mutable_port()->set_display_name(display_name);
    request.mutable_port()->set_country(country);
    return outbox_->Record(*MethodNamed(kCreatePort), request, "ports/" + locode, "apac").value();
  }
  Change Update(const std::string& locode, const std::string& display_name) {
    v1::UpdatePortRequest request;
    request.mutable_port()->set_name("ports/" + locode);
    request.mutable_port()->set_display_name(display_name);
    request.mutable_update_mask()->add_paths("display_name");
    return outbox_->Record(*MethodNamed(kUpdatePort), request, "ports/" + locode, "apac").value();
  }
  SyncResult RunSync(const SendCall& send) {
    absl::StatusOr<SyncResult> result = Sync(outbox_.get(), send, [this](const Change& change) { ended_.push_back(change.position); });
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(SyncResult());
  }
  SyncResult RunSync() { return RunSync(SendThrough(client_.get(), outbox_.get())); }
  ChangeState StateOf(const Change& change) { return outbox_->Find(change.position)->state; }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "outbox_sync_test";
  TestNode node_{"apac"};
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Client> client_;
  std::vector<int64_t> ended_;
};

TEST_F(SyncTest, SendsInOrderWithTheTokenOfTheAnswerBefore) {
  const Change first = Make("JPYOK", "Yokohama");
  const Change second = Make("JPTYO", "Tokyo");
  const SyncResult result = RunSync();
  EXPECT_EQ(result.done, 2);
  EXPECT_TRUE(result.stopped.ok()) << result.stopped;
  EXPECT_THAT(node_.request_ids(), ElementsAre(first.request_id, second.request_id));
  EXPECT_THAT(node_.tokens(), ElementsAre("", "apac:1"));
  EXPECT_EQ(outbox_->Token().value(), "apac:2");
  EXPECT_THAT(ended_, ElementsAre(first.position, second.position));
  EXPECT_EQ(outbox_->Waiting().value(), 0);
  // What was answered has been read.
  EXPECT_EQ(outbox_->Kept()->size(), 2u);
  EXPECT_EQ(RunSync().done, 0);
  EXPECT_EQ(node_.calls(), 2);
}

TEST_F(SyncTest, AnAnswerThatIsLostIsAskedForAgainAndTheChangeIsThereOnce) {
  const Change change = Make("JPYOK", "Yokohama");
  const SendCall cut = [this](const auto& method, const auto& request, auto* response, const auto& call, auto* answer) {
    absl::Status status = client_->Call(method, request, response, call, answer);
    EXPECT_TRUE(status.ok());
    return absl::UnavailableError("the link broke");
  };
  const SyncResult first = RunSync(cut);
  EXPECT_EQ(first.done, 0);
  EXPECT_EQ(first.stopped.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(StateOf(change), ChangeState::kSent);
  EXPECT_EQ(outbox_->Find(change.position)->unanswered, 1);
  EXPECT_EQ(RunSync().done, 1);
  EXPECT_EQ(StateOf(change), ChangeState::kDone);
  EXPECT_THAT(node_.request_ids(), ElementsAre(change.request_id, change.request_id));
  EXPECT_EQ(node_.ports().size(), 1u);
}

TEST_F(SyncTest, WithoutANodeNothingIsTriedTwiceAndAllStays) {
  const Change first = Make("JPYOK", "Yokohama");
  const Change second = Make("JPTYO", "Tokyo");
  int calls = 0;
  const SyncResult result = RunSync([&calls](const auto&, const auto&, auto*, const auto&, auto*) {
    ++calls;
    return absl::UnavailableError("no route");
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(result.stopped.message(), "no route");
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(StateOf(first), ChangeState::kSent);
  EXPECT_EQ(StateOf(second), ChangeState::kWaiting);
}

TEST_F(SyncTest, ARefusalHoldsBackWhatNeedsItsRecordAndNothingElse) {
  const Change nameless = Make("JPYOK", "");
  const Change update = Update("JPYOK", "Yokohama");
  const Change names_it = Make("JPTYO", "Tokyo", "ports/JPYOK");  // any text that names the record
  const Change needs_that = Update("JPTYO", "Tokyo-ko");
  const Change other = Make("JPOSA", "Osaka");
  const SyncResult result = RunSync();
  EXPECT_EQ(result.done, 1);
  EXPECT_EQ(result.refused, 1);
  EXPECT_THAT(result.held, ElementsAre(Pair(update.position, nameless.position), Pair(names_it.position, nameless.position),
                                       Pair(needs_that.position, nameless.position)));
  EXPECT_EQ(StateOf(nameless), ChangeState::kRefused);
  EXPECT_EQ(StateOf(update), ChangeState::kWaiting);
  EXPECT_EQ(StateOf(other), ChangeState::kDone);
  const Change refused = outbox_->Find(nameless.position).value();
  EXPECT_EQ(FieldOf(refused.error), "port.display_name");
  EXPECT_THAT(AdviceFor(refused), HasSubstr("fairlead outbox edit 1 --set"));
  // A refused change is not sent again by itself.
  const int calls = node_.calls();
  EXPECT_EQ(RunSync().done, 0);
  EXPECT_EQ(node_.calls(), calls);
}

TEST_F(SyncTest, WhatTheNodeSaysOfItselfIsNoRefusal) {
  using grpc::StatusCode;
  const Change change = Make("JPYOK", "Yokohama");
  for (const absl::Status& status :
       {Error(Reason::kNodeReadOnly, "recovers"), Error(Reason::kStorageFull, "full"), Error(Reason::kCertificateRefused, "revoked"),
        Error(Reason::kStorageFailed, "disk"), Error(Reason::kMethodUnknown, "older"), Error(Reason::kReplicationTimeout, "stands"),
        FieldError(Reason::kFieldInvalid, "fairlead-durability", "too many"), absl::PermissionDeniedError("a gateway on the way"),
        absl::CancelledError("interrupted")}) {
    const SyncResult result = RunSync([&status](const auto&, const auto&, auto*, const auto&, auto*) { return status; });
    EXPECT_EQ(result.stopped, status);
    EXPECT_EQ(StateOf(change), ChangeState::kSent) << status;
  }
  for (const absl::Status& status :
       {Error(Reason::kPermissionDenied, "hq only"), Error(Reason::kStateForbids, "closed"), Error(Reason::kEtagMismatch, "no revision"),
        Error(Reason::kMessageTooLarge, "too large"), FieldError(Reason::kRequestIdExpired, "request_id", "old"),
        FieldError(Reason::kFieldInvalid, "fairlead-basis", "wrong")}) {
    const SyncResult result = RunSync([&status](const auto&, const auto&, auto*, const auto&, auto*) { return status; });
    EXPECT_EQ(result.refused, 1) << status;
    EXPECT_EQ(outbox_->Find(change.position)->error, status);
    EXPECT_THAT(AdviceFor(outbox_->Find(change.position).value()), HasSubstr("fairlead outbox"));
    ASSERT_TRUE(outbox_->Retry(change.position).ok());
  }
}

TEST_F(SyncTest, ATokenOfBeforeTheNetworksKeysChangedIsLeftOut) {
  Make("JPYOK", "Yokohama");
  std::deque<std::string> tokens;
  ASSERT_TRUE(RunSync().stopped.ok());
  Make("JPTYO", "Tokyo");
  const SyncResult result = RunSync([&](const auto& method, const auto& request, auto* response, const CallOptions& call, auto* answer) {
    tokens.push_back(call.token.value());
    if (!call.token->empty()) return FieldError(Reason::kFieldInvalid, "fairlead-token", "is not of this network");
    return client_->Call(method, request, response, call, answer);
  });
  EXPECT_EQ(result.done, 1);
  EXPECT_THAT(tokens, ElementsAre("apac:1", ""));
}

TEST_F(SyncTest, AStopEndsItBetweenChanges) {
  Make("JPYOK", "Yokohama");
  const Change second = Make("JPTYO", "Tokyo");
  std::stop_source stop;
  const auto result = Sync(
      outbox_.get(), SendThrough(client_.get(), outbox_.get()), [&stop](const Change&) { stop.request_stop(); }, stop.get_token());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->done, 1);
  EXPECT_EQ(result->stopped.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(StateOf(second), ChangeState::kWaiting);
}

TEST_F(SyncTest, ChangesPresentTheirBasisAndTheirSite) {
  v1::Port port;
  port.set_name("ports/JPYOK");
  port.set_etag("e1");
  ASSERT_TRUE(outbox_->Keep(port).ok());
  const Change first = Update("JPYOK", "a");
  Update("JPYOK", "b");
  std::vector<std::string> presented;
  RunSync([&presented](const auto&, const auto&, auto* response, const CallOptions& call, auto*) {
    presented.push_back(call.site + ": " + call.basis);
    SetText(response, "name", "ports/JPYOK");
    return absl::OkStatus();
  });
  EXPECT_THAT(presented, ElementsAre("apac: kept", "apac: kept " + first.request_id));
}

}  // namespace
}  // namespace fairlead::client
