// The disk of a simulated site: what its store has written, what of it survives, and its faults.
//
// It outlives the processes that run on it. Each process gets a Store that passes its writes on to a MemoryStore, which keeps apart what
// was synced. Once the power has been cut in the middle of a step, nothing that the process still does counts: the owner ends it and
// discards what it had to say.
//
// Thread safety: none. Ownership: stores of a process borrow the disk.

#ifndef FAIRLEAD_TESTS_SIMULATION_DISK_H_
#define FAIRLEAD_TESTS_SIMULATION_DISK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/memory_store.h"
#include "storage/store.h"
#include "tests/simulation/random.h"

namespace fairlead::simulation {

struct Change {
  storage::Cf cf = storage::Cf::kMeta;
  std::string key;
  std::optional<std::string> value;  // nullopt: deleted
};

class Disk {
 public:
  // How a broken store changes a write before it is carried out.
  using Rewrite = std::function<void(std::vector<Change>* changes, storage::Sync* sync)>;

  explicit Disk(Random random);

  // For a process that starts now. REQUIRES: the process before it is gone.
  std::unique_ptr<storage::Store> Open();
  // What the next process finds: every synced batch, a prefix of the later ones, and perhaps the batch whose sync failed.
  // REQUIRES: no process.
  void PowerCycle();

  // Writes fail with STORAGE_FULL and leave nothing.
  void SetFull(bool full) { full_ = full; }
  // The next synced write fails with STORAGE_FAILED, and so does every write until the next process. What it wrote may be found then.
  void FailNextSync() { fail_next_sync_ = true; }
  bool failed() const { return failed_; }
  // The power fails at the `writes`-th write from now, before it or right after it.
  void CutAtWrite(int64_t writes, bool after);
  bool cut() const { return image_ != nullptr; }
  // Ends the faults that have not happened.
  void Mend();

  // A copy as an operator's backup would take it, and its return. REQUIRES of Restore: no process.
  std::shared_ptr<const storage::MemoryStore> Copy() const;
  void Restore(const storage::MemoryStore& copy);

  void set_rewrite(Rewrite rewrite) { rewrite_ = std::move(rewrite); }

 private:
  class RecordedBatch;
  class ProcessStore;

  absl::Status Write(std::vector<Change> changes, storage::Sync sync);
  static absl::Status WriteTo(storage::Store* store, const std::vector<Change>& changes, storage::Sync sync);
  std::unique_ptr<storage::MemoryStore> Image();

  Random random_;
  std::unique_ptr<storage::MemoryStore> memory_;
  Rewrite rewrite_;
  bool full_ = false;
  bool fail_next_sync_ = false;
  bool failed_ = false;
  std::vector<Change> unconfirmed_;  // of the sync that failed
  int64_t cut_in_ = 0;               // writes until the power fails; 0: not at all
  bool cut_after_ = false;
  std::unique_ptr<storage::MemoryStore> image_;  // what was there when it did
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_DISK_H_
