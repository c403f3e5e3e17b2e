// Backups of a store in a folder of their own, and their restoration.
//
//   {folder}/{id}/manifest         what it is, written last
//   {folder}/{id}/store/           a RocksDB store (rocksdb_store.h)
//   {folder}/{id}.partial/         one that is being written or deleted; what a crash left of it is removed by the next Open
//
//   manifest := "fairlead backup v1\n" "network " name "\n" "site " name "\n" "created " ms "\n" "request " id "\n" "journal " n "\n" file*
//   file     := "file " bytes " " sha256 " " name "\n"             ascending by name; ms since 1970, sha256 in hex
//
// Files on the store's own disk are shared with it by hard links and take space only as the store replaces its own; those on another disk
// are copies. A backup holds the store and nothing else: no keys, no configuration, and nothing that would let a restored node sign
// before it has recovered what its peers hold of its own log (api/PROTOCOL.md, rule 7).
//
// Thread safety: any thread; creations, verifications and deletions are carried out one at a time. Ownership: owns its folder's contents.

#ifndef FAIRLEAD_STORAGE_BACKUP_H_
#define FAIRLEAD_STORAGE_BACKUP_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/ids.h"
#include "storage/store.h"

namespace fairlead::storage {

struct Backup {
  struct File {
    std::string name;  // in store/
    uint64_t bytes = 0;
    Digest digest{};
  };
  std::string id;  // 1 to 63 of [a-z0-9-]
  std::string network;
  std::string site;
  absl::Time create_time;
  std::string request_id;
  uint64_t journal_size = 0;
  std::vector<File> files;
  uint64_t bytes() const;
};

class BackupFolder {
 public:
  // Makes the folder when it is absent, and removes what was left half-done. FAILED_PRECONDITION when it cannot be used.
  // REQUIRES: no other process writes to it.
  static absl::StatusOr<std::unique_ptr<BackupFolder>> Open(const std::string& path);
  // One that is there, to restore from: its node may run. NOT_FOUND.
  static absl::StatusOr<std::unique_ptr<BackupFolder>> Attach(const std::string& path);

  // Copies the store and reads the copy back. A second call with the same request id gives the backup of the first. After an error nothing
  // is left. RESOURCE_EXHAUSTED (STORAGE_FULL), INTERNAL (STORAGE_FAILED), DATA_LOSS (STORE_DAMAGED).
  absl::StatusOr<Backup> Create(const Store& store, absl::Time now, const std::string& request_id);
  // The one made for a request; nullopt when there is none.
  absl::StatusOr<std::optional<Backup>> Find(const std::string& request_id) const;
  // Oldest first. One whose manifest cannot be read is left out, with a warning in the log.
  absl::StatusOr<std::vector<Backup>> List() const;
  // Reads all of it. DATA_LOSS (STORE_DAMAGED) naming the file; NOT_FOUND (RECORD_NOT_FOUND).
  absl::StatusOr<Backup> Verify(const std::string& id) const;
  absl::Status Delete(const std::string& id);

  // Makes a store of the backup in `data`, an empty or absent folder. Its journal gets a new instance: what followed in the old one will
  // not be what follows here, so that positions of peers and watchers in the old one must not hold. `network` and `site` must be the
  // backup's. A restoration cut short leaves a folder that no node starts on. FAILED_PRECONDITION naming what forbids it; otherwise as
  // Verify and Create.
  // As a member's, the store goes on in the journal that its site's members share, which must be that of the backup.
  enum class As { kSite, kMember };
  absl::Status Restore(const std::string& id, const std::string& network, const std::string& site, const std::string& data,
                       As as = As::kSite) const;

 private:
  explicit BackupFolder(std::string path) : path_(std::move(path)) {}
  absl::StatusOr<Backup> Read(const std::string& id) const;

  const std::string path_;
  mutable absl::Mutex mu_;  // held while files are written, read back or removed
};

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_BACKUP_H_
