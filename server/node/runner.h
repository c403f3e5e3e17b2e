// The threads of a node: one that commits, some that complete calls, one that cosigns, one that purges files.
//
// Thread safety: Start and Stop by one thread. Ownership: borrows the node, which must outlive it.

#ifndef FAIRLEAD_SERVER_NODE_RUNNER_H_
#define FAIRLEAD_SERVER_NODE_RUNNER_H_

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "api/steady_event.h"
#include "server/node/node.h"

namespace fairlead::node {

class Runner {
 public:
  // `on_tick` (may be null) is called after each Tick, about every cosign_interval, from the ticking thread.
  Runner(Node* node, int completion_threads, std::function<void()> on_tick);
  ~Runner();  // stops

  void Start();
  // Refuses new work, commits and completes what waits, and joins.
  void Stop();

 private:
  Node* const node_;
  const int completion_threads_;
  const std::function<void()> on_tick_;
  std::thread committer_;
  std::thread ticker_;
  std::thread purger_;
  std::vector<std::thread> completers_;
  SteadyEvent stopping_;
  SteadyEvent purges_stopping_;
  std::atomic<bool> purges_cancelled_{false};
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_RUNNER_H_
