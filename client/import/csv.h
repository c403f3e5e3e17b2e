// Reading of comma-separated values, RFC 4180.
//
// Fields may be quoted; a quoted field may hold commas, line ends and doubled quotes. Lines end in LF or CRLF. A byte order mark at the
// start is skipped, and so are empty lines. Text that is not UTF-8 is taken for ISO 8859-1, row by row: UNECE has published in both. More
// lenient than the RFC in one way, since published files need it: a quote inside an unquoted field, and text after a closing quote, stand
// for themselves.
//
// Thread safety: not thread-safe. Ownership: borrows the text, which must outlive the reader.

#ifndef FAIRLEAD_CLIENT_IMPORT_CSV_H_
#define FAIRLEAD_CLIENT_IMPORT_CSV_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::import {

struct CsvRow {
  int64_t line = 0;  // where the row begins, from 1
  std::vector<std::string> fields;
  // The file ended inside a quoted field: the row swallowed the rest.
  bool unterminated = false;
};

class CsvReader {
 public:
  explicit CsvReader(std::string_view text);
  // False at the end.
  bool Next(CsvRow* row);

 private:
  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

// Whether the bytes are well-formed UTF-8 (RFC 3629).
bool IsUtf8(std::string_view bytes);
std::string Latin1ToUtf8(std::string_view bytes);

// Without white space at both ends.
std::string Trim(std::string_view text);

// The columns of a header line, found by name. Names are compared by their letters and digits alone, without case: "UN/LOCODE", "unlocode"
// and "Un Locode" are the same.
class Header {
 public:
  explicit Header(const std::vector<std::string>& names);
  // -1 when there is none. The first of `names` that is there.
  int Find(std::initializer_list<std::string_view> names) const;

 private:
  std::vector<std::string> names_;
};

// The trimmed field, empty when the row has no such column.
std::string FieldAt(const CsvRow& row, int column);

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_CSV_H_
