// The conformance suite of the store interface: both implementations pass it.

#include "storage/store.h"

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "storage/memory_store.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"

namespace fairlead::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Rows = std::vector<std::pair<std::string, std::string>>;

// Opens a store and opens it again on what it held.
class Opener {
 public:
  virtual ~Opener() = default;
  virtual std::unique_ptr<Store> Open() = 0;
  virtual std::unique_ptr<Store> Reopen(std::unique_ptr<Store> store) = 0;
};

class MemoryOpener : public Opener {
 public:
  std::unique_ptr<Store> Open() override { return std::make_unique<MemoryStore>(); }
  std::unique_ptr<Store> Reopen(std::unique_ptr<Store> store) override {
    auto* memory = static_cast<MemoryStore*>(store.get());
    return memory->Crash(memory->unsynced());
  }
};

class RocksOpener : public Opener {
 public:
  std::unique_ptr<Store> Open() override {
    auto store = OpenRocksDbStore({.path = scratch_.path()});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  std::unique_ptr<Store> Reopen(std::unique_ptr<Store> store) override {
    store.reset();
    return Open();
  }

 private:
  ScratchDirectory scratch_;
};

template <class T>
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : store_(opener_.Open()) {}

  void Write(std::vector<std::tuple<Cf, std::string, std::optional<std::string>>> writes, Sync sync = Sync::kYes) {
    auto batch = store_->NewBatch();
    for (const auto& [cf, key, value] : writes) {
      if (value) {
        batch->Put(cf, key, *value);
      } else {
        batch->Delete(cf, key);
      }
    }
    ASSERT_TRUE(store_->Write(batch.get(), sync).ok());
  }
  static std::optional<std::string> Get(const View& view, Cf cf, std::string_view key) {
    auto value = view.Get(cf, key);
    EXPECT_TRUE(value.ok()) << value.status();
    return *value;
  }
  static Rows Scan(const View& view, Cf cf, std::string_view lower = {}, std::string_view upper = {}, bool backwards = false) {
    Rows rows;
    auto it = view.Iterate(cf, lower, upper);
    EXPECT_FALSE(it->Valid());
    for (backwards ? it->SeekToLast() : it->SeekToFirst(); it->Valid(); backwards ? it->Prev() : it->Next()) {
      rows.emplace_back(it->key(), it->value());
    }
    EXPECT_TRUE(it->status().ok());
    return rows;
  }

  T opener_;
  std::unique_ptr<Store> store_;
};

using Openers = ::testing::Types<MemoryOpener, RocksOpener>;
TYPED_TEST_SUITE(StoreTest, Openers);

TYPED_TEST(StoreTest, AnAbsentKeyIsNotAnEmptyOne) {
  this->Write({{Cf::kRecords, "empty", ""}, {Cf::kRecords, "", "of the empty key"}});
  EXPECT_EQ(this->Get(*this->store_, Cf::kRecords, "empty"), "");
  EXPECT_EQ(this->Get(*this->store_, Cf::kRecords, ""), "of the empty key");
  EXPECT_EQ(this->Get(*this->store_, Cf::kRecords, "absent"), std::nullopt);
  EXPECT_EQ(this->Get(*this->store_, Cf::kDerived, "empty"), std::nullopt);
}

TYPED_TEST(StoreTest, WritesOfABatchTakeEffectInOrder) {
  this->Write({{Cf::kRecords, "a", "1"},
               {Cf::kRecords, "a", "2"},
               {Cf::kRecords, "b", "1"},
               {Cf::kRecords, "b", std::nullopt},
               {Cf::kRecords, "c", std::nullopt},
               {Cf::kRecords, "c", "3"}});
  EXPECT_THAT(this->Scan(*this->store_, Cf::kRecords), ElementsAre(Pair("a", "2"), Pair("c", "3")));
}

TYPED_TEST(StoreTest, ABatchReachesSeveralFamiliesAndCanBeCleared) {
  auto batch = this->store_->NewBatch();
  EXPECT_EQ(batch->bytes() > 64, false);
  batch->Put(Cf::kHeaders, "k", std::string(100, 'h'));
  EXPECT_GE(batch->bytes(), 100u);
  batch->Clear();
  batch->Put(Cf::kPayloads, "k", "p");
  batch->Put(Cf::kTree, "k", "t");
  ASSERT_TRUE(this->store_->Write(batch.get(), Sync::kNo).ok());
  EXPECT_EQ(this->Get(*this->store_, Cf::kHeaders, "k"), std::nullopt);
  EXPECT_EQ(this->Get(*this->store_, Cf::kPayloads, "k"), "p");
  EXPECT_EQ(this->Get(*this->store_, Cf::kTree, "k"), "t");
}

TYPED_TEST(StoreTest, RangesAreHalfOpenInBothDirections) {
  this->Write({{Cf::kIndexes, "a", "1"}, {Cf::kIndexes, "b", "2"}, {Cf::kIndexes, "c", "3"}, {Cf::kIndexes, "d", "4"}});
  const View& store = *this->store_;
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "b", "d"), ElementsAre(Pair("b", "2"), Pair("c", "3")));
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "b", "d", true), ElementsAre(Pair("c", "3"), Pair("b", "2")));
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "c"), ElementsAre(Pair("c", "3"), Pair("d", "4")));
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "", "b"), ElementsAre(Pair("a", "1")));
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "bb", "c"), IsEmpty());
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "bb", "c", true), IsEmpty());
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "e"), IsEmpty());
  EXPECT_THAT(this->Scan(store, Cf::kIndexes, "c", "b"), IsEmpty());
}

TYPED_TEST(StoreTest, SeekFindsTheNextKeyWithinTheBounds) {
  this->Write({{Cf::kIndexes, "a", "1"}, {Cf::kIndexes, "c", "3"}, {Cf::kIndexes, "e", "5"}});
  auto it = this->store_->Iterate(Cf::kIndexes, "b", "e");
  it->Seek("a");
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "c");
  it->Seek("c");
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "c");
  it->Seek("d");
  EXPECT_FALSE(it->Valid());
  it->Seek("z");
  EXPECT_FALSE(it->Valid());
}

TYPED_TEST(StoreTest, KeysAreOrderedAsUnsignedBytes) {
  std::string high("\xff\x00\x01", 3), middle("\x7f", 1), zero("\x00", 1);
  this->Write({{Cf::kIndexes, high, "h"}, {Cf::kIndexes, zero, "z"}, {Cf::kIndexes, middle, "m"}});
  EXPECT_THAT(this->Scan(*this->store_, Cf::kIndexes), ElementsAre(Pair(zero, "z"), Pair(middle, "m"), Pair(high, "h")));
  EXPECT_THAT(this->Scan(*this->store_, Cf::kIndexes, "\xff", PrefixEnd("\xff")), ElementsAre(Pair(high, "h")));
}

TYPED_TEST(StoreTest, SnapshotsAndIteratorsDoNotMove) {
  this->Write({{Cf::kRecords, "a", "1"}});
  auto snapshot = this->store_->NewSnapshot();
  auto it = this->store_->Iterate(Cf::kRecords, {}, {});
  this->Write({{Cf::kRecords, "a", "2"}, {Cf::kRecords, "b", "2"}});
  EXPECT_THAT(this->Scan(*snapshot, Cf::kRecords), ElementsAre(Pair("a", "1")));
  EXPECT_EQ(this->Get(*snapshot, Cf::kRecords, "b"), std::nullopt);
  it->SeekToLast();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "1");
  EXPECT_EQ(this->Get(*this->store_, Cf::kRecords, "a"), "2");
}

TYPED_TEST(StoreTest, ReopeningKeepsSyncedAndUnsyncedWrites) {
  this->Write({{Cf::kRecords, "synced", "1"}}, Sync::kYes);
  this->Write({{Cf::kRecords, "unsynced", "2"}}, Sync::kNo);
  this->store_ = this->opener_.Reopen(std::move(this->store_));
  EXPECT_THAT(this->Scan(*this->store_, Cf::kRecords), ElementsAre(Pair("synced", "1"), Pair("unsynced", "2")));
  std::string format;
  PutU32(&format, kFormatVersion);
  EXPECT_EQ(this->Get(*this->store_, Cf::kMeta, kMetaFormat), format);
}

TYPED_TEST(StoreTest, RandomWritesEqualAMap) {
  std::mt19937 random(11);
  std::map<std::string, std::string> model;
  for (int i = 0; i < 300; ++i) {
    auto batch = this->store_->NewBatch();
    for (int n = random() % 4; n >= 0; --n) {
      std::string key(1 + random() % 2, static_cast<char>('a' + random() % 6));
      if (random() % 3 == 0) {
        batch->Delete(Cf::kRecords, key);
        model.erase(key);
      } else {
        model[key] = std::to_string(i);
        batch->Put(Cf::kRecords, key, model[key]);
      }
    }
    ASSERT_TRUE(this->store_->Write(batch.get(), random() % 5 == 0 ? Sync::kYes : Sync::kNo).ok());
    if (i % 100 == 50) this->store_ = this->opener_.Reopen(std::move(this->store_));
    std::string lower(1, static_cast<char>('a' + random() % 6)), upper(1, static_cast<char>('a' + random() % 7));
    Rows expected;
    if (lower < upper) expected.assign(model.lower_bound(lower), model.lower_bound(upper));
    ASSERT_EQ(this->Scan(*this->store_, Cf::kRecords, lower, upper), expected);
    std::reverse(expected.begin(), expected.end());
    ASSERT_EQ(this->Scan(*this->store_, Cf::kRecords, lower, upper, true), expected);
  }
}

TYPED_TEST(StoreTest, ReadersSeeWholeBatchesWhileOneWrites) {
  constexpr int kBatches = 300;
  std::thread writer([this] {
    for (int i = 1; i <= kBatches; ++i) {
      this->Write({{Cf::kRecords, "a", std::to_string(i)}, {Cf::kDerived, "b", std::to_string(i)}}, Sync::kNo);
    }
  });
  int last = 0;
  while (last < kBatches) {
    auto snapshot = this->store_->NewSnapshot();
    std::optional<std::string> a = this->Get(*snapshot, Cf::kRecords, "a");
    ASSERT_EQ(a, this->Get(*snapshot, Cf::kDerived, "b"));
    int now = a ? std::stoi(*a) : 0;
    ASSERT_GE(now, last);
    last = now;
  }
  writer.join();
}

TEST(MemoryStoreTest, ACrashKeepsWhatWasSyncedAndAPrefixOfTheRest) {
  MemoryStore store;
  auto put = [&store](const char* key, Sync sync) {
    auto batch = store.NewBatch();
    batch->Put(Cf::kRecords, key, key);
    ASSERT_TRUE(store.Write(batch.get(), sync).ok());
  };
  put("a", Sync::kNo);
  put("b", Sync::kYes);
  put("c", Sync::kNo);
  put("d", Sync::kNo);
  EXPECT_EQ(store.unsynced(), 2u);
  EXPECT_EQ(store.syncs(), 1);
  for (size_t kept = 0; kept <= 2; ++kept) {
    auto after = store.Crash(kept);
    EXPECT_TRUE((*after->Get(Cf::kRecords, "a")).has_value());
    EXPECT_TRUE((*after->Get(Cf::kRecords, "b")).has_value());
    EXPECT_EQ((*after->Get(Cf::kRecords, "c")).has_value(), kept >= 1);
    EXPECT_EQ((*after->Get(Cf::kRecords, "d")).has_value(), kept >= 2);
  }
}

TEST(PrefixEndTest, IsTheLeastKeyBeyond) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd(std::string("a\xff")), "b");
  EXPECT_EQ(PrefixEnd(std::string("\xff\xff")), "");
  EXPECT_EQ(PrefixEnd(""), "");
}

}  // namespace
}  // namespace fairlead::storage
