#include "server/search/index_folder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "api/errors.h"
#include "server/records/record_type.h"
#include "server/search/terms.h"
#include "storage/scratch_directory.h"

namespace fairlead::search {
namespace {

// While it lives, no file of this process grows beyond `bytes`: as on a disk that is full, writes beyond it fail.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*const handler_)(int);
  rlimit before_{};
};

class IndexFolderTest : public ::testing::Test {
 protected:
  // Records [first, end), each with a long name and a word of its own.
  absl::Status Put(IndexFolder* folder, int first, int end) {
    const records::RecordType& type = *records::TheRegistry().FindByName("engagements/A");
    for (int i = first; i < end; ++i) {
      const std::string name = fmt::format("engagements/E{:0>200}", i);
      Content content;
      content.texts = {fmt::format("word{}", i)};
      content.first = content.last = absl::CivilDay(2026, 1, 1) + i;
      if (absl::Status put = folder->Put(RecordTerm(name), DocumentOf(type, name, content)); !put.ok()) return put;
    }
    return absl::OkStatus();
  }
  const storage::ScratchDirectory scratch_;
};

// Wherever in a commit the space ends, that is an error, what was committed is still there, and the next commit takes it all in.
TEST_F(IndexFolderTest, ACommitThatFindsNoSpaceIsAnError) {
  IndexFolder folder(scratch_.path() + "/search");
  Progress progress{.instance = "I"};
  ASSERT_TRUE(folder.Open("1", "I").ok());
  ASSERT_TRUE(Put(&folder, 0, 200).ok());
  ASSERT_TRUE(folder.Commit(progress).ok());
  int failures = 0;
  for (rlim_t room = 0;; room += 8192) {
    ASSERT_LT(room, 8u << 20);
    progress.journal = Position(room + 1);
    absl::Status status;
    {
      const FileSizeLimit limit(room);
      status = Put(&folder, 100, 300);
      if (status.ok()) status = folder.Commit(progress);
    }
    const auto held = folder.Open("1", "I");
    ASSERT_TRUE(held.ok() && held->has_value()) << room << " " << held.status();
    if (status.ok()) {
      EXPECT_EQ((*held)->journal, progress.journal);
      EXPECT_EQ(folder.documents(), 300);
      break;
    }
    ++failures;
    EXPECT_EQ(ReasonOf(status), "STORAGE_FAILED") << status;
    if ((*held)->journal == Position(0)) {
      EXPECT_EQ(folder.documents(), 200) << room;
    } else {  // taken in by the end of what had failed, now that there is space
      EXPECT_EQ((*held)->journal, progress.journal);
    }
  }
  EXPECT_GT(failures, 10);
}

}  // namespace
}  // namespace fairlead::search
