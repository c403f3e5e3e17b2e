#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using Cycle = v1::VisitCycle;

Cycle Valid() {
  Cycle cycle;
  cycle.set_name("visitCycles/one");
  cycle.set_country("countries/JP");
  cycle.set_state(v1::VISIT_PHASE_RECIPROCAL_OFFERED);
  cycle.set_officer("liaisonOfficers/watch");
  SetDate(cycle.mutable_preliminary_date(), 2024, 0, 0);
  SetDate(cycle.mutable_in_country_date(), 2024, 3, 5);
  SetDate(cycle.mutable_reciprocal_offered_date(), 2024, 3, 0);
  cycle.add_engagements("engagements/first");
  cycle.set_reciprocal_visit("reciprocalVisits/one");
  return cycle;
}

TEST(VisitCycle, EachRuleNamesItsField) {
  ExpectRefused<Cycle>(
      VisitCycleType(), Valid(),
      {
          {"no country", [](Cycle* c) { c->clear_country(); }, "country", Reason::kFieldRequired},
          {"no such country", [](Cycle* c) { c->set_country("countries/ZZ"); }, "country", Reason::kReferenceNotFound},
          {"no such officer", [](Cycle* c) { c->set_officer("liaisonOfficers/none"); }, "officer", Reason::kReferenceNotFound},
          {"no beginning", [](Cycle* c) { c->clear_preliminary_date(); }, "preliminary_date", Reason::kFieldRequired},
          {"a phase without its date", [](Cycle* c) { c->clear_in_country_date(); }, "in_country_date", Reason::kFieldRequired},
          {"dialogue without its date", [](Cycle* c) { c->set_state(v1::VISIT_PHASE_DIALOGUE); }, "dialogue_date", Reason::kFieldRequired},
          {"dates out of order", [](Cycle* c) { SetDate(c->mutable_in_country_date(), 2023, 12, 31); }, "in_country_date",
           Reason::kFieldInvalid},
          {"a date of a phase to come", [](Cycle* c) { SetDate(c->mutable_dialogue_date(), 2024, 4, 1); }, "dialogue_date",
           Reason::kFieldInvalid},
          {"no date", [](Cycle* c) { SetDate(c->mutable_reciprocal_offered_date(), 2024, 2, 30); }, "reciprocal_offered_date",
           Reason::kFieldInvalid},
          {"an engagement with others", [](Cycle* c) { c->set_engagements(0, "engagements/second"); }, "engagements[0]",
           Reason::kFieldInvalid},
          {"no such engagement", [](Cycle* c) { c->set_engagements(0, "engagements/none"); }, "engagements[0]", Reason::kReferenceNotFound},
          {"no such visit", [](Cycle* c) { c->set_reciprocal_visit("reciprocalVisits/none"); }, "reciprocal_visit",
           Reason::kReferenceNotFound},
          {"ended without saying when", [](Cycle* c) { c->set_state(v1::VISIT_PHASE_ENDED); }, "ended_date", Reason::kFieldRequired},
          {"ended early without saying why",
           [](Cycle* c) {
             c->set_state(v1::VISIT_PHASE_ENDED);
             SetDate(c->mutable_ended_date(), 2024, 6, 1);
           },
           "reason", Reason::kFieldRequired},
          {"another country's visit in return",
           [](Cycle* c) {
             c->set_country("countries/KR");
             c->clear_engagements();
           },
           "reciprocal_visit", Reason::kFieldInvalid},
      });
}

TEST(VisitCycle, MayEndInAnyPhase) {
  ExpectAccepted<Cycle>(VisitCycleType(), Valid(),
                        {{"before the visit",
                          [](Cycle* c) {
                            c->set_state(v1::VISIT_PHASE_ENDED);
                            c->clear_in_country_date();
                            c->clear_reciprocal_offered_date();
                            SetDate(c->mutable_ended_date(), 2024, 6, 0);
                            c->set_reason("The visit was refused.");
                          }},
                         {"after the dialogue", [](Cycle* c) {
                            c->set_state(v1::VISIT_PHASE_ENDED);
                            SetDate(c->mutable_dialogue_date(), 2024, 4, 1);
                            SetDate(c->mutable_ended_date(), 2027, 1, 1);
                          }}});
}

TEST(VisitCycle, IsListedInTheOrderOfItsBeginning) {
  const RecordType type = VisitCycleType();
  EXPECT_THAT(ValuesOf(type, "country", Valid()), ElementsAre("countries/JP"));
  EXPECT_THAT(ValuesOf(type, "state", Valid()), ElementsAre("3"));
  EXPECT_THAT(ValuesOf(type, "officer", Valid()), ElementsAre("liaisonOfficers/watch"));
  EXPECT_EQ(SortOf(type, "country", Valid()), "2024-00-00");
}

}  // namespace
}  // namespace fairlead::records
