// Whether etcd can take more, told before it cannot.
//
// etcd refuses every write once its file has reached its quota, also of keys that are there, until an operator has compacted, defragmented
// and disarmed the alarm. What was trimmed and compacted is used again but stays in the file, which grows by 16 MB at a time.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_ETCD_HEALTH_H_
#define FAIRLEAD_SERVER_ETCD_HEALTH_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "server/etcd/etcd.h"

namespace fairlead::etcd {

inline constexpr int64_t kQuotaBytesDefault = int64_t{2} << 30;  // etcd's own, where none is set
inline constexpr int kQuotaWarningPercent = 70;

struct EtcdHealth {
  int64_t bytes = 0;         // of the file, on the member that answered
  int64_t bytes_in_use = 0;  // of those
  bool has_leader = false;
  bool full = false;  // etcd's alarm NOSPACE
  bool corrupt = false;
  friend bool operator==(const EtcdHealth&, const EtcdHealth&) = default;
};
absl::StatusOr<EtcdHealth> ReadHealth(Etcd* etcd);
// What an operator has to know; empty when all is well. `quota_bytes` is what etcd was started with: it does not say.
std::string WarningOf(const EtcdHealth& health, int64_t quota_bytes);

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_HEALTH_H_
