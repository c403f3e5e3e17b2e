// How records and questions are put to Xapian.
//
//   term := word | "Z" stem            of the texts, with positions; of a title's words each counts four times
//         | "Q" hash                   the record: hex SHA-256 of its name, half of it
//         | "XT" collection | "XC" country | "XR" region | "XS" state | "XK" kind
//   data := first day "/" last day "/" name      "2026-05-01/2026-05-03/engagements/E": results of one weight come in its order, latest
//                                                first
//
// There are no values: Xapian 1.4 writes them in a destructor, so that a full disk or a damaged file would end the process.
//
// A record's weight for a question follows from that record alone, so that it is the same at every site and on every page, and tells
// nothing of records that the caller may not see. (The usual schemes weigh a word by how many documents hold it.)
//
// Thread safety: pure functions; values by one thread at a time. Ownership: values.

#ifndef FAIRLEAD_SERVER_SEARCH_TERMS_H_
#define FAIRLEAD_SERVER_SEARCH_TERMS_H_

#include <absl/status/statusor.h>
#include <absl/time/civil_time.h>
#include <xapian.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/records/record_type.h"
#include "server/search/content.h"

namespace fairlead::search {

// Changes whenever the above does.
inline constexpr int kTermsVersion = 2;

// What to look for. Of filters with several values one has to fit; one without values lets everything pass.
struct Question {
  std::string words;
  bool last_word_begins = false;
  std::vector<std::string> collections;  // never empty: what the caller may see
  std::vector<std::string> countries;
  std::vector<int> regions;
  std::vector<std::string> states;
  std::vector<std::string> kinds;
  std::optional<absl::CivilDay> since, until;
};

// The term that only the record has.
std::string RecordTerm(const std::string& name);

Xapian::Document DocumentOf(const records::RecordType& type, const std::string& name, const Content& content);

// The record that the data of a document is of.
std::string NameIn(const std::string& data);

// All that is asked for but the days. FIELD_REQUIRED, FIELD_INVALID or FIELD_TOO_LARGE of "query".
absl::StatusOr<Xapian::Query> QueryOf(const Question& question);

// Lets pass what may be about a day in question.
class DaysFit : public Xapian::MatchDecider {
 public:
  explicit DaysFit(const Question& question);
  bool operator()(const Xapian::Document& document) const override;

 private:
  std::string since_, until_;  // empty: any
};

// Orders documents by their data.
class DataKey : public Xapian::KeyMaker {
 public:
  std::string operator()(const Xapian::Document& document) const override { return document.get_data(); }
};

inline constexpr char kStemmer[] = "english";

// Each word that was asked for adds the logarithm of how often the document holds it, in whole numbers: sums are exact.
class WordWeight : public Xapian::Weight {
 public:
  WordWeight();
  WordWeight* clone() const override;
  double get_sumpart(Xapian::termcount wdf, Xapian::termcount length, Xapian::termcount unique) const override;
  double get_maxpart() const override;
  double get_sumextra(Xapian::termcount length, Xapian::termcount unique) const override;
  double get_maxextra() const override;

 private:
  void init(double factor) override;

  double factor_ = 1;
};

}  // namespace fairlead::search

#endif  // FAIRLEAD_SERVER_SEARCH_TERMS_H_
