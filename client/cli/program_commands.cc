#include "client/cli/program_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "client/cli/comments.h"
#include "client/cli/output.h"
#include "client/cli/record_commands.h"
#include "fairlead/v1/assessment_service.pb.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/portfolio_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"

namespace fairlead::cli {
namespace {

using fairlead::v1::MeasureAdvice;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::unique_ptr<Message> New(const Descriptor* type) {
  return std::unique_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

Report MakeReport(std::string noun, std::string name, const Descriptor* request, const Descriptor* row, std::vector<Column> columns,
                  std::string subject = "") {
  const std::string method = request->name().substr(0, request->name().size() - std::string_view("Request").size());
  Report report;
  report.noun = std::move(noun);
  report.verb.name = std::move(name);
  report.verb.kind = VerbKind::kTransition;
  report.verb.method = request->file()->service(0)->FindMethodByName(method);
  report.rows.type = row;
  report.rows.columns = std::move(columns);
  report.subject = std::move(subject);
  return report;
}

// The measures, then what was made of each call.
void PrintAdvice(const MeasureAdvice& advice, Session& session) {
  const auto calls = [](const auto& numbers) {
    std::vector<int> from_one;
    for (const int number : numbers) from_one.push_back(number + 1);
    return fmt::format("{}", fmt::join(from_one, " "));
  };
  session.out() << (advice.conditions_apply() ? "conditions of entry apply\n" : "no conditions of entry apply\n");
  if (advice.calls_unknown() > 0) session.out() << fmt::format("of the last five calls, {} are not known\n", advice.calls_unknown());
  Table measures{{"RULE", "CALLS", "LESSENED", "WHAT", "BY"}, {}};
  for (const auto& measure : advice.measures()) {
    measures.rows.push_back({measure.rule(), calls(measure.calls()), measure.lessened() ? "yes" : "", measure.text(), measure.citation()});
  }
  if (!measures.rows.empty()) measures.Print(session.out(), session.environment().columns);
  Table reasons{{"CALL", "CONDITION", "TRIGGERS", "WHY"}, {}};
  for (const auto& call : advice.calls()) {
    reasons.rows.push_back({std::to_string(call.call() + 1), call.condition(),
                            !call.triggers()   ? "no"
                            : call.uncertain() ? "perhaps"
                                               : "yes",
                            call.explanation()});
  }
  if (!reasons.rows.empty()) reasons.Print(session.out(), session.environment().columns);
}

void PrintRows(const Report& report, const Message& response, Session& session) {
  const FieldDescriptor* rows = nullptr;
  for (int i = 0; i < response.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = response.GetDescriptor()->field(i);
    if (field->is_repeated() && field->message_type() == report.rows.type) rows = field;
  }
  std::vector<const Message*> list;
  for (int i = 0; i < response.GetReflection()->FieldSize(response, rows); ++i) {
    list.push_back(&response.GetReflection()->GetRepeatedMessage(response, rows, i));
  }
  RecordTable(report.rows, list).Print(session.out(), session.environment().columns);
  // What the answer says beside its rows: the days it is about, and notes.
  for (int i = 0; i < response.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = response.GetDescriptor()->field(i);
    const std::string text = field == rows ? "" : CellText(response, *field);
    if (!text.empty()) session.out() << fmt::format("{}: {}\n", field->name(), text);
  }
}

// The whole answer, page by page where the method has pages.
absl::Status CallAll(Session& session, const Report& report, Message* request, Message* response) {
  const bool pages = response->GetDescriptor()->FindFieldByName("next_page_token") != nullptr;
  return pages ? session.ListAll(*report.verb.method, request, 0, response) : session.Call(*report.verb.method, *request, response);
}

absl::Status RunReport(Session& session, const Report& report, const RecordArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const std::unique_ptr<Message> request = New(report.verb.method->input_type());
  for (const auto& [flag, values] : arguments.values()) {
    const absl::Status status = SetField(request.get(), *flag->field, values);
    if (!status.ok()) return UsageError(fmt::format("{}: {}", flag->name, std::string(status.message())));
  }
  if (!arguments.name.empty()) {
    const std::string name = arguments.name.find('/') == std::string::npos ? report.subject + "/" + arguments.name : arguments.name;
    request->GetReflection()->SetString(request.get(), request->GetDescriptor()->FindFieldByName("name"), name);
  }
  const std::unique_ptr<Message> response = New(report.verb.method->output_type());
  if (absl::Status status = CallAll(session, report, request.get(), response.get()); !status.ok()) return status;
  session.Print(ToJson(*response), [&] {
    const auto* advice = google::protobuf::DynamicCastToGenerated<fairlead::v1::AdviseMeasuresResponse>(response.get());
    advice != nullptr ? PrintAdvice(advice->advice(), session) : PrintRows(report, *response, session);
  });
  return absl::OkStatus();
}

}  // namespace

const std::vector<Report>& Reports() {
  using namespace fairlead::v1;  // NOLINT: the names of the API, here only
  static const auto* const reports = new std::vector<Report>{
      MakeReport("", "calendar", ListCalendarEntriesRequest::descriptor(), CalendarEntry::descriptor(),
                 {{"START", "start_date"},
                  {"END", "end_date"},
                  {"STATE", "state"},
                  {"KIND", "kind"},
                  {"COUNTRIES", "countries"},
                  {"OFFICERS", "officers"},
                  {"TITLE", "title"}}),
      MakeReport("", "clashes", ListClashesRequest::descriptor(), Clash::descriptor(),
                 {{"OFFICER", "officer"},
                  {"FROM", "start_date"},
                  {"TO", "end_date"},
                  {"UNCERTAIN", "uncertain"},
                  {"FIRST", "first_title"},
                  {"SECOND", "second_title"}}),
      MakeReport("follow-up", "overdue", ListOverdueFollowUpsRequest::descriptor(), OverdueFollowUp::descriptor(),
                 {{"DUE", "due_date"},
                  {"DAYS", "days_overdue"},
                  {"STATE", "state"},
                  {"OWNER", "owner"},
                  {"COUNTRIES", "countries"},
                  {"FOLLOW-UP", "follow_up"},
                  {"TASK", "task"}}),
      MakeReport("visit-cycle", "stages", ListVisitStagesRequest::descriptor(), VisitStage::descriptor(),
                 {{"COUNTRY", "country"},
                  {"PHASE", "phase"},
                  {"SINCE", "since"},
                  {"DAYS", "days"},
                  {"OFFICER", "officer"},
                  {"CYCLE", "visit_cycle"}}),
      MakeReport("assignment", "coverage", ListCoverageRequest::descriptor(), Coverage::descriptor(),
                 {{"COUNTRY", "country"},
                  {"OFFICER", "officer"},
                  {"DUTY", "duty"},
                  {"SINCE", "since"},
                  {"UNTIL", "until"},
                  {"ASSIGNMENT", "assignment"}}),
      MakeReport("officer", "team", ListTeamDutiesRequest::descriptor(), TeamDuty::descriptor(),
                 {{"OFFICER", "officer"},
                  {"START", "start_date"},
                  {"END", "end_date"},
                  {"KIND", "kind"},
                  {"COUNTRIES", "countries"},
                  {"TITLE", "title"}}),
      MakeReport("assessment", "standings", ListAssessmentStandingsRequest::descriptor(), AssessmentStanding::descriptor(),
                 {{"COUNTRY", "country"},
                  {"STATUS", "status"},
                  {"DETERMINED", "determination_date"},
                  {"DETERMINATION", "determination"},
                  {"BASIS", "basis"},
                  {"DUE", "due_date"},
                  {"DAYS LEFT", "days_left"}}),
      MakeReport("condition", "in-force", ListConditionsInForceRequest::descriptor(), ConditionStanding::descriptor(),
                 {{"COUNTRY", "country"}, {"STATUS", "status"}, {"WHY", "explanation"}}),
      MakeReport("arrival", "eligible-countries", ListEligibleCountriesRequest::descriptor(), EligibleCountry::descriptor(),
                 {{"COUNTRY", "country"}, {"ARRIVALS", "arrivals"}}),
      MakeReport("arrival", "advise", AdviseMeasuresRequest::descriptor(), MeasureAdvice::descriptor(), {}, "arrivals"),
      MakeReport("", "priorities", ListVisitPrioritiesRequest::descriptor(), VisitPriority::descriptor(),
                 {{"RANK", "rank"},
                  {"COUNTRY", "country"},
                  {"SCORE /1000000", "score_millionths"},
                  {"WITH DATA /1000000", "coverage_millionths"},
                  {"ELIGIBLE", "eligible"}}),
      MakeReport("inquiry", "service-times", GetServiceTimesRequest::descriptor(), RegionServiceTimes::descriptor(),
                 {{"REGION", "region"},
                  {"RECEIVED", "received"},
                  {"ANSWERED", "answered"},
                  {"WAITING", "waiting"},
                  {"MEDIAN", "median"},
                  {"LONGEST", "longest"}}),
  };
  return *reports;
}

void AddProgramCommands(Commands& commands) {
  for (const Report& report : Reports()) {
    const auto arguments = std::make_shared<RecordArguments>();
    CLI::App* parent = report.noun.empty() ? commands.root() : commands.root()->get_subcommand(report.noun);
    CLI::App* command = commands.Add(parent, report.verb.name, CommentOf(report.verb.method->full_name()),
                                     [&report, arguments](Session& s) { return RunReport(s, report, *arguments); });
    if (!report.subject.empty()) {
      command->add_option("NAME", arguments->name, "The record, with or without its collection.")->type_name("");
    }
    AddFlags(commands, command, FlagsOf(report.rows, report.verb), arguments.get());
  }
}

}  // namespace fairlead::cli
