// Attachments as the rest of the node finds them.
//
// Thread safety: constants and pure functions.

#ifndef FAIRLEAD_SERVER_RECORDS_ATTACHMENT_H_
#define FAIRLEAD_SERVER_RECORDS_ATTACHMENT_H_

#include <cstdint>
#include <string_view>

namespace fairlead::records {

inline constexpr uint16_t kAttachmentsBySubject = 540;  // sorted by file name
inline constexpr uint16_t kAttachmentsByContent = 541;  // under the SHA-256 of their bytes

// What a release calls the attachments of the record that it is of.
inline constexpr std::string_view kAttachmentsField = "attachments";

// More than any site may allow itself: what claims more is not fetched.
inline constexpr int64_t kContentBytesMax = int64_t{1} << 30;

// 64 lower-case hex digits.
bool IsSha256(std::string_view text);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_ATTACHMENT_H_
