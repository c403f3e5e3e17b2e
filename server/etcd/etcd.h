// etcd as the commit log and the leadership call it: the gRPC adapter is one implementation, a test's or a simulator's another.
//
// An error is etcd's own or of the way to it. Of a change, only a Refused one is known not to have been made: any other may have been, or
// may yet be, and is asked for again in a form that takes effect once.
//
// Thread safety: any thread. Ownership: borrowed; outlives its users.

#ifndef FAIRLEAD_SERVER_ETCD_ETCD_H_
#define FAIRLEAD_SERVER_ETCD_ETCD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>

#include "server/etcd/etcd.pb.h"

namespace fairlead::etcd {

namespace pb = ::etcdserverpb;

class Etcd {
 public:
  virtual ~Etcd() = default;
  virtual absl::StatusOr<pb::TxnResponse> Txn(const pb::TxnRequest& request) = 0;
  // OK also when it was done before.
  virtual absl::Status Compact(int64_t revision) = 0;
  // The new lease's id.
  virtual absl::StatusOr<int64_t> Grant(absl::Duration ttl) = 0;
  // How long the lease lasts from the call on. NOT_FOUND when it has ended.
  virtual absl::StatusOr<absl::Duration> KeepAlive(int64_t lease) = 0;
  // OK also when it has ended before.
  virtual absl::Status Revoke(int64_t lease) = 0;
  virtual absl::StatusOr<pb::StatusResponse> Status() = 0;
  virtual absl::StatusOr<pb::AlarmResponse> Alarms() = 0;
  // Waits before the same is asked for again; `attempt` counts from 1.
  virtual void Pause(int attempt) = 0;
};

// Whether the error is etcd's word that it did not do what it was asked, and will not do it.
inline bool Refused(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
      return true;
    default:
      return false;
  }
}

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_ETCD_H_
