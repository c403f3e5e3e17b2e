#include "certs/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "certs/temp_folder.h"

namespace fairlead::certs {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

mode_t ModeOf(const fs::path& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

// Files of this process cannot grow beyond `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);  // so that write() fails with EFBIG
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  sighandler_t old_handler_ = SIG_DFL;
};

TEST(WriteFileTest, WritesBytesWithModeWhateverTheUmask) {
  TempFolder folder;
  const mode_t umask_before = ::umask(0);
  const absl::Status key = WriteFile(folder / "a.key", "secret", Access::kOwnerOnly, IfExists::kRefuse);
  ::umask(0777);
  const absl::Status certificate = WriteFile(folder / "a.crt", "public", Access::kEveryoneReads, IfExists::kRefuse);
  ::umask(umask_before);
  ASSERT_TRUE(key.ok()) << key;
  ASSERT_TRUE(certificate.ok()) << certificate;
  EXPECT_EQ(ModeOf(folder / "a.key"), 0600u);
  EXPECT_EQ(ModeOf(folder / "a.crt"), 0644u);
  EXPECT_EQ(*ReadFile(folder / "a.key"), "secret");
  EXPECT_EQ(*ReadFile(folder / "a.crt"), "public");
  EXPECT_THAT(NamesIn(folder.path()), ElementsAre("a.crt", "a.key"));
}

TEST(WriteFileTest, RefusesToOverwriteAndKeepsTheBytes) {
  TempFolder folder;
  ASSERT_TRUE(WriteFile(folder / "a", "first", Access::kOwnerOnly, IfExists::kRefuse).ok());
  const absl::Status status = WriteFile(folder / "a", "second", Access::kEveryoneReads, IfExists::kRefuse);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr((folder / "a").string() + ": exists and is not overwritten"));
  EXPECT_EQ(*ReadFile(folder / "a"), "first");
  EXPECT_EQ(ModeOf(folder / "a"), 0600u);
  EXPECT_THAT(NamesIn(folder.path()), ElementsAre("a"));
}

TEST(WriteFileTest, AFailedWriteLeavesTheOldBytesAndNothingElse) {
  TempFolder folder;
  ASSERT_TRUE(WriteFile(folder / "a", "old", Access::kOwnerOnly, IfExists::kRefuse).ok());
  absl::Status status;
  {
    FileSizeLimit limit(1000);
    status = WriteFile(folder / "a", std::string(5000, 'n'), Access::kOwnerOnly, IfExists::kReplace);
  }
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write: File too large"));
  EXPECT_EQ(*ReadFile(folder / "a"), "old");
  EXPECT_THAT(NamesIn(folder.path()), ElementsAre("a"));
}

TEST(WriteFileTest, AReaderNeverSeesAMixture) {
  TempFolder folder;
  const fs::path path = folder / "a";
  const std::string versions[] = {std::string(100'000, 'a'), std::string(70'000, 'b')};
  ASSERT_TRUE(WriteFile(path, versions[0], Access::kOwnerOnly, IfExists::kRefuse).ok());
  std::atomic<bool> stop = false;
  std::atomic<int> mixtures = 0;
  std::atomic<int> reads = 0;
  std::thread reader([&] {
    while (!stop) {
      const absl::StatusOr<std::string> seen = ReadFile(path);
      if (!seen.ok() || (*seen != versions[0] && *seen != versions[1])) ++mixtures;
      ++reads;
    }
  });
  for (int i = 1; i < 50 || reads < 50; ++i) {
    const absl::Status status = WriteFile(path, versions[i % 2], Access::kOwnerOnly, IfExists::kReplace);
    EXPECT_TRUE(status.ok()) << status;
  }
  stop = true;
  reader.join();
  EXPECT_EQ(mixtures, 0);
}

TEST(WriteFileTest, NamesTheFileAndTheCause) {
  TempFolder folder;
  const absl::Status status = WriteFile(folder / "none" / "a", "x", Access::kOwnerOnly, IfExists::kRefuse);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr((folder / "none").string()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("No such file or directory"));
}

TEST(ReadFileTest, NamesTheMissingFile) {
  TempFolder folder;
  const absl::Status status = ReadFile(folder / "none").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr((folder / "none").string() + ": cannot open"));
  EXPECT_FALSE(ReadFile(folder.path()).ok());  // a directory
}

TEST(MakeDirectoryTest, MakesParentsForTheOwnerOnly) {
  TempFolder folder;
  ASSERT_TRUE(MakeDirectory(folder / "a" / "b").ok());
  EXPECT_EQ(ModeOf(folder / "a"), 0700u);
  EXPECT_EQ(ModeOf(folder / "a" / "b"), 0700u);
  EXPECT_TRUE(MakeDirectory(folder / "a" / "b").ok());
  ASSERT_TRUE(WriteFile(folder / "file", "x", Access::kOwnerOnly, IfExists::kRefuse).ok());
  const absl::Status status = MakeDirectory(folder / "file");
  EXPECT_THAT(std::string(status.message()), HasSubstr((folder / "file").string() + ": cannot make the directory"));
}

TEST(RenameDirectoryTest, TakesAnEmptyPlaceOnly) {
  TempFolder folder;
  ASSERT_TRUE(MakeDirectory(folder / "from").ok());
  ASSERT_TRUE(WriteFile(folder / "from" / "a", "x", Access::kOwnerOnly, IfExists::kRefuse).ok());
  ASSERT_TRUE(MakeDirectory(folder / "full").ok());
  ASSERT_TRUE(WriteFile(folder / "full" / "b", "y", Access::kOwnerOnly, IfExists::kRefuse).ok());
  EXPECT_EQ(RenameDirectory(folder / "from", folder / "full").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(NamesIn(folder / "full"), ElementsAre("b"));
  ASSERT_TRUE(MakeDirectory(folder / "empty").ok());
  EXPECT_TRUE(RenameDirectory(folder / "from", folder / "empty").ok());
  EXPECT_THAT(NamesIn(folder / "empty"), ElementsAre("a"));
  EXPECT_THAT(NamesIn(folder.path()), ElementsAre("empty", "full"));
}

TEST(LockTest, ExcludesASecondHolder) {
  TempFolder folder;
  std::atomic<int> holders = 0;
  std::atomic<int> taken = 0;
  std::atomic<int> overlaps = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        absl::StatusOr<Lock> lock = Lock::Take(folder.path());
        ASSERT_TRUE(lock.ok()) << lock.status();
        if (++holders != 1) ++overlaps;
        ++taken;
        std::this_thread::yield();
        --holders;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 200);
  EXPECT_EQ(overlaps, 0);
}

}  // namespace
}  // namespace fairlead::certs
