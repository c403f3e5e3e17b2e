#include "client/dashboard/json_calls.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <memory>

#include "api/errors.h"
#include "fairlead/v1/assessment_service.pb.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/overview_service.pb.h"
#include "fairlead/v1/portfolio_service.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "fairlead/v1/record_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "fairlead/v1/report_service.pb.h"
#include "fairlead/v1/search_service.pb.h"
#include "fairlead/v1/training_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"

namespace fairlead::dashboard {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;

// Their services, and the records that may come inside an Any. Named, so that the linker keeps them.
void KeepDefinitions() {
  for (const FileDescriptor* file : {v1::GetOverviewRequest::descriptor()->file(), v1::GetCountryRequest::descriptor()->file(),
                                     v1::GetEngagementRequest::descriptor()->file(), v1::GetAssessmentRequest::descriptor()->file(),
                                     v1::GetVisitCycleRequest::descriptor()->file(), v1::GetTrainingSessionRequest::descriptor()->file(),
                                     v1::GetAssignmentRequest::descriptor()->file(), v1::GetArrivalRequest::descriptor()->file(),
                                     v1::GetReleaseRequest::descriptor()->file(), v1::GetInquiryRequest::descriptor()->file(),
                                     v1::GetBestPracticeRequest::descriptor()->file(), v1::ListConflictsRequest::descriptor()->file(),
                                     v1::GetNodeStatusRequest::descriptor()->file(), v1::SearchRequest::descriptor()->file(),
                                     v1::GetReportRequest::descriptor()->file()}) {
    if (file == nullptr) std::abort();
  }
}

}  // namespace

const std::vector<std::string_view>& PageMethods() {
  static const auto* const methods = new std::vector<std::string_view>{
      "OverviewService/GetOverview",
      "OverviewService/ListCountryOverviews",

      "ReferenceService/GetCountry",
      "ReferenceService/GetPort",
      "ReferenceService/GetPortFacility",
      "ReferenceService/GetContact",
      "ReferenceService/GetLiaisonOfficer",
      "ReferenceService/ListCountries",
      "ReferenceService/ListPorts",
      "ReferenceService/ListLiaisonOfficers",

      "EngagementService/GetEngagement",
      "EngagementService/GetObservation",
      "EngagementService/GetFollowUp",
      "EngagementService/ListEngagements",
      "EngagementService/ListObservations",
      "EngagementService/ListFollowUps",
      "EngagementService/ListCalendarEntries",
      "EngagementService/ListClashes",
      "EngagementService/ListOverdueFollowUps",

      "AssessmentService/GetAssessment",
      "AssessmentService/GetConditionOfEntry",
      "AssessmentService/ListAssessments",
      "AssessmentService/ListConditionsOfEntry",
      "AssessmentService/ListAssessmentStandings",
      "AssessmentService/ListConditionsInForce",

      "VisitService/GetVisitCycle",
      "VisitService/GetReciprocalVisit",
      "VisitService/ListVisitStages",
      "TrainingService/GetTrainingOffering",
      "TrainingService/GetTrainingRequest",
      "TrainingService/GetTrainingSession",
      "PortfolioService/GetAssignment",
      "PortfolioService/ListCoverage",

      "PriorityService/GetArrival",
      "PriorityService/GetScheduleKPort",
      "PriorityService/GetTrafficFigure",
      "PriorityService/ListVisitPriorities",

      "ReleaseService/GetPartnerGroup",
      "ReleaseService/GetRelease",
      "ReleaseService/GetProposal",
      "ReleaseService/ListReleases",
      "ReleaseService/ListProposals",
      "ReleaseService/PreviewRelease",
      "ReleaseService/ApproveRelease",
      "ReleaseService/DeclineRelease",
      "ReleaseService/AcceptProposal",
      "ReleaseService/DeclineProposal",
      "ReleaseService/MergeProposal",

      "HelpDeskService/GetInquiry",
      "PracticeService/GetBestPractice",
      "PracticeService/GetEndorsement",

      "ReportService/GetReport",
      "ReportService/GetDelivery",

      "RecordService/ListRevisions",
      "RecordService/ListConflicts",
      "RecordService/GetConflict",
      "RecordService/ResolveConflict",

      "SearchService/Search",

      "NodeService/GetNodeStatus",
      "NodeService/GetStateDigest",
      "NodeService/ListOpaqueEntries",

      // What figures of the overview count.
      "PriorityService/ListEligibleCountries",
      "HelpDeskService/ListInquiries",
      "TrainingService/ListTrainingSessions",
      "TrainingService/ListTrainingRequests",
  };
  return *methods;
}

const MethodDescriptor* FindPageMethod(std::string_view name) {
  const std::vector<std::string_view>& methods = PageMethods();
  if (std::find(methods.begin(), methods.end(), name) == methods.end()) return nullptr;
  KeepDefinitions();
  std::string full = "fairlead.v1." + std::string(name);
  full[full.find('/')] = '.';
  return DescriptorPool::generated_pool()->FindMethodByName(full);
}

absl::StatusOr<std::string> ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return Error(Reason::kInternal, "the answer has no JSON form: " + status.ToString());
  return text;
}

absl::StatusOr<std::string> CallJson(client::Client* client, const MethodDescriptor& method, const std::string& request,
                                     const client::CallOptions& call, client::Answer* answer) {
  MessageFactory* const factory = MessageFactory::generated_factory();
  const std::unique_ptr<Message> input(factory->GetPrototype(method.input_type())->New());
  const std::unique_ptr<Message> output(factory->GetPrototype(method.output_type())->New());
  const auto parsed = google::protobuf::util::JsonStringToMessage(request, input.get());
  if (!parsed.ok()) {
    return Error(Reason::kMessageMalformed, "the request is no " + method.input_type()->name() + ": " + std::string(parsed.message()));
  }
  if (absl::Status status = client->Call(method, *input, output.get(), call, answer); !status.ok()) return status;
  return ToJson(*output);
}

nlohmann::ordered_json ErrorJson(const absl::Status& status) {
  return {{"code", absl::StatusCodeToString(status.code())},
          {"reason", ReasonOf(status)},
          {"message", std::string(status.message())},
          {"field", FieldOf(status)}};
}

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace fairlead::dashboard
