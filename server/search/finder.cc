#include "server/search/finder.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "server/node/materialise.h"

namespace fairlead::search {
namespace {

constexpr size_t kSlack = 16;  // results looked at beyond those that are asked for, to know what follows and to make up for those left out
constexpr int kTriesMax = 5;   // the files of the revision that is read are written over after the next but one commit
constexpr size_t kSnippetBytes = 200;
// Marks in a snippet; no text of a record holds control characters.
constexpr char kMatchBegins[] = "\x02";
constexpr char kMatchEnds[] = "\x03";

// What the index names, in order.
struct Candidate {
  std::string name;
  Place place;
};

Place PlaceOf(const Xapian::MSetIterator& at) {
  return {static_cast<uint64_t>(at.get_weight()), at.get_document().get_data(), at.get_rank()};
}

bool ComesAfter(const Place& place, const Place& other) {
  return place.weight != other.weight ? place.weight < other.weight : place.order < other.order;
}

// What is looked for: the words and terms, and the days.
struct Wanted {
  Xapian::Query query;
  DaysFit days;
};

// The `n` first candidates.
Xapian::MSet MatchesIn(const Xapian::Database& database, const Wanted& wanted, size_t n) {
  Xapian::Enquire enquire(database);
  enquire.set_query(wanted.query);
  enquire.set_weighting_scheme(WordWeight());
  DataKey order;
  enquire.set_sort_by_relevance_then_key(&order, /*reverse=*/true);
  return enquire.get_mset(0, static_cast<Xapian::doccount>(n), nullptr, &wanted.days);
}

// Xapian escapes what it cuts for HTML.
std::string Unescaped(std::string_view text) {
  constexpr std::pair<std::string_view, char> kEscapes[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&amp;", '&'}};
  std::string out;
  while (!text.empty()) {
    const auto* escape =
        std::find_if(std::begin(kEscapes), std::end(kEscapes), [text](const auto& e) { return text.starts_with(e.first); });
    out.push_back(escape == std::end(kEscapes) ? text.front() : escape->second);
    text.remove_prefix(escape == std::end(kEscapes) ? 1 : escape->first.size());
  }
  return out;
}

std::vector<Part> PartsOf(std::string_view snippet) {
  std::vector<Part> parts;
  bool match = false;
  while (!snippet.empty()) {
    const size_t end = std::min(snippet.find(match ? kMatchEnds[0] : kMatchBegins[0]), snippet.size());
    if (end > 0) parts.push_back({Unescaped(snippet.substr(0, end)), match});
    snippet.remove_prefix(std::min(end + 1, snippet.size()));
    match = !match;
  }
  return parts;
}

std::string SnippetText(const Content& content) {
  const std::vector<std::string>& texts = content.texts.empty() ? content.titles : content.texts;
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : "\n") + text;
  std::replace_if(
      all.begin(), all.end(), [](char c) { return c == kMatchBegins[0] || c == kMatchEnds[0]; }, ' ');
  return all;
}

// The record of each candidate as it is now, those left out that do not match now.
absl::StatusOr<std::vector<std::pair<Result, Place>>> Read(const node::Node& node, const Wanted& wanted,
                                                           const std::vector<Candidate>& candidates) {
  std::vector<std::pair<Result, Place>> read;
  Xapian::WritableDatabase now("", Xapian::DB_BACKEND_INMEMORY);
  for (const Candidate& candidate : candidates) {
    const records::RecordType* type = node.registry().FindByName(candidate.name);
    if (type == nullptr) continue;
    const absl::StatusOr<std::optional<node::RecordState>> state = node.GetState(node.store(), candidate.name);
    if (absl::IsDataLoss(state.status())) continue;
    if (!state.ok()) return state.status();
    if (!state->has_value()) continue;
    std::unique_ptr<google::protobuf::Message> record = node::Materialise(*type, candidate.name, **state);
    if (IsWithdrawn(*record)) continue;
    Content content = ContentOf(*type, *record);
    now.add_document(DocumentOf(*type, candidate.name, content));
    read.emplace_back(Result{candidate.name, type, std::move(record), std::move(content), {}}, candidate.place);
  }
  const Xapian::MSet matches = MatchesIn(now, wanted, read.size());
  std::vector<bool> matched(read.size());
  for (auto it = matches.begin(); it != matches.end(); ++it) {
    const size_t at = *it - 1;  // documents are numbered from 1
    matched[at] = true;
    Result& result = read[at].first;
    result.snippet =
        PartsOf(matches.snippet(SnippetText(result.content), kSnippetBytes, Xapian::Stem(kStemmer),
                                Xapian::MSet::SNIPPET_BACKGROUND_MODEL | Xapian::MSet::SNIPPET_EXHAUSTIVE, kMatchBegins, kMatchEnds, "…"));
  }
  size_t at = 0;
  std::erase_if(read, [&](const auto&) { return !matched[at++]; });
  return read;
}

absl::StatusOr<Answer> FindIn(const Xapian::Database& database, const node::Node& node, const Wanted& wanted,
                              const std::optional<Place>& after, size_t results_max, const std::function<bool()>& cancelled) {
  Answer answer;
  if (const std::optional<Progress> progress = IndexFolder::ProgressOf(database); progress && !progress->building) {
    answer.indexed = progress->journal;
  }
  size_t depth = std::min((after ? after->rank + 1 : 0) + results_max + kSlack, kResultsMax);
  std::optional<Place> last = after;  // looked at
  std::optional<Place> given = after;
  for (;;) {
    const Xapian::MSet matches = MatchesIn(database, wanted, depth);
    std::vector<Candidate> candidates;
    for (auto it = matches.begin(); it != matches.end(); ++it) {
      Place place = PlaceOf(it);
      if (!last || ComesAfter(place, *last)) candidates.push_back({NameIn(place.order), place});
    }
    if (!candidates.empty()) last = candidates.back().place;
    auto read = Read(node, wanted, candidates);
    if (!read.ok()) return read.status();
    for (auto& [result, place] : *read) {
      if (answer.results.size() == results_max) {
        answer.next = std::move(given);
        return answer;
      }
      answer.results.push_back(std::move(result));
      given = std::move(place);
    }
    if (matches.size() < depth || depth == kResultsMax || cancelled()) return answer;
    depth = std::min(2 * depth, kResultsMax);
  }
}

absl::Status Unreadable(const std::string& why) { return Error(Reason::kIndexUnavailable, "the search index cannot be read: " + why); }

}  // namespace

absl::StatusOr<Answer> Find(const node::Node& node, SearchIndex& index, const Question& question, const std::optional<Place>& after,
                            size_t results_max, const std::function<bool()>& cancelled) {
  const absl::StatusOr<Xapian::Query> query = QueryOf(question);
  if (!query.ok()) return query.status();
  const Wanted wanted{*query, DaysFit(question)};
  std::string why;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const absl::StatusOr<Xapian::Database> database = index.Read();
    if (!database.ok()) return database.status();
    try {
      return FindIn(*database, node, wanted, after, results_max, cancelled);
    } catch (const Xapian::DatabaseModifiedError& error) {
      why = error.get_description();
    } catch (const Xapian::DatabaseCorruptError& error) {
      index.ReportDamage();
      return Unreadable(error.get_description());
    } catch (const Xapian::Error& error) {
      return Unreadable(error.get_description());
    }
  }
  return Unreadable(why);
}

}  // namespace fairlead::search
