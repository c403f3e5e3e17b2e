// Every method of the API x every kind of caller x released or not, over real connections. Methods are taken from the API's descriptors, so
// that a new one is walked without a word here; who may call it follows from the table below.

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <google/protobuf/empty.pb.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <map>
#include <set>

#include "certs/files.h"
#include "certs/network.h"
#include "client/attachment_upload.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/training_service.pb.h"
#include "server/rpc/services.h"
#include "server/rpc/viewer.h"
#include "storage/scratch_directory.h"
#include "tests/interop/partner_scenario.h"

namespace fairlead::interop {
namespace {

using absl::StatusCode;
using framework::Credentials;
using framework::TestNetwork;
using google::protobuf::MethodDescriptor;
using scenarios::FailsWith;

// --- Who may call what ---------------------------------------------------------------------------------------------------------------
// The first row whose prefix begins the method's "Service/Method", or its "/Method" alone, counts. N: the node of a site. O: an officer of
// whichever site. H: headquarters. P: a partner nation's system. G: a gateway, for a viewer who may call it themselves.

struct Row {
  const char* prefix;
  const char* callers;
};
constexpr Row kRows[] = {
    {"ExchangeService/", "P"},                            // a partner's only door, and nobody else's
    {"ReplicationService/", "N"},                         // sites among themselves
    {"NodeService/GetNodeStatus", "NOHG"},                // what sites ask of each other beside
    {"NodeService/GetStateDigest", "NOHG"},               //
    {"LogService/GetCheckpoint", "NOHG"},                 //
    {"LogService/GetConsistencyProof", "NOHG"},           //
    {"ContentService/", "N"},                             // sites among themselves
    {"ReleaseService/ApproveRelease", "HG"},              // the second role, and what it may decide on a dashboard
    {"ReleaseService/DeclineRelease", "HG"},              //
    {"ReleaseService/AcceptProposal", "OHG"},             // likewise
    {"ReleaseService/DeclineProposal", "OHG"},            //
    {"ReleaseService/MergeProposal", "OHG"},              //
    {"PracticeService/PublishBestPractice", "H"},         // for every nation to read
    {"NodeService/VoidEntry", "H"},                       // what counts for every site
    {"NodeService/ReissueEntries", "H"},                  //
    {"NodeService/DeleteBackup", "H"},                    // a region's last copy
    {"NodeService/ListOpaqueEntries", "OHG"},             //
    {"NodeService/KeepAuditEvents", "N"},                 // of the same site, when it asks for anything
    {"NodeService/", "OH"},                               // running a node
    {"LogService/", "OH"},                                // entries and receipts as they are stored
    {"AuditService/", "H"},                               // not for those who are audited
    {"PracticeService/GetPracticeContribution", "OH"},    // knows its source
    {"PracticeService/ListPracticeContributions", "OH"},  //
    {"AttachmentService/", "OH"},                         // may belong to what knows its source
    {"RecordService/ResolveConflict", "OHG"},             // the one thing that is written on a dashboard
    {"/Get", "OHG"},                                      // else: staff and dashboards read,
    {"/List", "OHG"},                                     //
    {"/Watch", "OHG"},                                    //
    {"/Preview", "OHG"},                                  //
    {"/Advise", "OHG"},                                   //
    {"/Search", "OHG"},                                   //
    {"", "OH"},                                           // and staff write
};

// "ReferenceService/GetPort".
std::string ShortName(const MethodDescriptor& method) { return method.service()->name() + "/" + method.name(); }

std::string CallersOf(const MethodDescriptor& method) {
  const std::string name = ShortName(method);
  const std::string verb = "/" + method.name();
  for (const Row& row : kRows) {
    if (name.starts_with(row.prefix) || verb.starts_with(row.prefix)) return row.callers;
  }
  return "";
}

std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const auto* service : rpc::Services()) {
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

struct Caller {
  std::string identity;
  std::string letters;  // in the table, all of which it needs: a gateway's and its viewer's. "-": may call nothing
  std::string viewer;
};
// At hq's node.
const Caller kCallers[] = {
    {"node/apac", "N", ""},
    {"officer/hq/watch", "O", ""},
    {"officer/apac/watch", "O", ""},  // of another site
    {"hq/analyst/desk", "H", ""},
    {"partner/JP/portnet", "P", ""},
    {"partner/DE/portnet", "P", ""},
    {"gateway/web", "-", ""},  // speaks for nobody
    {"gateway/web", "GO", "officer/apac/watch"},
    {"gateway/web", "GH", "hq/analyst/desk"},
    {"gateway/web", "-", "partner/JP/portnet"},  // for whom it may not speak
    {"gateway/web", "-", "node/apac"},
    {"gateway/web", "-", "gateway/other"},
    {"officer/hq/watch", "-", "hq/analyst/desk"},  // is no gateway
    {"partner/JP/portnet", "-", "officer/hq/watch"},
};

bool May(const Caller& caller, const MethodDescriptor& method) {
  const std::string callers = CallersOf(method);
  for (const char letter : caller.letters) {
    if (callers.find(letter) == std::string::npos) return false;
  }
  return true;
}

// One attempt, with an empty message. An open stream answers nothing: that its time runs out shows that it was open.
absl::Status Ask(const std::shared_ptr<grpc::Channel>& channel, const MethodDescriptor& method, const std::string& viewer = "") {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + (method.server_streaming() ? absl::Milliseconds(300) : kPatience)));
  if (!viewer.empty()) context.AddMetadata(rpc::kViewerMetadata, viewer);
  const google::protobuf::Empty request;
  google::protobuf::Empty response;
  grpc::Status status;
  absl::Notification done;
  grpc::TemplatedGenericStub<google::protobuf::Empty, google::protobuf::Empty> stub(channel);
  stub.UnaryCall(&context, fmt::format("/{}/{}", method.service()->full_name(), method.name()), {}, &request, &response,
                 [&](grpc::Status end) {
                   status = std::move(end);
                   done.Notify();
                 });
  done.WaitForNotification();
  return FromGrpc(status);
}

// All that an error tells, but for the name that was asked for, which it repeats.
std::string ToldBy(const absl::Status& status, const std::string& name) {
  std::string bytes = ToProto(status).SerializeAsString();
  if (const size_t at = bytes.find(name); at != std::string::npos) bytes.replace(at, name.size(), "NAME");
  return bytes;
}

class Access : public PartnerScenario {
 protected:
  // One node: who is admitted is not replicated.
  void StartNode() {
    ClusterOptions options;
    options.sites = {"hq"};
    options.own_certificates = true;
    options.tls = "refresh_seconds = 1";
    options.limits = "partner.calls_per_second = 0\n";
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  }
};

TEST_F(Access, EveryMethodByEveryKindOfCaller) {
  ASSERT_NO_FATAL_FAILURE(StartNode());
  ASSERT_GT(AllMethods().size(), 150u);
  std::set<std::string> denials;
  size_t allowed = 0;
  for (const Caller& caller : kCallers) {
    const auto channel = cluster().Channel(caller.identity, "hq");
    ASSERT_TRUE(Ok(channel));
    for (const MethodDescriptor* method : AllMethods()) {
      const absl::Status status = Ask(*channel, *method, caller.viewer);
      EXPECT_NE(status.code(), StatusCode::kUnimplemented) << ShortName(*method);
      EXPECT_NE(status.code(), StatusCode::kUnavailable) << ShortName(*method) << status;
      const bool denied = status.code() == StatusCode::kPermissionDenied;
      EXPECT_NE(denied, May(caller, *method)) << ShortName(*method) << " by " << caller.identity << " for '" << caller.viewer
                                              << "': " << status;
      if (denied) denials.insert(ToProto(status).SerializeAsString());
      if (!denied) ++allowed;
    }
  }
  EXPECT_EQ(denials.size(), 1u);  // which says nothing of what was asked
  EXPECT_GT(allowed, 300u);
}

TEST_F(Access, NoMethodForWhoHasNoIdentityHere) {
  ASSERT_NO_FATAL_FAILURE(StartNode());
  const TestNetwork& network = TestNetwork::Get();
  const absl::Time now = absl::Now();
  std::map<std::string, Credentials> refused;
  const auto add = [&](const std::string& who, const absl::StatusOr<Credentials>& credentials) {
    EXPECT_TRUE(Ok(credentials)) << who;
    if (credentials.ok()) refused[who] = *credentials;
  };
  add("nobody", network.Of("officer/hq/watch"));
  refused["nobody"].certificate_file = refused["nobody"].key_file = "";
  add("an expired officer", network.Issue("officer/hq/expired", now - absl::Hours(3), absl::Hours(1)));
  add("another authority's officer", [&]() -> absl::StatusOr<Credentials> {
    static const storage::ScratchDirectory scratch;
    const auto impostor = TestNetwork::Make(scratch.path() + "/certs", framework::kNetworkName);
    if (!impostor.ok()) return impostor.status();
    auto forged = impostor->Of("officer/hq/watch");
    if (forged.ok()) forged->ca_file = (network.folder() / "ca/ca.crt").string();
    return forged;
  }());
  // Of the cluster's own folder, whose list the node reads.
  const auto own = certs::Network::Open(cluster().certs_folder());
  ASSERT_TRUE(Ok(own));
  const auto thief = certs::Identity::Parse("officer/hq/thief");
  ASSERT_TRUE(Ok(own->Issue(*thief, {}, now)));
  const std::filesystem::path folder = cluster().certs_folder() / "officer/hq/thief";
  refused["a revoked officer"] = {(folder / "tls.crt").string(), (folder / "tls.key").string(),
                                  (cluster().certs_folder() / "ca/ca.crt").string()};
  const MethodDescriptor* status = nullptr;
  for (const MethodDescriptor* method : AllMethods()) {
    if (ShortName(*method) == "NodeService/GetNodeStatus") status = method;
  }
  ASSERT_NE(status, nullptr);
  const auto before = cluster().Channel(refused["a revoked officer"], "hq");
  ASSERT_TRUE(Ok(before));
  ASSERT_TRUE(Ok(Ask(*before, *status)));
  ASSERT_TRUE(Ok(own->Revoke("officer/hq/thief", certs::RevocationReason::kKeyCompromise, now)));
  ASSERT_TRUE(Eventually([&] { return !Ask(*before, *status).ok(); }));

  for (const auto& [who, credentials] : refused) {
    const auto channel = cluster().Channel(credentials, "hq");
    ASSERT_TRUE(Ok(channel));
    for (const MethodDescriptor* method : AllMethods()) {
      EXPECT_EQ(Ask(*channel, *method).code(), StatusCode::kUnavailable) << ShortName(*method) << " by " << who;
    }
  }
  // Of this network's authority, with an identity of another network.
  const auto foreign = network.Foreign("officer/hq/watch", "other.fairlead.example");
  ASSERT_TRUE(Ok(foreign));
  const auto channel = cluster().Channel(*foreign, "hq");
  ASSERT_TRUE(Ok(channel));
  for (const MethodDescriptor* method : AllMethods()) {
    EXPECT_THAT(Ask(*channel, *method), FailsWith(StatusCode::kUnauthenticated, "IDENTITY_MISSING")) << ShortName(*method);
  }
}

// --- Released or not -------------------------------------------------------------------------------------------------------------------

TEST_F(Access, WhatANationMayNameIsWhatIsReleasedToIt) {
  ClusterOptions options;
  options.limits = "partner.calls_per_second = 0\n";
  ASSERT_NO_FATAL_FAILURE(StartNetwork(options));
  const std::string jp = "partner/JP/portnet";
  const std::string de = "partner/DE/portnet";
  // Japan's: a record that is released, one that was and is recalled, a proposal and a question. Osaka is released to nobody.
  for (const auto& [locode, name] : {std::pair("JPYOK", "Yokohama"), std::pair("JPTYO", "Tokyo"), std::pair("JPOSA", "Osaka")}) {
    CreatePort(locode, name);
  }
  const v1::Release recalled = Release("apac", "ports/JPTYO", "JP");
  const auto first = Exchange<v1::ListReleasedRecordsResponse>(jp, "apac", "ListReleasedRecords", v1::ListReleasedRecordsRequest());
  ASSERT_TRUE(Ok(first));
  ASSERT_EQ(first->records_size(), 1);
  const std::string recalled_name = first->records(0).name();
  Recall(recalled);
  const storage::ScratchDirectory folder;
  const std::string plan = folder.path() + "/plan.txt";
  ASSERT_TRUE(Ok(certs::WriteFile(plan, "The plan of the port.", certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
  v1::Attachment of_port;
  of_port.set_subject("ports/JPYOK");
  of_port.set_marking(v1::MARKING_PUBLIC);  // as the port is: what is marked higher needs a release of its own
  const auto upload = client::AttachmentUpload::Open(plan, of_port);
  ASSERT_TRUE(Ok(upload));
  ASSERT_TRUE(Ok(upload->Run(cluster().Officer("apac"), "")));
  Release("apac", "ports/JPYOK", "JP");
  const auto listed = Exchange<v1::ListReleasedRecordsResponse>(jp, "apac", "ListReleasedRecords", v1::ListReleasedRecordsRequest());
  ASSERT_TRUE(Ok(listed));
  ASSERT_EQ(listed->records_size(), 1);
  const std::string released_name = listed->records(0).name();
  ASSERT_NE(released_name, recalled_name);
  v1::CreateTrainingOfferingRequest offer;
  offer.set_training_offering_id("drills");
  offer.mutable_training_offering()->set_display_name("Drills and exercises");
  offer.mutable_training_offering()->set_program(v1::TRAINING_PROGRAM_PORT_SECURITY);
  ASSERT_TRUE(Ok(cluster().Officer("hq").Call<v1::TrainingOffering>("fairlead.v1.TrainingService.CreateTrainingOffering", offer)));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  Release("apac", "trainingOfferings/drills", "JP");
  v1::ListReleasedRecordsRequest courses;
  courses.set_kind(v1::RELEASED_KIND_COURSE);
  const auto drills = Exchange<v1::ListReleasedRecordsResponse>(jp, "apac", "ListReleasedRecords", courses);
  ASSERT_TRUE(Ok(drills));
  ASSERT_EQ(drills->records_size(), 1);
  v1::RequestCourseRequest request_course;
  request_course.set_course(drills->records(0).name());
  request_course.set_embassy("Tokyo");
  const auto course = Exchange<v1::CourseRequest>(jp, "apac", "RequestCourse", request_course);
  ASSERT_TRUE(Ok(course));
  v1::RequestVisitRequest request_visit;
  request_visit.set_embassy("Embassy in Washington");
  const auto visit = Exchange<v1::VisitRequest>(jp, "apac", "RequestVisit", request_visit);
  ASSERT_TRUE(Ok(visit));
  v1::ContributePracticeRequest contribute;
  contribute.set_title("Two persons at the gate");
  contribute.set_text("A second guard checks.");
  const auto practice = Exchange<v1::ContributedPractice>(jp, "apac", "ContributePractice", contribute);
  ASSERT_TRUE(Ok(practice));
  v1::SubmitSuggestionRequest submit;
  submit.mutable_suggestion()->set_kind(v1::SUGGESTION_KIND_CORRECTION);
  submit.mutable_suggestion()->set_record(released_name);
  submit.mutable_suggestion()->set_text("It is another.");
  const auto suggestion = Exchange<v1::Suggestion>(jp, "apac", "SubmitSuggestion", submit);
  ASSERT_TRUE(Ok(suggestion));
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  const auto question = Exchange<v1::Question>(jp, "apac", "AskQuestion", ask);
  ASSERT_TRUE(Ok(question));
  const auto withdrawals = Exchange<v1::ListWithdrawalsResponse>(jp, "apac", "ListWithdrawals", v1::ListWithdrawalsRequest());
  ASSERT_TRUE(Ok(withdrawals));
  ASSERT_EQ(withdrawals->withdrawals_size(), 1);
  v1::ListReleasedAttachmentsRequest of_released;
  of_released.set_parent(released_name);
  const auto attached = Exchange<v1::ListReleasedAttachmentsResponse>(jp, "apac", "ListReleasedAttachments", of_released);
  ASSERT_TRUE(Ok(attached));
  ASSERT_EQ(attached->attachments_size(), 1);
  const auto receipts = Exchange<v1::ListExchangeReceiptsResponse>(jp, "apac", "ListExchangeReceipts", v1::ListExchangeReceiptsRequest());
  ASSERT_TRUE(Ok(receipts));
  ASSERT_GT(receipts->receipts_size(), 0);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string site : {"apac", "hq"}) {  // proven once a checkpoint that covers it is there
    v1::GetExchangeReceiptRequest get;
    get.set_name(receipts->receipts(0).name());
    ASSERT_TRUE(Eventually([&] { return Exchange<v1::Receipt>(jp, site, "GetExchangeReceipt", get).ok(); })) << site;
  }
  ASSERT_TRUE(Eventually([&] {  // the bytes come behind the record
    const auto status = cluster().Officer("hq").Call<v1::NodeStatus>("fairlead.v1.NodeService.GetNodeStatus", v1::GetNodeStatusRequest());
    return status.ok() && status->attachments_wanted() == 0 && status->attachment_bytes_held() > 0;
  }));

  // By method that takes a name: one that is Japan's.
  const std::map<std::string, std::string> named = {{"GetReleasedRecord", released_name},
                                                    {"ListReleasedAttachments", released_name},
                                                    {"DownloadReleasedAttachment", attached->attachments(0).name()},
                                                    {"GetSuggestion", suggestion->name()},
                                                    {"GetVisitRequest", visit->name()},
                                                    {"CancelVisitRequest", visit->name()},
                                                    {"GetCourseRequest", course->name()},
                                                    {"CancelCourseRequest", course->name()},
                                                    {"GetExchangeReceipt", receipts->receipts(0).name()},
                                                    {"GetContributedPractice", practice->name()},
                                                    {"GetQuestion", question->name()},
                                                    {"AcknowledgeWithdrawal", withdrawals->withdrawals(0).name()}};
  const auto* service = v1::GetReleasedRecordRequest::descriptor()->file()->FindServiceByName("ExchangeService");
  size_t walked = 0;
  for (const std::string site : {"apac", "hq"}) {
    const auto ask_as = [&](const std::string& identity, const std::string& method, const std::string& request, std::string* response) {
      const auto channel = cluster().Channel(identity, site);
      if (!channel.ok()) return channel.status();
      return CallBytes(*channel, "/fairlead.v1.ExchangeService/" + method, request, response);
    };
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor& method = *service->method(i);
      SCOPED_TRACE(method.name() + " at " + site);
      std::string answer;
      const char* field = method.input_type()->FindFieldByName("parent") != nullptr ? "parent" : "name";
      if (method.name().starts_with("List") && method.input_type()->FindFieldByName(field) == nullptr) {
        ASSERT_TRUE(Ok(ask_as(jp, method.name(), "", &answer)));
        EXPECT_EQ(answer.empty(), method.name() == "ListPracticeEndorsements");  // no practice is published
        ASSERT_TRUE(Ok(ask_as(de, method.name(), "", &answer)));
        EXPECT_EQ(answer, "");  // not even a number
        ++walked;
      }
      if (method.input_type()->FindFieldByName(field) == nullptr) continue;
      ASSERT_TRUE(named.contains(method.name())) << "say above whose name it takes";
      const std::string& name = named.at(method.name());
      v1::GetReleasedRecordRequest theirs;  // every request has its name as field 1
      ASSERT_EQ(method.input_type()->FindFieldByName(field)->number(), 1);
      theirs.set_name(name);
      v1::GetReleasedRecordRequest absent;
      absent.set_name(name.substr(0, name.size() - 8) + (name.ends_with("00000000") ? "11111111" : "00000000"));
      EXPECT_TRUE(Ok(ask_as(jp, method.name(), theirs.SerializeAsString(), &answer)));
      const absl::Status anothers = ask_as(de, method.name(), theirs.SerializeAsString(), &answer);
      EXPECT_THAT(anothers, FailsWith(StatusCode::kNotFound, "RECORD_NOT_FOUND"));
      for (const std::string& who : {de, jp}) {
        EXPECT_EQ(ToldBy(ask_as(who, method.name(), absent.SerializeAsString(), &answer), absent.name()), ToldBy(anothers, name)) << who;
      }
      for (const char* other : {"officer/apac/watch", "hq/analyst/desk", "node/hq", "gateway/web"}) {
        EXPECT_THAT(ask_as(other, method.name(), theirs.SerializeAsString(), &answer),
                    FailsWith(StatusCode::kPermissionDenied, "PERMISSION_DENIED"))
            << other;
      }
      ++walked;
    }
    // A nation's logs are proven to it alone; main and audit to no nation.
    for (const auto& [who, log] : {std::pair(de, "apac/1/partner-JP"), std::pair(jp, "apac/1/partner-DE"), std::pair(jp, "apac/1/main"),
                                   std::pair(jp, "apac/1/audit"), std::pair(jp, "apac/9/partner-JP")}) {
      v1::GetExchangeConsistencyProofRequest prove;
      prove.set_log(log);
      std::string answer;
      EXPECT_THAT(ask_as(who, "GetExchangeConsistencyProof", prove.SerializeAsString(), &answer),
                  FailsWith(StatusCode::kNotFound, "RECORD_NOT_FOUND"))
          << who << " " << log;
    }
    // A record that is not released any more is as one that never was; and nothing can be said of what is not released.
    std::string answer;
    v1::GetReleasedRecordRequest gone;
    gone.set_name(recalled_name);
    const absl::Status not_found = ask_as(jp, "GetReleasedRecord", gone.SerializeAsString(), &answer);
    EXPECT_THAT(not_found, FailsWith(StatusCode::kNotFound, "RECORD_NOT_FOUND"));
    for (const auto& [who, name] : {std::pair(jp, recalled_name), std::pair(de, released_name)}) {
      submit.mutable_suggestion()->set_record(name);
      EXPECT_EQ(ToldBy(ask_as(who, "SubmitSuggestion", submit.SerializeAsString(), &answer), name), ToldBy(not_found, recalled_name))
          << who;
    }
  }
  EXPECT_EQ(walked, 2u * (9 + named.size()));
}

}  // namespace
}  // namespace fairlead::interop
