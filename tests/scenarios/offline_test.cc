// Officers work without a node and send what they did when there is one.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// The command line of one officer, with its configuration and outbox in one folder.
class Laptop {
 public:
  Laptop(const Cluster& cluster, const std::string& site) {
    const auto credentials = framework::TestNetwork::Get().Of(fmt::format("officer/{}/watch", site));
    EXPECT_TRUE(Ok(credentials));
    std::ofstream(config()) << fmt::format(
        "network = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\nca = \"{}\"\n[[node]]\nsite = \"{}\"\naddress = \"{}\"\n",
        framework::kNetworkName, credentials->certificate_file, credentials->key_file, credentials->ca_file, site, cluster.address(site));
  }
  framework::Ended Run(const std::vector<std::string>& arguments) const {
    const auto ended = framework::RunToEnd(Command(arguments), kPatience);
    EXPECT_TRUE(Ok(ended));
    return ended.value_or(framework::Ended{{-1, 0}, ""});
  }
  // What it prints as JSON. The command must succeed.
  json Json(std::vector<std::string> arguments) const {
    arguments.push_back("--json");
    const framework::Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit.code, 0) << fmt::format("{}", fmt::join(arguments, " ")) << "\n" << ended.output;
    json parsed = json::parse(ended.output, nullptr, /*allow_exceptions=*/false);
    return parsed.is_discarded() ? json::object() : parsed;
  }
  // Kills the command after `delay`, if it still runs. Whether it had ended by itself.
  bool RunAndKill(const std::vector<std::string>& arguments, absl::Duration delay) const {
    const auto process = framework::Process::Start(Command(arguments), folder_.path() + "/killed.log");
    EXPECT_TRUE(Ok(process));
    if (!process.ok()) return false;
    if ((*process)->Wait(delay).has_value()) return true;
    (*process)->Signal(SIGKILL);
    EXPECT_TRUE((*process)->Wait(kPatience).has_value());
    return false;
  }
  // The copies of files in its outbox.
  std::vector<std::string> KeptFiles() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      if (entry.path().parent_path().filename() == "files") files.push_back(entry.path().filename());
    }
    return files;
  }

 private:
  std::string config() const { return folder_.path() + "/config.toml"; }
  std::vector<std::string> Command(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command = {FAIRLEAD_BINARY, "--config", config(), "-q"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }
  const storage::ScratchDirectory folder_;
};

class Offline : public CliScenario {};

TEST_F(Offline, WhatTwoOfficersChangedOfflineMergesOrIsInConflictAndIsSettled) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const Laptop apac(cluster(), "apac");
  const Laptop eame(cluster(), "eame");
  for (const Laptop* laptop : {&apac, &eame}) EXPECT_EQ(laptop->Run({"outbox", "keep", "countries/JP"}).exit.code, 0);
  for (const char* site : {"apac", "eame"}) cluster().Kill(site);

  // The same field twice by one, once by the other; and a field each that nobody else touches.
  EXPECT_EQ(apac.Run({"--offline", "country", "update", "JP", "--display-name", "Japan, first"}).exit.code, 0);
  EXPECT_EQ(apac.Run({"--offline", "country", "update", "JP", "--display-name", "Japan, says apac", "--alpha3", "JPN"}).exit.code, 0);
  EXPECT_EQ(eame.Run({"--offline", "country", "update", "JP", "--display-name", "Japan, says eame"}).exit.code, 0);
  EXPECT_EQ(eame.Run({"--offline", "country", "update", "JP", "--official-name", "State of Japan"}).exit.code, 0);
  EXPECT_EQ(apac.Json({"--offline", "country", "get", "JP"})["displayName"], "Japan, says apac");
  const framework::Ended cut = apac.Run({"outbox", "sync", "--timeout", "1s"});
  EXPECT_EQ(cut.exit.code, 7) << cut.output;
  EXPECT_EQ(apac.Json({"outbox", "list"})["changes"].size(), 2u);

  for (const char* site : {"apac", "eame"}) ASSERT_TRUE(Ok(cluster().StartNode(site)));
  EXPECT_EQ(apac.Run({"outbox", "sync"}).exit.code, 0);
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  // eame's officer hears of it at once: the node has apac's name by now, which was not there when he wrote.
  const framework::Ended synced = eame.Run({"outbox", "sync"});
  EXPECT_EQ(synced.exit.code, 5) << synced.output;
  EXPECT_THAT(synced.output, HasSubstr("fairlead conflicts show countries/JP/conflicts/display_name"));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));

  const json conflict = Everywhere({"conflicts", "show", "countries/JP/conflicts/display_name"});
  ASSERT_EQ(conflict["values"].size(), 2u) << conflict.dump(2);
  EXPECT_THAT((std::vector<std::string>{conflict["values"][0]["value"], conflict["values"][1]["value"]}),
              UnorderedElementsAre("\"Japan, says apac\"", "\"Japan, says eame\""));
  const json japan = Everywhere({"country", "get", "JP"});
  EXPECT_EQ(japan["alpha3"], "JPN");
  EXPECT_EQ(japan["officialName"], "State of Japan");
  ASSERT_EQ(japan["conflicts"].size(), 1u) << japan.dump(2);

  EXPECT_EQ(eame.Run({"conflicts", "resolve", "countries/JP/conflicts/display_name", "--value", "Japan"}).exit.code, 0);
  const json settled = Everywhere({"country", "get", "JP"});
  EXPECT_EQ(settled["displayName"], "Japan");
  EXPECT_THAT(settled["conflicts"], IsEmpty());
  EXPECT_EQ(eame.Run({"outbox", "sync"}).exit.code, 0);
}

TEST_F(Offline, ARecordMadeOfflineHasTheNameThatTheNodeGivesIt) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const Laptop apac(cluster(), "apac");
  const std::string visit = apac.Json({"--offline", "engagement", "create", "--title", "Visit", "--kind", "country-visit", "--country",
                                       "JP", "--region", "apac", "--topic", "access-control"})["name"];
  EXPECT_EQ(apac.Run({"--offline", "engagement", "propose", visit}).exit.code, 0);
  const std::string seen = apac.Json({"--offline", "observation", "create", visit, "--text", "A gate stood open", "--isps-reference",
                                      "ISPS A/16.3", "--severity", "minor", "--element", "access", "--country", "JP"})["name"];
  EXPECT_EQ(apac.Run({"--offline", "observation", "update", seen, "--text", "The north gate stood open"}).exit.code, 0);
  EXPECT_EQ(apac.Run({"--offline", "engagement", "schedule", visit, "--start-date", "2026-05-01"}).exit.code, 0);
  // One that the node refuses, and what needs it.
  EXPECT_EQ(apac.Run({"--offline", "port", "create", "JPYOK", "--country", "JP"}).exit.code, 0);
  EXPECT_EQ(apac.Run({"--offline", "port", "update", "JPYOK", "--harbor-size", "Large"}).exit.code, 0);
  const framework::Ended synced = apac.Run({"outbox", "sync"});
  EXPECT_EQ(synced.exit.code, 5) << synced.output;
  EXPECT_THAT(synced.output, HasSubstr("fairlead outbox edit 6 --set FIELD=VALUE"));
  EXPECT_THAT(synced.output, HasSubstr("7 waits for 6"));
  EXPECT_EQ(apac.Run({"outbox", "edit", "6", "--set", "display_name=Yokohama"}).exit.code, 0);
  const framework::Ended mended = apac.Run({"outbox", "sync"});
  EXPECT_EQ(mended.exit.code, 0) << mended.output;

  EXPECT_EQ(Everywhere({"engagement", "get", visit})["state"], "ENGAGEMENT_STATE_SCHEDULED");
  EXPECT_EQ(Everywhere({"observation", "get", seen})["text"], "The north gate stood open");
  EXPECT_EQ(Everywhere({"port", "get", "JPYOK"})["harborSize"], "Large");
  EXPECT_THAT(Everywhere({"conflicts", "list"})["conflicts"], IsEmpty());
}

TEST_F(Offline, KilledAtAnyMomentNothingIsLostAndNothingIsTwice) {
  constexpr int kVisits = 5;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const Laptop apac(cluster(), "apac");
  std::mt19937 random(11);
  const auto soon = [&random](int ms_max) { return absl::Milliseconds(std::uniform_int_distribution<int>(0, ms_max)(random)); };
  // Recording, with a request id that makes trying again harmless.
  std::vector<std::string> titles;
  for (int i = 0; i < kVisits; ++i) {
    titles.push_back(fmt::format("Visit {}", i));
    const std::string id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now())));
    const std::vector<std::string> create = {"--offline", "engagement",    "create",         "--title",      titles.back(),
                                             "--kind",    "country-visit", "--country",      "JP",           "--region",
                                             "apac",      "--topic",       "access-control", "--request-id", id};
    for (int ms_max = 60; !apac.RunAndKill(create, soon(ms_max)); ms_max *= 2) {
    }
  }
  ASSERT_EQ(apac.Json({"outbox", "list"})["changes"].size(), static_cast<size_t>(kVisits));
  // Sending.
  int kills = 0;
  for (int ms_max = 40; !apac.RunAndKill({"outbox", "sync"}, soon(ms_max)); ms_max += ms_max / 2) ++kills;
  EXPECT_GT(kills, 0);
  EXPECT_EQ(apac.Run({"outbox", "sync"}).exit.code, 0);
  EXPECT_THAT(apac.Json({"outbox", "list"})["changes"], IsEmpty());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const json page = Everywhere({"engagement", "list", "--limit", "0"});
  std::vector<std::string> found;
  for (const json& visit : page["engagements"]) found.push_back(visit["title"]);
  EXPECT_THAT(found, testing::UnorderedElementsAreArray(titles));
  for (const json& visit : page["engagements"]) {
    EXPECT_EQ(apac.Json({"engagement", "history", visit["name"]})["revisions"].size(), 1u) << visit["title"];
  }
}

// The file that was recorded is uploaded, whatever becomes of it meanwhile and however often the sync is cut, as one attachment.
TEST_F(Offline, AFileAttachedOfflineGoesOnWhereItWasCutAndIsAttachedOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const Laptop apac(cluster(), "apac");
  const storage::ScratchDirectory folder;
  const std::string file = folder.path() + "/gate.txt";
  std::string text;
  while (text.size() < (5u << 20)) text += fmt::format("The north gate, as seen at {}.\n", text.size());
  std::ofstream(file) << text;
  const std::string visit = apac.Json({"--offline", "engagement", "create", "--title", "Visit", "--kind", "country-visit", "--country",
                                       "JP", "--region", "apac", "--topic", "access-control"})["name"];
  const std::string name = apac.Json({"--offline", "attachment", "add", file, "--subject", visit, "--title", "The gate"})["name"];
  std::ofstream(file) << "changed since";

  std::mt19937 random(7);
  int kills = 0;
  for (int ms_max = 60; !apac.RunAndKill({"outbox", "sync"}, absl::Milliseconds(std::uniform_int_distribution<int>(0, ms_max)(random)));
       ms_max += ms_max / 2) {
    ++kills;
  }
  EXPECT_GT(kills, 0);
  EXPECT_EQ(apac.Run({"outbox", "sync"}).exit.code, 0);
  EXPECT_THAT(apac.Json({"outbox", "list"})["changes"], IsEmpty());

  const json listed = apac.Json({"attachment", "list", "--subject", visit})["attachments"];
  ASSERT_EQ(listed.size(), 1u) << listed.dump(2);
  EXPECT_EQ(listed[0]["name"], name);
  const std::string back = folder.path() + "/back.txt";
  EXPECT_EQ(apac.Run({"attachment", "get", name, "--output", back}).exit.code, 0);
  std::ifstream in(back, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
  EXPECT_THAT(apac.KeptFiles(), IsEmpty());
}

TEST_F(Offline, AFileThatIsGivenUpIsKeptNoLonger) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const Laptop apac(cluster(), "apac");
  const storage::ScratchDirectory folder;
  const std::string file = folder.path() + "/gate.txt";
  std::ofstream(file) << "The north gate.";
  for (int i = 0; i < 2; ++i) apac.Json({"--offline", "attachment", "add", file, "--subject", "engagements/none"});
  EXPECT_EQ(apac.KeptFiles().size(), 1u);  // the same bytes
  const framework::Ended synced = apac.Run({"outbox", "sync"});
  EXPECT_EQ(synced.exit.code, 5) << synced.output;
  EXPECT_THAT(synced.output, HasSubstr("fairlead outbox drop 1"));
  EXPECT_EQ(apac.Run({"outbox", "drop", "1"}).exit.code, 0);
  EXPECT_EQ(apac.KeptFiles().size(), 1u);
  EXPECT_EQ(apac.Run({"outbox", "drop", "2"}).exit.code, 0);
  EXPECT_THAT(apac.KeptFiles(), IsEmpty());
}

}  // namespace
}  // namespace fairlead::scenarios
