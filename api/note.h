// Signed notes, checkpoints and cosignatures: C2SP signed-note, tlog-checkpoint and tlog-cosignature (versions of 2024 and later).
//
//   note       := text "\n" signature+            text ends in a newline
//   signature  := "— " key_name " " base64(key_id[4] || bytes) "\n"
//   checkpoint := origin "\n" size "\n" base64(root) "\n"            as the note's text
//   vkey       := key_name "+" hex(key_id) "+" base64(algorithm || public key)
//   key_id     := first 4 bytes of SHA-256(key_name "\n" algorithm || public key)
//   algorithm  := 0x01 Ed25519 over the text; 0x04 Ed25519 cosignature/v1 with time
//   cosignature bytes := u64 time || signature over "cosignature/v1\ntime " time "\n" text        seconds since 1970, decimal
//
// A log's origin line is its key name: "{network}/{site}/{epoch}/{stream}". Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_API_NOTE_H_
#define FAIRLEAD_API_NOTE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/crypto.h"
#include "api/ids.h"

namespace fairlead::note {

inline constexpr uint8_t kEd25519 = 0x01;
inline constexpr uint8_t kCosignatureV1 = 0x04;
inline constexpr size_t kNoteBytesMax = 64 * 1024;
inline constexpr size_t kSignaturesMax = 64;

// A named public key.
class Verifier {
 public:
  static absl::StatusOr<Verifier> FromVkey(std::string_view vkey);
  static Verifier Make(std::string_view name, uint8_t algorithm, const VerifyKey& key);
  const std::string& name() const { return name_; }
  uint32_t key_id() const { return key_id_; }
  uint8_t algorithm() const { return algorithm_; }
  const VerifyKey& key() const { return key_; }
  std::string ToVkey() const;

 private:
  std::string name_;
  uint32_t key_id_ = 0;
  uint8_t algorithm_ = 0;
  VerifyKey key_;
};

struct Signature {
  std::string name;
  uint32_t key_id = 0;
  std::string bytes;  // without the key id
};

struct Note {
  std::string text;  // ends in a newline
  std::vector<Signature> signatures;
};

std::string Format(const Note& note);
// INVALID_ARGUMENT naming what is malformed. Unknown signatures are kept.
absl::StatusOr<Note> Parse(std::string_view bytes);

// Whether some signature of `note` is by `verifier` and verifies. For kCosignatureV1, `time_s` gets the newest such time (may be null).
bool Verify(const Note& note, const Verifier& verifier, uint64_t* time_s = nullptr);
// Whether `note` is signed in the verifier's name by other keys and not by its own, as before its key was changed.
bool IsByOtherKey(const Note& note, const Verifier& verifier);
// Signatures by a key named `name` with algorithm Ed25519 over the text.
Signature Sign(std::string_view name, const SigningKey& key, std::string_view text);
Signature Cosign(std::string_view name, const SigningKey& key, std::string_view text, uint64_t time_s);
// Adds, replacing an older signature of the same name and key id (for a cosignature: of an earlier time). A note of kSignaturesMax
// signatures takes no more.
void AddSignature(Note* note, const Signature& signature);

struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  Digest root{};
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

std::string CheckpointText(const Checkpoint& checkpoint);
// Extension lines after the root are refused: Fairlead's checkpoints have none.
absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view text);

}  // namespace fairlead::note

#endif  // FAIRLEAD_API_NOTE_H_
