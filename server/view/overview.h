// The global view: the figures that commits have kept, put together for one answer.
//
// A read costs the number of figures (countries, kinds, states and months that occur) and of the few records that today's standings follow
// from (assignments, visit cycles, assessments, conditions of entry), never the number of engagements.
// Thread safety: pure functions over a node. Ownership: none.

#ifndef FAIRLEAD_SERVER_VIEW_OVERVIEW_H_
#define FAIRLEAD_SERVER_VIEW_OVERVIEW_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <vector>

#include "fairlead/v1/overview_service.pb.h"
#include "server/node/node.h"

namespace fairlead::view {

inline constexpr int kMonthsDefault = 12;
inline constexpr int kMonthsMax = 120;
inline constexpr int kMonthsAhead = 3;

struct OverviewOptions {
  absl::Duration staleness_bound;                      // sites whose figures are older are named in `unreachable`
  v1::PriorityWeights weights;                         // of the priority list
  std::function<std::vector<v1::LinkStatus>()> links;  // of the node; may be null
};

// FIELD_INVALID on sections, months or the day.
absl::StatusOr<v1::Overview> OverviewOf(const node::Node& node, const OverviewOptions& options, const v1::GetOverviewRequest& request);
absl::StatusOr<v1::ListCountryOverviewsResponse> ListCountryOverviews(const node::Node& node, const OverviewOptions& options,
                                                                      const v1::ListCountryOverviewsRequest& request);

// The roster's sites with what this node knows of each as of when, and the names of those that are silent or stale at `now`.
struct SitesKnown {
  std::vector<v1::SiteOverview> sites;
  std::vector<std::string> unreachable;
};
SitesKnown SitesOf(const node::Node& node, absl::Time now, absl::Duration staleness_bound);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_OVERVIEW_H_
