// fairlead-node-crashing: the objects of fairlead-node, linked so that calls of a few functions pass through here (the linker's --wrap),
// and a RocksDB environment that watches the write-ahead log. The node's own code has no word of it.
//
// The process kills itself, as by `kill -9`, at the point that the environment names, when it is there for the FAIRLEAD_CRASH_PASSth time:
//
//   append.before, append.after  a batch of entries is written to the log of the store
//   sync.before, sync.after      that log is synced; after it the entries are durable and nobody has been told
//   sign.before, sign.after      a checkpoint of a log of this site's own is signed and kept
//   send.before, send.after      a frame of entries has been made for a peer; gRPC has taken it
//   apply.before, apply.after    entries of a peer are queued; they are durable and the link has not been told

#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/node/committer.h"
#include "server/node/witness.h"
#include "server/replication/sender.h"
#include "storage/rocksdb_store.h"

namespace fairlead::crash_points {
namespace {

using storage::Batch;
using storage::Cf;

// The process ends here when `point` is the one, and its pass has come.
void At(std::string_view point) {
  static const char* const wanted = getenv("FAIRLEAD_CRASH_POINT");
  static const char* const pass = getenv("FAIRLEAD_CRASH_PASS");
  static std::atomic<long> left{pass == nullptr ? 1 : atol(pass)};
  if (wanted == nullptr || point != wanted || left.fetch_sub(1) != 1) return;
  const std::string last_word = fmt::format("crash point {}\n", point);
  (void)!write(STDERR_FILENO, last_word.data(), last_word.size());
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// --- The store: batches that have entries, and when their bytes reach the log ------------------------------------------------------

std::atomic<int> entries_being_written{0};

void AtIfEntries(std::string_view point) {
  if (entries_being_written.load() > 0) At(point);
}

class WatchedLog : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    AtIfEntries("append.before");
    rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, debug);
    AtIfEntries("append.after");
    return status;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options, const rocksdb::DataVerificationInfo& checksum,
                           rocksdb::IODebugContext* debug) override {
    AtIfEntries("append.before");
    rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, checksum, debug);
    AtIfEntries("append.after");
    return status;
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    AtIfEntries("sync.before");
    rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Sync(options, debug);
    AtIfEntries("sync.after");
    return status;
  }
};

class WatchedFiles : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "WatchedFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
    if (status.ok() && path.ends_with(".log")) *file = std::make_unique<WatchedLog>(std::move(*file));
    return status;
  }
};

class WatchedBatch : public Batch {
 public:
  explicit WatchedBatch(std::unique_ptr<Batch> inner) : inner_(std::move(inner)) {}
  void Put(Cf cf, std::string_view key, std::string_view value) override {
    has_entries_ |= cf == Cf::kJournal;
    inner_->Put(cf, key, value);
  }
  void Delete(Cf cf, std::string_view key) override { inner_->Delete(cf, key); }
  void Clear() override {
    has_entries_ = false;
    inner_->Clear();
  }
  size_t bytes() const override { return inner_->bytes(); }
  Batch* inner() { return inner_.get(); }
  bool has_entries() const { return has_entries_; }

 private:
  const std::unique_ptr<Batch> inner_;
  bool has_entries_ = false;
};

class WatchedStore : public storage::Store {
 public:
  explicit WatchedStore(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}
  absl::StatusOr<std::optional<std::string>> Get(Cf cf, std::string_view key) const override { return inner_->Get(cf, key); }
  std::unique_ptr<storage::Iterator> Iterate(Cf cf, std::string_view lower, std::string_view upper) const override {
    return inner_->Iterate(cf, lower, upper);
  }
  uint64_t version() const override { return inner_->version(); }
  std::unique_ptr<Batch> NewBatch() const override { return std::make_unique<WatchedBatch>(inner_->NewBatch()); }
  absl::Status Write(Batch* batch, storage::Sync sync) override {
    auto* watched = static_cast<WatchedBatch*>(batch);
    const int entries = watched->has_entries() ? 1 : 0;
    entries_being_written.fetch_add(entries);
    absl::Status status = inner_->Write(watched->inner(), sync);
    entries_being_written.fetch_sub(entries);
    return status;
  }
  std::unique_ptr<storage::Snapshot> NewSnapshot() const override { return inner_->NewSnapshot(); }
  absl::Status CopyTo(const std::string& folder) const override { return inner_->CopyTo(folder); }

 private:
  const std::unique_ptr<Store> inner_;
};

}  // namespace

// --- The functions that the linker puts in between ---------------------------------------------------------------------------------
//
// By their linker names, which the compiler does not check against these types: a signature that changes fails to link.

using OpenedStore = absl::StatusOr<std::unique_ptr<storage::Store>>;
using ApplyDone = std::function<void(replication::ApplyResult)>;

#define FAIRLEAD_OPEN_STORE "_ZN8fairlead7storage16OpenRocksDbStoreERKNS0_14RocksDbOptionsE"
OpenedStore RealOpenStore(const storage::RocksDbOptions& options) asm("__real_" FAIRLEAD_OPEN_STORE);
OpenedStore OpenStore(const storage::RocksDbOptions& options) asm("__wrap_" FAIRLEAD_OPEN_STORE);
OpenedStore OpenStore(const storage::RocksDbOptions& options) {
  static const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(std::make_shared<WatchedFiles>(rocksdb::FileSystem::Default()));
  storage::RocksDbOptions watched = options;
  watched.env = env.get();
  OpenedStore opened = RealOpenStore(watched);
  if (opened.ok()) opened = std::make_unique<WatchedStore>(*std::move(opened));
  return opened;
}

#define FAIRLEAD_SIGN_OWN "_ZN8fairlead4node7Witness7SignOwnENS_6StrongINS_8LogIdTagEjEENS2_INS_6SeqTagEmEERKSt5arrayIhLm32EE"
void RealSignOwn(node::Witness* witness, LogId log, Seq size, const Digest& root) asm("__real_" FAIRLEAD_SIGN_OWN);
void SignOwn(node::Witness* witness, LogId log, Seq size, const Digest& root) asm("__wrap_" FAIRLEAD_SIGN_OWN);
void SignOwn(node::Witness* witness, LogId log, Seq size, const Digest& root) {
  At("sign.before");
  RealSignOwn(witness, log, size, root);
  At("sign.after");
}

#define FAIRLEAD_PUMP "_ZN8fairlead11replication6Sender4PumpEN4absl7debian34TimeEPNS_2v117ReplicateResponseE"
absl::StatusOr<bool> RealPump(replication::Sender* sender, absl::Time now, v1::ReplicateResponse* out) asm("__real_" FAIRLEAD_PUMP);
absl::StatusOr<bool> Pump(replication::Sender* sender, absl::Time now, v1::ReplicateResponse* out) asm("__wrap_" FAIRLEAD_PUMP);
absl::StatusOr<bool> Pump(replication::Sender* sender, absl::Time now, v1::ReplicateResponse* out) {
  if (out->has_entries()) At("send.after");  // the frame before, which is asked to be replaced once it is written
  absl::StatusOr<bool> made = RealPump(sender, now, out);
  if (made.ok() && *made && out->has_entries()) At("send.before");
  return made;
}

#define FAIRLEAD_APPLY_REMOTE "_ZN8fairlead4node9Committer11ApplyRemoteENS_11replication11RemoteBatchESt8functionIFvNS2_11ApplyResultEEE"
void RealApplyRemote(node::Committer* committer, replication::RemoteBatch batch, ApplyDone done) asm("__real_" FAIRLEAD_APPLY_REMOTE);
void ApplyRemote(node::Committer* committer, replication::RemoteBatch batch, ApplyDone done) asm("__wrap_" FAIRLEAD_APPLY_REMOTE);
void ApplyRemote(node::Committer* committer, replication::RemoteBatch batch, ApplyDone done) {
  if (batch.entries.empty()) return RealApplyRemote(committer, std::move(batch), std::move(done));
  At("apply.before");
  RealApplyRemote(committer, std::move(batch), [done = std::move(done)](replication::ApplyResult result) {
    At("apply.after");
    done(std::move(result));
  });
}

}  // namespace fairlead::crash_points
