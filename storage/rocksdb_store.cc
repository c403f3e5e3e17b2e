#include "storage/rocksdb_store.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/steady_event.h"
#include "storage/log_tail.h"

namespace fairlead::storage {
namespace {

using rocksdb::Slice;

Slice ToSlice(std::string_view v) { return {v.data(), v.size()}; }
std::string_view ToView(const Slice& s) { return {s.data(), s.size()}; }

bool IsNoSpace(const rocksdb::Status& status) { return status.IsNoSpace() || status.subcode() == rocksdb::Status::kNoSpace; }

std::string Number(uint32_t v) {
  std::string out;
  PutU32(&out, v);
  return out;
}

absl::Status ReadError(const std::string& path, const rocksdb::Status& status) {
  if (status.IsCorruption()) return Error(Reason::kStoreDamaged, fmt::format("{}: {}", path, status.ToString()));
  return Error(Reason::kStorageFailed, fmt::format("{}: {}", path, status.ToString()));
}

// What the store must hear from RocksDB while it is open.
class Listener : public rocksdb::EventListener {
 public:
  // Called as a log is replaced, before anything is written to the next. What is unsynced in the old one is synced here: else a loss of
  // power could keep later batches in the new log and lose earlier ones of the old, which RocksDB 7.8 does not notice when it recovers.
  void OnMemTableSealed(const rocksdb::MemTableInfo& info) override {
    rocksdb::DB* db = db_;
    if (db != nullptr) db->SyncWAL().PermitUncheckedError();  // a failure stops RocksDB, and so the next write
    if (info.cf_name == kCfNames[static_cast<size_t>(Cf::kMeta)]) meta_is_empty_ = true;
  }
  // RocksDB's own recovery looks for space every few seconds, and forbids any other meanwhile. Writes look when they need it.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status error, bool* auto_recovery) override {
    if (IsNoSpace(error)) *auto_recovery = false;
  }
  bool ShouldBeNotifiedOnFileIO() override { return true; }
  void OnIOError(const rocksdb::IOErrorInfo& info) override {
    using rocksdb::FileOperationType;
    const bool sync = info.operation == FileOperationType::kSync || info.operation == FileOperationType::kFsync ||
                      info.operation == FileOperationType::kRangeSync;
    if (sync && info.file_path.ends_with(".log")) log_sync_failed_ = true;
  }
  // Whether a log's sync ever failed.
  bool log_sync_failed() const { return log_sync_failed_; }
  // Null while the database is opened or closed.
  void SetDb(rocksdb::DB* db) { db_ = db; }
  // Whether `meta` has held nothing in memory since the last call.
  bool TakeMetaIsEmpty() { return meta_is_empty_.exchange(false); }
  void SetMetaIsEmpty() { meta_is_empty_ = true; }

 private:
  std::atomic<rocksdb::DB*> db_{nullptr};
  std::atomic<bool> meta_is_empty_{true};
  std::atomic<bool> log_sync_failed_{false};
};

class RocksBatch : public Batch {
 public:
  explicit RocksBatch(const std::vector<rocksdb::ColumnFamilyHandle*>* handles) : handles_(*handles) {}
  void Put(Cf cf, std::string_view key, std::string_view value) override { batch_.Put(Handle(cf), ToSlice(key), ToSlice(value)); }
  void Delete(Cf cf, std::string_view key) override { batch_.Delete(Handle(cf), ToSlice(key)); }
  void Clear() override { batch_.Clear(); }
  size_t bytes() const override { return batch_.GetDataSize(); }
  rocksdb::WriteBatch* batch() { return &batch_; }

 private:
  rocksdb::ColumnFamilyHandle* Handle(Cf cf) const { return handles_[static_cast<size_t>(cf)]; }
  const std::vector<rocksdb::ColumnFamilyHandle*>& handles_;
  rocksdb::WriteBatch batch_;
};

constexpr absl::Duration kReadersLook = absl::Milliseconds(10);

// The iterators that are open, numbered: each holds on to the files as they were when it was made.
class OpenIterators {
 public:
  uint64_t Add() {
    absl::MutexLock lock(&mu_);
    return *open_.insert(next_++).first;
  }
  void Remove(uint64_t number) {
    absl::MutexLock lock(&mu_);
    open_.erase(number);
  }
  uint64_t next() const {
    absl::MutexLock lock(&mu_);
    return next_;
  }
  bool AnyBefore(uint64_t number) const {
    absl::MutexLock lock(&mu_);
    return !open_.empty() && *open_.begin() < number;
  }

 private:
  mutable absl::Mutex mu_;
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 0;
  std::set<uint64_t> open_ ABSL_GUARDED_BY(mu_);
};

class RocksIterator : public Iterator {
 public:
  RocksIterator(OpenIterators* open, rocksdb::DB* db, rocksdb::ColumnFamilyHandle* cf, const rocksdb::Snapshot* snapshot,
                std::string_view lower, std::string_view upper, const std::string& path)
      : lower_(lower), upper_(upper), lower_slice_(lower_), upper_slice_(upper_), path_(path), open_(open), number_(open->Add()) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    options.verify_checksums = true;
    if (!lower_.empty()) options.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) options.iterate_upper_bound = &upper_slice_;
    it_.reset(db->NewIterator(options, cf));
  }
  ~RocksIterator() override {
    it_.reset();  // removes files that nothing else needs
    open_->Remove(number_);
  }
  void SeekToFirst() override { it_->SeekToFirst(); }
  void SeekToLast() override { it_->SeekToLast(); }
  void Seek(std::string_view key) override { it_->Seek(ToSlice(std::max<std::string_view>(key, lower_))); }
  void Next() override { it_->Next(); }
  void Prev() override { it_->Prev(); }
  bool Valid() const override { return it_->Valid(); }
  std::string_view key() const override { return ToView(it_->key()); }
  std::string_view value() const override { return ToView(it_->value()); }
  absl::Status status() const override { return it_->status().ok() ? absl::OkStatus() : ReadError(path_, it_->status()); }

 private:
  // The bounds outlive the iterator that points at them.
  const std::string lower_, upper_;
  const Slice lower_slice_, upper_slice_;
  const std::string& path_;
  OpenIterators* const open_;
  const uint64_t number_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

// Of a family that a store of an earlier version does not have.
class EmptyIterator : public Iterator {
 public:
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(std::string_view) override {}
  void Next() override {}
  void Prev() override {}
  bool Valid() const override { return false; }
  std::string_view key() const override { return {}; }
  std::string_view value() const override { return {}; }
  absl::Status status() const override { return absl::OkStatus(); }
};

class RocksDbStore;

class RocksSnapshot : public View {
 public:
  explicit RocksSnapshot(const RocksDbStore* store);
  ~RocksSnapshot() override;
  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override;
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override;
  uint64_t version() const override { return snapshot_->GetSequenceNumber(); }

 private:
  const RocksDbStore* const store_;
  const rocksdb::Snapshot* const snapshot_;
};

class RocksDbStore : public Store {
 public:
  // `lock` is let go of once the database is closed.
  RocksDbStore(const RocksDbOptions& options, std::shared_ptr<Listener> listener, std::unique_ptr<rocksdb::DB> db,
               std::vector<rocksdb::ColumnFamilyHandle*> handles, std::shared_ptr<void> lock = nullptr)
      : path_(options.path),
        memtables_bytes_max_(options.memtables_bytes_max),
        recovery_max_(options.recovery_max),
        readers_max_(options.readers_max),
        lock_(std::move(lock)),
        listener_(std::move(listener)),
        db_(std::move(db)),
        handles_(std::move(handles)) {
    listener_->SetDb(db_.get());
  }
  ~RocksDbStore() override {
    listener_->SetDb(nullptr);
    if (recovery_.joinable()) {
      rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/false);  // ends its waiting
      recovery_.join();
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }

  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override { return GetAt(nullptr, cf, key); }
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override {
    return IterateAt(nullptr, cf, lower, upper);
  }
  uint64_t version() const override { return db_->GetLatestSequenceNumber(); }
  std::unique_ptr<Batch> NewBatch() const override { return std::make_unique<RocksBatch>(&handles_); }
  std::unique_ptr<Snapshot> NewSnapshot() const override { return std::make_unique<RocksSnapshot>(this); }

  absl::Status Write(Batch* batch, Sync sync) override {
    {
      absl::MutexLock lock(&mu_);
      if (!failure_.ok()) return failure_;
    }
    rocksdb::WriteBatch* writes = static_cast<RocksBatch*>(batch)->batch();
    rocksdb::Status status = WriteOnce(writes, sync);
    // The error may be an old one, of a write or a flush before: then there may be space by now. Nothing of a failed batch is in memory,
    // and recovery leaves its log behind, so it can be written again. A failed sync is another matter, whatever its cause: the system may
    // have dropped the pages and report the next sync a success, so only a fresh read of the log tells what is on the disk.
    if (IsNoSpace(status) && !listener_->log_sync_failed() && Recover()) status = WriteOnce(writes, sync);
    if (status.ok()) return absl::OkStatus();
    absl::MutexLock lock(&mu_);
    if (failure_.ok() && IsNoSpace(status) && !listener_->log_sync_failed()) {
      return Error(Reason::kStorageFull, fmt::format("{}: no space for the write: {}", path_, status.ToString()));
    }
    if (failure_.ok()) failure_ = Error(Reason::kStorageFailed, fmt::format("{}: {}", path_, status.ToString()));
    return failure_;
  }

  absl::StatusOr<std::optional<std::string>> GetAt(const rocksdb::Snapshot* snapshot, Cf cf, std::string_view key) const {
    if (Lacks(cf)) return std::nullopt;
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    std::string value;
    rocksdb::Status status = db_->Get(options, handles_[static_cast<size_t>(cf)], ToSlice(key), &value);
    if (status.ok()) return value;
    if (status.IsNotFound()) return std::nullopt;
    return ReadError(path_, status);
  }
  std::unique_ptr<Iterator> IterateAt(const rocksdb::Snapshot* snapshot, Cf cf, std::string_view lower, std::string_view upper) const {
    if (Lacks(cf)) return std::make_unique<EmptyIterator>();
    return std::make_unique<RocksIterator>(&iterators_, db_.get(), handles_[static_cast<size_t>(cf)], snapshot, lower, upper, path_);
  }
  absl::Status Purge(const std::vector<std::pair<Cf, std::string>>& keys, std::atomic<bool>* cancelled) override {
    absl::MutexLock lock(&purge_mu_);
    const rocksdb::SequenceNumber now = db_->GetLatestSequenceNumber();
    rocksdb::SequenceNumber deleted = 0;
    for (const auto& key : keys) deleted = std::max(deleted, purges_.try_emplace(key, now).first->second);
    // A compaction keeps what a snapshot can see.
    uint64_t oldest = 0;
    if (db_->GetIntProperty(rocksdb::DB::Properties::kOldestSnapshotSequence, &oldest) && oldest != 0 && oldest < deleted) {
      return absl::UnavailableError(fmt::format("{}: a reader holds an older view", path_));
    }
    // Every family: a log is removed once nothing in memory needs it.
    rocksdb::Status status = db_->Flush(rocksdb::FlushOptions(), handles_);
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.canceled = cancelled;
    const auto given_up = [cancelled] { return cancelled != nullptr && cancelled->load(); };
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    for (const auto& [cf, key] : keys) {
      if (!status.ok() || given_up()) break;
      const std::string after = PrefixEnd(key);
      const Slice first = ToSlice(key), last = ToSlice(after);
      status = db_->CompactRange(options, handles_[static_cast<size_t>(cf)], &first, after.empty() ? nullptr : &last);
    }
    if (given_up()) return absl::UnavailableError(fmt::format("{}: a purge was given up", path_));
    if (!status.ok()) {
      return Error(IsNoSpace(status) ? Reason::kStorageFull : Reason::kStorageFailed, fmt::format("{}: {}", path_, status.ToString()));
    }
    const uint64_t end = iterators_.next();
    for (const absl::Time latest = SteadyNow() + readers_max_; iterators_.AnyBefore(end); absl::SleepFor(kReadersLook)) {
      if (given_up() || SteadyNow() >= latest) return absl::UnavailableError(fmt::format("{}: a reader holds older files", path_));
    }
    for (const auto& key : keys) purges_.erase(key);
    return absl::OkStatus();
  }
  absl::Status CopyTo(const std::string& folder) const override {
    rocksdb::Checkpoint* raw = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &raw);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
    // Flushed first (0: whatever the size of the log), so that nothing of it hangs on bytes of the log that no sync has covered.
    if (status.ok()) status = checkpoint->CreateCheckpoint(folder, 0);
    if (status.ok()) return absl::OkStatus();
    const std::string message = fmt::format("{} was not copied to {}: {}", path_, folder, status.ToString());
    return Error(IsNoSpace(status)       ? Reason::kStorageFull
                 : status.IsCorruption() ? Reason::kStoreDamaged
                                         : Reason::kStorageFailed,
                 message);
  }
  rocksdb::DB* db() const { return db_.get(); }

 private:
  // A store of an earlier version, open to be read, has fewer families.
  bool Lacks(Cf cf) const { return static_cast<size_t>(cf) >= handles_.size(); }

  // RocksDB 7.8 goes on after a log it could not write only with a new log, and recovery starts one only when some memtable holds
  // something. Were all empty, recovery would succeed and the next write would fail for good (its issues 11643 and 12998), or abort the
  // process where RocksDB's assertions are compiled in, as Debian's are. So `meta` always holds something: the format version again, which
  // needs no log.
  rocksdb::Status WriteOnce(rocksdb::WriteBatch* writes, Sync sync) {
    rocksdb::WriteOptions options;
    if (listener_->TakeMetaIsEmpty()) {
      options.disableWAL = true;
      rocksdb::Status status = db_->Put(options, handles_[static_cast<size_t>(Cf::kMeta)], ToSlice(kMetaFormat), Number(kFormatVersion));
      if (!status.ok()) {
        listener_->SetMetaIsEmpty();
        return status;
      }
    }
    options.disableWAL = false;
    options.sync = sync == Sync::kYes;
    return db_->Write(options, writes);
  }

  // Starts RocksDB again after it stopped for lack of space: flushes and begins a new log. False while there is no space for that.
  bool Recover() {
    uint64_t free_bytes = 0;
    if (db_->GetEnv()->GetFreeSpace(path_, &free_bytes).ok() && free_bytes < memtables_bytes_max_) return false;
    absl::MutexLock lock(&recovery_mu_);
    if (recovery_.joinable()) return false;
    // Not before the jobs that failed are over: RocksDB 7.8 asks for no flush of what a job still has in hand, and would then wait for that
    // flush for ever.
    if (!db_->PauseBackgroundWork().ok() || !db_->ContinueBackgroundWork().ok()) return false;
    // A flush that was scheduled, and not begun, when a compaction failed stays in RocksDB's queue: it counts as asked for, no job comes
    // for it, and recovery waits for it for ever. Only a store that is opened again goes on from there.
    struct Attempt {
      absl::Notification over;
      bool resumed = false;
    };
    auto attempt = std::make_shared<Attempt>();
    std::thread thread([db = db_.get(), attempt] {
      attempt->resumed = db->Resume().ok();
      attempt->over.Notify();
    });
    if (attempt->over.WaitForNotificationWithTimeout(recovery_max_)) {
      thread.join();
      return attempt->resumed;
    }
    recovery_ = std::move(thread);
    absl::MutexLock failed(&mu_);
    failure_ =
        Error(Reason::kStorageFailed, fmt::format("{}: RocksDB has not recovered from the full disk within {}; opened again, it will",
                                                  path_, absl::FormatDuration(recovery_max_)));
    return false;
  }

  const std::string path_;
  const size_t memtables_bytes_max_;
  const absl::Duration recovery_max_;
  const absl::Duration readers_max_;
  mutable OpenIterators iterators_;
  const std::shared_ptr<void> lock_;
  const std::shared_ptr<Listener> listener_;
  const std::unique_ptr<rocksdb::DB> db_;
  const std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  absl::Mutex recovery_mu_;                             // one recovery at a time
  std::thread recovery_ ABSL_GUARDED_BY(recovery_mu_);  // one that waits for ever
  absl::Mutex purge_mu_;
  // Keys of purges that were not carried out, and what had been written when they were first asked for.
  std::map<std::pair<Cf, std::string>, rocksdb::SequenceNumber> purges_ ABSL_GUARDED_BY(purge_mu_);
  absl::Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);  // sticks until the store is opened again
};

RocksSnapshot::RocksSnapshot(const RocksDbStore* store) : store_(store), snapshot_(store->db()->GetSnapshot()) {}
RocksSnapshot::~RocksSnapshot() { store_->db()->ReleaseSnapshot(snapshot_); }
absl::StatusOr<std::optional<std::string>> RocksSnapshot::Get(Cf cf, std::string_view key) const {
  return store_->GetAt(snapshot_, cf, key);
}
std::unique_ptr<Iterator> RocksSnapshot::Iterate(Cf cf, std::string_view lower, std::string_view upper) const {
  return store_->IterateAt(snapshot_, cf, lower, upper);
}

// RocksDB's warnings and errors, for the node's log. Its own log file lies on the store's disk, and 7.8 as Debian builds it, with
// assertions, ends the process when it appends to a file again whose last append failed: a full disk would be a crash.
class DiagnosticLog : public rocksdb::Logger {
 public:
  DiagnosticLog() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  using rocksdb::Logger::Logv;
  void LogHeader(const char*, va_list) override {}
  void Logv(const char* format, va_list arguments) override {
    char message[512];
    vsnprintf(message, sizeof(message), format, arguments);
    spdlog::warn("rocksdb: {}", message);
  }
};

rocksdb::DBOptions DbOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions db;
  db.info_log = std::make_shared<DiagnosticLog>();
  db.env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  // What was acknowledged was synced, so a torn record is legal at the tail of the log and nowhere else. Point-in-time recovery would take
  // damage before the tail for its end and silently go back there, after which this site would write a second history of its own log;
  // absolute consistency would refuse the torn tail that every loss of power may leave. This mode refuses the one and allows the other.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.max_total_wal_size = options.wal_bytes_max;
  db.db_write_buffer_size = options.memtables_bytes_max;  // all families share one budget
  db.avoid_flush_during_shutdown = true;                  // all that counts is in the log
  db.max_background_jobs = 2;
  db.max_open_files = 512;
  db.stats_dump_period_sec = 0;
  return db;
}

constexpr size_t kHintBytes = 4;              // tells an index, a log and a collection from others
constexpr double kMemtableBloomRatio = 0.01;  // of a memtable's bytes: ten bits and more for each key

rocksdb::ColumnFamilyOptions FamilyOptions(Cf cf, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  switch (cf) {
    case Cf::kJournal:
    case Cf::kIndexes:
    case Cf::kContents:
      break;  // read in ranges only, or where they are known to be
    default:
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));  // point reads, many of them for absent keys
  }
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size = 32 << 20;
  // A key is looked for from where the last one of the same beginning was put: batches hold theirs in order, so that the way is short.
  family.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(kHintBytes));
  if (cf == Cf::kRecords || cf == Cf::kRequests) {
    // Of what is created, each is asked for before it is there.
    family.memtable_whole_key_filtering = true;
    family.memtable_prefix_bloom_size_ratio = kMemtableBloomRatio;
  }
  family.compression = rocksdb::kLZ4Compression;
  family.bottommost_compression = rocksdb::kZSTD;
  // Photographs and documents are compressed as they come.
  if (cf == Cf::kContents) family.compression = family.bottommost_compression = rocksdb::kNoCompression;
  return family;
}

absl::Status OpenError(const std::string& path, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (text.starts_with("IO error: While lock file: ") || text.starts_with("IO error: lock hold by current process")) {
    return absl::UnavailableError(fmt::format("{}: open in another process: {}", path, text));
  }
  if (IsNoSpace(status)) return Error(Reason::kStorageFull, fmt::format("{}: {}", path, text));
  // A file that another file names and that is not there is damage as well.
  if (status.IsNotFound() || status.IsPathNotFound()) return Error(Reason::kStoreDamaged, fmt::format("{}: {}", path, text));
  return ReadError(path, status);
}

absl::Status OtherFormat(const std::string& path, std::string_view format) {
  Reader in(format);
  const uint32_t version = in.U32();
  return absl::FailedPreconditionError(fmt::format("{}: has format version {}; this program reads version {}", path,
                                                   in.Done() ? std::to_string(version) : "unknown", kFormatVersion));
}

// Whether there is no store in `path` yet. A creation cut short may have left a first manifest and no CURRENT.
absl::StatusOr<bool> IsFresh(const RocksDbOptions& options, rocksdb::Env* env) {
  rocksdb::Status current = env->FileExists(options.path + "/CURRENT");
  if (current.ok()) return false;
  if (!current.IsNotFound()) return OpenError(options.path, current);
  std::vector<std::string> files;
  rocksdb::Status listed = env->GetChildren(options.path, &files);
  if (!listed.ok()) return OpenError(options.path, listed);
  for (const std::string& file : files) {
    if (file.ends_with(".sst") || file.ends_with(".log") || (file.starts_with("MANIFEST-") && file != "MANIFEST-000001")) {
      return Error(Reason::kStoreDamaged, fmt::format("{}: CURRENT is missing beside {}", options.path, file));
    }
  }
  return true;
}

// Refuses logs and manifests of which RocksDB would drop the end without a word.
absl::Status CheckTails(const RocksDbOptions& options, rocksdb::Env* env) {
  std::vector<std::string> files;
  if (rocksdb::Status listed = env->GetChildren(options.path, &files); !listed.ok()) return OpenError(options.path, listed);
  for (const std::string& file : files) {
    if (!file.starts_with("MANIFEST-") && !file.ends_with(".log")) continue;
    if (absl::Status whole = CheckLogTail(env, options.path + "/" + file); !whole.ok()) return whole;
  }
  return absl::OkStatus();
}

// Those of format version 1: all but the last.
constexpr uint32_t kFirstVersion = 1;
constexpr size_t kFirstFamilies = kCfCount - 1;
static_assert(kFormatVersion == 2 && static_cast<size_t>(Cf::kContents) == kFirstFamilies);

// How many of the schema's column families the database has: all, or those of version 1. Refuses, before anything is written, one whose
// families are other; a creation cut short lacks some, and has nothing in the first.
absl::StatusOr<size_t> CheckFamilies(const RocksDbOptions& options, const rocksdb::DBOptions& db_options) {
  const std::string& path = options.path;
  if (absl::Status whole = CheckTails(options, db_options.env); !whole.ok()) return whole;
  std::vector<std::string> present;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(db_options, path, &present);
  if (!status.ok()) return OpenError(path, status);
  auto has = [](const auto& names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  auto unknown = std::find_if(present.begin(), present.end(), [&](const std::string& name) { return !has(kCfNames, name); });
  auto missing = std::find_if(kCfNames.begin(), kCfNames.end(), [&](std::string_view name) { return !has(present, name); });
  if (unknown == present.end() && missing == kCfNames.end()) return kCfCount;

  // The version says more than the families do.
  rocksdb::DB* raw = nullptr;
  status = rocksdb::DB::OpenForReadOnly(rocksdb::Options(db_options, rocksdb::ColumnFamilyOptions()), path, &raw);
  if (!status.ok()) return OpenError(path, status);
  const std::unique_ptr<rocksdb::DB> db(raw);
  std::string format;
  status = db->Get(rocksdb::ReadOptions(), ToSlice(kMetaFormat), &format);
  if (!status.ok() && !status.IsNotFound()) return OpenError(path, status);
  const bool first = status.ok() && format == Number(kFirstVersion) && missing == kCfNames.begin() + kFirstFamilies;
  if (status.ok() && format != Number(kFormatVersion) && !first) return OtherFormat(path, format);
  if (unknown != present.end()) {
    return absl::FailedPreconditionError(
        fmt::format("{}: has a column family '{}' that format version {} does not know", path, *unknown, kFormatVersion));
  }
  if (first) return kFirstFamilies;
  if (status.ok()) {
    return absl::FailedPreconditionError(
        fmt::format("{}: lacks the column family '{}' of format version {}", path, *missing, kFormatVersion));
  }
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions()));
  it->SeekToFirst();
  if (!it->status().ok()) return OpenError(path, it->status());
  if (it->Valid())
    return absl::FailedPreconditionError(fmt::format("{}: a database, but none of this program: it has no format version", path));
  return kCfCount;
}

std::vector<rocksdb::ColumnFamilyDescriptor> Families(const RocksDbOptions& options) {
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (size_t i = 0; i < kCfCount; ++i) families.emplace_back(std::string(kCfNames[i]), FamilyOptions(static_cast<Cf>(i), cache));
  return families;
}

absl::StatusOr<std::unique_ptr<RocksDbStore>> OpenToRead(const RocksDbOptions& options, Exclusive exclusive) {
  rocksdb::DBOptions db_options = DbOptions(options);
  rocksdb::Status there = db_options.env->FileExists(options.path + "/CURRENT");
  if (there.IsNotFound()) return absl::NotFoundError(fmt::format("{}: there is no store", options.path));
  if (!there.ok()) return OpenError(options.path, there);
  std::shared_ptr<void> held;
  if (exclusive == Exclusive::kYes) {
    // RocksDB takes no lock to read.
    rocksdb::FileLock* lock = nullptr;
    rocksdb::Status locked = db_options.env->LockFile(options.path + "/LOCK", &lock);
    if (!locked.ok()) return OpenError(options.path, locked);
    held = std::shared_ptr<rocksdb::FileLock>(lock, [env = db_options.env](rocksdb::FileLock* l) { env->UnlockFile(l); });
  }
  absl::StatusOr<size_t> present = CheckFamilies(options, db_options);
  if (!present.ok()) return present.status();
  std::vector<rocksdb::ColumnFamilyDescriptor> families = Families(options);
  families.erase(families.begin() + static_cast<ptrdiff_t>(*present), families.end());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(db_options, options.path, families, &handles, &raw);
  if (!opened.ok()) return OpenError(options.path, opened);
  auto store = std::make_unique<RocksDbStore>(options, std::make_shared<Listener>(), std::unique_ptr<rocksdb::DB>(raw), std::move(handles),
                                              std::move(held));
  absl::StatusOr<std::optional<std::string>> format = store->Get(Cf::kMeta, kMetaFormat);
  if (!format.ok()) return format.status();
  if (!format->has_value()) return Error(Reason::kStoreDamaged, fmt::format("{}: the format version is missing", options.path));
  if (**format != Number(kFormatVersion) && **format != Number(kFirstVersion)) return OtherFormat(options.path, **format);
  return store;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenRocksDbStoreToRead(const RocksDbOptions& options, Exclusive exclusive) {
  absl::StatusOr<std::unique_ptr<RocksDbStore>> store = OpenToRead(options, exclusive);
  if (!store.ok()) return store.status();
  return std::unique_ptr<Store>(*std::move(store));
}

absl::Status VerifyRocksDbFiles(const RocksDbOptions& options) {
  absl::StatusOr<std::unique_ptr<RocksDbStore>> store = OpenToRead(options, Exclusive::kNo);
  if (!store.ok()) return store.status();
  rocksdb::Status status = (*store)->db()->VerifyChecksum();
  return status.ok() ? absl::OkStatus() : ReadError(options.path, status);
}

absl::StatusOr<std::unique_ptr<Store>> OpenRocksDbStore(const RocksDbOptions& options) {
  rocksdb::DBOptions db_options = DbOptions(options);
  auto listener = std::make_shared<Listener>();
  db_options.listeners.push_back(listener);
  rocksdb::Status made = db_options.env->CreateDirIfMissing(options.path);
  if (IsNoSpace(made)) return OpenError(options.path, made);
  if (!made.ok()) return absl::FailedPreconditionError(fmt::format("{}: {}", options.path, made.ToString()));
  absl::StatusOr<bool> fresh = IsFresh(options, db_options.env);
  if (!fresh.ok()) return fresh.status();
  if (!*fresh) {
    if (absl::StatusOr<size_t> present = CheckFamilies(options, db_options); !present.ok()) return present.status();
  }

  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  rocksdb::Status opened = rocksdb::DB::Open(db_options, options.path, Families(options), &handles, &raw);
  if (!opened.ok()) return OpenError(options.path, opened);
  auto store = std::make_unique<RocksDbStore>(options, std::move(listener), std::unique_ptr<rocksdb::DB>(raw), std::move(handles));

  absl::StatusOr<std::optional<std::string>> format = store->Get(Cf::kMeta, kMetaFormat);
  if (!format.ok()) return format.status();
  // The families are there by now: the version is the last step of becoming one of the next version, too.
  const bool grows = format->has_value() && **format == Number(kFirstVersion);
  if (format->has_value() && !grows && **format != Number(kFormatVersion)) return OtherFormat(options.path, **format);
  if (!format->has_value()) {
    // The version is the last step of a creation: without it there is nothing else.
    for (size_t i = 0; i < kCfCount; ++i) {
      auto any = store->Iterate(static_cast<Cf>(i), {}, {});
      any->SeekToFirst();
      if (!any->status().ok()) return any->status();
      if (any->Valid()) {
        return Error(Reason::kStoreDamaged,
                     fmt::format("{}: the format version is missing, and '{}' is not empty", options.path, kCfNames[i]));
      }
    }
  }
  if (!format->has_value() || grows) {
    auto batch = store->NewBatch();
    batch->Put(Cf::kMeta, kMetaFormat, Number(kFormatVersion));
    absl::Status status = store->Write(batch.get(), Sync::kYes);
    if (!status.ok()) return status;
  }
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace fairlead::storage
