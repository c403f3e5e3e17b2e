#include "client/cli/exchange_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "client/cli/attachment_commands.h"
#include "client/cli/evidence_commands.h"
#include "client/cli/output.h"
#include "client/cli/partner_commands.h"
#include "fairlead/v1/exchange_service.pb.h"
#include "fairlead/v1/release_service.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

constexpr char kReleases[] = "fairlead.v1.ReleaseService.";
constexpr char kExchange[] = "fairlead.v1.ExchangeService.";

struct ReleaseArguments {
  std::string subject;  // a record, or a release, `releases/{id}`
  std::vector<std::string> nations;
  std::vector<std::string> groups;
  std::vector<std::string> fields;
  std::vector<std::string> replaces;
  std::string purpose;
  std::string until;  // "2027-12-31"
  std::string request_id;
  bool outstanding = false;
  bool publication = false;  // as if the record were PUBLIC, in place of a release
};

struct ExchangeArguments {
  std::string name;
  std::string kind;  // "facility"
  std::string record;
  std::string subject;
  std::string text;
  std::string request_id;
  std::string file;
};

// A call whose answer is one message.
template <class Response, class Request>
absl::Status CallAndPrint(Session& session, const std::string& method, const Request& request) {
  const absl::StatusOr<Response> response = session.Call<Response>(method, request);
  if (!response.ok()) return response.status();
  session.Print(ToJson(*response), [&] { PrintRecord(*response, session.out()); });
  return absl::OkStatus();
}

absl::StatusOr<v1::Release> DraftOf(const ReleaseArguments& arguments) {
  v1::Release draft;
  draft.set_record(arguments.subject);
  for (const std::string& nation : arguments.nations) draft.add_nations(NameIn("countries", nation));
  for (const std::string& group : arguments.groups) draft.add_groups(NameIn("partnerGroups", group));
  for (const std::string& field : arguments.fields) draft.add_fields()->set_field(field);
  for (const std::string& release : arguments.replaces) draft.add_replaces(NameIn("releases", release));
  draft.set_purpose(arguments.purpose);
  if (arguments.until.empty()) return draft;
  int year = 0;
  int month = 0;
  int day = 0;
  char rest = 0;
  if (std::sscanf(arguments.until.c_str(), "%4d-%2d-%2d%c", &year, &month, &day, &rest) != 3) {
    return UsageError("--until: must be a day such as 2027-12-31");
  }
  draft.mutable_retention_date()->set_year(year);
  draft.mutable_retention_date()->set_month(month);
  draft.mutable_retention_date()->set_day(day);
  return draft;
}

absl::StatusOr<v1::PreviewReleaseResponse> Preview(Session& session, const ReleaseArguments& arguments) {
  v1::PreviewReleaseRequest request;
  if (arguments.publication) {
    request.set_publication(arguments.subject);
  } else if (arguments.subject.starts_with("releases/")) {
    request.set_name(arguments.subject);
  } else {
    absl::StatusOr<v1::Release> draft = DraftOf(arguments);
    if (!draft.ok()) return draft.status();
    *request.mutable_draft() = *std::move(draft);
  }
  return session.Call<v1::PreviewReleaseResponse>(std::string(kReleases) + "PreviewRelease", request);
}

void PrintPreview(const v1::PreviewReleaseResponse& preview, Session& session) {
  Table table{{"NATION", "BY", "FIELD", "VALUE"}, {}};
  for (const auto& nation : preview.nations()) {
    const std::string who = nation.nation().empty() ? "every nation" : nation.nation();
    const std::string by = nation.groups().empty() ? "itself" : fmt::format("{}", fmt::join(nation.groups(), " "));
    for (const auto& field : nation.fields()) {
      table.rows.push_back({who, by, field.field(), fmt::format("{}", fmt::join(field.values(), " "))});
    }
    if (nation.fields().empty()) table.rows.push_back({who, by, "nothing", nation.reason()});
  }
  table.Print(session.out(), session.environment().columns);
  for (const std::string& group : preview.empty_groups()) session.out() << fmt::format("{} reaches nobody\n", group);
  for (const std::string& field : preview.replaced_fields()) {
    session.out() << fmt::format("{} has another value now, which is not released\n", field);
  }
}

std::string KindText(const v1::ReleasedRecord& record) {
  const auto* content = record.GetReflection()->GetOneofFieldDescriptor(record, record.GetDescriptor()->FindOneofByName("content"));
  return content == nullptr ? "" : content->name();
}

// Who would see what of a record, or of a release.
absl::Status RunReleasePreview(Session& session, const ReleaseArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<v1::PreviewReleaseResponse> preview = Preview(session, arguments);
  if (!preview.ok()) return preview.status();
  session.Print(ToJson(*preview), [&] { PrintPreview(*preview, session); });
  return absl::OkStatus();
}

// Proposes what the preview shows.
absl::Status RunReleasePropose(Session& session, const ReleaseArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<v1::PreviewReleaseResponse> preview = Preview(session, arguments);
  if (!preview.ok()) return preview.status();
  v1::CreateReleaseRequest request;
  *request.mutable_release() = preview->release();
  request.set_request_id(arguments.request_id);
  const absl::StatusOr<v1::Release> release = session.Call<v1::Release>(std::string(kReleases) + "CreateRelease", request);
  if (!release.ok()) return release.status();
  session.Print(ToJson(*release), [&] {
    PrintPreview(*preview, session);
    session.out() << fmt::format("{} waits for approval\n", release->name());
  });
  return absl::OkStatus();
}

absl::Status RunReleaseRecalls(Session& session, const ReleaseArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::ListRecallsRequest request;
  request.set_outstanding(arguments.outstanding);
  using Response = v1::ListRecallsResponse;
  const auto all = session.ListAll<Response>(std::string(kReleases) + "ListRecalls", request);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"RELEASE", "RECORD", "ACKNOWLEDGED", "NOT ACKNOWLEDGED", "REASON"}, {}};
    for (const auto& recall : all->recalls()) {
      table.rows.push_back({recall.release(), recall.record(), fmt::format("{}", fmt::join(recall.acknowledged(), " ")),
                            fmt::format("{}", fmt::join(recall.unacknowledged(), " ")), recall.reason()});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunExchangeList(Session& session, const ExchangeArguments& arguments) {
  v1::ListReleasedRecordsRequest request;
  if (!arguments.kind.empty()) {
    std::string kind = "RELEASED_KIND_";
    for (const char c : arguments.kind) kind.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    v1::ReleasedKind parsed = v1::RELEASED_KIND_UNSPECIFIED;
    if (!v1::ReleasedKind_Parse(kind, &parsed)) {
      return UsageError("--kind: must be port, facility, engagement, observation, practice, course, officer or contact");
    }
    request.set_kind(parsed);
  }
  if (absl::Status status = session.Open(); !status.ok()) return status;
  using Response = v1::ListReleasedRecordsResponse;
  const auto all = session.ListAll<Response>(std::string(kExchange) + "ListReleasedRecords", request);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"NAME", "KIND", "RELEASED", "MARKING", "PURPOSE"}, {}};
    for (const auto& record : all->records()) {
      table.rows.push_back({record.name(), KindText(record), TimeText(record.release_time()), record.marking(),
                            fmt::format("{}", fmt::join(record.purposes(), " "))});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunExchangeGet(Session& session, const ExchangeArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetReleasedRecordRequest request;
  request.set_name(NameIn("releasedRecords", arguments.name));
  return CallAndPrint<v1::ReleasedRecord>(session, std::string(kExchange) + "GetReleasedRecord", request);
}

absl::Status RunExchangeWithdrawals(Session& session, const ExchangeArguments&) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  using Response = v1::ListWithdrawalsResponse;
  const auto all = session.ListAll<Response>(std::string(kExchange) + "ListWithdrawals", v1::ListWithdrawalsRequest());
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"NAME", "RECORD", "RECALLED", "ACKNOWLEDGED"}, {}};
    for (const auto& withdrawal : all->withdrawals()) {
      table.rows.push_back(
          {withdrawal.name(), withdrawal.record(), TimeText(withdrawal.recall_time()), withdrawal.acknowledged() ? "yes" : "no"});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunExchangeAcknowledge(Session& session, const ExchangeArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::AcknowledgeWithdrawalRequest request;
  request.set_name(NameIn("withdrawals", arguments.name));
  request.set_remark(arguments.text);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::Withdrawal>(session, std::string(kExchange) + "AcknowledgeWithdrawal", request);
}

absl::Status RunExchangeSuggest(Session& session, const ExchangeArguments& arguments) {
  v1::SubmitSuggestionRequest request;
  std::string kind = "SUGGESTION_KIND_";
  for (const char c : arguments.kind) kind.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  v1::SuggestionKind parsed = v1::SUGGESTION_KIND_UNSPECIFIED;
  if (!v1::SuggestionKind_Parse(kind, &parsed)) {
    return UsageError("KIND: must be facility, port, observation-response or correction");
  }
  if (absl::Status status = session.Open(); !status.ok()) return status;
  request.mutable_suggestion()->set_kind(parsed);
  if (!arguments.record.empty()) request.mutable_suggestion()->set_record(NameIn("releasedRecords", arguments.record));
  request.mutable_suggestion()->set_subject(arguments.subject);
  request.mutable_suggestion()->set_text(arguments.text);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::Suggestion>(session, std::string(kExchange) + "SubmitSuggestion", request);
}

absl::Status RunExchangeSuggestions(Session& session, const ExchangeArguments&) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  using Response = v1::ListSuggestionsResponse;
  const auto all = session.ListAll<Response>(std::string(kExchange) + "ListSuggestions", v1::ListSuggestionsRequest());
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"NAME", "SUBMITTED", "OUTCOME", "REASON", "TEXT"}, {}};
    for (const auto& suggestion : all->suggestions()) {
      table.rows.push_back({suggestion.name(), TimeText(suggestion.submit_time()),
                            CellText(suggestion, *suggestion.GetDescriptor()->FindFieldByName("outcome")), suggestion.reason(),
                            suggestion.text()});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunExchangeAsk(Session& session, const ExchangeArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::AskQuestionRequest request;
  request.mutable_question()->set_subject(arguments.subject);
  request.mutable_question()->set_text(arguments.text);
  request.set_request_id(arguments.request_id);
  return CallAndPrint<v1::Question>(session, std::string(kExchange) + "AskQuestion", request);
}

absl::Status RunExchangeQuestion(Session& session, const ExchangeArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetQuestionRequest request;
  request.set_name(NameIn("questions", arguments.name));
  return CallAndPrint<v1::Question>(session, std::string(kExchange) + "GetQuestion", request);
}

absl::Status RunExchangeReceipts(Session& session, const ExchangeArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::ListExchangeReceiptsRequest request;
  request.set_record(arguments.record);
  using Response = v1::ListExchangeReceiptsResponse;
  const auto all = session.ListAll<Response>(std::string(kExchange) + "ListExchangeReceipts", request);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] {
    Table table{{"NAME", "TIME", "KIND", "ABOUT", "REVISION", "MARKING", "LOG"}, {}};
    for (const auto& receipt : all->receipts()) {
      table.rows.push_back({receipt.name(), TimeText(receipt.time()), CellText(receipt, *receipt.GetDescriptor()->FindFieldByName("kind")),
                            receipt.record().empty() ? receipt.method() : receipt.record(), receipt.revision(), receipt.marking(),
                            fmt::format("{}/{}", receipt.log(), receipt.sequence())});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

// Writes a receipt, or the proof that the log of `name`, a checkpoint's file, only grew, for `fairlead verify`.
absl::Status RunExchangeReceipt(Session& session, const ExchangeArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetExchangeReceiptRequest request;
  request.set_name(NameIn("exchangeReceipts", arguments.name));
  const absl::StatusOr<v1::Receipt> fetched = session.Call<v1::Receipt>(std::string(kExchange) + "GetExchangeReceipt", request);
  if (!fetched.ok()) return fetched.status();
  return SaveReceipt(session, *fetched, fetched->log_entry().has_payload(), arguments.file);
}

absl::Status RunExchangeConsistency(Session& session, const ExchangeArguments& arguments) {
  const absl::StatusOr<OldCheckpoint> old_checkpoint = ReadOldCheckpoint(arguments.name);
  if (!old_checkpoint.ok()) return old_checkpoint.status();
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetExchangeConsistencyProofRequest request;
  request.set_log(old_checkpoint->log);
  request.set_old_size(static_cast<int64_t>(old_checkpoint->size));
  const auto fetched = session.Call<v1::ConsistencyProof>(std::string(kExchange) + "GetExchangeConsistencyProof", request);
  if (!fetched.ok()) return fetched.status();
  return SaveConsistency(session, *fetched, old_checkpoint->size, arguments.file);
}

}  // namespace

void AddReleaseCommands(Commands& commands) {
  const auto arguments = std::make_shared<ReleaseArguments>();
  CLI::App* noun = commands.root()->get_subcommand("release");
  const auto add_content = [&](CLI::App* command) {
    AddRepeated(command, "--nation", &arguments->nations, "A nation it is for, such as JP. May be given several times.", "CODE");
    AddRepeated(command, "--group", &arguments->groups, "A group it is for. May be given several times.", "GROUP");
    AddRepeated(command, "--field", &arguments->fields, "A field of the record; every one that can be released by default.", "FIELD");
    AddRepeated(command, "--replaces", &arguments->replaces, "An earlier release that it takes the place of.", "RELEASE");
  };
  CLI::App* preview = commands.Add(noun, "preview", "Says exactly which nations would see which values.", RunReleasePreview, arguments);
  preview->add_option("SUBJECT", arguments->subject, "A record, such as ports/JPYOK, or a release, releases/ID.")
      ->required()
      ->type_name("");
  preview->add_flag("--publication", arguments->publication, "What nations would see of it without a release, once it is PUBLIC.");
  add_content(preview);
  CLI::App* propose =
      commands.Add(noun, "propose", "Proposes the release of a record, as its preview shows it.", RunReleasePropose, arguments);
  propose->add_option("RECORD", arguments->subject, "The record, such as ports/JPYOK.")->required()->type_name("");
  add_content(propose);
  propose->add_option("--purpose", arguments->purpose, "What they may use it for.")->required()->type_name("TEXT");
  propose->add_option("--until", arguments->until, "The last day on which it is shown.")->type_name("DATE");
  AddRequestId(propose, &arguments->request_id);
  CLI::App* recalls = commands.Add(noun, "recalls", "Lists what was recalled, with who has acknowledged it.", RunReleaseRecalls, arguments);
  recalls->add_flag("--outstanding", arguments->outstanding, "Only those that some nation has not acknowledged.");
}

void AddExchangeCommands(Commands& commands) {
  const auto arguments = std::make_shared<ExchangeArguments>();
  CLI::App* exchange = commands.AddGroup("exchange", "A partner nation's door: what is released to it, and what it says.");
  const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const ExchangeArguments&)) {
    return commands.Add(exchange, name, description, run, arguments);
  };
  const auto add_name = [&](CLI::App* command, const char* what) {
    command->add_option("NAME", arguments->name, what)->required()->type_name("");
    return command;
  };
  add("list", "Lists what is released to the nation.", RunExchangeList)
      ->add_option("--kind", arguments->kind, "Only these, such as practice, course or contact.")
      ->type_name("KIND");
  add_name(add("get", "Shows one released record.", RunExchangeGet), "The record, releasedRecords/ID.");
  AddReleasedAttachmentCommands(commands, exchange);
  add("withdrawals", "Lists what was recalled and is to be withdrawn.", RunExchangeWithdrawals);
  CLI::App* acknowledge =
      add_name(add("acknowledge", "Says that the nation has withdrawn what was recalled.", RunExchangeAcknowledge), "withdrawals/ID.");
  acknowledge->add_option("--remark", arguments->text, "What there is to say.")->type_name("TEXT");
  AddRequestId(acknowledge, &arguments->request_id);
  CLI::App* suggest = add("suggest", "Proposes data, an answer to an observation, or a correction.", RunExchangeSuggest);
  CLI::Option* kind = suggest->add_option("KIND", arguments->kind, "facility, port, observation-response or correction.");
  kind->required()->type_name("");
  commands.SetChoices(kind, {"facility", "port", "observation-response", "correction"});
  suggest->add_option("--record", arguments->record, "The released record that it is about.")->type_name("NAME");
  suggest->add_option("--subject", arguments->subject, "The facility's IMO number or the port's UN/LOCODE.")->type_name("CODE");
  suggest->add_option("--text", arguments->text, "What is proposed.")->required()->type_name("TEXT");
  AddRequestId(suggest, &arguments->request_id);
  add("suggestions", "Lists the nation's suggestions with their outcome.", RunExchangeSuggestions);
  CLI::App* ask = add("ask", "Asks the help desk.", RunExchangeAsk);
  ask->add_option("--subject", arguments->subject, "What it is about.")->required()->type_name("TEXT");
  ask->add_option("--text", arguments->text, "The question.")->required()->type_name("TEXT");
  AddRequestId(ask, &arguments->request_id);
  add_name(add("question", "Shows a question with its answer.", RunExchangeQuestion), "The question, questions/ID.");
  add("receipts", "Lists what the site received of the nation and sent it, with a receipt for each.", RunExchangeReceipts)
      ->add_option("--record", arguments->record, "Only those about this, such as releasedRecords/ID or suggestions/ID.")
      ->type_name("NAME");
  CLI::App* receipt = add("receipt", "Writes a receipt to a file: fairlead verify receipt checks it without a node.", RunExchangeReceipt);
  add_name(receipt, "exchangeReceipts/ID.");
  receipt->add_option("FILE", arguments->file, "The file to write.")->required()->type_name("");
  CLI::App* grown =
      add("consistency", "Writes the proof that the nation's log only grew since a checkpoint of it.", RunExchangeConsistency);
  grown->add_option("OLD", arguments->name, "The file of the older checkpoint, or of an older receipt.")->required()->type_name("");
  grown->add_option("FILE", arguments->file, "The file to write.")->required()->type_name("");
  AddPartnerCommands(commands, exchange);
}

}  // namespace fairlead::cli
