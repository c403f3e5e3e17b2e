// A directory of a test's own, removed at its end.
//
// Thread safety: constant. Ownership: owns the directory.

#ifndef FAIRLEAD_STORAGE_SCRATCH_DIRECTORY_H_
#define FAIRLEAD_STORAGE_SCRATCH_DIRECTORY_H_

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace fairlead::storage {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    path_ = (std::filesystem::temp_directory_path() / "fairlead-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) abort();
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace fairlead::storage

#endif  // FAIRLEAD_STORAGE_SCRATCH_DIRECTORY_H_
