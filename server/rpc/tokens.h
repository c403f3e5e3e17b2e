// Opaque tokens that callers hand back: page, resume and consistency tokens.
//
//   token := base64(mac[16] content)      mac = HMAC-SHA-256(key, purpose 0x00 content)[:16]
//
// A token states nothing secret; the MAC keeps callers from making their own. `purpose` keeps one kind from passing for another.
// Thread safety: immutable. Ownership: value.

#ifndef FAIRLEAD_SERVER_RPC_TOKENS_H_
#define FAIRLEAD_SERVER_RPC_TOKENS_H_

#include <optional>
#include <string>
#include <string_view>

namespace fairlead::rpc {

class Sealer {
 public:
  // `key` is the same at every node of the network, so that a consistency token of one is good at another.
  explicit Sealer(std::string key) : key_(std::move(key)) {}
  std::string Seal(std::string_view purpose, std::string_view content) const;
  // The content; nullopt when the token was not sealed for this purpose under this key.
  std::optional<std::string> Open(std::string_view purpose, std::string_view token) const;

 private:
  std::string Mac(std::string_view purpose, std::string_view content) const;

  std::string key_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_TOKENS_H_
