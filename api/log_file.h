// An exported log: its entries up to one checkpoint, in a file that anyone can verify with the roster alone.
//
//   file  := "fairlead log v1\n" checkpoint:bytes block*      checkpoint: a signed note (api/note.h) of size n
//   block := entry{1..256} proof                              blocks of 256 entries, the last of what is left; none for n = 0
//   entry := leaf[32] header:bytes (0x00 | 0x01 payload:bytes | 0x02)      0x00: the payload was withheld from the site that wrote the
//                                                              file; 0x02: it was erased, as that site says
//   proof := k:varint hash[32]{k}                             that the block belongs to the tree of n leaves (api/merkle.h)
//   bytes := n:varint byte{n}                                 headers and payloads as in api/entry.h
//
// Nothing follows the last block. `leaf` is the Merkle leaf hash of the header; it says nothing new, and lets a verifier name the very
// entry that was changed. Each block proves itself, so that files of any size are read and written in constant memory.
//
// Thread safety: one thread. Ownership: writer and verifier borrow their streams and the roster.

#ifndef FAIRLEAD_API_LOG_FILE_H_
#define FAIRLEAD_API_LOG_FILE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "api/evidence.h"

namespace fairlead {

class LogFileWriter {
 public:
  // Writes the beginning. The stream's own state says whether writing succeeded.
  LogFileWriter(std::string_view checkpoint, std::ostream* out);
  // `erased`: why there is no payload.
  void AddEntry(std::string_view header, const std::optional<std::string>& payload, bool erased = false);
  // REQUIRES: the entries since the last are those of one whole block.
  void EndBlock(const std::vector<Digest>& proof);

 private:
  void Write(std::string_view bytes) { out_->write(bytes.data(), static_cast<std::streamsize>(bytes.size())); }
  std::ostream* const out_;
};

struct VerifiedLog {
  evidence::Checkpoint checkpoint;
  uint64_t payloads = 0;  // present, each with its header's digest
  uint64_t erased = 0;
  Hlc first_time, last_time;
};

// INVALID_ARGUMENT when `in` does not begin as a log file; else DATA_LOSS naming the entry, or the range of entries, and the rule that it
// breaks, or the checkpoint's. `on_entry` (may be null) is told of each entry of a block once the block is proven.
absl::StatusOr<VerifiedLog> VerifyLogFile(
    std::istream& in, const Roster& roster,
    const std::function<void(const Header& header, const std::optional<std::string>& payload)>& on_entry = nullptr);

}  // namespace fairlead

#endif  // FAIRLEAD_API_LOG_FILE_H_
