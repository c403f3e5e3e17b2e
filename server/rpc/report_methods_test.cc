#include "server/rpc/report_methods.h"

#include "api/report.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "fairlead/v1/report_service.pb.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ReportMethodsTest : public SiteTest {
 protected:
  ReportMethodsTest() { MakeCountry("JP", "Japan"); }

  // The clock begins on 2027-01-15.
  static v1::PrepareReportRequest For(v1::Region region, const std::string& nation = "") {
    v1::PrepareReportRequest request;
    request.set_kind(v1::REPORT_KIND_QUARTERLY);
    request.set_period("2027Q1");
    request.set_region(region);
    request.set_nation(nation);
    return request;
  }
  absl::StatusOr<v1::Report> Prepare(const v1::PrepareReportRequest& request) const {
    return officer_.Call<v1::Report>("ReportService/PrepareReport", request);
  }
  template <class Response, class Request>
  static Response Must(const Client& caller, const std::string& method, const Request& request) {
    const auto response = caller.Call<Response>(method, request);
    EXPECT_TRUE(response.ok()) << method << ": " << response.status();
    return response.value_or(Response());
  }
  v1::Port MakePort(const std::string& locode, const std::string& display_name) const {
    v1::CreatePortRequest request;
    request.set_port_id(locode);
    request.mutable_port()->set_display_name(display_name);
    request.mutable_port()->set_country("countries/JP");
    request.mutable_port()->set_source("a private source");
    return Must<v1::Port>(officer_, "ReferenceService/CreatePort", request);
  }
  void Release(const std::string& record, const std::string& nation) const {
    v1::PreviewReleaseRequest preview;
    preview.mutable_draft()->set_record(record);
    preview.mutable_draft()->set_purpose("A joint drill.");
    preview.mutable_draft()->add_nations(nation);
    v1::CreateReleaseRequest propose;
    *propose.mutable_release() = Must<v1::PreviewReleaseResponse>(officer_, "ReleaseService/PreviewRelease", preview).release();
    const auto proposed = Must<v1::Release>(officer_, "ReleaseService/CreateRelease", propose);
    v1::ApproveReleaseRequest approve;
    approve.set_name(proposed.name());
    approve.set_etag(proposed.etag());
    Must<v1::Release>(apac_.As("hq/release/desk"), "ReleaseService/ApproveRelease", approve);
  }
};

TEST_F(ReportMethodsTest, AReportIsKeptAsItWasMadeAndTheSiteVouchesForIt) {
  MakeEngagement("a visit");
  const auto made = Prepare(For(v1::REGION_APAC));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(made->html(), HasSubstr("quarterly report 2027Q1, APAC"));
  EXPECT_THAT(made->audience(), ElementsAre("apac", "hq"));
  const Roster& roster = apac_.node().roster();
  const auto html = report::Verify(made->html(), made->statement(), roster);
  ASSERT_TRUE(html.ok()) << html.status();
  EXPECT_EQ(html->form, "html");
  EXPECT_EQ(html->log->site_name, "apac");
  EXPECT_EQ(html->statement.reader, "apac");
  EXPECT_EQ(html->statement.period, "2027Q1");
  ASSERT_TRUE(report::Verify(made->csv(), made->statement(), roster).ok());
  EXPECT_FALSE(report::Verify(made->csv() + " ", made->statement(), roster).ok());

  // What happens later does not change it.
  MakeEngagement("another");
  v1::GetReportRequest get;
  get.set_name(made->name());
  const auto read = Must<v1::Report>(officer_, "ReportService/GetReport", get);
  EXPECT_EQ(read.html(), made->html());
  EXPECT_EQ(read.statement(), made->statement());
}

TEST_F(ReportMethodsTest, ARetryIsTheSameReportAndAPreviewIsNone) {
  v1::PrepareReportRequest request = For(v1::REGION_HQ);
  request.set_validate_only(true);
  const auto preview = Prepare(request);
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_EQ(preview->name(), "");
  EXPECT_EQ(Must<v1::ListReportsResponse>(officer_, "ReportService/ListReports", v1::ListReportsRequest()).reports_size(), 0);
  request.set_validate_only(false);
  request.set_request_id(clock_.RequestId());
  const auto first = Prepare(request);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->html(), preview->html());  // one state, one text
  clock_.Advance(absl::Hours(30));
  const auto second = Prepare(request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->name(), first->name());
  EXPECT_EQ(second->html(), first->html());
}

TEST_F(ReportMethodsTest, ANationsHoldsWhatIsReleasedToItAndNothingElse) {
  MakePort("JPYOK", "Released <port>");
  MakePort("JPTYO", "Kept port");
  MakeEngagement("internal title");
  Release("ports/JPYOK", "countries/JP");
  const auto made = Prepare(For(v1::REGION_UNSPECIFIED, "countries/JP"));
  ASSERT_TRUE(made.ok()) << made.status();
  for (const std::string& form : {made->html(), made->csv()}) {
    EXPECT_THAT(form, HasSubstr("JPYOK"));
    for (const char* kept : {"Kept port", "JPTYO", "internal title", "a private source", "ports/JPYOK"})
      EXPECT_THAT(form, Not(HasSubstr(kept)));
  }
  EXPECT_THAT(made->html(), HasSubstr("Released &lt;port&gt;"));
  EXPECT_THAT(made->html(), Not(HasSubstr("Released <port>")));
  EXPECT_EQ(report::Verify(made->html(), made->statement(), apac_.node().roster())->statement.reader, "JP");
}

TEST_F(ReportMethodsTest, WhoReceivedItIsLogged) {
  const auto made = Prepare(For(v1::REGION_HQ));
  ASSERT_TRUE(made.ok()) << made.status();
  v1::CreateDeliveryRequest deliver;
  deliver.set_parent(made->name());
  EXPECT_THAT(officer_.Call<v1::Delivery>("ReportService/CreateDelivery", deliver).status(), FailsWith("FIELD_REQUIRED", "delivery"));
  for (const char* recipient : {"CBP, Office of Field Operations", "the Commandant"}) {
    deliver.mutable_delivery()->set_recipient(recipient);
    const auto delivery = Must<v1::Delivery>(officer_, "ReportService/CreateDelivery", deliver);
    EXPECT_EQ(delivery.delivered_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
    EXPECT_THAT(delivery.audience(), ElementsAre("apac", "hq"));
    clock_.Advance(absl::Seconds(5));
  }
  deliver.mutable_delivery()->clear_recipient();
  EXPECT_THAT(officer_.Call<v1::Delivery>("ReportService/CreateDelivery", deliver).status(),
              FailsWith("FIELD_REQUIRED", "delivery.recipient"));
  v1::ListDeliveriesRequest list;
  list.set_parent(made->name());
  const auto log = Must<v1::ListDeliveriesResponse>(officer_, "ReportService/ListDeliveries", list);
  ASSERT_EQ(log.deliveries_size(), 2);
  EXPECT_EQ(log.deliveries(0).recipient(), "CBP, Office of Field Operations");
  EXPECT_EQ(log.deliveries(1).recipient(), "the Commandant");

  v1::WithdrawReportRequest withdraw;
  withdraw.set_name(made->name());
  withdraw.set_etag(made->etag());
  Must<v1::Report>(officer_, "ReportService/WithdrawReport", withdraw);
  deliver.mutable_delivery()->set_recipient("too late");
  EXPECT_THAT(officer_.Call<v1::Delivery>("ReportService/CreateDelivery", deliver).status(), FailsWith("RECORD_WITHDRAWN"));
}

TEST_F(ReportMethodsTest, BadRequestsAreRefusedByField) {
  EXPECT_THAT(Prepare(For(v1::REGION_UNSPECIFIED)).status(), FailsWith("FIELD_REQUIRED", "region"));
  EXPECT_THAT(Prepare(For(v1::REGION_APAC, "countries/JP")).status(), FailsWith("FIELD_REQUIRED", "region"));
  EXPECT_THAT(Prepare(For(v1::REGION_CSA)).status(), FailsWith("FIELD_INVALID", "region"));  // no such site in this roster
  EXPECT_THAT(Prepare(For(v1::REGION_UNSPECIFIED, "countries/ZZ")).status(), FailsWith("REFERENCE_NOT_FOUND", "nation"));
  v1::PrepareReportRequest request = For(v1::REGION_APAC);
  request.set_period("2028Q1");
  EXPECT_THAT(Prepare(request).status(), FailsWith("FIELD_INVALID", "period"));
  request.set_kind(v1::REPORT_KIND_UNSPECIFIED);
  EXPECT_THAT(Prepare(request).status(), FailsWith("FIELD_REQUIRED", "kind"));
  EXPECT_THAT(apac_.As("partner/JP/registry").Call<v1::Report>("ReportService/PrepareReport", For(v1::REGION_APAC)).status(),
              FailsWith("PERMISSION_DENIED"));
}

}  // namespace
}  // namespace fairlead::rpc
