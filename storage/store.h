// The store: ordered keys in column families, atomic batches, snapshots.
//
// Two implementations pass one conformance suite: RocksDB (rocksdb_store.h) and memory (memory_store.h, for tests and simulation).
// Thread safety: a Store and a Snapshot may be used from any thread; a Batch and an Iterator by one at a time.
// Ownership: iterators and snapshots must not outlive their store.

#ifndef FAIRLEAD_STORAGE_STORE_H_
#define FAIRLEAD_STORAGE_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/schema.h"

namespace fairlead::storage {

// Writes that take effect together or not at all, in the order they were added.
class Batch {
 public:
  virtual ~Batch() = default;
  virtual void Put(Cf cf, std::string_view key, std::string_view value) = 0;
  virtual void Delete(Cf cf, std::string_view key) = 0;
  virtual void Clear() = 0;
  virtual size_t bytes() const = 0;
};

// Keys of [lower, upper), ascending or from the end. Starts before the first key; call SeekToFirst, Seek or SeekToLast.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(std::string_view key) = 0;  // the first key >= key
  virtual void Next() = 0;                      // REQUIRES: Valid()
  virtual void Prev() = 0;                      // REQUIRES: Valid()
  virtual bool Valid() const = 0;
  virtual std::string_view key() const = 0;  // until the next move
  virtual std::string_view value() const = 0;
  // Not OK when iteration ended for a reason other than the bound (DATA_LOSS: damaged bytes).
  virtual absl::Status status() const = 0;
};

// What can be read, now (Store) or as of one moment (Snapshot).
class View {
 public:
  virtual ~View() = default;
  // nullopt when absent. DATA_LOSS when the bytes on disk are damaged.
  virtual absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const = 0;
  // Bounds are half-open [lower, upper); an empty upper has no bound.
  virtual std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const = 0;
  // Larger after each write that changed something: views of one store and of equal versions hold the same. What is read of a Store between
  // two equal versions is of that version.
  virtual uint64_t version() const = 0;
};

using Snapshot = View;

enum class Sync { kNo, kYes };

class Store : public View {
 public:
  virtual std::unique_ptr<Batch> NewBatch() const = 0;
  // Atomic. With Sync::kYes, durable when it returns OK. RESOURCE_EXHAUSTED (STORAGE_FULL) when the disk is full: nothing was written, and
  // later writes may succeed once there is space. After INTERNAL (STORAGE_FAILED) the store takes no more writes until reopened.
  // REQUIRES: `batch` is this store's own.
  virtual absl::Status Write(Batch* batch, Sync sync) = 0;
  virtual std::unique_ptr<Snapshot> NewSnapshot() const = 0;
  // Takes what was deleted or replaced at these keys, and at those that begin with one of them, before the call out of the store's files
  // too, those of its logs included, as far as the store has files. Others go on meanwhile. UNAVAILABLE while a snapshot or an iterator
  // from before the call is open, or once `cancelled`, which may be null, is true: try again.
  virtual absl::Status Purge(const std::vector<std::pair<Cf, std::string>>& keys, std::atomic<bool>* cancelled) {
    static_cast<void>(keys);
    static_cast<void>(cancelled);
    return absl::OkStatus();
  }
  // Writes a store of its own into `folder`, which must not exist: this one as of now, durable when it returns OK. Others go on reading and
  // writing meanwhile. After an error nothing is left of it, as far as the disk lets it be removed. RESOURCE_EXHAUSTED (STORAGE_FULL),
  // INTERNAL (STORAGE_FAILED); UNIMPLEMENTED for a store that lies in no files.
  virtual absl::Status CopyTo(const std::string& folder) const {
    return absl::UnimplementedError("this store lies in no files: " + folder + " was not written");
  }
};

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_STORE_H_
