// Where countries stand in the assessment cycle, and which conditions of entry apply, on a day.
//
// Thread safety: free functions, any thread. Ownership: borrows the node.

#ifndef FAIRLEAD_SERVER_VIEW_ASSESSMENTS_H_
#define FAIRLEAD_SERVER_VIEW_ASSESSMENTS_H_

#include <absl/status/statusor.h>
#include <absl/time/civil_time.h>

#include <map>
#include <string>
#include <vector>

#include "fairlead/v1/assessment_service.pb.h"
#include "server/node/node.h"
#include "storage/store.h"

namespace fairlead::view {

inline constexpr int kDueWithinDaysDefault = 180;
inline constexpr int kDueWithinDaysMax = 1095;

// `newest` may be null: never assessed.
fairlead::v1::AssessmentStanding StandingOf(const std::string& country, const fairlead::v1::Assessment* newest, absl::CivilDay as_of,
                                            int due_within_days);
// The newest determination of each country on or before the day, by country; the greater name of two on one day.
std::map<std::string, fairlead::v1::Assessment> NewestDeterminations(std::vector<fairlead::v1::Assessment> assessments,
                                                                     absl::CivilDay as_of);

// The day that `date` gives, or that of the node's clock (UTC) when it is absent. INVALID_ARGUMENT on `field` unless it is whole.
absl::StatusOr<absl::CivilDay> DayOrToday(const node::Node& node, bool present, const google::type::Date& date, const std::string& field);

absl::StatusOr<fairlead::v1::ListAssessmentStandingsResponse> ListStandings(const node::Node& node,
                                                                            const fairlead::v1::ListAssessmentStandingsRequest& request);
absl::StatusOr<fairlead::v1::ListConditionsInForceResponse> ListInForce(const node::Node& node,
                                                                        const fairlead::v1::ListConditionsInForceRequest& request);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_ASSESSMENTS_H_
