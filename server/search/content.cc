#include "server/search/content.h"

#include <fmt/format.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "fairlead/v1/options.pb.h"
#include "server/records/dates.h"
#include "server/records/days.h"

namespace fairlead::search {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

constexpr size_t kTitleBytes = 100;  // of a title that is the beginning of a text
constexpr std::string_view kCountries = "countries/";
constexpr std::string_view kUnspecified = "UNSPECIFIED";

v1::SearchUse UseOf(const FieldDescriptor& field) { return field.options().GetExtension(v1::search); }

bool IsDay(const Descriptor* type) { return type == google::type::Date::descriptor() || type == google::protobuf::Timestamp::descriptor(); }

// Every field of the message and of those in it that has a use. (No message of the API holds itself.)
void ForEachUse(const Descriptor& message, const std::string& path,
                const std::function<void(const std::string& path, const FieldDescriptor&, v1::SearchUse)>& visit) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string at = path + field.name();
    if (const v1::SearchUse use = UseOf(field); use != v1::SEARCH_USE_UNSPECIFIED) {
      visit(at, field, use);
    } else if (field.message_type() != nullptr && field.message_type()->file()->package() == message.file()->package()) {
      ForEachUse(*field.message_type(), at + ".", visit);
    }
  }
}

// The beginning of `text`, cut after a word.
std::string Beginning(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  if (line.size() <= kTitleBytes) return line;
  size_t end = line.rfind(' ', kTitleBytes);
  if (end == std::string::npos || end == 0) {
    end = kTitleBytes;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;  // within a character
  }
  return line.substr(0, end) + "…";
}

// The days that a field gives; false when it gives none.
bool DaysIn(const Message& day, google::type::Date* date, absl::CivilDay* first, absl::CivilDay* last) {
  if (day.GetDescriptor() == google::protobuf::Timestamp::descriptor()) {
    *first = *last = records::DayOf(static_cast<const google::protobuf::Timestamp&>(day));
    *date = records::DateOf(*first);
    return true;
  }
  const auto& known = static_cast<const google::type::Date&>(day);
  if (!records::IsDate(known)) return false;
  *date = known;
  *first = records::EarliestDay(known);
  *last = records::LatestDay(known);
  return true;
}

// Reads a message's fields into a Content.
class Gatherer {
 public:
  explicit Gatherer(Content* content) : content_(*content) {}

  void Gather(const Message& message) {
    const Descriptor& type = *message.GetDescriptor();
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const v1::SearchUse use = UseOf(field);
      const int n = field.is_repeated() ? reflection.FieldSize(message, &field) : reflection.HasField(message, &field);
      for (int at = 0; at < n; ++at) {
        switch (field.cpp_type()) {
          case FieldDescriptor::CPPTYPE_STRING:
            if (use != v1::SEARCH_USE_UNSPECIFIED) Text(use, StringAt(message, field, at));
            break;
          case FieldDescriptor::CPPTYPE_ENUM:
            if (use != v1::SEARCH_USE_UNSPECIFIED) Enum(use, EnumAt(message, field, at));
            break;
          case FieldDescriptor::CPPTYPE_MESSAGE:
            Inner(use, field,
                  field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, at) : reflection.GetMessage(message, &field));
            break;
          default:
            break;
        }
      }
    }
  }

  bool has_day() const { return has_day_; }
  // Puts what the days that were found come to into the content.
  void Conclude() {
    if (!has_day_) return;
    content_.last = has_end_ ? std::max(last_of_end_, content_.first) : last_of_start_;
  }

 private:
  static std::string StringAt(const Message& message, const FieldDescriptor& field, int at) {
    const Reflection& reflection = *message.GetReflection();
    return field.is_repeated() ? reflection.GetRepeatedString(message, &field, at) : reflection.GetString(message, &field);
  }
  static const EnumValueDescriptor& EnumAt(const Message& message, const FieldDescriptor& field, int at) {
    const Reflection& reflection = *message.GetReflection();
    return field.is_repeated() ? *reflection.GetRepeatedEnum(message, &field, at) : *reflection.GetEnum(message, &field);
  }

  void Text(v1::SearchUse use, std::string text) {
    if (text.empty()) return;
    if (use == v1::SEARCH_USE_TITLE)
      content_.titles.push_back(std::move(text));
    else if (use == v1::SEARCH_USE_TEXT)
      content_.texts.push_back(std::move(text));
    else if (use == v1::SEARCH_USE_COUNTRY)
      content_.countries.insert(std::move(text));
  }

  void Enum(v1::SearchUse use, const EnumValueDescriptor& value) {
    if (value.number() == 0) return;
    if (use == v1::SEARCH_USE_REGION)
      content_.regions.insert(value.number());
    else if (use == v1::SEARCH_USE_KIND)
      content_.kind = ShortName(value);
  }

  void Inner(v1::SearchUse use, const FieldDescriptor& field, const Message& message) {
    if (!IsDay(field.message_type())) return Gather(message);
    google::type::Date date;
    absl::CivilDay first, last;
    if (use == v1::SEARCH_USE_UNSPECIFIED || !DaysIn(message, &date, &first, &last)) return;
    if (use == v1::SEARCH_USE_FIRST_DAY) {
      has_day_ = true;
      content_.date = date;
      content_.first = first;
      last_of_start_ = last;
    } else if (use == v1::SEARCH_USE_LAST_DAY) {
      has_end_ = true;
      last_of_end_ = last;
    }
  }

  Content& content_;
  bool has_day_ = false, has_end_ = false;
  absl::CivilDay last_of_start_, last_of_end_;
};

std::set<std::string> ValuesOf(const FieldDescriptor* field) {
  std::set<std::string> values;
  if (field == nullptr || field->enum_type() == nullptr) return values;
  for (int i = 0; i < field->enum_type()->value_count(); ++i) {
    if (field->enum_type()->value(i)->number() != 0) values.insert(ShortName(*field->enum_type()->value(i)));
  }
  return values;
}

}  // namespace

bool IsSearchable(const records::RecordType& type) {
  bool found = false;
  ForEachUse(*type.prototype->GetDescriptor(), "", [&found](const std::string&, const FieldDescriptor&, v1::SearchUse use) {
    found = found || use == v1::SEARCH_USE_TITLE || use == v1::SEARCH_USE_TEXT;
  });
  return found;
}

bool IsWithdrawn(const Message& record) {
  return record.GetReflection()->GetBool(record, record.GetDescriptor()->FindFieldByName("withdrawn"));
}

Content ContentOf(const records::RecordType& type, const Message& record) {
  Content content;
  Gatherer gatherer(&content);
  gatherer.Gather(record);
  const Descriptor& descriptor = *record.GetDescriptor();
  const Reflection& reflection = *record.GetReflection();
  if (!gatherer.has_day()) {
    const auto& created = reflection.GetMessage(record, descriptor.FindFieldByName("create_time"));
    DaysIn(created, &content.date, &content.first, &content.last);
  }
  gatherer.Conclude();
  if (const FieldDescriptor* state = descriptor.FindFieldByName(type.state_field); state != nullptr) {
    if (const EnumValueDescriptor* value = reflection.GetEnum(record, state); value->number() != 0) content.state = ShortName(*value);
  }
  const std::string name = reflection.GetString(record, descriptor.FindFieldByName("name"));
  if (name.starts_with(kCountries)) content.countries.insert(name.substr(0, name.find('/', kCountries.size())));
  if (!content.titles.empty()) {
    content.title = content.titles.front();
  } else if (!content.texts.empty()) {
    content.title = Beginning(content.texts.front());
  }
  // Who knows a port looks for its code.
  if (type.check_id) content.texts.push_back(name.substr(name.rfind('/') + 1));
  return content;
}

std::string ShortName(const EnumValueDescriptor& value) {
  std::string_view prefix = value.type()->value(0)->name();
  if (prefix.ends_with(kUnspecified)) prefix.remove_suffix(kUnspecified.size());
  return value.name().starts_with(prefix) ? value.name().substr(prefix.size()) : value.name();
}

std::set<std::string> StatesOf(const records::RecordType& type) {
  return ValuesOf(type.prototype->GetDescriptor()->FindFieldByName(type.state_field));
}

std::set<std::string> KindsOf(const records::RecordType& type) {
  std::set<std::string> kinds;
  ForEachUse(*type.prototype->GetDescriptor(), "", [&kinds](const std::string&, const FieldDescriptor& field, v1::SearchUse use) {
    if (use == v1::SEARCH_USE_KIND) kinds.merge(ValuesOf(&field));
  });
  return kinds;
}

std::string UsesOf(const records::Registry& registry) {
  std::string uses;
  for (const records::RecordType& type : registry.types()) {
    ForEachUse(*type.prototype->GetDescriptor(), type.collection() + ".",
               [&uses](const std::string& path, const FieldDescriptor&, v1::SearchUse use) {
                 uses += fmt::format("{} {}\n", path, static_cast<int>(use));
               });
  }
  return uses;
}

}  // namespace fairlead::search
