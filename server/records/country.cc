// Countries and territories of ISO 3166-1.

#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

void Validate(const v1::Country& country, Checks* checks) {
  checks->OwnId(country.name(), kCountries);
  checks->Line("display_name", country.display_name(), Need::kRequired, kShortCharsMax);
  checks->Line("official_name", country.official_name(), Need::kOptional, kShortCharsMax);
  checks->Code("alpha3", country.alpha3(), IsAlpha3, "three upper-case letters (ISO 3166-1 alpha-3)");
  checks->Code("numeric", country.numeric(), IsIsoNumeric, "three digits (ISO 3166-1 numeric)");
  checks->NotZero("region", country.region(), "is required: the liaison region that covers the country");
}

std::vector<Contribution> Contribute(const v1::Country& country) { return {{figures::Country(country.region(), country.name()), 1}}; }

}  // namespace

RecordType CountryType() {
  RecordType type;
  type.number = 1;
  type.prototype = &v1::Country::default_instance();
  type.pattern = "countries/{country}";
  type.check_id = [](std::string_view id) { return CheckId(kCountries, id); };
  type.validate = ValidateWith<v1::Country>(Validate);
  type.indexes = {
      {.number = 1, .filter = "region", .values = On<v1::Country>([](const v1::Country& c) { return Values{DecimalOf(c.region())}; })},
  };
  type.contribute = On<v1::Country>(Contribute);
  return type;
}

}  // namespace fairlead::records
