#include "client/cli/search_commands.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/cli/flags.h"
#include "fairlead/v1/search_service.pb.h"

namespace fairlead::cli {
namespace {

constexpr int64_t kResultsDefault = 20;

using fairlead::v1::SearchRequest;
using fairlead::v1::SearchResponse;
using fairlead::v1::SearchResult;

struct SearchArguments {
  std::vector<std::string> words;
  std::vector<std::string> types;      // nouns or collections: "engagement", "engagements"
  std::vector<std::string> countries;  // as for a field "countries"
  std::vector<std::string> regions;    // "apac"
  std::vector<std::string> states;     // "in-progress"
  std::vector<std::string> kinds;      // "port-visit"
  std::string since, until;            // "2026-05-01", "2026-05", "2026"
  bool begins = false;                 // the last word may be the beginning of one
  int64_t limit = 0;                   // 0: all
  std::string page_token;
};

// "engagements" of "engagement"; what is no noun is left to the node to judge.
std::string CollectionOf(const std::string& type) {
  for (const Resource& resource : Resources()) {
    if (resource.noun == type) return resource.collection;
  }
  return type;
}

// "IN_PROGRESS" of "in-progress".
std::string EnumText(const std::string& typed) {
  std::string text = absl::AsciiStrToUpper(typed);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

absl::Status Fill(const SearchArguments& arguments, SearchRequest* request) {
  request->set_query(fmt::format("{}", fmt::join(arguments.words, " ")));
  request->set_last_word_begins(arguments.begins);
  request->set_page_token(arguments.page_token);
  for (const std::string& type : arguments.types) request->add_collections(CollectionOf(type));
  for (const std::string& state : arguments.states) request->add_states(EnumText(state));
  for (const std::string& kind : arguments.kinds) request->add_kinds(EnumText(kind));
  const auto set = [request](const char* name, const std::string& flag, const std::vector<std::string>& values) -> absl::Status {
    if (values.empty()) return absl::OkStatus();
    const absl::Status status = SetField(request, *request->GetDescriptor()->FindFieldByName(name), values);
    return status.ok() ? status : UsageError(fmt::format("{}: {}", flag, std::string(status.message())));
  };
  const auto one = [](const std::string& value) { return value.empty() ? std::vector<std::string>() : std::vector<std::string>{value}; };
  absl::Status status = set("countries", "--country", arguments.countries);
  status.Update(set("regions", "--region", arguments.regions));
  status.Update(set("since", "--since", one(arguments.since)));
  status.Update(set("until", "--until", one(arguments.until)));
  return status;
}

// "in-progress" of "IN_PROGRESS".
std::string StateText(const SearchResult& result) {
  std::string text = absl::AsciiStrToLower(result.state());
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

// The snippet on one line, the words that were looked for between asterisks.
std::string SnippetText(const SearchResult& result) {
  std::string text;
  for (const auto& part : result.snippet()) text += part.match() ? fmt::format("*{}*", part.text()) : part.text();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

void PrintResults(const SearchResponse& found, Session& session) {
  const auto cell = [](const SearchResult& result, const char* name) {
    return CellText(result, *SearchResult::descriptor()->FindFieldByName(name));
  };
  Table table{{"RECORD", "DATE", "COUNTRIES", "STATE", "TITLE", "TEXT"}, {}};
  for (const SearchResult& result : found.results()) {
    table.rows.push_back(
        {result.name(), cell(result, "date"), cell(result, "countries"), StateText(result), result.title(), SnippetText(result)});
  }
  table.Print(session.out(), session.environment().columns);
  if (session.flags().quiet) return;
  if (found.entries_behind() > 0) {
    session.err() << fmt::format("the node's index is {} entries behind: what they wrote may be missing\n", found.entries_behind());
  }
  if (!found.next_page_token().empty()) {
    session.err() << fmt::format("more: --page-token {}  (or --limit 0 for all)\n", found.next_page_token());
  }
}

absl::Status RunSearch(Session& session, const SearchArguments& arguments) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  SearchRequest request;
  if (absl::Status status = Fill(arguments, &request); !status.ok()) return status;
  const absl::StatusOr<SearchResponse> found =
      session.ListAll<SearchResponse>("fairlead.v1.SearchService.Search", std::move(request), arguments.limit);
  if (!found.ok()) return found.status();
  session.Print(ToJson(*found), [&] { PrintResults(*found, session); });
  return absl::OkStatus();
}

}  // namespace

void AddSearchCommands(Commands& commands) {
  const auto arguments = std::make_shared<SearchArguments>();
  CLI::App* search = commands.Add(commands.root(), "search",
                                  "Finds records by their words: those that hold all of them, in some English form. \"in quotes\" for a "
                                  "phrase; OR, NOT and parentheses; harb* for words that begin so.",
                                  RunSearch, arguments);
  search->add_option("WORDS", arguments->words, "What to look for.")->required()->type_name("")->take_all();
  CLI::Option* type = AddRepeated(search, "--type", &arguments->types,
                                  "Only records of this type, such as engagement. May be given several times.", "NOUN");
  std::vector<std::string> nouns;
  for (const Resource& resource : Resources()) nouns.push_back(resource.noun);
  commands.SetChoices(type, std::move(nouns));
  AddRepeated(search, "--country", &arguments->countries, "Only those about this country. May be given several times.", "CODE");
  CLI::Option* region =
      AddRepeated(search, "--region", &arguments->regions, "Only those of this region. May be given several times.", "REGION");
  commands.SetChoices(region, {"apac", "eame", "csa", "hq"});
  AddRepeated(search, "--state", &arguments->states, "Only those in this state, such as closed. May be given several times.", "STATE");
  AddRepeated(search, "--kind", &arguments->kinds, "Only those of this kind, such as port-visit. May be given several times.", "KIND");
  search->add_option("--since", arguments->since, "Only those about this day or a later one.")->type_name("DATE");
  search->add_option("--until", arguments->until, "Only those about this day or an earlier one.")->type_name("DATE");
  search->add_flag("--begins", arguments->begins, "The last word may be the beginning of one.");
  AddLimit(search, &arguments->limit, kResultsDefault);
  AddPageToken(search, &arguments->page_token);
}

}  // namespace fairlead::cli
