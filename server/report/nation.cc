#include "server/report/nation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "server/exchange/disclosure.h"
#include "server/records/dates.h"
#include "server/records/days.h"
#include "server/records/figures.h"

namespace fairlead::report {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string CellOf(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  if (field->is_repeated()) {
    std::vector<std::string> parts;
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) parts.push_back(reflection->GetRepeatedString(message, field, i));
    return Joined(parts);
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return !reflection->HasField(message, field) ? "" : reflection->GetBool(message, field) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (!reflection->HasField(message, field)) return "";
      const Message& inner = reflection->GetMessage(message, field);
      if (const auto* date = google::protobuf::DynamicCastToGenerated<const google::type::Date>(&inner)) return records::DateText(*date);
      if (const auto* place = google::protobuf::DynamicCastToGenerated<const google::type::LatLng>(&inner)) {
        return fmt::format("{:.5f}, {:.5f}", place->latitude(), place->longitude());
      }
      return "";
    }
    default:
      return reflection->GetString(message, field);
  }
}

// "display name" of display_name.
std::string ColumnOf(const FieldDescriptor* field) {
  std::string name = field->name();
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

v1::Marking MarkingOf(const std::string& text) {
  v1::Marking marking = v1::MARKING_UNSPECIFIED;
  return v1::Marking_Parse("MARKING_" + text, &marking) ? marking : v1::MARKING_OFFICIAL;
}

}  // namespace

absl::StatusOr<Content> NationReport(const node::Node& node, const storage::View& view, const exchange::Pseudonyms& pseudonyms,
                                     const Period& period, const std::string& nation, absl::Duration staleness_bound) {
  const absl::StatusOr<exchange::Disclosure> disclosure = exchange::Disclosure::Open(node, view, pseudonyms, nation);
  if (!disclosure.ok()) return disclosure.status();
  Content content;
  content.marking = v1::MARKING_PUBLIC;
  std::map<int, Table> tables;  // by the number of the content's field
  int64_t in_period = 0;
  int64_t all = 0;
  for (std::string after;;) {
    const absl::StatusOr<std::optional<std::string>> subject = disclosure->Next(after);
    if (!subject.ok()) return subject.status();
    if (!subject->has_value()) break;
    after = **subject;
    const absl::StatusOr<std::optional<v1::ReleasedRecord>> record = disclosure->Read(after);
    if (!record.ok()) return record.status();
    if (!record->has_value()) continue;
    const v1::ReleasedRecord& released = **record;
    const FieldDescriptor* kind =
        released.GetReflection()->GetOneofFieldDescriptor(released, released.GetDescriptor()->FindOneofByName("content"));
    if (kind == nullptr) continue;
    const absl::CivilDay day = records::DayOf(released.release_time());
    ++all;
    in_period += period.days.first <= day && day <= period.days.last;
    content.marking = std::max(content.marking, MarkingOf(released.marking()));
    Table& table = tables[kind->number()];
    std::vector<std::string> row = {released.name(), records::DayText(day)};
    const Message& body = released.GetReflection()->GetMessage(released, kind);
    table.title = "Released: " + ColumnOf(kind);
    table.columns = {"record", "released"};
    for (int i = 0; i < body.GetDescriptor()->field_count(); ++i) {
      table.columns.push_back(ColumnOf(body.GetDescriptor()->field(i)));
      row.push_back(CellOf(body, body.GetDescriptor()->field(i)));
    }
    table.columns.emplace_back("for");
    table.columns.emplace_back("keep until");
    row.push_back(Joined({released.purposes().begin(), released.purposes().end()}));
    row.push_back(released.has_retention_date() ? records::DateText(released.retention_date()) : "");
    table.rows.push_back(std::move(row));
  }
  Document& document = content.document;
  document.title = fmt::format("International Port Security Program: report {} for {}", period.text, records::figures::IdOf(nation));
  document.banner = MarkingText(content.marking);
  document.facts = {{"Period", fmt::format("{} to {}", records::DayText(period.days.first), records::DayText(period.days.last))},
                    {"Released to the nation now", std::to_string(all)},
                    {"Of those, released in the period", std::to_string(in_period)}};
  document.tables.push_back(SitesTable(node, staleness_bound));
  for (auto& [number, table] : tables) {
    std::sort(table.rows.begin(), table.rows.end());
    document.tables.push_back(std::move(table));
  }
  return content;
}

}  // namespace fairlead::report
