#include "api/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/note.h"

namespace fairlead::report {
namespace {

constexpr std::string_view kTitle = "fairlead report v1\n";
constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%SZ";

std::string TimeText(absl::Time time) { return absl::FormatTime(kTimeFormat, time, absl::UTCTimeZone()); }

// What follows `keyword` and a space on the next line; nullopt when the line is another.
std::optional<std::string> TakeLine(std::string_view* text, std::string_view keyword) {
  const size_t end = text->find('\n');
  const std::string_view line = text->substr(0, end);
  if (end == std::string_view::npos || !line.starts_with(keyword) || line.size() < keyword.size() + 2 || line[keyword.size()] != ' ') {
    return std::nullopt;
  }
  text->remove_prefix(end + 1);
  return std::string(line.substr(keyword.size() + 1));
}

std::optional<Digest> DigestOf(const std::string& hex) {
  Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  const auto value = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (size_t i = 0; i < digest.size(); ++i) {
    const int high = value(hex[2 * i]);
    const int low = value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return digest;
}

absl::Status Bad(std::string_view line) {
  return absl::InvalidArgumentError(fmt::format("report statement: the line '{}' is missing or malformed", line));
}

}  // namespace

std::string FormatStatement(const Statement& statement) {
  return fmt::format("{}kind {}\nperiod {}\nreader {}\nmade {}\nhtml {}\ncsv {}\n", kTitle, statement.kind, statement.period,
                     statement.reader, TimeText(statement.made), HexEncode(AsView(statement.html)), HexEncode(AsView(statement.csv)));
}

absl::StatusOr<Statement> ParseStatement(std::string_view text) {
  if (!text.starts_with(kTitle)) return absl::InvalidArgumentError("report statement: must begin with 'fairlead report v1'");
  text.remove_prefix(kTitle.size());
  Statement statement;
  for (const auto& [keyword, part] :
       {std::pair("kind", &statement.kind), std::pair("period", &statement.period), std::pair("reader", &statement.reader)}) {
    std::optional<std::string> line = TakeLine(&text, keyword);
    if (!line) return Bad(keyword);
    *part = *std::move(line);
  }
  const std::optional<std::string> made = TakeLine(&text, "made");
  std::string error;
  if (!made || !absl::ParseTime(kTimeFormat, *made, &statement.made, &error) || TimeText(statement.made) != *made) return Bad("made");
  for (const auto& [keyword, digest] : {std::pair("html", &statement.html), std::pair("csv", &statement.csv)}) {
    const std::optional<std::string> line = TakeLine(&text, keyword);
    const std::optional<Digest> parsed = line ? DigestOf(*line) : std::nullopt;
    if (!parsed) return Bad(keyword);
    *digest = *parsed;
  }
  if (!text.empty()) return absl::InvalidArgumentError("report statement: more follows its last line");
  return statement;
}

std::string Sign(const Statement& statement, std::string_view origin, const SigningKey& key) {
  const std::string text = FormatStatement(statement);
  return note::Format({text, {note::Sign(origin, key, text)}});
}

absl::StatusOr<Verified> Verify(std::string_view content, std::string_view signed_note, const Roster& roster) {
  const absl::StatusOr<note::Note> parsed = note::Parse(signed_note);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<Statement> statement = ParseStatement(parsed->text);
  if (!statement.ok()) return statement.status();
  const auto signer =
      std::find_if(roster.logs().begin(), roster.logs().end(), [&](const RosterLog& log) { return note::Verify(*parsed, log.verifier); });
  if (signer == roster.logs().end()) {
    return Error(Reason::kSignatureInvalid, fmt::format("report statement: no log of the roster of {} (version {}) has signed it",
                                                        roster.network(), roster.version()));
  }
  if (signer->closing) {
    return Error(Reason::kSignatureInvalid,
                 fmt::format("report statement: {} is closed: what its key signs proves nothing any more", signer->origin()));
  }
  const Digest digest = Sha256(content);
  if (digest != statement->html && digest != statement->csv) {
    return absl::DataLossError(fmt::format("the content has the SHA-256 {}; the statement names another", HexEncode(AsView(digest))));
  }
  const std::string_view form = digest == statement->html ? "html" : "csv";
  return Verified{&*signer, *std::move(statement), form};
}

}  // namespace fairlead::report
