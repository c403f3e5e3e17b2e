// The command line `fairlead`, from its arguments to its exit code.
//
// Thread safety: may be run from any thread, one run for each environment at a time. Ownership: borrows the environment.

#ifndef FAIRLEAD_CLIENT_CLI_RUN_H_
#define FAIRLEAD_CLIENT_CLI_RUN_H_

#include <string>
#include <vector>

#include "client/cli/session.h"

namespace fairlead::cli {

// `arguments` without the program's name. Gives an exit code of output.h.
int Run(const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_RUN_H_
