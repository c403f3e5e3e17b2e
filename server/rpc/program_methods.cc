#include "server/rpc/program_methods.h"

#include "server/view/assessments.h"
#include "server/view/priorities.h"

namespace fairlead::rpc {

void RegisterProgramMethods(const node::Node* node, const v1::PriorityWeights& weights, Dispatcher* dispatcher) {
  dispatcher->Unary<v1::ListAssessmentStandingsRequest, v1::ListAssessmentStandingsResponse>(
      "fairlead.v1.AssessmentService/ListAssessmentStandings",
      [node](const Call&, const v1::ListAssessmentStandingsRequest& request) { return view::ListStandings(*node, request); });
  dispatcher->Unary<v1::ListConditionsInForceRequest, v1::ListConditionsInForceResponse>(
      "fairlead.v1.AssessmentService/ListConditionsInForce",
      [node](const Call&, const v1::ListConditionsInForceRequest& request) { return view::ListInForce(*node, request); });
  dispatcher->Unary<v1::ListEligibleCountriesRequest, v1::ListEligibleCountriesResponse>(
      "fairlead.v1.PriorityService/ListEligibleCountries",
      [node](const Call&, const v1::ListEligibleCountriesRequest& request) { return view::ListEligible(*node, request); });
  dispatcher->Unary<v1::ListVisitPrioritiesRequest, v1::ListVisitPrioritiesResponse>(
      "fairlead.v1.PriorityService/ListVisitPriorities", [node, weights](const Call&, const v1::ListVisitPrioritiesRequest& request) {
        return view::ListPriorities(*node, request, weights);
      });
  dispatcher->Unary<v1::AdviseMeasuresRequest, v1::AdviseMeasuresResponse>(
      "fairlead.v1.PriorityService/AdviseMeasures",
      [node](const Call&, const v1::AdviseMeasuresRequest& request) { return view::AdviseMeasures(*node, request); });
  dispatcher->Unary<v1::GetServiceTimesRequest, v1::ServiceTimes>(
      "fairlead.v1.HelpDeskService/GetServiceTimes",
      [node](const Call&, const v1::GetServiceTimesRequest& request) { return view::ServiceTimesOf(*node, request); });
}

}  // namespace fairlead::rpc
