// Bytes that come from peers which are cut off, lack them, or lie.

#include "server/rpc/content_fetcher.h"

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/errors.h"
#include "fairlead/v1/attachment.pb.h"
#include "fairlead/v1/content_service.grpc.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "server/node/node_testing.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(30);

std::string HashOf(const std::string& bytes) { return HexEncode(AsView(Sha256(bytes))); }

// A peer that gives what its test says. Thread safety: any thread.
class Peer final : public v1::ContentService::Service {
 public:
  Peer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Peer() override { server_->Shutdown(); }

  void Give(const std::string& bytes) {
    absl::MutexLock lock(&mu_);
    bytes_ = bytes;
  }
  // The next calls break after so many chunks.
  void BreakAfter(std::deque<int> chunks) {
    absl::MutexLock lock(&mu_);
    breaks_ = std::move(chunks);
  }
  // Where each call began.
  std::vector<int64_t> asked() const {
    absl::MutexLock lock(&mu_);
    return asked_;
  }
  ContentPeer As(const std::string& site) const {
    return {
        .site = site, .address = "127.0.0.1:" + std::to_string(port_), .credentials = [] { return grpc::InsecureChannelCredentials(); }};
  }

  grpc::Status FetchContent(grpc::ServerContext*, const v1::FetchContentRequest* request,
                            grpc::ServerWriter<v1::FetchContentResponse>* writer) override {
    std::string bytes;
    int left = 1 << 20;
    {
      absl::MutexLock lock(&mu_);
      asked_.push_back(request->offset());
      bytes = bytes_;
      if (!breaks_.empty()) {
        left = breaks_.front();
        breaks_.pop_front();
      }
    }
    if (bytes.empty()) return ToGrpc(Error(Reason::kRecordNotFound, "there is no such record"));
    for (auto at = static_cast<uint64_t>(request->offset()); at < bytes.size(); at += node::kContentChunkBytes) {
      if (left-- == 0) return {grpc::StatusCode::UNAVAILABLE, "cut"};
      v1::FetchContentResponse piece;
      piece.set_size_bytes(static_cast<int64_t>(bytes.size()));
      piece.set_offset(static_cast<int64_t>(at));
      piece.set_data(bytes.substr(at, node::kContentChunkBytes));
      writer->Write(piece);
    }
    return grpc::Status::OK;
  }

 private:
  mutable absl::Mutex mu_;
  std::string bytes_ ABSL_GUARDED_BY(mu_);
  std::deque<int> breaks_ ABSL_GUARDED_BY(mu_);
  std::vector<int64_t> asked_ ABSL_GUARDED_BY(mu_);
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ContentFetcherTest : public ::testing::Test {
 protected:
  // The record of an attachment with these bytes, which are not here.
  void Due(const std::string& bytes) {
    network_.clock().Advance(absl::Milliseconds(10));
    v1::Engagement engagement;
    engagement.set_title("a visit");
    ASSERT_TRUE(
        node::Write(*site_.node, node::RequestFor(*site_.node, "engagements/E", engagement, {"title"}, network_.clock().RequestId())).ok());
    v1::Attachment attachment;
    attachment.set_subject("engagements/E");
    attachment.set_size_bytes(static_cast<int64_t>(bytes.size()));
    attachment.set_sha256(HashOf(bytes));
    ASSERT_TRUE(node::Write(*site_.node, node::RequestFor(*site_.node, "attachments/" + HashOf(bytes).substr(0, 8), attachment,
                                                          {"subject", "size_bytes", "sha256"}, network_.clock().RequestId()))
                    .ok());
  }
  std::unique_ptr<ContentFetcher> Start(std::vector<ContentPeer> peers) {
    ContentFetcherOptions options;
    options.peers = std::move(peers);
    options.retry_min = absl::Milliseconds(5);
    options.retry_max = absl::Milliseconds(40);
    auto fetcher = std::make_unique<ContentFetcher>(std::move(options), &site_.node->contents(), [this] { return network_.clock().Now(); });
    fetcher->Start();
    return fetcher;
  }
  static bool Await(const std::function<bool()>& what) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!what()) {
      if (absl::Now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  bool AwaitHeld(const std::string& bytes) {
    return Await([&] {
      const auto content = node::FindContent(site_.node->store(), HashOf(bytes));
      return content.ok() && content->has_value();
    });
  }
  std::string Held(const std::string& bytes) {
    const auto content = node::FindContent(site_.node->store(), HashOf(bytes));
    std::string all;
    if (!content.ok() || !content->has_value()) return all;
    EXPECT_TRUE(node::VisitChunks(site_.node->store(), **content, [&all](std::string_view chunk) {
                  all.append(chunk);
                  return absl::OkStatus();
                }).ok());
    return all;
  }

  const std::string bytes_ = [] {
    std::string bytes(3 * node::kContentChunkBytes + 5, 'x');
    bytes[node::kContentChunkBytes] = 'y';
    return bytes;
  }();
  node::TestNetwork network_{{"apac", "eame", "hq"}};
  node::TestNetwork::Site site_ = network_.Open("hq");
  Peer apac_;
  Peer eame_;
};

TEST_F(ContentFetcherTest, AsksTheNextWhenOneDoesNotHaveThem) {
  Due(bytes_);
  eame_.Give(bytes_);
  const auto fetcher = Start({apac_.As("apac"), eame_.As("eame")});
  ASSERT_TRUE(AwaitHeld(bytes_));
  EXPECT_EQ(Held(bytes_), bytes_);
  EXPECT_EQ(site_.node->contents().wanted(), 0);
}

TEST_F(ContentFetcherTest, APeerThatMovesIsAskedWhereItIsNow) {
  Due(bytes_);
  eame_.Give(bytes_);
  std::atomic<int> looked{0};
  ContentPeer leader = eame_.As("hq");
  leader.find = [&looked, address = std::exchange(leader.address, "")]() -> std::string { return ++looked > 2 ? address : ""; };
  const auto fetcher = Start({leader});
  ASSERT_TRUE(AwaitHeld(bytes_));
  EXPECT_EQ(looked, 3);
}

TEST_F(ContentFetcherTest, GoesOnAfterTheLastChunkThatCame) {
  Due(bytes_);
  apac_.Give(bytes_);
  apac_.BreakAfter({0, 1, 2});
  const auto fetcher = Start({apac_.As("apac")});
  ASSERT_TRUE(AwaitHeld(bytes_));
  EXPECT_EQ(Held(bytes_), bytes_);
  constexpr int64_t kChunk = node::kContentChunkBytes;
  EXPECT_THAT(apac_.asked(), ElementsAre(0, 0, kChunk, 3 * kChunk));
}

TEST_F(ContentFetcherTest, WrongBytesAreDroppedAndAnotherIsAsked) {
  Due(bytes_);
  std::string lie = bytes_;
  lie[7] = '!';
  apac_.Give(lie);
  const auto fetcher = Start({apac_.As("apac"), eame_.As("eame")});
  ASSERT_TRUE(Await([&] { return !apac_.asked().empty() && eame_.asked().size() > 3; }));
  EXPECT_EQ(Held(bytes_), "");
  eame_.Give(bytes_);
  ASSERT_TRUE(AwaitHeld(bytes_));
  EXPECT_EQ(Held(bytes_), bytes_);
  EXPECT_THAT(apac_.asked(), SizeIs(1)) << "who lied is not asked again soon";
}

TEST_F(ContentFetcherTest, MoreThanTheRecordSaysIsNotTaken) {
  Due(bytes_);
  apac_.Give(bytes_ + "more");
  const auto fetcher = Start({apac_.As("apac"), eame_.As("eame")});
  ASSERT_TRUE(Await([&] { return !apac_.asked().empty() && eame_.asked().size() > 3; }));
  EXPECT_FALSE(site_.node->contents().Find(node::TransferId("node/apac", HashOf(bytes_)))->has_value());
  EXPECT_THAT(apac_.asked(), SizeIs(1));
}

TEST_F(ContentFetcherTest, WaitsUntilTheEntriesOfThePeerAreIn) {
  Due(bytes_);
  apac_.Give(bytes_);
  std::atomic<bool> behind = true;
  std::atomic<int> looked = 0;
  ContentPeer peer = apac_.As("apac");
  peer.behind = [&] {
    ++looked;
    return behind.load();
  };
  const auto fetcher = Start({peer});
  ASSERT_TRUE(Await([&] { return looked > 2; }));
  EXPECT_THAT(apac_.asked(), IsEmpty());
  behind = false;
  ASSERT_TRUE(AwaitHeld(bytes_));
}

TEST_F(ContentFetcherTest, WhatBecomesDueLaterComesAtAWake) {
  apac_.Give(bytes_);
  const auto fetcher = Start({apac_.As("apac")});
  Due(bytes_);
  fetcher->Wake();
  ASSERT_TRUE(AwaitHeld(bytes_));
}

}  // namespace
}  // namespace fairlead::rpc
