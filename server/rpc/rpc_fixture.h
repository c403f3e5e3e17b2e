// Sites of a test network, each wired as main wires it (node, threads, services, server over mutual TLS on loopback), and their callers.
//
// Thread safety: one thread at a time, unless said otherwise. Ownership: stated at each class.

#ifndef FAIRLEAD_SERVER_RPC_RPC_FIXTURE_H_
#define FAIRLEAD_SERVER_RPC_RPC_FIXTURE_H_

#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/channel_arguments.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/record_service.grpc.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "server/node/node.h"
#include "server/node/node_testing.h"
#include "server/node/runner.h"
#include "server/replication/grpc_link.h"
#include "server/rpc/attachment_methods.h"
#include "server/rpc/audit_methods.h"
#include "server/rpc/audit_trail.h"
#include "server/rpc/backup_methods.h"
#include "server/rpc/conflict_methods.h"
#include "server/rpc/consistency.h"
#include "server/rpc/durability.h"
#include "server/rpc/erasure_methods.h"
#include "server/rpc/exchange_attachments.h"
#include "server/rpc/exchange_methods.h"
#include "server/rpc/exchange_watch.h"
#include "server/rpc/limits.h"
#include "server/rpc/log_service.h"
#include "server/rpc/node_service.h"
#include "server/rpc/overview_methods.h"
#include "server/rpc/planning_methods.h"
#include "server/rpc/record_service.h"
#include "server/rpc/release_methods.h"
#include "server/rpc/report_methods.h"
#include "server/rpc/search_methods.h"
#include "server/rpc/server.h"
#include "server/rpc/standard_methods.h"
#include "server/rpc/test_certs.h"
#include "server/rpc/tokens.h"
#include "server/rpc/void_methods.h"
#include "server/search/search_index.h"
#include "storage/scratch_directory.h"

namespace fairlead::rpc {

// Far beyond what anything takes: a test that is stuck fails, and says where.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

using node::ManualClock;

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Matches an error by its reason, or by reason and field.
MATCHER_P(FailsWith, reason, "") {
  *result_listener << StatusOf(arg);
  return ReasonOf(StatusOf(arg)) == reason;
}
MATCHER_P2(FailsWith, reason, field, "") {
  *result_listener << StatusOf(arg) << ", field " << FieldOf(StatusOf(arg));
  return ReasonOf(StatusOf(arg)) == reason && FieldOf(StatusOf(arg)) == field;
}

// A channel to a server on loopback that nothing else shares.
std::shared_ptr<grpc::Channel> Dial(int port, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                    grpc::ChannelArguments arguments = {});
// With the caller's certificate; an empty `certificate` dials without one.
std::shared_ptr<grpc::ChannelCredentials> CallerCredentials(const CredentialFiles& files);

// One caller. Thread safety: any thread. Ownership: owns its channel.
class Client {
 public:
  explicit Client(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}
  Client(int port, const CredentialFiles& files) : channel_(Dial(port, CallerCredentials(files))) {}

  // `method` is "ReferenceService/GetPort". `context` may be null.
  template <class Response, class Request>
  absl::StatusOr<Response> Call(const std::string& method, const Request& request, grpc::ClientContext* context = nullptr) const {
    grpc::ClientContext own;
    if (context == nullptr) {
      context = &own;
      own.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    }
    Response response;
    absl::Notification done;
    grpc::Status status;
    grpc::TemplatedGenericStub<Request, Response> stub(channel_);
    stub.UnaryCall(context, "/fairlead.v1." + method, {}, &request, &response, [&](grpc::Status end) {
      status = std::move(end);
      done.Notify();
    });
    done.WaitForNotification();
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
};

// A site as main makes it. Ownership: owns all of it; borrows the clock.
class TestSite {
 public:
  // A null `store` is one in memory; `backups`, borrowed, may be null.
  TestSite(const std::string& site, const node::Clock* clock, absl::Duration heartbeat = absl::Seconds(15),
           std::unique_ptr<storage::Store> store = nullptr, storage::BackupFolder* backups = nullptr, AttachmentLimits attachments = {},
           LimitOptions limits = {});
  ~TestSite();

  node::Node& node() { return *node_; }
  const node::Node& node() const { return *node_; }
  Dispatcher& dispatcher() { return *dispatcher_; }
  Consistency& consistency() { return *consistency_; }
  Durability& durability() { return *durability_; }
  const Sealer& sealer() const { return sealer_; }
  AuditTrail& audit() { return *audit_; }
  int port() const { return server_->port(); }
  // A caller with the identity's certificate.
  Client As(const std::string& identity) const { return Client(port(), TestCerts::Get().Of(identity)); }

  // Brings what `from` holds and this site lacks, as replication would.
  void Receive(const TestSite& from);
  // Brings the site's newest cosignature of each log.
  void HearCosignatures(TestSite& from);
  // Lets the search index follow the journal; before, searches are refused.
  void StartSearch() { search_index_->Start(); }

 private:
  const Sealer sealer_;
  Credentials* const credentials_;
  Limits limits_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<node::Runner> runner_;
  std::unique_ptr<replication::Replicator> replicator_;
  std::unique_ptr<Consistency> consistency_;
  std::unique_ptr<AuditTrail> audit_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Durability> durability_;
  ShownRecords shown_{kShownRecordsBytes};
  std::unique_ptr<StandardMethods> standard_methods_;
  std::unique_ptr<AttachmentMethods> attachment_methods_;
  std::unique_ptr<PlanningMethods> planning_methods_;
  std::unique_ptr<ConflictMethods> conflict_methods_;
  std::unique_ptr<ErasureMethods> erasure_methods_;
  const exchange::Pseudonyms pseudonyms_;
  std::unique_ptr<ReleaseMethods> release_methods_;
  std::unique_ptr<ExchangeMethods> exchange_methods_;
  std::unique_ptr<ExchangeAttachments> exchange_attachments_;
  std::unique_ptr<ExchangeWatches> exchange_watches_;
  std::unique_ptr<RecordService> record_service_;
  const storage::ScratchDirectory search_folder_;
  std::unique_ptr<search::SearchIndex> search_index_;
  std::unique_ptr<SearchMethods> search_methods_;
  std::unique_ptr<NodeService> node_service_;
  std::unique_ptr<LogService> log_service_;
  std::unique_ptr<AuditMethods> audit_methods_;
  std::unique_ptr<VoidMethods> void_methods_;
  std::unique_ptr<BackupMethods> backup_methods_;
  std::unique_ptr<OverviewMethods> overview_methods_;
  std::unique_ptr<ReportMethods> report_methods_;
  std::unique_ptr<Server> server_;
};

// The site apac and an officer who calls it.
class SiteTest : public ::testing::Test {
 protected:
  explicit SiteTest(absl::Duration heartbeat = absl::Seconds(15))
      : apac_("apac", &clock_, heartbeat), officer_(apac_.As("officer/apac/watch")) {}

  // A country that is there afterwards.
  static v1::Country MakeCountry(const Client& caller, const std::string& code, const std::string& display_name,
                                 v1::Region region = v1::REGION_APAC);
  v1::Country MakeCountry(const std::string& code, const std::string& display_name) { return MakeCountry(officer_, code, display_name); }
  static v1::Country GetCountry(const Client& caller, const std::string& code);
  v1::Country GetCountry(const std::string& code) { return GetCountry(officer_, code); }
  // A country visit to Japan, which must be there.
  v1::Engagement MakeEngagement(const std::string& title);
  // Calls a lifecycle method that asks for nothing but the record.
  template <class Request>
  v1::Engagement Move(const std::string& method, const v1::Engagement& engagement, Request request = {}) {
    request.set_name(engagement.name());
    request.set_etag(engagement.etag());
    const auto moved = officer_.Call<v1::Engagement>("EngagementService/" + method, request);
    EXPECT_TRUE(moved.ok()) << method << ": " << moved.status();
    return moved.value_or(engagement);
  }

  ManualClock clock_;
  TestSite apac_;
  Client officer_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_RPC_FIXTURE_H_
