// Reports for a named audience by the command line, against the whole network: what is in them, who vouches for them, who received them.
// And the overview, as it is printed.

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Reports : public CliScenario {
 protected:
  static constexpr int kUsage = 2;
  static constexpr int kNotFound = 4;
  static constexpr int kUnproven = 8;

  std::string Out(const std::string& name) { return folder_.path() + "/" + name; }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  // Without configuration, certificate or node: only the roster.
  static framework::Ended Verify(const std::string& file) {
    const std::filesystem::path folder = framework::TestNetwork::Get().folder();
    const auto ended = framework::RunToEnd({FAIRLEAD_BINARY, "verify", "report", file, "--roster", (folder / "roster.note").string(),
                                            "--root-key", (folder / "root.vkey").string()},
                                           kPatience);
    EXPECT_TRUE(Ok(ended));
    return ended.value_or(framework::Ended{{-1, 0}, ""});
  }
  std::string Engage(const std::string& site, const std::string& country, const std::string& region, const std::string& title,
                     const std::string& day, const std::vector<std::string>& audience = {}) {
    std::vector<std::string> create = {"engagement", "create", "--kind",  "port-visit", "--country",    country,
                                       "--region",   region,   "--title", title,        "--start-date", day};
    for (const std::string& reader : audience) create.insert(create.end(), {"--audience", reader});
    return CliJson(site, create)["name"];
  }
  // Every site has applied all that any has written: with records that a site may not hold, digests are not to be compared.
  void ExpectAllArrives() {
    EXPECT_TRUE(Eventually([&] {
      std::set<std::string> vectors;
      for (const std::string& site : cluster().sites()) {
        const auto digest = cluster().Digest(site);
        if (!digest.ok()) return false;
        std::map<std::string, int64_t> vector;
        for (const auto& position : digest->vector()) vector[position.origin()] = position.size();
        vectors.insert(testing::PrintToString(vector));
      }
      return vectors.size() == 1;
    }));
  }
  // Visits of EAME in two quarters and one of APAC; and one of EAME that only headquarters may see.
  void SeedWorld() {
    ASSERT_NO_FATAL_FAILURE(StartCluster());
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
    Engage("eame", "DE", "eame", "Visit to Hamburg in spring", "2025-05-04");
    Engage("eame", "DE", "eame", "Visit to Bremen in autumn", "2025-10-11");
    Engage("apac", "JP", "apac", "Visit to Yokohama in spring", "2025-05-20");
    Engage("hq", "DE", "eame", "Visit kept at headquarters", "2025-06-02", {"hq"});
    ExpectAllArrives();
  }

 private:
  const storage::ScratchDirectory folder_;
};

TEST_F(Reports, AnAnnualAndAQuarterlyReportHoldWhatTheirAudienceMaySeeAndAreVerifiedWithoutANode) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  // Of the year, as a page, for a region's staff; made where more is held than they may see.
  json annual =
      CliJson("hq", {"report", "create", "--kind", "annual", "--period", "2025", "--audience", "eame", "--out", Out("2025.html")});
  EXPECT_EQ(annual["audience"], json::array({"eame", "hq"}));
  EXPECT_FALSE(annual.contains("html"));
  const std::string page = Read(Out("2025.html"));
  EXPECT_THAT(page, AllOf(HasSubstr("Visit to Hamburg in spring"), HasSubstr("Visit to Bremen in autumn"), HasSubstr("the staff of EAME")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("kept at headquarters")), Not(HasSubstr("Yokohama"))));
  // Of a quarter, as values, for headquarters, which may see all of it.
  json quarterly = CliJson("hq", {"report", "create", "--kind", "quarterly", "--period", "2025Q2", "--audience", "hq", "--format", "csv",
                                  "--out", Out("q2.csv")});
  const std::string values = Read(Out("q2.csv"));
  EXPECT_THAT(values, AllOf(HasSubstr("Visit to Hamburg in spring"), HasSubstr("Visit kept at headquarters"),
                            HasSubstr("Visit to Yokohama in spring")));
  EXPECT_THAT(values, Not(HasSubstr("Bremen")));  // of another quarter
  for (const std::string& site : cluster().sites()) EXPECT_THAT(values, ContainsRegex(fmt::format("\nSites,{},20[^,]*,current\n", site)));

  // Offline.
  const framework::Ended of_year = Verify(Out("2025.html"));
  EXPECT_EQ(of_year.exit.code, 0) << of_year.output;
  for (const char* line : {"kind      annual\n", "period    2025\n", "audience  eame\n", "form      html\n"})
    EXPECT_THAT(of_year.output, HasSubstr(line));
  EXPECT_THAT(of_year.output, ContainsRegex("log +[^ ]*/hq/"));
  const framework::Ended of_quarter = Verify(Out("q2.csv"));
  EXPECT_EQ(of_quarter.exit.code, 0) << of_quarter.output;
  EXPECT_THAT(of_quarter.output, AllOf(HasSubstr("period    2025Q2\n"), HasSubstr("form      csv\n")));
  // One letter, and another's statement.
  std::string changed = page;
  changed.replace(changed.find("Hamburg"), 7, "Homburg");
  std::ofstream(Out("changed.html")) << changed;
  std::filesystem::copy_file(Out("2025.html.sig"), Out("changed.html.sig"));
  EXPECT_EQ(Verify(Out("changed.html")).exit.code, kUnproven);
  std::filesystem::copy_file(Out("2025.html.sig"), Out("q2.csv.sig"), std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(Verify(Out("q2.csv")).exit.code, kUnproven);

  // The log of who received it, by the sites that hold it; the others know of neither.
  ExpectAllArrives();
  const std::string name = annual["name"];
  CliJson("hq", {"report", "deliver", name, "--to", "CBP, Office of Field Operations", "--remark", "By courier."});
  ExpectAllArrives();
  CliJson("eame", {"report", "deliver", name, "--to", "The region's watch"});
  ExpectAllArrives();
  for (const char* site : {"hq", "eame"}) {
    json shown = CliJson(site, {"report", "show", name, "--out", Out("again.html")});
    ASSERT_EQ(shown["deliveries"].size(), 2u) << shown.dump(1);
    // By the second in which they were made, then by name.
    std::map<std::string, std::string> remarks;
    for (const json& delivery : shown["deliveries"]) remarks[delivery.value("recipient", "")] = delivery.value("remark", "");
    const std::map<std::string, std::string> expected = {{"CBP, Office of Field Operations", "By courier."}, {"The region's watch", ""}};
    EXPECT_EQ(remarks, expected);
    EXPECT_EQ(Read(Out("again.html")), page);
    EXPECT_EQ(Verify(Out("again.html")).exit.code, 0);
  }
  // As a PDF, by Chromium: it has the page's title in it, and no statement comes with it.
  const framework::Ended printed = Cli("eame", {"report", "show", name, "--format", "pdf", "--out", Out("2025.pdf")});
  EXPECT_EQ(printed.exit.code, 0) << printed.output;
  EXPECT_THAT(printed.output, HasSubstr("the PDF carries no statement"));
  EXPECT_THAT(Read(Out("2025.pdf")),
              AllOf(StartsWith("%PDF-"), HasSubstr("/Title (International Port Security Program: annual report 2025"),
                    HasSubstr("/Type /Page\n"), EndsWith("%%EOF\n")));
  EXPECT_FALSE(std::filesystem::exists(Out("2025.pdf.sig")));
  for (const char* site : {"apac", "csa"}) {
    ExpectRefused(site, {"report", "show", name}, kNotFound, "RECORD_NOT_FOUND");
    ExpectRefused(site, {"report", "show", quarterly["name"]}, kNotFound, "RECORD_NOT_FOUND");
  }
  const framework::Ended table = Cli("eame", {"report", "show", name});
  EXPECT_THAT(table.output, AllOf(HasSubstr("kind      annual\nperiod    2025\naudience  eame\n"),
                                  ContainsRegex("CBP, Office of Field Operations +By courier.")));
  const framework::Ended listed = Cli("hq", {"report", "list", "--period", "2025Q2"});
  EXPECT_THAT(listed.output, AllOf(StartsWith("REPORT"), ContainsRegex("quarterly +2025Q2 +hq +20"), Not(HasSubstr("annual"))));
}

TEST_F(Reports, ANationsHoldsWhatWasReleasedToIt) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  for (const auto& [code, display_name] : {std::pair("JPYOK", "Yokohama"), std::pair("JPUKB", "Kobe")}) {
    CliJson("apac", {"port", "create", code, "--display-name", display_name, "--country", "JP"});
  }
  json proposed = CliJson("apac", {"release", "propose", "ports/JPYOK", "--nation", "JP", "--purpose", "A joint drill."});
  ExpectAllArrives();
  const framework::Ended approved = CliAs("hq/release/desk", {"hq"}, {"release", "approve", proposed["name"]});
  EXPECT_EQ(approved.exit.code, 0) << approved.output;
  ExpectAllArrives();
  // This quarter's, since it was released in it.
  const absl::CivilDay today = absl::ToCivilDay(absl::Now(), absl::UTCTimeZone());
  const std::string period = fmt::format("{}Q{}", today.year(), (today.month() - 1) / 3 + 1);
  CliJson("apac", {"report", "create", "--kind", "quarterly", "--period", period, "--audience", "JP", "--out", Out("jp.html")});
  const std::string page = Read(Out("jp.html"));
  EXPECT_THAT(page, AllOf(HasSubstr("Yokohama"), HasSubstr("A joint drill.")));
  for (const char* kept : {"Kobe", "JPUKB", "Visit to", "ports/JPYOK"}) EXPECT_THAT(page, Not(HasSubstr(kept)));
  const framework::Ended verified = Verify(Out("jp.html"));
  EXPECT_EQ(verified.exit.code, 0) << verified.output;
  EXPECT_THAT(verified.output, HasSubstr("audience  JP\n"));
}

TEST_F(Reports, WhatIsTypedWrongIsSaidBeforeOrByTheNode) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const auto create = [](const char* kind, const char* period, const char* audience) {
    return std::vector<std::string>{"report", "create", "--kind", kind, "--period", period, "--audience", audience};
  };
  ExpectRefused("hq", create("annual", "2025", "everybody"), kUsage, "--audience: everybody is neither");
  ExpectRefused("hq", create("annual", "2025", "ZZ"), kInvalid, "nation");
  ExpectRefused("hq", create("annual", "2025Q1", "hq"), kInvalid, "period");
  ExpectRefused("hq", create("quarterly", "2099Q1", "hq"), kInvalid, "period");
  std::vector<std::string> pdf = create("annual", "2025", "hq");
  pdf.insert(pdf.end(), {"--format", "pdf"});
  ExpectRefused("hq", pdf, kUsage, "--out is required for a PDF");
  ExpectRefused("hq", {"report", "show", "none"}, kNotFound, "RECORD_NOT_FOUND");
  ExpectRefused("hq", {"report", "deliver", "none", "--to", "nobody"}, kInvalid, "parent");
  const framework::Ended partner = CliAs("partner/JP/portnet", {"hq"}, create("annual", "2025", "hq"));
  EXPECT_EQ(partner.exit.code, kNotPermitted) << partner.output;
  EXPECT_EQ(CliJson("hq", {"report", "list"})["reports"].size(), 0u);
}

TEST_F(Reports, TheOverviewIsPrintedInParts) {
  ASSERT_NO_FATAL_FAILURE(SeedWorld());
  CliJson("hq", {"officer", "create", "europe", "--display-name", "IPSLO, Europe", "--region", "eame"});
  CliJson("hq", {"assignment", "create", "--officer", "europe", "--country", "DE", "--duty", "primary", "--start-date", "2024-02-01"});
  const std::string visit = Engage("eame", "DE", "eame", "Visit to Rostock", "2025-03-10");
  CliJson("eame", {"engagement", "schedule", visit, "--start-date", "2025-03-10"});
  CliJson("eame", {"engagement", "start", visit});
  CliJson("eame", {"engagement", "complete", visit, "--outcome", "Two facilities were seen."});
  const std::string task =
      CliJson("eame", {"observation", "create", visit, "--text", "The east gate is not manned.", "--severity", "major", "--country", "DE",
                       "--element", "access", "--isps-reference", "ISPS A/16.3", "--evidence", "Seen on two nights."})["name"];
  ASSERT_THAT(task, StartsWith(visit));
  CliJson("eame", {"inquiry", "create", "--subject", "Drills", "--question", "How often?", "--channel", "email", "--inquirer", "operator",
                   "--country", "DE"});
  ExpectAllArrives();

  const std::string all = Cli("hq", {"overview"}).output;
  EXPECT_THAT(all, StartsWith("as hq knows it at 20"));
  for (const std::string& site : cluster().sites()) EXPECT_THAT(all, ContainsRegex(fmt::format("\n{} +[0-9]+ +[0-9]+ +20", site)));
  EXPECT_THAT(all, ContainsRegex("COVERAGE +COUNTRIES +ENGAGED +DUE +OVERDUE +NEVER"));
  EXPECT_THAT(all, ContainsRegex("\neame +1 +1 +0 +0 +0"));
  EXPECT_THAT(all, ContainsRegex("\neurope +1 +1 +0 +0 +0"));
  EXPECT_THAT(all, ContainsRegex("\n\\(nobody\\) +2 +0 +0 +0 +2"));  // Japan and Brazil
  EXPECT_THAT(all, ContainsRegex("\neame +port-visit +completed +1"));
  EXPECT_THAT(all, ContainsRegex("\nobservations, major +1"));
  EXPECT_THAT(all, ContainsRegex("\nall +eame +open +1"));
  EXPECT_THAT(all, HasSubstr("conflicts 0; opaque entries 0"));

  const std::string part = Cli("hq", {"overview", "--section", "findings"}).output;
  EXPECT_THAT(part, AllOf(HasSubstr("observations, major"), HasSubstr("SITE"), Not(HasSubstr("COVERAGE")), Not(HasSubstr("MONTH"))));
  ExpectRefused("hq", {"overview", "--section", "weather"}, kUsage, "weather");
  ExpectRefused("hq", {"overview", "--months", "121"}, kUsage, "--months");
  ExpectRefused("hq", {"overview", "--count", "2"}, kUsage, "--count needs --watch");

  // Pushed: as it is, and in a few seconds again, one document a line.
  const framework::Ended pushed = Cli("hq", {"--json", "overview", "--section", "engagements", "--watch", "--count", "2"});
  EXPECT_EQ(pushed.exit.code, 0) << pushed.output;
  std::istringstream lines(pushed.output);
  std::string line;
  int overviews = 0;
  while (std::getline(lines, line)) {
    const json overview = json::parse(line, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(overview.is_object()) << line;
    EXPECT_EQ(overview["answeringSite"], "hq");
    EXPECT_EQ(overview["engagements"].size(), 3u) << line;
    ++overviews;
  }
  EXPECT_EQ(overviews, 2);

  // Before the visit, the country had never been engaged, and its officer already covered it.
  const auto on = [&](const std::string& day) {
    return CliJson("hq", {"overview", "countries", "--region", "eame", "--as-of", day})["countries"];
  };
  EXPECT_EQ(on("2025-03-09")[0]["standing"], "STANDING_NEVER");
  EXPECT_EQ(on("2025-03-09")[0]["officers"], json::array({"liaisonOfficers/europe"}));
  EXPECT_EQ(on("2025-03-10")[0]["standing"], "STANDING_ENGAGED");
  EXPECT_EQ(on("2025-03-10")[0]["lastEngagement"], visit);
  EXPECT_EQ(on("2028-03-11")[0]["standing"], "STANDING_OVERDUE");
  EXPECT_EQ(on("2024-01-31")[0]["officers"], json::array());
  EXPECT_THAT(Cli("hq", {"overview", "countries", "--standing", "engaged"}).output,
              ContainsRegex("\nDE +eame +engaged +2025-03-10 +2028-03-10"));
  ExpectRefused("hq", {"overview", "countries", "--as-of", "soon"}, kUsage, "as-of");
}

}  // namespace
}  // namespace fairlead::scenarios
