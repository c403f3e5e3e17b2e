// Uploads, downloads and what nodes give each other, over the wire.

#include "server/rpc/attachment_methods.h"

#include <algorithm>

#include "api/bytes.h"
#include "api/crypto.h"
#include "fairlead/v1/attachment_service.grpc.pb.h"
#include "fairlead/v1/content_service.grpc.pb.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr AttachmentLimits kLimits{.file_bytes_max = 1 << 20, .uploads_max = 2, .upload_lifetime = absl::Hours(1)};

std::string HashOf(const std::string& bytes) { return HexEncode(AsView(Sha256(bytes))); }

// A text of two chunks and a little.
std::string Text() {
  std::string text;
  for (int line = 0; text.size() < 2 * node::kContentChunkBytes + 100; ++line) text += "line " + std::to_string(line) + "\n";
  return text;
}

class AttachmentMethodsTest : public ::testing::Test {
 protected:
  v1::Engagement MakeEngagement(const std::vector<std::string>& audience = {}) {
    v1::CreateCountryRequest country;
    country.set_country_id("JP");
    country.mutable_country()->set_display_name("Japan");
    country.mutable_country()->set_region(v1::REGION_APAC);
    officer_.Call<v1::Country>("ReferenceService/CreateCountry", country).IgnoreError();  // it may be there
    v1::CreateEngagementRequest request;
    v1::Engagement* engagement = request.mutable_engagement();
    engagement->set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
    engagement->set_title("A visit");
    engagement->add_countries("countries/JP");
    engagement->set_region(v1::REGION_APAC);
    engagement->set_marking(v1::MARKING_SENSITIVE);
    for (const std::string& site : audience) engagement->add_audience(site);
    const auto created = officer_.Call<v1::Engagement>("EngagementService/CreateEngagement", request);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.value_or(v1::Engagement());
  }
  static v1::Attachment Draft(const std::string& subject, const std::string& bytes) {
    v1::Attachment attachment;
    attachment.set_subject(subject);
    attachment.set_title("The report");
    attachment.set_file_name("report.txt");
    attachment.set_media_type("text/plain");
    attachment.set_size_bytes(static_cast<int64_t>(bytes.size()));
    attachment.set_sha256(HashOf(bytes));
    return attachment;
  }
  absl::StatusOr<v1::Upload> Begin(const Client& caller, const v1::Attachment& attachment) {
    v1::BeginUploadRequest request;
    request.set_sha256(attachment.sha256());
    request.set_size_bytes(attachment.size_bytes());
    request.set_media_type(attachment.media_type());
    return caller.Call<v1::Upload>("AttachmentService/BeginUpload", request);
  }
  static absl::StatusOr<v1::Upload> Write(const Client& caller, const v1::Upload& upload, const std::string& bytes) {
    v1::WriteChunkRequest request;
    request.set_name(upload.name());
    request.set_offset(upload.offset());
    request.set_data(bytes.substr(static_cast<size_t>(upload.offset()), static_cast<size_t>(upload.chunk_bytes())));
    return caller.Call<v1::Upload>("AttachmentService/WriteChunk", request);
  }
  // All chunks from where the upload is.
  void Upload(const Client& caller, const v1::Attachment& attachment, const std::string& bytes) {
    auto upload = Begin(caller, attachment);
    while (upload.ok() && upload->offset() < upload->size_bytes()) upload = Write(caller, *upload, bytes);
    ASSERT_TRUE(upload.ok()) << upload.status();
  }
  static absl::StatusOr<v1::Attachment> Finish(const Client& caller, const v1::Attachment& attachment, const std::string& request_id = "",
                                               bool validate_only = false) {
    v1::FinishUploadRequest request;
    *request.mutable_attachment() = attachment;
    request.set_request_id(request_id);
    request.set_validate_only(validate_only);
    return caller.Call<v1::Attachment>("AttachmentService/FinishUpload", request);
  }
  v1::Attachment Attach(const v1::Engagement& engagement, const std::string& bytes) {
    Upload(officer_, Draft(engagement.name(), bytes), bytes);
    const auto made = Finish(officer_, Draft(engagement.name(), bytes));
    EXPECT_TRUE(made.ok()) << made.status();
    return made.value_or(v1::Attachment());
  }
  static v1::ListAttachmentsResponse List(const Client& caller, const std::string& subject) {
    v1::ListAttachmentsRequest request;
    request.set_subject(subject);
    return caller.Call<v1::ListAttachmentsResponse>("AttachmentService/ListAttachments", request).value_or(v1::ListAttachmentsResponse());
  }
  static absl::StatusOr<std::string> Download(const Client& caller, const std::string& name, int64_t offset = 0) {
    v1::DownloadAttachmentRequest request;
    request.set_name(name);
    request.set_offset(offset);
    grpc::ClientContext context;
    const auto reader = v1::AttachmentService::NewStub(caller.channel())->DownloadAttachment(&context, request);
    std::string all;
    v1::DownloadAttachmentResponse piece;
    while (reader->Read(&piece)) {
      EXPECT_EQ(piece.offset(), offset + static_cast<int64_t>(all.size()));
      all += piece.data();
    }
    if (const absl::Status ended = FromGrpc(reader->Finish()); !ended.ok()) return ended;
    return all;
  }
  static absl::StatusOr<std::string> Fetch(const Client& caller, const std::string& sha256, int64_t offset = 0) {
    v1::FetchContentRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    grpc::ClientContext context;
    const auto reader = v1::ContentService::NewStub(caller.channel())->FetchContent(&context, request);
    std::string all;
    v1::FetchContentResponse piece;
    while (reader->Read(&piece)) all += piece.data();
    if (const absl::Status ended = FromGrpc(reader->Finish()); !ended.ok()) return ended;
    return all;
  }

  ManualClock clock_;
  TestSite apac_{"apac", &clock_, absl::Seconds(15), nullptr, nullptr, kLimits};
  Client officer_ = apac_.As("officer/apac/watch");
  Client other_ = apac_.As("officer/apac/other");
};

TEST_F(AttachmentMethodsTest, AFileIsUploadedAttachedListedAndDownloaded) {
  const v1::Engagement engagement = MakeEngagement();
  const std::string text = Text();
  const v1::Attachment made = Attach(engagement, text);
  EXPECT_THAT(made.name(), HasSubstr("attachments/"));
  EXPECT_EQ(made.bytes_state(), v1::BYTES_STATE_HELD);
  EXPECT_EQ(made.marking(), v1::MARKING_SENSITIVE) << "as its subject";
  const v1::ListAttachmentsResponse listed = List(officer_, engagement.name());
  ASSERT_THAT(listed.attachments(), SizeIs(1));
  EXPECT_EQ(listed.attachments(0).SerializeAsString(), made.SerializeAsString());
  EXPECT_EQ(*Download(officer_, made.name()), text);
  for (const int64_t offset : {int64_t{1}, int64_t{node::kContentChunkBytes}, static_cast<int64_t>(text.size())}) {
    EXPECT_EQ(*Download(officer_, made.name(), offset), text.substr(static_cast<size_t>(offset))) << offset;
  }
  EXPECT_THAT(Download(officer_, made.name(), -1), FailsWith("FIELD_INVALID", "offset"));
  EXPECT_THAT(Download(officer_, made.name(), static_cast<int64_t>(text.size()) + 1), FailsWith("FIELD_INVALID", "offset"));
  EXPECT_THAT(Download(officer_, "attachments/none"), FailsWith("RECORD_NOT_FOUND"));

  v1::UpdateAttachmentRequest update;
  *update.mutable_attachment() = made;
  update.mutable_attachment()->set_title("The final report");
  const auto renamed = officer_.Call<v1::Attachment>("AttachmentService/UpdateAttachment", update);
  ASSERT_TRUE(renamed.ok()) << renamed.status();
  EXPECT_EQ(renamed->title(), "The final report");
  EXPECT_EQ(renamed->bytes_state(), v1::BYTES_STATE_HELD);
  *update.mutable_attachment() = *renamed;
  update.mutable_attachment()->set_sha256(HashOf("other"));
  EXPECT_THAT(officer_.Call<v1::Attachment>("AttachmentService/UpdateAttachment", update),
              FailsWith("FIELD_IMMUTABLE", "attachment.sha256"));
  v1::WithdrawAttachmentRequest withdraw;
  withdraw.set_name(made.name());
  withdraw.set_etag(renamed->etag());
  ASSERT_TRUE(officer_.Call<v1::Attachment>("AttachmentService/WithdrawAttachment", withdraw).ok());
  EXPECT_THAT(List(officer_, engagement.name()).attachments(), IsEmpty());
}

TEST_F(AttachmentMethodsTest, AnUploadGoesOnAfterEveryCut) {
  const v1::Engagement engagement = MakeEngagement();
  const std::string text = Text();
  const v1::Attachment draft = Draft(engagement.name(), text);
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    // Each time by a new connection that knows nothing.
    const Client again = apac_.As("officer/apac/watch");
    const auto upload = Begin(again, draft);
    ASSERT_TRUE(upload.ok()) << upload.status();
    EXPECT_EQ(upload->offset(), chunk * static_cast<int64_t>(node::kContentChunkBytes));
    EXPECT_THAT(Finish(again, draft), FailsWith("FIELD_INVALID", "attachment.size_bytes"));
    EXPECT_THAT(List(officer_, engagement.name()).attachments(), IsEmpty());
    ASSERT_TRUE(Write(again, *upload, text).ok());
    const auto repeated = Write(again, *upload, text);  // the answer was lost
    ASSERT_TRUE(repeated.ok()) << repeated.status();
    v1::GetUploadRequest get;
    get.set_name(upload->name());
    EXPECT_EQ(again.Call<v1::Upload>("AttachmentService/GetUpload", get)->offset(), repeated->offset());
  }
  ASSERT_TRUE(Finish(officer_, draft).ok());
  EXPECT_EQ(Begin(officer_, draft)->offset(), static_cast<int64_t>(text.size())) << "bytes that are here need no upload";
}

TEST_F(AttachmentMethodsTest, ARetryOfTheEndHasOneEffect) {
  const v1::Engagement engagement = MakeEngagement();
  const std::string text = Text();
  const v1::Attachment draft = Draft(engagement.name(), text);
  Upload(officer_, draft, text);
  const std::string request_id = clock_.RequestId();
  ASSERT_TRUE(Finish(officer_, draft, request_id, /*validate_only=*/true).ok());
  EXPECT_THAT(List(officer_, engagement.name()).attachments(), IsEmpty());
  const auto first = Finish(officer_, draft, request_id);
  const auto second = Finish(officer_, draft, request_id);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
  EXPECT_THAT(List(officer_, engagement.name()).attachments(), SizeIs(1));
}

TEST_F(AttachmentMethodsTest, EveryRefusalNamesFieldAndRule) {
  const v1::Engagement engagement = MakeEngagement();
  const auto begin = [&](const std::function<void(v1::Attachment*)>& change) {
    v1::Attachment draft = Draft(engagement.name(), "text");
    change(&draft);
    return Begin(officer_, draft).status();
  };
  EXPECT_THAT(begin([](auto* a) { a->clear_sha256(); }), FailsWith("FIELD_REQUIRED", "sha256"));
  EXPECT_THAT(begin([](auto* a) { a->set_sha256("abc"); }), FailsWith("FIELD_INVALID", "sha256"));
  EXPECT_THAT(begin([](auto* a) { a->set_size_bytes(0); }), FailsWith("FIELD_INVALID", "size_bytes"));
  const absl::Status too_large = begin([](auto* a) { a->set_size_bytes((1 << 20) + 1); });
  EXPECT_THAT(too_large, FailsWith("FIELD_TOO_LARGE", "size_bytes"));
  EXPECT_THAT(std::string(too_large.message()), HasSubstr("1048576"));
  EXPECT_THAT(begin([](auto* a) { a->set_media_type("text/html"); }), FailsWith("FIELD_INVALID", "media_type"));

  v1::Attachment draft = Draft(engagement.name(), "text");
  EXPECT_THAT(Finish(officer_, draft), FailsWith("FIELD_INVALID", "attachment.sha256")) << "nothing was uploaded";
  draft.set_subject("engagements/none");
  Upload(officer_, draft, "text");
  EXPECT_THAT(Finish(officer_, draft), FailsWith("REFERENCE_NOT_FOUND", "attachment.subject"));
  draft.set_subject(engagement.name());
  draft.set_size_bytes(5);
  EXPECT_THAT(Finish(officer_, draft), FailsWith("FIELD_INVALID", "attachment.size_bytes"));
  draft.set_size_bytes(4);
  draft.set_file_name("a/b");
  EXPECT_THAT(Finish(officer_, draft), FailsWith("FIELD_INVALID", "attachment.file_name"));
  EXPECT_THAT(List(officer_, engagement.name()).attachments(), IsEmpty());
  draft.set_file_name("b");
  EXPECT_TRUE(Finish(officer_, draft).ok()) << "what was uploaded is there still";
}

TEST_F(AttachmentMethodsTest, BytesThatAreNotWhatTheyAreSaidToBeAreDropped) {
  const v1::Engagement engagement = MakeEngagement();
  v1::Attachment draft = Draft(engagement.name(), "text");
  draft.set_sha256(HashOf("TEXT"));
  Upload(officer_, draft, "text");
  const auto wrong_hash = Finish(officer_, draft);
  EXPECT_THAT(wrong_hash, FailsWith("FIELD_INVALID", "attachment.sha256"));
  EXPECT_THAT(std::string(wrong_hash.status().message()), HasSubstr(HashOf("text")));
  EXPECT_EQ(Begin(officer_, draft)->offset(), 0);

  draft = Draft(engagement.name(), "text");
  draft.set_media_type("application/pdf");
  Upload(officer_, draft, "text");
  EXPECT_THAT(Finish(officer_, draft), FailsWith("FIELD_INVALID", "attachment.media_type"));
  EXPECT_EQ(Begin(officer_, draft)->offset(), 0);
  // Nor are bytes that are here already another thing by another's word.
  ASSERT_TRUE(Attach(engagement, "text").has_create_time());
  EXPECT_THAT(Finish(other_, draft), FailsWith("FIELD_INVALID", "attachment.media_type"));
  draft.set_media_type("text/csv");
  EXPECT_TRUE(Finish(other_, draft).ok());
}

TEST_F(AttachmentMethodsTest, AnUploadIsItsCallersAlone) {
  const v1::Engagement engagement = MakeEngagement();
  const std::string text = Text();
  const auto upload = Begin(officer_, Draft(engagement.name(), text));
  ASSERT_TRUE(upload.ok());
  v1::GetUploadRequest get;
  get.set_name(upload->name());
  EXPECT_THAT(other_.Call<v1::Upload>("AttachmentService/GetUpload", get), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(Write(other_, *upload, text), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_NE(Begin(other_, Draft(engagement.name(), text))->name(), upload->name());
  get.set_name("uploads/7");
  EXPECT_THAT(officer_.Call<v1::Upload>("AttachmentService/GetUpload", get), FailsWith("FIELD_INVALID", "name"));
  ASSERT_TRUE(Begin(officer_, Draft(engagement.name(), "a")).ok());
  EXPECT_THAT(Begin(officer_, Draft(engagement.name(), "b")), FailsWith("LIMIT_REACHED"));
}

TEST_F(AttachmentMethodsTest, ASiteIsGivenBytesOnlyOfWhatIsForIt) {
  const std::string text = Text();
  const v1::Attachment open = Attach(MakeEngagement(), text);
  const v1::Attachment guarded = Attach(MakeEngagement({"apac", "hq"}), "for two sites");
  EXPECT_THAT(guarded.audience(), ElementsAre("apac", "hq"));
  const Client hq = apac_.As("node/hq");
  const Client eame = apac_.As("node/eame");
  EXPECT_EQ(*Fetch(hq, open.sha256()), text);
  EXPECT_EQ(*Fetch(eame, open.sha256(), node::kContentChunkBytes), text.substr(node::kContentChunkBytes));
  EXPECT_EQ(*Fetch(hq, guarded.sha256()), "for two sites");
  // What is not for a site and what is not there are one.
  const absl::Status refused = Fetch(eame, guarded.sha256()).status();
  const absl::Status absent = Fetch(eame, HashOf("nothing")).status();
  EXPECT_THAT(refused, FailsWith("RECORD_NOT_FOUND"));
  EXPECT_EQ(refused.message(), absent.message());
  EXPECT_EQ(refused.code(), absent.code());
  EXPECT_THAT(Fetch(eame, "abc"), FailsWith("FIELD_INVALID", "sha256"));
  EXPECT_THAT(Fetch(officer_, open.sha256()), FailsWith("PERMISSION_DENIED"));
}

TEST_F(AttachmentMethodsTest, ASiteWithTheRecordAloneSaysSo) {
  const v1::Attachment made = Attach(MakeEngagement(), Text());
  TestSite hq("hq", &clock_);
  hq.Receive(apac_);
  const Client reader = hq.As("hq/analyst/desk");
  v1::GetAttachmentRequest get;
  get.set_name(made.name());
  const auto there = reader.Call<v1::Attachment>("AttachmentService/GetAttachment", get);
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_EQ(there->bytes_state(), v1::BYTES_STATE_AWAITED);
  EXPECT_EQ(there->etag(), made.etag()) << "it is no part of the record";
  const absl::Status status = Download(reader, made.name()).status();
  EXPECT_THAT(status, FailsWith("STATE_FORBIDS"));
  EXPECT_EQ(MetadataOf(status, "bytes_state"), "AWAITED");
  const auto state = reader.Call<v1::NodeStatus>("NodeService/GetNodeStatus", v1::GetNodeStatusRequest());
  EXPECT_EQ(state->attachments_wanted(), 1);
  EXPECT_EQ(state->attachment_bytes_held(), 0);
}

}  // namespace
}  // namespace fairlead::rpc
