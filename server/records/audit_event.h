// How audit events are found.
//
// Thread safety: constants.

#ifndef FAIRLEAD_SERVER_RECORDS_AUDIT_EVENT_H_
#define FAIRLEAD_SERVER_RECORDS_AUDIT_EVENT_H_

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace fairlead::records {

inline constexpr uint16_t kAuditEventsByTime = 620;  // all under one value, sorted by AuditOrder of when they ended
inline constexpr char kAllAuditEvents[] = "1";

inline constexpr size_t kAuditTextCharsMax = 200;     // of each field but the detail
inline constexpr size_t kAuditDetailCharsMax = 1000;  // characters

// Times of a fixed width, ascending.
std::string AuditOrder(absl::Time time);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_AUDIT_EVENT_H_
