// How the receipts of a nation are found.
//
// Thread safety: constants and pure functions.

#ifndef FAIRLEAD_SERVER_RECORDS_PARTNER_RECEIPT_H_
#define FAIRLEAD_SERVER_RECORDS_PARTNER_RECEIPT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::records {

inline constexpr uint16_t kReceiptsByNation = 550;  // sorted by time
inline constexpr uint16_t kReceiptsByRecord = 551;  // under ReceiptSubject, sorted by time

// Stands for what receipts of a nation are about.
std::string ReceiptSubject(std::string_view nation, std::string_view record);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_PARTNER_RECEIPT_H_
