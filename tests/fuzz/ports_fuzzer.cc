// The importers of ports: UN/LOCODE and the World Port Index (CSV), sea-ports (JSON).

#include <cmath>
#include <set>

#include "client/import/csv.h"
#include "client/import/ports.h"
#include "tests/fuzz/property.h"
#include "tests/fuzz/rows.h"

namespace fairlead::fuzz {
namespace {

using fairlead::v1::Port;
using import::PortSource;

const import::RegionTable kRegions = {{"JP", {fairlead::v1::REGION_APAC, false}},
                                      {"NL", {fairlead::v1::REGION_EAME, false}},
                                      {"RU", {fairlead::v1::REGION_EAME, false}},
                                      {"US", {fairlead::v1::REGION_HQ, false}}};

void TryPorts(const absl::StatusOr<import::Parsed<Port>>& parsed, PortSource source) {
  if (!parsed.ok()) return RequireError(parsed.status(), {absl::StatusCode::kInvalidArgument});
  RequireBalanced(*parsed);
  std::set<std::string> names;
  for (const auto& row : parsed->rows) {
    const Port& port = row.record;
    Require(port.name().starts_with("ports/") && import::IsLocode(port.name().substr(6)), "a port is named by its code");
    Require(kRegions.contains(port.name().substr(6, 2)) && port.country() == "countries/" + port.name().substr(6, 2),
            "a port is of a country that is known");
    Require(names.insert(port.name()).second, "no code stands twice");
    Require(!port.display_name().empty() && import::Trim(port.display_name()) == port.display_name(), "a port has a name, without blanks");
    Require(import::IsUtf8(port.display_name()) && import::IsUtf8(port.subdivision()) && import::IsUtf8(port.harbor_size()),
            "texts are UTF-8");
    Require(std::abs(port.position().latitude()) <= 90 && std::abs(port.position().longitude()) <= 180, "a position is on the earth");

    // What is imported again changes nothing.
    const Port first = import::Combine(port, source, nullptr);
    Port merged = first;
    const Port second = import::Combine(port, source, &first);
    merged.clear_schedule_k();
    merged.MergeFrom(second);
    if (second.schedule_k().empty()) *merged.mutable_schedule_k() = first.schedule_k();
    Require(merged.SerializeAsString() == first.SerializeAsString(), "a second import of a row changes nothing");
  }
}

}  // namespace
}  // namespace fairlead::fuzz

// The first byte says which source it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fairlead::fuzz::kRegions;
  using fairlead::import::PortSource;
  if (size == 0) return -1;
  const std::string_view text = fairlead::fuzz::AsText(data + 1, size - 1);
  switch (data[0]) {
    case 'u':
      fairlead::fuzz::TryPorts(fairlead::import::ParseUnlocode(text, kRegions), PortSource::kUnlocode);
      return 0;
    case 'w':
      fairlead::fuzz::TryPorts(fairlead::import::ParseWorldPortIndex(text, kRegions), PortSource::kWorldPortIndex);
      return 0;
    case 's':
      fairlead::fuzz::TryPorts(fairlead::import::ParseSeaPorts(text, kRegions), PortSource::kSeaPorts);
      return 0;
    default:
      return -1;
  }
}
