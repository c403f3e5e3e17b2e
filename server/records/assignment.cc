// That an officer covers a country.

#include <fmt/format.h>

#include "fairlead/v1/portfolio.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/months.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using Assignment = v1::Assignment;

void Validate(const Assignment& assignment, Checks* checks) {
  checks->Reference("officer", assignment.officer(), kLiaisonOfficers, Need::kRequired);
  checks->Reference("country", assignment.country(), kCountries, Need::kRequired);
  checks->NotZero("duty", assignment.duty(), "is required: in what capacity");
  if (!assignment.has_start_date()) {
    checks->Fail(Reason::kFieldRequired, "start_date", "is required: the first day");
  } else if (!IsWholeDate(assignment.start_date())) {
    checks->Fail(Reason::kFieldInvalid, "start_date", "must be a day, with year and month: it says who covers the country when");
  }
  if (assignment.has_end_date()) {
    if (!IsWholeDate(assignment.end_date())) {
      checks->Fail(Reason::kFieldInvalid, "end_date", "must be a day, with year and month: it says who covers the country when");
    } else if (assignment.has_start_date() && IsDate(assignment.start_date()) && IsBefore(assignment.end_date(), assignment.start_date())) {
      checks->Fail(Reason::kFieldInvalid, "end_date", "is before start_date");
    }
  }
  if (!assignment.predecessor().empty()) {
    const std::unique_ptr<Assignment> before = FindAs<Assignment>(checks->reader(), assignment.predecessor());
    if (before == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, "predecessor", fmt::format("there is no assignment {}", assignment.predecessor()));
    } else if (before->country() != assignment.country()) {
      checks->Fail(Reason::kFieldInvalid, "predecessor", fmt::format("is of {}, another country", before->country()));
    }
  }
  checks->Prose("handover_note", assignment.handover_note(), Need::kOptional, kProseCharsMax);
  checks->Prose("source", assignment.source(), Need::kOptional, kSourceCharsMax);
}

}  // namespace

RecordType AssignmentType() {
  RecordType type;
  type.number = 25;
  type.prototype = &Assignment::default_instance();
  type.pattern = "assignments/{assignment}";
  type.validate = ValidateWith<Assignment>(Validate);
  auto sort = On<Assignment>([](const Assignment& a) { return SortByDate(a.has_start_date(), a.start_date()); });
  type.indexes = {
      {.number = 250, .filter = "officer", .values = On<Assignment>([](const Assignment& a) { return Values{a.officer()}; }), .sort = sort},
      {.number = kAssignmentsByCountry,
       .filter = "country",
       .values = On<Assignment>([](const Assignment& a) { return Values{a.country()}; }),
       .sort = sort},
  };
  return type;
}

}  // namespace fairlead::records
