// What only the store on RocksDB promises: refusals by name, damage found, crashes and full disks survived.

#include "storage/rocksdb_store.h"

#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <fstream>

#include "api/errors.h"
#include "storage/fault_env.h"
#include "storage/scratch_directory.h"

namespace fairlead::storage {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Store> MustOpen(const std::string& path, rocksdb::Env* env = nullptr) {
  auto store = OpenRocksDbStore({.path = path, .env = env});
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

absl::Status Put(Store& store, const std::string& key, const std::string& value, Sync sync = Sync::kYes) {
  auto batch = store.NewBatch();
  batch->Put(Cf::kRecords, key, value);
  return store.Write(batch.get(), sync);
}

std::string Refusal(const std::string& path) {
  auto store = OpenRocksDbStore({.path = path});
  EXPECT_FALSE(store.ok());
  return store.ok() ? "" : store.status().ToString();
}

void FlipByte(const std::filesystem::path& file, std::streamoff at) {
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(at);
  char c = static_cast<char>(f.get());
  f.seekp(at);
  f.put(static_cast<char>(c ^ 0x40));
}

std::vector<std::filesystem::path> FilesWith(const std::string& path, const std::string& part) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().filename().string().find(part) != std::string::npos) files.push_back(entry.path());
  }
  return files;
}

TEST(RocksDbStoreTest, AnotherFormatVersionIsRefusedByName) {
  ScratchDirectory scratch;
  {
    auto store = MustOpen(scratch.path());
    std::string version;
    PutU32(&version, kFormatVersion + 41);
    auto batch = store->NewBatch();
    batch->Put(Cf::kMeta, kMetaFormat, version);
    ASSERT_TRUE(store->Write(batch.get(), Sync::kYes).ok());
  }
  EXPECT_THAT(Refusal(scratch.path()), HasSubstr("has format version 42; this program reads version 1"));
  EXPECT_THAT(Refusal(scratch.path()), HasSubstr(scratch.path()));
}

TEST(RocksDbStoreTest, ColumnFamiliesOfAnotherProgramAreRefusedByName) {
  ScratchDirectory scratch;
  MustOpen(scratch.path()).reset();
  {
    rocksdb::Options options;
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(options, scratch.path(), &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, scratch.path(), families, &handles, &db).ok());
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily({}, "strange", &handle).ok());
    handles.push_back(handle);
    for (auto* h : handles) ASSERT_TRUE(db->DestroyColumnFamilyHandle(h).ok());
    delete db;
  }
  EXPECT_THAT(Refusal(scratch.path()), HasSubstr("'strange'"));
}

TEST(RocksDbStoreTest, AStoreOpenElsewhereIsRefusedByName) {
  ScratchDirectory scratch;
  auto store = MustOpen(scratch.path());
  EXPECT_THAT(Refusal(scratch.path()), HasSubstr("open in another process"));
}

TEST(RocksDbStoreTest, ADamagedRootIsRefused) {
  for (const char* victim : {"CURRENT", "MANIFEST-"}) {
    SCOPED_TRACE(victim);
    ScratchDirectory scratch;
    {
      auto store = MustOpen(scratch.path());
      ASSERT_TRUE(Put(*store, "a", "1").ok());
    }
    auto files = FilesWith(scratch.path(), victim);
    ASSERT_FALSE(files.empty());
    FlipByte(files[0], static_cast<std::streamoff>(std::filesystem::file_size(files[0]) / 2));
    auto store = OpenRocksDbStore({.path = scratch.path()});
    ASSERT_FALSE(store.ok());
    EXPECT_THAT(store.status().ToString(), HasSubstr(scratch.path()));
  }
  ScratchDirectory scratch;
  MustOpen(scratch.path()).reset();
  std::filesystem::remove(scratch.path() + "/CURRENT");
  EXPECT_THAT(Refusal(scratch.path()), HasSubstr("CURRENT is missing"));
}

TEST(RocksDbStoreTest, DamageBeforeTheTailOfTheLogIsRefused) {
  ScratchDirectory scratch;
  {
    auto store = MustOpen(scratch.path());
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put(*store, std::to_string(i), std::string(1000, 'v')).ok());
  }
  bool damaged = false;
  for (const auto& file : FilesWith(scratch.path(), ".log")) {
    if (std::filesystem::file_size(file) < 50000) continue;
    FlipByte(file, 20000);
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  auto store = OpenRocksDbStore({.path = scratch.path()});
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(ReasonOf(store.status()), "STORE_DAMAGED");
}

TEST(RocksDbStoreTest, ADamagedTableNeverAnswersWithWrongBytes) {
  ScratchDirectory scratch;
  constexpr int kKeys = 2000;
  {
    auto store = MustOpen(scratch.path());
    for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(Put(*store, "key" + std::to_string(i), "value" + std::to_string(i), Sync::kNo).ok());
  }
  MustOpen(scratch.path()).reset();  // recovery writes the log's contents into tables
  auto tables = FilesWith(scratch.path(), ".sst");
  ASSERT_FALSE(tables.empty());
  for (const auto& table : tables) {
    if (std::filesystem::file_size(table) > 8192) FlipByte(table, 3000);
  }
  auto store = OpenRocksDbStore({.path = scratch.path()});
  if (!store.ok()) {
    EXPECT_EQ(ReasonOf(store.status()), "STORE_DAMAGED");
    return;
  }
  int refused = 0;
  for (int i = 0; i < kKeys; ++i) {
    auto value = (*store)->Get(Cf::kRecords, "key" + std::to_string(i));
    if (!value.ok()) {
      EXPECT_EQ(ReasonOf(value.status()), "STORE_DAMAGED");
      ++refused;
    } else {
      EXPECT_EQ(*value, "value" + std::to_string(i));
    }
  }
  EXPECT_GT(refused, 0);
  auto it = (*store)->Iterate(Cf::kRecords, {}, {});
  it->SeekToFirst();
  while (it->Valid()) it->Next();
  EXPECT_EQ(ReasonOf(it->status()), "STORE_DAMAGED");
}

TEST(RocksDbStoreTest, LossOfPowerKeepsEverySyncedWriteAndAPrefixOfTheRest) {
  for (int synced = 0; synced <= 20; synced += 5) {
    SCOPED_TRACE(synced);
    ScratchDirectory scratch;
    FaultEnv env;
    {
      auto store = MustOpen(scratch.path(), &env);
      for (int i = 0; i < 20; ++i) {
        if (i == synced) env.StopSyncing();
        ASSERT_TRUE(Put(*store, std::to_string(i), std::string(3000, 'v'), i + 1 == synced ? Sync::kYes : Sync::kNo).ok());
      }
      if (synced == 20) env.StopSyncing();
    }
    env.DropUnsynced();
    auto store = MustOpen(scratch.path(), &env);
    ASSERT_NE(store, nullptr);
    bool gone = false;
    for (int i = 0; i < 20; ++i) {
      auto value = store->Get(Cf::kRecords, std::to_string(i));
      ASSERT_TRUE(value.ok());
      if (i < synced) {
        EXPECT_TRUE(value->has_value()) << i;
      }
      EXPECT_FALSE(gone && value->has_value()) << "a hole before " << i;
      gone = gone || !value->has_value();
    }
  }
}

TEST(RocksDbStoreTest, AFullDiskIsNamedLosesNothingAndEnds) {
  ScratchDirectory scratch;
  FaultEnv env;
  {
    auto store = MustOpen(scratch.path(), &env);
    ASSERT_TRUE(Put(*store, "before", "1").ok());
    env.set_full(true);
    for (int i = 0; i < 3; ++i) {
      absl::Status status = Put(*store, "during", "2");
      EXPECT_EQ(ReasonOf(status), "STORAGE_FULL") << status;
    }
    EXPECT_EQ(*store->Get(Cf::kRecords, "before"), "1");
    EXPECT_EQ(*store->Get(Cf::kRecords, "during"), std::nullopt);
    env.set_full(false);
    // RocksDB's own recovery may be at it.
    absl::Time deadline = absl::Now() + absl::Seconds(60);
    absl::Status status = Put(*store, "after", "3");
    while (!status.ok() && absl::Now() < deadline) {
      EXPECT_EQ(ReasonOf(status), "STORAGE_FULL") << status;
      absl::SleepFor(absl::Milliseconds(20));
      status = Put(*store, "after", "3");
    }
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(*store->Get(Cf::kRecords, "after"), "3");
  }
  auto store = MustOpen(scratch.path(), &env);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(*store->Get(Cf::kRecords, "before"), "1");
  EXPECT_EQ(*store->Get(Cf::kRecords, "during"), std::nullopt);
  EXPECT_EQ(*store->Get(Cf::kRecords, "after"), "3");
}

}  // namespace
}  // namespace fairlead::storage
