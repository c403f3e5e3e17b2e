#include "server/search/content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fairlead/v1/arrival.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/reference.pb.h"

namespace fairlead::search {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Content Of(const google::protobuf::Message& record) {
  return ContentOf(*records::TheRegistry().FindByMessage(record.GetDescriptor()->name()), record);
}

void SetDate(int year, int month, int day, google::type::Date* date) {
  date->set_year(year);
  date->set_month(month);
  date->set_day(day);
}

TEST(ContentTest, AnEngagementIsFoundByItsTextsAndItsParticipants) {
  v1::Engagement engagement;
  engagement.set_name("engagements/E");
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title("Visit to Yokohama");
  engagement.add_countries("countries/JP");
  engagement.add_countries("countries/KR");
  engagement.set_region(v1::REGION_APAC);
  engagement.set_state(v1::ENGAGEMENT_STATE_IN_PROGRESS);
  engagement.set_notes("Fences are whole.");
  engagement.set_objectives("See the gates.");
  engagement.add_ports("ports/JPYOK");
  v1::Participant& participant = *engagement.add_participants();
  participant.set_counterpart("A. Person");
  participant.set_organisation("Designated Authority");
  participant.set_officer("liaisonOfficers/far-east");
  SetDate(2026, 5, 0, engagement.mutable_start_date());
  SetDate(2026, 6, 2, engagement.mutable_end_date());
  const Content content = Of(engagement);
  EXPECT_EQ(content.title, "Visit to Yokohama");
  EXPECT_THAT(content.titles, ElementsAre("Visit to Yokohama"));
  // References are no words.
  EXPECT_THAT(content.texts, UnorderedElementsAre("See the gates.", "Fences are whole.", "A. Person", "Designated Authority"));
  EXPECT_THAT(content.countries, ElementsAre("countries/JP", "countries/KR"));
  EXPECT_THAT(content.regions, ElementsAre(v1::REGION_APAC));
  EXPECT_EQ(content.state, "IN_PROGRESS");
  EXPECT_EQ(content.kind, "COUNTRY_VISIT");
  EXPECT_EQ(content.date.day(), 0);
  EXPECT_EQ(content.first, absl::CivilDay(2026, 5, 1));
  EXPECT_EQ(content.last, absl::CivilDay(2026, 6, 2));
}

TEST(ContentTest, DaysAreThoseThatADateMayBe) {
  v1::Engagement engagement;
  engagement.mutable_create_time()->set_seconds(absl::ToUnixSeconds(absl::FromCivil(absl::CivilDay(2026, 3, 4), absl::UTCTimeZone())));
  EXPECT_EQ(Of(engagement).first, absl::CivilDay(2026, 3, 4));
  EXPECT_EQ(Of(engagement).last, absl::CivilDay(2026, 3, 4));
  EXPECT_EQ(Of(engagement).date.day(), 4);
  SetDate(2024, 2, 0, engagement.mutable_start_date());
  EXPECT_EQ(Of(engagement).first, absl::CivilDay(2024, 2, 1));
  EXPECT_EQ(Of(engagement).last, absl::CivilDay(2024, 2, 29));
  SetDate(2025, 0, 0, engagement.mutable_end_date());
  EXPECT_EQ(Of(engagement).last, absl::CivilDay(2025, 12, 31));
  v1::Inquiry inquiry;
  inquiry.mutable_received_time()->set_seconds(absl::ToUnixSeconds(absl::FromCivil(absl::CivilDay(2026, 7, 8), absl::UTCTimeZone())));
  EXPECT_EQ(Of(inquiry).first, absl::CivilDay(2026, 7, 8));
}

TEST(ContentTest, WithoutATitleTheTextBeginsOne) {
  v1::Observation observation;
  observation.set_name("engagements/E/observations/O");
  observation.set_text("The gate stood open.\nNobody was there.");
  EXPECT_EQ(Of(observation).title, "The gate stood open.");
  observation.set_text(std::string(60, 'a') + " " + std::string(60, 'b'));
  EXPECT_EQ(Of(observation).title, std::string(60, 'a') + "…");
  std::string wide;  // two bytes each, the 100th byte within one
  for (int i = 0; i < 80; ++i) wide += "é";
  observation.set_text("x" + wide);
  EXPECT_EQ(Of(observation).title, "x" + wide.substr(0, 98) + "…");
}

TEST(ContentTest, NaturalKeysAreWordsAndNamesOfCountriesTheirs) {
  v1::Port port;
  port.set_name("ports/JPYOK");
  port.set_display_name("Yokohama");
  port.set_country("countries/JP");
  EXPECT_THAT(Of(port).texts, Contains("JPYOK"));
  EXPECT_THAT(Of(port).countries, ElementsAre("countries/JP"));
  v1::Country country;
  country.set_name("countries/JP");
  EXPECT_THAT(Of(country).countries, ElementsAre("countries/JP"));
  v1::Engagement engagement;
  engagement.set_name("engagements/01ARZ3NDEKTSV4RRFFQ69G5FAV");
  EXPECT_THAT(Of(engagement).texts, IsEmpty());
}

TEST(ContentTest, AnArrivalIsAboutTheCountriesOfItsCalls) {
  v1::Arrival arrival;
  arrival.set_name("arrivals/A");
  arrival.set_vessel_name("Resolute");
  arrival.add_last_calls()->set_country("countries/JP");
  arrival.mutable_last_calls(0)->set_place("Yokohama anchorage");
  EXPECT_THAT(Of(arrival).countries, ElementsAre("countries/JP"));
  EXPECT_THAT(Of(arrival).texts, Contains("Yokohama anchorage"));
}

TEST(ContentTest, EveryTypeSaysWhetherItHasWords) {
  std::vector<std::string> without;
  for (const records::RecordType& type : records::TheRegistry().types()) {
    if (!IsSearchable(type)) without.push_back(type.collection());
  }
  // Figures, and what repeats or is about other records.
  EXPECT_THAT(without, UnorderedElementsAre("trafficFigures", "acknowledgements", "reports", "deliveries", "voids", "auditEvents",
                                            "partnerReceipts"));
  const records::RecordType& engagements = *records::TheRegistry().FindByCollection("engagements");
  EXPECT_THAT(StatesOf(engagements), Contains("CLOSED"));
  EXPECT_THAT(KindsOf(engagements), Contains("PORT_VISIT"));
  EXPECT_THAT(StatesOf(*records::TheRegistry().FindByCollection("ports")), IsEmpty());
  EXPECT_THAT(UsesOf(records::TheRegistry()), ::testing::HasSubstr("engagements.participants.counterpart 2\n"));
}

}  // namespace
}  // namespace fairlead::search
