// Ports: UN/LOCODE, the World Port Index and the npm package sea-ports.
//
// Every parser refuses single rows with line and reason and reads on. The three sources overlap; Combine says which one decides each field,
// so that importing any of them again changes nothing.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_CLIENT_IMPORT_PORTS_H_
#define FAIRLEAD_CLIENT_IMPORT_PORTS_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "client/import/countries.h"
#include "client/import/rows.h"
#include "fairlead/v1/reference.pb.h"

namespace fairlead::import {

enum class PortSource {
  kUnlocode,
  kWorldPortIndex,
  kSeaPorts,
};

// UN/LOCODE, either the official code list (12 columns without a header: change, country, location, name, name without diacritics,
// subdivision, function, status, date, IATA, coordinates, remarks) or a file with a header line (datasets/un-locode; coordinates as
// "4230N 00131E" or as decimal columns lat and lon). Rows without function 1 (port) and rows that name a country or only refer to another
// are skipped. Of rows with the same code the best is kept: approved before merely recorded, with coordinates before without, then the
// first.
absl::StatusOr<Parsed<fairlead::v1::Port>> ParseUnlocode(std::string_view text, const RegionTable& regions);

// NGA Pub. 150 as UpdatedPub150.csv. A row without a UN/LOCODE is refused. Of rows with the same code the largest harbour is kept.
absl::StatusOr<Parsed<fairlead::v1::Port>> ParseWorldPortIndex(std::string_view text, const RegionTable& regions);

// lib/ports.json of sea-ports.
absl::StatusOr<Parsed<fairlead::v1::Port>> ParseSeaPorts(std::string_view text, const RegionTable& regions);

// What to import for `row` of `source` when the network has `existing` (null: nothing). An import writes the fields that are set, so this
// holds those that the source decides: UN/LOCODE name, subdivision and source; the World Port Index position, its number and harbour size;
// sea-ports adds Schedule K codes. Any of them fills what is empty. The marking of a record that exists is left to people.
fairlead::v1::Port Combine(const fairlead::v1::Port& row, PortSource source, const fairlead::v1::Port* existing);

// Five characters: two letters, then three of A-Z and 2-9 (UN/LOCODE manual, 1.5).
bool IsLocode(std::string_view code);

// "4230N 00131E" (degrees and minutes). False when it is not that or out of range.
bool ParseDegreesMinutes(std::string_view text, double* latitude, double* longitude);

// The region of the node that keeps the port: its own override, else its country's.
fairlead::v1::Region RegionOf(const fairlead::v1::Port& port, const RegionTable& regions);

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_PORTS_H_
