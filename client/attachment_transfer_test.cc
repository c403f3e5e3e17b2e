// Uploads and downloads against a node that loses answers, uploads and connections.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "api/errors.h"
#include "client/attachment_download.h"
#include "client/attachment_upload.h"
#include "client/test_server.h"
#include "fairlead/v1/attachment_service.grpc.pb.h"

namespace fairlead::client {
namespace {

namespace v1 = fairlead::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kChunk = 1000;

// Holds one upload and the attachments that were made. Thread safety: any thread.
class Node final : public v1::AttachmentService::Service {
 public:
  std::unique_ptr<Client> NewClient() const {
    ClientOptions options;
    options.nodes = {{"apac", server_.address()}};
    options.timeout = absl::Seconds(20);
    options.retry = {.backoff_initial = absl::Milliseconds(1), .backoff_max = absl::Milliseconds(2)};
    return std::make_unique<Client>(options, std::vector<std::shared_ptr<grpc::Channel>>{
                                                 grpc::CreateChannel(options.nodes[0].address, grpc::InsecureChannelCredentials())});
  }

  // Set before the calls.
  std::deque<grpc::Status> chunk_results;  // of the next chunks, which are taken before an error is answered
  std::deque<int> download_cuts;           // the next downloads break after so many pieces
  bool forget = false;                     // the next chunk finds no upload
  std::string downloads;

  std::string held;
  std::vector<int64_t> chunks;  // offsets, as they came
  int begun = 0;
  std::map<std::string, v1::Attachment> made;  // by request id
  std::vector<int64_t> downloaded;             // where each began

  grpc::Status BeginUpload(grpc::ServerContext*, const v1::BeginUploadRequest* request, v1::Upload* upload) override {
    ++begun;
    size_ = request->size_bytes();
    Fill(upload);
    return grpc::Status::OK;
  }
  grpc::Status WriteChunk(grpc::ServerContext*, const v1::WriteChunkRequest* request, v1::Upload* upload) override {
    if (std::exchange(forget, false)) {
      held.clear();
      return ToGrpc(Error(Reason::kRecordNotFound, "there is no such upload"));
    }
    chunks.push_back(request->offset());
    if (request->offset() == static_cast<int64_t>(held.size())) held += request->data();
    Fill(upload);
    if (chunk_results.empty()) return grpc::Status::OK;
    const grpc::Status result = chunk_results.front();
    chunk_results.pop_front();
    return result;
  }
  grpc::Status FinishUpload(grpc::ServerContext*, const v1::FinishUploadRequest* request, v1::Attachment* attachment) override {
    v1::Attachment& kept = made[request->request_id()];
    kept = request->attachment();
    kept.set_name("attachments/A");
    *attachment = kept;
    return grpc::Status::OK;
  }
  grpc::Status DownloadAttachment(grpc::ServerContext*, const v1::DownloadAttachmentRequest* request,
                                  grpc::ServerWriter<v1::DownloadAttachmentResponse>* writer) override {
    downloaded.push_back(request->offset());
    int left = 1000;
    if (!download_cuts.empty()) {
      left = download_cuts.front();
      download_cuts.pop_front();
    }
    for (auto at = static_cast<size_t>(request->offset()); at < downloads.size(); at += kChunk) {
      if (left-- == 0) return {grpc::StatusCode::UNAVAILABLE, "cut"};
      v1::DownloadAttachmentResponse piece;
      piece.set_offset(static_cast<int64_t>(at));
      piece.set_data(downloads.substr(at, kChunk));
      writer->Write(piece);
    }
    return grpc::Status::OK;
  }

 private:
  void Fill(v1::Upload* upload) const {
    upload->set_name("uploads/U");
    upload->set_size_bytes(size_);
    upload->set_offset(static_cast<int64_t>(held.size()));
    upload->set_chunk_bytes(kChunk);
  }

  int64_t size_ = 0;
  TestServer server_{this};
};

class AttachmentTransferTest : public ::testing::Test {
 protected:
  AttachmentTransferTest() : folder_(std::filesystem::temp_directory_path() / ("attachment-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~AttachmentTransferTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string File(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  static std::string TextOf(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  AttachmentUpload Open(const std::string& path) const {
    v1::Attachment draft;
    draft.set_subject("engagements/E");
    absl::StatusOr<AttachmentUpload> upload = AttachmentUpload::Open(path, draft);
    EXPECT_TRUE(upload.ok()) << upload.status();
    return *std::move(upload);
  }

  const std::string text_ = [] {
    std::string text;
    for (int i = 0; text.size() < 2500; ++i) text += std::to_string(i) + " ";
    return text;
  }();
  const std::filesystem::path folder_;
  Node node_;
  std::unique_ptr<Client> client_ = node_.NewClient();
};

TEST_F(AttachmentTransferTest, TheFileSaysWhatItIs) {
  const AttachmentUpload upload = Open(File("Report.PDF", text_));
  EXPECT_EQ(upload.attachment().file_name(), "Report.PDF");
  EXPECT_EQ(upload.attachment().media_type(), "application/pdf");
  EXPECT_EQ(upload.attachment().size_bytes(), static_cast<int64_t>(text_.size()));
  EXPECT_THAT(upload.attachment().sha256(), SizeIs(64));
  EXPECT_EQ(FieldOf(AttachmentUpload::Open(File("tool.exe", "MZ"), {}).status()), "media_type");
  EXPECT_TRUE(absl::IsNotFound(AttachmentUpload::Open(Path("none.pdf"), {}).status()));
  EXPECT_TRUE(absl::IsNotFound(AttachmentUpload::Open(folder_.string(), {}).status()));
}

TEST_F(AttachmentTransferTest, UploadsWhatIsMissingAndMakesTheRecordOnce) {
  node_.held = text_.substr(0, kChunk);  // of a run before
  std::vector<int64_t> progress;
  const auto made = Open(File("report.txt", text_)).Run(*client_, "0197a2f8-0000-7000-8000-000000000001", [&](int64_t durable) {
    progress.push_back(durable);
  });
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(node_.held, text_);
  EXPECT_THAT(node_.chunks, ElementsAre(kChunk, 2 * kChunk));
  EXPECT_THAT(progress, ElementsAre(kChunk, 2 * kChunk, static_cast<int64_t>(text_.size())));
  EXPECT_THAT(node_.made, SizeIs(1));
  EXPECT_EQ(made->name(), "attachments/A");
  EXPECT_TRUE(Open(Path("report.txt")).Run(*client_, "0197a2f8-0000-7000-8000-000000000001").ok());
  EXPECT_THAT(node_.made, SizeIs(1));
}

TEST_F(AttachmentTransferTest, AChunkWhoseAnswerWasLostIsSentAgain) {
  node_.chunk_results = {grpc::Status::OK, {grpc::StatusCode::UNAVAILABLE, "cut"}, grpc::Status::OK};
  ASSERT_TRUE(Open(File("report.txt", text_)).Run(*client_, "").ok());
  EXPECT_EQ(node_.held, text_);
  EXPECT_THAT(node_.chunks, ElementsAre(0, kChunk, kChunk, 2 * kChunk));
}

TEST_F(AttachmentTransferTest, AnUploadThatTheNodeHasForgottenBeginsAnew) {
  node_.held = text_.substr(0, kChunk);
  node_.forget = true;
  ASSERT_TRUE(Open(File("report.txt", text_)).Run(*client_, "").ok());
  EXPECT_EQ(node_.begun, 2);
  EXPECT_EQ(node_.held, text_);
}

TEST_F(AttachmentTransferTest, AnErrorThatDoesNotPassEndsIt) {
  node_.chunk_results = {ToGrpc(Error(Reason::kStorageFull, "no space"))};
  EXPECT_EQ(ReasonOf(Open(File("report.txt", text_)).Run(*client_, "").status()), "STORAGE_FULL");
  EXPECT_THAT(node_.made, IsEmpty());
}

TEST_F(AttachmentTransferTest, DownloadsGoOnAndAreWholeOrNotThere) {
  v1::Attachment attachment = Open(File("report.txt", text_)).attachment();
  attachment.set_name("attachments/A");
  node_.downloads = text_;
  node_.download_cuts = {1, 0};
  const std::string path = Path("copy.txt");
  ASSERT_TRUE(DownloadTo(path, attachment, *client_).ok());
  EXPECT_EQ(TextOf(path), text_);
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  EXPECT_THAT(node_.downloaded, ElementsAre(0, kChunk, kChunk));
  EXPECT_TRUE(absl::IsAlreadyExists(DownloadTo(path, attachment, *client_)));

  // What a run before has left is not fetched again.
  std::filesystem::remove(path);
  File("copy.txt.part", text_.substr(0, 1500));
  ASSERT_TRUE(DownloadTo(path, attachment, *client_).ok());
  EXPECT_EQ(TextOf(path), text_);
  EXPECT_EQ(node_.downloaded.back(), 1500);

  std::filesystem::remove(path);
  node_.downloads = std::string(text_.size(), '!');
  const absl::Status wrong = DownloadTo(path, attachment, *client_);
  EXPECT_TRUE(absl::IsDataLoss(wrong)) << wrong;
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

}  // namespace
}  // namespace fairlead::client
