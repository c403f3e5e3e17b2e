#include "client/cli/overview_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "client/cli/flags.h"
#include "client/cli/output.h"
#include "client/cli/resources.h"
#include "fairlead/v1/overview_service.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

struct OverviewArguments {
  std::vector<std::string> sections;  // empty: all
  int months = 0;                     // 0: the service's default
  bool watch = false;
  int64_t count = 0;  // of overviews, when they are watched; 0: without end
};

struct OverviewCountriesArguments {
  std::string region;  // empty filters pass everything
  std::string standing;
  std::string officer;
  bool uncovered = false;
  std::string as_of;  // empty: today
};

// ENGAGEMENT_STATE_CLOSED as "closed".
template <class Enum>
std::string Short(Enum number) {
  return ShortEnum(*google::protobuf::GetEnumDescriptor<Enum>(), number);
}

std::string DateOr(bool has, const google::type::Date& date) {
  return has ? fmt::format("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()) : "-";
}

std::string IdOf(const std::string& name) { return name.substr(name.rfind('/') + 1); }

template <class Names>
std::string IdsOf(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + IdOf(name);
  return text;
}

std::string Count(const v1::Figure& figure) { return std::to_string(figure.count()); }

void PrintSites(const v1::Overview& overview, Session& session) {
  Table sites{{"SITE", "RECORDS", "ENTRIES", "AS OF", "LAG", "BEHIND", "CONFLICTS"}, {}};
  for (const auto& site : overview.sites()) {
    const auto& stale = overview.unreachable();
    const bool unreachable = std::find(stale.begin(), stale.end(), site.site()) != stale.end();
    sites.rows.push_back({site.site() + (unreachable ? " (unreachable)" : ""), std::to_string(site.records()),
                          std::to_string(site.entries()), site.has_as_of_time() ? TimeText(site.as_of_time()) : "never",
                          site.has_as_of_time() ? DurationText(site.lag()) : "-", std::to_string(site.entries_behind()),
                          std::to_string(site.conflicts())});
  }
  sites.Print(session.out(), session.environment().columns);
}

std::vector<Table> TablesOf(const v1::Overview& overview) {
  std::vector<Table> tables;
  Table regions{{"REGION", "COUNTRIES", "ENGAGED", "PORTS", "FACILITIES", "OFFICERS"}, {}};
  for (const auto& region : overview.regions()) {
    regions.rows.push_back({Short(region.region()), std::to_string(region.countries()), std::to_string(region.countries_engaged()),
                            std::to_string(region.ports()), std::to_string(region.port_facilities()),
                            std::to_string(region.liaison_officers())});
  }
  tables.push_back(std::move(regions));
  Table coverage{{"COVERAGE", "COUNTRIES", "ENGAGED", "DUE", "OVERDUE", "NEVER"}, {}};
  const auto add_coverage = [&coverage](const std::string& of, const v1::CoverageCount& row) {
    coverage.rows.push_back({of, Count(row.countries()), Count(row.engaged()), Count(row.due()), Count(row.overdue()), Count(row.never())});
  };
  for (const auto& row : overview.coverage_by_region()) add_coverage(Short(row.region()), row);
  for (const auto& row : overview.coverage_by_officer()) add_coverage(row.officer().empty() ? "(nobody)" : IdOf(row.officer()), row);
  tables.push_back(std::move(coverage));
  Table engagements{{"REGION", "KIND", "STATE", "ENGAGEMENTS"}, {}};
  for (const auto& count : overview.engagements()) {
    engagements.rows.push_back({Short(count.region()), Short(count.kind()), Short(count.state()), std::to_string(count.count())});
  }
  tables.push_back(std::move(engagements));
  std::map<std::string, std::map<int, int64_t>> by_month;  // by region
  for (const auto& row : overview.months()) by_month[row.month()][row.region()] += row.engagements().count();
  Table months{{"MONTH", "APAC", "EAME", "CSA", "HQ"}, {}};
  for (auto& [month, by_region] : by_month) {
    std::vector<std::string> row = {month};
    for (int region = v1::REGION_APAC; region <= v1::REGION_HQ; ++region) row.push_back(std::to_string(by_region[region]));
    months.rows.push_back(std::move(row));
  }
  tables.push_back(std::move(months));
  Table stages{{"REGION", "PHASE", "COUNTRIES"}, {}};
  for (const auto& row : overview.stages()) stages.rows.push_back({Short(row.region()), Short(row.phase()), Count(row.countries())});
  tables.push_back(std::move(stages));
  Table findings{{"FINDINGS", "ALL", "OVERDUE"}, {}};
  if (overview.has_findings()) {
    const v1::Findings& of = overview.findings();
    for (const auto& row : of.observations())
      findings.rows.push_back({"observations, " + Short(row.severity()), Count(row.observations()), ""});
    findings.rows.push_back({"observations with follow-ups open", Count(of.observations_open()), Count(of.observations_overdue())});
    findings.rows.push_back({"follow-ups open", Count(of.follow_ups_open()), Count(of.follow_ups_overdue())});
  }
  tables.push_back(std::move(findings));
  Table assessments{{"REGION", "ASSESSMENT", "COUNTRIES"}, {}};
  for (const auto& row : overview.assessments())
    assessments.rows.push_back({Short(row.region()), Short(row.status()), Count(row.countries())});
  if (overview.has_assessments_alternative())
    assessments.rows.push_back({"", "on an alternative basis", Count(overview.assessments_alternative())});
  for (const auto& row : overview.conditions())
    assessments.rows.push_back({"", "conditions of entry " + Short(row.status()), Count(row.conditions())});
  tables.push_back(std::move(assessments));
  Table priorities{{"RANK", "COUNTRY", "SCORE"}, {}};
  for (const auto& row : overview.priorities()) {
    priorities.rows.push_back({std::to_string(row.rank()), IdOf(row.country()), fmt::format("{:.3f}", row.score_millionths() / 1e6)});
  }
  tables.push_back(std::move(priorities));
  Table upcoming{{"NEXT", "UNTIL", "KIND", "STATE", "COUNTRIES", "TITLE"}, {}};
  for (const auto& row : overview.upcoming()) {
    upcoming.rows.push_back({DateOr(row.has_start_date(), row.start_date()), DateOr(row.has_end_date(), row.end_date()), Short(row.kind()),
                             row.state(), IdsOf(row.countries()), Printable(row.title())});
  }
  tables.push_back(std::move(upcoming));
  Table inquiries{{"MONTH", "REGION", "INQUIRIES", "COUNT", "MEAN TIME"}, {}};
  for (const auto& row : overview.inquiries()) {
    inquiries.rows.push_back({row.month().empty() ? "all" : row.month(), row.region() == 0 ? "(unrouted)" : Short(row.region()),
                              Short(row.state()), Count(row.inquiries()), row.has_mean_time() ? DurationText(row.mean_time()) : ""});
  }
  tables.push_back(std::move(inquiries));
  Table training{{"TRAINING", "COUNT", "ATTENDED", "COMPLETED"}, {}};
  for (const auto& row : overview.training_sessions()) {
    training.rows.push_back(
        {"sessions " + Short(row.state()), Count(row.sessions()), std::to_string(row.attended()), std::to_string(row.completed())});
  }
  for (const auto& row : overview.training_requests())
    training.rows.push_back({"requests " + Short(row.state()), Count(row.requests()), "", ""});
  tables.push_back(std::move(training));
  Table links{{"PEER", "LINK", "RTT", "BEHIND", "LAST ERROR"}, {}};
  for (const auto& link : overview.links()) {
    links.rows.push_back({link.peer(), link.connected() ? "up" : "down", DurationText(link.rtt()), std::to_string(link.entries_behind()),
                          LastErrorText(link.last_error(), link.last_error_time())});
  }
  tables.push_back(std::move(links));
  return tables;
}

// Sets the field to what was typed for an option, if anything was. INVALID_ARGUMENT names the option.
absl::Status SetTyped(google::protobuf::Message* message, const char* field, const char* option, const std::vector<std::string>& typed) {
  if (typed.empty() || typed[0].empty()) return absl::OkStatus();
  const absl::Status set = SetField(message, *message->GetDescriptor()->FindFieldByName(field), typed);
  return set.ok() ? set : UsageError(fmt::format("{}: {}", option, std::string(set.message())));
}

void PrintText(const v1::Overview& overview, Session& session) {
  std::ostream& out = session.out();
  out << fmt::format("as {} knows it at {}\n\n", overview.answering_site(), TimeText(overview.as_of_time()));
  PrintSites(overview, session);
  for (const Table& table : TablesOf(overview)) {
    if (table.rows.empty()) continue;
    out << "\n";
    table.Print(out, session.environment().columns);
  }
  if (overview.has_findings()) {
    out << fmt::format("\nfollow-ups open {}, overdue {}; observations {}\n", overview.follow_ups_open(), overview.follow_ups_overdue(),
                       overview.observations());
  }
  if (overview.has_conflicts()) {
    out << fmt::format("conflicts {}; opaque entries {}\n", overview.conflicts().count(), overview.opaque_entries().count());
  }
}

// Prints each overview that the node pushes, `count` of them unless that is 0.
absl::Status Watch(Session& session, const v1::GetOverviewRequest& wanted, int64_t count) {
  v1::WatchOverviewRequest request;
  *request.mutable_sections() = wanted.sections();
  request.set_months(wanted.months());
  client::CallOptions call;
  call.stop = session.environment().stop;
  int64_t seen = 0;
  return session.client().WatchOverview(
      request,
      [&](const v1::Overview& overview) {
        if (session.flags().json) {
          session.out() << ToJson(overview).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
        } else {
          session.out() << (seen == 0 ? "" : "\n");
          PrintText(overview, session);
        }
        session.out().flush();
        return ++seen != count;
      },
      [&](const absl::Status& broken) {
        if (!session.flags().quiet) session.err() << fmt::format("asking again: {}\n", std::string(broken.message()));
      },
      call);
}

// The names of its sections: "coverage", "help-desk".
std::vector<std::string> OverviewSections() {
  std::vector<std::string> names;
  for (int i = 1; i < v1::OverviewSection_descriptor()->value_count(); ++i) {
    names.push_back(ShortEnum(*v1::OverviewSection_descriptor()->value(i)));
  }
  return names;
}

absl::Status RunOverview(Session& session, const OverviewArguments& arguments) {
  v1::GetOverviewRequest request;
  request.set_months(arguments.months);
  if (absl::Status set = SetTyped(&request, "sections", "--section", arguments.sections); !set.ok()) return set;
  if (!arguments.watch && arguments.count != 0) return UsageError("--count needs --watch");
  if (absl::Status status = session.Open(); !status.ok()) return status;
  if (arguments.watch) return Watch(session, request, arguments.count);
  const absl::StatusOr<v1::Overview> overview = session.Call<v1::Overview>("fairlead.v1.OverviewService.GetOverview", request);
  if (!overview.ok()) return overview.status();
  session.Print(ToJson(*overview), [&] { PrintText(*overview, session); });
  return absl::OkStatus();
}

absl::Status RunOverviewCountries(Session& session, const OverviewCountriesArguments& arguments) {
  v1::ListCountryOverviewsRequest request;
  if (absl::Status set = SetTyped(&request, "region", "--region", {arguments.region}); !set.ok()) return set;
  if (absl::Status set = SetTyped(&request, "standing", "--standing", {arguments.standing}); !set.ok()) return set;
  if (absl::Status set = SetTyped(&request, "as_of", "--as-of", {arguments.as_of}); !set.ok()) return set;
  request.set_officer(arguments.officer.empty() ? "" : FullReference("officer", arguments.officer));
  request.set_uncovered(arguments.uncovered);
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const auto countries = session.Call<v1::ListCountryOverviewsResponse>("fairlead.v1.OverviewService.ListCountryOverviews", request);
  if (!countries.ok()) return countries.status();
  session.Print(ToJson(*countries), [&] {
    Table table{{"COUNTRY", "REGION", "STANDING", "LAST ENGAGED", "DUE", "PHASE", "ASSESSMENT", "CONDITIONS", "OFFICERS"}, {}};
    for (const v1::CountryOverview& row : countries->countries()) {
      table.rows.push_back({IdOf(row.country()), Short(row.region()), Short(row.standing()),
                            DateOr(row.has_last_engagement_date(), row.last_engagement_date()), DateOr(row.has_due_date(), row.due_date()),
                            Short(row.phase()), Short(row.assessment()), Short(row.condition()), IdsOf(row.officers())});
    }
    table.Print(session.out(), session.environment().columns);
  });
  return absl::OkStatus();
}

}  // namespace

void AddOverviewCommands(Commands& commands) {
  const auto arguments = std::make_shared<OverviewArguments>();
  const auto filter = std::make_shared<OverviewCountriesArguments>();
  CLI::App* overview =
      commands.Add(commands.root(), "overview", "The figures of the whole network, as the node knows them.", RunOverview, arguments);
  commands.SetChoices(AddRepeated(overview, "--section", &arguments->sections,
                                  "Only this part. May be given several times; all of them by default.", "SECTION"),
                      OverviewSections());
  overview->add_option("--months", arguments->months, "How many months back, the current one included; 12 by default.")
      ->type_name("NUMBER")
      ->check(CLI::Range(1, 120));
  overview->add_flag("--watch", arguments->watch, "Again whenever it has changed, at most once a second.");
  overview->add_option("--count", arguments->count, "With --watch: end after so many.")->type_name("NUMBER")->check(CLI::PositiveNumber);
  CLI::App* countries =
      commands.Add(overview, "countries", "Lists countries with where each stands, today or on a day.", RunOverviewCountries, filter);
  commands.SetChoices(countries->add_option("--region", filter->region, "Only of this region.")->type_name("REGION"),
                      {"apac", "eame", "csa", "hq"});
  commands.SetChoices(countries->add_option("--standing", filter->standing, "Only those that stand so.")->type_name("STANDING"),
                      {"engaged", "due", "overdue", "never"});
  countries->add_option("--officer", filter->officer, "Only those that this officer covers.")->type_name("OFFICER");
  countries->add_flag("--uncovered", filter->uncovered, "Only those that nobody covers.");
  countries->add_option("--as-of", filter->as_of, "Where they stood on this day; today by default.")->type_name("YYYY-MM-DD");
}

}  // namespace fairlead::cli
