// A folder of one test, removed with what is in it. Thread safety: const methods. Ownership: owns the folder.

#ifndef FAIRLEAD_CERTS_TEMP_FOLDER_H_
#define FAIRLEAD_CERTS_TEMP_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace fairlead::certs {

class TempFolder {
 public:
  TempFolder() : path_(testing::TempDir() + "certs.XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no folder " << path_;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path() / name; }

 private:
  std::string path_;
};

}  // namespace fairlead::certs

#endif  // FAIRLEAD_CERTS_TEMP_FOLDER_H_
