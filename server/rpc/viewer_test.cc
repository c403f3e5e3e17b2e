#include "server/rpc/viewer.h"

#include <fmt/format.h>

#include <mutex>

#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "server/rpc/policy.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

Identity IdentityFor(const std::string& path) { return *ParseIdentity("spiffe://test.example/" + path, kTestNetwork); }

std::multimap<grpc::string_ref, grpc::string_ref> Naming(const std::vector<std::string>& viewers) {
  std::multimap<grpc::string_ref, grpc::string_ref> metadata;
  metadata.emplace("fairlead-durability", "local");
  for (const std::string& viewer : viewers) metadata.emplace(kViewerMetadata, viewer);
  return metadata;
}

TEST(ViewerOfTest, AGatewaySpeaksForStaffAndOthersForThemselves) {
  const Identity gateway = IdentityFor("gateway/dashboard");
  for (const std::string path : {"officer/apac/watch", "hq/analyst/desk"}) {
    const std::vector<std::string> named = {path};
    const auto viewer = ViewerOf(gateway, Naming(named), kTestNetwork);
    ASSERT_TRUE(viewer.ok()) << viewer.status();
    EXPECT_EQ(*viewer, IdentityFor(path));
  }
  for (const std::string path : {"officer/apac/watch", "hq/analyst/desk", "node/apac", "partner/JP/registry"}) {
    const auto viewer = ViewerOf(IdentityFor(path), Naming({}), kTestNetwork);
    ASSERT_TRUE(viewer.ok()) << viewer.status();
    EXPECT_EQ(*viewer, IdentityFor(path));
  }
}

TEST(ViewerOfTest, EveryOtherClaimIsDenied) {
  const std::vector<std::string> none, two = {"officer/apac/watch", "officer/apac/watch"};
  EXPECT_THAT(ViewerOf(IdentityFor("gateway/dashboard"), Naming(none), kTestNetwork), FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(ViewerOf(IdentityFor("gateway/dashboard"), Naming(two), kTestNetwork), FailsWith("PERMISSION_DENIED"));
  for (const std::string claim : {"", "node/apac", "gateway/dashboard", "partner/JP/registry", "officer/apac", "officer/APAC/watch",
                                  "spiffe://test.example/officer/apac/watch", "hq/analyst/desk/x", "../officer/apac/watch"}) {
    const std::vector<std::string> named = {claim};
    EXPECT_THAT(ViewerOf(IdentityFor("gateway/dashboard"), Naming(named), kTestNetwork), FailsWith("PERMISSION_DENIED")) << claim;
  }
  const std::vector<std::string> other = {"hq/analyst/desk"};
  for (const std::string peer : {"officer/apac/watch", "hq/analyst/desk", "node/apac", "partner/JP/registry"}) {
    EXPECT_THAT(ViewerOf(IdentityFor(peer), Naming(other), kTestNetwork), FailsWith("PERMISSION_DENIED")) << peer;
  }
}

class VouchedCallTest : public SiteTest {
 protected:
  template <class Response, class Request>
  absl::StatusOr<Response> CallFor(const std::string& viewer, const std::string& method, const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    if (!viewer.empty()) context.AddMetadata(kViewerMetadata, viewer);
    return gateway_.Call<Response>(method, request, &context);
  }

  const Client gateway_ = apac_.As("gateway/dashboard");
};

TEST_F(VouchedCallTest, TheViewersRightsDecide) {
  MakeCountry("JP", "Japan");
  v1::GetCountryRequest request;
  request.set_name("countries/JP");
  const std::string get = "ReferenceService/GetCountry";
  const auto country = CallFor<v1::Country>("officer/apac/watch", get, request);
  ASSERT_TRUE(country.ok()) << country.status();
  EXPECT_EQ(country->display_name(), "Japan");
  EXPECT_THAT(CallFor<v1::Country>("", get, request), FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(CallFor<v1::Country>("partner/JP/registry", get, request), FailsWith("PERMISSION_DENIED"));
  EXPECT_TRUE(CallFor<v1::NodeStatus>("hq/analyst/desk", "NodeService/GetNodeStatus", v1::GetNodeStatusRequest()).ok());
}

TEST_F(VouchedCallTest, AGatewayPassesOnOnlyWhatItsOwnRuleSays) {
  // Headquarters may delete a backup; nobody may through a gateway.
  v1::DeleteBackupRequest backup;
  backup.set_name("backups/none");
  EXPECT_THAT(CallFor<v1::DeleteBackupResponse>("hq/analyst/desk", "NodeService/DeleteBackup", backup), FailsWith("PERMISSION_DENIED"));
  v1::CreateCountryRequest create;
  create.set_country_id("KR");
  create.mutable_country()->set_display_name("Korea");
  create.mutable_country()->set_region(v1::REGION_APAC);
  EXPECT_THAT(CallFor<v1::Country>("officer/apac/watch", "ReferenceService/CreateCountry", create), FailsWith("PERMISSION_DENIED"));
  EXPECT_TRUE(officer_.Call<v1::Country>("ReferenceService/CreateCountry", create).ok());
}

TEST_F(VouchedCallTest, ACallIsFinishedInTheNameOfItsViewerAndItsGateway) {
  std::mutex mutex;
  std::vector<std::string> finished;
  Dispatcher dispatcher({.network = kTestNetwork, .authorize = Authorize, .on_finish = [&](const CallSummary& summary) {
                           std::lock_guard lock(mutex);
                           finished.push_back(fmt::format("{} {} {}", summary.caller, summary.gateway, static_cast<int>(summary.code)));
                         }});
  dispatcher.Unary<v1::GetNodeStatusRequest, v1::NodeStatus>(
      "fairlead.v1.NodeService/GetNodeStatus",
      [](const Call&, const v1::GetNodeStatusRequest&) -> absl::StatusOr<v1::NodeStatus> { return v1::NodeStatus(); });
  auto server = Server::Start({.address = "127.0.0.1:0", .credentials = &TestCerts::Get().Live("node/apac")}, &dispatcher, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const Client gateway((*server)->port(), TestCerts::Get().Of("gateway/dashboard"));
  for (const char* viewer : {"hq/analyst/desk", "partner/JP/registry"}) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata(kViewerMetadata, viewer);
    (void)gateway.Call<v1::NodeStatus>("NodeService/GetNodeStatus", v1::GetNodeStatusRequest(), &context);
  }
  (*server)->Shutdown(kPatience);
  std::lock_guard lock(mutex);
  EXPECT_THAT(finished, ::testing::UnorderedElementsAre("hq/analyst/desk gateway/dashboard 0", "gateway/dashboard gateway/dashboard 7"));
}

TEST_F(VouchedCallTest, TheViewerIsTheActorOfWhatIsWritten) {
  MakeCountry("JP", "Japan");
  TestSite eame("eame", &clock_);
  eame.Receive(apac_);
  const Client at_eame = eame.As("officer/eame/watch");
  const auto rename = [](const Client& caller, const std::string& to) {
    v1::UpdateCountryRequest request;
    *request.mutable_country() = GetCountry(caller, "JP");
    request.mutable_country()->set_display_name(to);
    request.mutable_update_mask()->add_paths("display_name");
    const auto written = caller.Call<v1::Country>("ReferenceService/UpdateCountry", request);
    ASSERT_TRUE(written.ok()) << written.status();
  };
  rename(officer_, "Nippon");
  rename(at_eame, "Nihon");
  apac_.Receive(eame);

  v1::GetConflictRequest get;
  get.set_name("countries/JP/conflicts/display_name");
  const auto conflict = CallFor<v1::Conflict>("hq/analyst/desk", "RecordService/GetConflict", get);
  ASSERT_TRUE(conflict.ok()) << conflict.status();
  v1::ResolveConflictRequest resolve;
  resolve.set_name(get.name());
  resolve.set_etag(conflict->etag());
  resolve.mutable_keep()->add_value_ids(conflict->values(0).value_id());
  const auto resolved = CallFor<v1::ResolveConflictResponse>("hq/analyst/desk", "RecordService/ResolveConflict", resolve);
  ASSERT_TRUE(resolved.ok()) << resolved.status();

  v1::ListRevisionsRequest list;
  list.set_name("countries/JP");
  const auto revisions = officer_.Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", list);
  ASSERT_TRUE(revisions.ok()) << revisions.status();
  ASSERT_GT(revisions->revisions_size(), 0);
  EXPECT_EQ(revisions->revisions(0).actor(), "hq/analyst/desk");
  EXPECT_EQ(revisions->revisions(0).method(), "fairlead.v1.RecordService/ResolveConflict");
}

TEST_F(VouchedCallTest, AReleaseIsDecidedThroughAGatewayAndNeverProposed) {
  MakeCountry("JP", "Japan");
  v1::CreatePortRequest port;
  port.set_port_id("JPYOK");
  port.mutable_port()->set_display_name("Yokohama");
  port.mutable_port()->set_country("countries/JP");
  ASSERT_TRUE(officer_.Call<v1::Port>("ReferenceService/CreatePort", port).ok());
  v1::PreviewReleaseRequest draft;
  draft.mutable_draft()->set_record("ports/JPYOK");
  draft.mutable_draft()->set_purpose("A joint drill.");
  draft.mutable_draft()->add_nations("countries/JP");
  const auto preview = CallFor<v1::PreviewReleaseResponse>("officer/apac/watch", "ReleaseService/PreviewRelease", draft);
  ASSERT_TRUE(preview.ok()) << preview.status();
  v1::CreateReleaseRequest propose;
  *propose.mutable_release() = preview->release();
  EXPECT_THAT(CallFor<v1::Release>("officer/apac/watch", "ReleaseService/CreateRelease", propose), FailsWith("PERMISSION_DENIED"));
  const auto proposed = officer_.Call<v1::Release>("ReleaseService/CreateRelease", propose);
  ASSERT_TRUE(proposed.ok()) << proposed.status();

  v1::ApproveReleaseRequest approve;
  approve.set_name(proposed->name());
  approve.set_etag(proposed->etag());
  const std::string method = "ReleaseService/ApproveRelease";
  EXPECT_THAT(CallFor<v1::Release>("officer/apac/watch", method, approve), FailsWith("PERMISSION_DENIED"));
  const auto approved = CallFor<v1::Release>("hq/release/desk", method, approve);
  ASSERT_TRUE(approved.ok()) << approved.status();
  EXPECT_EQ(approved->state(), v1::RELEASE_STATE_APPROVED);
  v1::RecallReleaseRequest recall;
  recall.set_name(approved->name());
  recall.set_etag(approved->etag());
  recall.set_reason("No longer wanted.");
  EXPECT_THAT(CallFor<v1::Release>("hq/release/desk", "ReleaseService/RecallRelease", recall), FailsWith("PERMISSION_DENIED"));
  v1::ListRevisionsRequest list;
  list.set_name(approved->name());
  const auto revisions = officer_.Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", list);
  ASSERT_TRUE(revisions.ok()) << revisions.status();
  ASSERT_GT(revisions->revisions_size(), 0);
  EXPECT_EQ(revisions->revisions(0).actor(), "hq/release/desk");
}

}  // namespace
}  // namespace fairlead::rpc
