// From the configuration to what the node is opened with: the roster, the keys, and the rest of its options.
//
// Thread safety: pure functions of files. Ownership: values. Errors: each names the file, or the field, and what is wrong with it.

#ifndef FAIRLEAD_SERVER_OPTIONS_H_
#define FAIRLEAD_SERVER_OPTIONS_H_

#include <absl/status/statusor.h>

#include <string>

#include "api/roster.h"
#include "server/config.h"
#include "server/node/node.h"

namespace fairlead {

absl::StatusOr<std::string> ReadFile(const std::string& path);
// Verified by the configured root.
absl::StatusOr<Roster> RosterFrom(const NodeConfig& config);
// Without licence and commit log.
absl::StatusOr<node::NodeOptions> NodeOptionsFrom(const NodeConfig& config);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVER_OPTIONS_H_
