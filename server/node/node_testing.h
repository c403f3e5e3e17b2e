// Sites of a test network on memory stores, driven by hand: for the tests of the node and of what stands on it.
//
// Thread safety: one thread at a time, unless said otherwise. Ownership: a site's node owns its store; the network outlives its sites.

#ifndef FAIRLEAD_SERVER_NODE_NODE_TESTING_H_
#define FAIRLEAD_SERVER_NODE_NODE_TESTING_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/crypto.h"
#include "api/ids.h"
#include "api/roster.h"
#include "server/node/clock.h"
#include "server/node/licence.h"
#include "server/node/node.h"
#include "storage/memory_store.h"

namespace fairlead::node {

// Thread safety: any thread.
class ManualClock : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixMillis(ms_.load()); }
  void Advance(absl::Duration by) { ms_ += absl::ToInt64Milliseconds(by); }
  // A new one, of now.
  std::string RequestId() const { return NewRequestId(static_cast<uint64_t>(ms_.load())); }

 private:
  std::atomic<int64_t> ms_{1'800'000'000'000};
};

// Keys, roster and clock of a network whose sites and main logs are numbered from 1, in the order they are named. Logs of other streams
// have the next numbers, stream by stream.
class TestNetwork {
 public:
  struct Site {
    std::unique_ptr<Node> node;
    storage::MemoryStore* store = nullptr;  // the node's
  };

  explicit TestNetwork(const std::vector<std::string>& sites, const std::vector<std::string>& other_streams = {});

  // From here on the roster, of the next version, names a headquarters. Nodes that are open go on with the roster they have.
  void SetHeadquarters(const std::string& site);
  // Puts another roster of this network in its place.
  void UseRoster(Roster roster) { roster_ = std::move(roster); }
  // The logs as the next roster names them, and that roster.
  std::vector<RosterLog>& logs() { return logs_; }
  void Sign();
  // Adds a log of the site to them, with the next id and a new key.
  void AddLog(const RosterSite& site, uint32_t epoch, const std::string& stream);
  // Likewise closes the site's main log at `size`, and begins the next epoch of its streams.
  void CloseLog(const std::string& site, Seq size, const Digest& root);
  // Likewise gives the site another mirror key.
  void ChangeMirrorKey(const std::string& site);

  NodeOptions OptionsOf(const std::string& site) const;
  static absl::StatusOr<Site> Open(NodeOptions options, std::unique_ptr<storage::MemoryStore> store);
  // `licence` and `peers` are the node's; without, it may always write.
  absl::StatusOr<Site> Open(const std::string& site, std::unique_ptr<storage::MemoryStore> store, LicenceFile* licence = nullptr,
                            std::vector<std::string> peers = {}) const;
  // On an empty store.
  Site Open(const std::string& site) const;

  ManualClock& clock() { return clock_; }
  const Roster& roster() const { return *roster_; }
  // The log the site writes.
  LogId log(const std::string& site, std::string_view stream = kMainStream) const {
    return roster_->CurrentLog(roster_->FindSite(site)->id, stream)->id;
  }
  const SigningKey& log_key(const std::string& site, std::string_view stream = kMainStream) const {
    return log_keys_.at(site).find(stream)->second;
  }
  const SigningKey& mirror_key(const std::string& site) const { return mirror_keys_.at(site); }

 private:
  ManualClock clock_;
  std::map<std::string, std::map<std::string, SigningKey, std::less<>>> log_keys_;  // by site and stream
  std::map<std::string, SigningKey> mirror_keys_;
  const SigningKey root_key_ = SigningKey::Generate();
  uint64_t version_ = 0;
  std::vector<RosterSite> sites_;
  std::vector<RosterLog> logs_;
  std::vector<RosterCosigner> cosigners_;
  std::string headquarters_;
  std::optional<Roster> roster_;
};

// A store that counts what is read of it: each Get, also of a snapshot, and each step of an iterator.
// Thread safety: as its base.
class CountingStore : public storage::MemoryStore {
 public:
  CountingStore() = default;
  // Holds what the other does.
  explicit CountingStore(const storage::MemoryStore& other);
  int64_t reads() const { return reads_.load(); }

  absl::StatusOr<std::optional<std::string>> Get(storage::Cf cf, std::string_view key) const override;
  std::unique_ptr<storage::Iterator> Iterate(storage::Cf cf, std::string_view lower, std::string_view upper) const override;
  std::unique_ptr<storage::Snapshot> NewSnapshot() const override;

 private:
  class CountingIterator;
  class CountingSnapshot;

  mutable std::atomic<int64_t> reads_ = 0;
};

// Commits and completes what waits.
void RunNode(Node& node);

// The request that makes the fields of `record` what they are in `next`, after what the node holds, or begins the record.
WriteRequest RequestFor(const Node& node, const std::string& record, const google::protobuf::Message& next,
                        const std::vector<std::string>& fields, const std::string& request_id);
absl::StatusOr<WriteResult> Write(Node& node, WriteRequest request);

// Everything `from` holds and `to` lacks, in `from`'s journal order, as replication would bring it.
replication::RemoteBatch Missing(const Node& from, const Node& to);
// Makes the batch's entry of this index one that only a later program understands. Its checkpoints, which would not verify, go.
void MakeUnknown(replication::RemoteBatch& batch, size_t index);
replication::ApplyResult Apply(Node& to, replication::RemoteBatch batch);
// Brings `to` what it lacks; fails the test when it is not taken.
void Sync(const Node& from, Node& to);

// The state digests, each as "class:hex".
std::vector<std::string> Digests(const Node& node);

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_NODE_TESTING_H_
