#include "api/licence.h"

#include <fmt/format.h>

#include <charconv>

#include "api/bytes.h"

namespace fairlead {
namespace {

constexpr std::string_view kTitle = "fairlead licence v1";

absl::Status Bad(int line, std::string_view what) { return absl::InvalidArgumentError(fmt::format("licence line {}: {}", line, what)); }

// What follows `keyword` and a space on the next line; nullopt when the line is another.
std::optional<std::string_view> TakeLine(std::string_view* text, std::string_view keyword) {
  const size_t end = text->find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = text->substr(0, end);
  if (!line.starts_with(keyword)) return std::nullopt;
  line.remove_prefix(keyword.size());
  if (!line.empty()) {
    if (line.front() != ' ') return std::nullopt;
    line.remove_prefix(1);
  }
  text->remove_prefix(end + 1);
  return line;
}

template <class T>
bool ParseNumber(std::string_view text, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<std::string> FromHex(std::string_view hex) {
  if (hex.size() != 2 * kLicenceIdBytes) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    if (error != std::errc() || end != hex.data() + i + 2) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

}  // namespace

std::string FormatLicence(const Licence& licence) {
  std::string text = fmt::format("{}\nlog {}\n", kTitle, licence.origin);
  if (licence.unused_until) return text + fmt::format("unused {}\n", absl::ToUnixSeconds(*licence.unused_until));
  text += fmt::format("id {}\nsize {}\n", HexEncode(licence.id), licence.size.value());
  for (const auto& [origin, size] : licence.others) text += fmt::format("other {} {}\n", origin, size.value());
  return text;
}

absl::StatusOr<Licence> ParseLicence(std::string_view text) {
  std::string_view rest = text;
  Licence licence;
  if (std::optional<std::string_view> title = TakeLine(&rest, kTitle); !title || !title->empty()) {
    return Bad(1, fmt::format("must be '{}'", kTitle));
  }
  const std::optional<std::string_view> origin = TakeLine(&rest, "log");
  if (!origin || origin->empty()) return Bad(2, "must be 'log' and the origin of a log");
  licence.origin = *origin;
  if (const std::optional<std::string_view> until = TakeLine(&rest, "unused")) {
    int64_t seconds = 0;
    if (!ParseNumber(*until, &seconds)) return Bad(3, "'unused' is followed by seconds since 1970");
    licence.unused_until = absl::FromUnixSeconds(seconds);
  } else {
    const std::optional<std::string_view> id = TakeLine(&rest, "id");
    std::optional<std::string> bytes = id ? FromHex(*id) : std::nullopt;
    if (!bytes) return Bad(3, "must be 'unused' and a time, or 'id' and 32 hexadecimal digits");
    licence.id = *std::move(bytes);
    const std::optional<std::string_view> size = TakeLine(&rest, "size");
    uint64_t entries = 0;
    if (!size || !ParseNumber(*size, &entries)) return Bad(4, "must be 'size' and a number of entries");
    licence.size = Seq(entries);
    for (int line = 5; const std::optional<std::string_view> other = TakeLine(&rest, "other"); ++line) {
      const size_t space = other->rfind(' ');
      uint64_t of_other = 0;
      if (space == std::string_view::npos || space == 0 || !ParseNumber(other->substr(space + 1), &of_other) || of_other == 0) {
        return Bad(line, "'other' is followed by the origin of a log and how many entries it has");
      }
      if (!licence.others.emplace(other->substr(0, space), Seq(of_other)).second) return Bad(line, "names that log a second time");
    }
  }
  // Signs, leading zeros, capitals and what follows the last line.
  if (FormatLicence(licence) != text) return Bad(3, "is not in the canonical form, or is followed by more");
  return licence;
}

}  // namespace fairlead
