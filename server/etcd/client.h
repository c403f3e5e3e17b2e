// etcd over its gRPC API, with TLS: calls one member of the cluster, and the next one when that does not answer.
//
// A member that has failed is dialled anew when its turn comes, with the credentials of then.
// Thread safety: any thread. Ownership: owns its connections.

#ifndef FAIRLEAD_SERVER_ETCD_CLIENT_H_
#define FAIRLEAD_SERVER_ETCD_CLIENT_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/etcd/etcd.h"

namespace fairlead::etcd {

struct EtcdOptions {
  std::vector<std::string> endpoints;  // "host:port", at least one; the host is one of its certificate's names or addresses
  std::function<absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>>()> credentials;
  absl::Duration timeout = absl::Seconds(2);  // of one call
};

// Mutual TLS from three PEM files, read at each call: who signs etcd's certificates, and this node's own chain and key towards etcd.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> EtcdCredentials(const std::string& ca_file, const std::string& certificate_file,
                                                                          const std::string& key_file);

class EtcdClient : public Etcd {
 public:
  explicit EtcdClient(EtcdOptions options);
  ~EtcdClient() override;

  absl::StatusOr<pb::TxnResponse> Txn(const pb::TxnRequest& request) override;
  absl::Status Compact(int64_t revision) override;
  absl::StatusOr<int64_t> Grant(absl::Duration ttl) override;
  absl::StatusOr<absl::Duration> KeepAlive(int64_t lease) override;
  absl::Status Revoke(int64_t lease) override;
  absl::StatusOr<pb::StatusResponse> Status() override;
  absl::StatusOr<pb::AlarmResponse> Alarms() override;
  void Pause(int attempt) override;

  // Watches a key until `context` ends: by its deadline, or cancelled. `changed` is called once the watch stands and at each change.
  // Returns why it ended.
  absl::Status Watch(grpc::ClientContext* context, const std::string& key, const std::function<void()>& changed);

 private:
  struct Connection;

  absl::StatusOr<std::shared_ptr<Connection>> Connect();
  // etcd's answer for its callers; one that may be the member's own fault makes the next call go to the next.
  absl::Status Judge(const Connection* connection, const grpc::Status& status);
  template <class Response, class Send>
  absl::StatusOr<Response> Call(Send send);

  const EtcdOptions options_;
  absl::Mutex mu_;
  size_t next_ ABSL_GUARDED_BY(mu_) = 0;  // endpoint
  std::shared_ptr<Connection> connection_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_CLIENT_H_
