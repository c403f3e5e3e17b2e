#include "server/rpc/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <vector>

#include "api/errors.h"
#include "server/rpc/policy.h"
#include "server/rpc/services.h"

namespace fairlead::rpc {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

namespace {

constexpr char kMethod[] = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

void NotFound(ServerReflectionResponse* response) {
  response->mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
  response->mutable_error_response()->set_error_message("not found");
}

// The file and all that it imports, each once.
void AddFile(const FileDescriptor* file, std::set<const FileDescriptor*>* seen, ServerReflectionResponse* response) {
  if (!seen->insert(file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  response->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) AddFile(file->dependency(i), seen, response);
}

void AnswerFile(const FileDescriptor* file, ServerReflectionResponse* response) {
  if (file == nullptr) return NotFound(response);
  std::set<const FileDescriptor*> seen;
  AddFile(file, &seen, response);
}

void AnswerExtensionNumbers(const std::string& name, ServerReflectionResponse* response) {
  const Descriptor* type = Pool().FindMessageTypeByName(name);
  if (type == nullptr) return NotFound(response);
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(type, &extensions);
  response->mutable_all_extension_numbers_response()->set_base_type_name(name);
  for (const FieldDescriptor* extension : extensions) {
    response->mutable_all_extension_numbers_response()->add_extension_number(extension->number());
  }
}

void AnswerServices(ServerReflectionResponse* response) {
  for (const auto* service : Services()) response->mutable_list_services_response()->add_service()->set_name(service->full_name());
  response->mutable_list_services_response()->add_service()->set_name("grpc.health.v1.Health");
  response->mutable_list_services_response()->add_service()->set_name("grpc.reflection.v1alpha.ServerReflection");
}

void AnswerTo(const ServerReflectionRequest& request, ServerReflectionResponse* response) {
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      return AnswerFile(Pool().FindFileByName(request.file_by_filename()), response);
    case ServerReflectionRequest::kFileContainingSymbol:
      return AnswerFile(Pool().FindFileContainingSymbol(request.file_containing_symbol()), response);
    case ServerReflectionRequest::kFileContainingExtension: {
      const Descriptor* type = Pool().FindMessageTypeByName(request.file_containing_extension().containing_type());
      const FieldDescriptor* extension =
          type == nullptr ? nullptr : Pool().FindExtensionByNumber(type, request.file_containing_extension().extension_number());
      return AnswerFile(extension == nullptr ? nullptr : extension->file(), response);
    }
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      return AnswerExtensionNumbers(request.all_extension_numbers_of_type(), response);
    case ServerReflectionRequest::kListServices:
      return AnswerServices(response);
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  response->mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
  response->mutable_error_response()->set_error_message("the request asks for nothing");
}

// Answers one question at a time: the next is read when the answer to the last has left.
class Conversation : public grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse> {
 public:
  explicit Conversation(const absl::Status& admitted) {
    if (admitted.ok()) {
      StartRead(&request_);
    } else {
      Finish(ToGrpc(admitted));
    }
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_.Clear();
    AnswerTo(request_, &response_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(ToGrpc(absl::CancelledError("the caller has gone")));
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  ServerReflectionRequest request_;
  ServerReflectionResponse response_;
};

}  // namespace

grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse>* ReflectionService::ServerReflectionInfo(
    grpc::CallbackServerContext* context) {
  return new Conversation(Admit(identify_(*context->auth_context()), kMethod).status());
}

}  // namespace fairlead::rpc
