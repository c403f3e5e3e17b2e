#include <gmock/gmock.h>

#include <cmath>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using v1::Port;

Port Valid() {
  Port port;
  port.set_name("ports/JPYOK");
  port.set_display_name("Yokohama");
  port.set_country("countries/JP");
  port.set_subdivision("14");
  port.mutable_position()->set_latitude(35.45);
  port.mutable_position()->set_longitude(139.65);
  port.set_wpi_number(61550);
  port.add_schedule_k("58886");
  port.set_source("UN/LOCODE");
  port.set_harbor_size("Large");
  return port;
}

TEST(PortType, Rules) {
  ExpectRefused<Port>(
      PortType(), Valid(),
      {
          {"name", [](Port* p) { p->set_name("ports/JP1OK"); }, "name", Reason::kFieldInvalid},
          {"no display name", [](Port* p) { p->clear_display_name(); }, "display_name", Reason::kFieldRequired},
          {"long display name", [](Port* p) { p->set_display_name(std::string(201, 'x')); }, "display_name", Reason::kFieldTooLarge},
          {"no country", [](Port* p) { p->clear_country(); }, "country", Reason::kFieldRequired},
          {"country without its collection", [](Port* p) { p->set_country("JP"); }, "country", Reason::kFieldInvalid},
          {"country of another code", [](Port* p) { p->set_country("countries/KR"); }, "country", Reason::kFieldInvalid},
          {"country that is not there",
           [](Port* p) {
             p->set_name("ports/DEHAM");
             p->set_country("countries/DE");
           },
           "country", Reason::kReferenceNotFound},
          {"subdivision", [](Port* p) { p->set_subdivision("JP-14"); }, "subdivision", Reason::kFieldInvalid},
          {"latitude", [](Port* p) { p->mutable_position()->set_latitude(90.01); }, "position.latitude", Reason::kFieldInvalid},
          {"southern latitude", [](Port* p) { p->mutable_position()->set_latitude(-90.01); }, "position.latitude", Reason::kFieldInvalid},
          {"latitude that is no number", [](Port* p) { p->mutable_position()->set_latitude(std::nan("")); }, "position.latitude",
           Reason::kFieldInvalid},
          {"longitude", [](Port* p) { p->mutable_position()->set_longitude(-180.5); }, "position.longitude", Reason::kFieldInvalid},
          {"region override", [](Port* p) { p->set_region_override(static_cast<v1::Region>(12)); }, "region_override",
           Reason::kFieldInvalid},
          {"World Port Index number", [](Port* p) { p->set_wpi_number(100000); }, "wpi_number", Reason::kFieldInvalid},
          {"Schedule K code", [](Port* p) { p->add_schedule_k("5888"); }, "schedule_k[1]", Reason::kFieldInvalid},
          {"Schedule K code twice", [](Port* p) { p->add_schedule_k("58886"); }, "schedule_k[1]", Reason::kFieldInvalid},
          {"long source", [](Port* p) { p->set_source(std::string(501, 'x')); }, "source", Reason::kFieldTooLarge},
          {"harbour size", [](Port* p) { p->set_harbor_size("Huge"); }, "harbor_size", Reason::kFieldInvalid},
      });
  ExpectAccepted<Port>(PortType(), Valid(),
                       {
                           {"only what is required",
                            [](Port* p) {
                              Port bare;
                              bare.set_name(p->name());
                              bare.set_display_name(p->display_name());
                              bare.set_country(p->country());
                              *p = bare;
                            }},
                           {"the ends of the world",
                            [](Port* p) {
                              p->mutable_position()->set_latitude(-90);
                              p->mutable_position()->set_longitude(180);
                            }},
                       });
}

TEST(PortType, Key) {
  EXPECT_EQ(PortType().check_id("JPYOK"), absl::OkStatus());
  EXPECT_EQ(FieldOf(PortType().check_id("JPYO1")), "name");
}

TEST(PortType, IndexesAndFigures) {
  Port port = Valid();
  EXPECT_THAT(ValuesOf(PortType(), "country", port), ElementsAre("countries/JP"));
  EXPECT_EQ(SortOf(PortType(), "country", port), "");
  EXPECT_THAT(PortType().contribute(port), ElementsAre(Contribution{"port/JP/0", 1}));
  port.set_region_override(v1::REGION_CSA);
  EXPECT_THAT(PortType().contribute(port), ElementsAre(Contribution{"port/JP/3", 1}));
}

}  // namespace
}  // namespace fairlead::records
