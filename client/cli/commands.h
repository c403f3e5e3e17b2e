// What a file of commands registers its own with. Each has a function Add...Commands(Commands&), which run.cc calls in the order of the
// help.
//
// Thread safety: one thread. Ownership: borrows the application. What a command's options fill is shared by those who run with it.

#ifndef FAIRLEAD_CLIENT_CLI_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_COMMANDS_H_

#include <absl/status/status.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/completion.h"
#include "client/cli/session.h"

namespace fairlead::cli {

class Commands {
 public:
  using Run = std::function<absl::Status(Session&)>;

  explicit Commands(CLI::App* root) : root_(root) {}

  CLI::App* root() const { return root_; }
  // What completion offers for options.
  const Choices& choices() const { return choices_; }
  // Runs the command that was parsed; null before that.
  const Run& chosen() const { return chosen_; }

  // A command at the root of which one beneath it has to be typed.
  CLI::App* AddGroup(const std::string& name, const std::string& description);
  // A command that runs, unless one beneath it is typed.
  CLI::App* Add(CLI::App* parent, const std::string& name, const std::string& description, Run run);
  // The same with what its options fill.
  template <class Arguments>
  CLI::App* Add(CLI::App* parent, const std::string& name, const std::string& description, absl::Status (*run)(Session&, const Arguments&),
                std::shared_ptr<Arguments> arguments) {
    return Add(parent, name, description, [run, arguments = std::move(arguments)](Session& s) { return run(s, *arguments); });
  }
  void SetChoices(const CLI::Option* option, std::vector<std::string> choices) { choices_[option] = std::move(choices); }

 private:
  CLI::App* const root_;
  Choices choices_;
  Run chosen_;
};

// Options that several commands have.
inline constexpr int64_t kLimitDefault = 100;
void AddLimit(CLI::App* command, int64_t* limit, int64_t by_default = kLimitDefault);
void AddPageToken(CLI::App* command, std::string* page_token);
void AddRequestId(CLI::App* command, std::string* request_id);
// One that may be given several times, each with one value.
CLI::Option* AddRepeated(CLI::App* command, const std::string& name, std::vector<std::string>* values, const std::string& description,
                         const std::string& placeholder);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_COMMANDS_H_
