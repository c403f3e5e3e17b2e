// What calls promise: one effect a request, one's own writes everywhere, the lifecycle, errors that say what is wrong, the feed of changes.

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <map>
#include <stop_token>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/record_service.grpc.pb.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using absl::StatusCode;
using google::protobuf::Message;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::string RequestIdOf(absl::Time time) { return NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(time))); }

// Answers of the service's methods by name, with requests in the form of JSON.
struct Answered {
  absl::Status status;
  std::string json;
};
Answered CallJson(client::Client& client, const std::string& method, const std::string& json, const client::CallOptions& call = {}) {
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName("fairlead.v1." + method);
  if (descriptor == nullptr) return {absl::UnimplementedError("the test names no method: " + method), ""};
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  const std::unique_ptr<Message> request(factory->GetPrototype(descriptor->input_type())->New());
  const std::unique_ptr<Message> response(factory->GetPrototype(descriptor->output_type())->New());
  if (const auto parsed = google::protobuf::util::JsonStringToMessage(json, request.get()); !parsed.ok()) {
    return {absl::UnimplementedError("the test's JSON: " + parsed.ToString()), ""};
  }
  Answered answered;
  answered.status = client.Call(*descriptor, *request, response.get(), call);
  if (!google::protobuf::util::MessageToJsonString(*response, &answered.json).ok()) answered.json.clear();
  return answered;
}

class Calls : public Scenario {};

TEST_F(Calls, OneRequestIdAtTwoSitesIsOneRecord) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  client::Client& officer = cluster().Officer("apac");

  // At two sites that cannot hear each other, as when an officer whose call got no answer tries elsewhere.
  cluster().SetLinks("apac", LinkState::kCut);
  v1::CreateEngagementRequest request = EngagementAt("apac", "Asked for twice");
  request.set_request_id(RequestIdOf(absl::Now()));
  const auto here = Create(officer, request, AtSite("apac"));
  const auto there = Create(officer, request, AtSite("hq"));
  ASSERT_TRUE(Ok(here));
  ASSERT_TRUE(Ok(there));
  EXPECT_EQ(here->name(), there->name());
  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  v1::Engagement one;
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    const auto listed = ListEngagements(cluster().Officer(site));
    ASSERT_TRUE(Ok(listed));
    ASSERT_THAT(*listed, SizeIs(1));
    one = listed->front();
    EXPECT_EQ(one.name(), here->name());
    EXPECT_EQ(one.title(), "Asked for twice");
    EXPECT_THAT(one.conflicts(), IsEmpty());
  }

  // Once more, at a third site and at the first: the record as it is now, and no write.
  const auto before = cluster().Digest("csa");
  for (const char* site : {"csa", "apac"}) {
    const auto again = Create(officer, request, AtSite(site));
    ASSERT_TRUE(Ok(again));
    EXPECT_EQ(again->SerializeAsString(), one.SerializeAsString());
  }
  const auto after = cluster().Digest("csa");
  ASSERT_TRUE(Ok(before));
  ASSERT_TRUE(Ok(after));
  EXPECT_EQ(after->SerializeAsString(), before->SerializeAsString());

  // The id is of that request: not of another one, and not of another caller.
  request.mutable_engagement()->set_title("Asked for otherwise");
  EXPECT_THAT(Create(officer, request, AtSite("eame")).status(), FailsWith(StatusCode::kInvalidArgument, "REQUEST_ID_REUSED"));
  const auto other = Create(cluster().Officer("eame"), request);
  ASSERT_TRUE(Ok(other));
  EXPECT_NE(other->name(), here->name());
}

TEST_F(Calls, AnUpdateIsIdempotentAcrossARestart) {
  ClusterOptions options;
  options.sites = {"apac"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const auto read = GetCountry(cluster().Officer("apac"), "countries/JP");
  ASSERT_TRUE(Ok(read));
  v1::UpdateCountryRequest request;
  request.mutable_country()->set_name(read->name());
  request.mutable_country()->set_etag(read->etag());
  request.mutable_country()->set_alpha3("JPN");
  request.set_request_id(RequestIdOf(absl::Now()));
  const auto first = cluster().Officer("apac").Call<v1::Country>("fairlead.v1.ReferenceService.UpdateCountry", request);
  ASSERT_TRUE(Ok(first));
  cluster().Kill("apac");
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  // The etag is not the current one any more, and yet: this is the call that changed it.
  const auto again = cluster().Officer("apac").Call<v1::Country>("fairlead.v1.ReferenceService.UpdateCountry", request);
  ASSERT_TRUE(Ok(again));
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  const auto revisions = Revisions(cluster().Officer("apac"), "countries/JP");
  ASSERT_TRUE(Ok(revisions));
  EXPECT_THAT(*revisions, SizeIs(2));
}

TEST_F(Calls, OneReadsOnesOwnWritesAtAnotherNode) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  client::Client& officer = cluster().Officer("apac");
  // Links slow enough that the other node cannot have it yet.
  for (const char* peer : {"eame", "csa", "hq"}) cluster().SetDelay(peer, "apac", absl::Milliseconds(100));
  for (int i = 0; i < 5; ++i) {
    const auto created = Create(officer, EngagementAt("apac", fmt::format("Written {}", i)));
    ASSERT_TRUE(Ok(created));
    EXPECT_THAT(GetEngagement(officer, created->name(), AtSite("csa")).status(), FailsWith(StatusCode::kNotFound, "RECORD_NOT_FOUND"));
    client::CallOptions elsewhere;
    elsewhere.site = "csa";
    const auto read = GetEngagement(officer, created->name(), elsewhere);
    ASSERT_TRUE(Ok(read));
    EXPECT_EQ(read->SerializeAsString(), created->SerializeAsString());
  }

  // A node that cannot have it says so, before the caller gives up.
  cluster().SetLinks("apac", LinkState::kCut);
  const auto created = Create(officer, EngagementAt("apac", "Out of reach"));
  ASSERT_TRUE(Ok(created));
  client::CallOptions elsewhere;
  elsewhere.site = "csa";
  elsewhere.timeout = absl::Seconds(1);
  absl::Status late;  // its answer is sent a tenth of a second before the deadline: a busy machine may miss it
  EXPECT_TRUE(Eventually([&] {
    late = GetEngagement(officer, created->name(), elsewhere).status();
    return late.code() != StatusCode::kDeadlineExceeded || ReasonOf(late) == "CONSISTENCY_TIMEOUT";
  }));
  EXPECT_THAT(late, FailsWith(StatusCode::kDeadlineExceeded, "CONSISTENCY_TIMEOUT"));
  elsewhere.token = "not a token";
  const absl::Status forged = GetEngagement(officer, created->name(), elsewhere).status();
  EXPECT_THAT(forged, FailsWith(StatusCode::kInvalidArgument, "FIELD_INVALID"));
  EXPECT_EQ(FieldOf(forged), "fairlead-token");
}

TEST_F(Calls, AnEngagementGoesThroughItsLifecycle) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  client::Client& officer = cluster().Officer("csa");
  v1::Engagement now;
  // Each move is made at the next site, by the officer who has just read it there.
  const std::vector<std::string>& sites = cluster().sites();
  size_t turn = 0;
  const auto move = [&](const std::string& method, const std::string& more) {
    client::CallOptions call;
    call.site = sites[turn++ % sites.size()];
    const auto read = GetEngagement(officer, now.name(), call);
    if (!read.ok()) return read.status();
    const Answered answered = CallJson(officer, fmt::format("EngagementService.{}Engagement", method),
                                       fmt::format(R"({{"name": "{}", "etag": "{}"{}}})", now.name(), read->etag(), more), call);
    if (answered.status.ok() && !google::protobuf::util::JsonStringToMessage(answered.json, &now).ok())
      return absl::UnknownError(answered.json);
    return answered.status;
  };
  const auto created = Create(officer, EngagementAt("csa", "A port visit"));
  ASSERT_TRUE(Ok(created));
  now = *created;
  const std::string created_etag = now.etag();
  EXPECT_THAT(move("Start", ""), FailsWith(StatusCode::kFailedPrecondition, "STATE_FORBIDS"));
  ASSERT_TRUE(Ok(move("Propose", "")));
  EXPECT_EQ(now.state(), v1::ENGAGEMENT_STATE_PROPOSED);
  const absl::Status undated = move("Schedule", "");
  EXPECT_EQ(undated.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(undated), "start_date") << undated;
  ASSERT_TRUE(Ok(move("Schedule", R"(, "start_date": {"year": 2026, "month": 3, "day": 9})")));
  EXPECT_EQ(now.state(), v1::ENGAGEMENT_STATE_SCHEDULED);
  EXPECT_EQ(now.start_date().day(), 9);
  ASSERT_TRUE(Ok(move("Start", "")));
  ASSERT_TRUE(Ok(move("Complete", "")));
  EXPECT_EQ(now.state(), v1::ENGAGEMENT_STATE_COMPLETED);
  EXPECT_THAT(move("Cancel", R"(, "reason": "too late")"), FailsWith(StatusCode::kFailedPrecondition, "STATE_FORBIDS"));
  ASSERT_TRUE(Ok(move("Report", R"(, "outcome": "Plans were reviewed.")")));
  ASSERT_TRUE(Ok(move("Close", "")));
  EXPECT_EQ(now.state(), v1::ENGAGEMENT_STATE_CLOSED);
  EXPECT_EQ(now.outcome(), "Plans were reviewed.");
  EXPECT_THAT(move("Close", ""), FailsWith(StatusCode::kFailedPrecondition, "STATE_FORBIDS"));

  // What was read before counts for nothing now.
  const Answered stale = CallJson(officer, "EngagementService.WithdrawEngagement",
                                  fmt::format(R"({{"name": "{}", "etag": "{}"}})", created->name(), created_etag));
  EXPECT_THAT(stale.status, FailsWith(StatusCode::kAborted, "ETAG_MISMATCH"));
  const Answered unread = CallJson(officer, "EngagementService.WithdrawEngagement", fmt::format(R"({{"name": "{}"}})", created->name()));
  EXPECT_THAT(unread.status, FailsWith(StatusCode::kInvalidArgument, "FIELD_REQUIRED"));
  EXPECT_EQ(FieldOf(unread.status), "etag");

  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : sites) {
    const auto read = GetEngagement(cluster().Officer(site), created->name());
    ASSERT_TRUE(Ok(read));
    EXPECT_EQ(read->state(), v1::ENGAGEMENT_STATE_CLOSED);
    EXPECT_THAT(read->conflicts(), IsEmpty());
    const auto revisions = Revisions(cluster().Officer(site), created->name());
    ASSERT_TRUE(Ok(revisions));
    EXPECT_THAT(*revisions, SizeIs(7));
  }
}

TEST_F(Calls, ConcurrentMovesKeepTheHigherStateAndListTheOther) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const auto created = Create(cluster().Officer("hq"), EngagementAt("hq", "Moved at two sites"));
  ASSERT_TRUE(Ok(created));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  cluster().SetLinks("apac", LinkState::kCut);
  const std::string named = fmt::format(R"("name": "{}", "etag": "{}")", created->name(), created->etag());
  ASSERT_TRUE(Ok(CallJson(cluster().Officer("apac"), "EngagementService.CancelEngagement",
                          fmt::format(R"({{{}, "reason": "The port is closed."}})", named))
                     .status));
  ASSERT_TRUE(Ok(CallJson(cluster().Officer("hq"), "EngagementService.ScheduleEngagement",
                          fmt::format(R"({{{}, "start_date": {{"year": 2026}}}})", named))
                     .status));
  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    const auto read = GetEngagement(cluster().Officer(site), created->name());
    ASSERT_TRUE(Ok(read));
    EXPECT_EQ(read->state(), v1::ENGAGEMENT_STATE_CANCELLED);
    EXPECT_EQ(read->reason(), "The port is closed.");
    EXPECT_EQ(read->start_date().year(), 2026);
    ASSERT_THAT(read->conflicts(), SizeIs(1)) << read->DebugString();
    EXPECT_EQ(read->conflicts(0).field(), "state");
    EXPECT_THAT(read->conflicts(0).other_values(), ElementsAre("\"ENGAGEMENT_STATE_SCHEDULED\""));
  }
}

TEST_F(Calls, ObservationsAndFollowUpsReachHeadquarters) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  client::Client& officer = cluster().Officer("eame");
  const auto created = Create(officer, EngagementAt("eame", "A country visit"));
  ASSERT_TRUE(Ok(created));
  ASSERT_TRUE(Ok(CallJson(officer, "ReferenceService.CreateLiaisonOfficer",
                          R"({"liaison_officer_id": "watch", "liaison_officer": {"display_name": "IPSLO", "region": "REGION_EAME"}})")
                     .status));
  const Answered observed = CallJson(officer, "EngagementService.CreateObservation",
                                     fmt::format(R"({{"parent": "{}", "observation": {{"text": "The gate is not manned at night.",
                                         "isps_reference": "ISPS A/16.3", "element": "ASSESSMENT_ELEMENT_ACCESS", "evidence": "Seen at 02:00.",
                                         "severity": "SEVERITY_MAJOR", "country": "countries/DE"}}}})",
                                                 created->name()));
  ASSERT_TRUE(Ok(observed.status));
  v1::Observation observation;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(observed.json, &observation).ok());
  const Answered followed = CallJson(officer, "EngagementService.CreateFollowUp",
                                     fmt::format(R"({{"parent": "{}", "follow_up": {{"task": "Ask for the guard roster.",
                                         "owner": "liaisonOfficers/watch", "due_date": {{"year": 2020, "month": 1, "day": 31}},
                                         "observation": "{}"}}}})",
                                                 created->name(), observation.name()));
  ASSERT_TRUE(Ok(followed.status));
  v1::FollowUp follow_up;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(followed.json, &follow_up).ok());
  EXPECT_EQ(follow_up.state(), v1::FOLLOW_UP_STATE_OPEN);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const auto overview = cluster().Overview("hq");
  ASSERT_TRUE(Ok(overview));
  EXPECT_EQ(overview->observations(), 1);
  EXPECT_EQ(overview->follow_ups_open(), 1);
  EXPECT_EQ(overview->follow_ups_overdue(), 1);

  // Headquarters verifies what the region has done.
  const std::string name = follow_up.name();
  ASSERT_TRUE(
      Ok(CallJson(officer, "EngagementService.CompleteFollowUp", fmt::format(R"({{"name": "{}", "etag": "{}"}})", name, follow_up.etag()))
             .status));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  v1::GetFollowUpRequest get;
  get.set_name(name);
  const auto done = cluster().Officer("hq").Call<v1::FollowUp>("fairlead.v1.EngagementService.GetFollowUp", get);
  ASSERT_TRUE(Ok(done));
  EXPECT_EQ(done->state(), v1::FOLLOW_UP_STATE_DONE);
  ASSERT_TRUE(Ok(CallJson(cluster().Officer("hq"), "EngagementService.VerifyFollowUp",
                          fmt::format(R"({{"name": "{}", "etag": "{}", "verification": "Seen."}})", name, done->etag()))
                     .status));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const auto later = cluster().Overview("eame");
  ASSERT_TRUE(Ok(later));
  EXPECT_EQ(later->follow_ups_open(), 0);
}

TEST_F(Calls, BadInputIsNamedAndChangesNothing) {
  ClusterOptions options;
  options.sites = {"apac", "hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  client::Client& officer = cluster().Officer("hq");
  const auto japan = GetCountry(officer, "countries/JP");
  ASSERT_TRUE(Ok(japan));
  const auto before = cluster().Digest("hq");
  ASSERT_TRUE(Ok(before));

  const std::string create = "EngagementService.CreateEngagement";
  const std::string update = "ReferenceService.UpdateCountry";
  // An engagement that is well but for what `more` says.
  const auto engagement = [](const std::string& more) {
    return R"({"engagement": {"kind": "ENGAGEMENT_KIND_BILATERAL", "title": "t", "region": "REGION_APAC", "countries": ["countries/JP"])" +
           (more.empty() ? "" : ", " + more) + "}}";
  };
  const auto bare = [](const std::string& fields) { return R"({"engagement": {)" + fields + "}}"; };
  const auto country = [&](const std::string& more) {
    return fmt::format(R"({{"country": {{"name": "countries/JP", "etag": "{}"{}}}}})", japan->etag(), more);
  };
  struct Case {
    std::string method;
    std::string json;
    StatusCode code;
    std::string reason;
    std::string field;
  };
  const StatusCode bad = StatusCode::kInvalidArgument;
  const std::vector<Case> cases = {
      {create, "{}", bad, "FIELD_REQUIRED", "engagement"},
      {create, bare(R"("kind": "ENGAGEMENT_KIND_BILATERAL", "region": "REGION_APAC", "countries": ["countries/JP"])"), bad,
       "FIELD_REQUIRED", "engagement.title"},
      {create, bare(R"("kind": "ENGAGEMENT_KIND_BILATERAL", "title": "t", "region": "REGION_APAC")"), bad, "FIELD_REQUIRED",
       "engagement.countries"},
      {create, bare(R"("kind": 99, "title": "t", "region": "REGION_APAC", "countries": ["countries/JP"])"), bad, "FIELD_INVALID",
       "engagement.kind"},
      {create, bare(R"("kind": "ENGAGEMENT_KIND_MULTILATERAL", "title": "t", "region": "REGION_APAC", "countries": ["countries/JP"])"), bad,
       "FIELD_INVALID", "engagement.countries"},
      {create, bare(R"("kind": "ENGAGEMENT_KIND_BILATERAL", "title": "t", "region": "REGION_APAC", "countries": ["countries/QQ"])"), bad,
       "REFERENCE_NOT_FOUND", "engagement.countries[0]"},
      {create, bare(R"("kind": "ENGAGEMENT_KIND_BILATERAL", "title": "t", "region": "REGION_APAC", "countries": ["Japan"])"), bad,
       "FIELD_INVALID", "engagement.countries[0]"},
      {create, bare(fmt::format(R"("title": "{}", "kind": 1, "region": 1, "countries": ["countries/JP"])", std::string(201, 'x'))), bad,
       "FIELD_TOO_LARGE", "engagement.title"},
      {create, bare(R"("title": "two\nlines", "kind": 1, "region": 1, "countries": ["countries/JP"])"), bad, "FIELD_INVALID",
       "engagement.title"},
      {create, engagement(R"("notes": "bell \u0007")"), bad, "FIELD_INVALID", "engagement.notes"},
      {create, engagement(fmt::format(R"("notes": "{}")", std::string(16001, 'n'))), bad, "FIELD_TOO_LARGE", "engagement.notes"},
      {create, engagement(R"("start_date": {"year": 2026, "month": 13})"), bad, "FIELD_INVALID", "engagement.start_date"},
      {create, engagement(R"("start_date": {"year": 2026, "month": 2, "day": 29})"), bad, "FIELD_INVALID", "engagement.start_date"},
      {create, engagement(R"("start_date": {"year": 2026}, "end_date": {"year": 2025})"), bad, "FIELD_INVALID", "engagement.end_date"},
      {create, engagement(R"("topics": ["TOPIC_TRAINING", "TOPIC_TRAINING"])"), bad, "FIELD_INVALID", "engagement.topics[1]"},
      {create, engagement(R"("participants": [{"officer": "liaisonOfficers/x", "counterpart": "y"}])"), bad, "FIELD_INVALID",
       "engagement.participants[0]"},
      {create, engagement(R"("audience": ["hq", "atlantis"])"), bad, "FIELD_INVALID", "engagement.audience"},
      {create, R"({"engagement": {"title": "t"}, "request_id": "7"})", bad, "FIELD_INVALID", "request_id"},
      {create,
       fmt::format(R"({{"engagement": {{"title": "t", "kind": 1, "region": 1, "countries": ["countries/JP"]}}, "request_id": "{}"}})",
                   RequestIdOf(absl::Now() - absl::Hours(24 * 31))),
       bad, "REQUEST_ID_EXPIRED", "request_id"},
      {"EngagementService.CreateObservation", R"({"parent": "engagements/none", "observation": {"text": "t"}})", bad, "REFERENCE_NOT_FOUND",
       "parent"},
      {"EngagementService.ListEngagements", R"({"page_size": -1})", bad, "FIELD_INVALID", "page_size"},
      {"EngagementService.ListEngagements", R"({"page_token": "forged"})", bad, "PAGE_TOKEN_INVALID", "page_token"},
      {"EngagementService.GetEngagement", R"({"name": "engagements/none"})", StatusCode::kNotFound, "RECORD_NOT_FOUND", ""},
      {"EngagementService.GetEngagement", R"({"name": "countries/JP"})", bad, "FIELD_INVALID", "name"},
      {"EngagementService.GetEngagement", "{}", bad, "FIELD_REQUIRED", "name"},
      {"ReferenceService.CreateCountry", R"({"country_id": "JP", "country": {"display_name": "Japan", "region": "REGION_APAC"}})",
       StatusCode::kAlreadyExists, "RECORD_EXISTS", ""},
      {"ReferenceService.CreateCountry", R"({"country_id": "jp", "country": {"display_name": "Japan", "region": "REGION_APAC"}})", bad,
       "FIELD_INVALID", "country_id"},
      {"ReferenceService.CreatePort",
       R"({"port_id": "JPYOK", "port": {"display_name": "Yokohama", "country": "countries/JP", "position": {"latitude": 91}}})", bad,
       "FIELD_INVALID", "port.position.latitude"},
      {"ReferenceService.CreatePort", R"({"port_id": "DEHAM", "port": {"display_name": "Hamburg", "country": "countries/JP"}})", bad,
       "FIELD_INVALID", "port.country"},
      {update, R"({"country": {"name": "countries/JP", "alpha3": "JPN"}})", bad, "FIELD_REQUIRED", "country.etag"},
      {update, R"({"country": {"name": "countries/JP", "etag": "old", "alpha3": "JPN"}})", StatusCode::kAborted, "ETAG_MISMATCH", ""},
      {update, country(R"(, "alpha3": "jpn")"), bad, "FIELD_INVALID", "country.alpha3"},
      {"RecordService.ListRevisions", R"({"name": "countries/QQ"})", StatusCode::kNotFound, "RECORD_NOT_FOUND", ""},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.method + " " + each.json.substr(0, 200));
    const absl::Status status = CallJson(officer, each.method, each.json).status;
    EXPECT_THAT(status, FailsWith(each.code, each.reason));
    EXPECT_EQ(FieldOf(status), each.field) << status;
  }

  // Masks, which JSON would not let through.
  v1::UpdateCountryRequest masked;
  masked.mutable_country()->set_name("countries/JP");
  masked.mutable_country()->set_etag(japan->etag());
  for (const auto& [path, reason, field] :
       {std::tuple("nonsense", "FIELD_INVALID", "update_mask"), std::tuple("etag", "FIELD_IMMUTABLE", "country.etag"),
        std::tuple("conflicts", "FIELD_IMMUTABLE", "country.conflicts")}) {
    masked.mutable_update_mask()->clear_paths();
    masked.mutable_update_mask()->add_paths(path);
    const absl::Status status = officer.Call<v1::Country>("fairlead.v1.ReferenceService.UpdateCountry", masked).status();
    EXPECT_THAT(status, FailsWith(bad, reason)) << path;
    EXPECT_EQ(FieldOf(status), field);
  }

  // What is no message, or too much of one.
  const auto channel = cluster().Channel("officer/hq/watch", "hq");
  ASSERT_TRUE(Ok(channel));
  const std::string path = "/fairlead.v1.EngagementService/CreateEngagement";
  EXPECT_THAT(CallBytes(*channel, path, "\xff\xff\xff"), FailsWith(bad, "MESSAGE_MALFORMED"));
  v1::CreateEngagementRequest not_text = EngagementAt("hq", "Qx");
  std::string bytes = not_text.SerializeAsString();
  bytes[bytes.find("Qx")] = '\xff';
  EXPECT_THAT(CallBytes(*channel, path, bytes), FailsWith(bad, "MESSAGE_MALFORMED"));
  EXPECT_THAT(CallBytes(*channel, path, std::string(5 << 20, '\0')), FailsWith(StatusCode::kResourceExhausted, "MESSAGE_TOO_LARGE"));
  // Beyond what gRPC itself reads.
  EXPECT_EQ(CallBytes(*channel, path, std::string(40 << 20, '\0')).code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(CallBytes(*channel, "/fairlead.v1.EngagementService/ForgetEngagement", ""),
              FailsWith(StatusCode::kUnimplemented, "METHOD_UNKNOWN"));

  // An import refuses what is bad and takes the rest; too much of it, and it takes none.
  v1::ImportCountriesRequest import;
  for (int i = 0; i <= 2000; ++i) import.add_countries();
  const absl::Status too_many = officer.Call<v1::ImportResponse>("fairlead.v1.ReferenceService.ImportCountries", import).status();
  EXPECT_THAT(too_many, FailsWith(bad, "FIELD_TOO_LARGE"));
  EXPECT_EQ(FieldOf(too_many), "countries");

  // Nothing of this was written, and the node is well.
  const auto after = cluster().Digest("hq");
  ASSERT_TRUE(Ok(after));
  EXPECT_EQ(after->SerializeAsString(), before->SerializeAsString());
  import.clear_countries();
  for (const char* name : {"countries/FR", "countries/xx", "countries/JP", "countries/FR"}) {
    v1::Country* row = import.add_countries();
    row->set_name(name);
    row->set_display_name("France");
    row->set_region(v1::REGION_EAME);
  }
  import.mutable_countries(2)->set_display_name(japan->display_name());
  import.mutable_countries(2)->set_region(japan->region());
  const auto imported = officer.Call<v1::ImportResponse>("fairlead.v1.ReferenceService.ImportCountries", import);
  ASSERT_TRUE(Ok(imported));
  EXPECT_EQ(imported->created(), 1);
  EXPECT_EQ(imported->unchanged(), 1);
  ASSERT_EQ(imported->refusals_size(), 2);
  EXPECT_EQ(imported->refusals(0).index(), 1);
  EXPECT_EQ(FieldOf(FromProto(imported->refusals(0).status())), "name");
  EXPECT_EQ(imported->refusals(1).index(), 3);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const auto status = cluster().Status("hq");
  ASSERT_TRUE(Ok(status));
  EXPECT_TRUE(status->writable()) << status->unwritable_reason();
}

TEST_F(Calls, ValidateOnlyWritesNothing) {
  ClusterOptions options;
  options.sites = {"hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  v1::CreateEngagementRequest request = EngagementAt("hq", "Only looked at");
  request.set_validate_only(true);
  const auto seen = Create(cluster().Officer("hq"), request);
  ASSERT_TRUE(Ok(seen));
  EXPECT_EQ(seen->title(), "Only looked at");
  const auto listed = ListEngagements(cluster().Officer("hq"));
  ASSERT_TRUE(Ok(listed));
  EXPECT_THAT(*listed, IsEmpty());
}

// A feed followed by a thread of its own.
class Follower {
 public:
  Follower(client::Client* client, v1::WatchRecordsRequest request)
      : thread_([this, client, request = std::move(request)](const std::stop_token& stop) {
          client::CallOptions call;
          call.stop = stop;
          const absl::Status status = client->Watch(
              request,
              [this](const v1::WatchRecordsResponse& event) {
                absl::MutexLock lock(&mu_);
                events_.push_back(event);
                return true;
              },
              [](const absl::Status&) {}, call);
          absl::MutexLock lock(&mu_);
          status_ = status;
          ended_ = true;
        }) {}

  std::vector<v1::WatchRecordsResponse> events() const {
    absl::MutexLock lock(&mu_);
    return events_;
  }
  // The title of the engagement in each event that holds one, in order.
  std::vector<std::string> titles() const {
    std::vector<std::string> titles;
    for (const v1::WatchRecordsResponse& event : events()) {
      v1::Engagement engagement;
      if (event.record().UnpackTo(&engagement)) titles.push_back(engagement.title());
    }
    return titles;
  }
  // How it ended, once it has.
  std::optional<absl::Status> ended() const {
    absl::MutexLock lock(&mu_);
    return ended_ ? std::optional(status_) : std::nullopt;
  }

 private:
  mutable absl::Mutex mu_;
  std::vector<v1::WatchRecordsResponse> events_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  std::jthread thread_;  // last: stopped and joined first
};

TEST_F(Calls, AWatchShowsWhatIsThenWhatChangesAndGoesOnAfterARestart) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  std::vector<std::string> expected;
  const auto write = [&](const std::string& site, const std::string& title) {
    expected.push_back(title);
    return Ok(Create(cluster().Officer(site), EngagementAt(site, title)));
  };
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(write("hq", fmt::format("There before {}", i)));

  v1::WatchRecordsRequest request;
  request.add_collections("engagements");
  request.set_snapshot(true);
  const Follower follower(&cluster().Officer("hq"), request);
  ASSERT_TRUE(Eventually([&] { return follower.titles().size() == 3; }));
  for (const v1::WatchRecordsResponse& event : follower.events()) {
    EXPECT_EQ(event.collection(), "engagements");
    EXPECT_TRUE(event.snapshot());
    EXPECT_EQ(event.site(), "");
  }
  EXPECT_THAT(follower.titles(), testing::UnorderedElementsAreArray(expected));
  const std::vector<std::string> snapshot = follower.titles();

  ASSERT_TRUE(write("apac", "From apac"));
  ASSERT_TRUE(Eventually([&] { return follower.titles().size() == 4; }));
  const v1::WatchRecordsResponse change = follower.events().back();
  EXPECT_FALSE(change.snapshot());
  EXPECT_EQ(change.site(), "apac");
  EXPECT_EQ(follower.titles().back(), "From apac");

  // What happens while the node is down, ended in order or killed, is shown once it is back, in order and without a gap.
  ASSERT_TRUE(Ok(cluster().Stop("hq")));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(write("apac", fmt::format("While down {}", i)));
  ASSERT_TRUE(Ok(cluster().StartNode("hq")));
  ASSERT_TRUE(Eventually([&] { return follower.titles().size() >= 9; }));
  cluster().Kill("hq");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(write("apac", fmt::format("After the kill {}", i)));
  ASSERT_TRUE(Ok(cluster().StartNode("hq")));
  ASSERT_TRUE(Eventually([&] { return follower.titles().size() >= 14; }));
  std::vector<std::string> shown = snapshot;
  shown.insert(shown.end(), expected.begin() + 3, expected.end());
  EXPECT_EQ(follower.titles(), shown);
  EXPECT_FALSE(follower.ended().has_value());

  // From the token of one event, another follower gets what came after it.
  v1::WatchRecordsRequest from_change;
  from_change.add_collections("engagements");
  from_change.set_resume_token(change.resume_token());
  const Follower second(&cluster().Officer("hq"), from_change);
  ASSERT_TRUE(Eventually([&] { return second.titles().size() >= 10; }));
  EXPECT_EQ(second.titles(), std::vector<std::string>(expected.begin() + 4, expected.end()));

  // At another node the token means nothing, and that is said.
  const Follower astray(&cluster().Officer("csa"), from_change);
  ASSERT_TRUE(Eventually([&] { return astray.ended().has_value(); }));
  EXPECT_THAT(*astray.ended(), FailsWith(StatusCode::kOutOfRange, "RESUME_TOKEN_FOREIGN"));
}

}  // namespace
}  // namespace fairlead::scenarios
