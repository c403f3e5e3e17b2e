// Engagements from JSON lines, one object a line:
//
//   {"site": "apac", "key": "stable-key", "engagement": {proto3 JSON of fairlead.v1.Engagement}, "state": "CLOSED"}
//
// Ids of engagements are assigned by the service, so a row is recognised by source and title among the engagements of its first country.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_CLIENT_IMPORT_ENGAGEMENTS_H_
#define FAIRLEAD_CLIENT_IMPORT_ENGAGEMENTS_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/import/rows.h"
#include "fairlead/v1/engagement.pb.h"

namespace fairlead::import {

struct EngagementRow {
  std::string site;
  std::string key;
  fairlead::v1::Engagement engagement;
  fairlead::v1::EngagementState state = fairlead::v1::ENGAGEMENT_STATE_DRAFT;  // where it is to end
};

// Lines that are empty or begin with "#" do not count as rows.
Parsed<EngagementRow> ParseEngagements(std::string_view text);

// The custom methods, such as "ScheduleEngagement", that lead from one state to another by the shortest way; nullopt when none do.
std::optional<std::vector<std::string>> LifecyclePath(fairlead::v1::EngagementState from, fairlead::v1::EngagementState to);

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_ENGAGEMENTS_H_
