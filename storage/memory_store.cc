#include "storage/memory_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/errors.h"

namespace fairlead::storage {

class MemoryStore::MemoryBatch : public Batch {
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

// Keeps one version readable while it lives.
class MemoryStore::Pin {
 public:
  // Pins `version`, which is pinned already; nullopt: the newest.
  Pin(const MemoryStore& store, std::optional<uint64_t> version) : store_(store) {
    absl::MutexLock lock(&store_.mu_);
    version_ = version.value_or(store_.version_);
    store_.pins_.insert(version_);
  }
  ~Pin() {
    absl::MutexLock lock(&store_.mu_);
    store_.pins_.erase(store_.pins_.find(version_));
    if (!store_.pins_.empty()) return;
    for (const auto& [cf, key] : store_.untrimmed_) store_.Trim(cf, key);
    store_.untrimmed_.clear();
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  const MemoryStore& store() const { return store_; }
  uint64_t version() const { return version_; }

 private:
  const MemoryStore& store_;
  uint64_t version_ = 0;
};

// Finds its place again at each move, so that writers and other iterators may change the table between.
class MemoryStore::Cursor : public Iterator {
 public:
  Cursor(const MemoryStore& store, std::optional<uint64_t> version, Cf cf, std::string_view lower, std::string_view upper)
      : pin_(store, version), cf_(cf), lower_(lower), upper_(upper) {}

  void SeekToFirst() override { Seek(lower_); }
  void Seek(std::string_view key) override {
    absl::MutexLock lock(&pin_.store().mu_);
    Forward(pin_.store().table(cf_).lower_bound(std::max<std::string_view>(key, lower_)));
  }
  void SeekToLast() override {
    absl::MutexLock lock(&pin_.store().mu_);
    const Table& table = pin_.store().table(cf_);
    Backward(upper_.empty() ? table.end() : table.lower_bound(upper_));
  }
  void Next() override {
    absl::MutexLock lock(&pin_.store().mu_);
    Forward(pin_.store().table(cf_).upper_bound(key_));
  }
  void Prev() override {
    absl::MutexLock lock(&pin_.store().mu_);
    Backward(pin_.store().table(cf_).lower_bound(key_));
  }
  bool Valid() const override { return valid_; }
  std::string_view key() const override { return key_; }
  std::string_view value() const override { return value_; }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  // Stops at the first visible key from `it` on.
  void Forward(Table::const_iterator it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pin_.store().mu_) {
    valid_ = false;
    const Table& table = pin_.store().table(cf_);
    for (; !valid_ && it != table.end() && (upper_.empty() || it->first < upper_); ++it) Take(*it);
  }
  // Stops at the last visible key before `it`.
  void Backward(Table::const_iterator it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pin_.store().mu_) {
    valid_ = false;
    const Table& table = pin_.store().table(cf_);
    while (!valid_ && it != table.begin() && (--it)->first >= lower_) Take(*it);
  }
  void Take(const Table::value_type& entry) {
    const std::optional<std::string>& value = At(entry.second, pin_.version());
    if (!value.has_value()) return;
    valid_ = true;
    key_ = entry.first;
    value_ = *value;
  }

  const Pin pin_;
  const Cf cf_;
  const std::string lower_, upper_;
  bool valid_ = false;
  std::string key_, value_;
};

class MemoryStore::PinnedView : public View {
 public:
  explicit PinnedView(const MemoryStore& store) : pin_(store, std::nullopt) {}
  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override {
    return pin_.store().GetAt(cf, key, pin_.version());
  }
  std::unique_ptr<Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override {
    return std::make_unique<Cursor>(pin_.store(), pin_.version(), cf, lower, upper);
  }
  uint64_t version() const override { return pin_.version(); }

 private:
  const Pin pin_;
};

MemoryStore::MemoryStore() : MemoryStore(Flat()) {
  std::string format;
  PutU32(&format, kFormatVersion);
  auto batch = NewBatch();
  batch->Put(Cf::kMeta, kMetaFormat, format);
  Write(batch.get(), Sync::kYes).IgnoreError();  // cannot fail: no fault is set
  absl::MutexLock lock(&mu_);
  syncs_ = 0;
}

MemoryStore::MemoryStore(Flat synced) : synced_(std::move(synced)) {
  absl::MutexLock lock(&mu_);
  for (size_t cf = 0; cf < kCfCount; ++cf) {
    for (const auto& [key, value] : synced_[cf]) tables_[cf][key] = {{version_, value}};
  }
}

void MemoryStore::Apply(const std::vector<Change>& changes, Flat* tables) {
  for (const Change& change : changes) {
    auto& table = (*tables)[static_cast<size_t>(change.cf)];
    if (change.value.has_value()) {
      table[change.key] = *change.value;
    } else {
      table.erase(change.key);
    }
  }
}

const std::optional<std::string>& MemoryStore::At(const Versions& versions, uint64_t version) {
  static const std::optional<std::string> absent;
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    if (it->first <= version) return it->second;
  }
  return absent;
}

void MemoryStore::Trim(Cf cf, const std::string& key) const {
  Table& keys = table(cf);
  auto it = keys.find(key);
  if (it == keys.end()) return;
  const uint64_t oldest = pins_.empty() ? version_ : *pins_.begin();
  Versions& versions = it->second;
  auto needed = versions.begin();
  while (std::next(needed) != versions.end() && std::next(needed)->first <= oldest) ++needed;
  versions.erase(versions.begin(), needed);
  if (versions.size() == 1 && versions[0].first <= oldest && !versions[0].second.has_value()) keys.erase(it);
}

absl::StatusOr<std::optional<std::string>> MemoryStore::GetAt(Cf cf, std::string_view key, std::optional<uint64_t> version) const {
  absl::MutexLock lock(&mu_);
  const Table& keys = table(cf);
  auto it = keys.find(key);
  if (it == keys.end()) return std::nullopt;
  return At(it->second, version.value_or(version_));
}

absl::StatusOr<std::optional<std::string>> MemoryStore::Get(Cf cf, std::string_view key) const { return GetAt(cf, key, std::nullopt); }

std::unique_ptr<Iterator> MemoryStore::Iterate(Cf cf, std::string_view lower, std::string_view upper) const {
  return std::make_unique<Cursor>(*this, std::nullopt, cf, lower, upper);
}

uint64_t MemoryStore::version() const {
  absl::MutexLock lock(&mu_);
  return version_;
}

std::unique_ptr<Batch> MemoryStore::NewBatch() const { return std::make_unique<MemoryBatch>(); }

std::unique_ptr<Snapshot> MemoryStore::NewSnapshot() const { return std::make_unique<PinnedView>(*this); }

absl::Status MemoryStore::Write(Batch* batch, Sync sync) {
  const std::vector<Change>& changes = static_cast<MemoryBatch*>(batch)->changes();
  absl::MutexLock lock(&mu_);
  if (!failure_.ok()) return failure_;
  if (fault_) {
    absl::Status status = fault_(sync);
    if (ReasonOf(status) == ReasonName(Reason::kStorageFailed)) failure_ = status;
    if (!status.ok()) return status;
  }
  ++version_;
  for (const Change& change : changes) {
    table(change.cf)[change.key].emplace_back(version_, change.value);
    if (!pins_.empty()) untrimmed_.emplace(change.cf, change.key);
    Trim(change.cf, change.key);
  }
  if (sync == Sync::kYes) {
    for (const std::vector<Change>& pending : unsynced_) Apply(pending, &synced_);
    Apply(changes, &synced_);
    unsynced_.clear();
    ++syncs_;
  } else {
    unsynced_.push_back(changes);
  }
  return absl::OkStatus();
}

void MemoryStore::set_write_fault(std::function<absl::Status(Sync)> fault) {
  absl::MutexLock lock(&mu_);
  fault_ = std::move(fault);
}

std::unique_ptr<MemoryStore> MemoryStore::Crash(size_t unsynced_kept) const {
  absl::MutexLock lock(&mu_);
  Flat found = synced_;
  for (size_t i = 0; i < std::min(unsynced_kept, unsynced_.size()); ++i) Apply(unsynced_[i], &found);
  return std::unique_ptr<MemoryStore>(new MemoryStore(std::move(found)));
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
