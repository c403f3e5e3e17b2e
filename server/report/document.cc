#include "server/report/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace fairlead::report {
namespace {

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
)";
constexpr std::string_view kStyle = R"(<style>
body { font: 11pt/1.4 sans-serif; color: #111; background: #fff; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 18pt; margin: 0 0 .2em; }
h2 { font-size: 13pt; margin: 1.6em 0 .3em; }
.banner { border: 1px solid #111; padding: .2em .6em; display: inline-block; font-weight: bold; }
dl { display: grid; grid-template-columns: max-content auto; gap: .1em 1em; }
dt { font-weight: bold; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: 10pt; }
th, td { border: 1px solid #888; padding: .2em .5em; text-align: left; vertical-align: top; white-space: pre-line; overflow-wrap: anywhere; }
thead { display: table-header-group; }
th { background: #eee; }
tr { break-inside: avoid; }
p { margin: .2em 0 .5em; }
@page { margin: 18mm; }
@media print { body { margin: 0; max-width: none; } }
</style>
)";

// At most kCellCharsMax characters of UTF-8.
std::string Cut(const std::string& text) {
  size_t chars = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    if (begins && ++chars > kCellCharsMax) return text.substr(0, i) + "…";
  }
  return text;
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// A spreadsheet takes a cell that begins so for a formula.
bool LooksLikeFormula(const std::string& text) {
  return !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos;
}

std::string CsvCell(const std::string& text) {
  const std::string plain = LooksLikeFormula(text) ? "'" + text : text;
  if (plain.find_first_of(",\"\n\r") == std::string::npos) return plain;
  std::string quoted = "\"";
  for (const char c : plain) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

void AddLine(const std::string& first, const std::vector<std::string>& cells, std::string* csv) {
  *csv += CsvCell(first);
  for (const std::string& cell : cells) *csv += "," + CsvCell(Cut(cell));
  *csv += '\n';
}

size_t Shown(const Table& table) { return std::min(table.rows.size(), kRowsMax); }
std::string LeftOut(const Table& table) { return fmt::format("{} more rows are left out.", table.rows.size() - Shown(table)); }

void AddTable(const Table& table, std::string* html) {
  *html += fmt::format("<h2>{}</h2>\n", Escaped(table.title));
  if (!table.note.empty()) *html += fmt::format("<p>{}</p>\n", Escaped(table.note));
  if (table.rows.empty()) {
    *html += "<p>None.</p>\n";
    return;
  }
  *html += "<table>\n<thead><tr>";
  for (const std::string& column : table.columns) *html += fmt::format("<th scope=\"col\">{}</th>", Escaped(column));
  *html += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < Shown(table); ++i) {
    *html += "<tr>";
    for (const std::string& cell : table.rows[i]) *html += fmt::format("<td>{}</td>", Escaped(Cut(cell)));
    *html += "</tr>\n";
  }
  *html += "</tbody>\n</table>\n";
  if (Shown(table) < table.rows.size()) *html += fmt::format("<p>{}</p>\n", LeftOut(table));
}

}  // namespace

std::string ToHtml(const Document& document) {
  std::string html(kHead);
  html += fmt::format("<title>{}</title>\n", Escaped(document.title));
  html += kStyle;
  html +=
      fmt::format("</head>\n<body>\n<h1>{}</h1>\n<p class=\"banner\">{}</p>\n<dl>\n", Escaped(document.title), Escaped(document.banner));
  for (const auto& [name, value] : document.facts) html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", Escaped(name), Escaped(value));
  html += "</dl>\n";
  for (const Table& table : document.tables) AddTable(table, &html);
  return html + "</body>\n</html>\n";
}

std::string ToCsv(const Document& document) {
  std::string csv;
  AddLine("section", {"item", "value"}, &csv);
  AddLine("report", {"title", document.title}, &csv);
  AddLine("report", {"marking", document.banner}, &csv);
  for (const auto& [name, value] : document.facts) AddLine("report", {name, value}, &csv);
  for (const Table& table : document.tables) {
    AddLine("section", table.columns, &csv);
    for (size_t i = 0; i < Shown(table); ++i) AddLine(table.title, table.rows[i], &csv);
    if (Shown(table) < table.rows.size()) AddLine(table.title, {LeftOut(table)}, &csv);
  }
  return csv;
}

}  // namespace fairlead::report
