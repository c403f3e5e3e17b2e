#include "tests/interop/partner_scenario.h"

#include "fairlead/v1/release_service.pb.h"

namespace fairlead::interop {

void PartnerScenario::StartNetwork(ClusterOptions options) {
  options.sites = {"apac", "hq"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(std::move(options)));
  ASSERT_NO_FATAL_FAILURE(SeedCountries());
}

void PartnerScenario::CreatePort(const std::string& locode, const std::string& display_name) {
  v1::CreatePortRequest request;
  request.set_port_id(locode);
  request.mutable_port()->set_display_name(display_name);
  request.mutable_port()->set_country("countries/" + locode.substr(0, 2));
  request.mutable_port()->set_marking(v1::MARKING_PUBLIC);
  request.mutable_port()->set_source("a private source");
  request.mutable_port()->mutable_position()->set_latitude(35.45);
  request.mutable_port()->mutable_position()->set_longitude(139.6583333333);
  EXPECT_TRUE(Ok(cluster().Officer("hq").Call<v1::Port>("fairlead.v1.ReferenceService.CreatePort", request)));
  EXPECT_TRUE(Ok(cluster().WaitForConvergence()));
}

v1::Release PartnerScenario::Release(const std::string& site, const std::string& record, const std::string& nation,
                                     std::vector<std::string> sites) {
  v1::PreviewReleaseRequest preview;
  preview.mutable_draft()->set_record(record);
  preview.mutable_draft()->set_purpose("A joint drill.");
  preview.mutable_draft()->add_nations("countries/" + nation);
  client::Client& officer = cluster().Officer(site);
  const auto previewed = officer.Call<v1::PreviewReleaseResponse>("fairlead.v1.ReleaseService.PreviewRelease", preview);
  EXPECT_TRUE(Ok(previewed));
  if (!previewed.ok()) return {};
  v1::CreateReleaseRequest create;
  *create.mutable_release() = previewed->release();
  const auto proposed = officer.Call<v1::Release>("fairlead.v1.ReleaseService.CreateRelease", create);
  EXPECT_TRUE(Ok(proposed));
  if (!proposed.ok()) return {};
  EXPECT_TRUE(Ok(cluster().WaitForConvergence(sites)));
  const auto desk = cluster().Connect("hq/release/desk", "hq");
  EXPECT_TRUE(Ok(desk));
  v1::ApproveReleaseRequest approve;
  approve.set_name(proposed->name());
  approve.set_etag(proposed->etag());
  const auto approved = (*desk)->Call<v1::Release>("fairlead.v1.ReleaseService.ApproveRelease", approve);
  EXPECT_TRUE(Ok(approved));
  EXPECT_TRUE(Ok(cluster().WaitForConvergence(sites)));
  return approved.value_or(v1::Release());
}

void PartnerScenario::Recall(const v1::Release& release) {
  v1::RecallReleaseRequest request;
  request.set_name(release.name());
  request.set_etag(release.etag());
  request.set_reason("spilled");
  EXPECT_TRUE(Ok(cluster().Officer("apac").Call<v1::Release>("fairlead.v1.ReleaseService.RecallRelease", request)));
  EXPECT_TRUE(Ok(cluster().WaitForConvergence()));
}

}  // namespace fairlead::interop
