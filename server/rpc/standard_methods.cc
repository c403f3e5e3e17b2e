#include "server/rpc/standard_methods.h"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

#include "server/rpc/record_access.h"
#include "server/rpc/services.h"

namespace fairlead::rpc {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

namespace {

[[noreturn]] void Fatal(const char* what, const std::string& which) {
  std::fprintf(stderr, "standard methods: %s: %s\n", what, which.c_str());
  std::abort();
}

// A handler that answers at once.
template <class Fn>
UnaryHandler AtOnce(Fn fn) {
  return [fn = std::move(fn)](const std::shared_ptr<Call>& call, const Message& request, const Reply& reply) { reply(fn(*call, request)); };
}

}  // namespace

void StandardMethods::Register(Dispatcher* dispatcher) const {
  std::set<std::string> transitions;  // served
  for (const auto* service : Services()) {
    for (int i = 0; i < service->method_count(); ++i) {
      for (const records::RecordType& type : node_->registry().types()) {
        if (RegisterOne(type, *service->method(i), dispatcher)) transitions.insert(service->method(i)->name());
      }
    }
  }
  for (const records::RecordType& type : node_->registry().types()) {
    for (const records::Transition& transition : type.transitions) {
      if (!transitions.contains(transition.method)) Fatal("a transition without a method", transition.method);
    }
  }
}

bool StandardMethods::RegisterOne(const records::RecordType& type, const MethodDescriptor& method, Dispatcher* dispatcher) const {
  const std::string full_name = MethodName(method);
  const std::string& name = method.name();
  const std::string one = type.singular();
  const auto* record = type.prototype->GetDescriptor();
  if (name.starts_with("List") && FieldOfType(*method.output_type(), type, /*repeated=*/true) != nullptr) {
    if (!ReadMethods::CanList(type, *method.input_type())) Fatal("a filter without an index", full_name);
    const Message* response = google::protobuf::MessageFactory::generated_factory()->GetPrototype(method.output_type());
    dispatcher->Handle(full_name, AtOnce([this, &type, response](const Call& call, const Message& request) {
                         return reads_.List(type, call, request, *response);
                       }));
    return true;
  }
  if (name.starts_with("Import") && FieldOfType(*method.input_type(), type, /*repeated=*/true) != nullptr) {
    dispatcher->Handle(full_name, [this, &type](std::shared_ptr<Call> call, const Message& request, Reply reply) {
      writes_.Import(type, std::move(call), request, std::move(reply));
    });
    return true;
  }
  if (method.output_type() != record) return false;
  if (name == "Get" + one) {
    dispatcher->Handle(full_name, AtOnce([this, &type](const Call&, const Message& request) { return reads_.Get(type, request); }));
    return true;
  }
  using Write = void (WriteMethods::*)(const records::RecordType&, const std::shared_ptr<Call>&, const Message&, Reply) const;
  const auto serve = [&](Write write) {
    dispatcher->Handle(full_name, [this, &type, write](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
      (writes_.*write)(type, call, request, std::move(reply));
    });
    return true;
  };
  if (name == "Create" + one) return serve(&WriteMethods::Create);
  if (name == "Update" + one) return serve(&WriteMethods::Update);
  if (name == "Withdraw" + one) return serve(&WriteMethods::Withdraw);
  for (const records::Transition& transition : type.transitions) {
    if (name != transition.method) continue;
    dispatcher->Handle(full_name, [this, &type, &transition](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
      writes_.Move(type, transition, call, request, std::move(reply));
    });
    return true;
  }
  return false;
}

}  // namespace fairlead::rpc
