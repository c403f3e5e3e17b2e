// The simulated network: sites with the real node core on simulated disks and clocks, and the streams between them.
//
// A Site is one machine of a site: the only one, but for the machines of one site, which then has several (members.h).
//
// A site runs Node, Committer, Witness and fold unchanged, each stream a Sender and a Receiver unchanged. What grpc_link.h and runner.h do
// with threads and sockets is done here with events: dialling with backoff, one batch of a link at the sink at a time, a window of messages
// in flight, ticks, commits and completions. The two ends of a stream end each for itself, as the ends of a connection do.
//
// Thread safety: none; a simulation is one thread. Ownership: the world owns sites and streams.

#ifndef FAIRLEAD_TESTS_SIMULATION_WORLD_H_
#define FAIRLEAD_TESTS_SIMULATION_WORLD_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/node/licence.h"
#include "server/node/node.h"
#include "server/replication/backoff.h"
#include "server/replication/receiver.h"
#include "server/replication/sender.h"
#include "server/rpc/write_methods.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/liar.h"
#include "tests/simulation/members.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/random.h"
#include "tests/simulation/schedule.h"

namespace fairlead::simulation {

struct Site;
struct Stream;

// A configured peer, as the one who receives from it keeps it.
struct Link {
  std::vector<Site*> machines;  // of the peer, which are dialled one after another
  size_t tried = 0;
  Site* from = nullptr;  // the one that was dialled last
  std::unique_ptr<replication::Backoff> backoff;
  absl::Time dial_time = absl::InfinitePast();
  std::shared_ptr<Stream> stream;
  int applying = 0;  // batches at the sink
  replication::LinkInfo info;
};

struct Site {
  Site(const Schedule* schedule, Random disk_random) : disk(std::move(disk_random)), clock(schedule) {}

  std::string name;
  size_t number = 0;  // in World::sites()
  std::string label;  // of the machine: its site's name, and the member's if the site has several
  SiteId id;
  LogId log;  // of main
  node::OwnLogs logs;
  std::map<std::string, SigningKey, std::less<>> log_keys;  // by stream
  std::optional<SigningKey> mirror_key;
  Disk disk;
  std::unique_ptr<node::LicenceFile> licence;
  SiteClock clock;
  std::vector<std::unique_ptr<Link>> links;
  const Plant* plant = nullptr;                    // null: an honest site
  bool lying = false;                              // what it sends is changed on its way out
  bool restored = false;                           // its disk is that of an old copy, which no process has seen yet
  MemberSite* members = nullptr;                   // null: its site has no other machine
  MemberMachine machine;                           // else
  absl::Time asleep_until = absl::InfinitePast();  // its process stands still

  // Of the process; null while the site is down.
  std::unique_ptr<node::Node> node;
  std::unique_ptr<rpc::WriteMethods> methods;
  uint64_t life = 0;  // grows with each start and each end: events of another life do nothing
  bool commit_due = false;
  bool completions_due = false;
  bool round_due = false;
};

// What the world tells those who check.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void OnStart(Site& site, bool restored) = 0;
  virtual void OnCommit(Site& site) = 0;  // its journal may have grown
  virtual void OnSend(Site& from, Site& to, const v1::ReplicateResponse& message) = 0;
  virtual void OnAsk(Site& from, Site& to, const v1::ReplicateRequest& message) = 0;
  // A machine of a site of several has said what was due.
  virtual void OnMemberTick(Site& site) = 0;
};

class World {
 public:
  // `members`: how many machines one of the sites has.
  World(Schedule* schedule, Trace* trace, Random random, size_t sites, size_t members, const Plant* plant);
  ~World();
  void set_watcher(Watcher* watcher) { watcher_ = watcher; }

  // All machines. The first of each site come first, in the order of the sites.
  const std::vector<std::unique_ptr<Site>>& sites() const { return sites_; }
  // A machine of the site whose log it is.
  Site& SiteOf(LogId log) const { return *sites_[roster_->FindLog(log)->site.value() - 1]; }
  // The site that has several machines; null when none has.
  MemberSite* member_site() const { return member_site_.get(); }
  Schedule& schedule() { return schedule_; }
  Trace& trace() { return trace_; }
  const Roster& roster() const { return *roster_; }
  // Streams of every site other than main.
  const std::vector<std::string>& other_streams() const { return other_streams_; }
  // Sites that no entry has to pass to get from one other site to another; a machine of each.
  std::vector<Site*> Leaves() const;

  // --- Processes
  void Start(Site& site);
  // The process ends. `silent`: its peers are not told by its machine.
  void Stop(Site& site, bool silent);
  // Its disk is what an old copy held.
  void Restore(Site& site, const storage::MemoryStore& copy);
  // After work was given to the site's node: sees to its commit.
  void ScheduleCommit(Site& site);
  // Ends the process if the power was cut in what it just did; true when it did.
  bool EndIfCut(Site& site);
  bool Asleep(const Site& site) const;
  // Whether it answers for its site: of several machines the one does that has been elected, as far as it knows.
  bool Leads(const Site& site) const;
  // Whether its process stands still: then `event` happens once it goes on.
  bool Defer(Site& site, std::function<void()> event);
  // Of a site of several machines: the machine came to lead, or ceased to. Its connections end.
  void OnLeadChanged(Site& site);
  // The machine that answers what only the leader of the site answers, as far as this one knows and reaches it; null when there is none.
  Site* WriterFor(Site& site);

  // --- The network. What is sent on a path that is cut waits, as in a connection, until it is mended.
  void Cut(Site& from, Site& to) { cut_.insert({from.number, to.number}); }
  void MendPath(Site& from, Site& to);
  void MendPaths();
  void Slow(Site& from, Site& to, absl::Duration delay) { slow_[{from.number, to.number}] = delay; }
  // Connections of the link end, each end learning it in its own time, or never.
  void Break(Site& to, Site& from);

  // Whether every site holds every entry, what is due to it of those that anybody has, and every log's newest checkpoint.
  bool Converged() const;
  // What keeps it from that.
  std::string Describe() const;
  uint64_t messages() const { return messages_; }

  // The first broken promise; empty when there is none.
  const std::vector<std::string>& failures() const { return failures_; }
  void Fail(const std::string& what);

 private:
  struct Packet {
    absl::Time due;
    std::string bytes;
    bool end = false;  // the far end learns that this one has ended
  };

  // Whether another site has the payload.
  bool HeldElsewhere(const Site& site, Dot dot) const;

  friend struct Stream;
  void MakeRoster(size_t sites);
  void MakeMembers(size_t members, const Plant* plant);
  void MakeTopology();
  void Connect(size_t to, size_t from);
  void Tick(Site& site, uint64_t life);
  void Commit(Site& site, uint64_t life);
  void Complete(Site& site, uint64_t life);
  void ScheduleCompletions(Site& site);
  void ScheduleRound(Site& site);
  void Round(Site& site, bool tick);
  std::vector<LogId> DirectLogs(const Site& site) const;
  void Dial(Site& site, Link& link);

  enum class Way { kUp, kDown };  // to the sender; to the receiver
  Site& Origin(Stream& stream, Way way);
  Site& Target(Stream& stream, Way way);
  std::deque<Packet>& Pipe(Stream& stream, Way way);
  void Push(const std::shared_ptr<Stream>& stream, Way way, std::string bytes, bool end);
  void ScheduleDelivery(const std::shared_ptr<Stream>& stream, Way way, absl::Time time);
  void Deliver(const std::shared_ptr<Stream>& stream, Way way);
  void DeliverToSender(const std::shared_ptr<Stream>& stream, const std::string& bytes);
  void DeliverToReceiver(const std::shared_ptr<Stream>& stream, const std::string& bytes);
  void PumpSender(const std::shared_ptr<Stream>& stream);
  void PumpReceiver(const std::shared_ptr<Stream>& stream);
  // Ends one end of the stream; `tell`: the other learns it when the network brings it.
  void EndSender(const std::shared_ptr<Stream>& stream, const absl::Status& status, bool tell);
  void EndReceiver(const std::shared_ptr<Stream>& stream, const absl::Status& status, bool tell);
  absl::Duration DelayOf(const Site& from, const Site& to);
  void Forget(const std::shared_ptr<Stream>& stream);
  void CosignUnheld(Site& site, const v1::ReplicateResponse& message);

  Schedule& schedule_;
  Trace& trace_;
  Random random_;
  Random member_random_;  // of its own, so that a run without such a site is what it would be if there were none
  Watcher* watcher_ = nullptr;
  std::optional<Roster> roster_;
  std::vector<std::string> other_streams_;
  std::unique_ptr<MemberSite> member_site_;  // outlives the nodes
  std::vector<std::unique_ptr<Site>> sites_;
  std::vector<std::shared_ptr<Stream>> streams_;  // with at least one end
  std::set<std::pair<size_t, size_t>> cut_;
  std::map<std::pair<size_t, size_t>, absl::Duration> slow_;
  absl::Duration delay_max_;
  absl::Duration cosign_interval_;
  std::vector<std::string> failures_;
  Liar liar_;
  uint64_t messages_ = 0;
  uint64_t next_stream_ = 1;
  replication::SenderOptions sender_options_;
  replication::ReceiverOptions receiver_options_;
  replication::BackoffOptions backoff_options_;
  absl::Duration tick_ = absl::Milliseconds(100);
};

// One connection: the receiver `to` has opened it, the sender `from` serves it.
struct Stream {
  uint64_t number = 0;
  Site* to = nullptr;
  Site* from = nullptr;
  Link* link = nullptr;  // the receiver's
  std::optional<replication::Receiver> receiver;
  std::optional<replication::Sender> sender;
  bool accepted = false;  // the sender's end has been there
  bool broken = false;    // nothing is carried any more
  absl::Time started;
  std::deque<World::Packet> up, down;
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_WORLD_H_
