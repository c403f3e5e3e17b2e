// Bytes of the project's own formats: big-endian integers, minimal LEB128, length-prefixed strings.
//
// Canonical: one value has one encoding; a reader refuses every other (a varint with a needless byte, trailing bytes).
// Thread safety: values. Ownership: a Reader borrows its input, which must outlive it and the views it returns.

#ifndef FAIRLEAD_API_BYTES_H_
#define FAIRLEAD_API_BYTES_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead {

void PutU8(std::string* out, uint8_t v);
void PutU16(std::string* out, uint16_t v);  // big-endian
void PutU32(std::string* out, uint32_t v);
void PutU64(std::string* out, uint64_t v);
void PutVarint(std::string* out, uint64_t v);         // LEB128, minimal
void PutBytes(std::string* out, std::string_view v);  // varint length, then the bytes

// Reads from the front. After the first failure every read gives zero or empty and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  uint8_t U8();
  uint16_t U16();
  uint32_t U32();
  uint64_t U64();
  uint64_t Varint();
  std::string_view Bytes();          // varint length, then the bytes
  std::string_view Fixed(size_t n);  // exactly n bytes
  bool ok() const { return ok_; }
  size_t left() const { return in_.size(); }
  // ok() and nothing left.
  bool Done() const { return ok_ && in_.empty(); }
  void Fail() {
    ok_ = false;
    in_ = {};
  }

 private:
  std::string_view in_;
  bool ok_ = true;
};

std::string HexEncode(std::string_view bytes);     // lower case
std::string Base64Encode(std::string_view bytes);  // RFC 4648 section 4, padded
// False when `text` is not canonical padded base 64.
bool Base64Decode(std::string_view text, std::string* out);

}  // namespace fairlead

#endif  // FAIRLEAD_API_BYTES_H_
