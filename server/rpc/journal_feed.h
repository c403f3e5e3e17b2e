// Streams that tell what follows from the journal as it grows.
//
// A feed that has told all there is sleeps until the next commit, or until it owes its caller a heartbeat. It is `Next`, or the alarm that
// ends a wait, that looks for the next message: one of them at a time. Feeds that are busy cost a commit nothing.
//
// Thread safety: any thread. Ownership: borrows the node. JournalFeeds waits, when destroyed, for its feeds to end: whatever they use is to
// outlive it.

#ifndef FAIRLEAD_SERVER_RPC_JOURNAL_FEED_H_
#define FAIRLEAD_SERVER_RPC_JOURNAL_FEED_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/alarm.h>

#include <functional>
#include <memory>
#include <vector>

#include "server/node/node.h"
#include "server/rpc/dispatcher.h"

namespace fairlead::rpc {

class JournalFeed;

// The feeds of one kind.
class JournalFeeds {
 public:
  JournalFeeds(node::Node* node, absl::Duration heartbeat);
  ~JournalFeeds();
  JournalFeeds(const JournalFeeds&) = delete;
  JournalFeeds& operator=(const JournalFeeds&) = delete;

 private:
  friend class JournalFeed;
  void Sleeps(std::weak_ptr<JournalFeed> feed);

  node::Node* const node_;
  const absl::Duration heartbeat_;
  uint64_t listener_ = 0;
  absl::Mutex mu_;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::weak_ptr<JournalFeed>> asleep_ ABSL_GUARDED_BY(mu_);
};

class JournalFeed : public Source, public std::enable_shared_from_this<JournalFeed> {
 public:
  explicit JournalFeed(JournalFeeds* feeds);
  ~JournalFeed() override;

  void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) final;
  void Cancel() final;

 protected:
  // The next message; null when there is nothing to tell now.
  virtual absl::StatusOr<MessagePtr> Find() = 0;
  // Called for each message that was found, before it is sent: it is sent once `settled` is called, or that error in its place. Any thread;
  // nothing else of the feed is called meanwhile but Cancel.
  virtual void Settle(std::function<void(absl::Status)> settled) { settled(absl::OkStatus()); }
  // The journal before it has been looked at.
  virtual Position Seen() const = 0;
  // What a caller hears that has heard nothing for so long; null: there may be something to tell.
  virtual MessagePtr Heartbeat() = 0;
  // When to look at the earliest, the last message having been sent then, both as of SteadyNow: a feed that tells the latest only need not
  // tell all of it.
  virtual absl::Time RestUntil(absl::Time /*last_sent*/) const { return absl::InfinitePast(); }

 private:
  friend class JournalFeeds;
  void Wake();
  void Look();
  void OnAlarm(bool expired);
  // Looks after `rest`, whatever comes in between.
  void RestThenLook(absl::Duration rest);
  void Send(absl::StatusOr<MessagePtr> message);

  JournalFeeds* const feeds_;
  absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;
  // As of SteadyNow: a clock that is set back keeps nobody waiting.
  absl::Time last_sent_ ABSL_GUARDED_BY(mu_) = absl::UnixEpoch();  // who has nothing to hear yet is told so at once
  std::function<void(absl::StatusOr<MessagePtr>)> ready_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_JOURNAL_FEED_H_
