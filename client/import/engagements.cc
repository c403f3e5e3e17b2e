#include "client/import/engagements.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <deque>
#include <map>
#include <utility>

#include "client/import/json.h"
#include "client/import/lines.h"

namespace fairlead::import {
namespace {

using fairlead::v1::Engagement;
using fairlead::v1::EngagementState;

struct Edge {
  const char* method;
  EngagementState from;
  EngagementState to;
};

// The lifecycle as engagement_service.proto documents it.
constexpr Edge kEdges[] = {
    {"ProposeEngagement", fairlead::v1::ENGAGEMENT_STATE_DRAFT, fairlead::v1::ENGAGEMENT_STATE_PROPOSED},
    {"ScheduleEngagement", fairlead::v1::ENGAGEMENT_STATE_DRAFT, fairlead::v1::ENGAGEMENT_STATE_SCHEDULED},
    {"ScheduleEngagement", fairlead::v1::ENGAGEMENT_STATE_PROPOSED, fairlead::v1::ENGAGEMENT_STATE_SCHEDULED},
    {"StartEngagement", fairlead::v1::ENGAGEMENT_STATE_SCHEDULED, fairlead::v1::ENGAGEMENT_STATE_IN_PROGRESS},
    {"CompleteEngagement", fairlead::v1::ENGAGEMENT_STATE_IN_PROGRESS, fairlead::v1::ENGAGEMENT_STATE_COMPLETED},
    {"ReportEngagement", fairlead::v1::ENGAGEMENT_STATE_COMPLETED, fairlead::v1::ENGAGEMENT_STATE_REPORTED},
    {"CloseEngagement", fairlead::v1::ENGAGEMENT_STATE_REPORTED, fairlead::v1::ENGAGEMENT_STATE_CLOSED},
    {"CancelEngagement", fairlead::v1::ENGAGEMENT_STATE_DRAFT, fairlead::v1::ENGAGEMENT_STATE_CANCELLED},
    {"CancelEngagement", fairlead::v1::ENGAGEMENT_STATE_PROPOSED, fairlead::v1::ENGAGEMENT_STATE_CANCELLED},
    {"CancelEngagement", fairlead::v1::ENGAGEMENT_STATE_SCHEDULED, fairlead::v1::ENGAGEMENT_STATE_CANCELLED},
    {"CancelEngagement", fairlead::v1::ENGAGEMENT_STATE_IN_PROGRESS, fairlead::v1::ENGAGEMENT_STATE_CANCELLED},
    {"RefuseEngagement", fairlead::v1::ENGAGEMENT_STATE_PROPOSED, fairlead::v1::ENGAGEMENT_STATE_REFUSED},
    {"RefuseEngagement", fairlead::v1::ENGAGEMENT_STATE_SCHEDULED, fairlead::v1::ENGAGEMENT_STATE_REFUSED},
};

// Empty when the line is good; else what is wrong.
std::string ParseLine(const std::string& line, EngagementRow* row) {
  const nlohmann::json json = ParseJson<nlohmann::json>(line);
  if (!json.is_object()) return "not a JSON object";
  for (const auto& [name, value] : json.items()) {
    const bool text = name == "site" || name == "key" || name == "state";
    if (!text && name != "engagement") return fmt::format("unknown member {}", name);
    if (text && !value.is_string()) return fmt::format("{} is no string", name);
  }
  row->site = json.value("site", "");
  row->key = json.value("key", "");
  if (row->site.empty()) return "site is missing";
  if (!json.contains("engagement") || !json["engagement"].is_object()) return "engagement is missing";
  if (const std::string state = json.value("state", "DRAFT");
      !fairlead::v1::EngagementState_Parse("ENGAGEMENT_STATE_" + state, &row->state) ||
      row->state == fairlead::v1::ENGAGEMENT_STATE_UNSPECIFIED) {
    return fmt::format("{} is no state of an engagement", state);
  }
  const auto status = google::protobuf::util::JsonStringToMessage(json["engagement"].dump(), &row->engagement);
  if (!status.ok()) return fmt::format("engagement: {}", status.ToString());
  if (row->engagement.title().empty() || row->engagement.countries().empty()) return "an engagement needs a title and a country";
  row->engagement.clear_state();
  return "";
}

}  // namespace

Parsed<EngagementRow> ParseEngagements(std::string_view text) {
  Parsed<EngagementRow> parsed;
  std::map<std::pair<std::string, std::string>, int64_t> seen;
  EachLine(text, [&](int64_t number, const std::string& line) {
    ++parsed.read;
    EngagementRow row;
    if (const std::string problem = ParseLine(line, &row); !problem.empty()) {
      parsed.Refuse(number, row.key, kMalformed, problem);
      return;
    }
    const auto [first, fresh] = seen.emplace(std::pair(row.engagement.source(), row.engagement.title()), number);
    if (!fresh) {
      parsed.Refuse(number, row.key, kDuplicate, fmt::format("source and title of line {}", first->second));
      return;
    }
    parsed.rows.push_back({number, std::move(row)});
  });
  return parsed;
}

std::optional<std::vector<std::string>> LifecyclePath(EngagementState from, EngagementState to) {
  std::map<EngagementState, std::vector<std::string>> paths = {{from, {}}};
  std::deque<EngagementState> open = {from};
  while (!open.empty()) {
    const EngagementState at = open.front();
    open.pop_front();
    if (at == to) return paths[at];
    for (const Edge& edge : kEdges) {
      if (edge.from != at || paths.contains(edge.to)) continue;
      std::vector<std::string> path = paths[at];
      path.push_back(edge.method);
      paths[edge.to] = std::move(path);
      open.push_back(edge.to);
    }
  }
  return std::nullopt;
}

}  // namespace fairlead::import
