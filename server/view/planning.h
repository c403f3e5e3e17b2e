// What is planned: the calendar, officers who are expected at two places at once, follow-ups that are overdue.
//
// Nothing here is folded: dates are stored, and compared with the day that a caller asks about. The cost follows the days that are asked
// about, not the records that there are.
//
// Thread safety: free functions, any thread. Ownership: borrows node and view.

#ifndef FAIRLEAD_SERVER_VIEW_PLANNING_H_
#define FAIRLEAD_SERVER_VIEW_PLANNING_H_

#include <absl/status/statusor.h>
#include <absl/time/civil_time.h>

#include <string>
#include <string_view>
#include <vector>

#include "fairlead/v1/engagement_service.pb.h"
#include "server/node/node.h"
#include "server/records/months.h"
#include "storage/store.h"

namespace fairlead::view {

inline constexpr int kRangeDaysMax = 366;        // of a calendar
inline constexpr size_t kOccasionsMax = 10'000;  // that one answer is made from
inline constexpr size_t kClashesMax = 1000;

// The day of `date`, or of the node's clock (UTC) when it is null. FIELD_INVALID on `field` unless it has year, month and day.
absl::StatusOr<absl::CivilDay> AsOf(const node::Node& node, const google::type::Date* date, std::string_view field);

// The regions of countries, by name.
std::map<std::string, v1::Region> RegionsOfCountries(const node::Node& node);

struct CalendarQuery {
  records::Days days;
  v1::Region region = v1::REGION_UNSPECIFIED;  // empty filters pass everything
  std::string country;
  std::string officer;
};

// The query of days in a request. FIELD_REQUIRED or FIELD_INVALID on start_date or end_date; null is absent.
absl::StatusOr<CalendarQuery> CalendarOf(const google::type::Date* start, const google::type::Date* end);

// What takes place.
struct Occasion {
  v1::CalendarEntry entry;
  records::Days days;   // that it may take
  bool whole = true;    // its dates have their days
  bool settled = true;  // more than a draft
  std::string part_of;  // the engagement that it is part of; empty when none
};

// Ordered as the calendar is. FIELD_TOO_LARGE when there are more than kOccasionsMax.
absl::StatusOr<std::vector<Occasion>> OccasionsOf(const node::Node& node, const storage::View& view, const CalendarQuery& query);

// Those that begin on or after the day, the first `max` of them, ordered as the calendar is; fewer where much of what is planned has been
// called off. Its cost is bounded.
absl::StatusOr<std::vector<Occasion>> NextOccasions(const node::Node& node, const storage::View& view, absl::CivilDay from, size_t max);

// What the calendar is ordered by: pages continue after it.
std::string PositionOf(const v1::CalendarEntry& entry);

// At most kClashesMax, the first ones; `days` are those asked about.
v1::ListClashesResponse ClashesAmong(const std::vector<Occasion>& occasions, const records::Days& days, std::string_view officer);

struct OverdueQuery {
  absl::CivilDay as_of;
  std::string owner;  // empty filters pass everything
  std::string country;
  v1::Region region = v1::REGION_UNSPECIFIED;
  bool of_observation = false;
};

// A page of overdue follow-ups after `position`, which becomes that of the last one looked at, or empty when there are no more.
absl::StatusOr<std::vector<v1::OverdueFollowUp>> OverdueFollowUps(const node::Node& node, const storage::View& view,
                                                                  const OverdueQuery& query, int page_size, std::string* position);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_PLANNING_H_
