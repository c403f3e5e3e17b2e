#include "server/records/media_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::records {
namespace {

using ::testing::HasSubstr;

constexpr char kDocx[] = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
constexpr char kXlsx[] = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

// The verdict on `bytes`, which is the same however they are cut.
absl::Status Verdict(const std::string& media_type, const std::string& bytes) {
  MediaTypeCheck whole(media_type);
  whole.Append(bytes);
  for (size_t piece = 1; piece <= 7; ++piece) {
    MediaTypeCheck cut(media_type);
    for (size_t at = 0; at < bytes.size(); at += piece) cut.Append(std::string_view(bytes).substr(at, piece));
    EXPECT_EQ(cut.Finish(), whole.Finish()) << media_type << " in pieces of " << piece;
  }
  return whole.Finish();
}

TEST(MediaType, FilesOfEachTypePassAsThatTypeAlone) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"application/pdf", "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"},
      {"image/jpeg", "\xff\xd8\xff\xe0\x10JFIF"},
      {"image/png", "\x89PNG\r\n\x1a\n...."},
      {"text/csv", "port,visits\r\nYokohama,3\r\n"},
      {kDocx, "PK\x03\x04....[Content_Types].xml....word/document.xml...."},
      {kXlsx, "PK\x03\x04....xl/workbook.xml"},
  };
  for (const auto& [type, bytes] : files) {
    for (const std::string& claimed : MediaTypes()) {
      const bool text = claimed.starts_with("text/") && type.starts_with("text/");
      EXPECT_EQ(Verdict(claimed, bytes).ok(), claimed == type || text) << type << " as " << claimed << ": " << Verdict(claimed, bytes);
    }
  }
}

TEST(MediaType, TextsAreUtf8WithoutControlCharacters) {
  for (const std::string good :
       {"", "plain\ttext\n", "Z\xc3\xbcrich", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x9a\xa2", "\xef\xbb\xbfwith a mark"}) {
    EXPECT_TRUE(Verdict("text/plain", good).ok()) << good;
  }
  const std::vector<std::string> bad = {std::string("a\0b", 3), "\x1b[31m", "\x7f",     "\xc0\xaf",         "\xe0\x80\xaf",
                                        "\xed\xa0\x80",         "\xff",     "\xe6\x97", "\xf4\x90\x80\x80", "\x80"};
  for (const std::string& text : bad) EXPECT_THAT(std::string(Verdict("text/csv", text).message()), HasSubstr("no UTF-8 text"));
}

TEST(MediaType, TheErrorSaysWhatIsMissing) {
  EXPECT_THAT(std::string(Verdict("application/pdf", "<html>").message()), HasSubstr("not application/pdf: they do not begin"));
  EXPECT_THAT(std::string(Verdict("image/png", "\x89PN").message()), HasSubstr("do not begin"));
  EXPECT_THAT(std::string(Verdict(kDocx, "PK\x03\x04xl/workbook.xml").message()), HasSubstr("no word/document.xml"));
  EXPECT_FALSE(IsMediaType("application/x-sh"));
  EXPECT_FALSE(IsMediaType(""));
}

}  // namespace
}  // namespace fairlead::records
