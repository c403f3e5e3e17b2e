// What holds of the rows of every importer.
//
// Thread safety: any thread. Ownership: none.

#ifndef FAIRLEAD_TESTS_FUZZ_ROWS_H_
#define FAIRLEAD_TESTS_FUZZ_ROWS_H_

#include <cstdint>

#include "client/import/rows.h"
#include "tests/fuzz/property.h"

namespace fairlead::fuzz {

template <class Record>
void RequireBalanced(const import::Parsed<Record>& parsed) {
  Require(parsed.read == parsed.skipped + static_cast<int64_t>(parsed.rows.size() + parsed.refusals.size()),
          "every row is sent, refused or of another kind");
  for (const auto& row : parsed.rows) Require(row.line >= 1, "a row has its line");
  for (const import::Refusal& refusal : parsed.refusals) {
    Require(refusal.line >= 1 && !refusal.reason.empty() && !refusal.message.empty(), "a refusal has its line, a reason and a message");
  }
}

}  // namespace fairlead::fuzz

#endif  // FAIRLEAD_TESTS_FUZZ_ROWS_H_
