// An outbox whose process ends at any step of recording and of sending: what was acknowledged is there, and the node takes each change
// once.
//
// Every step is a crash point: each write, truncation, sync and deletion of SQLite (before it, half way through it, after it), and each
// call to a node that keeps in a file what it has taken. A child process runs until the n-th of them, for every n there is.

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "api/ids.h"
#include "client/outbox/sync.h"
#include "fairlead/v1/engagement_service.pb.h"

namespace fairlead::client {
namespace {

constexpr int kCrashed = 42;
constexpr int kChanges = 2;

int crash_at = 0;  // 0: never
int passed = 0;

void CrashPoint() {
  if (++passed == crash_at) _exit(kCrashed);
}

// --- A VFS over the system's whose steps are crash points. Syncs are left out: a killed process loses nothing that it has written.
// ----------

struct File {
  sqlite3_file base;
  sqlite3_file* real;
};

sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

const sqlite3_io_methods* Methods() {
  static const sqlite3_io_methods methods = {
      .iVersion = 1,
      .xClose = [](sqlite3_file* f) { return Real(f)->pMethods == nullptr ? SQLITE_OK : Real(f)->pMethods->xClose(Real(f)); },
      .xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) { return Real(f)->pMethods->xRead(Real(f), to, n, at); },
      .xWrite =
          [](sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
            CrashPoint();
            if (passed + 1 == crash_at) (void)Real(f)->pMethods->xWrite(Real(f), from, n / 2, at);
            CrashPoint();
            const int result = Real(f)->pMethods->xWrite(Real(f), from, n, at);
            CrashPoint();
            return result;
          },
      .xTruncate =
          [](sqlite3_file* f, sqlite3_int64 size) {
            CrashPoint();
            const int result = Real(f)->pMethods->xTruncate(Real(f), size);
            CrashPoint();
            return result;
          },
      .xSync =
          [](sqlite3_file*, int) {
            CrashPoint();
            return SQLITE_OK;
          },
      .xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return Real(f)->pMethods->xFileSize(Real(f), size); },
      .xLock = [](sqlite3_file* f, int lock) { return Real(f)->pMethods->xLock(Real(f), lock); },
      .xUnlock = [](sqlite3_file* f, int lock) { return Real(f)->pMethods->xUnlock(Real(f), lock); },
      .xCheckReservedLock = [](sqlite3_file* f, int* out) { return Real(f)->pMethods->xCheckReservedLock(Real(f), out); },
      .xFileControl = [](sqlite3_file* f, int op, void* argument) { return Real(f)->pMethods->xFileControl(Real(f), op, argument); },
      .xSectorSize = [](sqlite3_file* f) { return Real(f)->pMethods->xSectorSize(Real(f)); },
      .xDeviceCharacteristics = [](sqlite3_file*) { return 0; },  // no promise of atomic writes
  };
  return &methods;
}

void RegisterVfs() {
  static sqlite3_vfs* const real = sqlite3_vfs_find(nullptr);
  static sqlite3_vfs vfs = *real;
  vfs.zName = "crashing";
  vfs.szOsFile = static_cast<int>(sizeof(File)) + real->szOsFile;
  vfs.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
    CrashPoint();
    File* mine = reinterpret_cast<File*>(file);
    mine->real = reinterpret_cast<sqlite3_file*>(mine + 1);
    mine->base.pMethods = nullptr;
    const int opened = real->xOpen(real, name, mine->real, flags, out);
    if (opened == SQLITE_OK) mine->base.pMethods = Methods();
    return opened;
  };
  vfs.xDelete = [](sqlite3_vfs*, const char* name, int) {
    CrashPoint();
    const int result = real->xDelete(real, name, /*syncDir=*/0);
    CrashPoint();
    return result;
  };
  ASSERT_EQ(sqlite3_vfs_register(&vfs, /*makeDflt=*/1), SQLITE_OK);
}

// --- A node in a file: a line for each request that it has taken, which it answers again without taking it again
// ---------------------------

std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void AppendLine(const std::string& path, const std::string& line) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string text = line + "\n";
  ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(fd);
}

SendCall FileNode(const std::string& path) {
  return [path](const google::protobuf::MethodDescriptor&, const google::protobuf::Message& request, google::protobuf::Message* response,
                const CallOptions&, Answer* answer) {
    CrashPoint();
    const std::string id = TextOf(request, "request_id");
    const std::vector<std::string> taken = Lines(path);
    if (std::find(taken.begin(), taken.end(), id) == taken.end()) AppendLine(path, id);
    CrashPoint();
    SetText(response, "name", "engagements/of-" + id);
    SetText(response, "etag", "e");
    answer->token = "token";
    return absl::OkStatus();
  };
}

class CrashTest : public testing::Test {
 protected:
  CrashTest() {
    RegisterVfs();
    Reset();
  }
  ~CrashTest() override { std::filesystem::remove_all(folder_); }
  void Reset() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "outbox");  // which the outbox would sync, for each of hundreds of processes
  }
  std::unique_ptr<Outbox> Open() {
    OutboxOptions options;
    options.folder = (folder_ / "outbox").string();
    options.network = "demo.example";
    options.actor = "officer/apac/watch";
    absl::StatusOr<std::unique_ptr<Outbox>> outbox = Outbox::Open(options);
    EXPECT_TRUE(outbox.ok()) << outbox.status();
    return outbox.ok() ? *std::move(outbox) : nullptr;
  }
  // Records those of kChanges that are not there yet, acknowledging each in a file, and sends all.
  void Work() {
    std::unique_ptr<Outbox> outbox = Open();
    ASSERT_NE(outbox, nullptr);
    for (int i = 0; i < kChanges; ++i) {
      v1::CreateEngagementRequest request;
      request.set_request_id(ids_[i]);
      request.mutable_engagement()->set_title(fmt::format("Visit {}", i));
      const auto recorded = outbox->Record(*MethodNamed("fairlead.v1.EngagementService.CreateEngagement"), request, "engagements/", "apac");
      ASSERT_TRUE(recorded.ok()) << recorded.status();
      AppendLine(acknowledged(), ids_[i]);
      CrashPoint();
    }
    const auto result = Sync(outbox.get(), FileNode(node()), nullptr);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_TRUE(result->stopped.ok()) << result->stopped;
  }
  // What a process comes to that ends at the point `at`: its exit code.
  int WorkUntil(int at) {
    const pid_t child = fork();
    if (child == 0) {
      crash_at = at;
      passed = 0;
      Work();
      _exit(HasFatalFailure() ? 1 : 0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string acknowledged() const { return (folder_ / "acknowledged").string(); }
  std::string node() const { return (folder_ / "node").string(); }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / fmt::format("outbox_crash_test_{}", getpid());
  const std::vector<std::string> ids_ = [] {
    std::vector<std::string> ids;
    for (int i = 0; i < kChanges; ++i) ids.push_back(NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()))));
    return ids;
  }();
};

TEST_F(CrashTest, AtEveryStepNothingIsLostAndNothingIsTwice) {
  int points = 0;
  std::set<size_t> taken_at_crash;
  for (int at = 1;; ++at) {
    SCOPED_TRACE(at);
    Reset();
    const int ended = WorkUntil(at);
    if (ended == 0) break;  // there are no more points
    ASSERT_EQ(ended, kCrashed);
    ++points;
    const std::vector<std::string> acknowledged_then = Lines(acknowledged());
    taken_at_crash.insert(Lines(node()).size());
    {
      // What was acknowledged is there, waiting or done, whatever else happened.
      const std::unique_ptr<Outbox> outbox = Open();
      ASSERT_NE(outbox, nullptr);
      const auto changes = outbox->Changes(/*with_done=*/true);
      ASSERT_TRUE(changes.ok()) << changes.status();
      std::vector<std::string> there;
      for (const Change& change : *changes) there.push_back(change.request_id);
      ASSERT_LE(there.size(), acknowledged_then.size() + 1);
      for (size_t i = 0; i < acknowledged_then.size(); ++i) ASSERT_EQ(there.at(i), acknowledged_then[i]);
    }
    // And one that goes on brings all of it to the node once and in order.
    ASSERT_NO_FATAL_FAILURE(Work());
    ASSERT_EQ(Lines(node()), ids_);
  }
  // The points cover the whole of it: with nothing at the node yet, and with each number of changes.
  EXPECT_GT(points, 100);
  EXPECT_EQ(taken_at_crash, (std::set<size_t>{0, 1, 2}));
}

TEST_F(CrashTest, EndingAgainWhileItGoesOnChangesNothing) {
  for (int at = 1; at < 100; at += 9) {
    SCOPED_TRACE(at);
    Reset();
    // Each process gets a little further than the one before it, if it can.
    int ended = kCrashed;
    for (int step = at; ended == kCrashed; step += 11) ended = WorkUntil(step);
    ASSERT_EQ(ended, 0);
    ASSERT_EQ(Lines(node()), ids_);
  }
}

}  // namespace
}  // namespace fairlead::client
