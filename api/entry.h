// The entry: a header (the Merkle leaf) and a payload that may be absent.
//
//   header   := 0x01 log:varint seq:varint hlc:u64 deps audience digest[32]
//   deps     := n:varint (log:varint size:varint){n}        ascending by log, size >= 1, never the header's own log
//   audience := 0x00 | 0x01 n:varint site:varint{n}         0x00 all sites; else ascending
//   payload  := 0x01 nonce[16] actor:bytes request_id:bytes request_digest[16] method:bytes n:varint mutation{n}
//   mutation := type:varint record:bytes seen:value_ids n:varint op{n}
//   op       := field:varint kind:u8 flags:u8 [value:bytes] replaces:value_ids [sealed:value_ids]
//   flags    := bit 0 a value follows, bit 1 the op seals (a `sealed` list follows); other bits zero
//   value_ids:= n:varint (mutation_id[16] op:u16){n}        ascending
//   bytes    := n:varint byte{n}                           `seen`: the seals that the author had seen
//
// Varints are minimal LEB128. The digest is SHA-256 over the payload. The nonce keeps a withheld payload from being guessed.
// Headers and payloads are written once and then only copied: decode(encode(x)) == x and encode(decode(b)) == b.
//
// A request may make several entries, in several streams. One of them answers it, and has the digest of the request; the others are its
// companions, and have kCompanionDigest: nobody asks for them by the request's id.
//
// Limits are in the constants below; a decoder refuses what exceeds them. Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_API_ENTRY_H_
#define FAIRLEAD_API_ENTRY_H_

#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/ids.h"

namespace fairlead {

inline constexpr size_t kPayloadBytesMax = 1 << 20;  // 1 MiB
inline constexpr size_t kHeaderBytesMax = 4096;
inline constexpr size_t kMutationsMax = 4096;  // per payload
inline constexpr size_t kRecordNameBytesMax = 512;
inline constexpr size_t kOpsMax = 4096;        // per mutation
inline constexpr size_t kValueIdsMax = 65536;  // per list
inline constexpr size_t kDepsMax = 256;
inline constexpr int kFoldVersion = 1;

// Numbers of the format: fairlead.v1.MergeKind has the same.
enum class MergeKind : uint8_t {
  kRegister = 1,
  kSet = 2,
  kRestrictMax = 3,
  kRestrictIntersect = 4,
  kState = 5,
  kErase = 6,  // of no field: the op of an erasure (api/erasure.h)
};

struct Header {
  LogId log;
  Seq seq;
  Hlc time;
  VersionVector deps;  // what the origin had applied of other logs (api/PROTOCOL.md, rule 4)
  Audience audience;
  Digest payload_digest{};
  friend bool operator==(const Header&, const Header&) = default;
};

// Value bytes by kind. Register: the field in protobuf wire form (every occurrence, tags included), as its writer wrote it. Set:
// one element, in the wire form of a single occurrence with its tag. RestrictMax: varint. RestrictIntersect: sorted strings, each
// length-prefixed. State: varint rank, then varint state.
struct Op {
  uint32_t field = 0;                     // field number of the resource message
  MergeKind kind = MergeKind::kRegister;  // an unknown number decodes; the fold makes the entry opaque
  bool has_value = false;
  std::string value;
  std::vector<ValueId> replaces;  // what the author had read
  bool seals = false;
  std::vector<ValueId> sealed;  // only with seals
  friend bool operator==(const Op&, const Op&) = default;
};

struct Mutation {
  uint32_t type = 0;   // number of the record type
  std::string record;  // the record's name
  std::vector<ValueId> seen_seals;
  std::vector<Op> ops;
  friend bool operator==(const Mutation&, const Mutation&) = default;
};

// Words, so that it is no request's.
inline constexpr std::array<uint8_t, 16> kCompanionDigest = {'f', 'a', 'i', 'r', 'l', 'e', 'a', 'd',
                                                             ' ', 'c', 'o', 'm', 'p', 'a', 'n', '.'};

struct Payload {
  std::array<uint8_t, 16> nonce{};
  std::string actor;                         // the identity without scheme and network: "officer/apac/watch"
  std::string request_id;                    // UUID version 7
  std::array<uint8_t, 16> request_digest{};  // of the request as received: tells a retry from a reused id; kCompanionDigest
  std::string method;                        // "fairlead.v1.EngagementService/CloseEngagement"
  std::vector<Mutation> mutations;
  friend bool operator==(const Payload&, const Payload&) = default;
};

// REQUIRES: lists ascend, deps are of other logs, and what the grammar leaves out is empty (no sites with `all`, no value without
// has_value, no sealed ids without seals). The caller checks the size against its limit.
std::string EncodeHeader(const Header& header);
// DATA_LOSS naming the part that is not canonical.
absl::StatusOr<Header> DecodeHeader(std::string_view bytes);
// REQUIRES: as for EncodeHeader.
std::string EncodePayload(const Payload& payload);
absl::StatusOr<Payload> DecodePayload(std::string_view bytes);

// One mutation, as within a payload.
std::string EncodeMutation(const Mutation& mutation);
absl::StatusOr<Mutation> DecodeMutation(std::string_view bytes);

// Names mutation `index` of `payload`: the first 16 bytes of SHA-256 over a domain tag, network, actor, method, request id, index and the
// mutation's bytes. Nonce and time take no part, so one request accepted at two sites is one mutation.
// REQUIRES: index < payload.mutations.size().
MutationId MutationIdOf(std::string_view network, const Payload& payload, size_t index);

}  // namespace fairlead

#endif  // FAIRLEAD_API_ENTRY_H_
