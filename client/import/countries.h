// Countries: ISO 3166-1 as Debian's iso-codes has it, joined with a table of liaison regions.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_CLIENT_IMPORT_COUNTRIES_H_
#define FAIRLEAD_CLIENT_IMPORT_COUNTRIES_H_

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>

#include "client/import/rows.h"
#include "fairlead/v1/common.pb.h"
#include "fairlead/v1/reference.pb.h"

namespace fairlead::import {

struct CountryRegion {
  fairlead::v1::Region region = fairlead::v1::REGION_UNSPECIFIED;
  bool landlocked = false;
};

// By ISO 3166-1 alpha-2.
using RegionTable = std::map<std::string, CountryRegion>;

// CSV with the columns alpha2, region (APAC, EAME, CSA, HQ) and landlocked (Y or N); other columns are ignored, and so are lines that begin
// with
// "#". INVALID_ARGUMENT names the line: a table of the project's own is right as a whole or not used.
absl::StatusOr<RegionTable> ParseRegions(std::string_view text);

// `text`: iso_3166-1.json. Entries without a region are refused. INVALID_ARGUMENT when it is no such file.
absl::StatusOr<Parsed<fairlead::v1::Country>> ParseIsoCountries(std::string_view text, const RegionTable& regions);

// The site that works for a region: "apac", "eame", "csa", "hq"; empty for REGION_UNSPECIFIED and a region that a later release has.
std::string SiteOfRegion(fairlead::v1::Region region);

// Two upper-case letters.
bool IsAlpha2(std::string_view code);

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_COUNTRIES_H_
