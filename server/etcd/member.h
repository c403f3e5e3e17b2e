// One member of a site of several machines: has itself elected, steps down, says what it has durably, trims while it leads.
//
// The node appends and follows by itself (server/node/following.cc); this tells it when. What is done here in time is done again in time:
// nothing goes wrong when a step fails, is late or is done twice, since each append compares the fence.
//
// Thread safety: Step and Leave by one thread; leader and its address by any. Ownership: borrows etcd and the log.

#ifndef FAIRLEAD_SERVER_ETCD_MEMBER_H_
#define FAIRLEAD_SERVER_ETCD_MEMBER_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <functional>
#include <string>

#include "server/etcd/commit_log.h"
#include "server/etcd/etcd.h"
#include "server/etcd/leadership.h"

namespace fairlead::etcd {

class Member {
 public:
  struct Options {
    LeadershipOptions leadership;
    // Whether this member may lead: one that is not let stays a follower, and gives up the lead when it has it.
    std::function<bool()> may_lead;  // null: always
    // Whether another member had better lead: it gives up the lead for a while, and has it again if nobody takes it. Null: never.
    std::function<bool()> gives_way;
    std::function<absl::Time()> now;    // of the node's clock
    std::function<Position()> durable;  // before which the node has all durably
    std::function<void()> wake;         // the node reads the log
    absl::Duration trim_interval = absl::Seconds(10);
  };
  Member(Etcd* etcd, EtcdCommitLog* log, Options options);

  // Renews what it has or stands for election, once. Called about five times in the time that a lease lasts.
  void Step();
  // Steps down, so that another member can lead at once. Step is not called any more.
  void Leave();
  // Who leads, as far as this member knows; empty: nobody, or etcd has not said for as long as a lease lasts.
  std::string leader() const;
  // Where; empty when that is not known.
  std::string leader_address() const;

 private:
  void StepDown();

  EtcdCommitLog* const log_;
  const Options options_;
  Leadership leadership_;
  absl::Time renewed_ = absl::InfinitePast();  // when the lease was last known to last
  absl::Time trimmed_ = absl::InfinitePast();
  absl::Time told_ = absl::InfinitePast();  // when etcd last said who leads
  bool gave_way_ = false;
  int steps_aside_ = 0;  // that are left for another to take the lead
  Position reported_;
  bool has_reported_ = false;
  mutable absl::Mutex mu_;
  std::string leader_ ABSL_GUARDED_BY(mu_), leader_address_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_MEMBER_H_
