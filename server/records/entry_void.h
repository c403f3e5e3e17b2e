// The record that discards an entry (api/PROTOCOL.md, rule 13). The fold acts on it, so it is known below the types too.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_RECORDS_ENTRY_VOID_H_
#define FAIRLEAD_SERVER_RECORDS_ENTRY_VOID_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/ids.h"

namespace fairlead::records {

inline constexpr uint16_t kEntryVoidType = 900;

// "voids/3-17".
std::string VoidRecord(Dot dot);
// The entry that such a record discards; nullopt for other names.
std::optional<Dot> VoidedBy(std::string_view record);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_ENTRY_VOID_H_
