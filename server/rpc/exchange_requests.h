// What a nation asks for through ExchangeService: visits of its officials, and courses.
//
// A request becomes the record that an officer would have entered, with the nation's system in it; staff handle both alike. The nation is
// told what became of it, in words of this service: never what staff wrote beside that.
//
// Thread safety: any thread. Ownership: borrows the door.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_REQUESTS_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_REQUESTS_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "fairlead/v1/exchange_service.pb.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/exchange_door.h"
#include "storage/store.h"

namespace fairlead::rpc {

class ExchangeRequests {
 public:
  explicit ExchangeRequests(const ExchangeDoor* door) : door_(*door) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  void RequestVisit(const std::shared_ptr<Call>& call, const v1::RequestVisitRequest& request, Reply reply) const;
  absl::StatusOr<v1::VisitRequest> GetVisit(const Call& call, const v1::GetVisitRequestRequest& request) const;
  absl::StatusOr<v1::ListVisitRequestsResponse> ListVisits(const Call& call, const v1::ListVisitRequestsRequest& request) const;
  void CancelVisit(const std::shared_ptr<Call>& call, const v1::CancelVisitRequestRequest& request, Reply reply) const;

  void RequestCourse(const std::shared_ptr<Call>& call, const v1::RequestCourseRequest& request, Reply reply) const;
  absl::StatusOr<v1::CourseRequest> GetCourse(const Call& call, const v1::GetCourseRequestRequest& request) const;
  absl::StatusOr<v1::ListCourseRequestsResponse> ListCourses(const Call& call, const v1::ListCourseRequestsRequest& request) const;
  void CancelCourse(const std::shared_ptr<Call>& call, const v1::CancelCourseRequestRequest& request, Reply reply) const;

  // Plans that the nation's own undecided request moves from `undecided` to `cancelled`. RECORD_NOT_FOUND, STATE_FORBIDS.
  absl::StatusOr<WriteMethods::Plan> PlanCancelled(const Call& call, const OwnKind& kind, const google::protobuf::Message& request,
                                                   int undecided, int cancelled) const;
  // The offering that the nation knows by this name and may ask for; empty when there is none.
  absl::StatusOr<std::string> OfferingOf(const Call& call, const std::string& course) const;
  v1::CourseRequest CourseOf(const storage::View& view, const google::protobuf::Message& record) const;

  const ExchangeDoor& door_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_REQUESTS_H_
