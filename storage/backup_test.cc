// Backups of a RocksDB store: what they hold, how damage is found, and what is left when the disk fills.

#include "storage/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "api/crypto.h"
#include "api/errors.h"
#include "storage/fault_env.h"
#include "storage/memory_store.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"
#include "storage/shared_log.h"

namespace fairlead::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kRequest[] = "01900000-0000-7000-8000-000000000001";
constexpr char kOther[] = "01900000-0000-7000-8000-000000000002";
const absl::Time kTime = absl::FromUnixSeconds(1'800'000'000);

std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    store_ = Open(scratch_.path() + "/store");
    Put(store_.get(), Cf::kMeta, kMetaNetwork, "test.example");
    Put(store_.get(), Cf::kMeta, kMetaSite, "apac");
    Put(store_.get(), Cf::kMeta, kMetaJournalInstance, "0123456789abcdef");
    for (uint64_t i = 0; i < 10; ++i) Put(store_.get(), Cf::kJournal, JournalKey(Position(i)), "an entry");
    auto folder = BackupFolder::Open(backups_);
    EXPECT_TRUE(folder.ok()) << folder.status();
    folder_ = *std::move(folder);
  }

  std::unique_ptr<Store> Open(const std::string& path) {
    auto store = OpenRocksDbStore({.path = path, .env = disk_.env()});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static void Put(Store* store, Cf cf, std::string_view key, std::string_view value) {
    auto batch = store->NewBatch();
    batch->Put(cf, key, value);
    ASSERT_TRUE(store->Write(batch.get(), Sync::kYes).ok());
  }
  static std::string Get(const View& store, Cf cf, std::string_view key) {
    auto value = store.Get(cf, key);
    EXPECT_TRUE(value.ok()) << value.status();
    return value.ok() ? value->value_or("absent") : "";
  }
  Backup Make(const std::string& request_id = kRequest, absl::Time time = kTime) {
    auto backup = folder_->Create(*store_, time, request_id);
    EXPECT_TRUE(backup.ok()) << backup.status();
    return backup.value_or(Backup());
  }
  std::string PathOf(const Backup& backup, const std::string& file) const { return backups_ + "/" + backup.id + "/store/" + file; }

  ScratchDirectory scratch_;
  FaultEnv disk_;
  const std::string backups_ = scratch_.path() + "/backups";
  const std::string data_ = scratch_.path() + "/restored";
  std::unique_ptr<Store> store_;
  std::unique_ptr<BackupFolder> folder_;
};

TEST_F(BackupTest, ABackupIsTheStoreOfOneMoment) {
  const Backup backup = Make();
  Put(store_.get(), Cf::kJournal, JournalKey(Position(10)), "a later entry");
  EXPECT_EQ(backup.id, "20270115-080000");
  EXPECT_EQ(backup.network, "test.example");
  EXPECT_EQ(backup.site, "apac");
  EXPECT_EQ(backup.journal_size, 10u);
  EXPECT_EQ(backup.create_time, kTime);
  EXPECT_GT(backup.bytes(), 0u);
  EXPECT_THAT(NamesIn(backups_), ElementsAre(backup.id));
  EXPECT_THAT(NamesIn(backups_ + "/" + backup.id), ElementsAre("manifest", "store"));

  const auto verified = folder_->Verify(backup.id);
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->files.size(), backup.files.size());
  const auto read = OpenRocksDbStoreToRead({.path = backups_ + "/" + backup.id + "/store"}, Exclusive::kNo);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(Get(**read, Cf::kJournal, JournalKey(Position(9))), "an entry");
  EXPECT_EQ(Get(**read, Cf::kJournal, JournalKey(Position(10))), "absent");
}

TEST_F(BackupTest, TheSameRequestMakesOneBackup) {
  const Backup first = Make();
  Put(store_.get(), Cf::kJournal, JournalKey(Position(10)), "a later entry");
  EXPECT_EQ(Make(kRequest, kTime + absl::Hours(1)).id, first.id);
  const Backup second = Make(kOther);  // in the same second
  EXPECT_EQ(second.id, first.id + "-2");
  EXPECT_EQ(second.journal_size, 11u);
  const auto all = folder_->List();
  ASSERT_TRUE(all.ok());
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_EQ((*all)[0].id, first.id);
  EXPECT_EQ((*all)[1].id, second.id);
}

TEST_F(BackupTest, EveryDamagedFileIsNamed) {
  const Backup backup = Make();
  ASSERT_THAT(backup.files, ::testing::Not(IsEmpty()));
  for (const Backup::File& file : backup.files) {
    if (file.bytes == 0) continue;
    const std::string path = PathOf(backup, file.name);
    // The store has the same file: the damage must not be its own.
    const std::string aside = scratch_.path() + "/aside";
    fs::rename(path, aside);
    fs::copy_file(aside, path);
    {
      std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekg(static_cast<std::streamoff>(file.bytes / 2));
      const int c = bytes.get();
      bytes.seekp(static_cast<std::streamoff>(file.bytes / 2));
      bytes.put(static_cast<char>(c ^ 1));
    }
    const absl::Status flipped = folder_->Verify(backup.id).status();
    EXPECT_EQ(ReasonOf(flipped), "STORE_DAMAGED");
    EXPECT_EQ(flipped.message(), path + ": does not have the digest that it was written with");
    // What is damaged is not restored.
    EXPECT_EQ(ReasonOf(folder_->Restore(backup.id, "test.example", "apac", data_)), "STORE_DAMAGED");
    EXPECT_THAT(NamesIn(data_), IsEmpty());
    fs::resize_file(path, file.bytes - 1);
    EXPECT_THAT(std::string(folder_->Verify(backup.id).status().message()), HasSubstr(path + ": has "));
    fs::remove(path);
    EXPECT_EQ(folder_->Verify(backup.id).status().message(), path + ": is missing");
    fs::rename(aside, path);
  }
  EXPECT_TRUE(folder_->Verify(backup.id).ok());
  std::ofstream(backups_ + "/" + backup.id + "/manifest", std::ios::app) << "file 1 00 ../../../etc/passwd\n";
  EXPECT_THAT(std::string(folder_->Verify(backup.id).status().message()), HasSubstr("manifest: is no manifest"));
  EXPECT_THAT(*folder_->List(), IsEmpty());
}

TEST_F(BackupTest, NamesLeadNowhereElse) {
  fs::create_directory(scratch_.path() + "/secret");
  for (const char* id : {"", "..", "../secret", "a/b", "A", "x.partial", "absent"}) {
    EXPECT_EQ(ReasonOf(folder_->Verify(id).status()), "RECORD_NOT_FOUND") << id;
    EXPECT_EQ(ReasonOf(folder_->Delete(id)), "RECORD_NOT_FOUND") << id;
    EXPECT_EQ(ReasonOf(folder_->Restore(id, "test.example", "apac", data_)), "RECORD_NOT_FOUND") << id;
  }
  EXPECT_TRUE(fs::exists(scratch_.path() + "/secret"));
}

TEST_F(BackupTest, ADeletedBackupIsGoneAndTheStoreIsNot) {
  const Backup backup = Make();
  EXPECT_TRUE(folder_->Delete(backup.id).ok());
  EXPECT_THAT(NamesIn(backups_), IsEmpty());
  store_.reset();
  store_ = Open(scratch_.path() + "/store");
  EXPECT_EQ(Get(*store_, Cf::kJournal, JournalKey(Position(9))), "an entry");
}

TEST_F(BackupTest, WhatWasLeftHalfDoneIsRemoved) {
  const Backup backup = Make();
  fs::create_directories(backups_ + "/20270115-090000.partial/store");
  std::ofstream(backups_ + "/20270115-090000.partial/store/000001.sst") << "half";
  folder_ = *BackupFolder::Open(backups_);
  EXPECT_THAT(NamesIn(backups_), ElementsAre(backup.id));
  // One that another process attaches to is left alone.
  fs::create_directories(backups_ + "/20270115-090000.partial");
  ASSERT_TRUE(BackupFolder::Attach(backups_).ok());
  EXPECT_THAT(NamesIn(backups_), SizeIs(2));
  EXPECT_EQ(BackupFolder::Attach(scratch_.path() + "/absent").status().code(), absl::StatusCode::kNotFound);
}

// Wherever the space ends, nothing is left of the backup and the store goes on.
TEST_F(BackupTest, AFullDiskLeavesNoHalfBackup) {
  int failures = 0;
  for (uint64_t room = 0;; room += 1000) {
    ASSERT_LT(room, 1u << 20);
    Put(store_.get(), Cf::kRecords, "countries/JP", std::string(1000, static_cast<char>('a' + room / 1000 % 26)));
    ASSERT_TRUE(store_->Purge({{Cf::kRecords, "countries/"}}, nullptr).ok());  // no compaction of the store's own is due meanwhile
    disk_.SetFree(room);
    const auto backup = folder_->Create(*store_, kTime, kRequest);
    disk_.SetFree(std::nullopt);
    if (backup.ok()) break;
    ++failures;
    EXPECT_EQ(ReasonOf(backup.status()), "STORAGE_FULL") << backup.status();
    EXPECT_THAT(NamesIn(backups_), IsEmpty()) << room;
    Put(store_.get(), Cf::kRecords, "countries/KR", "written after it");
    EXPECT_EQ(Get(*store_, Cf::kRecords, "countries/KR"), "written after it");
  }
  EXPECT_GT(failures, 2);
  EXPECT_TRUE(folder_->Verify("20270115-080000").ok());
}

TEST_F(BackupTest, ADamagedStoreIsNotBackedUp) {
  for (int i = 0; i < 500; ++i) Put(store_.get(), Cf::kRecords, "ports/" + std::to_string(i), RandomBytes(100));
  Make();  // flushes
  store_.reset();
  // In the largest file, that of the records, which no one reads to open the store. The backup shares it, and is damaged with it: they are
  // on one disk.
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(scratch_.path() + "/store")) {
    if (entry.path().extension() == ".sst" && (largest.empty() || entry.file_size() > fs::file_size(largest))) largest = entry.path();
  }
  ASSERT_FALSE(largest.empty());
  {
    std::fstream bytes(largest, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(20);
    bytes.write("damage", 6);
  }
  EXPECT_EQ(ReasonOf(folder_->Verify("20270115-080000").status()), "STORE_DAMAGED");
  store_ = Open(scratch_.path() + "/store");
  ASSERT_NE(store_, nullptr);
  EXPECT_EQ(ReasonOf(folder_->Create(*store_, kTime, kOther).status()), "STORE_DAMAGED");
  EXPECT_THAT(NamesIn(backups_), ElementsAre("20270115-080000"));
}

TEST_F(BackupTest, ARestoredStoreIsTheSameButForItsJournalInstanceAndLicence) {
  Put(store_.get(), Cf::kMeta, kMetaLicence, "to write");
  Put(store_.get(), Cf::kContents, "chunk", "bytes of an attachment");
  const Backup backup = Make();
  ASSERT_TRUE(folder_->Restore(backup.id, "test.example", "apac", data_).ok());
  auto restored = Open(data_);
  ASSERT_NE(restored, nullptr);
  for (size_t i = 0; i < kCfCount; ++i) {
    auto expected = store_->Iterate(static_cast<Cf>(i), {}, {});
    auto found = restored->Iterate(static_cast<Cf>(i), {}, {});
    expected->SeekToFirst();
    found->SeekToFirst();
    for (; expected->Valid(); expected->Next(), found->Next()) {
      if (expected->key() == kMetaLicence) expected->Next();  // the one key that is not restored
      ASSERT_TRUE(found->Valid());
      EXPECT_EQ(found->key(), expected->key());
      if (expected->key() == kMetaJournalInstance) {
        EXPECT_EQ(found->value().size(), 16u);
        EXPECT_NE(found->value(), expected->value());
      } else {
        EXPECT_EQ(found->value(), expected->value()) << kCfNames[i] << " " << expected->key();
      }
    }
    EXPECT_FALSE(found->Valid());
  }
  // The backup is as it was, though the restored store has been written to.
  EXPECT_TRUE(folder_->Verify(backup.id).ok());
}

TEST_F(BackupTest, AMembersBackupBecomesAMemberOfTheSameJournalOrASiteOfOneMachine) {
  const Backup of_one_machine = Make();
  const absl::Status refused = folder_->Restore(of_one_machine.id, "test.example", "apac", data_, BackupFolder::As::kMember);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no member can begin with it"));
  Put(store_.get(), Cf::kMeta, kMetaSharedLog, std::string(kSharedLogMade));
  Put(store_.get(), Cf::kMeta, kMetaChain, "of the log so far");
  const Backup backup = Make(kOther);
  ASSERT_TRUE(folder_->Restore(backup.id, "test.example", "apac", data_, BackupFolder::As::kMember).ok());
  auto member = Open(data_);
  EXPECT_EQ(member->Get(Cf::kMeta, kMetaJournalInstance)->value(), store_->Get(Cf::kMeta, kMetaJournalInstance)->value());
  EXPECT_TRUE(member->Get(Cf::kMeta, kMetaSharedLog)->has_value());
  ASSERT_TRUE(folder_->Restore(backup.id, "test.example", "apac", data_ + "-alone").ok());
  auto alone = Open(data_ + "-alone");
  EXPECT_NE(alone->Get(Cf::kMeta, kMetaJournalInstance)->value(), store_->Get(Cf::kMeta, kMetaJournalInstance)->value());
  EXPECT_FALSE(alone->Get(Cf::kMeta, kMetaSharedLog)->has_value());
  EXPECT_FALSE(alone->Get(Cf::kMeta, kMetaChain)->has_value()) << "it would not fit a log that it makes later";
}

TEST_F(BackupTest, ARestorationIsIntoAnEmptyFolderOfTheSameSite) {
  const Backup backup = Make();
  EXPECT_THAT(std::string(folder_->Restore(backup.id, "test.example", "hq", data_).message()),
              HasSubstr("is of network 'test.example' and site 'apac'; the configuration says 'test.example' and 'hq'"));
  EXPECT_THAT(std::string(folder_->Restore(backup.id, "other.example", "apac", data_).message()), HasSubstr("'other.example'"));
  EXPECT_FALSE(fs::exists(data_));
  const absl::Status occupied = folder_->Restore(backup.id, "test.example", "apac", scratch_.path() + "/store");
  EXPECT_EQ(occupied.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(occupied.message()), HasSubstr("a backup is restored into an empty folder"));
  // What a restoration that was cut short left while it copied does not count; its folder is not a store.
  fs::create_directories(data_ + "/restoring");
  std::ofstream(data_ + "/restoring/000009.sst") << "half";
  EXPECT_TRUE(folder_->Restore(backup.id, "test.example", "apac", data_).ok());
  EXPECT_FALSE(fs::exists(data_ + "/restoring"));
  // One that was cut short while its files were put in their place is no store either.
  fs::rename(data_ + "/CURRENT", scratch_.path() + "/current");
  EXPECT_EQ(ReasonOf(OpenRocksDbStore({.path = data_}).status()), "STORE_DAMAGED");
}

TEST_F(BackupTest, AStoreInMemoryHasNoCopy) {
  MemoryStore memory;
  EXPECT_EQ(folder_->Create(memory, kTime, kRequest).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(NamesIn(backups_), IsEmpty());
}

// --- Reading a store that is not one's own ------------------------------------------------------------------------------------------

TEST_F(BackupTest, AStoreIsReadWithoutChangingIt) {
  store_.reset();
  const std::string path = scratch_.path() + "/store";
  const auto state = [&] {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(path)) {
      std::ifstream in(entry.path(), std::ios::binary);
      files[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return files;
  };
  const auto before = state();
  {
    const auto read = OpenRocksDbStoreToRead({.path = path}, Exclusive::kYes);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(Get(**read, Cf::kJournal, JournalKey(Position(9))), "an entry");  // of the log: nothing was flushed
    auto batch = (*read)->NewBatch();
    batch->Put(Cf::kMeta, "key", "value");
    EXPECT_EQ(ReasonOf((*read)->Write(batch.get(), Sync::kYes)), "STORAGE_FAILED");
    EXPECT_EQ(OpenRocksDbStoreToRead({.path = path}, Exclusive::kYes).status().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(state(), before);
  ASSERT_NE(Open(path), nullptr);  // the lock is gone with it
}

TEST_F(BackupTest, AStoreInUseOrAbsentIsNotRead) {
  EXPECT_EQ(OpenRocksDbStoreToRead({.path = scratch_.path() + "/store", .env = disk_.env()}, Exclusive::kYes).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(OpenRocksDbStoreToRead({.path = scratch_.path() + "/absent"}, Exclusive::kYes).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(VerifyRocksDbFiles({.path = scratch_.path() + "/absent"}).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fairlead::storage
