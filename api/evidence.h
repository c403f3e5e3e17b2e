// Evidence about a log that anyone can check with the roster alone: checkpoints, receipts, consistency proofs.
//
// A checkpoint file is the signed note (api/note.h). The others are C2SP's texts, so that other tools read them, too:
//
//   receipt     := "c2sp.org/tlog-proof@v1\n" "extra " base64(extra) "\n" "index " n "\n" hash* "\n" checkpoint      C2SP tlog-proof
//   extra       := 0x01 header:bytes (0x00 | 0x01 payload:bytes)                the entry (api/entry.h); integers as in api/bytes.h
//   consistency := "old " size "\n" hash* "\n" checkpoint                       C2SP tlog-witness, the body of add-checkpoint
//   hash        := base64(32 bytes) "\n"
//   checkpoint  := a signed note with a checkpoint as its text
//
// Decimal numbers have no needless zeroes. The receipt's leaf is the header; the payload may be left out, and then only its digest is
// proven. A consistency file proves that its checkpoint continues an older one of `size` entries, which the reader must have.
//
// Errors of Verify functions: INVALID_ARGUMENT when the text is not what it should be; DATA_LOSS when it is, and does not hold. Both say
// which part and which rule.
// Thread safety: pure functions. Ownership: values; results point into the roster.

#ifndef FAIRLEAD_API_EVIDENCE_H_
#define FAIRLEAD_API_EVIDENCE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/entry.h"
#include "api/ids.h"
#include "api/note.h"
#include "api/roster.h"

namespace fairlead::evidence {

inline constexpr size_t kProofHashesMax = 64;
inline constexpr size_t kReceiptBytesMax = 2 * kPayloadBytesMax;

// A checkpoint that verifies.
struct Checkpoint {
  struct Cosignature {
    std::string site;
    uint64_t time_s = 0;  // by the site's clock, seconds since 1970
  };
  const RosterLog* log = nullptr;
  uint64_t size = 0;
  Digest root{};
  std::vector<Cosignature> cosignatures;  // of the roster's cosigners, in its order
};

// The log must be the roster's, its signature must be there, and each signature of the log and of a cosigner of the roster must verify.
// Signatures of others are skipped.
absl::StatusOr<Checkpoint> VerifyCheckpoint(std::string_view signed_note, const Roster& roster);

struct Receipt {
  uint64_t index = 0;
  std::vector<Digest> audit_path;
  std::string header;
  std::optional<std::string> payload;
  std::string checkpoint;
};
std::string FormatReceipt(const Receipt& receipt);
absl::StatusOr<Receipt> ParseReceipt(std::string_view text);

struct ProvenEntry {
  Checkpoint checkpoint;
  Header header;
  std::optional<std::string> payload;  // has the header's digest
};
absl::StatusOr<ProvenEntry> VerifyReceipt(std::string_view text, const Roster& roster);

struct Consistency {
  uint64_t old_size = 0;
  std::vector<Digest> hashes;
  std::string checkpoint;
};
std::string FormatConsistency(const Consistency& proof);
absl::StatusOr<Consistency> ParseConsistency(std::string_view text);

struct Continuation {
  Checkpoint older;
  Checkpoint newer;
};
// `old_checkpoint` is the older one's signed note.
absl::StatusOr<Continuation> VerifyConsistency(std::string_view old_checkpoint, std::string_view text, const Roster& roster);

// The header of an entry that is said to be number `seq` of `log`: DATA_LOSS when it is not canonical or is another's.
absl::StatusOr<Header> HeaderOf(const RosterLog& log, uint64_t seq, std::string_view header);

}  // namespace fairlead::evidence

#endif  // FAIRLEAD_API_EVIDENCE_H_
