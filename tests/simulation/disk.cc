#include "tests/simulation/disk.h"

#include <utility>

#include "api/errors.h"

namespace fairlead::simulation {

using storage::Cf;
using storage::MemoryStore;
using storage::Sync;

class Disk::RecordedBatch : public storage::Batch {
 public:
  void Put(Cf cf, std::string_view key, std::string_view value) override {
    changes_.push_back({cf, std::string(key), std::string(value)});
    bytes_ += key.size() + value.size();
  }
  void Delete(Cf cf, std::string_view key) override {
    changes_.push_back({cf, std::string(key), std::nullopt});
    bytes_ += key.size();
  }
  void Clear() override {
    changes_.clear();
    bytes_ = 0;
  }
  size_t bytes() const override { return bytes_; }
  const std::vector<Change>& changes() const { return changes_; }

 private:
  std::vector<Change> changes_;
  size_t bytes_ = 0;
};

class Disk::ProcessStore : public storage::Store {
 public:
  explicit ProcessStore(Disk* disk) : disk_(*disk) {}
  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override { return disk_.memory_->Get(cf, key); }
  std::unique_ptr<storage::Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override {
    return disk_.memory_->Iterate(cf, lower, upper);
  }
  uint64_t version() const override { return disk_.memory_->version(); }
  std::unique_ptr<storage::Batch> NewBatch() const override { return std::make_unique<RecordedBatch>(); }
  absl::Status Write(storage::Batch* batch, Sync sync) override {
    return disk_.Write(static_cast<const RecordedBatch*>(batch)->changes(), sync);
  }
  std::unique_ptr<storage::Snapshot> NewSnapshot() const override { return disk_.memory_->NewSnapshot(); }

 private:
  Disk& disk_;
};

Disk::Disk(Random random) : random_(std::move(random)), memory_(std::make_unique<MemoryStore>()) {}

std::unique_ptr<storage::Store> Disk::Open() { return std::make_unique<ProcessStore>(this); }

absl::Status Disk::WriteTo(storage::Store* store, const std::vector<Change>& changes, Sync sync) {
  auto batch = store->NewBatch();
  for (const Change& change : changes) {
    if (change.value.has_value()) {
      batch->Put(change.cf, change.key, *change.value);
    } else {
      batch->Delete(change.cf, change.key);
    }
  }
  return store->Write(batch.get(), sync);
}

absl::Status Disk::Write(std::vector<Change> changes, Sync sync) {
  if (cut() || failed_) return Error(Reason::kStorageFailed, "the disk takes no more writes");
  if (rewrite_) rewrite_(&changes, &sync);
  const bool cut_now = cut_in_ > 0 && --cut_in_ == 0;
  if (cut_now && !cut_after_) {
    image_ = Image();
    return Error(Reason::kStorageFailed, "the power is gone");
  }
  if (full_) return Error(Reason::kStorageFull, "the disk is full");
  if (sync == Sync::kYes && std::exchange(fail_next_sync_, false)) {
    failed_ = true;
    unconfirmed_ = std::move(changes);
    return Error(Reason::kStorageFailed, "the disk could not sync");
  }
  absl::Status status = WriteTo(memory_.get(), changes, sync);
  if (cut_now) image_ = Image();
  return status;
}

std::unique_ptr<MemoryStore> Disk::Image() {
  const size_t kept = random_.Below(memory_->unsynced() + 1);
  std::unique_ptr<MemoryStore> image = memory_->Crash(kept);
  // It was written after all the others.
  if (!unconfirmed_.empty() && kept == memory_->unsynced() && random_.OneIn(2))
    WriteTo(image.get(), unconfirmed_, Sync::kYes).IgnoreError();
  return image;
}

void Disk::PowerCycle() {
  memory_ = cut() ? std::move(image_) : Image();
  image_.reset();
  unconfirmed_.clear();
  failed_ = false;
  Mend();
}

void Disk::CutAtWrite(int64_t writes, bool after) {
  cut_in_ = writes;
  cut_after_ = after;
}

void Disk::Mend() {
  full_ = false;
  fail_next_sync_ = false;
  cut_in_ = 0;
}

std::shared_ptr<const MemoryStore> Disk::Copy() const { return memory_->Crash(memory_->unsynced()); }

void Disk::Restore(const MemoryStore& copy) {
  memory_ = copy.Crash(copy.unsynced());
  // As `fairlead-node restore` does. Without it the node begins a new journal instance by itself.
  const std::unique_ptr<storage::Batch> batch = memory_->NewBatch();
  batch->Delete(storage::Cf::kMeta, storage::kMetaLicence);
  memory_->Write(batch.get(), Sync::kYes).IgnoreError();  // a memory store without faults takes it
  image_.reset();
  unconfirmed_.clear();
  failed_ = false;
  Mend();
}

}  // namespace fairlead::simulation
