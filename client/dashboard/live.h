// What changes, told to open pages as it happens, as the viewer may see it: records, by the change feed of one node, and the state of every
// site, by asking each node about twice a second.
//
// Thread safety: any thread. Ownership: borrows the client; a page's LivePage ends its own threads.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_LIVE_H_
#define FAIRLEAD_CLIENT_DASHBOARD_LIVE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "client/connection.h"
#include "client/dashboard/event_queue.h"

namespace fairlead::dashboard {

struct LiveOptions {
  // Together they bound how long a cut stays unseen: a page is told of a silent node within their sum.
  absl::Duration poll_interval = absl::Milliseconds(400);
  absl::Duration poll_timeout = absl::Milliseconds(900);
};

// The sites of the configured nodes, each once, in their order: one of several machines is one site, of which the client asks any.
std::vector<std::string> Sites(const client::ClientOptions& options);

// Asks every site for its status and digest in one viewer's name, for all of that viewer's pages. Ends with its last page.
class NodePoll {
 public:
  NodePoll(client::Client* client, std::string viewer, LiveOptions options);
  ~NodePoll();

  // From now on the queue has state events of type `node`, one a site: {"site", "time", "elapsedMs"} and either {"address", "status",
  // "digest"}, of the node that answered, or {"error", "since"}. A newcomer is told at once what is known.
  void Add(EventQueue* queue);
  void Remove(EventQueue* queue);

 private:
  void Follow(const std::string& site, const std::stop_token& stop);
  void Tell(const std::string& site, Event event);

  client::Client* const client_;
  const std::string viewer_;
  const LiveOptions options_;
  absl::Mutex mu_;
  std::set<EventQueue*> queues_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Event> newest_ ABSL_GUARDED_BY(mu_);  // by site
  std::vector<std::jthread> threads_;
};

// The polls that run, one a viewer.
class NodePolls {
 public:
  NodePolls(client::Client* client, LiveOptions options) : client_(client), options_(options) {}
  std::shared_ptr<NodePoll> For(const std::string& viewer);

 private:
  client::Client* const client_;
  const LiveOptions options_;
  absl::Mutex mu_;
  std::map<std::string, std::weak_ptr<NodePoll>> polls_ ABSL_GUARDED_BY(mu_);
};

// One open page: its queue, its share of the poll, and its change feed.
//
// The feed puts into the queue, as changes: `feed` {"site", "state"} when it begins to follow a node ("following") or has lost it ("lost",
// with "error"; the next node is followed, and what changed between the two is not known: the page reads again), `record` as
// WatchRecordsResponse for each change, with an id that resumes after it at the same node, and `denied` {"error"} when the viewer may not
// watch, which ends it.
class LivePage {
 public:
  // `resume` is the id of the last event that the page saw; empty for none.
  LivePage(client::Client* client, std::shared_ptr<NodePoll> poll, std::string viewer, std::string resume);
  ~LivePage();

  EventQueue& queue() { return queue_; }
  // To be called about every second: gives up a feed that says nothing, not even that nothing changes.
  void Tick();

 private:
  void FollowRecords(std::string resume, const std::stop_token& stop);

  client::Client* const client_;
  const std::shared_ptr<NodePoll> poll_;
  const std::string viewer_;
  EventQueue queue_;
  absl::Mutex mu_;
  absl::Time heard_ ABSL_GUARDED_BY(mu_);
  std::stop_source watch_ ABSL_GUARDED_BY(mu_);
  std::jthread feed_;  // last: it uses the others
};

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_LIVE_H_
