#include "client/cli/completion.h"

#include <algorithm>

namespace fairlead::cli {
namespace {

const CLI::App* FindSubcommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

// The option of `app`, or of an application around it, by "--name".
const CLI::Option* FindOption(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->check_name(name)) return option;
    }
  }
  return nullptr;
}

bool TakesValue(const CLI::Option* option) { return option != nullptr && option->get_type_size_min() > 0; }

}  // namespace

std::vector<std::string> Complete(const CLI::App& root, const Choices& choices, const std::vector<std::string>& words) {
  const CLI::App* app = &root;
  const CLI::Option* pending = nullptr;  // waits for its value
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (pending != nullptr) {
      pending = nullptr;
    } else if (words[i].rfind("-", 0) == 0) {
      if (words[i].find('=') == std::string::npos) pending = FindOption(app, words[i]);
      if (!TakesValue(pending)) pending = nullptr;
    } else if (const CLI::App* sub = FindSubcommand(*app, words[i])) {
      app = sub;
    }
  }
  std::vector<std::string> candidates;
  if (pending != nullptr) {
    if (const auto it = choices.find(pending); it != choices.end()) candidates = it->second;
  } else {
    for (const CLI::App* sub : app->get_subcommands([](const CLI::App* a) { return !a->get_group().empty(); })) {
      candidates.push_back(sub->get_name());
    }
    for (const CLI::App* a = app; a != nullptr; a = a->get_parent()) {
      for (const CLI::Option* option : a->get_options()) {
        if (!option->get_lnames().empty()) candidates.push_back("--" + option->get_lnames().front());
      }
    }
  }
  const std::string& prefix = words.back();
  // Options are many: they are offered once a hyphen is typed.
  std::erase_if(candidates, [&prefix](const std::string& c) { return c.rfind(prefix, 0) != 0 || (prefix.empty() && c[0] == '-'); });
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  return candidates;
}

std::optional<std::string> CompletionScript(const std::string& shell) {
  if (shell == "bash") {
    return R"(_fairlead() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _fairlead fairlead
)";
  }
  if (shell == "zsh") {
    return R"(#compdef fairlead
_fairlead() {
  local -a found
  found=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _fairlead fairlead
)";
  }
  if (shell == "fish") {
    return R"(function __fairlead_complete
  set -l words (commandline -opc)
  set -e words[1]
  fairlead __complete -- $words (commandline -ct) 2>/dev/null
end
complete -c fairlead -a '(__fairlead_complete)'
)";
  }
  return std::nullopt;
}

}  // namespace fairlead::cli
