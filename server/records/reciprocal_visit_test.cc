#include <gmock/gmock.h>

#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using Visit = v1::ReciprocalVisit;

Visit Valid() {
  Visit visit;
  visit.set_name("reciprocalVisits/two");
  visit.set_country("countries/JP");
  visit.set_state(v1::RECIPROCAL_VISIT_STATE_PLANNED);
  SetDate(visit.mutable_requested_date(), 2024, 1, 0);
  visit.set_embassy("Embassy of Japan, Washington");
  visit.set_channel(v1::REQUEST_CHANNEL_OFFICER);
  visit.set_coordinator("liaisonOfficers/watch");
  SetDate(visit.mutable_start_date(), 2024, 5, 6);
  SetDate(visit.mutable_end_date(), 2024, 5, 10);
  visit.add_delegates()->set_delegate("Director, port security");
  v1::ItineraryStop* stop = visit.add_itinerary();
  SetDate(stop->mutable_date(), 2024, 5, 6);
  stop->set_kind(v1::STOP_KIND_HEADQUARTERS);
  stop->set_place("Headquarters, Washington");
  stop->set_subject("Review and approval of plans");
  stop = visit.add_itinerary();
  SetDate(stop->mutable_date(), 2024, 5, 10);
  stop->set_kind(v1::STOP_KIND_PORT);
  stop->set_place("Seattle");
  stop->set_port("ports/USSEA");
  stop->set_subject("Port State Control");
  visit.set_offered_in("engagements/first");
  return visit;
}

TEST(ReciprocalVisit, EachRuleNamesItsField) {
  ExpectRefused<Visit>(
      ReciprocalVisitType(), Valid(),
      {
          {"no country", [](Visit* v) { v->clear_country(); }, "country", Reason::kFieldRequired},
          {"no day of request", [](Visit* v) { v->clear_requested_date(); }, "requested_date", Reason::kFieldRequired},
          {"no embassy", [](Visit* v) { v->clear_embassy(); }, "embassy", Reason::kFieldRequired},
          {"no channel", [](Visit* v) { v->clear_channel(); }, "channel", Reason::kFieldRequired},
          {"nobody coordinates", [](Visit* v) { v->clear_coordinator(); }, "coordinator", Reason::kFieldRequired},
          {"decided before it was requested", [](Visit* v) { SetDate(v->mutable_decision_date(), 2023, 12, 0); }, "decision_date",
           Reason::kFieldInvalid},
          {"planned without days", [](Visit* v) { v->clear_end_date(); }, "end_date", Reason::kFieldRequired},
          {"planned for a month", [](Visit* v) { v->mutable_start_date()->set_day(0); }, "start_date", Reason::kFieldInvalid},
          {"ends before it begins", [](Visit* v) { SetDate(v->mutable_end_date(), 2024, 5, 5); }, "end_date", Reason::kFieldInvalid},
          {"planned without a stop", [](Visit* v) { v->clear_itinerary(); }, "itinerary", Reason::kFieldRequired},
          {"a stop before the visit", [](Visit* v) { v->mutable_itinerary(0)->mutable_date()->set_day(5); }, "itinerary[0].date",
           Reason::kFieldInvalid},
          {"a stop after it", [](Visit* v) { v->mutable_itinerary(1)->mutable_date()->set_day(11); }, "itinerary[1].date",
           Reason::kFieldInvalid},
          {"a stop without a day", [](Visit* v) { v->mutable_itinerary(0)->mutable_date()->set_day(0); }, "itinerary[0].date",
           Reason::kFieldInvalid},
          {"a stop of no kind", [](Visit* v) { v->mutable_itinerary(0)->clear_kind(); }, "itinerary[0].kind", Reason::kFieldRequired},
          {"a stop without its place", [](Visit* v) { v->mutable_itinerary(0)->clear_place(); }, "itinerary[0].place",
           Reason::kFieldRequired},
          {"a stop about nothing", [](Visit* v) { v->mutable_itinerary(0)->clear_subject(); }, "itinerary[0].subject",
           Reason::kFieldRequired},
          {"a port stop without its port", [](Visit* v) { v->mutable_itinerary(1)->clear_port(); }, "itinerary[1].port",
           Reason::kFieldRequired},
          {"a port abroad", [](Visit* v) { v->mutable_itinerary(1)->set_port("ports/JPYOK"); }, "itinerary[1].port", Reason::kFieldInvalid},
          {"a delegate without a name", [](Visit* v) { v->mutable_delegates(0)->clear_delegate(); }, "delegates[0].delegate",
           Reason::kFieldRequired},
          {"too many delegates",
           [](Visit* v) {
             for (int i = 0; i < 100; ++i) v->add_delegates()->set_delegate("Inspector " + std::to_string(i));
           },
           "delegates", Reason::kFieldTooLarge},
          {"declined without saying why", [](Visit* v) { v->set_state(v1::RECIPROCAL_VISIT_STATE_DECLINED); }, "reason",
           Reason::kFieldRequired},
          {"reported without an outcome", [](Visit* v) { v->set_state(v1::RECIPROCAL_VISIT_STATE_REPORTED); }, "outcome",
           Reason::kFieldRequired},
          {"offered to others", [](Visit* v) { v->set_offered_in("engagements/second"); }, "offered_in", Reason::kFieldInvalid},
          {"offered nowhere", [](Visit* v) { v->set_offered_in("engagements/none"); }, "offered_in", Reason::kReferenceNotFound},
      });
}

TEST(ReciprocalVisit, ARequestNeedsNeitherDaysNorCoordinator) {
  ExpectAccepted<Visit>(ReciprocalVisitType(), Valid(),
                        {{"a request",
                          [](Visit* v) {
                            v->set_state(v1::RECIPROCAL_VISIT_STATE_REQUESTED);
                            v->clear_coordinator();
                            v->clear_start_date();
                            v->clear_end_date();
                            v->clear_itinerary();
                          }},
                         {"a month that is asked for", [](Visit* v) {
                            v->set_state(v1::RECIPROCAL_VISIT_STATE_ACCEPTED);
                            v->mutable_start_date()->set_day(0);
                            v->clear_end_date();
                          }}});
}

TEST(ReciprocalVisit, IsListedByRequestAndInTheCalendarByItsDays) {
  const RecordType type = ReciprocalVisitType();
  EXPECT_THAT(ValuesOf(type, "coordinator", Valid()), ElementsAre("liaisonOfficers/watch"));
  EXPECT_EQ(SortOf(type, "state", Valid()), "2024-01-00");
  EXPECT_THAT(ValuesOf(type, "month", Valid()), ElementsAre("2024-05"));
  EXPECT_EQ(SortOf(type, "month", Valid()), "2024-05-06");
}

}  // namespace
}  // namespace fairlead::records
