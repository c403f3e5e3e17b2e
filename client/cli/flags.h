// Flags from the fields of a request, and their values as people type them.
//
//   string     as it is; references may leave out the collection (--country JP)     enum       last words of the value (--kind
//   country-visit) date       2026-05-01, 2026-05 or 2026                                             position   35.45,139.65 (latitude,
//   longitude) message    field=value,field=value, or a JSON object                               repeated   the flag once for each value
//
// Thread safety: pure functions. Ownership: descriptors are the generated pool's.

#ifndef FAIRLEAD_CLIENT_CLI_FLAGS_H_
#define FAIRLEAD_CLIENT_CLI_FLAGS_H_

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "client/cli/resources.h"

namespace fairlead::cli {

struct Flag {
  std::string name;         // "--start-date"
  std::string placeholder;  // "DATE"
  std::string help;
  std::vector<std::string> choices;  // of an enum
  const google::protobuf::FieldDescriptor* field = nullptr;
  bool of_record = false;  // a field of the record in the request, not of the request itself
};

// The flags of a verb: what the request asks for beyond names, etag, request id and paging, which the command line supplies.
std::vector<Flag> FlagsOf(const Resource& resource, const Verb& verb);

// The field of the request that holds the record; null when there is none.
const google::protobuf::FieldDescriptor* RecordField(const google::protobuf::Descriptor& request, const google::protobuf::Descriptor& type);

// Sets `field` of `message` to what was typed. INVALID_ARGUMENT says what would have been right. REQUIRES: values is not empty.
absl::Status SetField(google::protobuf::Message* message, const google::protobuf::FieldDescriptor& field,
                      const std::vector<std::string>& values);

// "country-visit" for ENGAGEMENT_KIND_COUNTRY_VISIT; empty for the value 0.
std::string ShortEnum(const google::protobuf::EnumValueDescriptor& value);
// Likewise of its number; of one that a later release has, the number itself.
std::string ShortEnum(const google::protobuf::EnumDescriptor& type, int number);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_FLAGS_H_
