#include "tests/bench/etcd.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <signal.h>

#include "certs/files.h"
#include "etcd.pb.h"
#include "tests/bench/network.h"
#include "tests/framework/eventually.h"
#include "tests/framework/ports.h"

namespace fairlead::bench {
namespace {

constexpr char kProgram[] = "/usr/bin/etcd";
constexpr char kLog[] = "etcd.log";
constexpr int64_t kQuotaBytes = int64_t{8} << 30;
const std::string kFirstKey(1, '\0');  // with this as the end of a range too: every key

}  // namespace

absl::StatusOr<std::unique_ptr<Etcd>> Etcd::Start(int channels) {
  if (absl::Status there = RequireProgram(kProgram, "etcd-server"); !there.ok()) return there;
  std::unique_ptr<Etcd> etcd(new Etcd);
  absl::StatusOr<std::unique_ptr<PeerHome>> home = PeerHome::Make();
  if (!home.ok()) return home.status();
  etcd->home_ = *std::move(home);
  const absl::StatusOr<int> port = framework::FreePort();
  const absl::StatusOr<int> peer_port = framework::FreePort();
  if (!port.ok() || !peer_port.ok()) return port.ok() ? peer_port.status() : port.status();
  etcd->port_ = *port;
  const PeerHome& files = *etcd->home_;
  const std::string client_url = fmt::format("https://127.0.0.1:{}", *port);
  const std::string peer_url = fmt::format("https://127.0.0.1:{}", *peer_port);
  absl::StatusOr<std::unique_ptr<framework::Process>> process = files.Start(
      {kProgram, "--name=peer", "--data-dir=" + files.path() + "/data", "--listen-client-urls=" + client_url,
       "--advertise-client-urls=" + client_url, "--listen-peer-urls=" + peer_url, "--initial-advertise-peer-urls=" + peer_url,
       "--initial-cluster=peer=" + peer_url, "--client-cert-auth", "--trusted-ca-file=" + files.ca_file(),
       "--cert-file=" + files.certificate_file(), "--key-file=" + files.key_file(), "--peer-client-cert-auth",
       "--peer-trusted-ca-file=" + files.ca_file(), "--peer-cert-file=" + files.certificate_file(), "--peer-key-file=" + files.key_file(),
       fmt::format("--quota-backend-bytes={}", kQuotaBytes), "--logger=zap", "--log-level=error"},
      kLog);
  if (!process.ok()) return process.status();
  etcd->process_ = *std::move(process);
  const bool ready = framework::Eventually([&] { return etcd->process_->HasEnded() || Listens(*port); }, kPeerStartTimeout);
  if (!ready || etcd->process_->HasEnded()) return files.WithLog(absl::UnavailableError("etcd does not listen"), kLog);
  for (int i = 0; i < channels; ++i) {
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = etcd->Channel();
    if (!channel.ok()) return channel.status();
    etcd->callers_.push_back(std::make_unique<Caller>(*channel));
  }
  // It listens before it has elected itself.
  absl::Status answered;
  framework::Eventually(
      [&] {
        answered = etcd->callers_[0]->CallAndWait(kPut, PutRequest(0)).status();
        return answered.ok();
      },
      kPeerStartTimeout);
  if (!answered.ok()) return files.WithLog(answered, kLog);
  return etcd;
}

Etcd::~Etcd() { EndPeer(process_.get(), SIGTERM); }

absl::StatusOr<std::shared_ptr<grpc::Channel>> Etcd::Channel() const {
  grpc::SslCredentialsOptions ssl;
  for (const auto& [file, text] :
       {std::pair(home_->ca_file(), &ssl.pem_root_certs), std::pair(home_->certificate_file(), &ssl.pem_cert_chain),
        std::pair(home_->key_file(), &ssl.pem_private_key)}) {
    absl::StatusOr<std::string> bytes = certs::ReadFile(file);
    if (!bytes.ok()) return bytes.status();
    *text = *std::move(bytes);
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel(fmt::format("127.0.0.1:{}", port_), grpc::SslCredentials(ssl), arguments);
}

absl::StatusOr<int64_t> Etcd::Keys() {
  etcd::RangeRequest request;
  request.set_key(kFirstKey);
  request.set_range_end(kFirstKey);
  request.set_count_only(true);
  const absl::StatusOr<std::string> reply = callers_[0]->CallAndWait(kRange, request.SerializeAsString());
  if (!reply.ok()) return reply.status();
  etcd::RangeResponse response;
  if (!response.ParseFromString(*reply)) return absl::InternalError("etcd's reply is no RangeResponse");
  return response.count();
}

std::string Etcd::Key(int64_t n) { return fmt::format("engagements/{:026}", n); }

std::string Etcd::PutRequest(int64_t n) {
  static const std::string record = RecordBytes();
  etcd::PutRequest request;
  request.set_key(Key(n));
  request.set_value(record);
  return request.SerializeAsString();
}

std::string Etcd::GetRequest(int64_t n) {
  etcd::RangeRequest request;
  request.set_key(Key(n));
  request.set_serializable(true);
  return request.SerializeAsString();
}

std::string Etcd::WatchRequest() {
  etcd::WatchRequest request;
  request.mutable_create_request()->set_key(kFirstKey);
  request.mutable_create_request()->set_range_end(kFirstKey);
  return request.SerializeAsString();
}

int64_t Etcd::Events(const std::string& message) {
  etcd::WatchResponse response;
  return response.ParseFromString(message) ? response.events_size() : 0;
}

}  // namespace fairlead::bench
