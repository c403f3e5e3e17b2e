#include "server/records/formats.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fairlead::records {
namespace {

using Format = bool (*)(std::string_view);

void Expect(Format format, const std::vector<std::string>& good, const std::vector<std::string>& bad) {
  for (const std::string& text : good) EXPECT_TRUE(format(text)) << text;
  for (const std::string& text : bad) EXPECT_FALSE(format(text)) << text;
}

TEST(Formats, IsoCodes) {
  Expect(IsAlpha2, {"JP", "AA", "ZZ"}, {"", "J", "JPN", "jp", "J1", "J "});
  Expect(IsAlpha3, {"JPN"}, {"", "JP", "JPNX", "jpn", "JP1"});
  Expect(IsIsoNumeric, {"392", "004"}, {"", "39", "3920", "39A"});
  Expect(IsSubdivision, {"1", "14", "ENG", "A1"}, {"", "TOOL", "en", "J-P"});
}

TEST(Formats, LocodeHasNoZeroAndNoOneInItsLocation) {
  Expect(IsLocode, {"JPYOK", "US2AB", "FR9Z9"}, {"", "JPYO", "JPYOKO", "JP1OK", "JPY0K", "J2YOK", "jpyok", "JP YOK"});
}

TEST(Formats, FacilityNumberMayHaveAnyDigitInItsPrefix) {
  Expect(IsFacilityNumber, {"CMDLA-0001", "CM394-0001", "JP01A-9999"},
         {"", "CMDLA0001", "CMDLA-001", "CMDLA-00011", "C1DLA-0001", "cmdla-0001", "CMDLA-000A", "CMDLA_0001"});
}

TEST(Formats, ScheduleK) { Expect(IsScheduleK, {"48100", "00000"}, {"", "4810", "481000", "4810A"}); }

TEST(Formats, Labels) {
  for (Format format : {IsOfficerId, IsSiteName}) {
    Expect(format, {"a", "apac", "far-east-2", std::string(63, 'a')}, {"", "APAC", "a.b", "a_b", "a b", "é", std::string(64, 'a')});
  }
}

TEST(Formats, Email) {
  Expect(IsEmail, {"a@b.c", "ipslo.fareast@uscg.mil", "a+b@x-y.example.org", std::string(64, 'a') + "@b.c"},
         {"", "a", "@b.c", "a@", "a@b", "a@b..c", "a@.c", "a@b.", "a@-b.c", "a@b-.c", ".a@b.c", "a.@b.c", "a..b@c.d", "a b@c.d", "a@b@c.d",
          "a@b_c.d", "é@b.c", std::string(65, 'a') + "@b.c", "a@" + std::string(64, 'b') + ".c"});
  std::string longest = "a@";
  while (longest.size() < 252) longest += "b.";
  Expect(IsEmail, {longest + "cc"}, {longest + "ccc"});
}

TEST(Formats, IspsReference) {
  Expect(IsIspsReference, {"ISPS A/16.3", "ISPS A/1", "ISPS A/19", "ISPS B/15.7.2", "SOLAS XI-2/10", "SOLAS XI-2/9.2.1", "SOLAS XI-2/13"},
         {"", "ISPS", "ISPS A/", "ISPS A", "ISPS A/20", "ISPS A/0", "ISPS A/16.", "ISPS A/.3", "ISPS A/16..3", "ISPS A/016", "ISPS A/16.x",
          "ISPS A/16.100", "ISPS C/3", "isps a/16", "SOLAS XI-2/14", "SOLAS XI-1/3", "ISPS A/16.3 ", "see ISPS A/16.3"});
}

TEST(Formats, ScanCountsCodePoints) {
  TextScan scan = ScanText("Mal\xc3\xa9 \xe6\xb8\xaf \xf0\x9f\x9a\xa2");
  EXPECT_TRUE(scan.utf8);
  EXPECT_FALSE(scan.control);
  EXPECT_FALSE(scan.blank);
  EXPECT_EQ(scan.characters, 8u);
  EXPECT_TRUE(ScanText("").blank);
  EXPECT_TRUE(ScanText(" \n\t").blank);
}

TEST(Formats, ScanRefusesMalformedUtf8) {
  for (const char* text : {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "\xff", "a\xe6\xb8", "\xc3(", "\xe6\xb8("}) {
    EXPECT_FALSE(ScanText(text).utf8) << text;
  }
  for (const char* text :
       {"\x7e", "\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(ScanText(text).utf8) << text;
  }
}

TEST(Formats, ScanFindsControlCharactersAndLineBreaks) {
  for (const std::string& text : {std::string("a\0b", 3), std::string("\r"), std::string("\x1b[1m"), std::string("\x7f"),
                                  std::string("\xc2\x85"), std::string("\xc2\x9f")}) {
    EXPECT_TRUE(ScanText(text).control) << text;
  }
  EXPECT_FALSE(ScanText("a\n\tb").control);
  EXPECT_TRUE(ScanText("a\nb").line_break);
  EXPECT_TRUE(ScanText("a\tb").line_break);
  EXPECT_FALSE(ScanText("a b").line_break);
}

}  // namespace
}  // namespace fairlead::records
