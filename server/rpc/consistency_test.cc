#include "server/rpc/consistency.h"

#include <absl/synchronization/notification.h>
#include <google/protobuf/empty.pb.h>

#include <optional>
#include <set>
#include <string>

#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

// An Await whose end the test can see.
class Wait {
 public:
  Wait(Consistency* consistency, const std::string& token, absl::Time deadline) : done_(std::make_shared<Done>()) {
    consistency->Await(token, deadline, [done = done_](absl::Status status) {
      done->status = std::move(status);
      done->notification.Notify();
    });
  }
  bool ended() const { return done_->notification.HasBeenNotified(); }
  absl::StatusOr<bool> End() const {
    if (!done_->notification.WaitForNotificationWithTimeout(kPatience)) return absl::UnknownError("still waiting");
    if (!done_->status.ok()) return done_->status;
    return true;
  }

 private:
  struct Done {
    absl::Status status;
    absl::Notification notification;
  };
  const std::shared_ptr<Done> done_;
};

class ConsistencyTest : public SiteTest {
 protected:
  ConsistencyTest() : eame_("eame", &clock_) {}

  static absl::Time Soon() { return absl::Now() + kPatience; }

  TestSite eame_;
};

TEST_F(ConsistencyTest, WhatIsAppliedIsNotWaitedFor) {
  const std::string empty = apac_.consistency().Token();
  MakeCountry("JP", "Japan");
  EXPECT_TRUE(Wait(&apac_.consistency(), empty, Soon()).ended());
  EXPECT_TRUE(Wait(&apac_.consistency(), apac_.consistency().Token(), Soon()).ended());
  EXPECT_TRUE(Wait(&eame_.consistency(), empty, Soon()).ended());
}

TEST_F(ConsistencyTest, ATokenWaitsForAllThatItNames) {
  MakeCountry("JP", "Japan");
  eame_.Receive(apac_);
  MakeCountry("KR", "Korea");
  const Wait wait(&eame_.consistency(), apac_.consistency().Token(), Soon());
  // Something else is applied: not enough.
  MakeCountry(eame_.As("officer/eame/watch"), "FR", "France", v1::REGION_EAME);
  EXPECT_FALSE(wait.ended());
  eame_.Receive(apac_);
  EXPECT_TRUE(wait.End().ok()) << wait.End().status();
}

// Nobody waits for what another site has noted of reads, or sent to partners.
TEST_F(ConsistencyTest, ATokenNamesMainLogsAlone) {
  MakeCountry("JP", "Japan");
  v1::Country korea;
  korea.set_display_name("Korea");
  korea.set_region(v1::REGION_APAC);
  const std::string before = apac_.consistency().Token();
  node::WriteRequest request = node::RequestFor(apac_.node(), "countries/KR", korea, {"display_name", "region"}, clock_.RequestId());
  request.stream = std::string(kAuditStream);
  absl::Notification written;
  apac_.node().Write(request, [&written](const absl::StatusOr<node::WriteResult>& result) {
    EXPECT_TRUE(result.ok()) << result.status();
    written.Notify();
  });
  ASSERT_TRUE(written.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(apac_.consistency().Token(), before);
}

TEST_F(ConsistencyTest, AWaitEndsBeforeItsDeadline) {
  MakeCountry("JP", "Japan");
  const Wait wait(&eame_.consistency(), apac_.consistency().Token(), absl::Now() + absl::Milliseconds(100));
  EXPECT_EQ(wait.End().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(wait.End(), FailsWith("CONSISTENCY_TIMEOUT"));
  EXPECT_THAT(Wait(&eame_.consistency(), apac_.consistency().Token(), absl::Now() - absl::Seconds(1)).End(),
              FailsWith("CONSISTENCY_TIMEOUT"));
}

TEST_F(ConsistencyTest, OfAClosedLogATokenNamesWhatStands) {
  node::TestNetwork network({"apac", "eame"});
  node::TestNetwork::Site apac = network.Open("apac");
  v1::Country japan;
  for (const char* name : {"Japan", "Nippon", "Yapan"}) {
    japan.set_display_name(name);
    ASSERT_TRUE(
        node::Write(*apac.node, node::RequestFor(*apac.node, "countries/JP", japan, {"display_name"}, network.clock().RequestId())).ok());
  }
  const Sealer sealer("a key of the network");
  const std::string before = Consistency(apac.node.get(), &sealer).Token();
  const LogId log = network.log("apac");
  network.CloseLog("apac", Seq(2), *apac.node->RootAt(log, Seq(2)));
  const auto reopened = network.Open("apac", apac.store->Crash(0));
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  ASSERT_EQ(reopened->node->Applied().Get(log), Seq(2));
  Consistency here(reopened->node.get(), &sealer);
  const Wait reached(&here, before, Soon());
  EXPECT_TRUE(reached.ended());
  EXPECT_TRUE(reached.End().ok()) << reached.End().status();

  const node::TestNetwork::Site eame = network.Open("eame");
  Consistency there(eame.node.get(), &sealer);
  const Wait waits(&there, before, Soon());
  EXPECT_FALSE(waits.ended()) << "what stands has not come";
  node::Sync(*reopened->node, *eame.node);
  EXPECT_TRUE(waits.End().ok()) << waits.End().status();
}

TEST_F(ConsistencyTest, ATokenThatThisNetworkDidNotMakeIsRefused) {
  MakeCountry("JP", "Japan");
  const std::string good = apac_.consistency().Token();
  std::string changed = good;
  changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
  for (const std::string& token : {
           std::string(), std::string("not base 64"), changed, good.substr(0, 8), Sealer("another key").Seal("consistency", ""),
           apac_.sealer().Seal("page", std::string("\1\1\1", 3)),
           apac_.sealer().Seal("consistency", std::string("\2\1\1", 3)),    // two logs, of which one is missing
           apac_.sealer().Seal("consistency", std::string("\1\1\1\1", 4)),  // trailing bytes
       }) {
    const Wait wait(&apac_.consistency(), token, Soon());
    EXPECT_TRUE(wait.ended());
    EXPECT_THAT(wait.End(), FailsWith("FIELD_INVALID", "fairlead-token"));
  }
}

TEST_F(ConsistencyTest, ACallerReadsItsOwnWriteAtAnotherSite) {
  grpc::ClientContext writing;
  v1::CreateCountryRequest create;
  create.set_country_id("JP");
  create.mutable_country()->set_display_name("Japan");
  create.mutable_country()->set_region(v1::REGION_APAC);
  ASSERT_TRUE(officer_.Call<v1::Country>("ReferenceService/CreateCountry", create, &writing).ok());
  const auto& trailers = writing.GetServerTrailingMetadata();
  const auto token = trailers.find(kConsistencyMetadata);
  ASSERT_NE(token, trailers.end());

  const Client abroad = eame_.As("officer/eame/watch");
  v1::GetCountryRequest get;
  get.set_name("countries/JP");
  EXPECT_THAT(abroad.Call<v1::Country>("ReferenceService/GetCountry", get), FailsWith("RECORD_NOT_FOUND"));
  grpc::ClientContext reading;
  reading.set_deadline(absl::ToChronoTime(Soon()));
  reading.AddMetadata(kConsistencyMetadata, std::string(token->second.data(), token->second.size()));
  v1::Country country;
  grpc::Status status;
  absl::Notification done;
  grpc::TemplatedGenericStub<v1::GetCountryRequest, v1::Country> stub(abroad.channel());
  stub.UnaryCall(&reading, "/fairlead.v1.ReferenceService/GetCountry", {}, &get, &country, [&](grpc::Status end) {
    status = std::move(end);
    done.Notify();
  });
  eame_.Receive(apac_);
  done.WaitForNotification();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(country.display_name(), "Japan");

  grpc::ClientContext forging;
  forging.AddMetadata(kConsistencyMetadata, "forged");
  EXPECT_THAT(abroad.Call<v1::Country>("ReferenceService/GetCountry", get, &forging), FailsWith("FIELD_INVALID", "fairlead-token"));
}

TEST_F(ConsistencyTest, EveryMethodWaitsForTheTokenItIsGiven) {
  MakeCountry("JP", "Japan");
  const std::string ahead = apac_.consistency().Token();
  const Client abroad = eame_.As("officer/eame/watch");
  const Client headquarters = eame_.As("hq/analyst/desk");
  int reads = 0;
  for (const std::string& method : eame_.dispatcher().Methods()) {
    SCOPED_TRACE(method);
    // Partners are given no token, and nodes present none.
    if (method.starts_with("fairlead.v1.ExchangeService/") || method.starts_with("fairlead.v1.ContentService/")) continue;
    if (method == "fairlead.v1.NodeService/KeepAuditEvents") continue;
    grpc::ClientContext context;
    const bool watches = method == "fairlead.v1.RecordService/WatchRecords";
    context.set_deadline(absl::ToChronoTime(absl::Now() + (watches ? absl::Seconds(2) : absl::Milliseconds(100))));
    context.AddMetadata(kConsistencyMetadata, ahead);
    if (watches) {
      const auto stub = v1::RecordService::NewStub(abroad.channel());
      const auto reader = stub->WatchRecords(&context, {});
      v1::WatchRecordsResponse event;
      EXPECT_FALSE(reader->Read(&event));
      EXPECT_THAT(FromGrpc(reader->Finish()), FailsWith("CONSISTENCY_TIMEOUT"));
      ++reads;
      continue;
    }
    const std::string name = method.substr(method.find('/') + 1);
    if (name.starts_with("Get") || name.starts_with("List")) ++reads;
    const std::set<std::string> kept = {"DeleteBackup",   "ReissueEntries",      "VoidEntry",     "ApproveRelease",
                                        "DeclineRelease", "PublishBestPractice", "GetAuditEvent", "QueryAuditEvents"};
    const Client& caller = kept.contains(name) ? headquarters : abroad;
    const absl::Status status =
        caller.Call<google::protobuf::Empty>(method.substr(std::string("fairlead.v1.").size()), google::protobuf::Empty(), &context)
            .status();
    // On a busy machine the caller's own clock may be the first to tell. One that did not wait would refuse the empty request, or answer
    // it.
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  }
  EXPECT_GE(reads, 22);
}

TEST_F(ConsistencyTest, AWatchBeginsOnceTheNodeHasWhatItsTokenNames) {
  const Client abroad = eame_.As("officer/eame/watch");
  MakeCountry("JP", "Japan");
  grpc::ClientContext context;
  context.AddMetadata(kConsistencyMetadata, apac_.consistency().Token());
  v1::WatchRecordsRequest request;
  request.set_snapshot(true);
  const auto stub = v1::RecordService::NewStub(abroad.channel());
  const auto reader = stub->WatchRecords(&context, request);
  const absl::Time deadline = absl::Now() + kPatience;
  while (eame_.consistency().waiting() == 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  eame_.Receive(apac_);
  // Without the wait a heartbeat would come first: there was nothing.
  v1::WatchRecordsResponse event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.collection(), "countries");
  EXPECT_TRUE(event.snapshot());
  context.TryCancel();
  reader->Finish();
}

// A watch has no deadline: the wait of one that was cancelled used to stay for as long as the node ran.
TEST_F(ConsistencyTest, AWatchThatIsGivenUpWhileItWaitsLeavesNothingBehind) {
  const Client abroad = eame_.As("officer/eame/watch");
  MakeCountry("JP", "Japan");
  const auto stub = v1::RecordService::NewStub(abroad.channel());
  const absl::Time deadline = absl::Now() + kPatience;
  {
    grpc::ClientContext context;
    context.AddMetadata(kConsistencyMetadata, apac_.consistency().Token());
    const auto reader = stub->WatchRecords(&context, {});
    while (eame_.consistency().waiting() == 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
    ASSERT_EQ(eame_.consistency().waiting(), 1u);
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  while (eame_.consistency().waiting() > 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(eame_.consistency().waiting(), 0u);
}

TEST_F(ConsistencyTest, WaitsAreAnsweredWhenTheNodeGoes) {
  MakeCountry("JP", "Japan");
  auto consistency = std::make_unique<Consistency>(&eame_.node(), &eame_.sealer());
  const Wait wait(consistency.get(), apac_.consistency().Token(), Soon());
  EXPECT_FALSE(wait.ended());
  consistency.reset();
  EXPECT_TRUE(wait.ended());
  EXPECT_THAT(wait.End(), FailsWith("CONSISTENCY_TIMEOUT"));
}

TEST_F(ConsistencyTest, WhatIsAnsweredWhenTheNodeGoesMayStillAskForAToken) {
  MakeCountry("JP", "Japan");
  auto consistency = std::make_unique<Consistency>(&eame_.node(), &eame_.sealer());
  Consistency* const going = consistency.get();
  const std::string before = going->Token();
  std::string told;
  going->Await(apac_.consistency().Token(), Soon(), [&](const absl::Status&) { told = going->Token(); });
  consistency.reset();
  EXPECT_EQ(told, before);
}

}  // namespace
}  // namespace fairlead::rpc
