#include "server/rpc/tokens.h"

#include <gtest/gtest.h>

#include <set>

#include "api/bytes.h"

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
  for (size_t n = 0; n <= kHiddenBytesMax; ++n) {
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

TEST(TokensTest, EqualContentsGiveEqualTokensAndOthersDoNot) {
  EXPECT_EQ(TheSealer().Hide("exchange JP", "a"), Sealer("a key of the network").Hide("exchange JP", "a"));
  EXPECT_NE(TheSealer().Hide("exchange JP", "a"), TheSealer().Hide("exchange AU", "a"));
  EXPECT_NE(TheSealer().Hide("exchange JP", "a"), TheSealer().Hide("exchange JP", std::string("a\0", 2)));
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
