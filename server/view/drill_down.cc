#include "server/view/drill_down.h"

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace fairlead::view {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::ServiceDescriptor;

google::protobuf::Struct JsonOf(const Message& message) {
  google::protobuf::Struct json;
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    google::protobuf::Value& value = (*json.mutable_fields())[field->json_name()];
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        *value.mutable_struct_value() = JsonOf(reflection->GetMessage(message, field));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        value.set_string_value(reflection->GetEnum(message, field)->name());
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        value.set_bool_value(reflection->GetBool(message, field));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        value.set_number_value(reflection->GetInt32(message, field));
        break;
      default:
        value.set_string_value(reflection->GetString(message, field));
    }
  }
  return json;
}

}  // namespace

v1::DrillDown DrillDownTo(const Message& request) {
  v1::DrillDown way;
  const ServiceDescriptor* service = request.GetDescriptor()->file()->service(0);
  for (int i = 0; i < service->method_count(); ++i) {
    if (service->method(i)->input_type() == request.GetDescriptor()) {
      way.set_method(service->full_name() + "/" + service->method(i)->name());
    }
  }
  *way.mutable_request() = JsonOf(request);
  return way;
}

v1::Figure FigureOf(int64_t count, const Message& request) {
  v1::Figure figure;
  figure.set_count(count);
  *figure.mutable_records() = DrillDownTo(request);
  return figure;
}

}  // namespace fairlead::view
