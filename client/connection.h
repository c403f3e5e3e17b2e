// The client of a Fairlead network: calls to the nodes over mutual TLS 1.3.
//
// Every call has a deadline. Calls that may be repeated safely (retry.h) are repeated with backoff until the deadline; a write gets one
// request id for all its attempts, so that it has one effect at any site. A call goes to another site only when failover is on, and to any
// node of its own, unless it is about one node (StaysAtItsNode of retry.h). The client presents the consistency token of its newest reply
// with every call: calls made one after the other read their own writes, whichever node answers. A call that writes says how durable its
// answer shall be.
//
// Thread safety: all methods may be called from any thread. Ownership: owns its channels.

#ifndef FAIRLEAD_CLIENT_CONNECTION_H_
#define FAIRLEAD_CLIENT_CONNECTION_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "api/tls.h"
#include "client/retry.h"
#include "fairlead/v1/attachment_service.pb.h"
#include "fairlead/v1/exchange_service.pb.h"
#include "fairlead/v1/overview_service.pb.h"
#include "fairlead/v1/record_service.pb.h"

namespace fairlead::client {

struct NodeAddress {
  std::string site;
  std::string address;  // "host:port"
};

struct ClientOptions {
  std::string network;
  std::string certificate_file;  // PEM, leaf first
  std::string key_file;          // PEM
  std::string ca_file;           // PEM, the authorities that nodes are verified against
  std::string crl_file;          // PEM, their revocation lists; empty: `crl.pem` beside `ca_file` when it is there, else none are checked
  std::vector<NodeAddress> nodes;
  std::string site;                                   // whose node is asked; the first of `nodes` when empty
  bool failover = false;                              // ask the other nodes, in order, when that one does not answer
  absl::Duration timeout = absl::Seconds(30);         // of a call with its retries
  absl::Duration attempt_timeout = absl::Seconds(5);  // of one attempt, where another node can be asked instead
  std::string durability;  // of calls that write: `local`, or `replicated:2` to be answered once 2 other sites hold it; empty is `local`
  RetryOptions retry;
};

struct CallOptions {
  std::string site;                  // this site's node, without failover; the client's own choice when empty
  absl::Duration timeout;            // the client's when zero
  std::optional<std::string> token;  // presented instead of the client's token, which is then left as it is
  std::stop_token stop;              // ends the call with CANCELLED
  std::string basis;                 // metadata fairlead-basis of a change (record_service.proto); empty: none
  std::string viewer;                // of a gateway's call: the identity it is made for, such as "officer/apac/watch"
  std::string address;               // this node alone, of those of `site`; empty: any of them
};

// Who answered.
struct Answer {
  std::string site;
  std::string address;
  int attempts = 0;
  std::string durability;  // what the node said of it: `replicated:2 eame,hq`; empty for `local`
  std::string token;       // the consistency token of the reply; empty of a watch
};

// Before the first secure channel of the process; Client::Connect calls it.
using fairlead::RequireTls13;

class Client {
 public:
  // Reads the key and certificates. Does not connect yet. INVALID_ARGUMENT names the option; NOT_FOUND the file.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options);
  // A client over channels that the caller made, one for each of `options.nodes`. REQUIRES: Validate(options).ok().
  Client(ClientOptions options, std::vector<std::shared_ptr<grpc::Channel>> channels);
  // Checks all but the files.
  static absl::Status Validate(const ClientOptions& options);

  const ClientOptions& options() const { return options_; }
  bool HasSite(std::string_view site) const;

  // One unary call. Sets the request's `request_id` where there is such a field and it is empty. Errors carry the reason and field
  // that the node gave (api/errors.h).
  absl::Status Call(const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                    google::protobuf::Message* response, const CallOptions& call = {}, Answer* answer = nullptr);
  // The same by name, such as "fairlead.v1.ReferenceService.GetPort". REQUIRES: the method exists and answers with a Response.
  template <class Response>
  absl::StatusOr<Response> Call(const std::string& method, const google::protobuf::Message& request, const CallOptions& call = {},
                                Answer* answer = nullptr) {
    Response response;
    absl::Status status = Call(Method(method), request, &response, call, answer);
    if (!status.ok()) return status;
    return response;
  }

  // Follows the change feed of one node until `stop`, until `on_event` returns false (both: OK), or until an error that does not pass.
  // Events come one by one, also when a message brings several (up to 100, unless the request says otherwise). A broken stream is resumed
  // after the last event. `on_retry` is told of each break.
  absl::Status Watch(fairlead::v1::WatchRecordsRequest request,
                     const std::function<bool(const fairlead::v1::WatchRecordsResponse&)>& on_event,
                     const std::function<void(const absl::Status&)>& on_retry, const CallOptions& call, Answer* answer = nullptr);

  // Follows the overview of one node, likewise: it is whole in each message, so that a broken stream begins anew.
  absl::Status WatchOverview(const fairlead::v1::WatchOverviewRequest& request,
                             const std::function<bool(const fairlead::v1::Overview&)>& on_overview,
                             const std::function<void(const absl::Status&)>& on_retry, const CallOptions& call, Answer* answer = nullptr);

  // Streams the bytes of an attachment from the request's offset on, in order. A broken stream is taken up again after the last piece, as
  // long as each brings something; UNAVAILABLE and DEADLINE_EXCEEDED otherwise. Ends with an error of `on_piece`.
  using OnPiece = std::function<absl::Status(std::string_view)>;
  absl::Status Download(fairlead::v1::DownloadAttachmentRequest request, const OnPiece& on_piece, const CallOptions& call = {},
                        Answer* answer = nullptr);
  absl::Status Download(fairlead::v1::DownloadReleasedAttachmentRequest request, const OnPiece& on_piece, const CallOptions& call = {},
                        Answer* answer = nullptr);
  // Follows what is released to the caller's nation, likewise; but a broken stream goes on at the next node of the configuration, since
  // these tokens are the network's.
  absl::Status WatchReleased(fairlead::v1::WatchReleasedRecordsRequest request,
                             const std::function<bool(const fairlead::v1::WatchReleasedRecordsResponse&)>& on_response,
                             const std::function<void(const absl::Status&)>& on_retry, const CallOptions& call);

  // The token of the newest reply; empty before the first.
  std::string token() const;

 private:
  static const google::protobuf::MethodDescriptor& Method(const std::string& full_name);
  // The nodes to ask, in order. Of a site's several, first the one that answered last: one that is silent costs time once.
  absl::StatusOr<std::vector<size_t>> Route(const CallOptions& call) const;
  // Presents the token and the wish for durability.
  void Prepare(const CallOptions& call, bool writes, grpc::ClientContext* context) const;
  absl::Status Attempt(size_t node, const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                       google::protobuf::Message* response, absl::Time deadline, const CallOptions& call, Answer* answer);
  // Reads the stream that `open` begins at the first of `nodes`, and begins it anew at the next when it breaks off, until `on_response`
  // wants no more or the call is stopped. An error that another attempt does not mend ends it.
  template <class Response>
  absl::Status Follow(const std::vector<size_t>& nodes,
                      const std::function<std::unique_ptr<grpc::ClientReader<Response>>(size_t node, grpc::ClientContext* context)>& open,
                      const std::function<bool(Response&)>& on_response, const std::function<void(const absl::Status&)>& on_retry,
                      const CallOptions& call);
  template <class Service, class Request>
  absl::Status DownloadBy(Request request, const OnPiece& on_piece, const CallOptions& call, Answer* answer);
  double Jitter();

  const ClientOptions options_;
  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  mutable absl::Mutex mutex_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  size_t answered_ ABSL_GUARDED_BY(mutex_) = 0;  // the node that answered last, of a site that has several
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_){std::random_device()()};
};

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_CONNECTION_H_
