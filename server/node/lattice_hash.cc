#include "server/node/lattice_hash.h"

#include <openssl/evp.h>

#include <bit>
#include <cstdlib>
#include <memory>

#include "api/crypto.h"

namespace fairlead::node {
namespace {

using Expanded = std::array<uint16_t, LatticeHash::kLanes>;

uint16_t FromBigEndian(uint16_t v) { return std::endian::native == std::endian::big ? v : static_cast<uint16_t>(v << 8 | v >> 8); }

// Fetched once: a lookup by name costs more than the expansion itself.
const EVP_CIPHER* Aes256Ctr() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
  return cipher;
}

struct CipherFree {
  void operator()(EVP_CIPHER_CTX* ctx) const { EVP_CIPHER_CTX_free(ctx); }
};

// Lanes as they are stored: big-endian.
Expanded Expand(std::string_view element) {
  // One context a thread: making one costs more than the expansion.
  thread_local std::unique_ptr<EVP_CIPHER_CTX, CipherFree> ctx(EVP_CIPHER_CTX_new());
  static const std::array<uint8_t, LatticeHash::kBytes> zeros{};
  const std::array<uint8_t, 16> counter{};
  Digest key = Sha256(element);
  Expanded out;
  auto* bytes = reinterpret_cast<uint8_t*>(out.data());
  int n = 0;
  if (EVP_EncryptInit_ex2(ctx.get(), Aes256Ctr(), key.data(), counter.data(), nullptr) != 1 ||
      EVP_EncryptUpdate(ctx.get(), bytes, &n, zeros.data(), zeros.size()) != 1 || n != static_cast<int>(zeros.size())) {
    std::abort();  // AES-256-CTR is always there in OpenSSL 3's default provider
  }
  return out;
}

}  // namespace

void LatticeHash::Add(std::string_view element) {
  Expanded e = Expand(element);
  for (size_t i = 0; i < kLanes; ++i) lanes_[i] = static_cast<uint16_t>(lanes_[i] + FromBigEndian(e[i]));
}

void LatticeHash::Remove(std::string_view element) {
  Expanded e = Expand(element);
  for (size_t i = 0; i < kLanes; ++i) lanes_[i] = static_cast<uint16_t>(lanes_[i] - FromBigEndian(e[i]));
}

Digest LatticeHash::Sum() const { return Sha256(Serialise()); }

std::string LatticeHash::Serialise() const {
  std::string out(kBytes, '\0');
  for (size_t i = 0; i < kLanes; ++i) {
    out[2 * i] = static_cast<char>(lanes_[i] >> 8);
    out[2 * i + 1] = static_cast<char>(lanes_[i] & 0xff);
  }
  return out;
}

bool LatticeHash::Parse(std::string_view bytes, LatticeHash* out) {
  if (bytes.size() != kBytes) return false;
  for (size_t i = 0; i < kLanes; ++i) {
    out->lanes_[i] = static_cast<uint16_t>(static_cast<uint8_t>(bytes[2 * i]) << 8 | static_cast<uint8_t>(bytes[2 * i + 1]));
  }
  return true;
}

}  // namespace fairlead::node
