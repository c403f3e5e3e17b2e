// How releases are found by what they let nations see.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_RECORDS_RELEASE_H_
#define FAIRLEAD_SERVER_RECORDS_RELEASE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::records {

inline constexpr uint16_t kReleasesByReader = 502;    // approved ones, under each nation and group that they name; sorted by SubjectOf
inline constexpr uint16_t kReleasesBySubject = 503;   // those ever approved or recalled, under SubjectOf their record
inline constexpr uint16_t kRecallsByRecipient = 504;  // those approved, then recalled, under each nation that has to acknowledge
inline constexpr uint16_t kProposalsByNation = 511;

// Stands for a record among those that are released: 32 hex digits of a hash of its name.
std::string SubjectOf(std::string_view record);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_RELEASE_H_
