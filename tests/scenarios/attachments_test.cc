// Files that officers attach to records, through the command line against the whole network: over links that are cut and slow, past a node
// that is killed, and to no site that they are not for.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "client/attachment_upload.h"
#include "fairlead/v1/attachment_service.pb.h"
#include "tests/scenarios/cli_scenario.h"

namespace fairlead::scenarios {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr size_t kFileBytes = 3 << 20;

std::string Report(const std::string& what) {
  std::string text;
  for (int line = 0; text.size() < kFileBytes; ++line) text += fmt::format("{}, line {}\n", what, line);
  return text;
}

class Attachments : public CliScenario {
 protected:
  std::string Engagement(const std::vector<std::string>& audience = {}) {
    std::vector<std::string> create = {"engagement",    "create",    "--title", "A visit",  "--kind",
                                       "country-visit", "--country", "JP",      "--region", "apac"};
    for (const std::string& site : audience) create.insert(create.end(), {"--audience", site});
    return CliJson("apac", create)["name"];
  }
  // What the site says of the bytes; empty when it does not have the record.
  std::string BytesState(const std::string& site, const std::string& name) {
    v1::GetAttachmentRequest request;
    request.set_name(name);
    const auto found = cluster().Officer(site).Call<v1::Attachment>("fairlead.v1.AttachmentService.GetAttachment", request);
    return found.ok() ? v1::BytesState_Name(found->bytes_state()) : "";
  }
  // What `attachment get` writes at the site.
  std::string Downloaded(const std::string& site, const std::string& name) {
    const std::string path = folder_.path() + "/" + site;
    const framework::Ended ended = Cli(site, {"attachment", "get", name, "--output", path});
    EXPECT_EQ(ended.exit.code, 0) << ended.output;
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const storage::ScratchDirectory folder_;
};

TEST_F(Attachments, TheRecordComesFirstAndTheBytesFollowByWhoeverHasThem) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const std::string visit = Engagement();
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));

  cluster().SetLinks("apac", LinkState::kCut);
  const std::string text = Report("What was seen");
  const std::string file = File("report.txt", text);
  const json made = CliJson("apac", {"attachment", "add", file, "--subject", visit, "--title", "The report"});
  const std::string name = made["name"];
  EXPECT_EQ(made["bytesState"], "BYTES_STATE_HELD");
  EXPECT_EQ(made["sizeBytes"], std::to_string(text.size()));
  EXPECT_EQ(CliJson("apac", {"attachment", "add", file, "--subject", visit})["name"], name) << "it is attached already";
  EXPECT_EQ(BytesState("csa", name), "");

  // Of apac's links only that to headquarters comes back, and it is slow: the record is at csa long before the bytes are.
  cluster().SetRate("hq", "apac", 256 << 10);
  cluster().SetLink("hq", "apac", LinkState::kOpen);
  cluster().SetLink("apac", "hq", LinkState::kOpen);
  ASSERT_TRUE(Eventually([&] { return BytesState("csa", name) == "BYTES_STATE_AWAITED"; }));
  ExpectRefused("csa", {"attachment", "get", name, "--output", folder_.path() + "/early"}, kForbiddenNow, "does not have the bytes yet");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/early"));
  cluster().SetRate("hq", "apac", 0);
  ASSERT_TRUE(Eventually([&] { return BytesState("csa", name) == "BYTES_STATE_HELD"; }));
  EXPECT_EQ(Downloaded("csa", name), text);
  EXPECT_EQ(MetricsOf("csa").at("fairlead_attachment_bytes_held"), static_cast<double>(text.size()));

  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_TRUE(Eventually([&] { return BytesState("eame", name) == "BYTES_STATE_HELD"; }));
  const json listed = Everywhere({"attachment", "list", "--subject", visit})["attachments"];
  ASSERT_EQ(listed.size(), 1u) << listed.dump(1);
  EXPECT_EQ(listed[0]["title"], "The report");
  ExpectRefused("apac", {"attachment", "add", File("tool.exe", "MZ"), "--subject", visit}, kInvalid, "media_type");
  ExpectRefused("apac", {"attachment", "add", File("fake.pdf", "no such thing"), "--subject", visit}, kInvalid, "media_type");
  CliJson("hq", {"attachment", "withdraw", name});
  EXPECT_TRUE(Everywhere({"attachment", "list", "--subject", visit})["attachments"].empty());
}

TEST_F(Attachments, AnUploadGoesOnAtANodeThatWasKilledInTheMiddle) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const std::string visit = Engagement();
  const std::string text = Report("Seen before the power failed");
  const std::string file = File("report.txt", text);
  v1::Attachment draft;
  draft.set_subject(visit);
  const auto upload = client::AttachmentUpload::Open(file, draft);
  ASSERT_TRUE(Ok(upload));

  // The node dies once half of the file is durable there.
  client::Client& officer = cluster().Officer("apac");
  bool killed = false;
  client::CallOptions call;
  call.timeout = absl::Seconds(1);
  const auto cut = upload->Run(
      officer, "",
      [&](int64_t durable) {
        if (killed || durable < static_cast<int64_t>(text.size() / 2)) return;
        cluster().Kill("apac");
        killed = true;
      },
      call);
  ASSERT_TRUE(killed);
  EXPECT_FALSE(cut.ok());
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));

  v1::BeginUploadRequest begin;
  begin.set_sha256(upload->attachment().sha256());
  begin.set_size_bytes(upload->attachment().size_bytes());
  begin.set_media_type(upload->attachment().media_type());
  const auto found = officer.Call<v1::Upload>("fairlead.v1.AttachmentService.BeginUpload", begin);
  ASSERT_TRUE(Ok(found));
  EXPECT_GE(found->offset(), static_cast<int64_t>(text.size() / 2)) << "what was answered is durable";
  EXPECT_LT(found->offset(), static_cast<int64_t>(text.size()));
  EXPECT_TRUE(CliJson("apac", {"attachment", "list", "--subject", visit})["attachments"].empty());

  const std::string name = CliJson("apac", {"attachment", "add", file, "--subject", visit})["name"];
  ASSERT_TRUE(Eventually([&] { return BytesState("eame", name) == "BYTES_STATE_HELD"; }));
  EXPECT_EQ(Downloaded("apac", name), text);
  EXPECT_EQ(Downloaded("eame", name), text);
}

TEST_F(Attachments, ASiteThatTheyAreNotForNeverHasTheBytes) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const std::string visit = Engagement({"apac", "hq"});
  const std::string text = Report("For two sites");
  const json made = CliJson("apac", {"attachment", "add", File("report.txt", text), "--subject", visit});
  const std::string name = made["name"];
  ASSERT_TRUE(Eventually([&] { return BytesState("hq", name) == "BYTES_STATE_HELD"; }));
  EXPECT_EQ(Downloaded("hq", name), text);
  // An open one that came later is everywhere: the other had the time.
  const std::string open_visit = Engagement();
  const std::string open = CliJson("apac", {"attachment", "add", File("open.txt", "For all"), "--subject", open_visit})["name"];
  for (const char* site : {"eame", "csa"}) {
    ASSERT_TRUE(Eventually([&] { return BytesState(site, open) == "BYTES_STATE_HELD"; })) << site;
    EXPECT_EQ(BytesState(site, name), "") << site;
    const auto status = cluster().Status(site);
    ASSERT_TRUE(Ok(status));
    EXPECT_EQ(status->attachment_bytes_held(), 7) << site;
    EXPECT_EQ(status->attachments_wanted(), 0) << site;
  }
}

}  // namespace
}  // namespace fairlead::scenarios
