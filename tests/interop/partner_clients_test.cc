// The partner clients of client/partners, each as its own process before real nodes: what they show is what was released, in the same words
// in every language; a watch goes on over the loss of a node and at headquarters; a proposal comes back with its outcome; receipts hold
// without a node.

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/util/json_util.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "api/ids.h"
#include "fairlead/v1/audit_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "storage/scratch_directory.h"
#include "tests/framework/process.h"
#include "tests/interop/partner_scenario.h"

namespace fairlead::interop {
namespace {

using framework::Ended;
using framework::Process;
using framework::TestNetwork;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

struct Language {
  std::string name;
  std::vector<std::string> command;  // that runs its client
};
void PrintTo(const Language& language, std::ostream* out) { *out << language.name; }

const std::vector<Language>& Languages() {
  static const auto* const languages =
      new std::vector<Language>{{"node", {"/usr/bin/env", "node", "client/partners/node/main.js"}},
                                {"python",
                                 {"/usr/bin/env", "PYTHONPATH=" FAIRLEAD_PARTNER_PYTHON, "PYTHONFAULTHANDLER=1", "/usr/bin/python3",
                                  "client/partners/python/main.py"}},
                                {"cpp", {FAIRLEAD_PARTNER_BINARY}}};
  return *languages;
}

json Parsed(const std::string& line) { return json::parse(line, nullptr, /*allow_exceptions=*/false); }

std::vector<json> Lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (json parsed = Parsed(line); !parsed.is_discarded()) lines.push_back(std::move(parsed));
  }
  return lines;
}

std::string TextOf(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// The message in canonical JSON, by protobuf itself.
json Canonical(const google::protobuf::Message& message) {
  std::string text;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(message, &text).ok());
  return Parsed(text);
}

// What a watch has said, in short: "reset", the record's LOCODE, "-NAME", "complete".
std::vector<std::string> Told(const std::vector<json>& lines) {
  std::vector<std::string> told;
  for (const json& line : lines) {
    if (line.contains("reset")) told.push_back("reset");
    if (line.contains("record")) told.push_back(line["record"]["port"]["locode"]);
    if (line.contains("withdrawn")) told.push_back(fmt::format("-{}", line["withdrawn"].get<std::string>()));
    if (line.contains("complete")) told.push_back("complete");
  }
  return told;
}

class PartnerClients : public PartnerScenario {
 protected:
  // A configuration of a system of the nation, which knows these sites in this order.
  std::string Configuration(const std::string& nation, const std::vector<std::string>& sites) {
    const auto credentials = TestNetwork::Get().Of(fmt::format("partner/{}/portnet", nation));
    EXPECT_TRUE(Ok(credentials));
    json config = {{"network", framework::kNetworkName},
                   {"certificate", credentials->certificate_file},
                   {"key", credentials->key_file},
                   {"ca", credentials->ca_file},
                   {"nodes", json::array()}};
    for (const std::string& site : sites) config["nodes"].push_back({{"site", site}, {"address", cluster().address(site)}});
    std::string file = fmt::format("{}/{}-{}.json", files_.path(), nation, fmt::join(sites, "-"));
    std::ofstream(file) << config;
    return file;
  }
  std::vector<std::string> Command(const Language& language, const std::string& config, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = language.command;
    command.insert(command.end(), {"--config", config});
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }
  Ended Run(const Language& language, const std::string& nation, const std::vector<std::string>& arguments) {
    const auto ended = framework::RunToEnd(Command(language, Configuration(nation, {"apac", "hq"}), arguments), 2 * kPatience);
    EXPECT_TRUE(Ok(ended));
    return ended.value_or(Ended{{-1, 0}, ""});
  }
  // What a command that must succeed printed.
  std::vector<json> Answer(const Language& language, const std::string& nation, const std::vector<std::string>& arguments) {
    const Ended ended = Run(language, nation, arguments);
    EXPECT_EQ(ended.exit.code, 0) << ended.output;
    return Lines(ended.output);
  }
  std::string Path(const std::string& name) { return files_.path() + "/" + name; }

  const storage::ScratchDirectory files_;
};

class PartnerClient : public PartnerClients, public testing::WithParamInterface<Language> {};
INSTANTIATE_TEST_SUITE_P(All, PartnerClient, testing::ValuesIn(Languages()), [](const auto& info) { return info.param.name; });

TEST_P(PartnerClient, SeesWhatIsReleasedProposesAndAcknowledges) {
  ASSERT_NO_FATAL_FAILURE(StartNetwork());
  const Language& language = GetParam();
  std::vector<v1::Release> releases;
  for (const auto& [locode, name] : {std::pair("JPYOK", "Yokohama"), std::pair("JPTYO", "Tokyo"), std::pair("JPUKB", "K\u014dbe")}) {
    CreatePort(locode, name);
    releases.push_back(Release("apac", fmt::format("ports/{}", locode), "JP"));
  }
  CreatePort("JPOSA", "Osaka");  // is not released

  // What is listed, in pages of one, is what is released, and so is what is got.
  const auto released =
      Exchange<v1::ListReleasedRecordsResponse>("partner/JP/portnet", "hq", "ListReleasedRecords", v1::ListReleasedRecordsRequest());
  ASSERT_TRUE(Ok(released));
  ASSERT_EQ(released->records_size(), 3);
  const std::vector<json> listed = Answer(language, "JP", {"list", "--page-size", "1"});
  ASSERT_EQ(listed.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const json expected = Canonical(released->records(i));
    EXPECT_EQ(expected["port"]["position"]["longitude"], 139.6583333333);
    EXPECT_EQ(listed[i], expected);
    EXPECT_THAT(Answer(language, "JP", {"get", released->records(i).name()}), ElementsAre(expected));
  }
  // Another nation sees nothing of it: what is not its own is absent, and says so as what never was.
  EXPECT_THAT(Answer(language, "DE", {"list"}), testing::IsEmpty());
  const Ended others = Run(language, "DE", {"get", released->records(0).name()});
  EXPECT_EQ(others.exit.code, 1);
  EXPECT_THAT(others.output, StartsWith("NOT_FOUND (RECORD_NOT_FOUND): "));
  EXPECT_EQ(Run(language, "DE", {"get", "releasedRecords/0123456789abcdef0123456789abcdef"}).output, others.output);

  // A proposal is taken once, whatever it is sent twice, and its outcome comes back.
  const std::vector<std::string> submit = {"submit", "port",           "--subject",    "JPYOK",
                                           "--text", "A second gate.", "--request-id", NewRequestId(absl::ToUnixMillis(absl::Now()))};
  const std::vector<json> submitted = Answer(language, "JP", submit);
  ASSERT_EQ(submitted.size(), 1u);
  EXPECT_EQ(submitted[0]["outcome"], "SUGGESTION_OUTCOME_PENDING");
  EXPECT_THAT(Answer(language, "JP", submit), ElementsAre(submitted[0]));
  const auto proposals =
      cluster().Officer("apac").Call<v1::ListProposalsResponse>("fairlead.v1.ReleaseService.ListProposals", v1::ListProposalsRequest());
  ASSERT_TRUE(Ok(proposals));
  ASSERT_EQ(proposals->proposals_size(), 1);
  v1::MergeProposalRequest merge;
  merge.set_name(proposals->proposals(0).name());
  merge.set_etag(proposals->proposals(0).etag());
  merge.set_reason("Taken over in part.");
  ASSERT_TRUE(Ok(cluster().Officer("apac").Call<v1::Proposal>("fairlead.v1.ReleaseService.MergeProposal", merge)));
  const std::vector<json> decided = Answer(language, "JP", {"suggestion", submitted[0]["name"]});
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0]["outcome"], "SUGGESTION_OUTCOME_MERGED");
  EXPECT_EQ(decided[0]["reason"], "Taken over in part.");
  EXPECT_EQ(decided[0]["submitTime"], submitted[0]["submitTime"]);
  EXPECT_THAT(Answer(language, "JP", {"suggestions"}), ElementsAre(decided[0]));
  const std::vector<json> asked = Answer(language, "JP", {"ask", "--subject", "Drills", "--text", "How often?"});
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_THAT(Answer(language, "JP", {"question", asked[0]["name"]}), ElementsAre(asked[0]));

  // A recall comes as a withdrawal, and is acknowledged.
  Recall(releases[0]);
  const std::vector<json> withdrawals = Answer(language, "JP", {"withdrawals"});
  ASSERT_EQ(withdrawals.size(), 1u);
  const std::vector<json> acknowledged = Answer(language, "JP", {"acknowledge", withdrawals[0]["name"], "--remark", "Deleted."});
  ASSERT_EQ(acknowledged.size(), 1u);
  EXPECT_TRUE(acknowledged[0]["acknowledged"].get<bool>());
  const auto recalls =
      cluster().Officer("apac").Call<v1::ListRecallsResponse>("fairlead.v1.ReleaseService.ListRecalls", v1::ListRecallsRequest());
  ASSERT_TRUE(Ok(recalls));
  ASSERT_EQ(recalls->recalls_size(), 1);
  EXPECT_THAT(recalls->recalls(0).acknowledged(), ElementsAre("countries/JP"));
}

TEST_P(PartnerClient, ProvesWhatItSubmittedAndWasSent) {
  ASSERT_NO_FATAL_FAILURE(StartNetwork());
  const Language& language = GetParam();
  CreatePort("JPYOK", "Yokohama");
  Release("apac", "ports/JPYOK", "JP");
  const std::vector<json> sent = Answer(language, "JP", {"list"});
  ASSERT_EQ(sent.size(), 1u);
  const std::vector<json> asked = Answer(language, "JP", {"ask", "--subject", "Drills", "--text", "How often are drills held?"});
  ASSERT_EQ(asked.size(), 1u);

  // What is listed is the region's, as it says itself.
  const auto listed =
      Exchange<v1::ListExchangeReceiptsResponse>("partner/JP/portnet", "apac", "ListExchangeReceipts", v1::ListExchangeReceiptsRequest());
  ASSERT_TRUE(Ok(listed));
  ASSERT_EQ(listed->receipts_size(), 2);
  EXPECT_THAT(Answer(language, "JP", {"receipts"}), ElementsAre(Canonical(listed->receipts(0)), Canonical(listed->receipts(1))));
  EXPECT_THAT(Answer(language, "DE", {"receipts"}), testing::IsEmpty());
  const std::vector<json> delivered = Answer(language, "JP", {"receipts", "--record", sent[0]["name"]});
  const std::vector<json> submitted = Answer(language, "JP", {"receipts", "--record", asked[0]["name"]});
  ASSERT_EQ(delivered.size(), 1u);
  ASSERT_EQ(submitted.size(), 1u);
  EXPECT_EQ(delivered[0]["revision"], sent[0]["etag"]);

  // A receipt that is not proven yet is asked of the same node again; the other may not know of it.
  Answer(language, "JP", {"receipt", delivered[0]["name"], Path("sent.tlog-proof")});
  Answer(language, "JP", {"receipt", submitted[0]["name"], Path("asked.tlog-proof")});
  const std::vector<json> later = Answer(language, "JP", {"ask", "--subject", "More", "--text", "And exercises?"});
  ASSERT_EQ(later.size(), 1u);
  const std::vector<json> last = Answer(language, "JP", {"receipts", "--record", later[0]["name"]});
  ASSERT_EQ(last.size(), 1u);
  Answer(language, "JP", {"receipt", last[0]["name"], Path("last.tlog-proof")});
  Answer(language, "JP", {"consistency", Path("asked.tlog-proof"), Path("grown.consistency")});
  cluster().Kill("apac");
  cluster().Kill("hq");

  const auto verify = [](std::vector<std::string> arguments) {
    const std::filesystem::path folder = TestNetwork::Get().folder();
    arguments.insert(arguments.begin(), {FAIRLEAD_BINARY, "verify"});
    arguments.insert(arguments.end(), {"--roster", folder / "roster.note", "--root-key", folder / "root.vkey"});
    const auto ended = framework::RunToEnd(arguments, kPatience);
    EXPECT_TRUE(Ok(ended));
    return ended.value_or(Ended{{-1, 0}, ""});
  };
  const Ended of_sent = verify({"receipt", Path("sent.tlog-proof")});
  EXPECT_EQ(of_sent.exit.code, 0) << of_sent.output;
  EXPECT_THAT(of_sent.output, testing::AllOf(HasSubstr("countries/JP was sent fairlead.v1.ReleasedRecord"),
                                             HasSubstr(delivered[0]["revision"].get<std::string>()),
                                             HasSubstr("which the receipt does not hold"), testing::Not(HasSubstr("Yokohama"))));
  const Ended of_asked = verify({"receipt", Path("asked.tlog-proof")});
  EXPECT_EQ(of_asked.exit.code, 0) << of_asked.output;
  EXPECT_THAT(of_asked.output,
              testing::AllOf(HasSubstr("countries/JP submitted fairlead.v1.AskQuestionRequest"), HasSubstr("How often are drills held?")));
  const Ended grown = verify({"consistency", Path("asked.tlog-proof"), Path("grown.consistency")});
  EXPECT_EQ(grown.exit.code, 0) << grown.output;
  EXPECT_THAT(grown.output, testing::AllOf(HasSubstr("size         3\n"), HasSubstr("continues    size 2\n")));
  // A proof says nothing of another checkpoint.
  EXPECT_NE(verify({"consistency", Path("last.tlog-proof"), Path("grown.consistency")}).exit.code, 0);
}

TEST_P(PartnerClient, AWatchGoesOnWhenItsNodeIsKilledAndStartedAgain) {
  ASSERT_NO_FATAL_FAILURE(StartNetwork());
  CreatePort("JPYOK", "Yokohama");
  CreatePort("JPTYO", "Tokyo");
  Release("apac", "ports/JPYOK", "JP");
  const auto watch =
      Process::Start(Command(GetParam(), Configuration("JP", {"apac"}), {"watch", "--token-file", Path("token")}), Path("watch.out"));
  ASSERT_TRUE(Ok(watch));
  const auto told = [&] { return Told(Lines(TextOf(Path("watch.out")))); };
  ASSERT_TRUE(Eventually([&] { return told().size() == 3; })) << TextOf(Path("watch.out"));
  EXPECT_THAT(told(), ElementsAre("reset", "JPYOK", "complete"));

  cluster().Kill("apac");
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_TRUE(Eventually([&] { return told().size() == 4; }, 2 * kPatience)) << TextOf(Path("watch.out"));
  Release("apac", "ports/JPTYO", "JP");
  ASSERT_TRUE(Eventually([&] { return told().size() == 6; })) << TextOf(Path("watch.out"));
  // It held all there was: nothing was sent again.
  EXPECT_THAT(told(), ElementsAre("reset", "JPYOK", "complete", "complete", "JPTYO", "complete"));

  // Another process goes on from the file.
  const std::string token = Lines(TextOf(Path("watch.out"))).back()["resumeToken"].get<std::string>() + "\n";
  ASSERT_TRUE(Eventually([&] { return TextOf(Path("token")) == token; }));
  (*watch)->Signal(SIGKILL);
  ASSERT_TRUE((*watch)->Wait(kPatience).has_value());
  const std::vector<json> again = Answer(GetParam(), "JP", {"watch", "--until-complete", "--token-file", Path("token")});
  ASSERT_THAT(Told(again), ElementsAre("complete"));
  EXPECT_EQ(again[0]["resumeToken"].get<std::string>() + "\n", token);
  // A token that is none costs no more than to be sent everything.
  std::ofstream(Path("token")) << "nonsense\n";
  EXPECT_THAT(Told(Answer(GetParam(), "JP", {"watch", "--until-complete", "--token-file", Path("token")})),
              testing::UnorderedElementsAre("reset", "JPYOK", "JPTYO", "complete"));
  EXPECT_EQ(TextOf(Path("token")), token);
}

TEST_P(PartnerClient, AWatchAndCallsGoOnAtHeadquarters) {
  ASSERT_NO_FATAL_FAILURE(StartNetwork());
  CreatePort("JPYOK", "Yokohama");
  CreatePort("JPTYO", "Tokyo");
  Release("apac", "ports/JPYOK", "JP");
  const auto watch =
      Process::Start(Command(GetParam(), Configuration("JP", {"apac", "hq"}), {"watch", "--token-file", Path("token")}), Path("watch.out"));
  ASSERT_TRUE(Ok(watch));
  const auto told = [&] { return Told(Lines(TextOf(Path("watch.out")))); };
  ASSERT_TRUE(Eventually([&] { return told().size() == 3; })) << TextOf(Path("watch.out"));
  const std::vector<json> listed = Answer(GetParam(), "JP", {"list"});

  cluster().Kill("apac");
  ASSERT_TRUE(Eventually([&] { return told().size() == 4; })) << TextOf(Path("watch.out"));
  EXPECT_THAT(told(), ElementsAre("reset", "JPYOK", "complete", "complete"));
  const std::vector<json> lines = Lines(TextOf(Path("watch.out")));
  EXPECT_EQ(lines[2]["resumeToken"], lines[3]["resumeToken"]);
  EXPECT_EQ(Answer(GetParam(), "JP", {"list"}), listed);
  Release("hq", "ports/JPTYO", "JP", {"hq"});
  ASSERT_TRUE(Eventually([&] { return told().size() == 6; })) << TextOf(Path("watch.out"));
  EXPECT_EQ(told()[4], "JPTYO");
  const std::string token = Lines(TextOf(Path("watch.out"))).back()["resumeToken"].get<std::string>() + "\n";
  ASSERT_TRUE(Eventually([&] { return TextOf(Path("token")) == token; }));

  // A proposal, too; and the region, back again, knows of it and of where the watch was.
  const std::vector<json> submitted = Answer(GetParam(), "JP", {"submit", "port", "--subject", "JPTYO", "--text", "A second gate."});
  ASSERT_EQ(submitted.size(), 1u);
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  (*watch)->Signal(SIGTERM);
  const auto ended = (*watch)->Wait(kPatience);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 0) << ToString(*ended);
  const std::string apac = Configuration("JP", {"apac"});
  const auto resumed =
      framework::RunToEnd(Command(GetParam(), apac, {"watch", "--until-complete", "--token-file", Path("token")}), kPatience);
  ASSERT_TRUE(Ok(resumed));
  EXPECT_THAT(Told(Lines(resumed->output)), ElementsAre("complete")) << resumed->output;
  const auto known = framework::RunToEnd(Command(GetParam(), apac, {"suggestion", submitted[0]["name"]}), kPatience);
  ASSERT_TRUE(Ok(known));
  EXPECT_THAT(Lines(known->output), ElementsAre(submitted[0])) << known->output;
}

TEST_F(PartnerClients, AWatchIsOnRecordAlthoughItsNodeIsKilled) {
  ASSERT_NO_FATAL_FAILURE(StartNetwork());
  const auto watch = Process::Start(Command(Languages().back(), Configuration("JP", {"apac"}), {"watch"}), Path("watch.out"));
  ASSERT_TRUE(Ok(watch));
  const auto desk = cluster().Connect("hq/audit/desk", "hq");
  ASSERT_TRUE(Ok(desk));
  v1::QueryAuditEventsRequest request;
  request.set_kind(v1::AUDIT_KIND_PARTNER_READ);
  request.set_actor("partner/JP/portnet");
  const auto query = [&] { return (*desk)->Call<v1::QueryAuditEventsResponse>("fairlead.v1.AuditService.QueryAuditEvents", request); };
  ASSERT_TRUE(Eventually([&] {
    const auto found = query();
    return found.ok() && found->events_size() > 0;
  }));
  cluster().Kill("apac");
  const auto kept = query();
  ASSERT_TRUE(Ok(kept));
  ASSERT_EQ(kept->events_size(), 1);
  EXPECT_EQ(kept->events(0).method(), "ExchangeService/WatchReleasedRecords");
  EXPECT_EQ(kept->events(0).outcome(), "");
  EXPECT_EQ(kept->events(0).site(), "apac");
}

TEST_F(PartnerClients, AllSayTheSameOfWhatIsWrong) {
  ASSERT_NO_FATAL_FAILURE(StartNetwork());
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"submit", "facility", "--subject", "gate", "--text", "It has a second gate."},
       "^INVALID_ARGUMENT \\(FIELD_INVALID\\): .*\n  suggestion.subject: "},
      {{"submit", "port", "--subject", "JPYOK", "--text", "x", "--request-id", "17"},
       "^INVALID_ARGUMENT \\(FIELD_INVALID\\): .*\n  request_id: "},
      {{"acknowledge", "withdrawals/0123456789abcdef0123456789abcdef"}, "^NOT_FOUND \\(RECORD_NOT_FOUND\\): "}};
  for (const auto& [arguments, text] : wrong) {
    std::map<std::string, std::vector<std::string>> said;  // by whom
    for (const Language& language : Languages()) {
      const Ended ended = Run(language, "JP", arguments);
      EXPECT_EQ(ended.exit.code, 1) << language.name;
      EXPECT_THAT(ended.output, testing::ContainsRegex(text)) << language.name;
      said[ended.output].push_back(language.name);
    }
    EXPECT_EQ(said.size(), 1u) << testing::PrintToString(said);
  }
  // A proof is asked for by a receipt.
  std::ofstream(Path("none")) << "c2sp.org/tlog-proof@v1\nindex 0\n";
  for (const Language& language : Languages()) {
    const Ended ended = Run(language, "JP", {"consistency", Path("none"), Path("proof")});
    EXPECT_EQ(ended.exit.code, 1) << language.name;
    EXPECT_EQ(ended.output, "receipt: must be a C2SP tlog-proof, with the checkpoint of its log\n") << language.name;
    EXPECT_EQ(Run(language, "JP", {"receipt", "exchangeReceipts/0"}).exit.code, 2) << language.name;
    EXPECT_EQ(Run(language, "JP", {"get", "releasedRecords/0", Path("proof")}).exit.code, 2) << language.name;
  }
  for (const Language& language : Languages()) {
    EXPECT_EQ(Run(language, "JP", {"submit", "rumour", "--text", "x"}).exit.code, 2) << language.name;
  }
}

}  // namespace
}  // namespace fairlead::interop
