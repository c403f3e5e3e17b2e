// search: records by their words.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_SEARCH_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_SEARCH_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace fairlead::cli {

struct SearchArguments {
  std::vector<std::string> words;
  std::vector<std::string> types;      // nouns or collections: "engagement", "engagements"
  std::vector<std::string> countries;  // as for a field "countries"
  std::vector<std::string> regions;    // "apac"
  std::vector<std::string> states;     // "in-progress"
  std::vector<std::string> kinds;      // "port-visit"
  std::string since, until;            // "2026-05-01", "2026-05", "2026"
  bool begins = false;                 // the last word may be the beginning of one
  int64_t limit = 0;                   // 0: all
  std::string page_token;
};

absl::Status RunSearch(Session& session, const SearchArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_SEARCH_COMMANDS_H_
