#include "api/bytes.h"

#include <gtest/gtest.h>

#include <limits>

#include "api/vectors.h"

namespace fairlead {
namespace {

TEST(Bytes, IntegersAreBigEndian) {
  std::string out;
  PutU8(&out, 0x01);
  PutU16(&out, 0x0203);
  PutU32(&out, 0x04050607);
  PutU64(&out, 0xf8090a0b0c0d0e0f);
  EXPECT_EQ(HexEncode(out), "01020304050607f8090a0b0c0d0e0f");
  Reader in(out);
  EXPECT_EQ(in.U8(), 0x01);
  EXPECT_EQ(in.U16(), 0x0203);
  EXPECT_EQ(in.U32(), 0x04050607u);
  EXPECT_EQ(in.U64(), 0xf8090a0b0c0d0e0fu);
  EXPECT_TRUE(in.Done());
}

TEST(Bytes, VarintsAreMinimalLeb128) {
  const struct {
    uint64_t value;
    const char* hex;
  } cases[] = {{0, "00"},
               {1, "01"},
               {127, "7f"},
               {128, "8001"},
               {300, "ac02"},
               {16383, "ff7f"},
               {16384, "808001"},
               {uint64_t{1} << 63, "80808080808080808001"},
               {std::numeric_limits<uint64_t>::max(), "ffffffffffffffffff01"}};
  for (const auto& c : cases) {
    std::string out;
    PutVarint(&out, c.value);
    EXPECT_EQ(HexEncode(out), c.hex);
    Reader in(out);
    EXPECT_EQ(in.Varint(), c.value);
    EXPECT_TRUE(in.Done());
  }
}

TEST(Bytes, OtherVarintsAreRefused) {
  for (const char* hex :
       {"", "80", "8000", "ac8200", "ffffffffffffffffff02", "ffffffffffffffffff81", "80808080808080808080", "8080808080808080808001"}) {
    const std::string bytes = FromHex(hex);
    Reader in(bytes);
    EXPECT_EQ(in.Varint(), 0u) << hex;
    EXPECT_FALSE(in.ok()) << hex;
  }
}

TEST(Bytes, LengthPrefixedBytes) {
  std::string out;
  PutBytes(&out, "");
  PutBytes(&out, std::string(200, 'x'));
  Reader in(out);
  EXPECT_EQ(in.Bytes(), "");
  EXPECT_EQ(in.Bytes(), std::string(200, 'x'));
  EXPECT_TRUE(in.Done());

  Reader beyond(
      std::string_view("\x03"
                       "ab",
                       3));
  EXPECT_EQ(beyond.Bytes(), "");
  EXPECT_FALSE(beyond.ok());
  // A length near 2^64 must not wrap around.
  const std::string huge = FromHex("ffffffffffffffffff01") + "abc";
  Reader wrap(huge);
  EXPECT_EQ(wrap.Bytes(), "");
  EXPECT_FALSE(wrap.ok());
}

TEST(Bytes, AfterAFailureEveryReadIsEmpty) {
  const std::string bytes = "abcdefgh";
  Reader in(bytes);
  EXPECT_EQ(in.Fixed(9), "");
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.left(), 0u);
  EXPECT_EQ(in.U8(), 0);
  EXPECT_EQ(in.U16(), 0);
  EXPECT_EQ(in.U32(), 0u);
  EXPECT_EQ(in.U64(), 0u);
  EXPECT_EQ(in.Varint(), 0u);
  EXPECT_EQ(in.Bytes(), "");
  EXPECT_EQ(in.Fixed(0), "");
  EXPECT_FALSE(in.Done());
}

TEST(Bytes, DoneMeansNothingLeft) {
  Reader in("ab");
  EXPECT_EQ(in.U8(), 'a');
  EXPECT_FALSE(in.Done());
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.left(), 1u);
}

TEST(Bytes, Base64OfRfc4648) {
  const struct {
    const char* bytes;
    const char* text;
  } cases[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& c : cases) {
    EXPECT_EQ(Base64Encode(c.bytes), c.text);
    std::string out;
    EXPECT_TRUE(Base64Decode(c.text, &out)) << c.text;
    EXPECT_EQ(out, c.bytes);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  std::string out;
  ASSERT_TRUE(Base64Decode(Base64Encode(all), &out));
  EXPECT_EQ(out, all);
}

TEST(Bytes, OtherBase64IsRefused) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9vYg= =", "Zm9v\n", " Zm9", "Zm-v", "Zm_v", "=Zm9", "Zg==Zm9v", "====", "Z==="}) {
    std::string out;
    EXPECT_FALSE(Base64Decode(text, &out)) << text;
    EXPECT_EQ(out, "");
  }
}

// Of four arbitrary characters, what decodes is what encoding gives.
TEST(Bytes, Base64HasOneTextForEachValue) {
  const std::string text = "Zm9vYg==";
  for (size_t i = 0; i < text.size(); ++i) {
    for (int b = 0; b < 256; ++b) {
      std::string mutated = text;
      mutated[i] = static_cast<char>(b);
      std::string out;
      if (Base64Decode(mutated, &out)) {
        EXPECT_EQ(Base64Encode(out), mutated);
      }
    }
  }
}

}  // namespace
}  // namespace fairlead
