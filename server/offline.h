// What `fairlead-node` does beside running a node: with the store of one that does not run, and with the log that a site's members share.
//
// All print what they find or do to standard output, errors to standard error, and return an exit code of the program.
// Thread safety: one thread. Ownership: borrows arguments.

#ifndef FAIRLEAD_SERVER_OFFLINE_H_
#define FAIRLEAD_SERVER_OFFLINE_H_

#include <string>
#include <vector>

#include "api/roster.h"
#include "server/config.h"

namespace fairlead {

inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfiguration = 3;
inline constexpr int kExitStart = 4;
inline constexpr int kExitDamaged = 5;

// Checks the whole store in `data` (server/node/fsck.h); a line for each damage. `scratch` is a folder for a copy of its size, removed
// afterwards. kExitDamaged when something was found; kExitStart when the store cannot be read, such as that of a running node.
int RunFsck(const Roster& roster, const std::string& data, const std::string& scratch);

// Makes the store of the backup `id` in the data folder (storage/backup.h).
int RunRestore(const NodeConfig& config, const std::string& id);

// Of a site of several machines (server/membership.h); the configuration is a member's. kExitConfiguration when it is none;
// kExitStart when the store may not extend its site's log, or etcd does not have what it should.
int RunGrow(const NodeConfig& config, const std::vector<std::string>& members);
int RunShrink(const NodeConfig& config);
int RunAdmit(const NodeConfig& config, const std::string& member);
int RunForget(const NodeConfig& config, const std::string& member);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVER_OFFLINE_H_
