#include "client/import/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::import {
namespace {

using ::testing::ElementsAre;

std::vector<CsvRow> ReadAll(std::string_view text) {
  CsvReader reader(text);
  std::vector<CsvRow> rows;
  for (CsvRow row; reader.Next(&row);) rows.push_back(row);
  return rows;
}

TEST(CsvTest, FieldsLinesAndEmptyFields) {
  const auto rows = ReadAll("a,b,c\n1,,3\n,\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[0].fields, ElementsAre("a", "b", "c"));
  EXPECT_THAT(rows[1].fields, ElementsAre("1", "", "3"));
  EXPECT_THAT(rows[2].fields, ElementsAre("", ""));
}

TEST(CsvTest, ByteOrderMarkCrlfAndMissingLastLineEnd) {
  const auto rows = ReadAll(
      "\xef\xbb\xbf"
      "a,b\r\n1,2\r\n3,4");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[0].fields, ElementsAre("a", "b"));
  EXPECT_THAT(rows[1].fields, ElementsAre("1", "2"));
  EXPECT_THAT(rows[2].fields, ElementsAre("3", "4"));
}

TEST(CsvTest, QuotedFieldsAndLineNumbers) {
  const auto rows = ReadAll("\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",x\n\n\nlast,\"\"\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[0].fields, ElementsAre("a,b", "say \"hi\""));
  EXPECT_EQ(rows[1].line, 2);
  EXPECT_THAT(rows[1].fields, ElementsAre("two\nlines", "x"));
  EXPECT_EQ(rows[2].line, 6);
  EXPECT_THAT(rows[2].fields, ElementsAre("last", ""));
}

TEST(CsvTest, StrayQuotesStandForThemselves) {
  const auto rows = ReadAll("GB ME\"\"x,\"closed\"tail,b\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_THAT(rows[0].fields, ElementsAre("GB ME\"\"x", "closedtail", "b"));
}

TEST(CsvTest, AnUnterminatedQuoteIsSaid) {
  const auto rows = ReadAll("a,b\nc,\"d\ne,f\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_FALSE(rows[0].unterminated);
  EXPECT_TRUE(rows[1].unterminated);
  EXPECT_EQ(rows[1].line, 2);
}

TEST(CsvTest, BytesThatAreNotUtf8AreLatin1) {
  const auto rows = ReadAll("Fan\xf8,x\nFan\xc3\xb8,x\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].fields[0], "Fan\xc3\xb8");
  EXPECT_EQ(rows[1].fields[0], "Fan\xc3\xb8");
}

TEST(CsvTest, Utf8IsWellFormedOnly) {
  for (const char* good : {"", "abc", "\xc3\xb8", "\xe2\x80\xa6", "\xf0\x9f\x9a\xa2"}) EXPECT_TRUE(IsUtf8(good)) << good;
  // A bare continuation, a cut sequence, an overlong form, a surrogate and a value past U+10FFFF.
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) EXPECT_FALSE(IsUtf8(bad)) << bad;
}

TEST(CsvTest, HeadersMatchByLettersAndDigits) {
  const Header header({"World Port Index Number", "UN/LOCODE", " Latitude "});
  EXPECT_EQ(header.Find({"un_locode"}), 1);
  EXPECT_EQ(header.Find({"none", "latitude"}), 2);
  EXPECT_EQ(header.Find({"longitude"}), -1);
  CsvRow row;
  row.fields = {" 7 "};
  EXPECT_EQ(FieldAt(row, 0), "7");
  EXPECT_EQ(FieldAt(row, 1), "");
  EXPECT_EQ(FieldAt(row, -1), "");
}

}  // namespace
}  // namespace fairlead::import
