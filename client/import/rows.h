// What every importer produces: rows that may be sent, and rows refused with the line and the reason.
//
// Invariant: read == skipped + rows.size() + refusals.size(). Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_CLIENT_IMPORT_ROWS_H_
#define FAIRLEAD_CLIENT_IMPORT_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::import {

// Reasons found before anything is sent. A node's refusals carry its own (api/errors.h).
inline constexpr char kMalformed[] = "ROW_MALFORMED";
inline constexpr char kCodeInvalid[] = "CODE_INVALID";
inline constexpr char kCodeMissing[] = "CODE_MISSING";
inline constexpr char kNameMissing[] = "NAME_MISSING";
inline constexpr char kCountryUnknown[] = "COUNTRY_UNKNOWN";
inline constexpr char kCoordinatesInvalid[] = "COORDINATES_INVALID";
inline constexpr char kDuplicate[] = "DUPLICATE";
inline constexpr char kRemoved[] = "MARKED_FOR_REMOVAL";
inline constexpr char kSiteUnknown[] = "SITE_UNKNOWN";

struct Refusal {
  int64_t line = 0;    // from 1; in a JSON array or object, the number of the element
  std::string key;     // such as "JPYOK"; empty when there is none
  std::string reason;  // one of the above, or the node's
  std::string message;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

template <class Record>
struct Row {
  int64_t line = 0;
  Record record;
};

template <class Record>
struct Parsed {
  int64_t read = 0;
  int64_t skipped = 0;  // of a kind that this importer is not for
  std::vector<Row<Record>> rows;
  std::vector<Refusal> refusals;

  void Refuse(int64_t line, std::string key, std::string reason, std::string message) {
    refusals.push_back({line, std::move(key), std::move(reason), std::move(message)});
  }
};

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_ROWS_H_
