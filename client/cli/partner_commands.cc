#include "client/cli/partner_commands.h"

#include <absl/strings/str_split.h>
#include <absl/strings/string_view.h>
#include <fmt/format.h>

#include <cctype>
#include <cstdio>
#include <utility>

#include "client/cli/output.h"
#include "fairlead/v1/exchange_service.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;
using google::protobuf::Message;

struct PartnerArguments {
  std::string name;
  std::string embassy;
  std::string reference;
  std::string objectives;
  std::vector<std::string> members;  // "member=Director,organisation=Coast Guard,role=head"
  std::string start;                 // "2027-06-07", "2027-06" or "2027"
  std::string end;
  uint32_t trainees = 0;
  std::string title;
  std::string text;
  std::string duty;  // "ships"
  std::string office;
  std::string phone;
  std::string email;
  bool always = false;
  std::string resume;
  int64_t count = 0;  // of changes; 0: until stopped
  std::string request_id;
};

std::string Method(const std::string& name) { return "fairlead.v1.ExchangeService." + name; }

// A call whose answer is one message.
template <class Response, class Request>
absl::Status CallAndPrint(Session& session, const std::string& method, const Request& request) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<Response> response = session.Call<Response>(Method(method), request);
  if (!response.ok()) return response.status();
  session.Print(ToJson(*response), [&] { PrintRecord(*response, session.out()); });
  return absl::OkStatus();
}

template <class Response, class Request>
absl::Status GetAndPrint(Session& session, const std::string& method, const std::string& name) {
  Request request;
  request.set_name(name);
  return CallAndPrint<Response>(session, method, request);
}

// All of a listing as a table of these fields of its one repeated message.
template <class Response, class Request>
absl::Status ListAndPrint(Session& session, const std::string& method, const std::vector<std::pair<std::string, std::string>>& columns) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const auto all = session.ListAll<Response>(Method(method), Request());
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table;
    for (const auto& column : columns) table.headers.push_back(column.first);
    const auto* rows = all->GetDescriptor()->FindFieldByNumber(1);
    for (int i = 0; i < all->GetReflection()->FieldSize(*all, rows); ++i) {
      const Message& row = all->GetReflection()->GetRepeatedMessage(*all, rows, i);
      table.rows.emplace_back();
      for (const auto& column : columns) {
        table.rows.back().push_back(CellText(row, *row.GetDescriptor()->FindFieldByName(column.second)));
      }
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

// "2027", "2027-06" or "2027-06-07".
absl::Status ReadDate(const std::string& flag, const std::string& typed, google::type::Date* date) {
  int year = 0;
  int month = 0;
  int day = 0;
  char rest = 0;
  const int read = std::sscanf(typed.c_str(), "%4d-%2d-%2d%c", &year, &month, &day, &rest);
  const size_t wanted = read == 1 ? 4 : read == 2 ? 7 : 10;
  if (read < 1 || read > 3 || typed.size() != wanted) return UsageError(flag + ": must be a date such as 2027-06-07, 2027-06 or 2027");
  date->set_year(year);
  date->set_month(month);
  date->set_day(day);
  return absl::OkStatus();
}

absl::Status ReadMember(const std::string& typed, v1::DelegationMember* member) {
  for (const absl::string_view part : absl::StrSplit(typed, ',')) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    const auto* field = v1::DelegationMember::descriptor()->FindFieldByName(pair.first);
    if (field == nullptr) return UsageError("--member: must be such as member=Director,organisation=Coast Guard,role=head");
    member->GetReflection()->SetString(member, field, pair.second);
  }
  return absl::OkStatus();
}

constexpr char kRecords[] = "releasedRecords";

absl::Status RunRequestVisit(Session& session, const PartnerArguments& arguments) {
  v1::RequestVisitRequest request;
  request.set_embassy(arguments.embassy);
  request.set_reference(arguments.reference);
  request.set_objectives(arguments.objectives);
  request.set_request_id(arguments.request_id);
  for (const std::string& member : arguments.members) {
    if (absl::Status status = ReadMember(member, request.add_delegation()); !status.ok()) return status;
  }
  if (!arguments.start.empty()) {
    if (absl::Status status = ReadDate("--start-date", arguments.start, request.mutable_preferred_start_date()); !status.ok())
      return status;
  }
  if (!arguments.end.empty()) {
    if (absl::Status status = ReadDate("--end-date", arguments.end, request.mutable_preferred_end_date()); !status.ok()) return status;
  }
  return CallAndPrint<v1::VisitRequest>(session, "RequestVisit", request);
}

absl::Status RunVisitRequest(Session& session, const PartnerArguments& arguments) {
  return GetAndPrint<v1::VisitRequest, v1::GetVisitRequestRequest>(session, "GetVisitRequest", NameIn("visitRequests", arguments.name));
}

absl::Status RunCancelVisit(Session& session, const PartnerArguments& arguments) {
  v1::CancelVisitRequestRequest request;
  request.set_name(NameIn("visitRequests", arguments.name));
  request.set_reason(arguments.text);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::VisitRequest>(session, "CancelVisitRequest", request);
}

absl::Status RunCancelCourse(Session& session, const PartnerArguments& arguments) {
  v1::CancelCourseRequestRequest request;
  request.set_name(NameIn("courseRequests", arguments.name));
  request.set_reason(arguments.text);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::CourseRequest>(session, "CancelCourseRequest", request);
}

absl::Status RunVisitRequests(Session& session, const PartnerArguments&) {
  return ListAndPrint<v1::ListVisitRequestsResponse, v1::ListVisitRequestsRequest>(session, "ListVisitRequests",
                                                                                   {{"NAME", "name"},
                                                                                    {"REQUESTED", "request_time"},
                                                                                    {"OUTCOME", "outcome"},
                                                                                    {"START", "start_date"},
                                                                                    {"END", "end_date"},
                                                                                    {"REASON", "reason"}});
}

absl::Status RunRequestCourse(Session& session, const PartnerArguments& arguments) {
  v1::RequestCourseRequest request;
  request.set_course(NameIn(kRecords, arguments.name));
  request.set_embassy(arguments.embassy);
  request.set_trainees_expected(arguments.trainees);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::CourseRequest>(session, "RequestCourse", request);
}

absl::Status RunCourseRequest(Session& session, const PartnerArguments& arguments) {
  return GetAndPrint<v1::CourseRequest, v1::GetCourseRequestRequest>(session, "GetCourseRequest", NameIn("courseRequests", arguments.name));
}

absl::Status RunCourseRequests(Session& session, const PartnerArguments&) {
  return ListAndPrint<v1::ListCourseRequestsResponse, v1::ListCourseRequestsRequest>(session, "ListCourseRequests",
                                                                                     {{"NAME", "name"},
                                                                                      {"REQUESTED", "request_time"},
                                                                                      {"OUTCOME", "outcome"},
                                                                                      {"START", "start_date"},
                                                                                      {"END", "end_date"},
                                                                                      {"PLACE", "place"},
                                                                                      {"REASON", "reason"}});
}

absl::Status RunContribute(Session& session, const PartnerArguments& arguments) {
  v1::ContributePracticeRequest request;
  request.set_title(arguments.title);
  request.set_text(arguments.text);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::ContributedPractice>(session, "ContributePractice", request);
}

absl::Status RunContribution(Session& session, const PartnerArguments& arguments) {
  return GetAndPrint<v1::ContributedPractice, v1::GetContributedPracticeRequest>(session, "GetContributedPractice",
                                                                                 NameIn("contributedPractices", arguments.name));
}

absl::Status RunContributions(Session& session, const PartnerArguments&) {
  return ListAndPrint<v1::ListContributedPracticesResponse, v1::ListContributedPracticesRequest>(
      session, "ListContributedPractices",
      {{"NAME", "name"}, {"CONTRIBUTED", "contribute_time"}, {"OUTCOME", "outcome"}, {"PRACTICE", "practice"}, {"REVIEW", "review"}});
}

absl::Status RunEndorse(Session& session, const PartnerArguments& arguments) {
  v1::EndorsePracticeRequest request;
  request.set_practice(NameIn(kRecords, arguments.name));
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::PracticeEndorsement>(session, "EndorsePractice", request);
}

absl::Status RunRetract(Session& session, const PartnerArguments& arguments) {
  v1::RetractEndorsementRequest request;
  request.set_practice(NameIn(kRecords, arguments.name));
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::PracticeEndorsement>(session, "RetractEndorsement", request);
}

absl::Status RunEndorsements(Session& session, const PartnerArguments&) {
  return ListAndPrint<v1::ListPracticeEndorsementsResponse, v1::ListPracticeEndorsementsRequest>(
      session, "ListPracticeEndorsements", {{"PRACTICE", "practice"}, {"ENDORSED", "endorse_time"}, {"RETRACTED", "retracted"}});
}

absl::Status RunQuestions(Session& session, const PartnerArguments&) {
  return ListAndPrint<v1::ListQuestionsResponse, v1::ListQuestionsRequest>(
      session, "ListQuestions", {{"NAME", "name"}, {"ASKED", "ask_time"}, {"SUBJECT", "subject"}, {"ANSWER", "answer"}});
}

absl::Status RunStateContact(Session& session, const PartnerArguments& arguments) {
  std::string duty = "POINT_OF_CONTACT_DUTY_";
  for (const char c : arguments.duty) duty.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  v1::PointOfContactDuty parsed = v1::POINT_OF_CONTACT_DUTY_UNSPECIFIED;
  if (!v1::PointOfContactDuty_Parse(duty, &parsed)) return UsageError("DUTY: must be ships, ports or authority");
  v1::StatePointOfContactRequest request;
  request.mutable_contact()->set_duty(parsed);
  request.mutable_contact()->set_display_name(arguments.office);
  request.mutable_contact()->set_phone(arguments.phone);
  request.mutable_contact()->set_email(arguments.email);
  request.mutable_contact()->set_always_reachable(arguments.always);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::PointOfContact>(session, "StatePointOfContact", request);
}

absl::Status RunContactSheet(Session& session, const PartnerArguments&) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const auto sheet = session.Call<v1::ContactSheet>(Method("GetContactSheet"), v1::GetContactSheetRequest());
  if (!sheet.ok()) return sheet.status();
  session.Print(ToJson(*sheet), [&] {
    Table table{{"NATION", "DUTY", "PHONE", "EMAIL", "AT ALL HOURS", "OFFICE"}, {}};
    for (const auto* contacts : {&sheet->own(), &sheet->united_states()}) {
      for (const v1::PointOfContact& contact : *contacts) {
        table.rows.push_back({contact.country_code(), CellText(contact, *contact.GetDescriptor()->FindFieldByName("duty")), contact.phone(),
                              contact.email(), contact.always_reachable() ? "yes" : "no", contact.display_name()});
      }
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunExchangeWatch(Session& session, const PartnerArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::WatchReleasedRecordsRequest request;
  request.set_resume_token(arguments.resume);
  client::CallOptions call;
  call.stop = session.environment().stop;
  std::string resume = arguments.resume;
  int64_t seen = 0;
  const absl::Status status = session.client().WatchReleased(
      std::move(request),
      [&](const v1::WatchReleasedRecordsResponse& response) {
        if (response.complete()) resume = response.resume_token();
        const bool change = response.change_case() != v1::WatchReleasedRecordsResponse::CHANGE_NOT_SET;
        if (!change && !response.reset() && !response.complete()) return true;
        if (session.flags().json) {
          session.out() << ToJson(response).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
        } else if (response.has_record()) {
          session.out() << fmt::format("released {} {}\n", response.record().name(), response.record().etag());
        } else if (change) {
          session.out() << fmt::format("withdrawn {}\n", response.withdrawn());
        } else {
          session.out() << (response.reset() ? "everything follows\n" : "complete\n");
        }
        session.out().flush();
        if (change) ++seen;
        return arguments.count == 0 || seen < arguments.count;
      },
      [&](const absl::Status& broken) {
        if (!session.flags().quiet) session.err() << fmt::format("resuming: {}\n", std::string(broken.message()));
      },
      call);
  if (!session.flags().quiet && !session.flags().json && !resume.empty()) session.err() << fmt::format("resume with --resume {}\n", resume);
  return status;
}

}  // namespace

void AddPartnerCommands(Commands& commands, CLI::App* exchange) {
  const auto arguments = std::make_shared<PartnerArguments>();
  const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const PartnerArguments&)) {
    return commands.Add(exchange, name, description, run, arguments);
  };
  const auto add_name = [&](CLI::App* command, const char* what) {
    command->add_option("NAME", arguments->name, what)->required()->type_name("");
    return command;
  };
  CLI::App* visit = add("request-visit", "Asks for a visit of the nation's officials to the United States.", RunRequestVisit);
  visit->add_option("--embassy", arguments->embassy, "The nation's embassy through which it asks.")->required()->type_name("TEXT");
  visit->add_option("--reference", arguments->reference, "The embassy's own reference.")->type_name("TEXT");
  visit->add_option("--objectives", arguments->objectives, "What the delegation wishes to learn.")->type_name("TEXT");
  visit->add_option("--member", arguments->members, "Who would come: member=TEXT,organisation=TEXT,role=TEXT. May be given several times.")
      ->type_name("MEMBER");
  visit->add_option("--start-date", arguments->start, "The first day that is hoped for.")->type_name("DATE");
  visit->add_option("--end-date", arguments->end, "The last day that is hoped for.")->type_name("DATE");
  AddRequestId(visit, &arguments->request_id);
  add("visit-requests", "Lists the visits that the nation asked for, with what became of them.", RunVisitRequests);
  add_name(add("visit-request", "Shows what became of a visit.", RunVisitRequest), "The request, visitRequests/ID.");
  const auto add_cancel = [&](const char* name, const char* what, absl::Status (*run)(Session&, const PartnerArguments&)) {
    CLI::App* cancel = add_name(add(name, "Takes back what waits for a decision.", run), what);
    cancel->add_option("--reason", arguments->text, "Why.")->type_name("TEXT");
    AddRequestId(cancel, &arguments->request_id);
  };
  add_cancel("cancel-visit", "The request, visitRequests/ID.", RunCancelVisit);
  add_cancel("cancel-course", "The request, courseRequests/ID.", RunCancelCourse);
  CLI::App* course =
      add_name(add("request-course", "Asks for a course.", RunRequestCourse), "The course, releasedRecords/ID (list --kind course).");
  course->add_option("--embassy", arguments->embassy, "The American embassy through which the nation asks.")->required()->type_name("TEXT");
  course->add_option("--trainees", arguments->trainees, "How many are to be trained.")->type_name("NUMBER");
  AddRequestId(course, &arguments->request_id);
  add("course-requests", "Lists the courses that the nation asked for, with what became of them.", RunCourseRequests);
  add_name(add("course-request", "Shows what became of a course.", RunCourseRequest), "The request, courseRequests/ID.");
  CLI::App* contribute = add("contribute", "Contributes a best practice, to be reviewed and shared unattributed.", RunContribute);
  contribute->add_option("--title", arguments->title, "What to call it.")->required()->type_name("TEXT");
  contribute->add_option("--text", arguments->text, "What it is.")->required()->type_name("TEXT");
  AddRequestId(contribute, &arguments->request_id);
  add("contributions", "Lists the practices that the nation contributed, with what became of them.", RunContributions);
  add_name(add("contribution", "Shows what became of a contributed practice.", RunContribution), "contributedPractices/ID.");
  AddRequestId(add_name(add("endorse", "Endorses a published practice.", RunEndorse), "The practice, releasedRecords/ID."),
               &arguments->request_id);
  AddRequestId(add_name(add("retract", "Takes an endorsement back.", RunRetract), "The practice, releasedRecords/ID."),
               &arguments->request_id);
  add("endorsements", "Lists the nation's endorsements.", RunEndorsements);
  add("questions", "Lists the nation's questions with their answers.", RunQuestions);
  CLI::App* state = add("state-contact", "States whom to reach in the nation at any hour.", RunStateContact);
  CLI::Option* duty = state->add_option("DUTY", arguments->duty, "ships, ports or authority.");
  duty->required()->type_name("");
  commands.SetChoices(duty, {"ships", "ports", "authority"});
  state->add_option("--office", arguments->office, "The office or post that answers.")->required()->type_name("TEXT");
  state->add_option("--phone", arguments->phone, "An international number.")->type_name("NUMBER");
  state->add_option("--email", arguments->email, "An address.")->type_name("ADDRESS");
  state->add_flag("--always-reachable", arguments->always, "It answers at all hours, seven days a week.");
  AddRequestId(state, &arguments->request_id);
  add("contacts", "Shows whom to reach at any hour, in the nation and in the United States.", RunContactSheet);
  CLI::App* watch =
      add("watch", "Follows what is released to the nation; at the next node of the configuration when one ends it.", RunExchangeWatch);
  watch->add_option("--resume", arguments->resume, "Continue after this token, of any node.")->type_name("TOKEN");
  watch->add_option("--count", arguments->count, "End after so many changes.")->type_name("NUMBER")->check(CLI::PositiveNumber);
}

}  // namespace fairlead::cli
