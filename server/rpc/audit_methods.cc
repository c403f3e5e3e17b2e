#include "server/rpc/audit_methods.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/errors.h"
#include "server/node/derived.h"
#include "server/records/audit_event.h"
#include "server/rpc/read_methods.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

constexpr int kLookedAtMax = 10'000;  // by one call
constexpr size_t kPageBytesMax = 1 << 20;

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

bool IsTime(const google::protobuf::Timestamp& time) {
  return time.seconds() >= 0 && time.seconds() < 253'402'300'800 && time.nanos() >= 0 && time.nanos() < 1'000'000'000;
}

bool OfActor(const std::string& actor, const std::string& asked) {
  return asked.ends_with('/') ? actor.starts_with(asked) : actor == asked;
}

bool Passes(const v1::AuditEvent& event, const v1::QueryAuditEventsRequest& request) {
  return (request.actor().empty() || OfActor(event.actor(), request.actor())) &&
         (request.kind() == v1::AUDIT_KIND_UNSPECIFIED || event.kind() == request.kind()) &&
         (request.method().empty() || event.method() == request.method()) &&
         (request.outcome().empty() || event.outcome() == request.outcome()) && (request.site().empty() || event.site() == request.site());
}

}  // namespace

void AuditMethods::Register(Dispatcher* dispatcher) const {
  dispatcher->Unary<v1::QueryAuditEventsRequest, v1::QueryAuditEventsResponse>(
      "fairlead.v1.AuditService/QueryAuditEvents",
      [this](const Call& call, const v1::QueryAuditEventsRequest& request) { return Query(call, request); });
}

bool AuditMethods::IsGenuine(const Loaded& loaded) const {
  const RosterLog* log = node_->roster().FindLog(node::SpanOf(loaded.state).first.log);
  return log != nullptr && log->stream == kAuditStream && log->site_name == GetString(*loaded.message, "site");
}

absl::StatusOr<v1::QueryAuditEventsResponse> AuditMethods::Query(const Call& call, const v1::QueryAuditEventsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  if (!v1::AuditKind_IsValid(request.kind())) return FieldError(Reason::kFieldInvalid, "kind", "is no kind of audit event");
  if (!IsTime(request.since())) return FieldError(Reason::kFieldInvalid, "since", "must be a time from 1970 to 9999");
  if (!IsTime(request.until())) return FieldError(Reason::kFieldInvalid, "until", "must be a time from 1970 to 9999");
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const records::RecordType& type = *node_->registry().FindByMessage("AuditEvent");
  const std::string prefix = node::IndexPrefix(records::kAuditEventsByTime, records::kAllAuditEvents);
  const std::string first = request.has_since() ? prefix + records::AuditOrder(TimeOf(request.since())) : prefix;
  const std::string end = request.has_until() ? prefix + records::AuditOrder(TimeOf(request.until())) : storage::PrefixEnd(prefix);
  v1::QueryAuditEventsResponse page;
  if (first >= end) return page;
  const auto it = view->Iterate(storage::Cf::kIndexes, position->empty() ? first : *position + '\0', end);
  std::string last;  // looked at
  int budget = kLookedAtMax;
  size_t bytes = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (page.events_size() == *page_size || bytes > kPageBytesMax || budget-- == 0 || call.cancelled()) {
      page.set_next_page_token(SealPageToken(*sealer_, call.method, request, last));
      break;
    }
    last = std::string(it->key());
    absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, *view, type, last.substr(last.rfind('\0') + 1));
    if (!loaded.ok()) return loaded.status();
    if (!loaded->has_value() || !IsGenuine(**loaded)) continue;
    const auto& event = static_cast<const v1::AuditEvent&>(*(*loaded)->message);
    if (!Passes(event, request)) continue;
    bytes += event.ByteSizeLong();
    *page.add_events() = event;
  }
  if (!it->status().ok()) return it->status();
  return page;
}

}  // namespace fairlead::rpc
