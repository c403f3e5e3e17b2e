// The store on RocksDB.
//
// One directory, one process. Synced batches survive a crash of the machine; unsynced ones survive a crash of the process.
// Thread safety and ownership: as store.h.

#ifndef FAIRLEAD_STORAGE_ROCKSDB_STORE_H_
#define FAIRLEAD_STORAGE_ROCKSDB_STORE_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstddef>
#include <memory>
#include <string>

#include "storage/store.h"

namespace rocksdb {
class Env;
}

namespace fairlead::storage {

struct RocksDbOptions {
  std::string path;
  size_t block_cache_bytes = 64 << 20;
  size_t memtables_bytes_max = 64 << 20;  // over all column families
  size_t wal_bytes_max = 256 << 20;       // then the oldest memtables are flushed
  // How long a write that finds the disk full waits for RocksDB to go on once there is room; then the store has failed until it is opened
  // again.
  absl::Duration recovery_max = absl::Seconds(60);
  absl::Duration readers_max = absl::Seconds(10);  // how long a purge waits for those who read files that it has replaced
  rocksdb::Env* env = nullptr;                     // a test's; null: the system's
};

// Opens the store in `path`, creating it when the directory is empty or absent. Errors name the path:
//   FAILED_PRECONDITION  another format version (both are named), column families of another program, not a store
//   DATA_LOSS            damaged (STORE_DAMAGED): RocksDB's message says where; or the format version or a file is missing
//   UNAVAILABLE          open already
//   RESOURCE_EXHAUSTED   no space to open it in (STORAGE_FULL)
//   INTERNAL             any other failure of the disk (STORAGE_FAILED)
// A creation cut short at any step is taken up by the next call. A store of format version 1 becomes one of the present version.
//
// A batch refused as STORAGE_FULL cannot be read, but the disk may have got all of it: if the process ends before another write succeeds,
// the store may hold it whole when opened again.
absl::StatusOr<std::unique_ptr<Store>> OpenRocksDbStore(const RocksDbOptions& options);

// Opens a store that is there, to read it: its files stay as they are, and every write fails. One of format version 1 is read as it is.
// Errors as above, and NOT_FOUND when there is none. With Exclusive::kYes, UNAVAILABLE while another process has it open, and no process
// can open it meanwhile (which takes a file LOCK); else the caller sees to that.
enum class Exclusive { kNo, kYes };
absl::StatusOr<std::unique_ptr<Store>> OpenRocksDbStoreToRead(const RocksDbOptions& options, Exclusive exclusive);

// Reads every block of every file of a store that is not open, and checks its checksum. DATA_LOSS (STORE_DAMAGED) naming what is damaged;
// other errors as above.
absl::Status VerifyRocksDbFiles(const RocksDbOptions& options);

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_ROCKSDB_STORE_H_
