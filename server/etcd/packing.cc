#include "server/etcd/packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/entry.h"
#include "api/errors.h"
#include "storage/schema.h"

namespace fairlead::etcd {

namespace {

constexpr uint8_t kVersion = 2;
constexpr uint8_t kHasHeader = 1;
constexpr uint8_t kHasPayload = 2;
constexpr uint8_t kHasKept = 4;
constexpr uint64_t kKeptMax = 4096;                      // of one item
constexpr size_t kItemOverheadMax = 1 + 5 + 10 + 5 + 5;  // flags, log, seq, lengths
static_assert(kItemOverheadMax <= node::kItemOverheadBytes);

uint8_t FlagsOf(const node::JournalItem& item) {
  return static_cast<uint8_t>((item.header.empty() ? 0 : kHasHeader) | (item.payload ? kHasPayload : 0));
}

size_t SizeOf(const node::JournalItem& item) {
  size_t size = kItemOverheadMax + item.header.size() + (item.payload ? item.payload->size() : 0);
  for (const node::KeptRow& kept : item.kept) size += 1 + 5 + kept.key.size() + 5 + kept.value.size();
  return size;
}

absl::Status Damaged(std::string_view what) { return Error(Reason::kStoreDamaged, fmt::format("a batch in etcd is damaged: {}", what)); }

absl::Status Check(const node::JournalItem& item) {
  if (item.header.empty()) return absl::OkStatus();
  auto header = DecodeHeader(item.header);
  if (!header.ok()) return Damaged(std::string(header.status().message()));
  if (header->log != item.dot.log || header->seq != item.dot.seq) return Damaged("an item is another entry than its header's");
  if (item.payload && Sha256(*item.payload) != header->payload_digest) return Damaged("a payload is not its header's");
  return absl::OkStatus();
}

}  // namespace

std::string EncodePacked(const Packed& packed) {
  std::string out;
  PutU8(&out, kVersion);
  out += packed.id;
  PutVarint(&out, packed.first.value());
  out += AsView(packed.before);
  PutVarint(&out, packed.items.size());
  for (const node::JournalItem& item : packed.items) {
    PutU8(&out, FlagsOf(item) | (item.kept.empty() ? 0 : kHasKept));
    PutVarint(&out, item.dot.log.value());
    PutVarint(&out, item.dot.seq.value());
    if (!item.header.empty()) PutBytes(&out, item.header);
    if (item.payload) PutBytes(&out, *item.payload);
    if (!item.kept.empty()) PutVarint(&out, item.kept.size());
    for (const node::KeptRow& kept : item.kept) {
      PutU8(&out, static_cast<uint8_t>(kept.cf));
      PutBytes(&out, kept.key);
      PutBytes(&out, kept.value);
    }
  }
  return out;
}

absl::StatusOr<Packed> DecodePacked(std::string_view bytes) {
  Reader in(bytes);
  if (in.U8() != kVersion) return Damaged("its version is unknown");
  Packed packed;
  packed.id = in.Fixed(kAppendIdBytes);
  packed.first = Position(in.Varint());
  const std::string_view before = in.Fixed(packed.before.size());
  std::copy(before.begin(), before.end(), packed.before.begin());
  const uint64_t n = in.Varint();
  if (!in.ok() || n == 0 || n > kPackedItemsMax) return Damaged("it has no valid count");
  for (uint64_t i = 0; i < n; ++i) {
    const uint8_t flags = in.U8();
    const uint64_t log = in.Varint();
    node::JournalItem item;
    item.dot.seq = Seq(in.Varint());
    if ((flags & ~(kHasHeader | kHasPayload | kHasKept)) != 0 || log > std::numeric_limits<uint32_t>::max())
      return Damaged("an item is malformed");
    item.dot.log = LogId(static_cast<uint32_t>(log));
    if ((flags & kHasHeader) != 0) {
      item.header = in.Bytes();
      if (in.ok() && item.header.empty()) return Damaged("a header is empty");
    }
    if ((flags & kHasPayload) != 0) item.payload = std::string(in.Bytes());
    if ((flags & kHasKept) != 0) {
      const uint64_t kept = in.Varint();
      if (kept == 0 || kept > kKeptMax) return Damaged("an item has no valid count of kept values");
      for (uint64_t k = 0; k < kept && in.ok(); ++k) {
        const uint8_t family = in.U8();
        if (family >= storage::kCfCount) return Damaged("a kept value is of no family");
        std::string key(in.Bytes());
        item.kept.push_back({static_cast<storage::Cf>(family), std::move(key), std::string(in.Bytes())});
      }
    }
    if (!in.ok()) return Damaged("it ends within an item");
    if (absl::Status checked = Check(item); !checked.ok()) return checked;
    packed.items.push_back(std::move(item));
  }
  if (!in.Done()) return Damaged("more follows its items");
  return packed;
}

std::string_view AppendIdOf(std::string_view packed) { return packed.size() <= kAppendIdBytes ? "" : packed.substr(1, kAppendIdBytes); }

Digest Chained(const Digest& before, const node::JournalItem& item) {
  std::string next;
  PutU32(&next, item.dot.log.value());
  PutU64(&next, item.dot.seq.value());
  PutU8(&next, FlagsOf(item));
  PutBytes(&next, item.header);
  return Sha256({AsView(before), next});
}

std::vector<Packed> Pack(std::string_view id, Position first, Digest* chain, const std::vector<node::JournalItem>& items) {
  std::vector<Packed> out;
  size_t bytes = 0;
  for (const node::JournalItem& item : items) {
    const size_t size = SizeOf(item);
    if (out.empty() || bytes + size > kPackedBytesMax || out.back().items.size() == kPackedItemsMax) {
      out.push_back({std::string(id), first, *chain, {}});
      bytes = 1 + kAppendIdBytes + 10 + chain->size() + 10;
    }
    bytes += size;
    out.back().items.push_back(item);
    *chain = Chained(*chain, item);
    ++first;
  }
  return out;
}

}  // namespace fairlead::etcd
