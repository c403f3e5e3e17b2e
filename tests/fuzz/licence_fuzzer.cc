// Licence files (api/licence.h).

#include "api/licence.h"
#include "tests/fuzz/property.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fairlead::fuzz::Require;
  const std::string_view text = fairlead::fuzz::AsText(data, size);
  auto licence = fairlead::ParseLicence(text);
  if (!licence.ok()) {
    fairlead::fuzz::RequireError(licence.status(), {absl::StatusCode::kInvalidArgument});
    return 0;
  }
  Require(fairlead::FormatLicence(*licence) == text, "a licence has one text");
  Require(licence->unused_until.has_value() == licence->id.empty(), "a licence in use has an id, and no other has");
  return 0;
}
