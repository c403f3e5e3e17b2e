#include "client/dashboard/event_queue.h"

#include <absl/synchronization/notification.h>
#include <gtest/gtest.h>

#include <thread>

namespace fairlead::dashboard {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

TEST(EventQueueTest, ChangesKeepTheirOrderAndOfStatesTheNewestCounts) {
  EventQueue queue;
  queue.PutState("hq", {"node", "1", ""});
  queue.PutState("hq", {"node", "2", ""});
  queue.PutState("apac", {"node", "3", ""});
  EXPECT_TRUE(queue.PushChange({"record", "a", "x 1"}));
  EXPECT_TRUE(queue.PushChange({"record", "b", "x 2"}));
  EXPECT_EQ(queue.Pop(kPatience)->data, "a");
  EXPECT_EQ(queue.Pop(kPatience)->data, "b");
  EXPECT_EQ(queue.Pop(kPatience)->data, "3");
  EXPECT_EQ(queue.Pop(kPatience)->data, "2");
  EXPECT_FALSE(queue.Pop(absl::ZeroDuration()));
}

TEST(EventQueueTest, APushWaitsForRoom) {
  EventQueue queue(/*changes_max=*/1);
  ASSERT_TRUE(queue.PushChange({"record", "a", ""}));
  absl::Notification pushed;
  std::thread pusher([&] {
    EXPECT_TRUE(queue.PushChange({"record", "b", ""}));
    pushed.Notify();
  });
  EXPECT_FALSE(pushed.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  EXPECT_EQ(queue.Pop(kPatience)->data, "a");
  EXPECT_TRUE(pushed.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(queue.Pop(kPatience)->data, "b");
  pusher.join();
}

TEST(EventQueueTest, ClosingEndsEveryWait) {
  EventQueue queue(/*changes_max=*/1);
  ASSERT_TRUE(queue.PushChange({"record", "a", ""}));
  std::thread pusher([&] { EXPECT_FALSE(queue.PushChange({"record", "b", ""})); });
  queue.Close();
  pusher.join();
  EXPECT_FALSE(queue.Pop(kPatience));
  queue.PutState("hq", {"node", "1", ""});
  EXPECT_FALSE(queue.Pop(kPatience));
}

}  // namespace
}  // namespace fairlead::dashboard
