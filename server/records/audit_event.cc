// What a site's audit says.

#include "server/records/audit_event.h"

#include "fairlead/v1/audit.pb.h"
#include "server/records/checks.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using v1::AuditEvent;

void Validate(const AuditEvent& event, Checks* checks) {
  checks->Line("site", event.site(), Need::kRequired, kAuditTextCharsMax);
  checks->NotZero("kind", event.kind(), "is required: what it tells of");
  checks->Line("actor", event.actor(), Need::kOptional, kAuditTextCharsMax);
  checks->Line("gateway", event.gateway(), Need::kOptional, kAuditTextCharsMax);
  checks->Line("method", event.method(), Need::kOptional, kAuditTextCharsMax);
  checks->Line("outcome", event.outcome(), Need::kOptional, kAuditTextCharsMax);
  checks->Line("resource", event.resource(), Need::kOptional, kAuditTextCharsMax);
  checks->Prose("detail", event.detail(), Need::kOptional, kAuditDetailCharsMax);
  if (event.count() == 0) checks->Fail(Reason::kFieldRequired, "count", "is required: how many there were");
  if (!event.has_first_time()) checks->Fail(Reason::kFieldRequired, "first_time", "is required");
  if (!event.has_last_time()) checks->Fail(Reason::kFieldRequired, "last_time", "is required");
}

}  // namespace

std::string AuditOrder(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6S", absl::FromUnixMicros(absl::ToUnixMicros(time)), absl::UTCTimeZone());
}

RecordType AuditEventType() {
  RecordType type;
  type.number = 62;
  type.prototype = &AuditEvent::default_instance();
  type.pattern = "auditEvents/{audit_event}";
  type.counted = false;
  type.validate = ValidateWith<AuditEvent>(Validate);
  type.indexes = {{.number = kAuditEventsByTime,
                   .filter = "time",
                   .values = On<AuditEvent>([](const AuditEvent&) { return Values{kAllAuditEvents}; }),
                   .sort = On<AuditEvent>([](const AuditEvent& e) {
                     return AuditOrder(absl::FromUnixSeconds(e.last_time().seconds()) + absl::Nanoseconds(e.last_time().nanos()));
                   })}};
  return type;
}

}  // namespace fairlead::records
