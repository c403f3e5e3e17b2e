#include "client/import/csv.h"

#include <cctype>

namespace fairlead::import {

bool IsUtf8(std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    int more;
    uint32_t code;
    uint32_t least;
    if ((lead & 0xe0) == 0xc0) {
      more = 1, code = lead & 0x1f, least = 0x80;
    } else if ((lead & 0xf0) == 0xe0) {
      more = 2, code = lead & 0x0f, least = 0x800;
    } else if ((lead & 0xf8) == 0xf0) {
      more = 3, code = lead & 0x07, least = 0x10000;
    } else {
      return false;
    }
    if (i + more >= bytes.size()) return false;
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(bytes[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += more + 1;
  }
  return true;
}

std::string Latin1ToUtf8(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0 | byte >> 6));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return out;
}

std::string Trim(std::string_view text) {
  const char* const space = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(space) - begin + 1));
}

CsvReader::CsvReader(std::string_view text) : text_(text) {
  if (text_.substr(0, 3) == "\xef\xbb\xbf") at_ = 3;
}

bool CsvReader::Next(CsvRow* row) {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  if (at_ >= text_.size()) return false;
  const size_t begin = at_;
  row->line = line_;
  row->fields.assign(1, "");
  row->unterminated = false;
  bool quoted = false;
  bool at_start = true;  // of a field
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    std::string& field = row->fields.back();
    if (c == '\n') ++line_;
    if (quoted) {
      if (c != '"') {
        field.push_back(c);
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        field.push_back('"');
        ++at_;
      } else {
        quoted = false;
      }
    } else if (c == '"' && at_start) {
      quoted = true;
      at_start = false;
    } else if (c == ',') {
      row->fields.emplace_back();
      at_start = true;
    } else if (c == '\n') {
      ++at_;
      break;
    } else if (c != '\r' || at_ + 1 >= text_.size() || text_[at_ + 1] != '\n') {
      field.push_back(c);
      at_start = false;
    }
  }
  row->unterminated = quoted;
  if (!IsUtf8(text_.substr(begin, at_ - begin))) {
    for (std::string& field : row->fields) field = Latin1ToUtf8(field);
  }
  return true;
}

namespace {

std::string Folded(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c))) out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return out;
}

}  // namespace

Header::Header(const std::vector<std::string>& names) {
  for (const std::string& name : names) names_.push_back(Folded(name));
}

int Header::Find(std::initializer_list<std::string_view> names) const {
  for (std::string_view name : names) {
    const std::string wanted = Folded(name);
    for (size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == wanted) return static_cast<int>(i);
    }
  }
  return -1;
}

std::string FieldAt(const CsvRow& row, int column) {
  if (column < 0 || static_cast<size_t>(column) >= row.fields.size()) return "";
  return Trim(row.fields[column]);
}

}  // namespace fairlead::import
