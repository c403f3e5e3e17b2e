// What a site states of a report that it made: a signed note (api/note.h) by the key of its log, over
//
//   statement := "fairlead report v1\n"
//                "kind " ("annual" | "quarterly") "\n"
//                "period " period "\n"                     2025, or 2025Q3
//                "reader " reader "\n"                     "hq" and other regions, or a nation's alpha-2 code
//                "made " time "\n"                         RFC 3339, UTC, whole seconds, by the clock of the site
//                "html " sha256 "\n"                       lower-case hex
//                "csv " sha256 "\n"
//
// It is no checkpoint: the origin of a log holds no space. Thread safety: pure functions. Ownership: values; results point into the roster.

#ifndef FAIRLEAD_API_REPORT_H_
#define FAIRLEAD_API_REPORT_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>
#include <string_view>

#include "api/crypto.h"
#include "api/ids.h"
#include "api/roster.h"

namespace fairlead::report {

struct Statement {
  std::string kind;
  std::string period;
  std::string reader;
  absl::Time made;  // whole seconds
  Digest html{};
  Digest csv{};
  friend bool operator==(const Statement&, const Statement&) = default;
};

// REQUIRES: no part holds a line break.
std::string FormatStatement(const Statement& statement);
// INVALID_ARGUMENT naming the line.
absl::StatusOr<Statement> ParseStatement(std::string_view text);
// The signed note, by the key of the log `origin`.
std::string Sign(const Statement& statement, std::string_view origin, const SigningKey& key);

struct Verified {
  const RosterLog* log = nullptr;  // whose key signed
  Statement statement;
  std::string_view form;  // "html" or "csv"
};
// INVALID_ARGUMENT when `signed_note` is no such note; DATA_LOSS (SIGNATURE_INVALID) when no log of the roster signed it, and DATA_LOSS
// when `content` is neither of the forms that it names. A log that is closed proves nothing: whoever has its key may have signed since.
absl::StatusOr<Verified> Verify(std::string_view content, std::string_view signed_note, const Roster& roster);

}  // namespace fairlead::report

#endif  // FAIRLEAD_API_REPORT_H_
