// Entries that were discarded.

#include "server/records/entry_void.h"

#include <fmt/format.h>

#include <charconv>

#include "fairlead/v1/entry_void.pb.h"
#include "server/records/checks.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

constexpr std::string_view kCollection = "voids/";

template <class T>
bool Parse(std::string_view text, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

void Validate(const v1::EntryVoid& entry_void, Checks* checks) {
  checks->Line("entry", entry_void.entry(), Need::kRequired, kShortCharsMax);
  checks->Prose("reason", entry_void.reason(), Need::kRequired, kReasonCharsMax);
}

}  // namespace

std::string VoidRecord(Dot dot) { return fmt::format("{}{}-{}", kCollection, dot.log.value(), dot.seq.value()); }

std::optional<Dot> VoidedBy(std::string_view record) {
  if (!record.starts_with(kCollection)) return std::nullopt;
  const std::string_view id = record.substr(kCollection.size());
  const size_t hyphen = id.find('-');
  uint32_t log = 0;
  uint64_t seq = 0;
  if (hyphen == std::string_view::npos || !Parse(id.substr(0, hyphen), &log) || !Parse(id.substr(hyphen + 1), &seq)) return std::nullopt;
  const Dot dot{LogId(log), Seq(seq)};
  return VoidRecord(dot) == record ? std::optional(dot) : std::nullopt;  // one name for one entry
}

RecordType EntryVoidType() {
  RecordType type;
  type.number = kEntryVoidType;
  type.prototype = &v1::EntryVoid::default_instance();
  type.pattern = "voids/{void}";
  type.check_id = [](std::string_view id) {
    if (VoidedBy(std::string(kCollection) + std::string(id))) return absl::OkStatus();
    return absl::InvalidArgumentError("must be the id of a log in the roster, a hyphen and a sequence number");
  };
  type.validate = ValidateWith<v1::EntryVoid>(Validate);
  return type;
}

}  // namespace fairlead::records
