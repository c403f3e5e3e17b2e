#include "storage/log_tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

#include "api/errors.h"

namespace fairlead::storage {
namespace {

// The record format of RocksDB's logs: blocks of 32 KiB, each beginning with a record's header. Of a header: CRC-32C, masked, of the type
// and what follows it (4 bytes), length (2), type (1). Little endian.
constexpr uint64_t kBlock = 32768;
constexpr size_t kHeader = 7;

uint32_t Number(std::string_view bytes, size_t size) {
  uint32_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

// CRC-32C (RFC 3720, appendix B.4), a byte at a time; the complement is left to the caller.
uint32_t Extend(uint32_t crc, char byte) {
  crc ^= static_cast<uint8_t>(byte);
  for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
  return crc;
}

uint32_t Unmasked(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return rotated >> 17 | rotated << 15;
}

// Whether `record`, a header and what follows it up to the end of the file, holds a record of any length that its checksum proves.
bool HoldsRecord(std::string_view record) {
  const uint32_t wanted = Unmasked(Number(record, 4));
  uint32_t crc = ~0u;
  for (const char byte : record.substr(kHeader - 1)) {
    crc = Extend(crc, byte);
    if (~crc == wanted) return true;
  }
  return false;
}

}  // namespace

absl::Status CheckLogTail(rocksdb::Env* env, const std::string& file) {
  const auto failed = [&file](const rocksdb::Status& status) {
    return Error(Reason::kStorageFailed, fmt::format("{}: {}", file, status.ToString()));
  };
  uint64_t size = 0;
  std::unique_ptr<rocksdb::RandomAccessFile> opened;
  rocksdb::Status status = env->GetFileSize(file, &size);
  if (status.ok()) status = env->NewRandomAccessFile(file, &opened, rocksdb::EnvOptions());
  if (!status.ok()) return failed(status);
  if (size == 0) return absl::OkStatus();
  const uint64_t begin = (size - 1) / kBlock * kBlock;  // of the last block
  std::string scratch(size - begin, '\0');
  rocksdb::Slice read;
  if (status = opened->Read(begin, scratch.size(), &read, scratch.data()); !status.ok()) return failed(status);
  std::string_view left(read.data(), read.size());
  while (left.size() >= kHeader) {
    const size_t length = kHeader + Number(left.substr(4), 2);
    if (length > left.size()) {
      if (!HoldsRecord(left)) break;
      return Error(Reason::kStoreDamaged,
                   fmt::format("{}: the length of the record at {} is damaged", file, begin + (read.size() - left.size())));
    }
    left.remove_prefix(length);
  }
  return absl::OkStatus();
}

}  // namespace fairlead::storage
