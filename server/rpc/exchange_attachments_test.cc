// What a partner's nation is given of attachments: what was approved, and nothing beside it.

#include "server/rpc/exchange_attachments.h"

#include <algorithm>

#include "api/bytes.h"
#include "api/crypto.h"
#include "fairlead/v1/attachment_service.pb.h"
#include "fairlead/v1/exchange_service.grpc.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "server/records/release.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ExchangeAttachmentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* code : {"JP", "AU"}) {
      v1::CreateCountryRequest request;
      request.set_country_id(code);
      request.mutable_country()->set_display_name(code);
      request.mutable_country()->set_region(v1::REGION_APAC);
      Must<v1::Country>(officer_, "ReferenceService/CreateCountry", request);
    }
    v1::CreatePortRequest request;
    request.set_port_id("JPYOK");
    request.mutable_port()->set_display_name("Yokohama");
    request.mutable_port()->set_country("countries/JP");
    Must<v1::Port>(officer_, "ReferenceService/CreatePort", request);
  }
  v1::Attachment Attach(const std::string& file_name, const std::string& text, v1::Marking marking = v1::MARKING_UNSPECIFIED) {
    v1::Attachment draft;
    draft.set_subject("ports/JPYOK");
    draft.set_title("an internal title");
    draft.set_file_name(file_name);
    draft.set_media_type("text/plain");
    draft.set_size_bytes(static_cast<int64_t>(text.size()));
    draft.set_sha256(HexEncode(AsView(Sha256(text))));
    draft.set_marking(marking);
    v1::BeginUploadRequest begin;
    begin.set_sha256(draft.sha256());
    begin.set_size_bytes(draft.size_bytes());
    begin.set_media_type(draft.media_type());
    v1::WriteChunkRequest chunk;
    chunk.set_name(Must<v1::Upload>(officer_, "AttachmentService/BeginUpload", begin).name());
    chunk.set_data(text);
    Must<v1::Upload>(officer_, "AttachmentService/WriteChunk", chunk);
    v1::FinishUploadRequest finish;
    *finish.mutable_attachment() = draft;
    return Must<v1::Attachment>(officer_, "AttachmentService/FinishUpload", finish);
  }
  v1::PreviewReleaseResponse Preview(const std::string& nation, const std::string& replaces = "") {
    v1::PreviewReleaseRequest request;
    request.mutable_draft()->set_record("ports/JPYOK");
    request.mutable_draft()->set_purpose("A joint drill.");
    request.mutable_draft()->add_nations("countries/" + nation);
    if (!replaces.empty()) request.mutable_draft()->add_replaces(replaces);
    return Must<v1::PreviewReleaseResponse>(officer_, "ReleaseService/PreviewRelease", request);
  }
  v1::Release Release(const std::string& nation, const std::string& replaces = "") {
    v1::CreateReleaseRequest create;
    *create.mutable_release() = Preview(nation, replaces).release();
    const auto proposed = Must<v1::Release>(officer_, "ReleaseService/CreateRelease", create);
    v1::ApproveReleaseRequest approve;
    approve.set_name(proposed.name());
    approve.set_etag(proposed.etag());
    return Must<v1::Release>(hq_, "ReleaseService/ApproveRelease", approve);
  }
  static std::string RecordFor(const std::string& nation) {
    return "releasedRecords/" +
           exchange::Pseudonyms(TestCerts::Get().token_key()).Of("countries/" + nation, records::SubjectOf("ports/JPYOK"));
  }
  static absl::StatusOr<v1::ListReleasedAttachmentsResponse> List(const Client& partner, const std::string& parent, int page_size = 0,
                                                                  const std::string& token = "") {
    v1::ListReleasedAttachmentsRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return partner.Call<v1::ListReleasedAttachmentsResponse>("ExchangeService/ListReleasedAttachments", request);
  }
  static std::vector<std::string> Files(const Client& partner, const std::string& parent) {
    std::vector<std::string> files;
    const auto listed = List(partner, parent);
    EXPECT_TRUE(listed.ok()) << listed.status();
    if (!listed.ok()) return files;
    for (const auto& each : listed->attachments()) files.push_back(each.file_name());
    std::sort(files.begin(), files.end());
    return files;
  }
  static absl::StatusOr<std::string> Download(const Client& partner, const std::string& name, int64_t offset = 0) {
    v1::DownloadReleasedAttachmentRequest request;
    request.set_name(name);
    request.set_offset(offset);
    grpc::ClientContext context;
    const auto reader = v1::ExchangeService::NewStub(partner.channel())->DownloadReleasedAttachment(&context, request);
    std::string all;
    v1::DownloadReleasedAttachmentResponse piece;
    while (reader->Read(&piece)) all += piece.data();
    if (const absl::Status ended = FromGrpc(reader->Finish()); !ended.ok()) return ended;
    return all;
  }
  template <class Response, class Request>
  static Response Must(const Client& caller, const std::string& method, const Request& request) {
    const auto response = caller.Call<Response>(method, request);
    EXPECT_TRUE(response.ok()) << method << ": " << response.status();
    return response.value_or(Response());
  }

  ManualClock clock_;
  TestSite site_{"apac", &clock_};
  Client officer_ = site_.As("officer/apac/watch");
  Client hq_ = site_.As("hq/release/desk");
  Client jp_ = site_.As("partner/JP/registry");
  Client au_ = site_.As("partner/AU/registry");
};

TEST_F(ExchangeAttachmentsTest, WhatWasPreviewedAndApprovedIsGivenAndNothingThatCameLater) {
  const v1::Attachment made = Attach("plan.txt", "the plan");
  const v1::PreviewReleaseResponse preview = Preview("JP");
  ASSERT_THAT(preview.nations(), SizeIs(1));
  bool told = false;
  for (const auto& field : preview.nations(0).fields()) {
    if (field.field() != "attachments") continue;
    told = true;
    EXPECT_THAT(field.values(), ElementsAre("\"plan.txt\""));
  }
  EXPECT_TRUE(told) << preview.DebugString();
  const v1::Release first = Release("JP");
  Attach("later.txt", "came later");

  const std::string record = RecordFor("JP");
  const auto listed = List(jp_, record);
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_THAT(listed->attachments(), SizeIs(1));
  const v1::ReleasedAttachment& one = listed->attachments(0);
  EXPECT_EQ(one.file_name(), "plan.txt");
  EXPECT_EQ(one.media_type(), "text/plain");
  EXPECT_EQ(one.size_bytes(), 8);
  EXPECT_EQ(one.sha256(), made.sha256());
  EXPECT_EQ(one.name().find(record + "/attachments/"), 0u);
  const std::string wire = listed->SerializeAsString();
  for (const std::string& hidden : std::vector<std::string>{"internal title", "later", made.name().substr(12), "JPYOK"}) {
    EXPECT_THAT(wire, Not(HasSubstr(hidden)));
  }
  EXPECT_EQ(*Download(jp_, one.name()), "the plan");
  EXPECT_EQ(*Download(jp_, one.name(), 4), "plan");

  Release("JP", first.name());  // approved anew, as it is now
  EXPECT_THAT(Files(jp_, record), ElementsAre("later.txt", "plan.txt"));
}

// All sites hold receipts, and who knows the SHA-256 of bytes may name them in a record of its own and ask for them.
TEST_F(ExchangeAttachmentsTest, AReceiptDoesNotTellTheSha256OfTheBytes) {
  const v1::Attachment made = Attach("plan.txt", "the plan");
  Release("JP");
  const v1::ReleasedAttachment one = List(jp_, RecordFor("JP"))->attachments(0);
  ASSERT_EQ(*Download(jp_, one.name()), "the plan");
  ASSERT_EQ(*Download(jp_, one.name(), 4), "plan");
  v1::ListExchangeReceiptsRequest request;
  request.set_record(one.name());
  const auto receipts = Must<v1::ListExchangeReceiptsResponse>(jp_, "ExchangeService/ListExchangeReceipts", request);
  ASSERT_THAT(receipts.receipts(), SizeIs(1));
  EXPECT_EQ(receipts.receipts(0).revision(), HexEncode(AsView(Sha256(one.SerializeAsString()))));
  const std::unique_ptr<storage::Iterator> it = site_.node().store().Iterate(storage::Cf::kRecords, "partnerReceipts/", "partnerReceipts0");
  int held = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++held) {
    EXPECT_THAT(std::string(it->value()), Not(HasSubstr(made.sha256())));
    EXPECT_THAT(std::string(it->value()), Not(HasSubstr(std::string(AsView(Sha256("the plan"))))));
  }
  EXPECT_EQ(held, 1);
}

TEST_F(ExchangeAttachmentsTest, AnothersAndWhatThereIsNotAreOne) {
  Attach("plan.txt", "the plan");
  Release("JP");
  const std::string name = List(jp_, RecordFor("JP"))->attachments(0).name();
  const std::string made_up = name.substr(0, name.size() - 4) + "0000";
  const auto refusal = [](const absl::Status& status) { return std::string(status.message()) + ReasonOf(status); };
  for (const std::string& record : {RecordFor("JP"), RecordFor("AU"), std::string("releasedRecords/none"), std::string("ports/JPYOK")}) {
    EXPECT_EQ(refusal(List(au_, record).status()), "there is no such recordRECORD_NOT_FOUND") << record;
  }
  EXPECT_EQ(refusal(Download(au_, name).status()), "there is no such recordRECORD_NOT_FOUND");
  EXPECT_EQ(refusal(Download(jp_, made_up).status()), "there is no such recordRECORD_NOT_FOUND");
  EXPECT_THAT(List(officer_, RecordFor("JP")).status(), FailsWith("PERMISSION_DENIED"));
  Release("AU");
  EXPECT_NE(List(au_, RecordFor("AU"))->attachments(0).name(), name) << "nations cannot compare names";
}

TEST_F(ExchangeAttachmentsTest, AnAttachmentIsGuardedByItsOwnMarkingToo) {
  v1::Attachment plan = Attach("plan.txt", "the plan");
  Attach("secret.txt", "the secret", v1::MARKING_SENSITIVE);
  v1::Release release = Release("JP");
  EXPECT_THAT(Files(jp_, RecordFor("JP")), ElementsAre("plan.txt"));
  const std::string name = List(jp_, RecordFor("JP"))->attachments(0).name();

  v1::UpdateAttachmentRequest mark;
  *mark.mutable_attachment() = plan;
  mark.mutable_attachment()->set_marking(v1::MARKING_SENSITIVE);
  plan = Must<v1::Attachment>(officer_, "AttachmentService/UpdateAttachment", mark);
  EXPECT_THAT(Files(jp_, RecordFor("JP")), IsEmpty());
  EXPECT_THAT(Download(jp_, name), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(ExchangeAttachmentsTest, WithdrawalAndRecallEndIt) {
  const v1::Attachment plan = Attach("plan.txt", "the plan");
  Attach("map.txt", "the map");
  v1::Release release = Release("JP");
  v1::WithdrawAttachmentRequest withdraw;
  withdraw.set_name(plan.name());
  withdraw.set_etag(plan.etag());
  Must<v1::Attachment>(officer_, "AttachmentService/WithdrawAttachment", withdraw);
  EXPECT_THAT(Files(jp_, RecordFor("JP")), ElementsAre("map.txt"));
  v1::RecallReleaseRequest recall;
  recall.set_name(release.name());
  recall.set_etag(release.etag());
  recall.set_reason("spilled");
  Must<v1::Release>(officer_, "ReleaseService/RecallRelease", recall);
  EXPECT_THAT(List(jp_, RecordFor("JP")).status(), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(ExchangeAttachmentsTest, PagesAreTheNationsAndTheRecords) {
  for (const char* name : {"a.txt", "b.txt", "c.txt"}) Attach(name, name);
  Release("JP");
  const std::string record = RecordFor("JP");
  std::vector<std::string> files;
  std::string token;
  do {
    const auto page = List(jp_, record, 2, token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const auto& each : page->attachments()) files.push_back(each.file_name());
    token = page->next_page_token();
  } while (!token.empty());
  std::sort(files.begin(), files.end());
  EXPECT_THAT(files, ElementsAre("a.txt", "b.txt", "c.txt"));
  const std::string mine = List(jp_, record, 2)->next_page_token();
  Release("AU");
  EXPECT_THAT(List(au_, RecordFor("AU"), 2, mine), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
  EXPECT_THAT(List(jp_, "", 2), FailsWith("FIELD_REQUIRED", "parent"));
}

}  // namespace
}  // namespace fairlead::rpc
