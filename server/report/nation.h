// The report for a partner nation: what is released to it, by the rule of exchange/release.h and in the messages that it is given anyway.
//
// Thread safety: free functions, any thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_REPORT_NATION_H_
#define FAIRLEAD_SERVER_REPORT_NATION_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "server/exchange/pseudonyms.h"
#include "server/node/node.h"
#include "server/report/period.h"
#include "server/report/staff.h"
#include "storage/store.h"

namespace fairlead::report {

// `nation` is "countries/JP". DATA_LOSS when the store is damaged.
absl::StatusOr<Content> NationReport(const node::Node& node, const storage::View& view, const exchange::Pseudonyms& pseudonyms,
                                     const Period& period, const std::string& nation, absl::Duration staleness_bound);

}  // namespace fairlead::report

#endif  // FAIRLEAD_SERVER_REPORT_NATION_H_
