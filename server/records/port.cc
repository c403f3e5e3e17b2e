// Sea ports.

#include <fmt/format.h>

#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

constexpr uint32_t kWpiNumberMax = 99999;  // five digits (NGA Pub. 150)

bool IsHarborSize(std::string_view text) { return text == "Very Small" || text == "Small" || text == "Medium" || text == "Large"; }

void Validate(const v1::Port& port, Checks* checks) {
  std::string_view locode = checks->OwnId(port.name(), kPorts);
  checks->Line("display_name", port.display_name(), Need::kRequired, kShortCharsMax);
  checks->Reference("country", port.country(), kCountries, Need::kRequired);
  if (!port.country().empty() && !locode.empty() && figures::IdOf(port.country()) != locode.substr(0, 2)) {
    checks->Fail(Reason::kFieldInvalid, "country",
                 fmt::format("must be countries/{}: the first two characters of a UN/LOCODE are its country", locode.substr(0, 2)));
  }
  checks->Code("subdivision", port.subdivision(), IsSubdivision,
               "one to three upper-case letters or digits (ISO 3166-2, without the country)");
  checks->Position("position", port.has_position(), port.position());
  if (port.wpi_number() > kWpiNumberMax) {
    checks->Fail(Reason::kFieldInvalid, "wpi_number", "has at most five digits (World Port Index, NGA Pub. 150)");
  }
  for (int i = 0; i < port.schedule_k_size(); ++i) {
    if (IsScheduleK(port.schedule_k(i))) continue;
    checks->Fail(Reason::kFieldInvalid, fmt::format("schedule_k[{}]", i), "must be five digits (Schedule K)");
  }
  checks->Line("source", port.source(), Need::kOptional, kSourceCharsMax);
  checks->Code("harbor_size", port.harbor_size(), IsHarborSize,
               "\"Very Small\", \"Small\", \"Medium\" or \"Large\" (World Port Index, NGA Pub. 150)");
}

std::vector<Contribution> Contribute(const v1::Port& port) { return {{figures::Port(port.country(), port.region_override()), 1}}; }

}  // namespace

RecordType PortType() {
  RecordType type;
  type.number = 2;
  type.prototype = &v1::Port::default_instance();
  type.pattern = "ports/{port}";
  type.check_id = [](std::string_view id) { return CheckId(kPorts, id); };
  type.validate = ValidateWith<v1::Port>(Validate);
  type.indexes = {
      {.number = 10, .filter = "country", .values = On<v1::Port>([](const v1::Port& p) { return Values{p.country()}; })},
  };
  type.contribute = On<v1::Port>(Contribute);
  return type;
}

}  // namespace fairlead::records
