// A node in memory for the client's tests: it keeps the API's rules on names, etags, request ids, paging and imports, and fails when told
// to.
//
// Thread safety: any thread. Ownership: owns its server, which ends with it.

#ifndef FAIRLEAD_CLIENT_TEST_NODE_H_
#define FAIRLEAD_CLIENT_TEST_NODE_H_

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "client/connection.h"
#include "fairlead/v1/engagement_service.grpc.pb.h"
#include "fairlead/v1/node_service.grpc.pb.h"
#include "fairlead/v1/overview_service.grpc.pb.h"
#include "fairlead/v1/record_service.grpc.pb.h"
#include "fairlead/v1/reference_service.grpc.pb.h"

namespace fairlead::client {

class TestNode final : public fairlead::v1::ReferenceService::Service {
 public:
  // Listens on a free port of the loopback address.
  explicit TestNode(std::string site, std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials());
  ~TestNode() override;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::shared_ptr<grpc::Channel> Channel() const;
  // The next calls end with these before they do anything; one that is OK lets its call pass.
  void FailNext(std::vector<grpc::Status> statuses);
  // The next calls do what they are asked and then lose the answer.
  void LoseNextAnswers(int n);

  // What calls presented, in order.
  std::vector<std::string> tokens() const;
  std::vector<std::string> request_ids() const;
  int calls() const;
  int import_calls() const;
  std::map<std::string, fairlead::v1::Port> ports() const;
  std::map<std::string, fairlead::v1::Country> countries() const;
  std::map<std::string, fairlead::v1::Engagement> engagements() const;
  void Put(const fairlead::v1::Port& port);
  void Put(const fairlead::v1::Country& country);
  fairlead::v1::StateDigest digest;  // set before the first call
  // Each stream of the feed gives one of these lists and then ends with UNAVAILABLE; after the last it stays open.
  std::deque<std::vector<fairlead::v1::WatchRecordsResponse>> feed;
  std::vector<fairlead::v1::WatchRecordsRequest> watches() const;
  // By name; a resolution takes its conflict away. Set before the first call.
  std::map<std::string, fairlead::v1::Conflict> conflicts;
  std::vector<fairlead::v1::ListConflictsRequest> conflict_lists() const;
  std::vector<fairlead::v1::ResolveConflictRequest> resolutions() const;
  // What was asked to be erased, previews included.
  std::vector<fairlead::v1::EraseRevisionRequest> erasures() const;
  // The durability that calls asked for, in order; a call that asked for any is told that eame holds it.
  std::vector<std::string> durabilities() const;
  // The viewer that each call named, in order; empty for none.
  std::vector<std::string> viewers() const;
  fairlead::v1::NodeStatus status;  // set before the first call

  grpc::Status GetPort(grpc::ServerContext*, const fairlead::v1::GetPortRequest*, fairlead::v1::Port*) override;
  grpc::Status ListPorts(grpc::ServerContext*, const fairlead::v1::ListPortsRequest*, fairlead::v1::ListPortsResponse*) override;
  grpc::Status CreatePort(grpc::ServerContext*, const fairlead::v1::CreatePortRequest*, fairlead::v1::Port*) override;
  grpc::Status UpdatePort(grpc::ServerContext*, const fairlead::v1::UpdatePortRequest*, fairlead::v1::Port*) override;
  grpc::Status ImportPorts(grpc::ServerContext*, const fairlead::v1::ImportPortsRequest*, fairlead::v1::ImportResponse*) override;
  grpc::Status ListCountries(grpc::ServerContext*, const fairlead::v1::ListCountriesRequest*,
                             fairlead::v1::ListCountriesResponse*) override;
  grpc::Status ImportCountries(grpc::ServerContext*, const fairlead::v1::ImportCountriesRequest*, fairlead::v1::ImportResponse*) override;

 private:
  class Engagements;
  class Records;
  class Nodes;
  friend class Engagements;
  friend class Records;
  friend class Nodes;

  // Notes the call and takes the next failure. REQUIRES: mutex_ is not held.
  grpc::Status Enter(grpc::ServerContext* context, const std::string& request_id = "");
  // The end of a call that wrote: its answer may be lost.
  grpc::Status Leave();
  std::string NextEtag() { return site_ + "-" + std::to_string(++revision_); }

  const std::string site_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool ending_ = false;
  int revision_ = 0;
  int calls_ = 0;
  int import_calls_ = 0;
  int lose_ = 0;
  std::deque<grpc::Status> failures_;
  std::vector<std::string> tokens_;
  std::vector<std::string> request_ids_;
  std::map<std::string, fairlead::v1::Port> ports_;
  std::map<std::string, std::string> created_;  // name by request id
  std::map<std::string, fairlead::v1::Country> countries_;
  std::map<std::string, fairlead::v1::Engagement> engagements_;
  std::vector<fairlead::v1::WatchRecordsRequest> watches_;
  std::vector<fairlead::v1::ListConflictsRequest> conflict_lists_;
  std::vector<fairlead::v1::ResolveConflictRequest> resolutions_;
  std::vector<fairlead::v1::EraseRevisionRequest> erasures_;
  std::vector<std::string> durabilities_;
  std::vector<std::string> viewers_;
  std::unique_ptr<Engagements> engagement_service_;
  std::unique_ptr<Records> record_service_;
  std::unique_ptr<Nodes> node_service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Retries that do not make tests wait.
RetryOptions FastRetries();

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_TEST_NODE_H_
