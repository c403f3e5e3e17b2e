// The audit of the sites, for headquarters' staff.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_AUDIT_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_AUDIT_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>

#include "client/cli/session.h"

namespace fairlead::cli {

struct AuditArguments {
  std::string actor;
  std::string kind;  // "denial"
  std::string method;
  std::string outcome;
  std::string of_site;
  std::string since;  // RFC 3339, or a day
  std::string until;
  std::string file;   // of an export; empty: standard output
  int64_t limit = 0;  // 0: all
};
absl::Status RunAuditList(Session& session, const AuditArguments& arguments);
// A line of JSON for each event, in order of time.
absl::Status RunAuditExport(Session& session, const AuditArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_AUDIT_COMMANDS_H_
