#include "server/replication/backoff.h"

#include <gtest/gtest.h>

namespace fairlead::replication {
namespace {

TEST(BackoffTest, CeilingDoublesUpToTheMaximumAndStartsAgainAfterSuccess) {
  double u = 1;  // the open upper end, to see the ceilings themselves
  Backoff backoff({absl::Milliseconds(100), absl::Milliseconds(500), 2}, [&u] { return u; });
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(100));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(200));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(400));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(500));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(500));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(100));
}

TEST(BackoffTest, JitterIsFull) {
  double u = 0;
  Backoff backoff({absl::Milliseconds(100), absl::Seconds(1), 2}, [&u] { return u; });
  EXPECT_EQ(backoff.Next(), absl::ZeroDuration());
  u = 0.25;
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(50));
}

}  // namespace
}  // namespace fairlead::replication
