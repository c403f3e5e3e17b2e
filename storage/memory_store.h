// A store in memory, for tests and simulators, with the crash model of the real one.
//
// Synced batches survive Crash(); of the unsynced ones since the last sync a caller-chosen prefix does, in order, as of a write-ahead log.
// Thread safety and ownership: as store.h.

#ifndef FAIRLEAD_STORAGE_MEMORY_STORE_H_
#define FAIRLEAD_STORAGE_MEMORY_STORE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/store.h"

namespace fairlead::storage {

class MemoryStore : public Store {
 public:
  MemoryStore();

  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override;
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override;
  std::unique_ptr<Batch> NewBatch() const override;
  absl::Status Write(Batch* batch, Sync sync) override;
  std::unique_ptr<Snapshot> NewSnapshot() const override;

  // Asked before each write; an error is returned to the writer and nothing is written.
  void set_write_fault(std::function<absl::Status(Sync)> fault);
  // What a restart finds: every synced batch, and the first `unsynced_kept` batches after the last sync.
  std::unique_ptr<MemoryStore> Crash(size_t unsynced_kept) const;
  size_t unsynced() const;
  int64_t syncs() const;

 private:
  friend class MemoryView;
  struct Change {
    bool put = true;
    Cf cf = Cf::kMeta;
    std::string key, value;
  };
  class MemoryBatch;
  using Table = std::map<std::string, std::string, std::less<>>;
  using Tables = std::array<Table, kCfCount>;

  static void Apply(const std::vector<Change>& writes, Tables* tables);
  std::shared_ptr<const Tables> Freeze() const;

  mutable absl::Mutex mu_;
  // Shared with snapshots and iterators; copied before a write when anyone else holds it.
  mutable std::shared_ptr<Tables> tables_ ABSL_GUARDED_BY(mu_);
  Tables synced_ ABSL_GUARDED_BY(mu_);
  std::vector<std::vector<Change>> unsynced_ ABSL_GUARDED_BY(mu_);
  std::function<absl::Status(Sync)> fault_ ABSL_GUARDED_BY(mu_);
  int64_t syncs_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_MEMORY_STORE_H_
