#include "storage/fault_env.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace fairlead::storage {
namespace {

namespace fs = std::filesystem;
using rocksdb::DirFsyncOptions;
using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

std::string Directory(const std::string& path) { return fs::path(path).lexically_normal().parent_path().string(); }

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Bytes of one file, under any of its names.
struct Extent {
  uint64_t size = 0;
  uint64_t synced = 0;  // Invariant: <= size
};

// A directory entry made since the last sync of its directory.
struct Entry {
  std::string path;
  std::string source;                   // of a rename; else empty
  std::optional<std::string> replaced;  // what a rename replaced
};

}  // namespace

class FaultEnv::Disk : public rocksdb::FileSystemWrapper {
 public:
  Disk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultEnv"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* dbg) override {
    IOStatus status = Begin(Operation::kCreate, path);
    if (status.ok()) status = FileSystemWrapper::NewWritableFile(path, options, result, dbg);
    if (!status.ok()) return status;
    auto extent = std::make_shared<Extent>();
    absl::MutexLock lock(&mu_);
    extents_[path] = extent;
    entries_.push_back({path, {}, {}});
    *result = std::make_unique<File>(this, path, std::move(extent), std::move(*result));
    return status;
  }

  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* dbg) override {
    IOStatus status = Begin(Operation::kCreate, path);
    const bool existed = fs::exists(path);
    if (status.ok()) status = FileSystemWrapper::ReopenWritableFile(path, options, result, dbg);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mu_);
    std::shared_ptr<Extent>& extent = extents_[path];
    if (extent == nullptr) {
      const uint64_t size = fs::file_size(path);
      extent = std::make_shared<Extent>(Extent{size, size});
    }
    if (!existed) entries_.push_back({path, {}, {}});
    *result = std::make_unique<File>(this, path, extent, std::move(*result));
    return status;
  }

  IOStatus ReuseWritableFile(const std::string&, const std::string&, const FileOptions&, std::unique_ptr<rocksdb::FSWritableFile>*,
                             IODebugContext*) override {
    return IOStatus::NotSupported("recycled files are not modelled");
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& options, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* dbg) override {
    IOStatus status = FileSystemWrapper::NewDirectory(path, options, result, dbg);
    if (status.ok()) *result = std::make_unique<Dir>(this, path, std::move(*result));
    return status;
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus status = Begin(Operation::kDelete, path);
    if (status.ok()) status = FileSystemWrapper::DeleteFile(path, options, dbg);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mu_);
    extents_.erase(path);
    return status;
  }

  IOStatus Truncate(const std::string& path, size_t size, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus status = Begin(Operation::kTruncate, path);
    if (status.ok()) status = FileSystemWrapper::Truncate(path, size, options, dbg);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mu_);
    auto it = extents_.find(path);
    if (it != extents_.end()) *it->second = {size, std::min<uint64_t>(it->second->synced, size)};
    return status;
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus status = Begin(Operation::kRename, to);
    if (!status.ok()) return status;
    Entry entry{to, from, std::nullopt};
    if (fs::exists(to)) entry.replaced = Contents(to);
    status = FileSystemWrapper::RenameFile(from, to, options, dbg);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mu_);
    extents_.erase(to);
    if (auto moved = extents_.extract(from)) {
      moved.key() = to;
      extents_.insert(std::move(moved));
    }
    entries_.push_back(std::move(entry));
    return status;
  }

  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus status = Begin(Operation::kLink, to);
    if (status.ok()) status = FileSystemWrapper::LinkFile(from, to, options, dbg);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mu_);
    auto it = extents_.find(from);
    if (it != extents_.end()) extents_[to] = it->second;
    entries_.push_back({to, {}, {}});
    return status;
  }

  IOStatus GetFreeSpace(const std::string& path, const IOOptions& options, uint64_t* bytes, IODebugContext* dbg) override {
    {
      absl::MutexLock lock(&mu_);
      if (free_.has_value()) {
        *bytes = *free_;
        return IOStatus::OK();
      }
    }
    return FileSystemWrapper::GetFreeSpace(path, options, bytes, dbg);
  }

  void CutAfter(int64_t operations) {
    absl::MutexLock lock(&mu_);
    cut_at_ = operations_ + operations;
  }
  bool is_cut() const {
    absl::MutexLock lock(&mu_);
    return cut_at_.has_value() && operations_ >= *cut_at_;
  }
  int64_t operations() const {
    absl::MutexLock lock(&mu_);
    return operations_;
  }
  void SetFree(std::optional<uint64_t> bytes) {
    absl::MutexLock lock(&mu_);
    free_ = bytes;
  }
  void SetFault(Fault fault) {
    absl::MutexLock lock(&mu_);
    fault_ = std::move(fault);
  }

  void Restore(const Kept& kept, size_t entries_kept) {
    absl::MutexLock lock(&mu_);
    for (const auto& [path, extent] : extents_) {
      const uint64_t unsynced = extent->size - extent->synced;
      if (unsynced == 0) continue;
      extent->synced += kept ? std::min(kept(path, unsynced), unsynced) : 0;
      extent->size = extent->synced;
      fs::resize_file(path, extent->size);
    }
    while (entries_.size() > entries_kept) {
      const Entry& entry = entries_.back();
      std::error_code gone;  // deleted since
      if (entry.source.empty()) {
        fs::remove(entry.path, gone);
      } else {
        fs::rename(entry.path, entry.source, gone);
        if (entry.replaced.has_value()) std::ofstream(entry.path, std::ios::binary) << *entry.replaced;
      }
      entries_.pop_back();
    }
    entries_.clear();
    extents_.clear();
    cut_at_.reset();
  }

 private:
  class File : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(Disk* disk, std::string path, std::shared_ptr<Extent> extent, std::unique_ptr<rocksdb::FSWritableFile> file)
        : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk), path_(std::move(path)), extent_(std::move(extent)) {}

    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
      IOStatus status = disk_->Begin(Operation::kAppend, path_);
      if (!status.ok()) return status;
      const size_t room = disk_->Take(data.size());
      status = FSWritableFileOwnerWrapper::Append(Slice(data.data(), room), options, dbg);
      if (!status.ok()) return status;
      {
        absl::MutexLock lock(&disk_->mu_);
        extent_->size += room;
      }
      if (room == data.size()) return status;
      status = IOStatus::NoSpace("the disk is full", path_);
      status.SetRetryable(true);  // as the system's file system says of ENOSPC
      return status;
    }
    IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&, IODebugContext* dbg) override {
      return Append(data, options, dbg);
    }
    IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&, IODebugContext*) override {
      return IOStatus::NotSupported("direct writes are not modelled");
    }
    IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&, const rocksdb::DataVerificationInfo&, IODebugContext*) override {
      return IOStatus::NotSupported("direct writes are not modelled");
    }
    IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* dbg) override {
      IOStatus status = disk_->Begin(Operation::kTruncate, path_);
      if (status.ok()) status = FSWritableFileOwnerWrapper::Truncate(size, options, dbg);
      if (!status.ok()) return status;
      absl::MutexLock lock(&disk_->mu_);
      *extent_ = {size, std::min(extent_->synced, size)};
      return status;
    }
    IOStatus Sync(const IOOptions&, IODebugContext*) override {
      IOStatus status = disk_->Begin(Operation::kSync, path_);
      if (!status.ok()) return status;
      absl::MutexLock lock(&disk_->mu_);
      extent_->synced = extent_->size;
      return status;
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override { return Sync(options, dbg); }

   private:
    Disk* const disk_;
    const std::string path_;
    const std::shared_ptr<Extent> extent_;
  };

  class Dir : public rocksdb::FSDirectoryWrapper {
   public:
    Dir(Disk* disk, std::string path, std::unique_ptr<rocksdb::FSDirectory> directory)
        : FSDirectoryWrapper(std::move(directory)), disk_(disk), path_(std::move(path)) {}

    IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override { return FsyncWithDirOptions(options, dbg, DirFsyncOptions()); }
    IOStatus FsyncWithDirOptions(const IOOptions&, IODebugContext*, const DirFsyncOptions&) override {
      IOStatus status = disk_->Begin(Operation::kSyncDirectory, path_);
      if (!status.ok()) return status;
      absl::MutexLock lock(&disk_->mu_);
      const std::string self = Directory(path_ + "/x");
      std::erase_if(disk_->entries_, [&](const Entry& entry) { return Directory(entry.path) == self; });
      return status;
    }

   private:
    Disk* const disk_;
    const std::string path_;
  };

  IOStatus Begin(Operation operation, const std::string& path) {
    Fault fault;
    {
      absl::MutexLock lock(&mu_);
      if (cut_at_.has_value() && operations_ >= *cut_at_) return IOStatus::IOError("the power is cut", path);
      ++operations_;
      fault = fault_;
    }
    return fault ? fault(operation, path) : IOStatus::OK();
  }

  // How many of `bytes` there is room for, which they then occupy.
  size_t Take(size_t bytes) {
    absl::MutexLock lock(&mu_);
    if (!free_.has_value()) return bytes;
    const size_t room = std::min<uint64_t>(bytes, *free_);
    *free_ -= room;
    return room;
  }

  mutable absl::Mutex mu_;
  std::map<std::string, std::shared_ptr<Extent>> extents_ ABSL_GUARDED_BY(mu_);
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mu_);  // in the order they were made
  int64_t operations_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<int64_t> cut_at_ ABSL_GUARDED_BY(mu_);
  std::optional<uint64_t> free_ ABSL_GUARDED_BY(mu_);
  Fault fault_ ABSL_GUARDED_BY(mu_);
};

namespace {

// RocksDB's background threads sleep for a second after each failure. Here failures are the rule.
class ImpatientClock : public rocksdb::SystemClockWrapper {
 public:
  ImpatientClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "ImpatientClock"; }
  void SleepForMicroseconds(int micros) override { SystemClockWrapper::SleepForMicroseconds(std::min(micros, 1000)); }
};

class Machine : public rocksdb::EnvWrapper {
 public:
  explicit Machine(const std::shared_ptr<rocksdb::FileSystem>& disk) : EnvWrapper(rocksdb::NewCompositeEnv(disk)) {
    file_system_ = disk;
    system_clock_ = std::make_shared<ImpatientClock>();
  }
};

}  // namespace

FaultEnv::FaultEnv() : disk_(std::make_shared<Disk>()), env_(std::make_unique<Machine>(disk_)) {}
FaultEnv::~FaultEnv() = default;

rocksdb::Env* FaultEnv::env() { return env_.get(); }
void FaultEnv::Cut() { disk_->CutAfter(0); }
void FaultEnv::CutAfter(int64_t operations) { disk_->CutAfter(operations); }
bool FaultEnv::is_cut() const { return disk_->is_cut(); }
int64_t FaultEnv::operations() const { return disk_->operations(); }
void FaultEnv::Restore(const Kept& kept, size_t entries_kept) { disk_->Restore(kept, entries_kept); }
void FaultEnv::RestoreAll() {
  disk_->Restore([](const std::string&, uint64_t unsynced) { return unsynced; }, std::numeric_limits<size_t>::max());
}
void FaultEnv::SetFree(std::optional<uint64_t> bytes) { disk_->SetFree(bytes); }
void FaultEnv::SetFault(Fault fault) { disk_->SetFault(std::move(fault)); }

}  // namespace fairlead::storage
