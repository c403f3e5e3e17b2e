#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace fairlead {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Any readable file does for a path; the tests run in the repository's root.
constexpr char kGood[] = R"(network = "demo.example"
site = "apac"
data = "apac/data"
listen = "127.0.0.1:7401"
licence = "apac/licence"
[tls]
certificate = "CMakeLists.txt"
key = "CMakeLists.txt"
ca = "CMakeLists.txt"
[keys]
roster = "CMakeLists.txt"
root = "CMakeLists.txt"
log = "CMakeLists.txt"
mirror = "CMakeLists.txt"
token = "CMakeLists.txt"
[[peer]]
site = "hq"
address = "127.0.0.1:7404"
)";

std::string Mistakes(const std::string& text) {
  auto config = ParseConfig(text, "node.toml");
  EXPECT_FALSE(config.ok());
  return config.ok() ? "" : std::string(config.status().message());
}

std::string With(const std::string& from, const std::string& to) {
  std::string text = kGood;
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ConfigTest, ReadsWhatIsSetAndFillsDefaults) {
  auto config = ParseConfig(kGood, "node.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->site, "apac");
  EXPECT_EQ(config->data, "apac/data");
  EXPECT_EQ(config->licence, "apac/licence");
  EXPECT_EQ(config->metrics, "");
  EXPECT_EQ(config->log_level, "info");
  EXPECT_FALSE(config->reflection);
  EXPECT_EQ(config->limits.message_bytes_max, 4 << 20);
  EXPECT_EQ(config->limits.staleness_seconds, 30);
  EXPECT_EQ(config->limits.submissions_per_day, 5000);
  EXPECT_EQ(config->limits.partner.calls_per_second, 50);
  ASSERT_THAT(config->peers, SizeIs(1));
  EXPECT_THAT(config->peers[0].addresses, ElementsAre("127.0.0.1:7404"));
  EXPECT_EQ(config->member.name, "");
}

TEST(ConfigTest, RelativePathsAreTakenFromTheFilesFolder) {
  auto config = ParseConfig(With("\"CMakeLists.txt\"", "\"../CMakeLists.txt\""), "server/../node.toml");
  EXPECT_FALSE(config.ok());
  auto inside = ParseConfig(With("data = \"apac/data\"", "data = \"x/../y\""), "./node.toml");
  ASSERT_TRUE(inside.ok()) << inside.status();
  EXPECT_EQ(inside->data, "y");
}

TEST(ConfigTest, EachMistakeNamesFileLineKeyAndRule) {
  EXPECT_THAT(Mistakes(With("site = \"apac\"", "site = \"APAC\"")), HasSubstr("node.toml:2: site: must be 1 to 63 of"));
  EXPECT_THAT(Mistakes(With("site = \"apac\"\n", "")), HasSubstr("node.toml: site: is required"));
  EXPECT_THAT(Mistakes(With("listen = \"127.0.0.1:7401\"", "listen = \"127.0.0.1\"")),
              HasSubstr("node.toml:4: listen: '127.0.0.1' must be HOST:PORT"));
  EXPECT_THAT(Mistakes(With(":7401", ":74010")), HasSubstr("must be HOST:PORT"));
  EXPECT_THAT(Mistakes(With("[tls]", "listne = 3\n[tls]")), HasSubstr("node.toml:6: listne: is no setting"));
  EXPECT_THAT(Mistakes(With("[keys]", "chain = 3\n[keys]")), HasSubstr("node.toml:10: tls.chain: is no setting"));
  EXPECT_THAT(Mistakes(With("[tls]", "\"limits.drain_seconds\" = 3\n[tls]")),
              HasSubstr("node.toml:6: limits.drain_seconds: is no setting"));
  EXPECT_THAT(Mistakes(With("key = \"CMakeLists.txt\"", "key = \"server\"")), HasSubstr("node.toml:8: tls.key: server cannot be read"));
  EXPECT_THAT(Mistakes(With("key = \"CMakeLists.txt\"", "key = \"absent.pem\"")),
              HasSubstr("node.toml:8: tls.key: absent.pem cannot be read"));
  EXPECT_THAT(Mistakes(With("[tls]", "reflection = 1\n[tls]")), HasSubstr("node.toml:6: reflection: must be true or false"));
  EXPECT_THAT(Mistakes(With("[tls]", "log_level = \"loud\"\n[tls]")), HasSubstr("node.toml:6: log_level: must be one of debug"));
  EXPECT_THAT(Mistakes(With("[tls]", "[limits]\nin_flight_max = 0\n[tls]")),
              HasSubstr("node.toml:7: limits.in_flight_max: must be a whole number from 1"));
  EXPECT_THAT(Mistakes(With("[tls]", "limits = 3\n[tls]")), HasSubstr("node.toml:6: limits: must be a table"));
  EXPECT_THAT(Mistakes(With("site = \"hq\"", "site = \"apac\"")), HasSubstr("'apac' is this node's own site"));
  EXPECT_THAT(Mistakes(std::string(kGood) + "[[peer]]\nsite = \"hq\"\naddress = \"h:1\"\n"),
              HasSubstr("node.toml:19: peer.site: 'hq' stands twice"));
  EXPECT_THAT(Mistakes(std::string(kGood) + "[[peer]]\nsite = \"csa\"\n"), HasSubstr("node.toml:19: peer.address: is required"));
  EXPECT_THAT(Mistakes(With("[[peer]]", "[peer]")), HasSubstr("must be written as [[peer]]"));
  EXPECT_THAT(Mistakes(With("apac/licence", "apac/data/licence")), HasSubstr("node.toml:5: licence: must lie outside the data folder"));
  for (const char* backups : {"apac/data", "apac/data/backups", "apac"}) {
    EXPECT_THAT(Mistakes(With("[tls]", "backups = \"" + std::string(backups) + "\"\n[tls]")),
                HasSubstr("node.toml:6: backups: " + std::string(backups) + " and the data folder apac/data must not lie in each other"));
  }
  EXPECT_EQ(ParseConfig(With("[tls]", "backups = \"apac/data-backups\"\n[tls]"), "node.toml")->backups, "apac/data-backups");
  EXPECT_THAT(Mistakes("site = \n"), HasSubstr("node.toml:1:"));
  EXPECT_THAT(std::string(LoadConfig("absent.toml").status().message()), HasSubstr("absent.toml: cannot be read"));
  EXPECT_EQ(LoadConfig("server").status().message(), "server: cannot be read");
}

TEST(ConfigTest, LicenceAndBackupsLieOutsideTheDataFolderHoweverTheyAreWritten) {
  const auto parse = [](const std::string& data, const std::string& licence, const std::string& backups) {
    std::string text = With("apac/licence", licence);
    for (const auto& [from, to] : {std::pair<std::string, std::string>("data = \"apac/data\"", "data = \"" + data + "\""),
                                   {"[tls]", "backups = \"" + backups + "\"\n[tls]"}}) {
      text.replace(text.find(from), from.size(), to);
    }
    return ParseConfig(text, "node.toml").status();
  };
  const std::string here = std::filesystem::current_path().string();
  for (const std::string& data : std::vector<std::string>{"d", "d/", "d//", "./d/.", "x/../d/", here + "/d/"}) {
    EXPECT_TRUE(parse(data, "licence", "d-backups/").ok()) << data << " " << parse(data, "licence", "d-backups/");
    for (const char* licence : {"d/licence", "./d/x/../licence"}) {
      EXPECT_THAT(std::string(parse(data, licence, "backups").message()), HasSubstr("licence: must lie outside the data folder"))
          << data << " " << licence;
    }
    for (const char* backups : {"d", "d/", "d/backups", "d/backups/", "./", "."}) {
      EXPECT_THAT(std::string(parse(data, "licence", backups).message()), HasSubstr("must not lie in each other"))
          << data << " " << backups;
    }
  }
  for (const char* data : {".", "./", "/"}) {
    EXPECT_THAT(std::string(parse(data, "licence", "backups").message()),
                AllOf(HasSubstr("licence: must lie outside"), HasSubstr("must not lie in each other")))
        << data;
  }
}

constexpr char kMember[] = R"([member]
name = "a"
address = "10.0.0.1:7401"
[etcd]
endpoints = ["10.0.0.1:2379", "10.0.0.2:2379"]
ca = "CMakeLists.txt"
certificate = "CMakeLists.txt"
key = "CMakeLists.txt"
)";

TEST(ConfigTest, AMemberIsConfiguredWholeOrNotAtAll) {
  const std::string good = std::string(kGood) + kMember;
  const auto config = ParseConfig(good, "node.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->member.name, "a");
  EXPECT_EQ(config->member.address, "10.0.0.1:7401");
  EXPECT_THAT(config->etcd.endpoints, ElementsAre("10.0.0.1:2379", "10.0.0.2:2379"));
  EXPECT_EQ(config->etcd.lease_seconds, 5);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  EXPECT_THAT(Mistakes(with("address = \"10.0.0.1:7401\"\n", "")), HasSubstr("node.toml: member.address: is required with member.name"));
  EXPECT_THAT(Mistakes(with("name = \"a\"\n", "")), HasSubstr("node.toml: member.name: is required with member.address"));
  EXPECT_THAT(Mistakes(with("\"10.0.0.1:2379\", \"10.0.0.2:2379\"", "")),
              HasSubstr("node.toml:23: etcd.endpoints: must have at least one"));
  EXPECT_THAT(Mistakes(with("10.0.0.2", "10.0.0.1")), HasSubstr("node.toml:23: etcd.endpoints: '10.0.0.1:2379' stands twice"));
  EXPECT_THAT(Mistakes(with("\"10.0.0.2:2379\"", "7")), HasSubstr("node.toml:23: etcd.endpoints: must be a text"));
  EXPECT_THAT(Mistakes(with("[\"10.0.0.1:2379\", \"10.0.0.2:2379\"]", "\"10.0.0.1:2379\"")), HasSubstr("must be an array of addresses"));
  EXPECT_THAT(Mistakes(std::string(kGood) + "[etcd]\nca = \"CMakeLists.txt\"\n"), HasSubstr("member.name: is required with etcd.ca"));
  EXPECT_THAT(Mistakes(with("name = \"a\"", "name = \"A\"")), HasSubstr("node.toml:20: member.name: must be 1 to 63 of"));
}

TEST(ConfigTest, APeerOfSeveralMachinesHasSeveralAddresses) {
  const auto config = ParseConfig(With("\"127.0.0.1:7404\"", "[\"127.0.0.1:7404\", \"127.0.0.1:7405\"]"), "node.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->peers[0].addresses, ElementsAre("127.0.0.1:7404", "127.0.0.1:7405"));
  EXPECT_THAT(Mistakes(With("\"127.0.0.1:7404\"", "[]")), HasSubstr("node.toml:18: peer.address: must have at least one element"));
}

TEST(ConfigTest, AllMistakesAreListed) {
  std::string mistakes = Mistakes("site = 3\nlisten = \"x\"\nwhat = true\n");
  EXPECT_THAT(mistakes, HasSubstr("node.toml:1: site"));
  EXPECT_THAT(mistakes, HasSubstr("node.toml:2: listen"));
  EXPECT_THAT(mistakes, HasSubstr("node.toml:3: what"));
  EXPECT_THAT(mistakes, HasSubstr("keys.log: is required"));
}

TEST(ConfigTest, TheDocumentationIsThatOfTheCode) {
  std::ifstream in("server/SETTINGS.md");
  std::ostringstream page;
  page << in.rdbuf();
  EXPECT_EQ(page.str(), SettingsMarkdown()) << "run: fairlead-node --print-settings >server/SETTINGS.md";
}

}  // namespace
}  // namespace fairlead
