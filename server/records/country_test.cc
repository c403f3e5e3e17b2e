#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using v1::Country;

Country Valid() {
  Country country;
  country.set_name("countries/JP");
  country.set_display_name("Japan");
  country.set_alpha3("JPN");
  country.set_numeric("392");
  country.set_region(v1::REGION_APAC);
  return country;
}

TEST(CountryType, Rules) {
  ExpectRefused<Country>(
      CountryType(), Valid(),
      {
          {"name of another collection", [](Country* c) { c->set_name("ports/JPYOK"); }, "name", Reason::kFieldInvalid},
          {"name in lower case", [](Country* c) { c->set_name("countries/jp"); }, "name", Reason::kFieldInvalid},
          {"no display name", [](Country* c) { c->clear_display_name(); }, "display_name", Reason::kFieldRequired},
          {"blank display name", [](Country* c) { c->set_display_name(" \t"); }, "display_name", Reason::kFieldRequired},
          {"long display name", [](Country* c) { c->set_display_name(std::string(201, 'x')); }, "display_name", Reason::kFieldTooLarge},
          {"two lines", [](Country* c) { c->set_display_name("a\nb"); }, "display_name", Reason::kFieldInvalid},
          {"long official name", [](Country* c) { c->set_official_name(std::string(201, 'x')); }, "official_name", Reason::kFieldTooLarge},
          {"alpha-3", [](Country* c) { c->set_alpha3("JP"); }, "alpha3", Reason::kFieldInvalid},
          {"numeric", [](Country* c) { c->set_numeric("39"); }, "numeric", Reason::kFieldInvalid},
          {"no region", [](Country* c) { c->clear_region(); }, "region", Reason::kFieldRequired},
          {"unknown region", [](Country* c) { c->set_region(static_cast<v1::Region>(9)); }, "region", Reason::kFieldInvalid},
      });
  ExpectAccepted<Country>(CountryType(), Valid(),
                          {
                              {"only what is required",
                               [](Country* c) {
                                 c->clear_alpha3();
                                 c->clear_numeric();
                               }},
                              {"200 characters of two bytes",
                               [](Country* c) {
                                 std::string name;
                                 for (int i = 0; i < 200; ++i) name += "\xc3\xa9";
                                 c->set_display_name(name);
                               }},
                              {"headquarters", [](Country* c) { c->set_region(v1::REGION_HQ); }},
                          });
}

TEST(CountryType, RulesOfEveryRecord) {
  ExpectRefused<Country>(
      CountryType(), Valid(),
      {
          {"malformed UTF-8", [](Country* c) { c->set_official_name("\xff"); }, "official_name", Reason::kFieldInvalid},
          {"control character", [](Country* c) { c->set_official_name("a\x1b"); }, "official_name", Reason::kFieldInvalid},
          {"unknown marking", [](Country* c) { c->set_marking(static_cast<v1::Marking>(7)); }, "marking", Reason::kFieldInvalid},
          {"audience in upper case", [](Country* c) { c->add_audience("APAC"); }, "audience[0]", Reason::kFieldInvalid},
          {"audience of a nation",
           [](Country* c) {
             c->add_audience("apac");
             c->add_audience("countries/JP");
           },
           "audience[1]", Reason::kFieldInvalid},
          {"site twice",
           [](Country* c) {
             for (const char* site : {"apac", "hq", "apac"}) c->add_audience(site);
           },
           "audience[2]", Reason::kFieldInvalid},
          {"many sites",
           [](Country* c) {
             for (int i = 0; i < 501; ++i) c->add_audience("s" + std::to_string(i));
           },
           "audience", Reason::kFieldTooLarge},
      });
}

TEST(CountryType, ReportsEveryViolation) {
  Country country = Valid();
  country.clear_display_name();
  country.set_alpha3("x");
  absl::Status status = CountryType().validate(country, nullptr, World());
  std::string details = ToProto(status).DebugString();
  EXPECT_NE(details.find("display_name"), std::string::npos);
  EXPECT_NE(details.find("ISO 3166-1 alpha-3"), std::string::npos);
}

TEST(CountryType, IgnoresWhatTheNodeComputes) {
  Country country = Valid();
  country.set_etag("\x01");
  country.add_conflicts()->set_field("\x01");
  EXPECT_EQ(CountryType().validate(country, nullptr, World()), absl::OkStatus());
}

TEST(CountryType, Key) {
  EXPECT_EQ(CountryType().check_id("JP"), absl::OkStatus());
  absl::Status status = CountryType().check_id("JPN");
  EXPECT_EQ(ReasonOf(status), ReasonName(Reason::kFieldInvalid));
  EXPECT_EQ(FieldOf(status), "name");
}

TEST(CountryType, IndexesAndFigures) {
  EXPECT_THAT(ValuesOf(CountryType(), "region", Valid()), ElementsAre("1"));
  EXPECT_EQ(SortOf(CountryType(), "region", Valid()), "");
  EXPECT_THAT(CountryType().contribute(Valid()), ElementsAre(Contribution{"country/1/JP", 1}));
}

}  // namespace
}  // namespace fairlead::records
