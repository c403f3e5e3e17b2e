#include "server/exchange/pseudonyms.h"

#include <gtest/gtest.h>

#include "server/records/release.h"

namespace fairlead::exchange {
namespace {

const std::string kSubject = records::SubjectOf("ports/JPYOK");

TEST(PseudonymsTest, AreANationsOwnAndLeadBack) {
  const Pseudonyms pseudonyms("a key of the network");
  const std::string for_jp = pseudonyms.Of("countries/JP", kSubject);
  const std::string for_au = pseudonyms.Of("countries/AU", kSubject);
  EXPECT_EQ(for_jp.size(), 32u);
  EXPECT_NE(for_jp, for_au);
  EXPECT_NE(for_jp, kSubject);
  EXPECT_EQ(pseudonyms.SubjectOf("countries/JP", for_jp), kSubject);
  EXPECT_NE(pseudonyms.SubjectOf("countries/AU", for_jp), kSubject);
  EXPECT_NE(pseudonyms.Of("countries/JP", records::SubjectOf("ports/JPTYO")), for_jp);
}

TEST(PseudonymsTest, AreTheSameAtEverySiteAndOtherInAnotherNetwork) {
  EXPECT_EQ(Pseudonyms("key").Of("countries/JP", kSubject), Pseudonyms("key").Of("countries/JP", kSubject));
  EXPECT_NE(Pseudonyms("key").Of("countries/JP", kSubject), Pseudonyms("other").Of("countries/JP", kSubject));
}

TEST(PseudonymsTest, WhatIsNoneStandsForNothing) {
  const Pseudonyms pseudonyms("key");
  for (const char* text :
       {"", "00", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdeg", "0123456789abcdef0123456789abcdef0"}) {
    EXPECT_EQ(pseudonyms.SubjectOf("countries/JP", text), "") << text;
  }
  EXPECT_EQ(pseudonyms.SubjectOf("countries/JP", "0123456789abcdef0123456789abcdef").size(), 32u);
}

}  // namespace
}  // namespace fairlead::exchange
