// A RocksDB environment whose power fails, whose disk fills and whose writes fail, for tests of what is built on a store.
//
// Fault model: what a machine may do to files when its power fails.
//   - A file keeps the bytes that were synced and a prefix, chosen by the test, of those that were not.
//   - Of the files created, linked or renamed since the last sync of their directory, the first few, chosen by the test, are there; of
//     the others nothing is, and what a rename replaced is back.
//   - Deletions stay.
// Not in the model: synced bytes that change (tests flip bytes themselves), and unsynced bytes that reach the disk out of order.
// A full disk takes as many bytes of a write as it has room for, and so leaves a torn record, as real ones do.
// RocksDB's info log is outside all this. Nothing is synced to the real disk: tests lose power only here.
//
// Thread safety: safe, except Restore, which no open store may witness. Ownership: must outlive the stores opened on it.

#ifndef FAIRLEAD_STORAGE_FAULT_ENV_H_
#define FAIRLEAD_STORAGE_FAULT_ENV_H_

#include <rocksdb/env.h>
#include <rocksdb/io_status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace fairlead::storage {

class FaultEnv {
 public:
  // What changes a disk.
  enum class Operation { kCreate, kAppend, kSync, kTruncate, kRename, kLink, kDelete, kSyncDirectory };
  // Asked before each operation on `path`; an error is returned to RocksDB and nothing is done.
  using Fault = std::function<rocksdb::IOStatus(Operation operation, const std::string& path)>;
  // How many of a file's `unsynced` bytes were on the disk when the power failed: [0, unsynced].
  using Kept = std::function<uint64_t(const std::string& path, uint64_t unsynced)>;

  FaultEnv();
  ~FaultEnv();
  FaultEnv(const FaultEnv&) = delete;
  FaultEnv& operator=(const FaultEnv&) = delete;

  rocksdb::Env* env();

  // The power fails now, or after `operations` more; from then on every operation fails.
  void Cut();
  void CutAfter(int64_t operations);
  bool is_cut() const;
  int64_t operations() const;  // carried out so far
  // The power is back, and the files are as the fault model says: of the unsynced, `kept` of the bytes (null: none) and the first
  // `entries_kept` directory entries. REQUIRES: no store is open.
  void Restore(const Kept& kept = nullptr, size_t entries_kept = 0);
  // As after a kill: what was written is there, synced or not. REQUIRES: no store is open.
  void RestoreAll();

  // Room for `bytes` more; nullopt: no limit. Deleting files does not make room.
  void SetFree(std::optional<uint64_t> bytes);
  void SetFault(Fault fault);

 private:
  class Disk;
  const std::shared_ptr<Disk> disk_;
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_FAULT_ENV_H_
