// The span that a report is about.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_REPORT_PERIOD_H_
#define FAIRLEAD_SERVER_REPORT_PERIOD_H_

#include <absl/status/statusor.h>
#include <absl/time/civil_time.h>

#include <string>

#include "fairlead/v1/report.pb.h"
#include "server/records/months.h"

namespace fairlead::report {

struct Period {
  v1::ReportKind kind = v1::REPORT_KIND_UNSPECIFIED;
  std::string text;      // "2025", "2025Q3"
  records::Days days;    // [first, last]
  absl::CivilDay as_of;  // that standings are given for: the last day, or today when that is before it
};

// FIELD_REQUIRED or FIELD_INVALID on kind or period; a period that has not begun is refused.
absl::StatusOr<Period> PeriodOf(v1::ReportKind kind, const std::string& text, absl::CivilDay today);

}  // namespace fairlead::report

#endif  // FAIRLEAD_SERVER_REPORT_PERIOD_H_
