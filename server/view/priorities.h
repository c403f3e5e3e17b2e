// To which countries visits are offered, in which order, and what arrivals ask for: read from figures and records of the node.
//
// The cost follows the months of the window and the countries, not the arrivals or figures behind them.
// Thread safety: free functions, any thread. Ownership: borrows the node.

#ifndef FAIRLEAD_SERVER_VIEW_PRIORITIES_H_
#define FAIRLEAD_SERVER_VIEW_PRIORITIES_H_

#include <absl/status/statusor.h>

#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "server/node/node.h"

namespace fairlead::view {

absl::StatusOr<fairlead::v1::ListEligibleCountriesResponse> ListEligible(const node::Node& node,
                                                                         const fairlead::v1::ListEligibleCountriesRequest& request);
// `weights`: those that count when the request brings none.
absl::StatusOr<fairlead::v1::ListVisitPrioritiesResponse> ListPriorities(const node::Node& node,
                                                                         const fairlead::v1::ListVisitPrioritiesRequest& request,
                                                                         const fairlead::v1::PriorityWeights& weights);
absl::StatusOr<fairlead::v1::AdviseMeasuresResponse> AdviseMeasures(const node::Node& node,
                                                                    const fairlead::v1::AdviseMeasuresRequest& request);
// How long the help desk's answers took. Its cost follows the inquiries of the window.
absl::StatusOr<fairlead::v1::ServiceTimes> ServiceTimesOf(const node::Node& node, const fairlead::v1::GetServiceTimesRequest& request);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_PRIORITIES_H_
