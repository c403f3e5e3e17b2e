// A compromised site: its logs are closed, what it had no right to write stays void, and what was its own survives.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/merkle.h"
#include "api/note.h"
#include "api/roster.h"
#include "certs/files.h"
#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

namespace fs = std::filesystem;
using framework::TestNetwork;
using testing::HasSubstr;

class ClosingScenario : public CliScenario {
 protected:
  // From its next start on the site's node goes by a roster that names no headquarters: as a program that does not check what it writes.
  void TakeOver(const std::string& site) {
    const certs::Network& network = TestNetwork::Get().network();
    const Roster& roster = network.roster();
    const auto pem = certs::ReadFile(TestNetwork::Get().folder() / "root.key");
    ASSERT_TRUE(Ok(pem));
    const auto key = SigningKey::FromPem(*pem);
    ASSERT_TRUE(Ok(key));
    note::Note note{Roster::Text(roster.network(), roster.version() + 1, roster.sites(), roster.logs(), roster.cosigners()), {}};
    note.signatures.push_back(note::Sign(roster.network() + "/root", *key, note.text));
    const auto config = certs::ReadFile(cluster().config_file(site));
    ASSERT_TRUE(Ok(config));
    std::string text = *config;
    const std::string before = "roster = \"";
    const size_t at = text.find(before) + before.size();
    text.replace(at, text.find('"', at) - at, File("roster.note", note::Format(note)));
    ASSERT_TRUE(Ok(certs::WriteFile(cluster().config_file(site), text, certs::Access::kOwnerOnly, certs::IfExists::kReplace)));
  }
  // Where the log, `{site}/{epoch}/{stream}`, stands as headquarters knows it.
  LogClosing StateOf(const std::string& log) {
    LogClosing closing;
    const auto complete = [&] {
      const auto status = cluster().Status("hq");
      if (!status.ok()) return false;
      const auto found = std::find_if(status->logs().begin(), status->logs().end(),
                                      [&](const v1::LogStatus& each) { return each.origin().ends_with("/" + log); });
      if (found == status->logs().end() || found->checkpoint_size() != found->size()) return false;
      std::string root;
      if (found->size() == 0) {
        closing = {Seq(0), merkle::EmptyRoot()};
      } else if (Base64Decode(found->checkpoint_root(), &root) && root.size() == closing.root.size()) {
        closing.size = Seq(static_cast<uint64_t>(found->size()));
        std::copy(root.begin(), root.end(), closing.root.begin());
      } else {
        return false;
      }
      return true;
    };
    EXPECT_TRUE(Eventually(complete)) << log;
    return closing;
  }
  void AwaitWritable(const std::string& site) {
    ASSERT_TRUE(Eventually([&] {
      const auto status = cluster().Status(site);
      return status.ok() && status->writable();
    })) << site;
  }
  framework::Ended Analyst(const std::vector<std::string>& arguments) { return CliAs("hq/analyst/desk", {"hq"}, arguments); }
};

TEST_F(ClosingScenario, OfACompromisedSiteOnlyWhatWasItsOwnSurvives) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  client::Client& eame = cluster().Officer("eame");
  const auto before = Create(eame, EngagementAt("eame", "Before"));
  ASSERT_TRUE(Ok(before));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const LogClosing main = StateOf("eame/1/main");
  const LogClosing audit = StateOf("eame/1/audit");

  ASSERT_TRUE(Ok(cluster().Stop("eame")));
  ASSERT_NO_FATAL_FAILURE(TakeOver("eame"));
  ASSERT_TRUE(Ok(cluster().StartNode("eame")));
  ASSERT_NO_FATAL_FAILURE(AwaitWritable("eame"));
  ASSERT_TRUE(Ok(SetCountryText(eame, "countries/JP", "display_name", "A thief's")));
  const auto after = Create(eame, EngagementAt("eame", "After"));
  ASSERT_TRUE(Ok(after));
  ASSERT_TRUE(Eventually([&] { return GetEngagement(cluster().Officer("hq"), after->name(), AtSite("hq")).ok(); }));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence({"apac", "csa", "hq"})));
  EXPECT_EQ(GetCountry(cluster().Officer("hq"), "countries/JP")->display_name(), "Japan");

  // The site begins anew, on a machine that the thief never had.
  cluster().Kill("eame");
  fs::remove_all(cluster().data_folder("eame"));
  ASSERT_TRUE(Ok(cluster().CloseLog("eame/1/main", main)));
  ASSERT_TRUE(Ok(cluster().CloseLog("eame/1/audit", audit)));
  for (const std::string site : {"apac", "csa", "hq"}) {
    ASSERT_TRUE(Ok(cluster().Stop(site)));
    ASSERT_TRUE(Ok(cluster().StartNode(site)));
  }
  ASSERT_TRUE(Ok(cluster().StartNode("eame")));
  ASSERT_NO_FATAL_FAILURE(AwaitWritable("eame"));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) {
    EXPECT_TRUE(Ok(GetEngagement(cluster().Officer(site), before->name(), AtSite(site)))) << site;
    EXPECT_EQ(GetEngagement(cluster().Officer(site), after->name(), AtSite(site)).status().code(), absl::StatusCode::kNotFound) << site;
  }

  v1::ListVoidEntriesRequest request;
  request.set_page_size(1000);
  const auto list =
      cluster().Officer("hq").Call<v1::ListVoidEntriesResponse>("fairlead.v1.NodeService.ListVoidEntries", request, AtSite("hq"));
  ASSERT_TRUE(Ok(list));
  const auto entry_of = [&](const std::string& record) {
    v1::VoidEntryInfo found;
    for (const v1::VoidEntryInfo& entry : list->void_entries()) {
      if (std::find(entry.records().begin(), entry.records().end(), record) != entry.records().end()) found = entry;
    }
    EXPECT_EQ(found.cause(), "CLOSED") << record;
    return found;
  };
  const v1::VoidEntryInfo stolen = entry_of("countries/JP");
  const v1::VoidEntryInfo own = entry_of(after->name());
  EXPECT_THAT(stolen.refused(), HasSubstr("display_name of countries/JP"));
  EXPECT_EQ(own.refused(), "");
  const framework::Ended listed = Analyst({"void", "list", "--json"});
  EXPECT_EQ(listed.exit.code, 0) << listed.output;
  EXPECT_THAT(listed.output, HasSubstr(stolen.refused()));

  const framework::Ended refused = Analyst({"void", "reissue", own.entry(), stolen.entry()});
  EXPECT_EQ(refused.exit.code, kForbiddenNow) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("display_name of countries/JP"));
  EXPECT_EQ(GetEngagement(cluster().Officer("hq"), after->name(), AtSite("hq")).status().code(), absl::StatusCode::kNotFound)
      << "all of them or none";
  const framework::Ended reissued = Analyst({"void", "reissue", own.entry()});
  EXPECT_EQ(reissued.exit.code, 0) << reissued.output;
  EXPECT_THAT(reissued.output, HasSubstr(own.entry() + " is hq/1/"));

  const auto anew = Create(eame, EngagementAt("eame", "Anew"), AtSite("eame"));
  ASSERT_TRUE(Ok(anew));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) {
    SCOPED_TRACE(site);
    for (const v1::Engagement& engagement : {*before, *after, *anew}) {
      const auto held = GetEngagement(cluster().Officer(site), engagement.name(), AtSite(site));
      ASSERT_TRUE(Ok(held));
      EXPECT_EQ(held->title(), engagement.title());
    }
    const auto japan = GetCountry(cluster().Officer(site), "countries/JP");
    ASSERT_TRUE(Ok(japan));
    EXPECT_EQ(japan->display_name(), "Japan");
  }
}

}  // namespace
}  // namespace fairlead::scenarios
