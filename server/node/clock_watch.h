// This node's clock beside its peers': when it disagrees with most of them, it is the one that is wrong (api/PROTOCOL.md, rule 18).
//
// A peer tells its clock on its authenticated link, in answer to a question; half the round trip is the doubt. One peer is no majority, so
// that no single one can stop a node: at least two must disagree, and more than half of those heard lately.
//
// Thread safety: any thread. Ownership: borrows the clock.

#ifndef FAIRLEAD_SERVER_NODE_CLOCK_WATCH_H_
#define FAIRLEAD_SERVER_NODE_CLOCK_WATCH_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <map>
#include <string>

#include "server/node/clock.h"

namespace fairlead::node {

class ClockWatch {
 public:
  // `bound`: how far two clocks may be apart. `heard_within`: what was heard longer ago says nothing.
  ClockWatch(const Clock* clock, absl::Duration bound, absl::Duration heard_within = absl::Minutes(1))
      : clock_(clock), bound_(bound), heard_within_(heard_within) {}

  // `peer` answered that its clock stands at `theirs`; the question was asked `rtt` ago.
  void Heard(const std::string& peer, absl::Time theirs, absl::Duration rtt);
  // With whom the clock disagrees, and by how much; empty when it does not disagree with most peers.
  std::string Disagreement() const;
  // Logs when a disagreement begins and when it ends.
  void Report();

 private:
  struct Answer {
    absl::Duration ahead;  // theirs, of ours
    absl::Duration doubt;
    absl::Time heard;  // by our clock
  };

  const Clock* const clock_;
  const absl::Duration bound_;
  const absl::Duration heard_within_;
  mutable absl::Mutex mu_;
  std::map<std::string, Answer> answers_ ABSL_GUARDED_BY(mu_);
  bool reported_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_CLOCK_WATCH_H_
