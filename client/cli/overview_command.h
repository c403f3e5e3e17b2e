// The overview of the whole network, and its countries.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_OVERVIEW_COMMAND_H_
#define FAIRLEAD_CLIENT_CLI_OVERVIEW_COMMAND_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace fairlead::cli {

// The names of its sections: "coverage", "help-desk".
std::vector<std::string> OverviewSections();

struct OverviewArguments {
  std::vector<std::string> sections;  // empty: all
  int months = 0;                     // 0: the service's default
  bool watch = false;
  int64_t count = 0;  // of overviews, when they are watched; 0: without end
};
absl::Status RunOverview(Session& session, const OverviewArguments& arguments);

struct OverviewCountriesArguments {
  std::string region;  // empty filters pass everything
  std::string standing;
  std::string officer;
  bool uncovered = false;
  std::string as_of;  // empty: today
};
absl::Status RunOverviewCountries(Session& session, const OverviewCountriesArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_OVERVIEW_COMMAND_H_
