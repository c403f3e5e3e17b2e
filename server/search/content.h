// What search knows of a record: its words, and what it can be filtered by, as the `search` options of its message say (options.proto).
//
// Thread safety: pure functions. Ownership: values.

#ifndef FAIRLEAD_SERVER_SEARCH_CONTENT_H_
#define FAIRLEAD_SERVER_SEARCH_CONTENT_H_

#include <absl/time/civil_time.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <set>
#include <string>
#include <vector>

#include "google/type/date.pb.h"
#include "server/records/record_type.h"

namespace fairlead::search {

struct Content {
  std::string title;                // its own, or the beginning of its text
  std::vector<std::string> titles;  // whose words count for more
  std::vector<std::string> texts;
  std::set<std::string> countries;  // "countries/JP"
  std::set<int> regions;            // of v1::Region
  std::string state;                // "CLOSED"; empty when it has none
  std::string kind;                 // likewise
  google::type::Date date;          // the first day, perhaps known to the month or year only
  absl::CivilDay first, last;       // the days that the record may be about, both included
};

// Whether records of the type have words to be found by.
bool IsSearchable(const records::RecordType& type);

bool IsWithdrawn(const google::protobuf::Message& record);

// REQUIRES: `record` is one of `type`.
Content ContentOf(const records::RecordType& type, const google::protobuf::Message& record);

// The value as it is asked for: "CLOSED" of ENGAGEMENT_STATE_CLOSED.
std::string ShortName(const google::protobuf::EnumValueDescriptor& value);
// Those that a record of the type may have; none when it has no state, or no kind.
std::set<std::string> StatesOf(const records::RecordType& type);
std::set<std::string> KindsOf(const records::RecordType& type);

// Changes when other fields of the registry's types are put to other uses.
std::string UsesOf(const records::Registry& registry);

}  // namespace fairlead::search

#endif  // FAIRLEAD_SERVER_SEARCH_CONTENT_H_
