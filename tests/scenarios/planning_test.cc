// The program's work through the command line against the whole network: engagements and their calendar, observations and follow-ups,
// visit cycles and reciprocal visits, training, portfolios.

#include <fmt/format.h>

#include <fstream>

#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Planning : public CliScenario {
 protected:
  // Japan, Germany, Brazil and the United States; two officers of Asia-Pacific and a specialist of headquarters; a port and its facility.
  void SeedWorld() {
    ASSERT_NO_FATAL_FAILURE(StartCluster());
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
    for (const auto& [id, region] : {std::pair("far-east", "apac"), std::pair("north", "apac"), std::pair("specialist", "hq")}) {
      CliJson("hq", {"officer", "create", id, "--display-name", fmt::format("Officer, {}", id), "--region", region});
    }
    CliJson("apac", {"port", "create", "JPYOK", "--display-name", "Yokohama", "--country", "JP"});
    CliJson("apac", {"facility", "create", "JPYOK-0001", "--display-name", "Honmoku", "--country", "JP", "--port", "JPYOK"});
    CliJson("hq", {"port", "create", "USSEA", "--display-name", "Seattle", "--country", "US"});
    ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  }
  // A scheduled engagement of Asia-Pacific with Japan; its name.
  std::string Scheduled(const std::string& title, const std::string& kind, const std::string& start, const std::string& end,
                        const std::string& officer) {
    const std::string name =
        CliJson("apac", {"engagement",    "create",
                         "--title",       title,
                         "--kind",        kind,
                         "--country",     "JP",
                         "--port",        "JPYOK",
                         "--facility",    "JPYOK-0001",
                         "--region",      "apac",
                         "--topic",       "access-control",
                         "--topic",       "cybersecurity",
                         "--participant", fmt::format("officer={},role=head", officer),
                         "--participant", "counterpart=Director of port security,organisation=Designated Authority"})["name"];
    CliJson("apac", {"engagement", "schedule", name, "--start-date", start, "--end-date", end});
    return name;
  }
  // One member of each element.
  static std::vector<std::string> Column(const json& rows, const std::string& member) {
    std::vector<std::string> column;
    for (const json& row : rows) column.push_back(row[member].get<std::string>());
    return column;
  }
};

TEST_F(Planning, AnEngagementIsPlannedHeldReportedAndClosed) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const std::string visit = Scheduled("Country visit", "country-visit", "2026-05-04", "2026-05-08", "far-east");
  Scheduled("Technical exchange", "technical-exchange", "2026-05-08", "2026-05-12", "far-east");
  const std::string draft = CliJson("eame", {"engagement", "create", "--title", "Port visit", "--kind", "port-visit", "--country", "DE",
                                             "--region", "eame", "--start-date", "2026-05"})["name"];
  ExpectRefused("eame", {"engagement", "start", draft}, kForbiddenNow, "DRAFT");

  const json calendar = Everywhere({"calendar", "--start-date", "2026-05-01", "--end-date", "2026-05-31"});
  EXPECT_THAT(Column(calendar["entries"], "title"), ElementsAre("Port visit", "Country visit", "Technical exchange"));
  EXPECT_THAT(Column(calendar["entries"], "state"), ElementsAre("DRAFT", "SCHEDULED", "SCHEDULED"));
  EXPECT_THAT(Cli("csa", {"calendar", "--start-date", "2026-05-01", "--end-date", "2026-05-31", "--country", "DE"}).output,
              HasSubstr("Port visit"));
  const json clashes = Everywhere({"clashes", "--start-date", "2026-05-01", "--end-date", "2026-05-31"})["clashes"];
  ASSERT_EQ(clashes.size(), 1u) << clashes.dump(1);
  EXPECT_EQ(clashes[0]["officer"], "liaisonOfficers/far-east");
  EXPECT_EQ(clashes[0]["firstTitle"], "Country visit");
  EXPECT_EQ(clashes[0]["startDate"]["day"], 8);
  EXPECT_EQ(clashes[0]["uncertain"], false);

  // A visit that is refused leaves the law's other basis to be named.
  CliJson("eame", {"engagement", "propose", draft});
  ExpectRefused("eame", {"engagement", "refuse", draft, "--reason", "No visit this year."}, kInvalid, "alternative_basis");
  CliJson("eame", {"engagement", "refuse", draft, "--reason", "No visit this year.", "--alternative-basis",
                   "A certified assessment of another government."});
  EXPECT_THAT(Column(Everywhere({"calendar", "--start-date", "2026-05-01", "--end-date", "2026-05-07"})["entries"], "title"),
              ElementsAre("Country visit"));

  CliJson("apac", {"engagement", "start", visit});
  CliJson("apac", {"engagement", "complete", visit});
  ExpectRefused("apac", {"engagement", "report", visit}, kInvalid, "outcome");
  CliJson("apac", {"engagement", "report", visit, "--outcome", "Access control was seen at one facility."});
  CliJson("apac", {"engagement", "close", visit});
  ExpectRefused("apac", {"engagement", "cancel", visit, "--reason", "Too late."}, kForbiddenNow, "CLOSED");
  const json closed = CliJson("apac", {"engagement", "update", visit, "--outcome", "Access control was seen at two facilities."});
  EXPECT_EQ(closed["state"], "ENGAGEMENT_STATE_CLOSED");  // an amendment, as a revision of its own
  EXPECT_EQ(Everywhere({"engagement", "history", visit})["revisions"].size(), 7u);
  for (const auto& [filter, value, found] : {std::tuple("--topic", "cybersecurity", 2u),
                                             {"--facility", "JPYOK-0001", 2u},
                                             {"--port", "JPYOK", 2u},
                                             {"--officer", "far-east", 2u},
                                             {"--month", "2026-05", 3u}}) {
    EXPECT_EQ(CliJson("hq", {"engagement", "list", filter, value})["engagements"].size(), found) << filter;
  }
}

TEST_F(Planning, AnObservationIsFollowedUpUntilSomeoneHasVerifiedIt) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const std::string visit = Scheduled("Country visit", "country-visit", "2024-05-06", "2024-05-10", "far-east");
  std::vector<std::string> observe = {
      "observation", "create", visit,       "--text", "The gate is not manned at night.", "--isps-reference", "ISPS A/16.3",
      "--severity",  "major",  "--country", "JP"};
  const auto with = [&observe](const std::vector<std::string>& more) {
    observe.insert(observe.end(), more.begin(), more.end());
    return observe;
  };
  ExpectRefused("apac", with({"--facility", "JPYOK-0001"}), kInvalid, "element");
  ExpectRefused("apac", with({"--element", "access"}), kInvalid, "evidence");
  const std::string observation = CliJson("apac", with({"--evidence", "Seen at 02:00 on two nights."}))["name"];
  for (const auto& [filter, value] :
       {std::pair("--element", "access"), std::pair("--facility", "JPYOK-0001"), std::pair("--severity", "major")}) {
    EXPECT_THAT(Column(Everywhere({"observation", "list", filter, value})["observations"], "name"), ElementsAre(observation)) << filter;
  }

  const std::string task = CliJson("apac", {"follow-up", "create", visit, "--task", "Man the gate.", "--owner", "far-east", "--due-date",
                                            "2024-06-30", "--observation", observation})["name"];
  ExpectRefused("apac", {"follow-up", "verify", task, "--verification", "Seen."}, kForbiddenNow, "OPEN");
  const std::vector<std::string> overdue = {"follow-up", "overdue", "--as-of", "2024-07-31", "--country", "JP"};
  EXPECT_THAT(Everywhere({"follow-up", "overdue", "--as-of", "2024-06-30"})["followUps"], IsEmpty());
  const json late = Everywhere(overdue)["followUps"];
  ASSERT_EQ(late.size(), 1u) << late.dump(1);
  EXPECT_EQ(late[0]["daysOverdue"], 31);
  EXPECT_EQ(late[0]["owner"], "liaisonOfficers/far-east");
  CliJson("apac", {"follow-up", "complete", task});
  EXPECT_THAT(Column(Everywhere(overdue)["followUps"], "state"), ElementsAre("FOLLOW_UP_STATE_DONE"));  // nobody has checked it
  ExpectRefused("apac", {"follow-up", "reopen", task}, kInvalid, "verification");
  CliJson("apac", {"follow-up", "reopen", task, "--verification", "Manned on weekdays only."});
  CliJson("apac", {"follow-up", "complete", task});
  CliJson("hq", {"follow-up", "verify", task, "--verification", "Seen on site, every night of a week."});
  EXPECT_THAT(Everywhere(overdue)["followUps"], IsEmpty());
  EXPECT_THAT(CliJson("csa", {"follow-up", "list", "--outstanding"})["followUps"], IsEmpty());
  EXPECT_EQ(CliJson("csa", {"follow-up", "history", task})["revisions"].size(), 5u);
}

TEST_F(Planning, ACountryIsVisitedAndItsOfficialsVisitInReturn) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const std::string visit = Scheduled("Country visit", "country-visit", "2024-03-04", "2024-03-08", "far-east");
  const std::string cycle = CliJson("apac", {"visit-cycle", "create", "--country", "JP", "--officer", "far-east", "--preliminary-date",
                                             "2024-01", "--engagement", visit})["name"];
  ExpectRefused("apac", {"visit-cycle", "open", cycle, "--dialogue-date", "2024-03-08"}, kForbiddenNow, "PRELIMINARY_EXCHANGE");
  ExpectRefused("apac", {"visit-cycle", "begin", cycle}, kInvalid, "in_country_date");
  CliJson("apac", {"visit-cycle", "begin", cycle, "--in-country-date", "2024-03-04"});
  ExpectRefused("apac", {"visit-cycle", "offer", cycle, "--reciprocal-offered-date", "2024-03-03"}, kInvalid, "reciprocal_offered_date");
  CliJson("apac", {"visit-cycle", "offer", cycle, "--reciprocal-offered-date", "2024-03-08"});

  // Asked for at the embassy in Washington, coordinated by the officer of the region.
  const std::string in_return =
      CliJson("hq", {"reciprocal-visit", "create", "--country", "JP", "--requested-date", "2024-03-20", "--embassy",
                     "Embassy of Japan, Washington", "--channel", "officer", "--request-reference", "Note 12/2024", "--offered-in", visit,
                     "--delegate", "delegate=Director of port security,organisation=Designated Authority,role=head"})["name"];
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectRefused("apac", {"reciprocal-visit", "accept", in_return}, kInvalid, "coordinator");
  CliJson("apac", {"reciprocal-visit", "accept", in_return, "--coordinator", "far-east", "--decision-date", "2024-03-25"});
  ExpectRefused("apac", {"reciprocal-visit", "decline", in_return, "--reason", "Too late."}, kForbiddenNow, "ACCEPTED");
  const auto plan = [&in_return](const std::string& port) {
    return std::vector<std::string>{"reciprocal-visit",
                                    "plan",
                                    in_return,
                                    "--start-date",
                                    "2024-05-06",
                                    "--end-date",
                                    "2024-05-10",
                                    "--itinerary",
                                    "date=2024-05-06,kind=headquarters,place=Washington,subject=Review and approval of plans",
                                    "--itinerary",
                                    "date=2024-05-09,kind=port,place=Seattle,subject=Port State Control,port=" + port};
  };
  ExpectRefused("apac", plan("JPYOK"), kInvalid, "United States");
  CliJson("apac", plan("USSEA"));
  const json may = Everywhere({"calendar", "--start-date", "2024-05-10", "--end-date", "2024-05-31", "--officer", "far-east"})["entries"];
  ASSERT_EQ(may.size(), 1u) << may.dump(1);
  EXPECT_EQ(may[0]["record"], in_return);
  EXPECT_EQ(may[0]["region"], "REGION_APAC");
  CliJson("apac", {"reciprocal-visit", "complete", in_return});
  ExpectRefused("apac", {"reciprocal-visit", "report", in_return}, kInvalid, "outcome");
  CliJson("apac", {"reciprocal-visit", "report", in_return, "--outcome", "The delegation saw how plans are approved."});
  ExpectRefused("hq", {"reciprocal-visit", "cancel", in_return, "--reason", "Too late."}, kForbiddenNow, "REPORTED");
  EXPECT_EQ(Everywhere({"reciprocal-visit", "list", "--state", "reported", "--country", "JP"})["reciprocalVisits"].size(), 1u);
  EXPECT_EQ(CliJson("eame", {"reciprocal-visit", "history", in_return})["revisions"].size(), 5u);

  CliJson("apac", {"visit-cycle", "update", cycle, "--reciprocal-visit", in_return});
  CliJson("apac", {"visit-cycle", "open", cycle, "--dialogue-date", "2024-05-10"});
  const auto stage = [this](const std::string& as_of) {
    const json stages = Everywhere({"visit-cycle", "stages", "--as-of", as_of, "--country", "JP"})["stages"];
    return stages.size() == 1 ? fmt::format("{} {}", stages[0]["phase"].get<std::string>(), stages[0]["days"].get<int>()) : stages.dump();
  };
  EXPECT_EQ(stage("2023-12-31"), "[]");
  EXPECT_EQ(stage("2024-03-03"), "VISIT_PHASE_PRELIMINARY_EXCHANGE 62");
  EXPECT_EQ(stage("2024-03-06"), "VISIT_PHASE_IN_COUNTRY 2");
  EXPECT_EQ(stage("2024-05-09"), "VISIT_PHASE_RECIPROCAL_OFFERED 62");
  EXPECT_EQ(stage("2024-06-10"), "VISIT_PHASE_DIALOGUE 31");
  EXPECT_EQ(Everywhere({"visit-cycle", "stages", "--show-never", "--as-of", "2024-06-10"})["stages"].size(),
            3u);  // JP, and BR and DE never
  CliJson("apac", {"visit-cycle", "end", cycle, "--ended-date", "2027-01-11"});
  ExpectRefused("apac", {"visit-cycle", "end", cycle, "--ended-date", "2027-01-12"}, kForbiddenNow, "ENDED");
  EXPECT_EQ(CliJson("csa", {"visit-cycle", "history", cycle})["revisions"].size(), 6u);
}

TEST_F(Planning, TrainingIsOfferedAskedForGivenAndEvaluated) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  // The project's own offerings, with those of their countries that this network holds.
  std::ifstream in("tools/data/training_offerings.jsonl");
  ASSERT_TRUE(in.good()) << "run from the project's folder";
  std::string rows;
  for (std::string line; std::getline(in, line);) {
    json row = json::parse(line);
    if (row.contains("openTo")) row["openTo"] = {"countries/BR"};
    rows += row.dump() + "\n";
  }
  const std::string file = File("offerings.jsonl", rows);
  EXPECT_EQ(CliJson("hq", {"training-offering", "import", file})["created"], 6);
  EXPECT_EQ(CliJson("hq", {"training-offering", "import", file})["unchanged"], 6);
  EXPECT_THAT(Column(Everywhere({"training-offering", "list", "--program", "inter-american"})["trainingOfferings"], "name"),
              ElementsAre("trainingOfferings/iapstp"));
  ExpectRefused("csa", {"training-offering", "update", "iapstp", "--display-name", "Other"}, kNotPermitted, "headquarters");

  const auto ask = [](const std::string& country, const std::string& offering) {
    return std::vector<std::string>{"training-request",    "create",
                                    "--country",           country,
                                    "--offering",          offering,
                                    "--officer",           "specialist",
                                    "--embassy",           "American embassy, Brasilia",
                                    "--channel",           "officer",
                                    "--requested-date",    "2024-02-01",
                                    "--trainees-expected", "20"};
  };
  ExpectRefused("csa", ask("JP", "iapstp"), kInvalid, "is not open to");
  const std::string request = CliJson("csa", ask("BR", "iapstp"))["name"];
  ExpectRefused("csa", {"training-request", "schedule", request}, kForbiddenNow, "REQUESTED");
  CliJson("csa", {"training-request", "approve", request, "--decision-date", "2024-02-10"});
  const std::string session = CliJson(
      "csa", {"training-session", "create", "--offering", "iapstp", "--country", "BR", "--region", "csa", "--start-date", "2024-06-03",
              "--end-date", "2024-06-06", "--place", "Santos", "--instructor", "specialist", "--seats", "24"})["name"];
  CliJson("csa", {"training-request", "schedule", request, "--session", session});
  ExpectRefused("csa", {"training-request", "fulfil", request}, kInvalid, "session");
  const json june = Everywhere({"calendar", "--start-date", "2024-06-01", "--end-date", "2024-06-30"})["entries"];
  ASSERT_EQ(june.size(), 1u) << june.dump(1);
  EXPECT_EQ(june[0]["title"], "Inter-American Port Security Training Program, Santos");
  EXPECT_THAT(june[0]["officers"].get<std::vector<std::string>>(), ElementsAre("liaisonOfficers/specialist"));
  ExpectRefused("csa", {"training-session", "hold", session, "--attendance", "country=JP,attended=3"}, kInvalid, "attendance[0].country");
  CliJson("csa", {"training-session", "hold", session, "--attendance", "country=BR,registered=20,attended=18,completed=17"});
  CliJson("csa", {"training-request", "fulfil", request});
  ExpectRefused("csa", {"training-session", "evaluate", session, "--evaluation", "responses=19,mean-rating-hundredths=431"}, kInvalid,
                "evaluation.responses");
  CliJson("csa", {"training-session", "evaluate", session, "--evaluation", "responses=16,mean-rating-hundredths=431"});
  ExpectRefused("csa", {"training-session", "cancel", session, "--reason", "Too late."}, kForbiddenNow, "EVALUATED");
  const json held = Everywhere({"training-session", "list", "--country", "BR", "--month", "2024-06"})["trainingSessions"];
  ASSERT_EQ(held.size(), 1u) << held.dump(1);
  EXPECT_EQ(held[0]["attendance"][0]["completed"], 17);
  EXPECT_EQ(held[0]["evaluation"]["meanRatingHundredths"], 431);
  EXPECT_EQ(Everywhere({"training-request", "list", "--state", "fulfilled"})["trainingRequests"].size(), 1u);
  EXPECT_EQ(CliJson("apac", {"training-request", "history", request})["revisions"].size(), 4u);
}

TEST_F(Planning, ACountryIsHandedFromOneOfficerToTheNext) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  const std::vector<std::string> assign = {"assignment", "create", "--officer", "far-east",    "--country",
                                           "JP",         "--duty", "primary",   "--start-date"};
  const auto from = [&assign](const std::string& day) {
    std::vector<std::string> command = assign;
    command.push_back(day);
    return command;
  };
  ExpectRefused("apac", from("2022-07-01"), kNotPermitted, "headquarters");  // which says who covers what
  ExpectRefused("hq", from("2022-07"), kInvalid, "start_date");
  const std::string first = CliJson("hq", from("2022-07-01"))["name"];
  ExpectRefused("hq", {"assignment", "handover", first, "--officer", "far-east", "--start-date", "2024-07-01"}, kInvalid, "officer");
  const json next = CliJson("hq", {"assignment", "handover", first, "--officer", "north", "--start-date", "2024-07-01", "--handover-note",
                                   "The drill schedule is still to come."});
  EXPECT_EQ(next["predecessor"], first);
  EXPECT_EQ(next["duty"], "ASSIGNMENT_DUTY_PRIMARY");
  ExpectRefused("hq", {"assignment", "handover", first, "--officer", "specialist", "--start-date", "2025-07-01"}, kForbiddenNow,
                "2024-07-01");
  const auto covers = [this](const std::string& as_of) {
    return Column(Everywhere({"assignment", "coverage", "--as-of", as_of, "--country", "JP"})["coverage"], "officer");
  };
  EXPECT_THAT(covers("2022-06-30"), ElementsAre(""));
  EXPECT_THAT(covers("2024-06-30"), ElementsAre("liaisonOfficers/far-east"));
  EXPECT_THAT(covers("2024-07-01"), ElementsAre("liaisonOfficers/north"));
  EXPECT_THAT(Column(Everywhere({"assignment", "coverage", "--as-of", "2024-07-01", "--uncovered"})["coverage"], "country"),
              ElementsAre("countries/BR", "countries/DE"));
  EXPECT_THAT(Column(CliJson("eame", {"assignment", "list", "--country", "JP"})["assignments"], "officer"),
              ElementsAre("liaisonOfficers/far-east", "liaisonOfficers/north"));
  EXPECT_EQ(CliJson("csa", {"assignment", "history", first})["revisions"].size(), 2u);

  // The Port Security Specialist Team: its members and where they are expected.
  Scheduled("Country visit", "country-visit", "2024-09-02", "2024-09-06", "specialist");
  const json duties = Everywhere({"officer", "team", "--as-of", "2024-08-01", "--days", "60"})["duties"];
  ASSERT_EQ(duties.size(), 1u) << duties.dump(1);
  EXPECT_EQ(duties[0]["officer"], "liaisonOfficers/specialist");
  EXPECT_EQ(duties[0]["title"], "Country visit");
}

}  // namespace
}  // namespace fairlead::scenarios
