// What a nation asks for, contributes and states through its own system, and how staff handle it.

#include "server/rpc/exchange_requests.h"

#include <absl/synchronization/notification.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"
#include "server/rpc/basis.h"
#include "server/rpc/exchange_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RequestsTest : public ::testing::Test, protected Office {
 protected:
  RequestsTest() : Office(absl::Milliseconds(50)) {
    for (const char* country : {"JP", "AU", "US"}) Country(country);
    Officer("far-east");
  }

  // A call of Japan's system with a request id of its own.
  template <class Response, class Request>
  absl::StatusOr<Response> Ask(const Client& partner, const std::string& method, Request request) {
    request.set_request_id(NextId());
    return partner.Call<Response>("ExchangeService/" + method, request);
  }
  static v1::RequestVisitRequest Visit() {
    v1::RequestVisitRequest request;
    request.set_embassy("Embassy of Japan, Washington");
    request.set_reference("Note 12");
    request.set_objectives("Port State Control");
    request.add_delegation()->set_member("Director, Port Security");
    request.mutable_preferred_start_date()->set_year(2027);
    request.mutable_preferred_start_date()->set_month(6);
    return request;
  }
  v1::VisitRequest GetVisit(const Client& partner, const std::string& name) {
    v1::GetVisitRequestRequest get;
    get.set_name(name);
    return Must<v1::VisitRequest>(partner, "ExchangeService/GetVisitRequest", get);
  }
  v1::ReciprocalVisit OnlyVisit() {
    const auto visits =
        Must<v1::ListReciprocalVisitsResponse>(officer_, "VisitService/ListReciprocalVisits", v1::ListReciprocalVisitsRequest());
    EXPECT_EQ(visits.reciprocal_visits_size(), 1);
    return visits.reciprocal_visits(0);
  }
  static google::type::Date Day(int month, int day) {
    google::type::Date date;
    date.set_year(2027);
    date.set_month(month);
    date.set_day(day);
    return date;
  }
  // A practice that is not published yet.
  v1::BestPractice Drafted(v1::Marking marking) {
    v1::CreateBestPracticeRequest create;
    create.mutable_best_practice()->set_title("Two persons at the gate");
    create.mutable_best_practice()->set_text("A second guard checks.");
    create.mutable_best_practice()->set_marking(marking);
    return Make<v1::BestPractice>("PracticeService/CreateBestPractice", create);
  }
  // A call that says that it was made offline, upon the revision that its etag names.
  template <class Record, class Request>
  absl::StatusOr<Record> UponBasis(const Client& caller, const std::string& method, Request request) {
    request.set_request_id(NextId());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata(kBasisMetadata, "kept");
    return caller.Call<Record>(method, request, &context);
  }
  // Titles of the practices that are shown to the caller.
  static std::vector<std::string> Practices(const Client& partner) {
    v1::ListReleasedRecordsRequest list;
    list.set_kind(v1::RELEASED_KIND_PRACTICE);
    const auto listed = Must<v1::ListReleasedRecordsResponse>(partner, "ExchangeService/ListReleasedRecords", list);
    std::vector<std::string> titles;
    for (const auto& record : listed.records()) titles.push_back(record.practice().title());
    std::sort(titles.begin(), titles.end());
    return titles;
  }
};

// --- Visits and courses ------------------------------------------------------------------------------------------------------------------

TEST_F(RequestsTest, AVisitIsAskedForHandledAndItsOutcomeComesBack) {
  v1::RequestVisitRequest request = Visit();
  request.set_request_id(NextId());
  const auto asked = Must<v1::VisitRequest>(jp_, "ExchangeService/RequestVisit", request);
  EXPECT_EQ(asked.outcome(), v1::REQUEST_OUTCOME_PENDING);
  EXPECT_EQ(Must<v1::VisitRequest>(jp_, "ExchangeService/RequestVisit", request).name(), asked.name());  // once more, one effect

  v1::ReciprocalVisit visit = OnlyVisit();
  EXPECT_EQ(visit.country(), "countries/JP");
  EXPECT_EQ(visit.system(), "partner/JP/registry");
  EXPECT_EQ(visit.channel(), v1::REQUEST_CHANNEL_PARTNER_SYSTEM);
  EXPECT_EQ(visit.request_reference(), "Note 12");
  EXPECT_EQ(visit.delegates(0).delegate(), "Director, Port Security");
  EXPECT_EQ(visit.requested_date().day(), 15);  // the clock says 2027-01-15
  v1::AcceptReciprocalVisitRequest accept;
  accept.set_coordinator("liaisonOfficers/far-east");
  visit = *Move(officer_, "VisitService/AcceptReciprocalVisit", visit, accept);
  EXPECT_EQ(GetVisit(jp_, asked.name()).outcome(), v1::REQUEST_OUTCOME_ACCEPTED);
  EXPECT_FALSE(GetVisit(jp_, asked.name()).has_start_date());  // what it hoped for is no plan
  v1::PlanReciprocalVisitRequest plan;
  *plan.mutable_start_date() = Day(6, 7);
  *plan.mutable_end_date() = Day(6, 9);
  v1::ItineraryStop* stop = plan.add_itinerary();
  *stop->mutable_date() = Day(6, 7);
  stop->set_kind(v1::STOP_KIND_HEADQUARTERS);
  stop->set_place("an inner room");
  stop->set_subject("Review of plans");
  ASSERT_TRUE(Move(officer_, "VisitService/PlanReciprocalVisit", visit, plan).ok());
  const v1::VisitRequest planned = GetVisit(jp_, asked.name());
  EXPECT_EQ(planned.outcome(), v1::REQUEST_OUTCOME_SCHEDULED);
  EXPECT_EQ(planned.start_date().day(), 7);
  EXPECT_EQ(planned.end_date().day(), 9);
  EXPECT_THAT(planned.SerializeAsString(), Not(HasSubstr("inner room")));

  v1::GetVisitRequestRequest get;
  get.set_name(asked.name());
  EXPECT_THAT(au_.Call<v1::VisitRequest>("ExchangeService/GetVisitRequest", get), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_EQ(Must<v1::ListVisitRequestsResponse>(au_, "ExchangeService/ListVisitRequests", v1::ListVisitRequestsRequest()).ByteSizeLong(),
            0u);
  const auto listed = Must<v1::ListVisitRequestsResponse>(jp_, "ExchangeService/ListVisitRequests", v1::ListVisitRequestsRequest());
  ASSERT_EQ(listed.visit_requests_size(), 1);
  EXPECT_EQ(listed.visit_requests(0).SerializeAsString(), planned.SerializeAsString());
}

TEST_F(RequestsTest, ADeclinedVisitSaysWhyAndNothingElse) {
  const auto asked = Ask<v1::VisitRequest>(jp_, "RequestVisit", Visit());
  ASSERT_TRUE(asked.ok()) << asked.status();
  v1::UpdateReciprocalVisitRequest update;
  *update.mutable_reciprocal_visit() = OnlyVisit();
  update.mutable_reciprocal_visit()->set_country("countries/AU");  // an officer's slip tells Australia nothing
  update.mutable_reciprocal_visit()->set_notes("an inner note");
  Must<v1::ReciprocalVisit>(officer_, "VisitService/UpdateReciprocalVisit", update);
  EXPECT_THAT(
      Must<v1::ListVisitRequestsResponse>(au_, "ExchangeService/ListVisitRequests", v1::ListVisitRequestsRequest()).visit_requests(),
      IsEmpty());
  v1::DeclineReciprocalVisitRequest decline;
  decline.set_reason("No dates are free this year.");
  ASSERT_TRUE(Move(officer_, "VisitService/DeclineReciprocalVisit", OnlyVisit(), decline).ok());
  const v1::VisitRequest declined = GetVisit(jp_, asked->name());
  EXPECT_EQ(declined.outcome(), v1::REQUEST_OUTCOME_DECLINED);
  EXPECT_EQ(declined.reason(), "No dates are free this year.");
  EXPECT_FALSE(declined.has_start_date());
  EXPECT_THAT(declined.SerializeAsString(), Not(HasSubstr("inner")));
}

TEST_F(RequestsTest, WhatIsWrongIsNamedAsTheRequestNamesIt) {
  v1::RequestVisitRequest request = Visit();
  request.clear_embassy();
  EXPECT_THAT(Ask<v1::VisitRequest>(jp_, "RequestVisit", request), FailsWith("FIELD_REQUIRED", "embassy"));
  request = Visit();
  request.add_delegation();
  EXPECT_THAT(Ask<v1::VisitRequest>(jp_, "RequestVisit", request), FailsWith("FIELD_REQUIRED", "delegation[1].member"));
  request = Visit();
  request.set_reference(std::string(201, 'x'));
  EXPECT_THAT(Ask<v1::VisitRequest>(jp_, "RequestVisit", request), FailsWith("FIELD_TOO_LARGE", "reference"));
  request = Visit();
  *request.mutable_preferred_start_date() = Day(6, 9);
  *request.mutable_preferred_end_date() = Day(6, 7);
  EXPECT_THAT(Ask<v1::VisitRequest>(jp_, "RequestVisit", request), FailsWith("FIELD_INVALID", "preferred_end_date"));
  EXPECT_THAT(Ask<v1::CourseRequest>(jp_, "RequestCourse", v1::RequestCourseRequest()), FailsWith("FIELD_REQUIRED", "course"));
}

TEST_F(RequestsTest, StaffCannotWriteInANationsName) {
  v1::CreateReciprocalVisitRequest create;
  v1::ReciprocalVisit& visit = *create.mutable_reciprocal_visit();
  visit.set_country("countries/JP");
  visit.set_embassy("Embassy of Japan, Washington");
  visit.set_channel(v1::REQUEST_CHANNEL_PARTNER_SYSTEM);
  visit.mutable_requested_date()->set_year(2027);
  visit.set_system("partner/JP/registry");
  const auto made = Make<v1::ReciprocalVisit>("VisitService/CreateReciprocalVisit", create);
  EXPECT_EQ(made.system(), "");
  EXPECT_THAT(
      Must<v1::ListVisitRequestsResponse>(jp_, "ExchangeService/ListVisitRequests", v1::ListVisitRequestsRequest()).visit_requests(),
      IsEmpty());
  v1::UpdateReciprocalVisitRequest update;
  *update.mutable_reciprocal_visit() = made;
  update.mutable_reciprocal_visit()->set_system("partner/JP/registry");
  update.mutable_update_mask()->add_paths("system");
  EXPECT_THAT(officer_.Call<v1::ReciprocalVisit>("VisitService/UpdateReciprocalVisit", update),
              FailsWith("FIELD_IMMUTABLE", "reciprocal_visit.system"));
}

TEST_F(RequestsTest, WhatWaitsIsTakenBackAndWhatIsDecidedIsNot) {
  v1::RequestVisitRequest visit;
  visit.set_embassy("Embassy of Japan, Washington");
  const auto first = Ask<v1::VisitRequest>(jp_, "RequestVisit", visit);
  const auto second = Ask<v1::VisitRequest>(jp_, "RequestVisit", visit);
  ASSERT_TRUE(first.ok() && second.ok());
  v1::CancelVisitRequestRequest cancel;
  cancel.set_name(first->name());
  cancel.set_reason("Another year.");
  EXPECT_THAT(Ask<v1::VisitRequest>(au_, "CancelVisitRequest", cancel), FailsWith("RECORD_NOT_FOUND"));
  const auto cancelled = Ask<v1::VisitRequest>(jp_, "CancelVisitRequest", cancel);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->outcome(), v1::REQUEST_OUTCOME_CANCELLED);
  EXPECT_EQ(cancelled->reason(), "Another year.");
  cancel.set_reason("Again.");  // is so already
  EXPECT_EQ(Ask<v1::VisitRequest>(jp_, "CancelVisitRequest", cancel)->reason(), "Another year.");

  const auto visits =
      Must<v1::ListReciprocalVisitsResponse>(officer_, "VisitService/ListReciprocalVisits", v1::ListReciprocalVisitsRequest());
  for (const v1::ReciprocalVisit& each : visits.reciprocal_visits()) {
    if (each.state() != v1::RECIPROCAL_VISIT_STATE_REQUESTED) continue;
    v1::DeclineReciprocalVisitRequest decline;
    decline.set_reason("No room.");
    ASSERT_TRUE(Move(officer_, "VisitService/DeclineReciprocalVisit", each, decline).ok());
  }
  cancel.set_name(second->name());
  EXPECT_THAT(Ask<v1::VisitRequest>(jp_, "CancelVisitRequest", cancel), FailsWith("STATE_FORBIDS"));

  Offering("drills", v1::MARKING_PUBLIC);
  v1::RequestCourseRequest request;
  request.set_course(NameFor("JP", "trainingOfferings/drills"));
  request.set_embassy("American Embassy Tokyo");
  const auto course = Ask<v1::CourseRequest>(jp_, "RequestCourse", request);
  ASSERT_TRUE(course.ok()) << course.status();
  v1::CancelCourseRequestRequest cancel_course;
  cancel_course.set_name(course->name());
  cancel_course.set_reason(std::string(1001, 'x'));
  EXPECT_THAT(Ask<v1::CourseRequest>(jp_, "CancelCourseRequest", cancel_course), FailsWith("FIELD_TOO_LARGE", "reason"));
  cancel_course.clear_reason();
  const auto taken_back = Ask<v1::CourseRequest>(jp_, "CancelCourseRequest", cancel_course);
  ASSERT_TRUE(taken_back.ok()) << taken_back.status();
  EXPECT_EQ(taken_back->outcome(), v1::REQUEST_OUTCOME_CANCELLED);
  EXPECT_EQ(taken_back->reason(), "Taken back by the nation.");
}

TEST_F(RequestsTest, ACourseIsAskedForApprovedAndScheduled) {
  Offering("drills", v1::MARKING_PUBLIC);
  Offering("for-au", v1::MARKING_PUBLIC, {"AU"});
  Offering("inner", v1::MARKING_OFFICIAL);
  v1::ListReleasedRecordsRequest list;
  list.set_kind(v1::RELEASED_KIND_COURSE);
  const auto courses = Must<v1::ListReleasedRecordsResponse>(jp_, "ExchangeService/ListReleasedRecords", list);
  ASSERT_EQ(courses.records_size(), 1);
  EXPECT_EQ(courses.records(0).course().display_name(), "Course drills");
  EXPECT_EQ(Must<v1::ListReleasedRecordsResponse>(au_, "ExchangeService/ListReleasedRecords", list).records_size(), 2);
  v1::RequestCourseRequest request;
  request.set_embassy("American Embassy Tokyo");
  request.set_trainees_expected(20);
  std::vector<std::string> refusals;
  for (const std::string& course :
       {NameFor("JP", "trainingOfferings/for-au"), NameFor("JP", "trainingOfferings/inner"), NameFor("JP", "trainingOfferings/none"),
        NameFor("AU", "trainingOfferings/drills"), std::string("trainingOfferings/drills")}) {
    request.set_course(course);
    const auto refused = Ask<v1::CourseRequest>(jp_, "RequestCourse", request);
    EXPECT_THAT(refused, FailsWith("RECORD_NOT_FOUND"));
    refusals.push_back(std::string(refused.status().message()));
  }
  EXPECT_THAT(std::set<std::string>(refusals.begin(), refusals.end()), SizeIs(1));

  request.set_course(courses.records(0).name());
  const auto asked = Ask<v1::CourseRequest>(jp_, "RequestCourse", request);
  ASSERT_TRUE(asked.ok()) << asked.status();
  const auto requests =
      Must<v1::ListTrainingRequestsResponse>(officer_, "TrainingService/ListTrainingRequests", v1::ListTrainingRequestsRequest());
  ASSERT_EQ(requests.training_requests_size(), 1);
  v1::TrainingRequest training = requests.training_requests(0);
  EXPECT_EQ(training.system(), "partner/JP/registry");
  EXPECT_EQ(training.offering(), "trainingOfferings/drills");
  EXPECT_EQ(training.trainees_expected(), 20u);
  EXPECT_EQ(training.officer(), "");
  EXPECT_THAT(Move(officer_, "TrainingService/ApproveTrainingRequest", training, v1::ApproveTrainingRequestRequest()),
              FailsWith("FIELD_REQUIRED", "officer"));
  v1::ApproveTrainingRequestRequest approve;
  approve.set_officer("liaisonOfficers/far-east");
  training = *Move(officer_, "TrainingService/ApproveTrainingRequest", training, approve);
  v1::CreateTrainingSessionRequest create;
  v1::TrainingSession& session = *create.mutable_training_session();
  session.set_offering("trainingOfferings/drills");
  session.add_countries("countries/JP");
  session.add_countries("countries/AU");
  session.set_region(v1::REGION_APAC);
  *session.mutable_start_date() = Day(9, 6);
  *session.mutable_end_date() = Day(9, 9);
  session.set_place("Yokohama");
  v1::ScheduleTrainingRequestRequest schedule;
  schedule.set_session(Make<v1::TrainingSession>("TrainingService/CreateTrainingSession", create).name());
  ASSERT_TRUE(Move(officer_, "TrainingService/ScheduleTrainingRequest", training, schedule).ok());
  v1::GetCourseRequestRequest get;
  get.set_name(asked->name());
  const auto scheduled = Must<v1::CourseRequest>(jp_, "ExchangeService/GetCourseRequest", get);
  EXPECT_EQ(scheduled.outcome(), v1::REQUEST_OUTCOME_SCHEDULED);
  EXPECT_EQ(scheduled.start_date().day(), 6);
  EXPECT_EQ(scheduled.end_date().day(), 9);
  EXPECT_EQ(scheduled.place(), "Yokohama");
  EXPECT_THAT(scheduled.SerializeAsString(), Not(HasSubstr("AU")));
  EXPECT_THAT(au_.Call<v1::CourseRequest>("ExchangeService/GetCourseRequest", get), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(RequestsTest, SoManyMayWaitForADecision) {
  std::string first;
  for (int i = 0; i < kUndecidedMax; ++i) {
    const auto asked = Ask<v1::VisitRequest>(jp_, "RequestVisit", Visit());
    ASSERT_TRUE(asked.ok()) << asked.status();
    if (first.empty()) first = asked->name();
  }
  EXPECT_THAT(Ask<v1::VisitRequest>(jp_, "RequestVisit", Visit()), FailsWith("LIMIT_REACHED"));
  EXPECT_TRUE(Ask<v1::VisitRequest>(au_, "RequestVisit", Visit()).ok());  // the other nation's are its own
  v1::GetReciprocalVisitRequest get;
  get.set_name("reciprocalVisits/" + first.substr(first.find('/') + 1));
  v1::DeclineReciprocalVisitRequest decline;
  decline.set_reason("One is enough.");
  ASSERT_TRUE(Move(officer_, "VisitService/DeclineReciprocalVisit",
                   Must<v1::ReciprocalVisit>(officer_, "VisitService/GetReciprocalVisit", get), decline)
                  .ok());
  EXPECT_TRUE(Ask<v1::VisitRequest>(jp_, "RequestVisit", Visit()).ok());
}

TEST_F(RequestsTest, SoManySuggestionsAndQuestionsMayWait) {
  v1::SubmitSuggestionRequest submit;
  submit.mutable_suggestion()->set_kind(v1::SUGGESTION_KIND_PORT);
  submit.mutable_suggestion()->set_subject("JPYOK");
  submit.mutable_suggestion()->set_text("It has a second gate.");
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  for (int i = 0; i < kUndecidedMax; ++i) {
    const auto submitted = Ask<v1::Suggestion>(jp_, "SubmitSuggestion", submit);
    ASSERT_TRUE(submitted.ok()) << submitted.status();
    const auto asked = Ask<v1::Question>(jp_, "AskQuestion", ask);
    ASSERT_TRUE(asked.ok()) << asked.status();
  }
  EXPECT_THAT(Ask<v1::Suggestion>(jp_, "SubmitSuggestion", submit), FailsWith("LIMIT_REACHED"));
  EXPECT_THAT(Ask<v1::Question>(jp_, "AskQuestion", ask), FailsWith("LIMIT_REACHED"));
  EXPECT_TRUE(Ask<v1::Suggestion>(au_, "SubmitSuggestion", submit).ok());  // the other nation's are its own
  EXPECT_TRUE(Ask<v1::Question>(au_, "AskQuestion", ask).ok());

  v1::ListProposalsRequest of_japan;
  of_japan.set_nation("countries/JP");
  const auto proposals = Must<v1::ListProposalsResponse>(officer_, "ReleaseService/ListProposals", of_japan);
  ASSERT_EQ(proposals.proposals_size(), kUndecidedMax);
  v1::DeclineProposalRequest decline;
  decline.set_reason("It is known.");
  ASSERT_TRUE(Move(officer_, "ReleaseService/DeclineProposal", proposals.proposals(0), decline).ok());
  EXPECT_TRUE(Ask<v1::Suggestion>(jp_, "SubmitSuggestion", submit).ok());
  EXPECT_THAT(Ask<v1::Suggestion>(jp_, "SubmitSuggestion", submit), FailsWith("LIMIT_REACHED"));

  v1::ListInquiriesRequest from_japan;
  from_japan.set_country("countries/JP");
  const auto inquiries = Must<v1::ListInquiriesResponse>(officer_, "HelpDeskService/ListInquiries", from_japan);
  ASSERT_EQ(inquiries.inquiries_size(), kUndecidedMax);
  v1::AnswerInquiryRequest answer;
  answer.set_answer("Every three months.");
  ASSERT_TRUE(Move(officer_, "HelpDeskService/AnswerInquiry", inquiries.inquiries(0), answer).ok());
  EXPECT_TRUE(Ask<v1::Question>(jp_, "AskQuestion", ask).ok());
  EXPECT_THAT(Ask<v1::Question>(jp_, "AskQuestion", ask), FailsWith("LIMIT_REACHED"));
  // One that is withdrawn waits for nobody.
  ASSERT_TRUE(Move(officer_, "HelpDeskService/WithdrawInquiry", inquiries.inquiries(1), v1::WithdrawInquiryRequest()).ok());
  EXPECT_TRUE(Ask<v1::Question>(jp_, "AskQuestion", ask).ok());
}

// A site that has been broken into names records as it likes.
TEST_F(RequestsTest, APageMayEndAtARecordOfAnyName) {
  v1::ReciprocalVisit visit;
  visit.set_country("countries/JP");
  visit.set_system("partner/JP/registry");
  visit.set_state(v1::RECIPROCAL_VISIT_STATE_REQUESTED);
  for (const char id : {'a', 'b'}) {
    absl::Notification written;
    site_.node().Write(
        node::RequestFor(site_.node(), "reciprocalVisits/" + std::string(300, id), visit, {"country", "system", "state"}, NextId()),
        [&written](const absl::StatusOr<node::WriteResult>& result) {
          EXPECT_TRUE(result.ok()) << result.status();
          written.Notify();
        });
    written.WaitForNotification();
  }
  v1::ListVisitRequestsRequest list;
  list.set_page_size(1);
  const auto first = Must<v1::ListVisitRequestsResponse>(jp_, "ExchangeService/ListVisitRequests", list);
  ASSERT_EQ(first.visit_requests_size(), 1);
  EXPECT_EQ(first.visit_requests(0).name(), "visitRequests/" + std::string(300, 'a'));
  list.set_page_token(first.next_page_token());
  const auto second = Must<v1::ListVisitRequestsResponse>(jp_, "ExchangeService/ListVisitRequests", list);
  ASSERT_EQ(second.visit_requests_size(), 1);
  EXPECT_EQ(second.visit_requests(0).name(), "visitRequests/" + std::string(300, 'b'));
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(RequestsTest, HeadquartersServesTheNationWithTheSameNamesAndTokens) {
  Offering("drills", v1::MARKING_PUBLIC);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Ask<v1::VisitRequest>(jp_, "RequestVisit", Visit()).ok());
  TestSite hq("hq", &clock_);
  hq.Receive(site_);
  const Client jp_at_hq = hq.As("partner/JP/registry");
  v1::ListVisitRequestsRequest list;
  list.set_page_size(1);
  std::vector<std::string> walked;
  bool at_hq = false;  // each page from the other site
  do {
    const auto page = Must<v1::ListVisitRequestsResponse>(at_hq ? jp_at_hq : jp_, "ExchangeService/ListVisitRequests", list);
    ASSERT_EQ(page.visit_requests_size(), 1);
    walked.push_back(page.visit_requests(0).name());
    list.set_page_token(page.next_page_token());
    at_hq = !at_hq;
  } while (!list.page_token().empty());
  list.clear_page_size();
  std::vector<std::string> all;
  const auto whole = Must<v1::ListVisitRequestsResponse>(jp_, "ExchangeService/ListVisitRequests", list);
  for (const auto& request : whole.visit_requests()) all.push_back(request.name());
  EXPECT_EQ(walked, all);
  EXPECT_THAT(all, SizeIs(3));

  // A request that headquarters took is handled at the region.
  v1::RequestCourseRequest course;
  course.set_course(NameFor("JP", "trainingOfferings/drills"));
  course.set_embassy("American Embassy Tokyo");
  course.set_request_id(NextId());
  const auto asked = Must<v1::CourseRequest>(jp_at_hq, "ExchangeService/RequestCourse", course);
  site_.Receive(hq);
  EXPECT_EQ(Must<v1::CourseRequest>(jp_, "ExchangeService/RequestCourse", course).name(), asked.name());  // and asked again here
  const auto requests =
      Must<v1::ListTrainingRequestsResponse>(officer_, "TrainingService/ListTrainingRequests", v1::ListTrainingRequestsRequest());
  ASSERT_EQ(requests.training_requests_size(), 1);
  v1::DeclineTrainingRequestRequest decline;
  decline.set_reason("It is full.");
  ASSERT_TRUE(Move(officer_, "TrainingService/DeclineTrainingRequest", requests.training_requests(0), decline).ok());
  hq.Receive(site_);
  v1::GetCourseRequestRequest get;
  get.set_name(asked.name());
  const auto declined = Must<v1::CourseRequest>(jp_at_hq, "ExchangeService/GetCourseRequest", get);
  EXPECT_EQ(declined.outcome(), v1::REQUEST_OUTCOME_DECLINED);
  EXPECT_EQ(declined.reason(), "It is full.");
}

// --- Practices ---------------------------------------------------------------------------------------------------------------------------

TEST_F(RequestsTest, AContributionIsReviewedAndWhatIsSharedNamesNobody) {
  v1::ContributePracticeRequest contribute;
  contribute.set_title("Two persons at the gate");
  contribute.set_text("As is done in Country JP.");
  const auto contributed = Ask<v1::ContributedPractice>(jp_, "ContributePractice", contribute);
  ASSERT_TRUE(contributed.ok()) << contributed.status();
  EXPECT_EQ(contributed->outcome(), v1::CONTRIBUTION_OUTCOME_PENDING);
  const auto listed = Must<v1::ListPracticeContributionsResponse>(officer_, "PracticeService/ListPracticeContributions",
                                                                  v1::ListPracticeContributionsRequest());
  ASSERT_EQ(listed.practice_contributions_size(), 1);
  v1::PracticeContribution contribution = listed.practice_contributions(0);
  EXPECT_EQ(contribution.system(), "partner/JP/registry");
  EXPECT_EQ(contribution.state(), v1::CONTRIBUTION_STATE_SUBMITTED);
  v1::AcceptPracticeContributionRequest accept;
  accept.set_review("Fit to share.");
  EXPECT_THAT(Move(officer_, "PracticeService/AcceptPracticeContribution", contribution, accept), FailsWith("FIELD_INVALID", "text"));

  const v1::BestPractice practice = Practice("Two persons at the gate", v1::MARKING_PUBLIC);
  v1::UpdatePracticeContributionRequest update;
  *update.mutable_practice_contribution() = contribution;
  update.mutable_practice_contribution()->set_text("A second guard checks.");
  update.mutable_practice_contribution()->set_practice(practice.name());
  contribution = Must<v1::PracticeContribution>(officer_, "PracticeService/UpdatePracticeContribution", update);
  ASSERT_TRUE(Move(officer_, "PracticeService/AcceptPracticeContribution", contribution, accept).ok());
  v1::GetContributedPracticeRequest get;
  get.set_name(contributed->name());
  const auto accepted = Must<v1::ContributedPractice>(jp_, "ExchangeService/GetContributedPractice", get);
  EXPECT_EQ(accepted.outcome(), v1::CONTRIBUTION_OUTCOME_ACCEPTED);
  EXPECT_EQ(accepted.review(), "Fit to share.");
  EXPECT_EQ(accepted.practice(), NameFor("JP", practice.name()));
  EXPECT_THAT(au_.Call<v1::ContributedPractice>("ExchangeService/GetContributedPractice", get), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(
      Must<v1::ListContributedPracticesResponse>(au_, "ExchangeService/ListContributedPractices", v1::ListContributedPracticesRequest())
          .contributed_practices(),
      IsEmpty());
  EXPECT_THAT(Practices(au_), ElementsAre("Two persons at the gate"));
  EXPECT_THAT(List(au_).SerializeAsString(), Not(HasSubstr("JP")));
}

TEST_F(RequestsTest, APublicPracticeIsForAllUntilAReleaseSaysOtherwise) {
  Practice("Inner", v1::MARKING_OFFICIAL);
  v1::CreateBestPracticeRequest create;
  create.mutable_best_practice()->set_title("Draft");
  create.mutable_best_practice()->set_text("Being written.");
  create.mutable_best_practice()->set_marking(v1::MARKING_PUBLIC);
  Make<v1::BestPractice>("PracticeService/CreateBestPractice", create);
  Feed feed(jp_);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("reset", "end"));
  const v1::BestPractice practice = Practice("Shown", v1::MARKING_PUBLIC);
  EXPECT_THAT(feed.ToEnd(), SizeIs(2));  // it, and the end
  EXPECT_THAT(Practices(jp_), ElementsAre("Shown"));
  EXPECT_THAT(List(jp_).records(0).purposes(), IsEmpty());
  EXPECT_FALSE(List(jp_).records(0).has_release_time());
  EXPECT_EQ(List(jp_).records(0).marking(), "PUBLIC");

  // A release that allows less narrows it for its nations, and its recall ends it for them: the most restrictive wins.
  v1::Release draft = Draft(practice.name(), {"JP"});
  draft.add_fields()->set_field("title");
  const v1::Release narrow = Release(draft);
  EXPECT_EQ(List(jp_).records(0).practice().text(), "");
  EXPECT_EQ(List(au_).records(0).practice().text(), "A second guard checks.");
  EXPECT_EQ(feed.ToEnd().back(), "end");
  Recall(narrow);
  EXPECT_THAT(Practices(jp_), IsEmpty());
  EXPECT_THAT(Practices(au_), ElementsAre("Shown"));
  EXPECT_THAT(feed.ToEnd(), ElementsAre("-" + NameFor("JP", practice.name()), "end"));
  Feed at_au(au_);
  EXPECT_THAT(at_au.ToEnd(), SizeIs(3));
  v1::RetireBestPracticeRequest retire;
  retire.set_reason("Superseded.");
  ASSERT_TRUE(Move(officer_, "PracticeService/RetireBestPractice", practice, retire).ok());
  EXPECT_THAT(Practices(au_), IsEmpty());
  EXPECT_THAT(at_au.ToEnd(), ElementsAre("-" + NameFor("AU", practice.name()), "end"));
}

TEST_F(RequestsTest, WhatIsPublicIsHeadquartersToChange) {
  v1::BestPractice practice = Practice("Shown", v1::MARKING_OFFICIAL);
  const auto update = [&](const Client& caller) {
    v1::UpdateBestPracticeRequest request;
    request.set_request_id(NextId());
    *request.mutable_best_practice() = practice;
    return caller.Call<v1::BestPractice>("PracticeService/UpdateBestPractice", request);
  };
  practice.set_text("Two guards check.");
  practice.set_version(2);
  const auto revised = update(officer_);
  ASSERT_TRUE(revised.ok()) << revised.status();
  practice = *revised;

  practice.set_marking(v1::MARKING_PUBLIC);
  EXPECT_THAT(update(officer_), FailsWith("PERMISSION_DENIED"));
  const auto shown = update(hq_);
  ASSERT_TRUE(shown.ok()) << shown.status();
  practice = *shown;
  practice.set_text("What only apac knows.");
  practice.set_version(3);
  EXPECT_THAT(update(officer_), FailsWith("PERMISSION_DENIED"));
  EXPECT_EQ(List(jp_).records(0).practice().text(), "Two guards check.");

  practice = *shown;
  practice.set_marking(v1::MARKING_SENSITIVE);
  EXPECT_TRUE(update(officer_).ok()) << "what ends it, anyone may write";
  EXPECT_THAT(Practices(jp_), IsEmpty());

  // Made, imported or published: likewise.
  v1::CreateTrainingOfferingRequest create;
  create.set_training_offering_id("drills");
  create.set_request_id(NextId());
  create.mutable_training_offering()->set_display_name("Drills");
  create.mutable_training_offering()->set_program(v1::TRAINING_PROGRAM_PORT_SECURITY);
  create.mutable_training_offering()->set_marking(v1::MARKING_PUBLIC);
  EXPECT_THAT(officer_.Call<v1::TrainingOffering>("TrainingService/CreateTrainingOffering", create), FailsWith("PERMISSION_DENIED"));
  v1::ImportTrainingOfferingsRequest import;
  *import.add_training_offerings() = create.training_offering();
  import.mutable_training_offerings(0)->set_name("trainingOfferings/drills");
  const auto refused = Must<v1::ImportResponse>(officer_, "TrainingService/ImportTrainingOfferings", import);
  ASSERT_EQ(refused.refusals_size(), 1);
  EXPECT_EQ(refused.refusals(0).status().code(), static_cast<int>(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(List(jp_).records(), IsEmpty());
  EXPECT_EQ(Must<v1::ImportResponse>(hq_, "TrainingService/ImportTrainingOfferings", import).created(), 1);
  EXPECT_THAT(List(jp_).records(), SizeIs(1));
  const v1::BestPractice draft = Drafted(v1::MARKING_PUBLIC);
  EXPECT_THAT(Move(officer_, "PracticeService/PublishBestPractice", draft, v1::PublishBestPracticeRequest()),
              FailsWith("PERMISSION_DENIED"));
}

TEST_F(RequestsTest, WhatIsPublicIsHeadquartersToChangeUponABasisToo) {
  const v1::BestPractice open = Drafted(v1::MARKING_PUBLIC);
  const v1::BestPractice inner = Drafted(v1::MARKING_OFFICIAL);
  for (const v1::BestPractice& draft : {open, inner}) {
    ASSERT_TRUE(Move(hq_, "PracticeService/PublishBestPractice", draft, v1::PublishBestPracticeRequest()).ok());
  }
  ASSERT_THAT(List(jp_).records(), SizeIs(1));
  // What was written offline before the publication, and is sent after it.
  v1::UpdateBestPracticeRequest edit;
  *edit.mutable_best_practice() = open;
  edit.mutable_best_practice()->set_text("What only apac knows.");
  EXPECT_THAT(UponBasis<v1::BestPractice>(officer_, "PracticeService/UpdateBestPractice", edit), FailsWith("PERMISSION_DENIED"));
  v1::UpdateBestPracticeRequest mark;
  *mark.mutable_best_practice() = inner;
  mark.mutable_best_practice()->set_marking(v1::MARKING_PUBLIC);
  EXPECT_THAT(UponBasis<v1::BestPractice>(officer_, "PracticeService/UpdateBestPractice", mark), FailsWith("PERMISSION_DENIED"));
  ASSERT_THAT(List(jp_).records(), SizeIs(1));
  EXPECT_EQ(List(jp_).records(0).practice().text(), "A second guard checks.");
  // What nobody is shown without a release may be changed so, and what is shown by headquarters.
  *edit.mutable_best_practice() = inner;
  edit.mutable_best_practice()->set_text("What only apac knows.");
  EXPECT_TRUE(UponBasis<v1::BestPractice>(officer_, "PracticeService/UpdateBestPractice", edit).ok());
  EXPECT_THAT(List(jp_).records(), SizeIs(1));
  *edit.mutable_best_practice() = open;
  edit.mutable_best_practice()->set_text("Two guards check.");
  EXPECT_TRUE(UponBasis<v1::BestPractice>(hq_, "PracticeService/UpdateBestPractice", edit).ok());
  EXPECT_EQ(List(jp_).records(0).practice().text(), "Two guards check.");

  Contact("US-ports", v1::CONTACT_DUTY_PORTS, v1::MARKING_OFFICIAL);
  v1::GetContactRequest get;
  get.set_name("contacts/US-ports");
  v1::UpdateContactRequest update;
  *update.mutable_contact() = Must<v1::Contact>(hq_, "ReferenceService/GetContact", get);
  v1::UpdateContactRequest offline = update;
  update.mutable_contact()->set_marking(v1::MARKING_PUBLIC);
  update.set_request_id(NextId());
  Must<v1::Contact>(hq_, "ReferenceService/UpdateContact", update);
  offline.mutable_contact()->set_phone("+1 202 555 0100");
  EXPECT_THAT(UponBasis<v1::Contact>(officer_, "ReferenceService/UpdateContact", offline), FailsWith("PERMISSION_DENIED"));
}

TEST_F(RequestsTest, AConflictInWhatIsPublicIsHeadquartersToSettle) {
  const v1::BestPractice draft = Drafted(v1::MARKING_PUBLIC);
  ASSERT_TRUE(Move(hq_, "PracticeService/PublishBestPractice", draft, v1::PublishBestPracticeRequest()).ok());
  for (const char* reference : {"ISPS A/16.3", "SOLAS XI-2/10"}) {
    v1::UpdateBestPracticeRequest edit;
    *edit.mutable_best_practice() = draft;
    edit.mutable_best_practice()->set_isps_reference(reference);
    ASSERT_TRUE(UponBasis<v1::BestPractice>(hq_, "PracticeService/UpdateBestPractice", edit).ok());
  }
  v1::GetConflictRequest get;
  get.set_name(draft.name() + "/conflicts/isps_reference");
  const auto conflict = Must<v1::Conflict>(officer_, "RecordService/GetConflict", get);
  ASSERT_EQ(conflict.values_size(), 2);
  v1::ResolveConflictRequest keep;
  keep.set_name(conflict.name());
  keep.set_etag(conflict.etag());
  keep.mutable_keep()->add_value_ids(conflict.values(1).value_id());
  keep.set_request_id(NextId());
  EXPECT_THAT(officer_.Call<v1::ResolveConflictResponse>("RecordService/ResolveConflict", keep), FailsWith("PERMISSION_DENIED"));
  keep.set_request_id(NextId());
  EXPECT_TRUE(hq_.Call<v1::ResolveConflictResponse>("RecordService/ResolveConflict", keep).ok());
}

TEST_F(RequestsTest, TheEndOfAPublicationUponABasisIsToldToThoseItWasSentTo) {
  const v1::BestPractice withdrawn = Drafted(v1::MARKING_PUBLIC);
  const v1::BestPractice marked = Drafted(v1::MARKING_PUBLIC);
  for (const v1::BestPractice& draft : {withdrawn, marked}) {
    ASSERT_TRUE(Move(hq_, "PracticeService/PublishBestPractice", draft, v1::PublishBestPracticeRequest()).ok());
  }
  ASSERT_THAT(List(jp_).records(), SizeIs(2));
  v1::WithdrawBestPracticeRequest withdraw;
  withdraw.set_name(withdrawn.name());
  withdraw.set_etag(withdrawn.etag());
  ASSERT_TRUE(UponBasis<v1::BestPractice>(officer_, "PracticeService/WithdrawBestPractice", withdraw).ok());
  EXPECT_THAT(List(jp_).records(), SizeIs(1));
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(1));
  v1::UpdateBestPracticeRequest mark;
  *mark.mutable_best_practice() = marked;
  mark.mutable_best_practice()->set_marking(v1::MARKING_SENSITIVE);
  ASSERT_TRUE(UponBasis<v1::BestPractice>(officer_, "PracticeService/UpdateBestPractice", mark).ok());
  EXPECT_THAT(List(jp_).records(), IsEmpty());
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(2));
}

TEST_F(RequestsTest, ANationEndorsesOnceAndMayTakeItBack) {
  const v1::BestPractice practice = Practice("Shown", v1::MARKING_PUBLIC);
  const v1::BestPractice inner = Practice("Inner", v1::MARKING_OFFICIAL);
  v1::EndorsePracticeRequest endorse;
  endorse.set_practice(NameFor("JP", practice.name()));
  ASSERT_TRUE(Ask<v1::PracticeEndorsement>(jp_, "EndorsePractice", endorse).ok());
  ASSERT_TRUE(Ask<v1::PracticeEndorsement>(site_.As("partner/JP/portnet"), "EndorsePractice", endorse).ok());  // another of its systems
  v1::ListEndorsementsRequest list;
  list.set_parent(practice.name());
  const auto known = Must<v1::ListEndorsementsResponse>(officer_, "PracticeService/ListEndorsements", list);
  ASSERT_EQ(known.endorsements_size(), 1);
  EXPECT_EQ(known.endorsements(0).nation(), "countries/JP");
  EXPECT_THAT(
      Must<v1::ListPracticeEndorsementsResponse>(au_, "ExchangeService/ListPracticeEndorsements", v1::ListPracticeEndorsementsRequest())
          .practice_endorsements(),
      IsEmpty());
  v1::RetractEndorsementRequest retract;
  retract.set_practice(NameFor("AU", practice.name()));
  EXPECT_THAT(Ask<v1::PracticeEndorsement>(au_, "RetractEndorsement", retract), FailsWith("RECORD_NOT_FOUND"));
  retract.set_practice(endorse.practice());
  EXPECT_TRUE(Ask<v1::PracticeEndorsement>(jp_, "RetractEndorsement", retract)->retracted());
  EXPECT_EQ(Must<v1::ListEndorsementsResponse>(officer_, "PracticeService/ListEndorsements", list).endorsements_size(), 0);
  const auto own =
      Must<v1::ListPracticeEndorsementsResponse>(jp_, "ExchangeService/ListPracticeEndorsements", v1::ListPracticeEndorsementsRequest());
  ASSERT_EQ(own.practice_endorsements_size(), 1);
  EXPECT_TRUE(own.practice_endorsements(0).retracted());
  EXPECT_EQ(own.practice_endorsements(0).practice(), endorse.practice());
  EXPECT_FALSE(Ask<v1::PracticeEndorsement>(jp_, "EndorsePractice", endorse)->retracted());
  EXPECT_EQ(Must<v1::ListEndorsementsResponse>(officer_, "PracticeService/ListEndorsements", list).endorsements_size(), 1);
  endorse.set_practice(NameFor("JP", inner.name()));
  EXPECT_THAT(Ask<v1::PracticeEndorsement>(jp_, "EndorsePractice", endorse), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(RequestsTest, WhatSettlesIsTakenWhateverElseWasKeptToday) {
  const auto visit = Ask<v1::VisitRequest>(jp_, "RequestVisit", Visit());
  ASSERT_TRUE(visit.ok()) << visit.status();
  Recall(Release(Draft("liaisonOfficers/far-east", {"JP"})));
  TestSite hq("hq", &clock_, absl::Milliseconds(50), nullptr, nullptr, {},
              {.submissions_per_day = 1, .now = [this] { return clock_.Now(); }});
  hq.Receive(site_);
  const Client registry = hq.As("partner/JP/registry");
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  ASSERT_TRUE(Ask<v1::Question>(registry, "AskQuestion", ask).ok());
  EXPECT_THAT(Ask<v1::Question>(registry, "AskQuestion", ask), FailsWith("LIMIT_REACHED"));
  ASSERT_THAT(Withdrawals(registry).withdrawals(), SizeIs(1));
  v1::AcknowledgeWithdrawalRequest acknowledge;
  acknowledge.set_name(Withdrawals(registry).withdrawals(0).name());
  const auto acknowledged = Ask<v1::Withdrawal>(registry, "AcknowledgeWithdrawal", acknowledge);
  EXPECT_TRUE(acknowledged.ok()) << acknowledged.status();
  EXPECT_THAT(Ask<v1::Withdrawal>(registry, "AcknowledgeWithdrawal", acknowledge), FailsWith("LIMIT_REACHED")) << "it says nothing new";
  v1::CancelVisitRequestRequest cancel;
  cancel.set_name(visit->name());
  const auto cancelled = Ask<v1::VisitRequest>(registry, "CancelVisitRequest", cancel);
  EXPECT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_THAT(Ask<v1::VisitRequest>(registry, "CancelVisitRequest", cancel), FailsWith("LIMIT_REACHED"));
}

// A receipt keeps the bytes as they came. Of a field that comes twice the last counts, so that a short reason may come with a long one.
TEST_F(RequestsTest, WhatSettlesCountsWhenItIsLarge) {
  const auto visit = Ask<v1::VisitRequest>(jp_, "RequestVisit", Visit());
  ASSERT_TRUE(visit.ok()) << visit.status();
  TestSite hq("hq", &clock_, absl::Milliseconds(50), nullptr, nullptr, {},
              {.submissions_per_day = 8, .now = [this] { return clock_.Now(); }});
  hq.Receive(site_);
  const Client registry = hq.As("partner/JP/registry");
  v1::CancelVisitRequestRequest padded;
  padded.set_name(visit->name());
  google::protobuf::UnknownFieldSet* fields = padded.GetReflection()->MutableUnknownFields(&padded);
  fields->AddLengthDelimited(v1::CancelVisitRequestRequest::kReasonFieldNumber, std::string(200'000, 'x'));
  fields->AddLengthDelimited(v1::CancelVisitRequestRequest::kReasonFieldNumber, "no ship");
  const auto cancelled = Ask<v1::VisitRequest>(registry, "CancelVisitRequest", padded);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  EXPECT_THAT(Ask<v1::Question>(registry, "AskQuestion", ask), FailsWith("LIMIT_REACHED"));
}

// --- Questions and contacts --------------------------------------------------------------------------------------------------------------

TEST_F(RequestsTest, TheNationsQuestionsAreListedWithTheirAnswers) {
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  ASSERT_TRUE(Ask<v1::Question>(jp_, "AskQuestion", ask).ok());
  const auto inquiries = Must<v1::ListInquiriesResponse>(officer_, "HelpDeskService/ListInquiries", v1::ListInquiriesRequest());
  ASSERT_EQ(inquiries.inquiries_size(), 1);
  EXPECT_EQ(inquiries.inquiries(0).system(), "partner/JP/registry");
  v1::AnswerInquiryRequest answer;
  answer.set_answer("Every three months.");
  ASSERT_TRUE(Move(officer_, "HelpDeskService/AnswerInquiry", inquiries.inquiries(0), answer).ok());
  const auto questions = Must<v1::ListQuestionsResponse>(jp_, "ExchangeService/ListQuestions", v1::ListQuestionsRequest());
  ASSERT_EQ(questions.questions_size(), 1);
  EXPECT_EQ(questions.questions(0).answer(), "Every three months.");
  EXPECT_THAT(Must<v1::ListQuestionsResponse>(au_, "ExchangeService/ListQuestions", v1::ListQuestionsRequest()).questions(), IsEmpty());
}

TEST_F(RequestsTest, ANationStatesItsContactsAndSeesThoseOfTheUnitedStates) {
  Contact("JP-ports", v1::CONTACT_DUTY_PORTS, v1::MARKING_OFFICIAL);  // what staff know of Japan is theirs
  Contact("US-ships", v1::CONTACT_DUTY_SHIPS, v1::MARKING_PUBLIC);
  Contact("US-ports", v1::CONTACT_DUTY_PORTS, v1::MARKING_OFFICIAL);
  Release(Draft("contacts/US-ports", {"AU"}));
  v1::StatePointOfContactRequest state;
  state.mutable_contact()->set_duty(v1::POINT_OF_CONTACT_DUTY_SHIPS);
  state.mutable_contact()->set_display_name("Operations Centre");
  state.mutable_contact()->set_phone("+81 3 5253 8111");
  state.mutable_contact()->set_always_reachable(true);
  ASSERT_TRUE(Ask<v1::PointOfContact>(jp_, "StatePointOfContact", state).ok());
  state.mutable_contact()->set_phone("+81 3 5253 8112");  // in its place, in the same instant
  EXPECT_EQ(Ask<v1::PointOfContact>(jp_, "StatePointOfContact", state)->phone(), "+81 3 5253 8112");
  const auto of_jp = Must<v1::ContactSheet>(jp_, "ExchangeService/GetContactSheet", v1::GetContactSheetRequest());
  ASSERT_EQ(of_jp.own_size(), 1);
  EXPECT_EQ(of_jp.own(0).phone(), "+81 3 5253 8112");
  EXPECT_TRUE(of_jp.own(0).always_reachable());
  ASSERT_EQ(of_jp.united_states_size(), 1);
  EXPECT_EQ(of_jp.united_states(0).display_name(), "Watch of US-ships");
  EXPECT_EQ(of_jp.united_states(0).country_code(), "US");
  const auto of_au = Must<v1::ContactSheet>(au_, "ExchangeService/GetContactSheet", v1::GetContactSheetRequest());
  EXPECT_EQ(of_au.own_size(), 0);
  EXPECT_EQ(of_au.united_states_size(), 2);

  v1::GetContactRequest get;
  get.set_name("contacts/JP-ships");
  v1::UpdateContactRequest update;
  *update.mutable_contact() = Must<v1::Contact>(officer_, "ReferenceService/GetContact", get);
  EXPECT_EQ(update.contact().system(), "partner/JP/registry");
  update.mutable_contact()->set_phone("+81 3 0000 0000");
  EXPECT_THAT(officer_.Call<v1::Contact>("ReferenceService/UpdateContact", update), FailsWith("FIELD_IMMUTABLE", "contact.display_name"));
  state.mutable_contact()->set_phone("110");
  EXPECT_THAT(Ask<v1::PointOfContact>(jp_, "StatePointOfContact", state), FailsWith("FIELD_INVALID", "contact.phone"));
  state.mutable_contact()->clear_duty();
  EXPECT_THAT(Ask<v1::PointOfContact>(jp_, "StatePointOfContact", state), FailsWith("FIELD_REQUIRED", "contact.duty"));
  // What staff had entered gives way to what the nation states.
  state.mutable_contact()->set_duty(v1::POINT_OF_CONTACT_DUTY_PORTS);
  state.mutable_contact()->set_phone("+81 3 5253 8113");
  ASSERT_TRUE(Ask<v1::PointOfContact>(jp_, "StatePointOfContact", state).ok());
  EXPECT_EQ(Must<v1::ContactSheet>(jp_, "ExchangeService/GetContactSheet", v1::GetContactSheetRequest()).own_size(), 2);
}

TEST_F(RequestsTest, ALiaisonOfficerIsReleasedLikeAnyRecord) {
  Release(Draft("liaisonOfficers/far-east", {"JP"}));
  ASSERT_THAT(List(jp_).records(), SizeIs(1));
  EXPECT_EQ(List(jp_).records(0).officer().display_name(), "IPSLO far-east");
  EXPECT_THAT(List(au_).records(), IsEmpty());
}

}  // namespace
}  // namespace fairlead::rpc
