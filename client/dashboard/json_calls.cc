#include "client/dashboard/json_calls.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <memory>

#include "api/errors.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/overview_service.pb.h"
#include "fairlead/v1/record_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/search_service.pb.h"

namespace fairlead::dashboard {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;

// Their services, and the records that may come inside an Any. Named, so that the linker keeps them.
void KeepDefinitions() {
  for (const FileDescriptor* file : {v1::GetOverviewRequest::descriptor()->file(), v1::GetCountryRequest::descriptor()->file(),
                                     v1::GetEngagementRequest::descriptor()->file(), v1::ListConflictsRequest::descriptor()->file(),
                                     v1::GetNodeStatusRequest::descriptor()->file(), v1::SearchRequest::descriptor()->file()}) {
    if (file == nullptr) std::abort();
  }
}

}  // namespace

const std::vector<std::string_view>& PageMethods() {
  static const auto* const methods = new std::vector<std::string_view>{
      "OverviewService/GetOverview",

      "ReferenceService/GetCountry",        "ReferenceService/ListCountries",
      "ReferenceService/ListPorts",         "ReferenceService/ListLiaisonOfficers",

      "EngagementService/GetEngagement",    "EngagementService/ListEngagements",
      "EngagementService/ListObservations", "EngagementService/ListFollowUps",

      "RecordService/ListRevisions",        "RecordService/ListConflicts",
      "RecordService/GetConflict",          "RecordService/ResolveConflict",

      "NodeService/GetNodeStatus",          "NodeService/GetStateDigest",
      "NodeService/ListOpaqueEntries",      "SearchService/Search",
  };
  return *methods;
}

const MethodDescriptor* FindPageMethod(std::string_view name) {
  const std::vector<std::string_view>& methods = PageMethods();
  if (std::find(methods.begin(), methods.end(), name) == methods.end()) return nullptr;
  KeepDefinitions();
  std::string full = "fairlead.v1." + std::string(name);
  full[full.find('/')] = '.';
  return DescriptorPool::generated_pool()->FindMethodByName(full);
}

absl::StatusOr<std::string> ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return Error(Reason::kInternal, "the answer has no JSON form: " + status.ToString());
  return text;
}

absl::StatusOr<std::string> CallJson(client::Client* client, const MethodDescriptor& method, const std::string& request,
                                     const client::CallOptions& call, client::Answer* answer) {
  MessageFactory* const factory = MessageFactory::generated_factory();
  const std::unique_ptr<Message> input(factory->GetPrototype(method.input_type())->New());
  const std::unique_ptr<Message> output(factory->GetPrototype(method.output_type())->New());
  const auto parsed = google::protobuf::util::JsonStringToMessage(request, input.get());
  if (!parsed.ok()) {
    return Error(Reason::kMessageMalformed, "the request is no " + method.input_type()->name() + ": " + std::string(parsed.message()));
  }
  if (absl::Status status = client->Call(method, *input, output.get(), call, answer); !status.ok()) return status;
  return ToJson(*output);
}

nlohmann::ordered_json ErrorJson(const absl::Status& status) {
  return {{"code", absl::StatusCodeToString(status.code())},
          {"reason", ReasonOf(status)},
          {"message", std::string(status.message())},
          {"field", FieldOf(status)}};
}

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace fairlead::dashboard
