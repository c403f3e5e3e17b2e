// Where each country is in its round of visits, who covers it, and what the Port Security Specialist Team takes part in, on a day.
//
// Thread safety: free functions, any thread. Ownership: borrows the node.

#ifndef FAIRLEAD_SERVER_VIEW_PORTFOLIOS_H_
#define FAIRLEAD_SERVER_VIEW_PORTFOLIOS_H_

#include <absl/status/statusor.h>
#include <absl/time/civil_time.h>

#include "fairlead/v1/portfolio_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"
#include "server/node/node.h"

namespace fairlead::view {

inline constexpr int kTeamDaysDefault = 90;
inline constexpr int kTeamDaysMax = 366;

// The phase of `cycle` on the day; phase unspecified when it had not begun.
v1::VisitStage StageOf(const v1::VisitCycle& cycle, absl::CivilDay as_of);

// The answers of the methods of these names. FIELD_INVALID names the field.
absl::StatusOr<v1::ListVisitStagesResponse> ListVisitStages(const node::Node& node, const v1::ListVisitStagesRequest& request);
absl::StatusOr<v1::ListCoverageResponse> ListCoverage(const node::Node& node, const v1::ListCoverageRequest& request);
absl::StatusOr<v1::ListTeamDutiesResponse> ListTeamDuties(const node::Node& node, const v1::ListTeamDutiesRequest& request);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_PORTFOLIOS_H_
