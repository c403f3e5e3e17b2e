#include "server/etcd/health.h"

#include <fmt/format.h>

namespace fairlead::etcd {

absl::StatusOr<EtcdHealth> ReadHealth(Etcd* etcd) {
  const auto status = etcd->Status();
  if (!status.ok()) return status.status();
  const auto alarms = etcd->Alarms();
  if (!alarms.ok()) return alarms.status();
  EtcdHealth health{.bytes = status->dbsize(), .bytes_in_use = status->dbsizeinuse(), .has_leader = status->leader() != 0};
  for (const pb::AlarmMember& alarm : alarms->alarms()) {
    health.full |= alarm.alarm() == pb::NOSPACE;
    health.corrupt |= alarm.alarm() == pb::CORRUPT;
  }
  return health;
}

std::string WarningOf(const EtcdHealth& health, int64_t quota_bytes) {
  if (health.corrupt) return "etcd says that a member's data is corrupt: replace that member";
  const std::string use = fmt::format("its file has {} of {} bytes, {} of them in use", health.bytes, quota_bytes, health.bytes_in_use);
  if (health.full) return "etcd takes no more writes: " + use + "; defragment its members, then disarm the alarm";
  if (!health.has_leader) return "etcd has no leader: a majority of its members does not answer";
  if (health.bytes / 100 * 100 >= quota_bytes / 100 * kQuotaWarningPercent) {
    return "etcd will take no more writes once its file is full: " + use + "; defragment its members";
  }
  return "";
}

}  // namespace fairlead::etcd
