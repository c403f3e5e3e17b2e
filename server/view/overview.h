// The global view: the figures that commits have kept, put together for one answer.
//
// A read costs the number of figures (countries, kinds and states that occur), never the number of records.
// Thread safety: pure function over a node. Ownership: none.

#ifndef FAIRLEAD_SERVER_VIEW_OVERVIEW_H_
#define FAIRLEAD_SERVER_VIEW_OVERVIEW_H_

#include <absl/time/time.h>

#include "fairlead/v1/overview_service.pb.h"
#include "server/node/node.h"

namespace fairlead::view {

// Sites whose figures are older than `staleness_bound` are named in `unreachable`.
fairlead::v1::Overview OverviewOf(const node::Node& node, absl::Duration staleness_bound);

}  // namespace fairlead::view

#endif  // FAIRLEAD_SERVER_VIEW_OVERVIEW_H_
