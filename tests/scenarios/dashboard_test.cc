// The dashboard's gateway before real nodes: what a viewer gets through it is what the node gives to that identity itself.

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

#include "client/dashboard/gateway.h"
#include "client/dashboard/json_calls.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using nlohmann::json;

class Dashboard : public Scenario {
 protected:
  void Start() {
    ClusterOptions options;
    options.sites = {"apac", "hq"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
    auto client = cluster().Connect("gateway/dashboard", "hq");
    ASSERT_TRUE(Ok(client));
    client_ = *std::move(client);
    auto gateway = dashboard::Gateway::Start({}, client_.get(), {{"/index.html", {"", "text/html; charset=utf-8", false}}});
    ASSERT_TRUE(Ok(gateway));
    gateway_ = *std::move(gateway);
  }
  void TearDown() override {
    gateway_.reset();
    Scenario::TearDown();
  }

  // A signed-in page of the viewer.
  httplib::Headers SignIn(const std::string& viewer) {
    httplib::Client browser("127.0.0.1", gateway_->port());
    const auto opened = browser.Get(gateway_->OneTimeAddress(viewer).substr(gateway_->address().size()));
    const std::string cookie = opened->get_header_value("Set-Cookie");
    httplib::Headers headers = {{"Cookie", cookie.substr(0, cookie.find(';'))}};
    headers.emplace("x-fairlead-csrf", json::parse(browser.Get("/api/session", headers)->body)["csrf"]);
    return headers;
  }
  json CallThrough(const httplib::Headers& page, std::string_view method, const std::string& request) {
    httplib::Client browser("127.0.0.1", gateway_->port());
    browser.set_read_timeout(30);
    const auto answer = browser.Post("/api/call/" + std::string(method) + "?site=hq", page, request, "application/json");
    return answer ? json::parse(answer->body) : json("no answer");
  }
  // The same by the identity itself, without a gateway.
  json CallDirectly(client::Client& client, std::string_view method, const std::string& request) {
    client::CallOptions call;
    call.site = "hq";
    const auto text = dashboard::CallJson(&client, *dashboard::FindPageMethod(method), request, call, nullptr);
    return text.ok() ? json::parse(*text) : json{{"error", dashboard::ErrorJson(text.status())}};
  }

  std::unique_ptr<client::Client> client_;
  std::unique_ptr<dashboard::Gateway> gateway_;
};

// Requests for each method: good ones and bad ones.
std::vector<std::string> RequestsOf(std::string_view method) {
  if (method.ends_with("GetCountry")) return {R"({"name": "countries/JP"})", R"({"name": "countries/QQ"})", "{}"};
  if (method.ends_with("ListRevisions")) return {R"({"name": "countries/JP"})", R"({"name": "countries/QQ"})"};
  if (method.ends_with("Conflict")) return {R"({"name": "countries/JP/conflicts/display_name", "etag": "x", "value": "1"})"};
  const bool has_pages = dashboard::FindPageMethod(method)->input_type()->FindFieldByName("page_token") != nullptr;
  if (has_pages) return {"{}", R"({"pageSize": -1})", R"({"pageToken": "forged"})"};
  return {"{}"};
}

// Without what differs from one call to the next.
json Steady(json answer) {
  if (!answer.is_object()) return answer;
  for (const char* field : {"time", "asOfTime", "lag", "links", "logs", "sites", "request"}) answer.erase(field);
  return answer;
}

TEST_F(Dashboard, AViewerGetsWhatTheNodeGivesToThatIdentity) {
  ASSERT_NO_FATAL_FAILURE(Start());
  int granted = 0;
  for (const std::string viewer : {"hq/analyst/desk", "officer/apac/watch", "partner/JP/portnet"}) {
    const auto direct = cluster().Connect(viewer, "hq");
    ASSERT_TRUE(Ok(direct));
    const httplib::Headers page = SignIn(viewer);
    for (const std::string_view method : dashboard::PageMethods()) {
      for (std::string request : RequestsOf(method)) {
        if (!method.ends_with("ResolveConflict") && method.ends_with("Conflict"))
          request = R"({"name": "countries/JP/conflicts/display_name"})";
        const json through = CallThrough(page, method, request);
        EXPECT_EQ(Steady(through), Steady(CallDirectly(**direct, method, request))) << viewer << " " << method << " " << request;
        if (viewer.starts_with("partner/")) {
          EXPECT_EQ(through["error"]["reason"], "PERMISSION_DENIED") << method << " " << request;
          EXPECT_EQ(through.size(), 1u) << method;
        } else if (!through.contains("error")) {
          ++granted;
        }
      }
    }
  }
  EXPECT_GT(granted, 20);
}

TEST_F(Dashboard, AChangeReachesAnOpenPageAndAPartnersPageOnlyTheRefusal) {
  ASSERT_NO_FATAL_FAILURE(Start());
  // The text of the stream until it holds `wanted`, with changes made at the other site on the way.
  const auto read = [this](const std::string& viewer, const std::string& wanted) {
    httplib::Client browser("127.0.0.1", gateway_->port());
    browser.set_read_timeout(60);
    std::string text;
    int written = 0;
    const absl::Time deadline = absl::Now() + kPatience;
    browser.Get("/api/events", SignIn(viewer), [&](const char* data, size_t size) {
      text.append(data, size);
      // Again and again: the feed may begin after the first.
      const bool heard_nodes = std::string_view(data, size).find("event: node") != std::string_view::npos;
      if (heard_nodes && text.find(wanted) == std::string::npos) {
        EXPECT_TRUE(Ok(Create(cluster().Officer("apac"), EngagementAt("apac", fmt::format("Seen by {} ({})", viewer, ++written)))));
      }
      return text.find(wanted) == std::string::npos && absl::Now() < deadline;
    });
    return text;
  };
  EXPECT_THAT(read("hq/analyst/desk", "Seen by hq/analyst/desk"),
              testing::HasSubstr("event: record\ndata: {\"collection\":\"engagements\""));
  const std::string refused = read("partner/JP/portnet", "event: denied");
  EXPECT_THAT(refused, testing::HasSubstr("PERMISSION_DENIED"));
  EXPECT_THAT(refused, testing::Not(testing::HasSubstr("event: record")));
  EXPECT_THAT(refused, testing::Not(testing::HasSubstr("\"status\":")));
}

}  // namespace
}  // namespace fairlead::scenarios
