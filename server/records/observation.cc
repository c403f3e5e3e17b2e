// Observations of an engagement, tied to the ISPS Code.

#include <fmt/format.h>

#include <algorithm>

#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

void Validate(const v1::Observation& observation, Checks* checks) {
  checks->Prose("text", observation.text(), Need::kRequired, kProseCharsMax);
  checks->Line("isps_reference", observation.isps_reference(), Need::kRequired, kShortCharsMax);
  checks->Code("isps_reference", observation.isps_reference(), IsIspsReference,
               "a reference such as \"ISPS A/16.3\", \"ISPS B/15.7\" or \"SOLAS XI-2/10\": sections 1 to 19 of a part of the ISPS Code, "
               "regulations 1 to 13 of SOLAS chapter XI-2");
  checks->NotZero("element", observation.element(), "is required: the element of 46 USC 70108(b) it bears on");
  checks->NotZero("severity", observation.severity(), "is required: how grave it is");
  checks->Reference("facility", observation.facility(), kPortFacilities, Need::kOptional);
  checks->Reference("country", observation.country(), kCountries, Need::kRequired);
  const bool grave = observation.severity() >= v1::SEVERITY_MAJOR;
  checks->Prose("evidence", observation.evidence(), grave ? Need::kRequired : Need::kOptional, kProseCharsMax);
  checks->Prose("recommendation", observation.recommendation(), Need::kOptional, kProseCharsMax);

  std::string_view parent = ParentOf(observation.name());
  std::unique_ptr<v1::Engagement> engagement = FindAs<v1::Engagement>(checks->reader(), parent);
  if (engagement == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "name", fmt::format("there is no engagement {}", parent));
  } else if (!observation.country().empty() && std::find(engagement->countries().begin(), engagement->countries().end(),
                                                         observation.country()) == engagement->countries().end()) {
    checks->Fail(Reason::kFieldInvalid, "country", fmt::format("must be one of the countries of {}", parent));
  }
  if (const auto facility = FindAs<v1::PortFacility>(checks->reader(), observation.facility());
      facility != nullptr && facility->country() != observation.country()) {
    checks->Fail(Reason::kFieldInvalid, "facility", fmt::format("is in {}, not in the observation's country", facility->country()));
  }
}

std::vector<Contribution> Contribute(const v1::Observation& observation) {
  return {{figures::Observation(observation.severity()), 1}, {figures::Observed(observation.country(), observation.severity()), 1}};
}

}  // namespace

RecordType ObservationType() {
  using Observation = v1::Observation;
  RecordType type;
  type.number = 6;
  type.prototype = &Observation::default_instance();
  type.pattern = "engagements/{engagement}/observations/{observation}";
  type.validate = ValidateWith<Observation>(Validate);
  type.indexes = {
      {.number = 50, .filter = "parent", .values = On<Observation>([](const Observation& o) {
                                           return Values{std::string(ParentOf(o.name()))};
                                         })},
      {.number = kObservationsByCountry, .filter = "country", .values = On<Observation>([](const Observation& o) {
                                                                return Values{o.country()};
                                                              })},
      {.number = 52, .filter = "severity", .values = On<Observation>([](const Observation& o) { return Values{DecimalOf(o.severity())}; })},
      {.number = 53, .filter = "element", .values = On<Observation>([](const Observation& o) { return Values{DecimalOf(o.element())}; })},
      {.number = 54, .filter = "facility", .values = On<Observation>([](const Observation& o) { return Values{o.facility()}; })},
  };
  type.contribute = On<Observation>(Contribute);
  return type;
}

}  // namespace fairlead::records
