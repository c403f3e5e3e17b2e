// Brings the bytes of attachments that are due here from the peers, behind the records.
//
// A thread for each peer, which fetches one content at a time and waits while that peer's entries are behind; two never fetch the same one.
// A fetch that was cut goes on, from the same peer, after its last durable chunk. What comes counts only once it is whole and has its
// SHA-256. A peer that does not have it is asked again after a while, one that gave wrong bytes after a long one. Whether it may have them,
// the peer decides.
//
// Thread safety: any thread. Ownership: borrows the contents, which outlive it. Start once; Stop once.

#ifndef FAIRLEAD_SERVER_RPC_CONTENT_FETCHER_H_
#define FAIRLEAD_SERVER_RPC_CONTENT_FETCHER_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/steady_event.h"
#include "server/node/contents.h"

namespace fairlead::rpc {

struct ContentPeer {
  std::string site;
  std::string address;
  // In place of an address that stays: where the peer is now; empty when it is nowhere. Called for each dial.
  std::function<std::string()> find = nullptr;
  // Called for each dial, so that rotated certificates take effect.
  std::function<std::shared_ptr<grpc::ChannelCredentials>()> credentials;
  // Whether the certificate that the peer has shown still holds; null: it does.
  std::function<absl::Status()> trusted;
  // Whether entries of the peer are still to come: bytes wait for them, a while for each chunk. Null: never.
  std::function<bool()> behind;
};

struct ContentFetcherOptions {
  std::vector<ContentPeer> peers;
  absl::Duration retry_min = absl::Milliseconds(200);  // of what a peer does not have, and of a peer that cannot be reached; doubles
  absl::Duration retry_max = absl::Seconds(10);
  absl::Duration distrust = absl::Hours(1);  // after wrong bytes: that content, of that peer
  absl::Duration yield_max = absl::Seconds(5);
  absl::Duration sweep_interval = absl::Hours(1);
  absl::Duration idle_max = absl::Hours(72);  // transfers that have not gone on for so long are dropped
};

class ContentFetcher {
 public:
  ContentFetcher(ContentFetcherOptions options, node::Contents* contents, std::function<absl::Time()> now);
  ~ContentFetcher();  // stops
  ContentFetcher(const ContentFetcher&) = delete;
  ContentFetcher& operator=(const ContentFetcher&) = delete;

  void Start();
  void Stop();
  // Something may be due that was not before. Never blocks.
  void Wake();

 private:
  enum class Outcome {
    kDone,
    kCut,      // what came is durable
    kNotHere,  // the peer does not have it, or not for this site
    kWrong,    // it is not what it should be
    kFailed,   // nothing came
  };
  // When (as of SteadyNow) and how a content, or any, is asked of a peer again.
  struct Retry {
    absl::Time at = absl::InfinitePast();
    int failures = 0;
  };
  struct Worker {
    ContentPeer peer;
    std::shared_ptr<grpc::Channel> channel;  // used by its thread alone
    std::map<std::string, Retry> retries;    // likewise, by SHA-256
    Retry reach;                             // likewise
    SteadyEvent woken;                       // or stopped: for SleepUntil
    SteadyEvent stopped;                     // for shorter waits
    std::thread thread;
  };

  void Run(Worker* worker);
  void Sweep();
  // What the worker may fetch now, claimed; empty when there is nothing, and then when to look again.
  node::Contents::Wanted Next(Worker* worker, absl::Time* look_again);
  Outcome Fetch(Worker* worker, const node::Contents::Wanted& wanted);
  void Note(Worker* worker, const std::string& sha256, Outcome outcome);
  absl::Duration DelayAfter(int failures) const;
  // Waits until entries of the peer are in, or for long enough; false when stopped.
  bool Yield(Worker* worker);
  // Sleeps until woken, or until then; false when stopped.
  bool SleepUntil(Worker* worker, absl::Time until);

  const ContentFetcherOptions options_;
  node::Contents* const contents_;
  const std::function<absl::Time()> now_;  // the node's clock, for the age of transfers
  std::vector<std::unique_ptr<Worker>> workers_;
  std::thread sweeper_;
  SteadyEvent sweeps_stopped_;
  absl::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::string> claimed_ ABSL_GUARDED_BY(mu_);
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_CONTENT_FETCHER_H_
