// The other importers: the region table and any CSV, ISO 3166-1, engagements, arrivals, conditions of entry and traffic.

#include <set>

#include "client/import/arrivals.h"
#include "client/import/conditions.h"
#include "client/import/countries.h"
#include "client/import/csv.h"
#include "client/import/engagements.h"
#include "client/import/traffic.h"
#include "tests/fuzz/property.h"
#include "tests/fuzz/rows.h"

namespace fairlead::fuzz {
namespace {

void TryCsv(std::string_view text) {
  import::CsvReader reader(text);
  import::CsvRow row;
  int64_t line = 0;
  bool unterminated = false;
  while (reader.Next(&row)) {
    Require(!unterminated, "nothing follows a field that never ends");
    unterminated = row.unterminated;
    Require(row.line > line && !row.fields.empty(), "rows have fields, and lines that ascend");
    line = row.line;
    for (const std::string& field : row.fields) Require(import::IsUtf8(field), "fields are UTF-8");
  }
}

void TryRegions(std::string_view text) {
  TryCsv(text);
  auto table = import::ParseRegions(text);
  if (!table.ok()) return RequireError(table.status(), {absl::StatusCode::kInvalidArgument});
  for (const auto& [code, entry] : *table) {
    Require(import::IsAlpha2(code) && !import::SiteOfRegion(entry.region).empty(), "a country has a code and a site");
  }
}

void TryCountries(std::string_view text) {
  static const import::RegionTable regions = {{"JP", {fairlead::v1::REGION_APAC, false}}, {"NL", {fairlead::v1::REGION_EAME, true}}};
  auto parsed = import::ParseIsoCountries(text, regions);
  if (!parsed.ok()) return RequireError(parsed.status(), {absl::StatusCode::kInvalidArgument});
  RequireBalanced(*parsed);
  Require(parsed->rows.size() <= regions.size(), "no country stands twice");
  for (const auto& row : parsed->rows) {
    Require(!row.record.display_name().empty() && import::IsUtf8(row.record.display_name()), "a country has a name, in UTF-8");
  }
}

void TryEngagements(std::string_view text) {
  const import::Parsed<import::EngagementRow> parsed = import::ParseEngagements(text);
  RequireBalanced(parsed);
  for (const auto& row : parsed.rows) {
    Require(!row.record.site.empty() && !row.record.engagement.title().empty(), "an engagement has a site and a title");
    Require(row.record.engagement.state() == fairlead::v1::ENGAGEMENT_STATE_UNSPECIFIED, "the state is reached, not written");
    Require(row.record.engagement.IsInitialized() && !row.record.engagement.SerializeAsString().empty(), "an engagement can be sent");
  }
}

// Rows that can be sent, and no name twice.
template <class Record>
void RequireRecords(const import::Parsed<Record>& parsed) {
  RequireBalanced(parsed);
  std::set<std::string> names;
  for (const auto& row : parsed.rows) {
    Require(!row.record.name().empty() && names.insert(row.record.name()).second, "each record has a name, of its own");
    Require(!row.record.SerializeAsString().empty(), "a record can be sent");
  }
}

void TryEntrances(std::string_view text) {
  static const import::ScheduleKTable codes = {{"58840", "countries/JP"}, {"00000", ""}};
  static const import::RegionTable countries = {{"JP", {fairlead::v1::REGION_APAC, false}}, {"US", {fairlead::v1::REGION_HQ, false}}};
  auto parsed = import::ParseEntrances(text, 2023, codes, countries);
  if (!parsed.ok()) return RequireError(parsed.status(), {absl::StatusCode::kInvalidArgument});
  RequireRecords(*parsed);
  for (const auto& row : parsed->rows) {
    Require(!row.record.vessel_name().empty() && row.record.arrival_date().year() == 2023, "an arrival has a vessel and a day of the year");
  }
}

void TryConditions(std::string_view text) {
  const import::Parsed<fairlead::v1::ConditionOfEntry> parsed = import::ParseConditions(text);
  RequireRecords(parsed);
  for (const auto& row : parsed.rows) {
    Require(row.record.state() != fairlead::v1::CONDITION_STATE_UNSPECIFIED, "a condition has the state that it is to have");
  }
}

template <class Record>
void TryTraffic(const absl::StatusOr<import::Parsed<Record>>& parsed) {
  if (!parsed.ok()) return RequireError(parsed.status(), {absl::StatusCode::kInvalidArgument});
  RequireRecords(*parsed);
}

}  // namespace
}  // namespace fairlead::fuzz

// The first byte says which it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return -1;
  const std::string_view text = fairlead::fuzz::AsText(data + 1, size - 1);
  switch (data[0]) {
    case 'r':
      fairlead::fuzz::TryRegions(text);
      return 0;
    case 'c':
      fairlead::fuzz::TryCountries(text);
      return 0;
    case 'e':
      fairlead::fuzz::TryEngagements(text);
      return 0;
    case 'a':
      fairlead::fuzz::TryEntrances(text);
      return 0;
    case 'n':
      fairlead::fuzz::RequireRecords(fairlead::import::ParseNotices(text));
      return 0;
    case 'o':
      fairlead::fuzz::TryConditions(text);
      return 0;
    case 'k':
      fairlead::fuzz::TryTraffic(fairlead::import::ParseScheduleK(text));
      return 0;
    case 'p':
      fairlead::fuzz::TryTraffic(fairlead::import::ParseEiaPetroleum(text));
      return 0;
    default:
      return -1;
  }
}
