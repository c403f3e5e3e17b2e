// A partner nation's own system by the command line, against the whole network: from what it asks to what became of it, also while its
// region is down.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class Partner : public CliScenario {
 protected:
  static constexpr char kJapan[] = "partner/JP/portnet";

  void SeedWorld() {
    ASSERT_NO_FATAL_FAILURE(StartCluster());
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
    CliJson("hq", {"officer", "create", "far-east", "--display-name", "IPSLO, Far East", "--region", "apac"});
    CliJson("hq", {"training-offering", "create", "drills", "--display-name", "Drills and exercises", "--program", "port-security",
                   "--marking", "public"});
    CliJson("hq", {"contact", "create", "US-ships", "--country", "US", "--duty", "ships", "--display-name", "National watch", "--phone",
                   "+1 202 555 0100", "--always-reachable", "--marking", "public"});
    ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  }
  // What the nation's system is answered; it knows its region and headquarters.
  json As(const std::string& identity, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--failover", "exchange"});
    arguments.push_back("--json");
    const framework::Ended ended = CliAs(identity, {"apac", "hq"}, arguments);
    EXPECT_EQ(ended.exit.code, 0) << fmt::format("{}", fmt::join(arguments, " ")) << "\n" << ended.output;
    json parsed = json::parse(ended.output, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(parsed.is_discarded()) << ended.output;
    return parsed.is_discarded() ? json::object() : parsed;
  }
  json Japan(const std::vector<std::string>& arguments) { return As(kJapan, arguments); }
};

TEST_F(Partner, ARequestLeadsToItsOutcomeAlsoWhileTheRegionIsDown) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const std::string visit = Japan({"request-visit", "--embassy", "Embassy of Japan, Washington", "--reference", "Note 12", "--member",
                                   "member=Director,organisation=Coast Guard,role=head of delegation", "--start-date", "2027-06"})["name"];
  const json asked = CliJson("apac", {"reciprocal-visit", "list", "--country", "JP"})["reciprocalVisits"];
  ASSERT_EQ(asked.size(), 1u) << asked.dump(1);
  EXPECT_EQ(asked[0]["system"], kJapan);
  EXPECT_EQ(asked[0]["channel"], "REQUEST_CHANNEL_PARTNER_SYSTEM");
  const std::string record = asked[0]["name"];
  CliJson("apac", {"reciprocal-visit", "accept", record, "--coordinator", "far-east"});
  EXPECT_EQ(Japan({"visit-request", visit})["outcome"], "REQUEST_OUTCOME_ACCEPTED");
  CliJson("apac", {"reciprocal-visit", "plan", record, "--start-date", "2027-06-07", "--end-date", "2027-06-09", "--itinerary",
                   "date=2027-06-07,kind=headquarters,place=An inner room,subject=Review of plans"});
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));

  // The region is down: headquarters says the same, and takes the next request.
  cluster().Kill("apac");
  const json planned = Japan({"visit-request", visit});
  EXPECT_EQ(planned["outcome"], "REQUEST_OUTCOME_SCHEDULED");
  EXPECT_EQ(planned["startDate"]["day"], 7);
  EXPECT_THAT(planned.dump(), Not(HasSubstr("inner room")));
  const std::string offered = Japan({"list", "--kind", "course"})["records"][0]["name"];
  const std::string course = Japan({"request-course", offered, "--embassy", "American Embassy Tokyo", "--trainees", "20"})["name"];
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const json requests = CliJson("apac", {"training-request", "list", "--country", "JP"})["trainingRequests"];
  ASSERT_EQ(requests.size(), 1u) << requests.dump(1);
  EXPECT_EQ(requests[0]["system"], kJapan);
  CliJson("apac", {"training-request", "decline", requests[0]["name"], "--reason", "It is full this year."});
  const json declined = Japan({"course-request", course});
  EXPECT_EQ(declined["outcome"], "REQUEST_OUTCOME_DECLINED");
  EXPECT_EQ(declined["reason"], "It is full this year.");
  EXPECT_EQ(As("partner/DE/portnet", {"course-requests"})["courseRequests"].size(), 0u);
}

TEST_F(Partner, AContributionIsReviewedSharedAndEndorsed) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const std::string contributed =
      Japan({"contribute", "--title", "Two persons at the gate", "--text", "A second guard checks what the first has admitted."})["name"];
  const json contributions = CliJson("apac", {"contribution", "list", "--country", "JP"})["practiceContributions"];
  ASSERT_EQ(contributions.size(), 1u) << contributions.dump(1);
  EXPECT_EQ(contributions[0]["system"], kJapan);
  const std::string practice = CliJson("hq", {"practice", "create", "--title", "Two persons at the gate", "--text",
                                              "A second guard checks what the first has admitted.", "--marking", "public"})["name"];
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectRefused("apac", {"practice", "publish", practice}, kNotPermitted, "");
  CliJson("apac", {"contribution", "update", contributions[0]["name"], "--practice", practice});
  CliJson("apac", {"contribution", "accept", contributions[0]["name"], "--review", "Fit to share."});
  const framework::Ended published = CliAs("hq/release/desk", {"hq"}, {"practice", "publish", practice});
  EXPECT_EQ(published.exit.code, 0) << published.output;
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const json accepted = Japan({"contribution", contributed});
  EXPECT_EQ(accepted["outcome"], "CONTRIBUTION_OUTCOME_ACCEPTED");
  // Every nation is shown it, and none is shown where it came from.
  const json shown = As("partner/DE/portnet", {"list", "--kind", "practice"})["records"];
  ASSERT_EQ(shown.size(), 1u) << shown.dump(1);
  EXPECT_EQ(shown[0]["practice"]["title"], "Two persons at the gate");
  EXPECT_THAT(shown.dump(), Not(HasSubstr("JP")));
  EXPECT_NE(shown[0]["name"], accepted["practice"]);  // names are each nation's own
  As("partner/DE/portnet", {"endorse", shown[0]["name"]});
  const json endorsements = CliJson("apac", {"endorsement", "list", practice})["endorsements"];
  ASSERT_EQ(endorsements.size(), 1u) << endorsements.dump(1);
  EXPECT_EQ(endorsements[0]["nation"], "countries/DE");
  EXPECT_TRUE(As("partner/DE/portnet", {"retract", shown[0]["name"]})["retracted"].get<bool>());
}

TEST_F(Partner, QuestionsContactsAndTheWatch) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  Japan({"ask", "--subject", "Drills", "--text", "How often?"});
  const json inquiries = CliJson("apac", {"inquiry", "list", "--country", "JP"})["inquiries"];
  ASSERT_EQ(inquiries.size(), 1u) << inquiries.dump(1);
  CliJson("apac", {"inquiry", "answer", inquiries[0]["name"], "--answer", "Every three months."});
  EXPECT_EQ(Japan({"questions"})["questions"][0]["answer"], "Every three months.");
  Japan({"state-contact", "ships", "--office", "Operations Centre", "--phone", "+81 3 5253 8111", "--always-reachable"});
  const json sheet = Japan({"contacts"});
  EXPECT_EQ(sheet["own"][0]["phone"], "+81 3 5253 8111");
  EXPECT_EQ(sheet["unitedStates"][0]["displayName"], "National watch");
  EXPECT_EQ(CliJson("apac", {"contact", "get", "JP-ships"})["system"], kJapan);
  const framework::Ended watched = CliAs(kJapan, {"apac", "hq"}, {"exchange", "watch", "--count", "2"});
  EXPECT_EQ(watched.exit.code, 0) << watched.output;
  EXPECT_THAT(watched.output, HasSubstr("everything follows"));
  EXPECT_THAT(watched.output, HasSubstr("released releasedRecords/"));
}

}  // namespace
}  // namespace fairlead::scenarios
