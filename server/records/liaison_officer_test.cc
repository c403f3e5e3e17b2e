#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using Officer = v1::LiaisonOfficer;

Officer Valid() {
  Officer officer;
  officer.set_name("liaisonOfficers/far-east-1");
  officer.set_display_name("IPSLO, Activities Far East");
  officer.set_region(v1::REGION_APAC);
  officer.add_portfolio("countries/JP");
  officer.add_portfolio("countries/KR");
  officer.set_office("Yokota");
  officer.set_email("fareast@example.mil");
  return officer;
}

TEST(LiaisonOfficerType, Rules) {
  ExpectRefused<Officer>(
      LiaisonOfficerType(), Valid(),
      {
          {"name", [](Officer* o) { o->set_name("liaisonOfficers/Far East"); }, "name", Reason::kFieldInvalid},
          {"no display name", [](Officer* o) { o->clear_display_name(); }, "display_name", Reason::kFieldRequired},
          {"no region", [](Officer* o) { o->clear_region(); }, "region", Reason::kFieldRequired},
          {"portfolio of no form", [](Officer* o) { o->add_portfolio("FR"); }, "portfolio[2]", Reason::kFieldInvalid},
          {"portfolio that is not there", [](Officer* o) { o->add_portfolio("countries/ZZ"); }, "portfolio[2]", Reason::kReferenceNotFound},
          {"empty element", [](Officer* o) { o->set_portfolio(1, ""); }, "portfolio[1]", Reason::kFieldRequired},
          {"country twice", [](Officer* o) { o->add_portfolio("countries/JP"); }, "portfolio[2]", Reason::kFieldInvalid},
          {"long office", [](Officer* o) { o->set_office(std::string(201, 'x')); }, "office", Reason::kFieldTooLarge},
          {"e-mail", [](Officer* o) { o->set_email("fareast"); }, "email", Reason::kFieldInvalid},
      });
  ExpectAccepted<Officer>(LiaisonOfficerType(), Valid(), {{"no portfolio", [](Officer* o) { o->clear_portfolio(); }}});
}

TEST(LiaisonOfficerType, Key) {
  EXPECT_EQ(LiaisonOfficerType().check_id("watch"), absl::OkStatus());
  EXPECT_EQ(FieldOf(LiaisonOfficerType().check_id("Watch")), "name");
}

TEST(LiaisonOfficerType, IndexesAndFigures) {
  EXPECT_THAT(ValuesOf(LiaisonOfficerType(), "region", Valid()), ElementsAre("1"));
  EXPECT_THAT(ValuesOf(LiaisonOfficerType(), "country", Valid()), ElementsAre("countries/JP", "countries/KR"));
  EXPECT_THAT(LiaisonOfficerType().contribute(Valid()), ElementsAre(Contribution{"officer/1", 1}));
}

}  // namespace
}  // namespace fairlead::records
