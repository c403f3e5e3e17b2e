// Scenarios that are walked with the command line, as an officer would.
//
// Thread safety: a test's thread. Ownership: a CliScenario owns its cluster and its files.

#ifndef FAIRLEAD_TESTS_SCENARIOS_CLI_SCENARIO_H_
#define FAIRLEAD_TESTS_SCENARIOS_CLI_SCENARIO_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "storage/scratch_directory.h"
#include "tests/framework/process.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {

class CliScenario : public Scenario {
 protected:
  // What the command line ends with when a call is refused (client/cli/README.md).
  static constexpr int kInvalid = 3;
  static constexpr int kForbiddenNow = 5;
  static constexpr int kNotPermitted = 6;

  // Runs the command line as the site's officer, to its end.
  framework::Ended Cli(const std::string& site, const std::vector<std::string>& arguments);
  // Runs it with the certificate of `identity`, which knows these sites and asks the first.
  framework::Ended CliAs(const std::string& identity, const std::vector<std::string>& sites, const std::vector<std::string>& arguments);
  // Runs it as the site's officer; what it prints as JSON. The command must succeed.
  nlohmann::json CliJson(const std::string& site, std::vector<std::string> arguments);
  // The command is refused with this exit code and with `text` in its message.
  void ExpectRefused(const std::string& site, const std::vector<std::string>& arguments, int code, const std::string& text);
  // Every site gives the same answer, once all hold the same.
  nlohmann::json Everywhere(const std::vector<std::string>& arguments);
  // A file with this text, for as long as the test runs.
  std::string File(const std::string& name, const std::string& text);

 private:
  const storage::ScratchDirectory files_;
};

}  // namespace fairlead::scenarios

#endif  // FAIRLEAD_TESTS_SCENARIOS_CLI_SCENARIO_H_
