#include "client/import/conditions.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "api/errors.h"
#include "client/import/json.h"
#include "client/import/lines.h"
#include "fairlead/v1/assessment_service.pb.h"

namespace fairlead::import {
namespace {

using fairlead::v1::ConditionOfEntry;

constexpr char kService[] = "fairlead.v1.AssessmentService.";

// Empty when the line is good; else what is wrong.
std::string ParseLine(const std::string& line, ConditionOfEntry* condition) {
  const nlohmann::json json = ParseJson<nlohmann::json>(line);
  if (!json.is_object() || !json.contains("condition") || !json["condition"].is_object()) return "no JSON object with a condition";
  for (const auto& [name, value] : json.items()) {
    if (name != "condition" && name != "state") return fmt::format("unknown member {}", name);
  }
  const auto status = google::protobuf::util::JsonStringToMessage(json["condition"].dump(), condition);
  if (!status.ok()) return fmt::format("condition: {}", status.ToString());
  if (condition->name().empty()) return "condition.name is missing";
  fairlead::v1::ConditionState state;
  const std::string wanted = json.contains("state") && json["state"].is_string() ? json["state"].get<std::string>() : "";
  if (!fairlead::v1::ConditionState_Parse("CONDITION_STATE_" + wanted, &state) || state == fairlead::v1::CONDITION_STATE_UNSPECIFIED) {
    return fmt::format("state \"{}\" is none of conditions of entry", wanted);
  }
  condition->set_state(state);
  return "";
}

// From where the record stands to `wanted`.
absl::Status Drive(client::Client& client, const ConditionOfEntry& wanted) {
  fairlead::v1::GetConditionOfEntryRequest get;
  get.set_name(wanted.name());
  absl::StatusOr<ConditionOfEntry> now = client.Call<ConditionOfEntry>(std::string(kService) + "GetConditionOfEntry", get);
  if (!now.ok()) return now.status();
  const auto move = [&](const std::string& method, auto request) {
    request.set_name(now->name());
    request.set_etag(now->etag());
    now = client.Call<ConditionOfEntry>(kService + method + "ConditionOfEntry", request);
    return now.status();
  };
  const bool pending = now->state() == fairlead::v1::CONDITION_STATE_PENDING;
  if (pending && wanted.state() == fairlead::v1::CONDITION_STATE_REMEDIED) {
    return move("Remedy", fairlead::v1::RemedyConditionOfEntryRequest());
  }
  if (pending && wanted.state() != fairlead::v1::CONDITION_STATE_PENDING) {
    if (absl::Status imposed = move("Impose", fairlead::v1::ImposeConditionOfEntryRequest()); !imposed.ok()) return imposed;
  }
  if (now->state() == fairlead::v1::CONDITION_STATE_IMPOSED && wanted.state() == fairlead::v1::CONDITION_STATE_LIFTED) {
    fairlead::v1::LiftConditionOfEntryRequest lift;
    if (wanted.has_lifted_date()) *lift.mutable_lifted_date() = wanted.lifted_date();
    return move("Lift", lift);
  }
  return absl::OkStatus();
}

}  // namespace

Parsed<ConditionOfEntry> ParseConditions(std::string_view text) {
  Parsed<ConditionOfEntry> parsed;
  std::map<std::string, int64_t> seen;
  EachLine(text, [&](int64_t number, const std::string& line) {
    ++parsed.read;
    ConditionOfEntry condition;
    if (const std::string problem = ParseLine(line, &condition); !problem.empty()) {
      parsed.Refuse(number, condition.name(), kMalformed, problem);
      return;
    }
    const auto [first, fresh] = seen.emplace(condition.name(), number);
    if (!fresh) {
      parsed.Refuse(number, condition.name(), kDuplicate, fmt::format("the name of line {}", first->second));
      return;
    }
    parsed.rows.push_back({number, std::move(condition)});
  });
  return parsed;
}

Report LoadConditions(client::Client& client, Parsed<ConditionOfEntry> parsed, const LoadOptions& options) {
  const std::vector<Row<ConditionOfEntry>> wanted = parsed.rows;
  for (Row<ConditionOfEntry>& row : parsed.rows) {
    row.record.clear_lifted_date();  // LiftConditionOfEntry sets it
    row.record.clear_state();
  }
  Report report = LoadRows(client, "fairlead.v1.AssessmentService", std::move(parsed), options);
  for (const Row<ConditionOfEntry>& row : wanted) {
    if (options.stop.stop_requested()) break;
    const auto refused = [&row](const Refusal& refusal) { return refusal.line == row.line; };
    if (std::any_of(report.refusals.begin(), report.refusals.end(), refused)) continue;
    const absl::Status driven = Drive(client, row.record);
    // It is written, in another state than it was to have.
    if (!driven.ok() && report.failure.ok()) report.failure = driven;
  }
  return report;
}

}  // namespace fairlead::import
