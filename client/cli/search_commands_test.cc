#include "client/cli/search_commands.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/cli/run.h"
#include "client/test_node.h"
#include "client/test_server.h"
#include "fairlead/v1/search_service.grpc.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A node that finds two records, one a page.
class TestSearch final : public v1::SearchService::Service {
 public:
  std::string address() const { return server_.address(); }

  grpc::Status Search(grpc::ServerContext*, const v1::SearchRequest* request, v1::SearchResponse* response) override {
    requests.push_back(*request);
    v1::SearchResult& result = *response->add_results();
    const bool first = request->page_token().empty();
    result.set_name(first ? "engagements/E" : "ports/JPYOK");
    result.set_title(first ? "Visit" : "Yokohama");
    if (first) {
      result.set_state("IN_PROGRESS");
      result.add_countries("countries/JP");
      result.mutable_date()->set_year(2026);
      result.mutable_date()->set_month(5);
      result.add_snippet()->set_text("The ");
      result.add_snippet()->set_text("fence");
      result.mutable_snippet(1)->set_match(true);
      result.add_snippet()->set_text("\nstood.");
      response->set_next_page_token("more");
    }
    response->set_entries_behind(3);
    return grpc::Status::OK;
  }

  std::vector<v1::SearchRequest> requests;

 private:
  client::TestServer server_{this};
};

class SearchCommandsTest : public testing::Test {
 protected:
  struct Result {
    int code;
    std::string out;
    std::string err;
  };

  SearchCommandsTest() {
    config_ = (std::filesystem::path(testing::TempDir()) / "search_commands.toml").string();
    std::ofstream(config_) << "network = \"demo.example\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"\n[[node]]\nsite = \"apac\"\n"
                           << "address = \"" << node_.address() << "\"\n";
    environment_.variable = [this](const char* name) { return std::string(name) == "FAIRLEAD_CONFIG" ? config_ : std::string(); };
    environment_.connect = [this](client::ClientOptions options) -> absl::StatusOr<std::unique_ptr<client::Client>> {
      options.retry = client::FastRetries();
      const auto channel = grpc::CreateChannel(node_.address(), grpc::InsecureChannelCredentials());
      return std::make_unique<client::Client>(options, std::vector<std::shared_ptr<grpc::Channel>>{channel});
    };
  }
  Result Do(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    environment_.out = &out;
    environment_.err = &err;
    const int code = cli::Run(arguments, environment_);
    return {code, out.str(), err.str()};
  }

  TestSearch node_;
  std::string config_;
  Environment environment_;
};

TEST_F(SearchCommandsTest, WhatIsTypedIsAskedFor) {
  const Result found = Do({"search",  "perimeter", "fences",     "--type",   "engagement",  "--type", "follow-up",  "--country",
                           "jp",      "--region",  "apac",       "--state",  "in-progress", "--kind", "port-visit", "--since",
                           "2026-05", "--until",   "2026-06-30", "--begins", "--limit",     "1"});
  EXPECT_EQ(found.code, kExitOk) << found.err;
  ASSERT_EQ(node_.requests.size(), 1u);
  const v1::SearchRequest& asked = node_.requests[0];
  EXPECT_EQ(asked.query(), "perimeter fences");
  EXPECT_THAT(asked.collections(), ElementsAre("engagements", "followUps"));
  EXPECT_THAT(asked.countries(), ElementsAre("countries/JP"));
  EXPECT_THAT(asked.regions(), ElementsAre(v1::REGION_APAC));
  EXPECT_THAT(asked.states(), ElementsAre("IN_PROGRESS"));
  EXPECT_THAT(asked.kinds(), ElementsAre("PORT_VISIT"));
  EXPECT_EQ(asked.since().month(), 5);
  EXPECT_EQ(asked.since().day(), 0);
  EXPECT_EQ(asked.until().day(), 30);
  EXPECT_TRUE(asked.last_word_begins());
  EXPECT_EQ(asked.page_size(), 1);
  EXPECT_THAT(found.out, AllOf(HasSubstr("engagements/E"), HasSubstr("2026-05"), HasSubstr("JP"), HasSubstr("in-progress"),
                               HasSubstr("Visit"), HasSubstr("The *fence* stood.")));
  EXPECT_THAT(found.err, AllOf(HasSubstr("3 entries behind"), HasSubstr("more: --page-token more")));
}

TEST_F(SearchCommandsTest, PagesAreFetchedUpToTheLimit) {
  const Result found = Do({"search", "fence", "--json", "--limit", "5"});
  EXPECT_EQ(found.code, kExitOk) << found.err;
  ASSERT_EQ(node_.requests.size(), 2u);
  EXPECT_EQ(node_.requests[1].page_token(), "more");
  const auto json = nlohmann::json::parse(found.out);
  EXPECT_EQ(json["results"][1]["name"], "ports/JPYOK");
  EXPECT_EQ(json["nextPageToken"], "");
  EXPECT_THAT(found.err, IsEmpty());
}

TEST_F(SearchCommandsTest, AMistypedFlagIsNamed) {
  for (const auto& [flag, value] : {std::pair("--since", "May"), std::pair("--region", "moon")}) {
    const Result refused = Do({"search", "fence", flag, value});
    EXPECT_EQ(refused.code, kExitUsage);
    EXPECT_THAT(refused.err, HasSubstr(flag));
  }
  EXPECT_EQ(Do({"search"}).code, kExitUsage);
  EXPECT_THAT(node_.requests, IsEmpty());
}

}  // namespace
}  // namespace fairlead::cli
