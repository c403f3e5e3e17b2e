// Completion of a command line that is being typed: the shells' scripts ask the program itself, so that they never go stale.
//
// Thread safety: pure functions. Ownership: borrows the application.

#ifndef FAIRLEAD_CLIENT_CLI_COMPLETION_H_
#define FAIRLEAD_CLIENT_CLI_COMPLETION_H_

#include <CLI/App.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fairlead::cli {

// The values that an option takes, where they are known.
using Choices = std::map<const CLI::Option*, std::vector<std::string>>;

// What may stand in place of the last of `words`, of which the others are complete. REQUIRES: words is not empty.
std::vector<std::string> Complete(const CLI::App& app, const Choices& choices, const std::vector<std::string>& words);

// The script for "bash", "zsh" or "fish"; nullopt for any other.
std::optional<std::string> CompletionScript(const std::string& shell);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_COMPLETION_H_
