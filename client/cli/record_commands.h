// The verbs of resources: get, list, create, update, withdraw, lifecycle methods, import and history.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_RECORD_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_RECORD_COMMANDS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "client/cli/flags.h"
#include "client/cli/resources.h"
#include "client/cli/session.h"
#include "client/outbox/messages.h"

namespace fairlead::cli {

// What was typed after a verb.
struct RecordArguments {
  std::string name;    // the record; for create the new record's id, if the caller chooses it
  std::string parent;  // for create and list of types that lie under another
  std::vector<std::pair<const Flag*, std::vector<std::string>>> values;  // the flags given
  std::vector<std::string> clear;                                        // names of fields, for update
  std::string etag;                                                      // empty: read first
  std::string request_id;                                                // empty: a new one
  int64_t limit = 0;                                                     // for list and history: at most so many; 0: all
  std::string page_token;                                                // for list: continue there
};

// The request of a create, update, withdraw or lifecycle verb, with the etag that was given, if any.
absl::StatusOr<client::MessagePtr> RequestOf(const Resource& resource, const Verb& verb, const RecordArguments& arguments);

absl::Status RunVerb(Session& session, const Resource& resource, const Verb& verb, const RecordArguments& arguments);
absl::Status RunHistory(Session& session, const Resource& resource, const RecordArguments& arguments);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_RECORD_COMMANDS_H_
