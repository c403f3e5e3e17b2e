#include "server/status.h"

#include <google/protobuf/timestamp.pb.h>

#include "server/rpc/wire_forms.h"

namespace fairlead {
namespace {

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  out->set_seconds(absl::ToUnixSeconds(time));
  out->set_nanos(static_cast<int32_t>((time - absl::FromUnixSeconds(out->seconds())) / absl::Nanoseconds(1)));
}

v1::LinkStatus ToProto(const replication::LinkInfo& link) {
  v1::LinkStatus out;
  out.set_peer(link.peer);
  out.set_address(link.address);
  out.set_connected(link.connected);
  if (link.last_contact) SetTime(*link.last_contact, out.mutable_last_contact_time());
  out.mutable_rtt()->set_nanos(static_cast<int32_t>(link.rtt / absl::Nanoseconds(1)));
  if (link.clock_ahead) rpc::SetDuration(*link.clock_ahead, out.mutable_clock_ahead());
  out.set_entries_behind(static_cast<int64_t>(link.entries_behind));
  out.set_entries_received(static_cast<int64_t>(link.entries_received));
  out.set_bytes_received(static_cast<int64_t>(link.bytes_received));
  if (!link.last_error.ok()) out.set_last_error(link.last_error.ToString(absl::StatusToStringMode::kWithNoExtraData));
  if (link.last_error_time) SetTime(*link.last_error_time, out.mutable_last_error_time());
  for (const auto& [origin, why] : link.refused) {
    fairlead::v1::RefusedLog* refused = out.add_refused_logs();
    refused->set_origin(origin);
    refused->set_reason(std::string(why.message()));
  }
  return out;
}

}  // namespace

std::vector<v1::LinkStatus> ToProto(const std::vector<replication::LinkInfo>& links) {
  std::vector<v1::LinkStatus> out;
  for (const replication::LinkInfo& link : links) out.push_back(ToProto(link));
  return out;
}

v1::MembershipStatus ToProto(const MembershipView& view) {
  v1::MembershipStatus out;
  out.set_member(view.name);
  out.set_leader(view.leader);
  for (const auto& [name, durable] : view.durable) {
    v1::MemberStatus* member = out.add_members();
    member->set_member(name);
    member->set_durable_size(static_cast<int64_t>(durable.value()));
  }
  if (view.health) out.set_etcd_bytes(view.health->bytes);
  out.set_etcd_quota_bytes(view.quota_bytes);
  out.set_etcd_warning(view.warning);
  return out;
}

}  // namespace fairlead
