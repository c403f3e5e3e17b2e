// Liaison officers and the members of the Port Security Specialist Team.

#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

void Validate(const v1::LiaisonOfficer& officer, Checks* checks) {
  checks->OwnId(officer.name(), kLiaisonOfficers);
  checks->Line("display_name", officer.display_name(), Need::kRequired, kShortCharsMax);
  checks->NotZero("region", officer.region(), "is required: the region the officer serves");
  checks->References("portfolio", officer.portfolio(), kCountries);
  checks->Line("office", officer.office(), Need::kOptional, kShortCharsMax);
  checks->Code("email", officer.email(), IsEmail, "an address of the form local@domain.tld (RFC 5321)");
}

std::vector<Contribution> Contribute(const v1::LiaisonOfficer& officer) { return {{figures::Officer(officer.region()), 1}}; }

}  // namespace

RecordType LiaisonOfficerType() {
  using Officer = v1::LiaisonOfficer;
  RecordType type;
  type.number = 4;
  type.prototype = &Officer::default_instance();
  type.pattern = "liaisonOfficers/{liaison_officer}";
  type.check_id = [](std::string_view id) { return CheckId(kLiaisonOfficers, id); };
  type.validate = ValidateWith<Officer>(Validate);
  type.indexes = {
      {.number = 30, .filter = "region", .values = On<Officer>([](const Officer& o) { return Values{DecimalOf(o.region())}; })},
      {.number = kOfficersByCountry, .filter = "country", .values = On<Officer>([](const Officer& o) {
                                                            return Values(o.portfolio().begin(), o.portfolio().end());
                                                          })},
  };
  type.contribute = On<Officer>(Contribute);
  return type;
}

}  // namespace fairlead::records
