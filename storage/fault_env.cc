#include "storage/fault_env.h"

#include <filesystem>

namespace fairlead::storage {

class FaultEnv::File : public rocksdb::WritableFileWrapper {
 public:
  File(FaultEnv* env, std::string name, std::unique_ptr<rocksdb::WritableFile> base)
      : rocksdb::WritableFileWrapper(base.get()), env_(env), name_(std::move(name)), base_(std::move(base)) {}

  rocksdb::Status Append(const rocksdb::Slice& data) override {
    if (env_->full_) return rocksdb::Status::NoSpace("the test's disk is full");
    rocksdb::Status status = base_->Append(data);
    if (status.ok()) written_ += data.size();
    return status;
  }
  rocksdb::Status Append(const rocksdb::Slice& data, const rocksdb::DataVerificationInfo&) override { return Append(data); }
  rocksdb::Status Sync() override { return Record(base_->Sync()); }
  rocksdb::Status Fsync() override { return Record(base_->Fsync()); }

 private:
  rocksdb::Status Record(rocksdb::Status status) {
    if (status.ok() && !env_->lose_syncs_) {
      absl::MutexLock lock(&env_->mu_);
      env_->synced_[name_] = written_;
    }
    return status;
  }

  FaultEnv* const env_;
  const std::string name_;
  const std::unique_ptr<rocksdb::WritableFile> base_;
  uint64_t written_ = 0;
};

rocksdb::Status FaultEnv::NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* file,
                                          const rocksdb::EnvOptions& options) {
  rocksdb::EnvOptions plain = options;
  plain.use_mmap_writes = false;
  plain.allow_fallocate = false;  // the length of a file is what was appended
  rocksdb::Status status = target()->NewWritableFile(name, file, plain);
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mu_);
    synced_[name] = 0;
  }
  *file = std::make_unique<File>(this, name, std::move(*file));
  return status;
}

rocksdb::Status FaultEnv::RenameFile(const std::string& from, const std::string& to) {
  rocksdb::Status status = target()->RenameFile(from, to);
  absl::MutexLock lock(&mu_);
  auto it = synced_.find(from);
  if (status.ok() && it != synced_.end()) {
    synced_[to] = it->second;
    synced_.erase(from);
  }
  return status;
}

rocksdb::Status FaultEnv::DeleteFile(const std::string& name) {
  absl::MutexLock lock(&mu_);
  synced_.erase(name);
  return target()->DeleteFile(name);
}

rocksdb::Status FaultEnv::GetFreeSpace(const std::string& path, uint64_t* free) {
  if (!full_) return target()->GetFreeSpace(path, free);
  *free = 0;
  return rocksdb::Status::OK();
}

void FaultEnv::DropUnsynced() {
  absl::MutexLock lock(&mu_);
  for (const auto& [name, size] : synced_) {
    std::error_code error;
    if (std::filesystem::exists(name, error) && std::filesystem::file_size(name, error) > size)
      std::filesystem::resize_file(name, size, error);
  }
  lose_syncs_ = false;
}

}  // namespace fairlead::storage
