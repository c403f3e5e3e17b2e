// A report as tables, and its two forms: a page of HTML that stands alone, and comma-separated values.
//
// Equal documents give equal bytes. Whatever the cells hold, the page has no script and no element of theirs, and no cell is a formula to a
// spreadsheet.
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_REPORT_DOCUMENT_H_
#define FAIRLEAD_SERVER_REPORT_DOCUMENT_H_

#include <string>
#include <utility>
#include <vector>

namespace fairlead::report {

inline constexpr size_t kRowsMax = 500;        // of one table; what is left out is said
inline constexpr size_t kCellCharsMax = 1000;  // longer ones are cut, with an ellipsis

struct Table {
  std::string title;
  std::string note;  // beneath the title; may be empty
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // each of as many cells as there are columns
};

struct Document {
  std::string title;
  std::string banner;                                      // how it is marked
  std::vector<std::pair<std::string, std::string>> facts;  // what it is about
  std::vector<Table> tables;
};

std::string ToHtml(const Document& document);
// RFC 4180, but for lines that end in a line feed: of each table a line of columns and a line for each row, beginning with its title.
std::string ToCsv(const Document& document);

}  // namespace fairlead::report

#endif  // FAIRLEAD_SERVER_REPORT_DOCUMENT_H_
