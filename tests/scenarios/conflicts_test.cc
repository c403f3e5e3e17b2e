// A person settles what two sites wrote apart; an answer waits until other sites hold what was written.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "google/rpc/error_details.pb.h"
#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr char kConflict[] = "countries/JP/conflicts/display_name";

class Conflicts : public CliScenario {
 protected:
  std::vector<std::string> ConflictsAt(const std::string& site) {
    std::vector<std::string> names;
    const nlohmann::json page = CliJson(site, {"conflicts", "list"});
    for (const auto& conflict : page["conflicts"]) names.push_back(conflict["name"]);
    return names;
  }
};

TEST_F(Conflicts, WhatTwoCutOffSitesWroteIsListedEverywhereAndSettledByOnePerson) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  cluster().SetLinks("apac", LinkState::kCut);
  cluster().SetLinks("csa", LinkState::kCut);
  ASSERT_TRUE(Ok(SetCountryText(cluster().Officer("apac"), "countries/JP", "display_name", "Japan, says apac")));
  ASSERT_TRUE(Ok(SetCountryText(cluster().Officer("csa"), "countries/JP", "display_name", "Japan, says csa")));
  for (const std::string& site : cluster().sites()) EXPECT_THAT(ConflictsAt(site), IsEmpty()) << site;
  cluster().SetLinks("csa", LinkState::kOpen);
  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));

  nlohmann::json first;
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    EXPECT_THAT(ConflictsAt(site), ElementsAre(kConflict));
    const nlohmann::json shown = CliJson(site, {"conflicts", "show", kConflict});
    if (first.is_null()) first = shown;
    EXPECT_EQ(shown, first);
  }
  ASSERT_EQ(first["values"].size(), 2u) << first.dump(2);
  for (const auto& value : first["values"]) {
    const std::string site = value["site"];
    EXPECT_EQ(value["value"], fmt::format("\"Japan, says {}\"", site));
    EXPECT_EQ(value["actor"], fmt::format("officer/{}/watch", site));
    EXPECT_EQ(value["read"][0]["value"], "\"Japan\"");
    EXPECT_EQ(value["read"][0]["site"], "hq");
  }
  EXPECT_THAT((std::vector<std::string>{first["values"][0]["site"], first["values"][1]["site"]}), UnorderedElementsAre("apac", "csa"));
  EXPECT_TRUE(first["values"][0]["shown"].get<bool>());
  EXPECT_FALSE(first["values"][1]["shown"].get<bool>());
  EXPECT_THAT(Cli("hq", {"conflicts", "list"}).output, HasSubstr(kConflict));

  // eame's officer takes the value that is not shown.
  const std::string chosen = first["values"][1]["value"];
  const framework::Ended settled = Cli("eame", {"conflicts", "resolve", kConflict, "--keep", first["values"][1]["valueId"]});
  EXPECT_EQ(settled.exit.code, 0) << settled.output;
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    EXPECT_THAT(ConflictsAt(site), IsEmpty());
    const auto japan = GetCountry(cluster().Officer(site), "countries/JP");
    ASSERT_TRUE(Ok(japan));
    EXPECT_EQ(fmt::format("\"{}\"", japan->display_name()), chosen);
    EXPECT_THAT(japan->conflicts(), IsEmpty());
    EXPECT_EQ(Cli(site, {"conflicts", "show", kConflict}).exit.code, 4);
  }
  // Whoever read it before comes too late.
  const framework::Ended late =
      Cli("apac", {"conflicts", "resolve", kConflict, "--keep-shown", "--etag", first["etag"].get<std::string>()});
  EXPECT_EQ(late.exit.code, 4) << late.output;
  EXPECT_EQ(Cli("eame", {"digest"}).exit.code, 0);
}

TEST_F(Conflicts, AWriteIsAnsweredOnceAnotherSiteHoldsItOrSaysThatNoneDoes) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const framework::Ended held = Cli("apac", {"--durability", "replicated:1", "country", "update", "JP", "--alpha3", "JPN", "--json"});
  EXPECT_EQ(held.exit.code, 0) << held.output;
  // What the answer promised is so: another site has cosigned apac's first entry.
  const auto status = cluster().Status("apac");
  ASSERT_TRUE(Ok(status));
  int holders = 0;
  for (const v1::LogStatus& log : status->logs()) {
    if (!log.origin().ends_with("/apac/1/main")) continue;
    for (const v1::CosignatureStatus& cosignature : log.cosignatures()) holders += cosignature.site() != "apac" && cosignature.size() >= 1;
  }
  EXPECT_GE(holders, 1) << status->DebugString();

  // All three others, and not a site more.
  EXPECT_EQ(Cli("apac", {"--durability", "replicated:3", "country", "update", "JP", "--official-name", "Japan"}).exit.code, 0);
  const framework::Ended impossible = Cli("apac", {"--durability", "replicated:4", "country", "update", "JP", "--official-name", "Nippon"});
  EXPECT_EQ(impossible.exit.code, 3) << impossible.output;
  EXPECT_THAT(impossible.output, HasSubstr("fairlead-durability"));

  cluster().SetLinks("apac", LinkState::kCut);
  const std::string request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now())));
  const std::vector<std::string> update = {"--durability", "replicated:1",    "--timeout", "1s",           "country", "update",
                                           "JP",           "--official-name", "Nippon",    "--request-id", request_id};
  const framework::Ended alone = Cli("apac", update);
  EXPECT_EQ(alone.exit.code, 7) << alone.output;
  EXPECT_THAT(alone.output, HasSubstr("REPLICATION_TIMEOUT"));
  EXPECT_THAT(alone.output, HasSubstr("0 of 1 other sites"));
  // The write stands.
  const auto japan = GetCountry(cluster().Officer("apac"), "countries/JP");
  ASSERT_TRUE(Ok(japan));
  EXPECT_EQ(japan->official_name(), "Nippon");

  // With the link back the same request is answered, and has written nothing more.
  cluster().SetLinks("apac", LinkState::kOpen);
  client::ClientOptions options = cluster().Officer("apac").options();
  options.durability = "replicated:3";
  const auto client = client::Client::Connect(options);
  ASSERT_TRUE(Ok(client));
  v1::UpdateCountryRequest again;
  *again.mutable_country() = *japan;
  client::Answer answer;
  const auto same = (*client)->Call<v1::Country>("fairlead.v1.ReferenceService.UpdateCountry", again, {}, &answer);
  ASSERT_TRUE(Ok(same));
  EXPECT_EQ(same->etag(), japan->etag());
  EXPECT_EQ(answer.durability, "replicated:3 eame,csa,hq");
  const auto revisions = Revisions(cluster().Officer("hq"), "countries/JP");
  ASSERT_TRUE(Ok(revisions));
  EXPECT_THAT(*revisions, testing::SizeIs(4));
}

}  // namespace
}  // namespace fairlead::scenarios
