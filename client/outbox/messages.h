// Requests and records of any type, by what all of them have in common.
//
// Thread safety: pure functions over their arguments. Ownership: results are the caller's.

#ifndef FAIRLEAD_CLIENT_OUTBOX_MESSAGES_H_
#define FAIRLEAD_CLIENT_OUTBOX_MESSAGES_H_

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fairlead::client {

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

// Null when there is no such method in the API.
const google::protobuf::MethodDescriptor* MethodNamed(const std::string& full_name);
MessagePtr NewMessage(const google::protobuf::Descriptor& type);
// DATA_LOSS when the bytes are no such message.
absl::StatusOr<MessagePtr> ParseMessage(const google::protobuf::Descriptor& type, const std::string& bytes);

// A text field by name; empty when there is none.
std::string TextOf(const google::protobuf::Message& message, const std::string& field);
// REQUIRES: there is such a field.
void SetText(google::protobuf::Message* message, const std::string& field, const std::string& value);

// Whether the method makes a record.
bool Creates(const google::protobuf::MethodDescriptor& method);
// The field of a Create's or Update's request that holds the record: of the type that the method answers with. Null in others.
const google::protobuf::FieldDescriptor* RecordFieldOf(const google::protobuf::MethodDescriptor& method);
// The message of a request that carries the etag: the record in it, or itself. Null when it has none.
google::protobuf::Message* EtagHolder(const google::protobuf::MethodDescriptor& method, google::protobuf::Message* request);

// Shows in `record` what the change will make of it: the fields of an update, and those that a lifecycle method sets. Not the state
// that a lifecycle method leads to: that is the node's to say.
void ShowChange(const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                google::protobuf::Message* record);

// Whether `text` is the name of the record, or of something beneath it.
bool Names(std::string_view text, std::string_view record);
// Whether some text of the message names the record.
bool Mentions(const google::protobuf::Message& message, std::string_view record);
// Puts `now` where the message names `before`.
void Rename(google::protobuf::Message* message, std::string_view before, std::string_view now);

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_OUTBOX_MESSAGES_H_
