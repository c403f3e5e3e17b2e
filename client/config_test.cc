#include "client/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fairlead::client {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    folder_ = std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }
  absl::StatusOr<Config> Read(const std::string& text) {
    const std::string path = (folder_ / "config.toml").string();
    std::ofstream(path) << text;
    return ReadConfig(path);
  }
  std::filesystem::path folder_;
};

constexpr char kHead[] = "network = \"demo.fairlead.example\"\ncertificate = \"tls.crt\"\nkey = \"/keys/tls.key\"\nca = \"../ca.crt\"\n";
constexpr char kNodes[] =
    "[[node]]\nsite = \"apac\"\naddress = \"127.0.0.1:7401\"\n[[node]]\nsite = \"hq\"\naddress = \"127.0.0.1:7404\"\n";

TEST_F(ConfigTest, ReadsAllKeysAndResolvesPathsBesideTheFile) {
  const auto config =
      Read(std::string(kHead) + "default_site = \"hq\"\ntimeout = \"5s\"\nfailover = true\nregions = \"regions.csv\"\noutbox = \"away\"\n" +
           kNodes);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->client.network, "demo.fairlead.example");
  EXPECT_EQ(config->client.certificate_file, (folder_ / "tls.crt").string());
  EXPECT_EQ(config->client.key_file, "/keys/tls.key");
  EXPECT_EQ(config->client.ca_file, (folder_.parent_path() / "ca.crt").string());
  EXPECT_EQ(config->client.site, "hq");
  EXPECT_EQ(config->client.timeout, absl::Seconds(5));
  EXPECT_TRUE(config->client.failover);
  EXPECT_EQ(config->regions_file, (folder_ / "regions.csv").string());
  EXPECT_EQ(config->outbox_folder, (folder_ / "away").string());
  ASSERT_EQ(config->client.nodes.size(), 2u);
  EXPECT_EQ(config->client.nodes[0].site, "apac");
  EXPECT_EQ(config->client.nodes[1].address, "127.0.0.1:7404");
}

TEST_F(ConfigTest, OptionalKeysHaveDefaults) {
  const auto config = Read(std::string(kHead) + kNodes);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->client.site, "");
  EXPECT_EQ(config->client.timeout, absl::Seconds(30));
  EXPECT_FALSE(config->client.failover);
}

TEST_F(ConfigTest, RefusesWithFileAndLine) {
  const std::string head = kHead;
  EXPECT_THAT(Read(head + "colour = 1\n" + kNodes).status().ToString(), EndsWith("config.toml:5: unknown key colour"));
  EXPECT_THAT(Read(head + "failover = \"yes\"\n" + kNodes).status().ToString(), EndsWith("config.toml:5: failover has the wrong type"));
  EXPECT_THAT(Read(head + "timeout = \"soon\"\n" + kNodes).status().ToString(),
              HasSubstr("config.toml:5: timeout: soon is not a duration"));
  EXPECT_THAT(Read(head).status().ToString(), EndsWith("no [[node]] is given"));
  EXPECT_THAT(Read(head + "[[node]]\nsite = \"apac\"\n").status().ToString(), EndsWith("config.toml:5: address is missing"));
  EXPECT_THAT(Read(head + "default_site = \"csa\"\n" + kNodes).status().ToString(), EndsWith("no node of site csa is configured"));
  EXPECT_THAT(Read(std::string("network = \"\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"\n") + kNodes).status().ToString(),
              EndsWith("config.toml:1: network is empty"));
  EXPECT_THAT(Read("network = \n").status().ToString(), HasSubstr("config.toml:1: "));
  EXPECT_EQ(ReadConfig((folder_ / "none.toml").string()).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ConfigTest, DefaultPathFollowsTheEnvironment) {
  std::map<std::string, std::string> variables = {{"HOME", "/home/w"}};
  const auto get = [&](const char* name) { return variables[name]; };
  EXPECT_EQ(DefaultConfigPath(get), "/home/w/.config/fairlead/config.toml");
  variables["XDG_CONFIG_HOME"] = "/xdg";
  EXPECT_EQ(DefaultConfigPath(get), "/xdg/fairlead/config.toml");
  variables["FAIRLEAD_CONFIG"] = "/etc/f.toml";
  EXPECT_EQ(DefaultConfigPath(get), "/etc/f.toml");
}

TEST_F(ConfigTest, TimeoutsArePositiveAndFinite) {
  EXPECT_EQ(*ParseTimeout("500ms"), absl::Milliseconds(500));
  for (const char* text : {"", "0s", "-1s", "inf", "5", "soon"}) EXPECT_FALSE(ParseTimeout(text).ok()) << text;
}

}  // namespace
}  // namespace fairlead::client
