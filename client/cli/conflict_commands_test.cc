#include "client/cli/conflict_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "api/errors.h"
#include "client/cli/run.h"
#include "client/test_node.h"

namespace fairlead::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Result {
  int code;
  std::string out;
  std::string err;
};

constexpr char kName[] = "ports/JPYOK/conflicts/display_name";
constexpr char kSet[] = "engagements/E/conflicts/countries";

class ConflictCommandsTest : public testing::Test {
 protected:
  ConflictCommandsTest() {
    config_ = (std::filesystem::path(testing::TempDir()) / "conflict_commands.toml").string();
    std::ofstream(config_) << "network = \"demo.example\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"\n[[node]]\nsite = \"apac\"\n"
                           << "address = \"" << node_.address() << "\"\n";
    environment_.variable = [this](const char* name) { return std::string(name) == "FAIRLEAD_CONFIG" ? config_ : std::string(); };
    environment_.connect = [this](client::ClientOptions options) -> absl::StatusOr<std::unique_ptr<client::Client>> {
      options.retry = client::FastRetries();
      return std::make_unique<client::Client>(options, std::vector<std::shared_ptr<grpc::Channel>>{node_.Channel()});
    };
    v1::Conflict& conflict = node_.conflicts[kName];
    conflict.set_name(kName);
    conflict.set_etag("e1");
    conflict.set_record("ports/JPYOK");
    conflict.set_field("display_name");
    AddValue(&conflict, "aa11-0", "\"of eame\"", "eame")->set_shown(true);
    AddValue(&conflict, "bb22-0", "\"of apac\"", "apac");
    v1::Conflict& set = node_.conflicts[kSet];
    set.set_name(kSet);
    set.set_etag("e2");
    set.set_record("engagements/E");
    set.set_field("countries");
    AddValue(&set, "cc33-0", "\"countries/JP\"", "apac")->set_shown(true);
    AddValue(&set, "dd44-0", "\"countries/KR\"", "eame")->set_amendment(true);
    v1::ConflictValue* removal = AddValue(&set, "dd44-1", "", "eame");
    removal->set_amendment(true);
    removal->mutable_read(0)->set_value("\"countries/JP\"");
  }

  static v1::ConflictValue* AddValue(v1::Conflict* conflict, const std::string& id, const std::string& value, const std::string& site) {
    v1::ConflictValue* added = conflict->add_values();
    added->set_value_id(id);
    added->set_value(value);
    added->set_site(site);
    added->set_entry(site + "/1/7");
    added->set_actor("officer/" + site + "/watch");
    added->set_method("fairlead.v1.ReferenceService/UpdatePort");
    added->mutable_time()->set_seconds(1'777'636'800);
    v1::ReadValue* read = added->add_read();
    read->set_value("\"base\"");
    read->set_entry("hq/1/0");
    v1::LogPosition* applied = added->add_applied();
    applied->set_origin("demo.example/hq/1/main");
    applied->set_size(3);
    return added;
  }

  Result Do(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    environment_.out = &out;
    environment_.err = &err;
    const int code = cli::Run(arguments, environment_);
    return {code, out.str(), err.str()};
  }
  std::vector<std::string> Kept() const {
    const fairlead::v1::ResolveConflictRequest resolution = node_.resolutions().back();
    const auto& ids = resolution.keep().value_ids();
    return {ids.begin(), ids.end()};
  }

  client::TestNode node_{"apac"};
  std::string config_;
  Environment environment_;
};

TEST_F(ConflictCommandsTest, ListsThemAsATable) {
  const Result result = Do({"conflicts", "list", "-q"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME                                KIND       SITES      SHOWN           BESIDE IT\n"
            "engagements/E/conflicts/countries   amendment  apac eame  \"countries/JP\"  \"countries/KR\" (removal)\n"
            "ports/JPYOK/conflicts/display_name  edits      apac eame  \"of eame\"       \"of apac\"\n");
  EXPECT_EQ(Do({"conflicts", "list", "ports/JPYOK", "--collection", "ports", "--written-at", "eame", "--show-withdrawn"}).code, 0);
  const v1::ListConflictsRequest asked = node_.conflict_lists().back();
  EXPECT_EQ(asked.parent(), "ports/JPYOK");
  EXPECT_EQ(asked.collection(), "ports");
  EXPECT_EQ(asked.site(), "eame");
  EXPECT_TRUE(asked.show_withdrawn());
  const auto json = nlohmann::json::parse(Do({"conflicts", "list", "--limit", "1", "--json"}).out);
  ASSERT_EQ(json["conflicts"].size(), 1u);
  EXPECT_EQ(json["conflicts"][0]["name"], kSet);
  EXPECT_NE(json["nextPageToken"], "");
}

TEST_F(ConflictCommandsTest, ShowsWhoWroteWhatUponWhat) {
  const Result result = Do({"conflicts", "show", kName, "-q"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "ports/JPYOK/conflicts/display_name\n"
            "etag e1\n"
            "\n"
            "shown      \"of eame\"\n"
            "  id       aa11-0\n"
            "  written  2026-05-01T12:00:00Z by officer/eame/watch at eame, entry eame/1/7, UpdatePort\n"
            "  read     \"base\"  of entry hq/1/0\n"
            "  applied  hq:3\n"
            "\n"
            "other      \"of apac\"\n"
            "  id       bb22-0\n"
            "  written  2026-05-01T12:00:00Z by officer/apac/watch at apac, entry apac/1/7, UpdatePort\n"
            "  read     \"base\"  of entry hq/1/0\n"
            "  applied  hq:3\n");
  EXPECT_THAT(Do({"conflicts", "show", kSet}).out, HasSubstr("\namendment  (removal)\n"));
  EXPECT_EQ(nlohmann::json::parse(Do({"conflicts", "show", kName, "--json"}).out)["values"][1]["valueId"], "bb22-0");
  EXPECT_EQ(Do({"conflicts", "show", "ports/NONE/conflicts/display_name"}).code, 4);
}

TEST_F(ConflictCommandsTest, ResolvesByAValueWithTheEtagThatWasRead) {
  const Result result = Do({"conflicts", "resolve", kName, "--keep", "bb", "-q"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("display_name  settled\n"));
  EXPECT_THAT(Kept(), ElementsAre("bb22-0"));
  EXPECT_EQ(node_.resolutions().back().etag(), "e1");
  EXPECT_NE(node_.resolutions().back().request_id(), "");
  EXPECT_EQ(Do({"conflicts", "resolve", kName, "--keep", "bb"}).code, 4);
}

TEST_F(ConflictCommandsTest, ResolvesByWhatIsShownByAmendmentsOrByANewValue) {
  EXPECT_EQ(Do({"conflicts", "resolve", kName, "--keep-shown"}).code, 0);
  EXPECT_THAT(Kept(), ElementsAre("aa11-0"));
  const v1::Conflict set = node_.conflicts[kSet];
  const auto again = [&](const std::vector<std::string>& how) {
    node_.conflicts[kSet] = set;
    std::vector<std::string> arguments = {"conflicts", "resolve", kSet, "-q"};
    arguments.insert(arguments.end(), how.begin(), how.end());
    // The node answers with a port whatever the record: only what was asked is of interest.
    Do(arguments);
    return node_.resolutions().back();
  };
  EXPECT_TRUE(again({"--keep-shown"}).has_keep());
  EXPECT_THAT(Kept(), IsEmpty());
  again({"--accept"});
  EXPECT_THAT(Kept(), ElementsAre("dd44-0", "dd44-1"));
  again({"--keep", "dd44-1"});
  EXPECT_THAT(Kept(), ElementsAre("dd44-1"));
  EXPECT_EQ(again({"--value", "jp", "--value", "KR"}).value(), "[\"countries/JP\",\"countries/KR\"]");
  EXPECT_EQ(again({"--clear"}).value(), "null");
}

TEST_F(ConflictCommandsTest, WhatHasChangedIsCode5AndWrongUsageCode2) {
  const Result stale = Do({"conflicts", "resolve", kName, "--keep-shown", "--etag", "e0", "-q"});
  EXPECT_EQ(stale.code, 5);
  EXPECT_THAT(stale.err, HasSubstr("ETAG_MISMATCH"));
  EXPECT_EQ(nlohmann::json::parse(Do({"conflicts", "resolve", kName, "--keep-shown", "--etag", "e0", "--json"}).err)["error"]["reason"],
            "ETAG_MISMATCH");
  const size_t resolutions = node_.resolutions().size();
  for (const std::vector<std::string>& how : std::vector<std::vector<std::string>>{
           {},
           {"--keep-shown", "--accept"},
           {"--keep", "aa", "--value", "x"},
           {"--keep", "zz"},
           {"--keep", ""},
           {"--accept"},
       }) {
    std::vector<std::string> arguments = {"conflicts", "resolve", kName};
    arguments.insert(arguments.end(), how.begin(), how.end());
    const Result result = Do(arguments);
    EXPECT_EQ(result.code, 2) << testing::PrintToString(how) << result.err;
  }
  EXPECT_EQ(Do({"conflicts", "resolve", kSet, "--keep", "dd44"}).code, 2);  // two of them begin so
  EXPECT_EQ(Do({"conflicts"}).code, 2);
  EXPECT_EQ(node_.resolutions().size(), resolutions);
}

TEST_F(ConflictCommandsTest, AsksForDurabilityAndSaysWhoHoldsIt) {
  const Result result = Do({"--durability", "replicated:1", "conflicts", "resolve", kName, "--keep-shown"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("durable: replicated:1 eame\n"));
  EXPECT_THAT(node_.durabilities(), ElementsAre("", "replicated:1"));
  for (const char* wrong : {"replicated", "replicated:0", "replicated:x", "much"}) {
    const Result refused = Do({"conflicts", "list", "--durability", wrong});
    EXPECT_EQ(refused.code, 2) << wrong;
    EXPECT_THAT(refused.err, StartsWith("fairlead: --durability: "));
  }
}

TEST_F(ConflictCommandsTest, AreCompleted) {
  EXPECT_EQ(Do({"__complete", "--", "conflicts", ""}).out, "list\nresolve\nshow\n");
  EXPECT_THAT(Do({"__complete", "--", "conflicts", "resolve", "--k"}).out, "--keep\n--keep-shown\n");
  EXPECT_THAT(Do({"__complete", "--", "conflicts", "list", "--collection", "po"}).out, "portFacilities\nports\n");
  EXPECT_THAT(Do({"__complete", "--", "--durability", "l"}).out, "local\n");
}

}  // namespace
}  // namespace fairlead::cli
