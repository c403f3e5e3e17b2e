#include "client/cli/run.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>

#include "certs/commands.h"
#include "client/cli/attachment_commands.h"
#include "client/cli/audit_commands.h"
#include "client/cli/backup_commands.h"
#include "client/cli/commands.h"
#include "client/cli/completion.h"
#include "client/cli/conflict_commands.h"
#include "client/cli/erasure_commands.h"
#include "client/cli/evidence_commands.h"
#include "client/cli/exchange_commands.h"
#include "client/cli/import_commands.h"
#include "client/cli/network_commands.h"
#include "client/cli/outbox_commands.h"
#include "client/cli/output.h"
#include "client/cli/overview_command.h"
#include "client/cli/program_commands.h"
#include "client/cli/record_commands.h"
#include "client/cli/report_commands.h"
#include "client/cli/search_commands.h"
#include "client/cli/void_commands.h"

namespace fairlead::cli {
namespace {

constexpr size_t kHelpColumn = 34;
constexpr size_t kHelpWidth = 110;
constexpr char kCompleteCommand[] = "__complete";

std::string Wrapped(const std::string& text, size_t width) {
  std::string out;
  size_t column = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const size_t length = end - at;
    if (column > 0 && column + 1 + length > width) {
      out.push_back('\n');
      column = 0;
    } else if (column > 0) {
      out.push_back(' ');
      ++column;
    }
    out.append(text, at, length);
    column += length;
    at = end + 1;
  }
  return out;
}

class WrappingFormatter : public CLI::Formatter {
 public:
  WrappingFormatter() { column_width(kHelpColumn); }
  std::string make_option_desc(const CLI::Option* option) const override {
    return Wrapped(option->get_description(), kHelpWidth - kHelpColumn);
  }
};

class CommandLine {
 public:
  explicit CommandLine(const Environment& environment) : environment_(environment) {
    app_.formatter(std::make_shared<WrappingFormatter>());
    app_.footer(fmt::format("Global options, such as --site and --json, may stand anywhere: see fairlead --help.\n{}", kExitCodesHelp));
    app_.require_subcommand(1);
    app_.fallthrough();
    AddGlobals();
    AddRecordCommands(commands_);
    AddProgramCommands(commands_);
    AddAttachmentCommands(commands_);
    AddSearchCommands(commands_);
    AddReleaseCommands(commands_);
    AddExchangeCommands(commands_);
    AddConflictCommands(commands_);
    AddErasureCommands(commands_);
    AddOutboxCommands(commands_);
    AddOverviewCommands(commands_);
    AddNetworkCommands(commands_);
    AddVoidCommands(commands_);
    AddWatchCommand(commands_);
    AddReportCommands(commands_);
    AddLogCommands(commands_);
    AddVerifyCommands(commands_);
    AddAuditCommands(commands_);
    AddBackupCommands(commands_);
    AddImportCommands(commands_);
    certs::AddCertsCommands(&app_, environment_.out, &certs_result_);
    AddRest();
  }

  int Run(std::vector<std::string> arguments) {
    const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    if (!arguments.empty() && arguments.front() == kCompleteCommand) return PrintCompletions(arguments);
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& e) {
      if (e.get_exit_code() == 0) {
        app_.exit(e, *environment_.out, *environment_.err);
        return kExitOk;
      }
      return Fail(UsageError(e.what()), json);
    }
    if (commands_.chosen() == nullptr) return Fail(certs_result_, json);  // the certs commands run while parsing
    Session session(environment_, globals_);
    return Fail(commands_.chosen()(session), json);
  }

 private:
  int Fail(const absl::Status& status, bool json) const {
    if (status.ok()) return kExitOk;
    if (json) {
      *environment_.err << ErrorJson(status).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    } else {
      PrintError(status, *environment_.err);
      if (ExitCodeOf(status) == kExitUsage) *environment_.err << "Try --help after the command.\n";
    }
    return ExitCodeOf(status);
  }

  int PrintCompletions(const std::vector<std::string>& arguments) const {
    std::vector<std::string> words(arguments.begin() + 1, arguments.end());
    if (!words.empty() && words.front() == "--") words.erase(words.begin());
    if (words.empty()) words.emplace_back();
    for (const std::string& candidate : Complete(app_, commands_.choices(), words)) *environment_.out << candidate << "\n";
    return kExitOk;
  }

  void AddGlobals() {
    app_.add_option("--config", globals_.config, "The configuration file; $FAIRLEAD_CONFIG or ~/.config/fairlead/config.toml by default.")
        ->type_name("FILE");
    app_.add_option("--site", globals_.site, "The site whose node is asked; the configuration's default_site otherwise.")
        ->type_name("SITE");
    app_.add_option("--address", globals_.address, "Where that node is, instead of the configured address.")->type_name("HOST:PORT");
    app_.add_option("--timeout", globals_.timeout, "How long a call may take with its retries, such as 30s.")->type_name("DURATION");
    CLI::Option* durability =
        app_.add_option("--durability", globals_.durability,
                        "When a write is answered: local, once it is on the node's disk, or replicated:K, once K other sites hold it too.")
            ->type_name("local|replicated:K");
    commands_.SetChoices(durability, {"local", "replicated:1", "replicated:2", "replicated:3"});
    app_.add_flag("--failover", globals_.failover, "Ask the other sites when that one does not answer.");
    app_.add_flag("--offline", globals_.offline,
                  "Without a node: a change is kept in the outbox until fairlead outbox sync; get and list show what is kept.");
    app_.add_flag("--json", globals_.json, "Print one JSON document (watch: one a line); errors as JSON on stderr.");
    app_.add_flag("-q,--quiet", globals_.quiet, "Do not say which node answered.");
  }

  void AddRest() {
    const auto shell = std::make_shared<std::string>();
    CLI::App* completion =
        commands_.Add(&app_, "completion", "Prints the completion script for a shell.", [shell](Session& s) -> absl::Status {
          const std::optional<std::string> script = CompletionScript(*shell);
          if (!script.has_value()) return UsageError(fmt::format("no completion for {}: bash, zsh or fish", *shell));
          s.out() << *script;
          return absl::OkStatus();
        });
    commands_.SetChoices(completion->add_option("SHELL", *shell, "bash, zsh or fish.")->required()->type_name(""), {"bash", "zsh", "fish"});
    commands_.Add(&app_, "version", "Prints the version.", [](Session& s) {
      s.Print({{"version", FAIRLEAD_VERSION}}, [&s] { s.out() << "fairlead " FAIRLEAD_VERSION "\n"; });
      return absl::OkStatus();
    });
  }

  const Environment& environment_;
  CLI::App app_{"The command line of a Fairlead network.", "fairlead"};
  Commands commands_{&app_};
  GlobalFlags globals_;
  absl::Status certs_result_;
};

}  // namespace

int Run(const std::vector<std::string>& arguments, const Environment& environment) {
  CommandLine command_line(environment);
  return command_line.Run(arguments);
}

}  // namespace fairlead::cli
