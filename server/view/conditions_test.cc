#include "server/view/conditions.h"

#include <gtest/gtest.h>

#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/view/assessments.h"

namespace fairlead::view {
namespace {

namespace v1 = fairlead::v1;
using absl::CivilDay;

void SetDate(google::type::Date* date, int year, int month, int day) {
  date->set_year(year);
  date->set_month(month);
  date->set_day(day);
}

v1::ConditionStatus StatusOn(const v1::ConditionOfEntry& condition, CivilDay day) { return StandingOn(condition, day).status(); }

// 84 FR 22153: in force from 2019-05-30; lifted 2025-07-21.
TEST(ConditionsTest, DjiboutiReplayed) {
  v1::ConditionOfEntry djibouti;
  djibouti.set_state(v1::CONDITION_STATE_IMPOSED);
  SetDate(djibouti.mutable_effective_date(), 2019, 5, 30);
  EXPECT_EQ(StatusOn(djibouti, CivilDay(2016, 8, 18)), v1::CONDITION_STATUS_NOT_IN_FORCE);  // found, nothing imposed
  EXPECT_EQ(StatusOn(djibouti, CivilDay(2019, 5, 29)), v1::CONDITION_STATUS_NOT_IN_FORCE);
  EXPECT_EQ(StatusOn(djibouti, CivilDay(2019, 5, 30)), v1::CONDITION_STATUS_IN_FORCE);
  EXPECT_EQ(StatusOn(djibouti, CivilDay(2025, 7, 21)), v1::CONDITION_STATUS_IN_FORCE);
  djibouti.set_state(v1::CONDITION_STATE_LIFTED);
  SetDate(djibouti.mutable_lifted_date(), 2025, 7, 21);
  EXPECT_EQ(StatusOn(djibouti, CivilDay(2025, 7, 20)), v1::CONDITION_STATUS_IN_FORCE);
  EXPECT_EQ(StatusOn(djibouti, CivilDay(2025, 7, 21)), v1::CONDITION_STATUS_NOT_IN_FORCE);
}

// 84 FR 11992: notified in May 2018, on a day not published; in force from 2019-04-12.
TEST(ConditionsTest, SeychellesReplayed) {
  v1::ConditionOfEntry seychelles;
  seychelles.set_timing(v1::CONDITION_TIMING_NINETY_DAYS);
  seychelles.set_state(v1::CONDITION_STATE_PENDING);
  SetDate(seychelles.mutable_notification_date(), 2018, 5, 0);
  const v1::ConditionStanding pending = StandingOn(seychelles, CivilDay(2018, 9, 1));
  EXPECT_EQ(pending.status(), v1::CONDITION_STATUS_PENDING);
  EXPECT_FALSE(pending.has_earliest_effective_date());  // the day of the notice is not known, so neither is the ninetieth after it
  seychelles.set_state(v1::CONDITION_STATE_IMPOSED);
  SetDate(seychelles.mutable_effective_date(), 2019, 4, 12);
  EXPECT_EQ(StatusOn(seychelles, CivilDay(2019, 4, 11)), v1::CONDITION_STATUS_NOT_IN_FORCE);
  EXPECT_EQ(StatusOn(seychelles, CivilDay(2019, 4, 12)), v1::CONDITION_STATUS_IN_FORCE);
}

// USCG-2014-0067: notified 2013-03-26; in force from 2014-06-26.
TEST(ConditionsTest, NigeriaReplayed) {
  v1::ConditionOfEntry nigeria;
  nigeria.set_timing(v1::CONDITION_TIMING_NINETY_DAYS);
  nigeria.set_state(v1::CONDITION_STATE_PENDING);
  SetDate(nigeria.mutable_notification_date(), 2013, 3, 26);
  const v1::ConditionStanding pending = StandingOn(nigeria, CivilDay(2013, 4, 1));
  EXPECT_EQ(pending.status(), v1::CONDITION_STATUS_PENDING);
  EXPECT_EQ(records::DateText(pending.earliest_effective_date()), "2013-06-24");
  nigeria.set_state(v1::CONDITION_STATE_IMPOSED);
  SetDate(nigeria.mutable_effective_date(), 2014, 6, 26);
  EXPECT_EQ(StatusOn(nigeria, CivilDay(2014, 6, 25)), v1::CONDITION_STATUS_NOT_IN_FORCE);
  EXPECT_EQ(StatusOn(nigeria, CivilDay(2026, 1, 1)), v1::CONDITION_STATUS_IN_FORCE);
}

TEST(ConditionsTest, ADateThatIsNotKnownIsNeverAssumed) {
  v1::ConditionOfEntry condition;
  condition.set_state(v1::CONDITION_STATE_IMPOSED);
  EXPECT_EQ(StatusOn(condition, CivilDay(2025, 1, 1)), v1::CONDITION_STATUS_UNKNOWN);
  SetDate(condition.mutable_listed_by_date(), 2014, 6, 12);
  EXPECT_EQ(StatusOn(condition, CivilDay(2014, 6, 11)), v1::CONDITION_STATUS_UNKNOWN);  // perhaps earlier
  EXPECT_EQ(StatusOn(condition, CivilDay(2014, 6, 12)), v1::CONDITION_STATUS_IN_FORCE);
  condition.set_state(v1::CONDITION_STATE_LIFTED);
  EXPECT_EQ(StatusOn(condition, CivilDay(2025, 1, 1)), v1::CONDITION_STATUS_UNKNOWN);
  SetDate(condition.mutable_lifted_date(), 2020, 12, 0);  // on some day of that month
  EXPECT_EQ(StatusOn(condition, CivilDay(2020, 11, 30)), v1::CONDITION_STATUS_IN_FORCE);
  EXPECT_EQ(StatusOn(condition, CivilDay(2020, 12, 15)), v1::CONDITION_STATUS_UNKNOWN);
  EXPECT_EQ(StatusOn(condition, CivilDay(2020, 12, 31)), v1::CONDITION_STATUS_NOT_IN_FORCE);
  condition.set_state(v1::CONDITION_STATE_REMEDIED);
  EXPECT_EQ(StatusOn(condition, CivilDay(2025, 1, 1)), v1::CONDITION_STATUS_NOT_IN_FORCE);
}

v1::Assessment Determined(const std::string& name, const std::string& country, CivilDay day) {
  v1::Assessment assessment;
  assessment.set_name(name);
  assessment.set_country(country);
  assessment.set_state(v1::ASSESSMENT_STATE_DETERMINED);
  assessment.set_determination(v1::DETERMINATION_EFFECTIVE);
  assessment.set_basis(v1::ASSESSMENT_BASIS_ON_SITE);
  *assessment.mutable_determination_date() = records::DateOf(day);
  *assessment.mutable_due_date() = records::DateOf(records::YearsAfter(day, 3));
  return assessment;
}

TEST(AssessmentStandingsTest, DueAndOverdueAreCountedFromTheDayThatIsNamed) {
  const v1::Assessment assessment = Determined("assessments/a", "countries/JP", CivilDay(2022, 3, 1));
  const auto on = [&](CivilDay day) { return StandingOf("countries/JP", &assessment, day, 180); };
  EXPECT_EQ(on(CivilDay(2024, 9, 1)).status(), v1::CYCLE_STATUS_CURRENT);
  EXPECT_EQ(on(CivilDay(2024, 9, 1)).days_left(), 181);
  EXPECT_EQ(on(CivilDay(2024, 9, 2)).status(), v1::CYCLE_STATUS_DUE);
  EXPECT_EQ(on(CivilDay(2025, 3, 1)).status(), v1::CYCLE_STATUS_DUE);
  EXPECT_EQ(on(CivilDay(2025, 3, 2)).status(), v1::CYCLE_STATUS_OVERDUE);
  EXPECT_EQ(on(CivilDay(2025, 3, 2)).days_left(), -1);
  EXPECT_EQ(on(CivilDay(2025, 3, 2)).missing_elements_size(), 6);
  const v1::AssessmentStanding never = StandingOf("countries/KR", nullptr, CivilDay(2025, 3, 2), 180);
  EXPECT_EQ(never.status(), v1::CYCLE_STATUS_NEVER);
  EXPECT_FALSE(never.has_due_date());
}

TEST(AssessmentStandingsTest, TheNewestDeterminationOnOrBeforeTheDayCounts) {
  v1::Assessment draft = Determined("assessments/d", "countries/JP", CivilDay(2025, 1, 1));
  draft.set_state(v1::ASSESSMENT_STATE_DRAFT);
  const std::vector<v1::Assessment> all = {Determined("assessments/b", "countries/JP", CivilDay(2022, 3, 1)),
                                           Determined("assessments/a", "countries/JP", CivilDay(2019, 3, 1)), draft};
  EXPECT_EQ(NewestDeterminations(all, CivilDay(2026, 1, 1)).at("countries/JP").name(), "assessments/b");
  EXPECT_EQ(NewestDeterminations(all, CivilDay(2022, 2, 28)).at("countries/JP").name(), "assessments/a");
  EXPECT_TRUE(NewestDeterminations(all, CivilDay(2018, 1, 1)).empty());
}

}  // namespace
}  // namespace fairlead::view
