#include "client/import/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "api/bytes.h"
#include "api/crypto.h"
#include "client/import/csv.h"

namespace fairlead::import {
namespace {

using fairlead::v1::ScheduleKPort;
using fairlead::v1::TrafficFigure;

constexpr size_t kTagBytes = 4;

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsAlpha2(std::string_view text) {
  return text.size() == 2 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// A whole number that is not negative; false when the text is none.
bool ParseNumber(std::string_view text, int32_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value >= 0;
}

}  // namespace

absl::StatusOr<Parsed<ScheduleKPort>> ParseScheduleK(std::string_view text) {
  CsvReader reader(text);
  CsvRow row;
  if (!reader.Next(&row)) return absl::InvalidArgumentError("the file is empty");
  const Header header(row.fields);
  const int code_column = header.Find({"schedule_k", "code"});
  const int name_column = header.Find({"port_name", "name"});
  const int country_column = header.Find({"schedule_k_country", "country"});
  const int iso_column = header.Find({"iso2", "alpha2"});
  if (code_column < 0 || name_column < 0) return absl::InvalidArgumentError("there is no column schedule_k or port_name");
  Parsed<ScheduleKPort> parsed;
  std::map<std::string, int> names;  // of each code
  std::map<std::pair<std::string, std::string>, int64_t> seen;
  while (reader.Next(&row)) {
    ++parsed.read;
    const std::string code = FieldAt(row, code_column);
    const std::string name = FieldAt(row, name_column);
    if (row.unterminated) {
      parsed.Refuse(row.line, code, kMalformed, "the file ends inside a quoted field");
    } else if (code.size() != 5 || !IsDigits(code)) {
      parsed.Refuse(row.line, code, kCodeInvalid, "schedule_k is not five digits");
    } else if (name.empty()) {
      parsed.Refuse(row.line, code, kNameMissing, "port_name is empty");
    } else if (const auto [first, fresh] = seen.emplace(std::pair(code, name), row.line); !fresh) {
      parsed.Refuse(row.line, code, kDuplicate, fmt::format("code and name of line {}", first->second));
    } else {
      ScheduleKPort port;
      port.set_name(fmt::format("scheduleKPorts/{}-{}", code, ++names[code]));
      port.set_code(code);
      port.set_display_name(name);
      port.set_schedule_country(FieldAt(row, country_column));
      if (const std::string iso = FieldAt(row, iso_column); IsAlpha2(iso)) port.set_country("countries/" + iso);
      parsed.rows.push_back({row.line, std::move(port)});
    }
  }
  return parsed;
}

absl::StatusOr<Parsed<TrafficFigure>> ParseEiaPetroleum(std::string_view text) {
  CsvReader reader(text);
  CsvRow row;
  if (!reader.Next(&row)) return absl::InvalidArgumentError("the file is empty");
  const Header header(row.fields);
  const int port_column = header.Find({"us_port"});
  const int month_column = header.Find({"yyyymm", "month"});
  const int country_column = header.Find({"origin_country"});
  const int iso_column = header.Find({"origin_iso2"});
  const int quantity_column = header.Find({"quantity_thousand_bbl"});
  const int shipments_column = header.Find({"shipments"});
  for (const auto& [column, name] :
       {std::pair(port_column, "us_port"), std::pair(month_column, "yyyymm"), std::pair(iso_column, "origin_iso2"),
        std::pair(quantity_column, "quantity_thousand_bbl"), std::pair(shipments_column, "shipments")}) {
    if (column < 0) return absl::InvalidArgumentError(fmt::format("there is no column {}", name));
  }
  Parsed<TrafficFigure> parsed;
  std::map<std::string, int64_t> seen;
  while (reader.Next(&row)) {
    ++parsed.read;
    const std::string place = FieldAt(row, port_column);
    const std::string month = FieldAt(row, month_column);
    const std::string iso = FieldAt(row, iso_column);
    const std::string key = fmt::format("{} {} {}", place, month, iso);
    if (row.unterminated) {
      parsed.Refuse(row.line, key, kMalformed, "the file ends inside a quoted field");
      continue;
    }
    if (!IsAlpha2(iso)) {
      parsed.Refuse(row.line, key, kCountryUnknown, "origin_iso2 is no two letters");
      continue;
    }
    if (month.size() != 6 || !IsDigits(month)) {
      parsed.Refuse(row.line, key, kMalformed, "yyyymm is not six digits");
      continue;
    }
    TrafficFigure figure;
    figure.set_source_kind(fairlead::v1::TRAFFIC_SOURCE_EIA_PETROLEUM);
    figure.set_country("countries/" + iso);
    figure.set_source_country(FieldAt(row, country_column));
    figure.set_place(place);
    figure.set_month(month.substr(0, 4) + "-" + month.substr(4));
    bool whole = true;
    const auto number = [&](int column) -> std::optional<int32_t> {
      const std::string typed = FieldAt(row, column);
      if (typed.empty()) return std::nullopt;
      int32_t value = 0;
      whole = whole && ParseNumber(typed, &value);
      return value;
    };
    if (const auto quantity = number(quantity_column)) figure.set_quantity_thousand_barrels(*quantity);
    if (const auto shipments = number(shipments_column)) figure.set_shipments(*shipments);
    if (!whole) {
      parsed.Refuse(row.line, key, kMalformed, "quantity_thousand_bbl or shipments is no whole number");
      continue;
    }
    const Digest digest = Sha256({place, "\x1f", figure.source_country()});
    std::string lower = iso;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    figure.set_name(fmt::format("trafficFigures/eia-{}-{}-{}", lower, month,
                                HexEncode(std::string_view(reinterpret_cast<const char*>(digest.data()), kTagBytes))));
    const auto [first, fresh] = seen.emplace(figure.name(), row.line);
    if (!fresh) {
      parsed.Refuse(row.line, key, kDuplicate, fmt::format("port, month and country of line {}", first->second));
      continue;
    }
    parsed.rows.push_back({row.line, std::move(figure)});
  }
  return parsed;
}

}  // namespace fairlead::import
