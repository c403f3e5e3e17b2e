#include "client/import/countries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace fairlead::import {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(RegionsTest, ReadsTheTableAndSkipsComments) {
  const auto table = ParseRegions("# a, comment\nalpha2,region,landlocked,basis\nAD,EAME,Y,M49\n# another\nUS,HQ,N,\"domestic, own\"\n");
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_EQ(table->size(), 2u);
  EXPECT_EQ(table->at("AD").region, fairlead::v1::REGION_EAME);
  EXPECT_TRUE(table->at("AD").landlocked);
  EXPECT_EQ(table->at("US").region, fairlead::v1::REGION_HQ);
  EXPECT_FALSE(table->at("US").landlocked);
}

TEST(RegionsTest, AWrongTableIsRefusedWithItsLine) {
  EXPECT_THAT(ParseRegions("# c\nalpha2,region\nAD,MARS\n").status().ToString(), HasSubstr("line 3: MARS is no region"));
  EXPECT_THAT(ParseRegions("alpha2,region\nad,EAME\n").status().ToString(), HasSubstr("line 2: ad is no ISO"));
  EXPECT_THAT(ParseRegions("alpha2,region\nAD,EAME\nAD,HQ\n").status().ToString(), HasSubstr("line 3: AD is there twice"));
  EXPECT_THAT(ParseRegions("code,region\nAD,EAME\n").status().ToString(), HasSubstr("line 1"));
  EXPECT_FALSE(ParseRegions("").ok());
}

TEST(CountriesTest, JoinsNamesAndRegions) {
  const RegionTable regions = {{"BO", {fairlead::v1::REGION_CSA, true}}, {"JP", {fairlead::v1::REGION_APAC, false}}};
  const auto parsed = ParseIsoCountries(R"({"3166-1": [
    {"alpha_2": "BO", "alpha_3": "BOL", "numeric": "068", "name": "Bolivia, Plurinational State of", "common_name": "Bolivia",
     "official_name": "Plurinational State of Bolivia"},
    {"alpha_2": "JP", "alpha_3": "JPN", "numeric": "392", "name": "Japan"},
    {"alpha_2": "jp", "name": "x"}, {"alpha_2": "XK", "name": "y"}, {"alpha_2": "JP", "name": "Japan"}]})",
                                        regions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->read, 5);
  ASSERT_EQ(parsed->rows.size(), 2u);
  const fairlead::v1::Country& bolivia = parsed->rows[0].record;
  EXPECT_EQ(bolivia.name(), "countries/BO");
  EXPECT_EQ(bolivia.display_name(), "Bolivia");
  EXPECT_EQ(bolivia.official_name(), "Plurinational State of Bolivia");
  EXPECT_EQ(bolivia.alpha3(), "BOL");
  EXPECT_EQ(bolivia.numeric(), "068");
  EXPECT_EQ(bolivia.region(), fairlead::v1::REGION_CSA);
  EXPECT_TRUE(bolivia.landlocked());
  EXPECT_EQ(bolivia.marking(), fairlead::v1::MARKING_PUBLIC);
  EXPECT_EQ(parsed->rows[1].record.official_name(), "");
  EXPECT_THAT(parsed->refusals, ElementsAre(Refusal{3, "jp", kCodeInvalid, "alpha_2 is not two upper-case letters"},
                                            Refusal{4, "XK", kCountryUnknown, "the region table has no such country"},
                                            Refusal{5, "JP", kDuplicate, "duplicate of line 2"}));
  EXPECT_FALSE(ParseIsoCountries("{}", regions).ok());
  EXPECT_FALSE(ParseIsoCountries("not json", regions).ok());
}

TEST(CountriesTest, SitesAreNamedAfterRegions) {
  EXPECT_EQ(SiteOfRegion(fairlead::v1::REGION_APAC), "apac");
  EXPECT_EQ(SiteOfRegion(fairlead::v1::REGION_HQ), "hq");
  EXPECT_EQ(SiteOfRegion(fairlead::v1::REGION_UNSPECIFIED), "");
  EXPECT_EQ(SiteOfRegion(static_cast<fairlead::v1::Region>(99)), "") << "of a later release";
}

TEST(CountriesTest, TheWholeOfIso3166HasARegion) {
  const std::string iso = "/usr/share/iso-codes/json/iso_3166-1.json";
  ASSERT_TRUE(std::filesystem::exists(iso)) << iso << " is absent: tools/dev setup installs it";
  const auto regions = ParseRegions(Read("tools/data/regions.csv"));
  ASSERT_TRUE(regions.ok()) << regions.status();
  EXPECT_EQ(regions->size(), 249u);
  std::map<fairlead::v1::Region, int> counts;
  for (const auto& [code, entry] : *regions) ++counts[entry.region];
  EXPECT_EQ(counts[fairlead::v1::REGION_APAC], 51);
  EXPECT_EQ(counts[fairlead::v1::REGION_EAME], 138);
  EXPECT_EQ(counts[fairlead::v1::REGION_CSA], 50);
  EXPECT_EQ(counts[fairlead::v1::REGION_HQ], 10);
  const auto parsed = ParseIsoCountries(Read(iso), *regions);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->read, 249);
  EXPECT_EQ(parsed->rows.size(), 249u);
  EXPECT_THAT(parsed->refusals, testing::IsEmpty());
}

}  // namespace
}  // namespace fairlead::import
