// Lets one thread at a time do the work of an object, without a lock held while it works.
//
// Thread safety: any thread. Ownership: value; the caller keeps it alive during Drive.

#ifndef FAIRLEAD_SERVER_REPLICATION_STRAND_H_
#define FAIRLEAD_SERVER_REPLICATION_STRAND_H_

#include <atomic>

namespace fairlead::replication {

class Strand {
 public:
  // Calls `step` until it returns false. A call while another thread (or a caller further up this stack) is at it returns at once, and that
  // other one goes round again: no wake-up is lost.
  template <class Step>
  void Drive(const Step& step) {
    if (calls_.fetch_add(1) != 0) return;
    int seen = 1;
    do {
      seen = calls_.load();
      while (step()) {
      }
    } while (!calls_.compare_exchange_strong(seen, 0));
  }

 private:
  std::atomic<int> calls_{0};
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_STRAND_H_
