// A site whose store is lost, or an old copy of itself, takes no write before it holds all that was ever acknowledged at it.

#include "api/licence.h"

#include <filesystem>
#include <set>

#include "api/roster.h"
#include "certs/files.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

class LicenceScenario : public Scenario {
 protected:
  // Engagements that `site` has acknowledged.
  std::vector<std::pair<std::string, std::string>> WriteSome(const std::string& site, size_t count) {
    Writers writers(&cluster(), site, 2);
    EXPECT_TRUE(Eventually([&] { return writers.acknowledged_count() >= count; }));
    EXPECT_TRUE(Ok(writers.Stop()));
    return writers.acknowledged();
  }
  void ExpectAllEverywhere(const std::vector<std::pair<std::string, std::string>>& acknowledged) {
    for (const std::string& site : cluster().sites()) {
      SCOPED_TRACE(site);
      const auto tally = Count(cluster().Officer(site), acknowledged);
      ASSERT_TRUE(Ok(tally));
      EXPECT_EQ(tally->found, acknowledged.size());
      EXPECT_EQ(tally->lost, 0u);
      EXPECT_EQ(tally->duplicated, 0u);
    }
  }
  void ExpectNoWriteIsTaken(const std::string& site, const std::string& why) {
    const auto status = cluster().Status(site);
    ASSERT_TRUE(Ok(status));
    EXPECT_FALSE(status->writable());
    EXPECT_THAT(status->unwritable_reason(), HasSubstr(why));
    client::CallOptions call = AtSite(site);
    call.timeout = absl::Seconds(1);
    EXPECT_THAT(cluster().Officer(site).Call<v1::Country>("fairlead.v1.ReferenceService.CreateCountry", Chile(), call).status(),
                FailsWith(absl::StatusCode::kUnavailable, "NODE_READ_ONLY"));
  }
  // Needs no other record.
  static v1::CreateCountryRequest Chile() {
    v1::CreateCountryRequest request;
    request.set_country_id("CL");
    request.mutable_country()->set_display_name("Chile");
    request.mutable_country()->set_region(v1::REGION_CSA);
    return request;
  }
  void AwaitWritable(const std::string& site) {
    ASSERT_TRUE(Eventually([&] {
      const auto status = cluster().Status(site);
      return status.ok() && status->writable();
    })) << cluster().Status(site)->unwritable_reason();
  }
};

TEST_F(LicenceScenario, ASiteThatLostItsDiskComesBackFromItsPeers) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  auto acknowledged = WriteSome("apac", 100);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  cluster().Kill("apac");
  fs::remove_all(cluster().data_folder("apac"));
  cluster().SetLinks("apac", LinkState::kCut);
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_NO_FATAL_FAILURE(ExpectNoWriteIsTaken("apac", "waits for csa, eame, hq"));
  // A request is not judged by a store that is empty still.
  client::CallOptions once = AtSite("apac");
  once.timeout = absl::Seconds(1);
  EXPECT_THAT(Create(cluster().Officer("apac"), EngagementAt("apac", "Of a country that is not here yet"), once).status(),
              FailsWith(absl::StatusCode::kUnavailable, "NODE_READ_ONLY"));

  // Two of three have all there is, but the third might have had more.
  for (const std::string peer : {"csa", "eame"}) {
    cluster().SetLink("apac", peer, LinkState::kOpen);
    cluster().SetLink(peer, "apac", LinkState::kOpen);
  }
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ASSERT_TRUE(Eventually([&] { return cluster().Status("apac")->unwritable_reason().find("waits for hq.") != std::string::npos; }));
  ASSERT_NO_FATAL_FAILURE(ExpectNoWriteIsTaken("apac", "waits for hq."));

  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_NO_FATAL_FAILURE(AwaitWritable("apac"));
  const auto more = WriteSome("apac", 20);
  acknowledged.insert(acknowledged.end(), more.begin(), more.end());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectAllEverywhere(acknowledged);
}

TEST_F(LicenceScenario, ANodeOnAnOldCopyRecoversItsTail) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  auto acknowledged = WriteSome("eame", 50);
  ASSERT_TRUE(Ok(cluster().Stop("eame")));
  const fs::path copy = fs::path(cluster().folder("eame")) / "copy";
  fs::copy(cluster().data_folder("eame"), copy, fs::copy_options::recursive);
  ASSERT_TRUE(Ok(cluster().StartNode("eame")));
  auto more = WriteSome("eame", 50);
  acknowledged.insert(acknowledged.end(), more.begin(), more.end());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  cluster().Kill("eame");
  fs::remove_all(cluster().data_folder("eame"));
  fs::rename(copy, cluster().data_folder("eame"));
  cluster().SetLinks("eame", LinkState::kCut);
  ASSERT_TRUE(Ok(cluster().StartNode("eame")));
  ASSERT_NO_FATAL_FAILURE(ExpectNoWriteIsTaken("eame", "this may be an older copy"));
  cluster().SetLinks("eame", LinkState::kOpen);
  ASSERT_NO_FATAL_FAILURE(AwaitWritable("eame"));
  more = WriteSome("eame", 20);
  acknowledged.insert(acknowledged.end(), more.begin(), more.end());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectAllEverywhere(acknowledged);
}

// The licence is for what comes later, too, and each node goes on alone until the other has the roster.
TEST_F(LicenceScenario, AStreamBeginsWithTheNextRoster) {
  framework::ClusterOptions options;
  options.sites = {"apac", "hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  auto acknowledged = WriteSome("apac", 20);
  ASSERT_TRUE(Ok(cluster().BeginStream(PartnerStream("SG"))));
  for (const std::string site : {"apac", "hq"}) {
    ASSERT_TRUE(Ok(cluster().Stop(site)));
    ASSERT_TRUE(Ok(cluster().StartNode(site)));
    ASSERT_NO_FATAL_FAILURE(AwaitWritable(site));
    const auto more = WriteSome(site, 10);
    acknowledged.insert(acknowledged.end(), more.begin(), more.end());
  }
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectAllEverywhere(acknowledged);
  for (const std::string site : {"apac", "hq"}) {
    const auto status = cluster().Status(site);
    ASSERT_TRUE(Ok(status));
    std::set<std::string> streams;
    for (const v1::LogStatus& log : status->logs()) {
      if (log.site() != site) continue;
      streams.insert(log.origin().substr(log.origin().rfind('/') + 1));
      EXPECT_NE(log.checkpoint_root(), "") << log.origin() << " is not signed";
    }
    EXPECT_EQ(streams, (std::set<std::string>{"main", "audit", "partner-AU", "partner-DE", "partner-JP", "partner-SG"})) << site;
  }
}

TEST_F(LicenceScenario, ANewEpochGoesOnWithoutThePeers) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  auto acknowledged = WriteSome("csa", 50);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  cluster().Kill("csa");
  fs::remove_all(cluster().data_folder("csa"));
  cluster().SetLinks("csa", LinkState::kCut);
  ASSERT_TRUE(Ok(cluster().BeginEpoch("csa")));
  ASSERT_TRUE(Ok(cluster().StartNode("csa")));
  ASSERT_NO_FATAL_FAILURE(AwaitWritable("csa"));
  ASSERT_TRUE(Ok(cluster().Officer("csa").Call<v1::Country>("fairlead.v1.ReferenceService.CreateCountry", Chile(), AtSite("csa"))));

  // The others take up the new roster one by one; until then they leave the new log alone.
  cluster().SetLinks("csa", LinkState::kOpen);
  const auto restart = [this](const std::string& site) {
    ASSERT_TRUE(Ok(cluster().Stop(site)));
    ASSERT_TRUE(Ok(cluster().StartNode(site)));
  };
  ASSERT_NO_FATAL_FAILURE(restart("hq"));
  ASSERT_NO_FATAL_FAILURE(AwaitWritable("hq"));
  EXPECT_TRUE(Eventually([&] { return GetCountry(cluster().Officer("hq"), "countries/CL").ok(); }));
  // What hq writes now follows the new log: those that do not know it set hq's aside by name, on a link that stays up.
  const auto following = WriteSome("hq", 5);
  acknowledged.insert(acknowledged.end(), following.begin(), following.end());
  for (const std::string site : {"apac", "eame"}) {
    EXPECT_TRUE(Eventually([&] {
      const v1::LinkStatus link = LinkOf(site, "hq");
      return link.connected() && link.refused_logs_size() == 1 && link.refused_logs(0).origin().ends_with("/hq/1/main") &&
             link.refused_logs(0).reason().find("which the roster here does not name") != std::string::npos;
    })) << site;
  }
  for (const std::string site : {"apac", "eame"}) ASSERT_NO_FATAL_FAILURE(restart(site));
  const auto more = WriteSome("csa", 20);
  acknowledged.insert(acknowledged.end(), more.begin(), more.end());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectAllEverywhere(acknowledged);
  for (const std::string& site : cluster().sites()) EXPECT_TRUE(Ok(GetCountry(cluster().Officer(site), "countries/CL"))) << site;
}

}  // namespace
}  // namespace fairlead::scenarios
