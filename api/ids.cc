#include "api/ids.h"

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead {
namespace {

constexpr char kHyphens[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
constexpr uint64_t kMillisMax = (uint64_t{1} << 48) - 1;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Base32Id(const std::array<uint8_t, 16>& bits) {
  static constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  // 128 bits as a big-endian number in 26 digits of 5 bits: the first digit holds the upper 3.
  std::string out;
  out.reserve(26);
  uint32_t buffer = 0;
  int held = 2;
  for (uint8_t byte : bits) {
    buffer = buffer << 8 | byte;
    held += 8;
    while (held >= 5) {
      held -= 5;
      out.push_back(kDigits[buffer >> held & 0x1f]);
    }
  }
  return out;
}

std::string CreatedRecordId(std::string_view network, std::string_view actor, std::string_view method, std::string_view request_id) {
  std::string in;
  for (std::string_view part : {std::string_view("fairlead/record/v1"), network, actor, method, request_id}) PutBytes(&in, part);
  const Digest digest = Sha256(in);
  std::array<uint8_t, 16> bits;
  std::memcpy(bits.data(), digest.data(), bits.size());
  return Base32Id(bits);
}

std::string NewRequestId(uint64_t now_ms) {
  std::string bytes;
  PutU64(&bytes, (now_ms & kMillisMax) << 16);
  bytes.resize(6);
  bytes += RandomBytes(10);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x70);  // version 7
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);  // variant 10
  std::string out = HexEncode(bytes);
  for (size_t at : {8, 13, 18, 23}) out.insert(at, "-");
  return out;
}

int64_t RequestIdMillis(std::string_view request_id) {
  if (request_id.size() != sizeof(kHyphens) - 1) return -1;
  std::array<char, 32> digits;
  size_t n = 0;
  for (size_t i = 0; i < request_id.size(); ++i) {
    if (kHyphens[i] == '-') {
      if (request_id[i] != '-') return -1;
      continue;
    }
    const int d = HexDigit(request_id[i]);
    if (d < 0) return -1;
    digits[n++] = static_cast<char>(d);
  }
  if (digits[12] != 7 || (digits[16] & 0xc) != 0x8) return -1;
  int64_t ms = 0;
  for (size_t i = 0; i < 12; ++i) ms = ms << 4 | digits[i];
  return ms;
}

}  // namespace fairlead
