// What the RocksDB store promises of its files: formats refused by name, damage found, power failures, full and failing disks.

#include "storage/rocksdb_store.h"

#include <absl/synchronization/notification.h>
#include <absl/time/time.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "storage/fault_env.h"
#include "storage/scratch_directory.h"

namespace fairlead::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using Operation = FaultEnv::Operation;

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void Overwrite(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class RocksDbStoreTest : public testing::Test {
 protected:
  RocksDbStoreTest() {
    options_.path = scratch_.path() + "/store";
    options_.env = disk_.env();
  }

  absl::Status Open() {
    store_.reset();
    auto opened = OpenRocksDbStore(options_);
    if (!opened.ok()) return opened.status();
    store_ = std::move(*opened);
    return absl::OkStatus();
  }

  // Batch `n` writes the same number to several families, as a commit does: a key of its own, and one that every batch replaces.
  absl::Status Write(int n, Sync sync, size_t payload_bytes = 200) {
    auto batch = store_->NewBatch();
    batch->Put(Cf::kHeaders, Key(n), Value(n, 60));
    batch->Put(Cf::kPayloads, Key(n), Value(n, payload_bytes));
    batch->Put(Cf::kJournal, Key(n), "");
    batch->Put(Cf::kLogs, "end", Value(n, 8));
    return store_->Write(batch.get(), sync);
  }
  static std::string Key(int n) { return fmt::format("{:08}", n); }
  static std::string Value(int n, size_t bytes) {
    std::mt19937 random(static_cast<uint32_t>(n));
    std::string out = fmt::format("{:08}", n);
    while (out.size() < bytes) out += static_cast<char>(random());
    return out;
  }

  // How many of the batches 0, 1, ... are there: whole and unchanged, with nothing after them.
  int Written(size_t payload_bytes = 200) {
    int n = 0;
    auto it = store_->Iterate(Cf::kHeaders, "", "");
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++n) {
      EXPECT_EQ(it->key(), Key(n)) << "a hole";
      if (it->key() != Key(n)) return -1;
      EXPECT_EQ(it->value(), Value(n, 60));
      EXPECT_EQ(*store_->Get(Cf::kPayloads, Key(n)), Value(n, payload_bytes));
      EXPECT_EQ(*store_->Get(Cf::kJournal, Key(n)), "");
    }
    EXPECT_TRUE(it->status().ok()) << it->status();
    EXPECT_EQ(*store_->Get(Cf::kPayloads, Key(n)), std::nullopt);
    EXPECT_EQ(*store_->Get(Cf::kJournal, Key(n)), std::nullopt);
    EXPECT_EQ(*store_->Get(Cf::kLogs, "end"), n == 0 ? std::nullopt : std::optional(Value(n - 1, 8)));
    return n;
  }

  std::vector<fs::path> Files(const std::string& prefix, const std::string& suffix) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(options_.path)) {
      const std::string name = entry.path().filename();
      if (name.starts_with(prefix) && name.ends_with(suffix)) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  // The same directory with RocksDB alone, to lay what the store must refuse.
  void WithRocksDb(const std::vector<std::string>& families,
                   const std::function<void(rocksdb::DB*, std::vector<rocksdb::ColumnFamilyHandle*>&)>& change) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& family : families) descriptors.emplace_back(family, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    rocksdb::Status opened = rocksdb::DB::Open(options, options_.path, descriptors, &handles, &raw);
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    std::unique_ptr<rocksdb::DB> db(raw);
    change(db.get(), handles);
    for (rocksdb::ColumnFamilyHandle* handle : handles) ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }
  static std::vector<std::string> AllFamilies() { return {kCfNames.begin(), kCfNames.end()}; }

  const ScratchDirectory scratch_;
  FaultEnv disk_;
  RocksDbOptions options_;
  std::unique_ptr<Store> store_;
};

// --- formats -----------------------------------------------------------------------------------------------------------------------------

TEST_F(RocksDbStoreTest, TheFormatVersionIsSyncedAtCreation) {
  ASSERT_TRUE(Open().ok());
  disk_.Cut();
  store_.reset();
  disk_.Restore();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(*store_->Get(Cf::kMeta, kMetaFormat), std::string("\0\0\0\2", 4));
}

TEST_F(RocksDbStoreTest, RefusesAnotherFormatVersionNamingBoth) {
  ASSERT_TRUE(Open().ok());
  auto batch = store_->NewBatch();
  batch->Put(Cf::kMeta, kMetaFormat, std::string("\0\0\0\7", 4));
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  for (int i = 0; i < 2; ++i) {
    absl::Status status = Open();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(Message(status), HasSubstr(options_.path));
    EXPECT_THAT(Message(status), HasSubstr("format version 7"));
    EXPECT_THAT(Message(status), HasSubstr("version 2"));
  }
}

TEST_F(RocksDbStoreTest, AnotherFormatVersionIsNamedEvenWhenItsFamiliesDiffer) {
  ASSERT_TRUE(Open().ok());
  auto batch = store_->NewBatch();
  batch->Put(Cf::kMeta, kMetaFormat, std::string("\0\0\0\3", 4));
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  store_.reset();
  std::vector<std::string> families = AllFamilies();
  families.push_back("receipts");
  WithRocksDb(families, [](auto*, auto&) {});
  absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("format version 3"));
}

// A store as version 1 left it: without `contents`. `with_family`: its opening by this version was cut off once the family was made.
class RocksDbUpgradeTest : public RocksDbStoreTest, public ::testing::WithParamInterface<bool> {
 protected:
  void MakeFirstVersion() {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Write(0, Sync::kYes).ok());
    store_.reset();
    WithRocksDb(AllFamilies(), [](rocksdb::DB* db, auto& handles) {
      if (!GetParam()) {
        ASSERT_TRUE(db->DropColumnFamily(handles[static_cast<size_t>(Cf::kContents)]).ok());
      }
      rocksdb::WriteOptions synced;
      synced.sync = true;
      ASSERT_TRUE(db->Put(synced, handles[0], std::string(kMetaFormat), std::string("\0\0\0\1", 4)).ok());
    });
  }
};

TEST_P(RocksDbUpgradeTest, AStoreOfVersion1IsReadAsItIs) {
  ASSERT_NO_FATAL_FAILURE(MakeFirstVersion());
  for (int i = 0; i < 2; ++i) {
    const auto read = OpenRocksDbStoreToRead(options_, Exclusive::kYes);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*(*read)->Get(Cf::kMeta, kMetaFormat), std::string("\0\0\0\1", 4));
    EXPECT_EQ(*(*read)->Get(Cf::kContents, "k"), std::nullopt);
    const auto it = (*read)->Iterate(Cf::kContents, {}, {});
    it->SeekToFirst();
    EXPECT_FALSE(it->Valid());
    EXPECT_TRUE(it->status().ok());
  }
  EXPECT_TRUE(VerifyRocksDbFiles(options_).ok());
}

TEST_P(RocksDbUpgradeTest, AStoreOfVersion1BecomesOneOfVersion2) {
  ASSERT_NO_FATAL_FAILURE(MakeFirstVersion());
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(*store_->Get(Cf::kMeta, kMetaFormat), std::string("\0\0\0\2", 4));
  auto batch = store_->NewBatch();
  batch->Put(Cf::kContents, "k", "bytes");
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(*store_->Get(Cf::kContents, "k"), "bytes");
}

INSTANTIATE_TEST_SUITE_P(Cuts, RocksDbUpgradeTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "WithTheFamily" : "WithoutTheFamily"; });

TEST_F(RocksDbStoreTest, RefusesAnUnknownFamilyByName) {
  ASSERT_TRUE(Open().ok());
  store_.reset();
  std::vector<std::string> families = AllFamilies();
  families.push_back("stowaway");
  WithRocksDb(families, [](auto*, auto&) {});
  absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("'stowaway'"));
  EXPECT_THAT(Message(status), HasSubstr(options_.path));
}

TEST_F(RocksDbStoreTest, RefusesAMissingFamilyByNameAndDoesNotMakeItAgain) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Write(0, Sync::kYes).ok());
  store_.reset();
  WithRocksDb(AllFamilies(),
              [](rocksdb::DB* db, auto& handles) { ASSERT_TRUE(db->DropColumnFamily(handles[static_cast<size_t>(Cf::kTree)]).ok()); });
  for (int i = 0; i < 2; ++i) {
    absl::Status status = Open();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(Message(status), HasSubstr("'tree'"));
  }
}

TEST_F(RocksDbStoreTest, RefusesADatabaseOfAnotherProgram) {
  WithRocksDb({"default"}, [](rocksdb::DB* db, auto&) { ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), "theirs", "x").ok()); });
  for (int i = 0; i < 2; ++i) {
    absl::Status status = Open();
    EXPECT_THAT(status.code(), AnyOf(absl::StatusCode::kFailedPrecondition, absl::StatusCode::kDataLoss));
    EXPECT_THAT(Message(status), HasSubstr(options_.path));
  }
}

TEST_F(RocksDbStoreTest, ALostFormatVersionIsDamage) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Write(0, Sync::kYes).ok());  // nothing else in `meta`
  auto batch = store_->NewBatch();
  batch->Delete(Cf::kMeta, kMetaFormat);
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  absl::Status status = Open();
  EXPECT_EQ(ReasonOf(status), "STORE_DAMAGED") << status;
}

TEST_F(RocksDbStoreTest, APathThatIsAFileIsRefused) {
  Overwrite(options_.path, "not a directory");
  absl::Status status = Open();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Message(status), HasSubstr(options_.path));
  EXPECT_EQ(Read(options_.path), "not a directory");
}

// The power fails at each step of the creation in turn: the next start makes a whole store of what there is.
TEST_F(RocksDbStoreTest, ACreationCutShortIsTakenUp) {
  int64_t steps = 0;
  for (bool cut = true; cut; ++steps) {
    ASSERT_LT(steps, 5000);
    fs::remove_all(options_.path);
    disk_.CutAfter(steps);
    absl::Status created = Open();
    cut = disk_.is_cut();
    EXPECT_TRUE(created.ok() || cut) << created;
    store_.reset();
    if (steps % 2 == 0) {
      disk_.Restore();
    } else {
      disk_.RestoreAll();
    }
    absl::Status reopened = Open();
    ASSERT_TRUE(reopened.ok()) << "cut after " << steps << " operations: " << reopened;
    ASSERT_EQ(*store_->Get(Cf::kMeta, kMetaFormat), std::string("\0\0\0\2", 4));
    ASSERT_EQ(Written(), 0);
    ASSERT_TRUE(Write(0, Sync::kYes).ok());
    store_.reset();
  }
  EXPECT_GT(steps, 50);  // the creation is more than that
  RecordProperty("steps", static_cast<int>(steps));
}

// --- who has it open ---------------------------------------------------------------------------------------------------------------------

TEST_F(RocksDbStoreTest, IsOpenOnceInAProcess) {
  ASSERT_TRUE(Open().ok());
  auto second = OpenRocksDbStore(options_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(second.status()), HasSubstr("open in another process"));
  EXPECT_THAT(Message(second.status()), HasSubstr(options_.path));
  EXPECT_TRUE(Write(0, Sync::kYes).ok());
}

TEST_F(RocksDbStoreTest, IsOpenInOneProcess) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Write(0, Sync::kYes).ok());
  store_.reset();
  const std::string lock = options_.path + "/LOCK";
  int locked[2], release[2];
  ASSERT_EQ(pipe(locked), 0);
  ASSERT_EQ(pipe(release), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // only what is safe after a fork beside threads
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
    const int fd = open(lock.c_str(), O_RDWR);
    char byte = fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0 ? 'y' : 'n';
    if (write(locked[1], &byte, 1) != 1 || read(release[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(locked[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(Message(status), HasSubstr(options_.path));
  ASSERT_EQ(write(release[1], &byte, 1), 1);
  int exit_status = -1;
  ASSERT_EQ(waitpid(child, &exit_status, 0), child);
  EXPECT_EQ(exit_status, 0);
  for (int fd : {locked[0], locked[1], release[0], release[1]}) close(fd);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Written(), 1);
}

TEST_F(RocksDbStoreTest, AFailureInAPathNamedLockIsNotCalledALock) {
  options_.path = scratch_.path() + "/While lock file: ";
  disk_.SetFault([](Operation operation, const std::string&) {
    return operation == Operation::kAppend ? rocksdb::IOStatus::IOError("the device is gone") : rocksdb::IOStatus::OK();
  });
  absl::Status status = Open();
  EXPECT_EQ(ReasonOf(status), "STORAGE_FAILED") << status;
}

// --- damage ------------------------------------------------------------------------------------------------------------------------------

class DamageTest : public RocksDbStoreTest {
 protected:
  static constexpr int kBatches = 40;

  // A store with tables, a log and a manifest of several edits.
  void Lay() {
    ASSERT_TRUE(Open().ok());
    for (int n = 0; n < kBatches / 2; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
    ASSERT_TRUE(Open().ok());  // recovery writes tables
    for (int n = kBatches / 2; n < kBatches; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
    // Left as a power failure leaves it: closed in order there would be no log.
    disk_.Cut();
    store_.reset();
    disk_.Restore();
    fs::copy(options_.path, pristine_, fs::copy_options::recursive);
  }
  void Relay() {
    store_.reset();
    fs::remove_all(options_.path);
    fs::copy(pristine_, options_.path, fs::copy_options::recursive);
  }

  enum class Outcome { kRefused, kFoundOnRead, kHarmless };
  // Opens and reads everything. Damage is named, or there is none: a wrong or missing value fails the test.
  Outcome OpenAndReadAll(const std::string& what) {
    absl::Status opened = Open();
    if (!opened.ok()) {
      EXPECT_EQ(ReasonOf(opened), "STORE_DAMAGED") << what << ": " << opened;
      EXPECT_THAT(Message(opened), HasSubstr(options_.path)) << what;
      return Outcome::kRefused;
    }
    bool found = false;
    auto expect = [&](Cf cf, const std::string& key, const std::string& value) {
      auto got = store_->Get(cf, key);
      if (!got.ok()) {
        EXPECT_EQ(ReasonOf(got.status()), "STORE_DAMAGED") << what;
        found = true;
        return;
      }
      EXPECT_EQ(*got, value) << what << ": wrong data for " << key;
    };
    for (int n = 0; n < kBatches; ++n) {
      expect(Cf::kHeaders, Key(n), Value(n, 60));
      expect(Cf::kPayloads, Key(n), Value(n, 200));
      expect(Cf::kJournal, Key(n), "");
    }
    expect(Cf::kLogs, "end", Value(kBatches - 1, 8));
    for (Cf cf : {Cf::kHeaders, Cf::kPayloads, Cf::kJournal}) {
      auto it = store_->Iterate(cf, "", "");
      int n = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next(), ++n) {
        EXPECT_EQ(it->key(), Key(n)) << what;
        EXPECT_EQ(it->value(), cf == Cf::kJournal ? "" : Value(n, cf == Cf::kHeaders ? 60 : 200)) << what;
      }
      if (it->status().ok()) {
        EXPECT_EQ(n, kBatches) << what << ": iteration ended early without a word";
      } else {
        EXPECT_EQ(ReasonOf(it->status()), "STORE_DAMAGED") << what;
        found = true;
      }
    }
    return found ? Outcome::kFoundOnRead : Outcome::kHarmless;
  }

  // Flips one bit at each of up to `most` places of `path`, one at a time.
  std::map<Outcome, int> FlipThrough(const fs::path& path, size_t most) {
    std::map<Outcome, int> outcomes;
    const std::string bytes = Read(path);
    const size_t step = std::max<size_t>(1, bytes.size() / most);
    for (size_t at = 0; at < bytes.size(); at += step) {
      Relay();
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      Overwrite(path, damaged);
      ++outcomes[OpenAndReadAll(fmt::format("{} with byte {} of {} flipped", path.filename().string(), at, bytes.size()))];
    }
    return outcomes;
  }

  const std::string pristine_ = scratch_.path() + "/pristine";
};

TEST_F(DamageTest, UndamagedItIsHarmless) {
  Lay();
  EXPECT_EQ(OpenAndReadAll("nothing flipped"), Outcome::kHarmless);
}

TEST_F(DamageTest, AFlippedByteInATable) {
  Lay();
  std::vector<fs::path> tables = Files("", ".sst");
  ASSERT_GE(tables.size(), 4u);
  int named = 0;
  for (const fs::path& table : tables) {
    std::map<Outcome, int> outcomes = FlipThrough(table, 40);
    named += outcomes[Outcome::kRefused] + outcomes[Outcome::kFoundOnRead];
  }
  EXPECT_GT(named, 20);
}

TEST_F(DamageTest, AFlippedByteInTheLog) {
  Lay();
  std::vector<fs::path> logs = Files("", ".log");
  ASSERT_EQ(logs.size(), 1u);
  std::map<Outcome, int> outcomes = FlipThrough(logs[0], 60);
  EXPECT_GT(outcomes[Outcome::kRefused], 50);
}

TEST_F(DamageTest, AFlippedByteInTheManifest) {
  Lay();
  std::vector<fs::path> manifests = Files("MANIFEST-", "");
  ASSERT_EQ(manifests.size(), 1u);
  std::map<Outcome, int> outcomes = FlipThrough(manifests[0], 60);
  EXPECT_GT(outcomes[Outcome::kRefused], 50);
}

// To RocksDB a length beyond the end of the file is the torn tail of a power failure.
TEST_F(DamageTest, ALengthThatPointsBeyondTheEnd) {
  Lay();
  for (const fs::path& file : {Files("MANIFEST-", "").at(0), Files("", ".log").at(0)}) {
    const std::string bytes = Read(file);
    ASSERT_LT(bytes.size(), 32768u);  // one block of records
    int records = 0;
    for (size_t at = 0; at + 7 <= bytes.size(); ++records) {
      Relay();
      std::string damaged = bytes;
      damaged[at + 5] = static_cast<char>(damaged[at + 5] ^ 0x80);
      Overwrite(file, damaged);
      EXPECT_EQ(OpenAndReadAll(fmt::format("{}, record at {}", file.filename().string(), at)), Outcome::kRefused);
      at += 7 + static_cast<uint8_t>(bytes[at + 4]) + 256 * static_cast<uint8_t>(bytes[at + 5]);
    }
    EXPECT_GE(records, 10);
  }
}

// One that was torn is none, wherever it was torn.
TEST_F(DamageTest, ATornRecordAtTheEndOfTheLogIsLeftOut) {
  Lay();
  const fs::path log = Files("", ".log").at(0);
  const std::string bytes = Read(log);
  for (size_t lost : {1, 100, 250}) {
    Relay();
    Overwrite(log, bytes.substr(0, bytes.size() - lost));
    ASSERT_TRUE(Open().ok()) << lost;
    EXPECT_EQ(*store_->Get(Cf::kJournal, Key(kBatches - 1)), std::nullopt);
    EXPECT_EQ(*store_->Get(Cf::kJournal, Key(kBatches - 2)), "");
  }
}

TEST_F(DamageTest, AnyOtherCurrent) {
  Lay();
  const fs::path current = options_.path + "/CURRENT";
  const std::string bytes = Read(current);
  EXPECT_EQ(FlipThrough(current, bytes.size())[Outcome::kRefused], static_cast<int>(bytes.size()));
  for (const std::string& damaged : {std::string(), std::string("\n"), std::string("MANIFEST-999999\n"), bytes.substr(0, 9)}) {
    Relay();
    Overwrite(current, damaged);
    EXPECT_EQ(OpenAndReadAll("CURRENT is '" + damaged + "'"), Outcome::kRefused);
  }
}

TEST_F(DamageTest, AMissingFile) {
  Lay();
  std::vector<fs::path> files = Files("", ".sst");
  for (const fs::path& manifest : Files("MANIFEST-", "")) files.push_back(manifest);
  files.push_back(options_.path + "/CURRENT");
  for (const fs::path& file : files) {
    Relay();
    ASSERT_TRUE(fs::remove(file));
    EXPECT_NE(OpenAndReadAll(file.filename().string() + " is missing"), Outcome::kHarmless);
    EXPECT_FALSE(fs::exists(file)) << file << " was made anew";
  }
}

TEST_F(DamageTest, ATruncatedTable) {
  Lay();
  for (const fs::path& table : Files("", ".sst")) {
    Relay();
    fs::resize_file(table, fs::file_size(table) / 2);
    EXPECT_NE(OpenAndReadAll(table.filename().string() + " is cut in half"), Outcome::kHarmless);
  }
}

// --- power -------------------------------------------------------------------------------------------------------------------------------

// Writes until the power fails somewhere, over and over on the same store: every synced batch is there, in order, then a prefix of the
// unsynced ones, each whole.
// The store's files that hold the text.
std::vector<std::string> FilesWith(const std::string& path, const std::string& text) {
  std::vector<std::string> files;
  for (const auto& file : fs::recursive_directory_iterator(path)) {
    if (file.is_regular_file() && Read(file.path()).find(text) != std::string::npos) files.push_back(file.path().filename());
  }
  return files;
}

TEST_F(RocksDbStoreTest, WhatIsPurgedIsInNoFile) {
  ASSERT_TRUE(Open().ok());
  const std::string deleted = "q7Zp0-deleted-Xw3vJ";
  const std::string replaced = "k2Rb9-replaced-Hs8Tm";
  const std::vector<std::pair<Cf, std::string>> keys = {{Cf::kPayloads, "d"}, {Cf::kRecords, "r"}};
  auto batch = store_->NewBatch();
  for (int i = 0; i < 1000; ++i) batch->Put(Cf::kPayloads, fmt::format("k{}", i), fmt::format("value {}", i));
  batch->Put(Cf::kPayloads, "d", deleted);
  batch->Put(Cf::kRecords, "r", replaced);
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  ASSERT_THAT(FilesWith(options_.path, deleted), testing::Not(testing::IsEmpty()));
  ASSERT_TRUE(store_->CopyTo(scratch_.path() + "/copy").ok());  // into tables
  std::unique_ptr<Snapshot> before = store_->NewSnapshot();
  batch->Clear();
  batch->Delete(Cf::kPayloads, "d");
  batch->Put(Cf::kRecords, "r", "another");
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());

  EXPECT_TRUE(absl::IsUnavailable(store_->Purge(keys, nullptr))) << "a reader sees it";
  EXPECT_EQ(**before->Get(Cf::kPayloads, "d"), deleted);
  ASSERT_THAT(FilesWith(options_.path, deleted), testing::Not(testing::IsEmpty()));
  ASSERT_THAT(FilesWith(options_.path, replaced), testing::Not(testing::IsEmpty()));
  before.reset();
  std::atomic<bool> cancelled = true;
  EXPECT_TRUE(absl::IsUnavailable(store_->Purge(keys, &cancelled))) << "it is given up";

  batch->Clear();
  batch->Put(Cf::kPayloads, "later", "value");
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  const auto since = store_->NewSnapshot();
  ASSERT_TRUE(store_->Purge(keys, nullptr).ok()) << "what began after the deletion does not hinder";
  EXPECT_THAT(FilesWith(options_.path, deleted), testing::IsEmpty());
  EXPECT_THAT(FilesWith(options_.path, replaced), testing::IsEmpty());
  EXPECT_THAT(FilesWith(scratch_.path() + "/copy", deleted), testing::Not(testing::IsEmpty())) << "a copy of before is another store";
  EXPECT_EQ(**store_->Get(Cf::kRecords, "r"), "another");
  EXPECT_FALSE((*store_->Get(Cf::kPayloads, "d")).has_value());
  EXPECT_EQ(**store_->Get(Cf::kPayloads, "k999"), "value 999");
}

TEST_F(RocksDbStoreTest, APurgeIsNotOverWhileAnIteratorHoldsTheFiles) {
  options_.readers_max = absl::Milliseconds(20);
  ASSERT_TRUE(Open().ok());
  const std::string deleted = "q7Zp0-deleted-Xw3vJ";
  auto batch = store_->NewBatch();
  batch->Put(Cf::kPayloads, "d", deleted);
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  ASSERT_TRUE(store_->CopyTo(scratch_.path() + "/copy").ok());  // into tables
  batch->Clear();
  batch->Delete(Cf::kPayloads, "d");
  // One from before the deletion, and one from after it, which reads the same files.
  auto before = store_->Iterate(Cf::kPayloads, {}, {});
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  auto after = store_->Iterate(Cf::kPayloads, {}, {});
  const std::vector<std::pair<Cf, std::string>> keys = {{Cf::kPayloads, "d"}};
  EXPECT_TRUE(absl::IsUnavailable(store_->Purge(keys, nullptr)));
  before.reset();
  EXPECT_TRUE(absl::IsUnavailable(store_->Purge(keys, nullptr)));
  EXPECT_THAT(FilesWith(options_.path, deleted), testing::Not(testing::IsEmpty()));
  after.reset();
  EXPECT_TRUE(store_->Purge(keys, nullptr).ok());
  EXPECT_THAT(FilesWith(options_.path, deleted), testing::IsEmpty());
}

TEST_F(RocksDbStoreTest, WhatIsPurgedByItsPrefixIsInNoFile) {
  ASSERT_TRUE(Open().ok());
  const auto text = [](const char* what, int i) { return fmt::format("{}-{}-Vb4Kq", what, i); };
  auto batch = store_->NewBatch();
  for (int i = 0; i < 4; ++i) {
    batch->Put(Cf::kContents, fmt::format("cGONE{}", i), text("gone", i));
    batch->Put(Cf::kContents, fmt::format("cKEPT{}", i), text("kept", i));
  }
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  ASSERT_TRUE(store_->CopyTo(scratch_.path() + "/copy").ok());  // into tables
  batch->Clear();
  for (int i = 0; i < 4; ++i) batch->Delete(Cf::kContents, fmt::format("cGONE{}", i));
  ASSERT_TRUE(store_->Write(batch.get(), Sync::kYes).ok());
  ASSERT_THAT(FilesWith(options_.path, text("gone", 2)), testing::Not(testing::IsEmpty()));
  ASSERT_TRUE(store_->Purge({{Cf::kContents, "cGONE"}}, nullptr).ok());
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(FilesWith(options_.path, text("gone", i)), testing::IsEmpty());
    EXPECT_EQ(*store_->Get(Cf::kContents, fmt::format("cKEPT{}", i)), text("kept", i));
  }
}

TEST_F(RocksDbStoreTest, APowerFailureLosesNothingSynced) {
  options_.memtables_bytes_max = 256 << 10;  // so that tables are written and compacted too
  options_.wal_bytes_max = 128 << 10;
  std::mt19937 random(4);
  ASSERT_TRUE(Open().ok());
  int written = 0, cuts_while_writing = 0, lost = 0, kept = 0;
  for (int round = 0; round < 60; ++round) {
    int synced = written, n = written;
    disk_.CutAfter(static_cast<int64_t>(random() % 400));
    for (int i = 0; i < 150; ++i, ++n) {
      const Sync sync = random() % 4 == 0 ? Sync::kYes : Sync::kNo;
      if (!Write(n, sync).ok()) {
        ++cuts_while_writing;
        ++n;  // it may be there or not, but whole
        break;
      }
      if (sync == Sync::kYes) synced = n + 1;
    }
    disk_.Cut();
    store_.reset();
    disk_.Restore([&](const std::string&, uint64_t unsynced) { return random() % (unsynced + 1); }, random() % 4);
    absl::Status status = Open();
    ASSERT_TRUE(status.ok()) << "round " << round << ": " << status;
    written = Written();
    ASSERT_FALSE(HasFailure()) << "round " << round;
    ASSERT_GE(written, synced) << "round " << round;
    ASSERT_LE(written, n) << "round " << round;
    lost += n - written;
    kept += written - synced;
  }
  // The test is about something only if all of these happened.
  EXPECT_GT(cuts_while_writing, 10);
  EXPECT_GT(lost, 0);
  EXPECT_GT(kept, 0);
}

// The power fails at each step of a recovery in turn.
TEST_F(RocksDbStoreTest, APowerFailureDuringRecoveryLosesNothing) {
  ASSERT_TRUE(Open().ok());
  for (int n = 0; n < 10; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
  disk_.Cut();
  store_.reset();
  disk_.Restore();
  int64_t steps = 0;
  for (bool cut = true; cut; ++steps) {
    ASSERT_LT(steps, 5000);
    disk_.CutAfter(steps);
    Open().IgnoreError();
    cut = disk_.is_cut();
    store_.reset();
    if (steps % 2 == 0) {
      disk_.Restore();
    } else {
      disk_.RestoreAll();
    }
  }
  EXPECT_GT(steps, 10);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Written(), 10);
}

// --- a full disk -------------------------------------------------------------------------------------------------------------------------

// Fills the disk at every point of the record, then makes room. `before` batches are in memory when it happens.
class FullDiskTest : public RocksDbStoreTest, public testing::WithParamInterface<int> {};

TEST_P(FullDiskTest, IsSaidAndPasses) {
  for (uint64_t room : {0, 1, 7, 100, 4096, 20'000, 32'768, 40'000, 66'000, 100'000}) {
    SCOPED_TRACE(fmt::format("room for {} bytes", room));
    fs::remove_all(options_.path);
    ASSERT_TRUE(Open().ok());
    for (int n = 0; n < GetParam(); ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
    disk_.SetFree(room);
    constexpr size_t kLarge = 120'000;  // more than any of the rooms
    for (int i = 0; i < 3; ++i) {
      absl::Status status = Write(GetParam(), i == 1 ? Sync::kNo : Sync::kYes, kLarge);
      ASSERT_EQ(ReasonOf(status), "STORAGE_FULL") << status;
      ASSERT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
      ASSERT_THAT(Message(status), HasSubstr(options_.path));
      ASSERT_EQ(Written(), GetParam());
    }
    disk_.SetFree(std::nullopt);
    for (int n = GetParam(); n < GetParam() + 5; ++n) {
      absl::Status status = Write(n, Sync::kYes);
      ASSERT_TRUE(status.ok()) << status;
    }
    ASSERT_EQ(Written(), GetParam() + 5);
    disk_.Cut();
    store_.reset();
    disk_.Restore();
    absl::Status reopened = Open();
    ASSERT_TRUE(reopened.ok()) << reopened;
    ASSERT_EQ(Written(), GetParam() + 5);
    store_.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Before, FullDiskTest, testing::Values(0, 1, 20));

TEST_F(RocksDbStoreTest, ARestartOnAFullDiskRecoversToo) {
  ASSERT_TRUE(Open().ok());
  for (int n = 0; n < 5; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
  store_.reset();
  disk_.SetFree(0);
  absl::Status full = Open();
  EXPECT_EQ(ReasonOf(full), "STORAGE_FULL") << full;
  EXPECT_THAT(Message(full), HasSubstr(options_.path));
  // Room to open, none to write: nothing is in memory when the first write fails.
  disk_.SetFree(std::nullopt);
  ASSERT_TRUE(Open().ok());
  disk_.SetFree(0);
  EXPECT_EQ(ReasonOf(Write(5, Sync::kYes)), "STORAGE_FULL");
  EXPECT_EQ(Written(), 5);
  disk_.SetFree(std::nullopt);
  absl::Status status = Write(5, Sync::kYes);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Written(), 6);
}

// The sync fails for lack of space after the record was written, as on file systems that allocate late. What a later sync would say of
// those bytes means nothing, so the store stops until it is opened again, and every acknowledged write is there then.
TEST_F(RocksDbStoreTest, ADiskFoundFullBySyncing) {
  ASSERT_TRUE(Open().ok());
  for (int n = 0; n < 5; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
  disk_.SetFault([](Operation operation, const std::string& path) {
    if (operation != Operation::kSync || !path.ends_with(".log")) return rocksdb::IOStatus::OK();
    rocksdb::IOStatus status = rocksdb::IOStatus::NoSpace("the disk is full");
    status.SetRetryable(true);
    return status;
  });
  EXPECT_EQ(ReasonOf(Write(5, Sync::kYes)), "STORAGE_FAILED");
  EXPECT_EQ(Written(), 5);
  disk_.SetFault(nullptr);
  EXPECT_EQ(ReasonOf(Write(6, Sync::kYes)), "STORAGE_FAILED");
  disk_.Cut();
  store_.reset();
  disk_.Restore();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Written(), 5);
  for (int n = 5; n < 10; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
  EXPECT_EQ(Written(), 10);
}

// RocksDB can wait for ever in its recovery; here for a table that cannot be written while the test holds it. Writes are told, what was
// acknowledged can be read, and the store that is opened again goes on.
TEST_F(RocksDbStoreTest, ARecoveryThatDoesNotEnd) {
  options_.recovery_max = absl::Milliseconds(100);
  ASSERT_TRUE(Open().ok());
  for (int n = 0; n < 5; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
  disk_.SetFree(0);
  EXPECT_EQ(ReasonOf(Write(5, Sync::kYes)), "STORAGE_FULL");
  disk_.SetFree(std::nullopt);
  absl::Notification held;
  disk_.SetFault([&held](Operation operation, const std::string& path) {
    if (operation == Operation::kCreate && path.ends_with(".sst")) held.WaitForNotification();
    return rocksdb::IOStatus::OK();
  });
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = Write(5, Sync::kYes);
    EXPECT_EQ(ReasonOf(status), "STORAGE_FAILED") << status;
    EXPECT_THAT(Message(status), AllOf(HasSubstr(options_.path), HasSubstr("has not recovered")));
  }
  EXPECT_EQ(Written(), 5);
  held.Notify();
  store_.reset();
  disk_.SetFault(nullptr);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Written(), 5);
  ASSERT_TRUE(Write(5, Sync::kYes).ok());
  EXPECT_EQ(Written(), 6);
}

// The disk fills while tables are written in the background.
TEST_F(RocksDbStoreTest, ADiskFilledByTables) {
  options_.memtables_bytes_max = 128 << 10;
  ASSERT_TRUE(Open().ok());
  int n = 0;
  for (; n < 50; ++n) ASSERT_TRUE(Write(n, Sync::kYes, 2000).ok());
  disk_.SetFree(300 << 10);
  absl::Status status;
  for (; n < 5000; ++n) {
    status = Write(n, Sync::kYes, 2000);
    if (!status.ok()) break;
  }
  EXPECT_EQ(ReasonOf(status), "STORAGE_FULL") << status;
  EXPECT_EQ(Written(2000), n);
  disk_.SetFree(std::nullopt);
  for (int end = n + 100; n < end; ++n) {
    status = Write(n, Sync::kYes, 2000);
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(Written(2000), n);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Written(2000), n);
}

// --- a failing disk ----------------------------------------------------------------------------------------------------------------------

TEST_F(RocksDbStoreTest, AFailedSyncStopsWritesUntilReopened) {
  ASSERT_TRUE(Open().ok());
  for (int n = 0; n < 5; ++n) ASSERT_TRUE(Write(n, Sync::kYes).ok());
  disk_.SetFault([](Operation operation, const std::string& path) {
    return operation == Operation::kSync && path.ends_with(".log") ? rocksdb::IOStatus::IOError("the device is gone")
                                                                   : rocksdb::IOStatus::OK();
  });
  absl::Status status = Write(5, Sync::kYes);
  EXPECT_EQ(ReasonOf(status), "STORAGE_FAILED") << status;
  EXPECT_THAT(Message(status), HasSubstr(options_.path));
  EXPECT_THAT(Message(status), HasSubstr("the device is gone"));
  disk_.SetFault(nullptr);
  // A sync that failed once says nothing when it succeeds later: the bytes may be gone from memory and disk alike.
  EXPECT_EQ(ReasonOf(Write(5, Sync::kYes)), "STORAGE_FAILED");
  EXPECT_EQ(ReasonOf(Write(5, Sync::kNo)), "STORAGE_FAILED");
  EXPECT_EQ(Written(), 5);
  disk_.Cut();
  store_.reset();
  disk_.Restore();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Written(), 5);
  EXPECT_TRUE(Write(5, Sync::kYes).ok());
}

}  // namespace
}  // namespace fairlead::storage
