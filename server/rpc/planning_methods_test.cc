#include "server/rpc/planning_methods.h"

#include <fmt/format.h>

#include "fairlead/v1/training_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"
#include "server/records/dates.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using google::type::Date;
using records::DateText;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Date Day(int year, int month, int day) {
  Date date;
  date.set_year(year);
  date.set_month(month);
  date.set_day(day);
  return date;
}

class PlanningMethodsTest : public SiteTest {
 protected:
  PlanningMethodsTest() {
    MakeCountry("JP", "Japan");
    MakeCountry("KR", "Korea");
    MakeCountry(officer_, "DJ", "Djibouti", v1::REGION_EAME);
    MakeCountry(officer_, "US", "United States", v1::REGION_HQ);
    MakeOfficer("far-east", v1::REGION_APAC);
    MakeOfficer("north", v1::REGION_APAC);
    MakeOfficer("specialist", v1::REGION_HQ);
  }

  template <class Record, class Request>
  Record Must(const std::string& method, const Request& request) {
    const auto record = officer_.Call<Record>(method, request);
    EXPECT_TRUE(record.ok()) << method << ": " << record.status();
    return record.value_or(Record());
  }
  // Calls a lifecycle method of a record that was read.
  template <class Record, class Request>
  absl::StatusOr<Record> Try(const std::string& method, const Record& record, Request request = {}) {
    request.set_name(record.name());
    request.set_etag(record.etag());
    return officer_.Call<Record>(method, request);
  }
  template <class Record, class Request>
  Record Moved(const std::string& method, const Record& record, Request request = {}) {
    const auto moved = Try(method, record, std::move(request));
    EXPECT_TRUE(moved.ok()) << method << ": " << moved.status();
    return moved.value_or(record);
  }

  void MakeOfficer(const std::string& id, v1::Region region) {
    v1::CreateLiaisonOfficerRequest request;
    request.set_liaison_officer_id(id);
    request.mutable_liaison_officer()->set_display_name("IPSLO " + id);
    request.mutable_liaison_officer()->set_region(region);
    Must<v1::LiaisonOfficer>("ReferenceService/CreateLiaisonOfficer", request);
  }
  // A scheduled country visit; a draft with `schedule` false.
  v1::Engagement Visit(const std::string& title, const Date& start, const Date& end, const std::vector<std::string>& officers,
                       const std::string& country = "JP", bool schedule = true) {
    v1::CreateEngagementRequest request;
    v1::Engagement* engagement = request.mutable_engagement();
    engagement->set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
    engagement->set_title(title);
    engagement->add_countries("countries/" + country);
    engagement->set_region(v1::REGION_APAC);
    *engagement->mutable_start_date() = start;
    *engagement->mutable_end_date() = end;
    for (const std::string& officer : officers) engagement->add_participants()->set_officer("liaisonOfficers/" + officer);
    v1::Engagement created = Must<v1::Engagement>("EngagementService/CreateEngagement", request);
    if (!schedule) return created;
    v1::ScheduleEngagementRequest when;
    *when.mutable_start_date() = start;
    *when.mutable_end_date() = end;
    return Moved<v1::Engagement>("EngagementService/ScheduleEngagement", created, when);
  }
  v1::FollowUp Task(const v1::Engagement& engagement, const std::string& task, const Date& due, const std::string& owner = "far-east") {
    v1::CreateFollowUpRequest request;
    request.set_parent(engagement.name());
    request.mutable_follow_up()->set_task(task);
    request.mutable_follow_up()->set_owner("liaisonOfficers/" + owner);
    *request.mutable_follow_up()->mutable_due_date() = due;
    return Must<v1::FollowUp>("EngagementService/CreateFollowUp", request);
  }
  v1::ListCalendarEntriesRequest Calendar(const Date& start, const Date& end) {
    v1::ListCalendarEntriesRequest request;
    *request.mutable_start_date() = start;
    *request.mutable_end_date() = end;
    return request;
  }
  std::vector<std::string> Titles(const v1::ListCalendarEntriesRequest& request) {
    std::vector<std::string> titles;
    const auto response = Must<v1::ListCalendarEntriesResponse>("EngagementService/ListCalendarEntries", request);
    for (const auto& entry : response.entries()) {
      titles.push_back(entry.title());
    }
    return titles;
  }
};

TEST_F(PlanningMethodsTest, TheCalendarShowsWhatTouchesItsDaysInOrder) {
  Visit("across", Day(2026, 4, 28), Day(2026, 5, 2), {"far-east"});
  Visit("inside", Day(2026, 5, 11), Day(2026, 5, 15), {"north"}, "KR");
  Visit("some day in May", Day(2026, 5, 0), Day(2026, 5, 0), {"far-east"}, "JP", /*schedule=*/false);
  Visit("long", Day(2025, 12, 1), Day(2026, 12, 1), {});
  Visit("before", Day(2026, 4, 1), Day(2026, 4, 30), {"far-east"});
  Visit("after", Day(2026, 6, 1), Day(2026, 6, 2), {"far-east"});
  v1::CancelEngagementRequest cancel;
  cancel.set_reason("Weather.");
  Moved<v1::Engagement>("EngagementService/CancelEngagement", Visit("cancelled", Day(2026, 5, 3), Day(2026, 5, 4), {}), cancel);

  v1::ListCalendarEntriesRequest may = Calendar(Day(2026, 5, 1), Day(2026, 5, 31));
  EXPECT_THAT(Titles(may), ElementsAre("long", "across", "some day in May", "inside"));
  EXPECT_THAT(Titles(Calendar(Day(2026, 5, 3), Day(2026, 5, 10))), ElementsAre("long", "some day in May"));
  may.set_officer("liaisonOfficers/far-east");
  EXPECT_THAT(Titles(may), ElementsAre("across", "some day in May"));
  may.clear_officer();
  may.set_country("countries/KR");
  EXPECT_THAT(Titles(may), ElementsAre("inside"));
  may.set_region(v1::REGION_EAME);
  EXPECT_THAT(Titles(may), IsEmpty());

  // Page by page, while more is written.
  v1::ListCalendarEntriesRequest paged = Calendar(Day(2026, 5, 1), Day(2026, 5, 31));
  paged.set_page_size(2);
  const auto first = Must<v1::ListCalendarEntriesResponse>("EngagementService/ListCalendarEntries", paged);
  ASSERT_EQ(first.entries_size(), 2);
  EXPECT_EQ(first.entries(1).title(), "across");
  EXPECT_EQ(first.entries(1).state(), "SCHEDULED");
  Visit("earlier", Day(2026, 4, 27), Day(2026, 5, 20), {});
  paged.set_page_token(first.next_page_token());
  EXPECT_THAT(Titles(paged), ElementsAre("some day in May", "inside"));
  paged.set_country("countries/JP");
  EXPECT_THAT(officer_.Call<v1::ListCalendarEntriesResponse>("EngagementService/ListCalendarEntries", paged),
              FailsWith("PAGE_TOKEN_INVALID", "page_token"));

  const auto refused = [this](const v1::ListCalendarEntriesRequest& request) {
    return officer_.Call<v1::ListCalendarEntriesResponse>("EngagementService/ListCalendarEntries", request);
  };
  EXPECT_THAT(refused({}), FailsWith("FIELD_REQUIRED", "start_date"));
  EXPECT_THAT(refused(Calendar(Day(2026, 5, 0), Day(2026, 5, 31))), FailsWith("FIELD_INVALID", "start_date"));
  EXPECT_THAT(refused(Calendar(Day(2026, 5, 2), Day(2026, 5, 1))), FailsWith("FIELD_INVALID", "end_date"));
  EXPECT_THAT(refused(Calendar(Day(2026, 5, 1), Day(2027, 5, 3))), FailsWith("FIELD_INVALID", "end_date"));
  EXPECT_THAT(Titles(Calendar(Day(2026, 5, 1), Day(2027, 5, 2))),
              ElementsAre("long", "earlier", "across", "some day in May", "inside", "after"));

  // The filters of the ordinary list, over the same index.
  v1::ListEngagementsRequest list;
  list.set_month("2026-06");
  const auto june = Must<v1::ListEngagementsResponse>("EngagementService/ListEngagements", list);
  ASSERT_EQ(june.engagements_size(), 2);
  EXPECT_EQ(june.engagements(0).title(), "long");
  list.set_officer("liaisonOfficers/far-east");
  EXPECT_EQ(Must<v1::ListEngagementsResponse>("EngagementService/ListEngagements", list).engagements_size(), 1);
}

TEST_F(PlanningMethodsTest, AStateOfALaterReleaseIsShownByItsNumber) {
  const v1::Engagement visit = Visit("later", Day(2026, 5, 11), Day(2026, 5, 15), {"far-east"});
  v1::Engagement next = visit;
  next.set_state(v1::ENGAGEMENT_STATE_COMPLETED);
  node::WriteRequest request = node::RequestFor(apac_.node(), visit.name(), next, {"state"}, clock_.RequestId());
  ASSERT_EQ(request.mutations[0].ops.size(), 1u);
  request.mutations[0].ops[0].value = std::string(2, 99);  // rank and state
  absl::Notification written;
  apac_.node().Write(request, [&written](const absl::StatusOr<node::WriteResult>& result) {
    EXPECT_TRUE(result.ok()) << result.status();
    written.Notify();
  });
  ASSERT_TRUE(written.WaitForNotificationWithTimeout(kPatience));
  const auto may =
      Must<v1::ListCalendarEntriesResponse>("EngagementService/ListCalendarEntries", Calendar(Day(2026, 5, 1), Day(2026, 5, 31)));
  ASSERT_EQ(may.entries_size(), 1);
  EXPECT_EQ(may.entries(0).title(), "later");
  EXPECT_EQ(may.entries(0).state(), "99");
}

TEST_F(PlanningMethodsTest, AnOfficerExpectedAtTwoPlacesIsAClash) {
  const v1::Engagement japan = Visit("Japan", Day(2026, 5, 4), Day(2026, 5, 8), {"far-east", "specialist"});
  const v1::Engagement korea = Visit("Korea", Day(2026, 5, 8), Day(2026, 5, 12), {"far-east"}, "KR");
  Visit("after", Day(2026, 5, 13), Day(2026, 5, 14), {"far-east"});
  Visit("draft", Day(2026, 5, 5), Day(2026, 5, 6), {"far-east"}, "JP", /*schedule=*/false);
  Visit("of another", Day(2026, 5, 5), Day(2026, 5, 6), {"north"});
  v1::CreateTrainingOfferingRequest offering;
  offering.set_training_offering_id("drills");
  offering.mutable_training_offering()->set_display_name("Drills and exercises");
  offering.mutable_training_offering()->set_program(v1::TRAINING_PROGRAM_PORT_SECURITY);
  Must<v1::TrainingOffering>("TrainingService/CreateTrainingOffering", offering);
  const auto teach = [&](const Date& start, const std::string& engagement) {
    v1::CreateTrainingSessionRequest request;
    v1::TrainingSession* session = request.mutable_training_session();
    session->set_offering("trainingOfferings/drills");
    session->add_countries("countries/JP");
    session->set_region(v1::REGION_APAC);
    *session->mutable_start_date() = start;
    session->set_place("Kobe");
    session->add_instructors("liaisonOfficers/specialist");
    session->set_engagement(engagement);
    return Must<v1::TrainingSession>("TrainingService/CreateTrainingSession", request);
  };
  teach(Day(2026, 5, 5), japan.name());  // what it is part of is no second place
  teach(Day(2026, 5, 0), "");

  v1::ListClashesRequest request;
  *request.mutable_start_date() = Day(2026, 5, 1);
  *request.mutable_end_date() = Day(2026, 5, 31);
  const auto all = Must<v1::ListClashesResponse>("EngagementService/ListClashes", request);
  std::vector<std::string> found;
  for (const v1::Clash& clash : all.clashes()) {
    found.push_back(fmt::format("{} {} {}: {} / {}{}", clash.officer(), DateText(clash.start_date()), DateText(clash.end_date()),
                                clash.first_title(), clash.second_title(), clash.uncertain() ? " ?" : ""));
  }
  EXPECT_THAT(found,
              ElementsAre("liaisonOfficers/specialist 2026-05-04 2026-05-08: Drills and exercises, Kobe / Japan ?",
                          "liaisonOfficers/specialist 2026-05-05 2026-05-05: Drills and exercises, Kobe / Drills and exercises, Kobe ?",
                          "liaisonOfficers/far-east 2026-05-08 2026-05-08: Japan / Korea"));
  EXPECT_FALSE(all.truncated());
  request.set_officer("liaisonOfficers/far-east");
  const auto one = Must<v1::ListClashesResponse>("EngagementService/ListClashes", request);
  ASSERT_EQ(one.clashes_size(), 1);
  EXPECT_EQ(one.clashes(0).first(), japan.name());
  EXPECT_EQ(one.clashes(0).second(), korea.name());
  // The days that they share count, not the days of either.
  *request.mutable_end_date() = Day(2026, 5, 7);
  EXPECT_EQ(Must<v1::ListClashesResponse>("EngagementService/ListClashes", request).clashes_size(), 0);
}

TEST_F(PlanningMethodsTest, AFollowUpIsOverdueUntilItIsVerified) {
  const v1::Engagement japan = Visit("Japan", Day(2024, 5, 4), Day(2024, 5, 8), {});
  const v1::Engagement korea = Visit("Korea", Day(2024, 6, 4), Day(2024, 6, 8), {}, "KR");
  Task(japan, "late", Day(2024, 7, 31));
  const v1::FollowUp done = Task(korea, "done but not verified", Day(2024, 6, 30), "north");
  const v1::FollowUp verified = Task(japan, "verified", Day(2024, 6, 1));
  Task(japan, "due that day", Day(2024, 8, 1));
  Moved<v1::FollowUp>("EngagementService/CompleteFollowUp", done, v1::CompleteFollowUpRequest());
  v1::VerifyFollowUpRequest verify;
  verify.set_verification("Seen on site.");
  EXPECT_THAT(Try("EngagementService/VerifyFollowUp", verified, verify), FailsWith("STATE_FORBIDS"));  // not before it is said to be done
  Moved("EngagementService/VerifyFollowUp",
        Moved<v1::FollowUp>("EngagementService/CompleteFollowUp", verified, v1::CompleteFollowUpRequest()), verify);

  v1::ListOverdueFollowUpsRequest request;
  *request.mutable_as_of() = Day(2024, 8, 1);
  const auto rows = [this](const v1::ListOverdueFollowUpsRequest& asked) {
    std::vector<std::string> out;
    const auto response = Must<v1::ListOverdueFollowUpsResponse>("EngagementService/ListOverdueFollowUps", asked);
    for (const auto& row : response.follow_ups()) {
      out.push_back(fmt::format("{} {} {}", row.task(), row.days_overdue(), row.countries(0)));
    }
    return out;
  };
  EXPECT_THAT(rows(request), ElementsAre("done but not verified 32 countries/KR", "late 1 countries/JP"));
  request.set_owner("liaisonOfficers/north");
  EXPECT_THAT(rows(request), ElementsAre("done but not verified 32 countries/KR"));
  request.clear_owner();
  request.set_country("countries/JP");
  EXPECT_THAT(rows(request), ElementsAre("late 1 countries/JP"));
  request.clear_country();
  request.set_region(v1::REGION_EAME);
  EXPECT_THAT(rows(request), IsEmpty());
  request.clear_region();
  *request.mutable_as_of() = Day(2024, 8, 2);
  request.set_page_size(2);
  const auto first = Must<v1::ListOverdueFollowUpsResponse>("EngagementService/ListOverdueFollowUps", request);
  EXPECT_EQ(first.follow_ups_size(), 2);
  request.set_page_token(first.next_page_token());
  EXPECT_THAT(rows(request), ElementsAre("due that day 1 countries/JP"));
  request.clear_page_token();
  request.mutable_as_of()->set_day(0);
  EXPECT_THAT(officer_.Call<v1::ListOverdueFollowUpsResponse>("EngagementService/ListOverdueFollowUps", request),
              FailsWith("FIELD_INVALID", "as_of"));

  v1::ListFollowUpsRequest outstanding;
  outstanding.set_parent("engagements/-");
  outstanding.set_outstanding(true);
  const auto listed = Must<v1::ListFollowUpsResponse>("EngagementService/ListFollowUps", outstanding);
  ASSERT_EQ(listed.follow_ups_size(), 3);
  EXPECT_EQ(listed.follow_ups(0).task(), "done but not verified");
  EXPECT_EQ(listed.follow_ups(2).task(), "due that day");
}

// Djibouti's timeline, as published in the Federal Register (84 FR 22153): found 2016-08-18; the visits are the test's own.
TEST_F(PlanningMethodsTest, ACountryIsInTheStageThatItsDatesSay) {
  v1::CreateVisitCycleRequest create;
  create.mutable_visit_cycle()->set_country("countries/DJ");
  create.mutable_visit_cycle()->set_officer("liaisonOfficers/north");
  *create.mutable_visit_cycle()->mutable_preliminary_date() = Day(2016, 0, 0);
  v1::VisitCycle cycle = Must<v1::VisitCycle>("VisitService/CreateVisitCycle", create);
  v1::OfferReciprocalRequest offer;
  *offer.mutable_reciprocal_offered_date() = Day(2016, 9, 1);
  const auto skipped = Try("VisitService/OfferReciprocal", cycle, offer);
  EXPECT_THAT(skipped, FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(std::string(skipped.status().message()), HasSubstr("VISIT_PHASE_PRELIMINARY_EXCHANGE"));
  v1::BeginVisitRequest begin;
  EXPECT_THAT(Try("VisitService/BeginVisit", cycle, begin), FailsWith("FIELD_REQUIRED", "in_country_date"));
  *begin.mutable_in_country_date() = Day(2016, 8, 15);
  cycle = Moved("VisitService/BeginVisit", cycle, begin);
  cycle = Moved("VisitService/OfferReciprocal", cycle, offer);

  const auto stages = [this](const Date& as_of, v1::ListVisitStagesRequest request = {}) {
    *request.mutable_as_of() = as_of;
    std::vector<std::string> out;
    const auto response = Must<v1::ListVisitStagesResponse>("VisitService/ListVisitStages", request);
    for (const auto& stage : response.stages()) {
      out.push_back(fmt::format("{} {} {} {}", stage.country(), static_cast<int>(stage.phase()), DateText(stage.since()), stage.days()));
    }
    return out;
  };
  EXPECT_THAT(stages(Day(2015, 12, 31)), IsEmpty());
  EXPECT_THAT(stages(Day(2016, 8, 14)), ElementsAre("countries/DJ 1 2016-00-00 226"));
  EXPECT_THAT(stages(Day(2016, 8, 18)), ElementsAre("countries/DJ 2 2016-08-15 3"));
  EXPECT_THAT(stages(Day(2017, 1, 1)), ElementsAre("countries/DJ 3 2016-09-01 122"));

  // A second round: the newest one that had begun counts.
  v1::EndVisitCycleRequest end;
  *end.mutable_ended_date() = Day(2018, 3, 1);
  EXPECT_THAT(Try("VisitService/EndVisitCycle", cycle, end), FailsWith("FIELD_REQUIRED", "reason"));
  end.set_reason("Measures were not found effective.");
  Moved("VisitService/EndVisitCycle", cycle, end);
  *create.mutable_visit_cycle()->mutable_preliminary_date() = Day(2024, 5, 1);
  Must<v1::VisitCycle>("VisitService/CreateVisitCycle", create);
  EXPECT_THAT(stages(Day(2018, 3, 1)), ElementsAre("countries/DJ 5 2018-03-01 0"));
  EXPECT_THAT(stages(Day(2024, 5, 1)), ElementsAre("countries/DJ 1 2024-05-01 0"));
  v1::ListVisitStagesRequest filtered;
  filtered.set_show_never(true);
  EXPECT_THAT(stages(Day(2017, 1, 1), filtered),
              ElementsAre("countries/DJ 3 2016-09-01 122", "countries/JP 0 0000-00-00 0", "countries/KR 0 0000-00-00 0"));
  filtered.set_region(v1::REGION_APAC);
  EXPECT_EQ(stages(Day(2017, 1, 1), filtered).size(), 2u);
  filtered.Clear();
  filtered.set_phase(v1::VISIT_PHASE_DIALOGUE);
  EXPECT_THAT(stages(Day(2017, 1, 1), filtered), IsEmpty());
}

TEST_F(PlanningMethodsTest, ACountryIsHandedOverInOneWrite) {
  v1::CreateAssignmentRequest create;
  create.mutable_assignment()->set_officer("liaisonOfficers/far-east");
  create.mutable_assignment()->set_country("countries/JP");
  create.mutable_assignment()->set_duty(v1::ASSIGNMENT_DUTY_PRIMARY);
  create.mutable_assignment()->set_marking(v1::MARKING_SENSITIVE);
  *create.mutable_assignment()->mutable_start_date() = Day(2022, 7, 1);
  const v1::Assignment before = Must<v1::Assignment>("PortfolioService/CreateAssignment", create);

  v1::HandoverAssignmentRequest handover;
  const auto refused = [&](const std::function<void(v1::HandoverAssignmentRequest*)>& change) {
    v1::HandoverAssignmentRequest request = handover;
    change(&request);
    return Try("PortfolioService/HandoverAssignment", before, request);
  };
  handover.set_officer("liaisonOfficers/north");
  *handover.mutable_start_date() = Day(2024, 7, 1);
  handover.set_handover_note("The drill schedule is still to come.");
  EXPECT_THAT(refused([](auto* r) { r->set_officer("liaisonOfficers/far-east"); }), FailsWith("FIELD_INVALID", "officer"));
  EXPECT_THAT(refused([](auto* r) { r->set_officer("liaisonOfficers/none"); }), FailsWith("REFERENCE_NOT_FOUND", "officer"));
  EXPECT_THAT(refused([](auto* r) { r->clear_start_date(); }), FailsWith("FIELD_REQUIRED", "start_date"));
  EXPECT_THAT(refused([](auto* r) { r->mutable_start_date()->set_day(0); }), FailsWith("FIELD_INVALID", "start_date"));
  EXPECT_THAT(refused([](auto* r) { r->mutable_start_date()->set_year(2021); }), FailsWith("FIELD_INVALID", "start_date"));
  handover.set_name(before.name());
  EXPECT_THAT(officer_.Call<v1::Assignment>("PortfolioService/HandoverAssignment", handover), FailsWith("FIELD_REQUIRED", "etag"));
  handover.set_etag("other");
  EXPECT_THAT(officer_.Call<v1::Assignment>("PortfolioService/HandoverAssignment", handover), FailsWith("ETAG_MISMATCH"));

  const auto holds = [this](const Date& as_of, v1::ListCoverageRequest request = {}) {
    *request.mutable_as_of() = as_of;
    std::vector<std::string> out;
    const auto response = Must<v1::ListCoverageResponse>("PortfolioService/ListCoverage", request);
    for (const auto& row : response.coverage()) {
      out.push_back(fmt::format("{} {} {}", row.country(), row.officer(), row.has_since() ? DateText(row.since()) : "-"));
    }
    return out;
  };
  v1::ListCoverageRequest japan;
  japan.set_country("countries/JP");
  EXPECT_THAT(holds(Day(2024, 8, 1), japan), ElementsAre("countries/JP liaisonOfficers/far-east 2022-07-01"));  // refusals changed nothing

  // The same request twice is one handover.
  handover.set_request_id(NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()))));
  const v1::Assignment after = Moved("PortfolioService/HandoverAssignment", before, handover);
  EXPECT_EQ(Moved("PortfolioService/HandoverAssignment", before, handover).SerializeAsString(), after.SerializeAsString());
  EXPECT_NE(after.name(), before.name());
  EXPECT_EQ(after.predecessor(), before.name());
  EXPECT_EQ(after.country(), "countries/JP");
  EXPECT_EQ(after.duty(), v1::ASSIGNMENT_DUTY_PRIMARY);
  EXPECT_EQ(after.marking(), v1::MARKING_SENSITIVE);
  v1::GetAssignmentRequest get;
  get.set_name(before.name());
  const v1::Assignment ended = Must<v1::Assignment>("PortfolioService/GetAssignment", get);
  EXPECT_EQ(DateText(ended.end_date()), "2024-07-01");
  handover.clear_request_id();
  EXPECT_THAT(Try("PortfolioService/HandoverAssignment", ended, handover), FailsWith("STATE_FORBIDS"));

  EXPECT_THAT(holds(Day(2024, 6, 30), japan), ElementsAre("countries/JP liaisonOfficers/far-east 2022-07-01"));
  EXPECT_THAT(holds(Day(2024, 7, 1), japan), ElementsAre("countries/JP liaisonOfficers/north 2024-07-01"));
  EXPECT_THAT(holds(Day(2022, 6, 30), japan), ElementsAre("countries/JP  -"));
}

TEST_F(PlanningMethodsTest, APortfolioWithoutDatesCountsWhereNoAssignmentDoes) {
  v1::GetLiaisonOfficerRequest get;
  get.set_name("liaisonOfficers/far-east");
  v1::UpdateLiaisonOfficerRequest update;
  *update.mutable_liaison_officer() = Must<v1::LiaisonOfficer>("ReferenceService/GetLiaisonOfficer", get);
  for (const char* country : {"countries/JP", "countries/KR"}) update.mutable_liaison_officer()->add_portfolio(country);
  Must<v1::LiaisonOfficer>("ReferenceService/UpdateLiaisonOfficer", update);
  v1::CreateAssignmentRequest create;
  create.mutable_assignment()->set_officer("liaisonOfficers/north");
  create.mutable_assignment()->set_country("countries/KR");
  create.mutable_assignment()->set_duty(v1::ASSIGNMENT_DUTY_ACTING);
  *create.mutable_assignment()->mutable_start_date() = Day(2024, 1, 1);
  Must<v1::Assignment>("PortfolioService/CreateAssignment", create);

  v1::ListCoverageRequest request;
  *request.mutable_as_of() = Day(2024, 6, 1);
  const auto all = Must<v1::ListCoverageResponse>("PortfolioService/ListCoverage", request);
  std::vector<std::string> rows;
  for (const auto& row : all.coverage()) rows.push_back(fmt::format("{} {} {}", row.country(), row.officer(), row.assignment().empty()));
  EXPECT_THAT(rows,
              ElementsAre("countries/DJ  true", "countries/JP liaisonOfficers/far-east true", "countries/KR liaisonOfficers/north false"));
  request.set_uncovered(true);
  const auto uncovered = Must<v1::ListCoverageResponse>("PortfolioService/ListCoverage", request);
  ASSERT_EQ(uncovered.coverage_size(), 1);
  EXPECT_EQ(uncovered.coverage(0).country(), "countries/DJ");
  EXPECT_EQ(uncovered.coverage(0).region(), v1::REGION_EAME);
}

TEST_F(PlanningMethodsTest, TheTeamIsItsMembersAndWhatTheyTakePartIn) {
  Visit("Japan", Day(2026, 5, 4), Day(2026, 5, 8), {"specialist", "far-east"});
  MakeOfficer("analyst", v1::REGION_HQ);
  v1::ListTeamDutiesRequest request;
  *request.mutable_as_of() = Day(2026, 5, 1);
  const auto duties = Must<v1::ListTeamDutiesResponse>("PortfolioService/ListTeamDuties", request);
  ASSERT_EQ(duties.duties_size(), 2);
  EXPECT_EQ(duties.duties(0).officer(), "liaisonOfficers/analyst");
  EXPECT_EQ(duties.duties(0).record(), "");
  EXPECT_EQ(duties.duties(1).title(), "Japan");
  *request.mutable_as_of() = Day(2026, 4, 1);
  request.set_days(30);
  EXPECT_EQ(Must<v1::ListTeamDutiesResponse>("PortfolioService/ListTeamDuties", request).duties(1).title(), "");
  request.set_days(367);
  EXPECT_THAT(officer_.Call<v1::ListTeamDutiesResponse>("PortfolioService/ListTeamDuties", request), FailsWith("FIELD_INVALID", "days"));
}

TEST_F(PlanningMethodsTest, AReciprocalVisitIsReportedAndItsAmendmentIsARevision) {
  v1::CreateReciprocalVisitRequest create;
  v1::ReciprocalVisit* visit = create.mutable_reciprocal_visit();
  visit->set_country("countries/JP");
  *visit->mutable_requested_date() = Day(2024, 1, 8);
  visit->set_embassy("Embassy of Japan, Washington");
  visit->set_channel(v1::REQUEST_CHANNEL_OFFICER);
  v1::ReciprocalVisit made = Must<v1::ReciprocalVisit>("VisitService/CreateReciprocalVisit", create);
  v1::AcceptReciprocalVisitRequest accept;
  EXPECT_THAT(Try("VisitService/AcceptReciprocalVisit", made, accept), FailsWith("FIELD_REQUIRED", "coordinator"));
  accept.set_coordinator("liaisonOfficers/far-east");
  made = Moved("VisitService/AcceptReciprocalVisit", made, accept);
  EXPECT_THAT(Try("VisitService/DeclineReciprocalVisit", made, v1::DeclineReciprocalVisitRequest()), FailsWith("STATE_FORBIDS"));
  v1::PlanReciprocalVisitRequest plan;
  *plan.mutable_start_date() = Day(2024, 5, 6);
  *plan.mutable_end_date() = Day(2024, 5, 10);
  v1::ItineraryStop* stop = plan.add_itinerary();
  *stop->mutable_date() = Day(2024, 5, 6);
  stop->set_kind(v1::STOP_KIND_HEADQUARTERS);
  stop->set_place("Headquarters, Washington");
  stop->set_subject("Development of regulation and policy");
  made = Moved("VisitService/PlanReciprocalVisit", made, plan);
  EXPECT_THAT(Titles(Calendar(Day(2024, 5, 10), Day(2024, 5, 10))), ElementsAre("Officials of JP visit the United States"));
  made = Moved("VisitService/CompleteReciprocalVisit", made, v1::CompleteReciprocalVisitRequest());
  v1::ReportReciprocalVisitRequest report;
  report.set_outcome("The delegation saw how plans are approved.");
  made = Moved("VisitService/ReportReciprocalVisit", made, report);
  EXPECT_EQ(made.state(), v1::RECIPROCAL_VISIT_STATE_REPORTED);

  // Whoever has read the report may change it, as a revision of its own.
  v1::UpdateReciprocalVisitRequest update;
  update.mutable_reciprocal_visit()->set_name(made.name());
  update.mutable_reciprocal_visit()->set_etag(made.etag());
  update.mutable_reciprocal_visit()->set_outcome("Corrected.");
  EXPECT_EQ(Must<v1::ReciprocalVisit>("VisitService/UpdateReciprocalVisit", update).outcome(), "Corrected.");
  v1::ListRevisionsRequest history;
  history.set_name(made.name());
  EXPECT_EQ(Must<v1::ListRevisionsResponse>("RecordService/ListRevisions", history).revisions_size(), 6);
}

TEST_F(PlanningMethodsTest, ARequestForTrainingIsFulfilledByASessionThatWasHeld) {
  v1::CreateTrainingOfferingRequest offering;
  offering.set_training_offering_id("isps-implementation");
  offering.mutable_training_offering()->set_display_name("ISPS implementation and best practices");
  offering.mutable_training_offering()->set_program(v1::TRAINING_PROGRAM_PORT_SECURITY);
  Must<v1::TrainingOffering>("TrainingService/CreateTrainingOffering", offering);
  v1::CreateTrainingRequestRequest ask;
  v1::TrainingRequest* asked = ask.mutable_training_request();
  asked->set_country("countries/KR");
  asked->set_offering("trainingOfferings/isps-implementation");
  asked->set_embassy("American embassy, Seoul");
  asked->set_channel(v1::REQUEST_CHANNEL_PARTNER_SYSTEM);
  asked->set_officer("liaisonOfficers/far-east");
  *asked->mutable_requested_date() = Day(2024, 2, 1);
  v1::TrainingRequest request = Must<v1::TrainingRequest>("TrainingService/CreateTrainingRequest", ask);
  request = Moved("TrainingService/ApproveTrainingRequest", request, v1::ApproveTrainingRequestRequest());
  v1::CreateTrainingSessionRequest create;
  v1::TrainingSession* made = create.mutable_training_session();
  made->set_offering("trainingOfferings/isps-implementation");
  made->add_countries("countries/KR");
  made->set_region(v1::REGION_APAC);
  *made->mutable_start_date() = Day(2024, 6, 3);
  made->set_place("Busan");
  v1::TrainingSession session = Must<v1::TrainingSession>("TrainingService/CreateTrainingSession", create);
  v1::ScheduleTrainingRequestRequest schedule;
  schedule.set_session(session.name());
  request = Moved("TrainingService/ScheduleTrainingRequest", request, schedule);
  EXPECT_THAT(Try("TrainingService/FulfilTrainingRequest", request, v1::FulfilTrainingRequestRequest()),
              FailsWith("FIELD_INVALID", "session"));
  v1::HoldTrainingSessionRequest hold;
  EXPECT_THAT(Try("TrainingService/HoldTrainingSession", session, hold), FailsWith("FIELD_REQUIRED", "attendance"));
  v1::Attendance* attendance = hold.add_attendance();
  attendance->set_country("countries/KR");
  attendance->set_attended(18);
  attendance->set_completed(17);
  session = Moved("TrainingService/HoldTrainingSession", session, hold);
  request = Moved("TrainingService/FulfilTrainingRequest", request, v1::FulfilTrainingRequestRequest());
  EXPECT_EQ(request.state(), v1::TRAINING_REQUEST_STATE_FULFILLED);
  v1::EvaluateTrainingSessionRequest evaluate;
  evaluate.mutable_evaluation()->set_responses(16);
  evaluate.mutable_evaluation()->set_mean_rating_hundredths(431);
  session = Moved("TrainingService/EvaluateTrainingSession", session, evaluate);
  EXPECT_EQ(session.attendance(0).completed(), 17u);
  v1::CancelTrainingSessionRequest cancel;
  cancel.set_reason("Too late.");
  EXPECT_THAT(Try("TrainingService/CancelTrainingSession", session, cancel), FailsWith("STATE_FORBIDS"));
  v1::ListTrainingSessionsRequest list;
  list.set_country("countries/KR");
  list.set_state(v1::TRAINING_SESSION_STATE_EVALUATED);
  EXPECT_EQ(Must<v1::ListTrainingSessionsResponse>("TrainingService/ListTrainingSessions", list).training_sessions_size(), 1);
}

}  // namespace
}  // namespace fairlead::rpc
