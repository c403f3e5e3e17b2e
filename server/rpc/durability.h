// REPLICATED: an answer that waits until other sites hold what was written.
//
// A site's word is its cosignature, by its mirror key, of a checkpoint that covers the entry (api/PROTOCOL.md, rule 20). Only sites of the
// entry's audience count, and not the one that wrote it. A wait that is not met in time undoes nothing: its end says which sites hold it.
//
// Thread safety: any thread. Ownership: borrows the node; answers, when destroyed, those who wait.

#ifndef FAIRLEAD_SERVER_RPC_DURABILITY_H_
#define FAIRLEAD_SERVER_RPC_DURABILITY_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/ids.h"
#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/waiting_room.h"

namespace fairlead::rpc {

// In a call: `local` or `replicated:K`. In an answer: `replicated:K eame,hq`.
inline constexpr const char* kDurabilityMetadata = node::kDurabilityField;

// How many other sites the caller asks for; 0 for `local`. FIELD_INVALID for anything else.
absl::StatusOr<int> ParseDurability(std::string_view text);

// What must be held, and by whom: the first `size` entries of `log`, by sites other than the log's own.
struct Holding {
  LogId log;
  Seq size;
  Audience audience;
};

class Durability {
 public:
  struct Report {
    bool reached = false;
    bool closing = false;            // not reached, and not waited for: the node shuts down
    std::vector<std::string> sites;  // that hold all of it, by name, in the roster's order
  };

  explicit Durability(node::Node* node);
  ~Durability();
  Durability(const Durability&) = delete;
  Durability& operator=(const Durability&) = delete;

  // FIELD_INVALID when fewer than `replicas` other sites are in one of the audiences.
  absl::Status Check(const std::vector<Holding>& holdings, int replicas) const;
  // Calls `done` once, perhaps before it returns (then the result is 0): when `replicas` sites hold each of `holdings`, or shortly before
  // `deadline`.
  uint64_t Await(std::vector<Holding> holdings, int replicas, absl::Time deadline, std::function<void(const Report&)> done);
  // Nobody waits for that answer any more.
  void Leave(uint64_t wait);
  // Answers all who wait, and all who come later, with what is known: the node shuts down.
  void Close();
  // Calls that wait.
  size_t waiting() const { return waiting_.size(); }

 private:
  using Cosigned = std::map<LogId, std::map<SiteId, Seq>>;

  Cosigned Now() const;
  Report ReportOf(const std::vector<Holding>& holdings, int replicas, const Cosigned& cosigned) const;

  node::Node* const node_;
  std::atomic<bool> closed_{false};
  uint64_t listener_ = 0;
  WaitingRoom<Cosigned> waiting_;
};

// All that this site has written by now, for the sites of a record that a request found as it wants it.
Holding EverythingWritten(const node::Node& node, const google::protobuf::Message& record);
// What `report` comes to: OK, with the call's trailing metadata, or REPLICATION_TIMEOUT or SHUTTING_DOWN that says who holds what was
// written.
absl::Status HeldStatus(const Durability::Report& report, std::map<std::string, std::string> metadata, Call* call);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_DURABILITY_H_
