#include <gmock/gmock.h>

#include "fairlead/v1/arrival.pb.h"
#include "server/records/formats.h"
#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using v1::Arrival;
using v1::TrafficFigure;

TEST(ImoNumberTest, TheLastDigitChecksTheOthers) {
  EXPECT_TRUE(IsImoNumber("9619907"));
  EXPECT_TRUE(IsImoNumber("9074729"));
  for (const char* wrong : {"9304880", "9619908", "961990", "96199070", "961990A", "", "IMO9619907"})
    EXPECT_FALSE(IsImoNumber(wrong)) << wrong;
}

TEST(ProgramFormatsTest, KeysAndMonths) {
  EXPECT_TRUE(IsScheduleKId("72142-2"));
  for (const char* wrong : {"72142", "72142-", "72142-0", "72142-01", "7214-2", "72142-1000"}) EXPECT_FALSE(IsScheduleKId(wrong)) << wrong;
  EXPECT_TRUE(IsConditionId("CU-12"));
  for (const char* wrong : {"CU", "CU-", "CU-0", "cu-1", "CU-100", "CUB-1"}) EXPECT_FALSE(IsConditionId(wrong)) << wrong;
  EXPECT_TRUE(IsMonth("1986-01"));
  for (const char* wrong : {"198601", "1986-13", "1986-00", "1986-1", "0986-01", "1986-0a"}) EXPECT_FALSE(IsMonth(wrong)) << wrong;
}

google::protobuf::Timestamp At(int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(seconds);
  return time;
}

constexpr int64_t kDay = 86400;
constexpr int64_t kArrival = 1709280000;  // 2024-03-01

Arrival Notice() {
  Arrival arrival;
  arrival.set_name("arrivals/one");
  arrival.set_vessel_name("MV Example");
  arrival.set_imo_number("9619907");
  arrival.set_arrival_place("Baltimore, MD");
  SetDate(arrival.mutable_arrival_date(), 2024, 3, 1);
  *arrival.mutable_arrival_time() = At(kArrival);
  arrival.set_source_kind(v1::ARRIVAL_SOURCE_NOTICE);
  for (int i = 0; i < 2; ++i) {
    v1::PortCall& call = *arrival.add_last_calls();
    call.set_port("ports/JPYOK");
    call.set_country("countries/JP");
    *call.mutable_arrival_time() = At(kArrival - (20 + 5 * i) * kDay);
    *call.mutable_departure_time() = At(kArrival - (18 + 5 * i) * kDay);
  }
  return arrival;
}

TEST(ArrivalTest, RefusesWhatBreaksARule) {
  ExpectRefused<Arrival>(
      ArrivalType(), Notice(),
      {{"a wrong check digit", [](Arrival* a) { a->set_imo_number("9304880"); }, "imo_number", Reason::kFieldInvalid},
       {"no vessel", [](Arrival* a) { a->clear_vessel_name(); }, "vessel_name", Reason::kFieldRequired},
       {"no place", [](Arrival* a) { a->clear_arrival_place(); }, "arrival_port", Reason::kFieldRequired},
       {"no day", [](Arrival* a) { a->clear_arrival_date(); }, "arrival_date", Reason::kFieldRequired},
       {"a month only", [](Arrival* a) { a->mutable_arrival_date()->set_day(0); }, "arrival_date", Reason::kFieldInvalid},
       {"a time of another day", [](Arrival* a) { *a->mutable_arrival_time() = At(kArrival + 3 * kDay); }, "arrival_time",
        Reason::kFieldInvalid},
       {"no source", [](Arrival* a) { a->clear_source_kind(); }, "source_kind", Reason::kFieldRequired},
       {"eleven calls",
        [](Arrival* a) {
          while (a->last_calls_size() < 11) a->add_last_calls()->set_place("somewhere");
        },
        "last_calls", Reason::kFieldTooLarge},
       {"a call of nowhere", [](Arrival* a) { a->mutable_last_calls(0)->Clear(); }, "last_calls[0]", Reason::kFieldRequired},
       {"a call whose country is not the port's", [](Arrival* a) { a->mutable_last_calls(0)->set_country("countries/KR"); },
        "last_calls[0].country", Reason::kFieldInvalid},
       {"a call that ends before it begins",
        [](Arrival* a) { *a->mutable_last_calls(0)->mutable_departure_time() = At(kArrival - 21 * kDay); }, "last_calls[0].departure_time",
        Reason::kFieldInvalid},
       {"calls in the wrong order", [](Arrival* a) { a->mutable_last_calls()->SwapElements(0, 1); }, "last_calls[1].departure_time",
        Reason::kFieldInvalid},
       {"a malformed facility", [](Arrival* a) { a->mutable_last_calls(0)->set_facility_number("JPYOK1"); },
        "last_calls[0].facility_number", Reason::kFieldInvalid}});
  ExpectAccepted<Arrival>(ArrivalType(), Notice(),
                          {{"no IMO number", [](Arrival* a) { a->clear_imo_number(); }},
                           {"no calls", [](Arrival* a) { a->clear_last_calls(); }},
                           {"ten calls", [](Arrival* a) {
                              while (a->last_calls_size() < 10) a->add_last_calls()->set_place("somewhere");
                            }}});
}

TEST(ArrivalTest, OnlyTheLastFiveCallsMakeACountryEligible) {
  World world;
  const RecordType type = ArrivalType();
  Arrival arrival = Notice();
  arrival.mutable_last_calls(0)->clear_country();
  type.complete(&arrival, nullptr, world, absl::UnixEpoch());
  EXPECT_EQ(arrival.last_calls(0).country(), "countries/JP");
  for (int i = 0; i < 3; ++i) arrival.add_last_calls()->set_country("countries/KR");
  arrival.add_last_calls()->set_country("countries/FR");  // the sixth
  EXPECT_THAT(ValuesOf(type, "last_country", arrival), ElementsAre("countries/JP", "countries/KR"));
  EXPECT_EQ(SortOf(type, "last_country", arrival), "2024-03-01");
  EXPECT_THAT(ValuesOf(type, "month", arrival), ElementsAre("2024-03"));
  EXPECT_THAT(type.contribute(arrival), ElementsAre(Contribution{"arrival/2024-03-01/1", 1}, Contribution{"last_port/2024-03-01/JP", 1},
                                                    Contribution{"last_port/2024-03-01/KR", 1}));
  arrival.clear_last_calls();
  EXPECT_THAT(type.contribute(arrival), ElementsAre(Contribution{"arrival/2024-03-01/0", 1}));
}

TEST(TrafficFigureTest, WhatIsAbsentIsNoZero) {
  TrafficFigure figure;
  figure.set_name("trafficFigures/eia-jp-198601-0a1b2c3d");
  figure.set_source_kind(v1::TRAFFIC_SOURCE_EIA_PETROLEUM);
  figure.set_country("countries/JP");
  figure.set_place("HOUSTON");
  figure.set_month("1986-01");
  figure.set_shipments(0);
  const RecordType type = TrafficFigureType();
  EXPECT_THAT(type.contribute(figure), ElementsAre(Contribution{"traffic_shipments/1/1986-01/JP", 0}));
  ExpectRefused<TrafficFigure>(
      type, figure,
      {{"neither number", [](TrafficFigure* f) { f->clear_shipments(); }, "shipments", Reason::kFieldRequired},
       {"a negative number", [](TrafficFigure* f) { f->set_shipments(-1); }, "shipments", Reason::kFieldInvalid},
       {"no month", [](TrafficFigure* f) { f->clear_month(); }, "month", Reason::kFieldRequired},
       {"a thirteenth month", [](TrafficFigure* f) { f->set_month("1986-13"); }, "month", Reason::kFieldInvalid},
       {"a malformed name", [](TrafficFigure* f) { f->set_name("trafficFigures/EIA"); }, "name", Reason::kFieldInvalid}});
}

TEST(ScheduleKPortTest, TheCodeIsThatOfTheName) {
  v1::ScheduleKPort port;
  port.set_name("scheduleKPorts/72142-2");
  port.set_code("72142");
  port.set_display_name("Ghazawet");
  ExpectRefused<v1::ScheduleKPort>(
      ScheduleKPortType(), port,
      {{"another code", [](v1::ScheduleKPort* p) { p->set_code("72143"); }, "code", Reason::kFieldInvalid},
       {"no name", [](v1::ScheduleKPort* p) { p->clear_display_name(); }, "display_name", Reason::kFieldRequired},
       {"unknown country", [](v1::ScheduleKPort* p) { p->set_country("countries/DZ"); }, "country", Reason::kReferenceNotFound}});
}

}  // namespace
}  // namespace fairlead::records
