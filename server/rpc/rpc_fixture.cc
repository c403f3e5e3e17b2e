#include "server/rpc/rpc_fixture.h"

#include <grpcpp/create_channel.h>

#include <thread>
#include <utility>

#include "api/note.h"
#include "server/rpc/policy.h"
#include "server/rpc/program_methods.h"
#include "storage/memory_store.h"

namespace fairlead::rpc {

std::shared_ptr<grpc::Channel> Dial(int port, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                    grpc::ChannelArguments arguments) {
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port), credentials, arguments);
}

std::shared_ptr<grpc::ChannelCredentials> CallerCredentials(const CredentialFiles& files) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = FileText(files.ca);
  if (!files.certificate.empty()) {
    options.pem_cert_chain = FileText(files.certificate);
    options.pem_private_key = FileText(files.key);
  }
  return grpc::SslCredentials(options);
}

namespace {

// A batch is signed after its writes are answered, and a checkpoint complete after its entries are applied: waits for `size` entries of the
// log to be under a checkpoint that the node offers.
void AwaitCheckpoint(const node::Node& node, LogId log, Seq size) {
  if (size == Seq(0)) return;
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    const std::optional<std::string> note = node.CheckpointNote(log);
    if (note && Seq(note::ParseCheckpoint(note::Parse(*note)->text)->size) >= size) return;
    std::this_thread::yield();
  }
  ADD_FAILURE() << "no checkpoint of log " << log.value() << " covers " << size.value() << " entries";
}

}  // namespace

TestSite::TestSite(const std::string& site, const node::Clock* clock, absl::Duration heartbeat, std::unique_ptr<storage::Store> store,
                   storage::BackupFolder* backups, AttachmentLimits attachments, LimitOptions limits)
    : sealer_(TestCerts::Get().token_key()),
      credentials_(&TestCerts::Get().Live("node/" + site)),
      limits_(std::move(limits)),
      pseudonyms_(TestCerts::Get().token_key()) {
  TestCerts& certs = TestCerts::Get();
  node::NodeOptions options{
      .site = site, .roster = certs.roster(), .log_keys = certs.LogKeys(site), .mirror_key = certs.SiteKey(site, "mirror")};
  options.registry = &records::TheRegistry();
  options.clock = clock;
  if (store == nullptr) store = std::make_unique<storage::MemoryStore>();
  node_ = *node::Node::Open(std::move(options), std::move(store));
  runner_ = std::make_unique<node::Runner>(node_.get(), /*completion_threads=*/2, nullptr);
  replicator_ = std::make_unique<replication::Replicator>(replication::ReplicatorOptions(), node_.get(), node_.get());
  replicator_->set_authorize([this](const grpc::ServerContextBase& context) -> absl::StatusOr<SiteId> {
    const absl::StatusOr<Identity> identity =
        Admit(credentials_->Identify(*context.auth_context()), "fairlead.v1.ReplicationService/Replicate");
    if (!identity.ok()) return identity.status();
    return node_->roster().FindSite(identity->scope)->id;
  });
  consistency_ = std::make_unique<Consistency>(node_.get(), &sealer_);
  audit_ = std::make_unique<AuditTrail>(node_.get(), AuditOptions{});
  dispatcher_ = std::make_unique<Dispatcher>(
      DispatcherOptions{.network = kTestNetwork,
                        .identify = [this](const grpc::AuthContext& context) { return credentials_->Identify(context); },
                        .authorize = Authorize,
                        .consistency = consistency_.get(),
                        .limits = &limits_,
                        .on_stream = [this](const CallSummary& summary) { audit_->StreamBegan(summary); },
                        .on_finish = [this](const CallSummary& summary) { audit_->CallFinished(summary); }});
  durability_ = std::make_unique<Durability>(node_.get());
  standard_methods_ = std::make_unique<StandardMethods>(node_.get(), &sealer_, &shown_, durability_.get());
  standard_methods_->Register(dispatcher_.get());
  attachment_methods_ = std::make_unique<AttachmentMethods>(node_.get(), &standard_methods_->writes(), attachments);
  attachment_methods_->Register(dispatcher_.get());
  planning_methods_ = std::make_unique<PlanningMethods>(node_.get(), &sealer_, &standard_methods_->writes());
  planning_methods_->Register(dispatcher_.get());
  conflict_methods_ = std::make_unique<ConflictMethods>(node_.get(), &sealer_, &standard_methods_->writes());
  conflict_methods_->Register(dispatcher_.get());
  erasure_methods_ = std::make_unique<ErasureMethods>(node_.get(), &sealer_, &standard_methods_->writes(), backups);
  erasure_methods_->Register(dispatcher_.get());
  v1::PriorityWeights weights;
  weights.set_vessels(40);
  weights.set_cargo(20);
  weights.set_history(25);
  weights.set_other(15);
  RegisterProgramMethods(node_.get(), weights, dispatcher_.get());
  release_methods_ = std::make_unique<ReleaseMethods>(node_.get(), &sealer_, &pseudonyms_);
  release_methods_->Register(dispatcher_.get());
  exchange_methods_ = std::make_unique<ExchangeMethods>(node_.get(), &sealer_, &pseudonyms_, &standard_methods_->writes(), &limits_);
  exchange_methods_->Register(dispatcher_.get());
  exchange_attachments_ = std::make_unique<ExchangeAttachments>(node_.get(), &sealer_, &pseudonyms_);
  exchange_attachments_->Register(dispatcher_.get());
  exchange_watches_ = std::make_unique<ExchangeWatches>(node_.get(), &sealer_, &pseudonyms_, heartbeat);
  exchange_watches_->Register(dispatcher_.get());
  record_service_ = std::make_unique<RecordService>(node_.get(), &sealer_, &shown_, heartbeat);
  record_service_->Register(dispatcher_.get());
  search_index_ = std::make_unique<search::SearchIndex>(node_.get(), search_folder_.path() + "/search");
  search_methods_ = std::make_unique<SearchMethods>(node_.get(), &sealer_, search_index_.get());
  search_methods_->Register(dispatcher_.get());
  node_service_ = std::make_unique<NodeService>(
      node_.get(), &sealer_,
      NodeServiceOptions{.version = "test", .start_time = clock->Now(), .search = [this] { return search_methods_->Status(); }});
  node_service_->Register(dispatcher_.get());
  log_service_ = std::make_unique<LogService>(node_.get());
  log_service_->Register(dispatcher_.get());
  audit_methods_ = std::make_unique<AuditMethods>(node_.get(), &sealer_);
  audit_methods_->Register(dispatcher_.get());
  audit_->Register(dispatcher_.get());
  void_methods_ = std::make_unique<VoidMethods>(node_.get(), &sealer_, &standard_methods_->writes());
  void_methods_->Register(dispatcher_.get());
  backup_methods_ = std::make_unique<BackupMethods>(node_.get(), &sealer_, backups);
  backup_methods_->Register(dispatcher_.get());
  overview_methods_ = std::make_unique<OverviewMethods>(node_.get(), view::OverviewOptions{absl::Seconds(60), weights, nullptr}, heartbeat);
  overview_methods_->Register(dispatcher_.get());
  report_methods_ = std::make_unique<ReportMethods>(node_.get(), absl::Seconds(60), &pseudonyms_, &standard_methods_->writes());
  report_methods_->Register(dispatcher_.get());
  runner_->Start();
  audit_->Start();
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start({.address = "127.0.0.1:0", .credentials = credentials_}, dispatcher_.get(), {replicator_->service()});
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  replicator_->Start();
}

TestSite::~TestSite() {
  replicator_->Stop();
  durability_->Close();
  server_->Shutdown(absl::ZeroDuration());
  consistency_.reset();  // awaits the handlers of calls that had waited here; before what they are of
  search_methods_.reset();
  search_index_->Stop();
  record_service_.reset();
  exchange_watches_.reset();
  overview_methods_.reset();
  standard_methods_->writes().AwaitImports();
  audit_->Stop();
  runner_->Stop();
}

void TestSite::Receive(const TestSite& from) {
  const VersionVector applied = from.node().Applied();
  for (const auto& [stream, log] : from.node().own_logs()) AwaitCheckpoint(from.node(), log, applied.Get(log));
  replication::RemoteBatch batch = node::Missing(from.node(), *node_);
  const std::vector<replication::VerifiedCheckpoint> checkpoints = batch.checkpoints;
  absl::Notification done;
  node_->ApplyRemote(std::move(batch), [&done](const replication::ApplyResult& result) {
    EXPECT_TRUE(result.status.ok()) << result.status;
    done.Notify();
  });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  for (const replication::VerifiedCheckpoint& checkpoint : checkpoints) AwaitCheckpoint(*node_, checkpoint.log, checkpoint.size);
}

void TestSite::HearCosignatures(TestSite& from) {
  from.node().Tick();
  for (const replication::HeldCosignature& held : from.node().CosignaturesAfter(0)) {
    const absl::Status taken = node_->TakeCosignature(held.log, held.note);
    EXPECT_TRUE(taken.ok()) << taken;
  }
}

v1::Country SiteTest::MakeCountry(const Client& caller, const std::string& code, const std::string& display_name, v1::Region region) {
  v1::CreateCountryRequest request;
  request.set_country_id(code);
  request.mutable_country()->set_display_name(display_name);
  request.mutable_country()->set_region(region);
  const auto country = caller.Call<v1::Country>("ReferenceService/CreateCountry", request);
  EXPECT_TRUE(country.ok()) << country.status();
  return country.value_or(v1::Country());
}

v1::Country SiteTest::GetCountry(const Client& caller, const std::string& code) {
  v1::GetCountryRequest request;
  request.set_name("countries/" + code);
  const auto country = caller.Call<v1::Country>("ReferenceService/GetCountry", request);
  EXPECT_TRUE(country.ok()) << country.status();
  return country.value_or(v1::Country());
}

v1::Engagement SiteTest::MakeEngagement(const std::string& title) {
  v1::CreateEngagementRequest request;
  v1::Engagement* engagement = request.mutable_engagement();
  engagement->set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement->set_title(title);
  engagement->add_countries("countries/JP");
  engagement->set_region(v1::REGION_APAC);
  const auto created = officer_.Call<v1::Engagement>("EngagementService/CreateEngagement", request);
  EXPECT_TRUE(created.ok()) << created.status();
  return created.value_or(v1::Engagement());
}

}  // namespace fairlead::rpc
