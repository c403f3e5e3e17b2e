// The lines of a file that has one record in each: JSON lines.

#ifndef FAIRLEAD_CLIENT_IMPORT_LINES_H_
#define FAIRLEAD_CLIENT_IMPORT_LINES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "client/import/csv.h"

namespace fairlead::import {

// Calls `take(number, line)` for each, numbered from 1, without white space at both ends. Empty lines and those that begin with # are none.
template <class Take>
void EachLine(std::string_view text, const Take& take) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string line = Trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line[0] != '#') take(number, line);
  }
}

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_LINES_H_
