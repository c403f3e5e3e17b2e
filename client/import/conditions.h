// Conditions of entry from JSON lines, one object a line:
//
//   {"condition": {proto3 JSON of fairlead.v1.ConditionOfEntry, with its name}, "state": "IMPOSED"}
//
// A row is written as PENDING and driven to its state by the methods of the lifecycle; one that is beyond it is left as it is.
//
// Thread safety: free functions. Ownership: borrows the client.

#ifndef FAIRLEAD_CLIENT_IMPORT_CONDITIONS_H_
#define FAIRLEAD_CLIENT_IMPORT_CONDITIONS_H_

#include <string_view>

#include "client/connection.h"
#include "client/import/loader.h"
#include "client/import/rows.h"
#include "fairlead/v1/assessment.pb.h"

namespace fairlead::import {

// The record's `state` is where it is to end.
Parsed<fairlead::v1::ConditionOfEntry> ParseConditions(std::string_view text);

Report LoadConditions(client::Client& client, Parsed<fairlead::v1::ConditionOfEntry> parsed, const LoadOptions& options);

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_CONDITIONS_H_
