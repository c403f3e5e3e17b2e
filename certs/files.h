// Files that must be whole or absent: keys, certificates and the indexes beside them.
//
// A file is written under a temporary name in its own directory, synced, given its name in one step, and the directory synced, so that a
// reader or a crash finds the old bytes, the new bytes or nothing. Errors name the file and the cause.
//
// Thread safety: any thread. Ownership: values; a Lock owns its descriptor.

#ifndef FAIRLEAD_CERTS_FILES_H_
#define FAIRLEAD_CERTS_FILES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace fairlead::certs {

enum class Access { kOwnerOnly, kEveryoneReads };  // 0600, 0644
enum class IfExists { kRefuse, kReplace };

inline constexpr size_t kFileBytesMax = 64 << 20;  // larger files are refused when read

// NOT_FOUND when it is absent, RESOURCE_EXHAUSTED when it is larger than kFileBytesMax.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path);
// ALREADY_EXISTS with IfExists::kRefuse when there is such a file, which then keeps its bytes.
absl::Status WriteFile(const std::filesystem::path& path, std::string_view bytes, Access access, IfExists if_exists);
// Makes `path` and the parents it lacks, mode 0700 each, durably. One that exists is left as it is.
absl::Status MakeDirectory(const std::filesystem::path& path);
// Gives the directory `from` the name `to`. ALREADY_EXISTS when `to` is there and not an empty directory.
absl::Status RenameDirectory(const std::filesystem::path& from, const std::filesystem::path& to);

// An exclusive lock on a directory among processes that ask for it, held until destruction or the end of the process.
class Lock {
 public:
  // Waits for the present holder.
  static absl::StatusOr<Lock> Take(const std::filesystem::path& directory);
  Lock(Lock&& other) noexcept;
  Lock& operator=(Lock&& other) noexcept;
  ~Lock();

 private:
  explicit Lock(int fd) : fd_(fd) {}
  int fd_;  // -1 when moved from
};

}  // namespace fairlead::certs

#endif  // FAIRLEAD_CERTS_FILES_H_
