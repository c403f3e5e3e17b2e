#include "server/search/index_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "api/bytes.h"
#include "api/errors.h"
#include "storage/schema.h"

namespace fairlead::search {

namespace fs = std::filesystem;

namespace {

constexpr char kIndex[] = "/index";
constexpr char kNext[] = "/next";
// Names of metadata in the database.
constexpr char kVersion[] = "version";
constexpr char kProgress[] = "progress";

// progress := instance:bytes journal:u64 log:u32 seq:u64 building:u8 stale:u8 built:bytes
std::string Encode(const Progress& progress) {
  std::string out;
  PutBytes(&out, progress.instance);
  PutU64(&out, progress.journal.value());
  out += storage::DotKey(progress.last);
  PutU8(&out, progress.building ? 1 : 0);
  PutU8(&out, progress.stale ? 1 : 0);
  PutBytes(&out, progress.built);
  return out;
}

std::optional<Progress> Decode(std::string_view bytes) {
  Reader in(bytes);
  Progress progress;
  progress.instance = std::string(in.Bytes());
  progress.journal = Position(in.U64());
  progress.last = storage::ReadDot(&in);
  progress.building = in.U8() == 1;
  progress.stale = in.U8() == 1;
  progress.built = std::string(in.Bytes());
  if (!in.Done()) return std::nullopt;
  return progress;
}

absl::Status StatusOf(const Xapian::Error& error) {
  return Error(Reason::kStorageFailed, fmt::format("the search index: {}", error.get_description()));
}

// Makes it durable which files the folder has.
std::error_code Sync(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const std::error_code failed = synced ? std::error_code() : std::error_code(errno, std::generic_category());
  if (fd >= 0) ::close(fd);
  return failed;
}

}  // namespace

// What Xapian's functions throw, as a status.
template <class Fn>
absl::Status IndexFolder::Try(Fn fn) {
  try {
    fn();
    return absl::OkStatus();
  } catch (const Xapian::DatabaseCorruptError& error) {
    damaged_ = true;
    return StatusOf(error);
  } catch (const Xapian::Error& error) {
    return StatusOf(error);
  }
}

std::optional<Progress> IndexFolder::ProgressOf(const Xapian::Database& database) { return Decode(database.get_metadata(kProgress)); }

absl::StatusOr<std::optional<Progress>> IndexFolder::Open(const std::string& version, const std::string& instance) {
  writer_.reset();
  version_ = version;
  damaged_ = false;
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (!failed) fs::remove_all(folder_ + kNext, failed);
  if (failed) return Error(Reason::kStorageFailed, fmt::format("the search index: {}: {}", folder_, failed.message()));
  const std::string path = folder_ + kIndex;
  if (fs::exists(path, failed)) {
    std::string unfit;
    try {
      writer_.emplace(path, Xapian::DB_OPEN);
      std::optional<Progress> progress = ProgressOf(*writer_);
      if (writer_->get_metadata(kVersion) != version)
        unfit = "is of another version";
      else if (!progress || progress->instance != instance)
        unfit = "is of another journal";
      else
        return progress;
    } catch (const Xapian::DatabaseLockError& error) {
      return StatusOf(error);
    } catch (const Xapian::Error& error) {
      unfit = fmt::format("cannot be used: {}", error.get_description());
    }
    spdlog::warn("the search index {}: it is built anew", unfit);
    Discard();
  }
  if (absl::Status made = Try([&] { writer_.emplace(path, Xapian::DB_CREATE_OR_OVERWRITE); }); !made.ok()) return made;
  return std::nullopt;
}

void IndexFolder::Discard() {
  writer_.reset();
  absl::MutexLock lock(&mu_);
  std::error_code failed;
  fs::remove_all(folder_ + kIndex, failed);
  if (failed) spdlog::error("the search index cannot be removed: {}", failed.message());
}

absl::Status IndexFolder::Put(const std::string& record_term, const Xapian::Document& document) {
  return Try([&] { writer_->replace_document(record_term, document); });
}

absl::Status IndexFolder::Remove(const std::string& record_term) {
  return Try([&] { writer_->delete_document(record_term); });
}

absl::Status IndexFolder::Commit(const Progress& progress) {
  return Try([&] {
    writer_->set_metadata(kVersion, version_);
    writer_->set_metadata(kProgress, Encode(progress));
    writer_->commit();
  });
}

absl::Status IndexFolder::Purge() {
  const std::string path = folder_ + kIndex;
  const std::string next = folder_ + kNext;
  std::error_code failed;
  fs::remove_all(next, failed);
  absl::Status made = Try([&] { Xapian::Database(path).compact(next, Xapian::DBCOMPACT_NO_RENUMBER); });
  if (!made.ok()) return made;
  writer_.reset();
  {
    absl::MutexLock lock(&mu_);
    fs::remove_all(path, failed);
    if (!failed) fs::rename(next, path, failed);
    if (!failed) failed = Sync(folder_);
  }
  if (failed) return Error(Reason::kStorageFailed, fmt::format("the search index: {}: {}", path, failed.message()));
  return Try([&] { writer_.emplace(path, Xapian::DB_OPEN); });
}

absl::StatusOr<Xapian::Database> IndexFolder::Read() const {
  absl::ReaderMutexLock lock(&mu_);
  try {
    return Xapian::Database(folder_ + kIndex);
  } catch (const Xapian::Error& error) {
    return absl::Status(Error(Reason::kIndexUnavailable, fmt::format("there is no search index to read: {}", error.get_description())));
  }
}

}  // namespace fairlead::search
