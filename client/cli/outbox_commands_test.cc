#include "client/cli/outbox_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "client/cli/run.h"
#include "client/test_node.h"

namespace fairlead::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Result {
  int code;
  std::string out;
  std::string err;
};

class OutboxCommandsTest : public testing::Test {
 protected:
  OutboxCommandsTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    const std::string config = (folder_ / "config.toml").string();
    std::ofstream(config) << "network = \"demo.example\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"\n[[node]]\nsite = \"apac\"\n"
                          << "address = \"" << node_.address() << "\"\n";
    environment_.variable = [config](const char* name) { return std::string(name) == "FAIRLEAD_CONFIG" ? config : std::string(); };
    environment_.identify = [](const client::ClientOptions&) { return "officer/apac/watch"; };
    environment_.connect = [this](client::ClientOptions options) -> absl::StatusOr<std::unique_ptr<client::Client>> {
      ++connections_;
      options.retry = client::FastRetries();
      return std::make_unique<client::Client>(options, std::vector<std::shared_ptr<grpc::Channel>>{node_.Channel()});
    };
    v1::Port port;
    port.set_name("ports/JPYOK");
    port.set_display_name("Yokohama");
    node_.Put(port);
  }
  ~OutboxCommandsTest() override { std::filesystem::remove_all(folder_); }

  Result Cli(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    environment_.out = &out;
    environment_.err = &err;
    const int code = cli::Run(arguments, environment_);
    return {code, out.str(), err.str()};
  }
  nlohmann::json Json(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Result result = Cli(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "outbox_commands_test";
  client::TestNode node_{"apac"};
  Environment environment_;
  int connections_ = 0;
};

TEST_F(OutboxCommandsTest, ADayWithoutANode) {
  EXPECT_EQ(Cli({"outbox", "keep", "ports"}).out, "1 kept\n");
  EXPECT_EQ(connections_, 1);

  const Result created = Cli({"--offline", "engagement", "create", "--title", "Visit", "--kind", "country-visit", "--country", "JP"});
  ASSERT_EQ(created.code, 0) << created.err;
  EXPECT_THAT(created.out, AllOf(StartsWith("engagements/"), HasSubstr("\nrecorded offline as 1; 1 waiting\n")));
  const std::string visit = created.out.substr(0, created.out.find('\n'));
  EXPECT_THAT(Cli({"--offline", "engagement", "schedule", visit, "--start-date", "2026-05-01"}).out, HasSubstr("as 2; 2 waiting"));
  EXPECT_THAT(Cli({"--offline", "port", "update", "JPYOK", "--display-name", "Yokohama Ko"}).out,
              StartsWith("ports/JPYOK\nrecorded offline as 3; 3 waiting\n"));

  const Result got = Cli({"--offline", "port", "get", "JPYOK"});
  EXPECT_THAT(got.out, HasSubstr("Yokohama Ko"));
  EXPECT_THAT(got.err, AllOf(HasSubstr("offline: as read 20"), HasSubstr("with what waits: 3")));
  const Result planned = Cli({"--offline", "engagement", "get", visit});
  EXPECT_THAT(planned.out, AllOf(HasSubstr("Visit"), HasSubstr("2026-05-01")));
  EXPECT_THAT(planned.err, HasSubstr("offline: not at a node yet, with what waits: 1, 2"));
  EXPECT_EQ(Json({"--offline", "port", "list"})["ports"][0]["displayName"], "Yokohama Ko");
  EXPECT_EQ(Json({"--offline", "engagement", "list"})["engagements"][0]["name"], visit);
  const Result list = Cli({"outbox", "list"});
  EXPECT_THAT(list.out, AllOf(HasSubstr("CreateEngagement"), HasSubstr("ScheduleEngagement"), HasSubstr("UpdatePort")));
  // No node was asked.
  EXPECT_EQ(connections_, 1);
  EXPECT_EQ(node_.engagements().size(), 0u);

  // The test's node names engagements in its own way, so the second finds none.
  const Result sync = Cli({"outbox", "sync"});
  EXPECT_EQ(sync.code, kExitConflict);
  EXPECT_THAT(sync.out, AllOf(HasSubstr("1 done CreateEngagement"), HasSubstr("2 refused ScheduleEngagement"),
                              HasSubstr("3 done UpdatePort"), HasSubstr("fairlead outbox retry 2"), HasSubstr("2 sent, 1 left")));
  EXPECT_EQ(node_.ports().at("ports/JPYOK").display_name(), "Yokohama Ko");
  EXPECT_THAT(Cli({"outbox", "drop", "2"}).out, StartsWith("dropped 2 ScheduleEngagement"));
  EXPECT_EQ(Cli({"outbox", "sync"}).code, 0);
  EXPECT_EQ(Json({"outbox", "list"})["changes"].size(), 0u);
  EXPECT_EQ(Json({"outbox", "list", "--all"})["changes"].size(), 2u);
}

TEST_F(OutboxCommandsTest, WhatIsRefusedSaysWhatToDoAndIsMended) {
  ASSERT_EQ(Cli({"--offline", "port", "create", "JPTYO", "--country", "JP"}).code, 0);
  ASSERT_EQ(Cli({"--offline", "port", "update", "JPTYO", "--subdivision", "13"}).code, 0);
  const Result sync = Cli({"outbox", "sync"});
  EXPECT_EQ(sync.code, kExitConflict);
  EXPECT_THAT(sync.out, AllOf(HasSubstr("fairlead outbox edit 1 --set FIELD=VALUE"), HasSubstr("2 waits for 1")));
  const nlohmann::json refused = Json({"outbox", "list"})["changes"][0];
  EXPECT_EQ(refused["state"], "refused");
  EXPECT_EQ(refused["error"]["field"], "port.display_name");
  EXPECT_EQ(refused["error"]["reason"], "FIELD_REQUIRED");
  EXPECT_EQ(Cli({"outbox", "drop", "1"}).code, kExitConflict);  // 2 needs it
  EXPECT_EQ(Cli({"outbox", "edit", "1", "--set", "harbour=x"}).code, kExitUsage);
  EXPECT_EQ(Cli({"outbox", "edit", "1"}).code, kExitUsage);
  EXPECT_EQ(Cli({"outbox", "edit", "1", "--set", "display-name=Tokyo"}).out, "1 waiting CreatePort ports/JPTYO\n");
  const nlohmann::json shown = Json({"outbox", "show", "1"});
  EXPECT_EQ(shown["request"]["port"]["displayName"], "Tokyo");
  EXPECT_EQ(shown["request"]["port"]["country"], "countries/JP");
  EXPECT_EQ(Cli({"outbox", "edit", "2", "--clear", "subdivision"}).code, 0);
  EXPECT_THAT(Json({"outbox", "show", "2"})["request"]["updateMask"], "subdivision");
}

TEST_F(OutboxCommandsTest, WithoutALinkItSaysSoAndAllStays) {
  ASSERT_EQ(Cli({"--offline", "port", "create", "JPTYO", "--display-name", "Tokyo"}).code, 0);
  node_.FailNext({grpc::Status(grpc::StatusCode::DATA_LOSS, "broken"), grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "expired")});
  EXPECT_EQ(Cli({"outbox", "sync"}).code, kExitUnproven);
  EXPECT_EQ(Cli({"outbox", "sync"}).code, kExitDenied);
  EXPECT_EQ(Json({"outbox", "list"})["changes"][0]["state"], "unanswered");
  EXPECT_EQ(Cli({"outbox", "drop", "1"}).code, kExitConflict);
  EXPECT_EQ(Cli({"outbox", "sync"}).code, 0);
  EXPECT_EQ(node_.ports().size(), 2u);
}

TEST_F(OutboxCommandsTest, WhatCannotBeDoneOfflineSaysSo) {
  const Result missing = Cli({"--offline", "port", "update", "JPYOK", "--display-name", "x"});
  EXPECT_EQ(missing.code, kExitNotFound);
  EXPECT_THAT(missing.err, HasSubstr("fairlead outbox keep ports/JPYOK"));
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--offline", "status"},
                                                    {"--offline", "port", "history", "JPYOK"},
                                                    {"--offline", "conflicts", "list"},
                                                    {"--offline", "port", "list", "--country", "JP"},
                                                    {"--offline", "outbox", "sync"},
                                                    {"--offline", "outbox", "keep", "ports"},
                                                    {"--offline", "port", "create", "JPTYO", "--display-name", "x", "--validate-only"},
                                                    {"--offline", "port", "update", "JPYOK"},
                                                    {"--offline", "engagement", "create", "--kind", "no-such"},
                                                    {"outbox", "keep", "nothing/x/y"}}) {
    EXPECT_EQ(Cli(arguments).code, kExitUsage) << arguments[1] << " " << arguments.back();
  }
  EXPECT_THAT(Json({"outbox", "list"})["changes"], IsEmpty());
}

TEST_F(OutboxCommandsTest, KeptRecordsAreReadAgainAndLetGo) {
  ASSERT_EQ(Cli({"outbox", "keep", "ports/JPYOK"}).code, 0);
  v1::Port port;
  port.set_name("ports/JPYOK");
  port.set_display_name("Yokohama Port");
  node_.Put(port);
  EXPECT_EQ(Json({"--offline", "port", "get", "JPYOK"})["displayName"], "Yokohama");
  EXPECT_EQ(Json({"outbox", "keep"})["kept"], 1);
  EXPECT_EQ(Json({"--offline", "port", "get", "JPYOK"})["displayName"], "Yokohama Port");
  EXPECT_EQ(Json({"outbox", "kept"})["records"][0]["name"], "ports/JPYOK");
  EXPECT_EQ(Cli({"outbox", "unkeep", "ports/JPYOK"}).code, 0);
  EXPECT_EQ(Cli({"--offline", "port", "get", "JPYOK"}).code, kExitNotFound);
  EXPECT_EQ(Cli({"outbox", "keep", "ports/XXXXX"}).code, kExitNotFound);
}

TEST_F(OutboxCommandsTest, AnOutboxOfAnotherIdentityIsNotUsed) {
  ASSERT_EQ(Cli({"outbox", "keep", "ports/JPYOK"}).code, 0);
  environment_.identify = [](const client::ClientOptions&) { return "officer/eame/watch"; };
  const Result other = Cli({"--offline", "port", "get", "JPYOK"});
  EXPECT_EQ(other.code, kExitConflict);
  EXPECT_THAT(other.err, HasSubstr("officer/apac/watch"));
}

}  // namespace
}  // namespace fairlead::cli
