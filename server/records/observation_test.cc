#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using v1::Observation;

Observation Valid() {
  Observation observation;
  observation.set_name("engagements/first/observations/one");
  observation.set_text("The gate is staffed at all hours.");
  observation.set_isps_reference("ISPS A/14.2");
  observation.set_element(v1::ASSESSMENT_ELEMENT_ACCESS);
  observation.set_severity(v1::SEVERITY_MAJOR);
  observation.set_facility("portFacilities/JPYOK-0001");
  observation.set_country("countries/JP");
  observation.set_evidence("Seen\non site.");
  observation.set_recommendation("Keep it so.");
  return observation;
}

TEST(ObservationType, Rules) {
  ExpectRefused<Observation>(
      ObservationType(), Valid(),
      {
          {"engagement that is not there", [](Observation* o) { o->set_name("engagements/none/observations/one"); }, "name",
           Reason::kReferenceNotFound},
          {"parent that is no engagement", [](Observation* o) { o->set_name("countries/JP/observations/one"); }, "name",
           Reason::kReferenceNotFound},
          {"no text", [](Observation* o) { o->clear_text(); }, "text", Reason::kFieldRequired},
          {"long text", [](Observation* o) { o->set_text(std::string(4001, 'x')); }, "text", Reason::kFieldTooLarge},
          {"no reference", [](Observation* o) { o->clear_isps_reference(); }, "isps_reference", Reason::kFieldRequired},
          {"reference to nothing", [](Observation* o) { o->set_isps_reference("ISPS A/33"); }, "isps_reference", Reason::kFieldInvalid},
          {"bearing on no element", [](Observation* o) { o->clear_element(); }, "element", Reason::kFieldRequired},
          {"grave without evidence", [](Observation* o) { o->clear_evidence(); }, "evidence", Reason::kFieldRequired},
          {"of a facility elsewhere",
           [](Observation* o) {
             o->set_name("engagements/second/observations/one");
             o->set_country("countries/KR");
           },
           "facility", Reason::kFieldInvalid},
          {"unknown element", [](Observation* o) { o->set_element(static_cast<v1::AssessmentElement>(7)); }, "element",
           Reason::kFieldInvalid},
          {"no severity", [](Observation* o) { o->clear_severity(); }, "severity", Reason::kFieldRequired},
          {"facility of no form", [](Observation* o) { o->set_facility("JPYOK-0001"); }, "facility", Reason::kFieldInvalid},
          {"facility that is not there", [](Observation* o) { o->set_facility("portFacilities/JPYOK-0009"); }, "facility",
           Reason::kReferenceNotFound},
          {"no country", [](Observation* o) { o->clear_country(); }, "country", Reason::kFieldRequired},
          {"country of another engagement", [](Observation* o) { o->set_country("countries/KR"); }, "country", Reason::kFieldInvalid},
          {"long evidence", [](Observation* o) { o->set_evidence(std::string(4001, 'x')); }, "evidence", Reason::kFieldTooLarge},
          {"long recommendation", [](Observation* o) { o->set_recommendation(std::string(4001, 'x')); }, "recommendation",
           Reason::kFieldTooLarge},
      });
  ExpectAccepted<Observation>(ObservationType(), Valid(),
                              {
                                  {"of the country as a whole", [](Observation* o) { o->clear_facility(); }},
                                  {"of the other engagement",
                                   [](Observation* o) {
                                     o->set_name("engagements/second/observations/one");
                                     o->set_country("countries/KR");
                                     o->clear_facility();
                                   }},
                                  {"minor without evidence",
                                   [](Observation* o) {
                                     o->set_severity(v1::SEVERITY_MINOR);
                                     o->clear_evidence();
                                   }},
                              });
}

TEST(ObservationType, IndexesAndFigures) {
  EXPECT_FALSE(ObservationType().check_id);
  EXPECT_THAT(ValuesOf(ObservationType(), "parent", Valid()), ElementsAre("engagements/first"));
  EXPECT_THAT(ValuesOf(ObservationType(), "country", Valid()), ElementsAre("countries/JP"));
  EXPECT_THAT(ValuesOf(ObservationType(), "severity", Valid()), ElementsAre("3"));
  for (const char* filter : {"parent", "country", "severity"}) EXPECT_EQ(SortOf(ObservationType(), filter, Valid()), "");
  EXPECT_THAT(ObservationType().contribute(Valid()), ElementsAre(Contribution{"observation/3", 1}, Contribution{"observed/JP/3", 1}));
}

}  // namespace
}  // namespace fairlead::records
