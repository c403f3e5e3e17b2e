// Names of foreign ports in Schedule K.

#include "fairlead/v1/arrival.pb.h"
#include "server/records/checks.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

const Collection kScheduleKPorts = {"scheduleKPorts", IsScheduleKId, "five digits, a hyphen and a number from 1, such as 72142-2"};

void Validate(const v1::ScheduleKPort& port, Checks* checks) {
  const std::string_view id = checks->OwnId(port.name(), kScheduleKPorts);
  if (!id.empty() && port.code() != id.substr(0, 5)) checks->Fail(Reason::kFieldInvalid, "code", "must be the five digits of the name");
  checks->Line("display_name", port.display_name(), Need::kRequired, kShortCharsMax);
  checks->Line("schedule_country", port.schedule_country(), Need::kOptional, kShortCharsMax);
  checks->Reference("country", port.country(), kCountries, Need::kOptional);
}

}  // namespace

RecordType ScheduleKPortType() {
  using Port = v1::ScheduleKPort;
  RecordType type;
  type.number = 33;
  type.prototype = &Port::default_instance();
  type.pattern = "scheduleKPorts/{schedule_k_port}";
  type.check_id = [](std::string_view id) { return CheckId(kScheduleKPorts, id); };
  type.validate = ValidateWith<Port>(Validate);
  type.indexes = {
      {.number = 330, .filter = "country", .values = On<Port>([](const Port& p) { return Values{p.country()}; })},
      {.number = 331, .filter = "code", .values = On<Port>([](const Port& p) { return Values{p.code()}; })},
  };
  return type;
}

}  // namespace fairlead::records
