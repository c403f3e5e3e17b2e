#include "server/rpc/services.h"

#include "fairlead/v1/assessment_service.pb.h"
#include "fairlead/v1/attachment_service.pb.h"
#include "fairlead/v1/audit_service.pb.h"
#include "fairlead/v1/content_service.pb.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/exchange_service.pb.h"
#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/log_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/overview_service.pb.h"
#include "fairlead/v1/portfolio_service.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "fairlead/v1/record_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "fairlead/v1/replication_service.pb.h"
#include "fairlead/v1/report_service.pb.h"
#include "fairlead/v1/search_service.pb.h"
#include "fairlead/v1/training_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"

namespace fairlead::rpc {

const std::vector<const google::protobuf::ServiceDescriptor*>& Services() {
  static const auto* const services = [] {
    auto* all = new std::vector<const google::protobuf::ServiceDescriptor*>;
    for (const google::protobuf::FileDescriptor* file : {
             v1::GetCountryRequest::descriptor()->file(),    v1::GetEngagementRequest::descriptor()->file(),
             v1::GetVisitCycleRequest::descriptor()->file(), v1::GetTrainingOfferingRequest::descriptor()->file(),
             v1::GetAssignmentRequest::descriptor()->file(), v1::GetAssessmentRequest::descriptor()->file(),
             v1::GetArrivalRequest::descriptor()->file(),    v1::GetBestPracticeRequest::descriptor()->file(),
             v1::GetInquiryRequest::descriptor()->file(),    v1::GetReleaseRequest::descriptor()->file(),
             v1::GetAttachmentRequest::descriptor()->file(), v1::GetReleasedRecordRequest::descriptor()->file(),
             v1::ListRevisionsRequest::descriptor()->file(), v1::SearchRequest::descriptor()->file(),
             v1::GetOverviewRequest::descriptor()->file(),   v1::GetReportRequest::descriptor()->file(),
             v1::GetNodeStatusRequest::descriptor()->file(), v1::GetCheckpointRequest::descriptor()->file(),
             v1::ReplicateRequest::descriptor()->file(),     v1::FetchContentRequest::descriptor()->file(),
             v1::GetAuditEventRequest::descriptor()->file(),
         }) {
      for (int i = 0; i < file->service_count(); ++i) all->push_back(file->service(i));
    }
    return all;
  }();
  return *services;
}

std::string MethodName(const google::protobuf::MethodDescriptor& method) { return method.service()->full_name() + "/" + method.name(); }

}  // namespace fairlead::rpc
