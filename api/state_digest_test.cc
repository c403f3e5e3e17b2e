#include "api/state_digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Of {
  std::string audience;
  std::string digest;
  int64_t records;
};

v1::StateDigest State(const std::string& site, const std::vector<Of>& classes) {
  v1::StateDigest state;
  state.set_site(site);
  for (const Of& of : classes) {
    v1::ClassDigest* one = state.add_classes();
    one->set_audience(of.audience);
    one->set_digest(of.digest);
    one->set_records(of.records);
  }
  return state;
}

// Both ways, which must say the same.
ClassComparison Compare(const v1::StateDigest& one, const v1::StateDigest& other) {
  ClassComparison compared = CompareClasses(one, other);
  const ClassComparison back = CompareClasses(other, one);
  EXPECT_EQ(compared.same, back.same);
  EXPECT_EQ(compared.different, back.different);
  EXPECT_EQ(compared.in_part, back.in_part);
  return compared;
}

TEST(StateDigestTest, AClassThatOneLacksIsDifferent) {
  const v1::StateDigest apac = State("apac", {{"*", "aa", 2}, {"apac,hq", "bb", 1}});
  const ClassComparison compared = Compare(apac, State("hq", {{"*", "aa", 2}}));
  EXPECT_THAT(compared.same, ElementsAre("*"));
  EXPECT_THAT(compared.different, ElementsAre("apac,hq"));
  EXPECT_THAT(Compare(apac, State("hq", {})).different, ElementsAre("*", "apac,hq"));
  // Folded with what is for all.
  EXPECT_THAT(Compare(apac, State("hq", {{"*", "cc", 3}})).different, ElementsAre("*", "apac,hq"));
}

TEST(StateDigestTest, AClassThatOneIsNotOfIsNotCompared) {
  const v1::StateDigest apac = State("apac", {{"*", "aa", 2}, {"apac,hq", "bb", 1}});
  const ClassComparison compared = Compare(apac, State("eame", {{"*", "aa", 2}, {"eame", "cc", 1}}));
  EXPECT_THAT(compared.same, ElementsAre("*"));
  EXPECT_THAT(compared.different, IsEmpty());
  EXPECT_THAT(compared.in_part, IsEmpty());
}

TEST(StateDigestTest, AClassWithoutRecordsIsAsOneThatIsNotListed) {
  EXPECT_THAT(Compare(State("apac", {{"* but eame", "00", 0}}), State("hq", {})).different, IsEmpty());
  EXPECT_THAT(Compare(State("apac", {{"* but eame", "00", 0}}), State("hq", {{"*", "aa", 1}})).different, ElementsAre("*"));
}

TEST(StateDigestTest, WhoHasNoRecordOfAClassMaySayThatTheOtherHoldsItInPart) {
  const v1::StateDigest hq = State("hq", {{"* but eame", "00", 0}, {"apac,eame but eame", "00", 0}, {"apac,hq", "bb", 1}});
  const ClassComparison compared = Compare(hq, State("eame", {{"*", "aa", 1}}));
  EXPECT_THAT(compared.in_part, ElementsAre("*"));
  EXPECT_THAT(compared.different, IsEmpty());
  // What it says of the narrowest class, it says of the wider ones, but not of what is for all.
  EXPECT_THAT(Compare(hq, State("eame", {{"apac,eame,hq", "aa", 1}})).in_part, ElementsAre("apac,eame,hq"));
  EXPECT_THAT(Compare(hq, State("eame", {{"eame,hq", "aa", 1}})).different, ElementsAre("eame,hq"));
  const v1::StateDigest narrow = State("hq", {{"apac,eame but eame", "00", 0}});
  EXPECT_THAT(Compare(narrow, State("eame", {{"*", "aa", 1}})).different, ElementsAre("*"));
  EXPECT_THAT(Compare(narrow, State("apac", {{"apac,eame,hq", "aa", 1}})).different, ElementsAre("apac,eame,hq"));
}

}  // namespace
}  // namespace fairlead
