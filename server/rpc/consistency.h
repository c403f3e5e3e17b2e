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

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "api/ids.h"
#include "server/node/node.h"
#include "server/rpc/tokens.h"

namespace fairlead::rpc {

inline constexpr char kConsistencyMetadata[] = "fairlead-token";

class Consistency {
 public:
  Consistency(node::Node* node, const Sealer* sealer);
  ~Consistency();
  Consistency(const Consistency&) = delete;
  Consistency& operator=(const Consistency&) = delete;

  // What this node has applied by now.
  std::string Token() const;
  // Calls `done` once, perhaps before it returns: OK when what the token names is applied here, CONSISTENCY_TIMEOUT shortly before
  // `deadline` (so that the answer still arrives), FIELD_INVALID when the token was not made by this network.
  void Await(std::string_view token, absl::Time deadline, std::function<void(absl::Status)> done);

 private:
  struct Waiter;
  void OnJournal();
  void OnAlarm(const std::shared_ptr<Waiter>& waiter);

  node::Node* const node_;
  const Sealer* const sealer_;
  uint64_t listener_ = 0;
  absl::Mutex mu_;
  std::set<std::shared_ptr<Waiter>> waiters_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_CONSISTENCY_H_
