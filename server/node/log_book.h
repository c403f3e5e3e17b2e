// Reads the logs of a store: headers, payloads, journal, and the tree over them.
//
// Thread safety: any thread; reads a View. Ownership: borrows the view.

#ifndef FAIRLEAD_SERVER_NODE_LOG_BOOK_H_
#define FAIRLEAD_SERVER_NODE_LOG_BOOK_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "api/ids.h"
#include "api/merkle.h"
#include "storage/store.h"

namespace fairlead::node {

class LogBook {
 public:
  explicit LogBook(const storage::View& view) : view_(view) {}

  // Entries applied: 0 for a log never seen.
  absl::StatusOr<Seq> Size(LogId log) const;
  // DATA_LOSS when one of [first, end) is missing.
  absl::StatusOr<std::vector<std::string>> Headers(LogId log, Seq first, Seq end) const;
  absl::StatusOr<std::optional<std::string>> Payload(Dot dot) const;
  absl::StatusOr<std::vector<Dot>> Journal(Position from, size_t max) const;
  absl::StatusOr<Position> JournalEnd() const;

  // Hashes of complete subtrees; leaves are hashed from their headers.
  merkle::SubtreeFn Subtrees(LogId log) const;
  absl::StatusOr<Digest> Root(LogId log, Seq size) const;

 private:
  const storage::View& view_;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_LOG_BOOK_H_
