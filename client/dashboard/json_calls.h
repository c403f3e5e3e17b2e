// The JSON form of the API, for the page: protobuf's own mapping, driven by the descriptors.
//
// A call is the name of a method and its request as JSON; the answer is its response as JSON, primitive fields included, or an error object
// with what the node said. Nothing here knows a message: what the page can call is one list of names.
//
// Thread safety: pure functions, but for the client's calls.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_JSON_CALLS_H_
#define FAIRLEAD_CLIENT_DASHBOARD_JSON_CALLS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "client/connection.h"

namespace fairlead::dashboard {

// "RecordService/ListConflicts", within fairlead.v1: everything the page may call, all of them unary.
const std::vector<std::string_view>& PageMethods();

// The method of that name; null unless it is one of PageMethods().
const google::protobuf::MethodDescriptor* FindPageMethod(std::string_view name);

// Makes the call and gives the response as JSON. INVALID_ARGUMENT (MESSAGE_MALFORMED) says what is wrong with `request`.
absl::StatusOr<std::string> CallJson(client::Client* client, const google::protobuf::MethodDescriptor& method, const std::string& request,
                                     const client::CallOptions& call, client::Answer* answer);

// INTERNAL when the message holds something that has no JSON form.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

// {"code": "NOT_FOUND", "reason": "RECORD_NOT_FOUND", "message": "...", "field": "..."}.
nlohmann::ordered_json ErrorJson(const absl::Status& status);
// The HTTP status that stands for it.
int HttpStatusOf(const absl::Status& status);

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_JSON_CALLS_H_
