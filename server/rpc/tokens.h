// Opaque tokens that callers hand back: page, resume and consistency tokens.
//
//   token := base64(mac[16] content)      mac = HMAC-SHA-256(key, framed)[:16]
//   framed := n:u32 purpose[n] content           so that no two purposes and contents are one
//
// A token states nothing secret; the MAC keeps callers from making their own. `purpose` keeps one kind from passing for another.
//
// What partner nations are handed is opaque to them, and of one length (api/PROTOCOL.md, rule 22):
//
//   hidden := base64(nonce[12] ciphertext tag[16])           AES-256-GCM, the purpose as associated data
//   plain  := n:u8 content[n] 0x00*                          128 bytes
//           | 0xff n:u32 content[n] 0x00*                    of more than 127: names that are longer than any of ours; a multiple of 128
//
// Its key, and that of nonces, follow from the key by HMAC-SHA-256; the nonce is the first 12 bytes of one over `framed`, so that equal
// contents give equal tokens, at every site, and no others share a nonce. A token whose nonce is not that of what it holds is none.
//
// Thread safety: immutable. Ownership: value.

#ifndef FAIRLEAD_SERVER_RPC_TOKENS_H_
#define FAIRLEAD_SERVER_RPC_TOKENS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::rpc {

inline constexpr size_t kHiddenBytes = 127;  // contents of up to so many bytes give tokens of one length

class Sealer {
 public:
  // `key` is the same at every node of the network, so that a consistency token of one is good at another.
  explicit Sealer(std::string key);
  std::string Seal(std::string_view purpose, std::string_view content) const;
  // The content; nullopt when the token was not sealed for this purpose under this key.
  std::optional<std::string> Open(std::string_view purpose, std::string_view token) const;
  // Likewise, for partners.
  std::string Hide(std::string_view purpose, std::string_view content) const;
  std::optional<std::string> Reveal(std::string_view purpose, std::string_view token) const;

 private:
  std::string Nonce(std::string_view purpose, std::string_view content) const;
  std::string Mac(std::string_view purpose, std::string_view content) const;

  const std::string key_;
  const std::string hiding_key_;
  const std::string nonce_key_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_TOKENS_H_
