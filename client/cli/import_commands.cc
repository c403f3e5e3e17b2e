#include "client/cli/import_commands.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <memory>
#include <string_view>

#include "client/import/arrivals.h"
#include "client/import/conditions.h"
#include "client/import/countries.h"
#include "client/import/engagements.h"
#include "client/import/lines.h"
#include "client/import/loader.h"
#include "client/import/ports.h"
#include "client/import/traffic.h"

namespace fairlead::cli {

namespace {

using import::EachLine;
using import::Load;
using import::LoadOptions;
using import::RegionTable;
using import::Report;

constexpr char kIsoCodesFile[] = "/usr/share/iso-codes/json/iso_3166-1.json";
constexpr size_t kRefusalsShown = 20;
constexpr absl::Duration kProgressInterval = absl::Milliseconds(500);

enum class ImportKind {
  kIsoCodes,
  kUnlocode,
  kWorldPortIndex,
  kSeaPorts,
  kEngagements,
  kEntrances,
  kNotices,
  kScheduleK,
  kEiaPetroleum,
  kConditions,
  kRecords,  // JSON lines of one resource type, to the chosen node
};

struct ImportArguments {
  ImportKind kind = ImportKind::kRecords;
  const Resource* resource = nullptr;  // for kRecords
  std::string file;
  std::string regions_file;  // empty: the configuration's, else what the network holds
  std::string refused_file;  // where to write every refusal, one JSON object a line
  int year = 0;              // of kEntrances
  bool progress = false;     // though stderr is no terminal
};

// "12000/17489 rows, 5400 rows/s", on one line of a terminal or on lines of their own.
class Progress {
 public:
  Progress(const Session& session, bool wanted)
      : err_(session.err()), terminal_(session.environment().err_is_terminal), shown_(wanted || (terminal_ && !session.flags().quiet)) {}

  void operator()(int64_t done, int64_t total) {
    const absl::Time now = absl::Now();
    if (!shown_ || (done < total && now - last_ < kProgressInterval)) return;
    last_ = now;
    const double seconds = std::max(absl::ToDoubleSeconds(now - begun_), 1e-3);
    err_ << fmt::format("{}{}/{} rows, {:.0f} rows/s{}", terminal_ ? "\r" : "", done, total, static_cast<double>(done) / seconds,
                        terminal_ && done < total ? "" : "\n");
    err_.flush();
  }

 private:
  std::ostream& err_;
  const bool terminal_;
  const bool shown_;
  const absl::Time begun_ = absl::Now();
  absl::Time last_ = absl::InfinitePast();
};

nlohmann::ordered_json RefusalJson(const import::Refusal& refusal) {
  return {{"line", refusal.line}, {"key", refusal.key}, {"reason", refusal.reason}, {"message", refusal.message}};
}

std::string Dump(const nlohmann::ordered_json& json) { return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace); }

void PrintReport(Session& session, const Report& report) {
  nlohmann::ordered_json json = {{"read", report.read},
                                 {"skipped", report.skipped},
                                 {"created", report.created},
                                 {"updated", report.updated},
                                 {"unchanged", report.unchanged},
                                 {"refused", report.refusals.size()},
                                 {"unsent", report.unsent},
                                 {"seconds", absl::ToDoubleSeconds(report.elapsed)},
                                 {"refusals", nlohmann::ordered_json::array()}};
  for (const import::Refusal& refusal : report.refusals) json["refusals"].push_back(RefusalJson(refusal));
  session.Print(json, [&] {
    std::ostream& out = session.out();
    out << fmt::format("read {}: created {}, updated {}, unchanged {}, refused {}", report.read, report.created, report.updated,
                       report.unchanged, report.refusals.size());
    if (report.skipped > 0) out << fmt::format(", skipped {}", report.skipped);
    if (report.unsent > 0) out << fmt::format(", not sent {}", report.unsent);
    out << "\n";
    if (report.refusals.empty()) return;
    Table table{{"LINE", "KEY", "REASON", "MESSAGE"}, {}};
    for (size_t i = 0; i < std::min(kRefusalsShown, report.refusals.size()); ++i) {
      const import::Refusal& refusal = report.refusals[i];
      table.rows.push_back({std::to_string(refusal.line), refusal.key, refusal.reason, refusal.message});
    }
    table.Print(out, session.environment().columns);
    if (report.refusals.size() > kRefusalsShown) {
      out << fmt::format("and {} more: --refused FILE writes all\n", report.refusals.size() - kRefusalsShown);
    }
  });
}

absl::StatusOr<RegionTable> Regions(Session& session, const ImportArguments& arguments, bool from_network) {
  const std::string path = arguments.regions_file.empty() ? session.regions_file() : arguments.regions_file;
  if (path.empty() && from_network) return import::ReadRegions(session.client(), session.environment().stop);
  if (path.empty()) return UsageError("no region table: give --regions FILE or set regions in the configuration");
  absl::StatusOr<std::string> text = ReadWholeFile(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<RegionTable> regions = import::ParseRegions(*text);
  if (!regions.ok()) return absl::InvalidArgumentError(fmt::format("{}: {}", path, std::string(regions.status().message())));
  return regions;
}

// JSON lines of one type.
Report LoadRecords(Session& session, const Resource& resource, std::string_view text, const LoadOptions& options) {
  const absl::Time begun = absl::Now();
  Report report;
  std::vector<import::Outgoing> rows;
  EachLine(text, [&](int64_t number, const std::string& line) {
    ++report.read;
    std::unique_ptr<google::protobuf::Message> record(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(resource.type)->New());
    const auto status = google::protobuf::util::JsonStringToMessage(line, record.get());
    if (!status.ok()) {
      report.refusals.push_back({number, "", import::kMalformed, status.ToString()});
      return;
    }
    rows.push_back({number, "", std::move(record)});
  });
  Load(session.client(), *resource.Find(VerbKind::kImport)->method, std::move(rows), options, &report);
  std::stable_sort(report.refusals.begin(), report.refusals.end(),
                   [](const import::Refusal& a, const import::Refusal& b) { return a.line < b.line; });
  report.elapsed = absl::Now() - begun;
  return report;
}

constexpr char kPriorityService[] = "fairlead.v1.PriorityService";

template <class Record>
absl::StatusOr<Report> LoadParsed(client::Client& client, absl::StatusOr<import::Parsed<Record>> parsed, const LoadOptions& options) {
  if (!parsed.ok()) return parsed.status();
  return import::LoadRows(client, kPriorityService, *std::move(parsed), options);
}

absl::StatusOr<Report> Import(Session& session, const ImportArguments& arguments, const LoadOptions& options) {
  absl::StatusOr<std::string> text = ReadWholeFile(arguments.file);
  if (!text.ok()) return text.status();
  client::Client& client = session.client();
  if (arguments.kind == ImportKind::kRecords) return LoadRecords(session, *arguments.resource, *text, options);
  if (arguments.kind == ImportKind::kIsoCodes) {
    absl::StatusOr<RegionTable> regions = Regions(session, arguments, /*from_network=*/false);
    if (!regions.ok()) return regions.status();
    absl::StatusOr<import::Parsed<fairlead::v1::Country>> parsed = import::ParseIsoCountries(*text, *regions);
    if (!parsed.ok()) return parsed.status();
    return import::LoadCountries(client, *std::move(parsed), options);
  }
  // Reading the countries also gives the token that makes every other node wait until it knows them.
  absl::StatusOr<RegionTable> held = import::ReadRegions(client, session.environment().stop);
  if (!held.ok()) return held.status();
  if (arguments.kind == ImportKind::kEngagements) return import::LoadEngagements(client, import::ParseEngagements(*text), options);
  if (arguments.kind == ImportKind::kConditions) return import::LoadConditions(client, import::ParseConditions(*text), options);
  if (arguments.kind == ImportKind::kNotices) return import::LoadRows(client, kPriorityService, import::ParseNotices(*text), options);
  if (arguments.kind == ImportKind::kScheduleK) {
    return LoadParsed(client, import::ParseScheduleK(*text), options);
  }
  if (arguments.kind == ImportKind::kEiaPetroleum) {
    return LoadParsed(client, import::ParseEiaPetroleum(*text), options);
  }
  if (arguments.kind == ImportKind::kEntrances) {
    const absl::StatusOr<import::ScheduleKTable> codes = import::ReadScheduleK(client, session.environment().stop);
    if (!codes.ok()) return codes.status();
    return LoadParsed(client, import::ParseEntrances(*text, arguments.year, *codes, *held), options);
  }
  absl::StatusOr<RegionTable> regions = Regions(session, arguments, /*from_network=*/true);
  if (!regions.ok()) return regions.status();
  absl::StatusOr<import::Parsed<fairlead::v1::Port>> parsed;
  import::PortSource source = import::PortSource::kUnlocode;
  if (arguments.kind == ImportKind::kUnlocode) {
    parsed = import::ParseUnlocode(*text, *regions);
  } else if (arguments.kind == ImportKind::kWorldPortIndex) {
    source = import::PortSource::kWorldPortIndex;
    parsed = import::ParseWorldPortIndex(*text, *regions);
  } else {
    source = import::PortSource::kSeaPorts;
    parsed = import::ParseSeaPorts(*text, *regions);
  }
  if (!parsed.ok()) return parsed.status();
  return import::LoadPorts(client, *std::move(parsed), source, *regions, options);
}

// The report goes to stdout. INVALID_ARGUMENT when rows were refused, UNAVAILABLE and the like when a call failed as a whole, CANCELLED
// when stopped; the report is printed in every case.
absl::Status RunImport(Session& session, const ImportArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  Progress progress(session, arguments.progress);
  LoadOptions options;
  options.stop = session.environment().stop;
  options.ports_site = session.flags().site;
  options.progress = [&progress](int64_t done, int64_t total) { progress(done, total); };
  absl::StatusOr<Report> report = Import(session, arguments, options);
  if (!report.ok()) return report.status();
  if (!arguments.refused_file.empty()) {
    std::ofstream file(arguments.refused_file);
    for (const import::Refusal& refusal : report->refusals) file << Dump(RefusalJson(refusal)) << "\n";
    file.close();
    if (!file) return absl::UnknownError(fmt::format("cannot write {}", arguments.refused_file));
  }
  PrintReport(session, *report);
  if (report->unsent > 0) return absl::CancelledError("interrupted; importing again does the rest");
  if (!report->failure.ok()) return report->failure;
  if (!report->refusals.empty()) return absl::InvalidArgumentError(fmt::format("{} rows were refused", report->refusals.size()));
  return absl::OkStatus();
}

void AddImportFlags(CLI::App* command, ImportArguments* arguments) {
  command->add_option("--refused", arguments->refused_file, "Write every refused row there, one JSON object a line.")->type_name("FILE");
  command->add_flag("--progress", arguments->progress, "Show progress though stderr is no terminal.");
}

}  // namespace

void AddImportCommands(Commands& commands) {
  CLI::App* import = commands.AddGroup("import", "Imports reference data and engagements from published files.");
  const auto add = [&](const std::string& name, ImportKind kind, const std::string& description, bool uses_regions) {
    const auto arguments = std::make_shared<ImportArguments>();
    arguments->kind = kind;
    CLI::App* command = commands.Add(import, name, description, RunImport, arguments);
    CLI::Option* file = command->add_option("FILE", arguments->file, "The file.")->type_name("");
    if (kind == ImportKind::kIsoCodes) {
      arguments->file = kIsoCodesFile;
      file->description(fmt::format("The file; {} by default.", kIsoCodesFile));
    } else {
      file->required();
    }
    if (uses_regions) {
      command
          ->add_option("--regions", arguments->regions_file, "The region table; the configuration's, or what the network holds, otherwise.")
          ->type_name("FILE");
    }
    AddImportFlags(command, arguments.get());
    if (kind == ImportKind::kEntrances) {
      command->add_option("--year", arguments->year, "The year of the file: its dates give only the last digit.")
          ->required()
          ->type_name("YEAR")
          ->check(CLI::Range(1990, 2999));
    }
  };
  add("iso-codes", ImportKind::kIsoCodes, "Countries, from ISO 3166-1 of Debian's iso-codes and a region table.", true);
  add("unlocode", ImportKind::kUnlocode, "Sea ports, from UN/LOCODE (official code list or datasets/un-locode).", true);
  add("wpi", ImportKind::kWorldPortIndex, "Positions and harbour sizes of ports, from the World Port Index (NGA Pub. 150).", true);
  add("sea-ports", ImportKind::kSeaPorts, "Ports with Schedule K codes, from the npm package sea-ports.", true);
  add("entrances", ImportKind::kEntrances, "Arrivals, from the vessel entrances of the US Army Corps of Engineers.", false);
  add("notices", ImportKind::kNotices, "Arrivals, from full notices as JSON lines.", false);
  add("schedule-k", ImportKind::kScheduleK, "Foreign port codes, from Schedule K with ISO 3166-1 countries.", false);
  add("eia", ImportKind::kEiaPetroleum, "Traffic figures, from petroleum imports of the US EIA: a petroleum proxy.", false);
  add("conditions", ImportKind::kConditions, "Conditions of entry from JSON lines, driven to their state.", false);
  add("engagements", ImportKind::kEngagements, "Engagements from JSON lines, driven to their state.", false);
}

void AddRecordImport(Commands& commands, CLI::App* noun, const Resource& resource, const Verb& verb) {
  const auto arguments = std::make_shared<ImportArguments>();
  arguments->resource = &resource;
  CLI::App* command = commands.Add(noun, verb.name, "Creates or updates many from a file of JSON lines, each a record with its name.",
                                   RunImport, arguments);
  command->add_option("FILE", arguments->file, "The file.")->required()->type_name("");
  AddImportFlags(command, arguments.get());
}

}  // namespace fairlead::cli
