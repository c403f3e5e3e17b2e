#include "storage/backup.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "api/crypto.h"
#include "api/errors.h"
#include "storage/rocksdb_store.h"
#include "storage/shared_log.h"

namespace fairlead::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kManifestLine = "fairlead backup v1";
constexpr char kManifest[] = "manifest";
constexpr char kStore[] = "store";
constexpr char kPartial[] = ".partial";
constexpr char kRestoring[] = "restoring";
constexpr char kCurrent[] = "CURRENT";  // RocksDB's: without it there is no store
constexpr size_t kChunkBytes = 1 << 20;
constexpr size_t kManifestBytesMax = 16 << 20;
constexpr size_t kIdBytesMax = 63;

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kIdBytesMax &&
         std::all_of(id.begin(), id.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

absl::Status NoSuch(const std::string& id) {
  return Error(Reason::kRecordNotFound, fmt::format("there is no backups/{}", id), {{"name", "backups/" + id}});
}

absl::Status Damaged(const std::string& path, const std::string& how) {
  return Error(Reason::kStoreDamaged, fmt::format("{}: {}", path, how));
}

absl::Status SystemError(const std::string& path, const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device || error == std::error_code(EDQUOT, std::system_category());
  return Error(full ? Reason::kStorageFull : Reason::kStorageFailed, fmt::format("{}: {}", path, error.message()));
}
absl::Status SystemError(const std::string& path) { return SystemError(path, std::error_code(errno, std::system_category())); }

// A file descriptor that is closed.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

absl::Status SyncFolder(const std::string& path) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  if (folder.get() < 0 || fsync(folder.get()) != 0) return SystemError(path);
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError(path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

// Size and digest of a file, whose bytes are handed to `take` on the way.
absl::StatusOr<Backup::File> ReadThrough(const std::string& path, const std::function<absl::Status(std::string_view)>& take = nullptr) {
  const Descriptor in(path, O_RDONLY);
  if (in.get() < 0) return errno == ENOENT ? Damaged(path, "is missing") : SystemError(path);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  Backup::File file{.name = fs::path(path).filename()};
  std::string chunk(kChunkBytes, '\0');
  for (;;) {
    const ssize_t n = read(in.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError(path);
    if (n == 0) break;
    EVP_DigestUpdate(hash.get(), chunk.data(), static_cast<size_t>(n));
    file.bytes += static_cast<uint64_t>(n);
    if (take == nullptr) continue;
    if (absl::Status taken = take(std::string_view(chunk).substr(0, static_cast<size_t>(n))); !taken.ok()) return taken;
  }
  EVP_DigestFinal_ex(hash.get(), file.digest.data(), nullptr);
  return file;
}

absl::Status CheckSame(const std::string& path, const Backup::File& expected, const Backup::File& found) {
  if (found.bytes != expected.bytes) return Damaged(path, fmt::format("has {} bytes, not {}", found.bytes, expected.bytes));
  if (found.digest != expected.digest) return Damaged(path, "does not have the digest that it was written with");
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  const Descriptor out(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (out.get() < 0) return SystemError(path);
  if (absl::Status written = WriteAll(out.get(), bytes, path); !written.ok()) return written;
  if (fsync(out.get()) != 0) return SystemError(path);
  return absl::OkStatus();
}

std::string FormatManifest(const Backup& backup) {
  std::string out = fmt::format("{}\nnetwork {}\nsite {}\ncreated {}\nrequest {}\njournal {}\n", kManifestLine, backup.network, backup.site,
                                absl::ToUnixMillis(backup.create_time), backup.request_id, backup.journal_size);
  for (const Backup::File& file : backup.files)
    out += fmt::format("file {} {} {}\n", file.bytes, HexEncode(AsView(file.digest)), file.name);
  return out;
}

std::optional<Digest> DigestFromHex(std::string_view hex) {
  Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const char* at = hex.data() + 2 * i;
    if (std::from_chars(at, at + 2, digest[i], 16).ptr != at + 2) return std::nullopt;
  }
  return digest;
}

// Nullopt when `text` is no manifest.
std::optional<Backup> ParseManifest(std::string_view text) {
  bool ok = true;
  const auto line = [&](std::string_view keyword) {
    const size_t end = text.find('\n');
    ok = ok && end != std::string_view::npos && text.starts_with(keyword);
    if (!ok) return std::string_view();
    const std::string_view rest = text.substr(keyword.size(), end - keyword.size());
    text.remove_prefix(end + 1);
    return rest;
  };
  const auto number = [&](std::string_view digits) {
    uint64_t value = 0;
    ok = ok && !digits.empty() && std::from_chars(digits.data(), digits.data() + digits.size(), value).ptr == digits.data() + digits.size();
    return value;
  };
  Backup backup;
  ok = line(kManifestLine).empty() && ok;
  backup.network = std::string(line("network "));
  backup.site = std::string(line("site "));
  backup.create_time = absl::FromUnixMillis(static_cast<int64_t>(number(line("created "))));
  backup.request_id = std::string(line("request "));
  backup.journal_size = number(line("journal "));
  while (ok && !text.empty()) {
    std::string_view rest = line("file ");
    Backup::File file;
    file.bytes = number(rest.substr(0, rest.find(' ')));
    rest.remove_prefix(std::min(rest.size(), rest.find(' ') + 1));
    const std::optional<Digest> digest = DigestFromHex(rest.substr(0, rest.find(' ')));
    rest.remove_prefix(std::min(rest.size(), rest.find(' ') + 1));
    file.name = std::string(rest);
    // A name is a name in store/, and leads nowhere else.
    ok = ok && digest && !file.name.empty() && file.name.find('/') == std::string::npos && file.name != "." && file.name != "..";
    if (ok) file.digest = *digest;
    backup.files.push_back(std::move(file));
  }
  if (!ok) return std::nullopt;
  return backup;
}

// Removes what is left of a backup that is not whole; what cannot be removed now is when the folder is opened again.
void Discard(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) spdlog::warn("{} could not be removed: {}", path, error.message());
}

// Reads a store that was just copied: its files, their checksums, and what it is.
absl::Status ReadBack(const std::string& store_path, Backup* backup) {
  const RocksDbOptions options{.path = store_path};
  if (absl::Status verified = VerifyRocksDbFiles(options); !verified.ok()) return verified;
  {
    absl::StatusOr<std::unique_ptr<Store>> store = OpenRocksDbStoreToRead(options, Exclusive::kNo);
    if (!store.ok()) return store.status();
    for (const auto& [key, out] : {std::pair(kMetaNetwork, &backup->network), std::pair(kMetaSite, &backup->site)}) {
      absl::StatusOr<std::optional<std::string>> value = (*store)->Get(Cf::kMeta, key);
      if (!value.ok()) return value.status();
      *out = value->value_or("");
    }
    const std::unique_ptr<Iterator> journal = (*store)->Iterate(Cf::kJournal, {}, {});
    journal->SeekToLast();
    if (!journal->status().ok()) return journal->status();
    backup->journal_size = journal->Valid() ? Reader(journal->key()).U64() + 1 : 0;
  }
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(store_path, error)) {
    absl::StatusOr<Backup::File> file = ReadThrough(entry.path());
    if (!file.ok()) return file.status();
    backup->files.push_back(*std::move(file));
  }
  if (error) return SystemError(store_path, error);
  std::sort(backup->files.begin(), backup->files.end(), [](const Backup::File& a, const Backup::File& b) { return a.name < b.name; });
  return absl::OkStatus();
}

absl::Status CopyFile(const std::string& from, const std::string& to, const Backup::File& expected) {
  const Descriptor out(to, O_WRONLY | O_CREAT | O_EXCL);
  if (out.get() < 0) return SystemError(to);
  absl::StatusOr<Backup::File> read = ReadThrough(from, [&](std::string_view bytes) { return WriteAll(out.get(), bytes, to); });
  if (!read.ok()) return read.status();
  if (absl::Status same = CheckSame(from, expected, *read); !same.ok()) return same;
  if (fsync(out.get()) != 0) return SystemError(to);
  return absl::OkStatus();
}

// Makes a copied store one of its own: its journal goes on differently, unless it is a member's, and it has no licence to extend its site's
// log.
absl::Status BecomeAnother(const std::string& store_path, BackupFolder::As as) {
  absl::StatusOr<std::unique_ptr<Store>> store = OpenRocksDbStore({.path = store_path});
  if (!store.ok()) return store.status();
  const std::unique_ptr<Batch> batch = (*store)->NewBatch();
  if (as == BackupFolder::As::kMember) {
    const auto mark = (*store)->Get(Cf::kMeta, kMetaSharedLog);
    if (!mark.ok()) return mark.status();
    if (*mark != kSharedLogMade) return absl::FailedPreconditionError("it is of a site of one machine: no member can begin with it");
  } else {
    batch->Put(Cf::kMeta, kMetaJournalInstance, RandomBytes(16));
    LeaveSharedLog(batch.get());
  }
  batch->Delete(Cf::kMeta, kMetaLicence);
  return (*store)->Write(batch.get(), Sync::kYes);
}

// Moves the files of `staging` to `data`, the one that makes them a store last.
absl::Status MoveUp(const std::string& staging, const std::string& data) {
  std::vector<fs::path> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(staging, error)) names.push_back(entry.path().filename());
  if (error) return SystemError(staging, error);
  for (const bool last : {false, true}) {
    for (const fs::path& name : names) {
      if ((name == kCurrent) != last) continue;
      fs::rename(fs::path(staging) / name, fs::path(data) / name, error);
      if (error) return SystemError(fs::path(data) / name, error);
    }
    if (absl::Status synced = SyncFolder(data); !synced.ok()) return synced;
  }
  fs::remove(staging, error);
  return absl::OkStatus();
}

// The data folder, empty. A restoration that was cut short while it copied left its own folder and nothing else.
absl::Status MakeEmpty(const std::string& data) {
  std::error_code error;
  fs::create_directories(data, error);
  if (error) return absl::FailedPreconditionError(fmt::format("{}: {}", data, error.message()));
  for (const fs::directory_entry& entry : fs::directory_iterator(data, error)) {
    if (entry.path().filename() == kRestoring) continue;
    return absl::FailedPreconditionError(
        fmt::format("{}: holds {}: a backup is restored into an empty folder", data, entry.path().filename().string()));
  }
  if (!error) fs::remove_all(fs::path(data) / kRestoring, error);
  return error ? SystemError(data, error) : absl::OkStatus();
}

}  // namespace

uint64_t Backup::bytes() const {
  uint64_t sum = 0;
  for (const File& file : files) sum += file.bytes;
  return sum;
}

absl::StatusOr<std::unique_ptr<BackupFolder>> BackupFolder::Open(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return absl::FailedPreconditionError(fmt::format("{}: {}", path, error.message()));
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (entry.path().filename().string().ends_with(kPartial)) Discard(entry.path());
  }
  if (error) return absl::FailedPreconditionError(fmt::format("{}: {}", path, error.message()));
  return std::unique_ptr<BackupFolder>(new BackupFolder(path));
}

absl::StatusOr<std::unique_ptr<BackupFolder>> BackupFolder::Attach(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return absl::NotFoundError(fmt::format("{}: there is no such folder", path));
  return std::unique_ptr<BackupFolder>(new BackupFolder(path));
}

absl::StatusOr<Backup> BackupFolder::Create(const Store& store, absl::Time now, const std::string& request_id) {
  absl::MutexLock lock(&mu_);
  absl::StatusOr<std::optional<Backup>> known = Find(request_id);
  if (!known.ok()) return known.status();
  if (known->has_value()) return **std::move(known);
  Backup backup{.create_time = now, .request_id = request_id};
  const std::string time = absl::FormatTime("%Y%m%d-%H%M%S", now, absl::UTCTimeZone());
  const auto taken = [this](const std::string& id) { return fs::exists(path_ + "/" + id) || fs::exists(path_ + "/" + id + kPartial); };
  backup.id = time;
  for (int i = 2; taken(backup.id); ++i) backup.id = fmt::format("{}-{}", time, i);

  const std::string partial = path_ + "/" + backup.id + kPartial;
  const std::string store_path = partial + "/" + kStore;
  std::error_code error;
  fs::create_directory(partial, error);
  absl::Status status = error ? SystemError(partial, error) : store.CopyTo(store_path);
  if (status.ok()) status = ReadBack(store_path, &backup);
  if (status.ok()) status = WriteFile(partial + "/" + kManifest, FormatManifest(backup));
  if (status.ok()) status = SyncFolder(partial);
  if (status.ok()) {
    fs::rename(partial, path_ + "/" + backup.id, error);
    status = error ? SystemError(partial, error) : SyncFolder(path_);
  }
  if (!status.ok()) {
    Discard(partial);
    return status;
  }
  return backup;
}

absl::StatusOr<Backup> BackupFolder::Read(const std::string& id) const {
  if (!IsId(id) || !fs::exists(path_ + "/" + id)) return NoSuch(id);
  const std::string path = path_ + "/" + id + "/" + kManifest;
  std::string text;
  absl::StatusOr<Backup::File> read = ReadThrough(path, [&](std::string_view bytes) -> absl::Status {
    text += bytes;
    return text.size() > kManifestBytesMax ? Damaged(path, "is no manifest") : absl::OkStatus();
  });
  if (!read.ok()) return read.status();
  std::optional<Backup> backup = ParseManifest(text);
  if (!backup) return Damaged(path, "is no manifest");
  backup->id = id;
  return *std::move(backup);
}

absl::StatusOr<std::vector<Backup>> BackupFolder::List() const {
  std::vector<Backup> backups;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, error)) {
    const std::string id = entry.path().filename();
    if (!IsId(id)) continue;
    absl::StatusOr<Backup> backup = Read(id);
    if (backup.ok()) {
      backups.push_back(*std::move(backup));
    } else if (!absl::IsNotFound(backup.status())) {  // deleted meanwhile
      spdlog::warn("a backup cannot be read: {}", std::string(backup.status().message()));
    }
  }
  if (error) return SystemError(path_, error);
  std::sort(backups.begin(), backups.end(),
            [](const Backup& a, const Backup& b) { return std::pair(a.create_time, a.id) < std::pair(b.create_time, b.id); });
  return backups;
}

absl::StatusOr<std::optional<Backup>> BackupFolder::Find(const std::string& request_id) const {
  absl::StatusOr<std::vector<Backup>> all = List();
  if (!all.ok()) return all.status();
  for (Backup& backup : *all) {
    if (backup.request_id == request_id) return std::move(backup);
  }
  return std::nullopt;
}

absl::StatusOr<Backup> BackupFolder::Verify(const std::string& id) const {
  absl::MutexLock lock(&mu_);
  absl::StatusOr<Backup> backup = Read(id);
  if (!backup.ok()) return backup.status();
  const std::string store_path = path_ + "/" + id + "/" + kStore;
  for (const Backup::File& file : backup->files) {
    const std::string path = store_path + "/" + file.name;
    absl::StatusOr<Backup::File> found = ReadThrough(path);
    if (!found.ok()) return found.status();
    if (absl::Status same = CheckSame(path, file, *found); !same.ok()) return same;
  }
  if (absl::Status verified = VerifyRocksDbFiles({.path = store_path}); !verified.ok()) return verified;
  return backup;
}

absl::Status BackupFolder::Delete(const std::string& id) {
  absl::MutexLock lock(&mu_);
  if (!IsId(id) || !fs::exists(path_ + "/" + id)) return NoSuch(id);
  // First it is no backup any more, then it goes.
  const std::string partial = path_ + "/" + id + kPartial;
  std::error_code error;
  fs::rename(path_ + "/" + id, partial, error);
  if (error) return SystemError(partial, error);
  if (absl::Status synced = SyncFolder(path_); !synced.ok()) return synced;
  fs::remove_all(partial, error);
  return error ? SystemError(partial, error) : absl::OkStatus();
}

absl::Status BackupFolder::Restore(const std::string& id, const std::string& network, const std::string& site, const std::string& data,
                                   As as) const {
  absl::MutexLock lock(&mu_);
  absl::StatusOr<Backup> backup = Read(id);
  if (!backup.ok()) return backup.status();
  if (backup->network != network || backup->site != site) {
    return absl::FailedPreconditionError(fmt::format("backups/{} is of network '{}' and site '{}'; the configuration says '{}' and '{}'",
                                                     id, backup->network, backup->site, network, site));
  }
  if (absl::Status empty = MakeEmpty(data); !empty.ok()) return empty;
  const std::string staging = data + "/" + kRestoring;
  std::error_code error;
  fs::create_directory(staging, error);
  absl::Status status = error ? SystemError(staging, error) : absl::OkStatus();
  for (const Backup::File& file : backup->files) {
    if (status.ok()) status = CopyFile(path_ + "/" + id + "/" + kStore + "/" + file.name, staging + "/" + file.name, file);
  }
  if (status.ok()) status = BecomeAnother(staging, as);
  if (!status.ok()) {
    Discard(staging);
    return status;
  }
  return MoveUp(staging, data);
}

}  // namespace fairlead::storage
