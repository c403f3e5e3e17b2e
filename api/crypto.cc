#include "api/crypto.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace fairlead {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kSignatureBytes = 64;

using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

const unsigned char* Data(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* Data(std::string* s) { return reinterpret_cast<unsigned char*>(s->data()); }
EVP_PKEY* Pkey(const std::shared_ptr<void>& key) { return static_cast<EVP_PKEY*>(key.get()); }

std::shared_ptr<void> Own(EVP_PKEY* key) {
  return std::shared_ptr<void>(key, [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); });
}

// The library failed at something that cannot fail but for lack of memory or of entropy.
void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "crypto: %s failed\n", what);
  std::abort();
}

// Fetched once: a lookup by name costs more than hashing a header.
const EVP_MD* Sha256Method() {
  static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Require(method != nullptr, "EVP_MD_fetch");
  return method;
}

// Never asks a terminal for a passphrase.
int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

Digest Sha256(std::string_view data) { return Sha256({data}); }

Digest Sha256(std::initializer_list<std::string_view> parts) {
  thread_local const DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Require(context != nullptr && EVP_DigestInit_ex2(context.get(), Sha256Method(), nullptr) == 1, "EVP_DigestInit_ex2");
  for (std::string_view part : parts) Require(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1, "EVP_DigestUpdate");
  Digest digest;
  Require(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1, "EVP_DigestFinal_ex");
  return digest;
}

Digest HmacSha256(std::string_view key, std::string_view data) {
  // Each thread's own, with the method in it: a lookup by name costs more than the two hashes.
  thread_local const auto context = [] {
    const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free);
    Require(mac != nullptr, "EVP_MAC_fetch");
    std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> made(EVP_MAC_CTX_new(mac.get()), &EVP_MAC_CTX_free);
    std::string method = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, method.data(), 0), OSSL_PARAM_construct_end()};
    Require(made != nullptr && EVP_MAC_CTX_set_params(made.get(), parameters) == 1, "EVP_MAC_CTX_new");
    return made;
  }();
  Digest digest;
  size_t size = 0;
  // A null key would mean "as before" to OpenSSL.
  if (key.empty()) key = "";
  Require(EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), nullptr) == 1 &&
              EVP_MAC_update(context.get(), Data(data), data.size()) == 1 &&
              EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) == 1 && size == digest.size(),
          "HMAC");
  return digest;
}

std::string RandomBytes(size_t n) {
  constexpr size_t kNonceBytesMax = 16;  // no key is as short
  constexpr size_t kDrawnBytes = 1024;
  const auto draw = [](size_t bytes) {
    std::string out(bytes, '\0');
    Require(RAND_bytes(Data(&out), static_cast<int>(bytes)) == 1, "RAND_bytes");
    return out;
  };
  if (n > kNonceBytesMax) return draw(n);
  // Many nonces and ids at once: a draw costs as much as hashing an entry, however few bytes it is of.
  thread_local std::string drawn;
  if (drawn.size() < n) drawn = draw(kDrawnBytes);
  std::string out = drawn.substr(drawn.size() - n);
  drawn.resize(drawn.size() - n);
  return out;
}

absl::StatusOr<VerifyKey> VerifyKey::FromRaw(std::string_view raw) {
  EVP_PKEY* key = raw.size() == kKeyBytes ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Data(raw), raw.size()) : nullptr;
  if (key == nullptr) {
    ERR_clear_error();
    return absl::InvalidArgumentError("not an Ed25519 public key of 32 bytes");
  }
  VerifyKey out;
  out.raw_ = raw;
  out.key_ = Own(key);
  return out;
}

bool VerifyKey::Verify(std::string_view message, std::string_view signature) const {
  if (key_ == nullptr || signature.size() != kSignatureBytes) return false;
  const DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Require(context != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, Pkey(key_)) == 1, "EVP_DigestVerifyInit");
  const bool ok = EVP_DigestVerify(context.get(), Data(signature), signature.size(), Data(message), message.size()) == 1;
  if (!ok) ERR_clear_error();  // gRPC reads the same queue
  return ok;
}

SigningKey SigningKey::Generate() {
  absl::StatusOr<SigningKey> key = FromSeed(RandomBytes(kKeyBytes));
  Require(key.ok(), "EVP_PKEY_new_raw_private_key");
  return *std::move(key);
}

absl::StatusOr<SigningKey> SigningKey::FromSeed(std::string_view seed) {
  EVP_PKEY* key = seed.size() == kKeyBytes ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Data(seed), seed.size()) : nullptr;
  if (key == nullptr) {
    ERR_clear_error();
    return absl::InvalidArgumentError("not an Ed25519 seed of 32 bytes");
  }
  SigningKey out;
  out.key_ = Own(key);
  return out;
}

absl::StatusOr<SigningKey> SigningKey::FromPem(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  EVP_PKEY* key = bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr);
  if (key == nullptr) {
    ERR_clear_error();
    return absl::InvalidArgumentError("not an unencrypted private key in PEM");
  }
  SigningKey out;
  out.key_ = Own(key);
  if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) return absl::InvalidArgumentError("not an Ed25519 private key");
  return out;
}

std::string SigningKey::ToPem() const {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  Require(bio != nullptr && PEM_write_bio_PKCS8PrivateKey(bio.get(), Pkey(key_), nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "PEM_write_bio_PKCS8PrivateKey");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string SigningKey::public_raw() const {
  std::string raw(kKeyBytes, '\0');
  size_t size = raw.size();
  Require(EVP_PKEY_get_raw_public_key(Pkey(key_), Data(&raw), &size) == 1 && size == kKeyBytes, "EVP_PKEY_get_raw_public_key");
  return raw;
}

std::string SigningKey::Sign(std::string_view message) const {
  const DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Require(context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, Pkey(key_)) == 1, "EVP_DigestSignInit");
  std::string signature(kSignatureBytes, '\0');
  size_t size = signature.size();
  Require(EVP_DigestSign(context.get(), Data(&signature), &size, Data(message), message.size()) == 1 && size == kSignatureBytes,
          "EVP_DigestSign");
  return signature;
}

}  // namespace fairlead
