#include "tests/scenarios/cli_scenario.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>

namespace fairlead::scenarios {

using nlohmann::json;

framework::Ended CliScenario::Cli(const std::string& site, const std::vector<std::string>& arguments) {
  return CliAs(fmt::format("officer/{}/watch", site), {site}, arguments);
}

framework::Ended CliScenario::CliAs(const std::string& identity, const std::vector<std::string>& sites,
                                    const std::vector<std::string>& arguments) {
  const storage::ScratchDirectory folder;
  const std::string config = folder.path() + "/config.toml";
  const auto credentials = framework::TestNetwork::Get().Of(identity);
  EXPECT_TRUE(Ok(credentials));
  std::string text = fmt::format("network = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\nca = \"{}\"\n", framework::kNetworkName,
                                 credentials->certificate_file, credentials->key_file, credentials->ca_file);
  for (const std::string& site : sites) {
    text += fmt::format("[[node]]\nsite = \"{}\"\naddress = \"{}\"\n", site, cluster().address(site));
  }
  std::ofstream(config) << text;
  std::vector<std::string> command = {FAIRLEAD_BINARY, "--config", config, "-q"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto ended = framework::RunToEnd(command, kPatience);
  EXPECT_TRUE(Ok(ended));
  return ended.value_or(framework::Ended{{-1, 0}, ""});
}

json CliScenario::CliJson(const std::string& site, std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const framework::Ended ended = Cli(site, arguments);
  EXPECT_EQ(ended.exit.code, 0) << fmt::format("{}", fmt::join(arguments, " ")) << "\n" << ended.output;
  json parsed = json::parse(ended.output, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(parsed.is_discarded()) << ended.output;
  return parsed.is_discarded() ? json::object() : parsed;
}

void CliScenario::ExpectRefused(const std::string& site, const std::vector<std::string>& arguments, int code, const std::string& text) {
  const framework::Ended ended = Cli(site, arguments);
  EXPECT_EQ(ended.exit.code, code) << fmt::format("{}", fmt::join(arguments, " ")) << "\n" << ended.output;
  EXPECT_THAT(ended.output, testing::HasSubstr(text));
}

json CliScenario::Everywhere(const std::vector<std::string>& arguments) {
  EXPECT_TRUE(Ok(cluster().WaitForConvergence()));
  json first;
  for (const std::string& site : cluster().sites()) {
    const json here = CliJson(site, arguments);
    if (first.is_null()) first = here;
    EXPECT_EQ(here, first) << site;
  }
  return first;
}

std::string CliScenario::File(const std::string& name, const std::string& text) {
  std::string path = files_.path() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

}  // namespace fairlead::scenarios
