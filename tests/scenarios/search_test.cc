// Search in a network of real nodes: what is written in one region is found in another and at headquarters, and what is withdrawn or erased
// is found nowhere.

#include <filesystem>
#include <fstream>

#include "fairlead/v1/search_service.pb.h"
#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

namespace fs = std::filesystem;

using nlohmann::json;

class Search : public CliScenario {
 protected:
  // The titles that `words` find at the site, once its index is where its journal is.
  std::vector<std::string> Titles(const std::string& site, const std::vector<std::string>& words) {
    std::vector<std::string> titles;
    const bool up_to_date = Eventually([&] {
      std::vector<std::string> arguments = {"search"};
      arguments.insert(arguments.end(), words.begin(), words.end());
      const json found = CliJson(site, arguments);
      if (found.value("entriesBehind", "0") != "0") return false;
      titles.clear();
      for (const json& result : found["results"]) titles.push_back(result["title"]);
      return true;
    });
    EXPECT_TRUE(up_to_date) << "the index of " << site << " does not come to the end of the journal";
    return titles;
  }
  std::string Visit(const std::string& title, const std::string& notes) {
    return CliJson("apac", {"engagement", "create", "--kind", "country-visit", "--title", title, "--country", "JP", "--region", "apac",
                            "--start-date", "2026-05", "--notes", notes})["name"];
  }
  // Whether a file of the site's index holds the text.
  bool InIndexFiles(const std::string& site, const std::string& text) {
    std::error_code gone;
    for (const auto& entry : fs::recursive_directory_iterator(cluster().data_folder(site) + "/search", gone)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      if (std::string(std::istreambuf_iterator<char>(in), {}).find(text) != std::string::npos) return true;
    }
    return false;
  }
};

TEST_F(Search, WhatIsWrittenIsFoundEverywhereAndWhatIsTakenBackNowhere) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const std::string kept = Visit("Visit to the breakwater", "The perimeter fence was inspected.");
  const std::string withdrawn = Visit("Visit that was a mistake", "The perimeter fence again.");
  const std::string erased = Visit("Visit with a name", "Told by Zanzibarqueville at the perimeter.");
  CliJson("apac", {"observation", "create", kept, "--text", "Gaps in the perimeter.", "--isps-reference", "ISPS A/16.3", "--severity",
                   "minor", "--element", "access", "--country", "JP"});
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) {
    EXPECT_EQ(Titles(site, {"perimeter", "inspections"}), (std::vector<std::string>{"Visit to the breakwater"})) << site;
    EXPECT_EQ(Titles(site, {"perimeter"}).size(), 4u) << site;
    EXPECT_EQ(Titles(site, {"\"perimeter fence\"", "--type", "engagement", "--country", "JP", "--since", "2026-05-20", "--until",
                            "2026-05-31", "--state", "draft"})
                  .size(),
              2u)
        << site;
    EXPECT_EQ(Titles(site, {"perimeter", "--type", "observation"}), (std::vector<std::string>{"Gaps in the perimeter."})) << site;
    EXPECT_TRUE(Titles(site, {"perimeter", "--country", "DE"}).empty()) << site;
    EXPECT_TRUE(InIndexFiles(site, "zanzibarqueville")) << site;
  }
  ExpectRefused("hq", {"search", "fence AND"}, kInvalid, "query");
  ExpectRefused("hq", {"search", "fence", "--state", "sunk"}, kInvalid, "states");

  CliJson("apac", {"engagement", "withdraw", withdrawn});
  const json history = CliJson("apac", {"engagement", "history", erased});
  CliJson("apac", {"erase", erased, history["revisions"][0]["entry"], "--reason", "named a person", "--authority", "ruling 7", "--yes",
                   "--durability", "replicated:3"});
  // Three others vouch for it: the text is out of their indexes' files, too.
  for (const std::string& site : cluster().sites()) {
    EXPECT_TRUE(Eventually([&] { return !InIndexFiles(site, "zanzibarqueville"); })) << site;
    EXPECT_TRUE(Titles(site, {"zanzibarqueville"}).empty()) << site;
  }
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  for (const std::string& site : cluster().sites()) EXPECT_EQ(Titles(site, {"perimeter", "--type", "engagement"}).size(), 1u) << site;
}

TEST_F(Search, AnIndexIsThereAgainAfterAKillAndAfterItsLoss) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  Visit("Visit to the breakwater", "Fences.");
  ASSERT_EQ(Titles("apac", {"breakwater"}).size(), 1u);
  cluster().Kill("apac");
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  EXPECT_EQ(Titles("apac", {"breakwater"}).size(), 1u);
  EXPECT_EQ(MetricsOf("apac")["fairlead_search_builds_total"], 0);
  cluster().Kill("apac");
  fs::remove_all(cluster().data_folder("apac") + "/search");
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  EXPECT_EQ(Titles("apac", {"breakwater"}).size(), 1u);
  const auto metrics = MetricsOf("apac");
  EXPECT_EQ(metrics.at("fairlead_search_builds_total"), 1);
  EXPECT_EQ(metrics.at("fairlead_search_entries_behind"), 0);
  EXPECT_EQ(metrics.at("fairlead_search_records"), 5);  // four countries and the visit
}

}  // namespace
}  // namespace fairlead::scenarios
