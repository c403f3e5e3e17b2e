// Reports for a named audience: making, showing and delivering them, and verifying their files without a node.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_REPORT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_REPORT_COMMANDS_H_

#include <absl/status/status.h>

#include <string>

#include "client/cli/evidence_commands.h"
#include "client/cli/session.h"

namespace fairlead::cli {

struct ReportArguments {
  std::string name;
  std::string kind;      // "annual" or "quarterly"
  std::string period;    // "2025", "2025Q3"
  std::string audience;  // "hq", a region, or a nation's code
  std::string format;    // "html", "csv" or "pdf"; empty: html
  std::string out;       // file
  std::string recipient;
  std::string remark;
  std::string request_id;
};
// With `out`, writes the form there and, of HTML and CSV, the site's statement to {out}.sig. A PDF is made from the HTML by chromium, and
// carries no statement of its own; NOT_FOUND when there is no chromium.
absl::Status RunReportCreate(Session& session, const ReportArguments& arguments);
absl::Status RunReportShow(Session& session, const ReportArguments& arguments);
absl::Status RunReportList(Session& session, const ReportArguments& arguments);
absl::Status RunReportDeliver(Session& session, const ReportArguments& arguments);

// DATA_LOSS when no site of the network has made the file as it is.
absl::Status RunVerifyReport(Session& session, const VerifyArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_REPORT_COMMANDS_H_
