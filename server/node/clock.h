// Time as a node sees it: a seam, so that tests and simulators own it.
//
// Thread safety: any thread. Ownership: borrowed; outlives the node.

#ifndef FAIRLEAD_SERVER_NODE_CLOCK_H_
#define FAIRLEAD_SERVER_NODE_CLOCK_H_

#include <absl/time/clock.h>
#include <absl/time/time.h>

namespace fairlead::node {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

// The machine's clock.
inline const Clock& SystemClock() {
  class System : public Clock {
   public:
    absl::Time Now() const override { return absl::Now(); }
  };
  static const System clock;
  return clock;
}

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_CLOCK_H_
