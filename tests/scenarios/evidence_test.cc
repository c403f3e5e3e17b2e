// What leaves a node and must hold without it: exported logs, receipts, proofs and backups, by the programs that people use.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "certs/files.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

namespace fs = std::filesystem;
using framework::Ended;
using framework::TestNetwork;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr int kExitUnproven = 8;  // of the command line
constexpr int kExitStart = 4;     // of fairlead-node
constexpr int kExitDamaged = 5;

std::string BytesOf(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void FlipByte(const fs::path& from, const fs::path& to, size_t at) {
  std::string bytes = BytesOf(from);
  ASSERT_LT(at, bytes.size());
  bytes[at] ^= 1;
  std::ofstream(to, std::ios::binary | std::ios::trunc) << bytes;
}

class Evidence : public Scenario {
 protected:
  void Start(const std::string& settings = "") {
    ClusterOptions options;
    options.sites = {"apac", "hq"};
    options.settings = settings;
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
  }
  std::string File(const std::string& name) const { return files_.path() + "/" + name; }
  // The command line as an identity, asking the node of `site`.
  Ended Fairlead(const std::string& identity, const std::string& site, std::vector<std::string> arguments) {
    const auto credentials = TestNetwork::Get().Of(identity);
    EXPECT_TRUE(Ok(credentials));
    std::string config = fmt::format("network = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\nca = \"{}\"\n", framework::kNetworkName,
                                     credentials->certificate_file, credentials->key_file, credentials->ca_file);
    for (const std::string& each : cluster().sites()) {
      config += fmt::format("[[node]]\nsite = \"{}\"\naddress = \"{}\"\n", each, cluster().address(each));
    }
    std::ofstream(File("fairlead.toml"), std::ios::trunc) << config;
    arguments.insert(arguments.begin(), {FAIRLEAD_BINARY, "--config", File("fairlead.toml"), "--site", site, "-q"});
    return Run(arguments);
  }
  // The same, without configuration or node.
  Ended Verify(std::vector<std::string> arguments) {
    const fs::path folder = TestNetwork::Get().folder();
    arguments.insert(arguments.begin(), {FAIRLEAD_BINARY, "verify"});
    arguments.insert(arguments.end(), {"--roster", folder / "roster.note", "--root-key", folder / "root.vkey"});
    return Run(arguments);
  }
  Ended Node(const std::string& command, const std::string& site, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {cluster().node_binary(), command, "--config", cluster().config_file(site)});
    return Run(arguments);
  }
  static Ended Run(const std::vector<std::string>& arguments) {
    const auto ended = framework::RunToEnd(arguments, kPatience);
    EXPECT_TRUE(Ok(ended));
    return ended.value_or(Ended{{-1, 0}, ""});
  }
  static testing::AssertionResult Succeeded(const Ended& ended) {
    if (ended.exit == framework::Exit()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << ToString(ended.exit) << ": " << ended.output;
  }
  static testing::AssertionResult FailedWith(const Ended& ended, int code, const std::string& text) {
    if (ended.exit.code == code && ended.output.find(text) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << ToString(ended.exit) << ": " << ended.output;
  }

 private:
  const storage::ScratchDirectory files_;
};

TEST_F(Evidence, APartnersReceiptsAndTheAuditAreVerifiedWithoutANode) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const std::string partner = "partner/JP/portnet";
  const std::string desk = "hq/audit/desk";
  ASSERT_TRUE(Succeeded(Fairlead(partner, "apac", {"exchange", "ask", "--subject", "Drills", "--text", "How often are drills held?"})));
  EXPECT_EQ(Fairlead(partner, "apac", {"exchange", "get", "releasedRecords/0123456789abcdef0123456789abcdef"}).exit.code, 4);
  const Ended listed = Fairlead(partner, "apac", {"exchange", "receipts", "--json"});
  ASSERT_TRUE(Succeeded(listed));
  const size_t at = listed.output.find("exchangeReceipts/");
  ASSERT_NE(at, std::string::npos) << listed.output;
  const std::string name = listed.output.substr(at, listed.output.find('"', at) - at);
  ASSERT_TRUE(Eventually([&] { return Succeeded(Fairlead(partner, "apac", {"exchange", "receipt", name, File("asked.tlog-proof")})); }));
  ASSERT_TRUE(Succeeded(Fairlead(partner, "apac", {"exchange", "ask", "--subject", "More", "--text", "And exercises?"})));
  ASSERT_TRUE(Eventually([&] {
    return Succeeded(Fairlead(partner, "apac", {"exchange", "consistency", File("asked.tlog-proof"), File("grown.consistency")}));
  }));
  // What was refused is in the audit, once it is gathered.
  ASSERT_TRUE(Eventually([&] {
    const Ended denials = Fairlead(desk, "apac", {"audit", "export", "--kind", "denial", "--actor", "partner/JP/"});
    return Succeeded(denials) && denials.output.find("ExchangeService/GetReleasedRecord") != std::string::npos;
  }));
  ASSERT_TRUE(Succeeded(Fairlead(desk, "apac", {"audit", "export", File("audit.jsonl")})));
  ASSERT_TRUE(Eventually([&] {
    return Succeeded(Fairlead(desk, "apac", {"log", "export", "apac/1/audit", File("audit.log")})) &&
           BytesOf(File("audit.log")).find("ExchangeService/GetReleasedRecord") != std::string::npos;
  }));
  EXPECT_EQ(Fairlead("officer/apac/watch", "apac", {"log", "export", "apac/1/audit", File("denied.log")}).exit.code, 6);
  EXPECT_EQ(Fairlead("officer/apac/watch", "apac", {"audit", "list"}).exit.code, 6);
  cluster().Kill("apac");
  cluster().Kill("hq");

  const Ended asked = Verify({"receipt", File("asked.tlog-proof")});
  EXPECT_TRUE(Succeeded(asked));
  EXPECT_THAT(asked.output,
              AllOf(HasSubstr("log          test.fairlead.example/apac/1/partner-JP\n"),
                    HasSubstr("countries/JP submitted fairlead.v1.AskQuestionRequest"), HasSubstr("How often are drills held?")));
  EXPECT_TRUE(Succeeded(Verify({"consistency", File("asked.tlog-proof"), File("grown.consistency")})));
  const Ended audit = Verify({"log", File("audit.log")});
  EXPECT_TRUE(Succeeded(audit));
  EXPECT_THAT(audit.output, HasSubstr("log          test.fairlead.example/apac/1/audit\n"));
  EXPECT_THAT(BytesOf(File("audit.jsonl")), AllOf(HasSubstr("AUDIT_KIND_DENIAL"), HasSubstr("AUDIT_KIND_PARTNER_SUBMISSION")));
  // One word of the audit, changed afterwards.
  const size_t word = BytesOf(File("audit.log")).find("ExchangeService/GetReleasedRecord");
  ASSERT_NO_FATAL_FAILURE(FlipByte(File("audit.log"), File("edited.log"), word));
  EXPECT_EQ(Verify({"log", File("edited.log")}).exit.code, kExitUnproven);
}

TEST_F(Evidence, WhatANodeGaveOutIsVerifiedWithoutIt) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const std::string officer = "officer/apac/watch";
  ASSERT_TRUE(Ok(Create(cluster().Officer("apac"), EngagementAt("apac", "First"))));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ASSERT_TRUE(Succeeded(Fairlead(officer, "apac", {"log", "checkpoint", "apac", File("old.checkpoint")})));
  Writers writers(&cluster(), "apac", 4);
  ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= 300; }));  // more than a block
  // While it is written to, from the origin and from another.
  ASSERT_TRUE(Succeeded(Fairlead(officer, "apac", {"log", "export", "apac", File("apac.log")})));
  ASSERT_TRUE(Succeeded(Fairlead(officer, "hq", {"log", "export", "apac/1/main", File("apac-of-hq.log")})));
  ASSERT_TRUE(Ok(writers.Stop()));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const auto& [name, title] = writers.acknowledged().front();
  ASSERT_TRUE(Succeeded(Fairlead(officer, "hq", {"log", "receipt", name, File("named.tlog-proof"), "--payload"})));
  ASSERT_TRUE(Succeeded(Fairlead(officer, "hq", {"log", "receipt", "apac/1/17", File("17.tlog-proof")})));
  ASSERT_TRUE(Succeeded(Fairlead(officer, "hq", {"log", "consistency", File("old.checkpoint"), File("apac.consistency")})));
  EXPECT_EQ(Fairlead("gateway/web", "hq", {"log", "export", "apac", File("denied.log")}).exit.code, 6);
  EXPECT_FALSE(fs::exists(File("denied.log")));
  EXPECT_EQ(Fairlead(officer, "hq", {"log", "receipt", "apac/1/99999", File("absent.tlog-proof")}).exit.code, 4);
  cluster().Kill("apac");
  cluster().Kill("hq");

  EXPECT_TRUE(Succeeded(Verify({"checkpoint", File("old.checkpoint")})));
  for (const char* file : {"apac.log", "apac-of-hq.log"}) {
    const Ended verified = Verify({"log", File(file)});
    EXPECT_TRUE(Succeeded(verified));
    EXPECT_THAT(verified.output,
                AllOf(HasSubstr("log          test.fairlead.example/apac/1/main\n"), HasSubstr(", 0 withheld, 0 erased\n")));
  }
  const Ended named = Verify({"receipt", File("named.tlog-proof")});
  EXPECT_TRUE(Succeeded(named));
  EXPECT_THAT(named.output, AllOf(HasSubstr("actor        officer/apac/watch\n"),
                                  HasSubstr("method       fairlead.v1.EngagementService/CreateEngagement\n"), HasSubstr(name)));
  const Ended seventeenth = Verify({"receipt", File("17.tlog-proof")});
  EXPECT_TRUE(Succeeded(seventeenth));
  EXPECT_THAT(seventeenth.output,
              AllOf(HasSubstr("entry        17\n"), HasSubstr("the payload is not in this receipt"), Not(HasSubstr("actor"))));
  EXPECT_TRUE(Succeeded(Verify({"consistency", File("old.checkpoint"), File("apac.consistency")})));

  // One bit, at places all over the file.
  const std::string log = BytesOf(File("apac.log"));
  const size_t first_entry = log.size() / 300;
  for (size_t at = first_entry; at < log.size(); at += log.size() / 20) {
    ASSERT_NO_FATAL_FAILURE(FlipByte(File("apac.log"), File("flipped.log"), at));
    const Ended flipped = Verify({"log", File("flipped.log")});
    EXPECT_EQ(flipped.exit.code, kExitUnproven) << at;
    EXPECT_THAT(flipped.output, AllOf(HasSubstr("flipped.log: entr"), HasSubstr("of test.fairlead.example/apac/1/main: "))) << at;
  }
  // The title is in the payload, and the payload is named.
  ASSERT_NO_FATAL_FAILURE(FlipByte(File("apac.log"), File("flipped.log"), log.find("First")));
  EXPECT_TRUE(FailedWith(Verify({"log", File("flipped.log")}), kExitUnproven,
                         "entry 0 of test.fairlead.example/apac/1/main: its payload does not have the digest that its header states"));
  EXPECT_TRUE(FailedWith(Verify({"receipt", File("apac.log")}), 3, "receipt: the first line"));
  EXPECT_TRUE(FailedWith(Verify({"log", File("absent.log")}), 2, "cannot read"));
}

// With nothing but openssl and a shell, as api/VERIFYING.md says.
TEST_F(Evidence, ACheckpointIsVerifiedByOpenssl) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_TRUE(Succeeded(Fairlead("officer/hq/watch", "hq", {"log", "checkpoint", "hq", File("hq.checkpoint")})));
  constexpr char kScript[] = R"(set -e; cd "$1"
origin=$(head -n 1 hq.checkpoint)
sed '/^$/,$d' hq.checkpoint >text
grep -F -- "— $origin " hq.checkpoint | cut -d' ' -f3 | base64 -d | tail -c 64 >signature
vkey=$(grep -F " $origin+" "$2" | cut -d' ' -f6)
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; printf %s "${vkey#*+*+}" | base64 -d | tail -c 32; } >key.der
openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile signature
)";
  const std::string folder = fs::path(File("x")).parent_path();
  const std::string roster = TestNetwork::Get().folder() / "roster.note";
  const Ended verified = Run({"/bin/sh", "-c", kScript, "sh", folder, roster});
  EXPECT_TRUE(Succeeded(verified));
  EXPECT_THAT(verified.output, HasSubstr("Signature Verified Successfully"));
  std::string bytes = BytesOf(File("hq.checkpoint"));
  bytes.insert(bytes.find('\n') + 1, "1");  // another size
  std::ofstream(File("hq.checkpoint"), std::ios::trunc) << bytes;
  EXPECT_NE(Run({"/bin/sh", "-c", kScript, "sh", folder, roster}).exit.code, 0);
}

TEST_F(Evidence, ABackupMadeUnderLoadIsRestoredAndRecoversTheRest) {
  ASSERT_NO_FATAL_FAILURE(Start("backups = \"backups\""));
  const std::string officer = "officer/apac/watch";
  Writers writers(&cluster(), "apac", 4);
  ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= 100; }));
  const Ended created = Fairlead(officer, "apac", {"backup", "create", "--json"});
  ASSERT_TRUE(Succeeded(created));
  const size_t at_backup = writers.acknowledged_count();
  ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= at_backup + 100; }));
  ASSERT_TRUE(Ok(writers.Stop()));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));

  std::vector<fs::path> backups;
  for (const auto& entry : fs::directory_iterator(cluster().folder("apac") + "/backups")) backups.push_back(entry.path());
  ASSERT_THAT(backups, SizeIs(1));
  const std::string id = backups[0].filename();
  EXPECT_THAT(created.output, HasSubstr("backups/" + id));
  EXPECT_THAT(Fairlead(officer, "apac", {"backup", "list"}).output, HasSubstr(id));
  EXPECT_TRUE(Succeeded(Fairlead(officer, "apac", {"backup", "verify", id})));
  EXPECT_EQ(Fairlead(officer, "apac", {"backup", "delete", id}).exit.code, 6);
  // It holds no key of the node, in no form that its files have.
  const fs::path keys = TestNetwork::Get().folder() / "node" / "apac";
  std::vector<std::string> secrets;
  for (const char* key : {"log.key", "mirror.key", "token.key", "tls.key"}) {
    const std::string text = BytesOf(keys / key);
    ASSERT_FALSE(text.empty()) << key;
    const size_t line = text.find('\n');  // of a PEM, the line after the first is the key
    secrets.push_back(text.starts_with("-----BEGIN") ? text.substr(line + 1, text.find('\n', line + 1) - line - 1) : text);
    ASSERT_GE(secrets.back().size(), 16u) << key;
  }
  for (const auto& entry : fs::recursive_directory_iterator(backups[0])) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = BytesOf(entry.path());
    for (const std::string& secret : secrets) EXPECT_EQ(bytes.find(secret), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find("PRIVATE KEY"), std::string::npos) << entry.path();
  }

  EXPECT_TRUE(FailedWith(Node("fsck", "apac"), kExitStart, "open in another process"));
  ASSERT_TRUE(Ok(cluster().Stop("apac")));
  const Ended whole = Node("fsck", "apac");
  EXPECT_TRUE(Succeeded(whole));
  EXPECT_THAT(whole.output, HasSubstr("clean\n"));
  EXPECT_TRUE(FailedWith(Node("restore", "apac", {"--backup", id}), kExitStart, "a backup is restored into an empty folder"));
  fs::rename(cluster().data_folder("apac"), cluster().folder("apac") + "/lost");
  EXPECT_TRUE(FailedWith(Node("restore", "apac", {"--backup", "20000101-000000"}), kExitStart, "there is no backups/20000101-000000"));
  ASSERT_TRUE(Succeeded(Node("restore", "apac", {"--backup", "backups/" + id})));
  const Ended restored = Node("fsck", "apac");
  EXPECT_TRUE(Succeeded(restored));
  EXPECT_THAT(restored.output, HasSubstr("clean\n"));

  // Its peers hold what it wrote after the backup; it has that from them, and then all that was acknowledged.
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const auto tally = Count(cluster().Officer("apac"), writers.acknowledged());
  ASSERT_TRUE(Ok(tally));
  EXPECT_EQ(tally->found, writers.acknowledged().size());
  EXPECT_EQ(tally->duplicated, 0u);
  ASSERT_TRUE(Eventually([&] {
    const auto status = cluster().Status("apac");
    return status.ok() && status->writable();
  })) << "every peer has been heard";
  EXPECT_TRUE(Ok(Create(cluster().Officer("apac"), EngagementAt("apac", "After the restoration"))));
  EXPECT_TRUE(Succeeded(Fairlead("hq/analyst/desk", "apac", {"backup", "delete", id})));
  EXPECT_FALSE(fs::exists(backups[0]));
}

TEST_F(Evidence, FsckNamesTheFamilyOfADamagedFile) {
  ASSERT_NO_FATAL_FAILURE(Start("backups = \"backups\""));
  Writers writers(&cluster(), "apac", 4);
  ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= 200; }));
  ASSERT_TRUE(Ok(writers.Stop()));
  ASSERT_TRUE(Succeeded(Fairlead("officer/apac/watch", "apac", {"backup", "create"})));  // brings all to files
  ASSERT_TRUE(Ok(cluster().Stop("apac")));
  // The largest is that of payloads or of records.
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(cluster().data_folder("apac"))) {
    if (entry.path().extension() == ".sst" && (largest.empty() || entry.file_size() > fs::file_size(largest))) largest = entry.path();
  }
  ASSERT_FALSE(largest.empty());
  ASSERT_NO_FATAL_FAILURE(FlipByte(largest, largest, 100));
  const Ended damaged = Node("fsck", "apac");
  EXPECT_EQ(damaged.exit.code, kExitDamaged) << damaged.output;
  EXPECT_THAT(
      damaged.output,
      AllOf(testing::ContainsRegex("(headers|payloads|records|revisions|requests|derived|indexes) (-|after .*): .*checksum mismatch"),
            HasSubstr(largest.filename().string()), HasSubstr("found\n")));
}

}  // namespace
}  // namespace fairlead::scenarios
