#include "server/report/staff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fairlead/v1/assessment.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/node_testing.h"
#include "server/records/days.h"

namespace fairlead::report {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The clock begins on 2027-01-15.
class StaffReportTest : public ::testing::Test {
 protected:
  using Site = node::TestNetwork::Site;

  StaffReportTest() {
    PutCountry("JP", v1::REGION_APAC);
    PutCountry("KR", v1::REGION_APAC);
    PutCountry("FR", v1::REGION_EAME);
    PutCountry("US", v1::REGION_HQ);
  }

  void Put(const std::string& record, const google::protobuf::Message& next, const std::vector<std::string>& fields) {
    clock_.Advance(absl::Milliseconds(10));
    auto written = node::Write(*hq_.node, node::RequestFor(*hq_.node, record, next, fields, clock_.RequestId()));
    ASSERT_TRUE(written.ok()) << record << ": " << written.status();
  }
  void PutCountry(const std::string& code, v1::Region region) {
    v1::Country country;
    country.set_display_name(code);
    country.set_region(region);
    Put("countries/" + code, country, {"display_name", "region"});
  }
  v1::Engagement Visit(const std::string& title, const std::string& country, v1::Region region, absl::CivilDay day) {
    v1::Engagement engagement;
    engagement.set_title(title);
    engagement.add_countries("countries/" + country);
    engagement.set_region(region);
    engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
    engagement.set_state(v1::ENGAGEMENT_STATE_COMPLETED);
    *engagement.mutable_start_date() = records::DateOf(day);
    return engagement;
  }
  void PutVisit(const std::string& id, const v1::Engagement& engagement) {
    Put("engagements/" + id, engagement, {"title", "countries", "region", "kind", "state", "start_date", "audience", "marking"});
  }

  Content Of(v1::Region region, const std::string& period = "2026") {
    const auto of = PeriodOf(period.size() == 4 ? v1::REPORT_KIND_ANNUAL : v1::REPORT_KIND_QUARTERLY, period,
                             absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone()));
    EXPECT_TRUE(of.ok()) << of.status();
    const auto view = hq_.node->store().NewSnapshot();
    absl::StatusOr<Content> content = StaffReport(*hq_.node, *view, *of, region, absl::Seconds(60));
    EXPECT_TRUE(content.ok()) << content.status();
    return content.ok() ? *std::move(content) : Content();
  }
  static std::vector<std::vector<std::string>> Rows(const Content& content, const std::string& title) {
    for (const Table& table : content.document.tables) {
      if (table.title == title) return table.rows;
    }
    ADD_FAILURE() << "no table " << title;
    return {};
  }

  node::TestNetwork network_{{"apac", "eame", "hq"}};
  node::ManualClock& clock_ = network_.clock();
  Site hq_ = network_.Open("hq");
};

using Row = std::vector<std::string>;

TEST_F(StaffReportTest, CountsTheEngagementsOfThePeriodAndTheStandingsOfItsLastDay) {
  PutVisit("1", Visit("spring", "JP", v1::REGION_APAC, absl::CivilDay(2026, 3, 10)));
  PutVisit("2", Visit("of the year before", "KR", v1::REGION_APAC, absl::CivilDay(2023, 6, 1)));
  PutVisit("3", Visit("after it", "FR", v1::REGION_EAME, absl::CivilDay(2027, 1, 10)));
  const Content year = Of(v1::REGION_HQ);
  EXPECT_THAT(Rows(year, "Engagements of the period"), ElementsAre(Row{"2026-03-10", "", "country visit", "completed", "JP", "spring"}));
  EXPECT_THAT(Rows(year, "Engagements by kind and state"), ElementsAre(Row{"country visit", "completed", "1"}));
  EXPECT_THAT(Rows(year, "Engagements by month"), Contains(Row{"2026-03", "1"}));
  // On the last day of 2026 France had not been engaged; Korea was due half a year before.
  EXPECT_THAT(Rows(year, "Coverage"), ElementsAre(Row{"APAC", "2", "1", "0", "1", "0"}, Row{"EAME", "1", "0", "0", "0", "1"}));
  EXPECT_THAT(Rows(year, "Countries due, overdue and never engaged"),
              ElementsAre(Row{"FR", "EAME", "never", "", ""}, Row{"KR", "APAC", "overdue", "2023-06-01", "2026-06-01"}));
  const Content quarter = Of(v1::REGION_HQ, "2027Q1");
  EXPECT_THAT(Rows(quarter, "Coverage"), Contains(Row{"EAME", "1", "1", "0", "0", "0"}));
}

TEST_F(StaffReportTest, ARegionsIsAboutTheRegion) {
  PutVisit("1", Visit("to Japan", "JP", v1::REGION_APAC, absl::CivilDay(2026, 3, 10)));
  PutVisit("2", Visit("to France", "FR", v1::REGION_EAME, absl::CivilDay(2026, 4, 10)));
  const std::string html = ToHtml(Of(v1::REGION_EAME).document);
  EXPECT_THAT(html, HasSubstr("to France"));
  EXPECT_THAT(html, Not(HasSubstr("to Japan")));
}

TEST_F(StaffReportTest, WhatTheReadersSiteDoesNotHoldIsNotCounted) {
  v1::Engagement kept = Visit("kept at headquarters", "JP", v1::REGION_APAC, absl::CivilDay(2026, 3, 10));
  kept.add_audience("hq");
  kept.set_marking(v1::MARKING_SENSITIVE);
  PutVisit("1", kept);
  PutVisit("2", Visit("shared", "JP", v1::REGION_APAC, absl::CivilDay(2023, 2, 1)));
  const Content region = Of(v1::REGION_APAC);
  EXPECT_THAT(ToHtml(region.document), Not(HasSubstr("kept at headquarters")));
  EXPECT_THAT(Rows(region, "Engagements of the period"), IsEmpty());
  // Nor does it show through a standing: what the region knows of was three years before.
  EXPECT_THAT(Rows(region, "Countries due, overdue and never engaged"), Contains(Row{"JP", "APAC", "overdue", "2023-02-01", "2026-02-01"}));
  EXPECT_EQ(region.marking, v1::MARKING_OFFICIAL);
  const Content hq = Of(v1::REGION_HQ);
  EXPECT_THAT(ToHtml(hq.document), HasSubstr("kept at headquarters"));
  EXPECT_EQ(hq.marking, v1::MARKING_SENSITIVE);
  EXPECT_THAT(hq.document.banner, HasSubstr("49 CFR part 1520"));
}

TEST_F(StaffReportTest, AlternativeBasesAndOverdueAssessmentsAreListed) {
  v1::Assessment assessment;
  assessment.set_country("countries/JP");
  assessment.set_state(v1::ASSESSMENT_STATE_DETERMINED);
  assessment.set_basis(v1::ASSESSMENT_BASIS_ALTERNATIVE);
  assessment.set_alternative_evidence("another government's assessment");
  *assessment.mutable_determination_date() = records::DateOf(absl::CivilDay(2023, 5, 1));
  *assessment.mutable_due_date() = records::DateOf(absl::CivilDay(2026, 5, 1));
  Put("assessments/1", assessment, {"country", "state", "basis", "alternative_evidence", "determination_date", "due_date"});
  const Content content = Of(v1::REGION_HQ);
  EXPECT_THAT(Rows(content, "Assessments on an alternative basis"),
              ElementsAre(Row{"JP", "2023-05-01", "2026-05-01", "another government's assessment"}));
  EXPECT_THAT(Rows(content, "Assessments due and overdue"), ElementsAre(Row{"JP", "overdue", "2023-05-01", "2026-05-01", "-244"}));
  EXPECT_THAT(Rows(content, "Assessment cycle"), ElementsAre(Row{"overdue", "1"}, Row{"never", "2"}));
}

TEST_F(StaffReportTest, FollowUpsOverdueAreThoseOutstanding) {
  PutVisit("1", Visit("a visit", "JP", v1::REGION_APAC, absl::CivilDay(2026, 3, 10)));
  for (const auto& [id, month, state] : {std::tuple("1", 5, v1::FOLLOW_UP_STATE_OPEN), std::tuple("2", 5, v1::FOLLOW_UP_STATE_VERIFIED),
                                         std::tuple("3", 12, v1::FOLLOW_UP_STATE_OPEN)}) {
    v1::FollowUp follow_up;
    follow_up.set_task(std::string("task ") + id);
    follow_up.set_owner("liaisonOfficers/watch");
    follow_up.set_state(state);
    *follow_up.mutable_due_date() = records::DateOf(absl::CivilDay(2026, month, 31));
    Put(std::string("engagements/1/followUps/") + id, follow_up, {"task", "owner", "state", "due_date"});
  }
  EXPECT_THAT(Rows(Of(v1::REGION_HQ), "Follow-ups"), ElementsAre(Row{"2", "1"}));  // due on the last day is not overdue on it
  EXPECT_THAT(Rows(Of(v1::REGION_HQ), "Follow-ups overdue"), ElementsAre(Row{"2026-05-31", "watch", "task 1", "JP"}));
}

TEST_F(StaffReportTest, EverySiteIsNamedWithItsTimeAndOneStateGivesOneText) {
  PutVisit("1", Visit("<b>bold</b>", "JP", v1::REGION_APAC, absl::CivilDay(2026, 3, 10)));
  const Content first = Of(v1::REGION_HQ);
  EXPECT_THAT(Rows(first, "Sites"), ElementsAre(Row{"apac", "never", "unreachable"}, Row{"eame", "never", "unreachable"},
                                                Row{"hq", "2027-01-15T08:00:00Z", "current"}));
  EXPECT_EQ(ToHtml(first.document), ToHtml(Of(v1::REGION_HQ).document));
  EXPECT_EQ(ToCsv(first.document), ToCsv(Of(v1::REGION_HQ).document));
  EXPECT_THAT(ToHtml(first.document), HasSubstr("&lt;b&gt;bold&lt;/b&gt;"));
}

TEST_F(StaffReportTest, ARegionWithoutASiteIsRefused) {
  EXPECT_EQ(*SiteOfRegion(network_.roster(), v1::REGION_HQ), "hq");
  EXPECT_EQ(*SiteOfRegion(network_.roster(), v1::REGION_APAC), "apac");
  EXPECT_EQ(SiteOfRegion(network_.roster(), v1::REGION_CSA).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fairlead::report
