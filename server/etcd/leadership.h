// Which member of a site writes.
//
// A lease elects: the key `leader` is put with a lease, by one transaction that finds no such key and changes the key `fence`. It is gone
// when its member has not renewed the lease in time, and another may have it. The lease does not protect the log: a member that was
// suspended or cut off believes in it for too long. What protects the log is the fence: each append compares the revision at which the
// fence last changed, so that from the moment a new leader is elected no other member appends, whatever it believes. Whoever was elected
// reads the log to its end before it writes.
//
// Thread safety: one thread at a time. Ownership: borrows etcd.

#ifndef FAIRLEAD_SERVER_ETCD_LEADERSHIP_H_
#define FAIRLEAD_SERVER_ETCD_LEADERSHIP_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/etcd/etcd.h"
#include "server/etcd/txn.h"

namespace fairlead::etcd {

// The right to append, until another member is elected.
struct Fence {
  int64_t revision = 0;  // at which the key changed
  uint64_t term = 0;     // how often it has
  friend bool operator==(const Fence&, const Fence&) = default;
};

struct LeadershipOptions {
  std::string prefix;  // see Keys
  std::string member;
  std::string address;                    // at which the other members reach this one; for them to know, and of no meaning here
  absl::Duration ttl = absl::Seconds(5);  // etcd takes no less than one and a half times its own election timeout
  int attempts_max = 10;
};

class Leadership {
 public:
  Leadership(Etcd* etcd, LeadershipOptions options);

  // Asks once to lead. nullopt when another member does; `leader` then says who.
  absl::StatusOr<std::optional<Fence>> Campaign();
  // Asks who leads, without standing.
  absl::Status Look();
  // Renews the lease; how long it lasts from the call on. NOT_FOUND when it has ended: the member leads no more, and may ask again. After
  // another error it may still lead.
  absl::StatusOr<absl::Duration> Renew();
  // Ends the lease, so that another member can lead at once.
  absl::Status Resign();
  // As of when it was last asked; empty when nobody leads.
  const std::string& leader() const { return leader_; }
  const std::string& leader_address() const { return leader_address_; }

 private:
  // Of the key `leader`; empty when there is none.
  void Note(std::string_view value);

  Etcd* const etcd_;
  const LeadershipOptions options_;
  const Keys keys_;
  int64_t lease_ = 0;  // 0: none
  std::string leader_;
  std::string leader_address_;
};

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_LEADERSHIP_H_
