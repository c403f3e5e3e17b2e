// What every Store does: one suite, run over each implementation.

#include "storage/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/memory_store.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"

namespace fairlead::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// A store that can be closed and opened again.
class Home {
 public:
  virtual ~Home() = default;
  virtual Store& store() = 0;
  virtual void Reopen() = 0;
};

class MemoryHome : public Home {
 public:
  Store& store() override { return *store_; }
  void Reopen() override { store_ = store_->Crash(std::numeric_limits<size_t>::max()); }

 private:
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>();
};

class RocksDbHome : public Home {
 public:
  RocksDbHome() { Open(); }
  Store& store() override { return *store_; }
  void Reopen() override {
    store_.reset();
    Open();
  }

 private:
  void Open() {
    auto opened = OpenRocksDbStore({.path = scratch_.path()});
    if (!opened.ok()) throw std::runtime_error(opened.status().ToString());
    store_ = std::move(*opened);
  }
  const ScratchDirectory scratch_;
  std::unique_ptr<Store> store_;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Home>()> make;
};

class StoreTest : public testing::TestWithParam<Kind> {
 protected:
  Store& store() { return home_->store(); }
  void Put(Cf cf, std::string_view key, std::string_view value, Sync sync = Sync::kNo) {
    auto batch = store().NewBatch();
    batch->Put(cf, key, value);
    ASSERT_TRUE(store().Write(batch.get(), sync).ok());
  }
  void Delete(Cf cf, std::string_view key) {
    auto batch = store().NewBatch();
    batch->Delete(cf, key);
    ASSERT_TRUE(store().Write(batch.get(), Sync::kNo).ok());
  }
  static std::optional<std::string> Get(const View& view, Cf cf, std::string_view key) {
    auto got = view.Get(cf, key);
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : std::nullopt;
  }
  static Pairs Forward(const View& view, Cf cf, std::string_view lower = {}, std::string_view upper = {}) {
    Pairs out;
    auto it = view.Iterate(cf, lower, upper);
    for (it->SeekToFirst(); it->Valid(); it->Next()) out.emplace_back(it->key(), it->value());
    EXPECT_TRUE(it->status().ok()) << it->status();
    return out;
  }
  static Pairs Backward(const View& view, Cf cf, std::string_view lower = {}, std::string_view upper = {}) {
    Pairs out;
    auto it = view.Iterate(cf, lower, upper);
    for (it->SeekToLast(); it->Valid(); it->Prev()) out.emplace_back(it->key(), it->value());
    EXPECT_TRUE(it->status().ok()) << it->status();
    return out;
  }

  const std::unique_ptr<Home> home_ = GetParam().make();
};

TEST_P(StoreTest, StartsWithItsFormatVersionOnly) {
  std::string format;
  PutU32(&format, kFormatVersion);
  for (size_t i = 0; i < kCfCount; ++i) {
    const Cf cf = static_cast<Cf>(i);
    Pairs expected;
    if (cf == Cf::kMeta) expected.emplace_back(kMetaFormat, format);
    EXPECT_EQ(Forward(store(), cf), expected) << kCfNames[i];
  }
}

TEST_P(StoreTest, AnAbsentKeyIsNotAnEmptyOne) {
  Put(Cf::kRecords, "empty", "");
  EXPECT_EQ(Get(store(), Cf::kRecords, "empty"), "");
  EXPECT_EQ(Get(store(), Cf::kRecords, "absent"), std::nullopt);
  EXPECT_EQ(Get(store(), Cf::kDerived, "empty"), std::nullopt);
}

TEST_P(StoreTest, ClosingKeepsSyncedAndUnsyncedWrites) {
  Put(Cf::kRecords, "synced", "1", Sync::kYes);
  Put(Cf::kRecords, "unsynced", "2", Sync::kNo);
  home_->Reopen();
  EXPECT_THAT(Forward(store(), Cf::kRecords), ElementsAre(Pair("synced", "1"), Pair("unsynced", "2")));
}

TEST_P(StoreTest, FamiliesAreApart) {
  for (size_t i = 0; i < kCfCount; ++i) Put(static_cast<Cf>(i), "k", "value " + std::to_string(i));
  Delete(Cf::kTree, "k");
  home_->Reopen();
  for (size_t i = 0; i < kCfCount; ++i) {
    const Cf cf = static_cast<Cf>(i);
    EXPECT_EQ(Get(store(), cf, "k"), cf == Cf::kTree ? std::nullopt : std::optional("value " + std::to_string(i)));
  }
}

TEST_P(StoreTest, ABatchIsAppliedInItsOrder) {
  Put(Cf::kRecords, "gone", "before");
  auto batch = store().NewBatch();
  batch->Put(Cf::kRecords, "a", "1");
  batch->Put(Cf::kRecords, "a", "2");
  batch->Delete(Cf::kRecords, "b");
  batch->Put(Cf::kRecords, "b", "3");
  batch->Put(Cf::kRecords, "c", "4");
  batch->Delete(Cf::kRecords, "c");
  batch->Delete(Cf::kRecords, "gone");
  batch->Delete(Cf::kRecords, "never there");
  batch->Put(Cf::kLogs, "a", "another family");
  ASSERT_TRUE(store().Write(batch.get(), Sync::kYes).ok());
  EXPECT_THAT(Forward(store(), Cf::kRecords), ElementsAre(Pair("a", "2"), Pair("b", "3")));
  EXPECT_EQ(Get(store(), Cf::kLogs, "a"), "another family");
}

TEST_P(StoreTest, ABatchIsNotThereBeforeItIsWritten) {
  auto batch = store().NewBatch();
  batch->Put(Cf::kRecords, "a", "1");
  EXPECT_EQ(Get(store(), Cf::kRecords, "a"), std::nullopt);
  batch.reset();
  EXPECT_EQ(Get(store(), Cf::kRecords, "a"), std::nullopt);
}

TEST_P(StoreTest, AClearedBatchIsEmptyAndUsable) {
  auto batch = store().NewBatch();
  const size_t empty = batch->bytes();
  batch->Put(Cf::kRecords, "a", std::string(1000, 'x'));
  EXPECT_GE(batch->bytes(), empty + 1001);
  batch->Clear();
  EXPECT_EQ(batch->bytes(), empty);
  batch->Put(Cf::kRecords, "b", "2");
  ASSERT_TRUE(store().Write(batch.get(), Sync::kNo).ok());
  EXPECT_THAT(Forward(store(), Cf::kRecords), ElementsAre(Pair("b", "2")));
}

TEST_P(StoreTest, AnEmptyBatchIsWritten) {
  auto batch = store().NewBatch();
  EXPECT_TRUE(store().Write(batch.get(), Sync::kYes).ok());
  EXPECT_THAT(Forward(store(), Cf::kRecords), IsEmpty());
}

TEST_P(StoreTest, IteratesBothWaysWithinHalfOpenBounds) {
  for (const char* key : {"a", "b", "ba", "c", "d"}) Put(Cf::kIndexes, key, std::string("=") + key);
  EXPECT_THAT(Forward(store(), Cf::kIndexes, "b", "c"), ElementsAre(Pair("b", "=b"), Pair("ba", "=ba")));
  EXPECT_THAT(Backward(store(), Cf::kIndexes, "b", "c"), ElementsAre(Pair("ba", "=ba"), Pair("b", "=b")));
  EXPECT_THAT(Forward(store(), Cf::kIndexes, "bb"), ElementsAre(Pair("c", "=c"), Pair("d", "=d")));
  EXPECT_THAT(Backward(store(), Cf::kIndexes, "", "b"), ElementsAre(Pair("a", "=a")));
  EXPECT_EQ(Forward(store(), Cf::kIndexes).size(), 5u);
  EXPECT_EQ(Backward(store(), Cf::kIndexes).size(), 5u);
  for (auto [lower, upper] : Pairs{{"bb", "bc"}, {"b", "b"}, {"c", "b"}, {"e", ""}, {"", "A"}}) {
    EXPECT_THAT(Forward(store(), Cf::kIndexes, lower, upper), IsEmpty()) << lower << ".." << upper;
    EXPECT_THAT(Backward(store(), Cf::kIndexes, lower, upper), IsEmpty()) << lower << ".." << upper;
  }
}

TEST_P(StoreTest, AnIteratorOwnsItsBounds) {
  for (const char* key : {"a", "b", "c"}) Put(Cf::kIndexes, key, key);
  std::string lower = "b", upper = "c";
  auto it = store().Iterate(Cf::kIndexes, lower, upper);
  lower = "a";
  upper = "d";
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "b");
  it->Next();
  EXPECT_FALSE(it->Valid());
}

TEST_P(StoreTest, SeekFindsTheFirstKeyNotLessWithinTheBounds) {
  for (const char* key : {"a", "c", "e", "g"}) Put(Cf::kIndexes, key, key);
  auto it = store().Iterate(Cf::kIndexes, "b", "f");
  EXPECT_FALSE(it->Valid());
  auto seek = [&](std::string_view key) {
    it->Seek(key);
    return it->Valid() ? std::string(it->key()) : "none";
  };
  EXPECT_EQ(seek("c"), "c");
  EXPECT_EQ(seek("d"), "e");
  EXPECT_EQ(seek("a"), "c");
  EXPECT_EQ(seek(""), "c");
  EXPECT_EQ(seek("f"), "none");
  EXPECT_EQ(seek("z"), "none");
  EXPECT_EQ(seek("e"), "e");
  it->Prev();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "c");
  it->Next();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "e");
  it->Next();
  EXPECT_FALSE(it->Valid());
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  it->Prev();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

TEST_P(StoreTest, BytesAreJustBytes) {
  const std::string zero(1, '\0'), ff(3, '\xff'), mixed("a\0b\xff", 4);
  Pairs written = {{"", "empty key"}, {zero, ""}, {mixed, zero + mixed}, {"ab", std::string(1 << 20, '\x80')}, {ff, ff}};
  for (const auto& [key, value] : written) Put(Cf::kPayloads, key, value);
  EXPECT_EQ(Forward(store(), Cf::kPayloads), written);  // in unsigned byte order
  home_->Reopen();
  EXPECT_EQ(Forward(store(), Cf::kPayloads), written);
  for (const auto& [key, value] : written) EXPECT_EQ(Get(store(), Cf::kPayloads, key), value);
  EXPECT_EQ(Get(store(), Cf::kPayloads, std::string(2, '\0')), std::nullopt);
  Delete(Cf::kPayloads, "");
  EXPECT_EQ(Get(store(), Cf::kPayloads, ""), std::nullopt);
}

TEST_P(StoreTest, PrefixEndBoundsAPrefix) {
  const std::string ff = "\xff";
  EXPECT_EQ(PrefixEnd("a"), "b");
  EXPECT_EQ(PrefixEnd("a" + ff + ff), "b");
  EXPECT_EQ(PrefixEnd(std::string(1, '\0')), "\x01");
  EXPECT_EQ(PrefixEnd("\x7f"), "\x80");
  EXPECT_EQ(PrefixEnd(ff + ff), "");
  EXPECT_EQ(PrefixEnd(""), "");
  for (const std::string& key : {std::string("a"), "a" + ff, "a" + ff + "x", "a" + ff + ff + ff, std::string("b"), ff, ff + ff + "z"}) {
    Put(Cf::kIndexes, key, "");
  }
  auto count = [&](const std::string& prefix) { return Forward(store(), Cf::kIndexes, prefix, PrefixEnd(prefix)).size(); };
  EXPECT_EQ(count("a"), 4u);
  EXPECT_EQ(count("a" + ff), 3u);
  EXPECT_EQ(count(ff), 2u);
  EXPECT_EQ(count(ff + ff), 1u);
  EXPECT_EQ(count(""), 7u);
}

TEST_P(StoreTest, ASnapshotDoesNotChange) {
  Put(Cf::kRecords, "changed", "old");
  Put(Cf::kRecords, "deleted", "old");
  auto before = store().NewSnapshot();
  auto iterator = store().Iterate(Cf::kRecords, "", "");
  auto batch = store().NewBatch();
  batch->Put(Cf::kRecords, "changed", "new");
  batch->Delete(Cf::kRecords, "deleted");
  batch->Put(Cf::kRecords, "added", "new");
  ASSERT_TRUE(store().Write(batch.get(), Sync::kNo).ok());
  auto after = store().NewSnapshot();
  Delete(Cf::kRecords, "changed");
  Put(Cf::kRecords, "deleted", "again");

  EXPECT_THAT(Forward(*before, Cf::kRecords), ElementsAre(Pair("changed", "old"), Pair("deleted", "old")));
  EXPECT_THAT(Backward(*before, Cf::kRecords, "", "d"), ElementsAre(Pair("changed", "old")));
  EXPECT_EQ(Get(*before, Cf::kRecords, "added"), std::nullopt);
  EXPECT_EQ(Get(*before, Cf::kRecords, "deleted"), "old");
  EXPECT_THAT(Forward(*after, Cf::kRecords), ElementsAre(Pair("added", "new"), Pair("changed", "new")));
  EXPECT_EQ(Get(*after, Cf::kRecords, "deleted"), std::nullopt);
  EXPECT_THAT(Forward(store(), Cf::kRecords), ElementsAre(Pair("added", "new"), Pair("deleted", "again")));
  // An iterator of the store is of the moment it was made too.
  iterator->SeekToFirst();
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->key(), "changed");
  EXPECT_EQ(iterator->value(), "old");

  after.reset();
  EXPECT_THAT(Forward(*before, Cf::kRecords), ElementsAre(Pair("changed", "old"), Pair("deleted", "old")));
}

TEST_P(StoreTest, AVersionIsOfWhatIsHeld) {
  const uint64_t empty = store().version();
  Put(Cf::kRecords, "a", "1");
  const uint64_t one = store().version();
  EXPECT_GT(one, empty);
  const auto snapshot = store().NewSnapshot();
  EXPECT_EQ(snapshot->version(), one);
  Put(Cf::kMeta, "elsewhere", "2");
  EXPECT_GT(store().version(), one);
  EXPECT_EQ(snapshot->version(), one);
  const uint64_t two = store().version();
  Get(store(), Cf::kRecords, "a");
  EXPECT_EQ(store().version(), two) << "reading is no write";
  Delete(Cf::kRecords, "a");
  EXPECT_GT(store().version(), two);
}

TEST_P(StoreTest, AnIteratorOutlivesItsSnapshot) {
  Put(Cf::kRecords, "a", "old");
  auto snapshot = store().NewSnapshot();
  auto it = snapshot->Iterate(Cf::kRecords, "", "");
  Put(Cf::kRecords, "a", "new");
  snapshot.reset();
  Put(Cf::kRecords, "a", "newer");
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "old");
}

// Random batches against std::map, with snapshots compared to copies of it.
TEST_P(StoreTest, AgreesWithAModel) {
  using Model = std::map<std::string, std::string>;
  std::mt19937 random(20);
  auto key = [&] { return std::string(1 + random() % 2, static_cast<char>('a' + random() % 6)) + static_cast<char>(random()); };
  Model model;
  std::vector<std::pair<std::unique_ptr<Snapshot>, Model>> snapshots;
  auto check = [&](const View& view, const Model& expected) {
    std::string lower = key(), upper = random() % 4 == 0 ? "" : key();
    auto first = expected.lower_bound(lower), last = upper.empty() ? expected.end() : expected.lower_bound(upper);
    Pairs range;
    if (upper.empty() || lower < upper) range.assign(first, last);
    ASSERT_EQ(Forward(view, Cf::kRevisions, lower, upper), range);
    std::reverse(range.begin(), range.end());
    ASSERT_EQ(Backward(view, Cf::kRevisions, lower, upper), range);
    const std::string one = key();
    auto it = expected.find(one);
    ASSERT_EQ(Get(view, Cf::kRevisions, one), it == expected.end() ? std::nullopt : std::optional(it->second));
  };
  for (int round = 0; round < 400; ++round) {
    auto batch = store().NewBatch();
    for (uint32_t i = random() % 12; i > 0; --i) {
      const std::string k = key();
      if (random() % 3 == 0) {
        batch->Delete(Cf::kRevisions, k);
        model.erase(k);
      } else {
        model[k] = std::to_string(random());
        batch->Put(Cf::kRevisions, k, model[k]);
      }
    }
    ASSERT_TRUE(store().Write(batch.get(), Sync::kNo).ok());
    if (random() % 8 == 0) snapshots.emplace_back(store().NewSnapshot(), model);
    if (!snapshots.empty() && random() % 10 == 0) snapshots.erase(snapshots.begin() + static_cast<int>(random() % snapshots.size()));
    check(store(), model);
    for (const auto& [snapshot, then] : snapshots) check(*snapshot, then);
    if (HasFatalFailure()) FAIL() << "round " << round;
    if (round % 100 == 99) {
      snapshots.clear();
      home_->Reopen();
    }
  }
  EXPECT_EQ(Forward(store(), Cf::kRevisions), Pairs(model.begin(), model.end()));
}

// Each batch adds one to every counter, in two families. No reader ever sees two of them differ, or one go back.
TEST_P(StoreTest, ReadersBesideAWriterSeeWholeBatches) {
  constexpr int kCounters = 20, kBatches = 400, kReaders = 3;
  auto write = [&](int value) {
    auto batch = store().NewBatch();
    for (int i = 0; i < kCounters; ++i) {
      batch->Put(i % 2 == 0 ? Cf::kAggregates : Cf::kDerived, "counter " + std::to_string(i), std::to_string(value));
    }
    return store().Write(batch.get(), Sync::kNo);
  };
  ASSERT_TRUE(write(0).ok());
  std::atomic<int> torn = 0, backward = 0, failed = 0;
  std::vector<std::thread> readers;
  for (int r = 0; r < kReaders; ++r) {
    readers.emplace_back([&] {
      int newest = 0;
      while (newest < kBatches && failed == 0) {
        auto snapshot = store().NewSnapshot();
        std::vector<int> values;
        for (Cf cf : {Cf::kAggregates, Cf::kDerived}) {
          auto it = snapshot->Iterate(cf, "", "");
          for (it->SeekToFirst(); it->Valid(); it->Next()) values.push_back(std::stoi(std::string(it->value())));
        }
        auto one = snapshot->Get(Cf::kAggregates, "counter 0");
        if (values.size() != kCounters || !one.ok() || !one->has_value()) {
          ++failed;
          return;
        }
        values.push_back(std::stoi(**one));
        for (int value : values) torn += value != values[0];
        backward += values[0] < newest;
        newest = values[0];
      }
    });
  }
  for (int value = 1; value <= kBatches; ++value) {
    if (!write(value).ok()) ++failed;
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(backward, 0);
}

TEST_P(StoreTest, WritersFromManyThreadsAllLand) {
  constexpr int kWriters = 4, kEach = 50;
  std::atomic<int> failed = 0;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kEach; ++i) {
        auto batch = store().NewBatch();
        batch->Put(Cf::kRecords, std::to_string(w) + "/" + std::to_string(i), "x");
        if (!store().Write(batch.get(), i % 10 == 0 ? Sync::kYes : Sync::kNo).ok()) ++failed;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Forward(store(), Cf::kRecords).size(), size_t{kWriters * kEach});
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreTest,
                         testing::Values(Kind{"Memory", [] { return std::make_unique<MemoryHome>(); }},
                                         Kind{"RocksDb", [] { return std::make_unique<RocksDbHome>(); }}),
                         [](const testing::TestParamInfo<Kind>& info) { return info.param.name; });

}  // namespace
}  // namespace fairlead::storage
