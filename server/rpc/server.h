// The gRPC server of a node: mutual TLS, the dispatcher's methods, services of their own type, health and reflection.
//
// Health (grpc.health.v1) answers every caller whose certificate the network has issued: it says only whether the node serves.
// Thread safety: any thread. Ownership: borrows the credentials, the dispatcher and the services, which outlive it.

#ifndef FAIRLEAD_SERVER_RPC_SERVER_H_
#define FAIRLEAD_SERVER_RPC_SERVER_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "server/rpc/credentials.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/reflection.h"

namespace fairlead::rpc {

struct ServerOptions {
  std::string address;                       // "0.0.0.0:7420"; port 0: any free one
  const Credentials* credentials = nullptr;  // borrowed
  bool reflection = false;
  // Of one message in either direction; above it gRPC itself refuses. More than DispatcherOptions::request_bytes_max, so that callers are
  // told by the dispatcher, and enough for a frame of replication.
  int message_bytes_max = 16 << 20;
  int streams_per_connection_max = 1024;
  absl::Duration keepalive = absl::Seconds(30);          // a connection silent for this long is pinged, and dropped 10 s later
  absl::Duration ping_interval_min = absl::Seconds(10);  // a client that pings more often without calls is dropped (too_many_pings)
};

class Server {
 public:
  // UNAVAILABLE when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Dispatcher* dispatcher, std::vector<grpc::Service*> services);
  ~Server();  // shuts down at once

  int port() const { return port_; }

  // Says NOT_SERVING, refuses new calls with SHUTTING_DOWN, ends the streams of the dispatcher, waits up to `drain` for its calls in
  // flight, then at most a second more for streams of other services, whose owners should have ended them, and cancels what is left. Only
  // the first call has an effect.
  void Shutdown(absl::Duration drain);

 private:
  Server(ServerOptions options, Dispatcher* dispatcher);

  const ServerOptions options_;
  Dispatcher* const dispatcher_;
  std::unique_ptr<ReflectionService> reflection_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_SERVER_H_
