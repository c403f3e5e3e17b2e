// The schema of a node's store: column families, key layouts and the format version.
//
// Integers in keys are big-endian so that byte order is numeric order. Names of column families are permanent.
//
//   column family   key                                        value
//   meta            name (see kMeta...)                        as its name says
//   logs            log:u32                                    size applied:u64, then the newest note's bytes are in `checkpoints`
//   headers         log:u32 seq:u64                            header bytes (api/entry.h)
//   payloads        log:u32 seq:u64                            payload bytes; absent when withheld or erased
//   tree            log:u32 level:u8 index:u64                 32-byte hash of a complete subtree, level >= 1
//   checkpoints     log:u32                                    newest verified signed note, with cosignatures of that very checkpoint
//   cosignatures    log:u32 site:u16                           newest cosigned note of that site (text, log signature, its cosignature)
//   journal         position:u64                               log:u32 seq:u64
//   records         record name                                record state (server/node/fold.h)
//   revisions       record name 0x00 hlc:u64 log:u32 seq:u64   index of the mutation in its payload:varint
//   derived         record name                                what the record contributes (server/node/derived.h)
//   indexes         index:u16 value 0x00 sort 0x00 record name empty
//   aggregates      key                                        int64 as u64
//   requests        millis:u64 actor 0x00 request id           log:u32 seq:u64 request_digest[16]
//   opaque          log:u32 seq:u64                            cause:u8 detail
//   links           peer site name                             journal instance:bytes position:u64 (where to resume from that peer)
//   contents        see server/node/contents.h                 bytes of attachments, of which the logs know the SHA-256
//
// Thread safety: constants.

#ifndef FAIRLEAD_STORAGE_SCHEMA_H_
#define FAIRLEAD_STORAGE_SCHEMA_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/bytes.h"
#include "api/ids.h"

namespace fairlead::storage {

// Version 2 has `contents`. A store of version 1 becomes one of version 2 when it is opened to be written.
inline constexpr uint32_t kFormatVersion = 2;

enum class Cf : uint8_t {
  kMeta = 0,
  kLogs = 1,
  kHeaders = 2,
  kPayloads = 3,
  kTree = 4,
  kCheckpoints = 5,
  kCosignatures = 6,
  kJournal = 7,
  kRecords = 8,
  kRevisions = 9,
  kDerived = 10,
  kIndexes = 11,
  kAggregates = 12,
  kRequests = 13,
  kOpaque = 14,
  kLinks = 15,
  kContents = 16,
};
inline constexpr size_t kCfCount = 17;

// Names in RocksDB, by number. `meta` is RocksDB's "default" family.
inline constexpr std::array<std::string_view, kCfCount> kCfNames = {
    "default",   "logs",    "headers", "payloads",   "tree",     "checkpoints", "cosignatures", "journal", "records",
    "revisions", "derived", "indexes", "aggregates", "requests", "opaque",      "links",        "contents"};

// Keys of `meta`.
inline constexpr std::string_view kMetaFormat = "format";                     // u32 kFormatVersion
inline constexpr std::string_view kMetaNetwork = "network";                   // the network's name
inline constexpr std::string_view kMetaSite = "site";                         // the site's name
inline constexpr std::string_view kMetaJournalInstance = "journal_instance";  // 16 random bytes
inline constexpr std::string_view kMetaHlc = "hlc";                           // u64, the latest time written or applied
inline constexpr std::string_view kMetaChain = "chain";                       // position:u64 digest[32]: server/etcd/packing.h
inline constexpr std::string_view kMetaLicence = "licence";                   // origin:bytes id:bytes next:bytes (server/node/licence.h)
inline constexpr std::string_view kMetaDerived = "derived";                   // u32 version of derived, indexes, aggregates, listed
inline constexpr std::string_view kMetaWantedPrefix = "wanted/";    // + log:u32 seq:u64 of an entry whose payload is due here; empty
inline constexpr std::string_view kMetaListedPrefix = "listed/";    // + log:u32 seq:u64 of an opaque entry that is due here; empty
inline constexpr std::string_view kMetaErasedPrefix = "erased/";    // + log:u32 seq:u64 of an erased entry: dots of its erasures, ascending
inline constexpr std::string_view kMetaErasurePrefix = "erasure/";  // + log:u32 seq:u64 of an erasure: its journal position:u64, here
inline constexpr std::string_view kMetaPurgePrefix =
    "purge/";  // + log:u32 seq:u64 of an erasure, cf:u8 key: what it deleted there may be in files; empty
inline constexpr std::string_view kMetaQuarantinePrefix = "quarantine/";  // + log:u32: why no more of the log is taken
inline constexpr std::string_view kMetaForkPrefix = "fork/";    // + log:u32: notes that the log signed, of two histories; each bytes
inline constexpr std::string_view kMetaFetchPrefix = "fetch/";  // + sha256[32] that an attachment has, and perhaps not this store; empty
inline constexpr std::string_view kMetaAwaitedPrefix = "awaited/";    // + log:u32 of this site: a checkpoint whose entries were not here
inline constexpr std::string_view kMetaProvenPrefix = "proven/";      // + log:u32: how its entries are proven (server/node/proven.h)
inline constexpr std::string_view kMetaRoster = "roster";             // u64 version and digest[32] of the newest roster seen
inline constexpr std::string_view kMetaClosedPrefix = "closed/";      // + log:u32: u64 size the roster closed it at, once undone beyond
inline constexpr std::string_view kMetaVoidPrefix = "void/";          // + log:u32 seq:u64 of an entry that was discarded; empty
inline constexpr std::string_view kMetaUnjudgedPrefix = "unjudged/";  // + log:u32 seq:u64 of an entry with types or fields not known; empty
inline constexpr std::string_view kMetaUnauthorisedPrefix =
    "unauthorised/";                                              // + log:u32 seq:u64 index of the mutation:u32; server/node/refold.cc
inline constexpr std::string_view kMetaUntoldPrefix = "untold/";  // + log:u32 seq:u64 of an entry that the journal is to get again; empty
inline constexpr std::string_view kMetaDigestPrefix = "digest/";  // + audience class: records:u64, then 2,048 bytes of LtHash

inline std::string LogKey(LogId log) {
  std::string k;
  PutU32(&k, log.value());
  return k;
}
inline std::string DotKey(Dot dot) {
  std::string k;
  PutU32(&k, dot.log.value());
  PutU64(&k, dot.seq.value());
  return k;
}
// Reads what DotKey wrote; fails the reader when it is not there.
inline Dot ReadDot(Reader* in) {
  const LogId log(in->U32());
  return {log, Seq(in->U64())};
}
inline std::string TreeKey(LogId log, int level, uint64_t index) {
  std::string k;
  PutU32(&k, log.value());
  PutU8(&k, static_cast<uint8_t>(level));
  PutU64(&k, index);
  return k;
}
inline std::string JournalKey(Position position) {
  std::string k;
  PutU64(&k, position.value());
  return k;
}
// The least key greater than every key that starts with `prefix`; empty (no bound) when there is none.
inline std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_SCHEMA_H_
