// What the last entries of the journal wrote to, read once for all that follow it.
//
// Thread safety: any thread. Ownership: borrows the node.

#ifndef FAIRLEAD_SERVER_RPC_JOURNAL_TAIL_H_
#define FAIRLEAD_SERVER_RPC_JOURNAL_TAIL_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "server/node/node.h"

namespace fairlead::rpc {

class JournalTail {
 public:
  struct Entry {
    Position position;
    std::string site;                  // that wrote it
    std::vector<std::string> records;  // in its mutations' order; none when its payload is not here, or not understood
  };

  explicit JournalTail(const node::Node* node) : node_(*node) {}

  // Entries from `from` on, one after the other and at most `max`; fewer when they are large, though the journal may have more. None at its
  // end.
  absl::StatusOr<std::vector<std::shared_ptr<const Entry>>> Read(Position from, size_t max);

 private:
  static constexpr size_t kKept = 1024;
  static constexpr size_t kEntryBytesMax = 32 << 10;  // names of one that is kept; others are read by each that comes to them
  // Nothing more is read once there is so much. An entry may have as much by itself.
  static constexpr size_t kRecordsAtOnce = 4096;
  static constexpr size_t kBytesAtOnce = 1 << 20;

  const node::Node& node_;
  absl::Mutex mu_;
  std::array<std::shared_ptr<const Entry>, kKept> kept_ ABSL_GUARDED_BY(mu_);  // each where its position, modulo kKept, is
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_JOURNAL_TAIL_H_
