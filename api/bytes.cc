#include "api/bytes.h"

#include <utility>

namespace fairlead {
namespace {

constexpr size_t kVarintBytesMax = 10;

// At once: a string that grows byte by byte looks at its room for each.
template <class T>
void PutBigEndian(std::string* out, T v) {
  char bytes[sizeof(T)];
  for (size_t i = sizeof(T); i-- > 0; v >>= 8) bytes[i] = static_cast<char>(v);
  out->append(bytes, sizeof(T));
}

template <class T>
T BigEndian(std::string_view bytes) {
  T v = 0;
  for (char c : bytes) v = static_cast<T>(v << 8 | static_cast<uint8_t>(c));
  return v;
}

}  // namespace

void PutU8(std::string* out, uint8_t v) { out->push_back(static_cast<char>(v)); }
void PutU16(std::string* out, uint16_t v) { PutBigEndian(out, v); }
void PutU32(std::string* out, uint32_t v) { PutBigEndian(out, v); }
void PutU64(std::string* out, uint64_t v) { PutBigEndian(out, v); }

void PutVarint(std::string* out, uint64_t v) {
  if (v < 0x80) return out->push_back(static_cast<char>(v));
  char bytes[kVarintBytesMax];
  size_t n = 0;
  for (; v >= 0x80; v >>= 7) bytes[n++] = static_cast<char>(v | 0x80);
  bytes[n++] = static_cast<char>(v);
  out->append(bytes, n);
}

void PutBytes(std::string* out, std::string_view v) {
  PutVarint(out, v.size());
  out->append(v);
}

uint8_t Reader::U8() {
  if (in_.empty()) {
    Fail();
    return 0;
  }
  const char c = in_.front();
  in_.remove_prefix(1);
  return static_cast<uint8_t>(c);
}
uint16_t Reader::U16() { return BigEndian<uint16_t>(Fixed(2)); }
uint32_t Reader::U32() { return BigEndian<uint32_t>(Fixed(4)); }
uint64_t Reader::U64() { return BigEndian<uint64_t>(Fixed(8)); }

uint64_t Reader::Varint() {
  uint64_t v = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = U8();
    if (!ok_) return 0;
    const uint64_t bits = byte & 0x7f;
    const bool overflows = shift == 63 && bits > 1;
    const bool needless = shift > 0 && byte == 0;
    if (overflows || needless) break;
    v |= bits << shift;
    if ((byte & 0x80) == 0) return v;
  }
  Fail();
  return 0;
}

std::string_view Reader::Bytes() {
  const uint64_t n = Varint();
  if (n > in_.size()) Fail();
  return ok_ ? Fixed(static_cast<size_t>(n)) : std::string_view();
}

std::string_view Reader::Fixed(size_t n) {
  if (!ok_ || n > in_.size()) {
    Fail();
    return {};
  }
  const std::string_view v = in_.substr(0, n);
  in_.remove_prefix(n);
  return v;
}

std::string HexEncode(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (char c : bytes) {
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 0xf]);
  }
  return out;
}

std::string Base64Encode(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    const uint32_t v = BigEndian<uint32_t>(group) << (8 * (3 - group.size()));
    for (size_t d = 0; d < 4; ++d) out.push_back(d <= group.size() ? kDigits[v >> (18 - 6 * d) & 0x3f] : '=');
  }
  return out;
}

bool Base64Decode(std::string_view text, std::string* out) {
  out->clear();
  if (text.size() % 4 != 0) return false;
  auto digit = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t v = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int d = i < text.size() - padding ? digit(text[i]) : 0;
    if (d < 0) return false;
    v = v << 6 | static_cast<uint32_t>(d);
    if (i % 4 == 3) {
      for (int shift = 16; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(v >> shift));
      v = 0;
    }
  }
  // Bits under the padding must be zero, or two texts would give the same bytes.
  for (size_t i = 0; i < padding; ++i) {
    if (bytes.back() != 0) return false;
    bytes.pop_back();
  }
  *out = std::move(bytes);
  return true;
}

}  // namespace fairlead
