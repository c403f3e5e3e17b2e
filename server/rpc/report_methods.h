// PrepareReport: makes a report of what this node holds, for one audience, and signs it. The rest of ReportService are standard methods
// (standard_methods.h).
//
// Thread safety: any thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_RPC_REPORT_METHODS_H_
#define FAIRLEAD_SERVER_RPC_REPORT_METHODS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "fairlead/v1/report_service.pb.h"
#include "server/exchange/pseudonyms.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

class ReportMethods {
 public:
  // Sites whose figures are older than `staleness_bound` are named in reports.
  ReportMethods(node::Node* node, absl::Duration staleness_bound, const exchange::Pseudonyms* pseudonyms, const WriteMethods* writes)
      : node_(node), staleness_bound_(staleness_bound), pseudonyms_(pseudonyms), writes_(writes) {}

  void Register(Dispatcher* dispatcher) const;

 private:
  // The report, signed, without a name.
  absl::StatusOr<v1::Report> Make(const v1::PrepareReportRequest& request) const;
  absl::StatusOr<WriteMethods::Plan> PlanReport(const Call& call, const v1::PrepareReportRequest& request) const;

  node::Node* const node_;
  const absl::Duration staleness_bound_;
  const exchange::Pseudonyms* const pseudonyms_;
  const WriteMethods* const writes_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_REPORT_METHODS_H_
