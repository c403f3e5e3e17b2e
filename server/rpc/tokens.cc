#include "server/rpc/tokens.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kMacBytes = 16;
constexpr size_t kTokenBytesMax = 8192;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kBlockBytes = 1 + kHiddenBytes;
constexpr uint8_t kLong = 0xff;  // in place of the length, which follows it

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* Bytes(std::string* text) { return reinterpret_cast<unsigned char*>(text->data()); }

std::string Keyed(const std::string& key, const std::string& what) {
  const Digest digest = HmacSha256(key, what);
  return std::string(AsView(digest));
}

// Purpose and content as one, of which no other two make the same: a purpose may hold any byte.
std::string Framed(std::string_view purpose, std::string_view content) {
  std::string framed;
  PutU32(&framed, static_cast<uint32_t>(purpose.size()));
  return framed.append(purpose).append(content);
}

// A context with key, nonce and associated data in.
Context Begin(const std::string& key, std::string_view nonce, std::string_view purpose, bool encrypt) {
  Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int written = 0;
  const bool begun = context != nullptr &&
                     EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key), Bytes(nonce), encrypt ? 1 : 0) == 1 &&
                     EVP_CipherUpdate(context.get(), nullptr, &written, Bytes(purpose), static_cast<int>(purpose.size())) == 1;
  if (!begun) std::abort();  // AES is in every build of the library, and the lengths are ours
  return context;
}

}  // namespace

Sealer::Sealer(std::string key)
    : key_(std::move(key)), hiding_key_(Keyed(key_, "fairlead partner tokens")), nonce_key_(Keyed(key_, "fairlead partner nonces")) {}

std::string Sealer::Nonce(std::string_view purpose, std::string_view content) const {
  return Keyed(nonce_key_, Framed(purpose, content)).substr(0, kNonceBytes);
}

std::string Sealer::Hide(std::string_view purpose, std::string_view content) const {
  std::string plain;
  if (content.size() <= kHiddenBytes) {
    PutU8(&plain, static_cast<uint8_t>(content.size()));
  } else {
    PutU8(&plain, kLong);
    PutU32(&plain, static_cast<uint32_t>(content.size()));
  }
  plain.append(content);
  plain.resize((plain.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
  const std::string nonce = Nonce(purpose, content);
  const Context context = Begin(hiding_key_, nonce, purpose, /*encrypt=*/true);
  std::string sealed(plain.size(), '\0');
  std::string tag(kTagBytes, '\0');
  int written = 0;
  int rest = 0;
  const bool done = EVP_CipherUpdate(context.get(), Bytes(&sealed), &written, Bytes(plain), static_cast<int>(plain.size())) == 1 &&
                    EVP_CipherFinal_ex(context.get(), Bytes(&sealed) + written, &rest) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  if (!done) std::abort();
  return Base64Encode(nonce + sealed + tag);
}

std::optional<std::string> Sealer::Reveal(std::string_view purpose, std::string_view token) const {
  std::string bytes;
  if (token.size() > kTokenBytesMax || !Base64Decode(token, &bytes)) return std::nullopt;
  const size_t plain_bytes = bytes.size() - std::min(bytes.size(), kNonceBytes + kTagBytes);
  if (plain_bytes == 0 || plain_bytes % kBlockBytes != 0) return std::nullopt;
  const Context context = Begin(hiding_key_, std::string_view(bytes).substr(0, kNonceBytes), purpose, /*encrypt=*/false);
  std::string tag = bytes.substr(kNonceBytes + plain_bytes);
  std::string plain(plain_bytes, '\0');
  int written = 0;
  int rest = 0;
  const bool genuine = EVP_CipherUpdate(context.get(), Bytes(&plain), &written, Bytes(std::string_view(bytes).substr(kNonceBytes)),
                                        static_cast<int>(plain_bytes)) == 1 &&
                       EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
                       EVP_CipherFinal_ex(context.get(), Bytes(&plain) + written, &rest) == 1;
  Reader in(plain);
  uint32_t size = in.U8();
  if (size == kLong) size = in.U32();
  std::string content(in.Fixed(size));
  if (!genuine || !in.ok()) return std::nullopt;
  if (Nonce(purpose, content) != std::string_view(bytes).substr(0, kNonceBytes)) return std::nullopt;
  return content;
}

std::string Sealer::Mac(std::string_view purpose, std::string_view content) const {
  const Digest digest = HmacSha256(key_, Framed(purpose, content));
  return std::string(AsView(digest).substr(0, kMacBytes));
}

std::string Sealer::Seal(std::string_view purpose, std::string_view content) const {
  return Base64Encode(Mac(purpose, content).append(content));
}

std::optional<std::string> Sealer::Open(std::string_view purpose, std::string_view token) const {
  std::string bytes;
  if (token.size() > kTokenBytesMax || !Base64Decode(token, &bytes) || bytes.size() < kMacBytes) return std::nullopt;
  std::string content = bytes.substr(kMacBytes);
  const std::string mac = Mac(purpose, content);
  if (CRYPTO_memcmp(mac.data(), bytes.data(), kMacBytes) != 0) return std::nullopt;
  return content;
}

}  // namespace fairlead::rpc
