// Port facilities in the sense of the ISPS Code.

#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/figures.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

void Validate(const v1::PortFacility& facility, Checks* checks) {
  checks->OwnId(facility.name(), kPortFacilities);
  checks->Line("display_name", facility.display_name(), Need::kRequired, kShortCharsMax);
  checks->Reference("country", facility.country(), kCountries, Need::kRequired);
  checks->Reference("port", facility.port(), kPorts, Need::kOptional);
  checks->Prose("description", facility.description(), Need::kOptional, kReasonCharsMax);
  checks->Position("position", facility.has_position(), facility.position());
  checks->Date("plan_approval_date", facility.has_plan_approval_date(), facility.plan_approval_date());
  checks->Date("plan_review_date", facility.has_plan_review_date(), facility.plan_review_date());
  if (IsDate(facility.plan_approval_date()) && IsDate(facility.plan_review_date()) &&
      IsBefore(facility.plan_review_date(), facility.plan_approval_date())) {
    checks->Fail(Reason::kFieldInvalid, "plan_review_date", "is before the plan's approval; a plan is reviewed after it (ISPS Code A/16)");
  }
}

std::vector<Contribution> Contribute(const v1::PortFacility& facility) { return {{figures::Facility(facility.country()), 1}}; }

}  // namespace

RecordType PortFacilityType() {
  RecordType type;
  type.number = 3;
  type.prototype = &v1::PortFacility::default_instance();
  type.pattern = "portFacilities/{port_facility}";
  type.check_id = [](std::string_view id) { return CheckId(kPortFacilities, id); };
  type.validate = ValidateWith<v1::PortFacility>(Validate);
  type.indexes = {
      {.number = 20, .filter = "country", .values = On<v1::PortFacility>([](const v1::PortFacility& f) { return Values{f.country()}; })},
  };
  type.contribute = On<v1::PortFacility>(Contribute);
  return type;
}

}  // namespace fairlead::records
