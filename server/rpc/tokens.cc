#include "server/rpc/tokens.h"

#include <openssl/crypto.h>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kMacBytes = 16;
constexpr size_t kTokenBytesMax = 8192;

}  // namespace

std::string Sealer::Mac(std::string_view purpose, std::string_view content) const {
  std::string data(purpose);
  data.push_back('\0');
  data.append(content);
  const Digest digest = HmacSha256(key_, data);
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
