// Replication over gRPC: the streams this node serves, the links it keeps to its peers, and what drives both.
//
// Each stream is one Sender or Receiver behind one mutex. One thread at a time performs the operations of a stream (a write, a read, a
// batch for the sink), always outside that mutex, and at most one write and one read are in flight. Nobody waits for a peer while holding a
// lock: a slow peer costs its own stream one frame, a dead one ends with its stall timeout.
//
// Thread safety: any thread. Ownership: borrows source and sink, which outlive it. Start once; Stop once, before the gRPC server is shut
// down and while the sink still answers the batches it was given.

#ifndef FAIRLEAD_SERVER_REPLICATION_GRPC_LINK_H_
#define FAIRLEAD_SERVER_REPLICATION_GRPC_LINK_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/server_context.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/v1/replication_service.grpc.pb.h"
#include "server/replication/backoff.h"
#include "server/replication/link_info.h"
#include "server/replication/log_io.h"
#include "server/replication/receiver.h"
#include "server/replication/sender.h"
#include "server/replication/ticker.h"

namespace fairlead::replication {

// The largest message either way. A server that registers the service must take messages of this size.
inline constexpr int kMessageBytesMax = 8 << 20;

struct PeerOptions {
  std::string site;                    // name in the roster
  std::vector<std::string> addresses;  // of the peer's node, or of each member of a site of several machines; one after another is dialled
  // Called for each dial, so that rotated certificates take effect.
  std::function<std::shared_ptr<grpc::ChannelCredentials>()> credentials;
  // Whether the certificate that the peer has shown still holds; an error ends the link with it. Null: the link is dialled anew to find
  // out.
  std::function<absl::Status()> trusted;
};

struct ReplicatorOptions {
  std::vector<PeerOptions> peers;
  // Whether peers are dialled: of a site of several machines its leader does. Null: always. What is up when it ends, Reauthorize ends.
  std::function<bool()> dials;
  SenderOptions sender;
  ReceiverOptions receiver;
  BackoffOptions backoff;
  absl::Duration stable_after = absl::Seconds(5);  // a stream that was up for this long starts the backoff anew
  absl::Duration tick = absl::Milliseconds(50);
  std::function<double()> random;  // in [0, 1), for the backoff; null: the system's
};

class PeerCall;
class PeerLink;
class ServedStream;

class Replicator {
 public:
  // Which site's node calls, by the identity that TLS has verified; an error refuses the call with it.
  using Authorize = std::function<absl::StatusOr<SiteId>(const grpc::ServerContextBase&)>;

  Replicator(ReplicatorOptions options, const LogSource* source, EntrySink* sink);
  ~Replicator();

  // Before Start. Without it nobody is admitted.
  void set_authorize(Authorize authorize) { authorize_ = std::move(authorize); }
  // To register with the server, before the server starts.
  grpc::Service* service();

  void Start();
  // Ends all streams and links and waits for their last callbacks.
  void Stop();

  // The journal has grown, by this site's own entries or by others'; or a checkpoint or cosignature is new. Never blocks on a stream.
  void OnJournalAdvanced();
  void OnAppliedChanged() { OnJournalAdvanced(); }

  // One for each configured peer, in the order of the options.
  std::vector<LinkInfo> Links() const;
  // Asks `authorize` again for every stream that is served, and `trusted` for every link; ends those refused. For certificates that have
  // ended or been revoked, and for new roots.
  void Reauthorize();

 private:
  friend class PeerCall;
  friend class PeerLink;
  friend class ServedStream;
  class Service;

  void Round(bool tick);
  grpc::ServerBidiReactor<v1::ReplicateRequest, v1::ReplicateResponse>* Serve(grpc::CallbackServerContext* context);
  void OnServedDone(const ServedStream* stream);
  std::vector<std::shared_ptr<ServedStream>> Served() const;

  const ReplicatorOptions options_;
  const LogSource* const source_;
  EntrySink* const sink_;
  Authorize authorize_;
  std::unique_ptr<Service> service_;
  std::vector<std::shared_ptr<PeerLink>> links_;
  std::atomic<bool> advanced_{false};
  Ticker ticker_;
  mutable absl::Mutex mu_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  // Every stream whose last callback is outstanding.
  std::vector<std::shared_ptr<ServedStream>> served_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_GRPC_LINK_H_
