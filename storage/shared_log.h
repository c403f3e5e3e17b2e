// The mark of a store whose journal goes on in a log that several machines share: it is one member's, and never its site's commit point.
//
// A key of the column family `meta`, beside those of schema.h. A backup has it; restoring one for a site of one machine takes it away.
// Thread safety: constants and pure functions.

#ifndef FAIRLEAD_STORAGE_SHARED_LOG_H_
#define FAIRLEAD_STORAGE_SHARED_LOG_H_

#include <string_view>

#include "storage/schema.h"
#include "storage/store.h"

namespace fairlead::storage {

inline constexpr std::string_view kMetaSharedLog = "shared_log";  // one of these
inline constexpr std::string_view kSharedLogBegun = "begun";      // the log is being made from this store
inline constexpr std::string_view kSharedLogMade = "made";

// The store is its site's alone, and could begin another log.
inline void LeaveSharedLog(Batch* batch) {
  batch->Delete(Cf::kMeta, kMetaSharedLog);
  batch->Delete(Cf::kMeta, kMetaChain);
}

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_SHARED_LOG_H_
