// Server reflection (grpc.reflection.v1alpha), for grpcurl and its like.
//
// Written here because gRPC's own plugin lists only services that were registered by type, and ours pass through a generic one. Off unless
// configured; admits the identities of the policy table only.
// Thread safety: any thread. Ownership: what `identify` borrows, and this service itself, outlive the server it is registered with.

#ifndef FAIRLEAD_SERVER_RPC_REFLECTION_H_
#define FAIRLEAD_SERVER_RPC_REFLECTION_H_

#include <utility>

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/rpc/identity.h"

namespace fairlead::rpc {

class ReflectionService : public grpc::reflection::v1alpha::ServerReflection::CallbackService {
 public:
  explicit ReflectionService(Identify identify) : identify_(std::move(identify)) {}

  grpc::ServerBidiReactor<grpc::reflection::v1alpha::ServerReflectionRequest, grpc::reflection::v1alpha::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  const Identify identify_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_REFLECTION_H_
