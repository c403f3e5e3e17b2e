#include "api/crypto.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <atomic>
#include <thread>
#include <vector>

#include "api/bytes.h"
#include "api/vectors.h"

namespace fairlead {
namespace {

std::string Hex(const Digest& digest) { return HexEncode(AsView(digest)); }

TEST(Crypto, Sha256OfFips180) {
  EXPECT_EQ(Hex(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256({"a", "", "bc"}), Sha256("abc"));
}

TEST(Crypto, Sha256FromManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) wrong += Hex(Sha256("abc")) != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Crypto, HmacSha256OfRfc4231) {
  EXPECT_EQ(Hex(HmacSha256(std::string(20, '\x0b'), "Hi There")), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Hex(HmacSha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(Hex(HmacSha256("Jefe", "what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// OpenSSL takes a null key for "the key of the call before".
TEST(Crypto, HmacWithAnEmptyKey) {
  const Digest empty = HmacSha256("", "data");
  HmacSha256("another key", "data");
  EXPECT_EQ(HmacSha256(std::string_view(), "data"), empty);
  EXPECT_NE(HmacSha256("another key", "data"), empty);
}

TEST(Crypto, RandomBytesDiffer) {
  EXPECT_EQ(RandomBytes(0), "");
  EXPECT_EQ(RandomBytes(33).size(), 33u);
  EXPECT_NE(RandomBytes(16), RandomBytes(16));
}

TEST(Crypto, Ed25519OfRfc8032) {
  for (const VectorCase& c : ReadVectors("ed25519.txt")) {
    SCOPED_TRACE(c.name);
    const auto signer = SigningKey::FromSeed(FromHex(c.at("seed")));
    ASSERT_TRUE(signer.ok());
    EXPECT_EQ(HexEncode(signer->public_raw()), c.at("public"));
    const std::string message = FromHex(c.at("message"));
    EXPECT_EQ(HexEncode(signer->Sign(message)), c.at("signature"));
    const auto verifier = VerifyKey::FromRaw(FromHex(c.at("public")));
    ASSERT_TRUE(verifier.ok());
    EXPECT_TRUE(verifier->Verify(message, FromHex(c.at("signature"))));
    EXPECT_FALSE(verifier->Verify(message + "x", FromHex(c.at("signature"))));
  }
}

TEST(Crypto, ASignatureWithAnyBitChangedFails) {
  const SigningKey signer = SigningKey::Generate();
  const VerifyKey verifier = *VerifyKey::FromRaw(signer.public_raw());
  const std::string good = signer.Sign("message");
  ASSERT_TRUE(verifier.Verify("message", good));
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      ASSERT_FALSE(verifier.Verify("message", bad)) << "byte " << i << " bit " << bit;
    }
  }
  for (size_t n : {0, 63, 65, 128}) EXPECT_FALSE(verifier.Verify("message", std::string(n, '\0')));
  EXPECT_FALSE(VerifyKey().Verify("message", good));
}

// Adding the group order to S gives the same point; a verifier that took it would let anyone make a second signature.
TEST(Crypto, ASignatureWithSAboveTheOrderFails) {
  const SigningKey signer = SigningKey::Generate();
  const VerifyKey verifier = *VerifyKey::FromRaw(signer.public_raw());
  std::string signature = signer.Sign("message");
  const std::string order = FromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");  // L, little-endian
  int carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += static_cast<uint8_t>(signature[32 + i]) + static_cast<uint8_t>(order[i]);
    signature[32 + i] = static_cast<char>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(verifier.Verify("message", signature));
}

TEST(Crypto, PemRoundTrip) {
  const SigningKey signer = SigningKey::Generate();
  const std::string pem = signer.ToPem();
  EXPECT_EQ(pem.rfind("-----BEGIN PRIVATE KEY-----\n", 0), 0u);
  const auto again = SigningKey::FromPem(pem);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->public_raw(), signer.public_raw());
  EXPECT_EQ(again->Sign("m"), signer.Sign("m"));
  EXPECT_NE(SigningKey::Generate().public_raw(), signer.public_raw());
}

TEST(Crypto, KeysOfAnotherShapeAreRefused) {
  EXPECT_EQ(SigningKey::FromSeed(std::string(31, 'x')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(VerifyKey::FromRaw(std::string(33, 'x')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SigningKey::FromPem("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SigningKey::FromPem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").status().code(),
            absl::StatusCode::kInvalidArgument);
  // An X25519 key: RFC 8410's structure around another algorithm.
  std::string der = FromHex("302e020100300506032b656e04220420") + std::string(32, 'k');
  EXPECT_EQ(SigningKey::FromPem("-----BEGIN PRIVATE KEY-----\n" + Base64Encode(der) + "\n-----END PRIVATE KEY-----\n").status().message(),
            "not an Ed25519 private key");
  EXPECT_EQ(ERR_peek_error(), 0u) << "errors left for gRPC to trip over";
}

}  // namespace
}  // namespace fairlead
