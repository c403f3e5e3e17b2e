#include "client/import/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "client/import/csv.h"
#include "client/import/json.h"

namespace fairlead::import {
namespace {

using fairlead::v1::Port;

constexpr char kUnlocodeName[] = "UN/LOCODE";
constexpr char kWpiName[] = "NGA Pub. 150";
constexpr char kSeaPortsName[] = "sea-ports 0.0.9";

bool ParseDecimal(const std::string& text, double* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(*value);
}

bool InRange(double latitude, double longitude) { return std::abs(latitude) <= 90 && std::abs(longitude) <= 180; }

void SetPosition(Port* port, double latitude, double longitude) {
  // Published positions are given to a minute at worst and to six decimals at best; binary noise beyond that would only look like changes.
  const auto rounded = [](double degrees) { return std::round(degrees * 1e6) / 1e6; };
  port->mutable_position()->set_latitude(rounded(latitude));
  port->mutable_position()->set_longitude(rounded(longitude));
}

// Russia's Pacific ports are APAC's. They lie in these subdivisions, or, where none is given, east of 130° E and south of the Arctic coast.
bool IsPacificRussia(const Port& port) {
  if (port.country() != "countries/RU") return false;
  for (const char* subdivision : {"PRI", "KHA", "KAM", "MAG", "SAK"}) {
    if (port.subdivision() == subdivision) return true;
  }
  if (!port.has_position()) return false;
  const double longitude = port.position().longitude();
  return (longitude > 130 || longitude < 0) && port.position().latitude() < 67;
}

void SetRegion(Port* port) {
  if (IsPacificRussia(*port)) port->set_region_override(fairlead::v1::REGION_APAC);
}

// One candidate for a code; the one of the highest rank is kept, of equals the first.
struct Candidate {
  int64_t line;
  int rank;
  Port port;
};

// Keeps the best candidate of each code and refuses the others, in the order of the file.
class Candidates {
 public:
  void Add(const std::string& code, Candidate candidate) { all_.emplace_back(code, std::move(candidate)); }

  void Finish(Parsed<Port>* parsed) {
    std::map<std::string, size_t> best;
    for (size_t i = 0; i < all_.size(); ++i) {
      const auto [it, fresh] = best.emplace(all_[i].first, i);
      if (!fresh && all_[i].second.rank > all_[it->second].second.rank) it->second = i;
    }
    for (size_t i = 0; i < all_.size(); ++i) {
      auto& [code, candidate] = all_[i];
      const size_t kept = best.at(code);
      if (kept == i) {
        parsed->rows.push_back({candidate.line, std::move(candidate.port)});
      } else {
        parsed->Refuse(candidate.line, code, kDuplicate, fmt::format("duplicate of line {}", all_[kept].second.line));
      }
    }
    std::stable_sort(parsed->refusals.begin(), parsed->refusals.end(), [](const Refusal& a, const Refusal& b) { return a.line < b.line; });
  }

 private:
  std::vector<std::pair<std::string, Candidate>> all_;
};

bool IsFunction(const std::string& text) {
  return text.size() == 8 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '-' || c == 'B'; });
}

std::string WithoutSpaces(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  return text;
}

// Where each column is; -1 for none.
struct UnlocodeColumns {
  int change = 0;
  int country = 1;
  int location = 2;
  int name = 3;
  int plain_name = 4;
  int subdivision = 5;
  int function = 6;
  int status = 7;
  int coordinates = 10;
  int latitude = -1;
  int longitude = -1;
};

// A code of the list that some authority approved (status indicators of the UN/LOCODE manual).
bool IsApproved(const std::string& status) {
  return status == "AA" || status == "AC" || status == "AF" || status == "AI" || status == "AM" || status == "AQ" || status == "AS";
}

}  // namespace

bool IsLocode(std::string_view code) {
  if (code.size() != 5 || !IsAlpha2(code.substr(0, 2))) return false;
  return std::all_of(code.begin() + 2, code.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '9'); });
}

bool ParseDegreesMinutes(std::string_view text, double* latitude, double* longitude) {
  if (text.size() != 12 || text[5] != ' ') return false;
  for (const size_t i : {0, 1, 2, 3, 6, 7, 8, 9, 10}) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  const auto number = [text](size_t at, size_t digits) {
    int value = 0;
    for (size_t i = at; i < at + digits; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  if ((text[4] != 'N' && text[4] != 'S') || (text[11] != 'E' && text[11] != 'W')) return false;
  if (number(2, 2) >= 60 || number(9, 2) >= 60) return false;
  *latitude = (number(0, 2) + number(2, 2) / 60.0) * (text[4] == 'S' ? -1 : 1);
  *longitude = (number(6, 3) + number(9, 2) / 60.0) * (text[11] == 'W' ? -1 : 1);
  return InRange(*latitude, *longitude);
}

fairlead::v1::Region RegionOf(const Port& port, const RegionTable& regions) {
  if (port.region_override() != fairlead::v1::REGION_UNSPECIFIED) return port.region_override();
  const auto it = regions.find(port.name().substr(std::string("ports/").size(), 2));
  return it == regions.end() ? fairlead::v1::REGION_UNSPECIFIED : it->second.region;
}

absl::StatusOr<Parsed<Port>> ParseUnlocode(std::string_view text, const RegionTable& regions) {
  CsvReader reader(text);
  CsvRow row;
  if (!reader.Next(&row)) return absl::InvalidArgumentError("the file is empty");
  UnlocodeColumns columns;
  bool pending = true;  // `row` is data, not a header
  const Header header(row.fields);
  if (header.Find({"country", "countrycode"}) >= 0) {
    pending = false;
    columns.change = header.Find({"change", "ch"});
    columns.country = header.Find({"country", "countrycode"});
    columns.location = header.Find({"location", "code"});
    columns.name = header.Find({"name"});
    columns.plain_name = header.Find({"nameWoDiacritics", "nameAscii"});
    columns.subdivision = header.Find({"subdivision", "subdiv"});
    columns.function = header.Find({"function"});
    columns.status = header.Find({"status"});
    columns.coordinates = header.Find({"coordinates"});
    columns.latitude = header.Find({"lat", "latitude"});
    columns.longitude = header.Find({"lon", "lng", "longitude"});
    if (columns.location < 0 || columns.name < 0 || columns.function < 0) {
      return absl::InvalidArgumentError("the header has no columns location, name and function");
    }
  } else if (row.fields.size() < 11) {
    return absl::InvalidArgumentError("neither a UN/LOCODE code list (12 columns) nor a file with a header line");
  }

  Parsed<Port> parsed;
  Candidates candidates;
  for (; pending || reader.Next(&row); pending = false) {
    ++parsed.read;
    std::string function = FieldAt(row, columns.function);
    std::string status = FieldAt(row, columns.status);
    // Editions differ in the order of these two.
    if (!IsFunction(function) && IsFunction(status)) std::swap(function, status);
    const std::string country = FieldAt(row, columns.country);
    const std::string location = FieldAt(row, columns.location);
    const std::string code = country + location;
    if (row.unterminated) {
      parsed.Refuse(row.line, code, kMalformed, "the file ends inside a quoted field");
      continue;
    }
    if (location.empty() || function.find('1') == std::string::npos) {
      ++parsed.skipped;
      continue;
    }
    if (!IsLocode(code)) {
      parsed.Refuse(row.line, code, kCodeInvalid, "not a UN/LOCODE: two letters, then three letters or digits 2 to 9");
      continue;
    }
    if (!regions.contains(country)) {
      parsed.Refuse(row.line, code, kCountryUnknown, fmt::format("there is no country {}", country));
      continue;
    }
    if (FieldAt(row, columns.change) == "X" || status == "XX") {
      parsed.Refuse(row.line, code, kRemoved, "UNECE will remove this code from the next issue");
      continue;
    }
    std::string name = FieldAt(row, columns.name);
    // A replacement character: the letter was lost before publication.
    if (name.empty() || name.find("\xef\xbf\xbd") != std::string::npos) name = FieldAt(row, columns.plain_name);
    if (name.empty()) {
      parsed.Refuse(row.line, code, kNameMissing, "no name");
      continue;
    }
    Port port;
    port.set_name("ports/" + code);
    port.set_marking(fairlead::v1::MARKING_PUBLIC);
    port.set_display_name(name);
    port.set_country("countries/" + country);
    port.set_subdivision(FieldAt(row, columns.subdivision));
    port.set_source(kUnlocodeName);
    const std::string latitude_text = FieldAt(row, columns.latitude);
    const std::string longitude_text = FieldAt(row, columns.longitude);
    const std::string coordinates = FieldAt(row, columns.coordinates);
    double latitude = 0;
    double longitude = 0;
    bool good = true;
    if (!latitude_text.empty() || !longitude_text.empty()) {
      good = ParseDecimal(latitude_text, &latitude) && ParseDecimal(longitude_text, &longitude) && InRange(latitude, longitude);
      if (good) SetPosition(&port, latitude, longitude);
    } else if (!coordinates.empty()) {
      good = ParseDegreesMinutes(coordinates, &latitude, &longitude);
      if (good) SetPosition(&port, latitude, longitude);
    }
    if (!good) {
      parsed.Refuse(row.line, code, kCoordinatesInvalid,
                    fmt::format("not a position: {}", coordinates.empty() ? latitude_text + ", " + longitude_text : coordinates));
      continue;
    }
    SetRegion(&port);
    const int rank = (IsApproved(status) ? 2 : 0) + (port.has_position() ? 1 : 0);
    candidates.Add(code, {row.line, rank, std::move(port)});
  }
  candidates.Finish(&parsed);
  return parsed;
}

absl::StatusOr<Parsed<Port>> ParseWorldPortIndex(std::string_view text, const RegionTable& regions) {
  CsvReader reader(text);
  CsvRow row;
  if (!reader.Next(&row)) return absl::InvalidArgumentError("the file is empty");
  const Header header(row.fields);
  const int number = header.Find({"World Port Index Number", "INDEX_NO"});
  const int name = header.Find({"Main Port Name", "PORT_NAME"});
  const int locode = header.Find({"UN/LOCODE"});
  const int size = header.Find({"Harbor Size", "HARBORSIZE"});
  const int latitude_column = header.Find({"Latitude"});
  const int longitude_column = header.Find({"Longitude"});
  if (number < 0 || name < 0 || locode < 0 || latitude_column < 0 || longitude_column < 0) {
    return absl::InvalidArgumentError("not the World Port Index: a column is missing (number, name, UN/LOCODE, latitude or longitude)");
  }
  Parsed<Port> parsed;
  Candidates candidates;
  while (reader.Next(&row)) {
    ++parsed.read;
    const std::string code = WithoutSpaces(FieldAt(row, locode));
    const std::string number_text = FieldAt(row, number);
    if (row.unterminated) {
      parsed.Refuse(row.line, code, kMalformed, "the file ends inside a quoted field");
      continue;
    }
    if (code.empty()) {
      parsed.Refuse(row.line, "", kCodeMissing, fmt::format("{} (number {}) has no UN/LOCODE", FieldAt(row, name), number_text));
      continue;
    }
    if (!IsLocode(code)) {
      parsed.Refuse(row.line, code, kCodeInvalid, "not a UN/LOCODE: two letters, then three letters or digits 2 to 9");
      continue;
    }
    if (!regions.contains(code.substr(0, 2))) {
      parsed.Refuse(row.line, code, kCountryUnknown, fmt::format("there is no country {}", code.substr(0, 2)));
      continue;
    }
    // "7950" in the newer files, "7950.0" in some.
    double index = 0;
    if (!ParseDecimal(number_text, &index) || index < 1 || index > 999999 || index != std::floor(index)) {
      parsed.Refuse(row.line, code, kMalformed, fmt::format("not a World Port Index number: {}", number_text));
      continue;
    }
    if (FieldAt(row, name).empty()) {
      parsed.Refuse(row.line, code, kNameMissing, "no name");
      continue;
    }
    double latitude = 0;
    double longitude = 0;
    if (!ParseDecimal(FieldAt(row, latitude_column), &latitude) || !ParseDecimal(FieldAt(row, longitude_column), &longitude) ||
        !InRange(latitude, longitude)) {
      parsed.Refuse(row.line, code, kCoordinatesInvalid,
                    fmt::format("not a position: {}, {}", FieldAt(row, latitude_column), FieldAt(row, longitude_column)));
      continue;
    }
    Port port;
    port.set_name("ports/" + code);
    port.set_marking(fairlead::v1::MARKING_PUBLIC);
    port.set_display_name(FieldAt(row, name));
    port.set_country("countries/" + code.substr(0, 2));
    port.set_source(kWpiName);
    port.set_wpi_number(static_cast<uint32_t>(index));
    port.set_harbor_size(FieldAt(row, size));
    SetPosition(&port, latitude, longitude);
    SetRegion(&port);
    int rank = 0;
    for (const char* harbour : {"Very Small", "Small", "Medium", "Large"}) {
      ++rank;
      if (port.harbor_size() == harbour) break;
    }
    if (port.harbor_size().empty()) rank = 0;
    candidates.Add(code, {row.line, rank, std::move(port)});
  }
  candidates.Finish(&parsed);
  return parsed;
}

absl::StatusOr<Parsed<Port>> ParseSeaPorts(std::string_view text, const RegionTable& regions) {
  const nlohmann::ordered_json json = ParseJson<nlohmann::ordered_json>(text);
  if (!json.is_object()) return absl::InvalidArgumentError("not the JSON object of sea-ports");
  const auto text_of = [](const nlohmann::ordered_json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? Trim(it->get_ref<const std::string&>()) : "";
  };
  Parsed<Port> parsed;
  for (const auto& [code, entry] : json.items()) {
    const int64_t line = ++parsed.read;
    if (!entry.is_object()) {
      parsed.Refuse(line, code, kMalformed, "not an object");
      continue;
    }
    if (!IsLocode(code)) {
      parsed.Refuse(line, code, kCodeInvalid, "not a UN/LOCODE: two letters, then three letters or digits 2 to 9");
      continue;
    }
    if (!regions.contains(code.substr(0, 2))) {
      parsed.Refuse(line, code, kCountryUnknown, fmt::format("there is no country {}", code.substr(0, 2)));
      continue;
    }
    if (text_of(entry, "name").empty()) {
      parsed.Refuse(line, code, kNameMissing, "no name");
      continue;
    }
    Port port;
    port.set_name("ports/" + code);
    port.set_marking(fairlead::v1::MARKING_PUBLIC);
    port.set_display_name(text_of(entry, "name"));
    port.set_country("countries/" + code.substr(0, 2));
    port.set_source(kSeaPortsName);
    if (const auto it = entry.find("coordinates"); it != entry.end()) {
      const bool pair = it->is_array() && it->size() == 2 && (*it)[0].is_number() && (*it)[1].is_number();
      if (!pair || !InRange((*it)[1].get<double>(), (*it)[0].get<double>())) {
        parsed.Refuse(line, code, kCoordinatesInvalid, "not a position: " + it->dump());
        continue;
      }
      SetPosition(&port, (*it)[1].get<double>(), (*it)[0].get<double>());
    }
    // Schedule K codes have five digits; the four-digit ones here are United States and Canadian ports of other schedules.
    const std::string schedule_k = text_of(entry, "code");
    if (schedule_k.size() == 5 && std::all_of(schedule_k.begin(), schedule_k.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      port.add_schedule_k(schedule_k);
    }
    SetRegion(&port);
    parsed.rows.push_back({line, std::move(port)});
  }
  return parsed;
}

Port Combine(const Port& row, PortSource source, const Port* existing) {
  if (existing == nullptr) return row;
  const bool names = source == PortSource::kUnlocode;
  const bool places = source == PortSource::kWorldPortIndex;
  Port port;
  port.set_name(row.name());
  if (names || existing->display_name().empty()) port.set_display_name(row.display_name());
  if (names || existing->source().empty()) port.set_source(row.source());
  if (names || existing->subdivision().empty()) port.set_subdivision(row.subdivision());
  if (existing->country().empty()) port.set_country(row.country());
  // Between UN/LOCODE (to a minute) and sea-ports, whichever came first stays; the World Port Index is preferred to both.
  if (row.has_position() && (places || !existing->has_position())) *port.mutable_position() = row.position();
  port.set_wpi_number(row.wpi_number());
  port.set_harbor_size(row.harbor_size());
  if (!row.schedule_k().empty()) {
    // Importing a set replaces it, so what is there goes along.
    *port.mutable_schedule_k() = existing->schedule_k();
    for (const std::string& code : row.schedule_k()) {
      if (std::find(port.schedule_k().begin(), port.schedule_k().end(), code) == port.schedule_k().end()) port.add_schedule_k(code);
    }
  }
  if (existing->region_override() == fairlead::v1::REGION_UNSPECIFIED) port.set_region_override(row.region_override());
  return port;
}

}  // namespace fairlead::import
