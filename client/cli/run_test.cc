#include "client/cli/run.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/evidence.h"
#include "api/merkle.h"
#include "api/test_log.h"
#include "client/cli/network_commands.h"
#include "client/test_node.h"
#include "client/test_server.h"
#include "fairlead/v1/audit_service.grpc.pb.h"
#include "fairlead/v1/log_service.grpc.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

using client::TestNode;
using fairlead::v1::Port;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Result {
  int code;
  std::string out;
  std::string err;
};

class RunTest : public testing::Test {
 protected:
  RunTest() {
    folder_ = std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "config.toml") << "network = \"demo.example\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"\n"
                                           << "default_site = \"apac\"\n[[node]]\nsite = \"apac\"\naddress = \"" << apac_.address()
                                           << "\"\n[[node]]\nsite = \"hq\"\naddress = \"" << hq_.address() << "\"\n";
    environment_.variable = [this](const char* name) {
      return std::string(name) == "FAIRLEAD_CONFIG" ? (folder_ / "config.toml").string() : std::string();
    };
    environment_.connect = [this](client::ClientOptions options) -> absl::StatusOr<std::unique_ptr<client::Client>> {
      options.retry = client::FastRetries();
      connected_ = options;
      std::vector<std::shared_ptr<grpc::Channel>> channels;
      for (const client::NodeAddress& node : options.nodes) {
        channels.push_back(grpc::CreateChannel(node.address, grpc::InsecureChannelCredentials()));
      }
      return std::make_unique<client::Client>(options, channels);
    };
    Port port;
    port.set_name("ports/JPYOK");
    port.set_display_name("Yokohama");
    port.set_country("countries/JP");
    apac_.Put(port);
    hq_.Put(port);
  }
  ~RunTest() override { std::filesystem::remove_all(folder_); }

  Result Do(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    environment_.out = &out;
    environment_.err = &err;
    const int code = cli::Run(arguments, environment_);
    return {code, out.str(), err.str()};
  }
  std::string File(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  TestNode apac_{"apac"};
  TestNode hq_{"hq"};
  std::filesystem::path folder_;
  Environment environment_;
  client::ClientOptions connected_;
};

TEST_F(RunTest, GetsARecordAndSaysWhichNodeAnswered) {
  const Result result = Do({"port", "get", "jpyok"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out,
            "name          ports/JPYOK\n"
            "etag          apac-1\n"
            "display_name  Yokohama\n"
            "country       JP\n");
  EXPECT_EQ(result.err, "node: apac " + apac_.address() + "\n");
  EXPECT_EQ(Do({"port", "get", "jpyok", "-q"}).err, "");
  EXPECT_EQ(Do({"port", "get", "jpyok", "--site", "hq"}).err, "node: hq " + hq_.address() + "\n");
  EXPECT_EQ(Do({"--site", "hq", "port", "get", "jpyok", "--address", apac_.address()}).err, "node: hq " + apac_.address() + "\n");
}

TEST_F(RunTest, JsonIsOneDocumentAndErrorsAreObjects) {
  Result result = Do({"--json", "port", "get", "JPYOK"});
  EXPECT_EQ(nlohmann::json::parse(result.out)["displayName"], "Yokohama");
  EXPECT_EQ(result.err, "");
  result = Do({"port", "get", "NONE1", "--json"});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(nlohmann::json::parse(result.err)["error"]["reason"], "RECORD_NOT_FOUND");
  result = Do({"port", "get", "NONE1", "-q"});
  EXPECT_EQ(result.err, "fairlead: there is no ports/NONE1\n  reason: RECORD_NOT_FOUND\n");
}

TEST_F(RunTest, AReportIsReadToItsLastPage) {
  const std::vector<std::string> calendar = {"calendar", "--start-date", "2026-05-01", "--end-date", "2026-05-31", "--country", "jp"};
  EXPECT_EQ(Do(calendar).out,
            "START       END  STATE  KIND  COUNTRIES  OFFICERS  TITLE\n"
            "2026-05-01                    JP                   Visit 1\n"
            "2026-05-01                    JP                   Visit 2\n"
            "2026-05-01                    JP                   Visit 3\n");
  std::vector<std::string> json = calendar;
  json.push_back("--json");
  const auto parsed = nlohmann::json::parse(Do(json).out);
  ASSERT_EQ(parsed["entries"].size(), 3u);
  EXPECT_EQ(parsed["entries"][2]["title"], "Visit 3");
  EXPECT_EQ(parsed["nextPageToken"], "");
  EXPECT_EQ(Do({"calendar", "--start-date", "tomorrow"}).code, 2);
}

// A node that audits: two events, one a page; the page after `pages` fails.
class TestAudit final : public v1::AuditService::Service {
 public:
  std::string address() const { return server_.address(); }

  grpc::Status QueryAuditEvents(grpc::ServerContext*, const v1::QueryAuditEventsRequest* request,
                                v1::QueryAuditEventsResponse* response) override {
    const bool first = request->page_token().empty();
    if ((first ? 0 : 1) >= pages) return ToGrpc(Error(Reason::kPermissionDenied, "not permitted"));
    response->add_events()->set_actor(first ? "partner/JP/a" : "partner/JP/b");
    if (first) response->set_next_page_token("more");
    return grpc::Status::OK;
  }

  std::atomic<int> pages{2};

 private:
  client::TestServer server_{this};
};

TEST_F(RunTest, AnAuditExportIsWrittenWholeOrNotAtAll) {
  TestAudit node;
  const std::string file = File("audit.jsonl", "the earlier export");
  const auto do_export = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"audit", "export", file, "--address", node.address()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Do(arguments).code;
  };
  EXPECT_EQ(do_export({"--since", "yesterday"}), kExitUsage);
  for (const int pages : {0, 1}) {
    node.pages = pages;
    EXPECT_EQ(do_export({}), kExitDenied) << pages;
  }
  EXPECT_EQ(*ReadWholeFile(file), "the earlier export");
  node.pages = 2;
  EXPECT_EQ(do_export({}), kExitOk);
  std::vector<std::string> actors;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) actors.push_back(nlohmann::json::parse(line)["actor"]);
  EXPECT_THAT(actors, ElementsAre("partner/JP/a", "partner/JP/b"));
  EXPECT_FALSE(std::filesystem::exists(file + ".partial"));
}

// A node that has no log, and notes what it is asked for receipts of.
class TestLogs final : public v1::LogService::Service {
 public:
  std::string address() const { return server_.address(); }

  grpc::Status GetReceipt(grpc::ServerContext*, const v1::GetReceiptRequest* request, v1::Receipt*) override {
    (request->entry().empty() ? records : entries).push_back(request->entry() + request->record());
    return ToGrpc(Error(Reason::kRecordNotFound, "there is no such entry"));
  }

  std::vector<std::string> entries, records;

 private:
  client::TestServer server_{this};
};

TEST_F(RunTest, AReceiptIsOfAnEntryOfAnyStreamOrOfARecord) {
  TestLogs node;
  const std::vector<std::string> entries = {"apac/1/17", "apac/1/audit/5", "apac/2/partner-JP/0"};
  const std::vector<std::string> records = {"ports/JPYOK", "conditionsOfEntry/CU-2", "apac/1/audit",
                                            "engagements/01J8Z3K4M5N6P7Q8R9S0T1V2W3/observations/01J8Z3K4M5N6P7Q8R9S0T1V2W4"};
  for (const auto& subjects : {entries, records}) {
    for (const std::string& subject : subjects) {
      EXPECT_EQ(Do({"log", "receipt", subject, (folder_ / "proof").string(), "--address", node.address()}).code, kExitNotFound) << subject;
    }
  }
  EXPECT_EQ(node.entries, entries);
  EXPECT_EQ(node.records, records);
}

TEST_F(RunTest, WrongUsageIsCode2) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"bogus"},
                                             {"port"},
                                             {"port", "get"},
                                             {"port", "get", "A", "B"},
                                             {"port", "list", "--limit", "-1"},
                                             {"port", "list", "--colour", "red"},
                                             {"port", "update", "JPYOK"},
                                             {"port", "update", "JPYOK", "--clear", "colour"},
                                             {"port", "update", "JPYOK", "--wpi-number", "many"},
                                             {"port", "get", "JPYOK", "--site", "mars"},
                                             {"port", "get", "JPYOK", "--timeout", "soon"},
                                             {"port", "get", "JPYOK", "--config", "/nowhere/config.toml"},
                                             {"completion", "tcsh"},
                                             {"import", "iso-codes"}}) {
    const Result result = Do(arguments);
    EXPECT_EQ(result.code, 2) << testing::PrintToString(arguments) << result.err;
    EXPECT_THAT(result.err, StartsWith("fairlead: ")) << testing::PrintToString(arguments);
  }
  EXPECT_EQ(apac_.calls(), 0);
}

TEST_F(RunTest, EvidenceIsVerifiedWithoutConfigurationOrNode) {
  TestLog log;
  log.AddMany(3);
  evidence::Receipt receipt = log.Receipt(1);
  receipt.payload.reset();
  const std::string roster = File("roster.note", log.roster_note);
  const std::string root = File("root.vkey", log.root.ToVkey() + "\n");
  const auto verify = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"verify", "--config", "/nowhere/config.toml"});
    arguments.insert(arguments.end(), {"--roster", roster, "--root-key", root});
    return Do(arguments);
  };
  const std::string checkpoint = File("checkpoint", log.Checkpoint(3));
  Result result = verify({"checkpoint", checkpoint});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out, "log          test.example/apac/1/main\nsize         3\nroot         " + Base64Encode(AsView(log.RootAt(3))) +
                            "\ncosigned     hq at 2027-01-15T08:00:00Z\n");
  result = verify({"receipt", File("receipt", evidence::FormatReceipt(receipt)), "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out)["sequence"], 1);
  EXPECT_EQ(nlohmann::json::parse(result.out)["time"], "2027-01-15T08:00:00.001Z");
  EXPECT_EQ(nlohmann::json::parse(result.out)["hasPayload"], false);
  EXPECT_THAT(verify({"receipt", File("receipt", evidence::FormatReceipt(receipt))}).out, HasSubstr("the payload is not in this receipt"));
  const std::string proof =
      File("proof", evidence::FormatConsistency({2, *merkle::ConsistencyProof(2, 3, log.Subtrees()), log.Checkpoint(3)}));
  result = verify({"consistency", File("old", log.Checkpoint(2)), proof});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("continues    size 2\n"));

  // What does not hold is 8 and says where; what is no evidence is 3; what cannot be read is wrong usage.
  result = verify({"consistency", File("other", log.Sign(note::CheckpointText({TestLog::kOrigin, 2, log.RootAt(1)}))), proof});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.err, StartsWith("fairlead: " + proof + ": the tree of test.example/apac/1/main of size 2 is not shown"));
  result = verify({"checkpoint", File("forged", log.Sign(note::CheckpointText({TestLog::kOrigin, 3, log.RootAt(3)})) + "x")});
  EXPECT_EQ(result.code, 3);
  result = verify({"checkpoint", "/nowhere/checkpoint"});
  EXPECT_EQ(result.code, 2);
  // A roster of another root.
  File("root.vkey", TestLog(1).root.ToVkey());
  result = verify({"checkpoint", checkpoint});
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.err, StartsWith("fairlead: " + roster + ": "));
  EXPECT_EQ(Do({"verify", "checkpoint", checkpoint}).code, 2);  // the roster must be named
  EXPECT_EQ(apac_.calls(), 0);
}

TEST_F(RunTest, GlobalFlagsOverrideTheConfiguration) {
  Do({"port", "get", "JPYOK", "--timeout", "7s", "--failover", "--site", "hq"});
  EXPECT_EQ(connected_.timeout, absl::Seconds(7));
  EXPECT_TRUE(connected_.failover);
  EXPECT_EQ(connected_.site, "hq");
  Do({"port", "get", "JPYOK"});
  EXPECT_EQ(connected_.timeout, absl::Seconds(30));
  EXPECT_FALSE(connected_.failover);
  EXPECT_EQ(connected_.site, "apac");
}

TEST_F(RunTest, HelpTellsFlagsChoicesAndExitCodes) {
  const Result result = Do({"engagement", "create", "--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("--kind KIND "));
  EXPECT_THAT(result.out, HasSubstr("country-visit"));
  EXPECT_THAT(result.out, HasSubstr("Exit codes: 0 done; 1 internal error; 2 wrong usage"));
}

TEST_F(RunTest, ListsPageByPageToTheLimit) {
  for (char c = 'A'; c <= 'E'; ++c) {
    Port port;
    port.set_name(std::string("ports/KRAA") + c);
    port.set_country("countries/KR");
    port.set_display_name(std::string("port ") + c);
    apac_.Put(port);
  }
  Result result = Do({"port", "list", "--country", "kr", "--limit", "2"});
  EXPECT_EQ(result.out,
            "NAME         COUNTRY  POSITION  WPI  HARBOR  DISPLAY NAME\n"
            "ports/KRAAA  KR                              port A\n"
            "ports/KRAAB  KR                              port B\n");
  EXPECT_THAT(result.err, HasSubstr("more: --page-token ports/KRAAC"));
  result = Do({"port", "list", "--country", "kr", "--limit", "2", "--page-token", "ports/KRAAC", "--json"});
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["ports"].size(), 2u);
  EXPECT_EQ(json["ports"][0]["name"], "ports/KRAAC");
  EXPECT_EQ(json["nextPageToken"], "ports/KRAAE");
  EXPECT_EQ(nlohmann::json::parse(Do({"port", "list", "--limit", "0", "--json"}).out)["ports"].size(), 6u);
}

TEST_F(RunTest, CreatesWithFlags) {
  Result result = Do({"port", "create", "jptyo", "--display-name", "Tokyo", "--country", "jp", "--position", "-35.6,139.8", "--schedule-k",
                      "58886", "--schedule-k", "58887"});
  EXPECT_EQ(result.code, 0) << result.err;
  const Port port = apac_.ports().at("ports/JPTYO");
  EXPECT_EQ(port.country(), "countries/JP");
  EXPECT_DOUBLE_EQ(port.position().latitude(), -35.6);
  EXPECT_THAT(port.schedule_k(), ElementsAre("58886", "58887"));
  result = Do({"port", "create", "JPTYO", "--display-name", "again"});
  EXPECT_EQ(result.code, 5);
  result = Do({"port", "create", "JPNGO"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("field: port.display_name"));
}

TEST_F(RunTest, UpdatesOnlyWhatIsGivenAndReadsTheEtagItself) {
  Result result = Do({"port", "update", "JPYOK", "--harbor-size", "Large", "--clear", "display-name"});
  EXPECT_EQ(result.code, 0) << result.err;
  const Port port = apac_.ports().at("ports/JPYOK");
  EXPECT_EQ(port.harbor_size(), "Large");
  EXPECT_EQ(port.display_name(), "");
  EXPECT_EQ(port.country(), "countries/JP");
  result = Do({"port", "update", "JPYOK", "--harbor-size", "Small", "--etag", "apac-1"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("reason: ETAG_MISMATCH"));
  EXPECT_EQ(Do({"port", "update", "NONE1", "--harbor-size", "Small"}).code, 4);
}

TEST_F(RunTest, DrivesALifecycle) {
  Result result =
      Do({"engagement", "create", "--kind", "country-visit", "--title", "Visit", "--country", "JP", "--region", "apac", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string name = nlohmann::json::parse(result.out)["name"];
  result = Do({"engagement", "schedule", name, "--start-date", "2026-05-01"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("state       scheduled\nstart_date  2026-05-01\n"));
  EXPECT_EQ(Do({"engagement", "schedule", name, "--start-date", "2026-05-02"}).code, 5);
}

TEST_F(RunTest, ShowsHistory) {
  EXPECT_EQ(Do({"port", "history", "JPYOK"}).out,
            "TIME                  ENTRY     ACTOR               METHOD      CHANGES\n"
            "2026-05-01T12:00:00Z  apac/1/7  officer/apac/watch  UpdatePort  display_name=\"ports/JPYOK\"\n");
}

TEST_F(RunTest, NoNodeIsCode7) { EXPECT_EQ(Do({"port", "get", "JPYOK", "--address", "127.0.0.1:1", "--timeout", "300ms"}).code, 7); }

TEST_F(RunTest, WatchPrintsRecordsAndHowToResume) {
  fairlead::v1::WatchRecordsResponse event;
  event.set_collection("ports");
  event.set_site("hq");
  event.set_resume_token("t1");
  event.mutable_record()->PackFrom(apac_.ports().at("ports/JPYOK"));
  fairlead::v1::WatchRecordsResponse heartbeat;
  heartbeat.set_resume_token("t2");
  event.set_resume_token("t3");
  apac_.feed = {{heartbeat, event}};
  Result result = Do({"watch", "ports", "--count", "1", "--resume", "t0"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("hq"));
  EXPECT_THAT(result.out, HasSubstr("ports/JPYOK  Yokohama\n"));
  EXPECT_THAT(result.err, HasSubstr("resume with --resume t3\n"));
  EXPECT_EQ(apac_.watches()[0].resume_token(), "t0");
  EXPECT_EQ(apac_.watches()[0].collections(0), "ports");
  apac_.feed = {{event}};
  result = Do({"watch", "--count", "1", "--json"});
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["record"]["displayName"], "Yokohama");
  EXPECT_EQ(json["resumeToken"], "t3");
}

TEST_F(RunTest, WatchSaysThatARecordIsGone) {
  fairlead::v1::WatchRecordsResponse event;
  event.set_collection("ports");
  event.set_site("hq");
  event.set_resume_token("t1");
  event.set_gone("ports/JPYOK");
  apac_.feed = {{event}};
  const Result result = Do({"watch", "ports", "--count", "1"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("ports/JPYOK  gone\n"));
  apac_.feed = {{event}};
  EXPECT_EQ(nlohmann::json::parse(Do({"watch", "--count", "1", "--json"}).out)["gone"], "ports/JPYOK");
}

fairlead::v1::StateDigest Digest(const std::string& site, const std::string& digest, int64_t applied) {
  fairlead::v1::StateDigest state;
  state.set_site(site);
  state.set_fold_version(1);
  auto* position = state.add_vector();
  position->set_origin("demo.example/apac/1/main");
  position->set_size(applied);
  auto* of_class = state.add_classes();
  of_class->set_audience("*");
  of_class->set_digest(digest);
  of_class->set_records(3);
  return state;
}

TEST_F(RunTest, DigestsOfAllSitesAreCompared) {
  apac_.digest = Digest("apac", "aa", 7);
  hq_.digest = Digest("hq", "aa", 7);
  Result result = Do({"digest", "--all-sites"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "SITE  AUDIENCE  DIGEST  RECORDS  OPAQUE  APPLIED\n"
            "apac  *         aa      3        0       apac:7\n"
            "hq    *         aa      3        0       apac:7\n"
            "\n2 nodes: equal\n");
  hq_.digest = Digest("hq", "bb", 7);
  result = Do({"digest", "--all-sites", "--json"});
  EXPECT_EQ(result.code, 5);
  EXPECT_EQ(nlohmann::json::parse(result.out)["verdict"], "different");
  hq_.FailNext({ToGrpc(Error(Reason::kPermissionDenied, "no"))});
  result = Do({"digest", "--all-sites", "--json"});
  EXPECT_EQ(result.code, 6);
  EXPECT_EQ(nlohmann::json::parse(result.out)["errors"][0]["site"], "hq");
}

TEST(CompareDigestsTest, OnlyLikeIsCompared) {
  EXPECT_EQ(CompareDigests({Digest("a", "aa", 7), Digest("b", "aa", 7)}), DigestVerdict::kEqual);
  EXPECT_EQ(CompareDigests({Digest("a", "aa", 7), Digest("b", "bb", 7)}), DigestVerdict::kDifferent);
  EXPECT_EQ(CompareDigests({Digest("a", "aa", 7), Digest("b", "bb", 8)}), DigestVerdict::kNotComparable);
  fairlead::v1::StateDigest opaque = Digest("b", "aa", 7);
  opaque.set_opaque_entries(1);
  EXPECT_EQ(CompareDigests({Digest("a", "aa", 7), opaque}), DigestVerdict::kNotComparable);
  fairlead::v1::StateDigest more = Digest("b", "aa", 7);
  auto* own = more.add_classes();
  own->set_audience("b");
  own->set_digest("cc");
  own->set_records(1);
  EXPECT_EQ(CompareDigests({Digest("a", "aa", 7), more}), DigestVerdict::kEqual);
}

TEST(CompareDigestsTest, AClassThatOneLacksIsADifference) {
  fairlead::v1::StateDigest none = Digest("b", "", 7);
  none.clear_classes();
  EXPECT_EQ(CompareDigests({Digest("a", "aa", 7), none}), DigestVerdict::kDifferent);
  EXPECT_EQ(CompareDigests({none, Digest("a", "aa", 7)}), DigestVerdict::kDifferent);
  EXPECT_EQ(CompareDigests({none, none}), DigestVerdict::kEqual);
}

TEST(CompareDigestsTest, AClassIsComparedAmongItsSitesButThoseThatHoldItInPart) {
  const auto with = [](const std::string& site, const std::string& all, const std::string& own_class, const std::string& own) {
    fairlead::v1::StateDigest digest = Digest(site, all, 7);
    auto* of_class = digest.add_classes();
    of_class->set_audience(own_class);
    of_class->set_digest(own);
    of_class->set_records(1);
    return digest;
  };
  fairlead::v1::StateDigest a = Digest("a", "aa", 7);
  a.mutable_classes(0)->set_audience("* but c,d");
  fairlead::v1::StateDigest b = Digest("b", "aa", 7);
  EXPECT_EQ(CompareDigests({a, b}), DigestVerdict::kEqual);
  b.mutable_classes(0)->set_digest("bb");
  EXPECT_EQ(CompareDigests({a, b}), DigestVerdict::kDifferent);
  fairlead::v1::StateDigest c = Digest("c", "cc", 7);
  EXPECT_EQ(CompareDigests({a, c}), DigestVerdict::kNotComparable);
  EXPECT_EQ(CompareDigests({c, a}), DigestVerdict::kNotComparable);
  EXPECT_EQ(CompareDigests({c, Digest("d", "dd", 7)}), DigestVerdict::kDifferent) << "neither holds more than the other";
  // Another class of the two tells all the same.
  EXPECT_EQ(CompareDigests({with("a", "aa", "a,c", "1"), with("c", "aa", "a,c", "2")}), DigestVerdict::kDifferent);
  fairlead::v1::StateDigest a2 = with("a", "aa", "a,c", "1");
  a2.mutable_classes(0)->set_audience("* but c");
  EXPECT_EQ(CompareDigests({a2, with("c", "cc", "a,c", "2")}), DigestVerdict::kDifferent);
  // Of records that are not for it a site may have some.
  EXPECT_EQ(CompareDigests({with("a", "aa", "a,b", "1"), with("c", "aa", "a,b", "2")}), DigestVerdict::kEqual);
}

TEST_F(RunTest, ImportsCountriesThenPorts) {
  const std::string regions = File("regions.csv", "alpha2,region,landlocked\nJP,APAC,N\nUS,HQ,N\n");
  const std::string iso = File("iso.json", R"({"3166-1": [{"alpha_2": "JP", "alpha_3": "JPN", "numeric": "392", "name": "Japan"},
                                                         {"alpha_2": "FR", "name": "France"}]})");
  Result result = Do({"import", "iso-codes", iso, "--regions", regions});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out,
            "read 2: created 1, updated 0, unchanged 0, refused 1\n"
            "LINE  KEY  REASON           MESSAGE\n"
            "2     FR   COUNTRY_UNKNOWN  the region table has no such country\n");
  EXPECT_EQ(hq_.countries().size(), 1u);
  apac_.Put(hq_.countries().at("countries/JP"));  // as replication does

  const std::string unlocode = File("ports.csv",
                                    "country,location,name,function,lat,lon\nJP,TYO,Tokyo,1-------,35.6,139.8\nJP,YOK,Yokohama,1-------,,\n"
                                    "JP,NRT,Narita,---4----,,\nFR,LEH,Le Havre,1-------,,\n");
  const std::string refused = (folder_ / "refused.jsonl").string();
  result = Do({"import", "unlocode", unlocode, "--refused", refused, "--progress", "--json"});
  EXPECT_EQ(result.code, 3);
  auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["read"], 4);
  EXPECT_EQ(json["skipped"], 1);
  EXPECT_EQ(json["created"], 1);
  EXPECT_EQ(json["updated"], 1);  // the source
  EXPECT_EQ(json["refused"], 1);
  EXPECT_THAT(result.err, HasSubstr("2/2 rows, "));
  std::ifstream lines(refused);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"line":5,"key":"FRLEH","reason":"COUNTRY_UNKNOWN","message":"there is no country FR"})");
  json = nlohmann::json::parse(Do({"import", "unlocode", unlocode, "--json"}).out);
  EXPECT_EQ(json["unchanged"], 2);
  EXPECT_EQ(json["created"].get<int>() + json["updated"].get<int>(), 0);
}

TEST_F(RunTest, ImportsRecordsFromJsonLines) {
  const std::string file = File("ports.jsonl", "{\"name\": \"ports/JPOSA\", \"displayName\": \"Osaka\"}\n\nnot json\n");
  const Result result = Do({"port", "import", file});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, StartsWith("read 2: created 1, updated 0, unchanged 0, refused 1\n"));
  EXPECT_EQ(apac_.ports().at("ports/JPOSA").display_name(), "Osaka");
  EXPECT_EQ(Do({"port", "import", "/nowhere"}).code, 4);
}

TEST_F(RunTest, CompletesVerbsFlagsAndChoices) {
  EXPECT_EQ(Do({"__complete", "--", "follow-up", "re"}).out, "reopen\n");
  EXPECT_EQ(Do({"__complete", "--", "engagement", "create", "--kind", "t"}).out, "technical-exchange\ntraining\n");
  EXPECT_EQ(Do({"__complete", "--", "port", "update", "JPYOK", "--ha"}).out, "--harbor-size\n");
  EXPECT_EQ(Do({"__complete", "--", "port", "list", "--js"}).out, "--json\n");
  EXPECT_EQ(Do({"__complete", "--", "completion", ""}).out, "");
  EXPECT_THAT(Do({"__complete", "--"}).out, HasSubstr("engagement\n"));
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Result result = Do({"completion", shell});
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.out, HasSubstr("__complete"));
  }
}

TEST_F(RunTest, CertsCommandsTellHowTheyEnded) {
  const std::string folder = (folder_ / "certs").string();
  EXPECT_EQ(Do({"certs", "init", "--network", "demo.example", "--sites", "apac,hq", "--out", folder}).code, 0);
  Result result = Do({"certs", "issue", "officer/apac/watch", "--dir", folder});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("officer/apac/watch "));
  EXPECT_EQ(Do({"certs", "issue", "officer/apac/watch", "--dir", folder}).code, 5);
  EXPECT_EQ(Do({"certs", "issue", "officer/mars/watch", "--dir", folder}).code, 4);
  EXPECT_EQ(Do({"certs"}).code, 2);
}

TEST_F(RunTest, TellsItsVersion) {
  EXPECT_THAT(Do({"version"}).out, testing::MatchesRegex("fairlead [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_TRUE(nlohmann::json::parse(Do({"version", "--json"}).out).contains("version"));
}

}  // namespace
}  // namespace fairlead::cli
