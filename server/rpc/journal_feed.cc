#include "server/rpc/journal_feed.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "api/steady_event.h"

namespace fairlead::rpc {
namespace {

constexpr size_t kAsleepSlack = 64;

}  // namespace

JournalFeeds::JournalFeeds(node::Node* node, absl::Duration heartbeat) : node_(node), heartbeat_(heartbeat) {
  listener_ = node_->AddJournalListener([this](Position) {
    std::vector<std::weak_ptr<JournalFeed>> asleep;
    {
      absl::MutexLock lock(&mu_);
      asleep.swap(asleep_);
    }
    for (const std::weak_ptr<JournalFeed>& weak : asleep) {
      if (const std::shared_ptr<JournalFeed> feed = weak.lock()) feed->Wake();
    }
  });
}

JournalFeeds::~JournalFeeds() {
  node_->RemoveJournalListener(listener_);
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(
      +[](int* open) { return *open == 0; }, &open_));
}

void JournalFeeds::Sleeps(std::weak_ptr<JournalFeed> feed) {
  absl::MutexLock lock(&mu_);
  asleep_.push_back(std::move(feed));
  // Without commits nobody wakes them, but heartbeats and callers that go leave what they had put here.
  if (asleep_.size() <= 2 * static_cast<size_t>(open_) + kAsleepSlack) return;
  std::erase_if(asleep_, [](const std::weak_ptr<JournalFeed>& other) { return other.expired(); });
  const auto before = [](const std::weak_ptr<JournalFeed>& a, const std::weak_ptr<JournalFeed>& b) { return a.owner_before(b); };
  const auto same = [before](const auto& a, const auto& b) { return !before(a, b) && !before(b, a); };
  std::sort(asleep_.begin(), asleep_.end(), before);
  asleep_.erase(std::unique(asleep_.begin(), asleep_.end(), same), asleep_.end());
}

JournalFeed::JournalFeed(JournalFeeds* feeds) : feeds_(feeds) {
  absl::MutexLock lock(&feeds_->mu_);
  ++feeds_->open_;
}

JournalFeed::~JournalFeed() {
  absl::MutexLock lock(&feeds_->mu_);
  --feeds_->open_;
}

void JournalFeed::Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) {
  {
    absl::MutexLock lock(&mu_);
    if (cancelled_) return;
    ready_ = std::move(ready);
  }
  Look();
}

void JournalFeed::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  ready_ = nullptr;
  if (alarm_) alarm_->Cancel();
}

// The journal has grown. Called once after each time the feed has gone to sleep.
void JournalFeed::Wake() {
  absl::MutexLock lock(&mu_);
  if (waiting_) alarm_->Cancel();
}

void JournalFeed::RestThenLook(absl::Duration rest) {
  absl::MutexLock lock(&mu_);
  if (cancelled_) return;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(absl::ToChronoTime(absl::Now() + rest), [weak = weak_from_this()](bool) {
    if (auto self = weak.lock()) self->OnAlarm(/*expired=*/false);
  });
}

void JournalFeed::Look() {
  absl::Duration rest;
  {
    absl::MutexLock lock(&mu_);
    rest = RestUntil(last_sent_) - SteadyNow();
  }
  if (rest > absl::ZeroDuration()) return RestThenLook(rest);
  absl::StatusOr<MessagePtr> message = Find();
  if (!message.ok()) return Send(message.status());
  if (*message != nullptr) {
    auto held = std::make_shared<MessagePtr>(*std::move(message));
    return Settle(
        [self = shared_from_this(), held](const absl::Status& status) { status.ok() ? self->Send(std::move(*held)) : self->Send(status); });
  }
  absl::MutexLock lock(&mu_);
  if (cancelled_) return;
  waiting_ = true;
  feeds_->Sleeps(weak_from_this());
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(absl::ToChronoTime(absl::Now() + (last_sent_ + feeds_->heartbeat_ - SteadyNow())), [weak = weak_from_this()](bool expired) {
    if (auto self = weak.lock()) self->OnAlarm(expired);
  });
  // What was committed since the look has woken nobody.
  if (feeds_->node_->JournalEnd() > Seen()) alarm_->Cancel();
}

void JournalFeed::OnAlarm(bool expired) {
  {
    absl::MutexLock lock(&mu_);
    waiting_ = false;
    if (cancelled_) return;
  }
  // Nothing catches what is thrown on this thread of gRPC's.
  try {
    if (expired) {
      if (MessagePtr heartbeat = Heartbeat()) return Send(std::move(heartbeat));
    }
    Look();
  } catch (const std::exception& error) {
    Send(FaultOfProgram("a stream that had slept", error));
  }
}

void JournalFeed::Send(absl::StatusOr<MessagePtr> message) {
  std::function<void(absl::StatusOr<MessagePtr>)> ready;
  {
    absl::MutexLock lock(&mu_);
    if (cancelled_ || ready_ == nullptr) return;
    ready = std::exchange(ready_, nullptr);
    last_sent_ = SteadyNow();
  }
  ready(std::move(message));
}

}  // namespace fairlead::rpc
