#include "client/import/arrivals.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <optional>

#include "api/bytes.h"
#include "api/crypto.h"
#include "client/import/csv.h"
#include "client/import/lines.h"
#include "fairlead/v1/priority_service.pb.h"

namespace fairlead::import {
namespace {

using fairlead::v1::Arrival;
using google::type::Date;

constexpr size_t kIdBytes = 13;
constexpr int kPageSize = 1000;
constexpr char kDateInvalid[] = "DATE_INVALID";

std::string IdOf(std::string_view layout, const Arrival& arrival) {
  std::string content = fmt::format("{}\x1f{}\x1f{}\x1f{}-{}-{}\x1f{}\x1f{}", layout, arrival.vessel_name(), arrival.imo_number(),
                                    arrival.arrival_date().year(), arrival.arrival_date().month(), arrival.arrival_date().day(),
                                    arrival.arrival_port(), arrival.arrival_place());
  for (const auto& call : arrival.last_calls()) content += "\x1f" + call.port() + "\x1f" + call.schedule_k() + "\x1f" + call.place();
  const Digest digest = Sha256(content);
  return "arrivals/" + HexEncode(std::string_view(reinterpret_cast<const char*>(digest.data()), kIdBytes));
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Spreadsheets write whole numbers as "48100.0".
std::string Code(std::string text) {
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

int Number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

// "01323" (mmydd, 23 January of a year that ends in 3); a leading zero may have been lost.
std::optional<Date> DateFrom(std::string text, int year) {
  if (text.size() == 4) text.insert(0, "0");
  if (text.size() != 5 || !IsDigits(text) || text[2] - '0' != year % 10) return std::nullopt;
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const int month = Number(text.substr(0, 2));
  const int day = Number(text.substr(3));
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (month < 1 || month > 12 || day < 1 || day > kDays[month - 1] + (leap && month == 2 ? 1 : 0)) return std::nullopt;
  Date date;
  date.set_year(year);
  date.set_month(month);
  date.set_day(day);
  return date;
}

}  // namespace

absl::StatusOr<Parsed<Arrival>> ParseEntrances(std::string_view text, int year, const ScheduleKTable& codes, const RegionTable& countries) {
  CsvReader reader(text);
  CsvRow row;
  if (!reader.Next(&row)) return absl::InvalidArgumentError("the file is empty");
  const Header header(row.fields);
  const int type = header.Find({"Typedoc", "Type_Doc"});
  const int date = header.Find({"ECDate", "EC_Date"});
  const int port = header.Find({"PORT_Name", "Port Name"});
  const int port_code = header.Find({"Port", "Port_Code"});
  const int vessel = header.Find({"Vessname", "Vessel_Name", "Vess Name"});
  const int flag = header.Find({"Flag"});
  const int foreign = header.Find({"Where_Schk", "Where Schedule K"});
  const int place = header.Find({"Where_Name"});
  const int where = header.Find({"Where_Ind"});
  const int imo = header.Find({"IMO", "IMO_Number"});
  for (const auto& [column, name] : {std::pair(type, "Typedoc"), std::pair(date, "ECDate"), std::pair(vessel, "Vessname"),
                                     std::pair(foreign, "Where_Schk"), std::pair(std::max(port, port_code), "PORT_Name")}) {
    if (column < 0) return absl::InvalidArgumentError(fmt::format("there is no column {}", name));
  }
  Parsed<Arrival> parsed;
  std::map<std::string, int64_t> seen;  // id to line
  while (reader.Next(&row)) {
    ++parsed.read;
    const std::string name = FieldAt(row, vessel);
    if (row.unterminated) {
      parsed.Refuse(row.line, name, kMalformed, "the file ends inside a quoted field");
      continue;
    }
    const std::string kind = Code(FieldAt(row, type));
    if (kind == "1") {
      ++parsed.skipped;  // a clearance
      continue;
    }
    if (kind != "0") {
      parsed.Refuse(row.line, name, kMalformed, fmt::format("Typedoc is \"{}\", neither 0 nor 1", kind));
      continue;
    }
    const std::optional<Date> day = DateFrom(Code(FieldAt(row, date)), year);
    if (!day) {
      parsed.Refuse(row.line, name, kDateInvalid, fmt::format("ECDate \"{}\" is no mmydd of {}", FieldAt(row, date), year));
      continue;
    }
    if (name.empty()) {
      parsed.Refuse(row.line, "", kNameMissing, "Vessname is empty");
      continue;
    }
    Arrival arrival;
    arrival.set_vessel_name(name);
    arrival.set_imo_number(Code(FieldAt(row, imo)));
    *arrival.mutable_arrival_date() = *day;
    arrival.set_arrival_place(port >= 0 && !FieldAt(row, port).empty() ? FieldAt(row, port) : Code(FieldAt(row, port_code)));
    if (const std::string code = FieldAt(row, flag); countries.contains(code)) arrival.set_flag("countries/" + code);
    arrival.set_source_kind(fairlead::v1::ARRIVAL_SOURCE_ENTRANCE);
    arrival.set_source("US Army Corps of Engineers, vessel entrances");
    const std::string code = Code(FieldAt(row, foreign));
    const bool domestic = FieldAt(row, where) == "D" || FieldAt(row, where) == "d";
    fairlead::v1::PortCall call;
    call.set_place(FieldAt(row, place));
    if (IsDigits(code) && code.size() == 5 && !domestic) {
      call.set_schedule_k(code);
      if (const auto known = codes.find(code); known != codes.end()) call.set_country(known->second);
      if (call.place().empty() && call.country().empty()) call.set_place("Schedule K " + code);
    } else if (domestic && countries.contains("US")) {
      call.set_country("countries/US");
    }
    if (!call.place().empty() || !call.country().empty()) *arrival.add_last_calls() = std::move(call);
    arrival.set_name(IdOf("entrance", arrival));
    const auto [first, fresh] = seen.emplace(arrival.name(), row.line);
    if (!fresh) {
      parsed.Refuse(row.line, name, kDuplicate, fmt::format("the same vessel, day, port and last port as line {}", first->second));
      continue;
    }
    parsed.rows.push_back({row.line, std::move(arrival)});
  }
  return parsed;
}

Parsed<Arrival> ParseNotices(std::string_view text) {
  Parsed<Arrival> parsed;
  std::map<std::string, int64_t> seen;
  EachLine(text, [&](int64_t number, const std::string& line) {
    ++parsed.read;
    Arrival arrival;
    if (const auto status = google::protobuf::util::JsonStringToMessage(line, &arrival); !status.ok()) {
      parsed.Refuse(number, "", kMalformed, status.ToString());
      return;
    }
    if (arrival.source_kind() == fairlead::v1::ARRIVAL_SOURCE_UNSPECIFIED) arrival.set_source_kind(fairlead::v1::ARRIVAL_SOURCE_NOTICE);
    if (arrival.name().empty()) arrival.set_name(IdOf("notice", arrival));
    const auto [first, fresh] = seen.emplace(arrival.name(), number);
    if (!fresh) {
      parsed.Refuse(number, arrival.vessel_name(), kDuplicate, fmt::format("the same arrival as line {}", first->second));
      return;
    }
    parsed.rows.push_back({number, std::move(arrival)});
  });
  return parsed;
}

absl::StatusOr<ScheduleKTable> ReadScheduleK(client::Client& client, std::stop_token stop) {
  ScheduleKTable table;
  fairlead::v1::ListScheduleKPortsRequest request;
  request.set_page_size(kPageSize);
  do {
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    const auto page = client.Call<fairlead::v1::ListScheduleKPortsResponse>("fairlead.v1.PriorityService.ListScheduleKPorts", request);
    if (!page.ok()) return page.status();
    for (const auto& port : page->schedule_k_ports()) {
      std::string& country = table[port.code()];
      if (country.empty()) country = port.country();
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return table;
}

}  // namespace fairlead::import
