// The few primitives the formats need, from OpenSSL.
//
// Thread safety: free functions and const methods may be called from any thread. Ownership: keys own their OpenSSL handle.

#ifndef FAIRLEAD_API_CRYPTO_H_
#define FAIRLEAD_API_CRYPTO_H_

#include <absl/status/statusor.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "api/ids.h"

namespace fairlead {

Digest Sha256(std::string_view data);
// SHA-256 over the concatenation, without copying.
Digest Sha256(std::initializer_list<std::string_view> parts);
Digest HmacSha256(std::string_view key, std::string_view data);
// Bytes from the system's generator. Aborts the process when there is none.
std::string RandomBytes(size_t n);

// An Ed25519 public key (RFC 8032).
class VerifyKey {
 public:
  static absl::StatusOr<VerifyKey> FromRaw(std::string_view raw);  // 32 bytes
  const std::string& raw() const { return raw_; }
  bool Verify(std::string_view message, std::string_view signature) const;

 private:
  std::string raw_;
  std::shared_ptr<void> key_;
};

// An Ed25519 private key.
class SigningKey {
 public:
  static SigningKey Generate();
  static absl::StatusOr<SigningKey> FromSeed(std::string_view seed);  // 32 bytes
  // PKCS #8 PEM, as OpenSSL writes it.
  static absl::StatusOr<SigningKey> FromPem(std::string_view pem);
  std::string ToPem() const;
  std::string public_raw() const;                    // 32 bytes
  std::string Sign(std::string_view message) const;  // 64 bytes

 private:
  std::shared_ptr<void> key_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_CRYPTO_H_
