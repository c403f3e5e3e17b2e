// Items of the journal as they lie in etcd: packed, since etcd syncs once for each transaction, whatever its size.
//
//   packed := 0x02 id[16] first:varint before[32] n:varint item{n}      n >= 1: the journal's items [first, first + n)
//   item   := flags:u8 log:varint seq:varint [header:bytes] [payload:bytes] [kept]
//   flags  := bit 0 a header follows, bit 1 a payload follows, bit 2 kept values follow; other bits zero
//   kept   := n:varint (family:u8 key:bytes value:bytes){n}     n >= 1; a family is one of storage/schema.h
//
// The id is that of one append: whoever does not know whether his was done finds his id, or another's. The items of one append may lie in
// several packed values, which are written in one transaction.
//
// `before` is the chain at `first`, which says what all items before it are. It is 32 zero bytes where the log begins, and after an item
//
//   chain := SHA-256(the chain before the item, log:u32 seq:u64 flags:u8 header:bytes)      flags as above, without bit 2
//
// decode(encode(x)) == x and encode(decode(b)) == b. Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_ETCD_PACKING_H_
#define FAIRLEAD_SERVER_ETCD_PACKING_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "api/crypto.h"
#include "api/ids.h"
#include "server/node/commit_log.h"

namespace fairlead::etcd {

inline constexpr size_t kAppendIdBytes = 16;
inline constexpr size_t kPackedBytesMax = 128 << 10;   // of several items; one that is larger lies alone
inline constexpr size_t kPackedItemsMax = 4096;        // likewise
inline constexpr size_t kAppendBytesMax = 1408 << 10;  // of one append, packed: etcd takes 1.5 MiB at once
inline constexpr size_t kEntryBytesMax = 1088 << 10;   // of its items without what is kept with them: one of the largest size fits

struct Packed {
  std::string id;
  Position first;
  Digest before{};
  std::vector<node::JournalItem> items;
  Position end() const { return first + items.size(); }
};

std::string EncodePacked(const Packed& packed);
// DATA_LOSS when the bytes are not canonical, or an item is not what its header says it is.
absl::StatusOr<Packed> DecodePacked(std::string_view bytes);
// The id alone; empty when there is none.
std::string_view AppendIdOf(std::string_view packed);

// The chain after the item.
Digest Chained(const Digest& before, const node::JournalItem& item);

// The items in as few packed values as the limits allow. `chain` is that at `first`, then that after all of them.
std::vector<Packed> Pack(std::string_view id, Position first, Digest* chain, const std::vector<node::JournalItem>& items);

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_PACKING_H_
