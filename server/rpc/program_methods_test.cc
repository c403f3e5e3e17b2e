#include "server/rpc/program_methods.h"

#include "fairlead/v1/assessment_service.pb.h"
#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "server/rpc/rpc_fixture.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

void SetDate(google::type::Date* date, int year, int month, int day) {
  date->set_year(year);
  date->set_month(month);
  date->set_day(day);
}

class ProgramMethodsTest : public SiteTest {
 protected:
  template <class Record, class Request>
  Record Must(const std::string& method, const Request& request) {
    const auto record = officer_.Call<Record>(method, request);
    EXPECT_TRUE(record.ok()) << method << ": " << record.status();
    return record.value_or(Record());
  }
  // Calls a lifecycle method of a record that was read.
  template <class Record, class Request>
  absl::StatusOr<Record> Try(const std::string& method, const Record& record, Request request) {
    request.set_name(record.name());
    request.set_etag(record.etag());
    return officer_.Call<Record>(method, request);
  }
  v1::ConditionOfEntry MakeCondition(const std::string& id, v1::ConditionOfEntry condition) {
    v1::CreateConditionOfEntryRequest request;
    request.set_condition_of_entry_id(id);
    condition.set_country("countries/" + id.substr(0, 2));
    condition.set_source("a test");
    *request.mutable_condition_of_entry() = condition;
    return Must<v1::ConditionOfEntry>("AssessmentService/CreateConditionOfEntry", request);
  }
  v1::Arrival MakeArrival(int day, const std::vector<std::string>& last_countries) {
    v1::CreateArrivalRequest request;
    v1::Arrival& arrival = *request.mutable_arrival();
    arrival.set_vessel_name("MV Example");
    arrival.set_imo_number("9619907");
    arrival.set_arrival_place("Baltimore, MD");
    SetDate(arrival.mutable_arrival_date(), 2024, 3, day);
    arrival.set_source_kind(v1::ARRIVAL_SOURCE_NOTICE);
    for (const std::string& country : last_countries) arrival.add_last_calls()->set_country("countries/" + country);
    return Must<v1::Arrival>("PriorityService/CreateArrival", request);
  }
};

// Djibouti, as published: found 2016-08-18, conditions from 2019-05-30, lifted 2025-07-21.
TEST_F(ProgramMethodsTest, AnAssessmentLeadsToConditionsThatAreLiftedAndItsHistoryIsKept) {
  MakeCountry("DJ", "Djibouti");
  v1::CreateAssessmentRequest create;
  create.mutable_assessment()->set_country("countries/DJ");
  create.mutable_assessment()->set_source("84 FR 22153 (USCG-2017-0851)");
  v1::Assessment assessment = Must<v1::Assessment>("AssessmentService/CreateAssessment", create);
  EXPECT_EQ(assessment.state(), v1::ASSESSMENT_STATE_DRAFT);
  EXPECT_THAT(Try("AssessmentService/NotifyAssessment", assessment, v1::NotifyAssessmentRequest()), FailsWith("STATE_FORBIDS"));
  v1::DetermineAssessmentRequest determine;
  EXPECT_THAT(Try("AssessmentService/DetermineAssessment", assessment, determine), FailsWith("FIELD_REQUIRED", "basis"));
  determine.set_determination(v1::DETERMINATION_NOT_EFFECTIVE);
  determine.set_basis(v1::ASSESSMENT_BASIS_ON_SITE);
  SetDate(determine.mutable_determination_date(), 2016, 8, 18);
  assessment = *Try("AssessmentService/DetermineAssessment", assessment, determine);
  EXPECT_EQ(assessment.due_date().year(), 2019);  // filled in
  EXPECT_EQ(assessment.due_date().month(), 8);

  v1::ConditionOfEntry given;
  given.set_assessment(assessment.name());
  v1::ConditionOfEntry condition = MakeCondition("DJ-1", given);
  EXPECT_EQ(condition.state(), v1::CONDITION_STATE_PENDING);
  EXPECT_THAT(Try("AssessmentService/LiftConditionOfEntry", condition, v1::LiftConditionOfEntryRequest()), FailsWith("STATE_FORBIDS"));
  v1::ImposeConditionOfEntryRequest impose;
  SetDate(impose.mutable_effective_date(), 2019, 5, 30);
  SetDate(impose.mutable_publication_date(), 2019, 5, 16);
  condition = *Try("AssessmentService/ImposeConditionOfEntry", condition, impose);
  v1::LiftConditionOfEntryRequest lift;
  SetDate(lift.mutable_lifted_date(), 2025, 7, 21);
  condition = *Try("AssessmentService/LiftConditionOfEntry", condition, lift);
  EXPECT_EQ(condition.state(), v1::CONDITION_STATE_LIFTED);

  const auto in_force = [this](int year, int month, int day) {
    v1::ListConditionsInForceRequest request;
    SetDate(request.mutable_as_of(), year, month, day);
    return Must<v1::ListConditionsInForceResponse>("AssessmentService/ListConditionsInForce", request).standings_size();
  };
  EXPECT_EQ(in_force(2019, 5, 29), 0);
  EXPECT_EQ(in_force(2019, 5, 30), 1);
  EXPECT_EQ(in_force(2025, 7, 20), 1);
  EXPECT_EQ(in_force(2025, 7, 21), 0);

  v1::ListAssessmentStandingsRequest standings;
  SetDate(standings.mutable_as_of(), 2019, 8, 19);
  const auto overdue = Must<v1::ListAssessmentStandingsResponse>("AssessmentService/ListAssessmentStandings", standings);
  ASSERT_EQ(overdue.standings_size(), 1);
  EXPECT_EQ(overdue.standings(0).status(), v1::CYCLE_STATUS_OVERDUE);
  EXPECT_EQ(overdue.standings(0).assessment(), assessment.name());
  SetDate(standings.mutable_as_of(), 2016, 8, 17);
  EXPECT_EQ(Must<v1::ListAssessmentStandingsResponse>("AssessmentService/ListAssessmentStandings", standings).standings(0).status(),
            v1::CYCLE_STATUS_NEVER);
  standings.mutable_as_of()->set_day(0);
  EXPECT_THAT(officer_.Call<v1::ListAssessmentStandingsResponse>("AssessmentService/ListAssessmentStandings", standings),
              FailsWith("FIELD_INVALID", "as_of"));

  v1::ListRevisionsRequest history;
  history.set_name(condition.name());
  EXPECT_EQ(Must<v1::ListRevisionsResponse>("RecordService/ListRevisions", history).revisions_size(), 3);
}

TEST_F(ProgramMethodsTest, CountriesOfTheLastFivePortsAreEligibleInAnyWindow) {
  for (const char* code : {"JP", "NG", "ES"}) MakeCountry(code, code);
  MakeArrival(1, {"JP", "NG", "JP"});
  MakeArrival(2, {"JP"});
  MakeArrival(3, {});
  MakeArrival(31, {"ES", "ES", "ES", "ES", "ES", "NG"});
  v1::ListEligibleCountriesRequest request;
  SetDate(request.mutable_start_date(), 2024, 3, 1);
  SetDate(request.mutable_end_date(), 2024, 3, 31);
  const auto all = Must<v1::ListEligibleCountriesResponse>("PriorityService/ListEligibleCountries", request);
  std::vector<std::pair<std::string, int64_t>> counts;
  for (const auto& country : all.countries()) counts.emplace_back(country.country(), country.arrivals());
  EXPECT_THAT(counts, ElementsAre(std::pair("countries/JP", 2), std::pair("countries/ES", 1), std::pair("countries/NG", 1)));
  EXPECT_EQ(all.arrivals(), 4);
  EXPECT_EQ(all.arrivals_without_last_ports(), 1);
  request.mutable_start_date()->set_day(2);
  request.mutable_end_date()->set_day(30);
  EXPECT_EQ(Must<v1::ListEligibleCountriesResponse>("PriorityService/ListEligibleCountries", request).countries_size(), 1);
  SetDate(request.mutable_end_date(), 2024, 2, 1);
  EXPECT_THAT(officer_.Call<v1::ListEligibleCountriesResponse>("PriorityService/ListEligibleCountries", request),
              FailsWith("FIELD_INVALID", "end_date"));
  request.clear_end_date();
  EXPECT_THAT(officer_.Call<v1::ListEligibleCountriesResponse>("PriorityService/ListEligibleCountries", request),
              FailsWith("FIELD_REQUIRED", "end_date"));
}

TEST_F(ProgramMethodsTest, PrioritiesAreExplainedByTheirRecordsAndWhatIsMissingIsSaid) {
  for (const char* code : {"JP", "NG", "ES"}) MakeCountry(code, code);
  const v1::Arrival arrival = MakeArrival(2, {"NG"});
  v1::ConditionOfEntry imposed;
  SetDate(imposed.mutable_effective_date(), 2014, 6, 26);
  const v1::ConditionOfEntry condition = MakeCondition("NG-1", imposed);
  ASSERT_TRUE(Try("AssessmentService/ImposeConditionOfEntry", condition, v1::ImposeConditionOfEntryRequest()).ok());
  v1::ListVisitPrioritiesRequest request;
  SetDate(request.mutable_as_of(), 2024, 12, 31);
  const auto ranked = Must<v1::ListVisitPrioritiesResponse>("PriorityService/ListVisitPriorities", request);
  ASSERT_EQ(ranked.priorities_size(), 3);
  const v1::VisitPriority& first = ranked.priorities(0);
  EXPECT_EQ(first.country(), "countries/NG");
  EXPECT_TRUE(first.eligible());
  EXPECT_EQ(first.coverage_millionths(), 650'000);  // vessels 40 and history 25 of 100
  EXPECT_THAT(first.factors(0).records(), ElementsAre(arrival.name()));
  EXPECT_EQ(first.factors(0).value(), 1);
  EXPECT_TRUE(first.factors(1).missing());
  EXPECT_THAT(first.factors(1).explanation(), HasSubstr("no traffic figures"));
  EXPECT_THAT(first.factors(2).records(), ElementsAre("conditionsOfEntry/NG-1"));
  EXPECT_EQ(first.factors(2).value(), 100);
  EXPECT_TRUE(first.factors(3).missing());
  EXPECT_TRUE(ranked.priorities(1).factors(2).missing());  // nothing is known of the history: not 0
  EXPECT_THAT(ranked.data_note(), HasSubstr("recorded arrivals"));
  EXPECT_EQ(ranked.weights().vessels(), 40);

  // Petroleum figures stand in where there are no arrivals, and say so.
  v1::CreateTrafficFigureRequest traffic;
  traffic.set_traffic_figure_id("eia-es-202301-0a1b2c3d");
  traffic.mutable_traffic_figure()->set_source_kind(v1::TRAFFIC_SOURCE_EIA_PETROLEUM);
  traffic.mutable_traffic_figure()->set_country("countries/ES");
  traffic.mutable_traffic_figure()->set_place("HOUSTON");
  traffic.mutable_traffic_figure()->set_month("2023-01");
  traffic.mutable_traffic_figure()->set_quantity_thousand_barrels(94);
  traffic.mutable_traffic_figure()->set_shipments(3);
  Must<v1::TrafficFigure>("PriorityService/CreateTrafficFigure", traffic);
  SetDate(request.mutable_start_date(), 2023, 1, 1);
  SetDate(request.mutable_end_date(), 2023, 12, 31);
  request.mutable_weights()->set_cargo(1);
  const auto proxy = Must<v1::ListVisitPrioritiesResponse>("PriorityService/ListVisitPriorities", request);
  EXPECT_EQ(proxy.priorities(0).country(), "countries/ES");
  EXPECT_EQ(proxy.priorities(0).score_millionths(), 1'000'000);
  EXPECT_EQ(proxy.priorities(0).factors(0).unit(), "EIA shipments");
  EXPECT_EQ(proxy.priorities(0).factors(0).value(), 3);
  EXPECT_THAT(proxy.priorities(0).factors(1).records(), ElementsAre("trafficFigures/eia-es-202301-0a1b2c3d"));
  EXPECT_EQ(proxy.priorities(1).rank(), 0);  // no data under these weights
  EXPECT_THAT(proxy.data_note(), HasSubstr("a proxy, for petroleum only"));
  request.mutable_weights()->set_cargo(0);
  EXPECT_THAT(officer_.Call<v1::ListVisitPrioritiesResponse>("PriorityService/ListVisitPriorities", request),
              FailsWith("FIELD_INVALID", "weights"));
}

TEST_F(ProgramMethodsTest, MeasuresAreAdvisedForARecordedAndForAnUnrecordedNotice) {
  MakeCountry("NG", "Nigeria");
  v1::ConditionOfEntry imposed;
  SetDate(imposed.mutable_effective_date(), 2014, 6, 26);
  const v1::ConditionOfEntry condition = MakeCondition("NG-1", imposed);
  ASSERT_TRUE(Try("AssessmentService/ImposeConditionOfEntry", condition, v1::ImposeConditionOfEntryRequest()).ok());
  const v1::Arrival arrival = MakeArrival(2, {"NG"});
  v1::AdviseMeasuresRequest request;
  request.set_name(arrival.name());
  const auto recorded = Must<v1::AdviseMeasuresResponse>("PriorityService/AdviseMeasures", request);
  EXPECT_TRUE(recorded.advice().conditions_apply());
  EXPECT_EQ(recorded.advice().measures(0).rule(), "COE-1");
  *request.mutable_arrival() = arrival;
  request.mutable_arrival()->mutable_last_calls(0)->clear_country();
  request.mutable_arrival()->mutable_last_calls(0)->set_port("ports/NGLOS");
  EXPECT_EQ(Must<v1::AdviseMeasuresResponse>("PriorityService/AdviseMeasures", request).SerializeAsString(), recorded.SerializeAsString());
  request.set_name("arrivals/none");
  EXPECT_THAT(officer_.Call<v1::AdviseMeasuresResponse>("PriorityService/AdviseMeasures", request), FailsWith("RECORD_NOT_FOUND"));
  request.set_name("countries/NG");
  EXPECT_THAT(officer_.Call<v1::AdviseMeasuresResponse>("PriorityService/AdviseMeasures", request), FailsWith("FIELD_INVALID", "name"));
  request.Clear();
  EXPECT_THAT(officer_.Call<v1::AdviseMeasuresResponse>("PriorityService/AdviseMeasures", request), FailsWith("FIELD_REQUIRED", "name"));
}

// What a reader is sent of a practice, in lists and in its history, holds nothing of the engagement and country it came from.
TEST_F(ProgramMethodsTest, APublishedPracticeRevealsNoSourceOnTheWireOrInItsHistory) {
  MakeCountry("JP", "Japan");
  const v1::Engagement engagement = MakeEngagement("Visit to the Designated Authority");
  v1::CreatePracticeContributionRequest contribute;
  contribute.mutable_practice_contribution()->set_engagement(engagement.name());
  contribute.mutable_practice_contribution()->set_country("countries/JP");
  contribute.mutable_practice_contribution()->set_title("Two persons at the gate");
  contribute.mutable_practice_contribution()->set_text("As is done in Japan.");
  v1::PracticeContribution contribution = Must<v1::PracticeContribution>("PracticeService/CreatePracticeContribution", contribute);
  contribution = *Try("PracticeService/SubmitPracticeContribution", contribution, v1::SubmitPracticeContributionRequest());
  v1::AcceptPracticeContributionRequest accept;
  accept.set_review("Fit to share.");
  EXPECT_THAT(Try("PracticeService/AcceptPracticeContribution", contribution, accept), FailsWith("FIELD_INVALID", "text"));
  v1::UpdatePracticeContributionRequest update;
  *update.mutable_practice_contribution() = contribution;
  update.mutable_practice_contribution()->set_text("A second guard checks what the first has admitted.");
  contribution = Must<v1::PracticeContribution>("PracticeService/UpdatePracticeContribution", update);

  v1::CreateBestPracticeRequest create;
  create.mutable_best_practice()->set_title(contribution.title());
  create.mutable_best_practice()->set_text("As is done in JAPAN.");
  EXPECT_THAT(officer_.Call<v1::BestPractice>("PracticeService/CreateBestPractice", create),
              FailsWith("FIELD_INVALID", "best_practice.text"));
  create.mutable_best_practice()->set_text(contribution.text());
  v1::BestPractice practice = Must<v1::BestPractice>("PracticeService/CreateBestPractice", create);
  EXPECT_EQ(practice.version(), 1);
  *update.mutable_practice_contribution() = contribution;
  update.mutable_practice_contribution()->set_practice(practice.name());
  contribution = Must<v1::PracticeContribution>("PracticeService/UpdatePracticeContribution", update);
  ASSERT_TRUE(Try("PracticeService/AcceptPracticeContribution", contribution, accept).ok());
  EXPECT_THAT(Try("PracticeService/PublishBestPractice", practice, v1::PublishBestPracticeRequest()), FailsWith("PERMISSION_DENIED"));
  v1::PublishBestPracticeRequest publish;
  publish.set_name(practice.name());
  publish.set_etag(practice.etag());
  practice = *apac_.As("hq/release/desk").Call<v1::BestPractice>("PracticeService/PublishBestPractice", publish);

  const Client gateway = apac_.As("gateway/dashboard");
  const auto read = [&gateway](const std::string& method, const auto& request, auto response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata(kViewerMetadata, "hq/analyst/desk");
    return gateway.Call<decltype(response)>(method, request, &context);
  };
  std::string wire;
  v1::GetBestPracticeRequest get;
  get.set_name(practice.name());
  const auto got = read("PracticeService/GetBestPractice", get, v1::BestPractice());
  ASSERT_TRUE(got.ok()) << got.status();
  wire += got->SerializeAsString();
  const auto listed = read("PracticeService/ListBestPractices", v1::ListBestPracticesRequest(), v1::ListBestPracticesResponse());
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->best_practices_size(), 1);
  wire += listed->SerializeAsString();
  v1::ListRevisionsRequest history;
  history.set_name(practice.name());
  const auto revisions = read("RecordService/ListRevisions", history, v1::ListRevisionsResponse());
  ASSERT_TRUE(revisions.ok()) << revisions.status();
  EXPECT_EQ(revisions->revisions_size(), 2);
  wire += revisions->SerializeAsString();
  EXPECT_THAT(wire, HasSubstr("A second guard"));
  const std::string engagement_id = engagement.name().substr(engagement.name().rfind('/') + 1);
  const std::string contribution_id = contribution.name().substr(contribution.name().rfind('/') + 1);
  for (const std::string& secret :
       {std::string("countries/JP"), std::string("Japan"), std::string("JAPAN"), engagement_id, contribution_id}) {
    EXPECT_THAT(wire, Not(HasSubstr(secret)));
  }
  v1::GetPracticeContributionRequest source;
  source.set_name(contribution.name());
  EXPECT_THAT(read("PracticeService/GetPracticeContribution", source, v1::PracticeContribution()), FailsWith("PERMISSION_DENIED"));

  v1::CreateEndorsementRequest endorse;
  endorse.set_parent(practice.name());
  endorse.mutable_endorsement()->set_officer("liaisonOfficers/none");
  EXPECT_THAT(officer_.Call<v1::Endorsement>("PracticeService/CreateEndorsement", endorse),
              FailsWith("REFERENCE_NOT_FOUND", "endorsement.officer"));
}

TEST_F(ProgramMethodsTest, InquiriesAreRoutedAnsweredAndTimed) {
  MakeCountry("JP", "Japan");
  v1::CreateInquiryRequest create;
  create.mutable_inquiry()->set_subject("Conditions");
  create.mutable_inquiry()->set_question("Which conditions of entry apply?");
  create.mutable_inquiry()->set_channel(v1::INQUIRY_CHANNEL_EMAIL);
  create.mutable_inquiry()->set_inquirer(v1::INQUIRER_KIND_OPERATOR);
  create.mutable_inquiry()->set_country("countries/JP");
  v1::Inquiry inquiry = Must<v1::Inquiry>("HelpDeskService/CreateInquiry", create);
  EXPECT_EQ(inquiry.region(), v1::REGION_APAC);
  EXPECT_EQ(inquiry.received_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  const v1::Inquiry waiting = Must<v1::Inquiry>("HelpDeskService/CreateInquiry", create);
  clock_.Advance(absl::Hours(3));
  v1::RouteInquiryRequest route;
  route.set_region(v1::REGION_APAC);
  inquiry = *Try("HelpDeskService/RouteInquiry", inquiry, route);
  const Position written = apac_.node().JournalEnd();
  EXPECT_EQ(Try("HelpDeskService/RouteInquiry", inquiry, route)->etag(), inquiry.etag());
  EXPECT_EQ(apac_.node().JournalEnd(), written) << "it was there already";
  v1::AnswerInquiryRequest answer;
  EXPECT_THAT(Try("HelpDeskService/AnswerInquiry", inquiry, answer), FailsWith("FIELD_REQUIRED", "answer"));
  answer.set_answer("None.");
  inquiry = *Try("HelpDeskService/AnswerInquiry", inquiry, answer);
  EXPECT_THAT(Try("HelpDeskService/AnswerInquiry", inquiry, answer), FailsWith("STATE_FORBIDS"));
  v1::GetServiceTimesRequest window;
  const absl::CivilDay today = absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone());
  SetDate(window.mutable_start_date(), static_cast<int>((today - 1).year()), (today - 1).month(), (today - 1).day());
  SetDate(window.mutable_end_date(), static_cast<int>(today.year()), today.month(), today.day());
  const auto times = Must<v1::ServiceTimes>("HelpDeskService/GetServiceTimes", window);
  ASSERT_EQ(times.regions_size(), 1);
  EXPECT_EQ(times.regions(0).region(), v1::REGION_APAC);
  EXPECT_EQ(times.regions(0).received(), 2);
  EXPECT_EQ(times.regions(0).answered(), 1);
  EXPECT_EQ(times.regions(0).waiting(), 1);
  EXPECT_EQ(times.regions(0).median().seconds(), 3 * 3600);
  v1::ListInquiriesRequest open;
  open.set_state(v1::INQUIRY_STATE_OPEN);
  const auto listed = Must<v1::ListInquiriesResponse>("HelpDeskService/ListInquiries", open);
  ASSERT_EQ(listed.inquiries_size(), 1);
  EXPECT_EQ(listed.inquiries(0).name(), waiting.name());
  SetDate(window.mutable_start_date(), 2001, 1, 1);
  SetDate(window.mutable_end_date(), 2001, 1, 2);
  EXPECT_THAT(Must<v1::ServiceTimes>("HelpDeskService/GetServiceTimes", window).regions(), IsEmpty());
}

}  // namespace
}  // namespace fairlead::rpc
