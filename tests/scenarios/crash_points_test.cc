// A node that ends at any step of a commit, of sending or of receiving goes on from what it had: nothing acknowledged is lost, nothing is
// there twice. tests/crash_points/crash_points.cc says where the points are.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/scenarios/scenario.h"

namespace fairlead::scenarios {
namespace {

using testing::HasSubstr;

constexpr int kPass = 12;            // which time the node is at the point
constexpr size_t kWritesAfter = 15;  // once it runs again
constexpr absl::Duration kCrashPatience = absl::Seconds(30);

class CrashPoints : public Scenario {
 protected:
  // At each of `points` in turn apac's node ends while `writer` writes.
  void CrashAtEach(const std::vector<std::string>& points, const std::string& writer) {
    ClusterOptions options;
    options.sites = {"apac", "eame", "hq"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    ASSERT_NO_FATAL_FAILURE(SeedCountries());
    Acknowledged acknowledged;
    for (const std::string& point : points) {
      SCOPED_TRACE(point);
      ASSERT_TRUE(Ok(cluster().Stop("apac")));
      cluster().RunAs("apac", {"/usr/bin/env", "FAIRLEAD_CRASH_POINT=" + point, fmt::format("FAIRLEAD_CRASH_PASS={}", kPass),
                               FAIRLEAD_CRASHING_NODE_BINARY});
      ASSERT_TRUE(Ok(cluster().StartNode("apac")));
      const size_t log_before = cluster().Log("apac").size();
      Writers writers(&cluster(), writer, 3);
      const auto exit = cluster().AwaitExit("apac", kCrashPatience);
      ASSERT_TRUE(Ok(exit));
      ASSERT_EQ(*exit, framework::Exit{.signal = SIGKILL}) << ToString(*exit);
      EXPECT_THAT(cluster().Log("apac").substr(log_before), HasSubstr("crash point " + point + "\n"));

      cluster().RunAs("apac", {cluster().node_binary()});
      ASSERT_TRUE(Ok(cluster().StartNode("apac")));
      const size_t wanted = writers.acknowledged_count() + kWritesAfter;
      ASSERT_TRUE(Eventually([&] { return writers.acknowledged_count() >= wanted; })) << writers.acknowledged_count();
      ASSERT_TRUE(Ok(writers.Stop()));
      ASSERT_TRUE(Ok(cluster().WaitForConvergence()));
      acknowledged.insert(acknowledged.end(), writers.acknowledged().begin(), writers.acknowledged().end());
      ASSERT_NO_FATAL_FAILURE(ExpectEachOnceEverywhere(acknowledged));
    }
  }
};

TEST_F(CrashPoints, OfASiteThatWrites) {
  CrashAtEach({"append.before", "append.after", "sync.before", "sync.after", "sign.before", "sign.after"}, "apac");
}

TEST_F(CrashPoints, OfASiteThatSends) { CrashAtEach({"send.before", "send.after"}, "apac"); }

TEST_F(CrashPoints, OfASiteThatReceives) {
  CrashAtEach({"apply.before", "append.before", "append.after", "sync.before", "sync.after", "apply.after"}, "eame");
}

}  // namespace
}  // namespace fairlead::scenarios
