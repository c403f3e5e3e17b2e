#include "certs/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead::certs {
namespace {

namespace fs = std::filesystem;

absl::Status FileError(int error, const fs::path& path, std::string_view doing) {
  return absl::ErrnoToStatus(error, fmt::format("{}: cannot {}", path.string(), doing));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  const int fd_;
};

fs::path ParentOf(const fs::path& path) {
  fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

absl::Status SyncDirectory(const fs::path& path) {
  Descriptor dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) return FileError(errno, path, "open the directory");
  if (::fsync(dir.get()) != 0) return FileError(errno, path, "sync the directory");
  return absl::OkStatus();
}

absl::Status WriteAndSync(const fs::path& path, std::string_view bytes, mode_t mode) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) return FileError(errno, path, "create");
  if (::fchmod(file.get(), mode) != 0) return FileError(errno, path, "set the mode");
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(errno, path, "write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(file.get()) != 0) return FileError(errno, path, "sync");
  return absl::OkStatus();
}

// link() and not rename(): it fails when the name is taken.
absl::Status GiveName(const fs::path& temporary, const fs::path& path, IfExists if_exists) {
  if (if_exists == IfExists::kReplace) {
    if (::rename(temporary.c_str(), path.c_str()) != 0) return FileError(errno, path, "replace");
    return absl::OkStatus();
  }
  if (::link(temporary.c_str(), path.c_str()) != 0) {
    if (errno == EEXIST) return absl::AlreadyExistsError(fmt::format("{}: exists and is not overwritten", path.string()));
    return FileError(errno, path, "create");
  }
  ::unlink(temporary.c_str());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError(errno, path, "open");
  std::string bytes;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(errno, path, "read");
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(n));
    if (bytes.size() > kFileBytesMax) {
      return absl::ResourceExhaustedError(fmt::format("{}: larger than {} bytes", path.string(), kFileBytesMax));
    }
  }
}

absl::Status WriteFile(const fs::path& path, std::string_view bytes, Access access, IfExists if_exists) {
  const fs::path temporary = ParentOf(path) / fmt::format(".{}.{}", path.filename().string(), HexEncode(RandomBytes(8)));
  absl::Status status = WriteAndSync(temporary, bytes, access == Access::kOwnerOnly ? 0600 : 0644);
  if (status.ok()) status = GiveName(temporary, path, if_exists);
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(ParentOf(path));
}

absl::Status MakeDirectory(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return absl::OkStatus();
  const fs::path parent = ParentOf(path);
  if (parent != path) {
    if (absl::Status status = MakeDirectory(parent); !status.ok()) return status;
  }
  if (::mkdir(path.c_str(), 0700) != 0) {
    const int cause = errno;
    if (cause == EEXIST && fs::is_directory(path, error)) return absl::OkStatus();
    return FileError(cause, path, "make the directory");
  }
  return SyncDirectory(parent);
}

absl::Status RenameDirectory(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) {
      return absl::AlreadyExistsError(fmt::format("{}: exists and is not empty", to.string()));
    }
    return FileError(errno, to, fmt::format("rename {} to it", from.string()));
  }
  return SyncDirectory(ParentOf(to));
}

absl::StatusOr<Lock> Lock::Take(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, directory, "open the directory");
  Lock lock(fd);
  while (::flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return FileError(errno, directory, "lock");
  }
  return lock;
}

Lock::Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Lock& Lock::operator=(Lock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Lock::~Lock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace fairlead::certs
