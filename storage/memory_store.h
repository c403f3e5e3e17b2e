// A store in memory, for tests and simulators, with the crash model of the real one.
//
// Synced batches survive Crash(); of the unsynced ones since the last sync a caller-chosen prefix does, in order, as of a write-ahead log.
// A key keeps the versions that live snapshots and iterators can see, so taking one copies nothing.
// Thread safety and ownership: as store.h.

#ifndef FAIRLEAD_STORAGE_MEMORY_STORE_H_
#define FAIRLEAD_STORAGE_MEMORY_STORE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/store.h"

namespace fairlead::storage {

class MemoryStore : public Store {
 public:
  MemoryStore();

  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override;
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override;
  uint64_t version() const override;
  std::unique_ptr<Batch> NewBatch() const override;
  absl::Status Write(Batch* batch, Sync sync) override;
  std::unique_ptr<Snapshot> NewSnapshot() const override;

  // Asked before each write, under the store's lock: an error is returned to the writer and nothing is written. STORAGE_FAILED sticks.
  void set_write_fault(std::function<absl::Status(Sync)> fault);
  // What a restart finds: every synced batch, and the first `unsynced_kept` batches after the last sync.
  std::unique_ptr<MemoryStore> Crash(size_t unsynced_kept) const;
  size_t unsynced() const;
  int64_t syncs() const;

 private:
  class MemoryBatch;
  class Pin;
  class PinnedView;
  class Cursor;
  struct Change {
    Cf cf = Cf::kMeta;
    std::string key;
    std::optional<std::string> value;  // nullopt: deleted
  };
  using Flat = std::array<std::map<std::string, std::string>, kCfCount>;
  // Values of one key by the number of the write that gave them, ascending.
  using Versions = std::vector<std::pair<uint64_t, std::optional<std::string>>>;
  using Table = std::map<std::string, Versions, std::less<>>;

  explicit MemoryStore(Flat synced);

  static void Apply(const std::vector<Change>& changes, Flat* tables);
  static const std::optional<std::string>& At(const Versions& versions, uint64_t version);
  Table& table(Cf cf) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return tables_[static_cast<size_t>(cf)]; }
  absl::StatusOr<std::optional<std::string>> GetAt(Cf cf, std::string_view key, std::optional<uint64_t> version) const;
  // Drops what no pin and no reader of the present can see of `key`.
  void Trim(Cf cf, const std::string& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  mutable std::array<Table, kCfCount> tables_ ABSL_GUARDED_BY(mu_);
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;                                    // of the newest write
  mutable std::multiset<uint64_t> pins_ ABSL_GUARDED_BY(mu_);                    // versions that snapshots and iterators read
  mutable std::set<std::pair<Cf, std::string>> untrimmed_ ABSL_GUARDED_BY(mu_);  // written while there were pins
  Flat synced_ ABSL_GUARDED_BY(mu_);
  std::vector<std::vector<Change>> unsynced_ ABSL_GUARDED_BY(mu_);
  std::function<absl::Status(Sync)> fault_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  int64_t syncs_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_MEMORY_STORE_H_
