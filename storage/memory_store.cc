#include "storage/memory_store.h"

#include <algorithm>
#include <utility>

namespace fairlead::storage {

// One frozen state of the tables.
class MemoryView : public View {
 public:
  using Table = MemoryStore::Table;
  explicit MemoryView(std::shared_ptr<const MemoryStore::Tables> tables) : tables_(std::move(tables)) {}

  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override {
    const Table& table = (*tables_)[static_cast<size_t>(cf)];
    auto it = table.find(key);
    if (it == table.end()) return std::nullopt;
    return it->second;
  }
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override {
    return std::make_unique<Cursor>(tables_, cf, lower, upper);
  }

 private:
  class Cursor : public Iterator {
   public:
    Cursor(std::shared_ptr<const MemoryStore::Tables> tables, Cf cf, std::string_view lower, std::string_view upper)
        : tables_(std::move(tables)), table_((*tables_)[static_cast<size_t>(cf)]) {
      first_ = table_.lower_bound(lower);
      end_ = upper.empty() ? table_.end() : upper <= lower ? first_ : table_.lower_bound(upper);
      it_ = end_;
    }
    void SeekToFirst() override { it_ = first_; }
    void SeekToLast() override { it_ = first_ == end_ ? end_ : std::prev(end_); }
    void Seek(std::string_view key) override {
      if (first_ == end_ || key <= first_->first) {
        it_ = first_;
      } else if (end_ != table_.end() && key >= end_->first) {
        it_ = end_;
      } else {
        it_ = table_.lower_bound(key);
      }
    }
    void Next() override { ++it_; }
    void Prev() override { it_ = it_ == first_ ? end_ : std::prev(it_); }
    bool Valid() const override { return it_ != end_; }
    std::string_view key() const override { return it_->first; }
    std::string_view value() const override { return it_->second; }
    absl::Status status() const override { return absl::OkStatus(); }

   private:
    const std::shared_ptr<const MemoryStore::Tables> tables_;
    const Table& table_;
    Table::const_iterator first_, end_, it_;
  };

  const std::shared_ptr<const MemoryStore::Tables> tables_;
};

class MemoryStore::MemoryBatch : public Batch {
 public:
  void Put(Cf cf, std::string_view key, std::string_view value) override {
    writes.push_back({true, cf, std::string(key), std::string(value)});
    bytes_ += key.size() + value.size();
  }
  void Delete(Cf cf, std::string_view key) override {
    writes.push_back({false, cf, std::string(key), {}});
    bytes_ += key.size();
  }
  void Clear() override {
    writes.clear();
    bytes_ = 0;
  }
  size_t bytes() const override { return bytes_; }

  std::vector<Change> writes;

 private:
  size_t bytes_ = 0;
};

MemoryStore::MemoryStore() : tables_(std::make_shared<Tables>()) {
  std::string format;
  PutU32(&format, kFormatVersion);
  Apply({{true, Cf::kMeta, std::string(kMetaFormat), format}}, tables_.get());
  synced_ = *tables_;
}

void MemoryStore::Apply(const std::vector<Change>& writes, Tables* tables) {
  for (const Change& write : writes) {
    Table& table = (*tables)[static_cast<size_t>(write.cf)];
    if (write.put) {
      table[write.key] = write.value;
    } else {
      table.erase(write.key);
    }
  }
}

std::shared_ptr<const MemoryStore::Tables> MemoryStore::Freeze() const {
  absl::MutexLock lock(&mu_);
  return tables_;
}

absl::StatusOr<std::optional<std::string>> MemoryStore::Get(Cf cf, std::string_view key) const {
  absl::MutexLock lock(&mu_);
  const Table& table = (*tables_)[static_cast<size_t>(cf)];
  auto it = table.find(key);
  if (it == table.end()) return std::nullopt;
  return it->second;
}

std::unique_ptr<Iterator> MemoryStore::Iterate(Cf cf, std::string_view lower, std::string_view upper) const {
  return MemoryView(Freeze()).Iterate(cf, lower, upper);
}

std::unique_ptr<Batch> MemoryStore::NewBatch() const { return std::make_unique<MemoryBatch>(); }

std::unique_ptr<Snapshot> MemoryStore::NewSnapshot() const { return std::make_unique<MemoryView>(Freeze()); }

absl::Status MemoryStore::Write(Batch* batch, Sync sync) {
  const std::vector<Change>& writes = static_cast<MemoryBatch*>(batch)->writes;
  absl::MutexLock lock(&mu_);
  if (fault_) {
    absl::Status status = fault_(sync);
    if (!status.ok()) return status;
  }
  if (tables_.use_count() > 1) tables_ = std::make_shared<Tables>(*tables_);
  Apply(writes, tables_.get());
  unsynced_.push_back(writes);
  if (sync == Sync::kYes) {
    for (const std::vector<Change>& pending : unsynced_) Apply(pending, &synced_);
    unsynced_.clear();
    ++syncs_;
  }
  return absl::OkStatus();
}

void MemoryStore::set_write_fault(std::function<absl::Status(Sync)> fault) {
  absl::MutexLock lock(&mu_);
  fault_ = std::move(fault);
}

std::unique_ptr<MemoryStore> MemoryStore::Crash(size_t unsynced_kept) const {
  absl::MutexLock lock(&mu_);
  auto restarted = std::make_unique<MemoryStore>();
  absl::MutexLock other(&restarted->mu_);
  restarted->synced_ = synced_;
  for (size_t i = 0; i < std::min(unsynced_kept, unsynced_.size()); ++i) Apply(unsynced_[i], &restarted->synced_);
  restarted->tables_ = std::make_shared<Tables>(restarted->synced_);
  return restarted;
}

size_t MemoryStore::unsynced() const {
  absl::MutexLock lock(&mu_);
  return unsynced_.size();
}

int64_t MemoryStore::syncs() const {
  absl::MutexLock lock(&mu_);
  return syncs_;
}

}  // namespace fairlead::storage
