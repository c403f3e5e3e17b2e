#include "server/rpc/journal_feed.h"

#include <absl/synchronization/notification.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

#include "api/errors.h"
#include "server/node/node_testing.h"

namespace fairlead::rpc {
namespace {

// Finds nothing at its first look, and throws at its second.
class ThrowsLater : public JournalFeed {
 public:
  ThrowsLater(JournalFeeds* feeds, const node::Node* node) : JournalFeed(feeds), node_(*node) {}

 private:
  absl::StatusOr<MessagePtr> Find() override {
    if (looks_++ == 0) return MessagePtr();
    throw std::out_of_range("inner words");
  }
  Position Seen() const override { return node_.JournalEnd(); }
  MessagePtr Heartbeat() override { return nullptr; }

  const node::Node& node_;
  int looks_ = 0;
};

TEST(JournalFeedTest, WhatIsThrownAfterASleepEndsTheStreamAlone) {
  node::TestNetwork network{{"apac"}};
  const node::TestNetwork::Site site = network.Open("apac");
  absl::Status end;
  absl::Notification told;
  JournalFeeds feeds(site.node.get(), /*heartbeat=*/absl::Milliseconds(1));
  const auto feed = std::make_shared<ThrowsLater>(&feeds, site.node.get());
  feed->Next([&](const absl::StatusOr<MessagePtr>& next) {
    end = next.status();
    told.Notify();
  });
  told.WaitForNotification();
  EXPECT_EQ(ReasonOf(end), ReasonName(Reason::kInternal));
  EXPECT_EQ(end.message().find("inner words"), std::string_view::npos);
}

}  // namespace
}  // namespace fairlead::rpc
