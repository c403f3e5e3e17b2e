// Arrivals of vessels and their last calls.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "fairlead/v1/arrival.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

constexpr int kCallsMax = 10;          // SOLAS XI-2/9.2.1: the last ten calls
constexpr int kCallsThatCountMax = 5;  // of departure, for visits and conditions of entry

void ValidateCall(const v1::PortCall& call, const std::string& path, Checks* checks) {
  checks->Reference(path + ".port", call.port(), kPorts, Need::kOptional);
  checks->Reference(path + ".country", call.country(), kCountries, Need::kOptional);
  if (!call.port().empty() && !call.country().empty() && figures::IdOf(call.port()).substr(0, 2) != figures::IdOf(call.country())) {
    checks->Fail(Reason::kFieldInvalid, path + ".country", "must be that of the port");
  }
  if (call.port().empty() && call.country().empty() && call.place().empty()) {
    checks->Fail(Reason::kFieldRequired, path, "a call names a port, a country or a place");
  }
  checks->Code(path + ".facility_number", call.facility_number(), IsFacilityNumber, "an IMO port facility number, such as CMDLA-0002");
  checks->Code(path + ".schedule_k", call.schedule_k(), IsScheduleK, "five digits (Schedule K)");
  checks->Line(path + ".place", call.place(), Need::kOptional, kShortCharsMax);
  checks->Prose(path + ".special_measures", call.special_measures(), Need::kOptional, kReasonCharsMax);
  if (call.has_arrival_time() && call.has_departure_time() && call.departure_time().seconds() < call.arrival_time().seconds()) {
    checks->Fail(Reason::kFieldInvalid, path + ".departure_time", "is before arrival_time");
  }
  std::set<int> seen;
  for (const int measure : call.measures()) {
    if (!seen.insert(measure).second) checks->Fail(Reason::kFieldInvalid, path + ".measures", "holds a measure twice");
  }
}

void Validate(const v1::Arrival& arrival, Checks* checks) {
  checks->Line("vessel_name", arrival.vessel_name(), Need::kRequired, kShortCharsMax);
  checks->Code(
      "imo_number", arrival.imo_number(), IsImoNumber,
      "an IMO ship number: seven digits, the last of which is the last digit of the sum of the first six times 7, 6, 5, 4, 3 and 2 "
      "(IMO resolution A.1117(30))");
  checks->Reference("flag", arrival.flag(), kCountries, Need::kOptional);
  checks->Reference("arrival_port", arrival.arrival_port(), kPorts, Need::kOptional);
  checks->Reference("arrival_facility", arrival.arrival_facility(), kPortFacilities, Need::kOptional);
  checks->Line("arrival_place", arrival.arrival_place(), Need::kOptional, kShortCharsMax);
  if (arrival.arrival_port().empty() && arrival.arrival_place().empty()) {
    checks->Fail(Reason::kFieldRequired, "arrival_port", "is required, or arrival_place");
  }
  if (!arrival.has_arrival_date()) {
    checks->Fail(Reason::kFieldRequired, "arrival_date", "is required");
  } else if (!IsWholeDate(arrival.arrival_date())) {
    checks->Fail(Reason::kFieldInvalid, "arrival_date", "must be a day, with year and month");
  } else if (arrival.has_arrival_time()) {
    // The day may be that of the port's own clock: at most one off.
    const int64_t off = DayOf(arrival.arrival_time()) - EarliestDay(arrival.arrival_date());
    if (off < -1 || off > 1) checks->Fail(Reason::kFieldInvalid, "arrival_time", "is not of arrival_date");
  }
  checks->NotZero("source_kind", arrival.source_kind(), "is required: where the arrival is known from");
  checks->Prose("source", arrival.source(), Need::kOptional, kSourceCharsMax);
  if (arrival.last_calls_size() > kCallsMax) {
    checks->Fail(Reason::kFieldTooLarge, "last_calls",
                 fmt::format("has {} elements; at most {} are allowed", arrival.last_calls_size(), kCallsMax));
  }
  const google::protobuf::Timestamp* after = nullptr;  // the call after, which was made later
  for (int i = 0; i < arrival.last_calls_size(); ++i) {
    const v1::PortCall& call = arrival.last_calls(i);
    const std::string path = fmt::format("last_calls[{}]", i);
    ValidateCall(call, path, checks);
    const google::protobuf::Timestamp* left = call.has_departure_time() ? &call.departure_time() : nullptr;
    if (left != nullptr && after != nullptr && left->seconds() > after->seconds()) {
      checks->Fail(Reason::kFieldInvalid, path + ".departure_time",
                   "is after the call before it in the list: the most recent call comes first");
    }
    if (call.has_arrival_time()) after = &call.arrival_time();
  }
}

// The countries of the last five calls, each once.
std::set<std::string> LastCountries(const v1::Arrival& arrival) {
  std::set<std::string> countries;
  for (int i = 0; i < std::min(kCallsThatCountMax, arrival.last_calls_size()); ++i) {
    const v1::PortCall& call = arrival.last_calls(i);
    if (!call.country().empty()) {
      countries.insert(call.country());
    } else if (!call.port().empty()) {
      countries.insert(fmt::format("{}/{}", kCountries.name, figures::IdOf(call.port()).substr(0, 2)));
    }
  }
  return countries;
}

std::vector<Contribution> Contribute(const v1::Arrival& arrival) {
  const std::set<std::string> countries = LastCountries(arrival);
  std::vector<Contribution> out = {{figures::Arrival(DateText(arrival.arrival_date()), !countries.empty()), 1}};
  for (const std::string& country : countries) out.push_back({figures::LastPort(DateText(arrival.arrival_date()), country), 1});
  return out;
}

}  // namespace

RecordType ArrivalType() {
  using Arrival = v1::Arrival;
  RecordType type;
  type.number = 32;
  type.prototype = &Arrival::default_instance();
  type.pattern = "arrivals/{arrival}";
  type.validate = ValidateWith<Arrival>(Validate);
  // A call's country follows from its port.
  type.complete = CompleteWith<Arrival>([](Arrival* next, const Arrival*, const RecordReader&, absl::Time) {
    for (v1::PortCall& call : *next->mutable_last_calls()) {
      const std::string_view locode = figures::IdOf(call.port());
      if (call.country().empty() && IsLocode(locode)) call.set_country(fmt::format("{}/{}", kCountries.name, locode.substr(0, 2)));
    }
  });
  auto sort = On<Arrival>([](const Arrival& a) { return DateText(a.arrival_date()); });
  type.indexes = {
      {.number = kArrivalsByLastCountry,
       .filter = "last_country",
       .values = On<Arrival>([](const Arrival& a) {
         const std::set<std::string> countries = LastCountries(a);
         return Values(countries.begin(), countries.end());
       }),
       .sort = sort},
      {.number = 321,
       .filter = "imo_number",
       .values = On<Arrival>([](const Arrival& a) { return a.imo_number().empty() ? Values{} : Values{a.imo_number()}; }),
       .sort = sort},
      {.number = 322,
       .filter = "month",
       .values = On<Arrival>([](const Arrival& a) { return Values{DateText(a.arrival_date()).substr(0, 7)}; }),
       .sort = sort},
  };
  type.contribute = On<Arrival>(Contribute);
  return type;
}

}  // namespace fairlead::records
