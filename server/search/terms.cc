#include "server/search/terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/errors.h"
#include "server/records/days.h"

namespace fairlead::search {
namespace {

using Xapian::Query;
using Xapian::QueryParser;

constexpr Xapian::termcount kTitleCount = 4;
constexpr size_t kQueryBytesMax = 1000;
constexpr int kBeginningMin = 3;  // letters of a word of which only the beginning is given
constexpr double kWeightUnit = 1024;
constexpr size_t kDayBytes = 10;  // of "2026-05-01"
constexpr char kField[] = "query";

template <class Values, class Term>
Query AnyOf(const Values& values, Term term) {
  std::vector<std::string> terms;
  for (const auto& value : values) terms.push_back(term(value));
  return Query(Query::OP_OR, terms.begin(), terms.end());
}

std::string CollectionTerm(const std::string& collection) { return "XT" + collection; }
std::string CountryTerm(const std::string& country) { return "XC" + country; }
std::string RegionTerm(int region) { return fmt::format("XR{}", region); }
std::string StateTerm(const std::string& state) { return "XS" + state; }
std::string KindTerm(const std::string& kind) { return "XK" + kind; }

// The letters and digits of the word that ends where `end` is.
int LettersBefore(std::string_view text, size_t end) {
  int letters = 0;
  for (Xapian::Utf8Iterator it(text.data(), end); it != Xapian::Utf8Iterator(); ++it)
    letters = Xapian::Unicode::is_wordchar(*it) ? letters + 1 : 0;
  return letters;
}

absl::Status CheckBeginnings(std::string_view words) {
  for (size_t at = words.find('*'); at != std::string_view::npos; at = words.find('*', at + 1)) {
    if (LettersBefore(words, at) >= kBeginningMin) continue;
    return FieldError(Reason::kFieldInvalid, kField, fmt::format("a * must follow {} letters of a word at least", kBeginningMin));
  }
  return absl::OkStatus();
}

// What the question asks for beside words.
std::vector<Query> FiltersOf(const Question& question) {
  std::vector<Query> filters = {AnyOf(question.collections, CollectionTerm)};
  if (!question.countries.empty()) filters.push_back(AnyOf(question.countries, CountryTerm));
  if (!question.regions.empty()) filters.push_back(AnyOf(question.regions, RegionTerm));
  if (!question.states.empty()) filters.push_back(AnyOf(question.states, StateTerm));
  if (!question.kinds.empty()) filters.push_back(AnyOf(question.kinds, KindTerm));
  return filters;
}

}  // namespace

std::string RecordTerm(const std::string& name) { return "Q" + HexEncode(AsView(Sha256({name})).substr(0, 16)); }

Xapian::Document DocumentOf(const records::RecordType& type, const std::string& name, const Content& content) {
  Xapian::Document document;
  Xapian::TermGenerator words;
  words.set_stemmer(Xapian::Stem(kStemmer));
  words.set_document(document);
  // Between one text and the next lie positions, so that no phrase goes across.
  for (const std::string& title : content.titles) {
    words.index_text(title, kTitleCount);
    words.increase_termpos();
  }
  for (const std::string& text : content.texts) {
    words.index_text(text);
    words.increase_termpos();
  }
  document.add_boolean_term(RecordTerm(name));
  document.add_boolean_term(CollectionTerm(type.collection()));
  for (const std::string& country : content.countries) document.add_boolean_term(CountryTerm(country));
  for (const int region : content.regions) document.add_boolean_term(RegionTerm(region));
  if (!content.state.empty()) document.add_boolean_term(StateTerm(content.state));
  if (!content.kind.empty()) document.add_boolean_term(KindTerm(content.kind));
  document.set_data(records::DayText(content.first) + "/" + records::DayText(content.last) + "/" + name);
  return document;
}

absl::StatusOr<Query> QueryOf(const Question& question) {
  if (question.words.size() > kQueryBytesMax) {
    return FieldError(Reason::kFieldTooLarge, kField, fmt::format("has {} bytes, at most {}", question.words.size(), kQueryBytesMax));
  }
  if (absl::Status beginnings = CheckBeginnings(question.words); !beginnings.ok()) return beginnings;
  QueryParser parser;
  parser.set_stemmer(Xapian::Stem(kStemmer));
  parser.set_stemming_strategy(QueryParser::STEM_SOME);
  parser.set_default_op(Query::OP_AND);
  // Without a limit: which words a limit would leave out could depend on records that the caller may not see.
  parser.set_max_expansion(0);
  unsigned flags = QueryParser::FLAG_DEFAULT | QueryParser::FLAG_WILDCARD;
  if (question.last_word_begins && LettersBefore(question.words, question.words.size()) >= kBeginningMin)
    flags |= QueryParser::FLAG_PARTIAL;
  Query query;
  try {
    query = parser.parse_query(question.words, flags);
  } catch (const Xapian::Error& error) {
    return FieldError(Reason::kFieldInvalid, kField, fmt::format("cannot be understood: {}", error.get_msg()));
  }
  if (query.empty()) return FieldError(Reason::kFieldRequired, kField, "holds no word to look for");
  const std::vector<Query> filters = FiltersOf(question);
  return Query(Query::OP_FILTER, query, Query(Query::OP_AND, filters.begin(), filters.end()));
}

std::string NameIn(const std::string& data) { return data.substr(std::min(data.size(), 2 * (kDayBytes + 1))); }

DaysFit::DaysFit(const Question& question)
    : since_(question.since ? records::DayText(*question.since) : ""), until_(question.until ? records::DayText(*question.until) : "") {}

bool DaysFit::operator()(const Xapian::Document& document) const {
  if (since_.empty() && until_.empty()) return true;
  const std::string data = document.get_data();
  if (data.size() < 2 * kDayBytes + 1) return false;
  const std::string_view days = data;
  return days.substr(kDayBytes + 1, kDayBytes) >= since_ && (until_.empty() || days.substr(0, kDayBytes) <= until_);
}

WordWeight::WordWeight() {
  need_stat(WDF);
  need_stat(WDF_MAX);
}

WordWeight* WordWeight::clone() const { return new WordWeight; }
void WordWeight::init(double factor) { factor_ = factor; }

double WordWeight::get_sumpart(Xapian::termcount wdf, Xapian::termcount, Xapian::termcount) const {
  return factor_ * std::floor(kWeightUnit * std::log2(1.0 + wdf));
}

double WordWeight::get_maxpart() const { return get_sumpart(get_wdf_upper_bound(), 0, 0); }
double WordWeight::get_sumextra(Xapian::termcount, Xapian::termcount) const { return 0; }
double WordWeight::get_maxextra() const { return 0; }

}  // namespace fairlead::search
