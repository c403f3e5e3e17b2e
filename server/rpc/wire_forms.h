// How times and entries are written in replies.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_RPC_WIRE_FORMS_H_
#define FAIRLEAD_SERVER_RPC_WIRE_FORMS_H_

#include <absl/time/time.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <optional>
#include <string>
#include <string_view>

#include "api/ids.h"
#include "api/roster.h"

namespace fairlead::rpc {

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* out);
void SetDuration(absl::Duration duration, google::protobuf::Duration* out);
absl::Time TimeOf(Hlc time);

// Adds a message that is in wire form already to the repeated `field`. It is written where the message is serialised, behind the known
// fields, and is what a reader finds in `field`; here it is not seen there.
void AddEncoded(const google::protobuf::FieldDescriptor* field, const std::string& bytes, google::protobuf::Message* message);

// The name of the log's site; empty for a log that the roster does not have.
std::string SiteName(const Roster& roster, LogId log);
// `{site}/{epoch}/{sequence}`; of another stream than main, `{site}/{epoch}/{stream}/{sequence}`.
std::string EntryName(const Roster& roster, Dot dot);
// The entry that is so named; nullopt when the roster has no such log, or it is no name.
std::optional<Dot> ParseEntryName(const Roster& roster, std::string_view name);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_WIRE_FORMS_H_
