// The network as a whole: status, digests, opaque entries and the change feed.
//
// Thread safety: one thread. Ownership: borrows the commands.

#ifndef FAIRLEAD_CLIENT_CLI_NETWORK_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_NETWORK_COMMANDS_H_

#include <vector>

#include "client/cli/commands.h"
#include "fairlead/v1/node_service.pb.h"

namespace fairlead::cli {

void AddNetworkCommands(Commands& commands);  // but for the watch, which stands elsewhere in the help
void AddWatchCommand(Commands& commands);

// What the digests of several nodes say together.
enum class DigestVerdict {
  kEqual,
  kDifferent,      // the same entries gave different states: a defect
  kNotComparable,  // the nodes have not applied the same entries, or could not fold some
};
DigestVerdict CompareDigests(const std::vector<fairlead::v1::StateDigest>& digests);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_NETWORK_COMMANDS_H_
