#include "api/note.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "api/bytes.h"

namespace fairlead::note {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // U+2014, space
constexpr size_t kKeyIdBytes = 4;
constexpr size_t kKeyIdDigits = 8;
constexpr size_t kTimeBytes = 8;
constexpr size_t kSignatureBytes = 64;

absl::Status Bad(std::string_view what) { return absl::InvalidArgumentError(fmt::format("note: {}", what)); }

// Takes one code point from the front; -1 when it is not well-formed UTF-8 (RFC 3629).
int64_t TakeCodePoint(std::string_view* in) {
  const uint8_t lead = static_cast<uint8_t>(in->front());
  const size_t size = lead < 0x80                   ? 1
                      : lead >= 0xc2 && lead < 0xe0 ? 2
                      : lead >= 0xe0 && lead < 0xf0 ? 3
                      : lead >= 0xf0 && lead < 0xf5 ? 4
                                                    : 0;
  if (size == 0 || size > in->size()) return -1;
  int64_t c = size == 1 ? lead : lead & (0x7f >> size);
  for (size_t i = 1; i < size; ++i) {
    const uint8_t next = static_cast<uint8_t>((*in)[i]);
    if ((next & 0xc0) != 0x80) return -1;
    c = c << 6 | (next & 0x3f);
  }
  const bool overlong = (size == 3 && c < 0x800) || (size == 4 && c < 0x10000);
  const bool surrogate = c >= 0xd800 && c < 0xe000;
  if (overlong || surrogate || c > 0x10ffff) return -1;
  in->remove_prefix(size);
  return c;
}

// White space as Unicode has it (property White_Space).
bool IsSpace(int64_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool IsNoteText(std::string_view text) {
  while (!text.empty()) {
    const int64_t c = TakeCodePoint(&text);
    if (c < 0x20 && c != '\n') return false;
  }
  return true;
}

bool IsKeyName(std::string_view name) {
  if (name.empty()) return false;
  while (!name.empty()) {
    const int64_t c = TakeCodePoint(&name);
    if (c < 0x20 || c == '+' || IsSpace(c)) return false;
  }
  return true;
}

uint32_t KeyId(std::string_view name, uint8_t algorithm, std::string_view raw) {
  const char tag[] = {'\n', static_cast<char>(algorithm)};
  const Digest digest = Sha256({name, std::string_view(tag, sizeof(tag)), raw});
  return Reader(AsView(digest)).U32();
}

std::string CosignedMessage(uint64_t time_s, std::string_view text) { return fmt::format("cosignature/v1\ntime {}\n{}", time_s, text); }

// The time of a cosignature/v1; false for bytes of another shape or a time beyond 2^63 - 1, which the format does not allow.
bool CosignatureTime(std::string_view bytes, uint64_t* time_s) {
  if (bytes.size() != kTimeBytes + kSignatureBytes) return false;
  *time_s = Reader(bytes).U64();
  return *time_s <= uint64_t{std::numeric_limits<int64_t>::max()};
}

absl::StatusOr<Signature> ParseSignature(std::string_view line) {
  if (!line.starts_with(kDash)) return Bad("a signature line does not begin with a dash");
  line.remove_prefix(kDash.size());
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || !IsKeyName(line.substr(0, space))) return Bad("a signature line has no key name");
  std::string bytes;
  if (!Base64Decode(line.substr(space + 1), &bytes) || bytes.size() <= kKeyIdBytes)
    return Bad("a signature is not base 64 of a key id and bytes");
  Signature signature;
  signature.name = line.substr(0, space);
  signature.key_id = Reader(bytes).U32();
  signature.bytes = bytes.substr(kKeyIdBytes);
  return signature;
}

// Takes a line without its newline from the front; false when there is none.
bool TakeLine(std::string_view* in, std::string_view* line) {
  const size_t end = in->find('\n');
  if (end == std::string_view::npos) return false;
  *line = in->substr(0, end);
  in->remove_prefix(end + 1);
  return true;
}

}  // namespace

absl::StatusOr<Verifier> Verifier::FromVkey(std::string_view vkey) {
  const size_t first = vkey.find('+');
  const size_t second = first == std::string_view::npos ? first : vkey.find('+', first + 1);
  if (second == std::string_view::npos) return Bad("a verifier key has three parts");
  const std::string_view name = vkey.substr(0, first);
  if (!IsKeyName(name)) return Bad("a verifier key has no key name");
  std::string bytes;
  if (!Base64Decode(vkey.substr(second + 1), &bytes) || bytes.empty()) return Bad("a verifier key is not base 64");
  const uint8_t algorithm = static_cast<uint8_t>(bytes.front());
  if (algorithm != kEd25519 && algorithm != kCosignatureV1) return Bad("a verifier key has an unknown algorithm");
  absl::StatusOr<VerifyKey> key = VerifyKey::FromRaw(std::string_view(bytes).substr(1));
  if (!key.ok()) return key.status();
  Verifier verifier = Make(name, algorithm, *key);
  if (verifier.ToVkey() != vkey) return Bad("a verifier key has another key id");
  return verifier;
}

Verifier Verifier::Make(std::string_view name, uint8_t algorithm, const VerifyKey& key) {
  Verifier verifier;
  verifier.name_ = name;
  verifier.key_id_ = KeyId(name, algorithm, key.raw());
  verifier.algorithm_ = algorithm;
  verifier.key_ = key;
  return verifier;
}

std::string Verifier::ToVkey() const {
  std::string bytes;
  PutU8(&bytes, algorithm_);
  bytes += key_.raw();
  return fmt::format("{}+{:0{}x}+{}", name_, key_id_, kKeyIdDigits, Base64Encode(bytes));
}

std::string Format(const Note& note) {
  std::string out = note.text + "\n";
  for (const Signature& signature : note.signatures) {
    std::string bytes;
    PutU32(&bytes, signature.key_id);
    bytes += signature.bytes;
    out += fmt::format("{}{} {}\n", kDash, signature.name, Base64Encode(bytes));
  }
  return out;
}

absl::StatusOr<Note> Parse(std::string_view bytes) {
  if (bytes.size() > kNoteBytesMax) return Bad(fmt::format("{} bytes, at most {}", bytes.size(), kNoteBytesMax));
  if (!IsNoteText(bytes)) return Bad("not UTF-8, or with control characters");
  const size_t blank = bytes.rfind("\n\n");
  if (blank == std::string_view::npos) return Bad("no blank line before signatures");
  Note note;
  note.text = bytes.substr(0, blank + 1);
  std::string_view rest = bytes.substr(blank + 2);
  std::string_view line;
  while (TakeLine(&rest, &line)) {
    if (note.signatures.size() == kSignaturesMax) return Bad(fmt::format("more than {} signatures", kSignaturesMax));
    absl::StatusOr<Signature> signature = ParseSignature(line);
    if (!signature.ok()) return signature.status();
    note.signatures.push_back(*std::move(signature));
  }
  if (!rest.empty()) return Bad("the last line has no end");
  if (note.signatures.empty()) return Bad("no signature");
  return note;
}

bool Verify(const Note& note, const Verifier& verifier, uint64_t* time_s) {
  bool verified = false;
  uint64_t newest_s = 0;
  for (const Signature& signature : note.signatures) {
    if (signature.name != verifier.name() || signature.key_id != verifier.key_id()) continue;
    if (verifier.algorithm() == kEd25519) {
      if (verifier.key().Verify(note.text, signature.bytes)) return true;
      continue;
    }
    uint64_t at_s = 0;
    if (verifier.algorithm() != kCosignatureV1 || !CosignatureTime(signature.bytes, &at_s) || (verified && at_s <= newest_s)) continue;
    if (verifier.key().Verify(CosignedMessage(at_s, note.text), std::string_view(signature.bytes).substr(kTimeBytes))) {
      verified = true;
      newest_s = at_s;
    }
  }
  if (verified && time_s != nullptr) *time_s = newest_s;
  return verified;
}

bool IsByOtherKey(const Note& note, const Verifier& verifier) {
  bool by_other = false;
  for (const Signature& signature : note.signatures) {
    if (signature.name != verifier.name()) continue;
    if (signature.key_id == verifier.key_id()) return false;
    by_other = true;
  }
  return by_other;
}

Signature Sign(std::string_view name, const SigningKey& key, std::string_view text) {
  return {std::string(name), KeyId(name, kEd25519, key.public_raw()), key.Sign(text)};
}

Signature Cosign(std::string_view name, const SigningKey& key, std::string_view text, uint64_t time_s) {
  Signature signature{std::string(name), KeyId(name, kCosignatureV1, key.public_raw()), {}};
  PutU64(&signature.bytes, time_s);
  signature.bytes += key.Sign(CosignedMessage(time_s, text));
  return signature;
}

void AddSignature(Note* note, const Signature& signature) {
  auto held = std::find_if(note->signatures.begin(), note->signatures.end(),
                           [&](const Signature& s) { return s.name == signature.name && s.key_id == signature.key_id; });
  if (held == note->signatures.end()) {
    if (note->signatures.size() < kSignaturesMax) note->signatures.push_back(signature);
    return;
  }
  uint64_t held_s = 0;
  uint64_t new_s = 0;
  if (CosignatureTime(held->bytes, &held_s) && CosignatureTime(signature.bytes, &new_s) && new_s < held_s) return;
  held->bytes = signature.bytes;
}

std::string CheckpointText(const Checkpoint& checkpoint) {
  return fmt::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, Base64Encode(AsView(checkpoint.root)));
}

absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view text) {
  std::string_view origin, size, root;
  if (!TakeLine(&text, &origin) || !TakeLine(&text, &size) || !TakeLine(&text, &root)) return Bad("a checkpoint has three lines");
  if (!text.empty()) return Bad("a checkpoint has no lines after its root");
  if (origin.empty()) return Bad("a checkpoint has no origin");
  Checkpoint checkpoint;
  checkpoint.origin = origin;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), checkpoint.size);
  const bool canonical = !size.empty() && (size == "0" || size.front() != '0');
  if (error != std::errc() || end != size.data() + size.size() || !canonical) return Bad("a checkpoint's size is not a number");
  std::string bytes;
  if (!Base64Decode(root, &bytes) || bytes.size() != checkpoint.root.size()) return Bad("a checkpoint's root is not base 64 of 32 bytes");
  std::memcpy(checkpoint.root.data(), bytes.data(), bytes.size());
  return checkpoint;
}

}  // namespace fairlead::note
