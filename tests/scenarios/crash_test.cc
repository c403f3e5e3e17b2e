// A node that is killed at any moment, or has no disk left, loses nothing that it has acknowledged.

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "certs/files.h"
#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using testing::HasSubstr;

class Crash : public Scenario {};

TEST_F(Crash, ANodeKilledUnderLoadKeepsEveryAcknowledgedWriteOnce) {
  constexpr int kThreads = 4;
  constexpr int kKills = 4;
  constexpr size_t kWritesBetweenKills = 150;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  Writers writers(&cluster(), "apac", kThreads);
  for (int kill = 0; kill <= kKills; ++kill) {
    const size_t wanted = writers.acknowledged_count() + kWritesBetweenKills;
    ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= wanted; })) << writers.acknowledged_count();
    if (kill == kKills) break;
    cluster().Kill("apac");
    ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  }
  ASSERT_TRUE(Ok(writers.Stop()));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectEachOnceEverywhere(writers.acknowledged());
}

TEST_F(Crash, EverySiteKilledInTurnWhileAllWrite) {
  constexpr int kRounds = 2;
  constexpr size_t kWritesBetweenKills = 15;  // at each site
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  WritersEverywhere writers(&cluster(), 1);
  for (int i = 0; i < kRounds * 4; ++i) {
    ASSERT_TRUE(writers.EachAcknowledges(kWritesBetweenKills));
    const std::string& victim = cluster().sites()[static_cast<size_t>(i) % 4];
    cluster().Kill(victim);
    ASSERT_TRUE(Ok(cluster().StartNode(victim)));
  }
  ASSERT_TRUE(writers.EachAcknowledges(kWritesBetweenKills));
  const auto acknowledged = writers.Stop();
  ASSERT_TRUE(Ok(acknowledged));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence({}, 2 * kPatience)));
  ExpectEachOnceEverywhere(*acknowledged);
}

TEST_F(Crash, AReplicaKilledWhileItReceivesConverges) {
  constexpr int kKills = 3;
  constexpr size_t kWritesBetweenKills = 150;
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  Writers writers(&cluster(), "apac", 4);
  for (int kill = 0; kill < kKills; ++kill) {
    const auto size = [&] {
      const auto status = cluster().Status("csa");
      return status.ok() ? status->journal_size() : 0;
    };
    const auto wanted = size() + static_cast<int64_t>(kWritesBetweenKills);
    ASSERT_TRUE(Eventually([&] { return size() >= wanted; })) << size();
    cluster().Kill("csa");
    const size_t acknowledged = writers.acknowledged_count();
    ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= acknowledged + kWritesBetweenKills; }));
    ASSERT_TRUE(Ok(cluster().StartNode("csa")));
  }
  ASSERT_TRUE(Ok(writers.Stop()));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ExpectEachOnceEverywhere(writers.acknowledged());
}

TEST_F(Crash, AllNodesKilledAtOnceStartOnWhatTheyHad) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  {
    Writers writers(&cluster(), "eame", 4);
    ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= 100; }));
    for (const std::string& site : cluster().sites()) cluster().Kill(site);
    for (const std::string& site : cluster().sites()) ASSERT_TRUE(Ok(cluster().StartNode(site)));
    ASSERT_TRUE(Eventually([&, before = writers.acknowledged_count()] { return writers.acknowledged_count() >= before + 50; }));
    ASSERT_TRUE(Ok(writers.Stop()));
    ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
    ExpectEachOnceEverywhere(writers.acknowledged());
  }
}

TEST_F(Crash, ASecondStartGoesOnAndAnotherSitesDataIsRefused) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  const auto created = Create(cluster().Officer("csa"), EngagementAt("csa", "Before the stop"));
  ASSERT_TRUE(Ok(created));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  const auto before = cluster().Digest("csa");
  ASSERT_TRUE(Ok(before));

  // While a node runs, its data is its own.
  const auto second = framework::RunToEnd({cluster().node_binary(), "--config", cluster().config_file("csa")}, kPatience);
  ASSERT_TRUE(Ok(second));
  EXPECT_NE(second->exit.code, 0);
  EXPECT_THAT(second->output, AllOf(HasSubstr(cluster().data_folder("csa")), HasSubstr("another process")));

  for (const char* site : {"csa", "eame"}) {
    const auto exit = cluster().Stop(site);
    ASSERT_TRUE(Ok(exit));
    EXPECT_EQ(*exit, framework::Exit()) << ToString(*exit);
  }
  ASSERT_TRUE(Ok(cluster().StartNode("csa")));
  const auto after = cluster().Digest("csa");
  ASSERT_TRUE(Ok(after));
  // Its audit has the stop and the start besides.
  const auto records = [](const v1::StateDigest& digest) {
    std::map<std::string, int64_t> entries;
    for (const v1::LogPosition& position : digest.vector()) {
      if (position.origin().ends_with("/main")) entries[position.origin()] = position.size();
    }
    return entries;
  };
  EXPECT_EQ(records(*after), records(*before));
  const auto read = GetEngagement(cluster().Officer("csa"), created->name());
  ASSERT_TRUE(Ok(read));
  EXPECT_EQ(read->SerializeAsString(), created->SerializeAsString());

  // eame's configuration over csa's data.
  ASSERT_TRUE(Ok(cluster().Stop("csa")));
  auto config = certs::ReadFile(cluster().config_file("eame"));
  ASSERT_TRUE(Ok(config));
  const std::string own = cluster().data_folder("eame");
  config->replace(config->find(own), own.size(), cluster().data_folder("csa"));
  const std::string mixed_up = cluster().folder("eame") + "/mixed-up.toml";
  ASSERT_TRUE(Ok(certs::WriteFile(mixed_up, *config, certs::Access::kOwnerOnly, certs::IfExists::kRefuse)));
  const auto refused = framework::RunToEnd({cluster().node_binary(), "--config", mixed_up}, kPatience);
  ASSERT_TRUE(Ok(refused));
  EXPECT_NE(refused->exit.code, 0);
  EXPECT_EQ(refused->exit.signal, 0);
  EXPECT_THAT(refused->output, AllOf(HasSubstr(cluster().data_folder("csa")), HasSubstr("csa"), HasSubstr("eame")));
  // And was not harmed by the attempt.
  ASSERT_TRUE(Ok(cluster().StartNode("csa")));
  ASSERT_TRUE(Ok(cluster().StartNode("eame")));
  EXPECT_TRUE(Ok(cluster().WaitForConvergence()));
}

// Gives this thread, and the processes it starts, mounts of their own, which go with them. Says why it cannot.
absl::Status OwnMounts() {
  if (unshare(CLONE_NEWNS) != 0) return absl::PermissionDeniedError(fmt::format("unshare: {}", strerror(errno)));
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return absl::PermissionDeniedError(fmt::format("mount: {}", strerror(errno)));
  }
  return absl::OkStatus();
}

// Takes all the space that is left.
void Fill(const std::string& file) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  const std::string block(64 << 10, 'x');
  size_t size = block.size();
  while (size > 0) {
    if (write(fd, block.data(), size) <= 0) size /= 2;
  }
  close(fd);
}

TEST_F(Crash, AFullDiskStopsWritesAndLosesNothing) {
  const storage::ScratchDirectory disk;
  if (absl::Status own = OwnMounts(); !own.ok()) GTEST_SKIP() << "needs to mount a small file system: " << own;
  if (mount("none", disk.path().c_str(), "tmpfs", 0, "size=128m,mode=700") != 0)
    GTEST_SKIP() << "needs to mount a tmpfs: " << strerror(errno);
  struct Unmount {
    std::string path;
    ~Unmount() { umount2(path.c_str(), MNT_DETACH); }
  } const unmount{disk.path()};

  ClusterOptions options;
  options.data["apac"] = disk.path() + "/data";
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  Acknowledged acknowledged;
  std::vector<std::string> refused;
  // 64 KB of notes: 16,000 characters of four bytes.
  std::string notes;
  for (int i = 0; i < 16000; ++i) notes += "\xF0\x9F\x9A\xA2";
  const auto write = [&](const std::string& title) {
    v1::CreateEngagementRequest request = EngagementAt("apac", title);
    request.mutable_engagement()->set_notes(notes);
    const auto created = Create(cluster().Officer("apac"), request);
    if (created.ok()) {
      acknowledged.emplace_back(created->name(), title);
    } else {
      refused.push_back(title);
    }
    return created.status();
  };
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Ok(write(fmt::format("With space {}", i))));

  ASSERT_NO_FATAL_FAILURE(Fill(disk.path() + "/filler"));
  // What RocksDB has reserved still takes some.
  absl::Status status;
  for (int i = 0; i < 2000 && status.ok(); ++i) status = write(fmt::format("Filling {}", i));
  EXPECT_THAT(status, FailsWith(absl::StatusCode::kResourceExhausted, "STORAGE_FULL"));
  EXPECT_THAT(write("Still full"), FailsWith(absl::StatusCode::kResourceExhausted, "STORAGE_FULL"));
  for (const auto& [name, title] : acknowledged) {
    const auto read = GetEngagement(cluster().Officer("apac"), name);
    ASSERT_TRUE(Ok(read)) << title;
    ASSERT_EQ(read->title(), title);
  }
  const auto elsewhere = Create(cluster().Officer("eame"), EngagementAt("eame", "Elsewhere"));
  ASSERT_TRUE(Ok(elsewhere));
  acknowledged.emplace_back(elsewhere->name(), elsewhere->title());
  ASSERT_TRUE(Ok(cluster().WaitForConvergence({"eame", "csa", "hq"})));

  // Killed while the disk is full, it starts on what it has or says why it cannot.
  cluster().Kill("apac");
  if (absl::Status started = cluster().StartNode("apac"); started.ok()) {
    EXPECT_THAT(write("Full after a restart"), FailsWith(absl::StatusCode::kResourceExhausted, "STORAGE_FULL"));
  } else {
    EXPECT_THAT(std::string(started.message()), AllOf(HasSubstr("exit code"), HasSubstr(disk.path()), HasSubstr("No space left")));
    std::filesystem::remove(disk.path() + "/filler");
    ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  }
  std::filesystem::remove(disk.path() + "/filler");
  int attempt = 0;
  absl::Status again;
  ASSERT_TRUE(Eventually([&] { return (again = write(fmt::format("Space again {}", attempt++))).ok(); })) << again;
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(acknowledged));
  // What was refused was not written: not then, and not by the log that a crash replays.
  cluster().Kill("apac");
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(acknowledged));
  EXPECT_GE(refused.size(), 2u);
}

TEST_F(Crash, ABackupThatDoesNotFitLeavesNothingAndTheNodeGoesOn) {
  const storage::ScratchDirectory disk;
  if (absl::Status own = OwnMounts(); !own.ok()) GTEST_SKIP() << "needs to mount a small file system: " << own;
  if (mount("none", disk.path().c_str(), "tmpfs", 0, "size=1m,mode=700") != 0)
    GTEST_SKIP() << "needs to mount a tmpfs: " << strerror(errno);
  struct Unmount {
    std::string path;
    ~Unmount() { umount2(path.c_str(), MNT_DETACH); }
  } const unmount{disk.path()};

  ClusterOptions options;
  options.sites = {"hq"};
  options.settings = fmt::format("backups = \"{}/backups\"", disk.path());
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
  client::Client& officer = cluster().Officer("hq");
  const auto back_up = [&officer] { return officer.Call<v1::Backup>("fairlead.v1.NodeService.CreateBackup", v1::CreateBackupRequest()); };
  // On a disk of its own, so that files are copied.
  const auto fits = back_up();
  ASSERT_TRUE(Ok(fits));
  ASSERT_NO_FATAL_FAILURE(Fill(disk.path() + "/filler"));
  const auto refused = back_up();
  EXPECT_THAT(refused.status(), FailsWith(absl::StatusCode::kResourceExhausted, "STORAGE_FULL"));
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(disk.path() + "/backups")) left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::ElementsAre(fits->name().substr(fits->name().find('/') + 1)));
  EXPECT_TRUE(Ok(Create(officer, EngagementAt("hq", "After it"))));
  v1::VerifyBackupRequest verify;
  verify.set_name(fits->name());
  EXPECT_TRUE(Ok(officer.Call<v1::VerifyBackupResponse>("fairlead.v1.NodeService.VerifyBackup", verify)));
  std::filesystem::remove(disk.path() + "/filler");
  EXPECT_TRUE(Ok(back_up()));
}

}  // namespace
}  // namespace fairlead::scenarios
