// The other importers: the region table and any CSV, ISO 3166-1 and engagements.

#include "client/import/countries.h"
#include "client/import/csv.h"
#include "client/import/engagements.h"
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
    default:
      return -1;
  }
}
