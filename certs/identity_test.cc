#include "certs/identity.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace fairlead::certs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(IdentityTest, ReadsEachKind) {
  struct Case {
    std::string text;
    Kind kind;
    std::string site;
    bool serves;
  };
  const Case cases[] = {
      {"node/apac", Kind::kNode, "apac", true},      {"officer/eame/watch-2", Kind::kOfficer, "eame", false},
      {"hq/analyst/jo", Kind::kHq, "", false},       {"gateway/dashboard", Kind::kGateway, "", false},
      {"partner/SG/mpa", Kind::kPartner, "", false},
  };
  for (const Case& c : cases) {
    absl::StatusOr<Identity> identity = Identity::Parse(c.text);
    ASSERT_TRUE(identity.ok()) << identity.status();
    EXPECT_EQ(identity->kind(), c.kind) << c.text;
    EXPECT_EQ(identity->site(), c.site) << c.text;
    EXPECT_EQ(identity->profile().serves, c.serves) << c.text;
    EXPECT_EQ(identity->ToString(), c.text);
    EXPECT_EQ(identity->Uri("demo.example"), "spiffe://demo.example/" + c.text);
  }
  EXPECT_THAT(Identity::Parse("hq/analyst/jo")->parts(), ElementsAre("hq", "analyst", "jo"));
  EXPECT_EQ(Identity::Parse("node/apac")->DnsName("demo.example"), "apac.node.demo.example");
}

TEST(IdentityTest, RefusesWhatIsNotOne) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "it is one of node/<site>, officer/<site>/<name>"},
      {"nodes/apac", "it is one of"},
      {"Node/apac", "it is one of"},
      {"/node/apac", "it is one of"},
      {"node", "it has the form node/<site>"},
      {"node/", "a name is 1 to 63 of [a-z0-9-]"},
      {"node/apac/", "it has the form node/<site>"},
      {"node/apac/x", "it has the form node/<site>"},
      {"officer/apac", "it has the form officer/<site>/<name>"},
      {"node/APAC", "a name is 1 to 63 of [a-z0-9-]"},
      {"node/..", "a name is 1 to 63 of [a-z0-9-]"},
      {"officer/apac/a_b", "a name is 1 to 63 of [a-z0-9-]"},
      {"officer/apac/-a", "neither starts nor ends"},
      {"officer/apac/a-", "neither starts nor ends"},
      {"officer/apac/caf\xc3\xa9", "a name is 1 to 63 of [a-z0-9-]"},
      {"officer/apac/a,DNS:evil.example", "a name is 1 to 63 of [a-z0-9-]"},
      {std::string("officer/apac/a\0b", 16), "a name is 1 to 63 of [a-z0-9-]"},
      {"officer/apac/" + std::string(64, 'a'), "a name is 1 to 63 of [a-z0-9-]"},
      {"partner/sg/mpa", "not a country as two of [A-Z]"},
      {"partner/SGP/mpa", "not a country as two of [A-Z]"},
      {"partner/S1/mpa", "not a country as two of [A-Z]"},
      {"partner/SG/MPA", "a name is 1 to 63 of [a-z0-9-]"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = Identity::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }
  EXPECT_TRUE(Identity::Parse("officer/apac/" + std::string(63, 'a')).ok());
}

TEST(ProfileTest, IsWhatTheReadmeSays) {
  std::ifstream in("certs/README.md");  // tests run at the root of the source tree
  std::ostringstream page;
  page << in.rdbuf();
  for (const Profile& profile : Profiles()) {
    EXPECT_THAT(page.str(), HasSubstr(fmt::format("\n| `{}` | {} days | {} | {} |\n", profile.form, profile.lifetime / absl::Hours(24),
                                                  profile.serves ? "serverAuth, clientAuth" : "clientAuth",
                                                  profile.serves ? "`<site>.node.<network>`" : "none")));
  }
}

TEST(NetworkNameTest, IsDnsLabels) {
  EXPECT_TRUE(CheckNetworkName("demo.fairlead.example").ok());
  EXPECT_TRUE(CheckNetworkName("lan").ok());
  EXPECT_TRUE(CheckNetworkName(std::string(63, 'a')).ok());
  for (const std::string& name : {std::string(), std::string("a..b"), std::string(".a"), std::string("a."), std::string("A.b"),
                                  std::string("a-.b"), std::string("a b"), std::string("a/b"), std::string(64, 'a')}) {
    EXPECT_EQ(CheckNetworkName(name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace fairlead::certs
