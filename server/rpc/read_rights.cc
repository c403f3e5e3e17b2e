#include "server/rpc/read_rights.h"

#include <algorithm>
#include <map>

#include "api/errors.h"
#include "server/rpc/policy.h"
#include "server/rpc/services.h"

namespace fairlead::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::MethodDescriptor;

// The method that gets one record of a type, by the type's message.
const std::map<const Descriptor*, std::string>& GetMethods() {
  static const auto* const methods = [] {
    auto* all = new std::map<const Descriptor*, std::string>;
    for (const auto* service : Services()) {
      for (int i = 0; i < service->method_count(); ++i) {
        const MethodDescriptor& method = *service->method(i);
        if (method.name() == "Get" + method.output_type()->name()) all->emplace(method.output_type(), MethodName(method));
      }
    }
    return all;
  }();
  return *methods;
}

}  // namespace

absl::Status CheckMayRead(const Call& call, const records::RecordType& type) {
  const auto method = GetMethods().find(type.prototype->GetDescriptor());
  if (method == GetMethods().end()) {
    const bool staff = call.identity.kind == IdentityKind::kOfficer || call.identity.kind == IdentityKind::kHq;
    return staff && call.gateway.empty() ? absl::OkStatus() : Error(Reason::kPermissionDenied, "not permitted");
  }
  if (!call.gateway.empty()) {
    const absl::Status passed_on = Authorize({.kind = IdentityKind::kGateway}, method->second);
    if (!passed_on.ok()) return passed_on;
  }
  return Authorize(call.identity, method->second);
}

bool MayRead(const Call& call, const records::RecordType& type) { return CheckMayRead(call, type).ok(); }

std::set<std::string> ReadableCollections(const Call& call, const records::Registry& registry) {
  std::set<std::string> collections;
  for (const records::RecordType& type : registry.types()) {
    if (MayRead(call, type)) collections.insert(type.collection());
  }
  return collections;
}

bool MayRead(const Call& call, const records::Registry& registry, const v1::Erasure& erasure) {
  return std::all_of(erasure.records().begin(), erasure.records().end(), [&](const std::string& name) {
    const records::RecordType* type = registry.FindByName(name);
    return type != nullptr && MayRead(call, *type);
  });
}

}  // namespace fairlead::rpc
