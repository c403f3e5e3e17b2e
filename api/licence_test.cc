#include "api/licence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead {
namespace {

using ::testing::HasSubstr;

const std::string kInUse =
    "fairlead licence v1\n"
    "log demo.example/apac/1/main\n"
    "id 000102030405060708090a0b0c0d0eff\n"
    "size 42\n";
const std::string kUnused =
    "fairlead licence v1\n"
    "log demo.example/apac/1/main\n"
    "unused 1800000000\n";

TEST(LicenceTest, InUse) {
  absl::StatusOr<Licence> licence = ParseLicence(kInUse);
  ASSERT_TRUE(licence.ok()) << licence.status();
  EXPECT_EQ(licence->origin, "demo.example/apac/1/main");
  EXPECT_EQ(licence->id, std::string("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff", 16));
  EXPECT_EQ(licence->size, Seq(42));
  EXPECT_FALSE(licence->unused_until.has_value());
  EXPECT_EQ(FormatLicence(*licence), kInUse);
}

TEST(LicenceTest, OfSeveralLogs) {
  const std::string text = kInUse +
                           "other demo.example/apac/1/audit 7\n"
                           "other demo.example/apac/1/partner-JP 1\n";
  absl::StatusOr<Licence> licence = ParseLicence(text);
  ASSERT_TRUE(licence.ok()) << licence.status();
  EXPECT_EQ(licence->size, Seq(42));
  EXPECT_EQ(licence->others, (LogSizes{{"demo.example/apac/1/audit", Seq(7)}, {"demo.example/apac/1/partner-JP", Seq(1)}}));
  EXPECT_EQ(FormatLicence(*licence), text);
}

TEST(LicenceTest, Unused) {
  absl::StatusOr<Licence> licence = ParseLicence(kUnused);
  ASSERT_TRUE(licence.ok()) << licence.status();
  EXPECT_EQ(licence->unused_until, absl::FromUnixSeconds(1'800'000'000));
  EXPECT_EQ(licence->id, "");
  EXPECT_EQ(FormatLicence(*licence), kUnused);
}

TEST(LicenceTest, EveryPrefixIsRefused) {
  for (const std::string& text : {kInUse, kUnused}) {
    for (size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(ParseLicence(text.substr(0, n)).ok()) << n;
  }
}

TEST(LicenceTest, NamesTheLine) {
  const auto error = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return std::string(ParseLicence(text).status().message());
  };
  EXPECT_THAT(error(kInUse, "licence v1", "licence v2"), HasSubstr("line 1"));
  EXPECT_THAT(error(kInUse, "log demo", "logs demo"), HasSubstr("line 2"));
  EXPECT_THAT(error(kInUse, "id 00", "id 0g"), HasSubstr("line 3"));
  EXPECT_THAT(error(kInUse, "id 00", "id "), HasSubstr("line 3"));
  EXPECT_THAT(error(kInUse, "0eff", "0eFF"), HasSubstr("line 3"));
  EXPECT_THAT(error(kInUse, "42", "-1"), HasSubstr("line 4"));
  EXPECT_THAT(error(kInUse, "42", "042"), HasSubstr("canonical"));
  EXPECT_THAT(error(kInUse, "42\n", "42\n\n"), HasSubstr("canonical"));
  EXPECT_THAT(error(kUnused, "1800000000", "soon"), HasSubstr("line 3"));
  const std::string others = kInUse + "other a 7\nother b 8\n";
  EXPECT_THAT(error(others, "a 7", "a 0"), HasSubstr("line 5"));
  EXPECT_THAT(error(others, "a 7", " 7"), HasSubstr("line 5"));
  EXPECT_THAT(error(others, "b 8", "b"), HasSubstr("line 6"));
  EXPECT_THAT(error(others, "b 8", "a 8"), HasSubstr("line 6"));
  EXPECT_THAT(error(others, "a 7", "c 7"), HasSubstr("canonical"));
  EXPECT_THAT(error(kUnused, "00\n", "00\nother a 7\n"), HasSubstr("canonical"));
}

}  // namespace
}  // namespace fairlead
