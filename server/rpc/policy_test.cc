#include "server/rpc/policy.h"

#include <google/protobuf/empty.pb.h>

#include <algorithm>
#include <map>
#include <set>

#include "server/rpc/rpc_fixture.h"
#include "server/rpc/services.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// Who may call what, by the kinds' initials: Node, Officer, Hq, Partner; Gateway: what it may pass on for a viewer who may.
const std::map<std::string, std::string>& Table() {
  static const auto* const table = new std::map<std::string, std::string>{
      {"VisitService/GetVisitCycle", "OHG"},
      {"VisitService/ListVisitCycles", "OHG"},
      {"VisitService/CreateVisitCycle", "OH"},
      {"VisitService/UpdateVisitCycle", "OH"},
      {"VisitService/WithdrawVisitCycle", "OH"},
      {"VisitService/GetReciprocalVisit", "OHG"},
      {"VisitService/ListReciprocalVisits", "OHG"},
      {"VisitService/CreateReciprocalVisit", "OH"},
      {"VisitService/UpdateReciprocalVisit", "OH"},
      {"VisitService/WithdrawReciprocalVisit", "OH"},
      {"VisitService/BeginVisit", "OH"},
      {"VisitService/OfferReciprocal", "OH"},
      {"VisitService/OpenDialogue", "OH"},
      {"VisitService/EndVisitCycle", "OH"},
      {"VisitService/AcceptReciprocalVisit", "OH"},
      {"VisitService/DeclineReciprocalVisit", "OH"},
      {"VisitService/PlanReciprocalVisit", "OH"},
      {"VisitService/CompleteReciprocalVisit", "OH"},
      {"VisitService/ReportReciprocalVisit", "OH"},
      {"VisitService/CancelReciprocalVisit", "OH"},
      {"TrainingService/GetTrainingOffering", "OHG"},
      {"TrainingService/ListTrainingOfferings", "OHG"},
      {"TrainingService/CreateTrainingOffering", "OH"},
      {"TrainingService/UpdateTrainingOffering", "OH"},
      {"TrainingService/WithdrawTrainingOffering", "OH"},
      {"TrainingService/GetTrainingRequest", "OHG"},
      {"TrainingService/ListTrainingRequests", "OHG"},
      {"TrainingService/CreateTrainingRequest", "OH"},
      {"TrainingService/UpdateTrainingRequest", "OH"},
      {"TrainingService/WithdrawTrainingRequest", "OH"},
      {"TrainingService/GetTrainingSession", "OHG"},
      {"TrainingService/ListTrainingSessions", "OHG"},
      {"TrainingService/CreateTrainingSession", "OH"},
      {"TrainingService/UpdateTrainingSession", "OH"},
      {"TrainingService/WithdrawTrainingSession", "OH"},
      {"TrainingService/ApproveTrainingRequest", "OH"},
      {"TrainingService/DeclineTrainingRequest", "OH"},
      {"TrainingService/ScheduleTrainingRequest", "OH"},
      {"TrainingService/FulfilTrainingRequest", "OH"},
      {"TrainingService/CancelTrainingRequest", "OH"},
      {"TrainingService/HoldTrainingSession", "OH"},
      {"TrainingService/EvaluateTrainingSession", "OH"},
      {"TrainingService/CancelTrainingSession", "OH"},
      {"PortfolioService/GetAssignment", "OHG"},
      {"PortfolioService/ListAssignments", "OHG"},
      {"PortfolioService/CreateAssignment", "OH"},
      {"PortfolioService/UpdateAssignment", "OH"},
      {"PortfolioService/WithdrawAssignment", "OH"},
      {"PortfolioService/HandoverAssignment", "OH"},
      {"TrainingService/ImportTrainingOfferings", "OH"},
      {"VisitService/ListVisitStages", "OHG"},
      {"PortfolioService/ListCoverage", "OHG"},
      {"PortfolioService/ListTeamDuties", "OHG"},
      {"EngagementService/ListCalendarEntries", "OHG"},
      {"EngagementService/ListClashes", "OHG"},
      {"EngagementService/ListOverdueFollowUps", "OHG"},
      {"EngagementService/GetEngagement", "OHG"},
      {"EngagementService/ListEngagements", "OHG"},
      {"EngagementService/CreateEngagement", "OH"},
      {"EngagementService/UpdateEngagement", "OH"},
      {"EngagementService/WithdrawEngagement", "OH"},
      {"EngagementService/ProposeEngagement", "OH"},
      {"EngagementService/ScheduleEngagement", "OH"},
      {"EngagementService/StartEngagement", "OH"},
      {"EngagementService/CompleteEngagement", "OH"},
      {"EngagementService/ReportEngagement", "OH"},
      {"EngagementService/CloseEngagement", "OH"},
      {"EngagementService/CancelEngagement", "OH"},
      {"EngagementService/RefuseEngagement", "OH"},
      {"EngagementService/GetObservation", "OHG"},
      {"EngagementService/ListObservations", "OHG"},
      {"EngagementService/CreateObservation", "OH"},
      {"EngagementService/UpdateObservation", "OH"},
      {"EngagementService/WithdrawObservation", "OH"},
      {"EngagementService/GetFollowUp", "OHG"},
      {"EngagementService/ListFollowUps", "OHG"},
      {"EngagementService/CreateFollowUp", "OH"},
      {"EngagementService/UpdateFollowUp", "OH"},
      {"EngagementService/WithdrawFollowUp", "OH"},
      {"EngagementService/CompleteFollowUp", "OH"},
      {"EngagementService/VerifyFollowUp", "OH"},
      {"EngagementService/ReopenFollowUp", "OH"},
      {"AssessmentService/GetAssessment", "OHG"},
      {"AssessmentService/ListAssessments", "OHG"},
      {"AssessmentService/CreateAssessment", "OH"},
      {"AssessmentService/UpdateAssessment", "OH"},
      {"AssessmentService/WithdrawAssessment", "OH"},
      {"AssessmentService/DetermineAssessment", "OH"},
      {"AssessmentService/NotifyAssessment", "OH"},
      {"AssessmentService/CloseAssessment", "OH"},
      {"AssessmentService/GetConditionOfEntry", "OHG"},
      {"AssessmentService/ListConditionsOfEntry", "OHG"},
      {"AssessmentService/CreateConditionOfEntry", "OH"},
      {"AssessmentService/UpdateConditionOfEntry", "OH"},
      {"AssessmentService/WithdrawConditionOfEntry", "OH"},
      {"AssessmentService/ImportConditionsOfEntry", "OH"},
      {"AssessmentService/ImposeConditionOfEntry", "OH"},
      {"AssessmentService/RemedyConditionOfEntry", "OH"},
      {"AssessmentService/LiftConditionOfEntry", "OH"},
      {"AssessmentService/ListAssessmentStandings", "OHG"},
      {"AssessmentService/ListConditionsInForce", "OHG"},
      {"PriorityService/GetArrival", "OHG"},
      {"PriorityService/ListArrivals", "OHG"},
      {"PriorityService/CreateArrival", "OH"},
      {"PriorityService/UpdateArrival", "OH"},
      {"PriorityService/WithdrawArrival", "OH"},
      {"PriorityService/ImportArrivals", "OH"},
      {"PriorityService/GetScheduleKPort", "OHG"},
      {"PriorityService/ListScheduleKPorts", "OHG"},
      {"PriorityService/CreateScheduleKPort", "OH"},
      {"PriorityService/UpdateScheduleKPort", "OH"},
      {"PriorityService/WithdrawScheduleKPort", "OH"},
      {"PriorityService/ImportScheduleKPorts", "OH"},
      {"PriorityService/GetTrafficFigure", "OHG"},
      {"PriorityService/ListTrafficFigures", "OHG"},
      {"PriorityService/CreateTrafficFigure", "OH"},
      {"PriorityService/UpdateTrafficFigure", "OH"},
      {"PriorityService/WithdrawTrafficFigure", "OH"},
      {"PriorityService/ImportTrafficFigures", "OH"},
      {"PriorityService/ListEligibleCountries", "OHG"},
      {"PriorityService/ListVisitPriorities", "OHG"},
      {"PriorityService/AdviseMeasures", "OHG"},
      {"PracticeService/GetPracticeContribution", "OH"},
      {"PracticeService/ListPracticeContributions", "OH"},
      {"PracticeService/CreatePracticeContribution", "OH"},
      {"PracticeService/UpdatePracticeContribution", "OH"},
      {"PracticeService/WithdrawPracticeContribution", "OH"},
      {"PracticeService/SubmitPracticeContribution", "OH"},
      {"PracticeService/ReturnPracticeContribution", "OH"},
      {"PracticeService/AcceptPracticeContribution", "OH"},
      {"PracticeService/GetBestPractice", "OHG"},
      {"PracticeService/ListBestPractices", "OHG"},
      {"PracticeService/CreateBestPractice", "OH"},
      {"PracticeService/UpdateBestPractice", "OH"},
      {"PracticeService/WithdrawBestPractice", "OH"},
      {"PracticeService/PublishBestPractice", "H"},
      {"PracticeService/RetireBestPractice", "OH"},
      {"PracticeService/GetEndorsement", "OHG"},
      {"PracticeService/ListEndorsements", "OHG"},
      {"PracticeService/CreateEndorsement", "OH"},
      {"PracticeService/UpdateEndorsement", "OH"},
      {"PracticeService/WithdrawEndorsement", "OH"},
      {"HelpDeskService/GetInquiry", "OHG"},
      {"HelpDeskService/ListInquiries", "OHG"},
      {"HelpDeskService/CreateInquiry", "OH"},
      {"HelpDeskService/UpdateInquiry", "OH"},
      {"HelpDeskService/WithdrawInquiry", "OH"},
      {"HelpDeskService/RouteInquiry", "OH"},
      {"HelpDeskService/AnswerInquiry", "OH"},
      {"HelpDeskService/ReopenInquiry", "OH"},
      {"HelpDeskService/CloseInquiry", "OH"},
      {"HelpDeskService/GetServiceTimes", "OHG"},
      {"ReleaseService/GetPartnerGroup", "OHG"},
      {"ReleaseService/ListPartnerGroups", "OHG"},
      {"ReleaseService/CreatePartnerGroup", "OH"},
      {"ReleaseService/UpdatePartnerGroup", "OH"},
      {"ReleaseService/WithdrawPartnerGroup", "OH"},
      {"ReleaseService/PreviewRelease", "OHG"},
      {"ReleaseService/GetRelease", "OHG"},
      {"ReleaseService/ListReleases", "OHG"},
      {"ReleaseService/CreateRelease", "OH"},
      {"ReleaseService/ApproveRelease", "HG"},
      {"ReleaseService/DeclineRelease", "HG"},
      {"ReleaseService/RecallRelease", "OH"},
      {"ReleaseService/ListRecalls", "OHG"},
      {"ReleaseService/ListAcknowledgements", "OHG"},
      {"ReleaseService/GetProposal", "OHG"},
      {"ReleaseService/ListProposals", "OHG"},
      {"ReleaseService/AcceptProposal", "OHG"},
      {"ReleaseService/DeclineProposal", "OHG"},
      {"ReleaseService/MergeProposal", "OHG"},
      {"ExchangeService/GetReleasedRecord", "P"},
      {"ExchangeService/ListReleasedRecords", "P"},
      {"ExchangeService/WatchReleasedRecords", "P"},
      {"ExchangeService/ListWithdrawals", "P"},
      {"ExchangeService/AcknowledgeWithdrawal", "P"},
      {"ExchangeService/SubmitSuggestion", "P"},
      {"ExchangeService/GetSuggestion", "P"},
      {"ExchangeService/ListSuggestions", "P"},
      {"ExchangeService/ListReleasedAttachments", "P"},
      {"ExchangeService/DownloadReleasedAttachment", "P"},
      {"ExchangeService/AskQuestion", "P"},
      {"ExchangeService/GetQuestion", "P"},
      {"ExchangeService/ListQuestions", "P"},
      {"ExchangeService/RequestVisit", "P"},
      {"ExchangeService/GetVisitRequest", "P"},
      {"ExchangeService/ListVisitRequests", "P"},
      {"ExchangeService/RequestCourse", "P"},
      {"ExchangeService/GetCourseRequest", "P"},
      {"ExchangeService/ListCourseRequests", "P"},
      {"ExchangeService/ContributePractice", "P"},
      {"ExchangeService/GetContributedPractice", "P"},
      {"ExchangeService/ListContributedPractices", "P"},
      {"ExchangeService/EndorsePractice", "P"},
      {"ExchangeService/RetractEndorsement", "P"},
      {"ExchangeService/ListPracticeEndorsements", "P"},
      {"ExchangeService/StatePointOfContact", "P"},
      {"ExchangeService/GetContactSheet", "P"},
      {"ExchangeService/CancelVisitRequest", "P"},
      {"ExchangeService/CancelCourseRequest", "P"},
      {"ExchangeService/ListExchangeReceipts", "P"},
      {"ExchangeService/GetExchangeReceipt", "P"},
      {"ExchangeService/GetExchangeConsistencyProof", "P"},
      {"NodeService/GetNodeStatus", "NOHG"},
      {"NodeService/GetStateDigest", "NOHG"},
      {"NodeService/ListOpaqueEntries", "OHG"},
      {"NodeService/ListUnauthorisedChanges", "OH"},
      {"NodeService/ListVoidEntries", "OH"},
      {"NodeService/VoidEntry", "H"},
      {"NodeService/ReissueEntries", "H"},
      {"NodeService/CreateBackup", "OH"},
      {"NodeService/ListBackups", "OH"},
      {"NodeService/VerifyBackup", "OH"},
      {"NodeService/DeleteBackup", "H"},
      {"NodeService/KeepAuditEvents", "N"},
      {"LogService/GetCheckpoint", "NOHG"},
      {"LogService/ListLogEntries", "OH"},
      {"LogService/GetReceipt", "OH"},
      {"LogService/GetConsistencyProof", "NOHG"},
      {"AuditService/GetAuditEvent", "H"},
      {"AuditService/QueryAuditEvents", "H"},
      {"SearchService/Search", "OHG"},
      {"OverviewService/GetOverview", "OHG"},
      {"OverviewService/WatchOverview", "OHG"},
      {"OverviewService/ListCountryOverviews", "OHG"},
      {"ReportService/PrepareReport", "OH"},
      {"ReportService/GetReport", "OHG"},
      {"ReportService/ListReports", "OHG"},
      {"ReportService/WithdrawReport", "OH"},
      {"ReportService/CreateDelivery", "OH"},
      {"ReportService/GetDelivery", "OHG"},
      {"ReportService/ListDeliveries", "OHG"},
      {"RecordService/GetConflict", "OHG"},
      {"RecordService/ListConflicts", "OHG"},
      {"RecordService/ListRevisions", "OHG"},
      {"RecordService/ResolveConflict", "OHG"},
      {"RecordService/EraseRevision", "OH"},
      {"RecordService/GetErasure", "OHG"},
      {"RecordService/ListErasures", "OHG"},
      {"RecordService/WatchRecords", "OHG"},
      {"ReferenceService/GetCountry", "OHG"},
      {"ReferenceService/ListCountries", "OHG"},
      {"ReferenceService/CreateCountry", "OH"},
      {"ReferenceService/UpdateCountry", "OH"},
      {"ReferenceService/WithdrawCountry", "OH"},
      {"ReferenceService/ImportCountries", "OH"},
      {"ReferenceService/GetPort", "OHG"},
      {"ReferenceService/ListPorts", "OHG"},
      {"ReferenceService/CreatePort", "OH"},
      {"ReferenceService/UpdatePort", "OH"},
      {"ReferenceService/WithdrawPort", "OH"},
      {"ReferenceService/ImportPorts", "OH"},
      {"ReferenceService/GetPortFacility", "OHG"},
      {"ReferenceService/ListPortFacilities", "OHG"},
      {"ReferenceService/CreatePortFacility", "OH"},
      {"ReferenceService/UpdatePortFacility", "OH"},
      {"ReferenceService/WithdrawPortFacility", "OH"},
      {"ReferenceService/ImportPortFacilities", "OH"},
      {"ReferenceService/GetContact", "OHG"},
      {"ReferenceService/ListContacts", "OHG"},
      {"ReferenceService/CreateContact", "OH"},
      {"ReferenceService/UpdateContact", "OH"},
      {"ReferenceService/WithdrawContact", "OH"},
      {"ReferenceService/GetLiaisonOfficer", "OHG"},
      {"ReferenceService/ListLiaisonOfficers", "OHG"},
      {"ReferenceService/CreateLiaisonOfficer", "OH"},
      {"ReferenceService/UpdateLiaisonOfficer", "OH"},
      {"ReferenceService/WithdrawLiaisonOfficer", "OH"},
      {"ReferenceService/ImportLiaisonOfficers", "OH"},
      {"ReplicationService/Replicate", "N"},
      {"ContentService/FetchContent", "N"},
      {"AttachmentService/GetAttachment", "OH"},
      {"AttachmentService/ListAttachments", "OH"},
      {"AttachmentService/GetUpload", "OH"},
      {"AttachmentService/DownloadAttachment", "OH"},
      {"AttachmentService/BeginUpload", "OH"},
      {"AttachmentService/WriteChunk", "OH"},
      {"AttachmentService/FinishUpload", "OH"},
      {"AttachmentService/UpdateAttachment", "OH"},
      {"AttachmentService/WithdrawAttachment", "OH"},
  };
  return *table;
}

constexpr std::pair<char, const char*> kCallers[] = {
    {'N', "node/eame"}, {'O', "officer/apac/watch"}, {'H', "hq/analyst/desk"}, {'P', "partner/JP/registry"}, {'G', "gateway/dashboard"}};

Identity IdentityFor(const std::string& path) { return *ParseIdentity("spiffe://test.example/" + path, kTestNetwork); }

std::vector<const google::protobuf::MethodDescriptor*> AllMethods() {
  std::vector<const google::protobuf::MethodDescriptor*> methods;
  for (const auto* service : Services()) {
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

// "ReferenceService/GetPort".
std::string ShortName(const google::protobuf::MethodDescriptor& method) { return method.service()->name() + "/" + method.name(); }

TEST(PolicyTest, TheLinkedServicesAreThoseOfThePackage) {
  std::set<std::string> named;
  for (const auto& [method, kinds] : Table()) named.insert(method);
  std::set<std::string> linked;
  for (const auto* method : AllMethods()) {
    EXPECT_EQ(method->service()->file()->package(), "fairlead.v1");
    linked.insert(ShortName(*method));
  }
  EXPECT_EQ(linked, named);
}

TEST(PolicyTest, EveryKindOfCallerHasExactlyTheMethodsOfTheTable) {
  for (const auto& [method, kinds] : Table()) {
    for (const auto& [initial, path] : kCallers) {
      const absl::Status answer = Authorize(IdentityFor(path), "fairlead.v1." + method);
      EXPECT_EQ(answer.ok(), kinds.find(initial) != std::string::npos) << method << " by " << path;
    }
  }
  const std::string reflection = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  for (const auto& [initial, path] : kCallers) {
    EXPECT_EQ(Authorize(IdentityFor(path), reflection).ok(), initial == 'O' || initial == 'H') << path;
  }
}

TEST(PolicyTest, EveryMethodHasARuleAndEveryRuleAMethod) {
  for (const auto* method : AllMethods()) {
    const auto rules = PolicyRules();
    EXPECT_TRUE(std::any_of(rules.begin(), rules.end(), [&](const PolicyRule& rule) { return Matches(rule, MethodName(*method)); }))
        << MethodName(*method);
  }
  for (const PolicyRule& rule : PolicyRules()) {
    if (rule.pattern.starts_with("grpc.")) continue;
    const auto methods = AllMethods();
    EXPECT_TRUE(std::any_of(methods.begin(), methods.end(), [&](const auto* method) { return Matches(rule, MethodName(*method)); }))
        << rule.pattern;
  }
}

TEST(PolicyTest, APatternIsAWholeNameUnlessItEndsInAStar) {
  const PolicyRule exact{"ReferenceService/GetPort", 0xff};
  EXPECT_TRUE(Matches(exact, "fairlead.v1.ReferenceService/GetPort"));
  EXPECT_FALSE(Matches(exact, "fairlead.v1.ReferenceService/GetPortFacility"));
  EXPECT_FALSE(Matches(exact, "other.v1.ReferenceService/GetPort"));
  const PolicyRule prefix{"ReferenceService/Get*", 0xff};
  EXPECT_TRUE(Matches(prefix, "fairlead.v1.ReferenceService/GetPortFacility"));
  EXPECT_FALSE(Matches(prefix, "fairlead.v1.ReferenceService/ListPorts"));
  EXPECT_FALSE(Matches(prefix, "fairlead.v1.EngagementService/GetEngagement"));
  EXPECT_FALSE(Authorize(IdentityFor("hq/analyst/desk"), "fairlead.v1.ReferenceService/DeletePort").ok());
  EXPECT_FALSE(Authorize(IdentityFor("hq/analyst/desk"), "").ok());
}

TEST(PolicyTest, DenialsSayTheSameOfEverything) {
  std::set<std::string> denials;
  for (const auto& [method, kinds] : Table()) {
    for (const auto& [initial, path] : kCallers) {
      if (const absl::Status answer = Authorize(IdentityFor(path), "fairlead.v1." + method); !answer.ok()) {
        denials.insert(ToProto(answer).SerializeAsString());
      }
    }
  }
  denials.insert(ToProto(Authorize(IdentityFor("officer/apac/watch"), "fairlead.v1.ReferenceService/DeletePort")).SerializeAsString());
  EXPECT_EQ(denials.size(), 1u);
}

class ServedPolicyTest : public SiteTest {};

TEST_F(ServedPolicyTest, EveryMethodHasOneHandlerAndIsServed) {
  std::vector<std::string> dispatched;
  for (const auto* method : AllMethods()) {
    if (method->service()->name() != "ReplicationService") dispatched.push_back(MethodName(*method));
  }
  std::sort(dispatched.begin(), dispatched.end());
  EXPECT_THAT(apac_.dispatcher().Methods(), ElementsAreArray(dispatched));

  const Client node = apac_.As("node/eame");
  const Client analyst = apac_.As("hq/analyst/desk");
  const Client partner = apac_.As("partner/JP/registry");
  for (const auto* method : AllMethods()) {
    grpc::ClientContext context;
    // An open stream answers nothing: that its time runs out shows that it was open.
    const absl::Duration time = method->server_streaming() ? absl::Milliseconds(300) : kPatience;
    context.set_deadline(absl::ToChronoTime(absl::Now() + time));
    const auto may = [&kinds = Table().at(ShortName(*method))](char kind) { return kinds.find(kind) != std::string::npos; };
    const Client& caller = may('O') ? officer_ : may('H') ? analyst : may('P') ? partner : node;
    const google::protobuf::Empty empty;
    const absl::Status status = caller.Call<google::protobuf::Empty>(ShortName(*method), empty, &context).status();
    EXPECT_NE(status.code(), absl::StatusCode::kUnimplemented) << MethodName(*method);
    EXPECT_NE(status.code(), absl::StatusCode::kPermissionDenied) << MethodName(*method);
    EXPECT_NE(ReasonOf(status), "INTERNAL") << MethodName(*method) << ": " << status;
  }
}

TEST_F(ServedPolicyTest, APartnerLearnsNothing) {
  MakeCountry("JP", "Japan");
  const Client partner = apac_.As("partner/JP/registry");
  std::set<std::string> answers;
  for (const char* name : {"countries/JP", "countries/KR", "nonsense"}) {
    v1::GetCountryRequest request;
    request.set_name(name);
    const absl::Status status = partner.Call<v1::Country>("ReferenceService/GetCountry", request).status();
    EXPECT_EQ(ReasonOf(status), "PERMISSION_DENIED");
    answers.insert(ToProto(status).SerializeAsString());
  }
  EXPECT_EQ(answers.size(), 1u);
  const google::protobuf::Empty empty;
  EXPECT_THAT(partner.Call<google::protobuf::Empty>("ReplicationService/Replicate", empty), FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(partner.Call<google::protobuf::Empty>("RecordService/WatchRecords", empty), FailsWith("PERMISSION_DENIED"));
}

}  // namespace
}  // namespace fairlead::rpc
