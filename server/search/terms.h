// How records and questions are put to Xapian.
//
//   term := word | "Z" stem            of the texts, with positions; of a title's words each counts four times
//         | "Q" hash                   the record: hex SHA-256 of its name, half of it
//         | "XT" collection | "XC" country | "XR" region | "XS" state | "XK" kind
//   value 0 := first day "/" name      "2026-05-01/engagements/E": results of one weight come in its order, latest first
//   value 1 := last day
//   data := name
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
inline constexpr int kTermsVersion = 1;

inline constexpr Xapian::valueno kOrderValue = 0;
inline constexpr Xapian::valueno kLastDayValue = 1;

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

// FIELD_REQUIRED, FIELD_INVALID or FIELD_TOO_LARGE of "query".
absl::StatusOr<Xapian::Query> QueryOf(const Question& question);

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
