#include "storage/rocksdb_store.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "api/errors.h"

namespace fairlead::storage {
namespace {

using rocksdb::Slice;

Slice ToSlice(std::string_view v) { return {v.data(), v.size()}; }
std::string_view ToView(const Slice& s) { return {s.data(), s.size()}; }

bool IsNoSpace(const rocksdb::Status& status) { return status.IsNoSpace() || status.subcode() == rocksdb::Status::kNoSpace; }

absl::Status ReadError(const std::string& path, const rocksdb::Status& status) {
  if (status.IsCorruption()) return Error(Reason::kStoreDamaged, fmt::format("{}: {}", path, status.ToString()));
  return Error(Reason::kStorageFailed, fmt::format("{}: {}", path, status.ToString()));
}

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

class RocksIterator : public Iterator {
 public:
  RocksIterator(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* cf, const rocksdb::Snapshot* snapshot, std::string_view lower,
                std::string_view upper, const std::string& path)
      : lower_(lower), upper_(upper), lower_slice_(lower_), upper_slice_(upper_), path_(path) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    options.verify_checksums = true;
    if (!lower_.empty()) options.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) options.iterate_upper_bound = &upper_slice_;
    it_.reset(db->NewIterator(options, cf));
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
  std::unique_ptr<rocksdb::Iterator> it_;
};

class RocksDbStore;

class RocksSnapshot : public View {
 public:
  explicit RocksSnapshot(const RocksDbStore* store);
  ~RocksSnapshot() override;
  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override;
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override;

 private:
  const RocksDbStore* const store_;
  const rocksdb::Snapshot* const snapshot_;
};

class RocksDbStore : public Store {
 public:
  RocksDbStore(std::string path, std::unique_ptr<rocksdb::DB> db, std::vector<rocksdb::ColumnFamilyHandle*> handles)
      : path_(std::move(path)), db_(std::move(db)), handles_(std::move(handles)) {}
  ~RocksDbStore() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }

  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override { return GetAt(nullptr, cf, key); }
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override {
    return IterateAt(nullptr, cf, lower, upper);
  }
  std::unique_ptr<Batch> NewBatch() const override { return std::make_unique<RocksBatch>(&handles_); }
  std::unique_ptr<Snapshot> NewSnapshot() const override { return std::make_unique<RocksSnapshot>(this); }

  absl::Status Write(Batch* batch, Sync sync) override {
    {
      absl::MutexLock lock(&mu_);
      if (!failure_.ok()) return failure_;
      if (full_) {
        // What failed for lack of space left RocksDB stopped. Resume starts it again, fails for lack of space, or is busy because RocksDB's own
        // recovery, which looks every few seconds, is at it: then the write below says how things stand.
        rocksdb::Status resumed = db_->Resume();
        if (!resumed.ok() && !resumed.IsBusy()) return Full(resumed);
      }
    }
    rocksdb::WriteOptions options;
    options.sync = sync == Sync::kYes;
    rocksdb::Status status = db_->Write(options, static_cast<RocksBatch*>(batch)->batch());
    absl::MutexLock lock(&mu_);
    if (status.ok()) {
      full_ = false;
      return absl::OkStatus();
    }
    if (IsNoSpace(status)) {
      full_ = true;
      return Full(status);
    }
    failure_ = Error(Reason::kStorageFailed, fmt::format("{}: {}", path_, status.ToString()));
    return failure_;
  }

  absl::StatusOr<std::optional<std::string>> GetAt(const rocksdb::Snapshot* snapshot, Cf cf, std::string_view key) const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    std::string value;
    rocksdb::Status status = db_->Get(options, handles_[static_cast<size_t>(cf)], ToSlice(key), &value);
    if (status.ok()) return value;
    if (status.IsNotFound()) return std::nullopt;
    return ReadError(path_, status);
  }
  std::unique_ptr<Iterator> IterateAt(const rocksdb::Snapshot* snapshot, Cf cf, std::string_view lower, std::string_view upper) const {
    return std::make_unique<RocksIterator>(db_.get(), handles_[static_cast<size_t>(cf)], snapshot, lower, upper, path_);
  }
  rocksdb::DB* db() const { return db_.get(); }

 private:
  absl::Status Full(const rocksdb::Status& status) const {
    return Error(Reason::kStorageFull, fmt::format("{}: no space for the write: {}", path_, status.ToString()));
  }

  const std::string path_;
  const std::unique_ptr<rocksdb::DB> db_;
  const std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  absl::Mutex mu_;
  bool full_ ABSL_GUARDED_BY(mu_) = false;
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

rocksdb::DBOptions DbOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions db;
  db.env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  // Everything acknowledged was synced, so a torn record is legal at the tail of the WAL and nowhere else: damage before it refuses the
  // store instead of silently going back to the point before the damage.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.max_total_wal_size = options.wal_bytes_max;
  db.db_write_buffer_size = options.memtables_bytes_max;  // sixteen families share one budget
  db.max_background_jobs = 2;
  db.max_open_files = 512;
  db.keep_log_file_num = 4;
  db.max_log_file_size = 4 << 20;
  db.stats_dump_period_sec = 0;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(Cf cf, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  switch (cf) {
    case Cf::kJournal:
    case Cf::kIndexes:
      break;  // read in ranges only
    default:
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));  // point reads, many of them for absent keys
  }
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size = 32 << 20;
  family.compression = rocksdb::kLZ4Compression;
  family.bottommost_compression = rocksdb::kZSTD;
  return family;
}

std::string Number(uint32_t v) {
  std::string out;
  PutU32(&out, v);
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenRocksDbStore(const RocksDbOptions& options) {
  rocksdb::DBOptions db_options = DbOptions(options);
  rocksdb::Status made = db_options.env->CreateDirIfMissing(options.path);
  if (!made.ok()) return absl::FailedPreconditionError(fmt::format("{}: {}", options.path, made.ToString()));

  // Families of another program (or a later format) are named before anything is written.
  std::vector<std::string> present;
  rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(db_options, options.path, &present);
  const bool fresh = db_options.env->FileExists(options.path + "/CURRENT").IsNotFound();
  if (!listed.ok() && !fresh) return ReadError(options.path, listed);
  if (fresh) {
    // No CURRENT and yet tables: a store whose root is gone, not a new one.
    std::vector<std::string> files;
    db_options.env->GetChildren(options.path, &files).PermitUncheckedError();
    for (const std::string& file : files) {
      if (file.ends_with(".sst") || file.starts_with("MANIFEST-")) {
        return Error(Reason::kStoreDamaged, fmt::format("{}: CURRENT is missing beside {}", options.path, file));
      }
    }
  } else {
    for (const std::string& name : present) {
      if (std::find(kCfNames.begin(), kCfNames.end(), name) == kCfNames.end()) {
        return absl::FailedPreconditionError(
            fmt::format("{}: has a column family '{}' that format version {} does not know", options.path, name, kFormatVersion));
      }
    }
    for (std::string_view name : kCfNames) {
      if (std::find(present.begin(), present.end(), name) == present.end() && present.size() > 1) {
        return absl::FailedPreconditionError(
            fmt::format("{}: lacks the column family '{}' of format version {}", options.path, name, kFormatVersion));
      }
    }
  }

  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (size_t i = 0; i < kCfCount; ++i) families.emplace_back(std::string(kCfNames[i]), FamilyOptions(static_cast<Cf>(i), cache));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  rocksdb::Status opened = rocksdb::DB::Open(db_options, options.path, families, &handles, &raw);
  if (!opened.ok()) {
    if (opened.IsIOError() && opened.ToString().find("lock") != std::string::npos) {
      return absl::UnavailableError(fmt::format("{}: open in another process: {}", options.path, opened.ToString()));
    }
    if (IsNoSpace(opened)) return Error(Reason::kStorageFull, fmt::format("{}: {}", options.path, opened.ToString()));
    return ReadError(options.path, opened);
  }
  auto store = std::make_unique<RocksDbStore>(options.path, std::unique_ptr<rocksdb::DB>(raw), std::move(handles));

  auto format = store->Get(Cf::kMeta, kMetaFormat);
  if (!format.ok()) return format.status();
  if (!format->has_value()) {
    if (!fresh && present.size() > 1) {
      auto any = store->Iterate(Cf::kMeta, {}, {});
      any->SeekToFirst();
      if (any->Valid()) return Error(Reason::kStoreDamaged, fmt::format("{}: the format version is missing", options.path));
    }
    auto batch = store->NewBatch();
    batch->Put(Cf::kMeta, kMetaFormat, Number(kFormatVersion));
    absl::Status status = store->Write(batch.get(), Sync::kYes);
    if (!status.ok()) return status;
  } else if (**format != Number(kFormatVersion)) {
    Reader in(**format);
    uint32_t version = in.U32();
    return absl::FailedPreconditionError(fmt::format("{}: has format version {}; this program reads version {}", options.path,
                                                     in.Done() ? std::to_string(version) : "unknown", kFormatVersion));
  }
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace fairlead::storage
