// The verbs of resources: get, list, create, update, withdraw, lifecycle methods, import and history.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_RECORD_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_RECORD_COMMANDS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/resources.h"
#include "client/outbox/messages.h"

namespace fairlead::cli {

// A flag of a verb, with what was typed for it.
struct TypedFlag {
  Flag flag;
  std::vector<std::string> values;  // empty: not given
  std::string as_switch;            // of a bool, in place of `values`
};

// What was typed after a verb.
struct RecordArguments {
  std::string name;                // the record; for create the new record's id, if the caller chooses it
  std::string parent;              // for create and list of types that lie under another
  std::deque<TypedFlag> flags;     // all that the verb has
  std::vector<std::string> clear;  // names of fields, for update
  std::string etag;                // empty: read first
  std::string request_id;          // empty: a new one
  int64_t limit = 0;               // for list and history: at most so many; 0: all
  std::string page_token;          // for list: continue there

  // The flags that were given.
  std::vector<std::pair<const Flag*, std::vector<std::string>>> values() const;
};

// The nouns with their verbs.
void AddRecordCommands(Commands& commands);
// The flags of a verb, whose values go into `arguments`.
void AddFlags(Commands& commands, CLI::App* command, std::vector<Flag> flags, RecordArguments* arguments);

// The request of a create, update, withdraw or lifecycle verb, with the etag that was given, if any.
absl::StatusOr<client::MessagePtr> RequestOf(const Resource& resource, const Verb& verb, const RecordArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_RECORD_COMMANDS_H_
