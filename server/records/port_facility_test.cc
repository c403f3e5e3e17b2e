#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using Facility = v1::PortFacility;

Facility Valid() {
  Facility facility;
  facility.set_name("portFacilities/JPYOK-0001");
  facility.set_display_name("Honmoku Pier");
  facility.set_country("countries/JP");
  facility.set_port("ports/JPYOK");
  facility.set_description("Container terminal.\nFour berths.");
  facility.set_plan_approved(true);
  SetDate(facility.mutable_plan_approval_date(), 2020, 5, 1);
  SetDate(facility.mutable_plan_review_date(), 2024, 5, 0);
  return facility;
}

TEST(PortFacilityType, Rules) {
  ExpectRefused<Facility>(
      PortFacilityType(), Valid(),
      {
          {"name", [](Facility* f) { f->set_name("portFacilities/JPYOK-1"); }, "name", Reason::kFieldInvalid},
          {"no display name", [](Facility* f) { f->clear_display_name(); }, "display_name", Reason::kFieldRequired},
          {"no country", [](Facility* f) { f->clear_country(); }, "country", Reason::kFieldRequired},
          {"country that is not there", [](Facility* f) { f->set_country("countries/ZZ"); }, "country", Reason::kReferenceNotFound},
          {"port of no form", [](Facility* f) { f->set_port("JPYOK"); }, "port", Reason::kFieldInvalid},
          {"port that is not there", [](Facility* f) { f->set_port("ports/JPTYO"); }, "port", Reason::kReferenceNotFound},
          {"long description", [](Facility* f) { f->set_description(std::string(1001, 'x')); }, "description", Reason::kFieldTooLarge},
          {"latitude", [](Facility* f) { f->mutable_position()->set_latitude(91); }, "position.latitude", Reason::kFieldInvalid},
          {"approval on no day", [](Facility* f) { f->mutable_plan_approval_date()->set_day(32); }, "plan_approval_date",
           Reason::kFieldInvalid},
          {"review without a year", [](Facility* f) { f->mutable_plan_review_date()->clear_year(); }, "plan_review_date",
           Reason::kFieldInvalid},
          {"review before approval", [](Facility* f) { SetDate(f->mutable_plan_review_date(), 2020, 4, 30); }, "plan_review_date",
           Reason::kFieldInvalid},
      });
  ExpectAccepted<Facility>(PortFacilityType(), Valid(),
                           {
                               {"review on the day of approval", [](Facility* f) { SetDate(f->mutable_plan_review_date(), 2020, 5, 1); }},
                               {"review in the year of approval", [](Facility* f) { SetDate(f->mutable_plan_review_date(), 2020, 0, 0); }},
                               {"review, the approval unknown", [](Facility* f) { f->clear_plan_approval_date(); }},
                               {"no port", [](Facility* f) { f->clear_port(); }},
                               {"number whose prefix is no UN/LOCODE", [](Facility* f) { f->set_name("portFacilities/JP394-0001"); }},
                           });
}

TEST(PortFacilityType, Key) {
  EXPECT_EQ(PortFacilityType().check_id("CM394-0001"), absl::OkStatus());
  EXPECT_EQ(FieldOf(PortFacilityType().check_id("CM394")), "name");
}

TEST(PortFacilityType, IndexesAndFigures) {
  EXPECT_THAT(ValuesOf(PortFacilityType(), "country", Valid()), ElementsAre("countries/JP"));
  EXPECT_THAT(PortFacilityType().contribute(Valid()), ElementsAre(Contribution{"facility/JP", 1}));
}

}  // namespace
}  // namespace fairlead::records
