#include "server/rpc/server.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"

namespace fairlead::rpc {
namespace {

constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kPingStrikesMax = 2;                         // gRPC's default, said so that it stays
constexpr absl::Duration kOthersGrace = absl::Seconds(1);  // for streams of other services, once the dispatcher's calls have ended

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

}  // namespace

Server::Server(ServerOptions options, Dispatcher* dispatcher) : options_(std::move(options)), dispatcher_(dispatcher) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Dispatcher* dispatcher, std::vector<grpc::Service*> services) {
  std::unique_ptr<Server> server(new Server(std::move(options), dispatcher));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(server->options_.address, server->options_.credentials->ForServer(), &server->port_);
  builder.RegisterCallbackGenericService(dispatcher);
  for (grpc::Service* service : services) builder.RegisterService(service);
  if (server->options_.reflection) {
    server->reflection_ = std::make_unique<ReflectionService>(
        [credentials = server->options_.credentials](const grpc::AuthContext& context) { return credentials->Identify(context); });
    builder.RegisterService(server->reflection_.get());
  }
  builder.SetMaxReceiveMessageSize(server->options_.message_bytes_max);
  builder.SetMaxSendMessageSize(server->options_.message_bytes_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, server->options_.streams_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(server->options_.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Milliseconds(server->options_.ping_interval_min));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kPingStrikesMax);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two nodes on one port are a mistake
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return absl::UnavailableError(fmt::format("cannot listen on {}", server->options_.address));
  }
  return server;
}

void Server::Shutdown(absl::Duration drain) {
  if (server_ == nullptr) return;
  if (grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService()) health->Shutdown();
  dispatcher_->Drain();
  const absl::Time deadline = absl::Now() + drain;
  dispatcher_->AwaitIdle(deadline);
  // What is left are streams that end only with their caller, such as a watch of health.
  server_->Shutdown(absl::ToChronoTime(std::min(deadline, absl::Now() + kOthersGrace)));
  server_->Wait();
}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

}  // namespace fairlead::rpc
