#include "server/rpc/policy.h"

#include "api/errors.h"

namespace fairlead::rpc {
namespace {

constexpr uint8_t Bit(IdentityKind kind) { return static_cast<uint8_t>(1u << static_cast<unsigned>(kind)); }

constexpr uint8_t kNode = Bit(IdentityKind::kNode);
constexpr uint8_t kPartner = Bit(IdentityKind::kPartner);
constexpr uint8_t kHq = Bit(IdentityKind::kHq);
constexpr uint8_t kGateway = Bit(IdentityKind::kGateway);  // in the name of a viewer who may call it too (viewer.h)
constexpr uint8_t kStaff = Bit(IdentityKind::kOfficer) | kHq;
constexpr uint8_t kReaders = kStaff | kGateway;

constexpr std::string_view kPackage = "fairlead.v1.";

}  // namespace

const std::vector<PolicyRule>& PolicyRules() {
  static const auto* const rules = new std::vector<PolicyRule>{
      {"ReferenceService/Get*", kReaders},
      {"ReferenceService/List*", kReaders},
      {"ReferenceService/Create*", kStaff},
      {"ReferenceService/Update*", kStaff},
      {"ReferenceService/Withdraw*", kStaff},
      {"ReferenceService/Import*", kStaff},

      {"VisitService/Get*", kReaders},
      {"VisitService/List*", kReaders},
      {"VisitService/Create*", kStaff},
      {"VisitService/Update*", kStaff},
      {"VisitService/Withdraw*", kStaff},
      {"VisitService/BeginVisit", kStaff},
      {"VisitService/OfferReciprocal", kStaff},
      {"VisitService/OpenDialogue", kStaff},
      {"VisitService/EndVisitCycle", kStaff},
      {"VisitService/AcceptReciprocalVisit", kStaff},
      {"VisitService/DeclineReciprocalVisit", kStaff},
      {"VisitService/PlanReciprocalVisit", kStaff},
      {"VisitService/CompleteReciprocalVisit", kStaff},
      {"VisitService/ReportReciprocalVisit", kStaff},
      {"VisitService/CancelReciprocalVisit", kStaff},

      {"TrainingService/Get*", kReaders},
      {"TrainingService/List*", kReaders},
      {"TrainingService/Create*", kStaff},
      {"TrainingService/Update*", kStaff},
      {"TrainingService/Withdraw*", kStaff},
      {"TrainingService/Import*", kStaff},
      {"TrainingService/ApproveTrainingRequest", kStaff},
      {"TrainingService/DeclineTrainingRequest", kStaff},
      {"TrainingService/ScheduleTrainingRequest", kStaff},
      {"TrainingService/FulfilTrainingRequest", kStaff},
      {"TrainingService/CancelTrainingRequest", kStaff},
      {"TrainingService/HoldTrainingSession", kStaff},
      {"TrainingService/EvaluateTrainingSession", kStaff},
      {"TrainingService/CancelTrainingSession", kStaff},

      {"PortfolioService/Get*", kReaders},
      {"PortfolioService/List*", kReaders},
      {"PortfolioService/Create*", kStaff},
      {"PortfolioService/Update*", kStaff},
      {"PortfolioService/Withdraw*", kStaff},
      {"PortfolioService/HandoverAssignment", kStaff},

      {"EngagementService/Get*", kReaders},
      {"EngagementService/List*", kReaders},
      {"EngagementService/Create*", kStaff},
      {"EngagementService/Update*", kStaff},
      {"EngagementService/Withdraw*", kStaff},
      {"EngagementService/ProposeEngagement", kStaff},
      {"EngagementService/ScheduleEngagement", kStaff},
      {"EngagementService/StartEngagement", kStaff},
      {"EngagementService/CompleteEngagement", kStaff},
      {"EngagementService/ReportEngagement", kStaff},
      {"EngagementService/CloseEngagement", kStaff},
      {"EngagementService/CancelEngagement", kStaff},
      {"EngagementService/RefuseEngagement", kStaff},
      {"EngagementService/CompleteFollowUp", kStaff},
      {"EngagementService/VerifyFollowUp", kStaff},
      {"EngagementService/ReopenFollowUp", kStaff},

      {"AssessmentService/Get*", kReaders},
      {"AssessmentService/List*", kReaders},
      {"AssessmentService/Create*", kStaff},
      {"AssessmentService/Update*", kStaff},
      {"AssessmentService/Withdraw*", kStaff},
      {"AssessmentService/Import*", kStaff},
      {"AssessmentService/DetermineAssessment", kStaff},
      {"AssessmentService/NotifyAssessment", kStaff},
      {"AssessmentService/CloseAssessment", kStaff},
      {"AssessmentService/ImposeConditionOfEntry", kStaff},
      {"AssessmentService/RemedyConditionOfEntry", kStaff},
      {"AssessmentService/LiftConditionOfEntry", kStaff},

      {"PriorityService/Get*", kReaders},
      {"PriorityService/List*", kReaders},
      {"PriorityService/AdviseMeasures", kReaders},
      {"PriorityService/Create*", kStaff},
      {"PriorityService/Update*", kStaff},
      {"PriorityService/Withdraw*", kStaff},
      {"PriorityService/Import*", kStaff},

      // What knows its source is for staff; what is shared, for every reader.
      {"PracticeService/GetPracticeContribution", kStaff},
      {"PracticeService/ListPracticeContributions", kStaff},
      {"PracticeService/GetBestPractice", kReaders},
      {"PracticeService/ListBestPractices", kReaders},
      {"PracticeService/GetEndorsement", kReaders},
      {"PracticeService/ListEndorsements", kReaders},
      {"PracticeService/Create*", kStaff},
      {"PracticeService/Update*", kStaff},
      {"PracticeService/Withdraw*", kStaff},
      {"PracticeService/SubmitPracticeContribution", kStaff},
      {"PracticeService/ReturnPracticeContribution", kStaff},
      {"PracticeService/AcceptPracticeContribution", kStaff},
      {"PracticeService/PublishBestPractice", kHq},  // what is PUBLIC is shown to every partner nation then
      {"PracticeService/RetireBestPractice", kStaff},

      {"HelpDeskService/Get*", kReaders},
      {"HelpDeskService/List*", kReaders},
      {"HelpDeskService/Create*", kStaff},
      {"HelpDeskService/Update*", kStaff},
      {"HelpDeskService/Withdraw*", kStaff},
      {"HelpDeskService/RouteInquiry", kStaff},
      {"HelpDeskService/AnswerInquiry", kStaff},
      {"HelpDeskService/ReopenInquiry", kStaff},
      {"HelpDeskService/CloseInquiry", kStaff},

      {"ReleaseService/Get*", kReaders},
      {"ReleaseService/List*", kReaders},
      {"ReleaseService/PreviewRelease", kReaders},
      {"ReleaseService/CreatePartnerGroup", kStaff},
      {"ReleaseService/UpdatePartnerGroup", kStaff},
      {"ReleaseService/WithdrawPartnerGroup", kStaff},
      {"ReleaseService/CreateRelease", kStaff},
      // By a second role than that of the officers who propose. A gateway passes on decisions and no proposals of its own: what nobody has
      // proposed with a certificate of theirs, it cannot have released.
      {"ReleaseService/ApproveRelease", kHq | kGateway},
      {"ReleaseService/DeclineRelease", kHq | kGateway},
      {"ReleaseService/RecallRelease", kStaff},
      {"ReleaseService/AcceptProposal", kStaff | kGateway},
      {"ReleaseService/DeclineProposal", kStaff | kGateway},
      {"ReleaseService/MergeProposal", kStaff | kGateway},

      // On any record, those included that only staff may read: a file may say what its record says.
      {"AttachmentService/*", kStaff},

      // The partners' door, and nobody else's: what it answers is the caller's nation's.
      {"ExchangeService/*", kPartner},

      {"RecordService/ListRevisions", kReaders},
      {"RecordService/ListConflicts", kReaders},
      {"RecordService/GetConflict", kReaders},
      {"RecordService/ResolveConflict", kReaders},
      {"RecordService/EraseRevision", kStaff},
      {"RecordService/GetErasure", kReaders},
      {"RecordService/ListErasures", kReaders},
      {"RecordService/WatchRecords", kReaders},

      {"SearchService/Search", kReaders},

      // Whoever may see a figure may list what it counts.
      {"OverviewService/GetOverview", kReaders},
      {"OverviewService/WatchOverview", kReaders},
      {"OverviewService/ListCountryOverviews", kReaders},

      {"ReportService/Get*", kReaders},
      {"ReportService/List*", kReaders},
      {"ReportService/PrepareReport", kStaff},
      {"ReportService/WithdrawReport", kStaff},
      {"ReportService/CreateDelivery", kStaff},

      {"NodeService/GetNodeStatus", kReaders | kNode},
      {"NodeService/GetStateDigest", kReaders | kNode},
      {"NodeService/ListOpaqueEntries", kReaders},
      {"NodeService/ListUnauthorisedChanges", kStaff},
      {"NodeService/ListVoidEntries", kStaff},
      {"NodeService/VoidEntry", kHq},
      {"NodeService/ReissueEntries", kHq},
      {"NodeService/CreateBackup", kStaff},
      {"NodeService/ListBackups", kStaff},
      {"NodeService/VerifyBackup", kStaff},
      {"NodeService/DeleteBackup", kHq},  // a stolen officer's key shall not take a region's last copy

      {"NodeService/KeepAuditEvents", kNode},  // of the node's own site (audit_trail.h)

      // Who was shown and refused what is for headquarters' staff: an officer is among those who are audited.
      {"AuditService/*", kHq},

      {"LogService/GetCheckpoint", kReaders | kNode},
      {"LogService/ListLogEntries", kStaff},
      {"LogService/GetReceipt", kStaff},
      {"LogService/GetConsistencyProof", kReaders | kNode},

      {"ReplicationService/Replicate", kNode},
      {"ContentService/FetchContent", kNode},

      {"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kStaff},
  };
  return *rules;
}

bool Matches(const PolicyRule& rule, std::string_view method) {
  if (method.starts_with(kPackage)) method.remove_prefix(kPackage.size());
  if (rule.pattern.ends_with('*')) return method.starts_with(rule.pattern.substr(0, rule.pattern.size() - 1));
  return method == rule.pattern;
}

absl::Status Authorize(const Identity& identity, std::string_view method) {
  for (const PolicyRule& rule : PolicyRules()) {
    if ((rule.kinds & Bit(identity.kind)) != 0 && Matches(rule, method)) return absl::OkStatus();
  }
  return Error(Reason::kPermissionDenied, "not permitted");
}

absl::StatusOr<Identity> Admit(absl::StatusOr<Identity> identity, std::string_view method) {
  if (!identity.ok()) return identity;
  if (absl::Status allowed = Authorize(*identity, method); !allowed.ok()) return allowed;
  return identity;
}

}  // namespace fairlead::rpc
