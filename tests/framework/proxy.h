// The network between nodes, under a test's control: TCP links on loopback, each from a port of its own to one target port.
//
//   open     bytes pass, both ways, after the link's delay
//   cut      new connections are refused, those that exist were reset
//   stalled  connections stay and can be made, and no byte is delivered: what was sent arrives when the link is open again
//   one-way  as open to the target, and stalled from it
//
// Bytes of a connection keep their order whatever the delay, as TCP gives them: a lost packet shows as a delay, too many as a reset.
//
// Every link is served by one thread. A connection holds at most kHeldBytesMax each way; after that its sender has to wait.
//
// Thread safety: any thread. Ownership: owns its sockets and its thread.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_PROXY_H_
#define FAIRLEAD_TESTS_FRAMEWORK_PROXY_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace fairlead::framework {

inline constexpr size_t kHeldBytesMax = 1 << 20;

enum class LinkState { kOpen, kCut, kStalled, kOneWay };

struct LinkCounts {
  uint64_t connections = 0;  // that reached the target
  uint64_t bytes_to_target = 0;
  uint64_t bytes_from_target = 0;
};

class Proxy {
 public:
  // An index into the links, from 0.
  using Link = size_t;

  Proxy();
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // A link that is open.
  absl::StatusOr<Link> AddLink(int target_port);
  int port(Link link) const;
  // When this returns, the state is in effect.
  void SetState(Link link, LinkState state);
  // For bytes that arrive from now on, each way: after `delay` and up to `jitter` more, drawn anew for what was read at once.
  void SetDelay(Link link, absl::Duration delay, absl::Duration jitter = absl::ZeroDuration());
  // For each connection and each way; 0: no limit.
  void SetRate(Link link, size_t bytes_per_second);
  // Resets the connections that exist; new ones can be made.
  void ResetConnections(Link link);
  LinkCounts counts(Link link) const;

 private:
  struct Chunk {
    absl::Time due;
    std::string bytes;
    size_t sent = 0;
  };
  // One direction of a connection.
  struct Pipe {
    int from = -1;
    int to = -1;
    std::deque<Chunk> held;
    size_t held_bytes = 0;
    absl::Time last_due = absl::InfinitePast();
    bool ended = false;     // `from` has sent its last byte
    bool end_sent = false;  // and `to` has been told
    short from_events = 0;  // as poll has just answered
    short to_events = 0;
  };
  struct Connection {
    int client = -1;
    int target = -1;
    bool connected = false;  // to the target
    Pipe out;                // client to target
    Pipe back;
  };
  struct LinkData {
    int listener = -1;
    int port = 0;
    int target_port = 0;
    LinkState wanted = LinkState::kOpen;
    LinkState state = LinkState::kOpen;
    bool reset_wanted = false;
    absl::Duration delay;
    absl::Duration jitter;
    size_t bytes_per_second = 0;
    LinkCounts counts;
    std::list<Connection> connections;
  };
  class Polled;

  void Run();
  void Apply() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Settled() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Accept(LinkData* link) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Serve(LinkData* link, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Take(const LinkData& link, Pipe* pipe, absl::Time now, uint64_t* count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static bool Give(Pipe* pipe, absl::Time now);
  static void Reset(Connection* connection);
  void Wake();

  const int wake_fd_;
  mutable absl::Mutex mu_;
  std::deque<LinkData> links_ ABSL_GUARDED_BY(mu_);  // a deque: elements stay where they are
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::minstd_rand random_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_PROXY_H_
