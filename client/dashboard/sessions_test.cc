#include "client/dashboard/sessions.h"

#include <gtest/gtest.h>

#include "api/errors.h"

namespace fairlead::dashboard {
namespace {

class SessionsTest : public testing::Test {
 protected:
  SessionOptions Options() {
    SessionOptions options;
    options.idle = absl::Minutes(30);
    options.lifetime = absl::Hours(8);
    options.link_lifetime = absl::Minutes(10);
    options.sessions_max = 2;
    options.now = [this] { return now_; };
    return options;
  }

  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  Sessions sessions_{Options()};
};

TEST_F(SessionsTest, ASecretFindsItsOwnSession) {
  const auto officer = sessions_.Open("officer/apac/watch", "certificate");
  const auto analyst = sessions_.Open("hq/analyst/desk", "");
  ASSERT_TRUE(officer.ok() && analyst.ok());
  EXPECT_EQ(officer->size(), 64u);
  EXPECT_NE(*officer, *analyst);
  const auto found = sessions_.Find(*officer);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->viewer, "officer/apac/watch");
  EXPECT_EQ(found->binding, "certificate");
  EXPECT_EQ(found->expire_time, now_ + absl::Hours(8));
  EXPECT_EQ(found->csrf.size(), 64u);
  EXPECT_NE(found->csrf, *officer);
  EXPECT_NE(found->csrf, sessions_.Find(*analyst)->csrf);
  EXPECT_FALSE(sessions_.Find(""));
  EXPECT_FALSE(sessions_.Find(found->csrf));
  EXPECT_FALSE(sessions_.Find(officer->substr(1)));
}

TEST_F(SessionsTest, AnUnusedSessionEndsAndAUsedOneLivesOnToItsLifetime) {
  const std::string unused = *sessions_.Open("hq/analyst/desk", "");
  const std::string used = *sessions_.Open("hq/analyst/desk", "");
  now_ += absl::Minutes(29);
  EXPECT_TRUE(sessions_.Find(used));
  now_ += absl::Minutes(1);
  EXPECT_FALSE(sessions_.Find(unused));
  EXPECT_TRUE(sessions_.Find(used));
  const absl::Time start = now_ - absl::Minutes(30);
  for (int minutes = 45; minutes < 8 * 60; minutes += 15) {
    now_ = start + absl::Minutes(minutes);
    EXPECT_TRUE(sessions_.Find(used)) << minutes;
  }
  now_ = start + absl::Hours(8);
  EXPECT_FALSE(sessions_.Find(used));
}

TEST_F(SessionsTest, AClosedSessionIsGone) {
  const std::string secret = *sessions_.Open("hq/analyst/desk", "");
  sessions_.Close(secret);
  EXPECT_FALSE(sessions_.Find(secret));
}

TEST_F(SessionsTest, TheirNumberIsBoundedAndEndedOnesMakeRoom) {
  ASSERT_TRUE(sessions_.Open("hq/analyst/desk", "").ok());
  ASSERT_TRUE(sessions_.Open("hq/analyst/desk", "").ok());
  const auto third = sessions_.Open("hq/analyst/desk", "");
  EXPECT_EQ(ReasonOf(third.status()), "OVERLOADED");
  now_ += absl::Minutes(31);
  EXPECT_TRUE(sessions_.Open("hq/analyst/desk", "").ok());
}

TEST_F(SessionsTest, TheTokenOfAWriteIsKeptWithItsSession) {
  const std::string writer = *sessions_.Open("hq/analyst/desk", "");
  const std::string reader = *sessions_.Open("hq/analyst/desk", "");
  sessions_.SetToken(writer, "newest");
  EXPECT_EQ(sessions_.Find(writer)->token, "newest");
  EXPECT_EQ(sessions_.Find(reader)->token, "");
}

TEST_F(SessionsTest, ALinkOpensOnceAndInTime) {
  const std::string link = sessions_.NewLink("hq/analyst/desk");
  EXPECT_FALSE(sessions_.RedeemLink("another"));
  EXPECT_EQ(sessions_.RedeemLink(link), "hq/analyst/desk");
  EXPECT_FALSE(sessions_.RedeemLink(link));
  const std::string late = sessions_.NewLink("hq/analyst/desk");
  now_ += absl::Minutes(10);
  EXPECT_FALSE(sessions_.RedeemLink(late));
  EXPECT_FALSE(sessions_.Find(link));  // a link is no session
}

}  // namespace
}  // namespace fairlead::dashboard
