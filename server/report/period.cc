#include "server/report/period.h"

#include <algorithm>
#include <cctype>

#include "api/errors.h"

namespace fairlead::report {
namespace {

constexpr size_t kYearDigits = 4;

bool IsYear(const std::string& text) {
  return text.size() == kYearDigits && text[0] != '0' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

absl::StatusOr<Period> PeriodOf(v1::ReportKind kind, const std::string& text, absl::CivilDay today) {
  Period period;
  period.kind = kind;
  period.text = text;
  const std::string year = text.substr(0, kYearDigits);
  switch (kind) {
    case v1::REPORT_KIND_ANNUAL: {
      if (!IsYear(text)) return FieldError(Reason::kFieldInvalid, "period", "of an annual report must be a year, such as 2025");
      const absl::CivilYear first(std::stoi(year));
      period.days = {absl::CivilDay(first), absl::CivilDay(first + 1) - 1};
      break;
    }
    case v1::REPORT_KIND_QUARTERLY: {
      const bool formed = text.size() == kYearDigits + 2 && IsYear(year) && text[4] == 'Q' && text[5] >= '1' && text[5] <= '4';
      if (!formed) return FieldError(Reason::kFieldInvalid, "period", "of a quarterly report must be a quarter, such as 2025Q3");
      const absl::CivilMonth first(std::stoi(year), 3 * (text[5] - '1') + 1);
      period.days = {absl::CivilDay(first), absl::CivilDay(first + 3) - 1};
      break;
    }
    default:
      return FieldError(Reason::kFieldRequired, "kind", "is required: annual or quarterly");
  }
  if (period.days.first > today) return FieldError(Reason::kFieldInvalid, "period", "has not begun");
  period.as_of = std::min(period.days.last, today);
  return period;
}

}  // namespace fairlead::report
