// The services of fairlead.v1 that this program links.
//
// Thread safety: constant. Ownership: descriptors live as long as the program.

#ifndef FAIRLEAD_SERVER_RPC_SERVICES_H_
#define FAIRLEAD_SERVER_RPC_SERVICES_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace fairlead::rpc {

// A new service file costs one line in services.cc: a descriptor that nothing refers to is not linked from a static library.
const std::vector<const google::protobuf::ServiceDescriptor*>& Services();

// "fairlead.v1.ReferenceService/GetPort".
std::string MethodName(const google::protobuf::MethodDescriptor& method);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_SERVICES_H_
