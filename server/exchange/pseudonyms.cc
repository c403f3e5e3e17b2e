#include "server/exchange/pseudonyms.h"

#include <absl/strings/escaping.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "api/crypto.h"

namespace fairlead::exchange {
namespace {

constexpr size_t kBlockBytes = 16;

bool IsHex(std::string_view text) {
  return text.size() == 2 * kBlockBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// One block, either way.
std::string Crypt(const std::string& key, std::string_view hex, bool encrypt) {
  const std::string in = absl::HexStringToBytes(std::string(hex));
  std::string out(2 * kBlockBytes, '\0');
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int written = 0;
  const auto* key_bytes = reinterpret_cast<const unsigned char*>(key.data());
  const bool done = context != nullptr &&
                    EVP_CipherInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, key_bytes, nullptr, encrypt ? 1 : 0) == 1 &&
                    EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
                    EVP_CipherUpdate(context.get(), reinterpret_cast<unsigned char*>(out.data()), &written,
                                     reinterpret_cast<const unsigned char*>(in.data()), static_cast<int>(in.size())) == 1 &&
                    written == static_cast<int>(kBlockBytes);
  if (!done) std::abort();  // AES is in every build of the library, and the lengths are ours
  return absl::BytesToHexString(out.substr(0, kBlockBytes));
}

}  // namespace

std::string Pseudonyms::KeyOf(std::string_view nation) const {
  const Digest digest = HmacSha256(key_, "fairlead pseudonyms of " + std::string(nation));
  return std::string(AsView(digest).substr(0, kBlockBytes));
}

std::string Pseudonyms::Of(std::string_view nation, std::string_view subject) const {
  return Crypt(KeyOf(nation), subject, /*encrypt=*/true);
}

std::string Pseudonyms::SubjectOf(std::string_view nation, std::string_view pseudonym) const {
  return IsHex(pseudonym) ? Crypt(KeyOf(nation), pseudonym, /*encrypt=*/false) : "";
}

}  // namespace fairlead::exchange
