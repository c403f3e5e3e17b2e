#include "server/rpc/tokens.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <set>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead::rpc {
namespace {

const Sealer& TheSealer() {
  static const Sealer sealer("a key of the network");
  return sealer;
}

TEST(TokensTest, WhatIsSealedIsReadForItsPurposeAlone) {
  const std::string token = TheSealer().Seal("one", "content");
  EXPECT_EQ(TheSealer().Open("one", token), "content");
  EXPECT_EQ(TheSealer().Open("two", token), std::nullopt);
  EXPECT_EQ(Sealer("another").Open("one", token), std::nullopt);
}

TEST(TokensTest, WhatPartnersAreHandedIsOfOneLengthAndOpaque) {
  std::set<size_t> lengths;
  for (size_t n = 0; n <= kHiddenBytes; ++n) {
    const std::string content(n, 'n');
    const std::string token = TheSealer().Hide("exchange JP", content);
    lengths.insert(token.size());
    EXPECT_EQ(TheSealer().Reveal("exchange JP", token), content);
    std::string bytes;
    ASSERT_TRUE(Base64Decode(token, &bytes));
    EXPECT_EQ(bytes.find("nnnn"), std::string::npos) << n;
  }
  EXPECT_EQ(lengths, (std::set<size_t>{208}));
}

// A position may hold the name of a record that another site has made up.
TEST(TokensTest, ALongerPositionGivesALongerToken) {
  std::set<size_t> lengths;
  for (const size_t n : {kHiddenBytes + 1, size_t{200}, size_t{251}}) {
    const std::string content(n, 'n');
    const std::string token = TheSealer().Hide("exchange JP", content);
    lengths.insert(token.size());
    EXPECT_EQ(TheSealer().Reveal("exchange JP", token), content);
  }
  EXPECT_EQ(lengths, (std::set<size_t>{380}));
  EXPECT_EQ(TheSealer().Reveal("exchange JP", TheSealer().Hide("exchange JP", std::string(1024, 'n'))), std::string(1024, 'n'));
}

TEST(TokensTest, EqualContentsGiveEqualTokensAndOthersDoNot) {
  EXPECT_EQ(TheSealer().Hide("exchange JP", "a"), Sealer("a key of the network").Hide("exchange JP", "a"));
  EXPECT_NE(TheSealer().Hide("exchange JP", "a"), TheSealer().Hide("exchange AU", "a"));
  EXPECT_NE(TheSealer().Hide("exchange JP", "a"), TheSealer().Hide("exchange JP", std::string("a\0", 2)));
}

TEST(TokensTest, APurposeMayHoldAnyByte) {
  using namespace std::string_literals;
  const auto nonce = [](const std::string& token) {
    std::string bytes;
    EXPECT_TRUE(Base64Decode(token, &bytes));
    return bytes.substr(0, 12);
  };
  EXPECT_NE(nonce(TheSealer().Hide("list of a\0b"s, "c")), nonce(TheSealer().Hide("list of a", "b\0c"s)));
  EXPECT_NE(nonce(TheSealer().Hide("list of ab", "c")), nonce(TheSealer().Hide("list of a", "bc")));
  EXPECT_EQ(TheSealer().Open("list of a", TheSealer().Seal("list of a\0b"s, "c")), std::nullopt);
  const std::string sealed = TheSealer().Seal("list of a", "b\0c"s);
  std::string bytes;
  ASSERT_TRUE(Base64Decode(sealed, &bytes));
  EXPECT_EQ(TheSealer().Open("list of a\0b"s, Base64Encode(bytes.substr(0, 16) + "c")), std::nullopt);
}

TEST(TokensTest, ATokenOfAnotherNonceIsNone) {
  const Digest key = HmacSha256("a key of the network", "fairlead partner tokens");
  const std::string purpose = "exchange JP";
  const auto hide = [&](const std::string& nonce) {
    const auto bytes = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    std::string plain = std::string(1, '\1') + "a";
    plain.resize(128);
    std::string sealed(128, '\0');
    std::string tag(16, '\0');
    int n = 0;
    EXPECT_EQ(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), bytes(nonce)), 1);
    EXPECT_EQ(EVP_EncryptUpdate(context.get(), nullptr, &n, bytes(purpose), static_cast<int>(purpose.size())), 1);
    EXPECT_EQ(EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char*>(sealed.data()), &n, bytes(plain), 128), 1);
    EXPECT_EQ(EVP_EncryptFinal_ex(context.get(), reinterpret_cast<unsigned char*>(sealed.data()) + n, &n), 1);
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16, tag.data()), 1);
    return Base64Encode(nonce + sealed + tag);
  };
  const std::string token = TheSealer().Hide(purpose, "a");
  std::string own;
  ASSERT_TRUE(Base64Decode(token, &own));
  ASSERT_EQ(hide(own.substr(0, 12)), token);
  EXPECT_EQ(TheSealer().Reveal(purpose, hide(std::string(12, 'n'))), std::nullopt);
}

TEST(TokensTest, AChangedTokenIsNone) {
  const std::string token = TheSealer().Hide("exchange JP", "releasedRecords/1");
  EXPECT_EQ(TheSealer().Reveal("exchange AU", token), std::nullopt);
  EXPECT_EQ(Sealer("another").Reveal("exchange JP", token), std::nullopt);
  EXPECT_EQ(TheSealer().Reveal("exchange JP", ""), std::nullopt);
  EXPECT_EQ(TheSealer().Reveal("exchange JP", TheSealer().Seal("exchange JP", "releasedRecords/1")), std::nullopt);
  std::string bytes;
  ASSERT_TRUE(Base64Decode(token, &bytes));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(TheSealer().Reveal("exchange JP", Base64Encode(changed)), std::nullopt) << i;
  }
}

}  // namespace
}  // namespace fairlead::rpc
