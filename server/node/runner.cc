#include "server/node/runner.h"

namespace fairlead::node {

Runner::Runner(Node* node, int completion_threads, std::function<void()> on_tick)
    : node_(node), completion_threads_(completion_threads), on_tick_(std::move(on_tick)) {}

Runner::~Runner() { Stop(); }

void Runner::Start() {
  committer_ = std::thread([this] {
    while (node_->WaitForWork()) node_->CommitOnce();
  });
  for (int i = 0; i < completion_threads_; ++i) {
    completers_.emplace_back([this] {
      while (node_->WaitForCompletions()) node_->RunCompletions();
    });
  }
  ticker_ = std::thread([this] {
    while (!stopping_.Await(node_->options().cosign_interval)) {
      node_->Tick();
      if (on_tick_) on_tick_();
    }
  });
  // A thread of its own: what waits for cosignatures does not wait for compactions.
  purger_ = std::thread([this] {
    while (!purges_stopping_.Await(node_->options().cosign_interval)) node_->Purge(&purges_cancelled_);
  });
}

void Runner::Stop() {
  if (!committer_.joinable()) return;
  stopping_.Set();
  purges_cancelled_.store(true);
  purges_stopping_.Set();
  ticker_.join();
  purger_.join();
  node_->Stop();
  committer_.join();
  node_->StopCompletions();
  for (std::thread& completer : completers_) completer.join();
  completers_.clear();
}

}  // namespace fairlead::node
