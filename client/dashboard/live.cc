#include "client/dashboard/live.h"

#include <absl/time/clock.h>
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "api/errors.h"
#include "client/dashboard/json_calls.h"
#include "fairlead/v1/node_service.pb.h"

namespace fairlead::dashboard {
namespace {

using nlohmann::ordered_json;

constexpr absl::Duration kNextNodeDelay = absl::Milliseconds(500);
// Three heartbeats of the change feed.
constexpr absl::Duration kFeedSilenceMax = absl::Seconds(45);

// False when stopped before.
bool SleepUnlessStopped(absl::Duration duration, const std::stop_token& stop) {
  std::mutex mutex;  // guards nothing: wait_for with a stop token asks for one
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
  return !stop.stop_requested();
}

std::string TimeText(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()); }

}  // namespace

std::vector<std::string> Sites(const client::ClientOptions& options) {
  std::vector<std::string> sites;
  for (const client::NodeAddress& node : options.nodes) {
    if (std::find(sites.begin(), sites.end(), node.site) == sites.end()) sites.push_back(node.site);
  }
  return sites;
}

NodePoll::NodePoll(client::Client* client, std::string viewer, LiveOptions options)
    : client_(client), viewer_(std::move(viewer)), options_(options) {
  for (const std::string& site : Sites(client_->options())) {
    threads_.emplace_back([this, site](const std::stop_token& stop) { Follow(site, stop); });
  }
}

NodePoll::~NodePoll() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void NodePoll::Add(EventQueue* queue) {
  absl::MutexLock lock(&mu_);
  queues_.insert(queue);
  for (const auto& [site, event] : newest_) queue->PutState(site, event);
}

void NodePoll::Remove(EventQueue* queue) {
  absl::MutexLock lock(&mu_);
  queues_.erase(queue);
}

void NodePoll::Tell(const std::string& site, Event event) {
  absl::MutexLock lock(&mu_);
  for (EventQueue* queue : queues_) queue->PutState(site, event);
  newest_[site] = std::move(event);
}

void NodePoll::Follow(const std::string& site, const std::stop_token& stop) {
  client::CallOptions call;
  call.site = site;
  call.viewer = viewer_;
  call.token = "";  // what the node knows now, not what another knew
  call.stop = stop;
  std::optional<absl::Time> failing_since;
  do {
    const absl::Time start = absl::Now();
    call.timeout = options_.poll_timeout;
    client::Answer answer;
    absl::StatusOr<v1::NodeStatus> status =
        client_->Call<v1::NodeStatus>("fairlead.v1.NodeService.GetNodeStatus", v1::GetNodeStatusRequest(), call, &answer);
    const absl::Duration elapsed = absl::Now() - start;
    absl::StatusOr<v1::StateDigest> digest = absl::UnavailableError("not asked");
    if (status.ok()) {
      call.timeout = std::max(options_.poll_timeout - elapsed, absl::Milliseconds(1));
      digest = client_->Call<v1::StateDigest>("fairlead.v1.NodeService.GetStateDigest", v1::GetStateDigestRequest(), call);
    }
    if (stop.stop_requested()) return;
    ordered_json event = {{"site", site}, {"time", TimeText(absl::Now())}, {"elapsedMs", absl::ToDoubleMilliseconds(elapsed)}};
    const absl::StatusOr<std::string> status_text = status.ok() ? ToJson(*status) : status.status();
    if (status_text.ok()) {
      failing_since.reset();
      event["address"] = answer.address;
      event["status"] = ordered_json::parse(*status_text);
      const absl::StatusOr<std::string> digest_text = digest.ok() ? ToJson(*digest) : digest.status();
      if (digest_text.ok()) event["digest"] = ordered_json::parse(*digest_text);
    } else {
      if (!failing_since) failing_since = start;
      event["error"] = ErrorJson(status_text.status());
      event["since"] = TimeText(*failing_since);
    }
    Tell(site, {"node", event.dump(-1, ' ', false, ordered_json::error_handler_t::replace), ""});
  } while (SleepUnlessStopped(options_.poll_interval, stop));
}

std::shared_ptr<NodePoll> NodePolls::For(const std::string& viewer) {
  absl::MutexLock lock(&mu_);
  std::erase_if(polls_, [](const auto& each) { return each.second.expired(); });
  if (std::shared_ptr<NodePoll> running = polls_[viewer].lock()) return running;
  auto poll = std::make_shared<NodePoll>(client_, viewer, options_);
  polls_[viewer] = poll;
  return poll;
}

LivePage::LivePage(client::Client* client, std::shared_ptr<NodePoll> poll, std::string viewer, std::string resume)
    : client_(client), poll_(std::move(poll)), viewer_(std::move(viewer)) {
  poll_->Add(&queue_);
  feed_ = std::jthread([this, resume = std::move(resume)](const std::stop_token& stop) { FollowRecords(resume, stop); });
}

void LivePage::Tick() {
  absl::MutexLock lock(&mu_);
  if (absl::Now() - heard_ > kFeedSilenceMax) watch_.request_stop();
}

LivePage::~LivePage() {
  feed_.request_stop();
  queue_.Close();
  feed_.join();
  poll_->Remove(&queue_);
}

void LivePage::FollowRecords(std::string resume, const std::stop_token& stop) {
  const client::ClientOptions& options = client_->options();
  std::vector<std::string> sites = Sites(options);
  const auto first = [&sites](std::string_view site) {
    const auto it = std::find(sites.begin(), sites.end(), site);
    if (it != sites.end()) std::rotate(sites.begin(), it, it + 1);
    return it != sites.end();
  };
  if (!options.site.empty()) first(options.site);
  v1::WatchRecordsRequest request;
  // A resume token is of one node's journal.
  if (const size_t space = resume.find(' '); space != std::string::npos && first(resume.substr(0, space))) {
    request.set_resume_token(resume.substr(space + 1));
  }

  for (size_t hop = 0; !stop.stop_requested(); ++hop) {
    const std::string site = sites[hop % sites.size()];
    ordered_json news = {{"site", site}};
    std::stop_source give_up;
    const auto heard = [this] {
      absl::MutexLock lock(&mu_);
      heard_ = absl::Now();
    };
    {
      absl::MutexLock lock(&mu_);
      heard_ = absl::Now();
      watch_ = give_up;
    }
    const std::stop_callback passed_on(stop, [&give_up] { give_up.request_stop(); });
    client::CallOptions call;
    call.site = site;
    call.viewer = viewer_;
    call.token = "";
    call.stop = give_up.get_token();
    absl::Status end;
    bool following = false;
    const absl::Status watched = client_->Watch(
        request,
        [this, &site, &news, &heard, &following](const v1::WatchRecordsResponse& event) {
          heard();
          // Told once the watch has begun at the node: between what the page reads after this and what it is told from here on is no gap.
          if (!following) {
            following = true;
            news["state"] = "following";
            if (!queue_.PushChange({"feed", news.dump(), ""})) return false;
          }
          if (event.collection().empty()) return true;  // a heartbeat
          absl::StatusOr<std::string> text = ToJson(event);
          if (!text.ok()) {  // a type of a later version: where something has changed is told all the same
            v1::WatchRecordsResponse bare = event;
            bare.clear_record();
            text = ToJson(bare);
            if (!text.ok()) return true;
          }
          return queue_.PushChange({"record", *text, site + " " + event.resume_token()});
        },
        [&end, &give_up](const absl::Status& broken) {
          end = broken;
          give_up.request_stop();
        },
        call);
    if (stop.stop_requested()) return;
    if (end.ok()) end = watched;
    if (end.ok()) end = absl::DeadlineExceededError("the node fell silent");
    if (absl::IsPermissionDenied(end) || absl::IsUnauthenticated(end)) {
      queue_.PushChange({"denied", ordered_json{{"error", ErrorJson(end)}}.dump(), ""});
      return;
    }
    news["state"] = "lost";
    news["error"] = ErrorJson(end);
    if (!queue_.PushChange({"feed", news.dump(-1, ' ', false, ordered_json::error_handler_t::replace), ""})) return;
    request.clear_resume_token();
    if (!SleepUnlessStopped(kNextNodeDelay, stop)) return;
  }
}

}  // namespace fairlead::dashboard
