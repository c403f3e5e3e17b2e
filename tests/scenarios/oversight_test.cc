// The program's work through the command line against the whole network: assessments and conditions of entry, arrivals and measures, visit
// priority, best practices, the help desk.

#include <fmt/format.h>

#include <fstream>

#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class Oversight : public CliScenario {
 protected:
  void SeedWorld() {
    ASSERT_NO_FATAL_FAILURE(StartCluster());
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
    for (const auto& [code, name] : {std::pair("NG", "Nigeria"), std::pair("CU", "Cuba")}) {
      CliJson("hq", {"country", "create", code, "--display-name", name, "--region", "eame"});
    }
    ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  }
};

TEST_F(Oversight, FromAnAssessmentToConditionsOfEntryToWhatAnArrivalMustDo) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  // An assessment on other information than a visit.
  const std::string assessment = CliJson("eame", {"assessment", "create", "--country", "NG", "--source", "USCG-2014-0067"})["name"];
  const framework::Ended without = Cli("eame", {"assessment", "determine", assessment, "--determination", "not-effective",
                                                "--determination-date", "2013-03-01", "--basis", "alternative"});
  EXPECT_EQ(without.exit.code, 3) << without.output;
  EXPECT_THAT(without.output, HasSubstr("alternative_evidence"));
  CliJson("eame", {"assessment", "update", assessment, "--alternative-evidence", "A certified assessment of another government."});
  const json determined = CliJson("eame", {"assessment", "determine", assessment, "--determination", "not-effective",
                                           "--determination-date", "2013-03-01", "--basis", "alternative"});
  EXPECT_EQ(determined["dueDate"]["year"], 2016);
  CliJson("eame", {"assessment", "notify", assessment, "--notice-date", "2013-03-26", "--recommended-steps", "Control access."});
  const json standings = Everywhere({"assessment", "standings", "--as-of", "2016-03-02", "--status", "overdue"});
  ASSERT_EQ(standings["standings"].size(), 1u) << standings.dump(1);
  EXPECT_EQ(standings["standings"][0]["country"], "countries/NG");
  EXPECT_EQ(standings["standings"][0]["daysLeft"], -1);

  // Conditions, 90 days after the notice at the earliest.
  const std::vector<std::string> create = {"condition",
                                           "create",
                                           "NG-1",
                                           "--country",
                                           "NG",
                                           "--timing",
                                           "ninety-days",
                                           "--notification-date",
                                           "2013-03-26",
                                           "--assessment",
                                           assessment,
                                           "--source",
                                           "USCG-2014-0067",
                                           "--exempt-facility",
                                           R"({"displayName":"Exempt Terminal","numbers":["NGLOS-0001"]})"};
  CliJson("hq", create);
  const framework::Ended early = Cli("hq", {"condition", "impose", "NG-1", "--effective-date", "2013-06-23"});
  EXPECT_EQ(early.exit.code, 3) << early.output;
  EXPECT_THAT(early.output, HasSubstr("90 days"));
  CliJson("hq", {"condition", "impose", "NG-1", "--effective-date", "2014-06-26"});
  EXPECT_EQ(Everywhere({"condition", "in-force", "--as-of", "2014-06-25"})["standings"].size(), 0u);
  EXPECT_EQ(Everywhere({"condition", "in-force", "--as-of", "2014-06-26"})["standings"][0]["status"], "CONDITION_STATUS_IN_FORCE");

  // Arrivals: a full notice, and an entrance with one last port by its Schedule K code.
  const std::string notices =
      File("notices.jsonl", R"({"vesselName":"EXAMPLE","imoNumber":"9619907","arrivalPlace":"Baltimore, MD",)"
                            R"("arrivalDate":{"year":2024,"month":3,"day":10},"lastCalls":[{"country":"countries/NG",)"
                            R"("facilityNumber":"NGLOS-0009","departureTime":"2024-02-20T12:00:00Z","securityLevel":"SECURITY_LEVEL_2"}]})"
                            "\n"
                            R"({"vesselName":"WRONG","imoNumber":"9304880","arrivalPlace":"Baltimore, MD",)"
                            R"("arrivalDate":{"year":2024,"month":3,"day":10}})"
                            "\n");
  const framework::Ended imported = Cli("hq", {"import", "notices", notices});
  EXPECT_EQ(imported.exit.code, 3) << imported.output;
  EXPECT_THAT(imported.output, HasSubstr("read 2: created 1, updated 0, unchanged 0, refused 1"));
  EXPECT_THAT(imported.output, HasSubstr("imo_number"));
  CliJson("hq", {"import", "schedule-k", File("k.csv", "schedule_k,port_name,schedule_k_country,iso2\n58886,Yokohama,Japan,JP\n")});
  const json entrances = CliJson("hq", {"import", "entrances", "--year", "2024",
                                        File("e.csv",
                                             "Typedoc,ECDate,Port,PORT_Name,Vessname,Where_Ind,Where_Schk,Where_Name,IMO\n"
                                             "0,03424,1303,Baltimore,OTHER,F,58886,Yokohama,9074729\n"
                                             "1,03424,1303,Baltimore,LEAVING,F,58886,Yokohama,9074729\n")});
  EXPECT_EQ(entrances["created"], 1);
  EXPECT_EQ(entrances["skipped"], 1);
  const json eligible = Everywhere({"arrival", "eligible-countries", "--start-date", "2024-03-01", "--end-date", "2024-03-31"});
  ASSERT_EQ(eligible["countries"].size(), 2u) << eligible.dump(1);
  EXPECT_EQ(eligible["countries"][0]["country"], "countries/JP");
  EXPECT_EQ(eligible["countries"][1]["country"], "countries/NG");

  const std::string arrival = CliJson("apac", {"arrival", "list", "--last-country", "NG"})["arrivals"][0]["name"];
  const json advice = Everywhere({"arrival", "advise", arrival})["advice"];
  EXPECT_TRUE(advice["conditionsApply"].get<bool>()) << advice.dump(1);
  EXPECT_EQ(advice["measures"][0]["rule"], "COE-2");  // security level 2 was kept
  EXPECT_EQ(advice["calls"][0]["condition"], "conditionsOfEntry/NG-1");
  EXPECT_THAT(Cli("apac", {"arrival", "advise", arrival}).output, HasSubstr("conditions of entry apply"));

  // The order of visits, with other weights, the same at every site.
  const json priorities = Everywhere({"priorities", "--as-of", "2024-12-31", "--limit", "2"});
  EXPECT_EQ(priorities["priorities"][0]["country"], "countries/NG") << priorities.dump(1);
  EXPECT_EQ(priorities["priorities"][0]["factors"][0]["records"][0], arrival);
  EXPECT_TRUE(priorities["priorities"][0]["factors"][1]["missing"].get<bool>());
  EXPECT_EQ(Cli("hq", {"priorities", "--weights", "vessels=0"}).exit.code, 3);

  CliJson("hq", {"condition", "lift", "NG-1", "--lifted-date", "2024-03-10", "--reason", "Effective measures were found."});
  EXPECT_FALSE(Everywhere({"arrival", "advise", arrival})["advice"]["conditionsApply"].get<bool>());
  EXPECT_EQ(CliJson("csa", {"condition", "history", "NG-1"})["revisions"].size(), 3u);
}

TEST_F(Oversight, TheProjectsTableOfConditionsLoadsAndLoadsAgainUnchanged) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  std::ifstream in("tools/data/conditions_of_entry.jsonl");
  ASSERT_TRUE(in.good()) << "run from the project's folder";
  std::string rows;  // of the countries that this network holds
  for (std::string line; std::getline(in, line);) {
    if (line.find("countries/NG\"") != std::string::npos || line.find("countries/CU\"") != std::string::npos) rows += line + "\n";
  }
  const std::string file = File("conditions.jsonl", rows);
  EXPECT_EQ(CliJson("hq", {"import", "conditions", file})["created"], 3);
  const json again = CliJson("hq", {"import", "conditions", file});
  EXPECT_EQ(again["unchanged"], 3) << again.dump(1);
  const json conditions = Everywhere({"condition", "list"})["conditionsOfEntry"];
  ASSERT_EQ(conditions.size(), 3u) << conditions.dump(1);
  EXPECT_EQ(conditions[0]["name"], "conditionsOfEntry/CU-1");
  EXPECT_EQ(conditions[0]["state"], "CONDITION_STATE_LIFTED");
  EXPECT_FALSE(conditions[0].contains("effectiveDate")) << "it is not known";
  EXPECT_EQ(conditions[1]["state"], "CONDITION_STATE_IMPOSED");
  EXPECT_EQ(conditions[1]["effectiveDate"]["year"], 2025);
}

TEST_F(Oversight, APracticeIsSharedWithoutItsSourceAndEndorsed) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const std::string engagement = CliJson(
      "apac", {"engagement", "create", "--kind", "country-visit", "--title", "Visit", "--country", "JP", "--region", "apac"})["name"];
  const std::string contribution = CliJson("apac", {"contribution", "create", "--engagement", engagement, "--country", "JP", "--title",
                                                    "Two persons at the gate", "--text", "As is done in Japan."})["name"];
  CliJson("apac", {"contribution", "submit", contribution});
  const framework::Ended named = Cli("apac", {"contribution", "accept", contribution, "--review", "Fit."});
  EXPECT_EQ(named.exit.code, 3) << named.output;
  EXPECT_THAT(named.output, HasSubstr("unattributed"));
  CliJson("apac", {"contribution", "update", contribution, "--text", "A second guard checks."});
  const std::string practice = CliJson("hq", {"practice", "create", "--title", "Two persons at the gate", "--text",
                                              "A second guard checks.", "--topic", "access-control"})["name"];
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  CliJson("apac", {"contribution", "update", contribution, "--practice", practice});
  CliJson("apac", {"contribution", "accept", contribution, "--review", "Fit."});
  ExpectRefused("hq", {"practice", "publish", practice}, kNotPermitted, "");
  const framework::Ended published = CliAs("hq/release/desk", {"hq"}, {"practice", "publish", practice});
  EXPECT_EQ(published.exit.code, 0) << published.output;
  CliJson("hq", {"officer", "create", "far-east", "--display-name", "IPSLO, Far East", "--region", "apac"});
  CliJson("hq", {"endorsement", "create", practice, "--officer", "far-east", "--remark", "In use."});
  const json listed = Everywhere({"practice", "list", "--state", "published"});
  ASSERT_EQ(listed["bestPractices"].size(), 1u);
  EXPECT_EQ(Everywhere({"endorsement", "list", practice})["endorsements"].size(), 1u);
  for (const std::string& shown :
       {listed.dump(), CliJson("csa", {"practice", "history", practice}).dump(), CliJson("csa", {"practice", "get", practice}).dump()}) {
    EXPECT_THAT(shown, Not(HasSubstr("JP")));
    EXPECT_THAT(shown, Not(HasSubstr("Japan")));
    EXPECT_THAT(shown, Not(HasSubstr(engagement.substr(engagement.find('/') + 1))));
  }
}

TEST_F(Oversight, AnInquiryGoesToItsRegionAndIsAnsweredThere) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const json inquiry = CliJson("hq", {"inquiry", "create", "--subject", "Conditions", "--question", "Which conditions of entry apply?",
                                      "--channel", "email", "--inquirer", "operator", "--country", "JP"});
  EXPECT_EQ(inquiry["region"], "REGION_APAC");
  const std::string name = inquiry["name"];
  EXPECT_EQ(Everywhere({"inquiry", "list", "--region", "apac", "--state", "open"})["inquiries"].size(), 1u);
  const framework::Ended closed = Cli("apac", {"inquiry", "close", name});
  EXPECT_EQ(closed.exit.code, 5) << closed.output;
  CliJson("apac", {"inquiry", "answer", name, "--answer", "None."});
  CliJson("apac", {"inquiry", "close", name});
  const int year = CliJson("hq", {"assessment", "standings"})["asOf"]["year"];
  const json times =
      Everywhere({"inquiry", "service-times", "--start-date", fmt::format("{}-01-01", year), "--end-date", fmt::format("{}-12-31", year)});
  ASSERT_EQ(times["regions"].size(), 1u) << times.dump(1);
  EXPECT_EQ(times["regions"][0]["answered"], "1");
  EXPECT_EQ(CliJson("eame", {"inquiry", "history", name})["revisions"].size(), 3u);
}

}  // namespace
}  // namespace fairlead::scenarios
