// What every commit log does: one suite, run over each implementation.

#include "server/node/commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "api/entry.h"
#include "api/errors.h"
#include "server/etcd/commit_log.h"
#include "server/etcd/packing.h"
#include "server/node/log_book.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"
#include "tests/etcd/log_testing.h"

namespace fairlead::etcd {
namespace {

using node::CommitLog;
using node::JournalItem;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr size_t kPlenty = 64 << 20;

// A log and the store beside it, which can be closed and opened again.
class Home {
 public:
  Home() { OpenStore(); }
  virtual ~Home() = default;
  storage::Store& store() { return *store_; }
  CommitLog& log() { return *log_; }
  void Reopen() {
    log_.reset();
    store_.reset();
    OpenStore();
    OpenLog();
  }
  virtual void OpenLog() = 0;

 private:
  void OpenStore() {
    auto opened = storage::OpenRocksDbStore({.path = scratch_.path()});
    if (!opened.ok()) throw std::runtime_error(opened.status().ToString());
    store_ = *std::move(opened);
  }
  const storage::ScratchDirectory scratch_;

 protected:
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<CommitLog> log_;
};

class EmbeddedHome : public Home {
 public:
  EmbeddedHome() { OpenLog(); }
  void OpenLog() override { log_ = std::make_unique<node::EmbeddedCommitLog>(store_.get(), Position(JournalEnd(*store_))); }
};

class EtcdHome : public Home {
 public:
  EtcdHome() : client_(OptionsOf(*SharedCluster())), options_{.prefix = NewPrefix(), .member = "first"} {
    PutInstance(store_.get(), "an instance");
    const absl::Status made = EtcdCommitLog::Create(&client_, options_, "an instance", Position(0));
    if (!made.ok()) throw std::runtime_error(made.ToString());
    OpenLog();
  }
  void OpenLog() override {
    Leadership leadership(&client_, {.prefix = options_.prefix, .member = "first", .ttl = absl::Minutes(5)});
    auto fence = leadership.Campaign();
    if (!fence.ok()) throw std::runtime_error(fence.status().ToString());
    if (*fence) fence_ = **fence;
    auto opened = EtcdCommitLog::Open(&client_, options_, store_.get());
    if (!opened.ok()) throw std::runtime_error(opened.status().ToString());
    (*opened)->SetFence(fence_);
    log_ = *std::move(opened);
  }

 private:
  EtcdClient client_;
  const EtcdLogOptions options_;
  Fence fence_;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Home>()> make;  // null: not on this machine
};

class CommitLogTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    home_ = GetParam().make();
    if (home_ == nullptr) GTEST_SKIP() << "etcd is not installed";
  }
  CommitLog& log() { return home_->log(); }
  absl::Status Append(uint64_t expected, const std::vector<JournalItem>& items) {
    return etcd::Append(&log(), &home_->store(), Position(expected), items);
  }
  std::vector<JournalItem> Read(uint64_t from, size_t bytes_max = kPlenty) {
    auto items = log().Read(Position(from), bytes_max);
    EXPECT_TRUE(items.ok()) << items.status();
    return items.ok() ? items->items : std::vector<JournalItem>();
  }
  uint64_t End() {
    const auto end = log().End();
    EXPECT_TRUE(end.ok()) << end.status();
    return end.ok() ? end->value() : ~uint64_t{0};
  }

  std::unique_ptr<Home> home_;
};

TEST_P(CommitLogTest, NewLogIsEmpty) {
  EXPECT_EQ(End(), 0u);
  EXPECT_THAT(Read(0), IsEmpty());
  EXPECT_TRUE(log().Read(Position(0), kPlenty)->last);
}

TEST_P(CommitLogTest, WhatIsAppendedIsReadInOrderAndFolded) {
  const std::vector<JournalItem> items = Entries(0, 5);
  ASSERT_TRUE(Append(0, {items[0], items[1], items[2]}).ok());
  EXPECT_EQ(End(), 3u);
  ASSERT_TRUE(Append(3, {items[3], items[4]}).ok());
  EXPECT_EQ(End(), 5u);
  EXPECT_THAT(Read(0), ElementsAreArray(items));
  EXPECT_EQ(JournalEnd(home_->store()), 5u);
  const auto payload = node::LogBook(home_->store()).Payload(items[4].dot);
  ASSERT_TRUE(payload.ok()) << payload.status();
  EXPECT_EQ(*payload, items[4].payload);
}

TEST_P(CommitLogTest, AnyPositionCanBeReadFrom) {
  const std::vector<JournalItem> items = Entries(0, 9);
  ASSERT_TRUE(Append(0, {items.begin(), items.begin() + 6}).ok());
  ASSERT_TRUE(Append(6, {items.begin() + 6, items.end()}).ok());
  for (ptrdiff_t from = 0; from <= 9; ++from) {
    EXPECT_THAT(Read(static_cast<uint64_t>(from)), ElementsAreArray(items.begin() + from, items.end())) << "from " << from;
  }
}

TEST_P(CommitLogTest, AppendAtAnotherPositionWritesNothing) {
  ASSERT_TRUE(Append(0, Entries(0, 2)).ok());
  EXPECT_EQ(Append(0, Entries(2, 1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Append(1, Entries(2, 1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Append(3, Entries(2, 1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(End(), 2u);
  EXPECT_THAT(Read(0), ElementsAreArray(Entries(0, 2)));
  EXPECT_EQ(JournalEnd(home_->store()), 2u);
  const auto header = node::LogBook(home_->store()).Headers(LogId(7), Seq(2), Seq(3));
  EXPECT_EQ(header.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(Append(2, Entries(2, 1)).ok());
}

TEST_P(CommitLogTest, WithheldPayloadsStayAway) {
  const std::vector<JournalItem> items = {Entry(0), Entry(1, std::nullopt), Entry(2, 0)};
  ASSERT_TRUE(Append(0, items).ok());
  EXPECT_THAT(Read(0), ElementsAreArray(items));
}

TEST_P(CommitLogTest, PayloadThatComesLateIsAnItemOfItsOwn) {
  ASSERT_TRUE(Append(0, {Entry(0, std::nullopt)}).ok());
  const JournalItem whole = Entry(0);
  ASSERT_TRUE(Append(1, {{whole.dot, "", whole.payload}, {whole.dot, "", std::nullopt}}).ok());
  const std::vector<JournalItem> read = Read(1);
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].dot, whole.dot);
  EXPECT_EQ(read[0].payload, whole.payload);
  EXPECT_EQ(read[1].dot, whole.dot);
}

TEST_P(CommitLogTest, ReadBringsAboutAsMuchAsIsAsked) {
  constexpr size_t kEntryBytes = 10 << 10;
  constexpr size_t kAsked = 50 << 10;
  const std::vector<JournalItem> items = Entries(0, 80, kEntryBytes);
  for (size_t at = 0; at < items.size(); at += 4) {
    ASSERT_TRUE(Append(at, {items.begin() + static_cast<ptrdiff_t>(at), items.begin() + static_cast<ptrdiff_t>(at) + 4}).ok());
  }
  std::vector<JournalItem> read;
  while (read.size() < items.size()) {
    const auto part = log().Read(Position(read.size()), kAsked);
    ASSERT_TRUE(part.ok()) << part.status();
    const std::vector<JournalItem>& some = part->items;
    ASSERT_FALSE(some.empty());
    EXPECT_EQ(part->last, read.size() + some.size() == items.size()) << "at " << read.size();
    EXPECT_LE(some.size() * kEntryBytes, kAsked + 4 * kEntryBytes);
    read.insert(read.end(), some.begin(), some.end());
  }
  EXPECT_THAT(read, ElementsAreArray(items));
  EXPECT_EQ(Read(0, 0).empty(), false) << "one item at least, however little is asked";
}

TEST_P(CommitLogTest, ManyEntriesAndTheLargestFitInOneAppend) {
  const std::vector<JournalItem> many = Entries(0, 5000);
  ASSERT_TRUE(Append(0, many).ok());
  EXPECT_THAT(Read(0), ElementsAreArray(many));
  const std::vector<JournalItem> largest = Entries(5000, 1, kPayloadBytesMax);
  ASSERT_TRUE(Append(5000, largest).ok());
  EXPECT_THAT(Read(5000), ElementsAreArray(largest));
  EXPECT_EQ(End(), 5001u);
}

TEST_P(CommitLogTest, BatchThatAddsNothingToTheJournalIsWritten) {
  ASSERT_TRUE(Append(0, Entries(0, 1)).ok());
  auto folded = home_->store().NewBatch();
  folded->Put(storage::Cf::kLinks, "eame", "position");
  ASSERT_TRUE(log().Append(Position(1), Position(1), {}, folded.get()).ok());
  EXPECT_EQ(End(), 1u);
  const auto link = home_->store().Get(storage::Cf::kLinks, "eame");
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(*link, "position");
}

TEST_P(CommitLogTest, LogIsThereWhenOpenedAgain) {
  ASSERT_TRUE(Append(0, Entries(0, 3)).ok());
  home_->Reopen();
  EXPECT_EQ(End(), 3u);
  ASSERT_TRUE(Append(3, Entries(3, 2)).ok());
  EXPECT_THAT(Read(0), ElementsAreArray(Entries(0, 5)));
}

TEST_P(CommitLogTest, PositionBeyondTheEndIsALoss) {
  ASSERT_TRUE(Append(0, Entries(0, 3)).ok());
  EXPECT_THAT(Read(3), IsEmpty());
  const auto beyond = log().Read(Position(4), kPlenty);
  EXPECT_EQ(beyond.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(beyond.status()), "STORE_DAMAGED");
}

INSTANTIATE_TEST_SUITE_P(All, CommitLogTest,
                         testing::Values(Kind{"Embedded", [] { return std::make_unique<EmbeddedHome>(); }},
                                         Kind{"Etcd",
                                              []() -> std::unique_ptr<Home> {
                                                if (SharedCluster() == nullptr) return nullptr;
                                                return std::make_unique<EtcdHome>();
                                              }}),
                         [](const testing::TestParamInfo<Kind>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fairlead::etcd
