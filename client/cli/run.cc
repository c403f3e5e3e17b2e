#include "client/cli/run.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <deque>
#include <memory>

#include "certs/commands.h"
#include "client/cli/attachment_commands.h"
#include "client/cli/audit_commands.h"
#include "client/cli/backup_commands.h"
#include "client/cli/comments.h"
#include "client/cli/completion.h"
#include "client/cli/conflict_commands.h"
#include "client/cli/erasure_commands.h"
#include "client/cli/evidence_commands.h"
#include "client/cli/exchange_commands.h"
#include "client/cli/flags.h"
#include "client/cli/import_commands.h"
#include "client/cli/network_commands.h"
#include "client/cli/outbox_commands.h"
#include "client/cli/overview_command.h"
#include "client/cli/partner_commands.h"
#include "client/cli/program_commands.h"
#include "client/cli/record_commands.h"
#include "client/cli/report_commands.h"
#include "client/cli/resources.h"
#include "client/cli/search_commands.h"
#include "client/cli/void_commands.h"

namespace fairlead::cli {
namespace {

constexpr size_t kHelpColumn = 34;
constexpr size_t kHelpWidth = 110;
constexpr int64_t kLimitDefault = 100;
constexpr int64_t kSearchLimitDefault = 20;
constexpr char kCompleteCommand[] = "__complete";

std::string Wrapped(const std::string& text, size_t width) {
  std::string out;
  size_t column = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const size_t length = end - at;
    if (column > 0 && column + 1 + length > width) {
      out.push_back('\n');
      column = 0;
    } else if (column > 0) {
      out.push_back(' ');
      ++column;
    }
    out.append(text, at, length);
    column += length;
    at = end + 1;
  }
  return out;
}

class WrappingFormatter : public CLI::Formatter {
 public:
  WrappingFormatter() { column_width(kHelpColumn); }
  std::string make_option_desc(const CLI::Option* option) const override {
    return Wrapped(option->get_description(), kHelpWidth - kHelpColumn);
  }
};

std::string FirstSentence(const std::string& text) {
  const size_t end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

// What the record that one of `resource` lies under is called in usage: "ENGAGEMENT", "PRACTICE".
std::string ParentLabel(const Resource& resource) {
  for (const Resource& parent : Resources()) {
    if (parent.collection != resource.parent) continue;
    std::string label = parent.noun;
    std::transform(label.begin(), label.end(), label.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return label;
  }
  return "PARENT";
}

// A verb of a resource with room for what is typed after it.
struct Binding {
  const Resource* resource = nullptr;
  const Verb* verb = nullptr;
  RecordArguments arguments;
  std::deque<Flag> flags;
  std::deque<std::vector<std::string>> values;  // of each flag
  std::deque<std::string> switches;             // of each flag that is a switch; else empty

  void Collect() {
    arguments.values.clear();
    for (size_t i = 0; i < flags.size(); ++i) {
      if (!switches[i].empty()) values[i] = {switches[i]};
      if (!values[i].empty()) arguments.values.emplace_back(&flags[i], values[i]);
    }
  }
};

class CommandLine {
 public:
  explicit CommandLine(const Environment& environment) : environment_(environment) {
    app_.formatter(std::make_shared<WrappingFormatter>());
    app_.footer(fmt::format("Global options, such as --site and --json, may stand anywhere: see fairlead --help.\n{}", kExitCodesHelp));
    app_.require_subcommand(1);
    app_.fallthrough();
    AddGlobals();
    for (const Resource& resource : Resources()) AddResource(resource);
    AddReports();
    AddAttachments();
    AddSearch();
    AddReleases();
    AddExchange();
    AddConflicts();
    AddErasures();
    AddOutbox();
    AddNetwork();
    AddReportCommands();
    AddLog();
    AddVerify();
    AddAudit();
    AddBackup();
    AddImports();
    certs::AddCertsCommands(&app_, environment_.out, &certs_result_);
    AddRest();
  }

  int Run(std::vector<std::string> arguments) {
    const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    if (!arguments.empty() && arguments.front() == kCompleteCommand) return PrintCompletions(arguments);
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& e) {
      if (e.get_exit_code() == 0) {
        app_.exit(e, *environment_.out, *environment_.err);
        return kExitOk;
      }
      return Fail(UsageError(e.what()), json);
    }
    if (chosen_ == nullptr) return Fail(certs_result_, json);  // the certs commands run while parsing
    Session session(environment_, globals_);
    return Fail(chosen_(session), json);
  }

 private:
  int Fail(const absl::Status& status, bool json) const {
    if (status.ok()) return kExitOk;
    if (json) {
      *environment_.err << ErrorJson(status).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    } else {
      PrintError(status, *environment_.err);
      if (ExitCodeOf(status) == kExitUsage) *environment_.err << "Try --help after the command.\n";
    }
    return ExitCodeOf(status);
  }

  int PrintCompletions(const std::vector<std::string>& arguments) const {
    std::vector<std::string> words(arguments.begin() + 1, arguments.end());
    if (!words.empty() && words.front() == "--") words.erase(words.begin());
    if (words.empty()) words.emplace_back();
    for (const std::string& candidate : Complete(app_, choices_, words)) *environment_.out << candidate << "\n";
    return kExitOk;
  }

  void AddGlobals() {
    app_.add_option("--config", globals_.config, "The configuration file; $FAIRLEAD_CONFIG or ~/.config/fairlead/config.toml by default.")
        ->type_name("FILE");
    app_.add_option("--site", globals_.site, "The site whose node is asked; the configuration's default_site otherwise.")
        ->type_name("SITE");
    app_.add_option("--address", globals_.address, "Where that node is, instead of the configured address.")->type_name("HOST:PORT");
    app_.add_option("--timeout", globals_.timeout, "How long a call may take with its retries, such as 30s.")->type_name("DURATION");
    CLI::Option* durability =
        app_.add_option("--durability", globals_.durability,
                        "When a write is answered: local, once it is on the node's disk, or replicated:K, once K other sites hold it too.")
            ->type_name("local|replicated:K");
    choices_[durability] = {"local", "replicated:1", "replicated:2", "replicated:3"};
    app_.add_flag("--failover", globals_.failover, "Ask the other sites when that one does not answer.");
    app_.add_flag("--offline", globals_.offline,
                  "Without a node: a change is kept in the outbox until fairlead outbox sync; get and list show what is kept.");
    app_.add_flag("--json", globals_.json, "Print one JSON document (watch: one a line); errors as JSON on stderr.");
    app_.add_flag("-q,--quiet", globals_.quiet, "Do not say which node answered.");
  }

  CLI::App* AddCommand(CLI::App* parent, const std::string& name, const std::string& description,
                       std::function<absl::Status(Session&)> run) {
    CLI::App* command = parent->add_subcommand(name, description);
    if (run != nullptr) command->callback([this, run = std::move(run)] { chosen_ = run; });
    return command;
  }

  void AddFlag(CLI::App* command, Binding* binding, Flag made) {
    const Flag& flag = binding->flags.emplace_back(std::move(made));
    std::vector<std::string>& values = binding->values.emplace_back();
    std::string& as_switch = binding->switches.emplace_back();
    CLI::Option* option;
    if (flag.field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_BOOL) {
      option = command->add_flag(flag.name, as_switch, flag.help);
    } else {
      option = command->add_option(flag.name, values, flag.help)->type_name(flag.placeholder)->expected(1)->take_all();
    }
    option->group(flag.of_record ? "Fields" : "Options");
    if (!flag.choices.empty()) choices_[option] = flag.choices;
  }

  void AddResource(const Resource& resource) {
    CLI::App* noun = AddCommand(&app_, resource.noun, CommentOf(resource.type->full_name()), nullptr);
    noun->require_subcommand(1);
    for (const Verb& verb : resource.verbs) {
      if (verb.kind == VerbKind::kImport) {
        AddRecordImport(noun, resource, verb);
      } else {
        AddVerb(noun, resource, verb);
      }
    }
    Binding* binding = &bindings_.emplace_back();
    binding->resource = &resource;
    binding->arguments.limit = kLimitDefault;
    CLI::App* history = AddCommand(noun, "history", "Lists the revisions, newest first: who, where, when and what changed.",
                                   [binding](Session& s) { return RunHistory(s, *binding->resource, binding->arguments); });
    history->add_option("NAME", binding->arguments.name, "The record.")->required()->type_name("");
    AddLimit(history, binding);
  }

  void AddLimit(CLI::App* command, Binding* binding) {
    command->add_option("--limit", binding->arguments.limit, fmt::format("At most so many; {} by default, 0 for all.", kLimitDefault))
        ->type_name("NUMBER")
        ->check(CLI::NonNegativeNumber);
  }

  void AddVerb(CLI::App* noun, const Resource& resource, const Verb& verb) {
    Binding* binding = &bindings_.emplace_back();
    binding->resource = &resource;
    binding->verb = &verb;
    CLI::App* command = AddCommand(noun, verb.name, FirstSentence(CommentOf(verb.method->full_name())), [binding](Session& s) {
      binding->Collect();
      return RunVerb(s, *binding->resource, *binding->verb, binding->arguments);
    });
    RecordArguments& arguments = binding->arguments;
    const bool lists = verb.kind == VerbKind::kList;
    const bool creates = verb.kind == VerbKind::kCreate;
    if (!lists && !creates)
      command->add_option("NAME", arguments.name, "The record, with or without its collection.")->required()->type_name("");
    if (creates && resource.has_natural_key()) command->add_option("ID", arguments.name, "The natural key.")->required()->type_name("");
    if (creates && !resource.parent.empty()) {
      command->add_option(ParentLabel(resource), arguments.parent, "The record it belongs to.")->required()->type_name("");
    }
    if (lists && !resource.parent.empty()) {
      command->add_option(ParentLabel(resource), arguments.parent, "Only those that belong to this record.")->type_name("");
    }
    for (Flag& flag : FlagsOf(resource, verb)) AddFlag(command, binding, std::move(flag));
    if (lists) {
      arguments.limit = kLimitDefault;
      AddLimit(command, binding);
      command->add_option("--page-token", arguments.page_token, "Continue there; everything else as before.")->type_name("TOKEN");
    }
    if (verb.kind == VerbKind::kUpdate) {
      command->add_option("--clear", arguments.clear, "Make this field empty. May be given several times.")
          ->type_name("FIELD")
          ->expected(1)
          ->take_all();
    }
    if (verb.kind == VerbKind::kUpdate || verb.kind == VerbKind::kWithdraw || verb.kind == VerbKind::kTransition) {
      command->add_option("--etag", arguments.etag, "Refuse unless the record is still at this etag; read just before otherwise.")
          ->type_name("ETAG");
    }
    if (verb.method->input_type()->FindFieldByName("request_id") != nullptr) {
      command
          ->add_option("--request-id", arguments.request_id,
                       "A UUID version 7: the same call with the same id has one effect. A new one by default.")
          ->type_name("UUID");
    }
  }

  void AddReports() {
    for (const Report& report : Reports()) {
      Binding* binding = &bindings_.emplace_back();
      binding->resource = &report.rows;
      binding->verb = &report.verb;
      CLI::App* parent = report.noun.empty() ? &app_ : app_.get_subcommand(report.noun);
      CLI::App* command = AddCommand(parent, report.verb.name, CommentOf(report.verb.method->full_name()), [binding, &report](Session& s) {
        binding->Collect();
        return RunReport(s, report, binding->arguments);
      });
      if (!report.subject.empty()) {
        command->add_option("NAME", binding->arguments.name, "The record, with or without its collection.")->type_name("");
      }
      for (Flag& flag : FlagsOf(report.rows, report.verb)) AddFlag(command, binding, std::move(flag));
    }
  }

  void AddSearch() {
    CLI::App* search = AddCommand(&app_, "search",
                                  "Finds records by their words: those that hold all of them, in some English form. \"in quotes\" for a "
                                  "phrase; OR, NOT and parentheses; harb* for words that begin so.",
                                  [this](Session& s) { return RunSearch(s, search_); });
    search->add_option("WORDS", search_.words, "What to look for.")->required()->type_name("")->take_all();
    const auto add = [search](const char* name, std::vector<std::string>* values, const char* description, const char* placeholder) {
      return search->add_option(name, *values, description)->type_name(placeholder)->expected(1)->take_all();
    };
    CLI::Option* type = add("--type", &search_.types, "Only records of this type, such as engagement. May be given several times.", "NOUN");
    for (const Resource& resource : Resources()) choices_[type].push_back(resource.noun);
    add("--country", &search_.countries, "Only those about this country. May be given several times.", "CODE");
    CLI::Option* region = add("--region", &search_.regions, "Only those of this region. May be given several times.", "REGION");
    choices_[region] = {"apac", "eame", "csa", "hq"};
    add("--state", &search_.states, "Only those in this state, such as closed. May be given several times.", "STATE");
    add("--kind", &search_.kinds, "Only those of this kind, such as port-visit. May be given several times.", "KIND");
    search->add_option("--since", search_.since, "Only those about this day or a later one.")->type_name("DATE");
    search->add_option("--until", search_.until, "Only those about this day or an earlier one.")->type_name("DATE");
    search->add_flag("--begins", search_.begins, "The last word may be the beginning of one.");
    search_.limit = kSearchLimitDefault;
    search->add_option("--limit", search_.limit, fmt::format("At most so many; {} by default, 0 for all.", kSearchLimitDefault))
        ->type_name("NUMBER")
        ->check(CLI::NonNegativeNumber);
    search->add_option("--page-token", search_.page_token, "Continue there; everything else as before.")->type_name("TOKEN");
  }

  void AddImportFlags(CLI::App* command, ImportArguments* arguments) {
    command->add_option("--refused", arguments->refused_file, "Write every refused row there, one JSON object a line.")->type_name("FILE");
    command->add_flag("--progress", arguments->progress, "Show progress though stderr is no terminal.");
  }

  void AddRecordImport(CLI::App* noun, const Resource& resource, const Verb& verb) {
    ImportArguments* arguments = &imports_.emplace_back();
    arguments->resource = &resource;
    CLI::App* command = AddCommand(noun, verb.name, "Creates or updates many from a file of JSON lines, each a record with its name.",
                                   [arguments](Session& s) { return RunImport(s, *arguments); });
    command->add_option("FILE", arguments->file, "The file.")->required()->type_name("");
    AddImportFlags(command, arguments);
  }

  void AddAttachments() {
    CLI::App* noun = app_.get_subcommand("attachment");
    CLI::App* add = AddCommand(noun, "add", "Attaches a file to a record. Run again after a cut, it goes on where it was.",
                               [this](Session& s) { return RunAttachmentAdd(s, attachment_); });
    add->add_option("FILE", attachment_.file, "The file: pdf, jpg, png, txt, csv, docx or xlsx.")->required()->type_name("");
    add->add_option("--subject", attachment_.subject, "The record it belongs to, such as engagements/ID.")->required()->type_name("NAME");
    add->add_option("--title", attachment_.title, "What it is, for people.")->type_name("TEXT");
    add->add_option("--media-type", attachment_.media_type, "What its bytes are; by the end of its name otherwise.")->type_name("TYPE");
    CLI::Option* marking =
        add->add_option("--marking", attachment_.marking, "How sensitive it is; at least as its record.")->type_name("MARKING");
    choices_[marking] = {"public", "official", "sensitive"};
    AddRequestId(add, &attachment_.request_id);
    CLI::App* get = AddCommand(noun, "get", "Writes an attachment to a file. Run again after a cut, it goes on where it was.",
                               [this](Session& s) { return RunAttachmentGet(s, attachment_); });
    get->add_option("NAME", attachment_.name, "The attachment, with or without its collection.")->required()->type_name("");
    AddOutput(get);
  }
  void AddOutput(CLI::App* command) {
    command->add_option("-o,--output", attachment_.output, "The file to write, which must not exist; the attachment's name by default.")
        ->type_name("FILE");
  }

  void AddReleases() {
    CLI::App* noun = app_.get_subcommand("release");
    const auto add_content = [this](CLI::App* command) {
      command->add_option("--nation", release_.nations, "A nation it is for, such as JP. May be given several times.")
          ->type_name("CODE")
          ->expected(1)
          ->take_all();
      command->add_option("--group", release_.groups, "A group it is for. May be given several times.")
          ->type_name("GROUP")
          ->expected(1)
          ->take_all();
      command->add_option("--field", release_.fields, "A field of the record; every one that can be released by default.")
          ->type_name("FIELD")
          ->expected(1)
          ->take_all();
      command->add_option("--replaces", release_.replaces, "An earlier release that it takes the place of.")
          ->type_name("RELEASE")
          ->expected(1)
          ->take_all();
    };
    CLI::App* preview = AddCommand(noun, "preview", "Says exactly which nations would see which values.",
                                   [this](Session& s) { return RunReleasePreview(s, release_); });
    preview->add_option("SUBJECT", release_.subject, "A record, such as ports/JPYOK, or a release, releases/ID.")
        ->required()
        ->type_name("");
    preview->add_flag("--publication", release_.publication, "What nations would see of it without a release, once it is PUBLIC.");
    add_content(preview);
    CLI::App* propose = AddCommand(noun, "propose", "Proposes the release of a record, as its preview shows it.",
                                   [this](Session& s) { return RunReleasePropose(s, release_); });
    propose->add_option("RECORD", release_.subject, "The record, such as ports/JPYOK.")->required()->type_name("");
    add_content(propose);
    propose->add_option("--purpose", release_.purpose, "What they may use it for.")->required()->type_name("TEXT");
    propose->add_option("--until", release_.until, "The last day on which it is shown.")->type_name("DATE");
    AddRequestId(propose, &release_.request_id);
    CLI::App* recalls = AddCommand(noun, "recalls", "Lists what was recalled, with who has acknowledged it.",
                                   [this](Session& s) { return RunReleaseRecalls(s, release_); });
    recalls->add_flag("--outstanding", release_.outstanding, "Only those that some nation has not acknowledged.");
  }

  void AddExchange() {
    CLI::App* exchange = AddCommand(&app_, "exchange", "A partner nation's door: what is released to it, and what it says.", nullptr);
    exchange->require_subcommand(1);
    const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const ExchangeArguments&)) {
      return AddCommand(exchange, name, description, [this, run](Session& s) { return run(s, exchange_); });
    };
    const auto add_name = [this](CLI::App* command, const char* what) {
      command->add_option("NAME", exchange_.name, what)->required()->type_name("");
      return command;
    };
    add("list", "Lists what is released to the nation.", RunExchangeList)
        ->add_option("--kind", exchange_.kind, "Only these, such as practice, course or contact.")
        ->type_name("KIND");
    add_name(add("get", "Shows one released record.", RunExchangeGet), "The record, releasedRecords/ID.");
    const auto add_bytes = [&](const char* name, const char* description, absl::Status (*run)(Session&, const AttachmentArguments&)) {
      return AddCommand(exchange, name, description, [this, run](Session& s) { return run(s, attachment_); });
    };
    add_bytes("attachments", "Lists the attachments of a released record.", RunExchangeAttachments)
        ->add_option("NAME", attachment_.name, "The record, releasedRecords/ID.")
        ->required()
        ->type_name("");
    CLI::App* download =
        add_bytes("download", "Writes an attachment to a file. Run again after a cut, it goes on where it was.", RunExchangeDownload);
    download->add_option("NAME", attachment_.name, "The attachment, releasedRecords/ID/attachments/ID.")->required()->type_name("");
    AddOutput(download);
    add("withdrawals", "Lists what was recalled and is to be withdrawn.", RunExchangeWithdrawals);
    CLI::App* acknowledge =
        add_name(add("acknowledge", "Says that the nation has withdrawn what was recalled.", RunExchangeAcknowledge), "withdrawals/ID.");
    acknowledge->add_option("--remark", exchange_.text, "What there is to say.")->type_name("TEXT");
    AddRequestId(acknowledge, &exchange_.request_id);
    CLI::App* suggest = add("suggest", "Proposes data, an answer to an observation, or a correction.", RunExchangeSuggest);
    CLI::Option* kind = suggest->add_option("KIND", exchange_.kind, "facility, port, observation-response or correction.");
    kind->required()->type_name("");
    choices_[kind] = {"facility", "port", "observation-response", "correction"};
    suggest->add_option("--record", exchange_.record, "The released record that it is about.")->type_name("NAME");
    suggest->add_option("--subject", exchange_.subject, "The facility's IMO number or the port's UN/LOCODE.")->type_name("CODE");
    suggest->add_option("--text", exchange_.text, "What is proposed.")->required()->type_name("TEXT");
    AddRequestId(suggest, &exchange_.request_id);
    add("suggestions", "Lists the nation's suggestions with their outcome.", RunExchangeSuggestions);
    CLI::App* ask = add("ask", "Asks the help desk.", RunExchangeAsk);
    ask->add_option("--subject", exchange_.subject, "What it is about.")->required()->type_name("TEXT");
    ask->add_option("--text", exchange_.text, "The question.")->required()->type_name("TEXT");
    AddRequestId(ask, &exchange_.request_id);
    add_name(add("question", "Shows a question with its answer.", RunExchangeQuestion), "The question, questions/ID.");
    add("receipts", "Lists what the site received of the nation and sent it, with a receipt for each.", RunExchangeReceipts)
        ->add_option("--record", exchange_.record, "Only those about this, such as releasedRecords/ID or suggestions/ID.")
        ->type_name("NAME");
    CLI::App* receipt = add("receipt", "Writes a receipt to a file: fairlead verify receipt checks it without a node.", RunExchangeReceipt);
    add_name(receipt, "exchangeReceipts/ID.");
    receipt->add_option("FILE", exchange_.file, "The file to write.")->required()->type_name("");
    CLI::App* grown =
        add("consistency", "Writes the proof that the nation's log only grew since a checkpoint of it.", RunExchangeConsistency);
    grown->add_option("OLD", exchange_.name, "The file of the older checkpoint, or of an older receipt.")->required()->type_name("");
    grown->add_option("FILE", exchange_.file, "The file to write.")->required()->type_name("");
    AddPartner(exchange);
  }

  // What a nation asks for, contributes and states.
  void AddPartner(CLI::App* exchange) {
    const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const PartnerArguments&)) {
      return AddCommand(exchange, name, description, [this, run](Session& s) { return run(s, partner_); });
    };
    const auto add_name = [this](CLI::App* command, const char* what) {
      command->add_option("NAME", partner_.name, what)->required()->type_name("");
      return command;
    };
    CLI::App* visit = add("request-visit", "Asks for a visit of the nation's officials to the United States.", RunRequestVisit);
    visit->add_option("--embassy", partner_.embassy, "The nation's embassy through which it asks.")->required()->type_name("TEXT");
    visit->add_option("--reference", partner_.reference, "The embassy's own reference.")->type_name("TEXT");
    visit->add_option("--objectives", partner_.objectives, "What the delegation wishes to learn.")->type_name("TEXT");
    visit->add_option("--member", partner_.members, "Who would come: member=TEXT,organisation=TEXT,role=TEXT. May be given several times.")
        ->type_name("MEMBER");
    visit->add_option("--start-date", partner_.start, "The first day that is hoped for.")->type_name("DATE");
    visit->add_option("--end-date", partner_.end, "The last day that is hoped for.")->type_name("DATE");
    AddRequestId(visit, &partner_.request_id);
    add("visit-requests", "Lists the visits that the nation asked for, with what became of them.", RunVisitRequests);
    add_name(add("visit-request", "Shows what became of a visit.", RunVisitRequest), "The request, visitRequests/ID.");
    const auto add_cancel = [&](const char* name, const char* what, absl::Status (*run)(Session&, const PartnerArguments&)) {
      CLI::App* cancel = add_name(add(name, "Takes back what waits for a decision.", run), what);
      cancel->add_option("--reason", partner_.text, "Why.")->type_name("TEXT");
      AddRequestId(cancel, &partner_.request_id);
    };
    add_cancel("cancel-visit", "The request, visitRequests/ID.", RunCancelVisit);
    add_cancel("cancel-course", "The request, courseRequests/ID.", RunCancelCourse);
    CLI::App* course =
        add_name(add("request-course", "Asks for a course.", RunRequestCourse), "The course, releasedRecords/ID (list --kind course).");
    course->add_option("--embassy", partner_.embassy, "The American embassy through which the nation asks.")->required()->type_name("TEXT");
    course->add_option("--trainees", partner_.trainees, "How many are to be trained.")->type_name("NUMBER");
    AddRequestId(course, &partner_.request_id);
    add("course-requests", "Lists the courses that the nation asked for, with what became of them.", RunCourseRequests);
    add_name(add("course-request", "Shows what became of a course.", RunCourseRequest), "The request, courseRequests/ID.");
    CLI::App* contribute = add("contribute", "Contributes a best practice, to be reviewed and shared unattributed.", RunContribute);
    contribute->add_option("--title", partner_.title, "What to call it.")->required()->type_name("TEXT");
    contribute->add_option("--text", partner_.text, "What it is.")->required()->type_name("TEXT");
    AddRequestId(contribute, &partner_.request_id);
    add("contributions", "Lists the practices that the nation contributed, with what became of them.", RunContributions);
    add_name(add("contribution", "Shows what became of a contributed practice.", RunContribution), "contributedPractices/ID.");
    AddRequestId(add_name(add("endorse", "Endorses a published practice.", RunEndorse), "The practice, releasedRecords/ID."),
                 &partner_.request_id);
    AddRequestId(add_name(add("retract", "Takes an endorsement back.", RunRetract), "The practice, releasedRecords/ID."),
                 &partner_.request_id);
    add("endorsements", "Lists the nation's endorsements.", RunEndorsements);
    add("questions", "Lists the nation's questions with their answers.", RunQuestions);
    CLI::App* state = add("state-contact", "States whom to reach in the nation at any hour.", RunStateContact);
    CLI::Option* duty = state->add_option("DUTY", partner_.duty, "ships, ports or authority.");
    duty->required()->type_name("");
    choices_[duty] = {"ships", "ports", "authority"};
    state->add_option("--office", partner_.office, "The office or post that answers.")->required()->type_name("TEXT");
    state->add_option("--phone", partner_.phone, "An international number.")->type_name("NUMBER");
    state->add_option("--email", partner_.email, "An address.")->type_name("ADDRESS");
    state->add_flag("--always-reachable", partner_.always, "It answers at all hours, seven days a week.");
    AddRequestId(state, &partner_.request_id);
    add("contacts", "Shows whom to reach at any hour, in the nation and in the United States.", RunContactSheet);
    CLI::App* watch =
        add("watch", "Follows what is released to the nation; at the next node of the configuration when one ends it.", RunExchangeWatch);
    watch->add_option("--resume", partner_.resume, "Continue after this token, of any node.")->type_name("TOKEN");
    watch->add_option("--count", partner_.count, "End after so many changes.")->type_name("NUMBER")->check(CLI::PositiveNumber);
  }

  void AddRequestId(CLI::App* command, std::string* request_id) {
    command
        ->add_option("--request-id", *request_id, "A UUID version 7: the same call with the same id has one effect. A new one by default.")
        ->type_name("UUID");
  }

  void AddConflicts() {
    CLI::App* conflicts =
        AddCommand(&app_, "conflicts", "Fields that hold more than one value, and amendments that a lock has kept out.", nullptr);
    conflicts->require_subcommand(1);
    CLI::App* list = AddCommand(conflicts, "list", "Lists them, by collection and name.",
                                [this](Session& s) { return RunConflictList(s, conflict_list_); });
    list->add_option("RECORD", conflict_list_.record, "Only those of this record, such as countries/JP.")->type_name("");
    CLI::Option* collection =
        list->add_option("--collection", conflict_list_.collection, "Only those of this collection.")->type_name("NAME");
    for (const Resource& resource : Resources()) choices_[collection].push_back(resource.collection);
    list->add_option("--written-at", conflict_list_.written_at, "Only those in which this site wrote one of the values.")
        ->type_name("SITE");
    list->add_flag("--show-withdrawn", conflict_list_.show_withdrawn, "Those of withdrawn records too.");
    conflict_list_.limit = kLimitDefault;
    list->add_option("--limit", conflict_list_.limit, fmt::format("At most so many; {} by default, 0 for all.", kLimitDefault))
        ->type_name("NUMBER")
        ->check(CLI::NonNegativeNumber);
    list->add_option("--page-token", conflict_list_.page_token, "Continue there; everything else as before.")->type_name("TOKEN");

    CLI::App* show = AddCommand(conflicts, "show", "Shows one: every value, who wrote it, where, when, and what they had read.",
                                [this](Session& s) { return RunConflictShow(s, conflict_); });
    show->add_option("NAME", conflict_.name, "The conflict, such as countries/JP/conflicts/display_name.")->required()->type_name("");

    CLI::App* resolve = AddCommand(conflicts, "resolve", "Settles one. Refused when it has changed since it was read.",
                                   [this](Session& s) { return RunConflictResolve(s, conflict_); });
    resolve->add_option("NAME", conflict_.name, "The conflict, such as countries/JP/conflicts/display_name.")->required()->type_name("");
    resolve
        ->add_option("--keep", conflict_.keep, "The value with this id, or this beginning of an id; of a set, each amendment to take in.")
        ->type_name("ID")
        ->expected(1)
        ->take_all();
    resolve->add_flag("--keep-shown", conflict_.keep_shown, "What the record shows; amendments are dropped.");
    resolve->add_flag("--accept", conflict_.accept, "The amendment; of a set, all of them.");
    resolve->add_option("--value", conflict_.values, "A new value, typed as for update. Of a set, once for each element.")
        ->type_name("VALUE")
        ->expected(1)
        ->take_all();
    resolve->add_flag("--clear", conflict_.clear, "No value.");
    resolve->add_option("--etag", conflict_.etag, "Refuse unless the conflict is still at this etag; read just before otherwise.")
        ->type_name("ETAG");
    resolve
        ->add_option("--request-id", conflict_.request_id,
                     "A UUID version 7: the same call with the same id has one effect. A new one by default.")
        ->type_name("UUID");
  }

  void AddErasures() {
    CLI::App* erase = AddCommand(&app_, "erase", "Takes what a revision said from every site, for ever. See erasures.",
                                 [this](Session& s) { return RunErase(s, erase_); });
    erase->add_option("RECORD", erase_.record, "The record, such as engagements/e.")->required()->type_name("");
    erase->add_option("ENTRY", erase_.entry, "The revision's entry, as its history lists it: apac/1/17.")->required()->type_name("");
    erase->add_option("--reason", erase_.reason, "Why. It stays in the history: do not repeat what is erased.")
        ->required()
        ->type_name("TEXT");
    erase->add_option("--authority", erase_.authority, "Who decided it, and under which rule.")->required()->type_name("TEXT");
    erase->add_flag("--yes", erase_.confirmed, "Erase. Without it, what would be erased is shown, and nothing happens.");
    erase
        ->add_option("--request-id", erase_.request_id,
                     "A UUID version 7: the same call with the same id has one effect. A new one by default.")
        ->type_name("UUID");
    CLI::App* erasures = AddCommand(&app_, "erasures", "Entries that were erased, and who may hold them still.", nullptr);
    erasures->require_subcommand(1);
    AddCommand(erasures, "list", "Lists them, by log and entry.", RunErasureList);
    CLI::App* show = AddCommand(erasures, "show", "Shows one: who, when, why, where it is done and where it is outstanding.",
                                [this](Session& s) { return RunErasureShow(s, erase_.entry); });
    show->add_option("ENTRY", erase_.entry, "The erased entry, such as apac/1/17.")->required()->type_name("");
  }

  void AddOutbox() {
    CLI::App* outbox = AddCommand(&app_, "outbox", "Work without a node: what waits to be sent, and what is kept to read.", nullptr);
    outbox->require_subcommand(1);
    const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const OutboxArguments&)) {
      return AddCommand(outbox, name, description, [this, run](Session& s) { return run(s, outbox_); });
    };
    const auto add_change = [this](CLI::App* command) {
      command->add_option("CHANGE", outbox_.change, "Its number in the list.")->required()->type_name("");
      return command;
    };
    const auto add_even_if_sent = [this](CLI::App* command) {
      command->add_flag("--even-if-sent", outbox_.even_if_sent, "Though it was sent and the node may have taken it.");
    };
    CLI::App* keep = add("keep", "Reads records from the node and keeps them; without names, those that are kept already.", RunOutboxKeep);
    keep->add_option("NAME", outbox_.names, "A record, such as engagements/E, or a collection, such as ports.")->type_name("");
    keep->add_flag("--beneath", outbox_.beneath, "Also what lies under the records.");
    add("kept", "Lists what is kept, and when it was read.", RunOutboxKept);
    add("unkeep", "Keeps records no longer.", RunOutboxUnkeep)
        ->add_option("NAME", outbox_.names, "The records.")
        ->required()
        ->type_name("");
    add("list", "Lists the changes that wait, were refused, or led to a conflict, with what to do.", RunOutboxList)
        ->add_flag("--all", outbox_.all, "Also those that are done.");
    add_change(add("show", "Shows one change whole.", RunOutboxShow));
    add("sync", "Sends what waits, in order. Exit code 5: something is to be decided; 7: the node did not answer.", RunOutboxSync);
    add_change(add("retry", "Has a refused change sent again.", RunOutboxRetry))
        ->add_flag("--rebase", outbox_.rebase, "Upon the record as it is kept now, replacing what it says.");
    CLI::App* edit = add_change(add("edit", "Changes what a change says, and has it sent.", RunOutboxEdit));
    edit->add_option("--set", outbox_.set, "A field's new value. May be given several times.")
        ->type_name("FIELD=VALUE")
        ->expected(1)
        ->take_all();
    edit->add_option("--clear", outbox_.clear, "Make this field empty. May be given several times.")
        ->type_name("FIELD")
        ->expected(1)
        ->take_all();
    add_even_if_sent(
        add_change(add("renew", "Has a change sent as a new request; a record that it creates gets a new name.", RunOutboxRenew)));
    add_even_if_sent(add_change(add("drop", "Gives a change up.", RunOutboxDrop)));
  }

  void AddNetwork() {
    AddOverview();
    CLI::App* status =
        AddCommand(&app_, "status", "The state of the node: logs, links, lag.", [this](Session& s) { return RunStatus(s, all_sites_); });
    CLI::App* digest =
        AddCommand(&app_, "digest", "The digest of the node's folded state.", [this](Session& s) { return RunDigest(s, all_sites_); });
    status->add_flag("--all-sites", all_sites_, "Of every configured node.");
    digest->add_flag("--all-sites", all_sites_, "Of every configured node, compared: exit code 0 when equal, 5 when not.");
    CLI::App* opaque = AddCommand(&app_, "opaque", "The entries that the node could not fold, with the cause.", nullptr);
    opaque->callback([this, opaque] {
      if (opaque->get_subcommands().empty()) chosen_ = [this](Session& s) { return RunOpaque(s, opaque_limit_); };
    });
    opaque->add_option("--limit", opaque_limit_, fmt::format("At most so many; {} by default, 0 for all.", kLimitDefault))
        ->type_name("NUMBER")
        ->check(CLI::NonNegativeNumber);
    CLI::App* discard = AddCommand(opaque, "void", "Discards one at every site, for ever; for headquarters.",
                                   [this](Session& s) { return RunOpaqueVoid(s, void_); });
    discard->add_option("ENTRY", void_.entries, "The entry, SITE/EPOCH/SEQUENCE.")->required()->expected(1)->type_name("");
    discard->add_option("--reason", void_.reason, "Why.")->required()->type_name("TEXT");
    discard
        ->add_option("--request-id", void_.request_id,
                     "A UUID version 7: the same call with the same id has one effect. A new one by default.")
        ->type_name("UUID");
    AddVoid();
    CLI::App* watch =
        AddCommand(&app_, "watch", "Follows the records that change at the node.", [this](Session& s) { return RunWatch(s, watch_); });
    watch->add_option("COLLECTION", watch_.collections, "Only these, such as ports; all by default.")->type_name("");
    watch->add_option("--record", watch_.record, "Only this record and those beneath it, such as engagements/E.")->type_name("NAME");
    watch->add_flag("--snapshot", watch_.snapshot, "Send every record first.");
    watch->add_option("--resume", watch_.resume, "Continue after this token.")->type_name("TOKEN");
    watch->add_option("--count", watch_.count, "End after so many records.")->type_name("NUMBER")->check(CLI::PositiveNumber);
  }

  void AddOverview() {
    CLI::App* overview = AddCommand(&app_, "overview", "The figures of the whole network, as the node knows them.", nullptr);
    overview->callback([this, overview] {
      if (overview->get_subcommands().empty()) chosen_ = [this](Session& s) { return RunOverview(s, overview_); };
    });
    CLI::Option* section =
        overview->add_option("--section", overview_.sections, "Only this part. May be given several times; all of them by default.");
    section->type_name("SECTION")->expected(1)->take_all();
    choices_[section] = OverviewSections();
    overview->add_option("--months", overview_.months, "How many months back, the current one included; 12 by default.")
        ->type_name("NUMBER")
        ->check(CLI::Range(1, 120));
    overview->add_flag("--watch", overview_.watch, "Again whenever it has changed, at most once a second.");
    overview->add_option("--count", overview_.count, "With --watch: end after so many.")->type_name("NUMBER")->check(CLI::PositiveNumber);
    CLI::App* countries = AddCommand(overview, "countries", "Lists countries with where each stands, today or on a day.",
                                     [this](Session& s) { return RunOverviewCountries(s, overview_countries_); });
    choices_[countries->add_option("--region", overview_countries_.region, "Only of this region.")->type_name("REGION")] = {"apac", "eame",
                                                                                                                            "csa", "hq"};
    choices_[countries->add_option("--standing", overview_countries_.standing, "Only those that stand so.")->type_name("STANDING")] = {
        "engaged", "due", "overdue", "never"};
    countries->add_option("--officer", overview_countries_.officer, "Only those that this officer covers.")->type_name("OFFICER");
    countries->add_flag("--uncovered", overview_countries_.uncovered, "Only those that nobody covers.");
    countries->add_option("--as-of", overview_countries_.as_of, "Where they stood on this day; today by default.")->type_name("YYYY-MM-DD");
  }

  void AddReportCommands() {
    CLI::App* report = AddCommand(&app_, "report",
                                  "Reports of the program's work for a named audience, signed, with a log of who received them.", nullptr);
    report->require_subcommand(1);
    const auto add_output = [this](CLI::App* command) {
      CLI::Option* format = command->add_option("--format", report_.format, "html, csv or pdf; html by default.")->type_name("FORMAT");
      choices_[format] = {"html", "csv", "pdf"};
      command
          ->add_option("--out", report_.out, "Where to write it. HTML and CSV come with a statement, FILE.sig, for fairlead verify report.")
          ->type_name("FILE");
    };
    const auto add_name = [this](CLI::App* command) {
      command->add_option("NAME", report_.name, "The report.")->required()->type_name("");
    };
    CLI::App* create =
        AddCommand(report, "create", "Makes a report of what the node holds.", [this](Session& s) { return RunReportCreate(s, report_); });
    CLI::Option* kind = create->add_option("--kind", report_.kind, "annual or quarterly.")->required()->type_name("KIND");
    choices_[kind] = {"annual", "quarterly"};
    create->add_option("--period", report_.period, "The year or the quarter, such as 2025 or 2025Q3.")->required()->type_name("PERIOD");
    CLI::Option* audience =
        create->add_option("--audience", report_.audience, "Whose staff it is for: hq, apac, eame or csa; or a nation, such as JP.");
    audience->required()->type_name("AUDIENCE");
    choices_[audience] = {"hq", "apac", "eame", "csa"};
    add_output(create);
    AddRequestId(create, &report_.request_id);
    CLI::App* list = AddCommand(report, "list", "Lists reports.", [this](Session& s) { return RunReportList(s, report_); });
    list->add_option("--period", report_.period, "Only those about this span.")->type_name("PERIOD");
    list->add_option("--audience", report_.audience, "Only those for this audience.")->type_name("AUDIENCE");
    CLI::App* show = AddCommand(report, "show", "Shows a report, and who received it; with --out, writes it to a file.",
                                [this](Session& s) { return RunReportShow(s, report_); });
    add_name(show);
    add_output(show);
    CLI::App* deliver = AddCommand(report, "deliver", "Records that someone was given a report.",
                                   [this](Session& s) { return RunReportDeliver(s, report_); });
    add_name(deliver);
    deliver->add_option("--to", report_.recipient, "Who received it: a person, an office or a partner.")->required()->type_name("TEXT");
    deliver->add_option("--remark", report_.remark, "How, and what else there is to say.")->type_name("TEXT");
    AddRequestId(deliver, &report_.request_id);
  }

  void AddVoid() {
    void_.limit = kLimitDefault;
    const auto add_limit = [this](CLI::App* command) {
      command->add_option("--limit", void_.limit, fmt::format("At most so many; {} by default, 0 for all.", kLimitDefault))
          ->type_name("NUMBER")
          ->check(CLI::NonNegativeNumber);
    };
    add_limit(AddCommand(&app_, "unauthorised", "The changes that their site had no right to make. They change no record.",
                         [this](Session& s) { return RunUnauthorised(s, void_); }));
    CLI::App* voids = AddCommand(&app_, "void", "The entries that count for nothing.", nullptr);
    voids->require_subcommand(1);
    add_limit(AddCommand(voids, "list", "Lists them: those of closed logs, and those that were discarded.",
                         [this](Session& s) { return RunVoidList(s, void_); }));
    CLI::App* reissue = AddCommand(voids, "reissue", "Writes entries of a closed log anew in the node's own log, as the values they were.",
                                   [this](Session& s) { return RunVoidReissue(s, void_); });
    reissue->add_option("ENTRY", void_.entries, "The entries, SITE/EPOCH/SEQUENCE.")->required()->type_name("");
  }

  void AddLog() {
    CLI::App* log = AddCommand(&app_, "log", "Fetches evidence about a log from the node, for others to verify.", nullptr);
    log->require_subcommand(1);
    const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const LogArguments&)) {
      return AddCommand(log, name, description, [this, run](Session& s) { return run(s, log_); });
    };
    const auto add_log = [this](CLI::App* command) {
      command->add_option("LOG", log_.subject, "The log, SITE/EPOCH/STREAM, or SITE for its current main log.")->required()->type_name("");
    };
    const auto add_file = [this](CLI::App* command) {
      return command->add_option("FILE", log_.file, "The file to write.")->required()->type_name("");
    };
    CLI::App* checkpoint = add("checkpoint", "The newest checkpoint, with its cosignatures: a C2SP tlog-checkpoint.", RunLogCheckpoint);
    add_log(checkpoint);
    add_file(checkpoint)->required(false)->description("The file to write; standard output otherwise.");
    CLI::App* exported = add("export", "The whole log up to its newest checkpoint.", RunLogExport);
    add_log(exported);
    add_file(exported);
    CLI::App* receipt = add("receipt", "The proof that an entry is in its log: a C2SP tlog-proof.", RunLogReceipt);
    receipt->add_option("SUBJECT", log_.subject, "An entry, SITE/EPOCH/SEQUENCE, or a record, for the entry of its newest revision.")
        ->required()
        ->type_name("");
    add_file(receipt);
    receipt->add_flag("--payload", log_.payload, "Include what the entry says; without it the receipt says only that it is there.");
    CLI::App* consistency = add("consistency", "The proof that the newest checkpoint continues an older one.", RunLogConsistency);
    consistency->add_option("OLD", log_.old_checkpoint, "The file of the older checkpoint.")->required()->type_name("");
    add_file(consistency);
  }

  void AddVerify() {
    CLI::App* verify =
        AddCommand(&app_, "verify", "Verifies evidence from files, without a node; exit code 8 when it does not hold.", nullptr);
    verify->require_subcommand(1);
    const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const VerifyArguments&)) {
      CLI::App* command = AddCommand(verify, name, description, [this, run](Session& s) { return run(s, verify_); });
      command->add_option("--roster", verify_.roster_file, "The network's roster (roster.note).")->required()->type_name("FILE");
      command->add_option("--root-key", verify_.root_key_file, "The network's public root key (root.vkey).")->required()->type_name("FILE");
      return command;
    };
    const auto add_file = [this](CLI::App* command) {
      command->add_option("FILE", verify_.file, "The file to verify.")->required()->type_name("");
    };
    add_file(add("checkpoint", "A checkpoint: its signature and its cosignatures.", RunVerifyCheckpoint));
    add_file(add("log", "An exported log: every entry, under its checkpoint.", RunVerifyLog));
    add_file(add("receipt", "A receipt: the entry, under its checkpoint.", RunVerifyReceipt));
    CLI::App* report = add("report", "A report, HTML or CSV: that a site of the network made it as it is.", RunVerifyReport);
    add_file(report);
    report->add_option("--statement", verify_.statement_file, "The site's statement; FILE.sig by default.")->type_name("FILE");
    CLI::App* consistency = add("consistency", "That the checkpoint of a consistency proof continues an older one.", RunVerifyConsistency);
    consistency->add_option("OLD", verify_.old_checkpoint, "The file of the older checkpoint, or of an older receipt.")
        ->required()
        ->type_name("");
    add_file(consistency);
  }

  void AddAudit() {
    CLI::App* audit = AddCommand(&app_, "audit", "What sites audited: who was shown and refused what, and who administered them.", nullptr);
    audit->require_subcommand(1);
    const auto add = [&](const char* name, const char* description, absl::Status (*run)(Session&, const AuditArguments&)) {
      CLI::App* command = AddCommand(audit, name, description, [this, run](Session& s) { return run(s, audit_); });
      command->add_option("--actor", audit_.actor, "Only of this actor, partner/JP/registry; of all that begin so, partner/JP/.")
          ->type_name("ACTOR");
      CLI::Option* kind = command->add_option("--kind", audit_.kind, "Only of this kind.")->type_name("KIND");
      choices_[kind] = {"partner-read", "partner-submission", "denial", "release", "recall", "administration", "overflow"};
      command->add_option("--method", audit_.method, "Only of this method, such as ExchangeService/GetReleasedRecord.")
          ->type_name("METHOD");
      command->add_option("--outcome", audit_.outcome, "Only with this outcome, such as NOT_FOUND.")->type_name("CODE");
      command->add_option("--of-site", audit_.of_site, "Only by this site.")->type_name("SITE");
      command->add_option("--since", audit_.since, "Only events that had not ended before.")->type_name("TIME");
      command->add_option("--until", audit_.until, "Only events that had ended before.")->type_name("TIME");
      command->add_option("--limit", audit_.limit, "No more than this many.")->type_name("N");
      return command;
    };
    add("list", "Lists audit events, the oldest first.", RunAuditList);
    add("export", "Writes audit events as lines of JSON. What proves them is the log: fairlead log export SITE/EPOCH/audit.",
        RunAuditExport)
        ->add_option("FILE", audit_.file, "The file to write; standard output otherwise.")
        ->type_name("");
  }

  void AddBackup() {
    CLI::App* backup = AddCommand(&app_, "backup", "Backups of the node's store, kept at the node.", nullptr);
    backup->require_subcommand(1);
    CLI::App* create = AddCommand(backup, "create", "Makes a backup while the node runs, and reads it back.",
                                  [this](Session& s) { return RunBackupCreate(s, request_id_); });
    create->add_option("--request-id", request_id_, "A UUID version 7: the same id makes one backup. A new one by default.")
        ->type_name("UUID");
    AddCommand(backup, "list", "The backups, oldest first.", RunBackupList);
    const auto add_name = [this](CLI::App* command) { command->add_option("NAME", backup_, "The backup.")->required()->type_name(""); };
    add_name(AddCommand(backup, "verify", "Reads all of a backup again.", [this](Session& s) { return RunBackupVerify(s, backup_); }));
    add_name(AddCommand(backup, "delete", "Deletes a backup.", [this](Session& s) { return RunBackupDelete(s, backup_); }));
  }

  void AddImports() {
    CLI::App* import = AddCommand(&app_, "import", "Imports reference data and engagements from published files.", nullptr);
    import->require_subcommand(1);
    const auto add = [&](const std::string& name, ImportKind kind, const std::string& description, bool uses_regions) {
      ImportArguments* arguments = &imports_.emplace_back();
      arguments->kind = kind;
      CLI::App* command = AddCommand(import, name, description, [arguments](Session& s) { return RunImport(s, *arguments); });
      CLI::Option* file = command->add_option("FILE", arguments->file, "The file.")->type_name("");
      if (kind == ImportKind::kIsoCodes) {
        arguments->file = kIsoCodesFile;
        file->description(fmt::format("The file; {} by default.", kIsoCodesFile));
      } else {
        file->required();
      }
      if (uses_regions) {
        command
            ->add_option("--regions", arguments->regions_file,
                         "The region table; the configuration's, or what the network holds, otherwise.")
            ->type_name("FILE");
      }
      AddImportFlags(command, arguments);
    };
    add("iso-codes", ImportKind::kIsoCodes, "Countries, from ISO 3166-1 of Debian's iso-codes and a region table.", true);
    add("unlocode", ImportKind::kUnlocode, "Sea ports, from UN/LOCODE (official code list or datasets/un-locode).", true);
    add("wpi", ImportKind::kWorldPortIndex, "Positions and harbour sizes of ports, from the World Port Index (NGA Pub. 150).", true);
    add("sea-ports", ImportKind::kSeaPorts, "Ports with Schedule K codes, from the npm package sea-ports.", true);
    add("entrances", ImportKind::kEntrances, "Arrivals, from the vessel entrances of the US Army Corps of Engineers.", false);
    import->get_subcommand("entrances")
        ->add_option("--year", imports_.back().year, "The year of the file: its dates give only the last digit.")
        ->required()
        ->type_name("YEAR")
        ->check(CLI::Range(1990, 2999));
    add("notices", ImportKind::kNotices, "Arrivals, from full notices as JSON lines.", false);
    add("schedule-k", ImportKind::kScheduleK, "Foreign port codes, from Schedule K with ISO 3166-1 countries.", false);
    add("eia", ImportKind::kEiaPetroleum, "Traffic figures, from petroleum imports of the US EIA: a petroleum proxy.", false);
    add("conditions", ImportKind::kConditions, "Conditions of entry from JSON lines, driven to their state.", false);
    add("engagements", ImportKind::kEngagements, "Engagements from JSON lines, driven to their state.", false);
  }

  void AddRest() {
    CLI::App* completion = AddCommand(&app_, "completion", "Prints the completion script for a shell.", [this](Session& s) -> absl::Status {
      const std::optional<std::string> script = CompletionScript(shell_);
      if (!script.has_value()) return UsageError(fmt::format("no completion for {}: bash, zsh or fish", shell_));
      s.out() << *script;
      return absl::OkStatus();
    });
    choices_[completion->add_option("SHELL", shell_, "bash, zsh or fish.")->required()->type_name("")] = {"bash", "zsh", "fish"};
    AddCommand(&app_, "version", "Prints the version.", [](Session& s) {
      s.Print({{"version", FAIRLEAD_VERSION}}, [&s] { s.out() << "fairlead " FAIRLEAD_VERSION "\n"; });
      return absl::OkStatus();
    });
  }

  const Environment& environment_;
  CLI::App app_{"The command line of a Fairlead network.", "fairlead"};
  GlobalFlags globals_;
  Choices choices_;
  std::deque<Binding> bindings_;
  std::deque<ImportArguments> imports_;
  WatchArguments watch_;
  OverviewArguments overview_;
  OverviewCountriesArguments overview_countries_;
  ReportArguments report_;
  LogArguments log_;
  VerifyArguments verify_;
  std::string backup_;
  std::string request_id_;
  SearchArguments search_;
  ConflictListArguments conflict_list_;
  ConflictArguments conflict_;
  EraseArguments erase_;
  OutboxArguments outbox_;
  ReleaseArguments release_;
  ExchangeArguments exchange_;
  AuditArguments audit_;
  AttachmentArguments attachment_;
  PartnerArguments partner_;
  VoidArguments void_;
  bool all_sites_ = false;
  int64_t opaque_limit_ = kLimitDefault;
  std::string shell_;
  absl::Status certs_result_;
  std::function<absl::Status(Session&)> chosen_;
};

}  // namespace

int Run(const std::vector<std::string>& arguments, const Environment& environment) {
  CommandLine command_line(environment);
  return command_line.Run(arguments);
}

}  // namespace fairlead::cli
