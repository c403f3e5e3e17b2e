// Consistency tokens: read your own writes at another node.
//
// Every reply carries, as trailing metadata `fairlead-token`, the version vector that its node had applied. A call that presents such a
// token waits, within its deadline, until this node has applied as much.
//
// Thread safety: any thread. Ownership: borrows node and sealer; waits, when destroyed, for its waiters to be answered.

#ifndef FAIRLEAD_SERVER_RPC_CONSISTENCY_H_
#define FAIRLEAD_SERVER_RPC_CONSISTENCY_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "api/ids.h"
#include "server/node/node.h"
#include "server/rpc/tokens.h"
#include "server/rpc/waiting_room.h"

namespace fairlead::rpc {

inline constexpr char kConsistencyMetadata[] = "fairlead-token";

class Consistency {
 public:
  Consistency(node::Node* node, const Sealer* sealer);
  ~Consistency();
  Consistency(const Consistency&) = delete;
  Consistency& operator=(const Consistency&) = delete;

  // What this node has applied of the main logs by now.
  std::string Token() const;
  // Calls `done` once, perhaps before it returns (then the result is 0): OK when what stands of what the token names is applied here,
  // CONSISTENCY_TIMEOUT shortly before `deadline` (so that the answer still arrives), FIELD_INVALID when the token was not made by this
  // network.
  uint64_t Await(std::string_view token, absl::Time deadline, std::function<void(absl::Status)> done);
  // Nobody waits for that answer any more: `done` is let go, uncalled unless it is being called.
  void Leave(uint64_t wait);
  // Calls that wait.
  size_t waiting() const { return waiting_.size(); }

 private:
  node::Node* const node_;
  const Sealer* const sealer_;
  uint64_t listener_ = 0;
  mutable absl::Mutex mu_;
  // Of the replies to one batch, most have the same.
  mutable VersionVector sealed_ ABSL_GUARDED_BY(mu_);
  mutable std::string token_ ABSL_GUARDED_BY(mu_);  // of `sealed_`; empty: none was made yet
  WaitingRoom<VersionVector> waiting_;              // the last: what it answers at the end may call Token
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_CONSISTENCY_H_
