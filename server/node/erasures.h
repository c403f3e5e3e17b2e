// Erasures as a node carries them out (api/PROTOCOL.md, rule 14): who may erase what, and what the store knows of it.
//
// Folding an erasure takes the payload out of `payloads`, and its values out of states, indexes and figures, in the batch that folds it.
// The keys are noted, and the store's files rid of them after (Committer::Purge); only then is the log cosigned that far.
//
// Thread safety: pure functions; they read a View. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_ERASURES_H_
#define FAIRLEAD_SERVER_NODE_ERASURES_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/entry.h"
#include "api/erasure.h"
#include "api/roster.h"
#include "storage/store.h"

namespace fairlead::node {

// The site that may erase what any site wrote: headquarters, or "hq" where the roster names none.
std::string_view ErasingSite(const Roster& roster);

// Whether `site` may erase the entry: the site that wrote it may, and the ErasingSite; nobody one of the audit, which stays as it was
// written.
bool MayErase(const Roster& roster, SiteId site, Dot entry);
// Whether the entry counts no more once a record says that it is discarded (rule 13): any but one of the audit. So does one of a log that
// the roster does not name yet.
bool MayDiscard(const Roster& roster, Dot entry);

// What erases `payload`, that of `entry`. REQUIRES: it is no erasure.
Erasure ErasureOf(const Roster& roster, const Payload& payload, Dot entry, std::string reason, std::string authority);

// The erasures of an entry, ascending; none when it is not erased here.
absl::StatusOr<std::vector<Dot>> ErasuresOf(const storage::View& view, Dot entry);
// The erasures that this store has folded, ascending, with where they stand in its journal.
absl::StatusOr<std::vector<std::pair<Dot, Position>>> StoredErasures(const storage::View& view);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_ERASURES_H_
