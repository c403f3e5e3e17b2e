// The network as a whole: status, digests, opaque entries and the change feed.
//
// Thread safety: one thread. Ownership: borrows all arguments.

#ifndef FAIRLEAD_CLIENT_CLI_NETWORK_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_NETWORK_COMMANDS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/session.h"
#include "fairlead/v1/node_service.pb.h"

namespace fairlead::cli {

// Of the chosen node, or of every configured one; then a node that does not answer is listed and is the command's error.
absl::Status RunStatus(Session& session, bool all_sites);
absl::Status RunDigest(Session& session, bool all_sites);
absl::Status RunOpaque(Session& session, int64_t limit);

struct WatchArguments {
  std::vector<std::string> collections;
  std::string record;  // only this one and those beneath it; empty: all
  bool snapshot = false;
  std::string resume;
  int64_t count = 0;  // end after so many records; 0: never
};
absl::Status RunWatch(Session& session, const WatchArguments& arguments);

// What the digests of several nodes say together.
enum class DigestVerdict {
  kEqual,
  kDifferent,      // the same entries gave different states: a defect
  kNotComparable,  // the nodes have not applied the same entries, or could not fold some
};
DigestVerdict CompareDigests(const std::vector<fairlead::v1::StateDigest>& digests);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_NETWORK_COMMANDS_H_
