// The report for the staff of a region or of headquarters, recounted from the records that its readers' site holds.
//
// Figures that commits have folded count what this site holds; a report leaves this site. So it is made of records whose audience has the
// readers' site in it, and of nothing else. Its cost follows the engagements of the period and what is outstanding.
//
// Thread safety: free functions, any thread. Ownership: borrows node and view.

#ifndef FAIRLEAD_SERVER_REPORT_STAFF_H_
#define FAIRLEAD_SERVER_REPORT_STAFF_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "fairlead/v1/common.pb.h"
#include "server/node/node.h"
#include "server/report/document.h"
#include "server/report/period.h"
#include "storage/store.h"

namespace fairlead::report {

// What a report was made of.
struct Content {
  Document document;
  v1::Marking marking = v1::MARKING_OFFICIAL;  // the most sensitive there was
};

// The site whose staff works for a region: "apac"; of REGION_HQ, headquarters. FIELD_INVALID on region when the roster has none.
absl::StatusOr<std::string> SiteOfRegion(const Roster& roster, v1::Region region);

// `region`: REGION_HQ is of the whole program, another of that region. FIELD_INVALID as above.
absl::StatusOr<Content> StaffReport(const node::Node& node, const storage::View& view, const Period& period, v1::Region region,
                                    absl::Duration staleness_bound);

// What every report says of the sites that it was made from.
Table SitesTable(const node::Node& node, absl::Duration staleness_bound);
std::string MarkingText(v1::Marking marking);

}  // namespace fairlead::report

#endif  // FAIRLEAD_SERVER_REPORT_STAFF_H_
