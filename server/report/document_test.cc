#include "server/report/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace fairlead::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Document With(const std::string& text) {
  Document document;
  document.title = text;
  document.banner = text;
  document.facts = {{text, text}};
  document.tables = {{text, text, {text, "b"}, {{text, "2"}}}};
  return document;
}

TEST(DocumentTest, HostileTextStaysText) {
  for (const char* text : {"<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", "\" onmouseover=\"x", "' onload='x", "<!--",
                           "]]>", "&lt;b&gt;"}) {
    const std::string html = ToHtml(With(text));
    // Every angle bracket, quote and ampersand of the text is one of the page's own fewer: the page is as if the text were not there.
    const std::string plain = ToHtml(With("x"));
    for (const char c : {'<', '>', '"', '\''}) {
      EXPECT_EQ(std::count(html.begin(), html.end(), c), std::count(plain.begin(), plain.end(), c)) << text << " " << c;
    }
    EXPECT_THAT(html, Not(HasSubstr("<script")));
  }
  EXPECT_THAT(ToHtml(With("&lt;")), HasSubstr("<h1>&amp;lt;</h1>"));
}

TEST(DocumentTest, ThePageStandsAlone) {
  const std::string html = ToHtml(With("x"));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const char* outside : {"http://", "https://", "url(", "@import", "<link", "<script", "<img"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  EXPECT_EQ(html, ToHtml(With("x")));
}

TEST(DocumentTest, CsvQuotesAndIsNoFormula) {
  Document document;
  document.title = "t";
  document.banner = "b";
  document.tables = {{"n", "", {"a", "b"}, {{"one, two", "say \"no\""}, {"=1+1", "-x"}, {"two\nlines", "+y"}, {"@z", ""}}}};
  EXPECT_EQ(ToCsv(document),
            "section,item,value\nreport,title,t\nreport,marking,b\nsection,a,b\n"
            "n,\"one, two\",\"say \"\"no\"\"\"\nn,'=1+1,'-x\nn,\"two\nlines\",'+y\nn,'@z,\n");
}

TEST(DocumentTest, WhatIsLeftOutIsSaid) {
  Document document = With("x");
  document.tables[0].rows.assign(kRowsMax + 3, {"x", "y"});
  document.tables[0].rows[0][0] = std::string(kCellCharsMax - 1, 'a') + "éé";
  const std::string html = ToHtml(document);
  EXPECT_THAT(html, HasSubstr("3 more rows are left out."));
  EXPECT_THAT(html, HasSubstr("aé…</td>"));
  EXPECT_THAT(html, Not(HasSubstr("éé")));
  EXPECT_THAT(ToCsv(document), HasSubstr("x,3 more rows are left out.\n"));
  document.tables[0].rows.clear();
  EXPECT_THAT(ToHtml(document), HasSubstr("<p>None.</p>"));
}

}  // namespace
}  // namespace fairlead::report
