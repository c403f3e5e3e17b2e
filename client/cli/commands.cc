#include "client/cli/commands.h"

#include <fmt/format.h>

namespace fairlead::cli {

CLI::App* Commands::AddGroup(const std::string& name, const std::string& description) {
  return root_->add_subcommand(name, description)->require_subcommand(1);
}

CLI::App* Commands::Add(CLI::App* parent, const std::string& name, const std::string& description, Run run) {
  CLI::App* command = parent->add_subcommand(name, description);
  command->callback([this, command, run = std::move(run)] {
    if (command->get_subcommands().empty()) chosen_ = run;
  });
  return command;
}

void AddLimit(CLI::App* command, int64_t* limit, int64_t by_default) {
  *limit = by_default;
  command->add_option("--limit", *limit, fmt::format("At most so many; {} by default, 0 for all.", by_default))
      ->type_name("NUMBER")
      ->check(CLI::NonNegativeNumber);
}

void AddPageToken(CLI::App* command, std::string* page_token) {
  command->add_option("--page-token", *page_token, "Continue there; everything else as before.")->type_name("TOKEN");
}

void AddRequestId(CLI::App* command, std::string* request_id) {
  command->add_option("--request-id", *request_id, "A UUID version 7: the same call with the same id has one effect. A new one by default.")
      ->type_name("UUID");
}

CLI::Option* AddRepeated(CLI::App* command, const std::string& name, std::vector<std::string>* values, const std::string& description,
                         const std::string& placeholder) {
  return command->add_option(name, *values, description)->type_name(placeholder)->expected(1)->take_all();
}

}  // namespace fairlead::cli
