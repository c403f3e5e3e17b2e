#include "api/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "api/test_log.h"

namespace fairlead::report {
namespace {

using ::testing::HasSubstr;

constexpr char kHtml[] = "<!DOCTYPE html>\n";
constexpr char kCsv[] = "section,row\r\n";

Statement Example() {
  Statement statement;
  statement.kind = "quarterly";
  statement.period = "2025Q3";
  statement.reader = "apac";
  statement.made = absl::FromUnixSeconds(1'800'000'000);
  statement.html = Sha256(kHtml);
  statement.csv = Sha256(kCsv);
  return statement;
}

TEST(ReportTest, TheTextIsThatOfTheGrammar) {
  const std::string text = FormatStatement(Example());
  EXPECT_THAT(text, HasSubstr("fairlead report v1\nkind quarterly\nperiod 2025Q3\nreader apac\nmade 2027-01-15T08:00:00Z\nhtml "));
  const absl::StatusOr<Statement> parsed = ParseStatement(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Example());
}

TEST(ReportTest, EveryOtherTextIsRefused) {
  const std::string text = FormatStatement(Example());
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(ParseStatement(text.substr(0, size)).status().code(), absl::StatusCode::kInvalidArgument) << size;
  }
  EXPECT_FALSE(ParseStatement(text + "more 1\n").ok());
  for (const auto& [from, to] : {std::pair("made 2027-01-15T08:00:00Z", "made 2027-1-15T08:00:00Z"), std::pair("kind quarterly", "kind "),
                                 std::pair("reader", "Reader"), std::pair("csv ", "csv F")}) {
    std::string changed = text;
    changed.replace(changed.find(from), std::string(from).size(), to);
    EXPECT_FALSE(ParseStatement(changed).ok()) << to;
  }
}

TEST(ReportTest, TheSiteVouchesForBothForms) {
  const TestLog log;
  const std::string signed_note = Sign(Example(), TestLog::kOrigin, log.log_key);
  for (const auto& [content, form] : {std::pair(kHtml, "html"), std::pair(kCsv, "csv")}) {
    const absl::StatusOr<Verified> verified = Verify(content, signed_note, log.roster);
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_EQ(verified->form, form);
    EXPECT_EQ(verified->log->site_name, "apac");
    EXPECT_EQ(verified->statement, Example());
  }
  EXPECT_EQ(Verify("<!DOCTYPE html> \n", signed_note, log.roster).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ReportTest, NobodyElsesSignatureCounts) {
  const TestLog log;
  const TestLog others('x');
  const absl::Status forged = Verify(kHtml, Sign(Example(), TestLog::kOrigin, others.log_key), log.roster).status();
  EXPECT_EQ(ReasonOf(forged), "SIGNATURE_INVALID");
  const absl::Status unknown = Verify(kHtml, Sign(Example(), "test.example/eame/1/main", others.log_key), log.roster).status();
  EXPECT_EQ(ReasonOf(unknown), "SIGNATURE_INVALID");
  // A changed statement under a signature that was good.
  std::string changed = Sign(Example(), TestLog::kOrigin, log.log_key);
  changed.replace(changed.find("reader apac"), 11, "reader eame");
  EXPECT_EQ(ReasonOf(Verify(kHtml, changed, log.roster).status()), "SIGNATURE_INVALID");
}

}  // namespace
}  // namespace fairlead::report
