#include "client/import/countries.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "client/import/csv.h"
#include "client/import/json.h"

namespace fairlead::import {
namespace {

using fairlead::v1::Country;
using fairlead::v1::Region;

// The member as a string; empty when it is absent or no string.
std::string Text(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? Trim(it->get_ref<const std::string&>()) : "";
}

// "#" begins a comment line; blanked rather than removed, so that line numbers stay.
std::string WithoutComments(std::string_view text) {
  std::string out(text);
  bool at_start = true;
  bool comment = false;
  for (char& c : out) {
    if (at_start) comment = c == '#';
    at_start = c == '\n';
    if (comment && c != '\n') c = '\r';
  }
  return out;
}

}  // namespace

bool IsAlpha2(std::string_view code) {
  return code.size() == 2 && std::all_of(code.begin(), code.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string SiteOfRegion(Region region) {
  if (region == fairlead::v1::REGION_UNSPECIFIED || !fairlead::v1::Region_IsValid(region)) return "";
  std::string site = fairlead::v1::Region_Name(region).substr(std::string("REGION_").size());
  for (char& c : site) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return site;
}

absl::StatusOr<RegionTable> ParseRegions(std::string_view text) {
  const std::string rows = WithoutComments(text);
  CsvReader reader(rows);
  CsvRow row;
  if (!reader.Next(&row)) return absl::InvalidArgumentError("the region table is empty");
  const Header header(row.fields);
  const int alpha2 = header.Find({"alpha2"});
  const int region = header.Find({"region", "liaison_region"});
  const int landlocked = header.Find({"landlocked"});
  if (alpha2 < 0 || region < 0) {
    return absl::InvalidArgumentError(fmt::format("line {}: the region table needs the columns alpha2 and region", row.line));
  }
  RegionTable table;
  while (reader.Next(&row)) {
    const std::string code = FieldAt(row, alpha2);
    if (!IsAlpha2(code)) return absl::InvalidArgumentError(fmt::format("line {}: {} is no ISO 3166-1 alpha-2 code", row.line, code));
    CountryRegion entry;
    if (!fairlead::v1::Region_Parse("REGION_" + FieldAt(row, region), &entry.region) || entry.region == fairlead::v1::REGION_UNSPECIFIED) {
      return absl::InvalidArgumentError(fmt::format("line {}: {} is no region", row.line, FieldAt(row, region)));
    }
    entry.landlocked = FieldAt(row, landlocked) == "Y";
    if (!table.emplace(code, entry).second) return absl::InvalidArgumentError(fmt::format("line {}: {} is there twice", row.line, code));
  }
  return table;
}

absl::StatusOr<Parsed<Country>> ParseIsoCountries(std::string_view text, const RegionTable& regions) {
  const nlohmann::json json = ParseJson<nlohmann::json>(text);
  if (!json.is_object() || !json.contains("3166-1") || !json["3166-1"].is_array()) {
    return absl::InvalidArgumentError("not a JSON file of ISO 3166-1 as iso-codes publishes it");
  }
  Parsed<Country> parsed;
  std::map<std::string, int64_t> seen;
  for (const nlohmann::json& entry : json["3166-1"]) {
    const int64_t line = ++parsed.read;
    const std::string alpha2 = Text(entry, "alpha_2");
    if (!IsAlpha2(alpha2)) {
      parsed.Refuse(line, alpha2, kCodeInvalid, "alpha_2 is not two upper-case letters");
      continue;
    }
    const auto region = regions.find(alpha2);
    if (region == regions.end()) {
      parsed.Refuse(line, alpha2, kCountryUnknown, "the region table has no such country");
      continue;
    }
    // iso-codes keeps the inverted list name under "name" and the running form under "common_name" where they differ.
    std::string name = Text(entry, "common_name");
    if (name.empty()) name = Text(entry, "name");
    if (name.empty()) {
      parsed.Refuse(line, alpha2, kNameMissing, "no name");
      continue;
    }
    if (const auto [first, fresh] = seen.emplace(alpha2, line); !fresh) {
      parsed.Refuse(line, alpha2, kDuplicate, fmt::format("duplicate of line {}", first->second));
      continue;
    }
    Country country;
    country.set_name("countries/" + alpha2);
    country.set_marking(fairlead::v1::MARKING_PUBLIC);
    country.set_display_name(name);
    country.set_alpha3(Text(entry, "alpha_3"));
    country.set_numeric(Text(entry, "numeric"));
    country.set_region(region->second.region);
    country.set_landlocked(region->second.landlocked);
    if (const std::string official = Text(entry, "official_name"); official != name) country.set_official_name(official);
    parsed.rows.push_back({line, std::move(country)});
  }
  return parsed;
}

}  // namespace fairlead::import
