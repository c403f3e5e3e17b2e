// Planted bugs: variants of a site that break one rule of api/PROTOCOL.md each, at one of its seams. The simulator has to find each of
// them.
//
// Thread safety: immutable. Ownership: static.

#ifndef FAIRLEAD_TESTS_SIMULATION_PLANTS_H_
#define FAIRLEAD_TESTS_SIMULATION_PLANTS_H_

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/v1/replication_service.pb.h"
#include "server/etcd/etcd.h"
#include "server/node/commit_log.h"
#include "server/node/node.h"
#include "server/replication/log_io.h"
#include "server/rpc/dispatcher.h"
#include "tests/simulation/disk.h"

namespace fairlead::simulation {

// A function that is null leaves its seam as it is.
struct Plant {
  std::string_view name;
  std::string_view rule;                  // of api/PROTOCOL.md, and what breaks it
  std::vector<std::string_view> expects;  // it is found by a failure that says one of these, and by no other
  int seeds_max = 20;                     // the simulator finds it within so many; compilers draw differently
  bool everywhere = false;                // at every site; otherwise at one, drawn by the seed
  bool restores = false;                  // shows only where a site is restored

  Disk::Rewrite disk;
  std::function<void(node::NodeOptions*)> options;
  // A request before it is served, at each attempt: by whom, and what.
  std::function<void(const node::Node&, rpc::Call*)> call;
  // A request before its first attempt.
  std::function<void(const node::Node&, google::protobuf::Message*)> request;
  // A write before it is given to the node, at each attempt.
  std::function<void(node::WriteRequest*)> write;
  // Entries between the receiver, which has verified them, and the committer.
  std::function<void(const node::Node&, replication::RemoteBatch*)> batch;
  // A message to the receiver `to`; false: it is not sent.
  std::function<bool(const node::Node&, SiteId to, v1::ReplicateResponse*)> response;
  // A message to a sender; false: it is not sent.
  std::function<bool(const node::Node&, v1::ReplicateRequest*)> ask;
  // Cosigns what it is sent, whether or not it holds it.
  bool cosigns_on_receipt = false;
  // What is restored is always an empty disk.
  bool forgets = false;

  // --- Of each machine of a site of several; shows only where there is one
  bool members = false;
  // Between a member and its way to etcd.
  std::function<std::unique_ptr<etcd::Etcd>(etcd::Etcd*, const std::string& member)> etcd;
  // Between a node and its commit log.
  std::function<std::unique_ptr<node::CommitLog>(std::unique_ptr<node::CommitLog>, storage::Store*)> commit_log;
};

const std::vector<Plant>& Plants();
// Null when there is none.
const Plant* FindPlant(std::string_view name);

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_PLANTS_H_
