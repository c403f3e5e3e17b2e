// Where each country stands on a day: how recently it was engaged, who covers it, its phase, its assessment, its conditions of entry.
//
// The cost follows the countries, assignments, visit cycles, assessments and conditions that there are, and not the engagements: the last
// that took place is found at the end of an index.
//
// Thread safety: free functions, any thread. Ownership: borrows node and view.

#ifndef FAIRLEAD_SERVER_VIEW_COUNTRIES_H_
#define FAIRLEAD_SERVER_VIEW_COUNTRIES_H_

#include <absl/status/statusor.h>
#include <absl/time/civil_time.h>

#include <string>
#include <vector>

#include "fairlead/v1/overview_service.pb.h"
#include "server/node/node.h"
#include "storage/store.h"

namespace fairlead::view {

inline constexpr int kStandingYears = 3;  // 46 USC 70108(d)

// Of a country that was last engaged on `last`.
v1::Standing StandingOn(absl::CivilDay last, absl::CivilDay today);

// Every country that is not withdrawn, by name, as it stood on `day` by what is recorded now; how many engagements and ports it has is of
// now.
absl::StatusOr<std::vector<v1::CountryOverview>> CountryOverviews(const node::Node& node, const storage::View& view, absl::CivilDay day);

// Whether the country is among those that the request asks for.
bool Passes(const v1::ListCountryOverviewsRequest& request, const v1::CountryOverview& country);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_COUNTRIES_H_
