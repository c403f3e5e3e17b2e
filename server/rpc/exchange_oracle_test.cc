// No oracle: two worlds that differ only in what a nation is not shown give it the same bytes, whatever it asks.

#include <gmock/gmock.h>

#include <set>

#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"
#include "server/rpc/exchange_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kService[] = "ExchangeService/";

// What Japan's system sees of the office, call by call.
class Seen {
 public:
  explicit Seen(Office* office) : office_(*office) {}

  const std::vector<std::string>& all() const { return all_; }

  // One call; `id`: it brings a request id.
  template <class Response, class Request>
  void Ask(const std::string& method, Request request, bool id = false) {
    if (id) request.GetReflection()->SetString(&request, request.GetDescriptor()->FindFieldByName("request_id"), office_.NextId());
    all_.push_back(BytesOf<Response>(office_.jp_, kService + method, request));
  }
  // Every page of a listing, one record each.
  template <class Response, class Request>
  void List(const std::string& method, Request request) {
    request.set_page_size(1);
    do {
      all_.push_back(BytesOf<Response>(office_.jp_, kService + method, request));
      request.set_page_token(Office::Must<Response>(office_.jp_, kService + method, request).next_page_token());
    } while (!request.page_token().empty());
  }
  void Watch() {
    Feed feed(office_.jp_);
    for (const std::string& change : feed.ToEnd()) all_.push_back("WatchReleasedRecords\n" + change);
    all_.push_back("WatchReleasedRecords\n" + feed.token());
  }
  // A request that asks for a name.
  template <class Request>
  static Request Named(const std::string& name) {
    Request request;
    request.set_name(name);
    return request;
  }

 private:
  Office& office_;
  std::vector<std::string> all_;
};

// Names by which Japan's system may try its luck: those of records of either nation, of records that are not there, and real ones.
std::vector<std::string> Guesses(const Office& office) {
  std::vector<std::string> names = {"releasedRecords/", "ports/JPTYO", "releasedRecords/0123456789abcdef0123456789abcdef"};
  for (const char* record :
       {"ports/JPYOK", "ports/JPTYO", "ports/AUSYD", "ports/JPOSA", "ports/JPUKB", "trainingOfferings/drills", "trainingOfferings/hidden",
        "trainingOfferings/for-au", "contacts/US-ships", "contacts/US-ports", "contacts/AU-ships", "liaisonOfficers/far-east"}) {
    names.push_back(office.NameFor("JP", record));
    names.push_back(office.NameFor("AU", record));
  }
  return names;
}

// `foreign`: names of what the full world holds of Australia's or staff's, as this service would give them.
std::vector<std::string> SeenBy(Office& office, const std::vector<std::string>& practices, const std::vector<std::string>& foreign) {
  Seen seen(&office);
  seen.List<v1::ListReleasedRecordsResponse>("ListReleasedRecords", v1::ListReleasedRecordsRequest());
  v1::ListReleasedRecordsRequest of_kind;
  for (int kind = v1::ReleasedKind_MIN; kind <= v1::ReleasedKind_MAX; ++kind) {
    of_kind.set_kind(static_cast<v1::ReleasedKind>(kind));
    seen.List<v1::ListReleasedRecordsResponse>("ListReleasedRecords", of_kind);
  }
  std::vector<std::string> names = Guesses(office);
  for (const std::string& practice : practices) {
    names.push_back(office.NameFor("JP", practice));
    names.push_back(practice);
  }
  for (const std::string& name : names) {
    seen.Ask<v1::ReleasedRecord>("GetReleasedRecord", Seen::Named<v1::GetReleasedRecordRequest>(name));
    v1::ListReleasedAttachmentsRequest attachments;
    attachments.set_parent(name);
    seen.Ask<v1::ListReleasedAttachmentsResponse>("ListReleasedAttachments", attachments);
    seen.Ask<v1::DownloadReleasedAttachmentResponse>(
        "DownloadReleasedAttachment", Seen::Named<v1::DownloadReleasedAttachmentRequest>(name + "/attachments/0123456789abcdef"));
    v1::SubmitSuggestionRequest submit;
    submit.mutable_suggestion()->set_kind(v1::SUGGESTION_KIND_CORRECTION);
    submit.mutable_suggestion()->set_record(name);
    submit.mutable_suggestion()->set_text("wrong");
    seen.Ask<v1::Suggestion>("SubmitSuggestion", submit, true);
    v1::AcknowledgeWithdrawalRequest acknowledge;
    acknowledge.set_name("withdrawals/" + name.substr(name.find('/') + 1));
    seen.Ask<v1::Withdrawal>("AcknowledgeWithdrawal", acknowledge, true);
    v1::RequestCourseRequest course;
    course.set_course(name);
    course.set_embassy("Tokyo");
    seen.Ask<v1::CourseRequest>("RequestCourse", course, true);
    v1::EndorsePracticeRequest endorse;
    endorse.set_practice(name);
    seen.Ask<v1::PracticeEndorsement>("EndorsePractice", endorse, true);
    v1::RetractEndorsementRequest retract;
    retract.set_practice(name);
    seen.Ask<v1::PracticeEndorsement>("RetractEndorsement", retract, true);
  }
  v1::RequestVisitRequest visit;
  visit.set_embassy("Embassy in Washington");
  seen.Ask<v1::VisitRequest>("RequestVisit", visit, true);
  v1::ContributePracticeRequest contribute;
  contribute.set_title("Two persons at the gate");
  contribute.set_text("A second guard checks.");
  seen.Ask<v1::ContributedPractice>("ContributePractice", contribute, true);
  v1::AskQuestionRequest ask;
  ask.mutable_question()->set_subject("Drills");
  ask.mutable_question()->set_text("How often?");
  seen.Ask<v1::Question>("AskQuestion", ask, true);
  seen.Ask<v1::ContactSheet>("GetContactSheet", v1::GetContactSheetRequest());
  v1::StatePointOfContactRequest state;
  for (const v1::PointOfContactDuty duty : {v1::POINT_OF_CONTACT_DUTY_SHIPS, v1::POINT_OF_CONTACT_DUTY_PORTS}) {
    state.mutable_contact()->set_duty(duty);
    state.mutable_contact()->set_display_name("Operations Centre");
    state.mutable_contact()->set_phone("+81 3 5253 8111");
    seen.Ask<v1::PointOfContact>("StatePointOfContact", state, true);
    state.mutable_contact()->set_phone("110");  // refused in the same words, too
    seen.Ask<v1::PointOfContact>("StatePointOfContact", state, true);
  }
  seen.Ask<v1::ContactSheet>("GetContactSheet", v1::GetContactSheetRequest());
  for (const std::string& name : foreign) {
    const std::string id = name.substr(name.find('/') + 1);
    seen.Ask<v1::Suggestion>("GetSuggestion", Seen::Named<v1::GetSuggestionRequest>("suggestions/" + id));
    seen.Ask<v1::Question>("GetQuestion", Seen::Named<v1::GetQuestionRequest>("questions/" + id));
    seen.Ask<v1::VisitRequest>("GetVisitRequest", Seen::Named<v1::GetVisitRequestRequest>("visitRequests/" + id));
    seen.Ask<v1::CourseRequest>("GetCourseRequest", Seen::Named<v1::GetCourseRequestRequest>("courseRequests/" + id));
    seen.Ask<v1::ContributedPractice>("GetContributedPractice",
                                      Seen::Named<v1::GetContributedPracticeRequest>("contributedPractices/" + id));
  }
  // What waits is taken back; what is decided, absent or another's is not.
  v1::CancelVisitRequestRequest cancel_visit;
  v1::CancelCourseRequestRequest cancel_course;
  cancel_visit.set_reason("another year");
  cancel_course.set_reason("another year");
  std::vector<std::string> requests = {"none"};
  const auto visits =
      Office::Must<v1::ListVisitRequestsResponse>(office.jp_, "ExchangeService/ListVisitRequests", v1::ListVisitRequestsRequest());
  for (const auto& own : visits.visit_requests()) requests.push_back(own.name());
  for (const std::string& name : foreign) requests.push_back("visitRequests/" + name.substr(name.find('/') + 1));
  for (const std::string& name : requests) {
    cancel_visit.set_name(name);
    seen.Ask<v1::VisitRequest>("CancelVisitRequest", cancel_visit, true);
    cancel_course.set_name("courseRequests/" + name.substr(name.find('/') + 1));
    seen.Ask<v1::CourseRequest>("CancelCourseRequest", cancel_course, true);
  }
  // Receipts are of one's own doings; their proofs hold a nonce, and so are asked for by names that are nobody's or another's.
  seen.List<v1::ListExchangeReceiptsResponse>("ListExchangeReceipts", v1::ListExchangeReceiptsRequest());
  for (const std::string& name : foreign) {
    seen.Ask<v1::Receipt>("GetExchangeReceipt",
                          Seen::Named<v1::GetExchangeReceiptRequest>("exchangeReceipts/" + name.substr(name.find('/') + 1)));
  }
  for (const char* log : {"apac/1/partner-AU", "apac/1/main", "apac/1/audit"}) {
    v1::GetExchangeConsistencyProofRequest prove;
    prove.set_log(log);
    seen.Ask<v1::ConsistencyProof>("GetExchangeConsistencyProof", prove);
  }
  seen.List<v1::ListWithdrawalsResponse>("ListWithdrawals", v1::ListWithdrawalsRequest());
  seen.List<v1::ListSuggestionsResponse>("ListSuggestions", v1::ListSuggestionsRequest());
  seen.List<v1::ListQuestionsResponse>("ListQuestions", v1::ListQuestionsRequest());
  seen.List<v1::ListVisitRequestsResponse>("ListVisitRequests", v1::ListVisitRequestsRequest());
  seen.List<v1::ListCourseRequestsResponse>("ListCourseRequests", v1::ListCourseRequestsRequest());
  seen.List<v1::ListContributedPracticesResponse>("ListContributedPractices", v1::ListContributedPracticesRequest());
  seen.List<v1::ListPracticeEndorsementsResponse>("ListPracticeEndorsements", v1::ListPracticeEndorsementsRequest());
  seen.Watch();
  return seen.all();
}

// What Australia's system and the staff put into one of the worlds. Names of it, as the service gives them.
std::vector<std::string> Hide(Office& office, const std::string& shared_practice) {
  std::vector<std::string> names;
  office.Port("JPTYO", "Hidden");
  office.Port("AUSYD", "Hidden");
  office.Port("JPUKB", "Hidden", v1::MARKING_SENSITIVE);
  office.Group("quad", {"AU"});
  office.Release(office.Draft("ports/AUSYD", {"AU"}));
  office.Recall(office.Release(office.Draft("ports/JPTYO", {"AU"})));
  office.Propose(office.Draft("ports/JPTYO", {"JP"}));
  office.Recall(office.Propose(office.Draft("ports/JPUKB", {"JP"})));
  office.Officer("far-east");
  office.Offering("hidden", v1::MARKING_OFFICIAL);
  office.Offering("for-au", v1::MARKING_PUBLIC, {"AU"});
  office.Contact("JP-ships", v1::CONTACT_DUTY_SHIPS, v1::MARKING_OFFICIAL);
  office.Contact("US-ports", v1::CONTACT_DUTY_PORTS, v1::MARKING_OFFICIAL);
  office.Contact("AU-ports", v1::CONTACT_DUTY_PORTS, v1::MARKING_PUBLIC);
  office.Release(office.Draft(office.Practice("Hidden", v1::MARKING_OFFICIAL).name(), {"AU"}));

  // Staff's own, of Japan.
  v1::CreateReciprocalVisitRequest visit;
  visit.mutable_reciprocal_visit()->set_country("countries/JP");
  visit.mutable_reciprocal_visit()->set_embassy("Hidden");
  visit.mutable_reciprocal_visit()->set_channel(v1::REQUEST_CHANNEL_PARTNER_SYSTEM);
  visit.mutable_reciprocal_visit()->set_system("partner/JP/registry");  // nobody's to say: it is not written
  visit.mutable_reciprocal_visit()->mutable_requested_date()->set_year(2027);
  names.push_back(office.Make<v1::ReciprocalVisit>("VisitService/CreateReciprocalVisit", visit).name());
  v1::CreateInquiryRequest inquiry;
  inquiry.mutable_inquiry()->set_subject("Hidden");
  inquiry.mutable_inquiry()->set_question("Hidden");
  inquiry.mutable_inquiry()->set_channel(v1::INQUIRY_CHANNEL_PHONE);
  inquiry.mutable_inquiry()->set_inquirer(v1::INQUIRER_KIND_PARTNER);
  inquiry.mutable_inquiry()->set_contact("partner/JP/registry");
  inquiry.mutable_inquiry()->set_country("countries/JP");
  names.push_back(office.Make<v1::Inquiry>("HelpDeskService/CreateInquiry", inquiry).name());
  v1::CreateEndorsementRequest by_officer;
  by_officer.set_parent(shared_practice);
  by_officer.mutable_endorsement()->set_officer("liaisonOfficers/far-east");
  office.Make<v1::Endorsement>("PracticeService/CreateEndorsement", by_officer);

  // Australia's.
  const Client& au = office.au_;
  v1::SubmitSuggestionRequest submit;
  submit.set_request_id(office.NextId());
  submit.mutable_suggestion()->set_kind(v1::SUGGESTION_KIND_PORT);
  submit.mutable_suggestion()->set_subject("AUSYD");
  submit.mutable_suggestion()->set_text("Hidden");
  names.push_back(Office::Must<v1::Suggestion>(au, "ExchangeService/SubmitSuggestion", submit).name());
  v1::AskQuestionRequest ask;
  ask.set_request_id(office.NextId());
  ask.mutable_question()->set_subject("Hidden");
  ask.mutable_question()->set_text("Hidden");
  names.push_back(Office::Must<v1::Question>(au, "ExchangeService/AskQuestion", ask).name());
  v1::RequestVisitRequest request_visit;
  request_visit.set_request_id(office.NextId());
  request_visit.set_embassy("Hidden");
  names.push_back(Office::Must<v1::VisitRequest>(au, "ExchangeService/RequestVisit", request_visit).name());
  v1::RequestCourseRequest course;
  course.set_request_id(office.NextId());
  course.set_course(office.NameFor("AU", "trainingOfferings/for-au"));
  course.set_embassy("Canberra");
  names.push_back(Office::Must<v1::CourseRequest>(au, "ExchangeService/RequestCourse", course).name());
  v1::ContributePracticeRequest contribute;
  contribute.set_request_id(office.NextId());
  contribute.set_title("Hidden");
  contribute.set_text("Hidden");
  names.push_back(Office::Must<v1::ContributedPractice>(au, "ExchangeService/ContributePractice", contribute).name());
  v1::EndorsePracticeRequest endorse;
  endorse.set_request_id(office.NextId());
  endorse.set_practice(office.NameFor("AU", shared_practice));
  Office::Must<v1::PracticeEndorsement>(au, "ExchangeService/EndorsePractice", endorse);
  v1::StatePointOfContactRequest state;
  state.set_request_id(office.NextId());
  state.mutable_contact()->set_duty(v1::POINT_OF_CONTACT_DUTY_SHIPS);
  state.mutable_contact()->set_display_name("Hidden");
  state.mutable_contact()->set_email("hidden@example.au");
  Office::Must<v1::PointOfContact>(au, "ExchangeService/StatePointOfContact", state);
  Office::List(au);  // has receipts of its own
  const auto receipts =
      Office::Must<v1::ListExchangeReceiptsResponse>(au, "ExchangeService/ListExchangeReceipts", v1::ListExchangeReceiptsRequest());
  for (const auto& receipt : receipts.receipts()) names.push_back(receipt.name());
  return names;
}

TEST(ExchangeOracleTest, WorldsThatDifferInWhatIsNotReleasedLookTheSame) {
  Office plain;
  Office full;
  std::string shared;
  for (Office* office : {&plain, &full}) {
    for (const char* country : {"JP", "AU", "US"}) office->Country(country);
    for (const char* port : {"JPYOK", "JPOSA"}) office->Port(port, "Shown");
    office->Offering("drills", v1::MARKING_PUBLIC);
    office->Contact("US-ships", v1::CONTACT_DUTY_SHIPS, v1::MARKING_PUBLIC);
    shared = office->Practice("Shown", v1::MARKING_PUBLIC).name();
  }
  // Only one of them holds this. Its next request ids are others, so they are counted back afterwards.
  const int ids = full.ids_;
  const std::vector<std::string> foreign = Hide(full, shared);
  full.ids_ = ids;
  v1::ListBestPracticesRequest list;
  std::vector<std::string> practices;
  const auto all = Office::Must<v1::ListBestPracticesResponse>(full.officer_, "PracticeService/ListBestPractices", list);
  for (const auto& practice : all.best_practices()) practices.push_back(practice.name());
  ASSERT_EQ(practices.size(), 2u);

  for (Office* office : {&plain, &full}) {
    office->ids_ = 1000;
    office->Release(office->Draft("ports/JPYOK", {"JP", "AU"}));
    office->Release(office->Draft("ports/JPOSA", {"JP"}));
  }
  const std::vector<std::string> in_plain = SeenBy(plain, practices, foreign);
  const std::vector<std::string> in_full = SeenBy(full, practices, foreign);
  ASSERT_EQ(in_plain.size(), in_full.size());
  std::set<std::string> asked;
  for (size_t i = 0; i < in_full.size(); ++i) {
    EXPECT_EQ(in_plain[i], in_full[i]) << i;
    for (const char* hidden : {"Hidden", "hidden", "private source", "fairlead-token", "partner/", "countries/", "trainingOfferings"}) {
      EXPECT_THAT(in_full[i], Not(HasSubstr(hidden)));
    }
    const std::string method = in_full[i].substr(0, in_full[i].find('\n'));
    asked.insert(method.substr(method.find('/') + 1));
  }
  // Whatever method there is was asked.
  std::set<std::string> methods;
  const auto* service = v1::GetReleasedRecordRequest::descriptor()->file()->service(0);
  for (int i = 0; i < service->method_count(); ++i) methods.insert(service->method(i)->name());
  EXPECT_EQ(asked, methods);
}

}  // namespace
}  // namespace fairlead::rpc
