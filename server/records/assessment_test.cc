#include "fairlead/v1/assessment.pb.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using v1::Assessment;
using v1::ConditionOfEntry;

Assessment Determined() {
  Assessment assessment;
  assessment.set_name("assessments/one");
  assessment.set_country("countries/JP");
  assessment.set_state(v1::ASSESSMENT_STATE_DETERMINED);
  assessment.set_determination(v1::DETERMINATION_NOT_EFFECTIVE);
  SetDate(assessment.mutable_determination_date(), 2016, 8, 18);
  SetDate(assessment.mutable_due_date(), 2019, 8, 18);
  assessment.set_basis(v1::ASSESSMENT_BASIS_ON_SITE);
  assessment.set_source("84 FR 22153");
  v1::ElementResult& element = *assessment.add_elements();
  element.set_element(v1::ASSESSMENT_ELEMENT_ACCESS);
  element.set_finding(v1::ELEMENT_FINDING_NOT_EFFECTIVE);
  element.set_basis(v1::ASSESSMENT_BASIS_ON_SITE);
  return assessment;
}

TEST(AssessmentTest, RefusesWhatBreaksARule) {
  ExpectRefused<Assessment>(
      AssessmentType(), Determined(),
      {{"no country", [](Assessment* a) { a->clear_country(); }, "country", Reason::kFieldRequired},
       {"unknown country", [](Assessment* a) { a->set_country("countries/ZZ"); }, "country", Reason::kReferenceNotFound},
       {"another country", [](Assessment* a) { a->set_country("countries/KR"); }, "country", Reason::kFieldImmutable},
       {"no determination", [](Assessment* a) { a->clear_determination(); }, "determination", Reason::kFieldRequired},
       {"no day", [](Assessment* a) { a->clear_determination_date(); }, "determination_date", Reason::kFieldRequired},
       {"a month only", [](Assessment* a) { a->mutable_determination_date()->set_day(0); }, "determination_date", Reason::kFieldInvalid},
       {"due later than three years", [](Assessment* a) { SetDate(a->mutable_due_date(), 2019, 8, 19); }, "due_date",
        Reason::kFieldInvalid},
       {"due before it was made", [](Assessment* a) { SetDate(a->mutable_due_date(), 2016, 8, 17); }, "due_date", Reason::kFieldInvalid},
       {"no basis", [](Assessment* a) { a->clear_basis(); }, "basis", Reason::kFieldRequired},
       {"on site without a visit or a source", [](Assessment* a) { a->clear_source(); }, "engagements", Reason::kFieldRequired},
       {"alternative without evidence", [](Assessment* a) { a->set_basis(v1::ASSESSMENT_BASIS_ALTERNATIVE); }, "alternative_evidence",
        Reason::kFieldRequired},
       {"an engagement with others", [](Assessment* a) { a->add_engagements("engagements/second"); }, "engagements[0]",
        Reason::kFieldInvalid},
       {"an element twice", [](Assessment* a) { *a->add_elements() = a->elements(0), a->mutable_elements(1)->set_evidence("x"); },
        "elements[1].element", Reason::kFieldInvalid},
       {"an element without finding", [](Assessment* a) { a->mutable_elements(0)->clear_finding(); }, "elements[0].finding",
        Reason::kFieldRequired},
       {"an alternative element without evidence",
        [](Assessment* a) { a->mutable_elements(0)->set_basis(v1::ASSESSMENT_BASIS_ALTERNATIVE); }, "elements[0].evidence",
        Reason::kFieldRequired},
       {"a notice of an effective determination",
        [](Assessment* a) {
          a->set_state(v1::ASSESSMENT_STATE_NOTIFIED);
          a->set_determination(v1::DETERMINATION_EFFECTIVE);
          SetDate(a->mutable_notice_date(), 2016, 9, 0);
        },
        "determination", Reason::kFieldInvalid},
       {"a notice without its day", [](Assessment* a) { a->set_state(v1::ASSESSMENT_STATE_NOTIFIED); }, "notice_date",
        Reason::kFieldRequired},
       {"a notice before the determination",
        [](Assessment* a) {
          a->set_state(v1::ASSESSMENT_STATE_NOTIFIED);
          SetDate(a->mutable_notice_date(), 2016, 7, 0);
        },
        "notice_date", Reason::kFieldInvalid}});
}

TEST(AssessmentTest, TheDueDateIsFilledInAndFollowsTheDetermination) {
  World world;
  const RecordType type = AssessmentType();
  Assessment assessment;
  SetDate(assessment.mutable_determination_date(), 2024, 2, 29);
  type.complete(&assessment, nullptr, world, absl::UnixEpoch());
  EXPECT_EQ(DateText(assessment.due_date()), "2027-03-01");
  // A day that was filled in moves with the determination; one that was given stays.
  Assessment moved = assessment;
  SetDate(moved.mutable_determination_date(), 2024, 3, 15);
  type.complete(&moved, &assessment, world, absl::UnixEpoch());
  EXPECT_EQ(DateText(moved.due_date()), "2027-03-15");
  Assessment given = assessment;
  SetDate(given.mutable_due_date(), 2025, 1, 1);
  Assessment later = given;
  SetDate(later.mutable_determination_date(), 2024, 4, 1);
  type.complete(&later, &given, world, absl::UnixEpoch());
  EXPECT_EQ(DateText(later.due_date()), "2025-01-01");
}

ConditionOfEntry Imposed() {
  ConditionOfEntry condition;
  condition.set_name("conditionsOfEntry/JP-1");
  condition.set_country("countries/JP");
  condition.set_state(v1::CONDITION_STATE_IMPOSED);
  condition.set_timing(v1::CONDITION_TIMING_NINETY_DAYS);
  SetDate(condition.mutable_notification_date(), 2013, 3, 26);
  SetDate(condition.mutable_effective_date(), 2014, 6, 26);
  condition.set_source("USCG-2014-0067");
  condition.add_exempt_facilities()->set_display_name("Terminal");
  condition.mutable_exempt_facilities(0)->add_numbers("CM394-0001");
  return condition;
}

TEST(ConditionOfEntryTest, RefusesWhatBreaksARule) {
  ExpectRefused<ConditionOfEntry>(
      ConditionOfEntryType(), Imposed(),
      {{"another country's name", [](ConditionOfEntry* c) { c->set_name("conditionsOfEntry/KR-1"); }, "country", Reason::kFieldInvalid},
       {"no number", [](ConditionOfEntry* c) { c->set_name("conditionsOfEntry/JP-0"); }, "name", Reason::kFieldInvalid},
       {"no source", [](ConditionOfEntry* c) { c->clear_source(); }, "source", Reason::kFieldRequired},
       {"effective after 89 days", [](ConditionOfEntry* c) { SetDate(c->mutable_effective_date(), 2013, 6, 23); }, "effective_date",
        Reason::kFieldInvalid},
       {"two beginnings", [](ConditionOfEntry* c) { SetDate(c->mutable_listed_by_date(), 2014, 7, 0); }, "listed_by_date",
        Reason::kFieldInvalid},
       {"lifted while imposed", [](ConditionOfEntry* c) { SetDate(c->mutable_lifted_date(), 2015, 1, 1); }, "lifted_date",
        Reason::kFieldInvalid},
       {"lifted before it applied",
        [](ConditionOfEntry* c) {
          c->set_state(v1::CONDITION_STATE_LIFTED);
          SetDate(c->mutable_lifted_date(), 2014, 6, 25);
        },
        "lifted_date", Reason::kFieldInvalid},
       {"a malformed facility number", [](ConditionOfEntry* c) { c->mutable_exempt_facilities(0)->set_numbers(0, "CM-1"); },
        "exempt_facilities[0].numbers[0]", Reason::kFieldInvalid},
       {"no such assessment", [](ConditionOfEntry* c) { c->set_assessment("assessments/none"); }, "assessment",
        Reason::kReferenceNotFound}});
  ExpectAccepted<ConditionOfEntry>(
      ConditionOfEntryType(), Imposed(),
      {{"effective on the ninetieth day", [](ConditionOfEntry* c) { SetDate(c->mutable_effective_date(), 2013, 6, 24); }},
       {"at once",
        [](ConditionOfEntry* c) {
          c->set_timing(v1::CONDITION_TIMING_IMMEDIATE);
          SetDate(c->mutable_effective_date(), 2013, 3, 26);
        }},
       // Notified some day in May: the ninetieth day after the first of May is the earliest that can be.
       {"notified on a day not known",
        [](ConditionOfEntry* c) {
          SetDate(c->mutable_notification_date(), 2018, 5, 0);
          SetDate(c->mutable_effective_date(), 2018, 7, 30);
        }},
       {"no dates", [](ConditionOfEntry* c) { c->clear_effective_date(), c->clear_notification_date(); }}});
}

TEST(DaysTest, PartialDatesAreRanges) {
  google::type::Date date;
  SetDate(&date, 2024, 2, 0);
  EXPECT_EQ(DayText(EarliestDay(date)), "2024-02-01");
  EXPECT_EQ(DayText(LatestDay(date)), "2024-02-29");
  SetDate(&date, 2023, 0, 0);
  EXPECT_EQ(DayText(EarliestDay(date)), "2023-01-01");
  EXPECT_EQ(DayText(LatestDay(date)), "2023-12-31");
  SetDate(&date, 2023, 12, 0);
  EXPECT_EQ(DayText(LatestDay(date)), "2023-12-31");
}

}  // namespace
}  // namespace fairlead::records
