// Of a site of several machines: a member that follows passes on, to the one that leads, the calls that only that one can answer.
//
// Those are all that write, and those whose answer the leader alone has (AnsweredByLeader). They go over a connection of the node's own,
// with its certificate; for whom, stands in metadata, which the leader believes of nodes of its own site and of nobody else. A call is
// passed on once: a member that does not lead either refuses it, so that there are no loops.
//
// Thread safety: any thread. Ownership: owns its connection; calls that are on their way outlive it.

#ifndef FAIRLEAD_SERVER_RPC_FORWARDER_H_
#define FAIRLEAD_SERVER_RPC_FORWARDER_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/string_ref.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/rpc/dispatcher.h"
#include "server/rpc/identity.h"

namespace fairlead::rpc {

// The paths of the identity that called the other member and, if it called through one, of the gateway.
inline constexpr char kCallerMetadata[] = "fairlead-caller";
inline constexpr char kCallerGatewayMetadata[] = "fairlead-caller-gateway";

// Whether only the leader can answer the method ("fairlead.v1.ReferenceService/CreatePort"): it writes, or its answer needs the leader's
// signatures or what peers say of themselves, or leaves a receipt.
bool AnsweredByLeader(std::string_view method);

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

struct PassedOn {
  Identity caller;
  std::optional<Identity> gateway;
};
// For whom a node of `site` calls; nullopt when nobody says that it calls for another. PERMISSION_DENIED, in the words of the policy's: the
// metadata of anyone else, and metadata that no node of this program sends. An empty `site` has no such nodes.
absl::StatusOr<std::optional<PassedOn>> PassedOnBy(const Identity& peer, const Metadata& metadata, std::string_view network,
                                                   std::string_view site);

struct ForwarderOptions {
  std::string site;
  std::function<bool()> leads;                                             // this member does
  std::function<std::string()> leader_address;                             // empty: nobody is known to lead
  std::function<std::shared_ptr<grpc::ChannelCredentials>()> credentials;  // of a connection to a node of the site
  // A leader that is silent for so long, while it has calls to answer, is pinged; without an answer they end. Not less than nodes permit
  // (ServerOptions::ping_interval_min).
  absl::Duration keepalive = absl::Seconds(11);
};

class Forwarder {
 public:
  struct Answer {
    absl::Status status;
    grpc::ByteBuffer message;  // when OK
    std::string token;         // the leader's; empty when it gave none
    std::string durability;
  };

  explicit Forwarder(ForwarderOptions options);
  ~Forwarder();

  const std::string& site() const { return options_.site; }
  bool leads() const { return options_.leads(); }

  // Passes a unary call on, with its deadline; ends it when `call` ends. `done` is called once, perhaps before this returns. UNAVAILABLE
  // when nobody leads or the leader cannot be reached: as when any connection breaks, it is not known whether the call was made.
  void Unary(const std::shared_ptr<Call>& call, const Metadata& metadata, grpc::ByteBuffer request, std::function<void(Answer)> done);
  // The same of a stream; `response` is the type of its messages.
  absl::StatusOr<std::shared_ptr<Source>> Stream(const std::shared_ptr<Call>& call, const Metadata& metadata, grpc::ByteBuffer request,
                                                 const google::protobuf::Message* response);

  // Another member leads, or nobody is known to: ends the calls that are on their way to one that does not, with UNAVAILABLE. It may stand
  // still, and would let them wait.
  void LeaderChanged();

  // Makes a unary call of this node's own to the leader, and waits for its answer, which is not looked at. Errors as of Unary, and the
  // leader's. `own` is the path of the node's identity.
  absl::Status Ask(std::string_view method, const google::protobuf::Message& request, const std::string& own, absl::Duration timeout);

 private:
  struct Connection;

  struct Shared;

  absl::StatusOr<std::shared_ptr<Connection>> Connect();

  const ForwarderOptions options_;
  const std::shared_ptr<Shared> shared_;  // with calls on their way
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_FORWARDER_H_
