#include "client/dashboard/gateway.h"

#include <absl/synchronization/notification.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <filesystem>

#include "api/errors.h"
#include "certs/network.h"
#include "client/dashboard/json_calls.h"
#include "client/dashboard/viewer_trust.h"
#include "client/test_node.h"

namespace fairlead::dashboard {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAnalyst[] = "hq/analyst/desk";
constexpr char kList[] = "/api/call/ReferenceService/ListCountries";

Assets Page() {
  return {{"/index.html", {"<!doctype html><title>page</title>", "text/html; charset=utf-8", false}},
          {"/assets/index-1.js", {"1", "text/javascript; charset=utf-8", true}}};
}

// A gateway before a node in memory, and a browser.
class GatewayTest : public testing::Test {
 protected:
  void Start(GatewayOptions options = {}) { StartBefore({{"hq", &node_}}, std::move(options)); }
  void StartBefore(const std::vector<std::pair<std::string, client::TestNode*>>& nodes, GatewayOptions options = {}) {
    options.live.poll_interval = absl::Milliseconds(5);
    client::ClientOptions client;
    client.network = "test.example";
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    for (const auto& [site, node] : nodes) {
      client.nodes.push_back({site, node->address()});
      channels.push_back(node->Channel());
    }
    client.failover = true;
    client.timeout = absl::Seconds(30);
    client.retry = client::FastRetries();
    client_ = std::make_unique<client::Client>(client, std::move(channels));
    auto gateway = Gateway::Start(std::move(options), client_.get(), Page());
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
  }

  httplib::Client Browser() const {
    httplib::Client browser("127.0.0.1", gateway_->port());
    browser.set_read_timeout(30);
    return browser;
  }
  // The path and query of a one-time link.
  std::string Link(const std::string& viewer = kAnalyst) { return gateway_->OneTimeAddress(viewer).substr(gateway_->address().size()); }
  // "fairlead=SECRET" of the cookie that the response sets.
  static std::string CookieOf(const httplib::Result& response) {
    const std::string cookie = response->get_header_value("Set-Cookie");
    return cookie.substr(0, cookie.find(';'));
  }
  // Headers of a signed-in page.
  httplib::Headers SignIn(const std::string& viewer = kAnalyst) {
    httplib::Client browser = Browser();
    const std::string cookie = CookieOf(browser.Get(Link(viewer)));
    const auto session = browser.Get("/api/session", {{"Cookie", cookie}});
    EXPECT_EQ(session->status, 200) << session->body;
    return {{"Cookie", cookie}, {"x-fairlead-csrf", json::parse(session->body)["csrf"]}};
  }
  static std::string ReasonIn(const httplib::Result& response) { return json::parse(response->body)["error"]["reason"]; }

  absl::Time now_ = absl::Now();
  client::TestNode node_{"hq"};
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GatewayTest, AListenerThatEndsIsToldOfAndDoesNotHoldUpTheEnd) {
  absl::Notification failed;
  GatewayOptions options;
  options.on_failure = [&failed] { failed.Notify(); };
  Start(std::move(options));
  // As when a connection cannot be taken for another reason than too many open files: accept() fails from now on.
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    int listens = 0;
    socklen_t listens_size = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) != 0 || listens == 0) continue;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sin_family != AF_INET) continue;
    if (ntohs(address.sin_port) == gateway_->port()) shutdown(fd, SHUT_RDWR);
  }
  EXPECT_TRUE(failed.WaitForNotificationWithTimeout(absl::Seconds(60)));
  gateway_.reset();
}

TEST_F(GatewayTest, ALinkOpensOneSessionOnce) {
  Start();
  httplib::Client browser = Browser();
  const std::string link = Link();
  const auto opened = browser.Get(link);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->status, 303);
  EXPECT_EQ(opened->get_header_value("Location"), "/");
  const std::string cookie = opened->get_header_value("Set-Cookie");
  EXPECT_THAT(cookie, HasSubstr("HttpOnly"));
  EXPECT_THAT(cookie, HasSubstr("SameSite=Strict"));
  EXPECT_THAT(cookie, HasSubstr("Path=/"));
  EXPECT_THAT(cookie, Not(HasSubstr("Domain")));

  const auto session = browser.Get("/api/session", {{"Cookie", CookieOf(opened)}});
  ASSERT_EQ(session->status, 200) << session->body;
  const json described = json::parse(session->body);
  EXPECT_EQ(described["viewer"], kAnalyst);
  EXPECT_EQ(described["network"], "test.example");
  EXPECT_EQ(described["sites"], json::array({"hq"}));
  EXPECT_EQ(session->get_header_value("Cache-Control"), "no-store");

  const auto again = browser.Get(link);
  EXPECT_EQ(again->status, 401);
  EXPECT_FALSE(again->has_header("Set-Cookie"));
  EXPECT_EQ(browser.Get("/open?link=")->status, 401);
  EXPECT_EQ(browser.Get("/open")->status, 401);
}

TEST_F(GatewayTest, ASiteOfSeveralMachinesIsOne) {
  client::TestNode a("apac"), b("apac");
  StartBefore({{"apac", &a}, {"hq", &node_}, {"apac", &b}});
  const auto session = Browser().Get("/api/session", SignIn());
  ASSERT_EQ(session->status, 200) << session->body;
  EXPECT_EQ(json::parse(session->body)["sites"], json::array({"apac", "hq"}));
}

TEST_F(GatewayTest, NothingIsToldWithoutASession) {
  Start();
  httplib::Client browser = Browser();
  EXPECT_EQ(browser.Get("/")->status, 200);  // the page holds no data
  for (const httplib::Headers& headers :
       {httplib::Headers{}, {{"Cookie", "fairlead="}}, {{"Cookie", "fairlead=0123"}}, {{"Cookie", "other=1; fairlead=0123; x"}}}) {
    EXPECT_EQ(browser.Get("/api/session", headers)->status, 401);
    EXPECT_EQ(browser.Get("/api/events", headers)->status, 401);
    const auto call = browser.Post(kList, headers, "{}", "application/json");
    EXPECT_EQ(call->status, 401);
    EXPECT_EQ(ReasonIn(call), "IDENTITY_MISSING");
  }
  EXPECT_EQ(node_.calls(), 0);
}

TEST_F(GatewayTest, ACallIsTheViewers) {
  v1::Country japan;
  japan.set_name("countries/JP");
  japan.set_display_name("Japan");
  node_.Put(japan);
  Start();
  const auto answer = Browser().Post(kList, SignIn("officer/apac/watch"), "{}", "application/json");
  ASSERT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(json::parse(answer->body)["countries"][0]["displayName"], "Japan");
  EXPECT_EQ(answer->get_header_value("x-fairlead-site"), "hq");
  EXPECT_EQ(answer->get_header_value("Cache-Control"), "no-store");
  EXPECT_EQ(node_.viewers().back(), "officer/apac/watch");
}

TEST_F(GatewayTest, ACallNeedsTheCsrfValueOfItsOwnSession) {
  Start();
  httplib::Headers mine = SignIn();
  const std::string other = SignIn("officer/apac/watch").find("x-fairlead-csrf")->second;
  const std::string cookie = mine.find("Cookie")->second;
  for (const httplib::Headers& headers : {httplib::Headers{{"Cookie", cookie}},
                                          {{"Cookie", cookie}, {"x-fairlead-csrf", ""}},
                                          {{"Cookie", cookie}, {"x-fairlead-csrf", other}},
                                          {{"Cookie", cookie}, {"x-fairlead-csrf", cookie.substr(cookie.find('=') + 1)}}}) {
    const auto refused = Browser().Post(kList, headers, "{}", "application/json");
    EXPECT_EQ(refused->status, 403);
    EXPECT_EQ(ReasonIn(refused), "PERMISSION_DENIED");
    EXPECT_EQ(Browser().Post("/api/close", headers, "", "application/json")->status, 403);
  }
  EXPECT_EQ(node_.calls(), 0);
  EXPECT_EQ(Browser().Post(kList, mine, "{}", "application/json")->status, 200);
}

TEST_F(GatewayTest, ARequestFromAnotherSiteIsRefused) {
  Start();
  const httplib::Headers own = SignIn();
  const auto with = [&own](const std::string& name, const std::string& value) {
    httplib::Headers headers = own;
    headers.emplace(name, value);
    return headers;
  };
  const std::string host = "127.0.0.1:" + std::to_string(gateway_->port());
  EXPECT_EQ(Browser().Get("/api/session", with("Sec-Fetch-Site", "same-origin"))->status, 200);
  EXPECT_EQ(Browser().Get("/api/session", with("Origin", "http://" + host))->status, 200);
  EXPECT_EQ(Browser().Get("/api/session", with("Host", "localhost:" + std::to_string(gateway_->port())))->status, 200);
  for (const char* site : {"cross-site", "same-site", "none"}) {
    EXPECT_EQ(Browser().Get("/api/session", with("Sec-Fetch-Site", site))->status, 403) << site;
    EXPECT_EQ(Browser().Get("/api/events", with("Sec-Fetch-Site", site))->status, 403) << site;
  }
  for (const std::string origin : {"http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1"}) {
    EXPECT_EQ(Browser().Get("/api/session", with("Origin", origin))->status, 403) << origin;
  }
  // A name of somebody else's that leads to loopback.
  for (const std::string name : {"evil.example", "127.0.0.1", "127.0.0.1:1"}) {
    EXPECT_EQ(Browser().Get("/", with("Host", name))->status, 403) << name;
  }
}

TEST_F(GatewayTest, EveryAnswerHasTheSecurityHeaders) {
  Start();
  httplib::Client browser = Browser();
  const httplib::Headers own = SignIn();
  for (const auto& answer : {browser.Get("/"), browser.Get("/assets/index-1.js"), browser.Get("/absent"), browser.Get("/api/session"),
                             browser.Get("/api/session", own), browser.Post(kList, own, "{", "application/json"),
                             browser.Get("/", {{"Host", "evil.example"}})}) {
    ASSERT_TRUE(answer);
    const std::string policy = answer->get_header_value("Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
    EXPECT_THAT(policy, HasSubstr("script-src 'self';"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    EXPECT_THAT(policy, Not(HasSubstr("http")));
    EXPECT_EQ(answer->get_header_value_count("Content-Security-Policy"), 1u);
    EXPECT_EQ(answer->get_header_value("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer->get_header_value("Referrer-Policy"), "no-referrer");
    EXPECT_EQ(answer->get_header_value("Cross-Origin-Resource-Policy"), "same-origin");
    EXPECT_FALSE(answer->has_header("Access-Control-Allow-Origin"));
  }
}

TEST_F(GatewayTest, OnlyThePagesFilesAreServed) {
  Start();
  httplib::Client browser = Browser();
  EXPECT_EQ(browser.Get("/")->body, Page().at("/index.html").content);
  EXPECT_EQ(browser.Get("/")->get_header_value("Cache-Control"), "no-cache");
  EXPECT_THAT(browser.Get("/assets/index-1.js")->get_header_value("Cache-Control"), HasSubstr("immutable"));
  for (const char* path :
       {"/absent", "/../etc/passwd", "/assets/../../etc/passwd", "/assets/%2e%2e/index.html", "//etc/passwd", "/api", "/api/"}) {
    EXPECT_EQ(browser.Get(path)->status, 404) << path;
  }
}

TEST_F(GatewayTest, AnAnswerIsSentAsItIs) {
  Start();
  const auto answer = Browser().Get("/", {{"Accept-Encoding", "gzip, deflate, br"}});
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->has_header("Content-Encoding"));
  EXPECT_EQ(answer->get_header_value("Content-Length"), std::to_string(Page().at("/index.html").content.size()));
  const auto call = Browser().Post(kList, SignIn(), "{}", "application/json");
  EXPECT_EQ(call->get_header_value("Content-Length"), std::to_string(call->body.size()));
}

TEST_F(GatewayTest, BadInputGetsAClearError) {
  Start();
  const httplib::Headers own = SignIn();
  const auto post = [&](const std::string& path, const std::string& body, const char* type = "application/json") {
    return Browser().Post(path, own, body, type);
  };
  EXPECT_EQ(ReasonIn(post(kList, "{")), "MESSAGE_MALFORMED");
  EXPECT_EQ(ReasonIn(post("/api/call/NodeService/DeleteBackup", "{}")), "METHOD_UNKNOWN");
  EXPECT_EQ(ReasonIn(post("/api/call/RecordService/WatchRecords", "{}")), "METHOD_UNKNOWN");
  const auto form = post(kList, "{}", "application/x-www-form-urlencoded");
  EXPECT_EQ(json::parse(form->body)["error"]["field"], "content-type");
  const auto site = post(std::string(kList) + "?site=nowhere", "{}");
  EXPECT_EQ(site->status, 400);
  EXPECT_EQ(json::parse(site->body)["error"]["field"], "site");
  EXPECT_EQ(post(kList, std::string((1 << 20) + 1, ' '))->status, 413);
  EXPECT_EQ(node_.calls(), 0);
}

TEST_F(GatewayTest, TheNodesRefusalIsPassedOn) {
  Start();
  const httplib::Headers own = SignIn();
  node_.FailNext({ToGrpc(Error(Reason::kPermissionDenied, "not permitted"))});
  const auto answer = Browser().Post(kList, own, "{}", "application/json");
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(json::parse(answer->body)["error"],
            json({{"code", "PERMISSION_DENIED"}, {"reason", "PERMISSION_DENIED"}, {"message", "not permitted"}, {"field", ""}}));
}

TEST_F(GatewayTest, ASessionEnds) {
  GatewayOptions options;
  options.sessions.idle = absl::Minutes(5);
  options.sessions.now = [this] { return now_; };
  Start(std::move(options));
  const httplib::Headers closed = SignIn();
  EXPECT_EQ(Browser().Post("/api/close", closed, "", "application/json")->status, 200);
  EXPECT_EQ(Browser().Get("/api/session", closed)->status, 401);
  const httplib::Headers idle = SignIn();
  now_ += absl::Minutes(5);
  EXPECT_EQ(Browser().Post(kList, idle, "{}", "application/json")->status, 401);
  EXPECT_EQ(node_.calls(), 0);
}

TEST_F(GatewayTest, WhatFollowsAWriteSeesIt) {
  v1::Conflict& conflict = node_.conflicts["countries/JP/conflicts/display_name"];
  conflict.set_name("countries/JP/conflicts/display_name");
  conflict.set_etag("e");
  Start();
  const httplib::Headers writer = SignIn();
  const httplib::Headers other = SignIn();
  const auto resolved =
      Browser().Post("/api/call/RecordService/ResolveConflict", writer,
                     R"({"name": "countries/JP/conflicts/display_name", "etag": "e", "value": "\"Japan\""})", "application/json");
  ASSERT_EQ(resolved->status, 200) << resolved->body;
  const std::string token = "hq:" + std::to_string(node_.calls());
  ASSERT_EQ(Browser().Post(kList, other, "{}", "application/json")->status, 200);
  EXPECT_EQ(node_.tokens().back(), "");
  ASSERT_EQ(Browser().Post(kList, writer, "{}", "application/json")->status, 200);
  EXPECT_EQ(node_.tokens().back(), token);
}

// Reads the stream until it has seen `wanted`; the text until then.
std::string ReadEvents(httplib::Client browser, const httplib::Headers& headers, const std::string& wanted) {
  std::string text;
  browser.Get("/api/events", headers, [&](const char* data, size_t size) {
    text.append(data, size);
    return text.find(wanted) == std::string::npos;
  });
  return text;
}

TEST_F(GatewayTest, AnOpenPageIsToldOfNodesAndRecords) {
  node_.status.set_site("hq");
  node_.status.set_journal_size(7);
  v1::WatchRecordsResponse event;
  v1::Country japan;
  japan.set_name("countries/JP");
  event.set_collection("countries");
  event.mutable_record()->PackFrom(japan);
  event.set_resume_token("t1");
  event.set_site("apac");
  node_.feed = {{event}, {}};
  Start();
  const std::string text = ReadEvents(Browser(), SignIn(), "\"state\":\"lost\"");
  EXPECT_THAT(text, HasSubstr("event: feed\ndata: {\"site\":\"hq\",\"state\":\"following\"}"));
  EXPECT_THAT(text, HasSubstr("id: hq t1\nevent: record\ndata: "));
  EXPECT_THAT(text, HasSubstr("countries/JP"));
  EXPECT_THAT(ReadEvents(Browser(), SignIn(), "\"journalSize\":\"7\""), HasSubstr("event: node\n"));
}

TEST_F(GatewayTest, ANodeIsCalledFollowedOnceItsWatchHasBegun) {
  node_.feed = {{}, {}, {}};  // the first two end before a word
  Start();
  const std::string text = ReadEvents(Browser(), SignIn(), "\"state\":\"following\"");
  const size_t following = text.find("\"state\":\"following\"");
  ASSERT_NE(following, std::string::npos) << text;
  int lost = 0;
  for (size_t at = text.find("\"state\":\"lost\""); at < following; at = text.find("\"state\":\"lost\"", at + 1)) ++lost;
  EXPECT_EQ(lost, 2) << text;
}

TEST_F(GatewayTest, AChangeOfATypeOfALaterVersionIsToldWithoutTheRecord) {
  v1::WatchRecordsResponse event;
  event.set_collection("inventions");
  event.mutable_record()->set_type_url("type.googleapis.com/fairlead.v1.Invention");
  event.mutable_record()->set_value("\x0a\x01x");
  event.set_resume_token("t1");
  event.set_site("apac");
  node_.feed = {{event}, {}};
  Start();
  const std::string text = ReadEvents(Browser(), SignIn(), "\"state\":\"lost\"");
  EXPECT_THAT(text, HasSubstr("id: hq t1\nevent: record\ndata: {\"collection\":\"inventions\""));
  EXPECT_THAT(text, Not(HasSubstr("Invention\"")));
}

TEST_F(GatewayTest, AStreamResumesAfterTheLastEventItSaw) {
  node_.feed = {{}};
  Start();
  httplib::Headers headers = SignIn();
  headers.emplace("Last-Event-ID", "hq t9");
  ReadEvents(Browser(), headers, "event: node");
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (node_.watches().empty() && absl::Now() < deadline) std::this_thread::yield();
  ASSERT_FALSE(node_.watches().empty());
  EXPECT_EQ(node_.watches()[0].resume_token(), "t9");
}

TEST_F(GatewayTest, WhenANodeIsLostTheNextIsFollowedAndAsked) {
  auto first = std::make_unique<client::TestNode>("apac");
  StartBefore({{"apac", first.get()}, {"hq", &node_}});
  const httplib::Headers own = SignIn();
  const auto site_asked = [&] { return Browser().Post(kList, own, "{}", "application/json")->get_header_value("x-fairlead-site"); };
  EXPECT_EQ(site_asked(), "apac");
  std::string text;
  Browser().Get("/api/events", own, [&](const char* data, size_t size) {
    text.append(data, size);
    if (first && text.find("\"site\":\"apac\",\"state\":\"following\"") != std::string::npos && !first->watches().empty()) first.reset();
    return text.find("\"site\":\"hq\",\"state\":\"following\"") == std::string::npos;
  });
  EXPECT_THAT(text, HasSubstr("\"site\":\"apac\",\"state\":\"lost\",\"error\""));
  EXPECT_EQ(site_asked(), "hq");
  // The lost node is told of as such, and since when.
  EXPECT_THAT(ReadEvents(Browser(), own, "\"since\""), HasSubstr("\"site\":\"apac\""));
}

TEST_F(GatewayTest, AStreamEndsWithItsSession) {
  std::atomic<int64_t> offset_s{0};
  GatewayOptions options;
  options.sessions.now = [&offset_s] { return absl::Now() + absl::Seconds(offset_s.load()); };
  Start(std::move(options));
  const httplib::Headers own = SignIn();
  std::string text;
  Browser().Get("/api/events", own, [&](const char* data, size_t size) {
    text.append(data, size);
    offset_s.store(24 * 3600);
    return true;
  });
  EXPECT_THAT(text, HasSubstr("event: expired"));
}

TEST_F(GatewayTest, OpenPagesAreBounded) {
  GatewayOptions options;
  options.streams_max = 0;
  Start(std::move(options));
  const auto refused = Browser().Get("/api/events", SignIn());
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(ReasonIn(refused), "OVERLOADED");
}

TEST_F(GatewayTest, WithoutTlsItStaysOnLoopback) {
  GatewayOptions options;
  options.host = "0.0.0.0";
  const auto refused = Gateway::Start(std::move(options), client_.get(), Page());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
}

class TlsGatewayTest : public GatewayTest {
 protected:
  TlsGatewayTest() : folder_(std::filesystem::path(testing::TempDir()) / "dashboard_tls") {
    std::filesystem::remove_all(folder_);
    certs::CreateOptions create;
    create.network = "test.example";
    create.sites = {"hq"};
    EXPECT_TRUE(certs::Network::Create(folder_, create, absl::Now()).ok());
    for (const char* path : {"officer/hq/watch", "hq/analyst/desk", "gateway/dashboard", "partner/JP/registry"}) {
      const auto network = certs::Network::Open(folder_);
      EXPECT_TRUE(network.ok() && network->Issue(*certs::Identity::Parse(path), {}, absl::Now()).ok()) << path;
    }
  }
  ~TlsGatewayTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name) const { return (folder_ / name).string(); }
  GatewayOptions WithTls() const {
    GatewayOptions options;
    options.tls = TlsFiles{File("node/hq/tls.crt"), File("node/hq/tls.key"), File("ca/ca.crt")};
    return options;
  }
  // An empty identity shows no certificate.
  httplib::Result Get(const std::string& identity, const std::string& path, const httplib::Headers& headers = {}) const {
    httplib::SSLClient browser("127.0.0.1", gateway_->port(), identity.empty() ? "" : File(identity + "/tls.crt"),
                               identity.empty() ? "" : File(identity + "/tls.key"));
    browser.enable_server_certificate_verification(false);
    return browser.Get(path, headers);
  }

  const std::filesystem::path folder_;
};

TEST_F(TlsGatewayTest, TheCertificateIsTheViewer) {
  Start(WithTls());
  const auto officer = Get("officer/hq/watch", "/api/session");
  ASSERT_TRUE(officer);
  ASSERT_EQ(officer->status, 200) << officer->body;
  EXPECT_EQ(json::parse(officer->body)["viewer"], "officer/hq/watch");
  const std::string cookie = officer->get_header_value("Set-Cookie");
  EXPECT_THAT(cookie, ::testing::StartsWith("__Host-fairlead="));
  EXPECT_THAT(cookie, HasSubstr("Secure"));
  EXPECT_THAT(cookie, HasSubstr("SameSite=Strict"));
  EXPECT_THAT(officer->get_header_value("Strict-Transport-Security"), HasSubstr("max-age="));
  EXPECT_EQ(Get("officer/hq/watch", "/open?link=x")->status, 401);
}

TEST_F(TlsGatewayTest, AStolenCookieIsOfNoUseWithAnotherCertificate) {
  Start(WithTls());
  const httplib::Headers cookie = {{"Cookie", CookieOf(Get("officer/hq/watch", "/api/session"))}};
  EXPECT_EQ(json::parse(Get("officer/hq/watch", "/api/session", cookie)->body)["viewer"], "officer/hq/watch");
  EXPECT_EQ(Get("hq/analyst/desk", "/api/events", cookie)->status, 401);
  const auto session = Get("hq/analyst/desk", "/api/session", cookie);
  EXPECT_EQ(json::parse(session->body)["viewer"], "hq/analyst/desk");
}

TEST_F(TlsGatewayTest, WhoStandsForNobodyIsRefused) {
  Start(WithTls());
  EXPECT_FALSE(Get("", "/api/session"));  // the handshake fails
  for (const char* identity : {"node/hq", "gateway/dashboard", "partner/JP/registry"}) {
    const auto refused = Get(identity, "/api/session");
    ASSERT_TRUE(refused) << identity;
    EXPECT_EQ(refused->status, 401) << identity;
    EXPECT_EQ(ReasonIn(refused), "IDENTITY_MISSING") << identity;
  }
}

TEST_F(TlsGatewayTest, ARevokedCertificateIsRefusedAndItsOpenPageEnds) {
  Start(WithTls());
  const auto before = Get("officer/hq/watch", "/api/session");
  ASSERT_EQ(before->status, 200) << before->body;
  httplib::SSLClient page("127.0.0.1", gateway_->port(), File("officer/hq/watch/tls.crt"), File("officer/hq/watch/tls.key"));
  page.enable_server_certificate_verification(false);
  page.set_read_timeout(30);
  std::string events;
  page.Get("/api/events", {{"Cookie", CookieOf(before)}}, [&](const char* data, size_t size) {
    if (events.empty()) {
      const auto network = certs::Network::Open(folder_);
      EXPECT_TRUE(network.ok() && network->Revoke("officer/hq/watch", certs::RevocationReason::kKeyCompromise, absl::Now()).ok());
    }
    events.append(data, size);
    return true;
  });
  EXPECT_THAT(events, HasSubstr("event: expired"));
  const auto after = Get("officer/hq/watch", "/api/session", {{"Cookie", CookieOf(before)}});
  EXPECT_EQ(after->status, 401);
  EXPECT_THAT(after->body, HasSubstr("certificate revoked"));
  EXPECT_EQ(Get("hq/analyst/desk", "/api/session")->status, 200);
}

TEST_F(TlsGatewayTest, ARevocationListThatCannotBeUsedRefusesEverybody) {
  GatewayOptions options = WithTls();
  options.tls->client_crl = File("list.pem");
  const auto without = Gateway::Start(options, client_.get(), Page());
  EXPECT_EQ(without.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(without.status().message()), HasSubstr("(--tls-client-crl) cannot be read"));
  std::filesystem::copy_file(File("ca/crl.pem"), File("list.pem"));
  Start(std::move(options));
  EXPECT_EQ(Get("hq/analyst/desk", "/api/session")->status, 200);
  std::filesystem::remove(File("list.pem"));
  EXPECT_THAT(Get("hq/analyst/desk", "/api/session")->body, HasSubstr("(--tls-client-crl) cannot be read"));
  std::filesystem::copy_file(File("ca/ca.crt"), File("list.pem"));
  EXPECT_THAT(Get("hq/analyst/desk", "/api/session")->body, HasSubstr("(--tls-client-crl) cannot be read"));
  // Another authority's list of the same name.
  certs::CreateOptions other;
  other.network = "test.example";
  other.sites = {"hq"};
  ASSERT_TRUE(certs::Network::Create(folder_ / "other", other, absl::Now()).ok());
  std::filesystem::copy_file(folder_ / "other/ca/crl.pem", File("list.pem"), std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Get("hq/analyst/desk", "/api/session")->body, HasSubstr("unable to get certificate CRL"));
}

TEST_F(TlsGatewayTest, FilesThatCouldNotBeReadOnceAreReadAgain) {
  ViewerTrust trust(File("ca/ca.crt"), "");
  rlimit usual;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  rlimit none = usual;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string fault = trust.Fault();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  EXPECT_THAT(fault, HasSubstr("(--tls-client-ca) cannot be read"));
  EXPECT_EQ(trust.Fault(), "");
}

TEST_F(TlsGatewayTest, ARootIsSucceededWhileItRuns) {
  Start(WithTls());
  const auto old_root = Get("officer/hq/watch", "/api/session");
  ASSERT_TRUE(old_root);
  ASSERT_EQ(old_root->status, 200) << old_root->body;
  const auto step = [this](const auto& take) {
    const auto network = certs::Network::Open(folder_);
    ASSERT_TRUE(network.ok()) << network.status();
    const absl::Status taken = take(*network);
    EXPECT_TRUE(taken.ok()) << taken;
  };
  step([](const certs::Network& network) { return network.IntroduceRoot(absl::Now()); });
  step([](const certs::Network& network) { return network.PromoteRoot(); });
  step([](const certs::Network& network) { return network.Renew(*certs::Identity::Parse(kAnalyst), {}, absl::Now()).status(); });
  const auto new_root = Get(kAnalyst, "/api/session");
  ASSERT_TRUE(new_root) << "the handshake goes by the roots of the start";
  EXPECT_EQ(new_root->status, 200) << new_root->body;

  httplib::SSLClient page("127.0.0.1", gateway_->port(), File("officer/hq/watch/tls.crt"), File("officer/hq/watch/tls.key"));
  page.enable_server_certificate_verification(false);
  page.set_read_timeout(30);
  std::string events;
  page.Get("/api/events", {{"Cookie", CookieOf(old_root)}}, [&](const char* data, size_t size) {
    if (events.empty()) step([](const certs::Network& network) { return network.RetireRoot(/*force=*/true, absl::Now()); });
    events.append(data, size);
    return events.size() < 1 << 20;  // a page that is let go on
  });
  EXPECT_THAT(events, HasSubstr("event: expired"));
  EXPECT_FALSE(Get("officer/hq/watch", "/api/session"));  // the handshake fails
  EXPECT_EQ(Get(kAnalyst, "/api/session")->status, 200);
}

TEST_F(TlsGatewayTest, ACertificateCanBeMappedByItsFingerprint) {
  const std::unique_ptr<FILE, decltype(&fclose)> file(fopen(File("partner/JP/registry/tls.crt").c_str(), "r"), fclose);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_X509(file.get(), nullptr, nullptr, nullptr), X509_free);
  const auto nobody = ViewerOf(certificate.get(), "test.example", {});
  EXPECT_EQ(ReasonOf(nobody.status()), "IDENTITY_MISSING");
  EXPECT_EQ(ReasonOf(ViewerOf(nullptr, "test.example", {}).status()), "IDENTITY_MISSING");
  unsigned char digest[32];
  unsigned size = 0;
  ASSERT_EQ(X509_digest(certificate.get(), EVP_sha256(), digest, &size), 1);
  std::string fingerprint;
  for (const unsigned char byte : digest) fingerprint += fmt::format("{:02x}", byte);
  const auto mapped = ViewerOf(certificate.get(), "test.example", {{fingerprint, "hq/analyst/desk"}});
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ(mapped->viewer, "hq/analyst/desk");
  EXPECT_EQ(mapped->fingerprint, fingerprint);
}

TEST_F(TlsGatewayTest, FilesThatCannotBeUsedAreRefused) {
  GatewayOptions options = WithTls();
  options.tls->key = File("officer/hq/watch/tls.key");
  EXPECT_EQ(Gateway::Start(std::move(options), client_.get(), Page()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(IsViewerTest, OfficersAndHeadquartersOnly) {
  for (const char* path : {"officer/apac/watch", "hq/analyst/desk-2"}) EXPECT_TRUE(IsViewer(path)) << path;
  for (const char* path : {"", "officer", "officer/apac", "officer//watch", "officer/apac/", "officer/apac/watch/x", "officer/APAC/watch",
                           "node/apac", "gateway/dashboard", "partner/JP/registry", "hq/analyst/de sk", "hq/analyst/desk\n"}) {
    EXPECT_FALSE(IsViewer(path)) << path;
  }
}

}  // namespace
}  // namespace fairlead::dashboard
