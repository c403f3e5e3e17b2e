// What a node lets out to another site: every message of the stream and every answer, as bytes. A payload that is not for that site is in
// none of them, whichever node is asked and however.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "fairlead/v1/replication_service.grpc.pb.h"
#include "server/replication/sender.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPublic[] = "for-every-site";
constexpr char kSecret[] = "for-apac-and-hq-alone";

// A node of another site that keeps the bytes of all it is sent.
class Listener {
 public:
  Listener(const TestSite& asked, const std::string& identity)
      : caller_(asked.As(identity)), stub_(v1::ReplicationService::NewStub(caller_.channel())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    stream_ = stub_->Replicate(&context_);
  }
  ~Listener() {
    context_.TryCancel();
    v1::ReplicateResponse rest;
    while (stream_->Read(&rest)) {
    }
    static_cast<void>(stream_->Finish());
  }

  void Send(const v1::ReplicateRequest& request) { ASSERT_TRUE(stream_->Write(request)); }
  // Reads until a message satisfies `enough`.
  void ReadUntil(const std::function<bool(const v1::ReplicateResponse&)>& enough) {
    v1::ReplicateResponse message;
    do {
      ASSERT_TRUE(stream_->Read(&message)) << "the stream ended";
      bytes_ += message.SerializeAsString();
    } while (!enough(message));
  }
  const std::string& bytes() const { return bytes_; }
  const Client& caller() const { return caller_; }

 private:
  const Client caller_;
  const std::unique_ptr<v1::ReplicationService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ReplicateRequest, v1::ReplicateResponse>> stream_;
  std::string bytes_;
};

class WireTest : public SiteTest {
 protected:
  WireTest() : hq_("hq", &clock_) {
    MakeCountry("JP", kPublic);
    v1::CreateEngagementRequest request;
    v1::Engagement& engagement = *request.mutable_engagement();
    engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
    engagement.set_title(kSecret);
    engagement.add_countries("countries/JP");
    engagement.set_region(v1::REGION_APAC);
    engagement.add_audience("apac");
    engagement.add_audience("hq");
    const auto created = officer_.Call<v1::Engagement>("EngagementService/CreateEngagement", request);
    EXPECT_TRUE(created.ok()) << created.status();
    name_ = created.ok() ? created->name() : "";
    hq_.Receive(apac_);
    eame_id_ = apac_.node().roster().FindSite("eame")->id;
  }

  v1::ReplicateRequest Hello() const {
    v1::ReplicateRequest request;
    v1::Hello& hello = *request.mutable_hello();
    hello.set_network(kTestNetwork);
    hello.set_protocol_version(replication::kProtocolVersion);
    for (const RosterLog& log : apac_.node().roster().logs()) hello.add_logs()->set_log(log.id.value());
    return request;
  }
  static v1::ReplicateRequest Credit() {
    v1::ReplicateRequest request;
    request.mutable_credit()->set_bytes(1 << 20);
    return request;
  }
  v1::ReplicateRequest Want() const {
    v1::ReplicateRequest request;
    for (uint64_t seq = 0; seq < 2; ++seq) {
      v1::EntryPosition* entry = request.mutable_want()->add_entries();
      entry->set_log(apac_.node().own_log().value());
      entry->set_seq(seq);
    }
    return request;
  }
  static v1::ReplicateRequest Ping(uint64_t number) {
    v1::ReplicateRequest request;
    request.mutable_ping()->set_number(number);
    return request;
  }

  TestSite hq_;
  std::string name_;  // of the engagement
  SiteId eame_id_;
};

TEST_F(WireTest, NoStreamCarriesAPayloadToASiteItIsNotFor) {
  for (const TestSite* asked : {&apac_, &hq_}) {  // the origin, and a relay
    Listener eame(*asked, "node/eame");
    eame.Send(Hello());
    eame.Send(Credit());
    // Its header comes, and no payload.
    eame.ReadUntil([](const v1::ReplicateResponse& message) {
      return message.entries().payloads_size() > 0 && message.entries().payloads().rbegin()->seq() == 1;
    });
    EXPECT_THAT(eame.bytes(), HasSubstr(kPublic)) << "the wire is read";
    // Asked for by name: what is for eame is answered, so that the end of the answers is seen.
    eame.Send(Want());
    eame.ReadUntil([](const v1::ReplicateResponse& message) { return message.has_wanted(); });
    eame.Send(Ping(1));
    eame.ReadUntil([](const v1::ReplicateResponse& message) { return message.has_pong(); });
    eame.Send(Want());
    eame.ReadUntil([](const v1::ReplicateResponse& message) { return message.has_wanted(); });
    EXPECT_THAT(eame.bytes(), Not(HasSubstr(kSecret)));
    EXPECT_THAT(eame.bytes(), Not(HasSubstr(name_)));

    Listener site_of_the_audience(*asked, "node/hq");
    site_of_the_audience.Send(Hello());
    site_of_the_audience.Send(Credit());
    site_of_the_audience.ReadUntil([](const v1::ReplicateResponse& message) {
      return message.entries().payloads_size() > 0 && message.entries().payloads().rbegin()->seq() == 1;
    });
    EXPECT_THAT(site_of_the_audience.bytes(), HasSubstr(kSecret)) << "it would be seen";
  }
}

TEST_F(WireTest, NoAnswerToANodeTellsOfIt) {
  for (const TestSite* asked : {&apac_, &hq_}) {
    const Client eame = asked->As("node/eame");
    std::string seen;
    const auto note = [&seen](const auto& answer) {
      seen += answer.ok() ? answer->SerializeAsString() : std::string(answer.status().message()) + ReasonOf(answer.status());
    };
    note(eame.Call<v1::NodeStatus>("NodeService/GetNodeStatus", v1::GetNodeStatusRequest()));
    note(eame.Call<v1::StateDigest>("NodeService/GetStateDigest", v1::GetStateDigestRequest()));
    v1::GetCheckpointRequest checkpoint;
    checkpoint.set_log("apac");
    note(eame.Call<v1::Checkpoint>("LogService/GetCheckpoint", checkpoint));
    EXPECT_THAT(seen, HasSubstr("apac"));

    // What is denied is denied alike, whether or not it exists.
    std::vector<std::string> denials;
    for (const std::string& name : {name_, std::string("engagements/nothing")}) {
      v1::GetEngagementRequest get;
      get.set_name(name);
      v1::ListRevisionsRequest history;
      history.set_name(name);
      v1::GetReceiptRequest receipt;
      receipt.set_record(name);
      v1::GetErasureRequest erasure;
      erasure.set_entry("apac/1/1");
      std::string denied;
      for (const absl::Status& status :
           {eame.Call<v1::Engagement>("EngagementService/GetEngagement", get).status(),
            eame.Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", history).status(),
            eame.Call<v1::Receipt>("LogService/GetReceipt", receipt).status(),
            eame.Call<v1::Erasure>("RecordService/GetErasure", erasure).status(),
            eame.Call<v1::ListOpaqueEntriesResponse>("NodeService/ListOpaqueEntries", v1::ListOpaqueEntriesRequest()).status()}) {
        EXPECT_THAT(status, FailsWith("PERMISSION_DENIED"));
        denied += std::string(status.message()) + "\n";
      }
      denials.push_back(denied);
      seen += denied;
    }
    EXPECT_EQ(denials[0], denials[1]);

    const auto stub = v1::RecordService::NewStub(eame.channel());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    v1::WatchRecordsRequest watch;
    watch.set_snapshot(true);
    const auto feed = stub->WatchRecords(&context, watch);
    v1::WatchRecordsResponse event;
    while (feed->Read(&event)) seen += event.SerializeAsString();
    seen += feed->Finish().error_message();
    EXPECT_THAT(seen, Not(HasSubstr(kSecret)));
    EXPECT_THAT(seen, Not(HasSubstr(name_)));
  }
}

// The machine alone, whatever it is asked and in whatever order: all that it gives, for every site.
TEST_F(WireTest, TheSenderGivesItToItsAudienceAlone) {
  for (TestSite* asked : {&apac_, &hq_}) {
    for (const char* to : {"apac", "eame", "hq"}) {
      const SiteId site = asked->node().roster().FindSite(to)->id;
      const absl::Time now = absl::Now();
      replication::Sender sender({}, &asked->node(), &asked->node(), site, now);
      std::string bytes;
      const auto pump = [&](absl::Time at) {
        v1::ReplicateResponse message;
        for (absl::StatusOr<bool> more = true; more.ok() && *more;) {
          more = sender.Pump(at, &message);
          ASSERT_TRUE(more.ok()) << more.status();
          if (*more) bytes += message.SerializeAsString();
        }
      };
      ASSERT_TRUE(sender.OnMessage(Hello(), now).ok());
      ASSERT_TRUE(sender.OnMessage(Credit(), now).ok());
      pump(now);
      for (int second = 1; second <= 3; ++second) {
        ASSERT_TRUE(sender.OnMessage(Want(), now + absl::Seconds(second)).ok());
        ASSERT_TRUE(sender.OnTick(now + absl::Seconds(second)).ok());
        pump(now + absl::Seconds(second));
      }
      EXPECT_THAT(bytes, HasSubstr(kPublic)) << to;
      if (site == eame_id_) {
        EXPECT_THAT(bytes, Not(HasSubstr(kSecret)));
      } else {
        EXPECT_THAT(bytes, HasSubstr(kSecret)) << to;
      }
    }
  }
}

}  // namespace
}  // namespace fairlead::rpc
