// Arrivals: the "Vessel Entrances and Clearances" of the US Army Corps of Engineers, and full notices as JSON lines.
//
// Entrances give one last port each, by its code in Schedule K, and dates without times; clearances are skipped. Header names are compared
// by letters and digits. Ids are made from the row itself, so that importing again finds what is there.
//
// Thread safety: pure functions, but for ReadScheduleK. Ownership: values.

#ifndef FAIRLEAD_CLIENT_IMPORT_ARRIVALS_H_
#define FAIRLEAD_CLIENT_IMPORT_ARRIVALS_H_

#include <absl/status/statusor.h>

#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "client/connection.h"
#include "client/import/countries.h"
#include "client/import/rows.h"
#include "fairlead/v1/arrival.pb.h"

namespace fairlead::import {

// Countries, as `countries/{alpha2}`, by Schedule K code; empty where the code is of no country.
using ScheduleKTable = std::map<std::string, std::string>;

// `year` is that of the file, whose dates (mmydd) give only its last digit. `countries` are those that the network holds, for flags.
// INVALID_ARGUMENT when a column is missing. A last port whose code is in no table keeps code and name, and has no country.
absl::StatusOr<Parsed<fairlead::v1::Arrival>> ParseEntrances(std::string_view text, int year, const ScheduleKTable& codes,
                                                             const RegionTable& countries);

// One fairlead.v1.Arrival a line, in proto3 JSON; empty lines and those that begin with "#" do not count.
Parsed<fairlead::v1::Arrival> ParseNotices(std::string_view text);

// The codes that the network holds.
absl::StatusOr<ScheduleKTable> ReadScheduleK(client::Client& client, std::stop_token stop);

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_ARRIVALS_H_
