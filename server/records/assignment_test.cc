#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using Assignment = v1::Assignment;

Assignment Valid() {
  Assignment assignment;
  assignment.set_name("assignments/two");
  assignment.set_officer("liaisonOfficers/watch");
  assignment.set_country("countries/JP");
  assignment.set_duty(v1::ASSIGNMENT_DUTY_PRIMARY);
  SetDate(assignment.mutable_start_date(), 2024, 7, 1);
  SetDate(assignment.mutable_end_date(), 2024, 7, 1);
  assignment.set_predecessor("assignments/one");
  return assignment;
}

TEST(Assignment, EachRuleNamesItsField) {
  ExpectRefused<Assignment>(
      AssignmentType(), Valid(),
      {
          {"nobody", [](Assignment* a) { a->clear_officer(); }, "officer", Reason::kFieldRequired},
          {"no such officer", [](Assignment* a) { a->set_officer("liaisonOfficers/none"); }, "officer", Reason::kReferenceNotFound},
          {"no country", [](Assignment* a) { a->clear_country(); }, "country", Reason::kFieldRequired},
          {"no capacity", [](Assignment* a) { a->clear_duty(); }, "duty", Reason::kFieldRequired},
          {"no beginning", [](Assignment* a) { a->clear_start_date(); }, "start_date", Reason::kFieldRequired},
          {"since a month", [](Assignment* a) { a->mutable_start_date()->set_day(0); }, "start_date", Reason::kFieldInvalid},
          {"until a month", [](Assignment* a) { a->mutable_end_date()->set_day(0); }, "end_date", Reason::kFieldInvalid},
          {"ended before it began", [](Assignment* a) { SetDate(a->mutable_end_date(), 2024, 6, 30); }, "end_date", Reason::kFieldInvalid},
          {"another country's predecessor", [](Assignment* a) { a->set_country("countries/KR"); }, "predecessor", Reason::kFieldInvalid},
          {"no such predecessor", [](Assignment* a) { a->set_predecessor("assignments/none"); }, "predecessor", Reason::kReferenceNotFound},
      });
}

TEST(Assignment, IsListedByOfficerAndCountry) {
  const RecordType type = AssignmentType();
  EXPECT_THAT(ValuesOf(type, "officer", Valid()), ElementsAre("liaisonOfficers/watch"));
  EXPECT_THAT(ValuesOf(type, "country", Valid()), ElementsAre("countries/JP"));
  EXPECT_EQ(SortOf(type, "country", Valid()), "2024-07-01");
}

}  // namespace
}  // namespace fairlead::records
