#include "server/etcd/client.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

#include "server/etcd/etcd.grpc.pb.h"

namespace fairlead::etcd {

namespace {

constexpr int kMessageBytesMax = 64 << 20;
constexpr absl::Duration kPauseMin = absl::Milliseconds(20);
constexpr absl::Duration kPauseMax = absl::Seconds(1);
constexpr int kPauseDoublings = 6;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in || text.empty()) return absl::NotFoundError(fmt::format("{} cannot be read, or is empty", path));
  return text;
}

std::chrono::system_clock::time_point After(absl::Duration timeout) {
  return std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> EtcdCredentials(const std::string& ca_file, const std::string& certificate_file,
                                                                          const std::string& key_file) {
  grpc::SslCredentialsOptions ssl;
  for (const auto& [file, text] : {std::pair(ca_file, &ssl.pem_root_certs), std::pair(certificate_file, &ssl.pem_cert_chain),
                                   std::pair(key_file, &ssl.pem_private_key)}) {
    absl::StatusOr<std::string> read = ReadFile(file);
    if (!read.ok()) return read.status();
    *text = *std::move(read);
  }
  return grpc::SslCredentials(ssl);
}

struct EtcdClient::Connection {
  Connection(std::string endpoint, const std::shared_ptr<grpc::Channel>& channel)
      : endpoint(std::move(endpoint)),
        kv(pb::KV::NewStub(channel)),
        watch(pb::Watch::NewStub(channel)),
        lease(pb::Lease::NewStub(channel)),
        maintenance(pb::Maintenance::NewStub(channel)) {}
  const std::string endpoint;
  const std::unique_ptr<pb::KV::Stub> kv;
  const std::unique_ptr<pb::Watch::Stub> watch;
  const std::unique_ptr<pb::Lease::Stub> lease;
  const std::unique_ptr<pb::Maintenance::Stub> maintenance;
};

EtcdClient::EtcdClient(EtcdOptions options) : options_(std::move(options)) {}
EtcdClient::~EtcdClient() = default;

absl::StatusOr<std::shared_ptr<EtcdClient::Connection>> EtcdClient::Connect() {
  absl::MutexLock lock(&mu_);
  if (connection_ != nullptr) return connection_;
  auto credentials = options_.credentials();
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  const std::string& endpoint = options_.endpoints[next_ % options_.endpoints.size()];
  connection_ = std::make_shared<Connection>(endpoint, grpc::CreateCustomChannel(endpoint, *credentials, arguments));
  return connection_;
}

absl::Status EtcdClient::Judge(const Connection* connection, const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const absl::Status judged(static_cast<absl::StatusCode>(status.error_code()),
                            fmt::format("etcd at {}: {}", connection->endpoint, status.error_message()));
  if (!Refused(judged)) {
    absl::MutexLock lock(&mu_);
    if (connection_.get() == connection) {
      connection_.reset();
      ++next_;
    }
  }
  return judged;
}

template <class Response, class Send>
absl::StatusOr<Response> EtcdClient::Call(Send send) {
  auto connection = Connect();
  if (!connection.ok()) return connection.status();
  grpc::ClientContext context;
  context.set_deadline(After(options_.timeout));
  Response response;
  absl::Status status = Judge(connection->get(), send(**connection, &context, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<pb::TxnResponse> EtcdClient::Txn(const pb::TxnRequest& request) {
  return Call<pb::TxnResponse>(
      [&](Connection& to, grpc::ClientContext* context, pb::TxnResponse* response) { return to.kv->Txn(context, request, response); });
}

absl::Status EtcdClient::Compact(int64_t revision) {
  pb::CompactionRequest request;
  request.set_revision(revision);
  const absl::Status status =
      Call<pb::CompactionResponse>([&](Connection& to, grpc::ClientContext* context, pb::CompactionResponse* response) {
        return to.kv->Compact(context, request, response);
      }).status();
  return absl::IsOutOfRange(status) ? absl::OkStatus() : status;  // compacted there or further already
}

absl::StatusOr<int64_t> EtcdClient::Grant(absl::Duration ttl) {
  pb::LeaseGrantRequest request;
  request.set_ttl(std::max<int64_t>(1, absl::ToInt64Seconds(ttl)));
  auto response = Call<pb::LeaseGrantResponse>([&](Connection& to, grpc::ClientContext* context, pb::LeaseGrantResponse* granted) {
    return to.lease->LeaseGrant(context, request, granted);
  });
  if (!response.ok()) return response.status();
  return response->id();
}

absl::StatusOr<absl::Duration> EtcdClient::KeepAlive(int64_t lease) {
  auto response = Call<pb::LeaseKeepAliveResponse>([&](Connection& to, grpc::ClientContext* context, pb::LeaseKeepAliveResponse* kept) {
    pb::LeaseKeepAliveRequest request;
    request.set_id(lease);
    const auto stream = to.lease->LeaseKeepAlive(context);
    const bool answered = stream->Write(request) && stream->Read(kept);
    stream->WritesDone();
    if (answered) context->TryCancel();  // one answer is all that is wanted
    const grpc::Status status = stream->Finish();
    if (answered) return grpc::Status::OK;
    return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream ended without an answer") : status;
  });
  if (!response.ok()) return response.status();
  if (response->ttl() <= 0) return absl::NotFoundError("the lease has ended");
  return absl::Seconds(response->ttl());
}

absl::Status EtcdClient::Revoke(int64_t lease) {
  pb::LeaseRevokeRequest request;
  request.set_id(lease);
  const absl::Status status =
      Call<pb::LeaseRevokeResponse>([&](Connection& to, grpc::ClientContext* context, pb::LeaseRevokeResponse* response) {
        return to.lease->LeaseRevoke(context, request, response);
      }).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<pb::StatusResponse> EtcdClient::Status() {
  return Call<pb::StatusResponse>([](Connection& to, grpc::ClientContext* context, pb::StatusResponse* response) {
    return to.maintenance->Status(context, pb::StatusRequest(), response);
  });
}

absl::StatusOr<pb::AlarmResponse> EtcdClient::Alarms() {
  return Call<pb::AlarmResponse>([](Connection& to, grpc::ClientContext* context, pb::AlarmResponse* response) {
    return to.maintenance->Alarm(context, pb::AlarmRequest(), response);
  });
}

void EtcdClient::Pause(int attempt) { absl::SleepFor(std::min(kPauseMax, kPauseMin * (1 << std::min(attempt - 1, kPauseDoublings)))); }

absl::Status EtcdClient::Watch(grpc::ClientContext* context, const std::string& key, const std::function<void()>& changed) {
  auto connection = Connect();
  if (!connection.ok()) return connection.status();
  const auto stream = (*connection)->watch->Watch(context);
  pb::WatchRequest request;
  request.mutable_create_request()->set_key(key);
  stream->Write(request);
  pb::WatchResponse response;
  bool stands = false;
  while (stream->Read(&response) && !response.canceled()) {
    stands = true;
    changed();
  }
  context->TryCancel();
  const grpc::Status status = stream->Finish();
  // A watch whose time was over has done its work, and one that was ended says nothing of the member.
  if (stands && status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::CANCELLED) return absl::CancelledError("the watch was ended");
  return Judge(connection->get(), status);
}

}  // namespace fairlead::etcd
