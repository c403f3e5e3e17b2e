#include "tests/bench/etcd.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "certs/files.h"
#include "server/etcd/etcd.pb.h"
#include "tests/bench/network.h"
#include "tests/framework/eventually.h"

namespace fairlead::bench {
namespace {

constexpr int64_t kQuotaBytes = int64_t{8} << 30;
const std::string kFirstKey(1, '\0');  // with this as the end of a range too: every key

}  // namespace

absl::StatusOr<std::unique_ptr<Etcd>> Etcd::Start(int channels, int members) {
  std::unique_ptr<Etcd> etcd(new Etcd);
  absl::StatusOr<std::unique_ptr<framework::EtcdCluster>> server =
      framework::EtcdCluster::Start({.members = members, .quota_bytes = kQuotaBytes});
  if (!server.ok()) return server.status();
  etcd->server_ = *std::move(server);
  // They listen before they have elected one.
  if (!framework::Eventually([&] { return (etcd->leader_ = etcd->server_->Leader()) >= 0; }, kPeerStartTimeout)) {
    return etcd->server_->WithLog(absl::UnavailableError("etcd has no leader"));
  }
  for (int i = 0; i < channels; ++i) {
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = etcd->Channel();
    if (!channel.ok()) return channel.status();
    etcd->callers_.push_back(std::make_unique<Caller>(*channel));
  }
  absl::Status answered;
  framework::Eventually(
      [&] {
        answered = etcd->callers_[0]->CallAndWait(kPut, PutRequest(0)).status();
        return answered.ok();
      },
      kPeerStartTimeout);
  if (!answered.ok()) return etcd->server_->WithLog(answered);
  return etcd;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Etcd::Channel() const {
  grpc::SslCredentialsOptions ssl;
  const PeerHome& home = server_->home();
  for (const auto& [file, text] : {std::pair(home.ca_file(), &ssl.pem_root_certs), std::pair(home.certificate_file(), &ssl.pem_cert_chain),
                                   std::pair(home.key_file(), &ssl.pem_private_key)}) {
    absl::StatusOr<std::string> bytes = certs::ReadFile(file);
    if (!bytes.ok()) return bytes.status();
    *text = *std::move(bytes);
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel(server_->endpoints()[static_cast<size_t>(leader_)], grpc::SslCredentials(ssl), arguments);
}

absl::StatusOr<int64_t> Etcd::Keys() {
  etcdserverpb::RangeRequest request;
  request.set_key(kFirstKey);
  request.set_range_end(kFirstKey);
  request.set_count_only(true);
  const absl::StatusOr<std::string> reply = callers_[0]->CallAndWait(kRange, request.SerializeAsString());
  if (!reply.ok()) return reply.status();
  etcdserverpb::RangeResponse response;
  if (!response.ParseFromString(*reply)) return absl::InternalError("etcd's reply is no RangeResponse");
  return response.count();
}

std::string Etcd::Key(int64_t n) { return fmt::format("engagements/{:026}", n); }

std::string Etcd::PutRequest(int64_t n) {
  static const std::string record = RecordBytes();
  etcdserverpb::PutRequest request;
  request.set_key(Key(n));
  request.set_value(record);
  return request.SerializeAsString();
}

std::string Etcd::GetRequest(int64_t n) {
  etcdserverpb::RangeRequest request;
  request.set_key(Key(n));
  request.set_serializable(true);
  return request.SerializeAsString();
}

std::string Etcd::WatchRequest() {
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key(kFirstKey);
  request.mutable_create_request()->set_range_end(kFirstKey);
  return request.SerializeAsString();
}

int64_t Etcd::Events(const std::string& message) {
  etcdserverpb::WatchResponse response;
  return response.ParseFromString(message) ? response.events_size() : 0;
}

}  // namespace fairlead::bench
