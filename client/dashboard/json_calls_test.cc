#include "client/dashboard/json_calls.h"

#include <gtest/gtest.h>

#include "api/errors.h"
#include "client/test_node.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/record_service.pb.h"

namespace fairlead::dashboard {
namespace {

using nlohmann::json;

TEST(PageMethodsTest, EachIsAUnaryMethodOfTheApi) {
  for (const std::string_view name : PageMethods()) {
    const auto* method = FindPageMethod(name);
    ASSERT_NE(method, nullptr) << name;
    EXPECT_FALSE(method->client_streaming() || method->server_streaming()) << name;
    EXPECT_EQ(method->service()->name() + "/" + method->name(), name);
  }
  for (const char* name : {"RecordService/WatchRecords", "NodeService/DeleteBackup", "EngagementService/CreateEngagement", "", "/",
                           "ReleaseService/CreateRelease", "ReleaseService/RecallRelease", "ReplicationService/Replicate",
                           "OverviewService", "OverviewService/GetOverview/"}) {
    EXPECT_EQ(FindPageMethod(name), nullptr) << name;
  }
}

TEST(ErrorJsonTest, CarriesWhatTheNodeSaid) {
  const absl::Status status = FieldError(Reason::kFieldInvalid, "page_size", "must not be negative");
  EXPECT_EQ(ErrorJson(status).dump(),
            R"({"code":"INVALID_ARGUMENT","reason":"FIELD_INVALID","message":"must not be negative","field":"page_size"})");
}

TEST(ErrorJsonTest, EveryReasonHasAnHttpStatus) {
  for (const Reason reason : AllReasons()) {
    const int status = HttpStatusOf(Error(reason, "x"));
    EXPECT_GE(status, 400) << ReasonName(reason);
    EXPECT_LT(status, 600) << ReasonName(reason);
  }
  EXPECT_EQ(HttpStatusOf(absl::OkStatus()), 200);
  EXPECT_EQ(HttpStatusOf(Error(Reason::kPermissionDenied, "x")), 403);
  EXPECT_EQ(HttpStatusOf(Error(Reason::kEtagMismatch, "x")), 409);
  EXPECT_EQ(HttpStatusOf(Error(Reason::kRecordNotFound, "x")), 404);
}

TEST(ToJsonTest, ShowsZeroesAndTheRecordInAnEvent) {
  v1::WatchRecordsResponse event;
  v1::Engagement engagement;
  engagement.set_title("A visit");
  event.mutable_record()->PackFrom(engagement);
  const auto text = ToJson(event);
  ASSERT_TRUE(text.ok()) << text.status();
  const json parsed = json::parse(*text);
  EXPECT_EQ(parsed["record"]["title"], "A visit");
  EXPECT_EQ(parsed["record"]["withdrawn"], false);
  EXPECT_EQ(parsed["snapshot"], false);
}

// What the page may get may come in an event, too.
TEST(ToJsonTest, TellsOfEveryRecordThatThePageGets) {
  int told = 0;
  for (const std::string_view name : PageMethods()) {
    if (name.find("/Get") == std::string_view::npos) continue;
    const auto* type = FindPageMethod(name)->output_type();
    v1::WatchRecordsResponse event;
    event.mutable_record()->PackFrom(*google::protobuf::MessageFactory::generated_factory()->GetPrototype(type));
    const auto text = ToJson(event);
    ASSERT_TRUE(text.ok()) << name << ": " << text.status();
    EXPECT_EQ(json::parse(*text)["record"]["@type"], "type.googleapis.com/" + type->full_name());
    ++told;
  }
  EXPECT_GT(told, 25);
}

class CallJsonTest : public testing::Test {
 protected:
  CallJsonTest() {
    client::ClientOptions options;
    options.nodes = {{"hq", node_.address()}};
    options.timeout = absl::Seconds(30);
    client_ = std::make_unique<client::Client>(options, std::vector{node_.Channel()});
    v1::Country japan;
    japan.set_name("countries/JP");
    japan.set_display_name("Japan");
    node_.Put(japan);
  }

  client::TestNode node_{"hq"};
  std::unique_ptr<client::Client> client_;
};

TEST_F(CallJsonTest, MapsRequestAndResponse) {
  client::CallOptions call;
  call.viewer = "officer/apac/watch";
  client::Answer answer;
  const auto text = CallJson(client_.get(), *FindPageMethod("ReferenceService/ListCountries"), R"({"pageSize": 10})", call, &answer);
  ASSERT_TRUE(text.ok()) << text.status();
  const json parsed = json::parse(*text);
  ASSERT_EQ(parsed["countries"].size(), 1u);
  EXPECT_EQ(parsed["countries"][0]["displayName"], "Japan");
  EXPECT_EQ(parsed["nextPageToken"], "");
  EXPECT_EQ(answer.site, "hq");
  EXPECT_EQ(node_.viewers().back(), "officer/apac/watch");
}

TEST_F(CallJsonTest, SaysWhatIsWrongWithARequest) {
  const auto* method = FindPageMethod("ReferenceService/ListCountries");
  for (const char* request : {"", "[]", "{", R"({"pageSize": "many"})", R"({"pagesize": 1})", R"({"pageSize": 1} x)", "null null"}) {
    const absl::Status status = CallJson(client_.get(), *method, request, {}, nullptr).status();
    EXPECT_EQ(ReasonOf(status), "MESSAGE_MALFORMED") << request;
    EXPECT_NE(status.message().find("ListCountriesRequest"), absl::string_view::npos) << request;
  }
  EXPECT_EQ(node_.calls(), 0);
  const auto unknown = CallJson(client_.get(), *method, R"({"colour": 1})", {}, nullptr);
  EXPECT_NE(unknown.status().message().find("colour"), absl::string_view::npos) << unknown.status();
}

}  // namespace
}  // namespace fairlead::dashboard
