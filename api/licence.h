// The licence to extend a log (api/PROTOCOL.md, rule 7): a text that is kept outside the store and outside backups.
//
//   fairlead licence v1
//   log {origin}                  the log's origin line
//   unused {seconds}              never taken up; until then, in seconds since 1970, a node with an empty log may
//
// or, once a store has taken it up,
//
//   fairlead licence v1
//   log {origin}
//   id {32 lower-case hex digits} of the store that holds it; a new one each time the store is opened
//   size {n}                      entries of the log when that id was given
//   other {origin} {n}            likewise, for each of the site's other logs that had entries, in order of their origin lines
//
// It is for all logs of one site's epoch, and names that of records, `main`.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_API_LICENCE_H_
#define FAIRLEAD_API_LICENCE_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/ids.h"

namespace fairlead {

inline constexpr size_t kLicenceIdBytes = 16;

// How many entries logs have, by origin line.
using LogSizes = std::map<std::string, Seq, std::less<>>;

struct Licence {
  std::string origin;
  std::optional<absl::Time> unused_until;  // whole seconds; nullopt: in use
  std::string id;                          // kLicenceIdBytes; empty when unused
  Seq size;
  LogSizes others;  // none of them 0; none when unused
  friend bool operator==(const Licence&, const Licence&) = default;
};

std::string FormatLicence(const Licence& licence);
// INVALID_ARGUMENT naming the line.
absl::StatusOr<Licence> ParseLicence(std::string_view text);

}  // namespace fairlead

#endif  // FAIRLEAD_API_LICENCE_H_
