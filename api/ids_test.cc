#include "api/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "api/vectors.h"

namespace fairlead {
namespace {

TEST(Ids, Base32IsOneNumberInCrockfordsDigits) {
  std::array<uint8_t, 16> bits{};
  EXPECT_EQ(Base32Id(bits), "00000000000000000000000000");
  bits[15] = 1;
  EXPECT_EQ(Base32Id(bits), "00000000000000000000000001");
  bits[15] = 32;
  EXPECT_EQ(Base32Id(bits), "00000000000000000000000010");
  bits.fill(0xff);
  EXPECT_EQ(Base32Id(bits), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
}

TEST(Ids, CreatedRecordIdIsTheGoldenOneAndDependsOnEveryPart) {
  const VectorCase c = ReadVector("entry.txt", "created-record");
  const std::string id = CreatedRecordId(c.at("network"), c.at("actor"), c.at("method"), c.at("request_id"));
  EXPECT_EQ(id, c.at("id"));
  std::set<std::string> ids = {id, CreatedRecordId("other", c.at("actor"), c.at("method"), c.at("request_id")),
                               CreatedRecordId(c.at("network"), "other", c.at("method"), c.at("request_id")),
                               CreatedRecordId(c.at("network"), c.at("actor"), "other", c.at("request_id")),
                               CreatedRecordId(c.at("network"), c.at("actor"), c.at("method"), "other"),
                               // Lengths are hashed: moving a byte from one part to the next is another request.
                               CreatedRecordId(c.at("network") + "o", c.at("actor").substr(1), c.at("method"), c.at("request_id"))};
  EXPECT_EQ(ids.size(), 6u);
}

TEST(Ids, RequestIdsAreUuidsOfVersion7WithTheirTime) {
  const auto is_uuid7 = testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (uint64_t ms : {uint64_t{0}, uint64_t{1}, uint64_t{1716200000000}, (uint64_t{1} << 48) - 1}) {
    for (int i = 0; i < 50; ++i) {
      const std::string id = NewRequestId(ms);
      EXPECT_THAT(id, is_uuid7);
      EXPECT_EQ(RequestIdMillis(id), static_cast<int64_t>(ms)) << id;
      EXPECT_TRUE(seen.insert(id).second) << id;
    }
  }
}

TEST(Ids, RequestIdMillisOfRfc9562) {
  // RFC 9562, appendix A.6: Tuesday, February 22, 2022 2:22:22.00 PM GMT-05:00.
  EXPECT_EQ(RequestIdMillis("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), 0x017F22E279B0);
  EXPECT_EQ(RequestIdMillis("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"), 1645557742000);
}

TEST(Ids, WhatIsNoUuidOfVersion7HasNoTime) {
  const std::string good = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
  for (size_t n = 0; n < good.size(); ++n) EXPECT_EQ(RequestIdMillis(good.substr(0, n)), -1);
  EXPECT_EQ(RequestIdMillis(good + "0"), -1);
  for (const char* bad :
       {"017f22e2-79b0-4cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-18c4-dc0c0c07398f", "017f22e2-79b0-7cc3-d8c4-dc0c0c07398f",
        "017f22e2079b0-7cc3-98c4-dc0c0c07398f", "g17f22e2-79b0-7cc3-98c4-dc0c0c07398f", "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
        "017f22e279b0-7cc3-98c4-dc0c0c07398f-"}) {
    EXPECT_EQ(RequestIdMillis(bad), -1) << bad;
  }
}

TEST(Ids, VersionVectorStaysSortedAndWithoutZeros) {
  VersionVector v;
  v.Set(LogId(5), Seq(2));
  v.Set(LogId(1), Seq(7));
  v.Set(LogId(3), Seq(0));
  v.Set(LogId(3), Seq(4));
  v.Set(LogId(5), Seq(9));
  const std::vector<std::pair<LogId, Seq>> want = {{LogId(1), Seq(7)}, {LogId(3), Seq(4)}, {LogId(5), Seq(9)}};
  EXPECT_EQ(v.entries(), want);
  v.Set(LogId(3), Seq(0));
  EXPECT_EQ(v.entries().size(), 2u);
  EXPECT_EQ(v.Get(LogId(3)), Seq(0));
  EXPECT_EQ(v.Get(LogId(5)), Seq(9));
}

TEST(Ids, VersionVectorCovers) {
  VersionVector a, b;
  EXPECT_TRUE(a.Covers(b));
  a.Set(LogId(1), Seq(3));
  EXPECT_TRUE(a.Covers(b));
  EXPECT_FALSE(b.Covers(a));
  b.Set(LogId(1), Seq(3));
  EXPECT_TRUE(b.Covers(a));
  b.Set(LogId(2), Seq(1));
  EXPECT_FALSE(a.Covers(b));
  a.Set(LogId(1), Seq(4));
  EXPECT_FALSE(a.Covers(b));
  EXPECT_FALSE(b.Covers(a));  // concurrent
}

TEST(Ids, AudienceIncludes) {
  EXPECT_TRUE((Audience{true, {}}.Includes(SiteId(9))));
  const Audience two{false, {SiteId(1), SiteId(4)}};
  EXPECT_TRUE(two.Includes(SiteId(4)));
  EXPECT_FALSE(two.Includes(SiteId(2)));
  EXPECT_FALSE((Audience{false, {}}.Includes(SiteId(1))));
}

TEST(Ids, HlcOrdersByTimeThenCount) {
  EXPECT_EQ(Hlc::FromMillis(5).raw(), 5u << 16);
  EXPECT_EQ(Hlc(Hlc::FromMillis(5).raw() + 7).millis(), 5u);
  EXPECT_LT(Hlc(Hlc::FromMillis(5).raw() + 0xffff), Hlc::FromMillis(6));
}

}  // namespace
}  // namespace fairlead
