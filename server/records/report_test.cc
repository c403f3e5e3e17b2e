// Reports, deliveries, and what engagements, follow-ups, inquiries and training add to the figures of the overview.

#include <gmock/gmock.h>

#include <map>

#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/report.pb.h"
#include "fairlead/v1/training.pb.h"
#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using v1::Delivery;
using v1::Report;

Report ForHeadquarters() {
  Report report;
  report.set_name("reports/one");
  report.set_kind(v1::REPORT_KIND_ANNUAL);
  report.set_period("2025");
  report.set_region(v1::REGION_HQ);
  report.set_html("<p>\n");
  report.set_csv("a,b\n");
  report.set_statement("signed");
  return report;
}

TEST(ReportTypeTest, AReportNeverChanges) {
  ExpectRefused<Report>(ReportType(), ForHeadquarters(),
                        {{"no kind", [](Report* r) { r->clear_kind(); }, "kind", Reason::kFieldRequired},
                         {"no period", [](Report* r) { r->clear_period(); }, "period", Reason::kFieldRequired},
                         {"for nobody", [](Report* r) { r->clear_region(); }, "region", Reason::kFieldRequired},
                         {"for two", [](Report* r) { r->set_nation("countries/JP"); }, "region", Reason::kFieldRequired},
                         {"no statement", [](Report* r) { r->clear_statement(); }, "statement", Reason::kFieldRequired},
                         {"another page", [](Report* r) { r->set_html("<b>\n"); }, "html", Reason::kFieldImmutable},
                         {"another table", [](Report* r) { r->set_csv("b,a\n"); }, "html", Reason::kFieldImmutable},
                         {"a long page", [](Report* r) { r->set_html(std::string(600'001, 'x')); }, "html", Reason::kFieldTooLarge},
                         {"a long table", [](Report* r) { r->set_csv(std::string(300'001, 'x')); }, "csv", Reason::kFieldTooLarge}});
  ExpectAccepted<Report>(ReportType(), ForHeadquarters(), {{"withdrawn", [](Report* r) { r->set_withdrawn(true); }}});
}

// The small world with a report of two sites and one that was withdrawn.
class ReportWorld : public World {
 public:
  std::unique_ptr<google::protobuf::Message> Find(std::string_view name) const override {
    if (name != "reports/one" && name != "reports/withdrawn") return World::Find(name);
    auto report = std::make_unique<Report>(ForHeadquarters());
    report->add_audience("apac");
    report->add_audience("hq");
    report->set_withdrawn(name == "reports/withdrawn");
    return report;
  }
};

TEST(DeliveryTypeTest, IsOfAReportThatStands) {
  const RecordType type = DeliveryType();
  const ReportWorld world;
  Delivery delivery;
  delivery.set_name("reports/one/deliveries/1");
  EXPECT_EQ(FieldOf(type.validate(delivery, nullptr, world)), "recipient");
  delivery.set_recipient("CBP");
  EXPECT_EQ(type.validate(delivery, nullptr, world), absl::OkStatus());
  delivery.set_name("reports/none/deliveries/1");
  EXPECT_EQ(ReasonOf(type.validate(delivery, nullptr, world)), "REFERENCE_NOT_FOUND");
  delivery.set_name("reports/withdrawn/deliveries/1");
  EXPECT_EQ(ReasonOf(type.validate(delivery, nullptr, world)), "STATE_FORBIDS");
}

TEST(DeliveryTypeTest, IsHeldWhereTheReportIsFromTheTimeItWasMade) {
  const RecordType type = DeliveryType();
  Delivery delivery;
  delivery.set_name("reports/one/deliveries/1");
  type.complete(&delivery, nullptr, ReportWorld(), absl::FromUnixSeconds(1'800'000'000));
  EXPECT_EQ(delivery.delivered_time().seconds(), 1'800'000'000);
  EXPECT_THAT(delivery.audience(), ElementsAre("apac", "hq"));
  EXPECT_THAT(ValuesOf(type, "parent", delivery), ElementsAre("reports/one"));
  EXPECT_EQ(SortOf(type, "parent", delivery), "2027-01-15T08:00:00");
}

// --- What the overview is made of ---

std::map<std::string, int64_t> FiguresOf(const RecordType& type, const google::protobuf::Message& record) {
  std::map<std::string, int64_t> figures;
  for (const Contribution& c : type.contribute(record)) figures[c.key] += c.amount;
  return figures;
}

v1::Engagement Visit(v1::EngagementState state) {
  v1::Engagement engagement;
  engagement.add_countries("countries/JP");
  engagement.set_region(v1::REGION_APAC);
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_state(state);
  SetDate(engagement.mutable_start_date(), 2026, 5, 30);
  SetDate(engagement.mutable_end_date(), 2026, 6, 2);
  return engagement;
}

TEST(OverviewFiguresTest, AnEngagementCountsInEachOfItsMonthsUnlessItWasCalledOff) {
  const RecordType type = EngagementType();
  const auto figures = FiguresOf(type, Visit(v1::ENGAGEMENT_STATE_COMPLETED));
  const std::string kind = std::to_string(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  EXPECT_EQ(figures.count("engagement_month/2026-05/1/" + kind), 1u);
  EXPECT_EQ(figures.count("engagement_month/2026-06/1/" + kind), 1u);
  EXPECT_EQ(FiguresOf(type, Visit(v1::ENGAGEMENT_STATE_CANCELLED)).size(), 1u);
  EXPECT_THAT(ValuesOf(type, "active", Visit(v1::ENGAGEMENT_STATE_DRAFT)), ElementsAre("1"));
  EXPECT_THAT(ValuesOf(type, "active", Visit(v1::ENGAGEMENT_STATE_REFUSED)), IsEmpty());
}

TEST(OverviewFiguresTest, AnEngagementWasHeldOnItsLastDay) {
  const RecordType type = EngagementType();
  v1::Engagement engagement = Visit(v1::ENGAGEMENT_STATE_COMPLETED);
  EXPECT_THAT(ValuesOf(type, "held", engagement), ElementsAre("countries/JP"));
  EXPECT_EQ(SortOf(type, "held", engagement), "2026-06-02");
  engagement.clear_end_date();
  engagement.mutable_start_date()->set_day(0);
  EXPECT_EQ(SortOf(type, "held", engagement), "2026-05-31");  // of a month, the last day it may have taken
  engagement.set_withdrawn(true);
  EXPECT_THAT(ValuesOf(type, "held", engagement), IsEmpty());
  EXPECT_THAT(ValuesOf(type, "held", Visit(v1::ENGAGEMENT_STATE_SCHEDULED)), IsEmpty());
}

TEST(OverviewFiguresTest, FollowUpsOfObservationsCountApart) {
  v1::FollowUp follow_up;
  follow_up.set_state(v1::FOLLOW_UP_STATE_OPEN);
  SetDate(follow_up.mutable_due_date(), 2026, 5, 1);
  EXPECT_THAT(FiguresOf(FollowUpType(), follow_up), UnorderedElementsAre(Pair("follow_up_due/2026-05-01", 1)));
  follow_up.set_observation("engagements/first/observations/one");
  EXPECT_THAT(FiguresOf(FollowUpType(), follow_up),
              UnorderedElementsAre(Pair("follow_up_due/2026-05-01", 1), Pair("remedy_due/2026-05-01", 1)));
  EXPECT_THAT(ValuesOf(FollowUpType(), "of_observation", follow_up), ElementsAre("1"));
  follow_up.set_state(v1::FOLLOW_UP_STATE_VERIFIED);
  EXPECT_THAT(FiguresOf(FollowUpType(), follow_up), IsEmpty());
  EXPECT_THAT(ValuesOf(FollowUpType(), "of_observation", follow_up), IsEmpty());
}

TEST(OverviewFiguresTest, InquiriesCountInTheMonthInWhichTheyCame) {
  v1::Inquiry inquiry;
  inquiry.set_region(v1::REGION_CSA);
  inquiry.set_state(v1::INQUIRY_STATE_ANSWERED);
  inquiry.mutable_received_time()->set_seconds(1'800'000'000);
  inquiry.mutable_answered_time()->set_seconds(1'800'003'600);
  EXPECT_THAT(FiguresOf(InquiryType(), inquiry),
              UnorderedElementsAre(Pair("inquiry/2027-01/3/3", 1), Pair("inquiry_seconds/2027-01/3/3", 3600)));
  EXPECT_THAT(ValuesOf(InquiryType(), "month", inquiry), ElementsAre("2027-01"));
  EXPECT_THAT(ValuesOf(InquiryType(), "unrouted", inquiry), IsEmpty());
  inquiry.clear_region();
  inquiry.set_state(v1::INQUIRY_STATE_REOPENED);
  EXPECT_THAT(FiguresOf(InquiryType(), inquiry), UnorderedElementsAre(Pair("inquiry/2027-01/0/4", 1)));
  EXPECT_THAT(ValuesOf(InquiryType(), "unrouted", inquiry), ElementsAre("1"));
}

TEST(OverviewFiguresTest, TrainingCountsThoseWhoCame) {
  v1::TrainingSession session;
  session.set_state(v1::TRAINING_SESSION_STATE_HELD);
  for (const auto& [attended, completed] : {std::pair(18u, 17u), std::pair(2u, 0u)}) {
    v1::Attendance* of = session.add_attendance();
    of->set_attended(attended);
    of->set_completed(completed);
  }
  EXPECT_THAT(FiguresOf(TrainingSessionType(), session),
              UnorderedElementsAre(Pair("training_session/2", 1), Pair("training_attended/2", 20), Pair("training_completed/2", 17)));
  v1::TrainingRequest request;
  request.set_state(v1::TRAINING_REQUEST_STATE_APPROVED);
  EXPECT_THAT(FiguresOf(TrainingRequestType(), request),
              UnorderedElementsAre(Pair("training_request/" + std::to_string(v1::TRAINING_REQUEST_STATE_APPROVED), 1)));
}

}  // namespace
}  // namespace fairlead::records
