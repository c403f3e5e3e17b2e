// Schedule K, and petroleum imports by company of the US Energy Information Administration.
//
// Schedule K: CSV with schedule_k, port_name, schedule_k_country and iso2. A code has several names: one record for each row, numbered in
// the order of the file. EIA: CSV with us_port, yyyymm, origin_country, origin_iso2, quantity_thousand_bbl and shipments; an empty number
// is missing, not zero. Header names are compared by letters and digits.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_CLIENT_IMPORT_TRAFFIC_H_
#define FAIRLEAD_CLIENT_IMPORT_TRAFFIC_H_

#include <absl/status/statusor.h>

#include <string_view>

#include "client/import/rows.h"
#include "fairlead/v1/arrival.pb.h"

namespace fairlead::import {

absl::StatusOr<Parsed<fairlead::v1::ScheduleKPort>> ParseScheduleK(std::string_view text);
absl::StatusOr<Parsed<fairlead::v1::TrafficFigure>> ParseEiaPetroleum(std::string_view text);

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_TRAFFIC_H_
