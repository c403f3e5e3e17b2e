// An environment for RocksDB that loses what was not synced and can run out of space. For tests.
//
// Crash model: a crash keeps each file up to its last sync. Files are tracked from their creation through this environment.
// Thread safety: any thread. Ownership: borrows the base environment; outlives the stores that use it.

#ifndef FAIRLEAD_STORAGE_FAULT_ENV_H_
#define FAIRLEAD_STORAGE_FAULT_ENV_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <rocksdb/env.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

namespace fairlead::storage {

class FaultEnv : public rocksdb::EnvWrapper {
 public:
  FaultEnv() : rocksdb::EnvWrapper(rocksdb::Env::Default()) {}
  const char* Name() const override { return "FaultEnv"; }

  // From now on: nothing is synced (calls succeed and lose), as of a machine about to lose power.
  void StopSyncing() { lose_syncs_ = true; }
  // Cuts every file back to what was synced. REQUIRES: no store is open.
  void DropUnsynced();
  // Appends fail with NoSpace while set.
  void set_full(bool full) { full_ = full; }

  rocksdb::Status NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override;
  rocksdb::Status RenameFile(const std::string& from, const std::string& to) override;
  rocksdb::Status DeleteFile(const std::string& name) override;
  // Free space is what the fault says, so that RocksDB's own recovery looks at the same disk.
  rocksdb::Status GetFreeSpace(const std::string& path, uint64_t* free) override;

 private:
  class File;

  std::atomic<bool> lose_syncs_{false};
  std::atomic<bool> full_{false};
  absl::Mutex mu_;
  std::map<std::string, uint64_t> synced_ ABSL_GUARDED_BY(mu_);  // bytes, by file
};

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_FAULT_ENV_H_
