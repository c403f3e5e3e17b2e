#include "client/cli/report_commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "api/report.h"
#include "certs/files.h"
#include "client/cli/flags.h"
#include "client/cli/resources.h"
#include "fairlead/v1/report_service.pb.h"

extern char** environ;

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;
namespace fs = std::filesystem;

constexpr char kCollection[] = "reports/";
constexpr char kChromium[] = "chromium";
constexpr char kStatementSuffix[] = ".sig";

struct ReportArguments {
  std::string name;
  std::string kind;      // "annual" or "quarterly"
  std::string period;    // "2025", "2025Q3"
  std::string audience;  // "hq", a region, or a nation's code
  std::string format;    // "html", "csv" or "pdf"; empty: html
  std::string out;       // file
  std::string recipient;
  std::string remark;
  std::string request_id;
};

std::string FullName(const std::string& name) { return name.starts_with(kCollection) ? name : kCollection + name; }

std::string AudienceText(const v1::Report& report) {
  if (!report.nation().empty()) return report.nation().substr(report.nation().rfind('/') + 1);
  return ShortEnum(*v1::Region_descriptor(), report.region());
}

// Sets region or nation of a request to what was typed: a region has more than two letters, but for "hq".
absl::Status SetAudience(const std::string& typed, google::protobuf::Message* request) {
  const auto* region = request->GetDescriptor()->FindFieldByName("region");
  if (SetField(request, *region, {typed}).ok()) return absl::OkStatus();
  if (typed.size() != 2)
    return UsageError(fmt::format("--audience: {} is neither hq, apac, eame or csa nor a nation's two letters", typed));
  return SetField(request, *request->GetDescriptor()->FindFieldByName("nation"), {FullReference("country", typed)});
}

absl::Status WriteFile(const std::string& path, const std::string& bytes) {
  return certs::WriteFile(path, bytes, certs::Access::kEveryoneReads, certs::IfExists::kReplace);
}

// A folder that is removed with what is in it.
class Scratch {
 public:
  static absl::StatusOr<Scratch> Make() {
    std::string path = (fs::temp_directory_path() / "fairlead-report-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) return absl::InternalError(fmt::format("{}: {}", path, std::strerror(errno)));
    return Scratch(path);
  }
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  explicit Scratch(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

// Runs the program with its output discarded; NOT_FOUND when there is none of that name.
absl::Status RunQuietly(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == ENOENT) {
    return absl::NotFoundError(
        fmt::format("there is no {} in the PATH: it makes the PDF from the HTML (Debian's package of that name)", argv[0]));
  }
  if (failed != 0) return absl::InternalError(fmt::format("{}: {}", argv[0], std::strerror(failed)));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("{} ended with the status {}", argv[0], status));
}

absl::Status WritePdf(const std::string& html, const std::string& path) {
  const absl::StatusOr<Scratch> scratch = Scratch::Make();
  if (!scratch.ok()) return scratch.status();
  const fs::path page = scratch->path() / "report.html";
  const fs::path pdf = scratch->path() / "report.pdf";
  if (absl::Status written = WriteFile(page, html); !written.ok()) return written;
  std::vector<std::string> arguments = {kChromium,
                                        "--headless",
                                        "--disable-gpu",
                                        "--no-pdf-header-footer",
                                        "--user-data-dir=" + (scratch->path() / "profile").string(),
                                        "--print-to-pdf=" + pdf.string(),
                                        "file://" + page.string()};
  // Root has no sandbox in Chromium. The page has no script and loads nothing, by its own policy.
  if (geteuid() == 0) arguments.insert(arguments.begin() + 1, "--no-sandbox");
  if (absl::Status ran = RunQuietly(arguments); !ran.ok()) return ran;
  const absl::StatusOr<std::string> bytes = ReadWholeFile(pdf);
  if (!bytes.ok()) return absl::InternalError("chromium has made no PDF");
  return WriteFile(path, *bytes);
}

absl::Status CheckFormat(const ReportArguments& arguments) {
  const std::string& format = arguments.format;
  if (!format.empty() && format != "html" && format != "csv" && format != "pdf") return UsageError("--format: must be html, csv or pdf");
  if (format == "pdf" && arguments.out.empty()) return UsageError("--out is required for a PDF");
  return absl::OkStatus();
}

absl::Status WriteForm(Session& session, const v1::Report& report, const ReportArguments& arguments) {
  if (arguments.format == "pdf") {
    session.err() << "the PDF carries no statement of the site: verify the HTML or the CSV\n";
    return WritePdf(report.html(), arguments.out);
  }
  if (absl::Status written = WriteFile(arguments.out, arguments.format == "csv" ? report.csv() : report.html()); !written.ok())
    return written;
  return WriteFile(arguments.out + kStatementSuffix, report.statement());
}

// The record without its forms, which are files of their own.
nlohmann::ordered_json HeadJson(const v1::Report& report) {
  nlohmann::ordered_json json = ToJson(report);
  json.erase("html");
  json.erase("csv");
  return json;
}

void PrintHead(const v1::Report& report, std::ostream& out) {
  out << fmt::format("{}\nkind      {}\nperiod    {}\naudience  {}\nmarking   {}\nmade      {}\n", report.name(),
                     ShortEnum(*v1::ReportKind_descriptor(), report.kind()), report.period(), AudienceText(report),
                     ShortEnum(*v1::Marking_descriptor(), report.marking()), TimeText(report.create_time()));
  if (report.withdrawn()) out << "withdrawn\n";
}

// With `out`, writes the form there and, of HTML and CSV, the site's statement to {out}.sig. A PDF is made from the HTML by chromium, and
// carries no statement of its own; NOT_FOUND when there is no chromium.
absl::Status RunReportCreate(Session& session, const ReportArguments& arguments) {
  if (absl::Status format = CheckFormat(arguments); !format.ok()) return format;
  v1::PrepareReportRequest request;
  if (absl::Status set = SetField(&request, *request.GetDescriptor()->FindFieldByName("kind"), {arguments.kind}); !set.ok()) return set;
  if (absl::Status set = SetAudience(arguments.audience, &request); !set.ok()) return set;
  request.set_period(arguments.period);
  request.set_request_id(arguments.request_id);
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<v1::Report> report = session.Call<v1::Report>("fairlead.v1.ReportService.PrepareReport", request);
  if (!report.ok()) return report.status();
  session.Print(HeadJson(*report), [&] { PrintHead(*report, session.out()); });
  return arguments.out.empty() ? absl::OkStatus() : WriteForm(session, *report, arguments);
}

absl::Status RunReportShow(Session& session, const ReportArguments& arguments) {
  if (absl::Status format = CheckFormat(arguments); !format.ok()) return format;
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::GetReportRequest request;
  request.set_name(FullName(arguments.name));
  const absl::StatusOr<v1::Report> report = session.Call<v1::Report>("fairlead.v1.ReportService.GetReport", request);
  if (!report.ok()) return report.status();
  v1::ListDeliveriesRequest of_report;
  of_report.set_parent(report->name());
  const auto deliveries = session.ListAll<v1::ListDeliveriesResponse>("fairlead.v1.ReportService.ListDeliveries", of_report, 0);
  if (!deliveries.ok()) return deliveries.status();
  nlohmann::ordered_json json = HeadJson(*report);
  json["deliveries"] = ToJson(*deliveries)["deliveries"];
  session.Print(json, [&] {
    PrintHead(*report, session.out());
    Table table{{"DELIVERED", "TO", "REMARK"}, {}};
    for (const v1::Delivery& delivery : deliveries->deliveries()) {
      table.rows.push_back({TimeText(delivery.delivered_time()), delivery.recipient(), delivery.remark()});
    }
    session.out() << "\n";
    if (table.rows.empty()) {
      session.out() << "delivered to nobody yet\n";
    } else {
      table.Print(session.out(), session.environment().columns);
    }
  });
  return arguments.out.empty() ? absl::OkStatus() : WriteForm(session, *report, arguments);
}

absl::Status RunReportList(Session& session, const ReportArguments& arguments) {
  v1::ListReportsRequest request;
  request.set_period(arguments.period);
  if (!arguments.audience.empty()) {
    if (absl::Status set = SetAudience(arguments.audience, &request); !set.ok()) return set;
  }
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const auto all = session.ListAll<v1::ListReportsResponse>("fairlead.v1.ReportService.ListReports", request, 0);
  if (!all.ok()) return all.status();
  nlohmann::ordered_json json = {{"reports", nlohmann::ordered_json::array()}};
  for (const v1::Report& report : all->reports()) json["reports"].push_back(HeadJson(report));
  session.Print(json, [&] {
    Table table{{"REPORT", "KIND", "PERIOD", "AUDIENCE", "MADE"}, {}};
    for (const v1::Report& report : all->reports()) {
      table.rows.push_back({report.name().substr(std::string(kCollection).size()), ShortEnum(*v1::ReportKind_descriptor(), report.kind()),
                            report.period(), AudienceText(report), TimeText(report.create_time())});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

absl::Status RunReportDeliver(Session& session, const ReportArguments& arguments) {
  v1::CreateDeliveryRequest request;
  request.set_parent(FullName(arguments.name));
  request.mutable_delivery()->set_recipient(arguments.recipient);
  request.mutable_delivery()->set_remark(arguments.remark);
  request.set_request_id(arguments.request_id);
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const absl::StatusOr<v1::Delivery> delivery = session.Call<v1::Delivery>("fairlead.v1.ReportService.CreateDelivery", request);
  if (!delivery.ok()) return delivery.status();
  session.Print(ToJson(*delivery), [&] { PrintRecord(*delivery, session.out()); });
  return absl::OkStatus();
}

}  // namespace

void AddReportCommands(Commands& commands) {
  const auto arguments = std::make_shared<ReportArguments>();
  CLI::App* report =
      commands.AddGroup("report", "Reports of the program's work for a named audience, signed, with a log of who received them.");
  const auto add_output = [&](CLI::App* command) {
    CLI::Option* format = command->add_option("--format", arguments->format, "html, csv or pdf; html by default.")->type_name("FORMAT");
    commands.SetChoices(format, {"html", "csv", "pdf"});
    command
        ->add_option("--out", arguments->out,
                     "Where to write it. HTML and CSV come with a statement, FILE.sig, for fairlead verify report.")
        ->type_name("FILE");
  };
  const auto add_name = [&](CLI::App* command) { command->add_option("NAME", arguments->name, "The report.")->required()->type_name(""); };
  CLI::App* create = commands.Add(report, "create", "Makes a report of what the node holds.", RunReportCreate, arguments);
  CLI::Option* kind = create->add_option("--kind", arguments->kind, "annual or quarterly.")->required()->type_name("KIND");
  commands.SetChoices(kind, {"annual", "quarterly"});
  create->add_option("--period", arguments->period, "The year or the quarter, such as 2025 or 2025Q3.")->required()->type_name("PERIOD");
  CLI::Option* audience =
      create->add_option("--audience", arguments->audience, "Whose staff it is for: hq, apac, eame or csa; or a nation, such as JP.");
  audience->required()->type_name("AUDIENCE");
  commands.SetChoices(audience, {"hq", "apac", "eame", "csa"});
  add_output(create);
  AddRequestId(create, &arguments->request_id);
  CLI::App* list = commands.Add(report, "list", "Lists reports.", RunReportList, arguments);
  list->add_option("--period", arguments->period, "Only those about this span.")->type_name("PERIOD");
  list->add_option("--audience", arguments->audience, "Only those for this audience.")->type_name("AUDIENCE");
  CLI::App* show =
      commands.Add(report, "show", "Shows a report, and who received it; with --out, writes it to a file.", RunReportShow, arguments);
  add_name(show);
  add_output(show);
  CLI::App* deliver = commands.Add(report, "deliver", "Records that someone was given a report.", RunReportDeliver, arguments);
  add_name(deliver);
  deliver->add_option("--to", arguments->recipient, "Who received it: a person, an office or a partner.")->required()->type_name("TEXT");
  deliver->add_option("--remark", arguments->remark, "How, and what else there is to say.")->type_name("TEXT");
  AddRequestId(deliver, &arguments->request_id);
}

absl::Status RunVerifyReport(Session& session, const VerifyArguments& arguments) {
  const absl::StatusOr<Roster> roster = OpenRoster(arguments);
  if (!roster.ok()) return roster.status();
  const absl::StatusOr<std::string> content = ReadWholeFile(arguments.file);
  if (!content.ok()) return UsageError(std::string(content.status().message()));
  const std::string statement_file = arguments.statement_file.empty() ? arguments.file + kStatementSuffix : arguments.statement_file;
  const absl::StatusOr<std::string> statement = ReadWholeFile(statement_file);
  if (!statement.ok()) return UsageError(std::string(statement.status().message()));
  const absl::StatusOr<report::Verified> verified = report::Verify(*content, *statement, *roster);
  if (!verified.ok()) return InFile(arguments.file, verified.status());
  const std::string made = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", verified->statement.made, absl::UTCTimeZone());
  session.Print({{"site", verified->log->site_name},
                 {"log", verified->log->origin()},
                 {"kind", verified->statement.kind},
                 {"period", verified->statement.period},
                 {"audience", verified->statement.reader},
                 {"made", made},
                 {"form", verified->form}},
                [&] {
                  session.out() << fmt::format("log       {}\nkind      {}\nperiod    {}\naudience  {}\nmade      {}\nform      {}\n",
                                               verified->log->origin(), verified->statement.kind, verified->statement.period,
                                               verified->statement.reader, made, verified->form);
                });
  return absl::OkStatus();
}

}  // namespace fairlead::cli
