// Bytes of a store that have changed or gone while its node was down: the node refuses or says so, never answers with less than it had,
// fsck names the file, and with an empty store in its place all comes back from the peers.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

namespace fs = std::filesystem;
using framework::Ended;
using testing::AnyOf;
using testing::HasSubstr;

constexpr int kExitStart = 4;    // of fairlead-node
constexpr int kExitDamaged = 5;  // of fairlead-node fsck

class Damage : public Scenario {
 protected:
  void Start() {
    ClusterOptions options;
    options.sites = {"apac", "eame", "hq"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
  }
  void WriteSome(size_t count) {
    Writers writers(&cluster(), "apac", 2);
    ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= count; }));
    ASSERT_TRUE(Ok(writers.Stop()));
    acknowledged_.insert(acknowledged_.end(), writers.acknowledged().begin(), writers.acknowledged().end());
    ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
  }
  std::vector<fs::path> FilesOfApac(const std::string& extension) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(cluster().data_folder("apac"))) {
      if (entry.path().extension() == extension) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static std::string Bytes(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void Put(const fs::path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes; }
  static std::string Flipped(std::string bytes, size_t at) {
    bytes.at(at) ^= 0x40;
    return bytes;
  }
  Ended Fsck() {
    const auto ended = framework::RunToEnd({cluster().node_binary(), "fsck", "--config", cluster().config_file("apac")}, kPatience);
    EXPECT_TRUE(Ok(ended));
    return ended.value_or(Ended{{-1, 0}, ""});
  }
  void ExpectAllComesBackInAnEmptyStore() {
    fs::remove_all(cluster().data_folder("apac"));
    ASSERT_TRUE(Ok(cluster().StartNode("apac")));
    ASSERT_TRUE(Eventually([&] {
      const auto status = cluster().Status("apac");
      return status.ok() && status->writable();
    }));
    ASSERT_NO_FATAL_FAILURE(WriteSome(10));
    ExpectEachOnceEverywhere(acknowledged_);
    ASSERT_TRUE(Ok(cluster().Stop("apac")));
    const Ended clean = Fsck();
    EXPECT_EQ(clean.exit, framework::Exit()) << clean.output;
  }

  Acknowledged acknowledged_;
};

TEST_F(Damage, AFlippedByteOfATableIsNamedAndHidesNothing) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(WriteSome(100));
  // What the log of the store has becomes tables when it is opened again.
  ASSERT_TRUE(Ok(cluster().Stop("apac")));
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_TRUE(Ok(cluster().Stop("apac")));
  const std::vector<fs::path> tables = FilesOfApac(".sst");
  ASSERT_GE(tables.size(), 8u);
  const fs::path data = cluster().data_folder("apac");
  const fs::path whole = fs::path(cluster().folder("apac")) / "whole";
  fs::copy(data, whole, fs::copy_options::recursive);
  int refused = 0;
  int reported = 0;
  cluster().SetLinks("apac", LinkState::kCut);  // nobody is told of entries that are lost with a copy
  for (const fs::path& table : tables) {
    SCOPED_TRACE(table.filename());
    fs::remove_all(data);
    fs::copy(whole, data, fs::copy_options::recursive);
    Put(table, Flipped(Bytes(table), 20));  // in the first block, which every table has
    const Ended fsck = Fsck();
    EXPECT_THAT(fsck.exit.code, AnyOf(kExitStart, kExitDamaged));
    EXPECT_THAT(fsck.output, HasSubstr(table.filename().string()));
    if (const absl::Status started = cluster().StartNode("apac"); !started.ok()) {
      ++refused;
      EXPECT_THAT(std::string(started.message()), AllOf(HasSubstr("exit code 4"), HasSubstr(table.filename().string())));
      continue;
    }
    // It read nothing of the block at its start. Who needs it is told, and nobody is given less.
    const auto listed = ListEngagements(cluster().Officer("apac"), AtSite("apac"));
    if (listed.ok()) {
      EXPECT_EQ(listed->size(), acknowledged_.size());
    } else {
      ++reported;
      EXPECT_THAT(listed.status(), FailsWith(absl::StatusCode::kDataLoss, "STORE_DAMAGED"));
    }
    cluster().Kill("apac");
  }
  std::cout << fmt::format("{} tables: {} refused at start, {} reported by reads\n", tables.size(), refused, reported);
  EXPECT_GE(refused, 1);
  fs::remove_all(data);
  fs::copy(whole, data, fs::copy_options::recursive);
  for (const fs::path& table : tables) Put(table, Flipped(Bytes(table), 20));
  const absl::Status started = cluster().StartNode("apac");
  EXPECT_THAT(std::string(started.message()), AllOf(HasSubstr("exit code 4"), HasSubstr(".sst")));
  cluster().SetLinks("apac", LinkState::kOpen);
  ASSERT_NO_FATAL_FAILURE(ExpectAllComesBackInAnEmptyStore());
}

TEST_F(Damage, AFlippedByteOfTheLogIsRefusedByName) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(WriteSome(100));
  cluster().Kill("apac");
  const std::vector<fs::path> logs = FilesOfApac(".log");
  ASSERT_FALSE(logs.empty());
  const fs::path log = logs.back();
  const std::string whole = Bytes(log);
  for (const double at : {0.02, 0.5, 0.9}) {
    SCOPED_TRACE(at);
    Put(log, Flipped(whole, static_cast<size_t>(at * static_cast<double>(whole.size()))));
    const absl::Status started = cluster().StartNode("apac");
    EXPECT_THAT(std::string(started.message()), AllOf(HasSubstr("exit code 4"), HasSubstr(log.filename().string())));
    const Ended fsck = Fsck();
    EXPECT_EQ(fsck.exit.code, kExitStart);
    EXPECT_THAT(fsck.output, HasSubstr(log.filename().string()));
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAllComesBackInAnEmptyStore());
}

// A disk that said it had synced and had not. No program can see that of one disk; the peers have what it signed.
TEST_F(Damage, ALogThatLostItsEndIsMadeGoodByThePeersBeforeAnyWrite) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(WriteSome(100));
  cluster().Kill("apac");
  const fs::path log = FilesOfApac(".log").back();
  const std::string whole = Bytes(log);
  Put(log, whole.substr(0, whole.size() / 2));
  ASSERT_TRUE(Ok(cluster().StartNode("apac")));
  ASSERT_NO_FATAL_FAILURE(WriteSome(10));
  ExpectEachOnceEverywhere(acknowledged_);
  for (const std::string& site : cluster().sites()) {
    const auto status = cluster().Status(site);
    ASSERT_TRUE(Ok(status));
    for (const v1::LogStatus& each : status->logs()) EXPECT_EQ(each.quarantine(), "") << site;
  }
  ASSERT_TRUE(Ok(cluster().Stop("apac")));
  const Ended clean = Fsck();
  EXPECT_EQ(clean.exit, framework::Exit()) << clean.output;
}

}  // namespace
}  // namespace fairlead::scenarios
